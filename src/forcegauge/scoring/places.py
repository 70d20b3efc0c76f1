"""Places of models by a sum of parts, each with its own doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from forcegauge.metrics.comparison import SIGNIFICANCE, Swaps, holm, times_to_decide, widening
from forcegauge.metrics.ranking import rank_intervals, ranks, shares_of_best, tie_groups
from forcegauge.metrics.uncertainty import MIN_CASES, wilson

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_ROUNDING = 1e-12  # what equal draws may differ by


@dataclass(frozen=True)
class Place:
    """Where a model stands among those that have a place.

    Args:
        value: the score over its own cases, higher is better; of a metric its level. NaN where there is none.
        low: lower end of the 95 % interval, NaN where it is unknown.
        high: its upper end.
        rank: over the common cases; 1 is the best, equals share the better place, 0 where there is no place.
        best: the best place that doubt leaves open.
        worst: the worst one.
        group: tie group; in one group nobody is better than its first beyond doubt. 0 where there is no place.
        chance: probability of being the best, NaN where it is unknown.
        reason: why there is no score or no place, empty where there is one.
        to_decide: how many times the common cases would tell it from the next better model with 80 % chance; NaN where
            it is told, equal, the best, or nothing can be said.
    """

    value: float
    low: float
    high: float
    rank: int
    best: int
    worst: int
    group: int
    chance: float
    reason: str = ""
    to_decide: float = math.nan


NOWHERE = Place(math.nan, math.nan, math.nan, 0, 0, 0, 0, math.nan)
Places = Mapping[str, Place]
"""By model."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one benchmark adds to a score.

    Args:
        draws: [n_models, 1 + n_draws], on the cases, then on each draw; NaN for a model without it.
        n_systems: [n_models], chemical systems that each was asked.
    """

    draws: Floats
    n_systems: Counts

    def weighted(self, weights: Floats) -> Part:
        """The part times a weight per model [n_models]."""
        return Part(self.draws * weights[:, None], self.n_systems)


def interval(value: float, draws: Floats, n_systems: float) -> tuple[float, float]:
    """The 95 % interval of a score from its draws; NaN where it would have no width, or too few systems."""
    known = draws[~np.isnan(draws)]
    if n_systems < MIN_CASES or not len(known) or math.isnan(value):
        return math.nan, math.nan
    edges = np.quantile(known, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    low, high = np.clip(value + widening(n_systems) * (edges - value), 0.0, 1.0).tolist()
    return (min(low, value), max(high, value)) if high - low > _ROUNDING else (math.nan, math.nan)


def total(parts: Sequence[Part]) -> Floats:
    """[n_models, 1 + n_draws], the sum of what each model has; NaN for a model without any part."""
    stacked = np.stack([part.draws for part in parts])
    found: Floats = np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))
    return found


def freedom(parts: Sequence[Part], model: int) -> float:
    """Systems behind the spread of a model's sum (Welch and Satterthwaite); 0 where no part has ten."""
    sizes = [(part.draws[model], int(part.n_systems[model])) for part in parts]
    large = [(float(np.nanvar(draws)), n) for draws, n in sizes if n >= MIN_CASES and not np.isnan(draws[0])]
    spread = sum(variance for variance, _ in large)
    if not spread:
        return max((n for _, n in large), default=0)
    return 1 + spread**2 / sum(variance**2 / (n - 1) for variance, n in large)


@dataclass(frozen=True, eq=False)
class Doubt:
    """All pairs of models, each [n_models, n_models]: how far the row's is above the column's, and how surely."""

    apart: Floats
    error: Floats
    p: Floats

    @classmethod
    def of_parts(cls, parts: Sequence[Part]) -> Doubt:
        """From draws, by Student's t of the systems behind each part.

        A part of fewer than ten systems may be as far off as it is large.
        """
        n_models = len(parts[0].draws)
        rows, columns = np.triu_indices(n_models, 1)
        apart: Floats = np.nansum([part.draws[rows, 0] for part in parts], axis=0)
        apart = apart - np.nansum([part.draws[columns, 0] for part in parts], axis=0)
        squares, over = np.zeros(len(rows)), np.zeros(len(rows))
        for part in parts:
            n = np.minimum(part.n_systems[rows], part.n_systems[columns])
            differences = np.nan_to_num(part.draws[rows]) - np.nan_to_num(part.draws[columns])
            square = _square_error(differences, np.where(apart < 0, -1.0, 1.0), n)
            squares, over = squares + square, over + square**2 / np.where(n < MIN_CASES, 1, n - 1)
        is_known = squares > _ROUNDING**2
        p = np.ones(len(rows))
        t = -np.abs(apart[is_known]) / np.sqrt(squares[is_known])
        p[is_known] = 2 * stdtr(squares[is_known] ** 2 / over[is_known], t)
        matrices = [np.zeros((n_models, n_models)), np.zeros((n_models, n_models)), np.ones((n_models, n_models))]
        for matrix, upper, sign in zip(matrices, (apart, np.sqrt(squares), p), (-1, 1, 1), strict=True):
            matrix[rows, columns], matrix[columns, rows] = upper, sign * upper
        return cls(*matrices)

    @classmethod
    def of_swaps(cls, swaps: Swaps, sign: int) -> Doubt:
        """From swaps; pairs of fewer than ten common systems are not told."""
        return cls(sign * swaps.apart, swaps.error, np.where(swaps.n_systems < MIN_CASES, 1.0, swaps.p))

    def better(self) -> NDArray[np.bool_]:
        """[n_models, n_models], whether the row's model is better than the column's, all pairs together at 95 %."""
        rows, columns = np.triu_indices(len(self.p), 1)
        is_told = np.zeros(self.p.shape, dtype=bool)
        is_told[rows, columns] = is_told[columns, rows] = holm(self.p[rows, columns]) < SIGNIFICANCE
        told: NDArray[np.bool_] = is_told & (self.apart > 0)
        return told


def _square_error(differences: Floats, sign: Floats, n: Counts) -> Floats:
    """[n_pairs], of differences [n_pairs, 1 + n_draws] whose sum has this sign, on so many systems.

    The draws that bring two models nearer count, where they spread more than all: levels end at 0 and 1, so the other
    side may be cut off. What no draw moves may still, by Wilson's interval of none in n, hold systems unlike any seen.
    """
    seen = differences[:, :1]
    nearer = np.minimum(sign[:, None] * (differences[:, 1:] - seen), 0.0)
    size = np.maximum(n, MIN_CASES).astype(np.float64)
    square = np.maximum(differences[:, 1:].var(axis=1), 2 * (nearer**2).mean(axis=1)) * size / (size - 1)
    unseen = np.array([wilson(0.0, one)[1] for one in size]) / float(ndtri(1 - SIGNIFICANCE / 2))
    return np.where(n < MIN_CASES, seen[:, 0] ** 2, np.maximum(square, (seen[:, 0] * unseen) ** 2))


def places(
    models: Sequence[str],
    draws: Floats,
    doubt: Doubt,
    scores: Floats,
    reasons: Mapping[str, str],
    *,
    has_chance: bool = True,
) -> dict[str, Place]:
    """Places by the first column of ``draws``, higher is better.

    Args:
        models: names of the rows.
        draws: [n_models, 1 + n_draws], what orders the models, over their common cases; NaN for a model without place.
        doubt: of their pairs.
        scores: [n_models, 3], value and interval that are shown.
        reasons: by model, why it has no score or no place.
        has_chance: whether there are ten systems anywhere, so that the draws say who might be the best.
    """
    there = np.flatnonzero(~np.isnan(draws[:, 0]))
    own = draws[there]
    # Who is ahead over its own scores and behind over the common ones is not better beyond doubt.
    ahead = own[:, :1] > own[None, :, 0]
    pairs = Doubt(*(one[np.ix_(there, there)] for one in (doubt.apart, doubt.error, doubt.p)))
    better = pairs.better() & ahead
    order, groups, edges = ranks(-own[:, 0]), tie_groups(-own[:, 0], better), rank_intervals(better)
    chances = shares_of_best(-own[:, 1:].T) if has_chance and len(there) else np.full(len(there), np.nan)
    needed = _to_decide(own[:, 0], pairs, better) if has_chance else [math.nan] * len(there)
    found = {
        model: replace(NOWHERE, value=value, low=low, high=high, reason=reasons.get(model, ""))
        for model, (value, low, high) in zip(models, scores.tolist(), strict=True)
    }
    for at, row in enumerate(there.tolist()):
        found[models[row]] = replace(
            found[models[row]],
            rank=int(order[at]),
            best=int(edges[at, 0]),
            worst=int(edges[at, 1]),
            group=int(groups[at]),
            chance=float(chances[at]),
            to_decide=needed[at],
        )
    return found


def _to_decide(values: Floats, pairs: Doubt, better: NDArray[np.bool_]) -> list[float]:
    """[n_models], of each and the next better one."""
    found = [math.nan] * len(values)
    order = np.argsort(-values, kind="stable").tolist()
    n_pairs = max(len(values) * (len(values) - 1) // 2, 1)
    for above, below in pairwise(order):
        apart, error = float(pairs.apart[above, below]), float(pairs.error[above, below])
        if not better[above, below] and apart > _ROUNDING and pairs.p[above, below] < 1:
            found[below] = times_to_decide(apart, error, n_pairs)
    return found
