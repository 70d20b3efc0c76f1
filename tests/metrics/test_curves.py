from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import spearmanr

from forcegauge.metrics import curves

R = np.linspace(0.5, 6.0, 551)


def lennard_jones(r, well=1.0, sigma=1.2):
    ratio = (sigma / r) ** 6
    return 4 * well * (ratio**2 - ratio), 24 * well * (2 * ratio**2 - ratio) / r


def morse(r, well=4.0, width=1.9, bond=1.1):
    decay = np.exp(-width * (r - bond))
    return well * ((1 - decay) ** 2 - 1), -2 * well * width * (1 - decay) * decay


@pytest.mark.parametrize("potential", [lennard_jones, morse])
@pytest.mark.parametrize("points", [551, 276])
def test_a_true_pair_potential_scores_the_ideal(potential, points):
    r = np.linspace(0.5, 6.0, points)
    scores = curves.diatomic_scores(r, *potential(r))
    assert scores["conservation_deviation"] < 1e-8
    assert scores["violates_conservation"] == 0.0
    assert scores["force_flips"] == 1.0
    assert scores["spearman_repulsion_energy"] == pytest.approx(-1.0)
    assert scores["spearman_descending_force"] == pytest.approx(-1.0)
    assert scores["tortuosity"] == pytest.approx(1.0)


def test_remainder_of_the_energy_jump_falls_with_the_squared_step():
    coarse, fine = (curves.jump(morse(np.linspace(0.5, 6.0, n))[0]) for n in (500, 2000))
    assert 8 < coarse / fine < 32
    assert fine < 0.01


def test_force_scaled_by_a_tenth_is_charged_a_tenth_of_the_mean_slope():
    energy, force = morse(R)
    deviation = curves.conservation_deviation(R, energy, 1.1 * force)
    expected = 0.1 * np.mean(np.abs(np.diff(energy)) / np.diff(R))
    assert deviation == pytest.approx(expected, rel=1e-4)


def test_constant_force_error_is_charged_as_it_is():
    energy, force = morse(R)
    assert curves.conservation_deviation(R, energy, force + 0.05) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize("points", [276, 551, 1101])
def test_energy_jump_is_charged_over_the_whole_range_whatever_the_step(points):
    r = np.linspace(0.5, 6.0, points)
    energy, force = morse(r)
    deviation = curves.conservation_deviation(r, energy + 0.5 * (r > 3.0), force)
    assert deviation == pytest.approx(0.5 / 5.5, rel=1e-3)


def test_a_jump_of_the_force_does_not_ring():
    """Half of the curve is charged the jump; only the steps around it may differ."""
    energy, force = morse(R)
    deviation = curves.conservation_deviation(R, energy, force + 0.2 * (R > 3.25))
    assert deviation == pytest.approx(0.1, rel=0.01)


def test_step_integrals_are_exact_for_degree_five_on_any_grid():
    x = np.sort(np.random.default_rng(3).uniform(-1, 2, 30))
    polynomial = np.polynomial.Polynomial([0.3, -1.0, 2.0, 0.5, -0.7, 1.1])
    exact = np.diff(polynomial.integ()(x))
    np.testing.assert_allclose(curves.step_integrals(x, polynomial(x)), exact, atol=1e-9)


def test_step_integrals_converge_with_the_sixth_power():
    errors = []
    for n in (21, 41):
        x = np.linspace(0, 3, n)
        exact = [quad(np.cos, low, high)[0] for low, high in pairwise(x)]
        errors.append(np.abs(curves.step_integrals(x, np.cos(x)) - exact).max())
    assert errors[0] / errors[1] > 2**6


@pytest.mark.parametrize("n", [2, 3, 5])
def test_step_integrals_of_few_points_use_all_of_them(n):
    x = np.linspace(0, 1, n)
    np.testing.assert_allclose(curves.step_integrals(x, 2 * x), np.diff(x**2))


def test_energy_jump_has_the_factor_of_equation_s3():
    zigzag = [0.0, 1.0, 0.0, 1.0]
    assert curves.jump(zigzag) == 2 * (1 + 1) + 2 * (1 + 1)
    assert curves.published_jump(zigzag) == (1 + 1) + (1 + 1)


def test_published_energy_jump_drops_small_steps_and_joins_the_rest():
    energy = [0.0, 1.0, 1.0005, 0.0005]
    assert curves.published_jump(energy, floor=1e-3) == pytest.approx(2.0)
    assert curves.jump([0.0, 1.0, 1.0, 0.0]) == pytest.approx(2.0)  # a plateau turns in two halves


@pytest.mark.parametrize(
    ("values", "floor", "count"),
    [
        ([1, -1, 1], 0.0, 2),
        ([1, 0, 1], 0.0, 0),
        ([1, 0, -1], 0.0, 1),
        ([1, -0.005, 1], 0.01, 0),
        ([1, -0.01, 1], 0.01, 2),
        ([], 0.0, 0),
        ([0, 0], 0.0, 0),
    ],
)
def test_sign_changes(values, floor, count):
    assert curves.sign_changes(values, floor) == count


def test_tortuosity_counts_the_detour():
    assert curves.tortuosity([2.0, 0.0, 1.0]) == 1.0
    assert curves.tortuosity([2.0, 0.0, 1.0, 0.5, 1.0]) == pytest.approx(4 / 3)
    assert np.isnan(curves.tortuosity([1.0, 1.0]))


def test_spearman_agrees_with_scipy_with_ties():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 40), rng.integers(0, 5, 40)
    assert curves.spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)


@pytest.mark.parametrize(("x", "y"), [([], []), ([1.0], [2.0]), ([1.0, 2.0], [3.0, 3.0])])
def test_spearman_of_nothing_to_order_is_nan(x, y):
    assert np.isnan(curves.spearman(x, y))


def test_a_hole_at_the_shortest_distance_scores_worst():
    energy, force = morse(R)
    hole = -50 * np.exp(-(((R - 0.5) / 0.1) ** 2))
    scores = curves.diatomic_scores(R, energy + 2 * hole, force + np.gradient(-2 * hole, R))
    assert scores["spearman_repulsion_energy"] == 1.0
    assert np.isnan(curves.published_diatomic_scores(R, energy + 2 * hole, force)["spearman-repulsion-energy"])


def test_atoms_that_do_not_see_each_other_have_no_order():
    scores = curves.diatomic_scores(R, np.zeros_like(R), np.zeros_like(R))
    assert (scores["spearman_repulsion_energy"], scores["spearman_descending_force"]) == (0.0, 0.0)
    assert scores["force_flips"] == 0.0
    assert np.isnan(scores["tortuosity"])


def test_pure_repulsion_with_a_flat_tail_is_a_perfect_wall():
    energy = np.maximum(3.0 - R, 0.0) ** 2
    scores = curves.diatomic_scores(R, energy, 2 * np.maximum(3.0 - R, 0.0))
    assert scores["spearman_repulsion_energy"] == pytest.approx(-1.0)
    assert scores["spearman_descending_force"] == pytest.approx(-1.0)


def test_published_deviation_of_a_conservative_curve_is_not_zero():
    energy, force = morse(R)
    assert curves.published_diatomic_scores(R, energy, force)["conservation-deviation"] > 0.005


@pytest.mark.parametrize("score", [curves.diatomic_scores, curves.published_diatomic_scores])
def test_order_of_points_and_energy_offset_do_not_matter(score):
    energy, force = morse(R)
    force = force + np.random.default_rng(1).normal(0, 0.1, len(R))
    shuffled = np.random.default_rng(2).permutation(len(R))
    moved = score(R[shuffled], energy[shuffled] - 7.0, force[shuffled])
    assert moved == pytest.approx(score(R, energy, force), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_makes_every_score_nan(bad):
    energy, force = morse(R)
    energy[7] = bad
    volume = np.linspace(10, 20, len(R))
    for scores in (
        curves.diatomic_scores(R, energy, force),
        curves.published_diatomic_scores(R, energy, force),
        curves.volume_scores(volume, energy),
        curves.published_volume_scores(volume, energy),
    ):
        assert np.isnan(list(scores.values())).all()


VOLUMES = 20.0 * np.linspace(0.8, 1.2, 21) ** 3
IDEAL_VOLUME = {
    "derivative_flips": 1.0,
    "tortuosity": 1.0,
    "spearman_compression_energy": -1.0,
    "spearman_compression_derivative": 1.0,
    "spearman_tension_energy": 1.0,
    "minimum_inside": 1.0,
}


@pytest.mark.parametrize("v0", [14.0, 20.0, 27.0])
def test_a_parabola_scores_the_ideal_wherever_its_minimum_is(v0):
    assert curves.volume_scores(VOLUMES, (VOLUMES - v0) ** 2) == pytest.approx(IDEAL_VOLUME)


def test_the_published_scores_blame_a_parabola_for_a_minimum_off_the_middle():
    published = curves.published_volume_scores(VOLUMES, (VOLUMES - 14.0) ** 2)
    assert published["tortuosity"] > 1.05
    assert published["spearman-compression-energy"] > -0.5


def test_the_published_derivative_is_the_step_of_a_widening_grid():
    energy = 1e-3 * VOLUMES**2 - VOLUMES  # its derivative rises, but less than the volume steps widen
    assert curves.volume_scores(VOLUMES, energy)["spearman_compression_derivative"] == pytest.approx(1.0)
    published = curves.published_volume_scores(VOLUMES, energy)
    assert published["spearman-compression-derivative"] == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("slope", "lost"),
    [
        (1.0, {"spearman_compression_energy": 1.0, "spearman_compression_derivative": -1.0}),
        (-1.0, {"spearman_tension_energy": -1.0}),
    ],
)
def test_a_minimum_at_an_end_is_said_and_scores_worst(slope, lost):
    scores = curves.volume_scores(VOLUMES, slope * VOLUMES**2)
    assert scores["minimum_inside"] == 0.0
    assert {name: scores[name] for name in lost} == lost


def test_a_crystal_that_never_coheres_has_no_minimum():
    scores = curves.volume_scores(VOLUMES, np.maximum(18.0 - VOLUMES, 0.0) ** 2)
    assert (scores["minimum_inside"], scores["spearman_tension_energy"]) == (0.0, 0.0)
    assert scores["spearman_compression_energy"] == pytest.approx(-1.0)


def test_a_second_well_is_seen():
    energy = (VOLUMES - 20) ** 2 / 10 - 8 * np.exp(-((VOLUMES - 28) ** 2))
    scores = curves.volume_scores(VOLUMES, energy)
    assert scores["derivative_flips"] == 3.0
    assert scores["tortuosity"] > 1.1


def test_published_scores_are_nan_where_zero_steps_leave_too_few():
    flat = np.zeros(21)
    assert np.isnan(list(curves.published_volume_scores(VOLUMES, flat).values())).all()


def test_rounding_of_a_flat_tail_is_no_flip_and_no_minimum():
    volume = np.linspace(10.0, 30.0, 21)
    energy = np.maximum(0.0, 15.0 - volume) ** 2 + 1e-6 * (-1.0) ** np.arange(21)
    loose, firm = curves.volume_scores(volume, energy), curves.volume_scores(volume, energy, 1e-5)
    assert loose["derivative_flips"] > 5
    assert firm["derivative_flips"] == 0
    assert firm["minimum_inside"] == 0


def test_a_constant_curve_has_no_order_in_any_branch():
    scores = curves.volume_scores(np.arange(1.0, 22.0), np.zeros(21))
    assert scores["spearman_compression_energy"] == scores["spearman_compression_derivative"] == 0.0
