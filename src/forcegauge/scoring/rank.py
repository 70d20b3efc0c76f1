"""Ranks that say how sure they are: scores from fixed anchors, tie groups, intervals of places, chances to be best.

A metric's anchors turn its value into a level from 0 (useless) to 1 (fit for use); no other model has a part in it. A
benchmark's score is the mean level of its comparable metrics times the share of cases answered, of those whose
elements the model was made for. A theme's score is the mean of its benchmarks, the overall one that of the themes. What
a model was not asked has no score, and a model without all benchmarks of the store has no overall place.

Doubt comes from drawing chemical systems anew, for all models together. Benchmarks of fewer than ten systems enter as
they are: they stand for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from forcegauge.benchmarks.base import Mode
from forcegauge.metrics.comparison import SIGNIFICANCE, holm, swap_probabilities
from forcegauge.metrics.ranking import rank_intervals, ranks, shares_of_best, tie_groups
from forcegauge.records import Metric
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult, RecordSource, analyse, restricted
from forcegauge.scoring.comparable import why_not
from forcegauge.scoring.draws import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where a model stands among those that have a value.

    Args:
        value: the score, higher is better; of a metric its level. NaN where there is none.
        low: lower end of the 95 % interval, NaN where it is unknown.
        high: its upper end.
        rank: by value; 1 is the best, equals share the better place, 0 where there is no value.
        best: the best place that doubt leaves open.
        worst: the worst one.
        group: tie group; in one group nobody is better than its first beyond doubt. 0 where there is no value.
        chance: probability of being the best.
        reason: why there is no score, empty where there is one.
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


_ROUNDING = 1e-12  # what equal draws may differ by
NOWHERE = Place(math.nan, math.nan, math.nan, 0, 0, 0, 0, math.nan)
Places = Mapping[str, Place]
"""By model."""


@dataclass(frozen=True)
class BenchmarkRanks:
    """Places in one benchmark.

    Args:
        benchmark: its name.
        theme: the one it counts for.
        places: by its score.
        metrics: by metric; a cell that is not comparable has a reason instead of a place. Coverage is one of them.
    """

    benchmark: str
    theme: str
    places: Places
    metrics: Mapping[str, Places]


@dataclass(frozen=True)
class Ranking:
    """Places over all benchmarks.

    Args:
        models: the best first; equals in alphabetical order, those without a place last.
        overall: by the mean of the themes.
        themes: by theme.
        benchmarks: the places in each.
    """

    models: tuple[str, ...]
    overall: Places
    themes: Mapping[str, Places] = field(default_factory=dict)
    benchmarks: tuple[BenchmarkRanks, ...] = ()

    def rows(self) -> list[dict[str, int | float | str]]:
        """One row per model for a table; places without a value are empty."""
        return [
            {
                "rank": one.rank or "",
                "best": one.best or "",
                "worst": one.worst or "",
                "group": one.group or "",
                "model": model,
                "score": one.value,
                "low": one.low,
                "high": one.high,
                "chance": one.chance,
                **{theme: places[model].value for theme, places in self.themes.items()},
                "note": one.reason,
            }
            for model in self.models
            for one in (self.overall[model],)
        ]


def rank(results: Sequence[BenchmarkResult] | RecordSource | str | Path, mode: Mode = "default") -> Ranking:
    """Places of all models.

    Where models were not asked the same cases, those that all were asked count.

    Args:
        results: what :func:`analyse` gave, or a store, or the folder of one.
        mode: as for :func:`analyse`; only used with a store.
    """
    if not isinstance(results, Sequence) or isinstance(results, str):
        results = analyse(results, mode)
    models = sorted({model for result in results for model in result.models})
    analysed = [on_common_cases(one) for one in results if one.analysis is not None]
    scored = [_Scored(one, models) for one in analysed]
    themes: dict[str, list[_Scored]] = {}
    for one in scored:
        themes.setdefault(one.theme, []).append(one)
    by_theme = {theme: _mean([one.draws for one in members]) for theme, members in themes.items()}
    reasons = _absences(analysed, models)
    whole = _mean(list(by_theme.values()))
    whole[[bool(reasons[model]) for model in models]] = np.nan
    overall = _places(models, whole, reasons)
    order = sorted(models, key=lambda model: (overall[model].rank or math.inf, model))
    return Ranking(
        tuple(order),
        overall,
        {theme: _places(models, draws, {}) for theme, draws in by_theme.items()},
        tuple(one.ranks() for one in scored),
    )


def on_common_cases(result: BenchmarkResult) -> BenchmarkResult:
    """The result over the cases that every model was asked; unchanged where they all were asked the same or none."""
    asked = [frozenset(records) for records in result.records.values()]
    common = frozenset.intersection(*asked) if asked else frozenset()
    return result if not common or all(one == common for one in asked) else restricted(result, common)


class _Scored:
    """One benchmark's levels and scores, on its cases and on each draw."""

    def __init__(self, result: BenchmarkResult, models: Sequence[str]) -> None:
        self.theme = result.benchmark.theme
        self._name = result.benchmark.name
        self._models = models
        self._table = Table(result, models)
        self._metrics = result.metrics
        self._reasons = {metric.key: {model: why_not(metric, model) for model in models} for metric in result.metrics}
        self._aggregates = {metric.key: self._table.aggregates(metric) for metric in result.metrics}
        levels = []
        for metric in result.metrics:
            level = metric.levels(self._aggregates[metric.key])
            level[[bool(self._reasons[metric.key][model]) for model in models]] = np.nan
            if metric is not COVERAGE:
                levels.append(level)
        answered = self._table.drawn(self._table.answered())
        # Who answered nothing has no level to be multiplied: the answer is 0.
        self.draws = np.where(answered == 0, 0.0, _mean(levels) * answered) if levels else answered

    def ranks(self) -> BenchmarkRanks:
        """Places by score and by each metric."""
        nobody: dict[str, str] = {}
        return BenchmarkRanks(
            self._name,
            self.theme,
            _places(self._models, self.draws, nobody, is_small=self._table.is_small),
            {metric.key: self._metric_places(metric) for metric in self._metrics},
        )

    def _metric_places(self, metric: Metric) -> Places:
        reasons = self._reasons[metric.key]
        draws = self._aggregates[metric.key].copy()
        draws[[bool(reasons[model]) for model in self._models]] = np.nan
        distances = {"lower": draws, "higher": -draws, "target": np.abs(draws - metric.ideal)}[metric.direction]
        p = None
        if metric.aggregate != "median" and not self._table.is_small:
            p = swap_probabilities(_one_way(metric, self._table.scores(metric)), self._table.systems)
        levels = metric.levels(draws)
        return _places(self._models, -distances, reasons, p, levels, is_small=self._table.is_small)


def _one_way(metric: Metric, scores: Floats) -> Floats:
    """Scores whose means differ as the distances from the ideal do; beyond and short of a target count alike."""
    if metric.direction == "target":
        return np.abs(scores - metric.ideal)
    return scores


def _absences(results: Sequence[BenchmarkResult], models: Sequence[str]) -> dict[str, str]:
    missing = {model: [one.benchmark.name for one in results if model not in one.records] for model in models}
    return {model: f"not asked: {', '.join(names)}" if names else "" for model, names in missing.items()}


def _mean(parts: Sequence[Floats]) -> Floats:
    """Mean of what is there, NaN where nothing is."""
    stacked = np.stack(parts)
    there = ~np.isnan(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(there, stacked, 0.0).sum(axis=0) / there.sum(axis=0)
    return mean


def _places(
    models: Sequence[str],
    draws: Floats,
    reasons: Mapping[str, str],
    p: Floats | None = None,
    levels: Floats | None = None,
    *,
    is_small: bool = False,
) -> Places:
    """Places by the first column of ``draws`` [n_models, 1 + n_draws], higher is better, doubt by the others.

    Args:
        models: names of the rows.
        draws: what orders the models.
        reasons: by model, why it has no score.
        p: [n_models, n_models], how often chance would set two so far apart; from the draws where None.
        levels: what is shown, where that is not what orders.
        is_small: too few cases for intervals.
    """
    values = draws[:, 0]
    there = np.flatnonzero(~np.isnan(values))
    own = draws[there]
    chance = np.ones((len(models), len(models))) if is_small else p
    better = _decided(own, None if chance is None else chance[np.ix_(there, there)])
    order, groups = ranks(-own[:, 0]), tie_groups(-own[:, 0], better)
    edges, chances = rank_intervals(better), shares_of_best(-own[:, 1:].T) if len(there) else np.empty(0)
    shown = own if levels is None else levels[there]
    low, high = np.quantile(shown[:, 1:], [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2], axis=1) if len(there) else ([], [])
    places = {model: replace(NOWHERE, reason=reasons.get(model, "")) for model in models}
    for at, row in enumerate(there.tolist()):
        is_known = not is_small and high[at] - low[at] > _ROUNDING
        places[models[row]] = Place(
            value=float(shown[at, 0]),
            low=float(low[at]) if is_known else math.nan,
            high=float(high[at]) if is_known else math.nan,
            rank=int(order[at]),
            best=int(edges[at, 0]),
            worst=int(edges[at, 1]),
            group=int(groups[at]),
            chance=float(chances[at]),
        )
    return places


def _decided(draws: Floats, p: Floats | None) -> NDArray[np.bool_]:
    """[n_models, n_models], whether the row's model is better than the column's beyond doubt, all pairs together."""
    count = len(draws)
    better = np.zeros((count, count), dtype=bool)
    rows, columns = np.triu_indices(count, 1)
    if not len(rows):
        return better
    apart = draws[rows] - draws[columns]
    if p is None:
        spread = apart[:, 1:].std(axis=1)
        spread[spread < _ROUNDING] = 0.0
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.where(spread > 0, 2 * ndtr(-np.abs(apart[:, 0]) / spread), 1.0)
    else:
        found = p[rows, columns]
    for a, b, difference, adjusted in zip(rows, columns, apart[:, 0], holm(found), strict=True):
        if adjusted < SIGNIFICANCE and difference:
            better[(a, b) if difference > 0 else (b, a)] = True
    return better
