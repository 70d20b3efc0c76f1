"""How much faster an adapter answers lists of structures than the package's own ASE calculator in a loop.

    PYTHONPATH=src PYTHON_OF_THE_ENVIRONMENT tools/measure_batching.py [chgnet] [sevennet-0]

Run it with the interpreter of the models' environment (`forcegauge models show chgnet` names its folder). The two ways
alternate within the run, three rounds each, and the medians are compared; read differences below 15 % as nothing.
"""

from __future__ import annotations

import contextlib
import io
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from forcegauge.models.base import load
from forcegauge.models.guard import guarded_evaluate
from forcegauge.structures import Structures

THREADS = 2
ROUNDS = 3
ADAPTERS = {"chgnet": "chgnet", "sevennet-0": "sevennet"}


def diatomics() -> list[Atoms]:
    """Three scans of 100 points in a box of 20 Å and more, so that images do not meet."""
    box = (20.0, 20.2, 20.4)
    return [
        Atoms([symbol] * 2, positions=[[0, 0, 0], [0, 0, distance]], cell=box, pbc=True)
        for symbol in ("Si", "O", "Fe")
        for distance in np.linspace(0.8, 6.0, 100)
    ]


def volumes() -> list[Atoms]:
    """Five crystals at 21 strains of ±20 % in length."""
    crystals = [
        bulk("Si"),
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("Fe"),
        bulk("Al"),
        bulk("ZnO", "wurtzite", a=3.25, c=5.2),
    ]
    scaled = []
    for crystal in crystals:
        for strain in np.linspace(-0.2, 0.2, 21):
            copy = crystal.copy()
            copy.set_cell(crystal.cell * (1 + strain), scale_atoms=True)
            scaled.append(copy)
    return scaled


def package_calculator(name: str) -> Calculator:
    """The calculator that a user of the package would take."""
    with contextlib.redirect_stdout(io.StringIO()):
        if name == "chgnet":
            from chgnet.model import CHGNet, CHGNetCalculator

            network = CHGNet.load(use_device="cpu", verbose=False)
            return CHGNetCalculator(network, use_device="cpu", on_isolated_atoms="ignore")
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator("7net-0", device="cpu")


def timed(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Seconds of wall time, and what came back."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def compare(name: str, what: str, structures: Sequence[Atoms], properties: frozenset[str]) -> None:
    """Print both speeds, their ratio and the largest difference of energies."""
    model = load({"adapter": ADAPTERS[name], "threads": THREADS, "device": "cpu"}).model
    calculator = package_calculator(name)

    def loop() -> np.ndarray:
        energies = []
        for atoms in structures:
            atoms.calc = calculator
            calculator.reset()
            energies.append(atoms.get_potential_energy())
        return np.array(energies, dtype=float)

    def batched() -> np.ndarray:
        return guarded_evaluate(model, Structures.from_atoms(structures), properties).energies

    batched()
    rounds = [(timed(loop), timed(batched)) for _ in range(ROUNDS)]
    slow, fast = (statistics.median(one[way][0] for one in rounds) for way in (0, 1))
    reference, ours = rounds[0][0][1], rounds[0][1][1]
    difference = np.abs(ours - reference)
    within = (difference <= 1e-4 + 1e-6 * np.abs(reference)).all()
    print(
        f"{name:11s} {what:34s} loop {len(structures) / slow:7.1f}/s  batched {len(structures) / fast:7.1f}/s  "
        f"ratio {slow / fast:5.1f}  largest energy difference {difference.max():.1e} eV "
        f"({'within' if within else 'BEYOND'} 1e-4 eV + 1e-6 |E|)  peak {_peak_gb():.1f} GB",
        flush=True,
    )


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Measure the models named on the command line, both where none is named."""
    warnings.simplefilter("ignore")
    for name in sys.argv[1:] or list(ADAPTERS):
        compare(name, "diatomics, energy and forces", diatomics(), frozenset({"energy", "forces"}))
        compare(name, "energy-volume, energy alone", volumes(), frozenset({"energy"}))
        compare(name, "energy-volume, energy and stress", volumes(), frozenset({"energy", "forces", "stress"}))


if __name__ == "__main__":
    main()
