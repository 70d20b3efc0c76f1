"""CHGNet and SevenNet-0 against the packages' own calculators, asked inside the models' environment."""

import json
import os
import subprocess
import textwrap

import pytest

from forcegauge.models import environments, registry

pytestmark = pytest.mark.real_model

SCRIPT = """
import contextlib, io, json, sys, warnings
import numpy as np
from ase import Atoms
from ase.build import bulk
from forcegauge.models.base import load
from forcegauge.models.guard import guarded_evaluate
from forcegauge.structures import Structures

warnings.simplefilter("ignore")
name, spec = sys.argv[1], json.loads(sys.argv[2])
loaded = load(spec)
ALL = frozenset({"energy", "forces", "stress"})

def ask(structures, properties=ALL):
    return guarded_evaluate(loaded.model, Structures.from_atoms(structures), frozenset(properties))

def package_calculator():
    if name == "chgnet":
        from chgnet.model import CHGNet, CHGNetCalculator
        network = CHGNet.load(use_device="cpu", verbose=False)
        return CHGNetCalculator(network, use_device="cpu", on_isolated_atoms="ignore")
    from sevenn.calculator import SevenNetCalculator
    return SevenNetCalculator("7net-0", device="cpu")

batch = [bulk("Si", cubic=True), bulk("NaCl", "rocksalt", a=5.6), bulk("Fe"), bulk("Cu", cubic=True) * (2, 2, 2)]
batch += [bulk("ZnO", "wurtzite", a=3.25, c=5.2), bulk("Al", a=3.4), bulk("Al", a=4.7)]
for atoms in batch:
    atoms.rattle(0.05, seed=1)
for distance in (1.2, 2.0, 4.0, 8.0):
    batch.append(Atoms("O2", positions=[[0, 0, 0], [0, 0, distance]], cell=[20, 21, 22], pbc=True))
batch.append(Atoms("Fe", cell=[20, 20, 20], pbc=True))

with contextlib.redirect_stdout(io.StringIO()):
    calculator = package_calculator()
together, energies = ask(batch), ask(batch, {"energy"}).energies
rows = []
for row, atoms in enumerate(batch):
    alone = ask(atoms)[0]
    atoms.calc = calculator
    package = (atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False))
    ours = together[row]
    rows.append({
        "formula": atoms.get_chemical_formula(),
        "energy": package[0],
        "package": [abs(ours.energy - package[0]), float(np.abs(ours.forces - package[1]).max()),
                    float(np.abs(ours.stress - package[2]).max())],
        "alone": [abs(ours.energy - alone.energy), float(np.abs(ours.forces - alone.forces).max()),
                  float(np.abs(ours.stress - alone.stress).max())],
        "energy_only": abs(energies[row] - ours.energy),
    })

strained, strain = bulk("NaCl", "rocksalt", a=5.5), []
strained.rattle(0.1, seed=4)
for a, b in ((0, 0), (0, 1)):
    ends = []
    for sign in (1, -1):
        change = np.zeros((3, 3)); change[a, b] += sign * 5e-3; change[b, a] += sign * 5e-3
        moved = strained.copy(); moved.set_cell(strained.cell @ (np.eye(3) + change / 2), scale_atoms=True)
        ends.append(float(ask(moved, {"energy"}).energies[0]))
    slope = (ends[0] - ends[1]) / (1e-2 * strained.get_volume())
    strain.append([float(ask(strained)[0].stress[a, b]), slope])
stretched = strained.copy(); stretched.set_cell(strained.cell * 1.05, scale_atoms=True)

bad = bulk("Cu"); bad.positions[0, 0] = np.nan
mixed = ask([bulk("Cu"), bad, bulk("U", "fcc", 4.5), Atoms("Lr", cell=[9, 9, 9], pbc=True),
             Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]]), bulk("Cu")], {"energy", "forces"})
first, second = (ask(batch[3]).forces for _ in range(2))
print(json.dumps({
    "rows": rows, "strain": strain, "tension": float(np.trace(ask(stretched)[0].stress)),
    "kinds": {row: failure.kind for row, failure in mixed.failures.items()},
    "spared": [float(mixed[0].energy), float(mixed[5].energy), float(ask(bulk("Cu")).energies[0])],
    "repeat": float(np.abs(first - second).max()), "facts": loaded.facts(),
}, default=float))
"""


@pytest.fixture(scope="module", params=["chgnet", "sevennet-0"])
def answer(request):
    if not os.environ.get("FORCEGAUGE_TEST_REAL_MODELS"):
        pytest.skip("FORCEGAUGE_TEST_REAL_MODELS is not set: it would build a model's environment of 1.5 GB")
    entry = registry.get(request.param)
    installed = environments.ensure(entry.environment)
    command = [installed.python, "-c", textwrap.dedent(SCRIPT), request.param, json.dumps(entry.spec(threads=1))]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(environments.source_copy())},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {"name": request.param, "silence": done.stderr, **json.loads(done.stdout)}


def test_numbers_are_the_packages_own(answer):
    for row in answer["rows"]:
        energy, forces, stress = row["package"]
        assert energy < 1e-4 + 1e-6 * abs(row["energy"]), row
        assert forces < 1e-4, row
        assert stress < 1e-5, row


def test_batch_equals_loop(answer):
    for row in answer["rows"]:
        assert row["alone"][0] < 1e-5 * 2, row
        assert max(row["alone"][1:]) < 1e-4, row


def test_energy_alone_is_the_same_energy(answer):
    assert max(row["energy_only"] for row in answer["rows"]) < 1e-5


def test_stress_is_the_strain_derivative_tension_positive(answer):
    for stress, slope in answer["strain"]:
        assert stress == pytest.approx(slope, abs=3e-4)
    assert answer["tension"] > 0


def test_bad_structures_spare_the_others(answer):
    expected = {"1": "non_finite", "3": "unsupported_element"}
    if answer["name"] == "chgnet":
        expected["4"] = "not_implemented"  # no cell
    assert answer["kinds"] == expected
    first, last, alone = answer["spared"]
    assert first == pytest.approx(alone, abs=1e-5)
    assert last == pytest.approx(alone, abs=1e-5)


def test_the_same_question_gets_the_same_answer_and_nothing_is_chattered(answer):
    assert answer["repeat"] == 0.0
    assert answer["silence"] == ""


def test_the_card_tells_the_truth(answer):
    entry, facts = registry.get(answer["name"]), answer["facts"]
    assert facts["weights"] == entry.sha256
    assert facts["capabilities"]["cutoff_angstrom"] == entry.cutoff_angstrom
    assert facts["capabilities"]["properties"] == list(entry.properties)
    assert facts["capabilities"]["needs_cell"] == entry.needs_cell
    assert facts["capabilities"]["dtype"] == entry.dtype
    assert facts["capabilities"]["is_mirror_symmetric"] == entry.mirror_symmetric
    assert len(facts["capabilities"]["elements"]) == int(entry.elements.partition(":")[0])
    assert facts["packages"]["torch"].startswith("2.13.0")
