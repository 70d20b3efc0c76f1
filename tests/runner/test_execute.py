"""The loop: merging, splitting, journalling and every way in which a conversation can end."""

import numpy as np
import pytest
from toys import CountingModel, energies, make_benchmark, prepared, tasks_for, toy_case

from forcegauge.errors import Failure
from forcegauge.potential import Prediction
from forcegauge.records import Raw
from forcegauge.results.store import Store
from forcegauge.runner.execute import Execution, Limits
from forcegauge.runner.progress import Silent
from forcegauge.structures import Structures


def test_questions_of_all_cases_travel_in_one_batch(execute, records):
    model = CountingModel()
    outcome = execute(model, make_benchmark())
    assert outcome.n_done == 4
    assert model.calls == [(3, frozenset({"energy"})), (9, frozenset({"energy"}))]  # the first measures the speed
    sound = CountingModel()
    for case_id, record in records().items():
        assert record.atom_evaluations == 3 * 2
        distance = 1.2 + 0.1 * int(case_id[-1])
        start = toy_case("x", distance).structures[0]
        points = Structures.displaced(start, start.positions[None] * np.linspace(1, 1.5, 3)[:, None, None])
        alone = [one.energy for one in sound.evaluate(points, frozenset({"energy"}))]
        assert record.outcome == Raw({"energy": np.array(alone)})


def test_a_question_above_the_cap_is_split_and_rejoined(execute, records):
    whole = CountingModel()
    execute(whole, make_benchmark())
    expected = {name: record.outcome for name, record in records().items()}
    small = CountingModel(batch_cost=2.0)
    ready = prepared(small, "small")
    ready.identity = type(ready.identity)("small", "small", {}, 1, "lock")
    execute(ready, make_benchmark())
    assert max(size for size, _ in small.calls) < 12
    assert len(small.calls) > 1
    again = {name: record.outcome for name, record in records("small").items()}
    assert again == expected


def test_only_what_is_asked_is_computed_and_kinds_do_not_mix(execute):
    async def both(potential, case, settings, rng):
        async def ask(properties):
            return await potential.evaluate(case.structures, properties)

        one, two = await potential.gather(ask(("energy",)), ask(("energy", "forces")))
        assert one.forces is None
        return Raw({"energy": np.array([one.energies[0], two.energies[0]])})

    model = CountingModel()
    execute(model, make_benchmark(both))
    sizes = {kind: sum(size for size, one in model.calls if one == kind) for kind in {one for _, one in model.calls}}
    assert sizes == {frozenset({"energy"}): 4, frozenset({"energy", "forces"}): 4}
    assert len(model.calls) == 3


def test_a_later_question_may_use_an_earlier_answer(execute, records):
    async def chain(potential, case, settings, rng):
        energy = []
        atoms = case.structures[0]
        for _ in range(3):
            answer = await potential.evaluate([atoms], ("energy", "forces"))
            energy.append(answer.energies[0])
            atoms.positions += 0.01 * answer[0].forces
        return Raw({"energy": np.array(energy)})

    model = CountingModel()
    execute(model, make_benchmark(chain))
    assert len(model.calls) <= 4  # the first question goes alone, the rest of all cases together
    assert sum(size for size, _ in model.calls) == 12
    for record in records().values():
        assert (np.diff(record.outcome["energy"]) < 0).all()


class ThrownOut(BaseException):
    """Stands for Ctrl-C."""


def test_an_interrupted_conversation_is_replayed_from_the_journal(tmp_path, records):
    async def three(potential, case, settings, rng):
        answers = [await potential.evaluate(case.structures[:1], ("energy",)) for _ in range(3)]
        return Raw({"energy": np.array([answer.energies[0] for answer in answers])})

    class Interrupted(CountingModel):
        allowed = 2

        def evaluate(self, structures, properties):
            if len(self.calls) == self.allowed:
                raise ThrownOut
            return super().evaluate(structures, properties)

    model = Interrupted()
    benchmark = make_benchmark(three)
    ready = prepared(model)
    with Store.writer(tmp_path / "results") as store:
        todo = tasks_for(ready, benchmark, [toy_case("only", 1.3)])
        with pytest.raises(ThrownOut):
            Execution(ready, todo, store, 1, Limits(), Silent()).run()
        assert len(store.journal_get(todo[0].key)) == 2
        model.allowed = 10
        Execution(ready, todo, store, 1, Limits(), Silent()).run()
        assert store.journal_get(todo[0].key) == {}
        assert next(store.records()).atom_evaluations == 2  # as the seconds, those of the last attempt
    assert len(model.calls) == 3  # none of the three was asked twice
    assert len(records()) == 1


@pytest.mark.parametrize(
    ("reaction", "kind", "message"),
    [
        (lambda: 1 / 0, "bug", "ZeroDivisionError"),
        (lambda: "nothing", "bug", "instead of Raw"),
        (lambda: Raw({"other": np.zeros(1)}), "bug", "its schema has energy"),
    ],
)
def test_a_wrong_benchmark_is_a_recorded_bug(execute, records, reaction, kind, message):
    async def wrong(potential, case, settings, rng):
        if case.id == "case-1":
            return reaction()
        return await energies(potential, case, settings, rng)

    execute(CountingModel(), make_benchmark(wrong))
    outcomes = {name: record.outcome for name, record in records().items()}
    failure = outcomes.pop("case-1")
    assert isinstance(failure, Failure)
    assert (failure.kind, message in failure.message) == (kind, True)
    assert all(isinstance(outcome, Raw) for outcome in outcomes.values())


def test_awaiting_something_else_is_a_bug(execute, records):
    import asyncio

    async def sleepy(potential, case, settings, rng):
        await asyncio.sleep(0)

    execute(CountingModel(), make_benchmark(sleepy))
    assert {record.outcome.kind for record in records().values()} == {"bug"}


def test_what_the_model_cannot_is_not_asked(execute, records):
    model = CountingModel(elements=(1,))
    cases = [toy_case("fine", 1.3), toy_case("foreign", 2.0, "Xe2")]
    execute(model, make_benchmark(), cases)
    assert records()["foreign"].outcome.kind == "unsupported_element"
    assert isinstance(records()["fine"].outcome, Raw)
    assert model.calls == [(3, frozenset({"energy"}))]
    lacking = CountingModel(properties=("energy",))
    execute(prepared(lacking, "lacking"), make_benchmark(needs=("stress",)), [toy_case("s", 1.3)])
    assert records()["s"].outcome.kind == "not_implemented"


def test_one_bad_structure_spares_the_rest(execute, records):
    class Nan(CountingModel):
        def evaluate(self, structures, properties):
            near = [np.linalg.norm(atoms.positions[1] - atoms.positions[0]) for atoms in structures]
            answers = super().evaluate(structures, properties)
            return [Prediction(np.nan) if r < 1.25 else one for r, one in zip(near, answers, strict=True)]

    execute(Nan(), make_benchmark())
    outcomes = {name: record.outcome for name, record in records().items()}
    assert outcomes.pop("case-0").kind == "non_finite"
    assert all(isinstance(outcome, Raw) for outcome in outcomes.values())


def test_failures_can_be_kept(execute, records):
    async def keep(potential, case, settings, rng):
        near = case.structures[0]
        near.positions[1] = [0, 0, 0.05]
        answer = await potential.evaluate([case.structures[0], near], ("energy",), keep_failures=True)
        assert list(answer.failures) == [1]
        with pytest.raises(Failure):
            answer[1]
        return Raw({"energy": answer.energies})

    class Nan(CountingModel):
        def evaluate(self, structures, properties):
            answers = super().evaluate(structures, properties)
            return [
                Prediction(np.nan) if atoms.positions[1, 2] < 0.1 else one
                for atoms, one in zip(structures, answers, strict=True)
            ]

    execute(Nan(), make_benchmark(keep))
    for record in records().values():
        assert np.isnan(record.outcome["energy"]).tolist() == [False, True]
        assert record.atom_evaluations == 2


def test_after_the_deadline_nothing_new_is_begun(execute, records):
    outcome = execute(CountingModel(), make_benchmark(), stop_at=0.0)
    assert outcome.n_done == 0
    assert records() == {}


def test_seeds_come_from_the_key(execute, records):
    async def draw(potential, case, settings, rng):
        return Raw({"energy": rng.random(3)})

    execute(CountingModel(), make_benchmark(draw))
    for record in records().values():
        assert record.seed == int(record.key[:15], 16)
        assert record.outcome == Raw({"energy": np.random.default_rng(record.seed).random(3)})
