"""Is this a potential at all: one energy, its derivatives, the symmetries of space, and sense for its elements?

Why it matters: every later number takes for granted that forces are the gradient of the energy, that a turned crystal
has the same energy, that a structure's answer does not depend on what shares its batch. Where that is not so, dynamics
heats by itself and scores change with the order of a list. A card that says so is worth as much as its last check.

Source: definitions; derivatives by Ridders' extrapolation (1982, doi:10.1016/S0141-1195(82)80057-0). The energy
reference is read off six oxides: PBE's error for O2 raises their formation energy by about 0.69 eV per oxygen (Wang et
al. 2021, doi:10.1038/s41598-021-94550-5), which MP2020-corrected energies do not have. Measured enthalpies of formation
at 298 K: CODATA for MgO, CaO and BeO, CRC Handbook for SrO, Li2O and Na2O.

Cost: about 3,000 structures, most of them of two atoms; seconds for an analytic potential, half a minute to two minutes
for a graph network on a laptop.

A perfect model scores: 0 everywhere, and answers at all sizes. Single precision leaves 1e-6 eV/atom and 1e-5 eV/Å.

Known weaknesses: a defect is found only where one looks; a few small structures stand for all, and fewer where a call
takes so long that a check would exceed its budget (the record tells how many). Elements are called
nonsense only for gross faults of the pair curve: not finite, flat, deeper than 30 eV, or no wall of even 1 eV between
half a bond and a bond; a wrong bond length passes, and so does a hole behind a wall (the benchmark ``diatomics`` sees
both). Atoms that repel weakly by design, as springs do, count as without wall. A force that is the gradient of a rough
curve is forgiven its roughness, up to the doubt of the derivative. A network that learned symmetries from data shows
small differences everywhere and large ones far from its data, where this does not look. The energy reference is
undecided wherever the model lacks the oxides, its oxides disagree, dispersion was added, or it was trained on another
functional than PBE and r2SCAN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from forcegauge.benchmarks.base import (
    Analysis,
    Benchmark,
    Curve,
    Explorer,
    Mode,
    Outcomes,
    References,
    Scores,
    Settings,
    selection,
)
from forcegauge.benchmarks.symmetry import checks
from forcegauge.benchmarks.symmetry.declared import METRICS
from forcegauge.benchmarks.symmetry.scores import score
from forcegauge.benchmarks.symmetry.sheet import CHANGED, REFERENCE, SCHEMA, Sheet, per_structure
from forcegauge.potential import Potential
from forcegauge.records import Case, Raw
from forcegauge.structures import Structures

if TYPE_CHECKING:
    import plotly.graph_objects as go

NAME = "conformance"
_KJ_PER_MOL = 96.485332  # per eV
_ENTHALPIES = {  # kJ/mol of oxygen
    "MgO": -601.60,
    "CaO": -634.92,
    "SrO": -592.0,
    "BeO": -609.4,
    "Li2O": -597.9,
    "Na2O": -414.2,
}
_FEW = ("H", "C", "O", "Si", "Cu")
_SEED = 20  # the same coordinates, turns and shifts for all models


@dataclass(frozen=True)
class ConformanceSettings(Settings):
    """How many structures each check takes, and how many changes of each.

    Args:
        n_samples: structures: bulk, molecule, slab, packed molecules, squeezed bulk, compound, more crystals.
        n_coordinates: coordinates of each structure whose force is checked.
        n_transforms: turns, shifts and orders of each structure.
        n_elements_crossing: elements whose cut-off is crossed.
        n_suspects: steps of that scan that are looked into, by energy and by force.
        step_float32_angstrom: first step of a difference for models in single precision, Å; strains are a fifth.
        step_float64_angstrom: the same for double precision.
        budget_s: worker seconds that a check should take. Where the first calls tell that it would take longer, fewer
            coordinates, solids, changes, elements or atoms are asked, never none, and the record tells how many.
        checks: ids; empty means all.
        elements: symbols; empty means all 118.
    """

    n_samples: int = 6
    n_coordinates: int = 6
    n_transforms: int = 3
    n_elements_crossing: int = 2
    n_suspects: int = 3
    step_float32_angstrom: float = 0.02
    step_float64_angstrom: float = 0.01
    budget_s: float = 60.0
    checks: tuple[str, ...] = selection(())
    elements: tuple[str, ...] = selection(())


def cases(settings: ConformanceSettings) -> list[Case]:
    """One case per check, with its name as id, and one per element, ``element-Si``."""
    named = [
        Case(NAME, check, Structures.empty(), {"check": check}, stratum="check")
        for check in settings.checks or checks.CHECKS
    ]
    numbers = [atomic_numbers[symbol] for symbol in settings.elements or chemical_symbols[1:]]
    return named + [
        Case(
            NAME,
            checks.title(number),
            Structures.empty(),
            {"check": "element", "number": number},
            frozenset({number}),
            stratum="element",
        )
        for number in numbers
    ]


async def run(potential: Potential, case: Case, settings: ConformanceSettings, rng: np.random.Generator) -> Raw:
    """All questions of one check; the structures are made of elements that the model accepts."""
    sheet = Sheet(potential, settings.budget_s)
    check = checks.CHECKS.get(case.inputs["check"], checks.element)
    await check(sheet, settings, case.inputs, np.random.default_rng(_SEED))
    return sheet.raw()


def references(settings: ConformanceSettings) -> References:
    """Measured enthalpies of formation, eV per oxygen."""
    return {"energy-reference": {formula: value / _KJ_PER_MOL for formula, value in _ENTHALPIES.items()}}


def analyse(outcomes: Outcomes, references: References, settings: ConformanceSettings, mode: Mode) -> Scores:
    """Scores of every case that was answered; those of other checks are NaN."""
    absent = {metric.score: np.nan for metric in METRICS}
    return {
        case_id: absent | score(case_id, raw, references.get(case_id, {}))
        for case_id, raw in outcomes.items()
        if isinstance(raw, Raw)
    }


def _curves(raw: Raw) -> list[Curve]:
    role = raw["role"]
    shown = next(found for found in (role == CHANGED, role > CHANGED, role == REFERENCE) if found.any())
    rows = np.flatnonzero(shown)
    scanned = raw["coordinate"][rows]
    order = np.argsort(scanned, kind="stable")
    x = scanned[order] if np.ptp(scanned) else np.arange(len(rows), dtype=float)
    energy = (raw["energy"] / raw["n_atoms"])[rows][order]
    force = np.array([np.abs(one).max() for one in per_structure(raw, "forces")])[rows][order]
    return [
        Curve("energy", x, energy - np.nanmedian(energy) if np.isfinite(energy).any() else energy),
        Curve("force", x, force),
    ]


def figure(analysis: Analysis) -> go.Figure:
    """Every metric in units of its good anchor, one panel per kind of check, one mark per model."""
    from forcegauge.benchmarks.symmetry.figure import draw

    return draw(analysis)


BENCHMARK = Benchmark(
    name=NAME,
    theme="symmetry",
    title="Conformance",
    question="Is this a potential at all: one energy, its derivatives, the symmetries of space, and sense for its "
    "elements?",
    protocol="Six small rattled structures of elements that the model accepts (crystal, molecule, slab, packed "
    "molecules, squeezed crystal, compound). Forces and stress against central differences of the energy, "
    "extrapolated; the same structures turned, shifted, inverted, with their atoms in another order, as supercells, "
    "alone and in company, and again; an atom leaving a cluster past the declared cut-off; sizes from one atom to 200; "
    "each property; two atoms of each element; oxides, metals and oxygen for the zero of energy.",
    doc=__doc__ or "",
    presets={
        "smoke": ConformanceSettings(
            n_samples=2, n_coordinates=3, n_transforms=1, n_elements_crossing=1, n_suspects=1, elements=_FEW
        ),
        "quick": ConformanceSettings(),
        "full": ConformanceSettings(
            n_samples=12, n_coordinates=12, n_transforms=6, n_elements_crossing=4, n_suspects=6
        ),
    },
    modes={"default": lambda settings: settings},
    needs=("energy",),
    cases=cases,
    structure_cases=None,
    run=run,
    analyse=analyse,
    metrics={"default": METRICS},
    schema=SCHEMA,
    figure=figure,
    explorer=Explorer(
        choose="check",
        x_title="distance (Å), displacement (Å), strain, scale or number of atoms; else the number of the structure",
        panels={"energy": "energy off the median (eV/atom)", "force": "largest force (eV/Å)"},
        curves=_curves,
    ),
    run_version=4,
    analysis_version=2,
    references=references,
)
