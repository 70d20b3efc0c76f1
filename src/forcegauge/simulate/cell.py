"""Atoms and cell as one set of coordinates: the logarithm of the deformation gradient stands for the cell.

With the first cell C (rows are vectors) and the logarithm L, the cell is C·Fᵀ, F = exp L; an atom's row is its
position in the undeformed cell. The three rows of the cell are n_atoms·L, so that atoms and cell weigh alike, and the
force on them is the gradient of the energy with respect to them. The same choice as ASE's FrechetCellFilter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, expm_frechet

from forcegauge.structures import Floats


@dataclass(frozen=True, eq=False)
class Deformation:
    """How far a cell is from its first one.

    Args:
        first_cell: [3, 3], Å, rows are the vectors.
        logarithm: [3, 3], of the deformation gradient.
    """

    first_cell: Floats
    logarithm: Floats

    @property
    def gradient(self) -> Floats:
        """[3, 3], the deformation gradient F."""
        found: Floats = expm(self.logarithm)
        return found

    def forces(self, forces: Floats, stress: Floats) -> Floats:
        """[n_atoms + 3, 3], eV/Å, on atoms and cell, from forces [n_atoms, 3] and stress [3, 3], tension positive."""
        gradient = self.gradient
        volume = abs(np.linalg.det(self.first_cell @ gradient.T))
        pull = -volume * stress @ np.linalg.inv(gradient).T  # -dE/dF
        on_cell = expm_frechet(self.logarithm.T, pull, compute_expm=False)  # the chain rule, by the adjoint
        return np.concatenate([forces @ gradient, on_cell / len(forces)])

    def moved(self, positions: Floats, shift: Floats) -> tuple[Floats, Deformation]:
        """Positions [n_atoms, 3] and deformation after a step [n_atoms + 3, 3]."""
        count = len(positions)
        undeformed = np.linalg.solve(self.gradient, positions.T).T + shift[:count]
        after = Deformation(self.first_cell, self.logarithm + shift[count:] / count)
        return undeformed @ after.gradient.T, after

    @property
    def cell(self) -> Floats:
        """[3, 3], Å, the cell as it is now."""
        return self.first_cell @ self.gradient.T
