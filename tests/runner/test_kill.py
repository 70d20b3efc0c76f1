"""SIGKILL to the coordinator and to its workers at random moments: nothing lost, nothing twice, nobody left behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from forcegauge.errors import ForceGaugeError
from forcegauge.results.store import Store

CALCULATOR = """
import time
from ase.calculators.lj import LennardJones

class Slow(LennardJones):
    identity = "slow lennard-jones"
    def calculate(self, *args, **kwargs):
        time.sleep(0.002)
        super().calculate(*args, **kwargs)

def make():
    return Slow(sigma=1.5, epsilon=0.3, rc=6.0)
"""


def start(folder: Path, name: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "forcegauge", "run", "--results", name, "--suite", "smoke", "--threads", "1"]
    with (folder / "stderr").open("a") as stream:
        return subprocess.Popen(
            [*command, "--calculator", "slow=slow_potential:make", "--models", "lennard-jones"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )


def run_to_the_end(folder: Path, name: str) -> None:
    assert start(folder, name).wait(timeout=300) == 0, (folder / "stderr").read_text()


def finished(results: Path) -> dict[str, float]:
    try:
        with Store.open(results) as store:
            return {record.key: record.finished_at for record in store.records()}
    except ForceGaugeError:
        return {}  # killed before the store was made


def gone(processes: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
            return True
        time.sleep(0.05)
    return False


def exported(results: Path) -> list[tuple]:
    """All that must not differ: everything but times."""
    with Store.open(results) as store:
        rows = []
        for record in store.records():
            arrays = {name: (str(value.dtype), value.tobytes()) for name, value in record.outcome.arrays.items()}
            rows.append((record.key, record.model, record.benchmark, record.case_id, record.seed, arrays))
        return rows


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path):
    (tmp_path / "slow_potential.py").write_text(CALCULATOR)
    run_to_the_end(tmp_path, "undisturbed")
    results, chance = tmp_path / "killed", random.Random(2)
    seen: dict[str, float] = {}
    for attempt in range(20):
        coordinator = start(tmp_path, "killed")
        time.sleep(chance.uniform(0.3, 4.0))
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(coordinator.pid).children(recursive=True)
            if attempt % 2 == 0:
                os.kill(coordinator.pid, signal.SIGKILL)
                assert gone(family), "a worker outlived its coordinator"
            elif family:
                os.kill(chance.choice(family).pid, signal.SIGKILL)
                time.sleep(chance.uniform(0.1, 1.0))
                os.kill(coordinator.pid, signal.SIGKILL)
                assert gone(family)
        coordinator.wait()
        now = finished(results)
        assert {key: now[key] for key in seen} == seen, "a finished case was computed again"
        seen = now
    run_to_the_end(tmp_path, "killed")
    now = finished(results)
    assert {key: now[key] for key in seen} == seen
    assert exported(results) == exported(tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_killed_worker_is_replaced_within_the_run(tmp_path):
    (tmp_path / "slow_potential.py").write_text(CALCULATOR)
    coordinator = start(tmp_path, "results")
    kills = 0
    while coordinator.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for worker in psutil.Process(coordinator.pid).children():
                busy = worker.cpu_times().user > 0.8 and kills < 3
                if busy:
                    worker.kill()
                    kills += 1
        time.sleep(0.3)
    assert coordinator.returncode == 0, (tmp_path / "stderr").read_text()
    assert kills >= 1
    with Store.open(tmp_path / "results") as store:
        assert {kind for kind in store.finished().values() if kind != "unsupported_element"} == {None}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly(tmp_path, number):
    (tmp_path / "slow_potential.py").write_text(CALCULATOR)
    coordinator = start(tmp_path, "results")
    time.sleep(3.0)
    family = psutil.Process(coordinator.pid).children(recursive=True)
    coordinator.send_signal(number)
    assert coordinator.wait(timeout=20) == 130
    assert gone(family)
    text = (tmp_path / "stderr").read_text()
    assert "interrupted; finished cases are kept" in text
    assert "Traceback" not in text
    before = finished(tmp_path / "results")
    run_to_the_end(tmp_path, "results")
    after = finished(tmp_path / "results")
    assert {key: after[key] for key in before} == before
    out = subprocess.run(
        [sys.executable, "-m", "forcegauge", "status", str(tmp_path / "results"), "--json"],
        capture_output=True,
        text=True,
    )
    assert all(row["left"] == 0 for row in json.loads(out.stdout))
