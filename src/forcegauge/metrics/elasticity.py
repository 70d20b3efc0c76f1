"""Elastic constants from stress and strain, with the symmetry of the crystal, and what follows from them.

Strains are Lagrangian, E = (FᵀF - 1)/2, stresses are second Piola-Kirchhoff stresses, S = det(F) F⁻¹ σ F⁻ᵀ: the pair
whose slope C = ∂S/∂E is the second derivative of the energy per volume, symmetric also where a residual stress is left
(D. C. Wallace, Thermodynamics of Crystals, 1972, chapter 2). Without residual stress it is Cauchy's.

Inside, symmetric tensors are vectors of six in the notation of Mandel: xx, yy, zz, √2 yz, √2 xz, √2 xy. Its basis is
orthonormal, so rotations, eigenvalues and inverses are those of the tensors; Voigt's is for people.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_ROWS, _COLUMNS = np.array([0, 1, 2, 1, 0, 0]), np.array([0, 1, 2, 2, 2, 1])
_WEIGHTS = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
_HYDROSTATIC = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
_ENOUGH = 0.3
"""The least singular value of a choice of strains; all six have 1, the usual choices of each crystal system 0.5."""
SOFTEST_GPA = 1e-3
"""A crystal that gives way, with an eigenvalue of its stiffness below, has averages as if the eigenvalue were this."""


class Moduli(NamedTuple):
    """Averages over a polycrystal, GPa.

    Args:
        bulk: mean of Voigt's and Reuss' bulk modulus (Hill 1952, doi:10.1088/0370-1298/65/5/307).
        shear: the same of the shear modulus.
        anisotropy: 5 G_V/G_R + K_V/K_R - 6, 0 where isotropic (Ranganathan and Ostoja-Starzewski 2008,
            doi:10.1103/PhysRevLett.101.055504).
    """

    bulk: float
    shear: float
    anisotropy: float


def mandel(tensors: ArrayLike) -> Floats:
    """[..., 6] from symmetric tensors [..., 3, 3]."""
    given = np.asarray(tensors, dtype=np.float64)
    vectors: Floats = 0.5 * (given[..., _ROWS, _COLUMNS] + given[..., _COLUMNS, _ROWS]) * _WEIGHTS
    return vectors


def tensor(vectors: ArrayLike) -> Floats:
    """[..., 3, 3] from Mandel's vectors [..., 6]."""
    given = np.asarray(vectors, dtype=np.float64) / _WEIGHTS
    tensors = np.zeros((*given.shape[:-1], 3, 3))
    tensors[..., _ROWS, _COLUMNS] = tensors[..., _COLUMNS, _ROWS] = given
    return tensors


def voigt(stiffness: ArrayLike) -> Floats:
    """[6, 6] of Voigt, C11 to C66, from Mandel's."""
    matrix: Floats = np.asarray(stiffness, dtype=np.float64) / np.outer(_WEIGHTS, _WEIGHTS)
    return matrix


def from_voigt(constants: ArrayLike) -> Floats:
    """[6, 6] of Mandel from Voigt's."""
    matrix: Floats = np.asarray(constants, dtype=np.float64) * np.outer(_WEIGHTS, _WEIGHTS)
    return matrix


def invariant_stiffnesses(rotations: Floats) -> Floats:
    """[n_constants, 6, 6], orthonormal: all stiffnesses that a point group leaves as they are are sums of these.

    Args:
        rotations: [n_operations, 3, 3], Cartesian, a whole group; improper ones count as well.
    """
    units = tensor(np.eye(6))
    turned = mandel(np.einsum("oij,kjl,oml->okim", rotations, units, rotations))  # [o, 6, 6], a unit in each row
    symmetric = np.array([_unit(first, second) for first in range(6) for second in range(first, 6)])
    brought = np.einsum("oai,nab,obj->nij", turned, symmetric, turned) / len(rotations)
    projector = np.einsum("nij,mij->nm", symmetric, brought)
    values, vectors = np.linalg.eigh(0.5 * (projector + projector.T))
    basis: Floats = np.einsum("nk,nij->kij", vectors[:, values > 0.5], symmetric)  # of a projector: 0 or 1
    return basis


def _unit(first: int, second: int) -> Floats:
    matrix = np.zeros((6, 6))
    matrix[first, second] = matrix[second, first] = 1.0 if first == second else np.sqrt(0.5)
    return matrix


def independent_strains(basis: Floats) -> tuple[int, ...]:
    """The fewest of the six unit strains (0 for xx to 5 for xy) whose stresses fix all invariant stiffnesses.

    Cubic crystals need xx and yz, hexagonal ones also zz, triclinic ones all six.
    """
    for count in range(1, 7):
        for chosen in combinations(range(6), count):
            if np.linalg.svd(_design(basis, np.eye(6)[list(chosen)]), compute_uv=False).min() > _ENOUGH:
                return chosen
    return tuple(range(6))


def _design(basis: Floats, directions: Floats) -> Floats:
    """[n_directions * 6, n_constants]: the stresses of the strains for each invariant stiffness; wide if too few."""
    stresses = np.einsum("kij,nj->nik", basis, directions).reshape(-1, len(basis))
    if len(stresses) < len(basis):  # rows of nothing, so that the least singular value is 0
        stresses = np.concatenate([stresses, np.zeros((len(basis) - len(stresses), len(basis)))])
    design: Floats = stresses
    return design


def stretch(strain: Floats) -> Floats:
    """[..., 3, 3], the symmetric deformation gradient F = (1 + 2E)^½ of Lagrangian strains [..., 3, 3]."""
    values, vectors = np.linalg.eigh(np.eye(3) + 2.0 * strain)
    gradients: Floats = np.einsum("...ia,...a,...ja->...ij", vectors, np.sqrt(values), vectors)
    return gradients


def piola_kirchhoff(stress: Floats, gradient: Floats) -> Floats:
    """[..., 3, 3], second Piola-Kirchhoff stresses from Cauchy's, in the same unit, and deformation gradients."""
    inverse = np.linalg.inv(gradient)
    found: Floats = np.linalg.det(gradient)[..., None, None] * np.einsum(
        "...ij,...jk,...lk->...il", inverse, stress, inverse
    )
    return found


def fitted_stiffness(directions: Floats, slopes: Floats, basis: Floats) -> tuple[Floats, float]:
    """The stiffness [6, 6] that fits best among the invariant ones, and what it leaves: |misfit| / |slopes|.

    Args:
        directions: [n, 6], Mandel, unit strains.
        slopes: [n, 6], Mandel, stress per strain along them.
        basis: [n_constants, 6, 6], from :func:`invariant_stiffnesses`.
    """
    share, *_ = np.linalg.lstsq(_design(basis, directions)[: slopes.size], slopes.ravel(), rcond=None)
    stiffness = np.einsum("k,kij->ij", share, basis)
    misfit = slopes - directions @ stiffness
    return stiffness, _share(np.linalg.norm(misfit), np.linalg.norm(slopes))


def _share(part: np.floating, whole: np.floating) -> float:
    """NaN of nothing: a potential without any stress has no share of it."""
    return float(part / whole) if whole else float("nan")


def moduli(stiffness: Floats) -> Moduli:
    """Voigt-Reuss-Hill averages of a stiffness [6, 6] in Mandel's notation, GPa.

    A crystal that gives way to some strain offers a polycrystal no resistance by it: eigenvalues below
    :data:`SOFTEST_GPA` count as that, so Reuss' averages go to zero as the crystal goes unstable and stay there.
    The anisotropy of such a crystal is NaN.
    """
    values, vectors = np.linalg.eigh(stiffness)
    is_stable = bool(values.min() > SOFTEST_GPA)
    compliance = (vectors / np.maximum(values, SOFTEST_GPA)) @ vectors.T
    bulk_voigt = float(_HYDROSTATIC @ stiffness @ _HYDROSTATIC) / 9.0
    shear_voigt = (float(np.trace(stiffness)) - 3.0 * bulk_voigt) / 10.0
    bulk_reuss = 1.0 / float(_HYDROSTATIC @ compliance @ _HYDROSTATIC)
    shear_reuss = 2.5 / (float(np.trace(compliance)) - 1.0 / (3.0 * bulk_reuss))
    return Moduli(
        bulk=0.5 * (bulk_voigt + bulk_reuss),
        shear=0.5 * (shear_voigt + shear_reuss),
        anisotropy=5.0 * shear_voigt / shear_reuss + bulk_voigt / bulk_reuss - 6.0 if is_stable else float("nan"),
    )


def softest(stiffness: Floats) -> float:
    """The least eigenvalue of a stiffness [6, 6] in Mandel's notation: positive where no strain lowers the energy.

    These are the conditions of Born; Mouhat and Coudert 2014, doi:10.1103/PhysRevB.90.224104, equation 4.
    """
    return float(np.linalg.eigvalsh(stiffness).min())


def central_slopes(stress: Floats, strain: float) -> tuple[Floats, float]:
    """Stress per strain [n, 6] at zero strain, and how much two sizes of strain disagree on it.

    Central differences are free of a residual stress and of all even orders. The slope is the straight line through
    both sizes by least squares; where one size is NaN it is the other's. The disagreement is |far - near| / |slope|,
    NaN where a size is missing.

    Args:
        stress: [n, 4, 6], along n directions at -2, -1, 1 and 2 times the strain.
        strain: as a fraction.
    """
    near = (stress[:, 2] - stress[:, 1]) / (2.0 * strain)
    far = (stress[:, 3] - stress[:, 0]) / (4.0 * strain)
    both = np.where(np.isnan(near), far, np.where(np.isnan(far), near, 0.2 * near + 0.8 * far))
    return both, _share(np.linalg.norm(far - near), np.linalg.norm(both))


def work_mismatch(energy: Floats, work_per_strain: Floats, strain: float) -> float:
    """How far the rise of the energy is from the work of the stress, as a share of that work.

    The rise to both ends, E(2h) + E(-2h) - 2E(0), against the stress integrated by Simpson's rule; terms odd in
    strain, such as the work of a residual stress, cancel. Directions where something is NaN are left out.

    Args:
        energy: [n, 5], eV, at -2, -1, 0, 1 and 2 times the strain along n directions.
        work_per_strain: [n, 5], eV, volume at rest times the stress along the direction.
        strain: as a fraction.
    """
    rise = energy[:, 4] + energy[:, 0] - 2.0 * energy[:, 2]
    odd = work_per_strain - work_per_strain[:, ::-1]
    work = strain / 3.0 * (4.0 * odd[:, 3] + odd[:, 4])
    known = np.isfinite(rise) & np.isfinite(work)
    return _share(np.abs(rise - work)[known].sum(), np.abs(work)[known].sum())
