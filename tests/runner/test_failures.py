"""Each kind of failure, made on purpose by a broken model in a real worker; the rest of the batch is unharmed."""

from __future__ import annotations

import dataclasses
import time

import psutil
import pytest

from forcegauge.benchmarks import registry as benchmarks
from forcegauge.errors import Failure, ModelUnavailable
from forcegauge.models import registry
from forcegauge.records import Raw
from forcegauge.results.store import Store
from forcegauge.runner import run as runs
from forcegauge.runner.plan import chapter
from forcegauge.runner.prepare import Resources
from forcegauge.runner.run import RunOptions

ELEMENTS = ("Ar", "Kr", "Ne", "Xe", "Cu")


def run(folder, model: str, *, options: dict | None = None, monkeypatch=None, **changes):
    """Diatomics of a few elements, coarse; Xe is what triggers the broken models."""
    if options is not None:
        entry = registry.get(model)
        changed = dataclasses.replace(entry, options={**entry.options, **options})
        monkeypatch.setattr(registry, "get", lambda name: changed)
    settings = {"benchmarks": ["diatomics"], "preset": "smoke", "cases": ELEMENTS, "timeout_s": 20.0}
    resources = changes.pop("resources", Resources(threads=1))
    summary = runs.run(RunOptions(results=folder, models=[model], resources=resources, **{**settings, **changes}))
    with Store.open(folder) as store:
        return summary, {record.case_id: record.outcome for record in store.records()}


def others_are_unharmed(outcomes: dict, *failed: str) -> None:
    sound = {name: outcome for name, outcome in outcomes.items() if name not in failed}
    assert set(sound) == set(ELEMENTS) - set(failed)
    assert all(isinstance(outcome, Raw) for outcome in sound.values()), sound


def test_a_crash(tmp_path):
    summary, outcomes = run(tmp_path / "r", "broken-crashing")
    assert outcomes["Xe"].kind == "crashed"
    assert "SIGABRT" in outcomes["Xe"].message
    assert "Fatal Python error" in outcomes["Xe"].traceback
    others_are_unharmed(outcomes, "Xe")
    (row,) = summary.rows
    assert (row["answered"], row["failed"], row["left"]) == (4, "1 crashed", 0)
    assert "SIGABRT" in row["first_reason"]


@pytest.mark.parametrize("burn", [False, True])
def test_a_hang(tmp_path, monkeypatch, burn):
    _, outcomes = run(tmp_path / "r", "broken-hanging", options={"burn": burn}, monkeypatch=monkeypatch, timeout_s=2.0)
    assert outcomes["Xe"] == Failure("timeout", "no answer within the time limit of 2 s")
    others_are_unharmed(outcomes, "Xe")


def test_a_worker_without_cpu_use_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("forcegauge.runner.workers.NO_CPU_LIMIT_S", 2.0)
    start = time.monotonic()
    _, outcomes = run(tmp_path / "r", "broken-hanging", timeout_s=600.0)
    assert time.monotonic() - start < 60
    assert outcomes["Xe"].kind == "timeout"
    assert "no CPU use" in outcomes["Xe"].message
    others_are_unharmed(outcomes, "Xe")


def test_memory_without_end(tmp_path):
    resources = Resources(threads=1, memory_gb=0.6)
    _, outcomes = run(tmp_path / "r", "broken-memory", resources=resources)
    assert outcomes["Xe"].kind == "out_of_memory"
    assert "allowed are 0.6 GB" in outcomes["Xe"].message
    others_are_unharmed(outcomes, "Xe")


def test_an_exception_is_a_bug(tmp_path):
    _, outcomes = run(tmp_path / "r", "broken-raising")
    assert outcomes["Xe"].kind == "bug"
    assert "cannot stand Xe" in outcomes["Xe"].message
    assert "Traceback" in outcomes["Xe"].traceback
    others_are_unharmed(outcomes, "Xe")


def test_nan_missing_elements_and_missing_forces(tmp_path):
    _, outcomes = run(tmp_path / "nan", "broken-nan")
    assert {outcome.kind for outcome in outcomes.values() if isinstance(outcome, Failure)} == {"non_finite"}
    _, outcomes = run(tmp_path / "elements", "broken-elements", cases=["H", "Xe"])
    assert isinstance(outcomes["H"], Raw)
    assert outcomes["Xe"] == Failure("unsupported_element", "the model was not made for Xe")
    _, outcomes = run(tmp_path / "silent", "broken-silent")
    assert {outcome.kind for outcome in outcomes.values()} == {"not_implemented"}


FRAGILE = """
import os, pathlib
from ase.calculators.lj import LennardJones

COUNT = pathlib.Path(__file__).with_name("count")

class Fragile(LennardJones):
    identity = "fragile"
    def calculate(self, atoms=None, *args, **kwargs):
        super().calculate(atoms, *args, **kwargs)
        if "Xe" in atoms.get_chemical_symbols():
            os._exit(3)

def make():
    count = int(COUNT.read_text()) if COUNT.exists() else 0
    COUNT.write_text(str(count + 1))
    if count >= 1:
        raise RuntimeError("the licence server is gone")
    return Fragile(sigma=2.0)
"""


def test_a_model_that_no_longer_starts(tmp_path, monkeypatch):
    (tmp_path / "fragile_potential.py").write_text(FRAGILE)
    monkeypatch.chdir(tmp_path)
    options = {"calculators": {"fragile": "fragile_potential:make"}, "benchmarks": ["diatomics"], "preset": "smoke"}
    resources = Resources(threads=1)
    summary = runs.run(RunOptions(results=tmp_path / "r", cases=("Xe",), resources=resources, **options))
    assert "fragile no longer starts" in summary.stopped[0]
    with Store.open(tmp_path / "r") as store:
        (record,) = store.records()
    assert record.outcome.kind == "environment"
    assert "the licence server is gone" in record.outcome.message
    with pytest.raises(ModelUnavailable, match="licence server"):
        runs.run(RunOptions(results=tmp_path / "r", resources=resources, **options))


def test_transient_failures_are_tried_again_and_final_ones_are_not(tmp_path):
    run(tmp_path / "r", "broken-crashing", cases=["Ne", "Xe"])
    with Store.open(tmp_path / "r") as store:
        first = {record.case_id: record.finished_at for record in store.records()}
    run(tmp_path / "r", "broken-crashing", cases=["Ne", "Xe"])
    with Store.open(tmp_path / "r") as store:
        second = {record.case_id: record.finished_at for record in store.records()}
    assert second["Ne"] == first["Ne"]
    assert second["Xe"] > first["Xe"]
    run(tmp_path / "e", "broken-elements", cases=["Xe"])
    with Store.open(tmp_path / "e") as store:
        first = [record.finished_at for record in store.records()]
    run(tmp_path / "e", "broken-elements", cases=["Xe"])
    with Store.open(tmp_path / "e") as store:
        assert [record.finished_at for record in store.records()] == first


def test_two_workers_give_what_one_gives(tmp_path):
    _, one = run(tmp_path / "one", "lennard-jones")
    _, two = run(tmp_path / "two", "lennard-jones", resources=Resources(workers=2, threads=1))
    assert one == two


def test_no_worker_is_left_behind(tmp_path):
    run(tmp_path / "r", "broken-crashing")
    assert [child.cmdline() for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE] == []


def test_shards_unite_to_the_whole(tmp_path):
    _, whole = run(tmp_path / "whole", "lennard-jones")
    parts = [run(tmp_path / f"part{index}", "lennard-jones", shard=(index, 3))[1] for index in (1, 2, 3)]
    assert sum(len(part) for part in parts) == len(whole)
    assert {name: outcome for part in parts for name, outcome in part.items()} == whole


def test_a_budget_takes_a_part_and_keeps_its_time(tmp_path):
    start = time.monotonic()
    options = {"benchmarks": ["energy-volume"], "preset": "quick", "models": ["broken-slow", "lennard-jones"]}
    limits = {"budget_s": 25.0, "resources": Resources(threads=1)}
    summary = runs.run(RunOptions(results=tmp_path / "r", **options, **limits))
    assert time.monotonic() - start < 25 + 12  # what is in hand is finished
    slow, fast = summary.rows
    whole = len(chapter(benchmarks.get("energy-volume"), "quick", "default").cases)
    assert 3 <= slow["cases"] == fast["cases"] < whole
    assert fast["left"] == 0
    with Store.open(tmp_path / "r") as store:
        strata = {case.stratum for case in store.cases("energy-volume").values()}
    assert len(strata) > 1
