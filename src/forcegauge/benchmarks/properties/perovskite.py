"""Cubic perovskites ABX3: the cell that a user brings, and the patterns by which its X atoms move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

from forcegauge.errors import BadInput
from forcegauge.structures import Floats

SITES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
"""A, B, and the X atoms between B atoms along z, y and x; fractions of the cell."""
_OFF = 0.02
"""How far, as a fraction, lengths, right angles and sites of a user's cell may be off: what a relaxation leaves."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """How atoms move along a mode of a crystal.

    Args:
        crystal: undistorted.
        direction: [n_atoms, 3], Å by which each atom moves for a displacement of 1 Å.
        mass: amu, of the mode: the sum of mass times squared direction.
    """

    crystal: Atoms
    direction: Floats
    mass: float

    def displaced(self, scale: float, displacements: Floats) -> list[Atoms]:
        """The crystal with all lengths multiplied by ``scale``, at each of the displacements, [n], Å."""
        copies = []
        for displacement in displacements:
            copy = self.crystal.copy()
            copy.set_cell(self.crystal.cell * scale, scale_atoms=True)
            copy.positions += displacement * self.direction
            copies.append(copy)
        return copies


def perovskite(a: str, b: str, x: str, lattice_constant_a: float) -> Atoms:
    """The cell of five atoms, in the order of :data:`SITES`."""
    return Atoms([a, b, x, x, x], SITES * lattice_constant_a, cell=[lattice_constant_a] * 3, pbc=True)


def recognised(atoms: Atoms, name: str, benchmark: str) -> Atoms:
    """A user's cubic perovskite in the standard cell, whatever its origin, orientation and order of atoms.

    Raises BadInput for anything else, also for one that is distorted by more than 2 % of its lattice constant.
    """

    def refused(found: str) -> BadInput:
        return BadInput(
            f"benchmark {benchmark} tilts cubic perovskites ABX3 in their cell of five atoms, but structure '{name}' "
            f"({atoms.symbols}) {found}; give that cell, or leave the structure or the benchmark out"
        )

    kinds, counts = np.unique(atoms.numbers, return_counts=True)
    if sorted(counts) != [1, 1, 3]:
        raise refused("has other atoms than one A, one B and three X")
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    constant = float(lengths.mean())
    if np.abs(lengths - constant).max() > _OFF * constant or np.abs(angles - 90.0).max() > np.degrees(_OFF):
        raise refused("is not cubic")
    x = int(kinds[np.argmax(counts)])
    sites = atoms.get_scaled_positions()
    for b in np.nonzero(atoms.numbers != x)[0]:
        if _is_octahedron(sites[atoms.numbers == x] - sites[b]):
            a = next(row for row in range(len(atoms)) if row != b and atoms.numbers[row] != x)
            if np.abs(_nearest(sites[a] - sites[b] - 0.5)).max() > _OFF:
                raise refused("has no A in the corners of a cube around B")
            symbols = atoms.get_chemical_symbols()
            return perovskite(symbols[a], symbols[b], symbols[int(np.argmax(atoms.numbers == x))], constant)
    raise refused("has no octahedron of X around B")


def _is_octahedron(bonds: Floats) -> bool:
    """Whether these three vectors, [3, 3] in fractions of the cell, are half the cell's edges, one each."""
    sorted_ends = bonds[np.argsort(np.abs(_nearest(bonds - 0.5)).argmin(axis=1))]
    return bool(np.abs(_nearest(sorted_ends - 0.5 * np.eye(3))).max() < _OFF)


def _nearest(fractions: Floats) -> Floats:
    """[..., 3], moved by whole cells to the nearest image."""
    return fractions - np.rint(fractions)


def tilted(cell: Atoms) -> Pattern:
    """The a0a0c- tilt in the doubled cell of 40 atoms: octahedra turn about z, each against its six neighbours.

    Around the B atom of cell n, with the sign s = (-1)^(nx + ny + nz), the X atom at +x moves by s along y, that at
    +y by -s along x, those along z stay. Both B atoms that share an X atom agree about it, so this is a mode of the
    crystal, at the corner R of the Brillouin zone; its negative is the same pattern moved by one lattice constant.
    """
    cells = np.array(list(np.ndindex(2, 2, 2)))
    # The X atoms of cell n lie at -y and -x of its B atom, so they are +y and +x of one whose sign is the other.
    of_sites = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, -1, 0]])
    sign = (-1.0) ** cells.sum(axis=1)
    crystal = Atoms(
        np.tile(cell.numbers, len(cells)),
        scaled_positions=((cells[:, None] + SITES) / 2).reshape(-1, 3),
        cell=2 * cell.cell,
        pbc=True,
    )
    return _pattern(crystal, (sign[:, None, None] * of_sites).reshape(-1, 3))


def published(cell: Atoms) -> Pattern:
    """The pattern that MLIP Arena's code computes: the eigenvector of the R mode without its change of sign from cell
    to cell, in the cell of five atoms. It is no tilt, and no mode of the crystal.
    """
    eigenvector = [[0, 0, 0], [0, 0, 0], [0.0041, 0.2233, 0], [-0.6709, 0, -0.2233], [0, 0.6709, -0.0041]]
    return _pattern(cell.copy(), np.array(eigenvector))


def _pattern(crystal: Atoms, direction: Floats) -> Pattern:
    mass = float((atomic_masses[crystal.numbers] * (direction**2).sum(axis=1)).sum())
    return Pattern(crystal, direction, mass)
