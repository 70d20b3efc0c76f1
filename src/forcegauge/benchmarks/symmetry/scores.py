"""From the rows of a check to its scores; pure functions of the raw arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from forcegauge.benchmarks.symmetry.checks import BOND_AT, METAL, OXIDE, OXIDES, OXYGEN, SIZES
from forcegauge.benchmarks.symmetry.sheet import CHANGED, REFERENCE, SCAN, TRIPLE, per_structure
from forcegauge.metrics.conformance import (
    NONSENSE,
    R2SCAN_EV,
    beyond_doubt,
    jump,
    largest,
    lowest,
    reference_kind,
    ridders,
    sense,
)
from forcegauge.potential import PROPERTIES
from forcegauge.records import Raw
from forcegauge.units import EV_PER_A3_IN_GPA

COMPARED = ("rotation", "translation", "permutation", "inversion", "extensivity", "batch", "repeat")
"""Checks that ask whether two structures get the same answer; each has an energy's and a force's score."""
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_FELT = 1e-7  # eV/Å; what is above it is a force and no rounding: beyond the last edge a force is exactly zero

Scorer = Callable[[Raw, Mapping[str, Any]], dict[str, float]]


def score(case_id: str, raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    """The scores of one case by name."""
    if case_id in COMPARED:
        return _compared(case_id, raw)
    return _element(raw) if case_id.startswith("element-") else _SCORERS[case_id](raw, reference)


def _compared(check: str, raw: Raw) -> dict[str, float]:
    """Largest difference between what is and what the reference makes one expect: eV/atom and eV/Å."""
    forces, order = per_structure(raw, "forces"), per_structure(raw, "order")
    references = {int(raw["sample"][row]): int(row) for row in np.flatnonzero(raw["role"] == REFERENCE)}
    energies, differences = [], []
    for row in np.flatnonzero(raw["role"] == CHANGED).tolist():
        base = references[int(raw["sample"][row])]
        per_atom = raw["energy"][[row, base]] / raw["n_atoms"][[row, base]]
        energies.append(per_atom[0] - per_atom[1])
        differences.append(largest(forces[row] - forces[base][order[row]] @ raw["transform"][row].T))
    return {f"{check}_energy": largest(energies), f"{check}_force": largest(differences)}


def _forces(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    forces = per_structure(raw, "forces")
    said, derived, doubts = [], [], []
    for sample, component, derivative, doubt in _derivatives(raw):
        said.append(forces[sample].reshape(-1)[component])
        derived.append(-derivative)
        doubts.append(doubt)
    asked = [forces[row] for row in np.flatnonzero(raw["role"] == REFERENCE)]
    return {
        "force_consistency": beyond_doubt(said, derived, doubts),
        "net_force": largest([np.abs(one.sum(axis=0)).max() / len(one) for one in asked]),
        "force_size": largest(said),
    }


def _stress(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    said, derived, doubts = [], [], []
    for sample, component, derivative, doubt in _derivatives(raw):
        volume = abs(float(np.linalg.det(raw["cells"][sample])))
        said.append(raw["stress"][sample][_VOIGT[component]])
        derived.append(derivative / volume)
        doubts.append(doubt / volume)
    scale = EV_PER_A3_IN_GPA
    return {
        "stress_consistency": scale * beyond_doubt(said, derived, doubts),
        "stress_size": scale * largest(said),
    }


def _derivatives(raw: Raw) -> list[tuple[int, int, float, float]]:
    """Row of the reference, component, derivative of the energy and its doubt, for each that was asked."""
    references = {int(raw["sample"][row]): int(row) for row in np.flatnonzero(raw["role"] == REFERENCE)}
    changed = raw["role"] == CHANGED
    found = []
    for sample, component in sorted(set(zip(raw["sample"][changed], raw["component"][changed], strict=True))):
        rows = np.flatnonzero(changed & (raw["sample"] == sample) & (raw["component"] == component))
        step = raw["coordinate"][rows]
        ahead, back = rows[step > 0], rows[step < 0]
        values = ridders(raw["coordinate"][ahead], raw["energy"][ahead], raw["energy"][back])
        found.append((references[int(sample)], int(component), *values))
    return found


def _crossing(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    """Largest steps of energy and force, and how far the probe was from the nearest atom when it last felt anything."""
    along = np.array([one[-1, 0] for one in per_structure(raw, "forces")])
    rows = np.flatnonzero(raw["role"] == TRIPLE)
    probes = np.abs(along[raw["role"] == SCAN])
    felt = raw["coordinate"][raw["role"] == SCAN][probes > _FELT]
    return {
        "energy_jump": jump(raw["energy"][rows]),
        "force_jump": jump(along[rows]),
        "reach": float(felt.max()) if len(felt) else 0.0,
    }


def _sizes(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    return {"sizes_answered": float(np.mean(raw["failure"][largest_asked(raw)] == 0))}


def largest_asked(raw: Raw) -> np.ndarray:
    """The row of each of the sizes: of those between the small crystal and the large one, the last that was asked."""
    return np.array([np.flatnonzero(raw["component"] == place)[-1] for place in range(len(SIZES))])


def _properties(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"gives_{name}": float((raw["failure"][raw["component"] == place] == 0).any())
        for place, name in enumerate(PROPERTIES)
    }


def _energy_reference(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    """How far formation energies of oxides are off measured enthalpies, eV per oxygen, and what that means."""
    offsets = oxide_offsets(raw, reference)
    known = [offset for offset in offsets.values() if np.isfinite(offset)]
    return {
        "oxide_offset": float(np.mean(known)) if known else float("nan"),
        "oxide_spread": float(np.ptp(known)) if known else float("nan"),
        "reference_kind_pbe": float(reference_kind(known)),
        "reference_kind_r2scan": float(reference_kind(known, R2SCAN_EV)),
    }


def oxide_offsets(raw: Raw, enthalpies: Mapping[str, float]) -> dict[str, float]:
    """Formation energy minus measured enthalpy, eV per oxygen, by formula; NaN where a scan has no minimum.

    Args:
        raw: of the case ``energy-reference``.
        enthalpies: measured, eV per oxygen.
    """
    oxygen = _minimum(raw, -1, OXYGEN)[0] / 2
    offsets = {}
    for number, formula in enumerate(OXIDES):
        if formula not in enthalpies or not (raw["sample"] == number).any():
            continue
        (oxide, atoms), (metal, metal_atoms) = (_minimum(raw, number, part) for part in (OXIDE, METAL))
        n_oxygen = int((atoms == 8).sum())
        formation = oxide - (len(atoms) - n_oxygen) * metal / len(metal_atoms) - n_oxygen * oxygen
        offsets[formula] = formation / n_oxygen - enthalpies[formula]
    return offsets


def _minimum(raw: Raw, sample: int, component: int) -> tuple[float, np.ndarray]:
    """The lowest energy of a scan, eV, and the atomic numbers of its structure."""
    rows = np.flatnonzero((raw["sample"] == sample) & (raw["component"] == component))
    return lowest(raw["coordinate"][rows], raw["energy"][rows]), per_structure(raw, "numbers")[rows[0]]


def _element(raw: Raw) -> dict[str, float]:
    # The scan is made of fixed multiples of the covalent bond, which is its sixth point.
    bond = float(np.sort(raw["coordinate"])[BOND_AT])
    kind = sense(raw["coordinate"], np.where(_have_forces(raw), raw["energy"], np.nan), bond)
    return {"nonsense": float(kind > 0), "nonsense_kind": float(kind)}


def _have_forces(raw: Raw) -> np.ndarray:
    """[n], whether every force of a structure is finite."""
    return np.array([np.isfinite(one).all() for one in per_structure(raw, "forces")])


def nonsense(kind: float) -> str:
    """What the score ``nonsense_kind`` means."""
    return NONSENSE[int(kind)]


_SCORERS: Mapping[str, Scorer] = {
    "forces": _forces,
    "stress": _stress,
    "cutoff-crossing": _crossing,
    "sizes": _sizes,
    "properties": _properties,
    "energy-reference": _energy_reference,
}
