"""A benchmark of a few lines and models in this process: enough to watch the loop at work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from forcegauge.benchmarks.base import Benchmark, Settings, selection
from forcegauge.models.analytic import lennard_jones
from forcegauge.models.base import Loaded
from forcegauge.potential import Capabilities, Potential
from forcegauge.records import Case, ModelIdentity, Raw
from forcegauge.runner.plan import Chapter, Task
from forcegauge.runner.prepare import Prepared
from forcegauge.runner.workers import LocalWorker
from forcegauge.structures import Structures


@dataclass(frozen=True)
class ToySettings(Settings):
    n_points: int = 3
    n_cases: int = selection(4)


def toy_cases(settings: ToySettings) -> list[Case]:
    return [toy_case(f"case-{number}", 1.2 + 0.1 * number) for number in range(settings.n_cases)]


def toy_case(name: str, distance: float, symbols: str = "H2") -> Case:
    atoms = Atoms(symbols, [[0, 0, 0], [0, 0, distance]])
    return Case("toy", name, Structures.from_atoms(atoms), {}, frozenset(atoms.numbers.tolist()))


async def energies(potential: Potential, case: Case, settings: ToySettings, rng: np.random.Generator) -> Raw:
    """One question of a few points."""
    start = case.structures[0]
    stretched = start.positions[None] * np.linspace(1.0, 1.5, settings.n_points)[:, None, None]
    answer = await potential.evaluate(Structures.displaced(start, stretched), ("energy",))
    return Raw({"energy": answer.energies})


def make_benchmark(run: Callable[..., Any] = energies, **changes: Any) -> Benchmark:
    fields: dict[str, Any] = {
        "name": "toy",
        "theme": "asymptotics",
        "title": "Toy",
        "question": "?",
        "protocol": "",
        "doc": "",
        "presets": {"quick": ToySettings()},
        "modes": {"default": lambda settings: settings},
        "needs": ("energy",),
        "cases": toy_cases,
        "structure_cases": None,
        "run": run,
        "analyse": lambda *_: {},
        "metrics": {"default": ()},
        "schema": {"energy": "[n] eV"},
        "figure": lambda analysis: None,
        "explorer": None,
        "run_version": 1,
        "analysis_version": 1,
    }
    return Benchmark(**{**fields, **changes})


class CountingModel:
    """Lennard-Jones that remembers every call."""

    def __init__(self, **capabilities: Any) -> None:
        self._sound = lennard_jones()
        self.capabilities: Capabilities = replace(self._sound.capabilities, **capabilities)
        self.identity = "counting"
        self.calls: list[tuple[int, frozenset[str]]] = []

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> Sequence[Any]:
        self.calls.append((len(structures), properties))
        return self._sound.evaluate(structures, properties)


def prepared(model: Any, name: str = "counting") -> Prepared:
    worker = LocalWorker(Loaded(model, model.identity, {}, 1, {}), 1)
    return Prepared(name, ModelIdentity(name, model.identity, {}, 1, "lock"), worker.facts, lambda: worker)


def tasks_for(model: Prepared, benchmark: Benchmark, cases: Sequence[Case] | None = None) -> list[Task]:
    settings = benchmark.presets["quick"]
    chapter = Chapter(benchmark, settings, cases if cases is not None else benchmark.cases(settings))
    return chapter.tasks(model.identity, model.capabilities)
