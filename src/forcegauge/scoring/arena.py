"""The published order of mode ``arena``: places summed over the metrics of a task, then over the tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forcegauge.errors import BadInput
from forcegauge.metrics.published_ranks import Variant, overall_ranks, rank_sums
from forcegauge.metrics.ranking import ranks
from forcegauge.records import Metric
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult

_COUNTS_MISSING = {"diatomics": False, "energy-volume": True, "equation-of-state": True}
"""The tasks whose ranks are published, and whether missing cases count as a metric there."""


@dataclass(frozen=True)
class ArenaRow:
    """One model's published-style places.

    Args:
        model: its name.
        rank: by the sum over tasks.
        sum_of_ranks: over the tasks; who took no part in one is placed after its last.
        tasks: by benchmark, the sum of places over its metrics, and the rank of that; None where it took no part.
    """

    model: str
    rank: int
    sum_of_ranks: int
    tasks: dict[str, tuple[int, int] | None]

    def row(self) -> dict[str, int | str]:
        """For a table."""
        parts: dict[str, int | str] = {}
        for name, found in self.tasks.items():
            parts |= {f"{name}_sum": found[0] if found else "", f"{name}_rank": found[1] if found else ""}
        return {"rank": self.rank, "model": self.model, "sum_of_ranks": self.sum_of_ranks, **parts}


def arena_ranks(results: Sequence[BenchmarkResult], variant: Variant = "ranks") -> list[ArenaRow]:
    """All models in the published order; values are compared as they are, without doubt.

    Args:
        results: of :func:`forcegauge.scoring.analyse` in mode ``arena``.
        variant: see :data:`forcegauge.metrics.published_ranks.Variant`.

    Raises:
        BadInput: no task whose ranks are published.
    """
    models = sorted({model for result in results for model in result.models})
    tasks = {
        result.benchmark.name: _of_task(result, variant)
        for result in results
        if result.analysis is not None and result.benchmark.name in _COUNTS_MISSING
    }
    if not tasks:
        raise BadInput(
            f"no published order: mode arena sums places in {', '.join(_COUNTS_MISSING)}, and none of these has results"
        )
    placed = [[float(found[model][1]) if model in found else math.nan for model in models] for found in tasks.values()]
    sums, places = overall_ranks(placed)
    rows = [
        ArenaRow(model, int(place), int(total), {name: found.get(model) for name, found in tasks.items()})
        for model, place, total in zip(models, places, sums, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.rank, row.model))


def _of_task(result: BenchmarkResult, variant: Variant) -> dict[str, tuple[int, int]]:
    counted = [metric for metric in result.metrics if metric is not COVERAGE or _COUNTS_MISSING[result.benchmark.name]]
    columns = {metric.key: _column(result, metric) for metric in counted}
    sums = rank_sums(columns, variant)
    return {
        model: (int(total), int(place)) for model, total, place in zip(result.models, sums, ranks(sums), strict=True)
    }


def _column(result: BenchmarkResult, metric: Metric) -> tuple[list[float], list[float]]:
    found = [result.value(model, metric.key) for model in result.models]
    values = [math.nan if one is None else one.value for one in found]
    return values, [metric.distance(value) for value in values]
