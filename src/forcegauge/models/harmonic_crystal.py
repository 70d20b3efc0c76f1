"""A crystal of springs with a known answer to everything: fixed bonds of a reference structure, at rest there."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from forcegauge.encoding import digest
from forcegauge.errors import Failure
from forcegauge.models.analytic import contact
from forcegauge.models.base import split_predictions
from forcegauge.models.neighbours import Pairs, neighbour_pairs
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures


class HarmonicCrystal:
    """Springs between the neighbours of a reference structure: E = Σ k/2 (|r_ij| - d_ij)² over its bonds.

    The bonds never change, so it answers only for structures with the reference's atoms in the reference's order, each
    in the reference's image of the cell: one that is folded back by a lattice vector stretches its springs. The cell
    may be strained. Rotation leaves the energy as it is.

    Args:
        reference: the structure in which all springs are at rest.
        stiffness_ev_per_a2: k.
        reach_bonds: atoms nearer than this many sums of covalent radii are bonded.
    """

    def __init__(self, reference: Atoms, stiffness_ev_per_a2: float = 5.0, reach_bonds: float = 1.25) -> None:
        whole = Structures.from_atoms(reference)
        kinds = np.unique(whole.numbers)
        pairs = neighbour_pairs(whole, float(reach_bonds * contact(kinds, kinds).max()))
        limit = reach_bonds * contact(whole.numbers[pairs.first], whole.numbers[pairs.second])
        self._bonds = pairs.closer_than(limit)
        self._numbers = whole.numbers
        self._stiffness = stiffness_ev_per_a2
        self.identity = digest({"reference": whole.as_arrays(), "k": stiffness_ev_per_a2, "reach": reach_bonds})
        self.capabilities = Capabilities(
            elements=tuple(sorted(whole.elements)),
            properties=("energy", "forces", "stress"),
            cutoff_angstrom=float(limit.max(initial=1.0)),
            is_conservative=True,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """Energy above the reference (eV), forces and stress where asked."""
        return [self._evaluate_one(structures.take(row, row + 1), properties) for row in range(len(structures))]

    def _evaluate_one(self, one: Structures, properties: frozenset[str]) -> Prediction | Failure:
        if not np.array_equal(one.numbers, self._numbers):
            return Failure("not_implemented", "the harmonic crystal knows only its reference's atoms, in their order")
        rest, bonds = self._bonds.distance, self._bonds
        vector = one.positions[bonds.second] - one.positions[bonds.first] + bonds.shift @ one.cells[0]
        distance = np.linalg.norm(vector, axis=1)
        stretch = distance - rest
        gradient = (0.5 * self._stiffness * stretch / distance)[:, None] * vector
        strained = Pairs(one.n_atoms, bonds.first, bonds.second, bonds.shift, vector, distance)
        energy = np.array([0.25 * self._stiffness * np.sum(stretch**2)])  # every bond is listed twice
        volume = np.abs(np.linalg.det(one.cells))
        return split_predictions(one, properties, energy, strained.forces(gradient), strained.stress(gradient, volume))[
            0
        ]
