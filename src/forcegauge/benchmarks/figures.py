"""The overview that most benchmarks want: which share of the cases is how far from the ideal, model beside model."""

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
DASHES = ("solid", "dash", "dot", "dashdot")
"""What tells models apart that share a colour because there are more models than colours."""
_PANELS_A_ROW = 3


@dataclass(frozen=True)
class Panel:
    """One score in an overview.

    Args:
        score: its name.
        title: of the horizontal axis, unit included; what is drawn is the distance from ``ideal``.
        ideal: what a perfect potential scores.
        floor: distances up to it count as none, on a logarithmic axis that starts there; 0 draws a linear axis.
    """

    score: str
    title: str
    ideal: float = 0.0
    floor: float = 0.0


def exceedance(analysis: Analysis, panels: Sequence[Panel], case: str) -> go.Figure:
    """Share of cases, in per cent, whose score is at least so far from the ideal; a perfect model lies on the floor.

    One panel per score, one line per model. Unlike a box or a mean it shows the few cases that rule a heavy tail, and
    the text under the pointer names them.

    Args:
        analysis: of one benchmark.
        panels: in reading order.
        case: the noun of a case in the plural.
    """
    from plotly.subplots import make_subplots

    columns = min(_PANELS_A_ROW, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(rows=rows, cols=columns, horizontal_spacing=0.07, vertical_spacing=0.3 / rows)
    for place, panel in enumerate(panels):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        for number, model in enumerate(analysis.scores):
            figure.add_trace(_line(analysis, panel, model, number, in_legend=place == 0), **where)
        figure.update_xaxes(title_text=panel.title, title_standoff=6, **where)
        if all(len(line.x) == 1 for line in figure.select_traces(**where)):
            axes = {"showticklabels": False, "showgrid": False, "zeroline": False}
            figure.update_xaxes(**axes, range=[0, 1], **where).update_yaxes(**axes, range=[0, 1], **where)
            scored = any(
                np.isfinite(one.get(panel.score, np.nan)) for own in analysis.scores.values() for one in own.values()
            )
            said = "every case at the ideal" if scored else "no case has this score"
            figure.add_annotation(text=said, x=0.5, y=0.5, showarrow=False, **where)
        elif panel.floor:
            farthest = max(max(line.x) for line in figure.select_traces(**where))
            # More labels would run into each other in a narrow window, or turn and cross the title.
            dtick = -(-np.log10(farthest / panel.floor) // 3)
            figure.update_xaxes(type="log", exponentformat="power", dtick=dtick, tickangle=0, **where)
        title = f"{case} at least so far off (%)" if where["col"] == 1 else None
        figure.update_yaxes(title_text=title, title_standoff=6, rangemode="tozero", **where)
    figure.update_layout(
        template="plotly_white",
        height=80 + 270 * rows,
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def _line(analysis: Analysis, panel: Panel, model: str, number: int, *, in_legend: bool) -> go.Scatter:
    import plotly.graph_objects as go

    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    scores = analysis.scores[model]
    far = [(abs(scores[case_id].get(panel.score, np.nan) - panel.ideal), case_id) for case_id in scores]
    known = [pair for pair in far if np.isfinite(pair[0])]
    beyond = sorted(pair for pair in known if pair[0] > panel.floor)
    share = [100.0 * (len(beyond) - place) / len(known) for place in range(len(beyond))]
    return go.Scatter(
        x=[panel.floor, *(distance for distance, _ in beyond)],
        y=[share[0] if share else 0.0, *share],
        text=["all that are beyond", *(case_id for _, case_id in beyond)],
        mode="lines+markers",
        line={"shape": "vh", "color": COLOURS[number % len(COLOURS)], "dash": dash, "width": 2},
        marker={"size": 4},
        name=model,
        legendgroup=model,
        showlegend=in_legend,
        hovertemplate=f"%{{text}}: %{{x:.4g}}, %{{y:.3g}} %<extra>{model}</extra>",
    )
