"""Families whose weights are files: the real package makes a tiny one of random weights, the adapter reads it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from forcegauge.models import environments, registry, weights

HERE = Path(__file__).parent
HEADS = ("pbe", "r2scan")


class Case:
    """A checkpoint to make and the package's own calculator for it, which finds ``path``."""

    def __init__(self, family, calculator, *, shape="", suffix="", arguments=(), options=None):
        self.family, self.calculator, self.suffix = family, calculator, suffix
        self.shape, self.arguments, self.options = shape or family, arguments, options or {}


def mace(dtype, head=""):
    return Case(
        "mace",
        "from mace.calculators import MACECalculator\n"
        f"calculator = MACECalculator(model_paths=path, device='cpu', default_dtype='{dtype}', head={head or None!r})",
        shape=f"mace@{head}" if head else "",
        suffix=".model",
        arguments=HEADS if head else (),
        options={"dtype": dtype},
    )


def orb(shape):
    return Case(
        "orb",
        "from orb_models.forcefield import pretrained\n"
        "from orb_models.forcefield.calculator import ORBCalculator\n"
        f"network = pretrained.ORB_PRETRAINED_MODELS['{shape}'](\n"
        f"    weights_path=path, device='cpu', precision='float64', compile=False)\n"
        "calculator = ORBCalculator(network, device='cpu')",
        shape=shape,
        suffix=".ckpt",
        arguments=[shape],
        options={"dtype": "float64"},
    )


def nequip(kind):
    return Case(
        "nequip",
        "from nequip.integrations.ase import NequIPCalculator\n"
        "calculator = NequIPCalculator._from_saved_model(\n"
        "    path, device='cpu', chemical_species_to_atom_type_map=True)",
        suffix=".nequip.zip",
        arguments=[kind],
    )


def matgl(kind):
    return Case(
        "matgl",
        "import matgl\nmatgl.set_default_dtype('float', 64)  # its converter would round coordinates\n"
        "from matgl.apps.pes import Potential\nfrom matgl.ext.ase import PESCalculator\n"
        "calculator = PESCalculator(Potential.load(path).double(), stress_unit='eV/A3')",
        arguments=[kind],
        options={"dtype": "float64"},
    )


UPET = Case(
    "upet",
    "from upet.calculator import UPETCalculator\n"
    "calculator = UPETCalculator(checkpoint_path=path, device='cpu', uncertainty_threshold=None)",
    suffix=".ckpt",
)


def deepmd(head=""):
    return Case(
        "deepmd",
        f"from deepmd.calculator import DP\ncalculator = DP(path, head={head or None!r})",
        shape=f"deepmd@{head}" if head else "",
        suffix=".pt",
        arguments=HEADS if head else (),
    )


CASES = {
    "mace-float64": mace("float64"),
    "mace-float32": mace("float32"),
    "mace-head": mace("float64", "r2scan"),
    "orb-conservative": orb("orb-v3-conservative-inf-omat"),
    "orb-direct": orb("orb-v2"),
    "nequip": nequip("nequip"),
    "allegro": nequip("allegro"),
    "m3gnet": matgl("M3GNet"),
    "tensornet": matgl("TensorNet"),
    "matgl-chgnet": matgl("CHGNet"),
    "upet": UPET,
    "deepmd": deepmd(),
    "deepmd-head": deepmd("r2scan"),
}


def python_of(family, build):
    """The interpreter of a family's environment, or a skip with the reason."""
    name = registry.families()[family]
    found = environments.find(name)
    if build:
        if not os.environ.get("FORCEGAUGE_TEST_REAL_MODELS"):
            pytest.skip("FORCEGAUGE_TEST_REAL_MODELS is not set: it would build a model's environment")
        found = environments.ensure(name)
    if found is None:
        pytest.skip(f"environment {name} is not installed, and takes long to build")
    return found.python


def run(python, *arguments):
    done = subprocess.run(
        [python, "-W", "ignore", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(environments.source_copy())},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.real_model if case.family == "mace" else pytest.mark.installed_model)
        for name, case in CASES.items()
    ],
)
def answer(request, tmp_path_factory):
    case = CASES[request.param]
    python = python_of(case.family, build=case.family == "mace")
    file = tmp_path_factory.mktemp(request.param) / f"tiny{case.suffix}"
    run(python, HERE / "tiny_checkpoints" / f"{case.family}.py", file, *case.arguments)
    entry = weights.provided(registry.get(f"tiny={case.shape}:{file}"))
    spec = json.dumps(entry.spec(threads=1, options=case.options))
    said = run(python, HERE / "checkpoint_contract.py", spec, case.calculator)
    if file.is_file():
        file.unlink()  # an Orb of random weights is as large as a trained one
    return {"entry": entry, **json.loads(said.strip().splitlines()[-1])}


def tolerance(answer, float32, float64):
    return float64 if answer["facts"]["capabilities"]["dtype"] == "float64" else float32


def test_numbers_are_the_packages_own(answer):
    assert not answer["kinds"]
    # Packages round positions, 1e-6 Å in these boxes, times curvatures of 1e3 eV/Å²; ForceGauge rounds vectors.
    limits = {"forces": tolerance(answer, 2e-3, 1e-8), "stress": tolerance(answer, 1e-5, 1e-9)}
    for row in answer["rows"]:
        limits["energy"] = tolerance(answer, 1e-4 + 1e-6 * abs(row["energy"]), 1e-8)
        assert all(row["package"][name] < limits[name] for name in row["package"]), row


def test_a_batch_equals_a_loop(answer):
    for row in answer["rows"]:
        limit = tolerance(answer, 1e-4, 1e-9)
        assert max(row["alone"].values()) < limit + 1e-7 * abs(row["energy"]), row


def test_an_energy_alone_is_the_same_energy_without_a_gradient(answer):
    assert answer["gradients"] == 0
    for row in answer["rows"]:
        assert row["energy_only"] < tolerance(answer, 1e-5, 1e-9) + 1e-7 * abs(row["energy"]), row


def test_forces_and_stress_are_slopes_where_the_model_says_so(answer):
    close = [
        value == pytest.approx(slope, rel=tolerance(answer, 0.05, 1e-4), abs=tolerance(answer, 5e-3, 1e-6))
        for _, value, slope in answer["derivatives"]
    ]
    assert len(close) == 4
    assert all(close) == answer["facts"]["capabilities"]["is_conservative"], answer["derivatives"]


def test_the_hash_is_the_identity_and_foreign_elements_are_not_asked(answer):
    assert answer["facts"]["weights"] == answer["entry"].sha256
    assert answer["strange"] == {"1": "unsupported_element"}
    versions = answer["facts"]["packages"]
    assert versions["torch"].startswith("2.13.0")


def refusals(python, names):
    """The line that each of these models is refused with."""
    specs = [weights.provided(registry.get(name)).spec() for name in names]
    code = "import json, sys\nfrom forcegauge.errors import ModelUnavailable\nfrom forcegauge.models.base import load\n"
    code += "for spec in json.loads(sys.argv[1]):\n    try:\n        load(spec)\n"
    code += "    except ModelUnavailable as error:\n        print(error)"
    return run(python, "-c", code, json.dumps(specs)).strip().splitlines()


@pytest.mark.parametrize(
    ("family", "suffix", "heads"),
    [
        pytest.param("mace", ".model", "pbe, r2scan", marks=pytest.mark.real_model),
        pytest.param("deepmd", ".pt", "pbe, r2scan, pbe-alias, r2scan-alias", marks=pytest.mark.installed_model),
    ],
)
def test_a_head_that_is_missing_or_unknown_is_told_in_one_line_with_those_that_there_are(
    family, suffix, heads, tmp_path
):
    python = python_of(family, build=family == "mace")
    files = {name: tmp_path / f"{name}{suffix}" for name in ("two", "one")}
    run(python, HERE / "tiny_checkpoints" / f"{family}.py", files["two"], *HEADS)
    run(python, HERE / "tiny_checkpoints" / f"{family}.py", files["one"])
    there = f"it has {heads}; give it as {family}@HEAD:/path/to/file"
    none, unknown, single = refusals(
        python, [f"{family}:{files['two']}", f"{family}@wb97:{files['two']}", f"{family}@wb97:{files['one']}"]
    )
    assert none == f"the {family} checkpoint has several heads, and none was chosen: {there}"
    assert unknown == f"the {family} checkpoint has no head wb97: {there}"
    assert single.startswith(f"the {family} checkpoint has no head wb97: it has ")


@pytest.mark.installed_model
def test_a_pickle_where_tensors_were_promised_is_refused_in_one_line(tmp_path):
    python = python_of("orb", build=False)
    file = tmp_path / "wicked.ckpt"
    wicked = "import os, sys, torch\nclass W:\n    def __reduce__(self): return os.system, ('touch ' + sys.argv[2],)\n"
    run(python, "-c", wicked + "torch.save({'weights': W()}, sys.argv[1])", file, tmp_path / "run")
    (said,) = refusals(python, [f"wicked=orb-v2:{file}"])
    assert "was to hold plain tensors and holds a pickle that would run code" in said
    assert "it is refused" in said
    assert not (tmp_path / "run").exists()


DISPERSION = """
import json, sys, warnings
import numpy as np
from ase.build import bulk
from dftd3.ase import DFTD3
from forcegauge.models.base import load
from forcegauge.structures import Structures

warnings.simplefilter("ignore")
atoms = bulk("Si", cubic=True)
atoms.rattle(0.05, seed=1)
ask = frozenset({"energy", "forces", "stress"})
plain, added = (load(spec) for spec in json.loads(sys.argv[1]))
both = [one.model.evaluate(Structures.from_atoms([atoms]), ask)[0] for one in (plain, added)]
atoms.calc = DFTD3(method=added.options["d3"], damping="d3bj")
given = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress(voigt=False)}
cost = [one.capabilities.cost(Structures.from_atoms([atoms]))[0] for one in (plain, added)]
print(json.dumps({
    "off": {name: float(np.abs(getattr(both[1], name) - getattr(both[0], name) - given[name]).max()) for name in given},
    "energy": given["energy"], "cost": cost, "reach": added.capabilities.cutoff_angstrom,
}, default=float))
"""
PUBLISHED = {
    "mace-float64": "mace-mp-0-medium",
    "orb-conservative": "orb-v3-conservative-inf-omat",
    "nequip": "nequip-oam-l",
    "tensornet": "tensornet-matpes-r2scan",
    "upet": "pet-oam-xl",
    "deepmd": "dpa3-mptrj",
}


@pytest.mark.installed_model
@pytest.mark.parametrize("name", PUBLISHED)
def test_dispersion_is_added_in_every_family(name, tmp_path):
    case, file = CASES[name], tmp_path / f"tiny{CASES[name].suffix}"
    entries = [registry.get(f"{PUBLISHED[name]}:{file}{suffix}") for suffix in ("", "+d3")]
    found = environments.find(entries[1].environment)
    if found is None:
        pytest.skip(f"environment {entries[1].environment} is not installed, and takes long to build")
    run(found.python, HERE / "tiny_checkpoints" / f"{case.family}.py", file, *case.arguments)
    specs = [entry.spec(threads=1, options=case.options) for entry in entries]
    said = json.loads(run(found.python, "-c", DISPERSION, json.dumps(specs)).strip().splitlines()[-1])
    assert said["energy"] < -0.5
    assert max(said["off"].values()) < 1e-4, said
    assert said["cost"][0] == said["cost"][1]
    assert said["reach"] == pytest.approx(31.75, abs=0.01)
