"""An atom leaves a cluster past the cut-off: where do energy or force jump?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from forcegauge.benchmarks.symmetry.sheet import SCAN, TRIPLE, Row, Sheet
from forcegauge.potential import Capabilities, Predictions
from forcegauge.structures import Floats

_STEP = 0.05  # Å
_FROM = 0.85  # covalent bonds
_BEYOND = 0.3  # Å past the cut-off
_N_HALVINGS = 9  # to a ten-thousandth of an ångström
_UNKNOWN_CUTOFF = 8.0  # Å
_CLUSTER = np.array([(0.0, 0.0, 0.0), (-0.5, 0.9, 0.1), (-0.6, -0.5, 0.8)])
"""In covalent bonds: the atoms that the probe leaves along x, one at the origin and two behind it."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Crossing:
    """Three atoms of an element and a fourth, the probe, at some distance along x.

    Args:
        place: number of the element in the check.
        number: the element.
        capabilities: of the model; they say how far to go.
    """

    place: int
    number: int
    capabilities: Capabilities

    @property
    def bond(self) -> float:
        """Å, twice the covalent radius."""
        return float(2 * covalent_radii[self.number])

    @property
    def cutoff(self) -> float:
        """Å, as declared."""
        return self.capabilities.cutoff_angstrom or _UNKNOWN_CUTOFF

    @property
    def far(self) -> float:
        """Å, where the scan ends."""
        return max(self.cutoff, self.bond) + _BEYOND

    @property
    def near(self) -> float:
        """Å, where the scan begins."""
        return _FROM * self.bond

    def row(self, x: float, role: int = SCAN, component: int = -1) -> Row:
        """The structure with the probe at ``x``, Å."""
        atoms = Atoms([self.number] * 4, [*(self.bond * _CLUSTER), (x, 0.0, 0.0)])
        if self.capabilities.needs_cell:
            atoms.set_cell(np.diag(self.far + 2 * self.bond + self.cutoff + np.arange(3)))
            atoms.pbc = True
        return Row(atoms, self.place, role, component, x)

    def distances(self) -> list[float]:
        """Where within the scan the probe is a declared cut-off away from one of the three, Å."""
        found = []
        for along, *aside in (self.bond * _CLUSTER).tolist():
            square = self.cutoff**2 - sum(coordinate**2 for coordinate in aside)
            found += [along + square**0.5] if square > 0 else []
        return [x for x in found if x > self.near]


async def cross(sheet: Sheet, crossing: Crossing, n_suspects: int) -> None:
    """Scan in even steps; halve the steps that change most unlike a smooth function; ask three points there.

    Of a halved step the half is kept that keeps the change. Three neighbouring points are also asked wherever one of
    the three distances is the declared cut-off.
    """
    grid = np.arange(crossing.near, crossing.far, _STEP)
    scan = await sheet.ask([crossing.row(x) for x in grid.tolist()])
    intervals = _suspects(grid, scan, n_suspects)
    for _ in range(_N_HALVINGS if intervals else 0):
        intervals = await _halved(sheet, crossing, intervals)
    centres = [(left + right) / 2 for left, right in intervals] + crossing.distances()
    spacing = _STEP / 2 ** (_N_HALVINGS + 1)
    await sheet.ask(
        [
            crossing.row(centre + way * spacing, TRIPLE, place)
            for place, centre in enumerate(centres)
            for way in (-1, 0, 1)
        ]
    )


def _along(answer: Predictions) -> tuple[Floats, Floats]:
    """Energies and the probe's force along its way, [n]."""
    return answer.energies, answer.stacked_forces()[:, 3, 0]


def _suspects(grid: Floats, scan: Predictions, count: int) -> list[Interval]:
    """The steps of the scan that a smooth potential would least explain, by energy and by force."""
    energy, force = _along(scan)
    found: list[int] = []
    for unlikely in (np.abs(_unexplained(grid, energy, force)), np.abs(np.diff(force))):
        ranked = np.argsort(-np.nan_to_num(unlikely, nan=-1.0))[:count].tolist()
        found += [place for place in ranked if np.isfinite(unlikely[place])]
    return [(float(grid[place]), float(grid[place + 1])) for place in dict.fromkeys(found)]


def _unexplained(x: Floats, energy: Floats, force: Floats) -> Floats:
    """[n - 1], eV: the energy of each step that the forces at its ends did not do."""
    work: Floats = np.diff(energy) + 0.5 * (force[1:] + force[:-1]) * np.diff(x)
    return work


async def _halved(sheet: Sheet, crossing: Crossing, intervals: Sequence[Interval]) -> list[Interval]:
    """The half of each interval in which energy and force change less smoothly."""
    points = [(left, (left + right) / 2, right) for left, right in intervals]
    energy, force = _along(await sheet.ask([crossing.row(x) for three in points for x in three]))
    kept = []
    for place, (left, middle, right) in enumerate(points):
        three = slice(3 * place, 3 * place + 3)
        work = np.abs(_unexplained(np.array([left, middle, right]), energy[three], force[three]))
        # A step of 1 eV is as suspicious as one of 1 eV/Å.
        unlikely = np.nan_to_num(work + np.abs(np.diff(force[three])), nan=np.inf)
        kept.append((left, middle) if unlikely[0] > unlikely[1] else (middle, right))
    return kept
