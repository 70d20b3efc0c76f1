"""What the page draws of a benchmark: colours of models, its overview figure as JSON, the curves of single cases."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from forcegauge.benchmarks.base import Curve
from forcegauge.records import Raw
from forcegauge.report.cases import as_base64
from forcegauge.scoring import BenchmarkResult

_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
"""Okabe and Ito's colour-blind-safe palette; without yellow, lost on white, and with grey for black, lost on black."""
_DASHES = ("solid", "dash", "dot", "dashdot")
MAX_FLOATS = 1_000_000
"""Numbers in all curves of the page: 4 MB, 5.4 MB as base64."""
Line = tuple[tuple[int, int, int], Curve]
"""A curve and the numbers of its model, case and panel."""
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


def shares(wanted: Sequence[int], total: int) -> list[int]:
    """What each may have of a total: the modest all they want, the others equal parts of what is left."""
    given = [0] * len(wanted)
    for n_done, at in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        given[at] = min(wanted[at], total // (len(wanted) - n_done))
        total -= given[at]
    return given


def size(lines: Sequence[Line]) -> int:
    """How many numbers the curves have."""
    return sum(len(curve.x) + len(curve.y) for _, curve in lines)


def curve_data(result: BenchmarkResult, lines: Sequence[Line], max_floats: int) -> dict[str, Any] | None:
    """The curves of single cases; None where the benchmark has none.

    Arrays are base64 of little-endian float32. ``curves`` has one row per line: model, case, panel, where x starts,
    where y starts, number of points, lowest and highest y to show first (null for all).
    """
    explorer = result.benchmark.explorer
    if explorer is None:
        return None
    stride = max(1, math.ceil(size(lines) / max(max_floats, 1)))
    rows, floats = _packed(lines, stride)
    return {
        "x_title": explorer.x_title,
        "panels": list(explorer.panels.values()),
        "curves": rows,
        "floats": as_base64(floats),
        "stride": stride,
    }


def _packed(lines: Sequence[Line], stride: int) -> tuple[list[list[Any]], np.ndarray]:
    """Rows of ``curves`` and their numbers; equal x are kept once."""
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
    return rows, np.concatenate(parts) if parts else np.empty(0, "<f4")


def lines(result: BenchmarkResult, cases: Sequence[str]) -> Iterator[Line]:
    """Every curve that a panel shows."""
    explorer, analysis = result.benchmark.explorer, result.analysis
    if explorer is None or analysis is None:
        return
    panels = {name: row for row, name in enumerate(explorer.panels)}
    for case_row, case in enumerate(cases):
        for model_row, model in enumerate(result.models):
            outcome = analysis.outcomes[model].get(case)
            for curve in explorer.curves(outcome) if isinstance(outcome, Raw) else ():
                if curve.name in panels:
                    yield (model_row, case_row, panels[curve.name]), curve
