"""Every benchmark by name, and the suites. A new one is one file and one line, or another package's entry point."""

from __future__ import annotations

from collections.abc import Mapping

from forcegauge.benchmarks.base import Benchmark
from forcegauge.entries import Entries
from forcegauge.errors import UnknownName

BENCHMARKS: Entries[Benchmark] = Entries(
    noun="benchmark",
    kind=Benchmark,
    own={
        "conformance": "forcegauge.benchmarks.symmetry.conformance:BENCHMARK",
        "diatomics": "forcegauge.benchmarks.asymptotics.diatomics:BENCHMARK",
        "elasticity": "forcegauge.benchmarks.properties.elasticity:BENCHMARK",
        "energy-volume": "forcegauge.benchmarks.properties.energy_volume:BENCHMARK",
        "equation-of-state": "forcegauge.benchmarks.properties.equation_of_state:BENCHMARK",
        "tilt": "forcegauge.benchmarks.properties.tilt:BENCHMARK",
        "vacancy": "forcegauge.benchmarks.properties.vacancy:BENCHMARK",
    },
    group="forcegauge.benchmarks",
)

_CRYSTALS = ("energy-volume", "equation-of-state", "elasticity", "vacancy", "tilt")
SUITES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "smoke": (("diatomics", "smoke"), ("energy-volume", "smoke")),
    "quick": (("diatomics", "quick"), *((name, "quick") for name in _CRYSTALS)),
    "arena": (("diatomics", "full"), *((name, "full") for name in _CRYSTALS if name != "elasticity")),
    "full": (("conformance", "full"), ("diatomics", "full"), *((name, "full") for name in _CRYSTALS)),
}
"""Pairs of benchmark and preset by suite; ``smoke`` and ``quick`` need no download."""

get = BENCHMARKS.get
names = BENCHMARKS.names


def suite(name: str) -> tuple[tuple[str, str], ...]:
    """The pairs of benchmark and preset of a suite; raises UnknownName."""
    if name not in SUITES:
        raise UnknownName("suite", name, SUITES)
    return SUITES[name]
