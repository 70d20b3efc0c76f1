"""Pictures of the equation-of-state test: the overview, and the curves of one crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forcegauge.benchmarks.base import Analysis, Curve
from forcegauge.benchmarks.figures import Panel, exceedance
from forcegauge.metrics.curves import PUBLISHED_VOLUME
from forcegauge.records import Raw
from forcegauge.units import EV_PER_A3_IN_GPA

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SMOOTHNESS = (
    Panel("derivative_flips", "flips of dE/dV, off 1", ideal=1.0),
    Panel("tortuosity", "tortuosity − 1", ideal=1.0, floor=1e-4),
    Panel("spearman_compression_energy", "Spearman E in compression, off −1", ideal=-1.0, floor=1e-4),
    Panel("spearman_compression_derivative", "Spearman dE/dV in compression, off 1", ideal=1.0, floor=1e-4),
    Panel("spearman_tension_energy", "Spearman E in tension, off 1", ideal=1.0, floor=1e-4),
)
_REFERENCE = (
    Panel("nu", "nu, off the all-electron reference", floor=0.1),
    Panel("epsilon", "epsilon, off the all-electron reference", floor=0.01),
    Panel("volume_error", "error of V₀ (%)", floor=0.1),
    Panel("bulk_modulus_error", "error of B₀ (%)", floor=0.1),
)


def figure(analysis: Analysis) -> go.Figure:
    """How many crystals are how far from the ideal, one panel per score, one line per model."""
    if analysis.mode == "arena":
        panels = [
            Panel(name, panel.title, panel.ideal, panel.floor)
            for name, panel in zip(PUBLISHED_VOLUME, _SMOOTHNESS, strict=True)
        ]
        return exceedance(analysis, panels, case="crystals")
    has_reference = any(
        np.isfinite(one.get("nu", np.nan)) for scores in analysis.scores.values() for one in scores.values()
    )
    return exceedance(analysis, [*_SMOOTHNESS, *(_REFERENCE if has_reference else ())], case="crystals")


def curves(raw: Raw) -> list[Curve]:
    """Energy above the lowest, per atom, and the pressure between neighbouring points, against the relative volume."""
    volume, energy = raw["volume"], raw["energy"]
    middle = volume[len(volume) // 2]
    pressure = -np.diff(energy) / np.diff(volume) * EV_PER_A3_IN_GPA
    return [
        Curve("energy", volume / middle, (energy - energy.min()) / raw["n_atoms"].item()),
        Curve("pressure", 0.5 * (volume[1:] + volume[:-1]) / middle, pressure),
    ]
