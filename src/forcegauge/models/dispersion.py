"""Grimme's D3 dispersion with Becke-Johnson damping (doi:10.1002/jcc.21759), added to a model that was trained without.

Pairs only, as plane-wave codes add it to a functional; computed by the Fortran library behind the package ``dftd3``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Protocol

from ase import Atoms
from ase.units import Bohr, Hartree

from forcegauge.errors import BadInput, Failure
from forcegauge.potential import Capabilities, Model, Prediction
from forcegauge.structures import Structures

PACKAGES = ("dftd3",)
OPTION = "d3"
"""Name of the option that holds the functional; any family's model takes it."""

_PAIRS_BOHR, _TRIPLES_BOHR, _NEIGHBOURS_BOHR = 60.0, 40.0, 40.0  # the library's own; no triples are computed
CUTOFF_ANGSTROM = _PAIRS_BOHR * Bohr
"""How far an atom feels another; its coordination, which scales that, is counted up to 40 bohr."""


class _Identified(Model, Protocol):
    identity: str


class DispersionCorrected:
    """A model plus D3(BJ).

    Args:
        model: what the dispersion is added to.
        functional: whose damping parameters, by the library's name: ``pbe``, ``r2scan``...
        threads: of the CPU.
    """

    def __init__(self, model: _Identified, functional: str, threads: int | None = None) -> None:
        if threads:
            os.environ["OMP_NUM_THREADS"] = str(threads)  # read once, when the library is loaded
        from dftd3.interface import RationalDampingParam

        try:
            self._damping = RationalDampingParam(method=functional)
        except RuntimeError as error:
            raise BadInput(f"D3(BJ) has no parameters for the functional {functional}: {error}") from error
        self.model = model
        self.identity = model.identity
        # Batches are cut by the graph of the model: dispersion goes one structure at a time and holds no gradient.
        graph = model.capabilities.graph_cutoff_angstrom or model.capabilities.cutoff_angstrom
        self.capabilities: Capabilities = replace(
            model.capabilities, cutoff_angstrom=CUTOFF_ANGSTROM, graph_cutoff_angstrom=graph
        )

    @property
    def edge_cap(self) -> float:
        """Of the model, where it has one."""
        return float(self.model.edge_cap)  # type: ignore[attr-defined]

    @edge_cap.setter
    def edge_cap(self, cap: float) -> None:
        self.model.edge_cap = cap  # type: ignore[attr-defined]

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """The model's predictions with the dispersion of each structure added."""
        answers = self.model.evaluate(structures, properties)
        if not properties & {"energy", "forces", "stress"}:
            return list(answers)
        return [
            answer if isinstance(answer, Failure) else self._added(answer, atoms)
            for answer, atoms in zip(answers, structures, strict=True)
        ]

    def _added(self, answer: Prediction, atoms: Atoms) -> Prediction:
        found = self._solve(atoms, gradient=answer.forces is not None or answer.stress is not None)
        energy, forces, stress = answer.energy, answer.forces, answer.stress
        if energy is not None:
            energy += float(found["energy"]) * Hartree
        if forces is not None:
            forces = forces - found["gradient"] * Hartree / Bohr
        if stress is not None:
            stress = stress + found["virial"] * Hartree / atoms.get_volume()
        return Prediction(energy, forces, stress, answer.magmoms)

    def _solve(self, atoms: Atoms, gradient: bool) -> Any:
        from dftd3.interface import DispersionModel

        cell = atoms.cell.complete().array / Bohr if atoms.pbc.any() else None
        model = DispersionModel(atoms.numbers, atoms.positions / Bohr, cell, atoms.pbc if cell is not None else None)
        model.set_realspace_cutoff(_PAIRS_BOHR, _TRIPLES_BOHR, _NEIGHBOURS_BOHR)
        return model.get_dispersion(self._damping, grad=gradient)
