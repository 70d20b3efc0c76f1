"""What a benchmark may ask, and what it gets."""

import asyncio

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from forcegauge.encoding import pack, unpack
from forcegauge.errors import FAILURE_KINDS, Failure, UnknownName
from forcegauge.models.analytic import lennard_jones
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Capabilities, Potential, Prediction, Predictions, converse
from forcegauge.structures import Structures


def answer(question):
    return guarded_evaluate(lennard_jones(), question.structures, frozenset(question.properties))


def potential() -> Potential:
    return Potential(lennard_jones().capabilities)


def two() -> Structures:
    return Structures.from_atoms([Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5]]), bulk("Cu")])


def predictions() -> Predictions:
    rows = [
        Prediction(1.0, np.ones((2, 3)), np.eye(3)),
        Failure("non_finite", "no"),
    ]
    return Predictions.from_answers(two(), ("energy", "forces", "stress"), rows)


def test_predictions_travel_and_can_be_cut():
    whole = predictions()
    back = Predictions.from_dict(unpack(pack(whole.as_dict())))
    assert back.failures == whole.failures == {1: Failure("non_finite", "no")}
    np.testing.assert_array_equal(back.energy, [1.0, np.nan])
    np.testing.assert_array_equal(back[0].forces, np.ones((2, 3)))
    with pytest.raises(Failure, match="non_finite: no"):
        back[1]
    parts = [whole.take(0, 1), whole.take(1, 2)]
    assert parts[1].failures == {0: Failure("non_finite", "no")}
    joined = Predictions.concatenate(parts)
    np.testing.assert_array_equal(joined.stress, whole.stress)
    assert joined.failures == whole.failures


def test_answers_of_the_wrong_number_or_shape_are_refused():
    with pytest.raises(ValueError, match="1 answers to 2 structures"):
        Predictions.from_answers(two(), ("energy",), [Prediction(1.0)])
    wrong = [Prediction(1.0, np.ones((3, 3))), Prediction(1.0, np.ones((1, 3)))]
    with pytest.raises(ValueError, match=r"forces of shape \(3, 3\) where \(2, 3\) belongs"):
        Predictions.from_answers(two(), ("energy", "forces"), wrong)


def test_what_was_not_asked_is_not_there():
    async def ask():
        answer = await potential().evaluate(two(), ("energy",))
        assert answer.forces is None
        with pytest.raises(ValueError, match="forces was not asked for"):
            answer.stacked_forces()
        return answer.energies

    assert converse(ask(), answer).shape == (2,)


def test_an_unknown_property_is_refused():
    async def ask():
        await potential().evaluate(two(), ("charge",))

    with pytest.raises(ValueError, match="no property 'charge': there are energy"):
        converse(ask(), answer)


def test_gather_asks_at_once_and_keeps_the_order():
    rounds = []

    async def chain(length):
        for _ in range(length):
            energies = (await potential().evaluate(two(), ("energy",))).energies
        return length, float(energies[0])

    async def all_three():
        return await potential().gather(chain(2), chain(1), chain(3))

    def count(question):
        rounds.append(len(question.structures))
        return answer(question)

    results = converse(all_three(), count)
    assert [length for length, _ in results] == [2, 1, 3]
    assert len(rounds) == 6
    assert len({energy for _, energy in results}) == 1


def test_a_failure_in_one_of_several_ends_them_all():
    async def fine():
        return await potential().evaluate(two(), ("energy",))

    async def doomed():
        return await potential().evaluate(two(), ("magmoms",))

    async def both():
        return await potential().gather(fine(), doomed())

    with pytest.raises(Failure, match="not_implemented"):
        converse(both(), answer)


def test_a_conversation_works_where_an_event_loop_runs_already():
    async def ask():
        return (await potential().evaluate(two(), ("energy",))).energies

    async def notebook():
        return converse(ask(), answer)

    assert asyncio.run(notebook()).shape == (2,)


def test_capabilities():
    capabilities = Capabilities(elements=(1, 8), cutoff_angstrom=5.0, angle_cutoff_angstrom=3.0)
    assert capabilities.accepts({1})
    assert not capabilities.accepts({1, 6})
    assert Capabilities().accepts({118})
    assert Capabilities.from_dict(unpack(pack(capabilities.as_dict()))) == capabilities
    plain = Capabilities(cutoff_angstrom=5.0)
    assert (capabilities.cost(two()) > plain.cost(two())).all()
    assert plain.cost(Structures.from_atoms(Atoms("H"))).tolist() == [1.0]


def test_failures_are_records_and_exceptions():
    failure = Failure("timeout", "late", "trace")
    assert Failure.from_dict(failure.as_dict()) == failure
    assert not failure.is_final
    assert Failure("exploded", "bang").is_final
    assert len({*FAILURE_KINDS}) == 10
    with pytest.raises(ValueError, match="none of unsupported_element"):
        Failure("tired", "")


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("CHGNET", ["chgnet", "emt"], "no model 'CHGNET': did you mean 'chgnet'?"),
        ("zzz", ["chgnet", "emt"], "no model 'zzz': there are: chgnet, emt"),
        ("zzz", [f"model-{i}" for i in range(50)], "no model 'zzz': there are 50, none like it"),
        ("zzz", [], "no model 'zzz': there are none"),
    ],
)
def test_an_unknown_name_offers_the_nearest(name, known, expected):
    assert str(UnknownName("model", name, known)) == expected
