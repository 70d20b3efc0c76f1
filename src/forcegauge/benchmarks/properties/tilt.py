"""Does a perovskite's cubic cell give way to tilted octahedra when it is squeezed, and only then?

Why it matters: a soft mode is where a small error of the forces becomes a wrong crystal. Tilts of octahedra decide the
phases of perovskites, their ferroelectricity and how protons and oxygen move in them; a model that has learnt relaxed
structures only has seen little of the energy between the two wells.

Source: BaZrO3's soft mode in MLIP Arena (arXiv 2509.20630), whose PBE force constants give the reference: the mode at
R, the a0a0c- tilt of ZrO6, has an imaginary frequency of 3.853 THz, written -3.853, in the cubic cell of 4.00 Å. The
published code moves the atoms of a single cell of five atoms, without the change of sign from cell to cell, so what it
computes is a pattern at the centre of the zone and no tilt, and its atoms move by 0.354 Å where it says 0.5 Å. By
default the tilt is the true one, in 40 atoms. Mode ``arena`` computes the published pattern at the published points.

Cases: ``BaZrO3``, or a user's own cubic perovskites ABX3 in cells of five atoms, all lengths scaled alike: 0.925 to
1.125 times the own lattice constant, which for BaZrO3 is 4.00 Å.

Cost: for each of 17 lattice constants 13 energies of 40 atoms without gradient and two forces (preset quick): about a
minute on a laptop. Preset full has 33 lattice constants and 42 energies.

A perfect model scores: no error of the frequency at R, no difference between its curvature by forces and by energies, a
tilt that vanishes at 4.15 Å, no asymmetry, and a smooth curve.

Known weaknesses: one crystal. The critical lattice constant has no reference of the same theory, but bounds: PBE finds
the tilt at 4.00 Å; in experiment the crystal is cubic at 4.19 Å down to 0 K (Chem. Mater. 2020, 10.1021/
acs.chemmater.9b04437) and tilts at 10 GPa (Phys. Rev. B 106, 064105), near 4.11 Å; functionals differ by some
hundredths of an Å. The strain is uniform, Ba and Zr stay, and other tilt patterns are not followed. E(d) = E(-d) is
the same crystal moved by one lattice constant, so it tells of noise, of rounding and of models that depend on the
order of atoms, not of rotation. Deep wells leave more residual of a polynomial than shallow ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from ase import Atoms

from forcegauge.benchmarks.base import (
    Benchmark,
    Curve,
    Explorer,
    Mode,
    Outcomes,
    References,
    Scores,
    Settings,
)
from forcegauge.benchmarks.crystals import own_crystals
from forcegauge.benchmarks.properties.perovskite import Pattern, perovskite, published, recognised, tilted
from forcegauge.benchmarks.properties.tilt_curves import BUILT_IN, REFERENCE, above, frequencies, landau_fits
from forcegauge.benchmarks.properties.tilt_figure import tilt_figure
from forcegauge.errors import FAILURE_KINDS, Failure
from forcegauge.metrics.landau import asymmetry, softening
from forcegauge.potential import Potential, Prediction
from forcegauge.records import Case, Metric, Raw
from forcegauge.structures import Floats, Integers, Structures

NAME = "tilt"


@dataclass(frozen=True)
class TiltSettings(Settings):
    """How far and how finely a perovskite is scaled and tilted.

    Args:
        pattern: the true tilt, or what the published code computes.
        scales: lattice constants as multiples of the crystal's own.
        max_displacement_a: largest displacement of an atom; in the published pattern, of its coordinate.
        n_displacements: its sizes, evenly spaced from zero on.
        n_mirrored: how many of them are computed with the other sign too, the largest one among them.
        small_displacement_a: of the forces that give the frequency.
    """

    pattern: Literal["tilt", "published"] = "tilt"
    scales: tuple[float, ...] = tuple(np.linspace(0.925, 1.125, 17).round(6).tolist())
    max_displacement_a: float = 0.5
    n_displacements: int = 11
    n_mirrored: int = 2
    small_displacement_a: float = 0.01


def cases(settings: TiltSettings) -> list[Case]:
    """BaZrO3 in the cell of the reference."""
    return [_case(BUILT_IN, perovskite("Ba", "Zr", "O", REFERENCE["lattice_constant"]))]


def structure_cases(structures: Sequence[tuple[str, Atoms]], settings: TiltSettings) -> list[Case]:
    """A user's cubic perovskites; raises BadInput, naming it, for any other structure."""
    own = own_crystals(structures, NAME, "tilts", collection, is_rebuilt=True)
    return [_case(name, recognised(atoms, name, NAME)) for name, atoms in own.items()]


def _case(name: str, cell: Atoms) -> Case:
    elements = frozenset(cell.numbers.tolist())
    return Case(NAME, name, Structures.from_atoms(cell), elements=elements, stratum="cubic perovskite")


def displacements(settings: TiltSettings) -> Floats:
    """[n], Å, ascending: all sizes, and the chosen ones with the other sign."""
    sizes = np.linspace(0.0, settings.max_displacement_a, settings.n_displacements)
    mirrored = np.linspace(settings.n_displacements - 1, 0, settings.n_mirrored, endpoint=False).round().astype(int)
    return np.concatenate([-sizes[mirrored], sizes])


async def run(potential: Potential, case: Case, settings: TiltSettings, rng: np.random.Generator) -> Raw:
    """Energies along the pattern, one question per lattice constant, and the forces at a small displacement."""
    cell = case.structures[0]
    pattern = tilted(cell) if settings.pattern == "tilt" else published(cell)
    path = displacements(settings)
    curves = await potential.gather(
        *(
            potential.evaluate(pattern.displaced(scale, path), ("energy",), keep_failures=True)
            for scale in settings.scales
        )
    )
    if all(len(curve.failures) == len(path) for curve in curves):
        raise curves[0].failures[0]  # nothing is left to look at
    mode_force, force_failure = await _mode_forces(potential, pattern, settings)
    return Raw(
        {
            "scale": np.array(settings.scales),
            "lattice_constant": cell.cell.lengths()[0] * np.array(settings.scales),
            "displacement": path,
            "energy": np.array([curve.energies for curve in curves]),
            "energy_failure": np.array([_codes(curve.failures, len(path)) for curve in curves]),
            "small_displacement": np.array(settings.small_displacement_a),
            "mode_force": mode_force,
            "force_failure": force_failure,
            "mode_mass": np.array(pattern.mass),
            "n_atoms": np.array(len(pattern.crystal)),
        }
    )


async def _mode_forces(potential: Potential, pattern: Pattern, settings: TiltSettings) -> tuple[Floats, Integers]:
    """[n_constants, 2], eV/Å, -dE/dd at both signs of the small displacement, and why some are missing."""
    shape = (len(settings.scales), 2)
    if settings.pattern == "published":  # no mode of the crystal: it has no frequency
        return np.full(shape, np.nan), np.zeros(shape, dtype=int)
    ends = settings.small_displacement_a * np.array([-1.0, 1.0])
    copies = [copy for scale in settings.scales for copy in pattern.displaced(scale, ends)]
    answer = await potential.evaluate(copies, ("forces",), keep_failures=True)
    forces = [np.nan if row in answer.failures else _along(answer[row], pattern) for row in range(len(copies))]
    return np.reshape(forces, shape), _codes(answer.failures, len(copies)).reshape(shape)


def _along(one: Prediction, pattern: Pattern) -> float:
    assert one.forces is not None  # it was asked for
    return float((one.forces * pattern.direction).sum())


def _codes(failures: Mapping[int, Failure], count: int) -> Integers:
    codes = np.zeros(count, dtype=int)
    for row, failure in failures.items():
        codes[row] = 1 + FAILURE_KINDS.index(failure.kind)
    return codes


def collection(case_id: str) -> str:
    """``BaZrO3`` for the built-in crystal, else ``own``; metrics never mix them."""
    return BUILT_IN if case_id == BUILT_IN else "own"


def references(settings: TiltSettings) -> References:
    """PBE's frequency at R and the lattice constant at which the tilt should vanish, of BaZrO3."""
    return {BUILT_IN: REFERENCE}


def analyse(outcomes: Outcomes, references: References, settings: TiltSettings, mode: Mode) -> Scores:
    """Scores of every crystal; those that need a reference are NaN without one."""
    return {
        case_id: _scores(raw, references.get(case_id, {})) for case_id, raw in outcomes.items() if isinstance(raw, Raw)
    }


def _critical(constants: Floats, alpha: Floats) -> float:
    """Å; where the tilt does not vanish within the scan, the end beyond which it must: a value, because no value would
    be no blame.
    """
    found = softening(constants, alpha)
    if np.isfinite(found) or not np.isfinite(alpha).all():
        return found
    return float(constants[-1] if alpha[-1] < 0 else constants[0])


def _scores(raw: Raw, reference: Mapping[str, Any]) -> dict[str, float]:
    fits = landau_fits(raw)
    by_forces, by_energies = frequencies(raw)
    constants = raw["lattice_constant"]
    own = int(np.argmin(np.abs(raw["scale"] - 1.0)))
    critical = _critical(constants, np.array([fit.alpha for fit in fits]))
    position, depth = fits[own].well()
    per_atom = raw["energy"] / raw["n_atoms"]
    return {
        "frequency_error": abs(by_forces[own] - reference["frequency"]) if reference else np.nan,
        "critical_lattice_constant": critical if reference else np.nan,  # its ideal is BaZrO3's
        "well_displacement": position,
        "well_depth": 1e3 * depth,
        "frequency_mismatch": float(np.mean(np.abs(by_forces - by_energies))),
        "landau_residual": 1e3 * float(np.median([fit.residual for fit in fits])),
        "asymmetry": 1e3 * float(np.max([asymmetry(raw["displacement"], energy) for energy in per_atom])),
    }


_RESIDUAL = (
    "Root mean square of the energies minus a polynomial of second, fourth and sixth order in the displacement, per "
    "atom; median over the lattice constants. No value where an energy is missing."
)
_ASYMMETRY = (
    "Largest |E(+d) - E(-d)| per atom; both are the same crystal, moved by one lattice constant. No value where an "
    "energy is missing."
)


def _asymmetry(key: str, description: str) -> Metric:
    return Metric(
        key=key,
        title="Asymmetry E(+d) − E(−d)",
        unit="meV/atom",
        direction="lower",
        ideal=0.0,
        good=0.01,
        bad=1.0,
        reason="0.01 meV/atom is what float32 leaves of a cell's energy; 1 is a tenth of the well that is looked for.",
        score="asymmetry",
        aggregate="mean",
        description=description,
    )


def _residual(key: str) -> Metric:
    return Metric(
        key=key,
        title="Landau residual",
        unit="meV/atom",
        direction="lower",
        ideal=0.0,
        good=0.05,
        bad=1.0,
        reason="A smooth curve leaves some hundredths, of the eighth order; 1 meV/atom is a tenth of the well itself.",
        score="landau_residual",
        aggregate="mean",
        description=_RESIDUAL,
    )


METRICS = (
    Metric(
        key="r-frequency-error",
        title="Error of the R frequency",
        unit="THz",
        direction="lower",
        ideal=0.0,
        good=0.4,
        bad=3.85,
        reason="A tenth of the frequency is what functionals differ by; an error as large as it is no instability.",
        score="frequency_error",
        aggregate="mean",
        theory="PBE",
        description="|ν − ν(PBE)| at 4.00 Å, where ν(PBE) = -3.853 THz; imaginary frequencies are negative. From "
        "forces at ±0.01 Å, as phonopy takes them; no value where one is missing.",
    ),
    Metric(
        key="critical-lattice-constant",
        title="Critical lattice constant",
        unit="Å",
        direction="target",
        ideal=4.15,
        good=4.25,
        bad=4.45,
        reason="PBE: tilted at 4.00 Å; experiment: tilts near 4.11 Å under 10 GPa, cubic at 4.19 Å down to 0 K. Far "
        "beyond 4.25 Å the crystal is tilted at rest.",
        score="critical_lattice_constant",
        aggregate="mean",
        description="Lattice constant at which the energy's curvature along the tilt turns positive, by straight lines "
        "between neighbours. Where it does not within the scan, the end beyond which it must, 3.70 or 4.50 Å.",
    ),
    Metric(
        key="frequency-mismatch",
        title="Frequency: forces against energies",
        unit="THz",
        direction="lower",
        ideal=0.0,
        good=0.2,
        bad=1.5,
        reason="Higher orders leave 0.1 THz; 1.5 THz are 50 cm⁻¹, and a third of the mode itself.",
        score="frequency_mismatch",
        aggregate="mean",
        description="Mean over the lattice constants of the difference between the frequency by forces at 0.01 Å and "
        "by the curvature of all energies: kinks near the cubic crystal, and forces that are not the gradient, show. "
        "No value where an energy or a force is missing.",
    ),
    _residual("landau-residual"),
    _asymmetry("asymmetry", _ASYMMETRY),
)
ARENA_METRICS = (
    _residual("arena-landau-residual"),
    _asymmetry(
        "arena-asymmetry",
        "Largest |E(+d) - E(-d)| per atom along the published pattern. There the two are mirror images, so a model "
        "that was built without parity is seen.",
    ),
)


def _curves(raw: Raw) -> list[Curve]:
    """Energies at the smallest lattice constant, at the one next to 1/4 of the scan, and at its middle."""
    shown = [0, len(raw["energy"]) // 4, len(raw["energy"]) // 2]
    return [Curve(name, *above(raw, row)) for name, row in zip(_PANELS, shown, strict=True)]


_PANELS = {
    "narrowest": "narrowest cell (meV/atom)",
    "narrow": "a quarter up the scan (meV/atom)",
    "middle": "middle of the scan (meV/atom)",
}


def _published(settings: TiltSettings) -> TiltSettings:
    scales = (0.925, 0.9625, 1.0, 1.0375)  # 3.70, 3.85, 4.00 and 4.15 Å
    return replace(settings, pattern="published", scales=scales, n_displacements=51, n_mirrored=50)


BENCHMARK = Benchmark(
    name=NAME,
    theme="properties",
    title="Tilt of a perovskite",
    question="Does a perovskite's cubic cell give way to tilted octahedra when it is squeezed, and only then?",
    protocol="The octahedra of cubic BaZrO3 are turned about z, each against its neighbours (a0a0c-, 40 atoms), by "
    "moving O by up to 0.5 Å, at lattice constants from 3.70 to 4.50 Å. Energies along the way, forces at 0.01 Å.",
    doc=__doc__ or "",
    presets={
        "smoke": TiltSettings(scales=(0.925, 0.975, 1.0, 1.125), n_displacements=5, n_mirrored=1),
        "quick": TiltSettings(),
        "full": TiltSettings(
            scales=tuple(np.linspace(0.925, 1.125, 33).round(6).tolist()), n_displacements=21, n_mirrored=20
        ),
    },
    modes={"default": lambda settings: settings, "arena": _published},
    needs=("energy", "forces"),
    cases=cases,
    structure_cases=structure_cases,
    run=run,
    analyse=analyse,
    references=references,
    metrics={"default": METRICS, "arena": ARENA_METRICS},
    schema={
        "scale": "[n_constants] lattice constant over the crystal's own",
        "lattice_constant": "[n_constants] Å, of the cubic cell",
        "displacement": "[n_displacements] Å, the mirrored ones first",
        "energy": "[n_constants, n_displacements] eV, of the cell that was computed; NaN where it failed",
        "energy_failure": "[n_constants, n_displacements] 0, or the place of the failure's kind in "
        "`errors.FAILURE_KINDS`, from 1",
        "small_displacement": "[] Å, of the forces",
        "mode_force": "[n_constants, 2] eV/Å, -dE/dd at -small and +small displacement; NaN for the published pattern",
        "force_failure": "[n_constants, 2] as energy_failure",
        "mode_mass": "[] amu, sum of mass times squared direction: 16 times that of X for the tilt",
        "n_atoms": "[] atoms in the cell that was computed",
    },
    figure=tilt_figure,
    collection=collection,
    explorer=Explorer(
        choose="crystal",
        x_title="displacement of X atoms (Å)",
        panels=_PANELS,
        curves=_curves,
    ),
    run_version=1,
    analysis_version=1,
)
