"""Neighbour pairs of many structures at once, and forces and stress from a gradient with respect to them.

Every graph in ForceGauge is built here: small structures and scans are handled as stacked arrays, large ones by a
k-d tree, so that neither a thousand dimers nor one big cell is slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from ase.geometry import complete_cell
from scipy.spatial import cKDTree

from forcegauge.structures import Floats, Integers, Structures

_STACKED_CANDIDATES = 20_000  # candidate pairs of one structure up to which testing all of them beats a tree
_STACK_LIMIT = 400_000  # candidate pairs tested in one go, about 30 MB
_MOST_IMAGES = 200_000
_SHIFT_BASE = 2048  # shifts are below this in each direction


@dataclass(frozen=True, eq=False)
class Pairs:
    """Directed pairs of neighbours, every pair twice, sorted by structure.

    Args:
        n_atoms: [n_structures].
        first: [n_pairs], index of the centre among all atoms.
        second: [n_pairs], index of the neighbour among all atoms.
        shift: [n_pairs, 3], cell vectors added to the neighbour.
        vector: [n_pairs, 3], Å, from centre to neighbour.
        distance: [n_pairs], Å.
    """

    n_atoms: Integers
    first: Integers
    second: Integers
    shift: Integers
    vector: Floats
    distance: Floats

    @cached_property
    def owner(self) -> Integers:
        """[n_atoms_total], the structure that each atom belongs to."""
        return np.repeat(np.arange(len(self.n_atoms)), self.n_atoms)

    @cached_property
    def count(self) -> Integers:
        """[n_structures], directed pairs of each."""
        return np.bincount(self.owner[self.first], minlength=len(self.n_atoms))

    def closer_than(self, cutoff: float | Floats) -> Pairs:
        """The pairs below ``cutoff``, one number or one per pair."""
        kept = self.distance < cutoff
        fields = {name: getattr(self, name)[kept] for name in ("first", "second", "shift", "vector", "distance")}
        return replace(self, **fields)

    def angles(self, cutoff: float) -> tuple[Integers, Integers]:
        """Every ordered couple of different pairs below ``cutoff`` that share their centre: [n_angles] each."""
        bonds = np.flatnonzero(self.distance < cutoff)
        bonds = bonds[np.argsort(self.first[bonds], kind="stable")]
        _, start, size = np.unique(self.first[bonds], return_index=True, return_counts=True)
        repeats = np.repeat(size, size)
        left = np.repeat(np.arange(len(bonds)), repeats)
        right = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        right += np.repeat(np.repeat(start, size), repeats)
        different = left != right
        return bonds[left[different]], bonds[right[different]]

    def count_angles(self, cutoff: float) -> Integers:
        """[n_structures], how many couples :meth:`angles` would give."""
        bonds = np.bincount(self.first[self.distance < cutoff], minlength=len(self.owner))
        return np.bincount(self.owner, weights=bonds * (bonds - 1), minlength=len(self.n_atoms)).astype(np.int64)

    def undirected(self) -> tuple[Integers, Integers]:
        """The bond of each directed pair, [n_pairs], and one directed pair of each bond, [n_bonds]."""
        sign = np.sign(self.second - self.first)
        for axis in range(3):  # an atom and its own image: the first shift that is not zero decides
            sign = np.where(sign == 0, np.sign(self.shift[:, axis]), sign)
        forward = np.flatnonzero(sign > 0)
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        digits = self.shift * sign[:, None] + _SHIFT_BASE // 2
        code = (digits[:, 0] * _SHIFT_BASE + digits[:, 1]) * _SHIFT_BASE + digits[:, 2]
        order = np.lexsort((code, high, low))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order)) // 2  # the two directions of a bond follow each other
        one = np.empty(len(forward), dtype=np.int64)
        one[rank[forward]] = forward
        return rank, one

    def chunks(self, cost: Integers, cap: float) -> Iterator[tuple[int, int]]:
        """Runs of structures (start, stop), each as long as its ``cost``, [n_structures], stays below ``cap``."""
        start, total = 0, 0
        for row, one in enumerate(cost.tolist()):
            if row > start and total + one > cap:
                yield start, row
                start, total = row, 0
            total += one
        if start < len(cost):
            yield start, len(cost)

    def take(self, start: int, stop: int) -> Pairs:
        """The pairs of the structures from ``start`` to before ``stop``, atoms numbered anew."""
        before = int(self.n_atoms[:start].sum())
        pairs = slice(int(self.count[:start].sum()), int(self.count[:stop].sum()))
        return Pairs(
            self.n_atoms[start:stop],
            self.first[pairs] - before,
            self.second[pairs] - before,
            self.shift[pairs],
            self.vector[pairs],
            self.distance[pairs],
        )

    def forces(self, gradient: Floats) -> Floats:
        """[n_atoms_total, 3], eV/Å, from the energy's gradient with respect to the vectors, [n_pairs, 3]."""
        n = len(self.owner)
        columns = [
            np.bincount(self.first, gradient[:, axis], n) - np.bincount(self.second, gradient[:, axis], n)
            for axis in range(3)
        ]
        return np.stack(columns, axis=1)

    def stress(self, gradient: Floats, volumes: Floats) -> Floats:
        """[n_structures, 3, 3], eV/Å³, tension positive: the strain derivative of the energy per volume."""
        rows = self.owner[self.first]
        virial = (self.vector[:, :, None] * gradient[:, None, :]).reshape(-1, 9)
        summed = np.stack([np.bincount(rows, virial[:, k], len(self.n_atoms)) for k in range(9)], axis=1)
        full = summed.reshape(-1, 3, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            result: Floats = (full + full.transpose(0, 2, 1)) / (2 * volumes[:, None, None])
        return result


def neighbour_pairs(structures: Structures, cutoff: float) -> Pairs:
    """All pairs closer than ``cutoff`` Å, images along periodic directions included.

    Raises ValueError where a periodic cell is so flat that an atom would have more than 200,000 images in reach.
    """
    cells = _full_cells(structures)
    fractional = np.einsum("ni,nij->nj", structures.positions, np.linalg.inv(cells)[structures.owner])
    wrapped = np.where(_wrap(structures, fractional), np.floor(fractional), 0.0)
    reach = _images(structures, cells, fractional - wrapped, cutoff)
    positions = structures.positions - np.einsum("ni,nij->nj", wrapped, cells[structures.owner])
    candidates = structures.n_atoms**2 * np.prod(2 * reach + 1, axis=1)
    found = [_tree(structures, cells, positions, reach, row, cutoff) for row in _rows(candidates > _STACKED_CANDIDATES)]
    found += _stacks(structures, cells, positions, reach, candidates, cutoff)
    first, second, shift, vector = (np.concatenate(part) for part in zip(*found, strict=True)) if found else _nothing()
    order = np.argsort(structures.owner[first], kind="stable")
    first, second, vector = first[order], second[order], vector[order]
    shift = shift[order] + (wrapped[first] - wrapped[second]).astype(np.int64)
    return Pairs(structures.n_atoms, first, second, shift, vector, np.linalg.norm(vector, axis=1))


def _full_cells(structures: Structures) -> Floats:
    cells = structures.cells.copy()
    periodic = np.asarray(structures.pbc.any(axis=1))
    cells[~periodic] = np.eye(3)
    for row in _rows(periodic & ~(np.abs(cells).max(axis=2) > 0).all(axis=1)):
        cells[row] = complete_cell(cells[row])
    return cells


def _wrap(structures: Structures, fractional: Floats) -> np.ndarray:
    """[n_atoms_total, 3], where to fold atoms into the cell: only where they spread over more than one cell.

    A scan in a large box then needs no images at all.
    """
    if not len(structures):
        return np.zeros((0, 3), bool)
    wide = (_highest(structures, fractional) + _highest(structures, -fractional) >= 1.0) & structures.pbc
    return np.asarray(wide[structures.owner])


def _highest(structures: Structures, values: Floats) -> Floats:
    result = np.full((len(structures), values.shape[1]), -np.inf)
    np.maximum.at(result, structures.owner, values)
    return result


def _images(structures: Structures, cells: Floats, fractional: Floats, cutoff: float) -> Integers:
    """[n_structures, 3], how many images to either side can hold a neighbour."""
    if not len(structures):
        return np.zeros((0, 3), np.int64)
    span = _highest(structures, fractional) + _highest(structures, -fractional)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cells), axis=1)
    exact = np.where(structures.pbc & (structures.n_atoms[:, None] > 0), cutoff / heights + span, 0.0)
    if not (exact < _SHIFT_BASE // 4).all() or (np.prod(2 * np.floor(exact) + 1, axis=1) > _MOST_IMAGES).any():
        raise ValueError(f"a cell is too flat for a cutoff of {cutoff:g} Å: too many images are in reach")
    return np.floor(exact).astype(np.int64)


def _rows(mask: np.ndarray) -> list[int]:
    rows: list[int] = np.flatnonzero(mask).tolist()
    return rows


def _nothing() -> Iterator[np.ndarray]:
    return iter((np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.int64), np.zeros((0, 3))))


def _lattice(reach: Integers) -> Integers:
    axes = [np.arange(-n, n + 1) for n in reach.tolist()]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


_Found = tuple[Integers, Integers, Integers, Floats]


def _stacks(
    structures: Structures, cells: Floats, positions: Floats, reach: Integers, candidates: Integers, cutoff: float
) -> list[_Found]:
    """Structures of one size and one reach, all candidate pairs at once."""
    small = np.flatnonzero((candidates <= _STACKED_CANDIDATES) & (candidates > 0))
    if not len(small):
        return []
    kinds, kind = np.unique(np.column_stack([structures.n_atoms[small], reach[small]]), axis=0, return_inverse=True)
    found = []
    for number, (n_atoms, *images) in enumerate(kinds.tolist()):
        rows = small[kind.ravel() == number]
        lattice = _lattice(np.array(images))
        step = max(1, _STACK_LIMIT // (n_atoms**2 * len(lattice)))
        for begin in range(0, len(rows), step):
            found.append(_stack(structures, cells, positions, rows[begin : begin + step], lattice, cutoff))
    return found


def _stack(
    structures: Structures, cells: Floats, positions: Floats, rows: Integers, lattice: Integers, cutoff: float
) -> _Found:
    n_atoms = int(structures.n_atoms[rows[0]])
    start = structures.offsets[rows]
    where = positions[start[:, None] + np.arange(n_atoms)]
    offsets = np.einsum("mi,sij->smj", lattice.astype(float), cells[rows])
    vectors = (where[:, None, :, None, :] - where[:, :, None, None, :]) + offsets[:, None, None, :, :]
    squared = np.einsum("sijmx,sijmx->sijm", vectors, vectors)
    close = squared < cutoff**2
    itself = int(np.flatnonzero(~lattice.any(axis=1))[0])
    close[:, np.arange(n_atoms), np.arange(n_atoms), itself] = False
    row, i, j, image = np.nonzero(close)
    return start[row] + i, start[row] + j, lattice[image], vectors[row, i, j, image]


def _tree(structures: Structures, cells: Floats, positions: Floats, reach: Integers, row: int, cutoff: float) -> _Found:
    start, stop = structures.offsets[row : row + 2].tolist()
    where, lattice = positions[start:stop], _lattice(reach[row])
    images = where[None, :, :] + (lattice @ cells[row])[:, None, :]
    margin = cutoff + 1e-6  # distances to explicit images differ in the last digits; the exact test follows
    inside = ((images > where.min(axis=0) - margin) & (images < where.max(axis=0) + margin)).all(axis=2)
    image, second = np.nonzero(inside)
    near = cKDTree(where).sparse_distance_matrix(cKDTree(images[inside]), margin, output_type="ndarray")
    first, ghost = near["i"].astype(np.int64), near["j"].astype(np.int64)
    second, shift = second[ghost], lattice[image[ghost]]
    vector = (where[second] - where[first]) + shift.astype(float) @ cells[row]
    kept = (np.einsum("nx,nx->n", vector, vector) < cutoff**2) & ((first != second) | shift.any(axis=1))
    order = np.lexsort((*shift[kept].T, second[kept], first[kept]))
    first, second, shift, vector = (part[kept][order] for part in (first, second, shift, vector))
    return first + start, second + start, shift, vector
