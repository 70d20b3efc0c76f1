"""The space group of a crystal, found once and then kept: structure, forces and stress are averaged over it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from forcegauge.structures import Floats, Structures

TOLERANCE_A = 0.01
"""Å, how far an atom may be from the place that an operation gives it. ASE's FixSymmetry takes the same."""

Operations = dict[str, Any]
"""One operation of the space group for each of its rotations, 48 at most: ``rotations`` [n_operations, 3, 3],
Cartesian; ``images`` [n_operations, n_atoms], the atom that each one becomes. And ``twins`` [n_atoms], the same number
for atoms that a translation brings into each other: a supercell has thousands of these, so they are no operations."""


def symmetrised(crystal: Structures) -> tuple[Structures, Operations]:
    """One crystal with cell and positions put exactly in their places, and the operations of its space group.

    Atoms of one element with different initial moments or charges are different kinds.
    """
    import spglib

    cell, fractional = crystal.cells[0], crystal.positions @ np.linalg.inv(crystal.cells[0])
    labels = np.column_stack([crystal.numbers, *(a for a in (crystal.magmoms, crystal.charges) if a is not None)])
    kinds = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    with warnings.catch_warnings():  # of an error handling to come, with which None becomes an exception
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_symmetry_dataset((cell, fractional, kinds), symprec=TOLERANCE_A)
    if found is None:  # spglib gives up on overlapping atoms
        none = {"rotations": np.eye(3)[None], "images": np.arange(len(kinds))[None], "twins": np.arange(len(kinds))}
        return crystal, none
    twins = np.unique(found.mapping_to_primitive, return_inverse=True)[1]
    repeats = np.rint(cell @ np.linalg.inv(found.primitive_lattice))
    first = np.unique(found.rotations.reshape(-1, 9), axis=0, return_index=True)[1]
    rotations, translations = found.rotations[first].astype(float), found.translations[first]
    cell = _averaged_cell(cell, rotations)
    fractional = _evenly_repeated(fractional, repeats, twins)
    # Every atom goes to the mean of where all operations bring its partners.
    brought = np.einsum("oij,nj->oni", rotations, fractional) + translations[:, None]
    images = np.stack([_nearest(places, fractional, cell, kinds) for places in brought])
    offset = brought - fractional[images]
    offset -= np.round(offset)
    shift = np.zeros_like(fractional)
    np.add.at(shift, images, offset)
    structure = {**crystal.as_arrays(), "cells": cell[None], "positions": (fractional + shift / len(images)) @ cell}
    inverse = np.linalg.inv(cell.T)
    cartesian = np.einsum("ij,ojk,kl->oil", cell.T, rotations, inverse)
    operations = {"rotations": cartesian, "images": images.astype(np.int32), "twins": twins.astype(np.int32)}
    return Structures.from_arrays(structure), operations


def averaged_forces(operations: Operations, forces: Floats) -> Floats:
    """[n_atoms, 3], the mean over all operations and translations."""
    total = np.zeros_like(forces)
    np.add.at(total, operations["images"], np.einsum("oij,nj->oni", operations["rotations"], forces))
    return _mean_of_twins(total / len(operations["images"]), operations["twins"])


def averaged_stress(operations: Operations, stress: Floats) -> Floats:
    """[3, 3], the mean over all operations."""
    rotations = operations["rotations"]
    mean: Floats = np.einsum("oij,jk,olk->il", rotations, stress, rotations) / len(rotations)
    return mean


def _mean_of_twins(values: Floats, twins: np.ndarray) -> Floats:
    """[n_atoms, 3], each atom's values replaced by the mean over its twins."""
    total = np.zeros((int(twins.max(initial=-1)) + 1, 3))
    np.add.at(total, twins, values)
    mean: Floats = total[twins] / np.bincount(twins)[twins][:, None]
    return mean


def _evenly_repeated(fractional: Floats, repeats: Floats, twins: np.ndarray) -> Floats:
    """Positions in which twins are whole vectors of the primitive lattice apart; the cell is ``repeats`` times that."""
    first = np.unique(twins, return_index=True)[1]
    apart = (fractional - fractional[first][twins]) @ repeats
    error = apart - np.round(apart)
    even: Floats = fractional - (error - _mean_of_twins(error, twins)) @ np.linalg.inv(repeats)
    return even


def _averaged_cell(cell: Floats, rotations: Floats) -> Floats:
    """The cell whose metric is the mean over the point group, turned as the given one is."""
    metric = np.einsum("oji,jk,okl->il", rotations, cell @ cell.T, rotations) / len(rotations)
    # metric = C'·C'ᵀ with C' = C·S and S symmetric: a stretch, no rotation.
    inner = np.linalg.inv(cell) @ metric @ np.linalg.inv(cell).T
    values, vectors = np.linalg.eigh(inner)
    averaged: Floats = cell @ (vectors * np.sqrt(values)) @ vectors.T
    return averaged


def _nearest(places: Floats, fractional: Floats, cell: Floats, kinds: np.ndarray) -> np.ndarray:
    offsets = places[:, None] - fractional[None]
    offsets -= np.round(offsets)
    distances = np.linalg.norm(offsets @ cell, axis=2)
    distances[kinds[:, None] != kinds[None]] = np.inf
    nearest: np.ndarray = distances.argmin(axis=1)
    return nearest
