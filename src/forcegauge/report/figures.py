"""What the page draws: colours of models, overview figures as JSON, curves and scores of single cases as float32."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from forcegauge.benchmarks.base import Curve
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
    where y starts, number of points, lowest and highest y to show first (null for all). ``scores`` is
    [n_models, n_cases, n_scores].
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
        "table": _table_column(columns, explorer.periodic_table),
    }


def _curves(result: BenchmarkResult, cases: Sequence[str]) -> tuple[list[list[Any]], np.ndarray, int]:
    """Rows of ``curves``, their numbers, and the stride that keeps them within the limit; equal x are kept once."""
    lines = list(_lines(result, cases))
    stride = max(1, math.ceil(sum(len(curve.y) for _, curve in lines) / _MAX_FLOATS))
    rows, parts, known, end = [], [], dict[tuple[int, bytes], int](), 0
    for place, curve in lines:
        starts = []
        for values, may_be_shared in ((curve.x, True), (curve.y, False)):
            kept = np.asarray(values, "<f4")[::stride]
            key = (place[1], kept.tobytes())
            if not may_be_shared or key not in known:
                parts.append(kept)
                known[key] = end
                end += len(kept)
            starts.append(known[key])
        view = [float(f"{edge:.6g}") for edge in curve.view] if curve.view else [None, None]
        rows.append([*place, *starts, len(curve.y[::stride]), *view])
    return rows, np.concatenate(parts) if parts else np.empty(0, "<f4"), stride


def _lines(result: BenchmarkResult, cases: Sequence[str]) -> Iterator[tuple[tuple[int, int, int], Curve]]:
    """Every curve that a panel shows, with its model, case and panel."""
    explorer, analysis = result.benchmark.explorer, result.analysis
    assert explorer is not None
    assert analysis is not None
    panels = {name: row for row, name in enumerate(explorer.panels)}
    for case_row, case in enumerate(cases):
        for model_row, model in enumerate(result.models):
            outcome = analysis.outcomes[model].get(case)
            for curve in explorer.curves(outcome) if isinstance(outcome, Raw) else ():
                if curve.name in panels:
                    yield (model_row, case_row, panels[curve.name]), curve


def _score_columns(result: BenchmarkResult) -> list[dict[str, Any]]:
    """The per-case scores of the page: those behind the metrics, each once, and the one that colours the table."""
    columns = {metric.score: _score_column(metric) for metric in reversed(result.metrics[1:])}
    columns = dict(reversed(columns.items()))
    wanted = result.benchmark.explorer.periodic_table if result.benchmark.explorer else ""
    scores = result.analysis.scores.values() if result.analysis else ()
    if wanted not in columns and any(wanted in of_case for of_model in scores for of_case in of_model.values()):
        columns[wanted] = {"score": wanted, "title": wanted.replace("_", " "), "unit": ""}
    return list(columns.values())


def _table_column(columns: Sequence[dict[str, Any]], wanted: str) -> int | None:
    """Which score colours the periodic table; the first where the mode has none of the wanted name."""
    if not wanted or not columns:
        return None
    return next((at for at, column in enumerate(columns) if column["score"] == wanted), 0)


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
