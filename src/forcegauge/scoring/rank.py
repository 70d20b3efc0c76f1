"""Ranks of models: per metric, per benchmark by the sum over metrics, overall by the mean over benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forcegauge.benchmarks.base import Mode
from forcegauge.metrics.ranking import rank_sums, ranks
from forcegauge.scoring.analyse import BenchmarkResult, RecordSource, analyse, restricted


@dataclass(frozen=True)
class BenchmarkRanks:
    """Places in one benchmark; 1 is the best, equals share the better place.

    Args:
        benchmark: its name.
        metrics: place by model, by metric; coverage is one of them.
        rank_sum: by model, the sum of its places.
        rank: by model, its place by that sum.
    """

    benchmark: str
    metrics: Mapping[str, Mapping[str, int]]
    rank_sum: Mapping[str, int]
    rank: Mapping[str, int]


@dataclass(frozen=True)
class Ranking:
    """Places over all benchmarks.

    Args:
        models: the best first; equals in alphabetical order.
        rank: place by model.
        mean_rank: by model, the mean of its places in the benchmarks, each of equal weight.
        benchmarks: the places in each.
    """

    models: tuple[str, ...]
    rank: Mapping[str, int]
    mean_rank: Mapping[str, float]
    benchmarks: tuple[BenchmarkRanks, ...]

    def rows(self) -> list[dict[str, int | float | str]]:
        """One row per model for a table: rank, model, mean rank and the place in each benchmark."""
        return [
            {
                "rank": self.rank[model],
                "model": model,
                "mean_rank": self.mean_rank[model],
                **{places.benchmark: places.rank[model] for places in self.benchmarks},
            }
            for model in self.models
        ]


def rank(results: Sequence[BenchmarkResult] | RecordSource | str | Path, mode: Mode = "default") -> Ranking:
    """Places of all models; a model without a benchmark, or without a value of a metric, comes last there.

    Where models were not asked the same cases, those that all were asked count.

    Args:
        results: what :func:`analyse` gave, or a store, or the folder of one.
        mode: as for :func:`analyse`; only used with a store.
    """
    if not isinstance(results, Sequence) or isinstance(results, str):
        results = analyse(results, mode)
    models = sorted({model for result in results for model in result.models})
    places = tuple(_rank_benchmark(_on_common_cases(one), models) for one in results if one.analysis is not None)
    mean = {model: float(np.mean([of_one.rank[model] for of_one in places])) for model in models}
    overall = _places(models, list(mean.values()))
    ordered = sorted(models, key=lambda model: (overall[model], model))
    return Ranking(tuple(ordered), overall, mean, places)


def _on_common_cases(result: BenchmarkResult) -> BenchmarkResult:
    """The result over the cases that every model was asked; unchanged where they all were asked the same or none."""
    asked = [frozenset(records) for records in result.records.values()]
    common = frozenset.intersection(*asked) if asked else frozenset()
    return result if not common or all(one == common for one in asked) else restricted(result, common)


def _rank_benchmark(result: BenchmarkResult, models: Sequence[str]) -> BenchmarkRanks:
    values = {(value.model, value.metric): value.value for value in result.values}
    by_metric = {
        metric.key: ranks([metric.distance(values.get((model, metric.key), math.nan)) for model in models])
        for metric in result.metrics
    }
    sums = rank_sums(list(by_metric.values()))
    return BenchmarkRanks(
        benchmark=result.benchmark.name,
        metrics={key: _named(models, places) for key, places in by_metric.items()},
        rank_sum=_named(models, sums),
        rank=_places(
            models,
            [
                math.nan if model not in result.records else float(total)
                for model, total in zip(models, sums, strict=True)
            ],
        ),
    )


def _places(models: Sequence[str], distances: Sequence[float]) -> dict[str, int]:
    return _named(models, ranks(distances))


def _named(models: Sequence[str], numbers: np.ndarray) -> dict[str, int]:
    return dict(zip(models, numbers.tolist(), strict=True))
