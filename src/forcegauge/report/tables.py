"""What the tables of the page say: plain values and text, escaped by the template and by nobody before it."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forcegauge.encoding import digest
from forcegauge.records import Metric, MetricValue, Record
from forcegauge.scoring import BenchmarkResult, FailureRow, Ranking

HEADLINE_METRICS = 2
"""Declared metrics of each benchmark that the leaderboard shows; authors put the most telling first."""
MAX_ROWS = 100
MAX_TRACEBACK = 6000
_ARROWS = {"lower": "↓", "higher": "↑", "target": "→"}
_WORDS = {"lower": "lower is better", "higher": "higher is better", "target": "the nearer the better"}


@dataclass(frozen=True)
class Cell:
    """One value in a table of metrics.

    Args:
        text: the value.
        interval: its 95 % interval, empty where unknown.
        level: 0 at or beyond the metric's bad anchor, 1 at or beyond the good one, None without a value.
        is_best: whether no other model in the table is better.
    """

    text: str
    interval: str = ""
    level: float | None = None
    is_best: bool = False


@dataclass(frozen=True)
class FailureGroup:
    """Failures of one model in one benchmark of one kind."""

    benchmark: str
    model: str
    kind: str
    count: int
    rows: Sequence[FailureRow]


def number(value: float, digits: int = 4, ideal: float = 0.0) -> str:
    """A value in few significant digits, a true minus sign, a dash where there is none.

    Args:
        value: to be shown.
        digits: significant ones; whole numbers up to a million keep all of theirs.
        ideal: two significant digits of a distance of 1e-5 or more from it are kept too: 1.0003 does not read 1.
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    magnitude = abs(value)
    if magnitude >= 1e6 or 0 < magnitude < 1e-4:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    digits = max(digits, len(str(int(magnitude))))
    if 1e-5 <= abs(value - ideal) < magnitude:
        digits = max(digits, 2 + _leading_digit(magnitude) - _leading_digit(abs(value - ideal)))
    return f"{value:.{digits}g}".replace("-", "−")


def _leading_digit(magnitude: float) -> int:
    return math.floor(math.log10(magnitude))


def seconds(value: float) -> str:
    """A duration in the unit that people would choose, a dash where nobody measured."""
    if math.isnan(value):
        return "–"
    if value < 0.9995:
        return f"{value * 1000:.3g} ms"
    if value < 59.95:
        return f"{value:.3g} s"
    minutes = round(value / 60)
    return f"{round(value / 60, 1):g} min" if minutes < 60 else f"{value / 3600:.1f} h"


def moment(finished_at: float) -> str:
    """Seconds since 1970 as a UTC date and time."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(finished_at))


def level(metric: Metric, value: float) -> float | None:
    """Where a value lies between the bad anchor (0) and the good one (1)."""
    bad, good, found = metric.distance(metric.bad), metric.distance(metric.good), metric.distance(value)
    if math.isnan(found) or bad == good:
        return None
    return min(1.0, max(0.0, (bad - found) / (bad - good)))


def metric_columns(metrics: Iterable[Metric]) -> list[dict[str, str]]:
    """Heading and explanation of each metric."""
    return [
        {
            "key": metric.key,
            "title": metric.title,
            "unit": metric.unit,
            "arrow": _ARROWS[metric.direction],
            "direction": _WORDS[metric.direction],
            "aggregate": metric.aggregate,
            "ideal": number(metric.ideal),
            "good": number(metric.good),
            "bad": number(metric.bad),
            "reason": metric.reason,
            "description": metric.description,
        }
        for metric in metrics
    ]


def metric_cells(result: BenchmarkResult, metrics: Sequence[Metric]) -> dict[str, list[Cell]]:
    """One cell per metric, by model."""
    best = {metric.key: _best(result, metric) for metric in metrics}
    return {
        model: [_cell(metric, result.value(model, metric.key), best[metric.key]) for metric in metrics]
        for model in result.models
    }


def _best(result: BenchmarkResult, metric: Metric) -> float:
    """The smallest distance from ideal, NaN where fewer than two models have a value or all are equal."""
    distances = [metric.distance(value.value) for value in result.values if value.metric == metric.key]
    distances = [distance for distance in distances if not math.isnan(distance)]
    return min(distances) if len(set(distances)) > 1 else math.nan


def _cell(metric: Metric, value: MetricValue | None, best: float) -> Cell:
    if value is None or math.isnan(value.value):
        return Cell("–")
    interval = (
        "" if math.isnan(value.low) else f"{number(value.low, 3, metric.ideal)} – {number(value.high, 3, metric.ideal)}"
    )
    return Cell(
        number(value.value, ideal=metric.ideal),
        interval,
        level(metric, value.value),
        metric.distance(value.value) == best,
    )


def counts(result: BenchmarkResult, model: str) -> dict[str, Any]:
    """Cases, failures and cost of one model in one benchmark."""
    records = list(result.records[model].values())
    value = next(value for value in result.values if value.model == model)
    total = sum(record.wall_s for record in records)
    peak = max(record.peak_memory_bytes for record in records)
    parts = {"failed": value.n_failed, "unsupported": value.n_unsupported, "pending": result.n_pending.get(model, 0)}
    return {
        "n_cases": value.n_cases,
        "apart": [f"{count} {name}" for name, count in parts.items() if count],
        "per_case": seconds(total / len(records)),
        "peak": f"{peak / 2**20:.0f} MiB" if peak else "",
    }


def leaderboard(results: Sequence[BenchmarkResult], ranking: Ranking) -> dict[str, Any]:
    """Columns and rows of the leaderboard: places, headline metrics, coverage and cost of each benchmark."""
    columns, rows = [], [{"model": model, "parts": []} for model in ranking.models]
    for result, places in zip([one for one in results if one.analysis], ranking.benchmarks, strict=True):
        shown = [*result.metrics[1 : 1 + HEADLINE_METRICS], result.metrics[0]]
        cells = metric_cells(result, shown)
        columns.append({"name": result.benchmark.name, "metrics": metric_columns(shown)})
        for row in rows:
            model = str(row["model"])
            row["parts"].append(  # type: ignore[attr-defined]
                {
                    "rank": places.places[model].rank or "–",
                    "cells": cells.get(model, [Cell("–")] * len(shown)),
                    "per_case": counts(result, model)["per_case"] if model in cells else "–",
                }
            )
    wall = {model: seconds(sum(record.wall_s for record in _records(results, model))) for model in ranking.models}
    return {"columns": columns, "rows": rows, "overall": ranking.overall, "wall": wall}


def _records(results: Iterable[BenchmarkResult], model: str) -> list[Record]:
    return [record for result in results for record in result.records.get(model, {}).values()]


def settings_rows(result: BenchmarkResult) -> list[tuple[str, str]]:
    """The protocol's settings as text."""
    if result.analysis is None:
        return []
    return [(name, _text(value)) for name, value in result.analysis.settings.protocol().items()]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def failure_groups(results: Iterable[BenchmarkResult]) -> list[FailureGroup]:
    """Failures by benchmark, model and kind, the most frequent first; long lists and tracebacks are cut, and say so."""
    groups: dict[tuple[str, str, str], list[FailureRow]] = defaultdict(list)
    for result in results:
        for row in result.failures:
            groups[row.benchmark, row.model, row.kind].append(row)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[0]))
    return [FailureGroup(*names, len(rows), rows[:MAX_ROWS]) for names, rows in ordered]


def tail(traceback: str) -> str:
    """The end of a traceback, where the reason stands."""
    return traceback if len(traceback) <= MAX_TRACEBACK else "[...]\n" + traceback[-MAX_TRACEBACK:]


def provenance_rows(results: Iterable[BenchmarkResult]) -> list[dict[str, Any]]:
    """One row per model and distinct circumstances, with the benchmarks that were run under them.

    The calibration speed differs at every start of a worker; it is given as a range.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    speeds: dict[tuple[str, str], list[float]] = {}
    for result in results:
        for model, found in result.provenances.items():
            for one in found:
                fields: Mapping[str, Any] = {
                    "weights": one.model.weights,
                    "environment": one.model.environment,
                    "options": ", ".join(f"{name}={value}" for name, value in one.model.options.items()),
                    "packages": ", ".join(f"{name} {version}" for name, version in sorted(one.packages.items())),
                    "python": one.python,
                    "platform": one.platform,
                    "device": one.device,
                    "dtype": one.dtype,
                    "threads": one.threads,
                    "forcegauge": one.forcegauge,
                }
                key = (model, digest(dict(fields)))
                row = rows.setdefault(key, {"model": model, "benchmarks": [], **fields})
                if result.benchmark.name not in row["benchmarks"]:
                    row["benchmarks"].append(result.benchmark.name)
                speeds.setdefault(key, []).append(one.calibration_gflops)
    for key, row in rows.items():
        low, high = f"{min(speeds[key]):.0f}", f"{max(speeds[key]):.0f}"
        row["calibration"] = low if low == high else f"{low} – {high}"
    return [rows[key] for key in sorted(rows, key=lambda key: key[0])]
