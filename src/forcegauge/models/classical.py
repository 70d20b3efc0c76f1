"""Classical potentials of bonds and angles: Stillinger-Weber of matscipy and Tersoff of Atomistica.

Both packages compute energy, forces and stress in one compiled or vectorised pass, which cannot be taken apart.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ase import Atoms

from forcegauge.errors import Failure, UnknownName
from forcegauge.models.ase_calculator import AseModel
from forcegauge.potential import Prediction
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("matscipy", "atomistica", "numpy", "scipy", "ase")


class ClassicalModel(AseModel):
    """A package's calculator that wants a cell even where nothing is periodic, and gets one there.

    Args:
        calculator: of the package.
        elements: atomic numbers that it has parameters for.
        identity: names formula and parameters.
        cutoff_angstrom: the longest bond.
    """

    def __init__(self, calculator: Any, elements: tuple[int, ...], identity: str, cutoff_angstrom: float) -> None:
        given = ("energy", "forces", "stress")
        super().__init__(calculator, elements=elements, identity=identity, is_conservative=True, properties=given)
        self.capabilities = replace(self.capabilities, cutoff_angstrom=cutoff_angstrom)

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """One call of the calculator per structure."""
        return [self._evaluate_one(self._in_cell(atoms), properties) for atoms in structures]

    def _in_cell(self, atoms: Atoms) -> Atoms:
        if atoms.cell.rank < 3:
            periodic = atoms.pbc.copy()
            atoms.center(vacuum=self.capabilities.cutoff_angstrom, axis=[k for k in range(3) if not periodic[k]])
            atoms.pbc = periodic
        return atoms


def stillinger_weber() -> ClassicalModel:
    """Silicon after Stillinger and Weber 1985, doi:10.1103/PhysRevB.31.5262."""
    from matscipy.calculators.manybody import Manybody
    from matscipy.calculators.manybody.explicit_forms.stillinger_weber import (
        Stillinger_Weber_PRB_31_5262_Si,
        StillingerWeber,
    )

    parameters = Stillinger_Weber_PRB_31_5262_Si
    calculator = Manybody(**StillingerWeber(parameters))
    return ClassicalModel(calculator, (14,), "Stillinger-Weber PRB 31 5262 Si", parameters["a"] * parameters["sigma"])


def tersoff() -> ClassicalModel:
    """Silicon and carbon after Tersoff 1989, doi:10.1103/PhysRevB.39.5566."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # it opens a log file where it stands
        from atomistica import Tersoff
    from atomistica.parameters import Tersoff_PRB_39_5566_Si_C

    parameters = Tersoff_PRB_39_5566_Si_C
    return ClassicalModel(Tersoff(**parameters), (6, 14), "Tersoff PRB 39 5566 Si-C", max(parameters["r2"]))


POTENTIALS: dict[str, Callable[[], ClassicalModel]] = {"stillinger-weber": stillinger_weber, "tersoff": tersoff}


def load(potential: str, *, device: str = "cpu", threads: int | None = None) -> ClassicalModel:
    """The classical potential of that name; they run on one thread of the CPU whatever is asked."""
    if potential not in POTENTIALS:
        raise UnknownName("classical potential", potential, POTENTIALS)
    return POTENTIALS[potential]()
