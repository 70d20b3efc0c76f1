"""Aggregates over cases and their 95 % intervals.

A NaN score means that a case has no such score, and it is left out. Intervals are given from :data:`MIN_CASES`
scores on; below, and wherever the data cannot support one, both ends are NaN: unknown, which is not the same as
certain. An interval of zero width is never given: where all scores are equal nothing is known of the rest but by
counting, which is what a proportion does.

Cases that belong together (one chemical system, say) are drawn together: their number is what counts.

How often these intervals hold the truth, for normal, skewed, rare and tied scores: ``tools/measure_coverage.py``.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]
Aggregate = Literal["mean", "median", "proportion"]

MIN_CASES = 10
CONFIDENCE = 0.95
_Z = float(ndtri((1 + CONFIDENCE) / 2))
_FEW = 8
"""So many scores off the common value tell their spread; fewer are taken by counting alone."""
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
    aggregate: Aggregate,
    *,
    clusters: ArrayLike | None = None,
    is_two_sided: bool = False,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """The aggregate of per-case scores with its 95 % interval: the same scores in any order give the same answer.

    Args:
        scores: [n_cases]; NaN where a case has none.
        aggregate: ``mean``, ``median``, or ``proportion`` of scores equal to 1. Means by the studentised bootstrap
            (Efron 1981, doi:10.2307/3314608), and where most scores share one value by counting the others (see
            :func:`rare_interval`); proportions by Wilson (1927, doi:10.2307/2276774); medians by the percentile
            bootstrap.
        clusters: [n_cases], a label per case; cases of one label are drawn together.
        is_two_sided: scores may lie on both sides of the common value even if none of these does, as differences may.
        n_resamples: bootstrap samples.
        seed: of the resampling.
    """
    values, groups = _ordered(scores, clusters)
    n, n_groups = len(values), int(groups.max(initial=-1)) + 1
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    if aggregate == "proportion":
        values = (values == 1).astype(float)
    value = float(np.median(values)) if aggregate == "median" else _mean(values)
    if n_groups < MIN_CASES or not np.isfinite(value):
        return Estimate(value, math.nan, math.nan, n)
    rng = np.random.default_rng(seed)
    if aggregate == "proportion":
        low, high = wilson(value, n / _design_effect(values, groups))
    elif aggregate == "median":
        low, high = _median_interval(values, groups, n_resamples, rng)
    else:
        low, high = _mean_interval(values, groups, is_two_sided, n_resamples, rng)
    if low == high:
        low = high = math.nan
    return Estimate(value, min(low, value), max(high, value), n)


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share of n; never of zero width, 0 of n reaches up to about 3.8 / (n + 3.8)."""
    low, high = _score_interval(share, 1.0, n)
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)


def rare_interval(values: ArrayLike, *, n: float | None = None, is_two_sided: bool = False) -> tuple[float, float]:
    """The 95 % interval of a mean where most values are equal and what counts is how often they are not.

    Wilson's interval for an amount instead of a share: the mean excess over the common value is taken to vary with
    its rate, and the spread of the excesses that were seen, by Student's t of their number, with it. Excesses up and
    down are counted apart and joined (Zou and Donner 2008, doi:10.1002/sim.3095); where only one side is seen and
    ``is_two_sided``, the other is given the size of the first.

    Args:
        values: [n_cases].
        n: how many independent cases these are worth, where they are not independent.
        is_two_sided: the side that is not seen may exist.
    """
    cases = np.asarray(values, dtype=np.float64)
    size = float(len(cases) if n is None else n)
    distinct, counts = np.unique(cases, return_counts=True)
    common = float(distinct[counts.argmax()])
    excess = cases - common
    if not excess.any():
        return math.nan, math.nan
    (up, up_low, up_high), (down, down_low, down_high) = (
        _one_side(side[side > 0], np.abs(excess[excess != 0]), len(cases), size) for side in (excess, -excess)
    )
    if not is_two_sided and down == 0:
        return common + up_low, common + up_high
    if not is_two_sided and up == 0:
        return common - down_high, common - down_low
    middle = common + up - down
    return middle - math.hypot(up - up_low, down_high - down), middle + math.hypot(up_high - up, down - down_low)


def _one_side(side: Floats, both: Floats, n_cases: int, size: float) -> tuple[float, float, float]:
    """Mean excess on one side with its interval."""
    mean = float(side.sum()) / n_cases
    t = float(stdtrit(max(size - 1, 1.0), (1 + CONFIDENCE) / 2))
    return (mean, *_score_interval(mean, _typical(side if len(side) else both), size, t))


def _typical(excesses: Floats) -> float:
    """The size of an excess, larger the more they differ: mean square over mean, spread by Student's t."""
    mean, count = float(excesses.mean()), len(excesses)
    if count < 2:
        return mean
    wider = min(float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) / _Z, 5.0) ** 2
    return mean * (1 + wider * float(excesses.var(ddof=1)) / mean**2)


def _score_interval(mean: float, typical: float, n: float, z: float = _Z) -> tuple[float, float]:
    """All m with (mean - m)² <= z² (typical·m - m²) / n."""
    weight = z * z / n
    centre = mean + weight * typical / 2
    half = math.sqrt(max(centre * centre - (1 + weight) * mean * mean, 0.0))
    return (centre - half) / (1 + weight), (centre + half) / (1 + weight)


def _ordered(scores: ArrayLike, clusters: ArrayLike | None) -> tuple[Floats, NDArray[np.int64]]:
    """Scores that are there and the number of the cluster of each, in an order that forgets that of the input."""
    values = np.asarray(scores, dtype=np.float64).ravel()
    there = ~np.isnan(values)
    if clusters is None:
        return np.sort(values[there]), np.arange(int(there.sum()))
    groups = np.unique(np.asarray(clusters).ravel()[there], return_inverse=True)[1].reshape(-1)
    order = np.lexsort((values[there], groups))
    return values[there][order], groups[order].astype(np.int64)


def _mean(values: Floats) -> float:
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf and overflow give a mean that is not finite
        return float(np.mean(values))


def _design_effect(values: Floats, groups: NDArray[np.int64]) -> float:
    """How much wider clusters make the variance of a mean; never below 1."""
    n, n_groups = len(values), int(groups.max()) + 1
    spread = float(values.var(ddof=1)) / n
    if n == n_groups or spread == 0:
        return 1.0
    between = np.bincount(groups, values - values.mean())
    return max(1.0, float((between**2).sum()) / n**2 * n_groups / (n_groups - 1) / spread)


def _mean_interval(
    values: Floats, groups: NDArray[np.int64], is_two_sided: bool, n_resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    counts = np.unique(values, return_counts=True)[1]
    n_off = len(values) - int(counts.max())
    if n_off <= len(values) / 2:
        counted = rare_interval(values, n=len(values) / _design_effect(values, groups), is_two_sided=is_two_sided)
        if n_off < _FEW:
            return counted
        drawn = _studentised(values, groups, n_resamples, rng)
        return min(counted[0], drawn[0]), max(counted[1], drawn[1])
    return _studentised(values, groups, n_resamples, rng)


def _studentised(
    values: Floats, groups: NDArray[np.int64], n_resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The bootstrap-t interval of a mean over clusters; the error of a mean of clusters by its linearised residuals."""
    sums: Floats = np.bincount(groups, values).astype(np.float64)
    sizes: Floats = np.bincount(groups).astype(np.float64)
    mean, error = _ratio(sums[None], sizes[None])
    n_groups = len(sums)
    wider = float(stdtrit(n_groups - 1, (1 + CONFIDENCE) / 2)) / _Z  # few cases seldom show the whole tail
    parts = []
    step = max(1, _CHUNK // n_groups)
    for start in range(0, n_resamples, step):
        rows = rng.integers(0, n_groups, size=(min(step, n_resamples - start), n_groups), dtype=np.int32)
        means, errors = _ratio(sums[rows], sizes[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append((means - mean) / errors)
    deviations = np.concatenate(parts)
    # A draw of equal scores has no error of its own: as far out as it goes, on its side.
    high, low = np.quantile(deviations[~np.isnan(deviations)], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = np.clip([low, high], -1e3, 1e3)
    return float(mean[0] - wider * low * error[0]), float(mean[0] - wider * high * error[0])


def _ratio(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """[n_draws] each: mean over the cases of [n_draws, n_clusters], and its standard error."""
    totals, n_groups = sizes.sum(axis=1), sums.shape[1]
    means = sums.sum(axis=1) / totals
    residuals = sums - means[:, None] * sizes
    errors = np.sqrt((residuals**2).sum(axis=1) * n_groups / (n_groups - 1)) / totals
    return means, errors


def _median_interval(
    values: Floats, groups: NDArray[np.int64], n_resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    n_groups = int(groups.max()) + 1
    order = np.argsort(values, kind="stable")
    ordered, owner = values[order], groups[order]
    drawn = []
    step = max(1, _CHUNK // len(values))
    for start in range(0, n_resamples, step):
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=min(step, n_resamples - start))
        drawn.append(weighted_medians(ordered, counts[:, owner]))
    # An order statistic instead of an interpolated one: infinite scores stay infinite instead of becoming NaN.
    low, high = np.quantile(np.concatenate(drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], method="inverted_cdf")
    return float(low), float(high)


def weighted_medians(ordered: Floats, weights: NDArray[np.int64]) -> Floats:
    """[n_draws], the medians of ascending values [n] that are repeated as often as weights [n_draws, n] say."""
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1:]
    lower = (2 * reached >= total).argmax(axis=1)
    upper = (2 * reached > total).argmax(axis=1)
    with np.errstate(invalid="ignore"):
        middle: Floats = (ordered[lower] + ordered[upper]) / 2
    return middle
