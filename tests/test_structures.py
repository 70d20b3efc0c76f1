"""Batches of structures: what goes in comes out, and estimates are of the right size."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from forcegauge.encoding import pack, unpack
from forcegauge.structures import Structures


def mixed() -> list[Atoms]:
    charged = molecule("OH")
    charged.info.update(charge=-1, spin=1)
    magnetic = bulk("Fe")
    magnetic.set_initial_magnetic_moments([2.2])
    slab = Atoms("Cu2", [[0, 0, 0], [0, 0, 2]], cell=[2.5, 2.5, 20], pbc=[True, True, False])
    return [bulk("NaCl", "rocksalt", a=5.64), charged, magnetic, slab, Atoms("H")]


def assert_same(one: Atoms, other: Atoms) -> None:
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.cell, other.cell)
    np.testing.assert_array_equal(one.pbc, other.pbc)
    np.testing.assert_array_equal(one.get_initial_magnetic_moments(), other.get_initial_magnetic_moments())
    assert other.info.get("charge", 0) == one.info.get("charge", 0)


def test_atoms_round_trip_through_bytes():
    structures = Structures.from_atoms(mixed())
    back = Structures.from_arrays(unpack(pack(structures.as_arrays())))
    assert back.digest() == structures.digest()
    for one, other in zip(mixed(), back, strict=True):
        assert_same(one, other)


def test_taking_and_concatenating_are_inverse():
    structures = Structures.from_atoms(mixed())
    parts = [structures.take(0, 2), structures[2:3], structures.take(3, 5)]
    joined = Structures.concatenate(parts)
    assert joined.digest() == structures.digest()
    assert structures[-1].get_chemical_formula() == "H"
    assert [len(atoms) for atoms in structures[::2]] == [2, 1, 1]
    assert len(structures.take(2, 2)) == 0
    assert len(Structures.concatenate([])) == 0


def test_charge_and_spin_of_some_say_nothing_of_the_others():
    first, second = Structures.from_atoms(mixed()[1]), Structures.from_atoms(bulk("Cu"))
    for joined in (Structures.concatenate([first, second]), Structures.from_atoms([first[0], second[0]])):
        np.testing.assert_array_equal(joined.total_charge, [-1, np.nan])
        np.testing.assert_array_equal(joined.total_spin, [1, np.nan])
        assert joined[0].info == {"charge": -1.0, "spin": 1.0}
        assert joined[1].info == {}


@pytest.mark.parametrize(
    ("info", "initial", "charge", "multiplicity"),
    [
        ({}, None, 0, 1),
        ({"charge": -2, "spin": 3}, None, -2, 3),
        ({"charge": 0, "spin": 0}, None, 0, 1),  # as data sets of crystals write it
        ({}, [0.7, 0.2, 0.1001], 1, 1),
        ({}, [-0.8, 0.4, 0.4002], 0, 1),
        ({"charge": 2}, [0.7, 0.2, 0.1], 2, 1),
    ],
)
def test_the_total_charge_decides_then_the_sum_of_the_initial_ones(info, initial, charge, multiplicity):
    atoms = molecule("H2O")
    atoms.info.update(info)
    if initial:
        atoms.set_initial_charges(initial)
    both = Structures.from_atoms([molecule("CH4"), atoms])
    assert both.net_charge.tolist() == [0, charge]
    assert both.multiplicity.tolist() == [1, multiplicity]


def test_scaled_and_displaced_copies():
    atoms = bulk("Si")
    scaled = Structures.scaled(atoms, [0.9, 1.1])
    for factor, copy in zip([0.9, 1.1], scaled, strict=True):
        reference = atoms.copy()
        reference.set_cell(atoms.cell * factor, scale_atoms=True)
        np.testing.assert_allclose(copy.positions, reference.positions, atol=1e-12)
        np.testing.assert_allclose(copy.cell, reference.cell, atol=1e-12)
    positions = np.random.default_rng(0).random((3, 2, 3))
    displaced = Structures.displaced(atoms, positions)
    np.testing.assert_array_equal(displaced[2].positions, positions[2])
    np.testing.assert_array_equal(displaced.cells[0], atoms.cell)


@pytest.mark.parametrize("cutoff", [4.0, 6.0])
@pytest.mark.parametrize("atoms", [bulk("Cu"), bulk("Si", cubic=True), bulk("NaCl", "rocksalt", a=5.64)])
def test_neighbour_estimate_of_solids_is_right(atoms, cutoff):
    counted = len(neighbor_list("i", atoms, cutoff)) / len(atoms)
    estimate = Structures.from_atoms(atoms).neighbours(cutoff)[0]
    assert estimate == pytest.approx(counted, rel=0.35)


def test_neighbour_estimate_without_images():
    pair = Atoms("H2", [[0, 0, 0], [0, 0, 1]])
    boxed = Atoms("H2", [[0, 0, 0], [0, 0, 1]], cell=[50, 50, 50], pbc=True)
    cluster = Atoms("Cu500", np.random.default_rng(1).random((500, 3)) * 20)
    one = Atoms("H")
    estimates = Structures.from_atoms([pair, boxed, cluster, one]).neighbours(6.0)
    assert estimates[:2].tolist() == [1.0, 1.0]
    assert 50 < estimates[2] < 200
    assert estimates[3] == 0


def test_one_structure_counts_as_a_list_of_one():
    assert len(Structures.from_atoms(bulk("Cu"))) == 1
    batch = Structures.from_atoms([bulk("Cu")])
    assert Structures.from_atoms(batch) is batch
    assert len(Structures.from_atoms([])) == 0
    assert batch.elements == {29}
    assert Structures.from_atoms(mixed()).owner.tolist() == [0, 0, 1, 1, 2, 3, 3, 4]


def test_the_digest_sees_everything():
    base = bulk("Cu")
    moved, open_, magnetic = base.copy(), base.copy(), base.copy()
    moved.positions += 1e-9
    open_.pbc = False
    magnetic.set_initial_magnetic_moments([1.0])
    assert len({Structures.from_atoms(atoms).digest() for atoms in (base, moved, open_, magnetic)}) == 4
