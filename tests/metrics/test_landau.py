import numpy as np
import pytest

from forcegauge.metrics.landau import asymmetry, fit_landau, frequency_thz, softening

PATH = np.concatenate([[-0.5, -0.25], np.linspace(0.0, 0.5, 11)])


def along(alpha, beta, gamma=0.0, constant=-1e5):
    return constant + alpha * PATH**2 + beta * PATH**4 + gamma * PATH**6


def test_a_polynomial_is_found_again_below_a_large_total_energy():
    fit = fit_landau(PATH, along(-1.2, 8.0, -3.0))
    assert (fit.alpha, fit.beta, fit.gamma) == pytest.approx((-1.2, 8.0, -3.0), rel=1e-5)
    assert fit.constant == pytest.approx(-1e5)
    assert fit.residual < 1e-9


def test_the_residual_is_what_noise_there_is():
    noise = 1e-3 * np.random.default_rng(0).standard_normal(2001)
    path = np.linspace(-0.5, 0.5, 2001)
    assert fit_landau(path, 3.0 * path**2 + noise).residual == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize(
    ("alpha", "beta", "position", "depth"),
    [
        (-2.0, 10.0, np.sqrt(0.1), 0.1),  # -alpha/2beta and alpha²/4beta
        (2.0, 10.0, 0.0, 0.0),
        (0.0, 10.0, 0.0, 0.0),
        (-2.0, 1.0, np.nan, np.nan),  # its minimum lies at 1 Å, beyond the curve
        (-2.0, -1.0, np.nan, np.nan),
    ],
)
def test_the_well_is_the_minimum_or_is_refused(alpha, beta, position, depth):
    fit = fit_landau(PATH, along(alpha, beta, constant=0.0))
    if alpha == 0.0:
        assert abs(fit.alpha) < 1e-12
        return
    assert fit.well() == pytest.approx((position, depth), nan_ok=True)


def test_a_missing_energy_leaves_no_fit():
    energy = along(1.0, 1.0)
    energy[3] = np.nan
    fit = fit_landau(PATH, energy)
    assert np.isnan([fit.alpha, fit.residual, *fit.well()]).all()


def test_too_few_displacements_are_refused():
    with pytest.raises(ValueError, match="4 sizes of displacement"):
        fit_landau([-0.1, 0.0, 0.1, 0.2, 0.3], np.zeros(5))


def test_asymmetry_compares_what_comes_with_both_signs():
    energy = along(1.0, 1.0, constant=0.0)
    assert asymmetry(PATH, energy) == 0.0
    assert asymmetry(PATH, energy + 0.2 * PATH) == pytest.approx(0.2)  # 0.4 Å⁻¹ · 0.5 Å
    assert np.isnan(asymmetry([0.0, 0.1], [0.0, 1.0]))


@pytest.mark.parametrize(
    ("alpha", "where"),
    [
        ([-2.0, -1.0, 1.0, 2.0], 1.5),
        ([-3.0, 1.0, 1.0, 1.0], 0.75),
        ([-1.0, 1.0, -1.0, 3.0], 2.25),  # the last one
        ([1.0, 2.0, 3.0, 4.0], np.nan),
        ([-1.0, -2.0, -3.0, -4.0], np.nan),
        ([2.0, 1.0, -1.0, -2.0], np.nan),
        ([-1.0, np.nan, 1.0, 2.0], np.nan),
    ],
)
def test_softening_is_where_the_curvature_turns_positive_or_nowhere(alpha, where):
    assert softening(np.arange(4.0), alpha) == pytest.approx(where, nan_ok=True)


def test_frequency_of_a_spring_in_si_units():
    curvature, mass = 5.0 * 1.602176634e-19 * 1e20, 16.0 * 1.66053907e-27
    hertz = np.sqrt(curvature / mass) / (2 * np.pi)
    assert frequency_thz([5.0, -5.0, 0.0], 16.0) == pytest.approx([hertz / 1e12, -hertz / 1e12, 0.0])
