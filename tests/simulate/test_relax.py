"""Relaxation step for step as ASE's, at free cell, by both optimisers and with symmetry kept."""

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE, LBFGS
from relax_alone import ask

from forcegauge.models.ase_calculator import AseModel
from forcegauge.potential import Prediction
from forcegauge.simulate.crystal_symmetry import averaged_forces, symmetrised
from forcegauge.structures import Structures

pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING")  # spglib, of what it will do one day
OPTIMISERS = {"fire": FIRE, "lbfgs": LBFGS}


def strained(symbol: str, seed: int) -> Atoms:
    atoms = bulk(symbol, cubic=True) * (1, 1, 2)
    atoms.set_cell(atoms.cell @ [[1.03, 0.02, 0], [0, 0.98, 0.01], [0, 0, 1.02]], scale_atoms=True)
    atoms.rattle(0.08, seed=seed)
    return atoms


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("cell", ["fixed", "free"])
def test_same_steps_as_ase(optimiser, cell):
    crystals = [strained("Cu", 1), strained("Al", 2), strained("Ag", 3)]
    ours = ask(AseModel(EMT()), "relax", crystals, cell=cell, optimiser=optimiser, force_tolerance_ev_per_a=0.005)
    for row, atoms in enumerate(crystals):
        reference = atoms.copy()
        reference.calc = EMT()
        asked = FrechetCellFilter(reference) if cell == "free" else reference
        with OPTIMISERS[optimiser](asked, logfile=None) as theirs:
            assert theirs.run(fmax=0.005, steps=500)
        assert ours.n_steps[row] == theirs.nsteps
        assert ours.energy[row] == pytest.approx(reference.get_potential_energy(), abs=1e-8)
        np.testing.assert_allclose(ours.structures[row].cell, reference.cell, atol=1e-7)
        np.testing.assert_allclose(ours.structures[row].positions, reference.positions, atol=1e-7)


def test_quasi_newton_needs_fewer_steps_to_the_same_minimum():
    crystals = [strained("Cu", 4), strained("Ni", 5)]
    fire, lbfgs = (
        ask(AseModel(EMT()), "relax", crystals, cell="free", optimiser=name, force_tolerance_ev_per_a=1e-3)
        for name in OPTIMISERS
    )
    np.testing.assert_allclose(fire.energy, lbfgs.energy, atol=1e-5)
    assert (lbfgs.n_steps < fire.n_steps).all()


def group(atoms: Atoms, symprec: float) -> int:
    return spglib.get_symmetry_dataset((atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers), symprec).number


class Skewed(AseModel):
    """Copper that is pulled aside: its forces have no symmetry at all."""

    def evaluate(self, structures, properties):
        answers = super().evaluate(structures, properties)
        pull = np.random.default_rng(1).normal(scale=0.05, size=(3, 3))
        return [
            Prediction(one.energy, one.forces + pull[0] * np.arange(len(one.forces))[:, None], one.stress + pull * 0.1)
            for one in answers
        ]


@pytest.mark.parametrize("symbol", ["Cu", "Mg"])
def test_symmetry_is_kept_against_forces_that_break_it(symbol):
    atoms = bulk("Cu", "hcp", a=2.5, c=4.4) if symbol == "Mg" else bulk("Cu", cubic=True)
    before = group(atoms, 1e-5)
    kept, lost = (
        ask(Skewed(EMT()), "relax", [atoms], cell="free", keep_symmetry=keep, max_steps=20, keep_failures=True)
        for keep in (True, False)
    )
    assert group(kept.structures[0], 1e-6) == before != group(lost.structures[0], 1e-3)


def test_a_supercell_has_no_more_operations_than_rotations():
    atoms = make_supercell(bulk("Cu"), [[2, 1, 0], [0, 3, 1], [1, 0, 4]])
    exact = atoms.copy()
    atoms.positions += np.random.default_rng(2).uniform(-1e-3, 1e-3, (len(atoms), 3))
    crystal, operations = symmetrised(Structures.from_atoms([atoms]))
    assert len(operations["images"]) <= 48 < len(atoms) * len(operations["images"])
    centred = [one - one.mean(axis=0) for one in (crystal.positions, exact.positions)]
    np.testing.assert_allclose(*centred, atol=1e-12)
    forces = averaged_forces(operations, np.random.default_rng(3).normal(size=(len(atoms), 3)) + 1.0)
    np.testing.assert_allclose(forces, np.tile(forces[0], (len(atoms), 1)), atol=1e-12)  # each atom is like each other


def test_symmetry_as_ase_keeps_it():
    atoms = bulk("Cu", "hcp", a=2.5, c=4.4)
    shifted = atoms.copy()
    shifted.positions[1] += 0.001  # within the tolerance: put in its place first
    ours = ask(AseModel(EMT()), "relax", [shifted], cell="free", keep_symmetry=True, force_tolerance_ev_per_a=1e-4)
    reference = atoms.copy()
    reference.calc = EMT()
    reference.set_constraint(FixSymmetry(reference))
    with FIRE(FrechetCellFilter(reference), logfile=None) as theirs:
        assert theirs.run(fmax=1e-4, steps=500)
    assert ours.energy[0] == pytest.approx(reference.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(ours.structures[0].cell.cellpar(), reference.cell.cellpar(), atol=1e-3)
    assert group(ours.structures[0], 1e-6) == 194


class Growing(AseModel):
    """Copper under a tension that never ends."""

    def evaluate(self, structures, properties):
        answers = super().evaluate(structures, properties)
        return [Prediction(one.energy, one.forces, one.stress - np.eye(3)) for one in answers]


class Drawn(AseModel):
    """Copper that is drawn out along x at its volume."""

    def evaluate(self, structures, properties):
        answers = super().evaluate(structures, properties)
        return [Prediction(one.energy, one.forces, np.diag([-0.5, 0.5, 0.0])) for one in answers]


def test_a_cell_drawn_out_at_its_volume_has_exploded():
    answer = ask(Drawn(EMT()), "relax", [bulk("Cu")], cell="free", keep_failures=True)
    assert (answer.failures[0].kind, "a length of the cell" in answer.failures[0].message) == ("exploded", True)
    assert answer.structures[0].cell.volume == pytest.approx(bulk("Cu").cell.volume)


@pytest.mark.parametrize("array", ["positions", "cell"])
def test_what_is_not_finite_is_not_asked(array):
    odd = bulk("Cu", cubic=True)
    getattr(odd, array)[0] = np.nan
    found = ask(AseModel(EMT()), "relax", [odd], cell="free", keep_symmetry=True, keep_failures=True)
    assert found.failures[0].kind == "non_finite"


def test_what_cannot_be_relaxed_says_why():
    crystals = [bulk("Cu", cubic=True), molecule("N2", vacuum=5)]
    answer = ask(Growing(EMT()), "relax", crystals, cell="free", keep_failures=True)
    assert answer.failures[0].kind == "exploded"
    assert "volume became" in answer.failures[0].message
    assert (answer.failures[1].kind, "periodic" in answer.failures[1].message) == ("not_implemented", True)
    assert np.isnan(answer.energy).all()
    gas = ask(AseModel(EMT()), "relax", [molecule("N2")], keep_symmetry=True, keep_failures=True)
    assert gas.failures[0].kind == "not_implemented"
