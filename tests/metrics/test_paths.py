"""Scores of paths on curves whose answer is known by hand."""

import numpy as np
import pytest

from forcegauge.metrics.paths import barrier, barrier_asymmetry, fitted, n_maxima, path_asymmetry, work_mismatch

LENGTH = 3.0
EVEN = np.linspace(0.0, 1.0, 7)
UNEVEN = np.array([0.0, 0.1, 0.3, 0.55, 0.7, 0.85, 1.0])


def hill(x, height=0.7):
    """Distance, energy and slope of a hill that is symmetric about the middle."""
    return LENGTH * x, 5.0 + height * np.sin(np.pi * x) ** 2, height * np.pi / LENGTH * np.sin(2 * np.pi * x)


def skewed(x, odd, height=0.7):
    """The same with an odd part, which a wave of ``odd`` heights makes."""
    distance, energy, slope = hill(x, height)
    wave = odd * height * np.array([np.sin(2 * np.pi * x), 2 * np.pi / LENGTH * np.cos(2 * np.pi * x)])
    return distance, energy + wave[0], slope + wave[1]


@pytest.mark.parametrize(("n_points", "mismatch"), [(7, 0.02), (13, 0.002)])
def test_a_hill_scores_the_ideal(n_points, mismatch):
    distance, energy, slope = hill(np.linspace(0, 1, n_points))
    assert barrier(energy) == pytest.approx(0.7)
    assert barrier_asymmetry(energy) == pytest.approx(0.0, abs=1e-12)
    assert path_asymmetry(distance, energy, slope, 0.7) == pytest.approx(0.0, abs=1e-12)
    assert work_mismatch(distance, energy, slope) < mismatch
    assert n_maxima(energy, 0.05) == 1


def test_the_fit_passes_through_the_images_with_their_slopes():
    distance, energy, slope = hill(UNEVEN)
    x, curve = fitted(distance, energy, slope)
    np.testing.assert_allclose(np.interp(UNEVEN, x, curve), energy - 5.0, atol=2e-4)
    np.testing.assert_allclose(curve, 0.7 * np.sin(np.pi * x) ** 2, atol=5e-3)


@pytest.mark.parametrize("x", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("odd", [0.0, 0.02, 0.1])
def test_asymmetry_of_an_odd_wave_is_its_integral(x, odd):
    """2 ∫ 2 odd sin 2πx dx over half the path is 4 odd/π; images that lie unevenly do not matter."""
    assert path_asymmetry(*skewed(x, odd), 0.7) == pytest.approx(4 * odd / np.pi, abs=6e-3)


def test_a_ramp_has_half():
    assert path_asymmetry(LENGTH * EVEN, 0.7 * EVEN, np.full(7, 0.7 / LENGTH), 0.7) == pytest.approx(0.5, abs=1e-4)
    assert barrier_asymmetry(0.7 * EVEN) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_forces_that_are_not_the_gradient_do_other_work(factor):
    distance, energy, slope = hill(EVEN)
    assert work_mismatch(distance, energy, factor * slope) == pytest.approx(abs(factor - 1), abs=0.02)


def test_a_step_that_forces_do_not_know_is_other_work():
    distance, energy, slope = hill(EVEN)
    assert work_mismatch(distance, energy + 0.35 * (EVEN == 0.5), slope) > 0.3


@pytest.mark.parametrize(("valley", "count"), [(0.2, 2), (0.01, 1)])
def test_two_maxima_need_a_valley(valley, count):
    energy = np.array([0.0, 0.4, 0.7, 0.7 - valley, 0.7, 0.4, 0.0])
    assert n_maxima(energy, 0.035) == count


def test_a_path_without_a_hill_has_no_score():
    falling = -EVEN
    assert barrier(falling) == 0.0
    assert n_maxima(falling, 0.01) == 0
    assert np.isnan([barrier_asymmetry(falling), path_asymmetry(EVEN, falling, -np.ones(7), 0.0)]).all()
    assert np.isnan(work_mismatch(EVEN, np.ones(7), np.zeros(7)))
