"""Scores of a path between two minima: its barrier, how symmetric it is, and whether forces and energies agree on it.

A path is given at points: ``distance`` [n_points], Å, ascending from 0; ``energy`` [n_points], eV; ``slope``
[n_points], eV/Å, the derivative of the energy along the path by the forces, which is minus their projection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.signal import find_peaks

Floats = NDArray[np.float64]

_N_FINE = 401  # odd, so that the middle of the path is among the points
_DIGITS = 8  # of an asymmetry: symmetric paths must tie, whatever the order of additions


def fitted(distance: ArrayLike, energy: ArrayLike, slope: ArrayLike) -> tuple[Floats, Floats]:
    """The path on a fine grid: x [n_fine] from 0 to 1, and the energy above the start [n_fine], eV.

    Cubic pieces with the energies and slopes of the points, as ASE's and most codes' figures of a band.
    """
    distance, energy = np.asarray(distance, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    x = np.linspace(0.0, 1.0, _N_FINE)
    curve = CubicHermiteSpline(distance, energy - energy[0], np.asarray(slope, dtype=np.float64))
    return x, np.asarray(curve(x * distance[-1]))


def barrier(energy: ArrayLike) -> float:
    """The highest point above the first, eV; 0 where none is. Of a climbing image it is the saddle."""
    path = np.asarray(energy, dtype=np.float64)
    return float(path.max() - path[0])


def path_asymmetry(distance: ArrayLike, energy: ArrayLike, slope: ArrayLike, unit: float) -> float:
    """2 ∫ |ε(½ - x) - ε(½ + x)| dx for x from 0 to ½, with ε the fitted path's energy over ``unit``, eV.

    arXiv 2509.20630, appendix A. A symmetric path scores 0; a straight ramp to an end as high as ``unit``, ½.
    The halves are paired by x. NaN where ``unit`` is no positive number.
    """
    if not unit > 0:
        return float("nan")
    x, curve = fitted(distance, energy, slope)
    off = np.abs(curve - curve[::-1]) / unit
    # The integrand is the same on both halves, so the half's double is the whole.
    return round(float(trapezoid(off, x)), _DIGITS)


def barrier_asymmetry(energy: ArrayLike) -> float:
    """|E_end - E_start| over the barrier; NaN without a barrier."""
    path = np.asarray(energy, dtype=np.float64)
    height = barrier(path)
    return round(float(abs(path[-1] - path[0]) / height), _DIGITS) if height > 0 else float("nan")


def work_mismatch(distance: ArrayLike, energy: ArrayLike, slope: ArrayLike) -> float:
    """Largest difference, over the points, of the energy and the work up to there, over the span of the energy.

    The slopes are joined by a cubic spline, whose integral is the work; on a sine of 13 points this errs by 0.1 %.
    NaN for a flat path.
    """
    distance, path = np.asarray(distance, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    work = CubicSpline(distance, np.asarray(slope, dtype=np.float64)).antiderivative()(distance)
    span = float(np.ptp(path))
    return float(np.abs(path - path[0] - work).max() / span) if span > 0 else float("nan")


def n_maxima(energy: ArrayLike, depth: float) -> int:
    """Maxima between the ends, counted apart only where the valley between them is deeper than ``depth``, eV."""
    path = np.asarray(energy, dtype=np.float64)
    # Of valleys, not of peaks: two equal peaks count as prominent both, however shallow the valley.
    valleys, _ = find_peaks(-path, prominence=depth)
    return len(valleys) + 1 if len(find_peaks(path)[0]) else 0
