"""Grimme's D3 dispersion with Becke-Johnson damping (doi:10.1002/jcc.21759), added to a model that was trained without.

Pairs only, as plane-wave codes add it to a functional; computed by the Fortran library behind the package ``dftd3``.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

from ase import Atoms
from ase.units import Bohr, Hartree

from forcegauge.errors import BadInput, Failure
from forcegauge.potential import Capabilities, Model, Prediction
from forcegauge.structures import Structures

PACKAGES = ("dftd3",)
OPTION = "d3"
"""Name of the option that holds the functional; any family's model takes it."""


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
        self.capabilities: Capabilities = model.capabilities

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
        return model.get_dispersion(self._damping, grad=gradient)
