"""The other side of a measurement: calls inside the model's environment, one per line of standard input.

A line is ``HOW WHAT PROPERTIES``: ``own`` loops over the package's own ASE calculator, ``bare`` calls our adapter once;
WHAT names a list of structures of this file. The answer is a line of JSON: seconds, energies, peak memory in bytes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

from measure_batching import ADAPTERS, THREADS, diatomics, package_calculator, volumes


def single() -> list[Atoms]:
    """One structure of 64 atoms, rattled."""
    return cells(1)


def cells(count: int = 16) -> list[Atoms]:
    """Structures of 64 atoms, rattled."""
    made = []
    for seed in range(count):
        atoms = bulk("Si", cubic=True) * (2, 2, 2)
        atoms.rattle(0.05, seed=seed)
        made.append(atoms)
    return made


def many_diatomics() -> list[Atoms]:
    """Eighty scans, the first three those of ``diatomics``."""
    first = diatomics()
    made = list(first)
    for number in [one for one in range(1, 84) if one not in (8, 14, 26)][:77]:
        for atoms in first[:100]:
            made.append(Atoms([number] * 2, positions=atoms.positions, cell=atoms.cell, pbc=True))
    return made


def many_volumes() -> list[Atoms]:
    """Twenty crystals at 21 strains, the first five those of ``volumes``."""
    made = list(volumes())
    for symbol in ("Cu", "Ni", "Ag", "Au", "Pt", "Pd", "W", "Mo", "V", "Ta", "Nb", "Cr", "C", "Ge", "Pb"):
        for strain in np.linspace(-0.2, 0.2, 21):
            atoms = bulk(symbol)
            atoms.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
            made.append(atoms)
    return made


LISTS: dict[str, Callable[[], list[Atoms]]] = {
    "single": single,
    "cells": cells,
    "diatomics": diatomics,
    "volumes": volumes,
    "many-diatomics": many_diatomics,
    "many-volumes": many_volumes,
}


class Package:
    """The process in the model's environment, held by the measuring one.

    Args:
        name: of the model.
        python: interpreter of its environment.
        source: folder that holds ForceGauge's source.
    """

    def __init__(self, name: str, python: Path, source: Path) -> None:
        path = os.pathsep.join([str(source), str(Path(__file__).parent)])
        self._process = subprocess.Popen(
            [str(python), __file__, name],
            env={**os.environ, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(THREADS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, how: str, what: str, *properties: str) -> dict[str, Any]:
        """Seconds, energies and peak memory of one way to compute one list."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(how, what, *properties, file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def serve(name: str) -> None:
    """Answer until the input ends."""
    from forcegauge.models.base import load
    from forcegauge.models.guard import guarded_evaluate
    from forcegauge.structures import Structures

    out, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    model = load({"adapter": ADAPTERS[name], "threads": THREADS, "device": "cpu"}).model
    calculator = package_calculator(name)
    for line in sys.stdin:
        how, what, *properties = line.split()
        structures = LISTS[what]()
        packed = Structures.from_atoms(structures)
        start = time.perf_counter()
        if how == "bare":
            energies = guarded_evaluate(model, packed, frozenset(properties)).energies
        else:
            energies = []
            for atoms in structures:
                atoms.calc = calculator
                calculator.reset()
                energies.append(float(atoms.get_potential_energy()))
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer = {"seconds": seconds, "energies": np.asarray(energies).tolist(), "peak": peak}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
