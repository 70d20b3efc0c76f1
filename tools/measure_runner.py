"""Structures per second: a whole run with its store, the package's own calculator in a loop, the model's bare call.

    python tools/measure_runner.py [ROUNDS] [MODEL...]

The three ways alternate. The run is a benchmark of one question per case over the same structures, through
conversations, worker, journal and store; the bare call is our adapter on the whole list in one process. Loading the
model is in none of them. The loop, which is slow, goes over the first of the structures only. Energies must agree
within 1e-4 eV + 1e-6 |E|.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forcegauge.benchmarks.base import Benchmark, Settings
from forcegauge.models import environments, registry
from forcegauge.potential import Potential
from forcegauge.records import Case, Raw
from forcegauge.results.store import Store
from forcegauge.runner.execute import Execution, Limits
from forcegauge.runner.plan import Chapter
from forcegauge.runner.prepare import Prepared, Resources, prepare_registered
from forcegauge.runner.progress import Silent
from forcegauge.structures import Structures
from measure_batching import THREADS
from package_calls import LISTS, Package

POINTS = {"diatomics": 100, "volumes": 21}
PROPERTIES = {"diatomics": ("energy", "forces"), "volumes": ("energy",)}


@dataclass(frozen=True)
class Asked(Settings):
    """What every case asks for."""

    what: str = "diatomics"


async def answer(potential: Potential, case: Case, settings: Asked, rng: np.random.Generator) -> Raw:
    """One question about all structures of the case."""
    found = await potential.evaluate(case.structures, PROPERTIES[settings.what])
    return Raw({"energy": found.energies})


def cases(settings: Asked) -> list[Case]:
    """One case per curve."""
    structures, count = Structures.from_atoms(LISTS[f"many-{settings.what}"]()), POINTS[settings.what]
    parts = [structures.take(start, start + count) for start in range(0, len(structures), count)]
    return [Case("measure", f"{place:03d}", part) for place, part in enumerate(parts)]


def benchmark(what: str) -> Benchmark:
    """The smallest benchmark that asks about the structures of a list."""
    fields: dict[str, Any] = dict.fromkeys(("title", "question", "protocol", "doc"), "")
    nothing: dict[str, Any] = dict.fromkeys(("structure_cases", "figure", "explorer"))
    return Benchmark(
        **fields,
        **nothing,
        name="measure",
        theme="asymptotics",
        presets={"quick": Asked(what)},
        modes={"default": lambda settings: settings},
        needs=PROPERTIES[what],
        cases=cases,
        run=answer,
        analyse=lambda *_: {},
        metrics={"default": ()},
        schema={"energy": "[n] eV"},
        run_version=1,
        analysis_version=1,
    )


def run(model: Prepared, what: str) -> tuple[float, list[float], int]:
    """Seconds of a whole run, its energies, and the worker's peak memory."""
    asked = benchmark(what)
    settings = asked.presets["quick"]
    with tempfile.TemporaryDirectory() as folder, Store.writer(Path(folder)) as store:
        model.ready.append(model.hire())  # loading is not what is measured
        listed = cases(settings)
        start = time.perf_counter()
        tasks = Chapter(asked, settings, listed).tasks(model.identity, model.capabilities)
        store.add_plan(task.planned(model.name) for task in tasks)
        Execution(model, tasks, store, 1, Limits(), Silent()).run()
        seconds = time.perf_counter() - start
        records = sorted(store.records(), key=lambda record: record.case_id)
    energies = np.concatenate([record.outcome["energy"] for record in records]).tolist()
    return seconds, energies, max(record.peak_memory_bytes for record in records)


def measure(name: str, what: str, rounds: int) -> None:
    """Print the speeds of the three ways and their ratios."""
    many, few, properties = len(LISTS[f"many-{what}"]()), len(LISTS[what]()), PROPERTIES[what]
    place = environments.ensure(registry.get(name).environment)
    package = Package(name, place.python, environments.source_copy())
    with tempfile.TemporaryDirectory() as logs:
        model = prepare_registered(name, Resources(threads=THREADS), Path(logs), lambda text: None)
        try:
            run(model, what)
            package.ask("bare", f"many-{what}", *properties)
            turns = []
            for _ in range(rounds):
                calls = package.ask("bare", f"many-{what}", *properties), package.ask("own", what)
                turns.append((run(model, what), *calls))
        finally:
            model.close()
            package.close()
    ours = many / statistics.median(turn[0][0] for turn in turns)
    bare, own = (n / statistics.median(turn[way]["seconds"] for turn in turns) for way, n in ((1, many), (2, few)))
    energies, reference = np.array(turns[0][0][1][:few]), np.array(turns[0][2]["energies"])
    beyond = np.abs(energies - reference) - (1e-4 + 1e-6 * np.abs(reference))
    print(
        f"{name} {what} ({', '.join(properties)}): run {ours:.1f}/s, loop {own:.1f}/s, bare {bare:.1f}/s; "
        f"run / loop {ours / own:.1f}, run / bare {ours / bare:.2f}; "
        f"peak {turns[-1][0][2] / 1e9:.2f} GB; energies {'agree' if beyond.max() <= 0 else 'DIFFER'}",
        flush=True,
    )


if __name__ == "__main__":
    for one in sys.argv[2:] or ["chgnet", "sevennet-0"]:
        for kind in POINTS:
            measure(one, kind, int(sys.argv[1]) if len(sys.argv) > 1 else 3)
