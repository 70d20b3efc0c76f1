"""A model in a worker as an ASE calculator: ASE's rules, lists, failures, deaths, and nobody left behind."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import CalculationFailed, PropertyNotImplementedError
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

import forcegauge
from forcegauge.errors import BadInput, Failure, UnknownName
from forcegauge.models import registry
from forcegauge.models.analytic import lennard_jones
from forcegauge.runner.remote import ModelFailed
from forcegauge.structures import Structures


@pytest.fixture
def load(monkeypatch):
    """``load_model`` whose workers are ended with the test; ``options`` come over those of the card."""
    made = []

    def one(name, options=None, **arguments):
        if options is not None:
            entry = registry.get(name)
            changed = dataclasses.replace(entry, options={**entry.options, **options})
            monkeypatch.setattr(registry, "get", lambda name: changed)
        made.append(forcegauge.load_model(name, threads=1, **arguments))
        return made[-1]

    yield one
    for calculator in made:
        calculator.close()


@pytest.fixture
def questions(monkeypatch):
    """The properties of every question that goes to a worker."""
    from forcegauge.runner.workers import ProcessWorker

    asked, ask = [], ProcessWorker.ask

    def note(self, message):
        asked.append(message.get("properties", message["op"]))
        ask(self, message)

    monkeypatch.setattr(ProcessWorker, "ask", note)
    return asked


def copper(seed=0):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def workers():
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "forcegauge.worker" in child.cmdline()
    ]


def test_it_answers_as_the_model_does(load):
    atoms = copper()
    atoms.calc = load("lennard-jones")
    (expected,) = lennard_jones().evaluate(Structures.from_atoms(atoms), frozenset({"energy", "forces", "stress"}))
    assert atoms.get_potential_energy() == atoms.get_potential_energy(force_consistent=True) == expected.energy
    np.testing.assert_array_equal(atoms.get_forces(), expected.forces)
    np.testing.assert_array_equal(atoms.get_stress(voigt=False), expected.stress)
    assert atoms.get_stress().shape == (6,)
    assert atoms.calc.name == "lennard-jones"
    assert atoms.calc.capabilities.properties == ("energy", "forces", "stress")
    assert atoms.calc.worker_s > 0


def test_only_what_is_needed_is_asked_and_nothing_twice(load, questions):
    atoms = copper()
    atoms.calc = load("lennard-jones")
    atoms.get_potential_energy()
    atoms.get_potential_energy()
    assert questions == [["energy"]]
    atoms.get_forces()
    atoms.get_forces()
    atoms.get_potential_energy()
    assert questions == [["energy"], ["energy", "forces"]]
    atoms.positions[0] += 0.01
    atoms.get_potential_energy()
    assert questions[2:] == [["energy"]]
    del questions[:]
    atoms.info["charge"] = 1
    with pytest.raises(Failure, match="the structure has charge"):
        atoms.get_potential_energy()
    assert questions == [["energy"]]


def test_a_cell_relaxation_asks_once_per_step(load, questions):
    atoms = copper()
    atoms.calc = load("lennard-jones")
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-6, steps=4)
    assert questions[2:] == [["energy", "forces", "stress"]] * 4


def test_what_a_model_lacks(load):
    atoms = copper()
    atoms.calc = load("lennard-jones")
    with pytest.raises(PropertyNotImplementedError, match="lennard-jones gives no magmoms; it gives energy, forces"):
        atoms.get_magnetic_moments()


def test_foreign_elements_are_refused_without_asking(load, questions):
    atoms = Atoms("HXe", [[0, 0, 0], [0, 0, 2]], calculator=load("broken-elements"))
    with pytest.raises(CalculationFailed, match="broken-elements was not made for Xe; it knows 4 elements") as caught:
        atoms.get_potential_energy()
    assert isinstance(caught.value, Failure)
    assert caught.value.kind == "unsupported_element"
    assert pickle.loads(pickle.dumps(caught.value)) == caught.value
    with pytest.raises(ModelFailed, match="Xe"):
        atoms.calc.evaluate([Atoms("H"), atoms])
    assert questions == []
    answer = atoms.calc.evaluate([Atoms("H"), atoms], ("energy",), keep_failures=True)
    assert np.isfinite(answer.energies).tolist() == [True, False]


def test_lists_are_cut_and_joined(load, questions, monkeypatch):
    """Into the model's own batches until its speed is known, then into batches of a second or two."""
    calculator = load("lennard-jones")
    structures = [copper(seed) for seed in range(7)]
    cost = calculator.capabilities.cost(Structures.from_atoms(structures))[0]
    calculator.capabilities = dataclasses.replace(calculator.capabilities, batch_cost=2.5 * cost)
    properties = ("energy", "forces", "stress")
    answers = [calculator.evaluate(structures, properties)]
    assert len(questions) == 2
    answers.append(calculator.evaluate(structures, properties))
    assert len(questions) == 2 + 1
    monkeypatch.setattr("forcegauge.runner.remote.BATCH_S", 0.0)
    answers.append(calculator.evaluate(structures, properties))
    assert len(questions) == 3 + 4
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer.forces, answers[0].forces)
        np.testing.assert_array_equal(answer.stress, answers[0].stress)
    assert len(calculator.evaluate([])) == 0
    with pytest.raises(ValueError, match="no property 'dipole'"):
        calculator.evaluate(structures, ("dipole",))


def test_one_structures_error_is_its_own(load):
    calculator = load("broken-raising")
    argon, xenon = bulk("Ar"), bulk("Xe")
    answer = calculator.evaluate([argon, xenon, argon], keep_failures=True)
    assert list(answer.failures) == [1]
    assert answer.energies[0] == answer.energies[2]
    with pytest.raises(ModelFailed, match="cannot stand Xe"):
        calculator.evaluate([argon, xenon, argon])
    xenon.calc = argon.calc = calculator
    with pytest.raises(CalculationFailed, match="cannot stand Xe"):
        xenon.get_forces()
    assert argon.get_potential_energy() == answer.energies[0]


def test_a_death_is_put_once_more_and_then_its_own_failure(load):
    calculator = load("broken-crashing")
    structures = [bulk("Ar"), bulk("Kr"), bulk("Xe"), bulk("Ne")]
    answer = calculator.evaluate(structures, ("energy",), keep_failures=True)
    assert {row: failure.kind for row, failure in answer.failures.items()} == {2: "crashed"}
    assert np.isfinite(answer.energies).tolist() == [True, True, False, True]
    structures[2].calc = structures[0].calc = calculator
    with pytest.raises(CalculationFailed, match="SIGABRT"):
        structures[2].get_potential_energy()
    assert structures[0].get_potential_energy() == answer.energies[0]
    assert len(workers()) == 1


def test_a_killed_worker_is_replaced_unnoticed(load):
    atoms = bulk("Ar")
    atoms.calc = load("broken-slow", {"seconds": 0.5})
    energy = atoms.get_potential_energy()
    (first,) = workers()
    first.kill()
    first.wait(10)
    atoms.calc.reset()
    assert atoms.get_potential_energy() == energy
    (second,) = workers()
    assert second.pid != first.pid
    threading.Timer(0.2, second.kill).start()  # while the question is in its hands
    atoms.calc.reset()
    assert atoms.get_potential_energy() == energy


def test_a_hang_ends_with_the_time_limit(load):
    calculator = load("broken-hanging", timeout_s=1.0)
    start = time.monotonic()
    answer = calculator.evaluate([bulk("Ar"), bulk("Xe")], ("energy",), keep_failures=True)
    assert time.monotonic() - start < 30
    assert {row: failure.kind for row, failure in answer.failures.items()} == {1: "timeout"}
    with pytest.raises(ModelFailed, match="no answer within the time limit of 1 s"):
        calculator.evaluate([bulk("Xe")])


def test_an_interrupted_question_leaves_no_worker_and_no_late_answer(load):
    calculator = load("broken-slow", {"seconds": 1.0})
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        calculator.evaluate([bulk("Ar")] * 5)
    assert workers() == []
    assert (
        calculator.evaluate([bulk("Kr")]).energies[0]
        == lennard_jones().evaluate(Structures.from_atoms(bulk("Kr")), frozenset({"energy"}))[0].energy
    )


def test_relaxation(load):
    calculator = load("broken-crashing")
    relaxed = calculator.relax([copper(1), bulk("Xe"), copper(2)], force_tolerance_ev_per_a=0.02, keep_failures=True)
    assert {row: failure.kind for row, failure in relaxed.failures.items()} == {1: "crashed"}
    assert relaxed.energy[0] == pytest.approx(relaxed.energy[2], abs=1e-3)
    assert relaxed.n_steps[0] > 2
    with pytest.raises(ModelFailed, match="not_converged"):
        calculator.relax(copper(), max_steps=1)


def test_in_a_running_event_loop(load):
    calculator = load("lennard-jones")

    async def cell():
        return calculator.evaluate([copper()]).energies[0]

    assert np.isfinite(asyncio.run(cell()))


def test_threads_share_a_calculator_and_outlive_it(load):
    """A worker that a thread has started lives on when the thread has ended."""
    calculator = load("lennard-jones")
    calculator.close()
    found = {}

    def ask(number):
        for turn in range(10):
            atoms = copper(number)
            atoms.calc = calculator
            found[number, turn] = atoms.get_potential_energy(), atoms.get_forces()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (worker,) = workers()
    for (number, _), (energy, forces) in found.items():
        alone = calculator.evaluate([copper(number)])[0]
        assert energy == alone.energy
        np.testing.assert_array_equal(forces, alone.forces)
    assert workers() == [worker]


def test_close_context_and_collection_end_the_worker(load):
    with forcegauge.load_model("lennard-jones", threads=1) as calculator:
        assert len(workers()) == 1
    assert workers() == []
    calculator.evaluate([copper()])  # a closed one starts again
    assert len(workers()) == 1
    del calculator
    gc.collect()
    assert workers() == []


def test_a_copy_has_a_worker_of_its_own(load):
    calculator = load("lennard-jones")
    with copy.deepcopy(calculator) as twin:
        assert len(workers()) == 2
        assert twin.evaluate([copper()]).energies == calculator.evaluate([copper()]).energies
    assert len(workers()) == 1


def test_a_forked_process_leaves_its_parents_worker_alone(load):
    calculator = load("lennard-jones")
    expected = calculator.evaluate([copper()]).energies[0]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = int(calculator.evaluate([copper()]).energies[0] != expected)
            calculator.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(workers()) == 1
    assert calculator.evaluate([copper()]).energies[0] == expected


USER = """
import os, sys, threading, time
import forcegauge
from ase.build import bulk
made = []
thread = threading.Thread(target=lambda: made.append(forcegauge.load_model("broken-hanging", threads=1)))
thread.start(); thread.join()
if os.fork() == 0:  # holds copies of every pipe
    time.sleep(60); os._exit(0)
print("ready", flush=True)
made[0].evaluate([bulk("Xe")])
"""


def test_a_killed_user_leaves_no_orphan():
    user = subprocess.Popen([sys.executable, "-c", USER], stdout=subprocess.PIPE, text=True)
    assert user.stdout.readline() == "ready\n"
    family = psutil.Process(user.pid).children(recursive=True)
    (bystander,) = [one for one in family if "forcegauge.worker" not in one.cmdline()]
    family.remove(bystander)
    assert len(family) == 2  # the worker and its guard
    user.kill()
    user.wait()
    try:
        _, alive = psutil.wait_procs(family, timeout=10)
        assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
        assert bystander.is_running()
    finally:
        bystander.kill()
        user.stdout.close()


FACTORY = """
from ase.calculators.morse import MorsePotential

def stiff():
    return MorsePotential(epsilon=0.6, r0=2.4, rho0=8.0)
"""


def test_a_factory_and_an_interpreter_of_ones_own(tmp_path, monkeypatch, load):
    (tmp_path / "stiff_potential.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    atoms = copper()
    atoms.calc = load("stiff_potential:stiff", python=sys.executable)
    assert np.isfinite(atoms.get_potential_energy())


def test_wrong_names_and_numbers():
    with pytest.raises(UnknownName, match="did you mean 'lennard-jones'"):
        forcegauge.load_model("lenard-jones")
    with pytest.raises(BadInput, match="above zero"):
        forcegauge.load_model("lennard-jones", timeout_s=0)
