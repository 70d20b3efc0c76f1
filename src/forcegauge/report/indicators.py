"""Radar charts of the SAIT indicator scores: one panel per model, a polygon each for known and unknown structures."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import numpy as np

from forcegauge.metrics.indicators import INDICATORS, SPLITS
from forcegauge.scoring.sait import IndicatorBoard

_COLUMNS = 5
_COLOURS = {"ID": "#0072B2", "OOD": "#D55E00"}


def radar(board: IndicatorBoard) -> dict[str, Any]:
    """The board's figure as plain JSON for Plotly, models in the order of their total score."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    rows = board.rows()
    n_rows = -(-len(rows) // _COLUMNS)
    titles = [f"{escape(str(row['model']))}<br>total {row['total']:.2f}" for row in rows]
    figure = make_subplots(
        rows=n_rows,
        cols=_COLUMNS,
        specs=[[{"type": "polar"}] * _COLUMNS for _ in range(n_rows)],
        subplot_titles=titles,
        vertical_spacing=0.16,
    )
    around = (*INDICATORS, INDICATORS[0])
    for at, row in enumerate(rows):
        model = board.models.index(str(row["model"]))
        for split in SPLITS:
            values = [float(np.asarray(board.scores[f"{name}_{split}"])[model]) for name in around]
            line = go.Scatterpolar(
                r=values,
                theta=around,
                name=split,
                legendgroup=split,
                showlegend=at == 0,
                fill="toself",
                line={"color": _COLOURS[split]},
                opacity=0.7,
                hovertemplate="%{theta}: %{r:.2f}",
            )
            figure.add_trace(line, row=at // _COLUMNS + 1, col=at % _COLUMNS + 1)
    figure.update_polars(radialaxis={"range": [0, 1], "showticklabels": False}, angularaxis={"tickfont": {"size": 9}})
    figure.update_annotations(font_size=11, yshift=18)
    figure.update_layout(height=290 * n_rows, margin={"t": 70, "b": 30, "l": 30, "r": 30})
    drawn: dict[str, Any] = json.loads(figure.to_json())
    drawn["layout"].pop("template", None)
    return drawn
