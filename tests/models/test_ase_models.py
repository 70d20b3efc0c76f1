import textwrap

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from forcegauge.errors import BadInput, ModelUnavailable, UnknownName
from forcegauge.models.ase_calculator import AseModel
from forcegauge.models.base import load, versions, weights_sha256
from forcegauge.models.guard import guarded_evaluate
from forcegauge.structures import Structures

ALL = frozenset({"energy", "forces", "stress"})


def ask(model, structures, properties=ALL):
    return guarded_evaluate(model, Structures.from_atoms(structures), frozenset(properties))


class Counting(Calculator):
    implemented_properties = ("energy", "forces")
    identity = "counting 1"

    def __init__(self):
        super().__init__()
        self.asked = []

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.asked.append(list(properties))
        if 79 in atoms.numbers:
            raise RuntimeError("no gold")
        self.results = {"energy": 2.0 * len(atoms), "forces": np.ones((len(atoms), 3))}


def test_a_calculator_answers_what_it_answers_alone():
    batch = [bulk("Cu", cubic=True), bulk("Al"), bulk("Ni") * 2]
    for atoms in batch:
        atoms.rattle(0.05, seed=2)
    answer = ask(AseModel(EMT()), batch)
    for row, atoms in enumerate(batch):
        atoms.calc = EMT()
        assert answer[row].energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(answer[row].forces, atoms.get_forces(), atol=1e-10)
        np.testing.assert_allclose(answer[row].stress, atoms.get_stress(voigt=False), atol=1e-10)


def test_one_call_gives_energy_and_forces():
    calculator = Counting()
    answer = ask(AseModel(calculator), [bulk("Cu"), bulk("Cu", cubic=True)], {"energy", "forces"})
    assert answer.energies.tolist() == [2.0, 8.0]
    assert calculator.asked == [["forces"], ["forces"]]
    ask(AseModel(calculator), bulk("Al"), {"energy"})
    assert calculator.asked[-1] == ["energy"]


def test_capabilities_come_from_the_calculator():
    model = AseModel(Counting())
    assert model.capabilities.properties == ("energy", "forces")
    assert model.identity == "counting 1"
    assert AseModel(LennardJones()).identity == ""
    assert ask(model, bulk("Cu")).failures[0].kind == "not_implemented"


def test_an_exception_is_that_structures_own_failure_with_its_traceback():
    answer = ask(AseModel(Counting()), [bulk("Cu"), bulk("Au"), bulk("Cu")], {"energy"})
    assert answer.failures[1].kind == "bug"
    assert answer.failures[1].message == "RuntimeError: no gold"
    assert "in calculate" in answer.failures[1].traceback
    assert [answer[0].energy, answer[2].energy] == [2.0, 2.0]


def test_what_a_calculator_refuses_at_run_time_is_not_implemented():
    class Fickle(Counting):
        implemented_properties = ("energy", "forces", "stress")

    answer = ask(AseModel(Fickle()), bulk("Cu"))
    assert answer.failures[0].kind == "not_implemented"
    assert "stress" in answer.failures[0].message


@pytest.fixture
def factory_folder(tmp_path, monkeypatch):
    text = """
        from ase.calculators.lj import LennardJones

        def good(epsilon=1.0):
            return LennardJones(sigma=2.2, epsilon=epsilon, rc=6.0)

        def raising():
            raise OSError("no licence server\\nand more")

        def wrong():
            return 42
    """
    (tmp_path / "my_potential.py").write_text(textwrap.dedent(text))
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return str(tmp_path)


def test_a_factory_is_found_called_with_its_options_and_named_in_the_key(factory_folder):
    spec = {"factory": "my_potential:good", "path": [factory_folder], "options": {"epsilon": 0.5}}
    loaded = load(spec)
    dimer = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.2 * 2 ** (1 / 6)]])
    assert ask(loaded.model, dimer, {"energy"}).energies[0] == pytest.approx(-0.5, abs=0.01)
    assert loaded.options == {"epsilon": 0.5, "factory": "my_potential:good"}
    assert loaded.weights == ""
    assert loaded.packages == versions(["ase", "numpy", "scipy"])


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"factory": "my_potential:raising"}, ModelUnavailable, "raising does not load: OSError: no licence server$"),
        ({"factory": "my_potential:wrong"}, BadInput, "returned a int, which is no ASE calculator"),
        ({"factory": "my_potential:absent"}, ModelUnavailable, "AttributeError"),
        ({"factory": "no_such_module:x"}, ModelUnavailable, "no_such_module"),
        ({"factory": "my_potential"}, BadInput, "write package.module:function"),
        ({"adapter": "../evil"}, BadInput, "is no adapter"),
        ({"adapter": "no_such_adapter"}, ModelUnavailable, "does not load"),
        ({"adapter": "analytic", "options": {"potential": "mors"}}, UnknownName, "did you mean 'morse'"),
        ({"adapter": "analytic", "options": {"potential": "morse"}, "dtype": "float32"}, BadInput, "float64, not in"),
        ({"adapter": "analytic", "options": {"potential": "morse"}, "device": "cuda"}, BadInput, "runs on cpu"),
        ({"adapter": "analytic", "options": {"potential": "morse"}, "sha256": "00"}, ModelUnavailable, "SHA-256"),
    ],
)
def test_what_does_not_load_says_so_in_one_line(factory_folder, spec, error, message):
    with pytest.raises(error, match=message) as caught:
        load({"path": [factory_folder], **spec})
    assert "\n" not in str(caught.value)


def test_facts_name_the_model_to_the_bit():
    facts = load(
        {"adapter": "analytic", "options": {"potential": "morse", "depth_ev": 1.0}, "dtype": "float64"}
    ).facts()
    assert facts["weights"] == "morse"
    assert facts["options"] == {"potential": "morse", "depth_ev": 1.0}
    assert facts["adapter_version"] >= 1
    assert facts["capabilities"]["is_conservative"] is True


def test_weights_hash(tmp_path):
    (tmp_path / "weights").write_bytes(b"abc")
    assert weights_sha256(tmp_path / "weights").startswith("ba7816bf8f01cfea")
