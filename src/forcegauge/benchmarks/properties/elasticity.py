"""How stiff is a crystal against every small strain?

Why it matters: elastic constants decide sound, deformation, cracks and the stability of a crystal itself. They are
curvatures of the energy, so potentials that were trained near rest only tend to be too soft, and a stress that is not
the derivative of the energy shows.

Source: stress against strain with relaxed ions, as the Materials Project does it (de Jong et al. 2015,
doi:10.1038/sdata.2015.9), with tighter tolerances and with the symmetry of the crystal. Moduli of 3,953 binary
compounds from there, as MatCalc's benchmark collects them; for built-in crystals a small table, PBE for
compounds and measured for elements, with its sources.

Cases: built-in crystals by name, such as ``MgO-rocksalt`` (presets smoke and quick), binary compounds by their id in
the Materials Project, such as ``mp-1265`` (preset full), or a user's own, which have no reference.

Strains: Lagrangian ones, answered by second Piola-Kirchhoff stresses, so that a residual stress does no harm; its
value at zero strain drops out of the central differences. They are ±0.5 % and ±1 %, as in the reference. Measured on
the built-in crystals: with SevenNet-0 slopes at 0.25 % and 0.5 % differ by 0.06 % (median), so rounding does no
harm, and those at 0.5 % and 1 % by 0.2 %, so the response is still linear. CHGNet's differ by 5 % at any of these
sizes: its energy is that uneven, which the disagreement of both strains reports.

Cost: one relaxation of the cell, then the ions of 9 (cubic) to 25 (triclinic) strained copies, all in one question.
Low symmetry and many ions are dear: the quick preset takes CHGNet some 20 s of two cores, a cell of 40 atoms alone a
minute. So the full one takes 300 of the compounds, every kind in its share, and no cell above 20 atoms, which leaves
out one in twenty-five; ``--budget`` takes fewer.

A perfect model scores: no error of the moduli, a ratio of 1 to PBE, every crystal stable, strained copies that agree
with each other, with the crystal's symmetry, and with the energy.

Known weaknesses: the reference of built-in elements is a measurement near room temperature, often 5 to 10 % off what
PBE gives at rest. References at PBE do not suit a model of another functional. Magnetic order is left to the
model. The Materials Project's tensors were made with looser tolerances; a few per cent of any error are theirs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from forcegauge.benchmarks.properties.elasticity_cases import Published, built_in_names, stratum, subset
from forcegauge.benchmarks.properties.elasticity_metrics import METRICS
from forcegauge.metrics.elasticity import (
    SOFTEST_GPA,
    central_slopes,
    fitted_stiffness,
    independent_strains,
    invariant_stiffnesses,
    mandel,
    moduli,
    piola_kirchhoff,
    softest,
    stretch,
    tensor,
    work_mismatch,
)
from forcegauge.potential import Potential
from forcegauge.records import Case, Failure, Raw
from forcegauge.structures import Structures
from forcegauge.units import EV_PER_A3_IN_GPA

if TYPE_CHECKING:
    import plotly.graph_objects as go

NAME = "elasticity"
_FEW = ("Al-fcc", "Cu-fcc", "Mo-bcc", "NaCl-rocksalt", "GaAs-zincblende", "AlN-wurtzite", "TiO2-rutile")
_STEPS = np.array([-2.0, -1.0, 1.0, 2.0])
"""The strains along one direction, in units of the setting ``strain``."""
SYMMETRY_TOLERANCE_A = 1e-3
"""Å. The relaxation has put every atom in its place; what is farther off has not got the symmetry."""


@dataclass(frozen=True)
class ElasticitySettings(Settings):
    """How crystals are relaxed and strained, and which.

    Args:
        strain: the smaller of the two sizes, as a fraction; the larger is twice as much.
        force_tolerance_ev_per_a: no force is above it in the end, on atoms and, before the strains, on the cell.
        max_steps: of each relaxation.
        dataset: the dataset that the crystals come from.
        crystals: their names; empty means all of the dataset.
        n_crystals: so many, every stratum in its share; 0 means all.
        max_atoms: larger cells are left out; 0 means none.
    """

    strain: float = 0.005
    force_tolerance_ev_per_a: float = 1e-3
    max_steps: int = 500
    dataset: str = selection("prototypes")
    crystals: tuple[str, ...] = selection(())
    n_crystals: int = selection(0)
    max_atoms: int = selection(0)


def cases(settings: ElasticitySettings) -> list[Case]:
    """One case per crystal; its id is the crystal's name. May fetch the dataset."""
    from forcegauge.datasets import registry

    wanted = frozenset(settings.crystals)
    crystals = [
        atoms
        for atoms in registry.get(settings.dataset).structures()
        if (not wanted or atoms.info["name"] in wanted) and len(atoms) <= (settings.max_atoms or len(atoms))
    ]
    return [_case(atoms.info["name"], atoms) for atoms in subset(crystals, settings.n_crystals)]


def structure_cases(structures: Sequence[tuple[str, Atoms]], settings: ElasticitySettings) -> list[Case]:
    """A user's crystals; raises BadInput, naming it, for a structure that is not periodic in all three directions."""
    return [_case(name, atoms) for name, atoms in own_crystals(structures, NAME, "strains", collection).items()]


def _case(name: str, atoms: Atoms) -> Case:
    elements = frozenset(atoms.numbers.tolist())
    return Case(NAME, name, Structures.from_atoms(atoms), elements=elements, stratum=stratum(atoms))


async def run(potential: Potential, case: Case, settings: ElasticitySettings, rng: np.random.Generator) -> Raw:
    """Stress and energy of the relaxed crystal and of its strained copies, their ions relaxed.

    Raises the failure of a strained copy where neither size of strain has both its signs along some direction.
    """
    tolerance, steps = settings.force_tolerance_ev_per_a, settings.max_steps
    rest = await potential.relax(
        case.structures,
        cell="free",
        optimiser="lbfgs",
        keep_symmetry=True,
        force_tolerance_ev_per_a=tolerance,
        max_steps=steps,
    )
    crystal, rotations = in_standard_setting(rest.structures[0])
    chosen = np.array(independent_strains(invariant_stiffnesses(rotations)))
    directions = tensor(np.eye(6)[chosen])
    strains = np.concatenate(
        [np.zeros((1, 3, 3)), (settings.strain * _STEPS[None, :, None, None] * directions[:, None]).reshape(-1, 3, 3)]
    )
    # Symmetry is not kept here: the strain is smaller than the tolerance that looks for it, and would be averaged away.
    settled = await potential.relax(
        [_strained(crystal, gradient) for gradient in stretch(strains)],
        optimiser="lbfgs",
        force_tolerance_ev_per_a=tolerance,
        max_steps=steps,
        keep_failures=True,
    )
    answer = await potential.evaluate(settled.structures, ("energy", "stress"), keep_failures=True)
    failures = {**answer.failures, **settled.failures}
    state = np.array([2 * (row in answer.failures) or int(row in settled.failures) for row in range(len(strains))])
    _raise_if_undetermined(state, failures)
    assert answer.stress is not None  # it was asked for
    return Raw(
        {
            "strain": strains,
            "stress": np.where((state == 0)[:, None, None], answer.stress, np.nan),
            "energy": np.where(state == 0, answer.energies, np.nan),
            "state": state,
            "rotations": rotations,
            "cell": crystal.cell.array,
            "n_atoms": np.array(len(crystal)),
        }
    )


def _strained(crystal: Atoms, gradient: np.ndarray) -> Atoms:
    strained = crystal.copy()
    strained.set_cell(crystal.cell.array @ gradient.T, scale_atoms=True)
    return strained


def _raise_if_undetermined(state: np.ndarray, failures: dict[int, Failure]) -> None:
    sound = (state[1:] == 0).reshape(-1, 4)
    for row, (both, ends) in enumerate(zip(sound[:, 1:3].all(axis=1), sound[:, [0, 3]].all(axis=1), strict=True)):
        if not both and not ends:
            raise failures[min(place for place in failures if (place - 1) // 4 == row and place > 0)]


def in_standard_setting(crystal: Atoms) -> tuple[Atoms, np.ndarray]:
    """A crystal turned into the standard setting of its space group, and its point group.

    Rotations are [n_operations, 3, 3], Cartesian. Cubic axes lie along x, y and z, the threefold or sixfold axis along
    z with a along x, a monoclinic one along y.
    """
    import spglib

    moments = crystal.get_initial_magnetic_moments().reshape(len(crystal), -1)
    kinds = np.unique(np.column_stack([crystal.numbers, moments]), axis=0, return_inverse=True)[1].reshape(-1)
    with warnings.catch_warnings():  # of an error handling to come, with which None becomes an exception
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_symmetry_dataset(
            (crystal.cell.array, crystal.get_scaled_positions(), kinds), symprec=SYMMETRY_TOLERANCE_A
        )
    if found is None:  # spglib gives up on overlapping atoms
        return crystal.copy(), np.eye(3)[None]
    turn, _, other = np.linalg.svd(found.std_rotation_matrix)  # a rotation but for the last digits
    turned = crystal.copy()
    turned.set_cell(crystal.cell.array @ (turn @ other).T, scale_atoms=True)
    columns = turned.cell.array.T
    point_group = np.unique(found.rotations, axis=0)  # a centred cell lists each one several times
    return turned, columns @ point_group @ np.linalg.inv(columns)


def analyse(outcomes: Outcomes, references: References, settings: ElasticitySettings, mode: Mode) -> Scores:
    """Scores of every crystal that has a stiffness; those of the moduli need a reference."""
    return {
        case_id: _scores(raw, references.get(case_id), settings.strain)
        for case_id, raw in outcomes.items()
        if isinstance(raw, Raw)
    }


def elastic_constants(raw: Raw, strain: float) -> tuple[np.ndarray, dict[str, float]]:
    """The stiffness [6, 6] of a record in Mandel's notation, GPa, and what its strained copies say of its worth."""
    directions = mandel(raw["strain"][1:]).reshape(-1, 4, 6)[:, 3] / (2.0 * strain)
    stress = mandel(piola_kirchhoff(raw["stress"], stretch(raw["strain"])))
    along = np.insert(stress[1:].reshape(-1, 4, 6), 2, stress[0], axis=1)
    energy = np.insert(raw["energy"][1:].reshape(-1, 4), 2, raw["energy"][0], axis=1)
    slopes, nonlinearity = central_slopes(along[:, [0, 1, 3, 4]], strain)
    stiffness, asymmetry = fitted_stiffness(directions, slopes, invariant_stiffnesses(raw["rotations"]))
    volume = float(abs(np.linalg.det(raw["cell"])))
    work = volume * np.einsum("nsi,ni->ns", along, directions)
    return EV_PER_A3_IN_GPA * stiffness, {
        "nonlinearity": nonlinearity,
        "asymmetry": asymmetry,
        "work_mismatch": work_mismatch(energy, work, strain),
    }


def _scores(raw: Raw, reference: Mapping[str, Any] | None, strain: float) -> dict[str, float]:
    stiffness, quality = elastic_constants(raw, strain)
    bulk, shear, anisotropy = moduli(stiffness)
    published = reference or {"bulk": math.nan, "shear": math.nan}
    scores = {
        "bulk_modulus": bulk,
        "shear_modulus": shear,
        "anisotropy": anisotropy,
        "softest": softest(stiffness),
        "is_stable": float(softest(stiffness) > SOFTEST_GPA),
        "bulk_error": abs(bulk - published["bulk"]),
        "shear_error": abs(shear - published["shear"]),
        "bulk_ratio": bulk / published["bulk"],
        "shear_ratio": shear / published["shear"],
        **quality,
    }
    return {name: value if np.isfinite(value) else math.nan for name, value in scores.items()}  # one NaN equals itself


def collection(case_id: str) -> str:
    """The dataset that a crystal belongs to by its name, else ``own``; metrics never mix them."""
    from forcegauge.datasets import prototypes

    if case_id.startswith("mp-"):
        return "mp-binary-elasticity"
    return "prototypes" if case_id in prototypes.names() else "own"


def _curves(raw: Raw) -> list[Curve]:
    """Stress along a normal strain and along a shear, the residual stress taken off."""
    strain = mandel(raw["strain"])
    stress = mandel(piola_kirchhoff(raw["stress"], stretch(raw["strain"]))) * EV_PER_A3_IN_GPA
    curves = []
    for name, axis in (("normal", np.abs(strain[:, :3]).sum(axis=0)), ("shear", np.abs(strain[:, 3:]).sum(axis=0))):
        component = int(axis.argmax()) + (3 if name == "shear" else 0)
        rows = np.flatnonzero((strain[:, component] != 0) | (np.arange(len(strain)) == 0))
        rows = rows[np.argsort(strain[rows, component])]
        curves.append(Curve(name, 100.0 * strain[rows, component], stress[rows, component] - stress[0, component]))
    return curves


def figure(analysis: Analysis) -> go.Figure:
    """How many crystals are how far from the reference and from consistency, one line per model."""
    from forcegauge.benchmarks.figures import Panel, exceedance

    panels = [
        Panel("bulk_ratio", "K / reference, off 1", ideal=1.0, floor=1e-2),
        Panel("shear_ratio", "G / reference, off 1", ideal=1.0, floor=1e-2),
        Panel("nonlinearity", "disagreement of both strains", floor=1e-4),
        Panel("work_mismatch", "energy against work", floor=1e-4),
        Panel("asymmetry", "misfit to the symmetry", floor=1e-4),
    ]
    return exceedance(analysis, panels, case="crystals")


BENCHMARK = Benchmark(
    name=NAME,
    theme="properties",
    title="Elastic constants",
    question="How stiff is a crystal against every small strain?",
    protocol="Cell and ions are relaxed to 0.001 eV/Å with the symmetry kept. Strains of ±0.5 % and ±1 % along the "
    "fewest directions that the symmetry allows; ions are relaxed in every strained cell. Second Piola-Kirchhoff "
    "stress against Lagrangian strain, central differences, fitted by the tensors that the point group allows; in GPa.",
    doc=__doc__ or "",
    presets={
        "smoke": ElasticitySettings(crystals=_FEW),
        "quick": ElasticitySettings(crystals=built_in_names()),
        "full": ElasticitySettings(dataset="mp-binary-elasticity", n_crystals=300, max_atoms=20),
    },
    modes={"default": lambda settings: settings},
    needs=("energy", "forces", "stress"),
    cases=cases,
    structure_cases=structure_cases,
    run=run,
    analyse=analyse,
    metrics={"default": METRICS},
    schema={
        "strain": "[1 + 4 n_directions, 3, 3] Lagrangian, the first zero, then -2, -1, 1, 2 times along each direction",
        "stress": "[n_strains, 3, 3] eV/Å³, Cauchy, tension positive, ions relaxed; NaN where a copy failed",
        "energy": "[n_strains] eV, of the cell; NaN where a copy failed",
        "state": "[n_strains] 0 sound, 1 the ions did not come to rest, 2 no stress",
        "rotations": "[n_operations, 3, 3] point group, Cartesian",
        "cell": "[3, 3] Å, relaxed, in the standard setting",
        "n_atoms": "[] atoms in the cell",
    },
    figure=figure,
    collection=collection,
    references=lambda settings: Published(),
    explorer=Explorer(
        choose="crystal",
        x_title="strain (%)",
        panels={"normal": "stress along a normal strain (GPa)", "shear": "stress along a shear (GPa)"},
        curves=_curves,
    ),
    run_version=1,
    analysis_version=1,
)
