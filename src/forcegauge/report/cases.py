"""What the page knows of single cases, packed for the browser: elements, outcomes, scores, failures, structures."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from forcegauge.records import Metric
from forcegauge.report.elements import outcome_letter, system
from forcegauge.report.tables import tail
from forcegauge.scoring import BenchmarkRanks, BenchmarkResult

MAX_ATOMS = 300
"""In a structure of the page; a larger one is a heap of balls to the eye."""
_MAX_ALL_ATOMS = 60_000
"""In all structures of a benchmark: half a megabyte as base64."""
_MAX_TRACEBACKS = 200
_STEPS_PER_ANGSTROM = 100


def names(result: BenchmarkResult) -> list[str]:
    """The ids of all cases that some model was asked, in reading order: elements by number, others as people count."""
    analysis = result.analysis
    assert analysis is not None  # the caller leaves out what cannot be analysed
    cases = {case for of_model in analysis.outcomes.values() for case in of_model}
    if result.benchmark.explorer is not None and result.benchmark.explorer.periodic_table:
        return sorted(cases, key=lambda case: (atomic_numbers.get(case, 999), case))
    return sorted(cases, key=lambda case: [(not part.isdigit(), part.zfill(12)) for part in re.split(r"(\d+)", case)])


def case_data(result: BenchmarkResult, ranks: BenchmarkRanks) -> dict[str, Any]:
    """Everything that the browser needs to score any choice of cases, and what happened in each.

    ``scores`` is base64 of little-endian float32 [n_models, n_cases, n_columns]; ``outcomes`` has one string per model
    with a letter per case (see :func:`forcegauge.report.elements.outcome_letter`).
    """
    analysis = result.analysis
    assert analysis is not None
    cases = names(result)
    systems = [system(result, case) for case in cases]
    known = sorted(set(systems))
    columns = score_columns(result)
    found, tracebacks = _failures(result, cases)
    return {
        "benchmark": result.benchmark.name,
        "theme": result.benchmark.theme,
        "models": result.models,
        "cases": cases,
        "systems": known,
        "system": [known.index(one) for one in systems],
        "outcomes": [
            "".join(outcome_letter(analysis.outcomes[model].get(case)) for case in cases) for model in result.models
        ],
        "columns": columns,
        "metrics": _metrics(result, columns, ranks),
        "scores": as_base64(_scores(result, cases, columns)),
        "failures": found,
        "tracebacks": tracebacks,
        "structures": structures(result, cases),
        "table": _table_column(result, columns),
    }


def _scores(result: BenchmarkResult, cases: Sequence[str], columns: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """[n_models, n_cases, n_columns] as float32; what is not exactly 1 stays so, for shares are counted by it."""
    assert result.analysis is not None
    rows = {case: row for row, case in enumerate(cases)}
    scores = np.full((len(result.models), len(cases), len(columns)), np.nan)
    for model, of_model in enumerate(result.models):
        for case, found in result.analysis.scores[of_model].items():
            scores[model, rows[case]] = [found.get(column["score"], math.nan) for column in columns]
    with np.errstate(over="ignore"):
        short = scores.astype("<f4")
    return np.where((short == 1) & (scores != 1), np.nextafter(np.float32(1), np.float32(0)), short)


def _failures(result: BenchmarkResult, cases: Sequence[str]) -> tuple[list[list[Any]], list[str]]:
    """Rows of model, case, message and traceback's number (-1 without one); each traceback once."""
    rows = {case: row for row, case in enumerate(cases)}
    analysis = result.analysis
    assert analysis is not None
    failed = [
        (at, rows[case], outcome)
        for at, model in enumerate(result.models)
        for case, outcome in analysis.outcomes[model].items()
        if outcome_letter(outcome) in "fu"
    ]
    texts = list(dict.fromkeys(tail(one.traceback) for *_, one in failed if one.traceback))[:_MAX_TRACEBACKS]  # type: ignore[union-attr]  # failures only
    number = {text: at for at, text in enumerate(texts)}
    return [
        [model, case, f"{one.kind}: {one.message}", number.get(tail(one.traceback), -1)]  # type: ignore[union-attr]
        for model, case, one in failed
    ], texts


def score_columns(result: BenchmarkResult) -> list[dict[str, Any]]:
    """The per-case scores of the page: those behind the metrics, each once, and the one that colours the table."""
    columns = {metric.score: _score_column(metric) for metric in reversed(result.metrics[1:])}
    columns = dict(reversed(columns.items()))
    wanted = result.benchmark.explorer.periodic_table if result.benchmark.explorer else ""
    scores = result.analysis.scores.values() if result.analysis else ()
    if wanted not in columns and any(wanted in of_case for of_model in scores for of_case in of_model.values()):
        columns[wanted] = {"score": wanted, "title": wanted.replace("_", " "), "unit": ""}
    return list(columns.values())


def _score_column(metric: Metric) -> dict[str, Any]:
    anchors = {"direction": metric.direction, "ideal": metric.ideal, "good": metric.good, "bad": metric.bad}
    is_share = metric.aggregate == "proportion"  # its anchors are shares of cases, not scores of one
    if is_share:
        anchors |= {"good": metric.ideal, "bad": 1 - metric.ideal}
    return {"score": metric.score, "title": metric.title, "unit": "" if is_share else metric.unit, **anchors}


def _table_column(result: BenchmarkResult, columns: Sequence[Mapping[str, Any]]) -> int | None:
    """Which score colours the periodic table; the first where the mode has none of the wanted name."""
    wanted = result.benchmark.explorer.periodic_table if result.benchmark.explorer else ""
    if not wanted or not columns:
        return None
    return next((at for at, column in enumerate(columns) if column["score"] == wanted), 0)


def _metrics(
    result: BenchmarkResult, columns: Sequence[Mapping[str, Any]], ranks: BenchmarkRanks
) -> list[dict[str, Any]]:
    """What the scoring rule needs of each declared metric; ``barred`` are the models that it must not judge."""
    at = {column["score"]: row for row, column in enumerate(columns)}
    return [
        {
            "key": metric.key,
            "column": at[metric.score],
            "aggregate": metric.aggregate,
            "direction": metric.direction,
            "ideal": metric.ideal,
            "good": metric.good,
            "bad": metric.bad,
            "barred": [model for model in result.models if ranks.metrics[metric.key][model].reason],
        }
        for metric in result.metrics[1:]
    ]


def structures(result: BenchmarkResult, cases: Sequence[str]) -> dict[str, Any] | None:
    """The first structure of each case; None where no case has one.

    ``n_atoms`` [n_cases], 0 where there is none or it is too large; ``numbers`` base64 of one byte per atom;
    ``positions`` base64 of three little-endian 16-bit integers per atom in 0.01 Å; ``cells`` nine numbers or none.
    """
    counts: list[int] = []
    cells: list[list[float] | None] = []
    numbers, positions, total = [], [], 0
    for case in cases:
        asked = result.cases.get(case)
        atoms = asked.structures[0] if asked is not None and len(asked.structures) else None
        if atoms is None or not 0 < len(atoms) <= min(MAX_ATOMS, _MAX_ALL_ATOMS - total):
            counts.append(0)
            cells.append(None)
            continue
        centred = atoms.positions - atoms.positions.mean(axis=0)
        corner = -atoms.positions.mean(axis=0)
        counts.append(len(atoms))
        total += len(atoms)
        numbers.append(atoms.numbers.astype("u1"))
        positions.append(np.clip(np.round(centred * _STEPS_PER_ANGSTROM), -32767, 32767).astype("<i2"))
        has_cell = atoms.pbc.any() and atoms.cell.rank == 3
        cells.append([round(float(x), 3) for x in (*corner, *atoms.cell.array.ravel())] if has_cell else None)
    if not numbers:
        return None
    packed = (base64.b64encode(np.concatenate(part).tobytes()).decode() for part in (numbers, positions))
    return dict(zip(("numbers", "positions"), packed, strict=True), n_atoms=counts, cells=cells)


def as_base64(values: np.ndarray) -> str:
    """Little-endian float32 as text."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()
