"""Scores of the equation-of-state test: order and smoothness of relaxed curves, fits, distance to the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forcegauge.benchmarks.base import Mode, Outcomes, References, Scores
from forcegauge.errors import BadInput
from forcegauge.metrics.curves import PUBLISHED_VOLUME, published_volume_scores, volume_scores
from forcegauge.metrics.equation_of_state import (
    EquationOfState,
    Fit,
    fit_birch_murnaghan,
    inner_window,
    reference_scores,
    refusal_scores,
)
from forcegauge.records import Raw
from forcegauge.units import EV_PER_A3_IN_GPA

ENERGY_FLOOR_EV_PER_ATOM = 1e-5
"""Smaller energy steps have no sign: one unit of float32 rounding on a flat tail is 2e-6 eV and more."""
WITHOUT_FIT = {
    "nu": 6.0,
    "epsilon": 2.0,
    "volume_error": 6.0,
    "bulk_modulus_error": 100.0,
    "derivative_error": 4.0,
}
"""What a reference crystal without a sound fit counts as: a volume at the edge of the scan, which is 6 % away, and no
stiffness. The bias of the bulk modulus has no worst sign and is of the sound fits alone."""
_NAN = float("nan")


def analyse(outcomes: Outcomes, references: References, settings: Any, mode: Mode) -> Scores:
    """Scores of every crystal that has a curve; what one protocol does not measure is NaN for the other's crystals."""
    found = {case_id: raw for case_id, raw in outcomes.items() if isinstance(raw, Raw)}
    if mode == "arena":
        return {case_id: _published(raw) for case_id, raw in found.items()}
    relaxed = {case_id: _relaxed(raw) for case_id, raw in found.items() if not raw["is_fixed"]}
    fixed = {case_id: _fixed(case_id, raw, references) for case_id, raw in found.items() if raw["is_fixed"]}
    return {
        case_id: {**_NO_CURVE, **_NO_REFERENCE, **(relaxed[case_id] if case_id in relaxed else fixed[case_id])}
        for case_id in found
    }


def _published(raw: Raw) -> dict[str, float]:
    if raw["is_fixed"]:
        return dict.fromkeys(PUBLISHED_VOLUME, _NAN)
    return published_volume_scores(raw["volume"], raw["energy"])


def _relaxed(raw: Raw) -> dict[str, float]:
    """Of the whole scan how smooth it is, of its inner part the equation of state."""
    inner = inner_window(raw["energy"])
    floor = ENERGY_FLOOR_EV_PER_ATOM * float(raw["n_atoms"])
    fit = fit_birch_murnaghan(raw["volume"][inner], raw["energy"][inner], raw["converged"][inner], floor)
    return {
        **volume_scores(raw["volume"], raw["energy"], floor),
        **refusal_scores(fit),
        **_parameters(fit.curve, float(raw["n_atoms"])),
    }


def _fixed(case_id: str, raw: Raw, references: References) -> dict[str, float]:
    floor = ENERGY_FLOOR_EV_PER_ATOM * float(raw["n_atoms"])
    fit = fit_birch_murnaghan(raw["volume"], raw["energy"], raw["converged"], floor)
    if case_id not in references:
        raise BadInput(f"no all-electron values of {case_id} on this machine: 'forcegauge data fetch acwf' gets them")
    return {
        **{f"reference_{name}": value for name, value in refusal_scores(fit).items()},
        **_distances(fit, _reference(references[case_id])),
        **_parameters(fit.curve, float(raw["n_atoms"])),
    }


def _distances(fit: Fit, reference: EquationOfState) -> dict[str, float]:
    """From the reference; a curve without a sound fit counts as far, or who fits the easy crystals only would win."""
    scores = reference_scores(fit.curve, reference)
    return scores if fit.curve else {**scores, **WITHOUT_FIT}


def _reference(values: Mapping[str, float]) -> EquationOfState:
    return EquationOfState(values["volume"], values["bulk_modulus_gpa"] / EV_PER_A3_IN_GPA, values["derivative"])


def _parameters(curve: EquationOfState | None, n_atoms: float) -> dict[str, float]:
    """For looking at, no metric: Å³ per atom, GPa, and the derivative without unit."""
    values = (_NAN,) * 3
    if curve is not None:
        values = (curve.volume / n_atoms, curve.bulk_modulus * EV_PER_A3_IN_GPA, curve.derivative)
    return dict(zip(("volume_per_atom", "bulk_modulus_gpa", "derivative"), values, strict=True))


def _names(*scores: Mapping[str, float]) -> dict[str, float]:
    return {name: _NAN for one in scores for name in one}


_NO_FIT = refusal_scores(Fit(None, _NAN, "no_convergence"))
_NO_CURVE = _names(volume_scores([1.0], [_NAN]), _NO_FIT)
_NO_REFERENCE = _names(reference_scores(None, None), {f"reference_{name}": _NAN for name in _NO_FIT})
