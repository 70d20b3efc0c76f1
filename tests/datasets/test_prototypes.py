import numpy as np
import pytest
import spglib
from ase.data import covalent_radii
from ase.formula import Formula
from ase.neighborlist import neighbor_list

from forcegauge.datasets import registry
from forcegauge.datasets.prototypes import PROTOTYPES, crystals

CRYSTALS = crystals()
ELEMENTAL = {"fcc": 225, "bcc": 229, "hcp": 194, "diamond": 227, "sc": 221, "rhombohedral": 166}
NOBLE = {10, 18, 36, 54}


def test_there_are_as_many_as_the_card_says_and_enough():
    dataset = registry.get("prototypes")
    assert len(dataset.structures()) == dataset.card.n_structures == len(CRYSTALS) >= 130
    assert len({number for atoms in CRYSTALS for number in atoms.numbers}) > 80


def test_names_are_unique_and_lead_to_formula_and_prototype():
    assert len({atoms.info["name"] for atoms in CRYSTALS}) == len(CRYSTALS)
    for atoms in CRYSTALS:
        formula, _, prototype = atoms.info["name"].partition("-")
        assert prototype == atoms.info["prototype"]
        assert Formula(formula).reduce()[0].count() == atoms.symbols.formula.reduce()[0].count()


@pytest.mark.parametrize("name", ["Cu-fcc", "NaCl-rocksalt", "TiO2-rutile", "SrTiO3-perovskite", "C-graphite"])
def test_the_usual_ones_are_there(name):
    assert name in {atoms.info["name"] for atoms in CRYSTALS}


def test_every_prototype_is_used():
    assert {atoms.info["prototype"] for atoms in CRYSTALS} - PROTOTYPES.keys() == {*ELEMENTAL, "bct"}


def problems(atoms):
    """What is wrong with a crystal's symmetry, cell or distances."""
    cell = (atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers)
    prototype = atoms.info["prototype"]
    expected = PROTOTYPES[prototype].spacegroup if prototype in PROTOTYPES else ELEMENTAL.get(prototype)
    if expected and f"({expected})" not in spglib.get_spacegroup(cell, symprec=1e-3):
        yield "space group"
    if len(spglib.find_primitive(cell, symprec=1e-3)[2]) != len(atoms) or not atoms.pbc.all():
        yield "not primitive"
    first, second, distance = neighbor_list("ijd", atoms, 5.5)
    ratio = (distance / (covalent_radii[atoms.numbers[first]] + covalent_radii[atoms.numbers[second]])).min()
    if not 0.75 < ratio < (3.0 if set(atoms.numbers.tolist()) <= NOBLE else 1.35):
        yield f"nearest neighbours at {ratio:.2f} times the sum of covalent radii"


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_symmetry_cell_and_distances_are_those_of_crystals():
    assert {atoms.info["name"]: found for atoms in CRYSTALS if (found := list(problems(atoms)))} == {}


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_the_check_sees_a_wrong_crystal():
    salt = next(atoms for atoms in CRYSTALS if atoms.info["name"] == "NaCl-rocksalt").copy()
    salt.positions[1] *= 0.3
    assert [what[:9] for what in problems(salt)] == ["space gro", "nearest n"]


@pytest.mark.parametrize(
    ("name", "bond"), [("Cu-fcc", 2.553), ("NaCl-rocksalt", 2.82), ("Si-diamond", 2.351), ("CaF2-fluorite", 2.366)]
)
def test_bond_lengths_are_the_known_ones(name, bond):
    atoms = next(atoms for atoms in CRYSTALS if atoms.info["name"] == name)
    assert neighbor_list("d", atoms, 4.0).min() == pytest.approx(bond, abs=0.01)


def test_a_users_change_does_not_reach_the_next_one():
    first = registry.get("prototypes").structures()[0]
    first.positions += 1.0
    again = registry.get("prototypes").structures()[0]
    assert not np.allclose(first.positions, again.positions)
