"""What a check asked and what was answered, a row per structure: the one form that all checks' raw arrays have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from forcegauge.errors import FAILURE_KINDS, Failure
from forcegauge.potential import Potential, Predictions
from forcegauge.records import Array, Raw
from forcegauge.structures import Floats, Structures

REFERENCE, CHANGED, SCAN, TRIPLE = range(4)
"""Roles: what others are compared with, what is compared, a point of a scan, one of three neighbouring points."""

SCHEMA = {
    "n_atoms": "[n_structures] atoms of each structure asked about",
    "numbers": "[n_atoms_total] atomic numbers",
    "positions": "[n_atoms_total, 3] Å",
    "cells": "[n_structures, 3, 3] Å, rows are cell vectors",
    "pbc": "[n_structures, 3]",
    "energy": "[n_structures] eV, NaN where not asked or not answered",
    "forces": "[n_atoms_total, 3] eV/Å, NaN where not asked or not answered",
    "stress": "[n_structures, 3, 3] eV/Å³, tension positive, NaN where not asked or not answered",
    "failure": "[n_structures] 0 answered, else 1 + place of the kind in errors.FAILURE_KINDS",
    "sample": "[n_structures] number of the structure that it was made from",
    "role": "[n_structures] 0 reference, 1 changed, 2 point of a scan, 3 one of three neighbouring points",
    "component": "[n_structures] which coordinate, strain, triple, property, size or substance; -1 none",
    "coordinate": "[n_structures] Å, strain or scale: how far along the check's scan",
    "transform": "[n_structures, 3, 3] what turns the reference's forces into this structure's",
    "order": "[n_atoms_total] the atom of the reference that each atom is a copy of",
    "limits": "[3] the cut-off that the model declares, Å, NaN where unknown; 1 where it computes in float32, else 0; "
    "1 where it declares mirror symmetry, else 0",
    "extent": "[3] how much was asked, how much the settings want (rounds of coordinates, solids, changes or elements; "
    "atoms of the largest crystal; 0 where it is fixed), worker seconds of one of the last: less where that is long",
}


@dataclass(frozen=True, eq=False)
class Row:
    """One structure to ask about; the fields are those of the schema."""

    atoms: Atoms
    sample: int = 0
    role: int = REFERENCE
    component: int = -1
    coordinate: float = 0.0
    transform: Floats = field(default_factory=lambda: np.eye(3))
    order: Sequence[int] | None = None


class Sheet:
    """Asks, and keeps every row; failures are kept as rows too.

    Args:
        potential: whom to ask.
        budget_s: worker seconds that a check should take; what is beyond is not asked, and the extent tells so.
    """

    def __init__(self, potential: Potential, budget_s: float) -> None:
        self.potential = potential
        self.budget_s = budget_s
        self.extent = (0.0, 0.0, 0.0)
        self._asked: list[tuple[Sequence[Row], Structures, Predictions]] = []

    async def ask(
        self, rows: Sequence[Row], properties: Sequence[str] = ("energy", "forces"), *, apart: bool = False
    ) -> Predictions:
        """The answers to some rows, in one question; with ``apart`` it shares its batch with nobody else's."""
        structures = Structures.from_atoms([row.atoms for row in rows])
        answer = await self.potential.evaluate(structures, properties, keep_failures=True, apart=apart)
        if rows:
            self._asked.append((rows, structures, answer))
        return answer

    def afford(self, wanted: int, answer: Predictions) -> int:
        """How many rounds, each as long as what was answered, the budget takes: at least one. The extent tells."""
        seconds = answer.seconds or 0.0
        count = min(wanted, max(1, int(self.budget_s / max(seconds, 1e-9))))
        self.extent = (float(count), float(wanted), seconds)
        return count

    @property
    def seconds(self) -> float:
        """What the worker spent on it so far."""
        return sum(answer.seconds or 0.0 for _, _, answer in self._asked)

    def raw(self) -> Raw:
        """All rows as arrays; raises the first Failure where not one of them was answered."""
        rows = [row for asked, _, _ in self._asked for row in asked]
        failures = [_codes(answer) for _, _, answer in self._asked]
        if all(codes.all() for codes in failures):
            raise _first(self._asked[0][2])
        structures = Structures.concatenate([structures for _, structures, _ in self._asked])
        per_atom, per_row = int(structures.n_atoms.sum()), len(rows)
        found = self.potential.capabilities
        arrays: dict[str, Array] = {
            **{name: getattr(structures, name) for name in ("n_atoms", "numbers", "positions", "cells", "pbc")},
            "energy": self._column("energy").reshape(per_row),
            "forces": self._column("forces").reshape(per_atom, 3),
            "stress": self._column("stress").reshape(per_row, 3, 3),
            "failure": np.concatenate(failures),
            **{name: np.array([getattr(row, name) for row in rows]) for name in ("sample", "role", "component")},
            "coordinate": np.array([row.coordinate for row in rows], dtype=np.float64),
            "transform": np.array([row.transform for row in rows]),
            "order": np.concatenate([_order(row) for row in rows]),
            "limits": np.array(
                [found.cutoff_angstrom or np.nan, float(found.dtype == "float32"), float(found.is_mirror_symmetric)]
            ),
            "extent": np.array(self.extent),
        }
        return Raw(arrays)

    def _column(self, name: str) -> Floats:
        return np.concatenate([_filled(name, structures, answer) for _, structures, answer in self._asked])


def _filled(name: str, structures: Structures, answer: Predictions) -> Floats:
    value = getattr(answer, name)
    size = {"energy": len(structures), "forces": 3 * len(structures.numbers), "stress": 9 * len(structures)}[name]
    return np.full(size, np.nan) if value is None else np.asarray(value, dtype=np.float64).reshape(-1)


def _codes(answer: Predictions) -> Array:
    codes = np.zeros(len(answer), dtype=np.int64)
    for row, failure in answer.failures.items():
        codes[row] = 1 + FAILURE_KINDS.index(failure.kind)
    return codes


def _first(answer: Predictions) -> Failure:
    return answer.failures[min(answer.failures)]


def _order(row: Row) -> Array:
    return np.arange(len(row.atoms)) if row.order is None else np.asarray(row.order, dtype=np.int64)


def per_structure(raw: Raw, name: str) -> list[Array]:
    """One array per structure from one per atom."""
    return np.split(raw[name], np.cumsum(raw["n_atoms"])[:-1])
