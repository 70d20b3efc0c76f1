"""A first path between two structures, by the image-dependent pair potential of Smidstrup et al.

S. Smidstrup, A. Pedersen, K. Stokbro and H. Jónsson, J. Chem. Phys. 140, 214106 (2014): images whose interatomic
distances change evenly, so that no two atoms pass through each other as on a straight line. ASE's implementation.
"""

from __future__ import annotations

from ase import Atoms
from ase.mep import NEB, idpp_interpolate

from forcegauge.errors import BadInput
from forcegauge.structures import Structures

_TOLERANCE_EV_PER_A = 0.1  # of the pair potential; ASE's defaults
_MAX_STEPS = 100


def interpolated(start: Atoms, end: Atoms, n_images: int) -> Structures:
    """``n_images`` structures from ``start`` to ``end``, both included, every atom going the short way.

    Raises BadInput where the ends have other atoms, another cell, or fewer than three images are asked for.
    """
    if n_images < 3 or list(start.numbers) != list(end.numbers) or (start.cell.array != end.cell.array).any():
        raise BadInput(f"no path of {n_images} images from {start.symbols} to {end.symbols}: it takes three or more, "
                       "and the same atoms and cell at both ends")  # fmt: skip
    images = [start.copy() for _ in range(n_images - 1)] + [end.copy()]
    band = NEB(images, method="improvedtangent")
    band.interpolate(mic=True)
    idpp_interpolate(band, traj=None, log=None, fmax=_TOLERANCE_EV_PER_A, steps=_MAX_STEPS, mic=True)
    return Structures.from_atoms(images)
