"""The overview of the benchmark ``conformance``: every metric against its anchors, one mark per model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forcegauge.benchmarks.base import Analysis
from forcegauge.benchmarks.figures import COLOURS
from forcegauge.benchmarks.symmetry.declared import METRICS
from forcegauge.metrics.uncertainty import estimate
from forcegauge.records import Metric

if TYPE_CHECKING:
    import plotly.graph_objects as go

_FLOOR = 1e-6  # of the good anchor; nearer to the ideal is drawn there
_SYMBOLS = ("circle-open", "diamond-open", "square-open", "triangle-up-open", "cross-open", "star-open", "x-open")
_PANELS: tuple[tuple[str, str], ...] = (
    ("consistency", "derivatives"),
    ("energy", "same energy"),
    ("force", "same forces"),
    ("jump", "smoothness"),
    ("", "elements and sizes"),
)


def draw(analysis: Analysis) -> go.Figure:
    """One panel per kind of check; where a mark is left of 1 the metric is as good as its good anchor asks."""
    from plotly.subplots import make_subplots

    groups = _groups()
    rows = [max(len(metrics), 2) for metrics in groups.values()]
    figure = make_subplots(
        rows=len(groups), cols=1, row_heights=rows, vertical_spacing=0.06, subplot_titles=list(groups)
    )
    for row, metrics in enumerate(groups.values(), start=1):
        where = {"row": row, "col": 1}
        for number in range(len(analysis.scores)):
            figure.add_trace(_marks(analysis, number, metrics, in_legend=row == 1), **where)
        titles = [metric.title for metric in metrics]
        figure.update_yaxes(tickvals=list(range(len(titles))), ticktext=titles, **where)
        figure.update_yaxes(range=[-0.7, len(titles) - 0.3], **where)
        figure.update_xaxes(type="log", range=[np.log10(_FLOOR) - 0.3, 6], dtick=2, exponentformat="power", **where)
        figure.add_vline(x=1.0, line={"dash": "dot", "width": 1, "color": "grey"}, **where)
    figure.update_xaxes(title_text="size, in units of the good anchor", row=len(groups), col=1)
    figure.update_layout(
        template="plotly_white",
        height=180 + 34 * sum(rows),
        margin={"l": 190, "r": 20, "t": 60, "b": 50},
        legend={"orientation": "h", "y": 1.03, "yanchor": "bottom", "x": 0},
    )
    return figure


def _marks(analysis: Analysis, number: int, metrics: Sequence[Metric], *, in_legend: bool) -> go.Scatter:
    """One model's marks in one panel; open and of different shapes, so that equal values are seen behind each other."""
    import plotly.graph_objects as go

    model, scores = list(analysis.scores.items())[number]
    far = [_far(metric, [one.get(metric.score, np.nan) for one in scores.values()]) for metric in metrics]
    shown = [(x, y) for y, x in enumerate(far) if np.isfinite(x)]
    look = {"color": COLOURS[number % len(COLOURS)], "symbol": _SYMBOLS[number % len(_SYMBOLS)]}
    return go.Scatter(
        x=[x for x, _ in shown],
        y=[y for _, y in shown],
        mode="markers",
        marker={"size": 10, **look, "line": {"width": 2}},
        name=model,
        legendgroup=model,
        showlegend=in_legend,
        hovertemplate="%{x:.3g} of the good anchor<extra>" + model + "</extra>",
    )


def _groups() -> dict[str, list[Metric]]:
    left = list(METRICS)
    groups = {}
    for ending, title in _PANELS:
        groups[title] = [metric for metric in left if metric.key.endswith(ending)]
        left = [metric for metric in left if metric not in groups[title]]
    return groups


def _far(metric: Metric, scores: Sequence[float]) -> float:
    """How far from the ideal in units of the good anchor's distance, or of a hundredth where that is the ideal."""
    value = estimate(scores, metric.aggregate, n_resamples=1).value
    unit = abs(metric.good - metric.ideal) or 0.01
    return max(abs(value - metric.ideal) / unit, _FLOOR) if np.isfinite(value) else np.nan
