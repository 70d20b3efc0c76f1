"""The overview of the tilt: curves at some lattice constants, and where the mode goes soft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forcegauge.benchmarks.base import Analysis
from forcegauge.benchmarks.figures import COLOURS, DASHES
from forcegauge.benchmarks.properties.tilt_curves import BUILT_IN, REFERENCE, above, frequencies, landau_fits
from forcegauge.records import Raw

if TYPE_CHECKING:
    import plotly.graph_objects as go

_CURVES = 5
_COLUMNS = 3


def tilt_figure(analysis: Analysis) -> go.Figure:
    """Five panels of energy over displacement, narrow cells first, and one of the frequency (or alpha) over all cells.

    One line per model; of several crystals the first is drawn, BaZrO3 before others.
    """
    from plotly.subplots import make_subplots

    case_id, raws = _drawn(analysis)
    constants = max((raw["lattice_constant"] for raw in raws.values()), key=len, default=np.zeros(0))
    # The narrow half of the scan is where wells are, and the published four constants are all drawn.
    reach = len(constants) if len(constants) <= _CURVES else int(0.8 * len(constants))
    rows = np.unique(np.linspace(0, reach - 1, _CURVES).round().astype(int)) if reach else np.zeros(0, dtype=int)
    titles = [f"{case_id}, a = {constants[row]:.2f} Å" for row in rows]
    figure = make_subplots(rows=2, cols=_COLUMNS, subplot_titles=titles, horizontal_spacing=0.08, vertical_spacing=0.2)
    for number, (model, raw) in enumerate(raws.items()):
        line = {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number // len(COLOURS) % len(DASHES)]}
        own = [int(np.argmin(np.abs(raw["lattice_constant"] - constants[row]))) for row in rows]
        for place, row in enumerate(own):
            _add(figure, place, model, above(raw, row), line, in_legend=place == 0)
        _add(figure, 5, model, _over_constants(raw, analysis.mode), line, in_legend=False)
    _label(figure, analysis.mode, len(rows), case_id)
    return figure


def _drawn(analysis: Analysis) -> tuple[str, dict[str, Raw]]:
    """The crystal that is drawn, and the raw arrays of each model that has it."""
    known = [case_id for own in analysis.outcomes.values() for case_id, raw in own.items() if isinstance(raw, Raw)]
    case_id = BUILT_IN if BUILT_IN in known else min(known, default="")
    found = {model: own.get(case_id) for model, own in analysis.outcomes.items()}
    return case_id, {model: raw for model, raw in found.items() if isinstance(raw, Raw)}


def _over_constants(raw: Raw, mode: str) -> tuple[np.ndarray, np.ndarray]:
    if mode == "arena":
        return raw["lattice_constant"], 1e3 * np.array([fit.alpha for fit in landau_fits(raw)])
    return raw["lattice_constant"], frequencies(raw)[0]


def _add(
    figure: go.Figure, place: int, model: str, points: tuple[np.ndarray, np.ndarray], line: Any, *, in_legend: bool
) -> None:
    import plotly.graph_objects as go

    trace = go.Scatter(
        x=points[0],
        y=points[1],
        mode="lines+markers",
        line={**line, "width": 2},
        marker={"size": 4},
        name=model,
        legendgroup=model,
        showlegend=in_legend,
    )
    figure.add_trace(trace, row=place // _COLUMNS + 1, col=place % _COLUMNS + 1)


def _label(figure: go.Figure, mode: str, n_curves: int, case_id: str) -> None:
    for place in range(n_curves):
        where = {"row": place // _COLUMNS + 1, "col": place % _COLUMNS + 1}
        figure.update_xaxes(title_text="displacement (Å)", title_standoff=6, **where)
        title = "above cubic (meV/atom)" if where["col"] == 1 else None
        figure.update_yaxes(title_text=title, title_standoff=6, **where)
    last = {"row": 2, "col": 3}
    figure.update_xaxes(title_text="lattice constant (Å)", title_standoff=6, **last)
    named = "alpha (meV/atom/Å²)" if mode == "arena" else "R frequency (THz, imaginary < 0)"
    figure.update_yaxes(title_text=named, title_standoff=6, **last)
    if mode != "arena" and case_id == BUILT_IN:
        figure.add_annotation(
            x=REFERENCE["lattice_constant"],
            y=REFERENCE["frequency"],
            text="PBE",
            arrowhead=6,
            arrowsize=1.5,
            arrowcolor="#888888",
            ax=28,
            ay=28,
            **last,
        )
    figure.update_layout(
        template="plotly_white",
        height=620,
        margin={"l": 60, "r": 20, "t": 80, "b": 50},
        legend={"orientation": "h", "y": 1.07, "yanchor": "bottom", "x": 0},
    )
