"""The equation of state of a crystal: a Birch-Murnaghan fit with its refusals, and how far two of them are apart.

    E(V) = E0 + 9/16 B0 V0 [(η² - 1)³ B0' + (η² - 1)² (6 - 4 η²)],  η = (V0 / V)^(1/3)

F. Birch, Phys. Rev. 71, 809 (1947). It is a cubic polynomial of V^(-2/3), so the fit is linear and has one solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.polynomial import Polynomial
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Refusal = Literal["no_convergence", "no_minimum", "negative_curvature", "bad_residual"]
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)
"""Why a curve has no equation of state: a relaxation in the fitted window did not converge; energies fall towards an
end of the window; they lie on a hill; or no equation of state goes through them."""

LARGEST_RESIDUAL = 0.02
"""Root mean square misfit over the spread of the fitted energies: 1e-4 for a smooth curve, 1e-3 for half of the
thousand published curves of MLIP Arena's MACE models, above 0.02 for one or two in a hundred of them."""
INNER_POINTS = 4
"""Points on each side of the lowest that a long scan is fitted to: in steps of 2 % that is a window of ±8 %. On the
same published curves ±6 % gives the same bulk modulus within 0.5 % (median) but refuses more for noise; all ±20 % shift
it by 2 to 3 %, and every tenth by more than 6 %, because they weigh the ends, where crystals change their structure."""
_COMPARED = 0.06
"""Two curves are compared over this share of their mean volume, both ways (Bosoni et al. 2024)."""


@dataclass(frozen=True)
class EquationOfState:
    """The parameters of a Birch-Murnaghan curve.

    Args:
        volume: V0, Å³, of the cell.
        bulk_modulus: B0, eV/Å³.
        derivative: B0', of the bulk modulus with respect to pressure.
        energy: E0, eV, of the cell.
    """

    volume: float
    bulk_modulus: float
    derivative: float
    energy: float = 0.0

    def __call__(self, volume: ArrayLike) -> Floats:
        """The energy, eV, at volumes in Å³."""
        square = (self.volume / np.asarray(volume, dtype=np.float64)) ** (2 / 3)
        bracket = (square - 1) ** 3 * self.derivative + (square - 1) ** 2 * (6 - 4 * square)
        curve: Floats = self.energy + 9 / 16 * self.bulk_modulus * self.volume * bracket
        return curve


@dataclass(frozen=True)
class Fit:
    """What a curve gave.

    Args:
        curve: the equation of state, None where ``refusal`` says why there is none.
        residual: root mean square misfit over the spread of the fitted energies; NaN where nothing was fitted.
        refusal: empty where the fit is sound.
    """

    curve: EquationOfState | None
    residual: float
    refusal: Refusal | Literal[""]


def inner_window(energy: ArrayLike, n_beside: int = INNER_POINTS) -> slice:
    """The points that a long scan is fitted to: the lowest, and so many neighbours on each side as far as there are."""
    bottom = int(np.argmin(energy))
    return slice(max(bottom - n_beside, 0), bottom + n_beside + 1)


def fit_birch_murnaghan(
    volume: ArrayLike, energy: ArrayLike, converged: ArrayLike | bool = True, floor: float = 0.0
) -> Fit:
    """The least-squares equation of state of all points given, or why there is none.

    Args:
        volume: [n], Å³, at least five.
        energy: [n], eV.
        converged: [n], whether the energy is that of a relaxed structure.
        floor: eV; energies that differ by no more have no minimum, however smooth they are.
    """
    v, e = np.asarray(volume, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    if not (np.all(converged) and np.isfinite(e).all()):
        return Fit(None, float("nan"), "no_convergence")
    cubic: Polynomial = Polynomial.fit(v ** (-2 / 3), e - e.mean(), 3)
    spread = float(np.ptp(e))
    residual = float(np.sqrt(np.mean((cubic(v ** (-2 / 3)) - (e - e.mean())) ** 2)) / spread) if spread else 0.0
    if spread <= floor:
        return Fit(None, residual, "no_minimum")
    curve = _minimum(cubic, float(v.min()), float(v.max()), float(e.mean()))
    if curve is None:
        return Fit(None, residual, "negative_curvature" if _is_hill(cubic, v) else "no_minimum")
    if residual > LARGEST_RESIDUAL:  # a poor curve may have a minimum where the energies have none
        is_at_end = np.argmin(e) in (np.argmin(v), np.argmax(v))
        return Fit(None, residual, "no_minimum" if is_at_end else "bad_residual")
    return Fit(curve, residual, "")


def _minimum(cubic: Polynomial, smallest: float, largest: float, shift: float) -> EquationOfState | None:
    """The parameters at the minimum of a cubic of x = V^(-2/3), None where it has none between the volumes."""
    second, third = cubic.deriv(2), cubic.deriv(3)
    for root in cubic.deriv().roots():
        x = float(root.real)
        is_between = largest ** (-2 / 3) <= x <= smallest ** (-2 / 3)
        if abs(root.imag) < 1e-12 * abs(x) and is_between and second(x) > 0:
            volume = x**-1.5
            # With E'(x) = 0: V² E''(V) = 4/9 x² E''(x), and the third derivative of E by V gives B'.
            modulus = 4 / 9 * x**2 * float(second(x)) / volume
            derivative = 4 + 2 / 3 * x * float(third(x)) / float(second(x))
            return EquationOfState(volume, modulus, derivative, float(cubic(x)) + shift)
    return None


def _is_hill(cubic: Polynomial, volume: Floats) -> bool:
    """Whether the fitted energy curves downwards with the volume in the middle of the window."""
    middle = 0.5 * (volume.min() + volume.max())
    x = middle ** (-2 / 3)
    slope_of_x, bend_of_x = -2 / 3 * x / middle, 10 / 9 * x / middle**2
    return float(cubic.deriv(2)(x) * slope_of_x**2 + cubic.deriv()(x) * bend_of_x) < 0


def refusal_scores(fit: Fit) -> dict[str, float]:
    """1 for a sound fit, and 1 for the one refusal that there is, by name; 0 for all others; and the residual."""
    return {
        "sound_fit": float(not fit.refusal),
        **{name: float(fit.refusal == name) for name in REFUSALS},
        "residual": fit.residual,
    }


def nu(one: EquationOfState, other: EquationOfState) -> float:
    """Distance of two equations of state in their parameters, symmetric, in hundredths of the volume.

    100 times the length of the vector of relative differences of V0, B0 and B0', each to the mean of both, with
    weights 1, 1/20 and 1/400: E. Bosoni et al., Nat. Rev. Phys. 6, 45 (2024), doi:10.1038/s42254-023-00655-3. 0.1 is
    called excellent there and 0.33 good, among codes that solve the same equations. It has no bound: a negative B0'
    that nearly cancels the other's makes it as large as one likes.
    """
    pairs = (
        (one.volume, other.volume, 1.0),
        (one.bulk_modulus, other.bulk_modulus, 1 / 20),
        (one.derivative, other.derivative, 1 / 400),
    )
    return 100 * float(np.sqrt(sum((2 * weight * (a - b) / (a + b)) ** 2 for a, b, weight in pairs)))


def epsilon(one: EquationOfState, other: EquationOfState) -> float:
    """Area between two equations of state over their own, symmetric, without unit; their minima at the same energy.

    The root of <(Ea - Eb)²> / √(<(Ea - <Ea>)²> <(Eb - <Eb>)²>), means over ±6 % about the mean of both volumes:
    Bosoni et al. 2024, as for :func:`nu`. 0.06 is called excellent there and 0.2 good. (The authors' script takes the
    mean energy of the first curve for both; the formula in the paper does not.)
    """
    nodes, weights = leggauss(32)  # exact to rounding: both curves are smooth
    mean_volume = 0.5 * (one.volume + other.volume)
    volume = mean_volume * (1 + _COMPARED * nodes)
    first, second = one(volume) - one.energy, other(volume) - other.energy

    def mean(values: Floats) -> float:
        return 0.5 * float(weights @ values)

    spreads = [mean((values - mean(values)) ** 2) for values in (first, second)]
    return float(np.sqrt(mean((first - second) ** 2) / np.sqrt(spreads[0] * spreads[1])))


_REFERENCE_SCORES = (
    "nu",
    "epsilon",
    "volume_error",
    "bulk_modulus_error",
    "bulk_modulus_bias",
    "derivative_error",
)


def reference_scores(found: EquationOfState | None, reference: EquationOfState | None) -> dict[str, float]:
    """How far an equation of state is from a reference one; NaN throughout where one of them is missing.

    Errors are absolute, of volume and bulk modulus in per cent of the reference; the bias is the bulk modulus' error
    with its sign, positive where the crystal found is too hard.
    """
    if found is None or reference is None:
        return dict.fromkeys(_REFERENCE_SCORES, float("nan"))
    harder = 100 * (found.bulk_modulus / reference.bulk_modulus - 1)
    values = (
        nu(found, reference),
        epsilon(found, reference),
        100 * abs(found.volume / reference.volume - 1),
        abs(harder),
        harder,
        abs(found.derivative - reference.derivative),
    )
    return dict(zip(_REFERENCE_SCORES, values, strict=True))
