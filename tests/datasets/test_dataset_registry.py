import re

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from forcegauge.datasets import registry
from forcegauge.datasets.base import statistics
from forcegauge.errors import UnknownName


@pytest.mark.parametrize("name", registry.names())
def test_cards_are_complete(name):
    card = registry.get(name).card
    assert card.name == name
    assert all((card.title, card.description, card.licence, card.citation, card.level_of_theory, card.units))
    for source in card.sources:
        assert source.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert source.n_bytes > 0


def test_an_unknown_dataset_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'wbm-1000'"):
        registry.get("wbm1000")


def test_statistics_count_what_is_there():
    structures = [Atoms("H2"), Atoms("CuO", cell=[2, 2, 2], pbc=True)]
    found = statistics(structures)
    assert (found["n_structures"], found["n_atoms_mean"], found["n_elements"]) == (2, 2.0, 3)
    assert found["volume_per_atom_min_A3"] == found["volume_per_atom_max_A3"] == pytest.approx(4.0)


def test_statistics_of_nothing_are_zero():
    assert statistics([])["n_atoms_max"] == 0


@pytest.mark.shared_data
def test_wbm_crystals_are_the_published_ones(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    dataset = registry.get("wbm-1000")
    structures = dataset.structures()
    published = {
        atoms.info["wbm_id"]: atoms for atoms in read(shared / "data" / "wbm1000" / "wbm_structures.extxyz.gz", ":")
    }
    assert len(structures) == dataset.card.n_structures == len(published) == 1000
    for atoms in structures:
        other = published.pop(atoms.info["name"])
        assert (atoms.numbers == other.numbers).all()
        assert atoms.pbc.all()
        np.testing.assert_allclose(atoms.positions, other.positions, atol=2e-8)
        np.testing.assert_allclose(atoms.cell.array, other.cell.array, atol=2e-8)


@pytest.mark.shared_data
def test_the_full_preset_strains_the_published_crystals(shared, monkeypatch, tmp_path):
    from forcegauge.benchmarks.properties.energy_volume import BENCHMARK

    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    cases = BENCHMARK.cases(BENCHMARK.presets["full"])
    assert len({case.id for case in cases}) == 1000
    assert cases[0].id == "WBM-71714"
