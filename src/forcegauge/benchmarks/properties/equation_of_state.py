"""Which volume and stiffness does a potential give a crystal, and is its energy a smooth function of the volume?

Why it matters: equilibrium volume and bulk modulus decide lattice constants, elastic and thermal behaviour; a kink, a
second well or a relaxation that never ends makes every simulation of that crystal worthless.

Source: two protocols. Relaxed crystals: MLIP Arena's equation-of-state test, arXiv 2509.20630, appendix A.4, table 1.
Elements and oxides against all-electron PBE: E. Bosoni et al., Nat. Rev. Phys. 6, 45 (2024),
doi:10.1038/s42254-023-00655-3. In the first paper the Birch-Murnaghan formula is printed with the volume ratio upside
down, and the middle of the scan stands for the minimum; by default the formula is the usual one and the minimum is
taken where it is. Mode ``arena`` runs the published relaxations (FIRE, of the ions alone to 0.1 eV/Å, then with free
cell to 0.05, and nobody asks whether they converged) and gives the published numbers; what the paper counts as missing
is what coverage lacks.

Cases: built-in crystals by name, such as ``NaCl-rocksalt``, or the 1,000 WBM crystals by their published id, such as
``WBM-71714`` (preset full), or a user's own, all relaxed; beside them elements and oxides at fixed fractional
coordinates by the names of the reference, such as ``Al-X/FCC`` or ``Mg-XO`` (modes but ``arena``). Left out of those,
for every model alike: elements with moments or open f shells, because the reference is not spin-polarised, and the
oxides of Co, Cr, Fe, Mn, Mo, Ni, V and W, which the Materials Project describes with PBE+U. So a model with +U and one
without are asked the same crystals, and for these their theory is that of the reference.

Cost: 22 relaxations per relaxed crystal, most of a few steps; seven energies per reference crystal. A minute or two
on a laptop at the quick preset, about an hour at the full one.

A perfect model scores: one flip of the derivative, tortuosity 1, Spearman -1 for the energy under compression, +1 for
its derivative, +1 under tension, a sound fit of every crystal; zero for nu, epsilon and all errors if it was trained
on PBE. The codes of the paper agree with each other to nu 0.1 to 0.3; models are ten times farther off.

Known weaknesses: the scores of the relaxed crystals know no reference, so a smooth and wrong curve passes. The
reference is PBE: the values of a potential of another functional (r2SCAN, PBEsol) are shown and not scored. Many of
its crystals do not exist (an oxide of a noble gas) or carry moments at low density that the reference forbids (oxygen
deficient in electrons, 4d metals in the diamond structure); medians bear some of them. Seven energies within 6 % see
no minimum that is farther away: such a crystal counts as 6 % off, whatever it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from forcegauge.benchmarks.base import Benchmark, Explorer, References, Settings, selection
from forcegauge.benchmarks.crystals import own_crystals
from forcegauge.benchmarks.properties.equation_of_state_figure import curves, figure
from forcegauge.benchmarks.properties.equation_of_state_metrics import ARENA_METRICS, METRICS
from forcegauge.benchmarks.properties.equation_of_state_scores import analyse
from forcegauge.errors import Failure
from forcegauge.potential import Potential, Relaxed
from forcegauge.records import Case, Raw
from forcegauge.structures import Structures

NAME = "equation-of-state"
_FEW = ("Cu-fcc", "Si-diamond", "NaCl-rocksalt")
_MANY = (
    *_FEW,
    "Al-fcc",
    "Fe-bcc",
    "Na-bcc",
    "Mg-hcp",
    "Ti-hcp",
    "Bi-rhombohedral",
    "Te-selenium",
    "CsCl-caesium-chloride",
    "ZnO-wurtzite",
    "CaF2-fluorite",
    "TiO2-rutile",
    "Al2O3-corundum",
    "FeS2-pyrite",
    "SrTiO3-perovskite",
    "MgAl2O4-spinel",
    "MoS2-molybdenite",
    "TiNiSn-half-heusler",
)
_FEW_SOLIDS = ("Al-X/FCC", "Si-X/Diamond", "Mg-XO")

REFERENCE_STRAIN, REFERENCE_POINTS = 0.06, 7
"""Of the volume, both ways, and energies per crystal: the protocol of the all-electron reference."""


@dataclass(frozen=True)
class EquationOfStateSettings(Settings):
    """How crystals are relaxed and scanned, and which.

    L-BFGS brought 17 of 17 WBM crystals with CHGNet to the energies that FIRE finds, within 0.3 meV/atom, in half the
    steps: down to 0.02 eV/Å for less than FIRE needs down to 0.05, where some relaxations end before a slope that
    leads to another structure.

    Args:
        max_strain: largest change of the volume, as a fraction, both ways.
        n_points: volumes per crystal, evenly spaced.
        optimiser: of all relaxations.
        force_tolerance_ev_per_a: of all relaxations.
        max_steps: per relaxation.
        ions_first_ev_per_a: tolerance of a first relaxation of the ions alone; 0 leaves it out.
        accept_unconverged: go on with a crystal that is not at rest after ``max_steps``.
        dataset: that the relaxed crystals come from.
        crystals: their names; empty means all of the dataset.
        reference: which crystals of the all-electron reference: the ``facts`` that the package carries, or the
            ``dataset``, or ``none``.
        solids: their names; empty means all.
    """

    max_strain: float = 0.2
    n_points: int = 21
    optimiser: Literal["fire", "lbfgs"] = "lbfgs"
    force_tolerance_ev_per_a: float = 0.02
    max_steps: int = 500
    ions_first_ev_per_a: float = 0.0
    accept_unconverged: bool = False
    dataset: str = selection("prototypes")
    crystals: tuple[str, ...] = selection(())
    reference: Literal["facts", "dataset", "none"] = selection("facts")
    solids: tuple[str, ...] = selection(())


def published(settings: EquationOfStateSettings) -> EquationOfStateSettings:
    """The protocol of mode ``arena``; the all-electron reference has no part in it."""
    return replace(
        settings,
        max_strain=0.2,
        n_points=21,
        optimiser="fire",
        force_tolerance_ev_per_a=0.05,
        max_steps=1000,
        ions_first_ev_per_a=0.1,
        accept_unconverged=True,
        reference="none",
    )


def cases(settings: EquationOfStateSettings) -> list[Case]:
    """One case per crystal, the relaxed ones first; its id is the crystal's name. May fetch datasets."""
    from forcegauge.datasets import registry

    relaxed = registry.get(settings.dataset).structures()
    return [
        *(_case(atoms.info["name"], atoms) for atoms in _chosen(relaxed, settings.crystals)),
        *(_case(atoms.info["name"], atoms, is_fixed=True) for atoms in _chosen(_solids(settings), settings.solids)),
    ]


def _solids(settings: EquationOfStateSettings) -> list[Atoms]:
    from forcegauge.datasets import acwf

    if settings.reference == "facts":
        return [acwf.build(name, values.volume) for name, values in acwf.facts().items()]
    return acwf.DATASET.structures() if settings.reference == "dataset" else []


def _chosen(crystals: Sequence[Atoms], names: tuple[str, ...]) -> list[Atoms]:
    return [atoms for atoms in crystals if not names or atoms.info["name"] in names]


def structure_cases(structures: Sequence[tuple[str, Atoms]], settings: EquationOfStateSettings) -> list[Case]:
    """A user's crystals, to be relaxed; raises BadInput for a structure that is not periodic in three directions."""
    own = own_crystals(structures, NAME, "relaxes and strains", collection)
    return [_case(name, atoms) for name, atoms in own.items()]


def _case(name: str, atoms: Atoms, *, is_fixed: bool = False) -> Case:
    elements = frozenset(atoms.numbers.tolist())
    kind = atoms.info.get("prototype", "")
    return Case(
        benchmark=NAME,
        id=name,
        structures=Structures.from_atoms(atoms),
        inputs={"is_fixed": is_fixed},
        elements=elements,
        stratum=kind or f"{len(elements)} elements, {'small' if len(atoms) <= 6 else 'large'} cell",
    )


def references(settings: EquationOfStateSettings) -> References:
    """The all-electron values by case id: those that the package carries, and the dataset's where it is here."""
    from forcegauge.datasets import acwf
    from forcegauge.datasets.fetch import local_path, state

    card = acwf.DATASET.card
    paths = [local_path(card, source) for source in card.sources]
    is_here = all(state(path, source) == "ok" for path, source in zip(paths, card.sources, strict=True))
    values = {**(acwf.read(paths) if is_here else {}), **acwf.facts()}
    return {name: row._asdict() for name, row in values.items()}


def collection(case_id: str) -> str:
    """The dataset that a relaxed crystal belongs to by its name, else ``own``; a crystal of the reference has none.

    Metrics never mix sets; the reference has metrics of its own, so its crystals go with any set.
    """
    from forcegauge.datasets import acwf, prototypes

    symbol, _, kind = case_id.partition("-")
    if symbol in chemical_symbols and kind in acwf.STRUCTURE_TYPES:
        return ""
    if case_id.startswith("WBM-"):
        return "wbm-1000"
    return "prototypes" if case_id in prototypes.names() else "own"


async def run(potential: Potential, case: Case, settings: EquationOfStateSettings, rng: np.random.Generator) -> Raw:
    """The energies of a reference crystal as it is, or of one that is relaxed, free first and then at each volume."""
    if case.inputs["is_fixed"]:
        crystal = case.structures[0]
        volume = crystal.cell.volume * np.linspace(1 - REFERENCE_STRAIN, 1 + REFERENCE_STRAIN, REFERENCE_POINTS)
        answer = await potential.evaluate(_at_volumes(crystal, volume), ("energy",))
        return _raw(crystal, volume, answer.energies, np.zeros(len(volume)), np.ones(len(volume), bool), is_fixed=True)
    start = case.structures
    if settings.ions_first_ev_per_a:
        first = replace(settings, force_tolerance_ev_per_a=settings.ions_first_ev_per_a)
        start = (await _relax(potential, start, first)).structures
    rest = await _relax(potential, start, settings, cell="free")
    crystal = rest.structures[0]
    volume = crystal.cell.volume * np.linspace(1 - settings.max_strain, 1 + settings.max_strain, settings.n_points)
    scan = await _relax(potential, _at_volumes(crystal, volume), replace(settings, accept_unconverged=True))
    converged = np.array([row not in scan.failures for row in range(len(volume))])
    energy = scan.energy.copy()
    if not converged.all():  # the energy where it was left, marked as such
        late = Structures.from_atoms([scan.structures[int(row)] for row in np.flatnonzero(~converged)])
        energy[~converged] = (await potential.evaluate(late, ("energy",))).energies
    return _raw(crystal, volume, energy, scan.n_steps, converged, is_fixed=False)


async def _relax(
    potential: Potential,
    structures: Structures,
    settings: EquationOfStateSettings,
    cell: Literal["fixed", "free"] = "fixed",
) -> Relaxed:
    """Relaxed structures; raises the first failure, but for those that are only unconverged where that is accepted."""
    found = await potential.relax(
        structures,
        cell=cell,
        optimiser=settings.optimiser,
        force_tolerance_ev_per_a=settings.force_tolerance_ev_per_a,
        max_steps=settings.max_steps,
        keep_failures=True,
    )
    for row, failure in found.failures.items():
        if failure.kind != "not_converged" or not settings.accept_unconverged:
            which = f"volume {row + 1} of {len(structures)}" if len(structures) > 1 else f"{cell} cell"
            raise Failure(failure.kind, f"{which}: {failure.message}", failure.traceback)
    return found


def _at_volumes(crystal: Atoms, volume: np.ndarray) -> Structures:
    """Copies at other volumes, fractional coordinates kept."""
    return Structures.scaled(crystal, np.cbrt(volume / crystal.cell.volume))


def _raw(
    crystal: Atoms,
    volume: np.ndarray,
    energy: np.ndarray,
    n_steps: np.ndarray,
    converged: np.ndarray,
    *,
    is_fixed: bool,
) -> Raw:
    return Raw(
        {
            "volume": volume,
            "energy": energy,
            "n_atoms": np.array(len(crystal)),
            "n_steps": n_steps.astype(np.int64),
            "converged": converged,
            "cell": crystal.cell.array,
            "positions": crystal.positions,
            "is_fixed": np.array(is_fixed),
        }
    )


BENCHMARK = Benchmark(
    name=NAME,
    theme="properties",
    title="Equation of state",
    question="Which volume and stiffness does a potential give a crystal, and is its energy a smooth function of the "
    "volume?",
    protocol="A crystal is relaxed, cell and ions; then its volume is set to 0.80 to 1.20 of that in 21 even steps "
    "and the ions are relaxed in each cell. A Birch-Murnaghan curve is fitted to the lowest point and the four on each "
    "side of it, or refused. Elements and oxides of the all-electron reference are taken at 94 to 106 % of its volume "
    "in seven even steps, nothing is relaxed, and the curve is fitted to all seven energies.",
    doc=__doc__ or "",
    presets={
        "smoke": EquationOfStateSettings(crystals=_FEW, solids=_FEW_SOLIDS),
        "quick": EquationOfStateSettings(crystals=_MANY),
        "full": EquationOfStateSettings(dataset="wbm-1000", reference="dataset"),
    },
    modes={"default": lambda settings: settings, "arena": published},
    needs=("energy", "forces", "stress"),
    cases=cases,
    structure_cases=structure_cases,
    run=run,
    analyse=analyse,
    metrics={"default": METRICS, "arena": ARENA_METRICS},
    schema={
        "volume": "[n_points] Å³, of the cell, ascending",
        "energy": "[n_points] eV, of the cell",
        "n_atoms": "[] atoms in the cell",
        "n_steps": "[n_points] steps of the relaxation at that volume",
        "converged": "[n_points] whether the ions came to rest",
        "cell": "[3, 3] Å, rows are the vectors of the relaxed cell",
        "positions": "[n_atoms, 3] Å, in that cell",
        "is_fixed": "[] whether the protocol was that of the reference, nothing relaxed",
    },
    figure=figure,
    collection=collection,
    references=references,
    explorer=Explorer(
        choose="crystal",
        x_title="V / V₀, V₀ in the middle of the scan",
        panels={"energy": "energy above the lowest (eV/atom)", "pressure": "pressure −dE/dV (GPa)"},
        curves=curves,
    ),
    run_version=1,
    analysis_version=1,
)
