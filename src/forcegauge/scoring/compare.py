"""Is the candidate better or worse than the baseline? Metric by metric, over the cases that both were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from forcegauge.benchmarks.base import Mode
from forcegauge.errors import BadInput, UnknownName
from forcegauge.metrics.comparison import SIGNIFICANCE, Difference, difference, holm
from forcegauge.records import Metric
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult, analyse
from forcegauge.scoring.comparable import why_not
from forcegauge.scoring.draws import Floats, Table

Verdict = Literal["better", "worse", "undecided"]
MARGIN = 0.01
"""Share of the way from the bad anchor to the good one below which a difference does not matter."""


@dataclass(frozen=True)
class Comparison:
    """One metric of two models on their common cases.

    Args:
        benchmark: its name.
        metric: its key.
        unit: of the values.
        baseline: value of the baseline.
        candidate: value of the candidate.
        effect: how far the candidate is nearer to the ideal, per case, in the unit; negative is worse.
        low: lower end of its 95 % interval, NaN where it is unknown.
        high: its upper end.
        p: how often chance alone would do as much, all metrics of the comparison together (Holm).
        n_cases: common cases.
        n_to_decide: cases that would show an effect of this size with 80 % chance, NaN where nothing is known.
        verdict: of all this.
        note: why there is no verdict, where that is not for want of cases.
    """

    benchmark: str
    metric: str
    unit: str
    baseline: float
    candidate: float
    effect: float
    low: float
    high: float
    p: float
    n_cases: int
    n_to_decide: float
    verdict: Verdict
    note: str = ""


def compare(
    results: str | Path | Sequence[BenchmarkResult],
    baseline: str,
    candidate: str,
    mode: Mode = "default",
    margin: float = MARGIN,
) -> list[Comparison]:
    """Every metric of every benchmark that both models have records of.

    A verdict other than undecided needs an interval that excludes no effect, a probability below 5 % over all metrics
    together, and an effect that matters.

    Args:
        results: a results folder, or what :func:`forcegauge.scoring.analyse` gave.
        baseline: the model that is known.
        candidate: the one that is to be judged.
        mode: as for ``analyse``; only used with a folder.
        margin: see :data:`MARGIN`.

    Raises:
        BadInput: an unknown model, twice the same one, or no common case.
    """
    analysed = analyse(results, mode) if isinstance(results, str | Path) else results
    known = sorted({model for result in analysed for model in result.models})
    for name in (baseline, candidate):
        if name not in known:
            raise UnknownName("model in these results", name, known)
    if baseline == candidate:
        raise BadInput(f"baseline and candidate are both '{baseline}': compare needs two models of the folder")
    rows = [row for one in analysed if one.analysis is not None for row in _of_benchmark(one, baseline, candidate)]
    if not rows:
        raise BadInput(f"{baseline} and {candidate} have no common case: run the same benchmarks for both")
    chances = holm([found.p for _, _, found, _ in rows])
    return [
        _judged(
            result, metric, found, values, float(p), margin, why_not(metric, candidate) or why_not(metric, baseline)
        )
        for (result, metric, found, values), p in zip(rows, chances, strict=True)
    ]


_Row = tuple[BenchmarkResult, Metric, Difference, tuple[float, float]]


def _of_benchmark(result: BenchmarkResult, baseline: str, candidate: str) -> list[_Row]:
    if baseline not in result.records or candidate not in result.records:
        return []
    table = Table(result, (baseline, candidate))
    common = np.isin(table.cases, sorted(result.records[baseline].keys() & result.records[candidate].keys()))
    rows = []
    for metric in result.metrics:
        scores = np.where(common, table.scores(metric), np.nan)
        both = np.isfinite(scores).all(axis=0)
        if not both.any():
            continue
        good = _goodness(metric, scores)
        found = difference(good[1], good[0], _aggregate(metric), clusters=table.systems)
        middle = np.median if metric.aggregate == "median" else np.mean
        values = middle(scores[:, both], axis=1)
        rows.append((result, metric, found, (float(values[0]), float(values[1]))))
    return rows


def _aggregate(metric: Metric) -> Literal["mean", "median"]:
    return "median" if metric.aggregate == "median" else "mean"


def _goodness(metric: Metric, scores: Floats) -> Floats:
    """Per-case scores turned so that more is better."""
    if metric.direction == "target":
        return -np.abs(scores - metric.ideal)
    return scores if metric.direction == "higher" else -scores


def _judged(
    result: BenchmarkResult,
    metric: Metric,
    found: Difference,
    values: tuple[float, float],
    p: float,
    margin: float,
    reason: str,
) -> Comparison:
    span = abs(metric.distance(metric.bad) - metric.distance(metric.good))
    verdict: Verdict = "undecided"
    if not reason and p < SIGNIFICANCE and (found.low > 0 or found.high < 0) and abs(found.value) >= margin * span:
        verdict = "better" if found.value > 0 else "worse"
    return Comparison(
        result.benchmark.name,
        metric.key,
        "" if metric is COVERAGE else metric.unit,
        *values,
        found.value,
        found.low,
        found.high,
        p,
        found.n,
        found.n_to_decide if verdict == "undecided" else float(found.n),
        verdict,
        reason,
    )


def markdown(rows: Sequence[Comparison], baseline: str, candidate: str) -> str:
    """The comparison as a table for a pull request: what changed first, what is undecided folded away."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("worse", "better", "undecided")}
    head = f"{_code(candidate)} against {_code(baseline)}: " + ", ".join(f"{n} {name}" for name, n in counts.items())
    decided = [row for name in ("worse", "better") for row in rows if row.verdict == name]
    open_ones = [row for row in rows if row.verdict == "undecided"]
    parts = [f"**{head}**"]
    if decided:
        parts.append(_table(decided))
    if open_ones:
        parts += ["<details><summary>undecided</summary>", _table(open_ones), "</details>"]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Comparison]) -> str:
    lines = [
        "| verdict | benchmark | metric | baseline | candidate | effect (95 %) | cases |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        interval = "" if np.isnan(row.low) else f" ({row.low:.3g} to {row.high:.3g})"
        unit = f" {row.unit}" if row.unit else ""
        lines.append(
            f"| {row.verdict} | {row.benchmark} | {row.metric} | {row.baseline:.4g}{unit} | {row.candidate:.4g}{unit} "
            f"| {row.effect:+.3g}{interval} | {row.n_cases} |"
        )
    return "\n".join(lines)


def _code(name: str) -> str:
    """A name from outside as Markdown code, which nothing in it can leave."""
    return f"`{name.replace('`', chr(39)).replace(chr(10), ' ')}`"
