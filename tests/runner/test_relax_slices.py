"""Long questions: the same steps as ASE, in slices, resumed from the last state."""

from functools import partial
from itertools import chain, repeat

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import FIRE
from toys import CountingModel, make_benchmark, prepared, tasks_for, toy_case

from forcegauge.errors import Failure
from forcegauge.models.ase_calculator import AseModel
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Prediction
from forcegauge.records import Raw
from forcegauge.results.store import Store
from forcegauge.runner import execute as execute_module
from forcegauge.runner.execute import Execution, Limits
from forcegauge.runner.progress import Silent
from forcegauge.simulate.procedure import procedure
from forcegauge.structures import Structures

SETTINGS = {
    "cell": "fixed",
    "optimiser": "fire",
    "keep_symmetry": False,
    "force_tolerance_ev_per_a": 0.01,
    "max_steps": 200,
}


def rattled(symbol: str, seed: int):
    atoms = bulk(symbol, cubic=True)
    atoms.rattle(0.15, seed=seed)
    return atoms


def relax_alone(model, structures, settings=SETTINGS, steps_per_slice=1000):
    relax = procedure("relax")
    states = relax.begin(Structures.from_atoms(structures), settings)
    while not all(state["is_done"] for state in states):
        ends = chain(repeat(False, steps_per_slice - 1), repeat(True))
        states = relax.advance(states, settings, partial(guarded_evaluate, model), lambda _, ends=ends: next(ends))
    return states


def test_relaxation_takes_the_steps_of_ase():
    structures = [rattled("Cu", 1), rattled("Al", 2), rattled("Ni", 3)]
    states = relax_alone(AseModel(EMT()), structures)
    for atoms, state in zip(structures, states, strict=True):
        reference = atoms.copy()
        reference.calc = EMT()
        with FIRE(reference, logfile=None) as optimiser:
            assert optimiser.run(fmax=0.01, steps=200)
        assert state["n_steps"] == optimiser.nsteps
        assert state["energy"] == pytest.approx(reference.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(state["structure"]["positions"], reference.positions, atol=1e-9)


def test_slices_change_nothing():
    structures = [rattled("Cu", 4), rattled("Ag", 5)]
    whole = relax_alone(AseModel(EMT()), structures)
    sliced = relax_alone(AseModel(EMT()), structures, steps_per_slice=1)
    for one, other in zip(whole, sliced, strict=True):
        assert one["n_steps"] == other["n_steps"]
        np.testing.assert_array_equal(one["structure"]["positions"], other["structure"]["positions"])


async def relax_case(potential, case, settings, rng):
    relaxed = await potential.relax(case.structures, force_tolerance_ev_per_a=1e-4)
    return Raw({"energy": relaxed.energy, "steps": relaxed.n_steps})


def test_a_crash_costs_one_slice(tmp_path, monkeypatch, records):
    monkeypatch.setattr(execute_module, "SLICE_S", 0.0)  # one step per slice

    class Stops(CountingModel):
        allowed = 7

        def evaluate(self, structures, properties):
            if len(self.calls) == self.allowed:
                raise KeyboardInterrupt
            return super().evaluate(structures, properties)

    benchmark = make_benchmark(relax_case, schema={"energy": "", "steps": ""})
    undisturbed, disturbed = CountingModel(), Stops()
    with Store.writer(tmp_path / "whole") as store:
        ready = prepared(undisturbed)
        todo = tasks_for(ready, benchmark, [toy_case("only", 0.75)])
        Execution(ready, todo, store, 1, Limits(), Silent()).run()
        expected = next(store.records()).outcome
    with Store.writer(tmp_path / "results") as store:
        ready = prepared(disturbed)
        todo = tasks_for(ready, benchmark, [toy_case("only", 0.75)])
        with pytest.raises(KeyboardInterrupt):
            Execution(ready, todo, store, 1, Limits(), Silent()).run()
        assert list((tmp_path / "results" / "checkpoints").rglob("*.state"))
        disturbed.allowed = 10**6
        Execution(ready, todo, store, 1, Limits(), Silent()).run()
    assert records()["only"].outcome == expected
    assert len(disturbed.calls) <= len(undisturbed.calls) + 1
    assert not list((tmp_path / "results" / "checkpoints").rglob("*.state"))


def test_short_questions_pass_between_slices(execute, monkeypatch):
    monkeypatch.setattr(execute_module, "SLICE_S", 0.0)

    async def mixed(potential, case, settings, rng):
        if case.id == "long":
            return await relax_case(potential, case, settings, rng)
        answer = await potential.evaluate(case.structures, ("energy",))
        return Raw({"energy": answer.energies, "steps": np.zeros(1, int)})

    model = CountingModel()
    benchmark = make_benchmark(mixed, schema={"energy": "", "steps": ""})
    execute(model, benchmark, [toy_case("long", 0.75), toy_case("short", 1.0)])
    kinds = [properties for _, properties in model.calls]
    assert kinds.index(frozenset({"energy"})) <= 2


def test_no_convergence_and_explosion_are_told_apart(execute, records):
    async def hasty(potential, case, settings, rng):
        relaxed = await potential.relax(case.structures, max_steps=2)
        return Raw({"energy": relaxed.energy, "steps": relaxed.n_steps})

    class Hole(CountingModel):
        def evaluate(self, structures, properties):
            answers = []
            for atoms in structures:
                bond = atoms.positions[1] - atoms.positions[0]
                r = np.linalg.norm(bond)
                pull = 2000 * bond / r
                answers.append(Prediction(2000 * r, np.array([pull, -pull])))
            return answers

    benchmark = make_benchmark(hasty, schema={"energy": "", "steps": ""})
    execute(CountingModel(), benchmark, [toy_case("hasty", 0.75)])
    failure = records()["hasty"].outcome
    assert isinstance(failure, Failure)
    assert failure.kind == "not_converged"
    assert "after 2 steps" in failure.message
    benchmark = make_benchmark(relax_case, schema={"energy": "", "steps": ""})
    execute(prepared(Hole(), "hole"), benchmark, [toy_case("hole", 3.0)])
    assert records()["hole"].outcome.kind == "exploded"


def test_a_long_question_ends_with_its_time(execute, records, monkeypatch):
    monkeypatch.setattr(execute_module, "SLICE_S", 0.0)

    async def forever(potential, case, settings, rng):
        relaxed = await potential.relax(case.structures, force_tolerance_ev_per_a=-1.0, max_steps=10**9)
        return Raw({"energy": relaxed.energy, "steps": relaxed.n_steps})

    benchmark = make_benchmark(forever, schema={"energy": "", "steps": ""})
    execute(CountingModel(), benchmark, [toy_case("forever", 1.0)], timeout_s=0.05)
    assert records()["forever"].outcome.kind == "timeout"
