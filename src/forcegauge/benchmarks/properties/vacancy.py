"""What does it cost to take an atom out of a metal, and to move its neighbour into the hole?

Why it matters: vacancies carry diffusion, creep and radiation damage. Their number goes with exp(-E_formation/kT),
their hops with exp(-E_barrier/kT): an error of 0.2 eV is a factor of ten at 1000 K. A potential made for perfect
crystals meets missing neighbours here, and an atom squeezed between others at the saddle.

Source: T. Angsten, T. Mayeshiba, H. Wu and D. Morgan, New J. Phys. 16, 015018 (2014), PBE; protocol of MLIP Arena,
arXiv 2509.20630: climbing-image elastic bands with five images between the ends. The published code builds hcp cells
with a lattice constant 1.78 times too large and takes one hop for the other; here the cells come from a relaxation,
and each hop is found by its geometry: in the close-packed plane it is a long, out of it √(a²/3 + c²/4). Of the table's
two hcp barriers ``e_vacmig_v`` is taken for the hop in the plane, ``e_vacmig`` for the one out of it, because only so
Mg hops more easily in the plane (as calculated before, doi:10.1103/PhysRevB.62.5489) and Zn more easily along c (as
measured on single crystals: the rate is larger there, its activation enthalpy smaller). CHGNet and SevenNet-0 put both
hops of Mg and Zr in that order too.

Where the table has a row with spin, that row is the reference, since potentials are trained on spin-polarised
calculations. No reference: fcc and hcp Fe and hcp Mn, which it has without spin only, and hcp Pa, whose row
contradicts the fcc one. Noble gases, which PBE does not bind, are no cases. Crystals for which the table has no
barrier at all, most of them unstable, are asked for the formation energy only.

Cases: an element and its lattice, such as ``Al-fcc`` or ``Mg-hcp`` (whose two hops share the crystal), or a user's own
crystal of one element in fcc or hcp, which has no reference but is judged by the symmetry of its paths.

Cost: per crystal some relaxations and a band of five images, two bands in hcp. Quick (six metals, 32 atoms in fcc, 36
in hcp): 45 s of CPU time with CHGNet, 100 s with SevenNet-0. Full: 100 crystals, 108 atoms in fcc and 36 in hcp as in
the published protocol, about an hour of CPU time with CHGNet. Small cells cost accuracy: 32 atoms instead of 108 shift
the formation energies of Al, Cu and Ni by 0.003 to 0.006 eV and their barriers by 0.003 to 0.010 eV with EMT, those of
Al and Ni by 0.02 to 0.03 eV and 0.01 to 0.05 eV with CHGNet; 36 atoms instead of 96 in hcp Al and Ni shift barriers by
0.02 to 0.07 eV with EMT.

A perfect model scores: no error against the table but for the table's own (two decimals, small cells), symmetric
paths, equal ends, forces whose work is the energy, and a saddle for every hop.

Known weaknesses: PBE itself makes vacancies in Pt and Au for instance too cheap, and a model trained on another
functional is measured against PBE nevertheless. Ends begin with the symmetry of the lattice and keep it, so an unstable
lattice is only noticed where the hole makes it fall. Moments are not set; a model may find another magnetic state than
the table's. In the plane of hcp Ti, Zr and Hf the path has two equal maxima with a valley between
(doi:10.1103/PhysRevB.83.224104), of which five images tell little; two maxima are no fault here.

What is refused, and how it is told: a crystal that leaves its lattice (c/a of hcp), an end whose atoms leave their
sites, and a relaxation that does not end are failures of the case, each with its message. A band that does not
converge, has no image above both ends, has ends that differ by more than a fifth of the barrier, or falls below them by
a tenth of it (the hole rests between the sites) loses that hop: errors are those of the other hops, and
``vacancy-sound-hops`` counts it.

In mode ``arena`` (108 and 36 atoms, tolerance 0.05 eV/Å, climbing at once) barriers and asymmetries are in units of
the published barrier, and only the hop out of the plane counts, as there. What differs: right cells, L-BFGS instead of
BFGS, halves of a path paired by x, symmetry kept while the cell relaxes, and a failure is counted. The published
values are in a figure only, so there is nothing to be met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from scipy.interpolate import CubicSpline

from forcegauge.benchmarks.base import (
    Analysis,
    Benchmark,
    Curve,
    Explorer,
    Settings,
    selection,
)
from forcegauge.benchmarks.crystals import own_crystals
from forcegauge.benchmarks.properties.vacancy_cells import (
    neighbours,
    primitive,
    recognised,
    supercell,
    vacancies,
)
from forcegauge.benchmarks.properties.vacancy_metrics import ARENA_METRICS, METRICS
from forcegauge.benchmarks.properties.vacancy_reference import hops_known, table
from forcegauge.benchmarks.properties.vacancy_scores import analyse, references
from forcegauge.errors import Failure
from forcegauge.metrics.paths import fitted
from forcegauge.potential import Bands, Potential, Predictions
from forcegauge.records import Array, Case, Raw
from forcegauge.simulate.path_interpolation import interpolated
from forcegauge.structures import Floats, Structures

if TYPE_CHECKING:
    import plotly.graph_objects as go

NAME = "vacancy"
_BAND_FAILURES = {"not_converged": 1, "exploded": 2, "non_finite": 3}
"""Codes of the raw array ``band_failure``; any other failure of a band ends the case."""
_RATIOS = (1.3, 2.1)
"""c/a of hcp; the ideal one is 1.633, elements have 1.57 to 1.89."""
_LARGEST_SHIFT = 0.3
"""Of the shortest hop; around a vacancy atoms move by a few per cent of it."""


@dataclass(frozen=True)
class VacancySettings(Settings):
    """Cells, the path, and how well everything is relaxed.

    Args:
        fcc_repeats: cubic cells of four atoms along each edge of the supercell.
        hcp_repeats: hexagonal cells of two atoms along the three vectors.
        n_images: of a band, its ends included.
        climb_below_ev_per_a: force on the band from which on the highest image climbs; infinite: from the beginning.
        crystal_tolerance_ev_per_a: force at which the crystal is at rest.
        end_tolerance_ev_per_a: force at which the crystal with the hole is.
        band_tolerance_ev_per_a: force at which the band is.
        max_steps: of each relaxation and of a band.
        crystals: case ids; empty means the whole table.
    """

    fcc_repeats: int = 3
    hcp_repeats: tuple[int, int, int] = (3, 3, 2)
    n_images: int = 7
    climb_below_ev_per_a: float = 0.5
    crystal_tolerance_ev_per_a: float = 0.005
    end_tolerance_ev_per_a: float = 0.02
    band_tolerance_ev_per_a: float = 0.05
    max_steps: int = 500
    crystals: tuple[str, ...] = selection(())


def cases(settings: VacancySettings) -> list[Case]:
    """One case per element and lattice of the table, from the table's volume."""
    found = []
    for case_id in settings.crystals or table():
        symbol, lattice = case_id.split("-")
        crystal = primitive(symbol, lattice, table()[case_id][0].volume)
        found.append(_case(case_id, crystal, lattice, has_hops=hops_known(case_id)))
    return found


def structure_cases(structures: Sequence[tuple[str, Atoms]], settings: VacancySettings) -> list[Case]:
    """A user's crystals; raises BadInput, naming it, for one that is no element in fcc or hcp."""
    own = own_crystals(structures, NAME, "takes an atom out of", collection, is_rebuilt=True)
    known = {name: recognised(name, atoms) for name, atoms in own.items()}
    return [_case(name, crystal, lattice, has_hops=True) for name, (lattice, crystal) in known.items()]


def _case(case_id: str, crystal: Atoms, lattice: str, *, has_hops: bool) -> Case:
    return Case(
        benchmark=NAME,
        id=case_id,
        structures=Structures.from_atoms(crystal),
        inputs={"lattice": lattice, "has_hops": has_hops},
        elements=frozenset(crystal.numbers.tolist()),
        stratum=lattice,
    )


async def run(potential: Potential, case: Case, settings: VacancySettings, rng: np.random.Generator) -> Raw:
    """Crystal, pristine supercell, hole, ends of the hops, bands: each in one question for all that is alike."""
    lattice = case.inputs["lattice"]
    crystal = await potential.relax(
        case.structures,
        cell="free",
        optimiser="lbfgs",
        keep_symmetry=True,
        force_tolerance_ev_per_a=settings.crystal_tolerance_ev_per_a,
        max_steps=settings.max_steps,
    )
    vectors = crystal.structures.cells[0]
    lengths = np.linalg.norm(vectors, axis=1)
    if lattice == "hcp" and not _RATIOS[0] < lengths[2] / lengths[0] < _RATIOS[1]:
        raise Failure("exploded", f"the crystal left its lattice: c/a became {lengths[2] / lengths[0]:.3g}")
    perfect = supercell(crystal.structures[0], lattice, settings.fcc_repeats, settings.hcp_repeats)
    hoppers, ways = neighbours(perfect, lattice, layer=lengths[2] / 2)
    if not case.inputs["has_hops"]:
        hoppers, ways = [], ways[:0]
    pristine = await potential.evaluate([perfect], ("energy",))
    sites = Structures.from_atoms(vacancies(perfect, hoppers, ways))
    ends = await potential.relax(
        sites,
        optimiser="lbfgs",
        force_tolerance_ev_per_a=settings.end_tolerance_ev_per_a,
        max_steps=settings.max_steps,
    )
    shifts = _shifts(sites, ends.structures)
    if shifts.max() > _LARGEST_SHIFT * lengths[0]:
        raise Failure("exploded", f"beside the vacancy an atom left its site by {shifts.max():.3g} Å: no such lattice")
    return Raw(
        {
            "cell": vectors,
            "crystal_energy": np.array(crystal.energy[0]),
            "n_atoms": np.array(len(perfect)),
            "pristine_energy": np.array(pristine.energies[0]),
            "hop": ways,
            "end_energy": ends.energy,
            "end_shift": shifts,
            **(await _paths(potential, ends.structures, settings)),
        }
    )


def _shifts(sites: Structures, relaxed: Structures) -> Floats:
    """[n_ends], Å, how far the atom went that went farthest; a common shift of all is none."""
    moved = (relaxed.positions - sites.positions).reshape(len(sites), -1, 3)
    moved = moved - moved.mean(axis=1, keepdims=True)
    shifts: Floats = np.linalg.norm(moved, axis=2).max(axis=1)
    return shifts


async def _paths(potential: Potential, ends: Structures, settings: VacancySettings) -> Mapping[str, Array]:
    """All bands in one question; a band that fails keeps its row."""
    n_images, n_hops = settings.n_images, len(ends) - 1
    images = [interpolated(ends[0], ends[row], n_images) for row in range(1, len(ends))]
    bands = await potential.elastic_band(
        Structures.concatenate(images),
        n_images=n_images,
        climb_below_ev_per_a=settings.climb_below_ev_per_a,
        optimiser="lbfgs",
        force_tolerance_ev_per_a=settings.band_tolerance_ev_per_a,
        max_steps=settings.max_steps,
        keep_failures=True,
    )
    for failure in bands.failures.values():
        if failure.kind not in _BAND_FAILURES:
            raise failure
    found = {row: _spline(bands, row, n_images) for row in range(n_hops) if row not in bands.failures}
    half_way = [Structures.displaced(ends[0], spline(_half_way(spline.x))) for spline in found.values()]
    between = await potential.evaluate(Structures.concatenate(half_way), ("energy", "forces"))
    paths = np.full((3, n_hops, 2 * n_images - 1), np.nan)
    for place, (row, spline) in enumerate(found.items()):
        answers = between.take(place * (n_images - 1), (place + 1) * (n_images - 1))
        paths[:, row] = _path(spline, bands, row, answers)
    return {
        "path_distance": paths[0],
        "path_energy": paths[1],
        "path_slope": paths[2],
        "band_steps": bands.n_steps,
        "band_failure": np.array(
            [_BAND_FAILURES[bands.failures[row].kind] if row in bands.failures else 0 for row in range(n_hops)],
            dtype=np.int64,
        ),
    }


def _spline(bands: Bands, row: int, n_images: int) -> CubicSpline:
    """Positions [n_atoms, 3] along a band, over the sum of its straight pieces, Å."""
    places = bands.structures.take(row * n_images, (row + 1) * n_images).positions.reshape(n_images, -1, 3)
    pieces = np.sqrt((np.diff(places, axis=0) ** 2).sum(axis=(1, 2)))
    return CubicSpline(np.concatenate([[0.0], pieces.cumsum()]), places)


def _half_way(distance: Floats) -> Floats:
    """Between neighbouring images: with them the work of the forces is known to a few thousandths of a barrier."""
    middle: Floats = (distance[1:] + distance[:-1]) / 2
    return middle


def _path(spline: CubicSpline, bands: Bands, row: int, between: Predictions) -> Floats:
    """[3, 2 n_images - 1]: Å along the path, eV, and eV/Å by the forces, of images and the points half-way."""
    images = bands.forces[row]
    assert images is not None  # of a band that did not fail
    distance = np.concatenate([spline.x, _half_way(spline.x)])
    energy = np.concatenate([bands.energy[row], between.energies])
    forces = np.concatenate([images, between.stacked_forces()])
    slope = -(forces * spline(distance, 1)).sum(axis=(1, 2))
    path: Floats = np.stack([distance, energy, slope])[:, distance.argsort()]
    return path


def collection(case_id: str) -> str:
    """The table that a crystal is of, else ``own``; metrics never mix them."""
    return "angsten-2014" if case_id in table() else "own"


def _curves(raw: Raw) -> list[Curve]:
    """The fitted path of each hop; empty where there is none."""
    found = []
    for row, name in enumerate(("first", "second")):
        x, y = np.zeros(0), np.zeros(0)
        if row < len(raw["hop"]) and not raw["band_failure"][row]:
            x, y = fitted(raw["path_distance"][row], raw["path_energy"][row], raw["path_slope"][row])
        found.append(Curve(name, x, y))
    return found


def _figure(analysis: Analysis) -> go.Figure:
    from forcegauge.benchmarks.properties.vacancy_figure import draw

    return draw(analysis)


def _arena(settings: VacancySettings) -> VacancySettings:
    """Cells, tolerances and climbing of the published code, as far as they make sense."""
    return replace(
        settings,
        fcc_repeats=3,
        hcp_repeats=(3, 3, 2),
        climb_below_ev_per_a=float("inf"),
        crystal_tolerance_ev_per_a=0.05,
        end_tolerance_ev_per_a=0.05,
    )


BENCHMARK = Benchmark(
    name=NAME,
    theme="properties",
    title="Vacancies",
    question="What does it cost to take an atom out of a metal, and to move its neighbour into the hole?",
    protocol="The primitive cell is relaxed with its symmetry kept, a supercell built, an atom taken out; the hole and "
    "the hole after the hop of a neighbour are relaxed in the fixed cell, each for itself. Formation energy: "
    "E(hole) - (N-1)/N E(pristine). The path begins by the image-dependent pair potential and becomes a climbing-image "
    "elastic band of seven images, ends included, by L-BFGS. Barrier: highest image above the first.",
    doc=__doc__ or "",
    presets={
        "smoke": VacancySettings(fcc_repeats=2, crystals=("Cu-fcc",)),
        "quick": VacancySettings(fcc_repeats=2, crystals=("Al-fcc", "Cu-fcc", "Ni-fcc", "Mg-hcp", "Ti-hcp", "Zr-hcp")),
        "full": VacancySettings(),
    },
    modes={"default": lambda settings: settings, "arena": _arena},
    needs=("energy", "forces", "stress"),
    cases=cases,
    structure_cases=structure_cases,
    run=run,
    analyse=analyse,
    metrics={"default": METRICS, "arena": ARENA_METRICS},
    schema={
        "cell": "[3, 3] Å, of the relaxed primitive cell",
        "crystal_energy": "[] eV, of the primitive cell",
        "n_atoms": "[] atoms in the pristine supercell",
        "pristine_energy": "[] eV, of the pristine supercell",
        "hop": "[n_hops, 3] Å, way of the hopping atom in the lattice; fcc: nearest; hcp: in the plane, out of it",
        "end_energy": "[1 + n_hops] eV, of the hole, and of it after each hop",
        "end_shift": "[1 + n_hops] Å, of the atom that relaxed farthest",
        "path_distance": "[n_hops, n_points] Å, in the space of all atoms, of the images (every other point, from the "
        "first) and of the points half-way between; NaN for a band that failed",
        "path_energy": "[n_hops, n_points] eV, likewise",
        "path_slope": "[n_hops, n_points] eV/Å, minus the forces along the path, likewise",
        "band_steps": "[n_hops] steps taken",
        "band_failure": "[n_hops] 0 for none, 1 not converged, 2 exploded, 3 not finite",
    },
    references=references,
    figure=_figure,
    collection=collection,
    explorer=Explorer(
        choose="crystal",
        x_title="path",
        panels={
            "first": "hop in fcc, or in the plane of hcp (eV)",
            "second": "hop out of the plane of hcp (eV)",
        },
        curves=_curves,
    ),
    run_version=1,
    analysis_version=1,
)
