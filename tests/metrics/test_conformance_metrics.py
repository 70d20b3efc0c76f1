import numpy as np
import pytest

from forcegauge.metrics.conformance import (
    ABSURD_EV,
    CORRECTION_EV,
    NONSENSE,
    beyond_doubt,
    jump,
    largest,
    lowest,
    reference_kind,
    ridders,
    sense,
)

STEPS = 0.02 * 0.5 ** np.arange(4)
RADII = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.6, 2.0, 2.5])


def derivative(function, at=1.0, steps=STEPS):
    return ridders(steps, function(at + steps), function(at - steps))


def test_a_smooth_function_has_its_derivative_to_many_digits():
    value, doubt = derivative(lambda x: np.exp(3 * x))
    assert value == pytest.approx(3 * np.exp(3), rel=1e-9)
    assert doubt < 2e-3


@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_covered_by_the_doubt(seed):
    noise = np.random.default_rng(seed)
    value, doubt = derivative(lambda x: np.sin(x) + noise.normal(0, 1e-6, np.shape(x)))
    assert abs(value - np.cos(1.0)) < doubt + 1e-3


def test_roughness_finer_than_the_coarse_steps_is_covered():
    """A ripple of 0.02 Å: extrapolation from the coarse steps alone would be off by its whole slope."""
    value, doubt = derivative(lambda x: x + 1e-3 * np.sin(2 * np.pi * x / 0.02), at=0.003)
    true = 1 + 1e-3 * 2 * np.pi / 0.02 * np.cos(2 * np.pi * 0.003 / 0.02)
    assert abs(value - true) < doubt


def test_a_wrong_value_is_not_covered():
    value, doubt = derivative(np.sin)
    assert beyond_doubt([1.1 * np.cos(1.0)], [value], [doubt]) == pytest.approx(0.1 * np.cos(1.0), rel=1e-2)
    assert beyond_doubt([np.cos(1.0)], [value], [doubt]) == 0.0


def test_what_is_unknown_is_left_out():
    assert np.isnan(ridders(STEPS, [1.0, np.nan, 1.0, 1.0], [0.0] * 4)[0])
    assert beyond_doubt([1.0, 2.0], [np.nan, 1.5], [np.nan, 0.1]) == pytest.approx(0.4)
    assert np.isnan(beyond_doubt([], [], []))
    assert largest([[np.nan, -3.0], [1.0, 2.0]]) == 3.0
    assert np.isnan(largest([np.nan]))


def test_a_jump_keeps_its_size_and_slope_drops_out():
    x = np.array([-1e-4, 0.0, 1e-4])
    assert jump([5.0 * x]) < 1e-15
    assert jump([5.0 * x + 30.0 * x**2]) < 1e-6
    assert jump([5.0 * x + 0.2 * (x > -1e-5), 0.0 * x]) == pytest.approx(0.2, abs=1e-3)
    assert np.isnan(jump([]))


def lennard_jones(radius, depth=0.4):
    return depth * (radius**-12.0 - 2 * radius**-6.0)


@pytest.mark.parametrize(
    ("energy", "kind"),
    [
        (lennard_jones(RADII), "answers"),
        (10 * np.exp(-3 * RADII), "answers"),
        (np.where(RADII < 0.6, np.nan, 1.0 / RADII), "not finite"),
        (0.0 * RADII + 4.0, "flat"),
        (-1.0 / RADII, "no wall"),
        (np.minimum(lennard_jones(RADII), 0.3), "no wall"),
        (lennard_jones(RADII, depth=ABSURD_EV + 1), "absurdly deep"),
        # a hole behind a wall of 5 eV: no simulation gets there
        (np.where(RADII < 0.55, -3.0, np.minimum(lennard_jones(RADII), 5.0)), "answers"),
        # a metal pair far inside its well at half a bond, still rising inwards
        (5.0 * ((1 - np.exp(-3 * (RADII - 0.68))) ** 2 - 1), "answers"),
    ],
)
def test_sense_of_a_pair_curve(energy, kind):
    assert NONSENSE[sense(RADII, energy, bond=1.0)] == kind
    assert NONSENSE[sense(RADII[::-1], energy[::-1], bond=1.0)] == kind


def test_the_lowest_point_of_a_scan():
    scale = np.linspace(0.95, 1.05, 11)
    assert lowest(scale, 3 + 40 * (scale - 1.003) ** 2) == pytest.approx(3.0)
    assert np.isnan(lowest(scale, scale))
    assert np.isnan(lowest(scale, np.full(11, np.nan)))


@pytest.mark.parametrize(
    ("offsets", "kind"),
    [
        ([0.05, -0.1, 0.1], 1),
        ([CORRECTION_EV + 0.1, CORRECTION_EV - 0.1, CORRECTION_EV, np.nan], 2),
        ([0.0, 0.05], 0),
        ([0.0, 0.1, 0.7], 0),
        ([0.34, 0.35, 0.33], 0),
        ([-3.0, -3.1, -3.0], 0),
        ([], 0),
    ],
)
def test_the_energy_reference_is_named_only_where_oxides_agree(offsets, kind):
    assert reference_kind(offsets) == kind
