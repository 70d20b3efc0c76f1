import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from forcegauge import entries
from forcegauge.benchmarks import registry
from forcegauge.benchmarks.base import PRESETS, Benchmark
from forcegauge.errors import BadInput, UnknownName


def test_names_lead_to_benchmarks_of_that_name():
    assert [registry.get(name).name for name in registry.names()] == registry.names()


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'diatomics'"):
        registry.get("diatomix")
    with pytest.raises(UnknownName, match="no suite 'quik': did you mean 'quick'"):
        registry.suite("quik")


@pytest.mark.parametrize("suite", registry.SUITES)
def test_suites_hold_what_exists(suite):
    for name, preset in registry.suite(suite):
        assert preset in registry.get(name).presets
        assert preset in PRESETS


def test_the_registry_imports_no_benchmark():
    code = (
        "import sys, forcegauge.benchmarks.registry as r; r.names(); print([m for m in sys.modules if 'diatom' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _with_entry_point(monkeypatch, name, value):
    point = EntryPoint(name, value, "forcegauge.benchmarks")
    monkeypatch.setattr(entries, "entry_points", lambda group: EntryPoints([point]))
    return entries.Entries("benchmark", Benchmark, registry.BENCHMARKS.own, "forcegauge.benchmarks")


def test_another_package_adds_a_benchmark(monkeypatch):
    found = _with_entry_point(monkeypatch, "theirs", "forcegauge.benchmarks.asymptotics.diatomics:BENCHMARK")
    assert found.names() == [*registry.names(), "theirs"]
    assert found.get("theirs") is registry.get("diatomics")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("theirs", "no_such_package:BENCHMARK", "'theirs' does not load from no_such_package:BENCHMARK"),
        ("theirs", "forcegauge.benchmarks.base:MODES", "is a tuple, not a Benchmark"),
        ("diatomics", "theirs.diatomics:BENCHMARK", "two benchmarks are called 'diatomics'"),
    ],
)
def test_an_unusable_entry_point_is_named(monkeypatch, name, value, complaint):
    found = _with_entry_point(monkeypatch, name, value)
    with pytest.raises(BadInput, match=complaint):
        found.get(name)
