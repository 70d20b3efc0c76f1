"""The overview of the benchmark ``vacancy``: energies beside the published ones, and the paths' symmetry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from forcegauge.benchmarks.base import Analysis
from forcegauge.benchmarks.figures import COLOURS, Panel, exceedance
from forcegauge.benchmarks.properties.vacancy_reference import reference
from forcegauge.benchmarks.properties.vacancy_scores import formation_energy, hops
from forcegauge.records import Raw

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SYMBOLS = {"fcc": "circle", "hcp": "diamond", "nearest": "circle", "in-plane": "diamond",
            "out-of-plane": "triangle-up"}  # fmt: skip
_FARTHEST = 1.6
"""Times the largest published energy; farther off is not shown at first, or one absurd model would hide the others."""
_PANELS = (
    ("vacancy formation energy (eV)", ("fcc", "hcp"), "○ fcc, ◇ hcp"),
    ("migration barrier (eV)", ("nearest", "in-plane", "out-of-plane"), "○ fcc, ◇ hcp in plane, △ hcp out of plane"),
)


def draw(analysis: Analysis) -> go.Figure:
    """Model against PBE, one panel for formation and one for the hops; crystals without reference: asymmetries."""
    if not any(reference(case_id) for own in analysis.outcomes.values() for case_id in own):
        scores = ("path_asymmetry", "barrier_asymmetry", "work_mismatch")
        panels = [Panel(score, score.replace("_", " "), floor=1e-5) for score in scores]
        return exceedance(analysis, panels, case="crystals")
    from plotly.subplots import make_subplots

    titles = [f"{title}<br><sub>{legend}</sub>" for title, _, legend in _PANELS]
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.09, subplot_titles=titles)
    for column, (_, kinds, _) in enumerate(_PANELS, start=1):
        for number, model in enumerate(analysis.outcomes):
            for kind in kinds:
                is_first = column == 1 and kind == kinds[0]
                figure.add_trace(_marks(analysis, model, number, kind, in_legend=is_first), row=1, col=column)
        _dress(figure, column)
    figure.update_layout(
        template="plotly_white",
        height=520,
        margin={"l": 60, "r": 20, "t": 110, "b": 55},
        legend={"orientation": "h", "y": 1.17, "yanchor": "bottom", "x": 0},
    )
    return figure


def _marks(analysis: Analysis, model: str, number: int, kind: str, *, in_legend: bool) -> go.Scatter:
    import plotly.graph_objects as go

    points = list(_points(analysis, model, kind))
    # Filled marks tell models apart that share a colour because there are more models than colours.
    symbol = _SYMBOLS[kind] + ("-open" if number // len(COLOURS) % 2 == 0 else "")
    return go.Scatter(
        x=[x for _, x, _ in points],
        y=[y for _, _, y in points],
        text=[case_id for case_id, _, _ in points],
        mode="markers",
        marker={"size": 9, "symbol": symbol, "color": COLOURS[number % len(COLOURS)], "line": {"width": 2}},
        name=model,
        legendgroup=model,
        showlegend=in_legend,
        hovertemplate=f"%{{text}}, {kind}: %{{y:.3f}} eV, PBE %{{x:.2f}} eV<extra>{model}</extra>",
    )


def _points(analysis: Analysis, model: str, kind: str) -> Iterator[tuple[str, float, float]]:
    """Case, published and model's energy, where there are both."""
    for case_id, raw in analysis.outcomes[model].items():
        row = reference(case_id)
        if row is None or not isinstance(raw, Raw):
            continue
        if kind in ("fcc", "hcp"):
            pair = (row.formation, formation_energy(raw) if case_id.endswith(kind) else np.nan)
        else:
            hop = hops(raw).get(kind)
            pair = (row.barriers.get(kind, np.nan), hop["barrier"] if hop and not hop["refusal"] else np.nan)
        if np.isfinite(pair).all():
            yield case_id, *pair


def _dress(figure: go.Figure, column: int) -> None:
    """The line on which a perfect model lies, and axes that an absurd model does not stretch."""
    where = {"row": 1, "col": column}
    traces = list(figure.select_traces(**where))
    right = 1.08 * max([1.0, *(x for trace in traces for x in trace.x)])
    energies = [y for trace in traces for y in trace.y]
    low, high = min([0.0, *energies]), max([right, *energies])
    shown = [max(1.05 * low, -_FARTHEST * right), min(1.05 * high, _FARTHEST * right)]
    line = {"dash": "dot", "width": 1, "color": "grey"}
    figure.add_shape(type="line", x0=0, y0=0, x1=right, y1=right, line=line, layer="below", **where)
    figure.update_xaxes(title_text="PBE, Angsten et al. 2014 (eV)", range=[0, right], title_standoff=6, **where)
    figure.update_yaxes(title_text="model (eV)" if column == 1 else None, range=shown, title_standoff=6, **where)
    hidden = sum(not shown[0] <= y <= shown[1] for y in energies)
    if hidden:
        said = f"{hidden} outside: zoom out to see"
        figure.add_annotation(text=said, x=0, y=shown[1], xanchor="left", yanchor="top", showarrow=False, **where)
