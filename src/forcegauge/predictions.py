"""What a model answers: one structure's numbers, or those of many as concatenated arrays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np

from forcegauge.errors import Failure
from forcegauge.structures import Floats, Structures

PROPERTIES = ("energy", "forces", "stress", "magmoms")
"""What can be asked for. Energy eV; forces [n_atoms, 3] eV/Å; stress [3, 3] eV/Å³, tension positive; magmoms μB."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one structure; what was not asked is None.

    Args:
        energy: eV, of the whole structure.
        forces: [n_atoms, 3], eV/Å.
        stress: [3, 3], eV/Å³, tension positive.
        magmoms: [n_atoms], Bohr magnetons.
    """

    energy: float | None = None
    forces: Floats | None = None
    stress: Floats | None = None
    magmoms: Floats | None = None


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Predictions for a list of structures as concatenated arrays; NaN where a structure failed.

    Args:
        n_atoms: [n_structures].
        energy: [n_structures], eV, or None where not asked.
        forces: [n_atoms_total, 3], eV/Å, or None.
        stress: [n_structures, 3, 3], eV/Å³, tension positive, or None.
        magmoms: [n_atoms_total], Bohr magnetons, or None.
        failures: by the index of the structure.
        seconds: of the worker's time that the whole question took, by its share of the batches; None where nobody
            measured.
    """

    n_atoms: np.ndarray
    energy: Floats | None = None
    forces: Floats | None = None
    stress: Floats | None = None
    magmoms: Floats | None = None
    failures: Mapping[int, Failure] = field(default_factory=dict)
    seconds: float | None = None

    @classmethod
    def from_answers(
        cls, structures: Structures, properties: Iterable[str], answers: Sequence[Prediction | Failure]
    ) -> Predictions:
        """Packed answers of a model to ``structures``; raises ValueError where number or shapes do not fit."""
        if len(answers) != len(structures):
            raise ValueError(f"the model gave {len(answers)} answers to {len(structures)} structures")
        failures = {row: answer for row, answer in enumerate(answers) if isinstance(answer, Failure)}
        counts = structures.n_atoms.tolist()
        columns: dict[str, Any] = {}
        for name in properties:
            rows = [
                _column(name, count, None if row in failures else getattr(answer, name))
                for row, (count, answer) in enumerate(zip(counts, answers, strict=True))
            ]
            stacked = name in ("energy", "stress")
            empty = _column(name, 0, None)
            columns[name] = np.array(rows).reshape(-1, *np.shape(empty)) if stacked else np.concatenate([empty, *rows])
        return cls(n_atoms=structures.n_atoms, failures=failures, **columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """The parts of one question, joined in order."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        failures = {
            start + row: failure
            for start, part in zip(starts, parts, strict=False)
            for row, failure in part.failures.items()
        }
        fields: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("n_atoms", *PROPERTIES)
            if getattr(parts[0], name) is not None
        }
        return cls(**fields, failures=failures)

    def take(self, start: int, stop: int) -> Predictions:
        """The predictions from ``start`` to before ``stop``."""
        rows, atoms = slice(start, stop), slice(self._offsets[start], self._offsets[stop])
        fields: dict[str, Any] = {
            name: value[atoms if name in ("forces", "magmoms") else rows]
            for name in ("n_atoms", *PROPERTIES)
            if (value := getattr(self, name)) is not None
        }
        first, last = bisect_left(self._failed_rows, start), bisect_left(self._failed_rows, stop)
        failures = {row - start: self.failures[row] for row in self._failed_rows[first:last]}
        return type(self)(**fields, failures=failures)

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the wire and the journal."""
        names = ("n_atoms", *PROPERTIES, "seconds")
        fields = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**fields, "failures": {str(row): failure.as_dict() for row, failure in self.failures.items()}}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Predictions:
        """The predictions that :meth:`as_dict` described."""
        failures = {int(row): Failure.from_dict(failure) for row, failure in fields["failures"].items()}
        return cls(**{**fields, "failures": failures})

    @cached_property
    def _offsets(self) -> list[int]:
        return [0, *np.cumsum(self.n_atoms).tolist()]

    @cached_property
    def _failed_rows(self) -> list[int]:
        return sorted(self.failures)

    @property
    def energies(self) -> Floats:
        """[n_structures], eV; raises where the energy was not asked for."""
        return _asked("energy", self.energy)

    def stacked_forces(self) -> Floats:
        """[n_structures, n_atoms, 3], eV/Å, for structures of one size."""
        return _asked("forces", self.forces).reshape(len(self), -1, 3)

    def __len__(self) -> int:
        return len(self.n_atoms)

    @overload
    def __getitem__(self, item: int) -> Prediction: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, item: int | slice) -> Prediction | Sequence[Prediction]:
        if isinstance(item, slice):
            return [self[row] for row in range(*item.indices(len(self)))]
        row = range(len(self))[item]
        if row in self.failures:
            raise self.failures[row]
        one = self.take(row, row + 1)
        return Prediction(
            energy=None if one.energy is None else float(one.energy[0]),
            forces=one.forces,
            stress=None if one.stress is None else one.stress[0],
            magmoms=one.magmoms,
        )


def _column(name: str, n_atoms: int, value: Any) -> Any:
    shape = {"energy": (), "forces": (n_atoms, 3), "stress": (3, 3), "magmoms": (n_atoms,)}[name]
    if value is None:
        return np.full(shape, np.nan)
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"the model gave {name} of shape {array.shape} where {shape} belongs")
    return array


def _asked(name: str, value: Floats | None) -> Floats:
    if value is None:
        raise ValueError(f"{name} was not asked for")
    return value
