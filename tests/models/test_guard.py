import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from forcegauge.errors import Failure
from forcegauge.models.analytic import lennard_jones
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures

ENERGY = frozenset({"energy"})
BOTH = frozenset({"energy", "forces"})


class Scripted:
    """Answers 1 eV per atom, and does what it is told when a gold atom comes."""

    def __init__(self, at_gold, **capabilities):
        self.capabilities = Capabilities(**capabilities)
        self.at_gold = at_gold
        self.batches = []

    def evaluate(self, structures, properties):
        self.batches.append(len(structures))
        return [
            self.at_gold() if 79 in one.numbers else Prediction(float(len(one)), np.zeros((len(one), 3)))
            for one in structures
        ]


def fail(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("at_gold", "kind", "message"),
    [
        (fail(RuntimeError("no gold\nplease")), "bug", "RuntimeError: no gold"),
        (fail(MemoryError()), "out_of_memory", "no memory left for 1 atoms"),
        (fail(RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")), "out_of_memory", "no memory"),
        (fail(Failure("exploded", "bang")), "exploded", "bang"),
        (lambda: Failure("exploded", "bang"), "exploded", "bang"),
        (lambda: Prediction(np.nan, np.zeros((1, 3))), "non_finite", "energy not finite"),
        (lambda: Prediction(1.0, np.full((1, 3), np.inf)), "non_finite", "forces not finite"),
        (lambda: Prediction(1.0), "not_implemented", "gave no forces"),
        (lambda: Prediction(1.0, np.zeros((2, 3))), "bug", "shape"),
        (lambda: "rubbish", "bug", "str"),
    ],
)
def test_one_bad_structure_spares_the_others(at_gold, kind, message):
    batch = Structures.from_atoms([bulk("Cu"), bulk("Al"), bulk("Au"), bulk("Ag", cubic=True), bulk("Ni")])
    answer = guarded_evaluate(Scripted(at_gold), batch, BOTH)
    assert list(answer.failures) == [2]
    assert answer.failures[2].kind == kind
    assert message in answer.failures[2].message
    assert [answer[row].energy for row in (0, 1, 3, 4)] == [1.0, 1.0, 4.0, 1.0]
    assert np.isnan(answer.energies[2])
    assert np.isnan(answer.forces[2]).all()


def test_halving_asks_no_more_than_needed():
    model = Scripted(fail(RuntimeError("no")))
    batch = Structures.from_atoms([bulk("Au" if row == 5 else "Cu") for row in range(16)])
    answer = guarded_evaluate(model, batch, ENERGY)
    assert list(answer.failures) == [5]
    assert "in act" in answer.failures[5].traceback
    assert len(model.batches) == 1 + 2 * 4


def test_too_few_answers_are_a_bug_of_every_structure():
    class Short(Scripted):
        def evaluate(self, structures, properties):
            return []

    answer = guarded_evaluate(Short(None), Structures.from_atoms([bulk("Cu"), bulk("Al")]), ENERGY)
    assert {failure.kind for failure in answer.failures.values()} == {"bug"}
    assert len(answer.failures) == 2


def test_foreign_elements_never_reach_the_model():
    model = Scripted(fail(AssertionError("asked")), elements=(13, 29))
    batch = Structures.from_atoms([bulk("Cu"), bulk("Au"), bulk("Al"), bulk("Cu"), bulk("Xe", "fcc", 6.0)])
    answer = guarded_evaluate(model, batch, ENERGY)
    assert {row: str(failure) for row, failure in answer.failures.items()} == {
        1: "unsupported_element: the model was not made for Au",
        4: "unsupported_element: the model was not made for Xe",
    }
    assert model.batches == [3]
    assert [answer[row].energy for row in (0, 2, 3)] == [1.0, 1.0, 1.0]


def test_what_the_model_does_not_offer_is_not_asked():
    model = Scripted(None)
    answer = guarded_evaluate(model, Structures.from_atoms([bulk("Cu")] * 2), frozenset({"energy", "stress"}))
    assert [failure.kind for failure in answer.failures.values()] == ["not_implemented"] * 2
    assert "no stress" in answer.failures[0].message
    assert model.batches == []


def test_input_that_no_model_can_take():
    empty, molecule, broken = Atoms(), Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]), bulk("Cu")
    broken.positions[0, 0] = np.nan
    answer = guarded_evaluate(lennard_jones(), Structures.from_atoms([empty, molecule, broken, bulk("Cu")]), ENERGY)
    assert [answer.failures[row].kind for row in (0, 2)] == ["not_implemented", "non_finite"]
    assert len(answer.failures) == 2
    stress = guarded_evaluate(lennard_jones(), Structures.from_atoms([molecule, bulk("Cu")]), frozenset({"stress"}))
    assert "cell with a volume" in stress.failures[0].message
    celled = Scripted(None, needs_cell=True)
    answer = guarded_evaluate(celled, Structures.from_atoms([molecule, bulk("Cu")]), ENERGY)
    assert "large box" in answer.failures[0].message
    assert answer[1].energy == 1.0


def test_no_structures():
    assert len(guarded_evaluate(lennard_jones(), Structures.empty(), BOTH)) == 0
