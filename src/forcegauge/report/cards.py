"""One card per model: what its author says of it, and what all benchmarks together found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from forcegauge.benchmarks.symmetry.verdicts import verdicts
from forcegauge.errors import Failure, ForceGaugeError
from forcegauge.models import registry
from forcegauge.report.elements import coverage
from forcegauge.report.leaderboard import benchmark_cell, cost, of_records, published_by, shown
from forcegauge.report.tables import number, seconds
from forcegauge.scoring import BenchmarkRanks, BenchmarkResult, Ranking

_CONFORMANCE = "conformance"


def cards(results: Sequence[BenchmarkResult], ranking: Ranking) -> list[dict[str, Any]]:
    """The cards in the order of the leaderboard."""
    analysed = [result for result in results if result.analysis is not None]
    return [_card(analysed, ranking, model) for model in ranking.models]


def _card(results: Sequence[BenchmarkResult], ranking: Ranking, model: str) -> dict[str, Any]:
    entry = _entry(model)
    pairs = list(zip(results, ranking.benchmarks, strict=True))
    of_elements = coverage(results, model)
    return {
        "model": model,
        "title": entry.title if entry else "",
        "overall": shown(ranking.overall[model]),
        "published": published_by(results, model),
        "facts": facts(entry) if entry else [],
        "paper": entry.paper if entry else "",
        "benchmarks": [_row(result, ranks, model) for result, ranks in pairs if model in result.models],
        "failures": _failures(results, model),
        "conformance": _conformance(results, model, entry),
        "elements": of_elements,
        "n_elements": sum(answered > 0 for answered, _, _ in of_elements.values()),
        "cost": cost(results, model),
    }


def _entry(model: str) -> registry.Entry | None:
    """The registered card; None for a model that only its owner knows."""
    try:
        return registry.get(model)
    except ForceGaugeError:
        return None


def facts(entry: registry.Entry) -> list[tuple[str, str]]:
    """Titles and texts of what a registered card says; what it does not say is left out."""
    conservative = {True: "the gradient of its energy", False: "predicted beside its energy", None: ""}
    licences = {"code": entry.licence_code, "weights": entry.licence_weights}
    told = [
        ("Theory", entry.theory),
        ("Training data", entry.training_data),
        ("Energy reference", entry.energy_reference),
        ("Elements", entry.elements),
        ("With training data", entry.trained_elements),
        ("Forces", conservative[entry.conservative]),
        ("Gives", ", ".join(entry.properties)),
        ("Cut-off", f"{entry.cutoff_angstrom:g} Å" if entry.cutoff_angstrom else ""),
        ("Parameters", f"{entry.parameters:,}".replace(",", "\u202f") if entry.parameters else ""),
        ("Arithmetic", entry.dtype),
        ("Licence", ", ".join(f"{licence} ({what})" for what, licence in licences.items() if licence)),
        ("Weights", entry.weights),
        *((f"Known: {check}", cause) for check, cause in entry.known.items()),
    ]
    return [(title, text) for title, text in told if text]


def _row(result: BenchmarkResult, ranks: BenchmarkRanks, model: str) -> dict[str, Any]:
    """One benchmark on the card: score, coverage and cost; the same for every benchmark there is or will be."""
    records = list(result.records[model].values())
    spent = of_records(records)
    found = result.value(model, "coverage")
    peak = max(record.peak_memory_bytes for record in records)
    return {
        "name": result.benchmark.name,
        "title": result.benchmark.title,
        "asks": ", ".join(result.benchmark.needs),
        "cell": benchmark_cell(result, ranks, model),
        "n_cases": len(records),
        "coverage": "–" if found is None or math.isnan(found.value) else f"{100 * found.value:.3g} %",
        "n_pending": result.n_pending.get(model, 0),
        "per_case": seconds(sum(record.wall_s for record in records) / len(records)),
        "peak": f"{peak / 2**20:.0f} MiB" if peak else "–",
        **spent,
    }


def _failures(results: Sequence[BenchmarkResult], model: str) -> list[dict[str, Any]]:
    """How the model fails: kinds, the most frequent first, with the benchmarks they were seen in."""
    counts: Counter[tuple[str, str]] = Counter()
    for result in results:
        for outcome in result.analysis.outcomes.get(model, {}).values() if result.analysis else ():
            if isinstance(outcome, Failure):
                counts[outcome.kind, result.benchmark.name] += 1
    kinds: dict[str, list[tuple[str, int]]] = {}
    for (kind, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        kinds.setdefault(kind, []).append((name, count))
    return [{"kind": kind, "count": sum(n for _, n in seen), "seen": seen} for kind, seen in kinds.items()]


def _conformance(results: Sequence[BenchmarkResult], model: str, entry: registry.Entry | None) -> dict[str, Any] | None:
    """What the conformance check found, against what the card claims; None where it was not made."""
    result = next((one for one in results if one.benchmark.name == _CONFORMANCE and model in one.models), None)
    if result is None or result.analysis is None:
        return None
    claims = entry.as_dict() if entry else {}
    lines = verdicts(result.analysis.outcomes[model], result.analysis.scores[model], claims)
    return {
        "counts": Counter(line.verdict for line in lines).most_common(),
        "lines": [
            {
                "check": line.check.replace("-", " "),
                "value": "" if math.isnan(line.value) else f"{number(line.value, 3)} {line.unit}".strip(),
                "verdict": line.verdict,
                "note": line.note,
            }
            for line in lines
        ],
    }
