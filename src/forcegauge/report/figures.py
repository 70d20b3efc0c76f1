"""What the page draws: colours of models, overview figures as JSON, curves and scores of single cases as float32."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from forcegauge.records import Metric, Raw
from forcegauge.scoring import BenchmarkResult

_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
"""Okabe and Ito's colour-blind-safe palette; without yellow, lost on white, and with grey for black, lost on black."""
_DASHES = ("solid", "dash", "dot", "dashdot")
_MAX_FLOATS = 1_250_000
"""Numbers per explorer: 5 MB, 6.7 MB as base64."""
_FOREIGN_TAG = re.compile(r"<(?!/?(?:b|i|br|sub|sup|em|extra)\s*/?>)", re.IGNORECASE)


def model_styles(models: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and dash by model, the same on the whole page."""
    n = len(_OKABE_ITO)
    return {
        model: {"name": model, "colour": _OKABE_ITO[row % n], "dash": _DASHES[row // n % len(_DASHES)]}
        for row, model in enumerate(models)
    }


def overview(result: BenchmarkResult, styles: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The benchmark's own figure as plain JSON, models in the page's colours, nothing in its text but mild markup."""
    drawn = json.loads(result.benchmark.figure(result.analysis).to_json())  # type: ignore[arg-type]  # caller checks
    for trace in drawn["data"]:
        style = styles.get(trace.get("name", "")) or styles.get(trace.get("legendgroup", ""))
        if style is not None:
            _recolour(trace, style)
    layout = drawn["layout"]
    for name in ("template", "width", "autosize"):
        layout.pop(name, None)
    cleaned: dict[str, Any] = _without_tags({"data": drawn["data"], "layout": layout})
    return cleaned


def _recolour(trace: dict[str, Any], style: dict[str, str]) -> None:
    marker = trace.setdefault("marker", {})
    if not isinstance(marker.get("color"), list | dict):  # an array of colours means something else than the model
        marker["color"] = style["colour"]
    if trace["type"].startswith("scatter"):
        line = trace.setdefault("line", {})
        line["color"] = style["colour"]
        line.setdefault("dash", style["dash"])
    elif trace["type"] in ("box", "violin"):
        trace.setdefault("line", {})["color"] = style["colour"]


def _without_tags(value: Any) -> Any:
    if isinstance(value, str):
        return _FOREIGN_TAG.sub("&lt;", value)
    if isinstance(value, list):
        return [_without_tags(item) for item in value]
    return {key: _without_tags(item) for key, item in value.items()} if isinstance(value, dict) else value


def explorer_data(result: BenchmarkResult) -> dict[str, Any] | None:
    """Everything that the explorer of single cases shows; None where the benchmark has none.

    Arrays are base64 of little-endian float32. ``curves`` has one row per line: model, case, panel, where x starts,
    where y starts, number of points. ``scores`` is [n_models, n_cases, n_scores].
    """
    explorer, analysis = result.benchmark.explorer, result.analysis
    if explorer is None or analysis is None:
        return None
    cases = _in_order({case for of_model in analysis.outcomes.values() for case in of_model}, explorer.periodic_table)
    columns = _score_columns(result)
    curves, floats, stride = _curves(result, cases)
    scores = np.full((len(result.models), len(cases), len(columns)), np.nan, "<f4")
    rows = {case: row for row, case in enumerate(cases)}
    for model, of_model in enumerate(result.models):
        for case, found in analysis.scores[of_model].items():
            scores[model, rows[case]] = [found.get(column["score"], math.nan) for column in columns]
    return {
        "models": result.models,
        "cases": cases,
        "x_title": explorer.x_title,
        "panels": list(explorer.panels.values()),
        "curves": curves,
        "floats": _base64(floats),
        "stride": stride,
        "columns": columns,
        "scores": _base64(scores.ravel()),
        "failures": [
            [result.models.index(row.model), rows[row.case], f"{row.kind}: {row.message}"] for row in result.failures
        ],
        "table": next((at for at, column in enumerate(columns) if column["score"] == explorer.periodic_table), None),
    }


def _curves(result: BenchmarkResult, cases: Sequence[str]) -> tuple[list[list[int]], np.ndarray, int]:
    """Rows of ``curves``, their numbers, and the stride that keeps them within the limit; equal x are kept once."""
    explorer, analysis = result.benchmark.explorer, result.analysis
    assert explorer is not None
    assert analysis is not None
    panels = {name: row for row, name in enumerate(explorer.panels)}
    lines: list[tuple[int, int, int, np.ndarray, np.ndarray]] = []
    for case_row, case in enumerate(cases):
        for model_row, model in enumerate(result.models):
            outcome = analysis.outcomes[model].get(case)
            if isinstance(outcome, Raw):
                lines += [
                    (model_row, case_row, panels[curve.name], np.asarray(curve.x, "<f4"), np.asarray(curve.y, "<f4"))
                    for curve in explorer.curves(outcome)
                    if curve.name in panels
                ]
    stride = max(1, math.ceil(sum(len(line[4]) for line in lines) / _MAX_FLOATS))
    rows, parts, known, end = [], [], dict[tuple[int, bytes], int](), 0
    for model_row, case_row, panel, x, y in lines:
        starts = []
        for values, may_be_shared in ((x[::stride], True), (y[::stride], False)):
            key = (case_row, values.tobytes())
            if not may_be_shared or key not in known:
                parts.append(values)
                known[key] = end
                end += len(values)
            starts.append(known[key])
        rows.append([model_row, case_row, panel, *starts, len(y[::stride])])
    return rows, np.concatenate(parts) if parts else np.empty(0, "<f4"), stride


def _score_columns(result: BenchmarkResult) -> list[dict[str, Any]]:
    """The per-case scores of the page: those behind the metrics, each once, and the one that colours the table."""
    columns: dict[str, dict[str, Any]] = {}
    for metric in result.metrics[1:]:
        columns.setdefault(metric.score, _score_column(metric))
    wanted = result.benchmark.explorer.periodic_table if result.benchmark.explorer else ""
    if wanted and wanted not in columns:
        columns[wanted] = {"score": wanted, "title": wanted, "unit": ""}
    return list(columns.values())


def _score_column(metric: Metric) -> dict[str, Any]:
    anchors = {"direction": metric.direction, "ideal": metric.ideal, "good": metric.good, "bad": metric.bad}
    is_share = metric.aggregate == "proportion"  # its anchors are shares of cases, not scores of one
    if is_share:
        anchors |= {"good": metric.ideal, "bad": 1 - metric.ideal}
    return {"score": metric.score, "title": metric.title, "unit": "" if is_share else metric.unit, **anchors}


def _in_order(cases: set[str], by_element: str) -> list[str]:
    if by_element:
        return sorted(cases, key=lambda case: (atomic_numbers.get(case, 999), case))
    return sorted(cases, key=lambda case: [(not part.isdigit(), part.zfill(12)) for part in re.split(r"(\d+)", case)])


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def periodic_table() -> list[dict[str, Any]]:
    """Symbol, row and column of the 118 elements, lanthanides and actinides in two rows below."""
    noble = (0, 2, 10, 18, 36, 54, 86, 118)
    cells = []
    for z in range(1, 119):
        period = next(row for row, last in enumerate(noble) if z <= last)
        at, from_end = z - noble[period - 1], noble[period] - z
        row, column = period, 18 - from_end
        if at <= (1 if period == 1 else 2):
            column = at
        elif period >= 6 and at <= 17:
            row, column = period + 3, at
        cells.append({"symbol": chemical_symbols[z], "z": z, "row": row, "column": column})
    return cells
