"""The metrics of the benchmark ``conformance``."""

from __future__ import annotations

from forcegauge.records import Metric

_SAME = (
    ("rotation", "Rotation", "turned together with its cell"),
    ("translation", "Translation", "shifted, or with atoms replaced by their periodic images"),
    ("permutation", "Permutation", "with its atoms listed in another order"),
    ("inversion", "Inversion", "mirrored in a point"),
    ("extensivity", "Extensivity", "repeated as a supercell, or with a copy 50 Å away"),
    ("batch", "Company in the batch", "asked together with others instead of alone"),
    ("repeat", "Repeated question", "asked again"),
)


def _same(check: str, title: str, how: str) -> tuple[Metric, Metric]:
    """The two metrics of a check that asks for equal answers."""
    energy = Metric(
        key=f"{check}-energy",
        title=f"{title}: energy",
        unit="eV/atom",
        direction="lower",
        ideal=0.0,
        good=1e-5,
        bad=1e-3,
        reason="1e-5 eV/atom is ten times the rounding of single precision; 1e-3 is the convergence of DFT, so beyond "
        "it the answer depends on how one asks more than on how the reference was computed.",
        score=f"{check}_energy",
        aggregate="mean",
        description=f"Largest change of the energy per atom of a structure {how}.",
    )
    force = Metric(
        key=f"{check}-force",
        title=f"{title}: forces",
        unit="eV/Å",
        direction="lower",
        ideal=0.0,
        good=1e-4,
        bad=0.02,
        reason="1e-4 eV/Å is ten times the rounding of single precision; 0.02 is a tight relaxation's tolerance, which "
        "could not be met.",
        score=f"{check}_force",
        aggregate="mean",
        description=f"Largest change of a force's component, turned along, of a structure {how}.",
    )
    return energy, force


METRICS = (
    Metric(
        key="force-consistency",
        title="Forces against the energy",
        unit="eV/Å",
        direction="lower",
        ideal=0.0,
        good=2e-3,
        bad=0.02,
        reason="Differences of an energy in single precision are sure to 1e-3 eV/Å; 0.02 eV/Å is a fifth of the force "
        "error of a good universal potential, and dynamics drifts visibly.",
        score="force_consistency",
        aggregate="mean",
        description="Largest |F + dE/dx| over some coordinates of every structure, less the doubt of the derivative.",
    ),
    Metric(
        key="stress-consistency",
        title="Stress against the energy",
        unit="GPa",
        direction="lower",
        ideal=0.0,
        good=0.02,
        bad=0.5,
        reason="0.02 GPa is what single precision leaves in a small cell; 0.5 GPa moves a lattice constant by a "
        "thousandth in a crystal of 150 GPa.",
        score="stress_consistency",
        aggregate="mean",
        description="Largest |stress - dE/dstrain / V| over six strains of every solid, less the doubt of the "
        "derivative.",
    ),
    Metric(
        key="nonsense-elements",
        title="Elements without sense",
        unit="",
        direction="lower",
        ideal=0.0,
        good=0.0,
        bad=0.2,
        reason="An element that the model says it knows must at least repel and be felt.",
        score="nonsense",
        aggregate="proportion",
        description="Share of the answering elements whose pair curve is not finite, flat within 0.01 eV, deeper than "
        "30 eV, or without a wall: between half a covalent bond and a whole one it never rises by 1 eV.",
    ),
    Metric(
        key="sizes-answered",
        title="Sizes answered",
        unit="",
        direction="higher",
        ideal=1.0,
        good=1.0,
        bad=0.5,
        reason="A potential that fails for an isolated atom or a slab cannot be used for cohesion or surfaces.",
        score="sizes_answered",
        aggregate="mean",
        description="Share of: one atom, two atoms, molecule, slab, small crystal, crystal of 200 atoms.",
    ),
    Metric(
        key="energy-jump",
        title="Energy jump",
        unit="eV",
        direction="lower",
        ideal=0.0,
        good=1e-4,
        bad=0.01,
        reason="1e-4 eV is rounding in single precision; at 0.01 eV each crossing of a neighbour changes the energy of "
        "a simulation by half of kT at 120 K.",
        score="energy_jump",
        aggregate="mean",
        description="Largest step of the energy within 1e-4 Å while an atom leaves a cluster past the cut-off.",
    ),
    Metric(
        key="force-jump",
        title="Force jump",
        unit="eV/Å",
        direction="lower",
        ideal=0.0,
        good=1e-3,
        bad=0.05,
        reason="Larger jumps than 0.05 eV/Å are seen by a relaxation as a minimum that is none.",
        score="force_jump",
        aggregate="mean",
        description="Largest step of the leaving atom's force within 1e-4 Å.",
    ),
    Metric(
        key="net-force",
        title="Net force",
        unit="eV/Å",
        direction="lower",
        ideal=0.0,
        good=1e-4,
        bad=0.02,
        reason="As for the changes of forces: a net force pushes the whole structure away.",
        score="net_force",
        aggregate="mean",
        description="Largest component of the sum of forces over the number of atoms.",
    ),
    *(metric for check in _SAME for metric in _same(*check)),
)
