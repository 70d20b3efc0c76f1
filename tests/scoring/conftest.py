"""A benchmark whose cases hold one number, its score, and a store in memory."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.base import Benchmark, Settings, selection
from forcegauge.errors import DataUnavailable, Failure
from forcegauge.records import Metric, ModelIdentity, Planned, Protocol, Provenance, Raw, Record


@dataclass(frozen=True)
class NumberSettings(Settings):
    n_steps: int = 3
    ends: tuple[float, ...] = (0.0, 1.0)
    subset: str = selection("few")


def scores(outcomes, references, settings, mode):
    if any(isinstance(raw, Raw) and raw["value"] == 666 for raw in outcomes.values()):
        raise ZeroDivisionError("the author forgot this case")
    if any(isinstance(raw, Raw) and raw["value"] == 404 for raw in outcomes.values()):
        raise DataUnavailable("the references are not on this machine")
    return {case: {"error": float(raw["value"])} for case, raw in outcomes.items() if isinstance(raw, Raw)}


def metric(key, aggregate="mean"):
    return Metric(key, key, "eV", "lower", 0.0, 0.1, 1.0, "because", "error", aggregate, "what it is")


def make_benchmark(name="numbers"):
    return Benchmark(
        name=name,
        theme="accuracy",
        title=name,
        question="?",
        protocol="",
        doc="",
        presets={"quick": NumberSettings(), "full": NumberSettings(subset="all")},
        modes={"default": lambda settings: settings, "arena": lambda settings: replace(settings, n_steps=9)},
        needs=("energy",),
        cases=lambda settings: [],
        structure_cases=None,
        run=None,
        analyse=scores,
        metrics={"default": (metric("mean_error"), metric("median_error", "median")), "arena": (metric("mean_error"),)},
        schema={"value": "[], eV"},
        figure=None,
        explorer=None,
        run_version=2,
        analysis_version=1,
    )


@dataclass
class Memory:
    """The reading half of a store; ``add`` puts one case in."""

    settings: tuple[NumberSettings, ...] = (NumberSettings(), NumberSettings(n_steps=9))

    def __post_init__(self):
        self.kept: list[Record] = []
        self.plan: list[Planned] = []

    def add(self, model, values, *, benchmark="numbers", settings=NumberSettings(), weights="w", at=0.0, version=2):
        provenance = Provenance(
            ModelIdentity(model, weights, {}, 1, "env"), {}, "3.11", "Linux", "cpu", 1.0, "float64", 1, "0.1.0"
        )
        for row, value in enumerate(values):
            outcome = Failure(value, "no") if isinstance(value, str) else Raw({"value": np.array(value)})
            key = f"{model}-{weights}-{benchmark}-{row}-{settings.digest()}-{at}-{version}"
            self.kept.append(
                Record(
                    key,
                    model,
                    benchmark,
                    f"c{row}",
                    settings.digest(),
                    outcome,
                    provenance,
                    0,
                    version,
                    0.5,
                    0,
                    at + row,
                )
            )
        return self

    def records(self, *, benchmark=None, model=None):
        return iter([r for r in self.kept if benchmark in (None, r.benchmark) and model in (None, r.model)])

    def protocols(self):
        names = {record.benchmark for record in self.kept}
        return [
            Protocol(name, one.digest(), {"n_steps": one.n_steps, "ends": list(one.ends)}, 2)
            for name in names
            for one in self.settings
        ]

    def planned(self):
        return self.plan

    def systems(self, benchmark):
        return {}

    def cases(self, benchmark):
        return {}


@pytest.fixture
def store(monkeypatch):
    """An empty store whose benchmarks are ``numbers`` and ``others``."""
    benchmarks = {name: make_benchmark(name) for name in ("numbers", "others")}
    monkeypatch.setattr(registry, "get", benchmarks.__getitem__)
    return Memory()
