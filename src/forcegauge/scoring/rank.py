"""Ranks that say how sure they are: scores from fixed anchors, tie groups, intervals of places, chances to be best.

A metric's anchors turn its value into a level from 0 (useless) to 1 (fit for use); no other model has a part in it. A
benchmark's score is the mean level of its comparable metrics times the share of cases answered, of those whose
elements the model was made for. A theme's score is the mean of its benchmarks, the overall one that of the themes. What
a model was not asked has no score, and a model without all benchmarks of the store has no overall place.

A score is over a model's own cases and stays when others join. Places compare the cases that all were asked; who was
asked so few that less than ten systems would remain in common has none.

Doubt comes from drawing chemical systems anew, for all models together. Benchmarks of fewer than ten systems are not
drawn: a difference that rests on them is told by none, and in a sum may be as far off as it is large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forcegauge.benchmarks.base import Mode
from forcegauge.metrics.comparison import swap_pairs
from forcegauge.metrics.uncertainty import MIN_CASES
from forcegauge.records import Metric, MetricValue
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult, RecordSource, analyse
from forcegauge.scoring.comparable import why_not
from forcegauge.scoring.draws import Table
from forcegauge.scoring.places import Doubt, Part, Place, Places, freedom, interval, places, total

Floats = NDArray[np.float64]

__all__ = ["BenchmarkRanks", "Place", "Places", "Ranking", "rank"]


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
        models: the best first; equals in alphabetical order, those without a place last, who has most scores first.
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
                "times_to_decide": one.to_decide,
                **{theme: places[model].value for theme, places in self.themes.items()},
                "note": one.reason,
            }
            for model in self.models
            for one in (self.overall[model],)
        ]


def rank(results: Sequence[BenchmarkResult] | RecordSource | str | Path, mode: Mode = "default") -> Ranking:
    """Places of all models.

    Args:
        results: what :func:`analyse` gave, or a store, or the folder of one.
        mode: as for :func:`analyse`; only used with a store.
    """
    if not isinstance(results, Sequence) or isinstance(results, str):
        results = analyse(results, mode)
    models = sorted({model for result in results for model in result.models})
    scored = [_Scored(one, models) for one in results if one.analysis is not None]
    themes: dict[str, list[_Scored]] = {}
    for one in scored:
        themes.setdefault(one.theme, []).append(one)
    by_theme = {theme: _places(models, [members]) for theme, members in themes.items()}
    overall = _places(models, list(themes.values())) if scored else {}
    ranks = tuple(one.ranks() for one in scored)
    n_scores = {model: sum(not math.isnan(one.places[model].value) for one in ranks) for model in models}
    order = sorted(models, key=lambda model: (overall[model].rank or math.inf, -n_scores[model], model))
    return Ranking(tuple(order), overall, by_theme, ranks)


def _places(models: Sequence[str], themes: Sequence[Sequence[_Scored]]) -> Places:
    """Places by the mean of themes, each the mean of those of its benchmarks that can be scored."""
    members = [one for theme in themes for one in theme]
    reasons = {
        model: "; ".join(f"{text}: {', '.join(names)}" for text, names in _absences(members, model).items())
        for model in models
    }
    has_all = np.array([not any(model in one.unscored for one in members) for model in models])
    has_place = np.array([not reasons[model] for model in models])
    own, common = (_weighted(themes, parts) for parts in (lambda one: one.own, lambda one: one.common))
    values, draws = total(own), total(common)
    values[~has_all], draws[~has_place] = np.nan, np.nan
    scores = np.array(
        [(row[0], *interval(float(row[0]), row[1:], freedom(own, at))) for at, row in enumerate(values)]
    ).reshape(-1, 3)
    has_chance = any((part.n_systems >= MIN_CASES).any() for part in common)
    return places(models, draws, Doubt.of_parts(common), scores, reasons, has_chance=has_chance)


def _weighted(themes: Sequence[Sequence[_Scored]], part_of: Callable[[_Scored], Part]) -> list[Part]:
    """The benchmarks' parts of the mean of themes; what a model has no score of does not count against it."""
    there = [[~np.isnan(part_of(one).draws[:, 0]) for one in theme] for theme in themes]
    in_theme = [np.maximum(np.sum(rows, axis=0), 1) for rows in there]
    n_themes = np.maximum(np.sum([np.any(rows, axis=0) for rows in there], axis=0), 1)
    return [
        part_of(one).weighted(1.0 / count / n_themes)
        for theme, count in zip(themes, in_theme, strict=True)
        for one in theme
    ]


def _absences(members: Sequence[_Scored], model: str) -> dict[str, list[str]]:
    """Names of the benchmarks that keep a model from a place, by reason."""
    found: dict[str, list[str]] = {}
    for one in members:
        if model in one.absent:
            found.setdefault(one.absent[model], []).append(one.name)
    return found


class _Scored:
    """One benchmark's levels and scores: over each model's own cases, and over those that all were asked.

    Attributes:
        own: the scores over each model's own cases.
        common: those over the common ones; NaN for a model that was asked too few.
        unscored: models that were asked nothing here.
        absent: why a model has no place, by model.
    """

    def __init__(self, result: BenchmarkResult, models: Sequence[str]) -> None:
        self.theme, self.name = result.benchmark.theme, result.benchmark.name
        self._models, self._result = models, result
        self._reasons = {metric.key: {model: why_not(metric, model) for model in models} for metric in result.metrics}
        judged = [metric for metric in result.metrics if metric is not COVERAGE]
        self._can_be_scored = ~np.all([self._barred(metric) for metric in judged], axis=0) | (not judged)
        table = Table(result, models)
        self.own, _ = self._part(table)
        answered = table.answered()
        self.unscored = {
            model: "made for none of its elements" if model in result.records else "not asked"
            for model, row in zip(models, answered, strict=True)
            if np.isnan(row).all()
        }
        cases, few = common_cases(result, [model for model in models if model not in self.unscored])
        self.absent = self.unscored | few
        self._is_absent = np.array([model in self.absent for model in models])
        is_whole = not few and cases == frozenset(table.cases)
        self._table = table if is_whole else Table(result, models, cases)
        self.common, self._aggregates = self._part(self._table)
        self.common.draws[self._is_absent] = np.nan

    def _part(self, table: Table) -> tuple[Part, dict[str, Floats]]:
        levels, aggregates = [], {metric.key: table.aggregates(metric) for metric in self._result.metrics}
        for metric in self._result.metrics:
            level = metric.levels(aggregates[metric.key])
            level[self._barred(metric)] = np.nan
            if metric is not COVERAGE:
                levels.append(level)
        asked = table.answered()
        answered, n_systems = table.drawn(asked), table.n_systems(asked)
        # Who answered nothing has no level to be multiplied: the answer is 0.
        draws = np.where(answered == 0, 0.0, _mean(levels) * answered) if levels else answered
        # So is that of answers which no metric could make anything of.
        draws[self._can_be_scored & np.isnan(draws[:, 0]) & (answered[:, 0] > 0)] = 0.0
        draws[:, 1:] = np.where(np.isnan(draws[:, 1:]) | (n_systems < MIN_CASES)[:, None], draws[:, :1], draws[:, 1:])
        return Part(draws, n_systems), aggregates

    def _barred(self, metric: Metric) -> list[bool]:
        return [bool(self._reasons[metric.key][model]) for model in self._models]

    def ranks(self) -> BenchmarkRanks:
        """Places by score and by each metric."""
        metrics = {metric.key: self._metric_places(metric) for metric in self._result.metrics}
        return BenchmarkRanks(self.name, self.theme, _places(self._models, [[self]]), metrics)

    def _metric_places(self, metric: Metric) -> Places:
        draws = self._aggregates[metric.key].copy()
        draws[self._barred(metric) | self._is_absent] = np.nan
        scores = self._table.scores(metric)
        distances = {"lower": draws, "higher": -draws, "target": np.abs(draws - metric.ideal)}[metric.direction]
        n_systems = self._table.n_systems(scores)
        if metric.aggregate == "median":
            doubt = Doubt.of_parts([Part(-distances, n_systems)])
        else:
            ideal = metric.ideal if metric.direction == "target" else None
            swaps = swap_pairs(scores, self._table.systems, ideal=ideal)
            doubt = Doubt.of_swaps(swaps, 1 if metric.direction == "higher" else -1)
        shown = [_level(metric, self._result.value(model, metric.key)) for model in self._models]
        shown = [(math.nan,) * 3 if bad else one for one, bad in zip(shown, self._barred(metric), strict=True)]
        return places(
            self._models,
            -distances,
            doubt,
            np.array(shown).reshape(-1, 3),
            self._reasons[metric.key],
            has_chance=bool((n_systems >= MIN_CASES).any()),
        )


def common_cases(result: BenchmarkResult, models: Sequence[str]) -> tuple[frozenset[str], dict[str, str]]:
    """The cases that places compare, and why a model has no part in that.

    These are the cases that all models were asked. Where they are of fewer than ten systems and leaving out the model
    with the fewest cases helps, it is left out: one short run shall not take the others' places.

    Args:
        result: one benchmark.
        models: that were asked something there.
    """
    kept = sorted(models, key=lambda model: (len(result.records[model]), model))
    asked = {model: frozenset(result.records[model]) for model in kept}

    def common(of: Sequence[str]) -> frozenset[str]:
        return frozenset.intersection(*(asked[model] for model in of)) if of else frozenset()

    def n_systems(cases: frozenset[str]) -> int:
        return len({result.systems.get(case) or case for case in cases})

    # The first number of models to leave out with which ten systems remain; else with which anything remains.
    for wanted in (MIN_CASES, 1):
        for n_out in range(max(len(kept) - (wanted > 1), 0)):
            cases = common(kept[n_out:])
            if n_systems(cases) >= wanted:
                few = {
                    model: f"asked {len(asked[model] & cases)} of the {len(cases)} common cases"
                    for model in kept[:n_out]
                }
                return cases, few
    return common(kept), {}


def _level(metric: Metric, found: MetricValue | None) -> tuple[float, float, float]:
    """A value and its interval as levels; NaN edges where both ends have the same level."""
    if found is None:
        return math.nan, math.nan, math.nan
    nearest = float(np.clip(metric.ideal, found.low, found.high)) if metric.direction == "target" else found.low
    value, *edges = metric.levels(np.array([found.value, found.low, found.high, nearest])).tolist()
    low, high = min(edges), max(edges)
    return (value, low, high) if high > low else (value, math.nan, math.nan)


def _mean(parts: Sequence[Floats]) -> Floats:
    """Mean of what is there, NaN where nothing is."""
    stacked = np.stack(parts)
    there = ~np.isnan(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(there, stacked, 0.0).sum(axis=0) / there.sum(axis=0)
    return mean
