"""Is the candidate better or worse than the baseline? Metric by metric, over the cases that both were asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from forcegauge.benchmarks.base import Mode
from forcegauge.errors import BadInput, UnknownName
from forcegauge.metrics.comparison import SIGNIFICANCE, Difference, difference, holm
from forcegauge.records import Aggregate, Metric
from forcegauge.scoring.analyse import COVERAGE, BenchmarkResult, analyse
from forcegauge.scoring.comparable import why_not
from forcegauge.scoring.draws import Table

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
        effect: how far the candidate's value is nearer to the ideal, in the unit; negative is worse.
        low: lower end of its 95 % interval, NaN where it is unknown.
        high: its upper end.
        p: how often chance alone would do as much, all metrics of the comparison together (Holm).
        n_cases: common cases.
        n_to_decide: cases that would show an effect of this size with 80 % chance, all metrics of the comparison
            together; NaN where nothing is known, or where the effect does not matter.
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
        BadInput: an unknown model, twice the same one, no common case, or a margin that is no share.
    """
    analysed = analyse(results, mode) if isinstance(results, str | Path) else results
    known = sorted({model for result in analysed for model in result.models})
    for name in (baseline, candidate):
        if name not in known:
            raise UnknownName("model in these results", name, known)
    if not (math.isfinite(margin) and margin >= 0):
        raise BadInput(f"margin is {margin}: it must be a share of the way between the anchors, such as {MARGIN}")
    if baseline == candidate:
        raise BadInput(f"baseline and candidate are both '{baseline}': compare needs two models of the folder")
    rows = [row for one in analysed if one.analysis is not None for row in _of_benchmark(one, baseline, candidate)]
    if not rows:
        raise BadInput(f"{baseline} and {candidate} have no common case: run the same benchmarks for both")
    chances = holm([found.p for _, _, found, _ in rows])
    reasons = [why_not(metric, candidate) or why_not(metric, baseline) for _, metric, _, _ in rows]
    return [
        _judged(row, float(p), len(rows), margin, reason) for row, p, reason in zip(rows, chances, reasons, strict=True)
    ]


def left_out(results: Sequence[BenchmarkResult], baseline: str, candidate: str) -> list[str]:
    """Benchmarks that one of the two was not asked, or not one common case of: a gate that sees less says so."""
    found = []
    for result in results:
        one, other = (frozenset(result.records.get(model, {})) for model in (baseline, candidate))
        if (one or other) and not one & other:
            absent = "no common case" if one and other else f"{baseline if other else candidate} was not asked"
            found.append(f"{result.benchmark.name}: not compared, {absent}")
    return found


_Row = tuple[BenchmarkResult, Metric, Difference, tuple[float, float]]


def _of_benchmark(result: BenchmarkResult, baseline: str, candidate: str) -> list[_Row]:
    if baseline not in result.records or candidate not in result.records:
        return []
    table = Table(result, (baseline, candidate))
    common = np.isin(table.cases, sorted(result.records[baseline].keys() & result.records[candidate].keys()))
    rows = []
    for metric in result.metrics:
        scores = np.where(common, table.scores(metric), np.nan)
        both = ~np.isnan(scores).any(axis=0)
        if not both.any():
            continue
        first, second = scores[::-1] if metric.direction == "higher" else scores
        ideal = metric.ideal if metric.direction == "target" else None
        aggregate: Aggregate = "median" if metric.aggregate == "median" else "mean"
        found = difference(first, second, aggregate, clusters=table.systems, ideal=ideal)
        middle = np.median if metric.aggregate == "median" else np.mean
        values = middle(scores[:, both], axis=1)
        rows.append((result, metric, found, (float(values[0]), float(values[1]))))
    return rows


def _judged(row: _Row, p: float, n_tests: int, margin: float, reason: str) -> Comparison:
    result, metric, found, values = row
    span = abs(metric.distance(metric.bad) - metric.distance(metric.good))
    verdict: Verdict = "undecided"
    is_told = p < SIGNIFICANCE and (found.low > 0 or found.high < 0)
    matters = abs(found.value) >= margin * span
    if not reason and is_told and matters:
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
        # More cases do not make a small effect matter.
        (float(found.n) if is_told else max(found.n_to_decide(n_tests), found.n + 1.0)) if matters else math.nan,
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
    return f"`{' '.join(name.replace('`', chr(39)).split())}`"
