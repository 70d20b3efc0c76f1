"""Two potentials on the same cases: how far apart they are, and whether chance would do as much."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from forcegauge.metrics.uncertainty import MIN_CASES, Aggregate, estimate, weighted_medians, wilson

Floats = NDArray[np.float64]

SIGNIFICANCE = 0.05
_POWER = 0.8
_SWAPS = 10_000
_RESAMPLES = 2000


class Difference(NamedTuple):
    """The aggregate of one potential less that of the other, over the cases that both have a score of.

    Args:
        value: NaN without a common case.
        low: lower end of the 95 % interval, NaN where it is unknown.
        high: its upper end.
        p: how often chance alone would give so large a difference; 1 where there is none.
        n: common cases.
        n_to_decide: cases of this kind in all that would show a difference of this size with 80 % chance; NaN where
            nothing can be said of that.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    n_to_decide: float

    @property
    def is_decided(self) -> bool:
        """Whether both the interval and the swaps exclude no difference."""
        return self.p < SIGNIFICANCE and (self.low > 0 or self.high < 0)


def difference(
    first: ArrayLike,
    second: ArrayLike,
    aggregate: Aggregate = "mean",
    *,
    clusters: ArrayLike | None = None,
    seed: int = 0,
) -> Difference:
    """How far the first potential's aggregate is above the second's, case by case.

    The interval is that of the paired differences; the probability comes from exchanging the two potentials' scores at
    random, cluster by cluster, which is exact where they are alike (Fisher's randomisation test).

    Args:
        first: [n_cases], scores; NaN where a case has none.
        second: [n_cases], the other's scores of the same cases.
        aggregate: as :func:`forcegauge.metrics.uncertainty.estimate` knows them.
        clusters: [n_cases], a label per case; cases of one label go together.
        seed: of the random numbers.
    """
    pair = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    labels = np.arange(pair.shape[1]) if clusters is None else np.asarray(clusters)
    both = np.isfinite(pair).all(axis=0)
    pair, labels = pair[:, both], labels[both]
    if aggregate == "proportion":
        pair = (pair == 1).astype(float)
    n = pair.shape[1]
    if n == 0:
        return Difference(math.nan, math.nan, math.nan, 1.0, 0, math.nan)
    groups = np.unique(labels, return_inverse=True)[1].reshape(-1)
    rng = np.random.default_rng(seed)
    if aggregate == "median":
        value, low, high, p = _of_medians(pair, groups, rng)
    else:
        found = estimate(pair[0] - pair[1], "mean", clusters=groups, is_two_sided=True, seed=seed)
        value, low, high = found.value, found.low, found.high
        n_groups = int(groups.max()) + 1
        if (
            value and math.isnan(low) and n_groups >= MIN_CASES
        ):  # all alike: a rare other case may count nothing, or twice
            rare = abs(value) * wilson(0.0, n_groups)[1]
            low, high = value - rare, value + rare
        p = _swapped_means(pair, groups, rng)
    return Difference(value, low, high, p, n, _cases_to_decide(value, low, high, n))


def _swapped_means(pair: Floats, groups: NDArray[np.int64], rng: np.random.Generator) -> float:
    sums = np.bincount(groups, pair[0] - pair[1])
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    seen = abs(sums.sum()) * (1 - 1e-12)
    if len(sums) <= 13:  # few enough to swap in every way
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float(np.mean(np.abs(signs @ sums) >= seen))
    signs = rng.integers(0, 2, size=(_SWAPS, len(sums)), dtype=np.int8) * 2 - 1
    return float((np.sum(np.abs(signs @ sums) >= seen) + 1) / (_SWAPS + 1))


def swap_probabilities(scores: ArrayLike, clusters: ArrayLike, *, seed: int = 0) -> Floats:
    """[n_models, n_models], how often chance alone would set the means of two so far apart, on their common cases.

    The test of :func:`difference`, for all pairs at once.

    Args:
        scores: [n_models, n_cases]; NaN where a model has none.
        clusters: [n_cases], a label per case; cases of one label go together.
        seed: of the random numbers.
    """
    values = np.asarray(scores, dtype=np.float64)
    groups = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    n_models, n_groups = len(values), int(groups.max(initial=-1)) + 1
    rows, columns = np.triu_indices(n_models, 1)
    with np.errstate(invalid="ignore"):
        apart = values[rows] - values[columns]
    apart[~np.isfinite(apart)] = 0.0  # not a common case of this pair
    sums = np.stack([np.bincount(groups, one, minlength=n_groups) for one in apart]) if len(apart) else apart
    probabilities = np.ones((n_models, n_models))
    if not sums.size:
        return probabilities
    signs = np.random.default_rng(seed).integers(0, 2, size=(_SWAPS, n_groups), dtype=np.int8) * 2 - 1
    seen = np.abs(sums.sum(axis=1)) * (1 - 1e-9)
    reached = np.abs(signs.astype(np.float64) @ sums.T) >= seen
    p = (reached.sum(axis=0) + 1) / (_SWAPS + 1)
    probabilities[rows, columns] = probabilities[columns, rows] = p
    return probabilities


def _of_medians(pair: Floats, groups: NDArray[np.int64], rng: np.random.Generator) -> tuple[float, float, float, float]:
    n_groups, value = int(groups.max()) + 1, float(np.median(pair[0]) - np.median(pair[1]))
    swap = rng.integers(0, 2, size=(_RESAMPLES, n_groups), dtype=bool)[:, groups]
    swapped = np.median(np.where(swap, pair[1], pair[0]), axis=1) - np.median(np.where(swap, pair[0], pair[1]), axis=1)
    p = float((np.sum(np.abs(swapped) >= abs(value) * (1 - 1e-12)) + 1) / (_RESAMPLES + 1))
    if n_groups < MIN_CASES:
        return value, math.nan, math.nan, p
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=_RESAMPLES)[:, groups]
    drawn = [weighted_medians(one[order := np.argsort(one, kind="stable")], weights[:, order]) for one in pair]
    low, high = np.quantile(drawn[0] - drawn[1], [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return (value, math.nan, math.nan, p) if low == high else (value, float(low), float(high), p)


def _cases_to_decide(value: float, low: float, high: float, n: int) -> float:
    if not value or not math.isfinite(high - low):
        return math.nan
    z = float(ndtri(1 - SIGNIFICANCE / 2))
    error = (high - low) / (2 * z)
    return float(math.ceil(n * ((z + float(ndtri(_POWER))) * error / abs(value)) ** 2))


def holm(p_values: ArrayLike) -> Floats:
    """[n], adjusted so that below :data:`SIGNIFICANCE` all together err as seldom as one (Holm 1979).

    Args:
        p_values: [n].
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = (len(values) - np.arange(len(values))) * values[order]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
