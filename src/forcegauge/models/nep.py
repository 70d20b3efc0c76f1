"""Neuroevolution potentials (Fan et al. 2021, doi:10.1103/PhysRevB.104.104309), through calorine's CPU code.

That code holds one structure at a time and reads its parameters anew whenever the number of atoms changes, half a
second for a large model; here one copy stays for each of the sizes last seen. One pass gives energy, forces and stress.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from forcegauge.errors import BadInput, Failure
from forcegauge.models.ase_calculator import AseModel
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("calorine", "numpy", "scipy", "ase")

_SIZES_KEPT = 16  # each holds the parameters of its own, 20 MB for a model of 89 elements


class NepModel:
    """A neuroevolution potential behind the face of a model.

    Args:
        path: of its ``nep.txt``.
        identity: SHA-256 of that file.
    """

    def __init__(self, path: Path, identity: str) -> None:
        from calorine.calculators import CPUNEP

        def made(n_atoms: int) -> AseModel:
            return AseModel(CPUNEP(str(path)))

        self.identity = identity
        self._of_size = lru_cache(_SIZES_KEPT)(made)
        self.capabilities = Capabilities(
            **_header(path),
            properties=("energy", "forces", "stress"),
            needs_cell=True,  # the code takes every cell for periodic
            is_conservative=True,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """One call of the calculator per structure."""
        return [
            answer
            for row, n_atoms in enumerate(structures.n_atoms.tolist())
            for answer in self._of_size(n_atoms).evaluate(structures.take(row, row + 1), properties)
        ]


def _header(path: Path) -> dict[str, Any]:
    """Elements and radial cut-off (Å) of a ``nep.txt``."""
    found: dict[str, Any] = {}
    with path.open(encoding="ascii", errors="replace") as file:
        for line in (file.readline().split() for _ in range(8)):
            if line[:1] and line[0].startswith("nep"):
                found["elements"] = tuple(sorted(atomic_numbers.get(symbol, 0) for symbol in line[2:]))
            if line[:1] == ["cutoff"]:
                found["cutoff_angstrom"] = float(line[1])
    if set(found) != {"elements", "cutoff_angstrom"} or 0 in found["elements"]:
        raise BadInput(f"{path} is no neuroevolution potential: its head names no elements or no cutoff")
    return found


def load(path: Path, identity: str, *, device: str = "cpu", threads: int | None = None) -> NepModel:
    """The potential in a ``nep.txt``, a table of plain numbers; it runs on the CPU.

    ``threads`` count where the code was compiled with OpenMP.
    """
    return NepModel(path, identity)
