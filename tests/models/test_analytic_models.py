import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.calculators.morse import MorsePotential
from ase.data import covalent_radii
from scipy.spatial.transform import Rotation

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models import analytic
from forcegauge.models.guard import guarded_evaluate
from forcegauge.models.harmonic_crystal import HarmonicCrystal
from forcegauge.structures import Structures

ALL = frozenset({"energy", "forces", "stress"})
PAIRS = ("lennard-jones", "morse", "harmonic", "zbl")


def crystal(seed=1, size=1.0):
    atoms = bulk("NiAl", "cesiumchloride", a=2.35 * size) * (2, 1, 1)
    atoms.rattle(0.08, seed=seed)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.03 * np.random.default_rng(seed).normal(size=(3, 3))), scale_atoms=True)
    return atoms


def ask(model, structures, properties=ALL):
    return guarded_evaluate(model, Structures.from_atoms(structures), frozenset(properties))


def energy(model, atoms):
    return float(ask(model, atoms, {"energy"}).energies[0])


@pytest.fixture(params=(*PAIRS, "emt", "harmonic-crystal"))
def model(request):
    if request.param == "harmonic-crystal":
        return HarmonicCrystal(crystal(seed=5))
    return analytic.load(request.param)


def test_forces_are_the_gradient_of_the_energy(model):
    atoms, step = crystal(), 1e-5
    forces = ask(model, atoms)[0].forces
    for atom, axis in ((0, 0), (1, 1), (3, 2)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            ends.append(energy(model, moved))
        assert forces[atom, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=2e-6)
    assert np.abs(forces).max() > 0.01
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-9)


def test_stress_is_the_strain_derivative_tension_positive(model):
    atoms, step = crystal(), 1e-5
    stress = ask(model, atoms)[0].stress
    for a, b in ((0, 0), (1, 2), (2, 0)):
        ends = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
            ends.append(energy(model, strained))
        assert stress[a, b] == pytest.approx((ends[0] - ends[1]) / (2 * step * atoms.get_volume()), abs=2e-6)
    stretched = atoms.copy()
    stretched.set_cell(atoms.cell * 1.04, scale_atoms=True)
    assert np.trace(ask(model, stretched)[0].stress) > np.trace(stress) or model.identity == "zbl"


def test_rotation_turns_forces_and_stress_along(model):
    atoms, turn = crystal(), Rotation.random(rng=np.random.default_rng(0)).as_matrix()
    turned = Atoms(atoms.numbers, atoms.positions @ turn.T, cell=atoms.cell.array @ turn.T, pbc=True)
    before, after = ask(model, atoms)[0], ask(model, turned)[0]
    assert after.energy == pytest.approx(before.energy, abs=1e-9)
    np.testing.assert_allclose(after.forces, before.forces @ turn.T, atol=1e-9)
    np.testing.assert_allclose(after.stress, turn @ before.stress @ turn.T, atol=1e-9)


@pytest.mark.parametrize("name", [*PAIRS, "emt"])
def test_order_of_atoms_and_size_of_cell_do_not_matter(name):
    model, atoms = analytic.load(name), crystal()
    order = [2, 0, 3, 1]
    one, shuffled, doubled = ask(model, [atoms, atoms[order], atoms * (1, 2, 1)])[0:3]
    np.testing.assert_allclose(shuffled.forces, one.forces[order], atol=1e-10)
    assert doubled.energy == pytest.approx(2 * one.energy, abs=1e-9)
    np.testing.assert_allclose(doubled.stress, one.stress, atol=1e-10)


def test_batch_equals_loop(model):
    batch = [crystal(seed) for seed in range(5)] + [crystal(1, 0.9), crystal(1, 1.2)]
    together = ask(model, batch)
    for row, atoms in enumerate(batch):
        alone = ask(model, atoms)[0]
        assert together[row].energy == pytest.approx(alone.energy, abs=1e-11)
        np.testing.assert_allclose(together[row].forces, alone.forces, atol=1e-11)
        np.testing.assert_allclose(together[row].stress, alone.stress, atol=1e-11)


def test_only_what_is_asked_comes_back(model):
    answer = ask(model, crystal(), {"energy"})
    assert answer.forces is None
    assert answer.stress is None


def test_lennard_jones_is_that_of_ase():
    atoms = molecule("CH4")
    atoms.numbers[:] = 14
    atoms.positions *= 2.0
    bond = 2 * covalent_radii[14]
    sigma = bond / 2 ** (1 / 6)
    atoms.calc = LennardJones(sigma=sigma, epsilon=0.4, rc=2.8 * sigma, ro=2.24 * sigma, smooth=True)
    assert atoms.get_all_distances().max() < 2.24 * sigma  # where the two switch off differently, they may differ
    ours = ask(analytic.lennard_jones(), atoms, {"energy", "forces"})[0]
    assert ours.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(ours.forces, atoms.get_forces(), atol=1e-10)


def test_morse_is_that_of_ase_with_its_switch():
    atoms = bulk("Cu", a=3.9) * (2, 2, 2)
    atoms.rattle(0.1, seed=3)
    bond = 2 * covalent_radii[29]
    atoms.calc = MorsePotential(epsilon=0.8, r0=bond, rho0=5.0, rcut1=0.7 * 2.7, rcut2=2.7)
    ours = ask(analytic.morse(), atoms)[0]
    assert ours.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(ours.forces, atoms.get_forces(), atol=1e-9)
    np.testing.assert_allclose(ours.stress, atoms.get_stress(voigt=False), atol=1e-9)


def test_zbl_of_two_silicon_atoms_by_hand():
    distance, charge = 0.5, 14
    x = distance * 2 * charge**0.23 / 0.46850
    weights, rates = (0.18175, 0.50986, 0.28022, 0.02817), (3.19980, 0.94229, 0.40290, 0.20162)
    screen = sum(weight * np.exp(-rate * x) for weight, rate in zip(weights, rates, strict=True))
    dimer = Atoms("Si2", positions=[[0, 0, 0], [0, 0, distance]])
    assert energy(analytic.zbl(), dimer) == pytest.approx(14.399645 * charge**2 / distance * screen, rel=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_switched_off_twice_differentiably_for_every_element(name):
    model = analytic.load(name)
    for number in (1, 14, 55, 96):
        kind = np.array([number])
        end = float(model.reach(kind, kind)[0])
        width = (1 - model.onset) * end
        height = max(abs(model.radial(np.array([at]), kind, kind)[0][0]) for at in (end, end - width))
        bend = height / width**2  # eV/Å², a curvature that the switch itself brings
        for edge in (end, end - width):
            step = 1e-5 * width
            positions = np.zeros((7, 2, 3))
            positions[:, 1, 2] = edge + step * np.arange(-3, 4)
            dimers = Structures.displaced(Atoms([number, number], positions=positions[0]), positions)
            forces = guarded_evaluate(model, dimers, ALL - {"stress"}).stacked_forces()[:, 0, 2]
            slopes = np.diff(forces) / step
            assert np.abs(np.diff(slopes)).max() < 0.01 * (bend + np.abs(slopes).max())
    far = Atoms([number, number], positions=[[0, 0, 0], [0, 0, end + 1e-9]])
    assert energy(model, far) == 0.0


@pytest.mark.parametrize("name", ["lennard-jones", "morse", "harmonic"])
def test_a_stretched_bond_lets_go_without_a_barrier(name):
    model = analytic.load(name)
    distances = np.linspace(1.01, 3.0, 400) * 2 * covalent_radii[14]
    positions = np.zeros((400, 2, 3))
    positions[:, 1, 0] = distances
    energies = guarded_evaluate(model, Structures.displaced(Atoms("Si2"), positions), frozenset({"energy"})).energies
    assert (np.diff(energies) >= -1e-12).all()


def test_five_hundred_points_of_a_dimer_take_milliseconds():
    positions = np.zeros((500, 2, 3))
    positions[:, 1, 0] = np.linspace(0.5, 6.0, 500)
    scan = Structures.displaced(Atoms("Fe2", positions=positions[0], cell=[30, 31, 32], pbc=True), positions)
    model = analytic.lennard_jones()
    took = []
    for _ in range(5):
        start = time.process_time()
        guarded_evaluate(model, scan, frozenset({"energy", "forces"}))
        took.append(time.process_time() - start)
    assert min(took) < 0.05


def test_harmonic_crystal_is_at_rest_in_its_reference_and_stiff_around_it():
    reference = bulk("Si", cubic=True)
    springs = HarmonicCrystal(reference, stiffness_ev_per_a2=4.0)
    rest = ask(springs, reference)[0]
    assert rest.energy == pytest.approx(0.0, abs=1e-20)
    np.testing.assert_allclose(rest.forces, 0, atol=1e-12)
    moved = reference.copy()
    moved.positions[0, 0] += 1e-3
    # Four bonds along the cube's diagonals: k Σ cos² = 4 k / 3 along each axis.
    assert ask(springs, moved)[0].forces[0, 0] == pytest.approx(-4.0 * 4 / 3 * 1e-3, rel=1e-3)
    assert ask(springs, bulk("Ge", cubic=True)).failures[0].kind == "unsupported_element"
    assert ask(springs, bulk("Si")).failures[0].kind == "not_implemented"


def test_unknown_potential_or_option():
    with pytest.raises(UnknownName, match="did you mean 'morse'"):
        analytic.load("mors")
    with pytest.raises(BadInput, match="depth"):
        analytic.load("morse", depth=1.0)
