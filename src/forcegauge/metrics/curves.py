"""What a curve of energies and forces tells: smoothness, order, conservation.

Two curves are known: energy and force against the distance of two atoms, energy against the volume of a crystal.
``diatomic_scores`` and ``volume_scores`` are the definitions that ForceGauge stands for;
``published_diatomic_scores`` and ``published_volume_scores`` are those of the MLIP Arena code, whose stored values
they reproduce (arXiv 2509.20630, appendix A, says most of them, the code the rest; each difference is named below).

Points may come in any order. A curve with a value that is not finite has NaN for every score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

FORCE_FLOOR = 0.01
"""eV/Å; weaker forces have no sign, else the noise of a flat tail would count as flips. Published value."""
_ENERGY_STEP_FLOOR = 0.001
"""eV; the published code takes smaller energy steps for zero."""


def sign_changes(values: ArrayLike, floor: float = 0.0) -> int:
    """How often the sign of ``values``, [n], changes; zeros and values weaker than ``floor`` are passed over."""
    array = np.asarray(values, dtype=np.float64)
    signs = np.sign(array[(np.abs(array) >= floor) & (array != 0.0)])
    return int(np.count_nonzero(np.diff(signs)))


def total_variation(values: ArrayLike) -> float:
    """The way up and down that ``values``, [n], go altogether, in their unit."""
    return float(np.abs(np.diff(np.asarray(values, dtype=np.float64))).sum())


def tortuosity(energy: ArrayLike, turning: int | None = None) -> float:
    """Total variation over the least that a curve with these ends and this turning point needs; 1 for a single well.

    Args:
        energy: [n], along the path.
        turning: index of the turning point; the minimum where not given.

    arXiv 2509.20630, equation S2. NaN for a constant curve.
    """
    curve = np.asarray(energy, dtype=np.float64)
    bottom = curve.min() if turning is None else curve[turning]
    needed = abs(curve[0] - bottom) + abs(curve[-1] - bottom)
    if needed <= 0.0:
        return float("nan")
    return _without_dust(total_variation(curve) / float(needed))


def _without_dust(value: float) -> float:
    """Rounded to twelve digits: perfect curves must tie, whatever the order of their additions."""
    return round(value, 12)


def jump(energy: ArrayLike) -> float:
    """Sum over neighbouring steps of |difference of their signs| times (sum of their sizes), in the unit of energy.

    arXiv 2509.20630, equation S3. A smooth well gives a remainder of the order of the squared step, a zigzag of
    height h about 8 h.
    """
    steps = np.diff(np.asarray(energy, dtype=np.float64))
    turns = np.abs(np.diff(np.sign(steps)))
    return float((turns * (np.abs(steps[1:]) + np.abs(steps[:-1]))).sum())


def published_jump(values: ArrayLike, floor: float = 0.0) -> float:
    """The published code's jump: steps below ``floor`` are removed first, and a turn counts once, not twice."""
    steps = np.diff(np.asarray(values, dtype=np.float64))
    steps = steps[(np.abs(steps) >= floor) & (steps != 0.0)]
    turns = np.diff(np.sign(steps)) != 0
    return float(np.abs(steps[1:][turns]).sum() + np.abs(steps[:-1][turns]).sum())


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Rank correlation of ``x`` and ``y``, [n] each, ties sharing their mean rank; NaN for a constant or one point."""
    ranks = rankdata(np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)]), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True) if ranks.size else 0.0
    spread = np.sqrt((ranks**2).sum(axis=1)).prod()
    return _without_dust(float((ranks[0] * ranks[1]).sum() / spread)) if spread > 0.0 else float("nan")


def step_integrals(x: ArrayLike, y: ArrayLike, points: int = 6) -> Floats:
    """[n - 1], the integral of ``y`` over ``x`` between neighbours, each by its own polynomial.

    Args:
        x: [n], ascending, any spacing.
        y: [n].
        points: how many neighbouring points a polynomial goes through; its degree is one less.

    A local rule, so that a jump spoils the few steps around it and does not ring through the whole curve as it would
    with a spline. Exact for polynomials of degree ``points - 1``.
    """
    abscissa, ordinate = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    intervals, points = len(abscissa) - 1, min(points, len(abscissa))
    first = np.clip(np.arange(intervals) - (points // 2 - 1), 0, len(abscissa) - points)
    stencil = first[:, None] + np.arange(points)
    width = np.diff(abscissa)
    middle = 0.5 * (abscissa[1:] + abscissa[:-1])
    # In units of the interval, which lies between -1/2 and 1/2, the moments of t^k are the same everywhere.
    t = (abscissa[stencil] - middle[:, None]) / width[:, None]
    power = np.arange(points)
    moments = np.where(power % 2 == 0, 0.5**power / (power + 1.0), 0.0)
    system = np.swapaxes(t[:, :, None] ** power, 1, 2)
    weights = np.linalg.solve(system, np.broadcast_to(moments[:, None], (intervals, points, 1)))[:, :, 0]
    integrals: Floats = width * (weights * ordinate[stencil]).sum(axis=1)
    return integrals


def conservation_deviation(distance: ArrayLike, energy: ArrayLike, force: ArrayLike) -> float:
    """Mean over the steps of |integral of F dr + change of E| per step length, eV/Å.

    Args:
        distance: [n], Å, ascending.
        energy: [n], eV.
        force: [n], eV/Å, along the distance, repulsive positive, so that F = -dE/dr is expected.

    The integral goes through six neighbouring points. What that rule cannot resolve, estimated by its difference from
    the rule through four, is not held against the force, so a conservative potential scores zero up to rounding even
    on a wall of 100 keV; noise and jumps of the force lose a few hundredths by it. A jump of the energy by J counts
    J / (r_max - r_min) whatever the step.
    """
    r, e = np.asarray(distance, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    work = step_integrals(r, force)
    unresolved = np.abs(work - step_integrals(r, force, points=4))
    mismatch = np.maximum(np.abs(work + np.diff(e)) - unresolved, 0.0)
    return float(np.mean(mismatch / np.diff(r)))


def diatomic_scores(distance: ArrayLike, energy: ArrayLike, force: ArrayLike) -> dict[str, float]:
    """The scores of one pair of atoms.

    Args:
        distance: [n], Å.
        energy: [n], eV.
        force: [n], eV/Å, along the bond, repulsive positive.

    The repulsive branch of the energy reaches from the shortest distance to the energy's minimum (the nearest, where a
    flat tail has several), the descending branch of the force to the force's minimum. A curve that is lowest at the
    shortest distance has no such branch: it falls where it must rise, and scores +1, the worst. A constant curve has
    no order and scores 0.
    """
    r, e, f = _sorted(distance, energy, force)
    if not _finite(r, e, f):
        return dict.fromkeys(_DIATOMIC, float("nan"))
    deviation = conservation_deviation(r, e, f)
    values = (
        deviation,
        float(deviation > CONSERVATION_LIMIT),
        jump(e),
        float(sign_changes(f, FORCE_FLOOR)),
        _order_before(int(np.argmin(e)), r, e),
        _order_before(int(np.argmin(f)), r, f),
        tortuosity(e),
    )
    return dict(zip(_DIATOMIC, values, strict=True))


CONSERVATION_LIMIT = 0.1
"""eV/Å; above it the forces of a pair are counted as not being the gradient of its energy."""
_DIATOMIC = (
    "conservation_deviation",
    "violates_conservation",
    "energy_jump",
    "force_flips",
    "spearman_repulsion_energy",
    "spearman_descending_force",
    "tortuosity",
)


def published_diatomic_scores(distance: ArrayLike, energy: ArrayLike, force: ArrayLike) -> dict[str, float]:
    """The thirteen values that MLIP Arena stores for one pair of atoms, under its names.

    Unlike :func:`diatomic_scores`: the conservation deviation is the mean of |F + dE/dr| with a derivative of second
    order inside and first order at the two ends, so that a steep wall is never scored zero; the energy jump drops
    steps below 1 meV, joins what is left and counts a turn once; a missing branch is NaN.
    """
    r, e, f = (values[::-1] for values in _sorted(distance, energy, force))
    if not _finite(r, e, f):
        return dict.fromkeys(PUBLISHED_DIATOMIC, float("nan"))
    slope = np.gradient(e, r)
    bottom, pull = int(np.argmin(e)), int(np.argmin(f))
    steps = np.diff(e)
    return {
        "force-flip-times": float(sign_changes(f, FORCE_FLOOR)),
        "force-total-variation": total_variation(f),
        "energy-diff-flip-times": float(sign_changes(steps, _ENERGY_STEP_FLOOR)),
        "energy-grad-norm-max": float(np.abs(slope).max()),
        "energy-jump": published_jump(e, _ENERGY_STEP_FLOOR),
        "energy-total-variation": total_variation(e),
        "conservation-deviation": float(np.abs(f + slope).mean()),
        "spearman-descending-force": spearman(r[pull:], f[pull:]),
        "spearman-ascending-force": spearman(r[:pull], f[:pull]),
        "spearman-repulsion-energy": spearman(r[bottom:], e[bottom:]),
        "spearman-attraction-energy": spearman(r[:bottom], e[:bottom]),
        "tortuosity": tortuosity(e),
        "force-jump": published_jump(f),
    }


PUBLISHED_DIATOMIC = (
    "force-flip-times",
    "force-total-variation",
    "energy-diff-flip-times",
    "energy-grad-norm-max",
    "energy-jump",
    "energy-total-variation",
    "conservation-deviation",
    "spearman-descending-force",
    "spearman-ascending-force",
    "spearman-repulsion-energy",
    "spearman-attraction-energy",
    "tortuosity",
    "force-jump",
)


def volume_scores(volume: ArrayLike, energy: ArrayLike, floor: float = 0.0) -> dict[str, float]:
    """The scores of one curve of energy, [n] eV, against volume, [n] Å³.

    Energy steps below ``floor``, eV, have no sign: the rounding of a flat tail is no flip, and no minimum.

    Compression is all that lies at or below the volume of the least energy, tension all at or above it. A curve whose
    least energy is at an end lacks one of the two: ``minimum_inside`` is 0 and the missing branch scores the worst
    value, for the energy falls where it must rise; so does a curve that is flat from its minimum to an end, but the
    flat branch scores 0. A derivative with one value only has no order: NaN.
    """
    v, e = _sorted(volume, energy)
    if not _finite(v, e):
        return dict.fromkeys(_VOLUME, float("nan"))
    bottom = int(np.argmin(e))
    slope, between = np.diff(e) / np.diff(v), 0.5 * (v[1:] + v[:-1])
    values = (
        float(sign_changes(np.diff(e), floor)),
        tortuosity(e),
        _order_before(bottom, v, e),
        spearman(between[:bottom], slope[:bottom]) if bottom > 0 else 0.0 if np.ptp(e) == 0.0 else -1.0,
        -_order_before(len(e) - 1 - bottom, -v[::-1], e[::-1]),  # the mirror image of a compression
        float(min(e[0], e[-1]) - e[bottom] > floor),
    )
    return dict(zip(_VOLUME, values, strict=True))


_VOLUME = (
    "derivative_flips",
    "tortuosity",
    "spearman_compression_energy",
    "spearman_compression_derivative",
    "spearman_tension_energy",
    "minimum_inside",
)


def published_volume_scores(volume: ArrayLike, energy: ArrayLike) -> dict[str, float]:
    """The five values that MLIP Arena stores for one curve of energy against volume, under its names.

    Unlike :func:`volume_scores`: the middle point stands for the minimum, the energy steps for the derivative (volumes
    of an equal strain step are not equally apart), and a step of exactly zero is dropped from the steps but not from
    the volumes beside them. NaN throughout where that leaves too few steps.
    """
    v, e = _sorted(volume, energy)
    middle = len(e) // 2
    steps = np.diff(e)
    steps = steps[steps != 0.0]
    if not _finite(v, e) or len(steps) < middle:
        return dict.fromkeys(PUBLISHED_VOLUME, float("nan"))
    between = 0.5 * (v[1:] + v[:-1])
    return {
        "energy-diff-flip-times": float(sign_changes(steps)),
        "tortuosity": tortuosity(e, middle),
        "spearman-compression-energy": spearman(v[:middle], e[:middle]),
        "spearman-compression-derivative": spearman(between[:middle], steps[:middle]),
        "spearman-tension-energy": spearman(v[middle:], e[middle:]),
    }


PUBLISHED_VOLUME = (
    "energy-diff-flip-times",
    "tortuosity",
    "spearman-compression-energy",
    "spearman-compression-derivative",
    "spearman-tension-energy",
)


def _sorted(x: ArrayLike, *curves: ArrayLike) -> list[Floats]:
    """The arrays, ordered so that the first ascends."""
    order = np.argsort(np.asarray(x), kind="stable")
    return [np.asarray(values, dtype=np.float64)[order] for values in (x, *curves)]


def _finite(*curves: Floats) -> bool:
    return all(bool(np.isfinite(values).all()) for values in curves)


def _order_before(bottom: int, x: Floats, y: Floats) -> float:
    """Rank correlation on the branch that ends with the lowest point, at index ``bottom``.

    +1 where the branch has no other point, 0 where it is constant.
    """
    if np.ptp(y) == 0.0:
        return 0.0
    branch = slice(0, bottom + 1)
    if bottom == 0:
        return 1.0
    return spearman(x[branch], y[branch]) if np.ptp(y[branch]) > 0.0 else 0.0
