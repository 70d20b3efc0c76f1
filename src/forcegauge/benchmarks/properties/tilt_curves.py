"""What the raw arrays of a tilt say: fits, frequencies and curves; and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forcegauge.metrics.landau import Landau, fit_landau, frequency_thz
from forcegauge.records import Raw
from forcegauge.structures import Floats

BUILT_IN = "BaZrO3"
REFERENCE: Mapping[str, float] = {"lattice_constant": 4.00, "frequency": -3.853, "critical_lattice_constant": 4.15}
"""Å, THz, Å. The frequency is PBE's (500 eV, 3x3x3 points, phonopy in 2x2x2 cells: the force constants that MLIP Arena
publishes, projected on the tilt); the last is the middle of the bounds that the docstring gives."""


def landau_fits(raw: Raw) -> list[Landau]:
    """The polynomial of each lattice constant; energies per atom."""
    return [fit_landau(raw["displacement"], energy / raw["n_atoms"]) for energy in raw["energy"]]


def frequencies(raw: Raw) -> tuple[Floats, Floats]:
    """[n_constants] each, THz, imaginary ones negative: from forces at small displacements, and from all energies."""
    slope = -np.diff(raw["mode_force"], axis=1)[:, 0] / (2 * raw["small_displacement"])
    curvature = np.array([2 * fit.alpha for fit in landau_fits(raw)]) * raw["n_atoms"]
    return frequency_thz(slope, raw["mode_mass"]), frequency_thz(curvature, raw["mode_mass"])


def above(raw: Raw, row: int) -> tuple[Floats, Floats]:
    """Displacement (Å) and energy above the cubic crystal (meV/atom) at a lattice constant, each [n].

    Of one sign, unless every displacement was computed with both: a line through the few mirrored ones would mislead.
    """
    path, energy = raw["displacement"], raw["energy"][row]
    is_whole = np.allclose(np.sort(path), np.sort(-path))
    order = np.argsort(path)
    shown = order if is_whole else order[path[order] >= 0]
    per_atom = 1e3 * (energy - energy[np.argmin(np.abs(path))]) / raw["n_atoms"].item()
    return path[shown], per_atom[shown]
