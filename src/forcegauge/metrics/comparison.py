"""Two potentials on the same cases: how far apart they are, and whether chance would do as much."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from forcegauge.metrics.uncertainty import MIN_CASES, Aggregate, estimate, weighted_medians, wilson

Floats = NDArray[np.float64]

SIGNIFICANCE = 0.05
_POWER = 0.8
_SWAPS = 10_000
_SWAPS_AT_ONCE = 2000
_ENOUGH = 20
"""So many swaps that reach a difference tell how often they do; more need not be tried."""
_RESAMPLES = 2000
_BEYOND = 1e100
"""Stands for infinity: its square is still a number."""


class Difference(NamedTuple):
    """The aggregate of one potential less that of the other, over the cases that both have a score of.

    Args:
        value: NaN without a common case.
        low: lower end of the 95 % interval, NaN where it is unknown.
        high: its upper end.
        p: how often chance alone would give so large a difference; 1 where there is none.
        n: common cases.
    """

    value: float
    low: float
    high: float
    p: float
    n: int

    @property
    def is_decided(self) -> bool:
        """Whether both the interval and the swaps exclude no difference."""
        return self.p < SIGNIFICANCE and (self.low > 0 or self.high < 0)

    def n_to_decide(self, n_tests: int = 1) -> float:
        """Cases of this kind in all that would show a difference of this size with 80 % chance.

        NaN where nothing can be said of that.

        Args:
            n_tests: comparisons that together may err as seldom as one.
        """
        if not self.value or not math.isfinite(self.high - self.low):
            return math.nan
        error = (self.high - self.low) / (2 * float(ndtri(1 - SIGNIFICANCE / 2)))
        return float(math.ceil(self.n * times_to_decide(self.value, error, n_tests)))


def times_to_decide(value: float, error: float, n_tests: int = 1) -> float:
    """How many times the cases would show a difference of this size with 80 % chance.

    Args:
        value: the difference, not 0.
        error: its standard error on the cases that there are.
        n_tests: comparisons that together may err as seldom as one.
    """
    z = float(ndtri(1 - SIGNIFICANCE / n_tests / 2)) + float(ndtri(_POWER))
    return (z * error / value) ** 2


def difference(
    first: ArrayLike,
    second: ArrayLike,
    aggregate: Aggregate = "mean",
    *,
    clusters: ArrayLike | None = None,
    ideal: float | None = None,
    seed: int = 0,
) -> Difference:
    """How far the first potential's aggregate is above the second's, case by case.

    The interval is that of the paired differences; the probability comes from exchanging the two potentials' scores at
    random, cluster by cluster, which is exact where they are alike (Fisher's randomisation test).

    Args:
        first: [n_cases], scores; NaN where a case has none, infinite where it is worse than any other.
        second: [n_cases], the other's scores of the same cases.
        aggregate: as :func:`forcegauge.metrics.uncertainty.estimate` knows them.
        clusters: [n_cases], a label per case; cases of one label go together.
        ideal: compares the aggregates' distances from it instead: errors of both signs cancel, as they do in a bias.
        seed: of the random numbers.
    """
    pair = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    labels = np.arange(pair.shape[1]) if clusters is None else np.asarray(clusters)
    both = ~np.isnan(pair).any(axis=0)
    pair, labels = np.clip(pair[:, both], -_BEYOND, _BEYOND), labels[both]
    if aggregate == "proportion":
        pair = (pair == 1).astype(float)
    n = pair.shape[1]
    if n == 0:
        return Difference(math.nan, math.nan, math.nan, 1.0, 0)
    groups = np.unique(labels, return_inverse=True)[1].reshape(-1)
    if ideal is not None:
        pair = pair - ideal
        if aggregate != "median" and ((pair >= 0).all() or (pair <= 0).all()):  # nothing cancels: plain distances
            pair, ideal = np.abs(pair), None
    rng = np.random.default_rng(seed)
    if aggregate == "median" or ideal is not None:
        found = _resampled(pair, groups, aggregate == "median", ideal is not None, rng)
    else:
        found = (*_of_means(pair, groups, seed), _swapped_means(pair, groups, rng))
    value, low, high = (math.copysign(math.inf, one) if abs(one) > _BEYOND / 1e9 else one for one in found[:3])
    return Difference(value, low, high, found[3], n)


def _of_means(pair: Floats, groups: NDArray[np.int64], seed: int) -> tuple[float, float, float]:
    found = estimate(pair[0] - pair[1], "mean", clusters=groups, is_two_sided=True, seed=seed)
    n_groups = int(groups.max()) + 1
    if found.value and math.isnan(found.low) and n_groups >= MIN_CASES:
        rare = abs(found.value) * wilson(0.0, n_groups)[1]  # all alike: a rare other case may count nothing, or twice
        return found.value, found.value - rare, found.value + rare
    return found.value, found.low, found.high


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


class Swaps(NamedTuple):
    """All pairs of models on the cases that both have a score of, each [n_models, n_models].

    Args:
        apart: mean of the row's model less that of the column's, or of their distances; 0 without a common case.
        p: how often chance alone would set them so far apart.
        error: standard error of ``apart`` were they alike.
        n_systems: clusters that they have in common.
    """

    apart: Floats
    p: Floats
    error: Floats
    n_systems: NDArray[np.int64]


def swap_pairs(scores: ArrayLike, clusters: ArrayLike, *, ideal: float | None = None, seed: int = 0) -> Swaps:
    """The swaps of :func:`difference` for the means of all pairs at once.

    Args:
        scores: [n_models, n_cases]; NaN where a model has none.
        clusters: [n_cases], a label per case; cases of one label go together.
        ideal: compares the means' distances from it instead of the means.
        seed: of the random numbers.
    """
    values = np.clip(np.asarray(scores, dtype=np.float64), -_BEYOND, _BEYOND) - (ideal or 0.0)
    groups = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    n_models, n_groups = len(values), int(groups.max(initial=-1)) + 1
    rows, columns = np.triu_indices(n_models, 1)
    there = ~np.isnan(values)
    by_group = np.zeros((n_groups, len(groups)))
    by_group[groups, np.arange(len(groups))] = 1.0
    common = there[rows] & there[columns]
    counts = common @ by_group.T
    n = np.maximum(counts.sum(axis=1), 1.0)
    sums = np.where(common, values[rows] - values[columns], 0.0) @ by_group.T / n[:, None]
    middle = np.where(common, values[rows] + values[columns], 0.0).sum(axis=1) / n / 2

    def distance(halves: Floats) -> Floats:
        """Of the pair [n, n_pairs] whose means lie so far to both sides of their middle."""
        return 2 * halves if ideal is None else np.abs(middle + halves) - np.abs(middle - halves)

    seen = distance(sums.sum(axis=1)[None] / 2)[0]
    reached, squares = np.zeros(len(rows)), np.zeros(len(rows))
    rng = np.random.default_rng(seed)
    for _ in range(_SWAPS // _SWAPS_AT_ONCE):
        signs = rng.integers(0, 2, size=(_SWAPS_AT_ONCE, n_groups), dtype=np.int8).astype(np.float64) * 2 - 1
        swapped = distance(signs @ sums.T / 2)
        reached += (np.abs(swapped) >= np.abs(seen) * (1 - 1e-9)).sum(axis=0)
        squares += (swapped**2).sum(axis=0)
    error = np.sqrt(squares / _SWAPS)
    # Hoeffding's bound on sums of random signs goes on where the swaps end, else many models could not be told.
    square = (sums**2).sum(axis=1)
    bound = 2 * np.exp(-np.divide(seen**2, 2 * square, out=np.zeros_like(seen), where=square > 0))
    p = np.minimum((reached + 1) / (_SWAPS + 1), bound)

    def matrix(upper: Floats, sign: float, diagonal: float) -> Floats:
        found = np.full((n_models, n_models), diagonal)
        found[rows, columns], found[columns, rows] = upper, sign * upper
        return found

    n_systems = matrix((counts > 0).sum(axis=1).astype(np.float64), 1.0, 0.0).astype(np.int64)
    return Swaps(matrix(seen, -1.0, 0.0), matrix(p, 1.0, 1.0), matrix(error, 1.0, 0.0), n_systems)


def _resampled(
    pair: Floats, groups: NDArray[np.int64], is_median: bool, is_distance: bool, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Value, interval and probability where the aggregates, or their distances from 0, are no sum over cases."""
    n_groups = int(groups.max()) + 1

    def apart(first: Floats, second: Floats) -> Floats:
        return np.abs(first) - np.abs(second) if is_distance else first - second

    middle = np.median if is_median else np.mean
    value = float(apart(middle(pair[:1], axis=1), middle(pair[1:], axis=1))[0])
    reached = n_swaps = 0
    while n_swaps < _SWAPS and reached < _ENOUGH:
        swap = rng.integers(0, 2, size=(_SWAPS_AT_ONCE, n_groups), dtype=bool)[:, groups]
        swapped = apart(*(middle(np.where(swap, one, other), axis=1) for one, other in (pair, pair[::-1])))
        reached += int(np.sum(np.abs(swapped) >= abs(value) * (1 - 1e-12)))
        n_swaps += _SWAPS_AT_ONCE
    p = (reached + 1) / (n_swaps + 1)
    if n_groups < MIN_CASES:
        return value, math.nan, math.nan, p
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=_RESAMPLES)[:, groups]
    if is_median:
        drawn = [weighted_medians(one[order := np.argsort(one, kind="stable")], weights[:, order]) for one in pair]
    else:
        drawn = [weights @ one / weights.sum(axis=1) for one in pair]
    low, high = np.quantile(apart(*drawn), [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    if low == high:
        return value, math.nan, math.nan, p
    wider = widening(n_groups)
    return value, min(value + wider * (low - value), value), max(value + wider * (high - value), value), p


def widening(n_clusters: float) -> float:
    """What the percentile interval of so few clusters lacks in width (Hesterberg 2015, arXiv 1411.5279)."""
    t, z = float(stdtrit(n_clusters - 1, 1 - SIGNIFICANCE / 2)), float(ndtri(1 - SIGNIFICANCE / 2))
    return t / z * math.sqrt(n_clusters / (n_clusters - 1))


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
