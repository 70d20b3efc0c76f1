import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models import broken, registry
from forcegauge.models.analytic import lennard_jones
from forcegauge.models.base import load
from forcegauge.models.guard import guarded_evaluate
from forcegauge.structures import Structures

BOTH = frozenset({"energy", "forces"})
BOND = 2 * covalent_radii[29]


def scan(start, stop, n_points=200):
    positions = np.zeros((n_points, 2, 3))
    positions[:, 1, 0] = np.linspace(start, stop, n_points) * BOND
    return Structures.displaced(Atoms("Cu2", positions=positions[0]), positions), positions[:, 1, 0]


def ask(model, structures, properties=BOTH):
    return guarded_evaluate(model, Structures.from_atoms(structures), properties)


@pytest.mark.parametrize("name", [name for name in registry.names(hidden=True) if name.startswith("broken-")])
def test_all_answer_like_lennard_jones_away_from_their_defect(name):
    atoms = bulk("Si", a=6.8, cubic=True)  # bonds of 1.33 sums of covalent radii, beyond the step
    model = load(registry.get(name).spec()).model
    expected = ask(lennard_jones(), atoms)
    answer = ask(model, atoms, frozenset({"energy"}))
    assert answer.energies == pytest.approx(expected.energies)


def test_nonconservative_forces_are_a_quarter_too_long():
    structures, _ = scan(0.8, 2.0)
    sound, wrong = ask(lennard_jones(), structures), ask(broken.nonconservative(), structures)
    np.testing.assert_allclose(wrong.forces, 1.25 * sound.forces)
    np.testing.assert_array_equal(wrong.energies, sound.energies)


def test_discontinuous_energy_steps_once():
    structures, distances = scan(1.0, 1.6)
    difference = ask(broken.discontinuous(), structures).energies - ask(lennard_jones(), structures).energies
    assert np.unique(difference.round(12)).tolist() == [0.0, 0.5]
    assert distances[difference > 0.25].max() == pytest.approx(1.3 * BOND, abs=0.01)


def test_nan_is_a_failure_of_the_short_distances_alone():
    structures, distances = scan(0.5, 1.5)
    failures = ask(broken.nan(), structures).failures
    assert {failure.kind for failure in failures.values()} == {"non_finite"}
    assert sorted(failures) == np.flatnonzero(distances < 0.8 * BOND).tolist()


@pytest.mark.parametrize("burn", [False, True])
def test_slow_takes_its_time_for_each_structure(burn):
    model = broken.slow(seconds=0.04, burn=burn)
    start, computing = time.perf_counter(), time.process_time()
    ask(model, [bulk("Cu")] * 5)
    assert time.perf_counter() - start >= 0.2
    assert (time.process_time() - computing > 0.02) == burn  # a loaded machine gives a part of the 0.2 s


@pytest.mark.parametrize(
    ("model", "kind"),
    [(broken.raising("Kr"), "bug"), (broken.memory("Kr", ceiling_gib=0.2), "out_of_memory")],
)
def test_triggered_defects_strike_the_trigger_alone(model, kind):
    answer = ask(model, [bulk("Cu"), bulk("Kr", "fcc", 5.7), bulk("Al"), bulk("Xe", "fcc", 6.2)])
    assert {row: failure.kind for row, failure in answer.failures.items()} == {1: kind}


def test_elements_and_silent():
    answer = ask(broken.elements(), [bulk("Si"), bulk("Cu")])
    assert {row: failure.kind for row, failure in answer.failures.items()} == {1: "unsupported_element"}
    assert ask(broken.silent(), bulk("Cu")).failures[0].kind == "not_implemented"
    assert not ask(broken.silent(), bulk("Cu"), frozenset({"energy"})).failures


SCRIPT = """
import json, sys
from ase.build import bulk
from forcegauge.models.base import load
from forcegauge.structures import Structures
model = load({"adapter": "broken", "options": json.loads(sys.argv[1])}).model
for symbol in ("Cu", "Xe"):
    model.evaluate(Structures.from_atoms(bulk(symbol, "fcc", 5.0)), frozenset({"energy"}))
    print(symbol, flush=True)
"""


def start(options):
    command = [sys.executable, "-c", SCRIPT, json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(os.sep))


def test_crashing_dies_by_a_signal_at_xenon():
    process = start({"how": "crashing"})
    said, _ = process.communicate(timeout=60)
    assert (said.split(), process.returncode) == (["Cu"], -signal.SIGABRT)


@pytest.mark.parametrize("burn", [False, True])
def test_hanging_answers_copper_and_never_xenon(burn):
    process = start({"how": "hanging", "burn": burn})
    try:
        assert process.stdout.readline() == "Cu\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    finally:
        process.kill()
        process.communicate()


def test_bad_options_are_one_line():
    with pytest.raises(UnknownName, match="did you mean"):
        broken.load("crashin")
    with pytest.raises(BadInput, match="Unobtainium"):
        broken.load("raising", trigger="Unobtainium")
    with pytest.raises(BadInput, match="seconds_each"):
        broken.load("slow", seconds_each=1)


def test_the_stress_is_too_large_by_a_quarter_and_nothing_else_is():
    structures, asked = [bulk("Cu", a=3.4)], frozenset({"energy", "forces", "stress"})
    sound, wrong = ask(lennard_jones(), structures, asked)[0], ask(broken.stress(), structures, asked)[0]
    np.testing.assert_allclose(wrong.stress, 1.25 * sound.stress)
    assert (wrong.energy, wrong.forces.tolist()) == (sound.energy, sound.forces.tolist())
