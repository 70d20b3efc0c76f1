"""The overview that most benchmarks want: how the scores of the cases are spread, model beside model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forcegauge.benchmarks.base import Analysis

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart with any common colour blindness."""
_FEW_CASES = 200
_PANELS_A_ROW = 3


@dataclass(frozen=True)
class Panel:
    """One score in an overview.

    Args:
        score: its name.
        title: of the axis, unit included.
        log_floor: draw on a logarithmic axis and lift smaller values to this one; 0 draws a linear axis.
        shift: added before drawing, so that an ideal of 1 can be drawn as a deviation.
    """

    score: str
    title: str
    log_floor: float = 0.0
    shift: float = 0.0


def distributions(analysis: Analysis, panels: Sequence[Panel], case: str) -> go.Figure:
    """Boxes with the single cases as points, one panel per score, one colour per model.

    Args:
        analysis: of one benchmark.
        panels: in reading order.
        case: the noun of a case, for the text under the pointer.
    """
    from plotly.subplots import make_subplots

    columns = min(_PANELS_A_ROW, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(rows=rows, cols=columns, horizontal_spacing=0.09, vertical_spacing=0.32 / rows)
    for place, panel in enumerate(panels):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        for number, model in enumerate(analysis.scores):
            figure.add_trace(_box(analysis, panel, model, COLOURS[number % len(COLOURS)], case, place == 0), **where)
        figure.update_yaxes(title_text=panel.title, title_standoff=4, **where)
        if panel.log_floor:
            figure.update_yaxes(type="log", exponentformat="power", dtick=1, minor_showgrid=False, **where)
        figure.update_xaxes(showticklabels=False, **where)
    figure.update_layout(
        template="plotly_white",
        height=60 + 300 * rows,
        margin={"l": 60, "r": 20, "t": 50, "b": 20},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        boxmode="group",
    )
    return figure


def _box(analysis: Analysis, panel: Panel, model: str, colour: str, case: str, in_legend: bool) -> go.Box:
    import plotly.graph_objects as go

    scores = analysis.scores[model]
    pairs = [(case_id, scores[case_id].get(panel.score, float("nan")) + panel.shift) for case_id in scores]
    shown = [(case_id, value) for case_id, value in pairs if np.isfinite(value)]
    values = [max(value, panel.log_floor) if panel.log_floor else value for _, value in shown]
    return go.Box(
        y=values,
        name=model,
        legendgroup=model,
        showlegend=in_legend,
        text=[case_id for case_id, _ in shown],
        hovertemplate=f"{case} %{{text}}: %{{y:.4g}}<extra>{model}</extra>",
        boxpoints="all" if len(shown) <= _FEW_CASES else "suspectedoutliers",
        jitter=0.5,
        pointpos=0,
        marker={"color": colour, "size": 4, "opacity": 0.6},
        line={"color": colour, "width": 1.5},
        fillcolor="rgba(0,0,0,0)",
    )
