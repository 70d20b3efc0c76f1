import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from forcegauge.benchmarks.properties.energy_volume import BENCHMARK, EnergyVolumeSettings
from forcegauge.errors import BadInput
from forcegauge.potential import Prediction, Predictions

SETTINGS = EnergyVolumeSettings()
IDEAL = {metric.score: metric.ideal for metric in BENCHMARK.metrics["default"]}


def own(atoms, name="crystal"):
    return BENCHMARK.structure_cases([(name, atoms)], SETTINGS)


def by_volume(energy):
    """A model whose energy is a function of the volume alone."""

    def answer(question):
        volumes = np.abs(np.linalg.det(question.structures.cells))
        return Predictions.from_answers(
            question.structures, question.properties, [Prediction(energy=float(energy(volume))) for volume in volumes]
        )

    return answer


def test_presets_share_their_protocol_and_need_no_download_below_full():
    smoke, quick, full = (BENCHMARK.presets[name] for name in ("smoke", "quick", "full"))
    assert smoke.digest() == quick.digest() == full.digest()
    few, many = BENCHMARK.cases(smoke), BENCHMARK.cases(quick)
    assert len(few) == len(smoke.crystals) == 10
    assert len(many) >= 100
    known = {case.id: case.digest() for case in many}
    assert all(known[case.id] == case.digest() for case in few)


def test_one_question_per_crystal_for_the_energy_alone(ask, argon_like):
    raw = ask(BENCHMARK, own(bulk("Ar"))[0], SETTINGS, argon_like)
    (question,) = argon_like.questions
    assert question.properties == ("energy",)
    assert len(question.structures) == 21
    lengths = np.linalg.norm(question.structures.cells[:, 0], axis=1)
    np.testing.assert_allclose(lengths / lengths[10], np.linspace(0.8, 1.2, 21))
    np.testing.assert_allclose(raw["volume"], np.abs(np.linalg.det(question.structures.cells)))
    assert raw["n_atoms"] == 1


@pytest.mark.parametrize("crystal", [bulk("Ar"), bulk("Ar", cubic=True), bulk("Xe", "hcp", a=3.9, c=6.3)])
def test_lennard_jones_crystals_score_the_ideal(scores_of, argon_like, crystal):
    scores = scores_of(BENCHMARK, own(crystal), SETTINGS, argon_like)["crystal"]
    assert scores == pytest.approx(IDEAL)


def test_a_harmonic_crystal_scores_the_ideal_in_both_modes(scores_of):
    cases = own(bulk("Cu"))
    rest = bulk("Cu").cell.volume ** (1 / 3)
    model = by_volume(lambda volume: 8.0 * (volume ** (1 / 3) - rest) ** 2)
    assert scores_of(BENCHMARK, cases, SETTINGS, model)["crystal"] == pytest.approx(IDEAL)
    arena = scores_of(BENCHMARK, cases, SETTINGS, model, "arena")["crystal"]
    ideal = {metric.score: metric.ideal for metric in BENCHMARK.metrics["arena"]}
    assert arena == pytest.approx(ideal)


def test_a_rest_volume_off_the_middle_is_no_fault_by_default(scores_of):
    cases = own(bulk("Cu"))
    rest = 1.05 * bulk("Cu").cell.volume ** (1 / 3)
    model = by_volume(lambda volume: 8.0 * (volume ** (1 / 3) - rest) ** 2)
    assert scores_of(BENCHMARK, cases, SETTINGS, model)["crystal"] == pytest.approx(IDEAL)
    assert scores_of(BENCHMARK, cases, SETTINGS, model, "arena")["crystal"]["tortuosity"] > 1.01


def test_a_collapsing_crystal_is_said_to_have_no_minimum(scores_of):
    scores = scores_of(BENCHMARK, own(bulk("Cu")), SETTINGS, by_volume(lambda volume: volume))["crystal"]
    assert scores["minimum_inside"] == 0.0
    assert scores["spearman_compression_energy"] == 1.0


def test_choice_of_cell_and_order_of_atoms_do_not_matter(scores_of, argon_like):
    small = bulk("Xe", "hcp", a=3.9, c=6.3)
    large = make_supercell(small, [[2, 0, 0], [1, 1, 0], [0, 0, 1]])
    large = large[np.random.default_rng(0).permutation(len(large))]
    first, second = (scores_of(BENCHMARK, own(atoms), SETTINGS, argon_like)["crystal"] for atoms in (small, large))
    assert first == pytest.approx(second)


def test_ids_of_ones_own_structures_are_unique_and_telling():
    named = bulk("Al")
    named.info["name"] = "mine"
    given = [("", bulk("NaCl", "rocksalt", a=5.6)), ("", named), ("file", bulk("Cu")), ("file", bulk("Ag"))]
    assert [case.id for case in BENCHMARK.structure_cases(given, SETTINGS)] == ["NaCl-1", "mine", "file", "file-2"]


def test_a_molecule_is_refused_by_name():
    with pytest.raises(BadInput, match=r"'water'.*not periodic in three directions"):
        BENCHMARK.structure_cases([("water", Atoms("OH2"))], SETTINGS)


def test_a_slab_is_refused():
    slab = Atoms("Cu", cell=[3, 3, 20], pbc=(True, True, False))
    with pytest.raises(BadInput, match="pbc T T F"):
        own(slab)


def test_the_explorer_shows_energy_per_atom_above_the_lowest(ask, argon_like):
    raw = ask(BENCHMARK, own(bulk("Ar", cubic=True))[0], SETTINGS, argon_like)
    (curve,) = BENCHMARK.explorer.curves(raw)
    assert curve.y.min() == 0.0
    assert curve.x[10] == 1.0
    assert curve.y[-1] == pytest.approx((raw["energy"][-1] - raw["energy"].min()) / 4)
