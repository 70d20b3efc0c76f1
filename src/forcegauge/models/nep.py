"""Neuroevolution potentials (Fan et al. 2021, doi:10.1103/PhysRevB.104.104309), through calorine's CPU code.

That code holds one structure at a time. The package's own calculator makes it read all parameters anew for each new
structure, half a second for a large model; here one copy stays for each of the sizes last seen and is given new
positions. One pass gives energy, forces and stress.
"""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from forcegauge.errors import BadInput
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
        self.identity = identity
        self._path = str(path)
        self._of_size = lru_cache(_SIZES_KEPT)(self._made)
        self.capabilities = Capabilities(
            **_header(path),
            properties=("energy", "forces", "stress"),
            needs_cell=True,  # the code takes every cell for periodic
            is_conservative=True,
        )
        self._of_size(1)  # a file that cannot be read must show now, not at the first question

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """One pass of the compiled code per structure."""
        return [self._evaluate_one(atoms, properties) for atoms in structures]

    def _evaluate_one(self, atoms: Atoms, properties: frozenset[str]) -> Prediction:
        code = self._of_size(len(atoms))
        code.set_symbols(atoms.get_chemical_symbols())
        code.set_cell(atoms.cell.array.T.ravel().tolist())
        code.set_positions(atoms.positions.T.ravel().tolist())
        energies, forces, virials = (np.array(found) for found in code.get_potential_forces_and_virials())
        virial = virials.reshape(9, -1).sum(axis=1).reshape(3, 3)
        stress = -(virial + virial.T) / (2 * atoms.get_volume())
        return Prediction(
            energy=float(energies.sum()) if "energy" in properties else None,
            forces=forces.reshape(3, -1).T.copy() if "forces" in properties else None,
            stress=stress if "stress" in properties else None,
        )

    def _made(self, n_atoms: int) -> Any:
        from _nepy import NEPY  # the compiled part of calorine

        nowhere = [0.0] * (3 * n_atoms)  # the structure comes with each question
        with contextlib.redirect_stdout(io.StringIO()):
            return NEPY(self._path, n_atoms, np.eye(3).ravel().tolist(), ["H"] * n_atoms, nowhere, [1.0] * n_atoms)


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
    """The potential in a ``nep.txt``, a table of plain numbers; it runs on one thread of the CPU whatever is asked."""
    return NepModel(path, identity)
