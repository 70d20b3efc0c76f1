"""Whether a potential is one: derivatives, jumps, sense of a pair curve, zero of energy.

Pure functions on arrays; what is asked and why stands in the benchmark ``conformance``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NONSENSE = ("answers", "not finite", "flat", "absurdly deep", "no wall")
"""What a pair curve can be; the first is well."""
WALL_EV = 1.0
"""kT at 11,600 K: over a lower wall atoms fuse in any hot simulation."""
FLAT_EV = 0.01
"""A curve that varies by less over the whole range of distances knows nothing of the element."""
ABSURD_EV = 30.0
"""Three times the strongest bond of two atoms (CO, 11.1 eV): a deeper well is no bond."""

CORRECTION_EV = 0.687
"""eV per oxygen: what MP2020 takes off the PBE energy of oxides (Wang et al. 2021, doi:10.1038/s41598-021-94550-5)."""
R2SCAN_EV = 0.0
"""The same for raw r2SCAN, whose oxides lie about where measured: three networks trained on it say 0.05 to 0.13."""
REFERENCE_KINDS = ("undecided", "MP2020-corrected", "raw DFT")
_TOLERANCE_EV = 0.28  # per oxygen; below half of the correction, so the two windows leave a gap
_FEWEST_OXIDES = 3


def ridders(steps: ArrayLike, plus: ArrayLike, minus: ArrayLike) -> tuple[float, float]:
    """A derivative from central differences at halved steps, and how far it may be off.

    Richardson's extrapolation in Ridders' form (1982, doi:10.1016/S0141-1195(82)80057-0): of all extrapolations the
    one is taken that agrees best with those beside it. The doubt is what they disagree by, and at least twice what the
    finest difference was changed by: a curve that is rough on the scale of the coarser steps is no series of powers. So
    neither curvature nor roughness nor rounding is held against a force that is the gradient.

    Args:
        steps: [n], each half of the one before.
        plus: [n], the function a step ahead.
        minus: [n], the function a step back.
    """
    width = 2 * np.asarray(steps, dtype=np.float64)
    central = (np.asarray(plus, dtype=np.float64) - np.asarray(minus, dtype=np.float64)) / width
    if not np.isfinite(central).all():
        return float("nan"), float("nan")
    best, doubt = float(central[-1]), float("inf")
    previous = [float(central[0])]
    for value in central[1:].tolist():
        row = [value]
        for order, older in enumerate(previous, start=1):
            row.append((4**order * row[-1] - older) / (4**order - 1))
            disagreement = max(abs(row[-1] - row[-2]), abs(row[-1] - older))
            if disagreement < doubt:
                best, doubt = row[-1], disagreement
        previous = row
    return best, max(doubt, 2 * abs(best - float(central[-1])))


def beyond_doubt(values: ArrayLike, derivatives: ArrayLike, doubts: ArrayLike) -> float:
    """The largest difference of values and derivatives, [n], beyond the derivatives' doubts; NaN for none."""
    off = np.abs(np.asarray(values, dtype=np.float64) - np.asarray(derivatives, dtype=np.float64))
    uncovered = np.maximum(off - np.asarray(doubts, dtype=np.float64), 0.0)
    return largest(uncovered)


def largest(values: ArrayLike) -> float:
    """The largest size among ``values`` of any shape, NaN left out; NaN where there is none."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    known = sizes[~np.isnan(sizes)]
    return float(known.max()) if len(known) else float("nan")


def jump(triples: ArrayLike) -> float:
    """The largest step of a function between points so near that a smooth one would not change.

    The second difference of three neighbouring points: a step stays what it is, slope drops out, curvature shrinks
    with the square of the spacing.

    Args:
        triples: [n, 3], values at equal spacing.
    """
    values = np.asarray(triples, dtype=np.float64).reshape(-1, 3)
    return largest(values[:, 0] - 2 * values[:, 1] + values[:, 2])


def sense(distance: ArrayLike, energy: ArrayLike, bond: float) -> int:
    """What is wrong with the curve of two equal atoms: the place in :data:`NONSENSE`, 0 where nothing is.

    Args:
        distance: [n], Å, from where any two nuclei repel to where the bond is broken.
        energy: [n], eV.
        bond: Å; somewhere within it the energy must lie above the lowest one farther out by :data:`WALL_EV`.
    """
    r, e = (np.asarray(values, dtype=np.float64) for values in (distance, energy))
    if not np.isfinite(e).all():
        return 1
    above = e - e[np.argmax(r)]
    if np.ptp(e) < FLAT_EV:
        return 2
    if above.min() < -ABSURD_EV:
        return 3
    ordered = e[np.argsort(r)]
    outside = np.minimum.accumulate(ordered[::-1])[::-1]  # the lowest energy at that distance and farther
    climb = (ordered - outside)[np.sort(r) <= bond]
    return 0 if climb.max() >= WALL_EV else 4


def lowest(scale: ArrayLike, energy: ArrayLike) -> float:
    """The minimum of a parabola through the lowest point of a scan and its neighbours; NaN where it lies at an end."""
    x, e = (np.asarray(values, dtype=np.float64) for values in (scale, energy))
    x, e = x[np.argsort(x)], e[np.argsort(x)]
    if not np.isfinite(e).all() or not 0 < (at := int(np.argmin(e))) < len(e) - 1:
        return float("nan")
    curvature, slope, height = np.polyfit(x[at - 1 : at + 2] - x[at], e[at - 1 : at + 2], 2)
    return float(height - slope**2 / (4 * curvature)) if curvature > 0 else float(height)


def reference_kind(offsets: Sequence[float], raw_ev: float = CORRECTION_EV) -> int:
    """Which zero of energy a potential has, from how far its oxides are off measurement: :data:`REFERENCE_KINDS`.

    PBE binds O2 too strongly, so its formation energies of oxides lie above measured ones by about the correction;
    with the correction they lie about right. It is undecided with fewer than three oxides, where not every oxide says
    the same, and where their mean is near neither value.

    Args:
        offsets: [n_oxides], formation energy minus measured enthalpy, eV per oxygen; NaN where unknown.
        raw_ev: what the offset of uncorrected energies is, eV per oxygen; by default PBE's.
    """
    known = np.array([offset for offset in offsets if np.isfinite(offset)])
    if len(known) < _FEWEST_OXIDES:
        return 0
    for kind, expected in ((1, raw_ev - CORRECTION_EV), (2, raw_ev)):
        off = known - expected
        if abs(off.mean()) <= _TOLERANCE_EV and np.abs(off).max() <= CORRECTION_EV / 2:
            return kind
    return 0
