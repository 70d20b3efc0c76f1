"""The space group of a crystal, found once and then kept: structure, forces and stress are averaged over it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from forcegauge.structures import Floats, Structures

TOLERANCE_A = 0.01
"""Å, how far an atom may be from the place that an operation gives it. ASE's FixSymmetry takes the same."""

Operations = dict[str, Any]
"""``rotations`` [n_operations, 3, 3], Cartesian; ``images`` [n_operations, n_atoms], the atom that each one becomes."""


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
        return crystal, {"rotations": np.eye(3)[None], "images": np.arange(len(kinds))[None]}
    rotations, translations = found.rotations.astype(float), found.translations
    cell = _averaged_cell(cell, rotations)
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
    return Structures.from_arrays(structure), {"rotations": cartesian, "images": images.astype(np.int32)}


def averaged_forces(operations: Operations, forces: Floats) -> Floats:
    """[n_atoms, 3], the mean over all operations."""
    total = np.zeros_like(forces)
    np.add.at(total, operations["images"], np.einsum("oij,nj->oni", operations["rotations"], forces))
    return total / len(operations["images"])


def averaged_stress(operations: Operations, stress: Floats) -> Floats:
    """[3, 3], the mean over all operations."""
    rotations = operations["rotations"]
    mean: Floats = np.einsum("oij,jk,olk->il", rotations, stress, rotations) / len(rotations)
    return mean


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
