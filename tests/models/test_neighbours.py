import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from forcegauge.models.neighbours import neighbour_pairs
from forcegauge.structures import Structures


def listed(pairs):
    keys = zip(pairs.first.tolist(), pairs.second.tolist(), map(tuple, pairs.shift.tolist()), strict=True)
    return sorted((*key, round(distance, 7)) for key, distance in zip(keys, pairs.distance.tolist(), strict=True))


def reference(atoms, cutoff):
    i, j, shift, distance = neighbor_list("ijSd", atoms, cutoff)
    keys = zip(i.tolist(), j.tolist(), map(tuple, shift.tolist()), strict=True)
    return sorted((*key, round(one, 7)) for key, one in zip(keys, distance.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_agrees_with_ase_for_any_cell_and_periodicity(seed):
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(4):
        n_atoms = rng.integers(1, 7)
        cell = rng.normal(size=(3, 3)) + np.eye(3) * rng.uniform(4, 9)
        structures.append(
            Atoms(["Si"] * n_atoms, positions=8 * rng.normal(size=(n_atoms, 3)), cell=cell, pbc=rng.integers(0, 2, 3))
        )
    pairs = neighbour_pairs(Structures.from_atoms(structures), 4.5)
    for row, atoms in enumerate(structures):
        assert listed(pairs.take(row, row + 1)) == reference(atoms, 4.5)


def test_tree_for_large_cells_agrees_with_ase():
    atoms = bulk("Si", cubic=True) * (3, 2, 2)
    atoms.rattle(0.1, seed=1)
    atoms.positions += [30.0, -7.0, 2.0]
    assert listed(neighbour_pairs(Structures.from_atoms(atoms), 6.0)) == reference(atoms, 6.0)


@pytest.mark.parametrize("cell", [np.zeros((3, 3)), np.diag([9.0, 0.0, 0.0])])
def test_missing_cell_vectors(cell):
    atoms = Atoms("CO2", positions=[[0, 0, 0], [1.1, 0, 0], [-1.1, 0, 0]], cell=cell)
    atoms.pbc = cell.any(axis=1)
    assert listed(neighbour_pairs(Structures.from_atoms(atoms), 8.0)) == reference(atoms, 8.0)


def test_vectors_are_what_the_shifts_say():
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.positions[1] += 3 * atoms.cell[0]
    pairs = neighbour_pairs(Structures.from_atoms(atoms), 6.0)
    expected = atoms.positions[pairs.second] - atoms.positions[pairs.first] + pairs.shift @ atoms.cell.array
    np.testing.assert_allclose(pairs.vector, expected, atol=1e-12)


def test_bonds_have_two_directions_and_angles_share_a_centre():
    structures = Structures.from_atoms([bulk("Cu"), bulk("Si", cubic=True), bulk("Fe", cubic=True) * 2])
    pairs = neighbour_pairs(structures, 4.0)
    bond_of, pair_of = pairs.undirected()
    assert (np.bincount(bond_of) == 2).all()
    assert (bond_of[pair_of] == np.arange(len(pair_of))).all()
    backwards = np.array(
        [np.flatnonzero((bond_of == bond_of[k]) & (np.arange(len(bond_of)) != k))[0] for k in range(50)]
    )
    np.testing.assert_array_equal(pairs.vector[backwards], -pairs.vector[:50])
    left, right = pairs.angles(3.0)
    assert (pairs.first[left] == pairs.first[right]).all()
    assert (left != right).all()
    per_structure = np.bincount(pairs.owner[pairs.first[left]], minlength=3)
    np.testing.assert_array_equal(per_structure, pairs.count_angles(3.0))
    assert per_structure.tolist() == [12 * 11, 8 * 4 * 3, 16 * 14 * 13]


def test_chunks_are_full_but_never_above_the_cap():
    pairs = neighbour_pairs(Structures.from_atoms([bulk("Cu")] * 7), 3.0)
    assert list(pairs.chunks(pairs.count, 36)) == [(0, 3), (3, 6), (6, 7)]
    assert list(pairs.chunks(pairs.count, 1)) == [(row, row + 1) for row in range(7)]


def test_no_structures_and_no_neighbours():
    assert len(neighbour_pairs(Structures.empty(), 5.0).first) == 0
    assert len(neighbour_pairs(Structures.from_atoms(Atoms("He")), 5.0).first) == 0


def test_a_cell_without_height_is_refused():
    flat = Atoms("Cu", cell=[1e-5, 3, 3], pbc=True)
    with pytest.raises(ValueError, match="too flat"):
        neighbour_pairs(Structures.from_atoms(flat), 5.0)
