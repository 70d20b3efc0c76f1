"""The energy of a crystal along a soft mode: Landau's polynomial, its well, and where the mode goes soft.

E(d) = E0 + alpha d² + beta d⁴ + gamma d⁶ for a mode that a symmetry turns into its negative. With alpha < 0 the
undistorted crystal is no minimum. A curve with a value that is not finite has NaN for everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forcegauge.units import ROOT_EV_PER_A2_AMU_IN_THZ

Floats = NDArray[np.float64]

_N_COEFFICIENTS = 4


@dataclass(frozen=True)
class Landau:
    """A fitted polynomial; per whatever the energies are per.

    Args:
        constant: E0, eV.
        alpha: eV/Å².
        beta: eV/Å⁴.
        gamma: eV/Å⁶.
        residual: root mean square of energy minus fit, eV.
        reach: the largest displacement of the fit, Å.
    """

    constant: float
    alpha: float
    beta: float
    gamma: float
    residual: float
    reach: float

    def well(self) -> tuple[float, float]:
        """Displacement (Å) and depth below the undistorted crystal (eV) of the nearest minimum.

        (0, 0) where the undistorted crystal is one, NaN where the curve falls as far as it was followed.
        """
        if not self.alpha < 0:
            flat = 0.0 if np.isfinite(self.alpha) else np.nan
            return flat, flat
        # dE/d(d²) = alpha + 2 beta u + 3 gamma u², u = d²; from alpha < 0 the first sign change is the minimum.
        roots = np.roots([3 * self.gamma, 2 * self.beta, self.alpha])
        within = [u.real for u in roots if abs(u.imag) < 1e-12 and 0 < u.real < self.reach**2]
        if not within:
            return np.nan, np.nan
        u = min(within)
        return float(np.sqrt(u)), float(-(self.alpha * u + self.beta * u**2 + self.gamma * u**3))


def fit_landau(displacement: ArrayLike, energy: ArrayLike) -> Landau:
    """The polynomial of least squares through energies (eV), [n], at displacements (Å), [n], of either sign.

    Raises ValueError for fewer than five sizes of displacement, which leave no residual.
    """
    d, e = np.asarray(displacement, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    sizes = len(np.unique(np.abs(d)))
    if sizes <= _N_COEFFICIENTS:
        raise ValueError(f"{sizes} sizes of displacement cannot be fitted by {_N_COEFFICIENTS} coefficients and judged")
    reach = float(np.abs(d).max())
    if not np.isfinite(e).all():
        return Landau(np.nan, np.nan, np.nan, np.nan, np.nan, reach)
    # In units of the reach, and above one of the energies: a total of 1e5 eV must not round the coefficients.
    even = 2 * np.arange(_N_COEFFICIENTS)
    powers, above = (d[:, None] / reach) ** even, e - e[0]
    found = np.linalg.lstsq(powers, above, rcond=None)[0]
    residual = float(np.sqrt(np.mean((powers @ found - above) ** 2)))
    constant, alpha, beta, gamma = (found / reach**even).tolist()
    return Landau(constant + float(e[0]), alpha, beta, gamma, residual, reach)


def asymmetry(displacement: ArrayLike, energy: ArrayLike) -> float:
    """The largest |E(d) - E(-d)|, eV, of the displacements (Å), [n], that come with both signs; NaN for none."""
    d, e = np.asarray(displacement, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    first, second = np.nonzero((np.abs(d[:, None] + d) < 1e-9) & (d[:, None] > 0))
    return float(np.abs(e[first] - e[second]).max()) if len(first) else float("nan")


def softening(x: ArrayLike, alpha: ArrayLike) -> float:
    """Where ``alpha``, [n], rises through zero along ``x``, [n], ascending, by straight lines between the points.

    The last such place, where there are several. NaN where it never does, or does beside a value that is not finite.
    """
    place, value = np.asarray(x, dtype=np.float64), np.asarray(alpha, dtype=np.float64)
    rising = np.nonzero((value[:-1] < 0) & (value[1:] >= 0))[0]
    if not len(rising):
        return float("nan")
    at = rising[-1]
    return float(place[at] - value[at] * (place[at + 1] - place[at]) / (value[at + 1] - value[at]))


def frequency_thz(curvature: ArrayLike, mass: ArrayLike) -> Floats:
    """Frequency of a mode, THz; an imaginary one is negative.

    Args:
        curvature: d²E/dd², eV/Å², of the displacement d that ``mass`` belongs to.
        mass: amu, twice the kinetic energy over the square of d's velocity.
    """
    squared = np.asarray(curvature, dtype=np.float64) / np.asarray(mass, dtype=np.float64)
    signed: Floats = np.sign(squared) * np.sqrt(np.abs(squared)) * ROOT_EV_PER_A2_AMU_IN_THZ
    return signed
