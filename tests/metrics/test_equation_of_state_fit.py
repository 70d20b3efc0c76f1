import numpy as np
import pytest
from ase.eos import EquationOfState as AseEquationOfState
from scipy.integrate import quad

from forcegauge.metrics.equation_of_state import (
    REFUSALS,
    EquationOfState,
    epsilon,
    fit_birch_murnaghan,
    inner_window,
    nu,
    reference_scores,
    refusal_scores,
)

VOLUME = 16.5 * np.linspace(0.92, 1.08, 9)
ALUMINIUM = EquationOfState(16.5, 0.48, 4.6, -3.7)


@pytest.mark.parametrize(
    "truth",
    [ALUMINIUM, EquationOfState(17.2, 0.002, 7.3, 0.0), EquationOfState(15.8, 2.7, 3.1, -9000.0)],
    ids=["aluminium", "soft", "hard, far from zero"],
)
def test_a_birch_murnaghan_curve_is_found_again(truth):
    fit = fit_birch_murnaghan(VOLUME, truth(VOLUME))
    assert fit.refusal == ""
    assert fit.residual < 1e-6
    found = (fit.curve.volume, fit.curve.bulk_modulus, fit.curve.derivative, fit.curve.energy)
    assert found == pytest.approx((truth.volume, truth.bulk_modulus, truth.derivative, truth.energy), rel=1e-6)


def test_the_parameters_are_the_derivatives_of_the_curve():
    step = 1e-3 * ALUMINIUM.volume
    energy = ALUMINIUM(ALUMINIUM.volume + step * np.arange(-3, 4))
    pressure = -(energy[2:] - energy[:-2]) / (2 * step)
    bulk = -(pressure[2:] - pressure[:-2]) / (2 * step) * (ALUMINIUM.volume + step * np.arange(-1, 2))
    assert pressure[2] == pytest.approx(0.0, abs=1e-5)
    assert bulk[1] == pytest.approx(ALUMINIUM.bulk_modulus, rel=1e-4)
    assert (bulk[2] - bulk[0]) / (pressure[3] - pressure[1]) == pytest.approx(ALUMINIUM.derivative, rel=1e-3)


@pytest.mark.parametrize("noise", [0.0, 2e-5])
def test_the_fit_is_that_of_ase(noise):
    """On a curve that is no Birch-Murnaghan one, with and without noise; ASE searches, this solves."""
    stretch = (VOLUME / 16.1) ** (1 / 3) - 1
    energy = np.exp(-9 * stretch) - 2 * np.exp(-4.5 * stretch)
    energy += noise * np.random.default_rng(0).normal(size=len(VOLUME))
    reference = AseEquationOfState(VOLUME, energy, eos="birchmurnaghan")
    volume, lowest, bulk = reference.fit(warn=False)
    curve = fit_birch_murnaghan(VOLUME, energy).curve
    assert (curve.volume, curve.bulk_modulus, curve.energy) == pytest.approx((volume, bulk, lowest), rel=1e-6)
    assert curve.derivative == pytest.approx(reference.eos_parameters[2], rel=1e-4)


KINKED = np.abs(VOLUME - VOLUME[4])
CURVES = {
    "no_minimum": ALUMINIUM(VOLUME + 3.0),
    "negative_curvature": -ALUMINIUM(VOLUME),
    "bad_residual": KINKED + 0.4 * (np.arange(9) % 2),
    "no_convergence": np.where(VOLUME < 16, np.nan, ALUMINIUM(VOLUME)),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_each_refusal_is_told_apart(refusal):
    fit = fit_birch_murnaghan(VOLUME, CURVES[refusal])
    assert (fit.curve, fit.refusal) == (None, refusal)
    scores = refusal_scores(fit)
    assert scores["sound_fit"] == 0.0
    assert [name for name in REFUSALS if scores[name]] == [refusal]


def test_one_unconverged_point_refuses_the_fit():
    converged = np.arange(9) != 3
    assert fit_birch_murnaghan(VOLUME, ALUMINIUM(VOLUME), converged).refusal == "no_convergence"
    assert fit_birch_murnaghan(VOLUME, np.zeros(9)).refusal == "no_minimum"
    faint = 1e-6 * (ALUMINIUM(VOLUME) - ALUMINIUM.energy)  # of a crystal without cohesion: smooth, and nothing
    assert fit_birch_murnaghan(VOLUME, faint, floor=1e-5).refusal == "no_minimum"
    assert not fit_birch_murnaghan(VOLUME, faint).refusal


def test_energies_that_fall_to_an_end_have_no_minimum_however_poor_the_fit():
    energy = np.array([0.0, 3.0, 3.2, 2.0, 1.9, 1.0, 0.8, 0.9, 1.2])
    assert fit_birch_murnaghan(VOLUME, energy).refusal == "no_minimum"
    assert fit_birch_murnaghan(VOLUME, np.array([1.5, *energy[1:]])).refusal == "bad_residual"


@pytest.mark.parametrize(("jump", "is_refused"), [(0.0002, False), (0.03, True)])
def test_a_jump_counts_by_its_size_beside_the_spread(jump, is_refused):
    energy = ALUMINIUM(VOLUME) + jump * (VOLUME > 17)
    assert (fit_birch_murnaghan(VOLUME, energy).refusal != "") is is_refused


@pytest.mark.parametrize(("bottom", "expected"), [(10, (6, 15)), (1, (0, 6)), (20, (16, 25))])
def test_the_window_is_about_the_lowest_point(bottom, expected):
    window = inner_window(np.abs(np.arange(21) - bottom))
    assert (window.start, window.stop) == expected


def test_nu_weighs_the_three_parameters():
    other = EquationOfState(16.5 * 1.02, 0.48, 4.6)
    assert nu(ALUMINIUM, ALUMINIUM) == 0.0
    assert nu(ALUMINIUM, other) == nu(other, ALUMINIUM) == pytest.approx(100 * 0.02 / 1.01)
    softer = EquationOfState(16.5, 0.48 / 3, 4.6)
    assert nu(ALUMINIUM, softer) == pytest.approx(100 * 1.0 / 20)
    steeper = EquationOfState(16.5, 0.48, 4.6 / 3)
    assert nu(ALUMINIUM, steeper) == pytest.approx(100 * 1.0 / 400)
    assert nu(softer, EquationOfState(16.5, 0.48, 4.6 / 3)) == pytest.approx(100 * np.hypot(1 / 20, 1 / 400))


def test_epsilon_is_that_of_a_plain_integration():
    other = EquationOfState(16.9, 0.41, 5.5, 12.0)
    middle = 0.5 * (16.5 + 16.9)

    def mean(function):
        return quad(function, 0.94 * middle, 1.06 * middle, epsabs=1e-14)[0] / (0.12 * middle)

    curves = [lambda v: ALUMINIUM(v) + 3.7, lambda v: other(v) - 12.0]
    means = [mean(curve) for curve in curves]
    spread = [mean(lambda v, k=k: (curves[k](v) - means[k]) ** 2) for k in (0, 1)]
    expected = np.sqrt(mean(lambda v: (curves[0](v) - curves[1](v)) ** 2) / np.sqrt(spread[0] * spread[1]))
    assert epsilon(ALUMINIUM, other) == epsilon(other, ALUMINIUM) == pytest.approx(expected, rel=1e-8)


def test_epsilon_of_nearly_parabolic_curves_is_known():
    """Of parabolas: |k - 1|/√k · 3/2 for stiffnesses in the ratio k, √15/0.06 times a small shift of the volume."""
    softer = EquationOfState(16.5, 0.48 * 0.9, 4.6)
    assert epsilon(ALUMINIUM, softer) == pytest.approx(1.5 * 0.1 / np.sqrt(0.9), rel=0.02)
    larger = EquationOfState(16.5 * 1.001, 0.48, 4.6)
    assert epsilon(ALUMINIUM, larger) == pytest.approx(np.sqrt(15) / 0.06 * 0.001, rel=0.02)


def test_errors_have_the_sign_and_unit_that_they_claim():
    scores = reference_scores(EquationOfState(17.0, 0.36, 5.0), ALUMINIUM)
    assert scores["volume_error"] == pytest.approx(100 * 0.5 / 16.5)
    assert scores["bulk_modulus_error"] == -scores["bulk_modulus_bias"] == pytest.approx(25.0)
    assert scores["derivative_error"] == pytest.approx(0.4)
    assert np.isnan(list(reference_scores(None, ALUMINIUM).values())).all()
