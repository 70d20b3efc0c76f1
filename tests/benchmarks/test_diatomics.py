import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii
from ase.data.vdw_alvarez import vdw_radii

from forcegauge.benchmarks.asymptotics.diatomics import BENCHMARK, DiatomicsSettings, distances
from forcegauge.errors import Failure
from forcegauge.records import Raw

SETTINGS = DiatomicsSettings(step_angstrom=0.02, elements=("C", "Cu"))


def test_every_element_is_a_case_of_quick_and_full():
    for preset in ("quick", "full"):
        ids = [case.id for case in BENCHMARK.cases(BENCHMARK.presets[preset])]
        assert len(set(ids)) == 118
        assert ids[0] == "H"
        assert ids[-1] == "Og"


def test_smoke_and_quick_share_their_records():
    smoke, quick = BENCHMARK.presets["smoke"], BENCHMARK.presets["quick"]
    assert smoke.digest() == quick.digest()
    shared = {case.id: case.digest() for case in BENCHMARK.cases(quick)}
    assert all(shared[case.id] == case.digest() for case in BENCHMARK.cases(smoke))


@pytest.mark.parametrize("preset", ["smoke", "quick", "full"])
def test_arena_always_takes_the_published_step(preset):
    assert BENCHMARK.settings(preset, "arena").step_angstrom == 0.01


@pytest.mark.parametrize(("number", "published"), [(1, 344), (2, 418), (3, 542), (10, 437)])
def test_grid_is_the_published_one(number, published):
    grid = distances(number, 0.01)
    assert len(grid) == published
    assert grid[0] == pytest.approx(0.9 * covalent_radii[number])
    assert grid[-1] == pytest.approx(3.1 * vdw_radii[number])
    assert (np.diff(grid) > 0.01).all()


def test_an_element_without_radius_is_scanned_to_six_angstrom():
    assert distances(118, 0.01)[-1] == 6.0


def test_one_question_per_element_with_energy_and_forces(ask, bond):
    model = bond()
    raw = ask(BENCHMARK, BENCHMARK.cases(SETTINGS)[0], SETTINGS, model)
    (question,) = model.questions
    assert question.properties == ("energy", "forces")
    assert len(question.structures) == len(raw["distance"])
    assert not question.structures.pbc.any()


def test_raw_holds_the_curve_of_the_pair(ask, bond):
    model = bond()
    raw = ask(BENCHMARK, BENCHMARK.cases(SETTINGS)[0], SETTINGS, model)
    energy, force = model.pair(raw["distance"])
    np.testing.assert_allclose(raw["energy"], energy)
    np.testing.assert_allclose(raw["force"], force, rtol=1e-9, atol=1e-12)
    assert raw["forces"].shape == (len(energy), 2, 3)
    np.testing.assert_allclose(raw["forces"].sum(axis=1), 0, atol=1e-9)


def test_a_model_that_needs_a_cell_gets_a_box_with_no_image_in_reach(ask, bond):
    model = bond(cutoff=10.0)
    ask(BENCHMARK, BENCHMARK.cases(SETTINGS)[0], SETTINGS, model, needs_cell=True)
    (question,) = model.questions
    assert question.structures.pbc.all()
    side, longest = np.diag(question.structures.cells[0]), distances(6, 0.02)[-1]
    np.testing.assert_allclose(side, 5 * longest + np.array([0, 0.001, 0.002]))


def test_a_true_potential_scores_the_ideal(scores_of, bond):
    scores = scores_of(BENCHMARK, BENCHMARK.cases(SETTINGS), SETTINGS, bond())
    assert scores.keys() == {"C", "Cu"}
    for score in scores.values():
        assert score["conservation_deviation"] < 1e-9
        assert score["energy_jump"] < 0.1
        assert score["force_flips"] == 1.0
        assert score["spearman_repulsion_energy"] == pytest.approx(-1)
        assert score["spearman_descending_force"] == pytest.approx(-1)
        assert score["tortuosity"] == pytest.approx(1)


def test_scaled_forces_are_charged_what_they_must(ask, scores_of, bond):
    case = BENCHMARK.cases(SETTINGS)[1]
    scores = scores_of(BENCHMARK, [case], SETTINGS, bond(force_factor=1.1))["Cu"]
    raw = ask(BENCHMARK, case, SETTINGS, bond())
    expected = 0.1 * np.mean(np.abs(np.diff(raw["energy"])) / np.diff(raw["distance"]))
    assert scores["conservation_deviation"] == pytest.approx(expected, rel=1e-3)
    assert scores["force_flips"] == 1.0


def test_a_step_of_the_energy_is_charged_over_the_range(ask, scores_of, bond):
    case = BENCHMARK.cases(SETTINGS)[1]
    model = bond(lambda r, energy, force: (energy + 0.7 * (r > 3.0), force))
    scores = scores_of(BENCHMARK, [case], SETTINGS, model)["Cu"]
    grid = distances(29, SETTINGS.step_angstrom)
    assert scores["conservation_deviation"] == pytest.approx(0.7 / (grid[-1] - grid[0]), rel=1e-3)


def test_force_along_the_path_is_free_of_a_net_force():
    """A direct model's net force moves the pair as a whole and does no work along the bond."""
    r = np.linspace(1.0, 6.0, 251)
    energy, force = np.exp(-r), np.exp(-r)
    forces = np.zeros((len(r), 2, 3))
    forces[:, 0, 0], forces[:, 1, 0] = 0.3 - force, 0.3 + force
    raw = Raw({"distance": r, "energy": energy, "force": forces[:, 1, 0], "forces": forces})
    scores = {mode: BENCHMARK.analyse({"H": raw}, {}, SETTINGS, mode)["H"] for mode in ("default", "arena")}
    assert scores["default"]["conservation_deviation"] < 1e-9
    assert scores["arena"]["conservation-deviation"] == pytest.approx(0.3, rel=0.01)


def test_imported_curves_without_full_forces_are_scored():
    r = np.linspace(6.0, 1.0, 251)
    raw = Raw({"distance": r, "energy": np.exp(-r), "force": np.exp(-r)})
    assert BENCHMARK.analyse({"H": raw}, {}, SETTINGS, "default")["H"]["conservation_deviation"] < 1e-9


def test_a_model_that_breaks_down_fails_its_case_alone(ask, bond):
    def nan_inside(r, energy, force):
        return np.where(r < 1.0, np.nan, energy), force

    outcomes = {case.id: ask(BENCHMARK, case, SETTINGS, bond(nan_inside)) for case in BENCHMARK.cases(SETTINGS)}
    assert isinstance(outcomes["C"], Failure)
    assert BENCHMARK.analyse(outcomes, {}, SETTINGS, "default").keys() == {"Cu"}


def test_the_elements_of_ones_own_structures_are_asked():
    given = [("one", Atoms("NaCl")), ("two", Atoms("ClH"))]
    assert [case.id for case in BENCHMARK.structure_cases(given, SETTINGS)] == ["H", "Na", "Cl"]


def test_the_first_view_shows_the_well_and_not_the_wall(ask, bond):
    raw = ask(BENCHMARK, BENCHMARK.cases(SETTINGS)[1], SETTINGS, bond())
    energy, force = BENCHMARK.explorer.curves(raw)
    assert energy.y[-1] == 0
    assert energy.view[0] < energy.y.min() < 0 < energy.view[1] < energy.y.max()
    assert force.view[0] < force.y.min() < 0 < force.view[1] < force.y.max()
