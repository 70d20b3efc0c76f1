"""Formulas of elasticity against textbook answers."""

import numpy as np
import pytest
from ase.spacegroup import Spacegroup
from scipy.spatial.transform import Rotation

from forcegauge.metrics import elasticity as el

HEXAGONAL = np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 1.6]])
MONOCLINIC = np.array([[1, 0, 0], [0, 1.2, 0], [0.3, 0, 1.4]])


def point_group(number, lattice=None):
    """[n, 3, 3], Cartesian, of a space group in its conventional cell."""
    columns = np.eye(3) if lattice is None else lattice.T
    rotations = np.unique([rotation for rotation, _ in Spacegroup(number).get_symop()], axis=0)
    return columns @ rotations @ np.linalg.inv(columns)


GROUPS = {
    "triclinic": (point_group(2), 21, (0, 1, 2, 3, 4, 5)),
    "monoclinic": (point_group(14, MONOCLINIC), 13, (0, 1, 2, 3, 4, 5)),
    "orthorhombic": (point_group(62), 9, (0, 1, 2, 3, 4, 5)),
    "tetragonal 4/m": (point_group(88), 7, (0, 2, 3, 5)),
    "tetragonal 4/mmm": (point_group(136), 6, (0, 2, 3, 5)),
    "trigonal -3": (point_group(148, HEXAGONAL), 7, (0, 2, 3)),
    "trigonal -3m": (point_group(167, HEXAGONAL), 6, (0, 2, 3)),
    "hexagonal": (point_group(194, HEXAGONAL), 5, (0, 2, 3)),
    "cubic": (point_group(225), 3, (0, 3)),
}


@pytest.mark.parametrize("system", GROUPS)
def test_independent_constants_and_strains_are_the_textbook_s(system):
    rotations, n_constants, strains = GROUPS[system]
    basis = el.invariant_stiffnesses(rotations)
    assert len(basis) == n_constants
    assert el.independent_strains(basis) == strains


@pytest.mark.parametrize("system", GROUPS)
def test_the_independent_strains_give_the_whole_tensor_back(system):
    """Also in an arbitrary orientation, where zeros of the table are none."""
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    basis = el.invariant_stiffnesses(turn @ GROUPS[system][0] @ turn.T)
    stiffness = np.einsum("k,kij->ij", np.random.default_rng(1).normal(size=len(basis)), basis)
    directions = np.eye(6)[list(el.independent_strains(basis))]
    found, misfit = el.fitted_stiffness(directions, directions @ stiffness, basis)
    np.testing.assert_allclose(found, stiffness, atol=1e-12)
    assert misfit < 1e-12


def test_what_breaks_the_symmetry_is_the_misfit():
    basis = el.invariant_stiffnesses(GROUPS["cubic"][0])
    slopes = np.array([[3.0, 1.0, 1.0, 0.0, 0.0, 0.4]])
    assert el.fitted_stiffness(np.eye(6)[:1], slopes, basis)[1] == pytest.approx(0.4 / np.sqrt(11.16))


def test_notations_turn_into_each_other():
    symmetric = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    np.testing.assert_allclose(el.mandel(symmetric), [1, 2, 3, *np.sqrt(2) * np.array([4, 5, 6])])
    np.testing.assert_allclose(el.tensor(el.mandel(symmetric)), symmetric)
    constants = np.arange(36.0).reshape(6, 6)
    np.testing.assert_allclose(el.voigt(el.from_voigt(constants)), constants)


def cubic(c11, c12, c44):
    return el.from_voigt(
        np.block([[(c11 - c12) * np.eye(3) + c12, np.zeros((3, 3))], [np.zeros((3, 3)), c44 * np.eye(3)]])
    )


def test_averages_of_a_cubic_crystal_are_those_of_the_textbook():
    c11, c12, c44 = 168.3, 122.1, 75.7
    bulk, shear, anisotropy = el.moduli(cubic(c11, c12, c44))
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    assert bulk == pytest.approx((c11 + 2 * c12) / 3)
    assert shear == pytest.approx((voigt + reuss) / 2)
    assert anisotropy == pytest.approx(5 * (voigt / reuss - 1))
    assert el.moduli(cubic(200.0, 100.0, 50.0)).anisotropy == pytest.approx(0, abs=1e-12)  # isotropic


@pytest.mark.parametrize(
    ("c12", "c44", "is_stable"), [(90, 50, True), (101, 50, False), (90, -1, False), (-51, 50, False)]
)
def test_stability_is_born_s(c12, c44, is_stable):
    """C11 > |C12|, C11 + 2 C12 > 0 and C44 > 0."""
    assert (el.softest(cubic(100, c12, c44)) > 0) is is_stable


def test_a_crystal_that_gives_way_has_no_reuss_average():
    """It falls to zero as the crystal softens and stays there; the bulk modulus does not see a soft shear."""
    voigt = (100 - 101 + 3 * 50) / 5
    bulk, shear, anisotropy = el.moduli(cubic(100, 101, 50))
    assert (bulk, shear) == (pytest.approx(302 / 3), pytest.approx(voigt / 2, rel=1e-3))
    assert np.isnan(anisotropy)
    nearly = el.moduli(cubic(100, 100 - 1.1e-3, 50)).shear
    assert nearly == pytest.approx(shear, rel=0.01)


def test_the_pair_of_strain_and_stress_is_that_of_wallace():
    """With E = V0 (S0:E + ½ E:C:E) the second Piola-Kirchhoff stress is S0 + C:E, whatever Cauchy's looks like."""
    random = np.random.default_rng(3)
    stiffness = random.normal(size=(6, 6))
    strain = 0.05 * el.tensor(random.normal(size=6))
    second = el.tensor(el.mandel(0.1 * np.eye(3)) + (stiffness + stiffness.T) @ el.mandel(strain))
    gradient = el.stretch(strain)
    np.testing.assert_allclose(0.5 * (gradient.T @ gradient - np.eye(3)), strain, atol=1e-15)
    cauchy = gradient @ second @ gradient.T / np.linalg.det(gradient)
    np.testing.assert_allclose(el.piola_kirchhoff(cauchy, gradient), second, atol=1e-15)


SIZES = 0.01 * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def test_slopes_see_no_residual_and_no_curvature():
    stress = (0.3 + 5 * SIZES + 40 * SIZES**2)[None, [0, 1, 3, 4], None] * np.ones((1, 1, 6))
    slopes, disagreement = el.central_slopes(stress, 0.01)
    np.testing.assert_allclose(slopes, 5.0)
    assert disagreement < 1e-12


def test_two_sizes_tell_a_cubic_term_and_one_is_enough_for_a_slope():
    stress = (5 * SIZES + 1000 * SIZES**3)[None, [0, 1, 3, 4], None] * np.ones((1, 1, 6))
    slopes, disagreement = el.central_slopes(stress, 0.01)
    np.testing.assert_allclose(slopes, 5 + 0.2 * 0.1 + 0.8 * 0.4)
    assert disagreement == pytest.approx(0.3 / 5.34)
    stress[0, 0] = np.nan
    slopes, disagreement = el.central_slopes(stress, 0.01)
    np.testing.assert_allclose(slopes, 5.1)
    assert np.isnan(disagreement)


@pytest.mark.parametrize(("excess", "mismatch"), [(0.0, 0.0), (0.25, 0.2)])
def test_energy_and_work_agree_for_any_quartic_energy(excess, mismatch):
    energy = 7 + 0.2 * SIZES + 3 * SIZES**2 - 5 * SIZES**3 + 90 * SIZES**4
    work = (1 + excess) * (0.2 + 6 * SIZES - 15 * SIZES**2 + 360 * SIZES**3)
    missing = np.full(5, np.nan)
    assert el.work_mismatch(np.array([energy, missing]), np.array([work, work]), 0.01) == pytest.approx(
        mismatch, abs=1e-9
    )
    assert np.isnan(el.work_mismatch(missing[None], work[None], 0.01))


def test_a_potential_without_stress_or_energy_has_no_shares():
    assert np.isnan(el.central_slopes(np.zeros((2, 4, 6)), 0.01)[1])
    assert np.isnan(el.work_mismatch(np.zeros((2, 5)), np.zeros((2, 5)), 0.01))
    cubic = el.invariant_stiffnesses(point_group(225))
    stiffness, misfit = el.fitted_stiffness(np.eye(6)[[0, 3]], np.zeros((2, 6)), cubic)
    assert not stiffness.any()
    assert np.isnan(misfit)
