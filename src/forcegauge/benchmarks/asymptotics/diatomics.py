"""Do two equal atoms repel, attract and part as they must?

Why it matters: molecular dynamics at high temperature or pressure visits distances that no training set holds. A
potential whose wall has a hole lets atoms fuse; one whose curve zigzags heats or freezes what it simulates; one whose
force is not the gradient of its energy creates energy from nothing. Two atoms show it, element by element.

Source: protocol and formulas of MLIP Arena, arXiv 2509.20630, appendix A.2, equations S1 to S3. By default the formulas
are right where the published code is not; mode ``arena`` gives the published numbers.

Cost: 68,000 structures of two atoms for all 118 elements at the full step, half of that at the quick one; minutes on a
laptop.

A perfect model scores: conservation 0, energy jump 0 but for a remainder of the order of the squared step, one flip of
the force, Spearman -1 twice, tortuosity 1.

Known weaknesses: conservation is seen at the step of the scan. A curve that is rough on that scale scores badly though
its force is the exact gradient: CHGNet's silicon between 1.5 and 2.5 Å scores 0.13 eV/Å at steps of 0.02 Å, 0.07 at
0.01 Å and 0.002 at 0.001 Å. A time step of dynamics meets the same roughness, so it is not forgiven, but compare models
at one step only. No reference curve, so a smooth and wrong curve passes. Helium to argon bind by less than the noise
floor of the force and rightly show no flip. The closed-shell fragments of a potential without spin differ from real
atoms. Flips that are missing on one element and too many on another cancel in the mean: look at the distribution. The
shortest distance, 0.9 of the covalent radius, is far inside any molecule; the wall there dominates the size of
everything that is not a rank or a count. Radii unknown to ASE (elements beyond 96) count as 0.2 Å.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from ase.data.vdw_alvarez import vdw_radii

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
from forcegauge.metrics.curves import CONSERVATION_LIMIT, diatomic_scores, published_diatomic_scores
from forcegauge.potential import Potential
from forcegauge.records import Case, Metric, Raw
from forcegauge.structures import Floats, Structures

if TYPE_CHECKING:
    import plotly.graph_objects as go

NAME = "diatomics"
_FAR_WITHOUT_RADIUS = 6.0  # Å; published choice for elements whose van der Waals radius is unknown
_FEW = ("H", "C", "O", "Al", "Si", "Fe", "Cu", "Au")


@dataclass(frozen=True)
class DiatomicsSettings(Settings):
    """How finely the distance is scanned, and for which elements.

    Args:
        step_angstrom: between neighbouring distances, Å; the real step is a little larger, so that both ends are met.
        elements: symbols; empty means all 118.
    """

    step_angstrom: float = 0.01
    elements: tuple[str, ...] = selection(())


def cases(settings: DiatomicsSettings) -> list[Case]:
    """One case per element; its id is the symbol."""
    return [_case(symbol) for symbol in settings.elements or chemical_symbols[1:]]


def structure_cases(structures: Sequence[tuple[str, Atoms]], settings: DiatomicsSettings) -> list[Case]:
    """The elements that occur in a user's structures, by atomic number."""
    occurring = sorted({int(number) for _, atoms in structures for number in atoms.numbers if number > 0})
    return [_case(chemical_symbols[number]) for number in occurring]


def _case(symbol: str) -> Case:
    number = atomic_numbers[symbol]
    return Case(
        benchmark=NAME,
        id=symbol,
        structures=Structures.empty(),
        inputs={"number": number},
        elements=frozenset({number}),
        stratum=_block(number),
    )


def _block(number: int) -> str:
    """The row of the periodic table, with the f elements apart: curves within one look alike."""
    if 57 <= number <= 71 or 89 <= number <= 103:
        return "lanthanides" if number <= 71 else "actinides"
    return f"row {1 + sum(number > last for last in (2, 10, 18, 36, 54, 86))}"


def distances(number: int, step_angstrom: float) -> Floats:
    """[n_points], Å, ascending: from 0.9 covalent radii to 3.1 van der Waals radii, both ends met."""
    near = 0.9 * covalent_radii[number]
    radius = vdw_radii[number] if number < len(vdw_radii) else np.nan
    far = _FAR_WITHOUT_RADIUS if np.isnan(radius) else 3.1 * radius
    return np.linspace(near, far, int((far - near) / step_angstrom))


async def run(potential: Potential, case: Case, settings: DiatomicsSettings, rng: np.random.Generator) -> Raw:
    """Energy and forces at every distance, asked in one question."""
    number = int(case.inputs["number"])
    distance = distances(number, settings.step_angstrom)
    side = 5.0 * distance[-1]
    # Three different sides, as published, so that no symmetry of the box is there to be exploited.
    box = np.array([side, side + 0.001, side + 0.002])
    pair = Atoms(numbers=[number, number], cell=box, pbc=potential.capabilities.needs_cell)
    positions = np.full((len(distance), 2, 3), side / 2)
    positions[:, 0, 0] -= distance / 2
    positions[:, 1, 0] += distance / 2
    answer = await potential.evaluate(Structures.displaced(pair, positions), ("energy", "forces"))
    forces = answer.stacked_forces()
    return Raw({"distance": distance, "energy": answer.energies, "force": forces[:, 1, 0], "forces": forces})


def analyse(outcomes: Outcomes, references: References, settings: DiatomicsSettings, mode: Mode) -> Scores:
    """Scores of every element that has a curve."""
    curves = {case_id: raw for case_id, raw in outcomes.items() if isinstance(raw, Raw)}
    if mode == "arena":
        return {
            case_id: published_diatomic_scores(raw["distance"], raw["energy"], raw["force"])
            for case_id, raw in curves.items()
        }
    return {
        case_id: diatomic_scores(raw["distance"], raw["energy"], _force_along_path(raw))
        for case_id, raw in curves.items()
    }


def _force_along_path(raw: Raw) -> Floats:
    """[n_points], eV/Å: both atoms move by half a step, so half the difference of their forces does the work.

    Where Newton's third law holds this is the force on either atom. Imported curves hold one force only.
    """
    if "forces" not in raw.arrays:
        return np.asarray(raw["force"])
    along: Floats = 0.5 * (raw["forces"][:, 1, 0] - raw["forces"][:, 0, 0])
    return along


METRICS = (
    Metric(
        key="conservation-deviation",
        title="Conservation deviation",
        unit="eV/Å",
        direction="lower",
        ideal=0.0,
        good=0.01,
        bad=0.1,
        reason="0.01 eV/Å is a usual convergence of forces in DFT; 0.1 eV/Å is the force error of a universal "
        "potential, so that beyond it the mismatch is as large as everything else that is wrong.",
        score="conservation_deviation",
        aggregate="median",
        description="Mean over the steps of |∫F dr + ΔE| / Δr with a local integration rule of sixth order; what the "
        "rule cannot resolve on a very steep wall is not held against the force. The median over the elements, because "
        "a single element can make up a mean.",
    ),
    Metric(
        key="conservation-violations",
        title="Elements not conservative",
        unit="",
        direction="lower",
        ideal=0.0,
        good=0.02,
        bad=0.5,
        reason="One or two elements in a hundred can be avoided; every second one cannot.",
        score="violates_conservation",
        aggregate="proportion",
        description=f"Share of elements whose conservation deviation is above {CONSERVATION_LIMIT} eV/Å.",
    ),
    Metric(
        key="energy-jump",
        title="Energy jump",
        unit="eV",
        direction="lower",
        ideal=0.0,
        good=0.05,
        bad=1.0,
        reason="0.05 eV is what a smooth stiff bond leaves at the quick step, and twice kT at room temperature; 1 eV "
        "is a weak bond.",
        score="energy_jump",
        aggregate="median",
        description="Sum over neighbouring energy steps of |difference of signs| times (sum of sizes), equation S3. "
        "The median over the elements; the distribution is heavy-tailed.",
    ),
    Metric(
        key="force-flips",
        title="Force flips",
        unit="",
        direction="target",
        ideal=1.0,
        good=1.3,
        bad=3.0,
        reason="One flip is the bond length. 1.3 is a second well in one element of seven, 3 in every element.",
        score="force_flips",
        aggregate="mean",
        description="Sign changes of the force along the bond where it is at least 0.01 eV/Å; mean over the elements.",
    ),
    Metric(
        key="spearman-repulsion",
        title="Spearman E: repulsion",
        unit="",
        direction="lower",
        ideal=-1.0,
        good=-0.98,
        bad=-0.8,
        reason="-0.98 leaves one element in a hundred without a wall, -0.8 one in ten.",
        score="spearman_repulsion_energy",
        aggregate="mean",
        description="Rank correlation of energy and distance from the shortest distance to the minimum; +1 where the "
        "energy is lowest at the shortest distance, 0 for a constant curve. Mean over the elements.",
    ),
    Metric(
        key="spearman-descending-force",
        title="Spearman F: descending",
        unit="",
        direction="lower",
        ideal=-1.0,
        good=-0.98,
        bad=-0.8,
        reason="-0.98 leaves one element in a hundred attracting at the shortest distance, -0.8 one in ten.",
        score="spearman_descending_force",
        aggregate="mean",
        description="Rank correlation of force and distance from the shortest distance to the strongest attraction; "
        "+1 where attraction is strongest at the shortest distance, 0 for a constant force. Mean over the "
        "elements.",
    ),
    Metric(
        key="tortuosity",
        title="Tortuosity",
        unit="",
        direction="lower",
        ideal=1.0,
        good=1.01,
        bad=1.2,
        reason="1.01 is one hundredth of the way gone twice; 1.2 a fifth.",
        score="tortuosity",
        aggregate="median",
        description="Total variation of the energy over the least that its ends and its minimum need, equation S2. The "
        "median over the elements; a constant curve has none.",
    ),
)


def _published(score: str, title: str, anchors: tuple[float, float, float], unit: str, formula: str) -> Metric:
    """A metric of the published table: plain mean over the elements that have the value."""
    ideal, good, bad = anchors
    return Metric(
        key=f"arena-{score}",
        title=f"{title} (Arena)",
        unit=unit,
        direction="target" if score == "force-flip-times" else "lower",
        ideal=ideal,
        good=good,
        bad=bad,
        reason="About the best and the tenth of the fourteen rows of table S1 in arXiv 2509.20630.",
        score=score,
        aggregate="mean",
        description=f"{formula} Plain mean over the elements that have the value, as published.",
    )


ARENA_METRICS = (
    _published(
        "conservation-deviation",
        "Conservation deviation",
        (0.0, 0.02, 10.0),
        "eV/Å",
        "Mean of |F + dE/dr| by finite differences of second order, first order at the ends.",
    ),
    _published(
        "spearman-repulsion-energy",
        "Spearman E: repulsion",
        (-1.0, -0.997, -0.88),
        "",
        "Rank correlation of energy and distance up to the minimum; none where that is at the shortest distance.",
    ),
    _published(
        "spearman-descending-force",
        "Spearman F: descending",
        (-1.0, -0.985, -0.925),
        "",
        "Rank correlation of force and distance up to the strongest attraction; none where that is at the shortest "
        "distance.",
    ),
    _published(
        "tortuosity",
        "Tortuosity",
        (1.0, 1.006, 2.3),
        "",
        "Total variation of the energy over the least that its ends and its minimum need.",
    ),
    _published(
        "energy-jump",
        "Energy jump",
        (0.0, 0.01, 4.0),
        "eV",
        "Sum of the sizes of the energy steps beside each turn, steps below 1 meV removed first.",
    ),
    _published(
        "force-flip-times",
        "Force flips",
        (1.0, 1.1, 3.5),
        "",
        "Sign changes of the force where it is at least 0.01 eV/Å.",
    ),
)


def _curves(raw: Raw) -> list[Curve]:
    order = np.argsort(raw["distance"])
    distance, energy, force = (raw[name][order] for name in ("distance", "energy", "force"))
    energy = energy - energy[-1]
    depth = max(float(-energy.min()), 0.3)
    pull = max(float(-force.min()), 0.3)
    return [
        Curve("energy", distance, energy, view=(-1.2 * depth, 2.0 * depth)),
        Curve("force", distance, force, view=(-1.2 * pull, 2.0 * pull)),
    ]


def figure(analysis: Analysis) -> go.Figure:
    """How many elements are how far from the ideal, one panel per score, one line per model."""
    from forcegauge.benchmarks.figures import Panel, exceedance

    panels = [
        Panel("conservation_deviation", "conservation deviation (eV/Å)", floor=1e-4),
        Panel("energy_jump", "energy jump (eV)", floor=1e-3),
        Panel("force_flips", "force flips, off 1", ideal=1.0),
        Panel("spearman_repulsion_energy", "Spearman E in repulsion, off −1", ideal=-1.0, floor=1e-4),
        Panel("spearman_descending_force", "Spearman F descending, off −1", ideal=-1.0, floor=1e-4),
        Panel("tortuosity", "tortuosity − 1", ideal=1.0, floor=1e-4),
    ]
    if analysis.mode == "arena":
        panels = [replace(panel, score=_PUBLISHED_SCORES.get(panel.score, panel.score)) for panel in panels]
    return exceedance(analysis, panels, case="elements")


_PUBLISHED_SCORES = {
    "conservation_deviation": "conservation-deviation",
    "energy_jump": "energy-jump",
    "force_flips": "force-flip-times",
    "spearman_repulsion_energy": "spearman-repulsion-energy",
    "spearman_descending_force": "spearman-descending-force",
}


def _arena(settings: DiatomicsSettings) -> DiatomicsSettings:
    return replace(settings, step_angstrom=0.01)


BENCHMARK = Benchmark(
    name=NAME,
    theme="asymptotics",
    title="Homonuclear diatomics",
    question="Do two equal atoms repel, attract and part as they must?",
    protocol="Two atoms of one element, alone, from 0.9 covalent radii to 3.1 van der Waals radii (Alvarez; 6 Å where "
    "unknown) in equal steps. A potential that needs a cell gets a periodic box of five times the largest distance. No "
    "relaxation, no spin, no dispersion correction added.",
    doc=__doc__ or "",
    presets={
        "smoke": DiatomicsSettings(step_angstrom=0.02, elements=_FEW),
        "quick": DiatomicsSettings(step_angstrom=0.02),
        "full": DiatomicsSettings(),
    },
    modes={"default": lambda settings: settings, "arena": _arena},
    needs=("energy", "forces"),
    cases=cases,
    structure_cases=structure_cases,
    run=run,
    analyse=analyse,
    metrics={"default": METRICS, "arena": ARENA_METRICS},
    schema={
        "distance": "[n_points] Å, ascending",
        "energy": "[n_points] eV, of the pair, as the potential gives it",
        "force": "[n_points] eV/Å, on the second atom along the bond, repulsive positive",
        "forces": "[n_points, 2, 3] eV/Å, on both atoms, the bond along x; absent from imported curves",
    },
    figure=figure,
    explorer=Explorer(
        choose="element",
        x_title="distance (Å)",
        panels={"energy": "energy relative to the largest distance (eV)", "force": "force, repulsive positive (eV/Å)"},
        curves=_curves,
        periodic_table="conservation_deviation",
    ),
    run_version=1,
    analysis_version=1,
)
