"""The crystals of the benchmark ``vacancy``: primitive cells, supercells, and who hops into the vacancy from where."""

from __future__ import annotations

import warnings

import numpy as np
from ase import Atoms
from ase.build import bulk

from forcegauge.errors import BadInput
from forcegauge.structures import Floats

HOPS = {"fcc": ("nearest",), "hcp": ("in-plane", "out-of-plane")}
"""The hops of a lattice, in the order of the raw arrays."""

_SITES = {(225, 1): "fcc", (194, 2): "hcp"}  # space group and atoms of the primitive cell
_TOLERANCE_A = 0.01  # of the symmetry
_LAYER_TOLERANCE = 0.1  # of the height of a layer, to tell neighbours of one plane from the next


def primitive(symbol: str, lattice: str, volume: float) -> Atoms:
    """One element's primitive cell with ``volume``, Å³ per atom; hcp with the ideal c/a."""
    if lattice == "fcc":
        return bulk(symbol, "fcc", a=(4 * volume) ** (1 / 3))
    a = (np.sqrt(2) * volume) ** (1 / 3)
    return bulk(symbol, "hcp", a=a, c=np.sqrt(8 / 3) * a)


def recognised(name: str, atoms: Atoms) -> tuple[str, Atoms]:
    """The lattice of a user's crystal, and its primitive cell; raises BadInput where it is no element in fcc or hcp."""
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    with warnings.catch_warnings():  # of an error handling to come, with which None becomes an exception
        warnings.simplefilter("ignore", DeprecationWarning)
        symmetry = spglib.get_symmetry_dataset(cell, symprec=_TOLERANCE_A)
        found = spglib.find_primitive(cell, symprec=_TOLERANCE_A)
    is_crystal = symmetry is not None and found is not None  # spglib gives up on overlapping atoms
    lattice = _SITES.get((symmetry.number, len(found[2]))) if is_crystal else None
    if lattice is None or len(set(atoms.numbers)) > 1:
        group = f"space group {symmetry.international}" if is_crystal else "no space group found"
        raise BadInput(
            f"benchmark vacancy knows one element in fcc or hcp, but structure '{name}' ({atoms.symbols}) is another "
            f"crystal ({group}, {len(found[2]) if is_crystal else len(atoms)} atoms); leave it or the benchmark out"
        )
    vectors, fractional, numbers = found
    return lattice, Atoms(numbers, cell=vectors, scaled_positions=fractional, pbc=True)


def supercell(crystal: Atoms, lattice: str, fcc_repeats: int, hcp_repeats: tuple[int, int, int]) -> Atoms:
    """The cubic cell of 4 atoms repeated along each edge, or the hexagonal one of 2 atoms along its vectors."""
    if lattice == "hcp":
        return crystal * hcp_repeats
    a = (4 * crystal.cell.volume) ** (1 / 3)
    return bulk(crystal.get_chemical_symbols()[0], "fcc", a=a, cubic=True) * fcc_repeats


def neighbours(perfect: Atoms, lattice: str, layer: float) -> tuple[list[int], Floats]:
    """For each hop the atom that hops to the place of atom 0, and its way there [n_hops, 3], Å.

    Args:
        perfect: the supercell.
        lattice: fcc or hcp.
        layer: distance of the close-packed planes of hcp, c/2, Å.
    """
    ways = -perfect.get_distances(0, range(1, len(perfect)), mic=True, vector=True)
    lengths = np.linalg.norm(ways, axis=1)
    height = np.abs(ways @ perfect.cell[2]) / np.linalg.norm(perfect.cell[2]) / layer
    planes = {"nearest": height, "in-plane": np.zeros(1), "out-of-plane": np.ones(1)}
    rows = [_first(np.where(np.abs(height - planes[hop]) < _LAYER_TOLERANCE, lengths, np.inf)) for hop in HOPS[lattice]]
    return [row + 1 for row in rows], ways[rows]


def _first(lengths: Floats) -> int:
    """The first of the shortest: which of twelve equal neighbours it is must not hang on the last digit."""
    return int(np.flatnonzero(lengths <= (1 + 1e-6) * lengths.min())[0])


def vacancies(perfect: Atoms, hoppers: list[int], ways: Floats) -> list[Atoms]:
    """The crystal without atom 0, and for each hop the same atoms with the one that has hopped there."""
    ends = [perfect]
    for hopper, way in zip(hoppers, ways, strict=True):
        end = perfect.copy()
        end.positions[hopper] += way  # not to where atom 0 was: its periodic image may be the nearer one
        ends.append(end)
    return [end[1:] for end in ends]
