import json
import os
import subprocess

import numpy as np
import pytest
from ase import Atoms

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models import environments, registry
from forcegauge.models.dispersion import CUTOFF_ANGSTROM
from forcegauge.potential import Capabilities
from forcegauge.structures import Structures

TAKES = [name for name in registry.names() if registry.get(name).d3 not in ("", "included")]


def test_the_suffix_takes_the_functional_of_the_card_into_the_options():
    entry, plain = registry.get("chgnet+d3"), registry.get("chgnet")
    assert entry.name == "chgnet+d3"
    assert entry.options == {**plain.options, "d3": "pbe"}
    assert registry.get("sevennet-mf-0-r2scan+d3").options["d3"] == "r2scan"
    assert entry.sha256 == plain.sha256
    assert entry.theory == "PBE and PBE+U with D3(BJ)"
    assert entry.cutoff_angstrom == CUTOFF_ANGSTROM == pytest.approx(31.75, abs=0.01)


@pytest.mark.parametrize("name", ["so3lr+d3", "gfn2-xtb+d3", "mace-off23-medium+d3", "chgnet+d3+d3"])
def test_dispersion_is_not_added_twice(name):
    with pytest.raises(BadInput, match=r"dispersion is not added, since .* has it already"):
        registry.get(name)


@pytest.mark.parametrize(
    ("name", "theory"),
    [
        ("lennard-jones+d3", "nothing is said of its theory"),
        ("nep89+d3", "its theory is mostly PBE, of several sources"),
        ("mace:/data/my.model+d3", "nothing is said of its theory"),
    ],
)
def test_dispersion_is_not_guessed(name, theory):
    with pytest.raises(BadInput, match=f"the card names no functional that D3.BJ. has parameters for; {theory}"):
        registry.get(name)


def test_an_unknown_name_stays_unknown():
    with pytest.raises(UnknownName):
        registry.get("chgnoot+d3")


def test_every_family_without_dispersion_takes_the_suffix():
    assert {registry.get(name).adapter for name in TAKES} >= {
        *("chgnet", "sevennet", "diep", "hienet", "mace", "orb", "nequip", "matgl", "upet", "deepmd")
    }


@pytest.mark.parametrize("name", TAKES)
def test_dispersion_comes_in_an_environment_beside_the_models_own(name):
    plain, entry = registry.get(name), registry.get(f"{name}+d3")
    assert entry.options["d3"] == plain.d3
    own, added = environments.requirements(plain.environment), environments.requirements(entry.environment)
    assert not any("dftd3" in pin for pin in own)  # who has no wheel for it still has the model
    assert added == [*own, *environments.requirements("d3")]
    assert environments.folder_of(plain.environment) != environments.folder_of(entry.environment)


def test_a_batch_is_cut_by_the_edges_of_the_graph_not_by_the_reach_of_dispersion():
    crystal = Structures.from_atoms(Atoms("Cu", cell=np.full((3, 3), 1.8) - 1.8 * np.eye(3), pbc=True))
    plain = Capabilities(cutoff_angstrom=6.0)
    far = Capabilities(cutoff_angstrom=CUTOFF_ANGSTROM, graph_cutoff_angstrom=6.0)
    assert far.cost(crystal) == plain.cost(crystal)
    assert Capabilities(cutoff_angstrom=CUTOFF_ANGSTROM).cost(crystal) > 100 * plain.cost(crystal)


REACH = """
import json
import numpy as np
from ase import Atoms
from forcegauge.models.dispersion import CUTOFF_ANGSTROM, DispersionCorrected
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures

class Nothing:
    identity, capabilities, edge_cap = "nothing", Capabilities(cutoff_angstrom=2.0, batch_cost=7.0), 5.0
    def evaluate(self, structures, properties):
        return [Prediction(0.0, np.zeros((len(atoms), 3))) for atoms in structures]

model = DispersionCorrected(Nothing(), "pbe", 1)
model.edge_cap = 3.0
pairs = [Atoms("Cs2", [[0, 0, 0], [0, 0, CUTOFF_ANGSTROM + d]]) for d in (-0.01, 0.01)]
answers = model.evaluate(Structures.from_atoms(pairs), frozenset({"energy", "forces"}))
found = model.capabilities
print(json.dumps({"energies": [one.energy for one in answers], "cap": model.model.edge_cap,
                  "cutoffs": [found.cutoff_angstrom, found.graph_cutoff_angstrom, found.batch_cost]}))
"""


@pytest.mark.installed_model
def test_the_library_ends_where_the_card_says():
    names = dict.fromkeys(registry.get(f"{name}+d3").environment for name in TAKES)
    installed = next((found for name in names if (found := environments.find(name))), None)
    if installed is None:
        pytest.skip("no environment with dispersion is installed")
    done = subprocess.run(
        [installed.python, "-W", "ignore", "-c", REACH],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(environments.source_copy())},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    inside, outside = said["energies"]
    assert inside < 0.0
    assert outside == 0.0
    assert said["cutoffs"] == [CUTOFF_ANGSTROM, 2.0, 7.0]
    assert said["cap"] == 3.0  # what bounds the memory reaches the model itself
