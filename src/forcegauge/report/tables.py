"""What the tables of the page say: plain values and text, escaped by the template and by nobody before it."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forcegauge.encoding import digest
from forcegauge.records import Metric, MetricValue, PublishedMetric
from forcegauge.scoring import BenchmarkRanks, BenchmarkResult, FailureRow, Place

Places = Mapping[str, Place]
"""By model."""
MAX_ROWS = 100
MAX_TRACEBACKS = 5
"""Different ones that a group of failures shows; the view of a case has its own."""
MAX_TRACEBACK = 6000
_ARROWS = {"lower": "↓", "higher": "↑", "target": "→"}
_WORDS = {"lower": "lower is better", "higher": "higher is better", "target": "the nearer the better"}


@dataclass(frozen=True)
class Cell:
    """One value in a table of metrics.

    Args:
        text: the value.
        key: of the metric.
        interval: its 95 % interval, empty where unknown.
        level: 0 at or beyond the metric's bad anchor, 1 at or beyond the good one, None where nothing is scored.
        place: the places that doubt leaves open; empty where it leaves all of them to everybody.
        is_best: whether nobody is better beyond doubt, and somebody is worse.
        reason: why the value is not scored, empty where it is.
    """

    text: str
    key: str = ""
    interval: str = ""
    level: float | None = None
    place: str = ""
    is_best: bool = False
    reason: str = ""


@dataclass(frozen=True)
class FailureGroup:
    """Failures of one model in one benchmark of one kind: case and message of the first, and different tracebacks."""

    benchmark: str
    model: str
    kind: str
    count: int
    rows: Sequence[tuple[str, str]]
    tracebacks: Sequence[str]


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


def metric_cells(result: BenchmarkResult, metrics: Sequence[Metric], ranks: BenchmarkRanks) -> dict[str, list[Cell]]:
    """One cell per metric, by model, the best of the benchmark first."""
    order = sorted(result.models, key=lambda model: (ranks.places[model].rank or math.inf, model))
    return {
        model: [_cell(metric, result.value(model, metric.key), ranks.metrics[metric.key], model) for metric in metrics]
        for model in order
    }


def _cell(metric: Metric, value: MetricValue | None, of_all: Places, model: str) -> Cell:
    place = of_all[model]
    if value is None or math.isnan(value.value):
        return Cell("–", key=metric.key, reason=place.reason)
    low, high = (number(edge, 3, metric.ideal) for edge in (value.low, value.high))
    return Cell(
        number(value.value, ideal=metric.ideal),
        key=metric.key,
        interval="" if math.isnan(value.low) else f"{low} – {high}",
        level=None if place.reason else level(metric, value.value),
        place=places(place) if are_told(of_all) else "",
        is_best=place.group == 1 and are_told(of_all),
        reason=place.reason,
    )


def places(place: Place) -> str:
    """The places that doubt leaves open, such as 1–3; empty where there is none."""
    if not place.rank:
        return ""
    return str(place.best) if place.best == place.worst else f"{place.best}–{place.worst}"


def are_told(of_all: Places) -> bool:
    """Whether any two models are told apart."""
    return any(place.group > 1 for place in of_all.values())


def bracket(groups: Sequence[int]) -> list[str]:
    """Where each row stands in the bracket that joins its tie group: first, middle, last, or alone.

    Args:
        groups: tie group by row, 0 where the row has no place.
    """
    found = []
    for at, group in enumerate(groups):
        above = at > 0 and groups[at - 1] == group
        below = at + 1 < len(groups) and groups[at + 1] == group
        found.append(
            "alone" if not group or not (above or below) else "first" if not above else "middle" if below else "last"
        )
    return found


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
    return [FailureGroup(*names, len(rows), *_shown(rows)) for names, rows in ordered]


def _shown(rows: Sequence[FailureRow]) -> tuple[list[tuple[str, str]], list[str]]:
    tracebacks = dict.fromkeys(tail(row.traceback) for row in rows if row.traceback)
    return [(row.case, row.message) for row in rows[:MAX_ROWS]], list(tracebacks)[:MAX_TRACEBACKS]


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
                row = rows.setdefault(key, {"model": model, "benchmarks": [], "published": one.model.source, **fields})
                if result.benchmark.name not in row["benchmarks"]:
                    row["benchmarks"].append(result.benchmark.name)
                speeds.setdefault(key, []).append(one.calibration_gflops)
    for key, row in rows.items():
        low, high = f"{min(speeds[key]):.0f}", f"{max(speeds[key]):.0f}"
        row["calibration"] = low if low == high else f"{low} – {high}"
    return [rows[key] for key in sorted(rows, key=lambda key: key[0])]


def published_tables(numbers: Iterable[PublishedMetric]) -> list[dict[str, Any]]:
    """By benchmark of the source, a table of models and metrics, with who published it."""
    cells: dict[str, dict[str, dict[str, PublishedMetric]]] = {}
    for one in numbers:
        cells.setdefault(one.benchmark, {}).setdefault(one.model, {})[one.metric] = one
    found = []
    for benchmark, rows in cells.items():
        every = [one for row in rows.values() for one in row.values()]
        metrics = {one.metric: one.unit for one in every}
        texts = {
            model: [number(row[metric].value) if metric in row else "–" for metric in metrics]
            for model, row in rows.items()
        }
        sources = dict.fromkeys(one.source for one in every)
        found.append({"benchmark": benchmark, "metrics": metrics, "rows": texts, "source": "; ".join(sources)})
    return found
