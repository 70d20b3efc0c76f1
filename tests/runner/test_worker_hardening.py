"""Workers that print without end, hang in native code or are asked for what there is not."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ase.build import bulk

import forcegauge
from forcegauge.errors import BadInput, ModelUnavailable
from forcegauge.folders import cache_folder
from forcegauge.models import environments, registry
from forcegauge.runner import logs, prepare
from forcegauge.runner.logs import Log
from forcegauge.runner.prepare import Resources
from forcegauge.runner.remote import ModelFailed, RemoteCalculator

POTENTIALS = """
import ctypes, os, re, sys
from ase.calculators.lj import LennardJones

class Chatty(LennardJones):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        for number in range(400):
            print("x" * 1000, "line", number)
            sys.stderr.write("e" * 1000 + "\\n")
        os.write(1, b"bytes past Python" * 10_000)
        print("\\nthe end of the chatter")

class Stuck(LennardJones):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        if "Xe" in self.atoms.get_chemical_symbols():
            self.stick()

class Asleep(Stuck):
    def stick(self):
        ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the interpreter's lock: no thread of this process runs

class Burning(Stuck):
    def stick(self):
        re.match("(a+)+$", "a" * 60 + "b")  # computes for ages, and keeps the interpreter's lock

def chatty():
    return Chatty(sigma=2.0)

def chatty_while_loading():
    for number in range(6000):
        print("y" * 1000)
    return LennardJones(sigma=2.0)

def asleep():
    return Asleep(sigma=2.0)

def burning():
    return Burning(sigma=2.0)

def long_winded():
    raise RuntimeError("z" * 100_000)

def suddenly_dead():
    sys.stderr.write("w" * 100_000)
    sys.stderr.flush()
    os._exit(9)
"""


@pytest.fixture
def potentials(tmp_path, monkeypatch):
    (tmp_path / "hard_potentials.py").write_text(POTENTIALS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logs, "LOG_BYTES", 300_000)
    return tmp_path


def log_of(factory: str) -> Path:
    return cache_folder() / "logs" / f"hard_potentials_{factory}.log"


def test_megabytes_of_chatter_keep_their_end(potentials):
    with forcegauge.load_model("hard_potentials:chatty", threads=1) as calculator:
        energies = [calculator.evaluate([bulk("Ar")], ("energy",)).energies[0] for _ in range(5)]
        assert log_of("chatty").stat().st_size < 600_000 + 1_200_000  # at most one answer's chatter above
    assert len(set(energies)) == 1
    text = log_of("chatty").read_text()
    assert 100_000 < len(text) <= 300_100
    assert text.startswith("[earlier lines are cut]\n")
    assert text.endswith("the end of the chatter\n")


def test_chatter_while_loading(potentials):
    with forcegauge.load_model("hard_potentials:chatty_while_loading", threads=1) as calculator:
        assert calculator.evaluate([bulk("Ar")]).failures == {}
    assert log_of("chatty_while_loading").stat().st_size <= 300_100


def test_a_log_is_cut_at_a_line_and_only_above_its_limit(tmp_path):
    log = Log(tmp_path / "folder" / "a.log")
    with log.open() as worker:
        worker.write(b"first\n" + b"second line\n" * 600_000)
        worker.flush()
        log.trim()
        assert log.path.stat().st_size == 6 + 12 * 600_000
        log.trim(fully=True)
        worker.write(b"last\n")
        worker.flush()
    data = log.path.read_bytes()
    assert logs.LOG_BYTES - 12 <= len(data) <= logs.LOG_BYTES + 30
    assert data.startswith(b"[earlier lines are cut]\nsecond line\n")
    assert data.endswith(b"second line\nlast\n")
    assert log.last_lines(2) == "second line\nlast"


@pytest.mark.parametrize("how", ["asleep", "burning"])
def test_a_hang_that_holds_the_interpreter(potentials, how):
    with forcegauge.load_model(f"hard_potentials:{how}", threads=1, timeout_s=2.0) as calculator:
        start = time.monotonic()
        answer = calculator.evaluate([bulk("Ar"), bulk("Xe")], ("energy",), keep_failures=True)
        assert time.monotonic() - start < 30
        assert {row: failure.kind for row, failure in answer.failures.items()} == {1: "timeout"}


def test_a_hang_without_cpu_is_noticed_before_the_limit(potentials, monkeypatch):
    monkeypatch.setattr("forcegauge.runner.workers.NO_CPU_LIMIT_S", 2.0)
    with forcegauge.load_model("hard_potentials:asleep", threads=1) as calculator:
        start = time.monotonic()
        with pytest.raises(ModelFailed, match="no CPU use for 2 s: it hangs"):
            calculator.evaluate([bulk("Xe")], ("energy",))
        assert time.monotonic() - start < 30


USER = """
import forcegauge, threading, time
from ase.build import bulk
calculator = forcegauge.load_model("hard_potentials:asleep", threads=1)
threading.Timer(1.0, print, ["stuck"], {"flush": True}).start()
calculator.evaluate([bulk("Xe")])
"""


def test_a_killed_user_ends_even_a_worker_that_holds_its_interpreter(potentials):
    user = subprocess.Popen([sys.executable, "-c", USER], stdout=subprocess.PIPE, text=True)
    assert user.stdout.readline() == "stuck\n"
    family = psutil.Process(user.pid).children(recursive=True)
    assert len(family) == 2
    user.kill()
    user.wait()
    user.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("factory", ["long_winded", "suddenly_dead"])
def test_what_does_not_load_says_so_in_a_line(potentials, factory):
    with pytest.raises(ModelUnavailable, match="hard_potentials:") as caught:
        forcegauge.load_model(f"hard_potentials:{factory}", threads=1)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def changed(monkeypatch, name, **fields):
    entry = dataclasses.replace(registry.get(name), **fields)
    monkeypatch.setattr(registry, "get", lambda name: entry)


def test_an_unknown_checkpoint_and_a_wrong_hash(monkeypatch):
    changed(monkeypatch, "lennard-jones", options={"potential": "lennard-jone"})
    with pytest.raises(ModelUnavailable, match=r"model lennard-jones does not load: .*did you mean") as caught:
        forcegauge.load_model("lennard-jones", threads=1)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    changed(monkeypatch, "lennard-jones", sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match="the weights are not the registered ones: SHA-256") as caught:
        forcegauge.load_model("lennard-jones", threads=1)
    assert "\n" not in str(caught.value)


def test_a_log_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "logs").write_text("in the way")
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"cannot be started: .*logs"):
        forcegauge.load_model("lennard-jones", threads=1)


def test_interpreters_are_checked_before_anything_is_started(tmp_path):
    with pytest.raises(ModelUnavailable, match="does not run as a Python interpreter: No such file"):
        forcegauge.load_model("lennard-jones", python=tmp_path / "python")
    with pytest.raises(BadInput, match="model :nothing: give package"):
        forcegauge.load_model(":nothing")


def test_what_is_learnt_of_memory_is_known_to_the_next_worker():
    place, spec = environments.ensure("core"), {"adapter": "analytic"}
    memory = prepare._Memory(place, "lennard-jones", spec)
    assert memory.known is None
    learnt = {"energy": {"base_bytes": 1.0, "bytes_per_cost": 2.0, "ceiling": 3.0}}
    memory.learn(learnt)
    assert memory.known == prepare._Memory(place, "lennard-jones", spec).known == learnt
    assert prepare._Memory(place, "lennard-jones", {**spec, "device": "cuda"}).known is None


@pytest.mark.real_model
@pytest.mark.skipif("FORCEGAUGE_TEST_REAL_MODELS" not in os.environ, reason="set FORCEGAUGE_TEST_REAL_MODELS=1")
def test_a_small_machine_makes_batches_small(tmp_path):
    resources = Resources(threads=1, memory_gb=0.9)
    model = prepare.prepare_registered("chgnet", resources, tmp_path, lambda text: None)
    with RemoteCalculator(model, 600.0, {}) as calculator:
        assert 2_000 < calculator.capabilities.batch_cost < 15_000
        crystals = [bulk("Cu", cubic=True) * (2, 2, 1)] * 60
        assert calculator.evaluate(crystals, keep_failures=True).failures == {}
    with forcegauge.load_model("chgnet", threads=1) as calculator:
        assert calculator.capabilities.batch_cost == 20_000
