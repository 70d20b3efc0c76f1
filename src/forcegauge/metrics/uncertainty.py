"""Aggregates over cases and their 95 % intervals.

A NaN score means that a case has no such score, and it is left out. Intervals are given from :data:`MIN_CASES`
scores on; below, and wherever the data cannot support one, both ends are NaN: unknown, which is not the same as
certain.

Ties: where all scores are equal there is no spread to resample. The interval of a proportion is still known (Wilson),
that of a mean or median is not and its ends are NaN. A median may keep an interval of zero width if other scores
differ: when most cases share one value, the middle of the population is that value at the stated confidence, as the
exact interval from order statistics says too.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

MIN_CASES = 10
CONFIDENCE = 0.95
_CHUNK = 4_000_000
"""Numbers drawn at a time, so that memory stays near 64 MB."""


class Estimate(NamedTuple):
    """An aggregate and its interval.

    Args:
        value: NaN where no case has a score.
        low: lower end of the 95 % interval, NaN where it is unknown.
        high: its upper end.
        n: scores that it is made of.
    """

    value: float
    low: float
    high: float
    n: int


def estimate(
    scores: ArrayLike,
    aggregate: Literal["mean", "median", "proportion"],
    *,
    n_resamples: int = 4000,
    seed: int = 0,
) -> Estimate:
    """The aggregate of per-case scores with its 95 % interval: the same scores in any order give the same answer.

    Args:
        scores: [n_cases]; NaN where a case has none.
        aggregate: ``mean`` (BCa bootstrap over cases, Efron 1987, doi:10.2307/2289144), ``median`` (percentile
            bootstrap; BCa is unstable for it) or ``proportion`` of scores equal to 1 (Wilson 1927,
            doi:10.2307/2276774).
        n_resamples: bootstrap samples.
        seed: of the resampling.
    """
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    if aggregate == "proportion":
        share = float(np.mean(values == 1))
        low, high = wilson(int(np.sum(values == 1)), n) if n >= MIN_CASES else (math.nan, math.nan)
        return Estimate(share, low, high, n)
    is_mean = aggregate == "mean"
    value = float(_mean(values) if is_mean else np.median(values))
    if n < MIN_CASES or values[0] == values[-1] or (is_mean and not np.isfinite(value)):
        return Estimate(value, math.nan, math.nan, n)
    resampled = _resample(values, is_mean, n_resamples, np.random.default_rng(seed))
    tails = np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
    if is_mean:
        tails = _bca_levels(values, value, resampled, tails)
    # An order statistic instead of an interpolated one: infinite scores stay infinite instead of becoming NaN.
    low, high = np.quantile(resampled, tails, method="inverted_cdf")
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a proportion; never of zero width, 0 of n reaches up to about 3.8 / (n + 3.8)."""
    z = float(ndtri((1 + CONFIDENCE) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def _mean(values: Floats) -> float:
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf and overflow give a mean that is not finite
        return float(np.mean(values))


def _resample(values: Floats, is_mean: bool, n_resamples: int, rng: np.random.Generator) -> Floats:
    """[n_resamples], the aggregate of cases drawn with replacement."""
    n = len(values)
    step = max(1, _CHUNK // n)
    parts = []
    for start in range(0, n_resamples, step):
        rows = rng.integers(0, n, size=(min(step, n_resamples - start), n), dtype=np.int32)
        drawn = values[rows]
        parts.append(drawn.mean(axis=1) if is_mean else _middle(drawn))
    return np.concatenate(parts)


def _middle(drawn: Floats) -> Floats:
    n = drawn.shape[1]
    lower, upper = (n - 1) // 2, n // 2
    ordered = np.partition(drawn, (lower, upper), axis=1)
    middle: Floats = (ordered[:, lower] + ordered[:, upper]) / 2
    return middle


def _bca_levels(values: Floats, mean: float, resampled: Floats, tails: Floats) -> Floats:
    """The percentiles that correct the bootstrap of a mean for bias and skewness (Efron 1987, equation 2.3)."""
    # Ties with the estimate count half, and no bias is infinite.
    below = np.mean(resampled < mean) + np.mean(resampled == mean) / 2
    bias = ndtri(np.clip(below, 1 / len(resampled), 1 - 1 / len(resampled)))
    deviation = (values - mean) / np.max(np.abs(values - mean))
    # For a mean the jackknife's acceleration is its skewness: no need to leave each case out in turn.
    acceleration = np.sum(deviation**3) / (6 * np.sum(deviation**2) ** 1.5)
    shifted = bias + ndtri(tails)
    levels: Floats = ndtr(bias + shifted / (1 - acceleration * shifted))
    return levels
