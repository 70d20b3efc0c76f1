from collections import Counter

import numpy as np
import pytest
from ase.io import read
from ase.neighborlist import neighbor_list

from forcegauge.datasets import acwf


def neighbours(atoms):
    """Pairs of elements and distances out to an irrational multiple of the mean spacing, whatever the axes."""
    spacing = (atoms.cell.volume / len(atoms)) ** (1 / 3)
    first, second, distance = neighbor_list("ijd", atoms, 1.937 * spacing)
    kinds = np.sort(np.stack([atoms.numbers[first], atoms.numbers[second]]), axis=0)
    return np.array(sorted(zip(*kinds, np.round(distance, 3), strict=True)))


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["unaries", "oxides"])
def test_the_cells_built_here_are_those_of_the_reference(shared, kind):
    checked = Counter()
    for published in read(shared / "data" / "acwf_eos" / f"{kind}_structures.extxyz.gz", ":"):
        symbol, _, structure = published.info["name"].partition("-")
        name = f"{symbol}-X/{structure}" if kind == "unaries" else f"{symbol}-{structure}"
        if acwf.is_comparable(name) and (symbol < "C" or checked[structure] < 2):
            built = acwf.build(name, published.cell.volume)
            expected, found = neighbours(published), neighbours(built)
            assert len(built) == len(published)
            assert expected.shape == found.shape, name
            np.testing.assert_allclose(found, expected, atol=2e-3, err_msg=name)
            checked[structure] += 1
    assert {f"X/{name}" if kind == "unaries" else name for name in checked} <= set(acwf.STRUCTURE_TYPES)
    assert len(checked) == (4 if kind == "unaries" else 6)


@pytest.mark.shared_data
def test_the_facts_are_the_original_values_rounded(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    from forcegauge.datasets.fetch import fetch

    values = acwf.read(fetch(acwf.DATASET.card))
    assert len(values) == acwf.DATASET.card.n_structures == len(acwf.DATASET.structures())
    assert {name: values[name] for name in acwf.facts()} == dict(acwf.facts())
    assert values["Al-X/FCC"] == pytest.approx((16.4796, 77.512, 4.6232), rel=1e-3)


def test_the_package_carries_six_of_each_structure():
    assert Counter(name.partition("-")[2] for name in acwf.facts()) == dict.fromkeys(acwf.STRUCTURE_TYPES, 6)
    assert all(acwf.is_comparable(name) for name in acwf.facts())


@pytest.mark.parametrize("name", ["Fe-X/BCC", "Fe-X2O3", "O-X/SC", "Nd-XO", "U-XO2", "W-XO3", "V-X2O5"])
def test_moments_and_plus_u_are_left_out(name):
    assert not acwf.is_comparable(name)


@pytest.mark.parametrize("name", ["W-X/BCC", "Ti-XO2", "Lu-X/FCC"])
def test_what_has_neither_is_kept(name):
    assert acwf.is_comparable(name)


@pytest.mark.parametrize("kind", acwf.STRUCTURE_TYPES)
def test_a_cell_has_the_volume_that_is_asked_for(kind):
    atoms = acwf.build(f"Mg-{kind}", 40.0)
    assert atoms.cell.volume == pytest.approx(40.0)
    assert atoms.pbc.all()
