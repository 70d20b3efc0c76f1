"""GFN2-xTB (Bannwarth et al. 2019, doi:10.1021/acs.jctc.8b01176), a semi-empirical method, through tblite.

The library gives the gradient with every energy and takes one molecule at a time. It samples the Γ point only, so a
crystal in a small cell would be another crystal: that is refused.
"""

from __future__ import annotations

import os
import traceback
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree

from forcegauge.errors import Failure, FailureKind, UnknownName
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("tblite", "numpy", "scipy", "ase")

_METHODS = ("GFN1-xTB", "GFN2-xTB")
_LAST_ELEMENT = 86  # radon
_SMALLEST_HEIGHT = 10.0  # Å; in a smaller periodic cell neighbouring images share orbitals


class XtbModel:
    """Extended tight binding, every structure from a fresh guess, so that no answer depends on the one before.

    Args:
        method: as the library names it.
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self.identity = f"tblite {method}"
        self.capabilities = Capabilities(
            elements=tuple(range(1, _LAST_ELEMENT + 1)),
            properties=("energy", "forces", "stress"),
            is_conservative=True,
            knows_charge=True,
            knows_spin=True,
            batch_cost=5_000.0,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """One self-consistent calculation per structure; charge and spin multiplicity are those of the structure."""
        return [
            self._evaluate_one(atoms, charge, properties)
            for atoms, charge in zip(structures, structures.net_charge.tolist(), strict=True)
        ]

    def _evaluate_one(self, atoms: Atoms, charge: float, properties: frozenset[str]) -> Prediction | Failure:
        heights = 1.0 / np.linalg.norm(np.linalg.inv(atoms.cell.complete().array), axis=0)
        if (heights[atoms.pbc] < _SMALLEST_HEIGHT).any():
            return Failure(
                "not_implemented",
                f"tblite samples the Γ point only: a periodic cell must be {_SMALLEST_HEIGHT:g} Å high or more",
            )
        try:
            found = self._solve(atoms, charge)
        except RuntimeError as error:
            text = str(error).strip() or type(error).__name__
            kind: FailureKind = "not_converged" if "converge" in text.lower() else "bug"
            return Failure(kind, text.splitlines()[0], traceback.format_exc())
        return Prediction(
            energy=float(found["energy"]) * Hartree if "energy" in properties else None,
            forces=-found["gradient"] * Hartree / Bohr if "forces" in properties else None,
            # Without periodicity the library gives no virial that belongs to a cell.
            stress=found["virial"] * Hartree / atoms.get_volume()
            if "stress" in properties and atoms.pbc.all()
            else None,
        )

    def _solve(self, atoms: Atoms, charge: float) -> Any:
        from tblite.interface import Calculator

        said = int(atoms.info.get("spin", 0))
        unpaired = said - 1 if said >= 1 else round(abs(atoms.get_initial_magnetic_moments().sum()))
        periodic = atoms.pbc.any()
        calculator = Calculator(
            self.method,
            atoms.numbers,
            atoms.positions / Bohr,
            charge,
            unpaired,
            atoms.cell.complete().array / Bohr if periodic else None,
            atoms.pbc if periodic else None,
        )
        calculator.set("verbosity", 0)
        return calculator.singlepoint()


def load(method: str = "GFN2-xTB", *, device: str = "cpu", threads: int | None = None) -> XtbModel:
    """The method of that name; it runs on the CPU."""
    if method not in _METHODS:
        raise UnknownName("tight-binding method", method, _METHODS)
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read once, when the library is loaded
    import tblite.interface  # noqa: F401  -- a library that is absent must show now, not at the first question

    return XtbModel(method)
