"""Does a crystal's energy rise smoothly when it is squeezed and stretched?

Why it matters: shock, pressure and thermal expansion move a crystal along this curve. A second well, a hole under
compression or a kink makes a simulation collapse or a bulk modulus meaningless; the curve shows them for the price of
21 energies.

Source: protocol of MLIP Arena's energy-volume scan, arXiv 2509.20630, appendix A.4, table S2. The published code takes
the middle point for the minimum and the energy step for the derivative, although the volumes are not equally apart;
by default the minimum is taken where it is and the derivative is one. Mode ``arena`` gives the published numbers.

Cases: built-in crystals by name, such as ``NaCl-rocksalt`` (presets smoke and quick), the 1,000 WBM crystals by their
published id, such as ``WBM-71714`` (preset full), or a user's own.

Cost: 21 energies per crystal and no gradient. 234 built-in crystals at the quick preset: a minute or two on a laptop;
the 1,000 WBM crystals (7 atoms on average) of the full one: some minutes.

A perfect model scores: one flip of the derivative, tortuosity 1, Spearman -1 for the energy under compression, +1 for
its derivative, +1 under tension, and every minimum inside the scan.

Known weaknesses: no reference curve, so a smooth and wrong curve passes, whatever its minimum and curvature. The scan
is uniform and the atoms keep their fractional coordinates: no shear, no relaxation. Under a linear strain of -20 % the
volume is halved; real crystals often change structure before. The energy of a metal with moments that collapse under
pressure has a true kink. A good model passes nearly all crystals, so medians are all ideal: means are given, and a few
crystals rule them; look at the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

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
from forcegauge.benchmarks.crystals import own_crystals
from forcegauge.benchmarks.properties.published_volume import published_volume_metrics
from forcegauge.metrics.curves import PUBLISHED_VOLUME, published_volume_scores, volume_scores
from forcegauge.potential import Potential
from forcegauge.records import Case, Metric, Raw
from forcegauge.structures import Structures

if TYPE_CHECKING:
    import plotly.graph_objects as go

NAME = "energy-volume"
_FEW = (
    "Al-fcc",
    "Cu-fcc",
    "Fe-bcc",
    "Mg-hcp",
    "Si-diamond",
    "NaCl-rocksalt",
    "GaAs-zincblende",
    "CsCl-caesium-chloride",
    "TiO2-rutile",
    "SrTiO3-perovskite",
)


ENERGY_FLOOR_EV_PER_ATOM = 1e-5
"""Smaller energy steps have no sign: one unit of float32 rounding on a flat tail is 2e-6 eV and more."""


@dataclass(frozen=True)
class EnergyVolumeSettings(Settings):
    """How far and how finely crystals are strained, and which.

    Args:
        max_strain: largest change of every length, as a fraction, both ways.
        n_points: energies per crystal, evenly spaced in strain.
        dataset: the dataset that the crystals come from.
        crystals: their names; empty means all of the dataset.
    """

    max_strain: float = 0.2
    n_points: int = 21
    dataset: str = selection("prototypes")
    crystals: tuple[str, ...] = selection(())


def cases(settings: EnergyVolumeSettings) -> list[Case]:
    """One case per crystal; its id is the crystal's name. May fetch the dataset."""
    from forcegauge.datasets import registry

    crystals = registry.get(settings.dataset).structures()
    wanted = frozenset(settings.crystals)
    return [
        _case(atoms.info["name"], atoms, atoms.info.get("prototype", ""))
        for atoms in crystals
        if not wanted or atoms.info["name"] in wanted
    ]


def structure_cases(structures: Sequence[tuple[str, Atoms]], settings: EnergyVolumeSettings) -> list[Case]:
    """A user's crystals; raises BadInput, naming it, for a structure that is not periodic in all three directions."""
    return [_case(name, atoms, "") for name, atoms in own_crystals(structures, NAME, "strains", collection).items()]


def _case(name: str, atoms: Atoms, prototype: str) -> Case:
    elements = frozenset(atoms.numbers.tolist())
    return Case(
        benchmark=NAME,
        id=name,
        structures=Structures.from_atoms(atoms),
        elements=elements,
        stratum=prototype or f"{len(elements)} elements, {'small' if len(atoms) <= 6 else 'large'} cell",
    )


async def run(potential: Potential, case: Case, settings: EnergyVolumeSettings, rng: np.random.Generator) -> Raw:
    """The energies of all strained copies, asked in one question and without forces."""
    crystal = case.structures[0]
    scale = 1.0 + np.linspace(-settings.max_strain, settings.max_strain, settings.n_points)
    answer = await potential.evaluate(Structures.scaled(crystal, scale), ("energy",))
    return Raw({"volume": crystal.cell.volume * scale**3, "energy": answer.energies, "n_atoms": np.array(len(crystal))})


def analyse(outcomes: Outcomes, references: References, settings: EnergyVolumeSettings, mode: Mode) -> Scores:
    """Scores of every crystal that has a curve."""
    curves = {case_id: raw for case_id, raw in outcomes.items() if isinstance(raw, Raw)}
    if mode == "arena":
        return {case_id: published_volume_scores(raw["volume"], raw["energy"]) for case_id, raw in curves.items()}
    return {
        case_id: volume_scores(raw["volume"], raw["energy"], ENERGY_FLOOR_EV_PER_ATOM * float(raw["n_atoms"]))
        for case_id, raw in curves.items()
    }


def collection(case_id: str) -> str:
    """The dataset that a crystal belongs to by its name, else ``own``; metrics never mix them."""
    from forcegauge.datasets import prototypes

    if case_id.startswith("WBM-"):
        return "wbm-1000"
    return "prototypes" if case_id in prototypes.names() else "own"


METRICS = (
    Metric(
        key="derivative-flips",
        title="Derivative flips",
        unit="",
        direction="target",
        ideal=1.0,
        good=1.02,
        bad=1.5,
        reason="1.02 is a second well in one crystal of a hundred, 1.5 in every fourth.",
        score="derivative_flips",
        aggregate="mean",
        description=f"Sign changes of dE/dV along the scan; energy steps below {ENERGY_FLOOR_EV_PER_ATOM} eV/atom are "
        "passed over. Mean over the crystals.",
    ),
    Metric(
        key="tortuosity",
        title="Tortuosity",
        unit="",
        direction="lower",
        ideal=1.0,
        good=1.001,
        bad=1.1,
        reason="The best published models stay below 1.001 (table S2), the worst two lie above 1.08.",
        score="tortuosity",
        aggregate="mean",
        description="Total variation of the energy over the least that its ends and its minimum need. The mean over "
        "the crystals, because the median is 1 for every usable potential.",
    ),
    Metric(
        key="spearman-compression-energy",
        title="Spearman E: compression",
        unit="",
        direction="lower",
        ideal=-1.0,
        good=-0.999,
        bad=-0.9,
        reason="-0.999 leaves one crystal in two thousand without a repulsive wall, -0.9 one in twenty.",
        score="spearman_compression_energy",
        aggregate="mean",
        description="Rank correlation of energy and volume below the volume of least energy, that point included; +1 "
        "where the energy is least at the smallest volume. Mean over the crystals.",
    ),
    Metric(
        key="spearman-compression-derivative",
        title="Spearman dE/dV: compression",
        unit="",
        direction="higher",
        ideal=1.0,
        good=0.995,
        bad=0.9,
        reason="Seven of nine published models reach 0.95 and four 0.995 with this definition.",
        score="spearman_compression_derivative",
        aggregate="mean",
        description="Rank correlation of dE/dV and volume below the volume of least energy: the pressure must grow as "
        "the crystal is squeezed; -1 where the energy is least at the smallest volume. Mean over the crystals.",
    ),
    Metric(
        key="spearman-tension-energy",
        title="Spearman E: tension",
        unit="",
        direction="higher",
        ideal=1.0,
        good=0.999,
        bad=0.9,
        reason="0.999 leaves one crystal in two thousand without cohesion, 0.9 one in twenty.",
        score="spearman_tension_energy",
        aggregate="mean",
        description="Rank correlation of energy and volume above the volume of least energy, that point included; -1 "
        "where the energy is least at the largest volume, 0 where it is flat. Mean over the crystals.",
    ),
    Metric(
        key="minimum-inside",
        title="Minimum inside the scan",
        unit="",
        direction="higher",
        ideal=1.0,
        good=0.998,
        bad=0.95,
        reason="At half or 1.7 times its volume no crystal is at rest; one in twenty that seems to be is one in "
        "twenty that collapses or flies apart.",
        score="minimum_inside",
        aggregate="proportion",
        description="Share of crystals whose energy is higher at both ends of the scan than somewhere between.",
    ),
)

ARENA_METRICS = published_volume_metrics(
    {
        "energy-diff-flip-times": (1.0, 1.0, 1.12),
        "tortuosity": (1.0, 1.0004, 1.08),
        "spearman-compression-energy": (-1.0, -0.9983, -0.944),
        "spearman-compression-derivative": (1.0, 1.0, 0.9),
        "spearman-tension-energy": (1.0, 0.999, 0.994),
    },
    "About the best and the last but one of the published rows of table S2 in arXiv 2509.20630.",
)


def _curves(raw: Raw) -> list[Curve]:
    order = np.argsort(raw["volume"])
    volume, energy = raw["volume"][order], raw["energy"][order]
    per_atom = (energy - energy.min()) / raw["n_atoms"].item()
    return [Curve("energy", volume / volume[len(volume) // 2], per_atom)]


def figure(analysis: Analysis) -> go.Figure:
    """How many crystals are how far from the ideal, one panel per score, one line per model."""
    from forcegauge.benchmarks.figures import Panel, exceedance

    ideal = {"derivative_flips": 1.0, "tortuosity": 1.0, "spearman_compression_energy": -1.0}
    titles = {
        "derivative_flips": "flips of dE/dV, off 1",
        "tortuosity": "tortuosity − 1",
        "spearman_compression_energy": "Spearman E in compression, off −1",
        "spearman_compression_derivative": "Spearman dE/dV in compression, off 1",
        "spearman_tension_energy": "Spearman E in tension, off 1",
    }
    published = dict(zip(titles, PUBLISHED_VOLUME, strict=True)) if analysis.mode == "arena" else {}
    panels = [
        Panel(
            published.get(score, score),
            title,
            ideal=ideal.get(score, 1.0),
            floor=0.0 if score == "derivative_flips" else 1e-4,
        )
        for score, title in titles.items()
    ]
    return exceedance(analysis, panels, case="crystals")


BENCHMARK = Benchmark(
    name=NAME,
    theme="properties",
    title="Energy-volume scan",
    question="Does a crystal's energy rise smoothly when it is squeezed and stretched?",
    protocol="All lengths of a crystal are scaled by 0.80 to 1.20 in 21 even steps, fractional coordinates kept; the "
    "energy of each copy is asked, nothing is relaxed.",
    doc=__doc__ or "",
    presets={
        "smoke": EnergyVolumeSettings(crystals=_FEW),
        "quick": EnergyVolumeSettings(),
        "full": EnergyVolumeSettings(dataset="wbm-1000"),
    },
    modes={"default": lambda settings: settings, "arena": lambda settings: settings},
    needs=("energy",),
    cases=cases,
    structure_cases=structure_cases,
    run=run,
    analyse=analyse,
    metrics={"default": METRICS, "arena": ARENA_METRICS},
    schema={
        "volume": "[n_points] Å³, of the cell, ascending",
        "energy": "[n_points] eV, of the cell",
        "n_atoms": "[] atoms in the cell",
    },
    figure=figure,
    collection=collection,
    explorer=Explorer(
        choose="crystal",
        x_title="V / V₀, V₀ unstrained",
        panels={"energy": "energy above the lowest (eV/atom)"},
        curves=_curves,
    ),
    run_version=1,
    analysis_version=1,
)
