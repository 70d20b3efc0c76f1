"""Corners in which a run once died, hung or told an untruth."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from toys import CountingModel, energies, make_benchmark, prepared, tasks_for

import forcegauge
from forcegauge.errors import BadInput, Failure, ModelUnavailable, UnknownName
from forcegauge.potential import Capabilities
from forcegauge.records import Raw
from forcegauge.results.store import Store
from forcegauge.runner.execute import Execution, Limits
from forcegauge.runner.progress import Silent
from forcegauge.runner.run import RunOptions, named_structures, plan
from forcegauge.runner.workers import LocalWorker
from forcegauge.structures import Structures


def test_a_calculator_in_process_may_have_two_workers(tmp_path):
    options = {"benchmarks": "diatomics", "preset": "smoke", "results": tmp_path / "r", "progress": False}
    summary = forcegauge.run(calculators={"emt": EMT()}, workers=2, **options)
    assert summary.rows[0]["left"] == 0


def test_questions_about_nothing_have_an_answer(execute, records):
    async def nothing(potential, case, settings, rng):
        empty = await potential.evaluate([], ("energy", "forces", "stress"))
        relaxed = await potential.relax([])
        assert empty.stress.shape == (0, 3, 3)
        assert len(relaxed.structures) == 0
        return Raw({"energy": empty.energies})

    execute(CountingModel(), make_benchmark(nothing))
    assert {outcome.outcome.arrays["energy"].shape for outcome in records().values()} == {(0,)}


def test_a_structure_without_atoms_is_a_failure_not_an_end(execute, records):
    async def empty(potential, case, settings, rng):
        answer = await potential.evaluate([Atoms()], ("energy",))
        return Raw({"energy": answer.energies})

    execute(CountingModel(), make_benchmark(empty))
    assert {record.outcome.kind for record in records().values()} == {"not_implemented"}
    assert Capabilities().cost(Structures.from_atoms(Atoms())).tolist() == [1.0]


@pytest.mark.parametrize("wrong", [[1.0], np.array([object()]), None])
def test_what_cannot_be_stored_is_a_bug_of_the_benchmark(execute, records, wrong):
    async def bad(potential, case, settings, rng):
        return Raw({"energy": wrong})

    execute(CountingModel(), make_benchmark(bad))
    assert {record.outcome.kind for record in records().values()} == {"bug"}


def test_a_worker_is_not_left_when_the_store_fails(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(LocalWorker, "close", lambda self: closed.append(self))
    ready = prepared(CountingModel())
    with Store.writer(tmp_path / "results") as store:
        monkeypatch.setattr(store, "commit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Execution(ready, tasks_for(ready, make_benchmark()), store, 1, Limits(), Silent()).run()
    assert ready.ready or closed


def test_a_model_that_does_not_start_loses_the_cases_in_hand_only(tmp_path, records):
    ready = prepared(CountingModel())

    def refuse():
        raise ModelUnavailable("no licence")

    ready.start = refuse
    with Store.writer(tmp_path / "results") as store:
        outcome = Execution(ready, tasks_for(ready, make_benchmark()), store, 2, Limits(), Silent()).run()
    assert "no licence" in outcome.stopped
    assert {record.outcome.kind for record in records().values()} == {"environment"}


FORKY = """
import os, subprocess, sys
from ase.calculators.lj import LennardJones

class Forky(LennardJones):
    identity = "forky"
    def calculate(self, atoms=None, *args, **kwargs):
        super().calculate(atoms, *args, **kwargs)
        if "Xe" in atoms.get_chemical_symbols():
            os._exit(3)

def make():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=sys.__stdout__)
    with open("child", "w") as stream:
        stream.write(str(child.pid))
    return Forky(sigma=2.0)

def sleeping():
    make()
    class Sleeping(Forky):
        def calculate(self, *args, **kwargs):
            import time
            time.sleep(600)
    return Sleeping(sigma=2.0)
"""


def command(target: str, *more: str) -> list[str]:
    words = [sys.executable, "-m", "forcegauge", "run", "--calculator", f"x=forky:{target}", "--results", "r"]
    return [*words, "--benchmarks", "diatomics", "--preset", "smoke", "--cases", "Xe", "--threads", "1", *more]


def test_what_a_model_started_dies_with_the_coordinator(tmp_path):
    (tmp_path / "forky.py").write_text(FORKY)
    run = subprocess.Popen(command("sleeping"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    grandchild = psutil.Process(int((tmp_path / "child").read_text()))
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    psutil.wait_procs([grandchild], timeout=10)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_crash_is_seen_although_a_child_holds_the_pipe(tmp_path):
    (tmp_path / "forky.py").write_text(FORKY)
    start = time.monotonic()
    subprocess.run(command("make", "--retries", "0"), cwd=tmp_path, check=True, capture_output=True, timeout=100)
    assert time.monotonic() - start < 45
    with Store.open(tmp_path / "r") as store:
        (record,) = store.records()
    assert record.outcome.kind == "crashed"
    assert "exit code 3" in record.outcome.message


def test_a_file_in_the_current_folder_stands_in_for_no_module(tmp_path):
    (tmp_path / "numpy.py").write_text("raise RuntimeError('the wrong numpy')\n")
    words = ["forcegauge", "run", "--models", "lennard-jones", "--benchmarks", "diatomics", "--cases", "H"]
    script = "import sys; from forcegauge.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words[1:], "--results", "r"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_names_stay_unique_and_structures_readable():
    crystals = [bulk("Cu"), bulk("Al"), bulk("Ni")]
    for atoms, name in zip(crystals, ["a", "a-3", "a"], strict=True):
        atoms.info["name"] = name
    assert [name for name, _ in named_structures(crystals)] == ["a", "a-3", "a-4"]
    wrong = bulk("Cu")
    wrong.info["charge"] = "plus"
    with pytest.raises(BadInput, match=r"structure Cu-1 cannot be read.*charge and spin in its info must be numbers"):
        named_structures([wrong])
    with pytest.raises(BadInput, match="holds no atoms"):
        named_structures({"nothing": Atoms()})


def test_structures_that_no_model_can_take_are_refused():
    odd, mixed, whole = bulk("Cu"), bulk("Cu"), bulk("Cu")
    odd.positions[0, 0] = np.nan
    mixed.info["occupancy"] = {"0": {"Cu": 0.5, "Ni": 0.5}}  # as ASE reads it from a CIF
    whole.info["occupancy"] = {"0": {"Cu": 1.0}}
    with pytest.raises(BadInput, match=r"Cu-1 has positions or cell vectors that are not finite"):
        named_structures([odd])
    with pytest.raises(BadInput, match=r"structure alloy has sites that are occupied in part"):
        named_structures({"alloy": mixed})
    assert named_structures([whole])


def test_two_models_of_one_name_are_refused(tmp_path):
    with pytest.raises(BadInput, match="two models are called emt"):
        forcegauge.run("emt", calculators={"emt": EMT()}, results=tmp_path / "r", progress=False)


def options(tmp_path, **changes) -> RunOptions:
    fields = {"models": ["emt"], "benchmarks": ["diatomics", "energy-volume"], "preset": "smoke", **changes}
    return RunOptions(results=tmp_path / "r", **fields)


def test_the_plan_takes_what_was_asked_and_once(tmp_path):
    twice = plan(options(tmp_path, benchmarks=["diatomics", "diatomics"]))
    assert [chap.benchmark.name for chap in twice] == ["diatomics"]
    (only,) = plan(options(tmp_path, cases=["diatomics:H"]))
    assert [case.id for case in only.cases] == ["H"]


def test_a_mistyped_case_offers_the_nearest_even_without_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(tmp_path))
    with pytest.raises(UnknownName, match="did you mean 'Cu-fcc'"):
        plan(options(tmp_path, benchmarks=["energy-volume"], cases=["Cu-fc"]))


def test_an_answered_part_of_a_dead_batch_is_let_go(execute, records):
    """A question fails while its other part is in hand; the benchmark goes on, and the late part means nothing."""

    class Nan(CountingModel):
        def evaluate(self, structures, properties):
            answers = super().evaluate(structures, properties)
            bad = [atoms.positions[1, 2] < 1.3 for atoms in structures]
            return [
                dataclasses.replace(one, energy=np.nan) if far else one for far, one in zip(bad, answers, strict=True)
            ]

    async def forgiving(potential, case, settings, rng):
        try:
            return await energies(potential, case, settings, rng)
        except Failure:
            answer = await potential.evaluate([Atoms("H2", [[0, 0, 0], [0, 0, 2.0]])], ("energy",))
            return Raw({"energy": answer.energies})

    execute(CountingModel(batch_cost=2.0), make_benchmark(forgiving))
    execute(prepared(Nan(batch_cost=2.0), "nan"), make_benchmark(forgiving))
    assert all(isinstance(record.outcome, Raw) for record in records().values())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"workers": 0}, "0 workers: give one or more"),
        ({"shard": (0, 5)}, "shard 0 of 5"),
        ({"shard": (6, 5)}, "shard 6 of 5"),
        ({"timeout_s": -1.0}, "time limit of -1 s"),
        ({"budget_s": 0.0}, "budget of 0.0 s"),
        ({"retries": -1}, "-1 retries"),
        ({"structures": []}, "no structures"),
        ({"suite": "smoke", "preset": "full"}, "give --preset or --suite"),
    ],
)
def test_python_refuses_what_the_command_line_refuses(tmp_path, changes, expected):
    with pytest.raises(BadInput, match=expected):
        forcegauge.run("emt", results=tmp_path / "r", progress=False, **changes)
    assert not (tmp_path / "r").exists()


def test_a_preset_alone_is_the_suite_of_that_name(tmp_path):
    chapters = plan(options(tmp_path, benchmarks=[], preset="smoke"))
    assert chapters[0].settings == chapters[0].benchmark.presets["smoke"]
