"""Seconds to relax crystals with free cell: ours against ASE's loop over the package's own calculator.

    FORCEGAUGE_MIRROR=DIR python tools/measure_relax.py [PARTS] [MODEL] [N_CRYSTALS] [OPTIMISER] [THREADS]

Crystals of the data set wbm-1000, evenly chosen, are dealt out to so many parts; for each part the three ways follow
one another: ASE (FrechetCellFilter, one crystal after the other) and ``load_model(...).relax``, each one process with
so many threads (two where not given), and a run of a benchmark that asks for one relaxation per case, with two workers
of one thread. Loading the model is in none of them. Optimiser, tolerance and largest number of steps are the same.
Energies must agree within 1e-4 eV/atom and cells within 1e-3 of their lengths.

Measure with one thread as well: where other work keeps the cores busy, two threads that wait for each other at every
small operation cost a loop several times its CPU time, and a ratio to that flatters us.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forcegauge.encoding import pack, unpack
from forcegauge.structures import Structures

TOLERANCE, MAX_STEPS = 0.05, 500
CORES = 2
OPTIMISERS = ("fire", "lbfgs")
ASKED = {"cell": "free", "force_tolerance_ev_per_a": TOLERANCE, "max_steps": MAX_STEPS}


@dataclass
class Way:
    """What one way has made of the crystals so far: seconds in all; energies per atom, cells and steps by crystal."""

    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.energies: list[float] = []
        self.cells: list[np.ndarray] = []
        self.steps: list[int] = []

    def add(self, seconds: float, energies: Any, cells: Any, steps: Any) -> None:
        """The answer to a part."""
        self.seconds += seconds
        self.energies += list(energies)
        self.cells += list(cells)
        self.steps += list(steps)


def serve(model: str, optimiser: str) -> None:
    """ASE's loop, in the model's environment: a file name on standard input, a line of JSON on standard output."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE, LBFGS

    from measure_batching import package_calculator

    out, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    calculator = package_calculator(model)
    take = {"fire": FIRE, "lbfgs": LBFGS}[optimiser]
    for line in sys.stdin:
        found: dict[str, list[Any]] = {"energies": [], "cells": [], "steps": []}
        structures = list(Structures.from_arrays(unpack(Path(line.strip()).read_bytes())))
        start = time.perf_counter()
        for atoms in structures:
            atoms.calc = calculator
            run = take(FrechetCellFilter(atoms), logfile=None)
            converged = run.run(fmax=TOLERANCE, steps=MAX_STEPS)
            found["energies"].append(float(atoms.get_potential_energy()) / len(atoms) if converged else None)
            found["cells"].append(atoms.cell.tolist())
            found["steps"].append(run.get_number_of_steps())
        print(json.dumps({"seconds": time.perf_counter() - start, **found}), file=out, flush=True)


class Loop:
    """The process in the model's environment."""

    def __init__(self, model: str, optimiser: str, threads: int) -> None:
        from forcegauge.models import environments, registry

        place = environments.ensure(registry.get(model).environment)
        path = os.pathsep.join([str(environments.source_copy()), str(Path(__file__).parent)])
        self._process = subprocess.Popen(
            [str(place.python), __file__, "serve", model, optimiser],
            env={**os.environ, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def relax(self, structures: Structures, into: Way) -> None:
        """One after the other."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(pack(structures.as_arrays()))
            print(file.name, file=self._process.stdin, flush=True)
            answer = json.loads(self._process.stdout.readline())
        energies = [np.nan if energy is None else energy for energy in answer["energies"]]
        into.add(answer["seconds"], energies, np.array(answer["cells"]), answer["steps"])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class Together:
    """``load_model(...).relax``, as a user has it."""

    def __init__(self, model: str, optimiser: str, threads: int) -> None:
        from forcegauge.runner.remote import load_model

        self._calculator = load_model(model, threads=threads)
        self._optimiser: Any = optimiser

    def relax(self, structures: Structures, into: Way) -> None:
        """All in one question."""
        start = time.perf_counter()
        found = self._calculator.relax(structures, optimiser=self._optimiser, keep_failures=True, **ASKED)
        seconds = time.perf_counter() - start
        into.add(seconds, found.energy / found.structures.n_atoms, found.structures.cells, found.n_steps)

    def close(self) -> None:
        """End its worker."""
        self._calculator.close()


class Run:
    """A run of a benchmark of one relaxation per case, with its store, checkpoints and a worker per core."""

    def __init__(self, model: str, optimiser: str, logs: Path) -> None:
        from forcegauge.runner.prepare import Resources, prepare_registered

        self._model = prepare_registered(model, Resources(threads=1, workers=CORES), logs, lambda text: None)
        self._optimiser = optimiser
        hired = [self._model.hire() for _ in range(CORES)]  # loading is not what is measured
        self._model.ready.extend(hired)

    def relax(self, structures: Structures, into: Way) -> None:
        """A case for each."""
        from forcegauge.records import Raw
        from forcegauge.results.store import Store
        from forcegauge.runner.execute import Execution, Limits
        from forcegauge.runner.plan import Chapter
        from forcegauge.runner.progress import Silent

        asked, settings, cases = _benchmark(structures, self._optimiser)
        with tempfile.TemporaryDirectory() as folder, Store.writer(Path(folder)) as store:
            start = time.perf_counter()
            tasks = Chapter(asked, settings, cases).tasks(self._model.identity, self._model.capabilities)
            store.add_plan(task.planned(self._model.name) for task in tasks)
            Execution(self._model, tasks, store, CORES, Limits(), Silent()).run()
            seconds = time.perf_counter() - start
            records = sorted(store.records(), key=lambda record: record.case_id)
        raws = [record.outcome for record in records]
        assert all(isinstance(raw, Raw) for raw in raws), raws
        into.add(seconds, *(np.concatenate([raw[name] for raw in raws]) for name in ("energy", "cell", "steps")))

    def close(self) -> None:
        """End its workers."""
        self._model.close()


def _benchmark(structures: Structures, optimiser: str) -> tuple[Any, Any, list[Any]]:
    """The smallest benchmark that asks for relaxations, its settings and its cases."""
    from forcegauge.benchmarks.base import Benchmark, Settings
    from forcegauge.records import Case, Raw

    async def answer(potential: Any, case: Any, settings: Any, rng: np.random.Generator) -> Raw:
        found = await potential.relax(case.structures, optimiser=optimiser, keep_failures=True, **ASKED)
        return Raw(
            {
                "energy": found.energy / found.structures.n_atoms,
                "cell": found.structures.cells,
                "steps": found.n_steps,
            }
        )

    cases = [Case("measure", f"{row:03d}", structures.take(row, row + 1)) for row in range(len(structures))]
    fields: dict[str, Any] = dict.fromkeys(("title", "question", "protocol", "doc"), "")
    asked = Benchmark(
        **fields,
        **dict.fromkeys(("structure_cases", "figure", "explorer")),
        name="measure",
        theme="speed",
        presets={"quick": Settings()},
        modes={"default": lambda settings: settings},
        needs=("energy", "forces", "stress"),
        cases=lambda settings: cases,
        run=answer,
        analyse=lambda *_: {},
        metrics={"default": ()},
        schema={"energy": "[1] eV/atom", "cell": "[1, 3, 3] Å", "steps": "[1]"},
        run_version=1,
        analysis_version=1,
    )
    return asked, Settings(), cases


def cpu_seconds() -> float:
    """Of this process and all below it so far: what others take from a busy machine does not count."""
    import psutil  # which the model's environment lacks

    me = psutil.Process()
    times = [one.cpu_times() for one in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def report(ways: list[Way], lengths: np.ndarray) -> None:
    """Seconds, ratios and differences from the first way."""
    first = ways[0]
    for way in ways:
        energies, expected = np.array(way.energies), np.array(first.energies)
        off = np.abs(energies - expected)
        strain = np.abs(np.array(way.cells) - np.array(first.cells)).max(axis=(1, 2)) / lengths
        both = np.isfinite(off)
        same = both & (off <= 1e-4) & (strain <= 1e-3)
        print(
            f"{way.name:28s} {way.seconds:7.1f} s, ratio {first.seconds / way.seconds:5.2f}; "
            f"CPU {way.cpu_seconds:.1f} s, ratio {first.cpu_seconds / way.cpu_seconds:5.2f}; "
            f"{sum(way.steps)} steps; {np.isfinite(energies).sum()} of {len(energies)} converged, "
            f"{both.sum()} in both, same minimum {same.sum()} of these; largest differences there "
            f"{off[both].max():.1e} eV/atom, {strain[both].max():.1e} of the lengths; "
            f"same number of steps {np.sum(np.array(way.steps) == np.array(first.steps))}",
            flush=True,
        )
        for row in np.nonzero(both & ~same)[0]:
            print(
                f"    crystal {row}: {energies[row]:.5f} against {expected[row]:.5f} eV/atom, cell {strain[row]:.1e}, "
                f"steps {way.steps[row]} against {first.steps[row]}"
            )


def measure(parts: int, model: str, n_crystals: int, optimiser: str, threads: int) -> None:
    """Print what the three ways need."""
    from forcegauge.datasets import registry

    listed = registry.get("wbm-1000").structures()
    chosen = [listed[row] for row in np.linspace(0, len(listed) - 1, n_crystals).round().astype(int)]
    shares = [Structures.from_atoms(chosen[part::parts]) for part in range(parts)]
    lengths = np.concatenate([np.linalg.norm(share.cells, axis=2).max(axis=1) for share in shares])
    with tempfile.TemporaryDirectory() as logs:
        names = ("ASE's loop", "load_model().relax", f"run, {CORES} workers")
        held = [
            (Way(names[0]), Loop(model, optimiser, threads)),
            (Way(names[1]), Together(model, optimiser, threads)),
            (Way(names[2]), Run(model, optimiser, Path(logs))),
        ]
        try:
            warm = Structures.from_atoms(chosen[:1])
            for _, doer in held:
                doer.relax(warm, Way("warm"))
            for share in shares:
                for way, doer in held:
                    before = cpu_seconds()
                    doer.relax(share, way)
                    way.cpu_seconds += cpu_seconds() - before
                    load = os.getloadavg()[0]
                    print(
                        f"  {way.name}: {len(way.energies)} crystals, {way.seconds:.1f} s, load {load:.1f}", flush=True
                    )
        finally:
            for _, doer in held:
                doer.close()
    report([way for way, _ in held], lengths)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:4])
    else:
        given = dict(enumerate(sys.argv[1:]))
        chosen_optimiser = given.get(3, "fire")
        if chosen_optimiser not in OPTIMISERS:
            raise SystemExit(f"optimiser {chosen_optimiser}: one of {', '.join(OPTIMISERS)}")
        measure(
            int(given.get(0, 2)),
            given.get(1, "chgnet"),
            int(given.get(2, 100)),
            chosen_optimiser,
            int(given.get(4, CORES)),
        )
