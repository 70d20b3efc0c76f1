"""Many structures as a few arrays: what travels to a worker, what is hashed, what batches are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from forcegauge.encoding import digest

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DENSE_SOLID = 0.15  # atoms per Å³; diamond has 0.176, most metals 0.05 to 0.09
_OPTIONAL = ("magmoms", "charges", "total_charge", "total_spin")


@dataclass(frozen=True, eq=False)
class Structures(Sequence[Atoms]):
    """A list of structures held as concatenated arrays; an item is an ordinary :class:`ase.Atoms`.

    Args:
        n_atoms: [n_structures], atoms in each.
        numbers: [n_atoms_total], atomic numbers.
        positions: [n_atoms_total, 3], Å.
        cells: [n_structures, 3, 3], Å, rows are the cell vectors; zero where there is none.
        pbc: [n_structures, 3].
        magmoms: [n_atoms_total], initial magnetic moments in Bohr magnetons, or None.
        charges: [n_atoms_total], initial charges in elementary charges, or None.
        total_charge: [n_structures], elementary charges, from ``atoms.info["charge"]``, NaN where it says nothing; or
            None where none does.
        total_spin: [n_structures], spin multiplicity, from ``atoms.info["spin"]``, likewise.
    """

    n_atoms: Integers
    numbers: Integers
    positions: Floats
    cells: Floats
    pbc: NDArray[np.bool_]
    magmoms: Floats | None = None
    charges: Floats | None = None
    total_charge: Floats | None = None
    total_spin: Floats | None = None

    @classmethod
    def from_atoms(cls, structures: Iterable[Atoms]) -> Structures:
        """Structures as they are; another ``Structures`` is passed through, one ``Atoms`` counts as a list of one."""
        if isinstance(structures, cls):
            return structures
        listed = [structures] if isinstance(structures, Atoms) else list(structures)
        if not listed:
            return cls.empty()
        return cls(
            n_atoms=np.array([len(atoms) for atoms in listed], dtype=np.int64),
            numbers=np.concatenate([atoms.numbers for atoms in listed]).astype(np.int64),
            positions=np.concatenate([atoms.positions for atoms in listed]).astype(np.float64),
            cells=np.array([atoms.cell.array for atoms in listed], dtype=np.float64),
            pbc=np.array([atoms.pbc for atoms in listed], dtype=bool),
            magmoms=_per_atom(listed, "initial_magmoms"),
            charges=_per_atom(listed, "initial_charges"),
            total_charge=_per_structure(listed, "charge"),
            total_spin=_per_structure(listed, "spin"),
        )

    @classmethod
    def empty(cls) -> Structures:
        """No structures at all."""
        return cls(
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3), bool)
        )

    @classmethod
    def displaced(cls, atoms: Atoms, positions: ArrayLike) -> Structures:
        """Copies of one structure at other positions, [n_structures, n_atoms, 3] in Å."""
        where = np.asarray(positions, dtype=np.float64)
        one = cls.from_atoms(atoms)._repeated(len(where))
        return one._replaced(positions=where.reshape(-1, 3))

    @classmethod
    def scaled(cls, atoms: Atoms, factors: ArrayLike) -> Structures:
        """Copies of one structure, every length multiplied by each of ``factors``, [n_structures]."""
        scale = np.asarray(factors, dtype=np.float64)
        one = cls.from_atoms(atoms)._repeated(len(scale))
        return one._replaced(
            positions=one.positions * np.repeat(scale, len(atoms))[:, None], cells=one.cells * scale[:, None, None]
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Structures]) -> Structures:
        """All structures of several batches, in order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        fields: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("n_atoms", "numbers", "positions", "cells", "pbc")
        }
        for name in _OPTIONAL:
            if any(getattr(part, name) is not None for part in parts):
                fields[name] = np.concatenate([part._filled(name) for part in parts])
        return cls(**fields)

    def take(self, start: int, stop: int) -> Structures:
        """The structures from ``start`` to before ``stop``, without copying."""
        rows, atoms = slice(start, stop), slice(int(self.offsets[start]), int(self.offsets[stop]))
        fields: dict[str, Any] = {
            name: value[atoms if name in ("numbers", "positions", "magmoms", "charges") else rows]
            for name, value in self.as_arrays().items()
        }
        return type(self)(**fields)

    def as_arrays(self) -> dict[str, Any]:
        """The fields that are present, by name, for the wire and the store."""
        names = ("n_atoms", "numbers", "positions", "cells", "pbc", *_OPTIONAL)
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Structures:
        """The structures that :meth:`as_arrays` described."""
        return cls(**arrays)

    @cached_property
    def offsets(self) -> Integers:
        """[n_structures + 1], where each structure's atoms begin; the last is the total."""
        return np.concatenate([[0], np.cumsum(self.n_atoms)]).astype(np.int64)

    @cached_property
    def owner(self) -> Integers:
        """[n_atoms_total], the structure that each atom belongs to."""
        return np.repeat(np.arange(len(self.n_atoms)), self.n_atoms)

    @cached_property
    def net_charge(self) -> Floats:
        """[n_structures], elementary charges: the total charge, else the sum of the initial ones in whole numbers."""
        sums = np.zeros(len(self))
        if self.charges is not None:  # partial charges, rounded, seldom add up
            sums = np.rint(np.bincount(self.owner, self.charges, len(self)))
        return sums if self.total_charge is None else np.where(np.isnan(self.total_charge), sums, self.total_charge)

    @cached_property
    def multiplicity(self) -> Floats:
        """[n_structures], of the spin: 1 where nothing is said, and where 0 is, as data sets of crystals write it."""
        if self.total_spin is None:
            return np.ones(len(self))
        return np.where(self.total_spin >= 1, self.total_spin, 1.0)

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers that occur."""
        return frozenset(np.unique(self.numbers).tolist())

    @property
    def is_finite(self) -> bool:
        """Whether all positions and cells are numbers that are finite."""
        return bool(np.isfinite(self.positions).all() and np.isfinite(self.cells).all())

    def digest(self) -> str:
        """A hash of everything in it."""
        return digest(self.as_arrays())

    def neighbours(self, cutoff: float) -> Floats:
        """[n_structures], roughly how many neighbours an atom has within ``cutoff`` Å, for cutting batches."""
        sphere = 4.0 / 3.0 * np.pi * cutoff**3
        with np.errstate(divide="ignore", invalid="ignore"):
            volumes = np.abs(np.linalg.det(self.cells))
            faces = np.linalg.norm(np.cross(self.cells[:, [1, 2, 0]], self.cells[:, [2, 0, 1]]), axis=2)
            dense = self.n_atoms / volumes * sphere
            heights = volumes[:, None] / faces
        # Without images in reach an atom has no more neighbours than there are other atoms, at a solid's density.
        alone = ~self.pbc.any(axis=1) | (heights > 2 * cutoff).all(axis=1) | ~np.isfinite(dense)
        estimate: Floats = np.where(alone, np.minimum(self.n_atoms - 1.0, _DENSE_SOLID * sphere), dense)
        return estimate

    def __len__(self) -> int:
        return len(self.n_atoms)

    @overload
    def __getitem__(self, item: int) -> Atoms: ...
    @overload
    def __getitem__(self, item: slice) -> Structures: ...
    def __getitem__(self, item: int | slice) -> Atoms | Structures:
        if isinstance(item, slice):
            start, stop, step = item.indices(len(self))
            if step == 1:
                return self.take(start, max(start, stop))
            return type(self).concatenate([self.take(row, row + 1) for row in range(start, stop, step)])
        row = range(len(self))[item]
        atoms = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        built = Atoms(self.numbers[atoms], self.positions[atoms], cell=self.cells[row], pbc=self.pbc[row])
        if self.magmoms is not None:
            built.set_initial_magnetic_moments(self.magmoms[atoms])
        if self.charges is not None:
            built.set_initial_charges(self.charges[atoms])
        for name, values in (("charge", self.total_charge), ("spin", self.total_spin)):
            if values is not None and not np.isnan(values[row]):
                built.info[name] = float(values[row])
        return built

    def __iter__(self) -> Iterator[Atoms]:
        return (self[row] for row in range(len(self)))

    def _repeated(self, count: int) -> Structures:
        fields: dict[str, Any] = {
            name: np.tile(value, (count,) + (1,) * (value.ndim - 1)) for name, value in self.as_arrays().items()
        }
        return type(self)(**fields)

    def _replaced(self, **changes: Any) -> Structures:
        return type(self)(**{**self.as_arrays(), **changes})

    def _filled(self, name: str) -> Floats:
        value = getattr(self, name)
        if value is not None:
            return np.asarray(value)
        return np.full(len(self), np.nan) if name.startswith("total") else np.zeros(len(self.numbers))


def _per_atom(listed: list[Atoms], name: str) -> Floats | None:
    if not any(atoms.has(name) for atoms in listed):
        return None
    return np.concatenate([atoms.get_array(name) if atoms.has(name) else np.zeros(len(atoms)) for atoms in listed])


def _per_structure(listed: list[Atoms], name: str) -> Floats | None:
    if not any(name in atoms.info for atoms in listed):
        return None
    return np.array([float(atoms.info.get(name, np.nan)) for atoms in listed])
