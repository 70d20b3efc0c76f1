import os
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from forcegauge.benchmarks.properties.equation_of_state import BENCHMARK, EquationOfStateSettings, references
from forcegauge.benchmarks.properties.equation_of_state_scores import WITHOUT_FIT
from forcegauge.datasets import acwf
from forcegauge.errors import BadInput, Failure
from forcegauge.metrics.equation_of_state import REFUSALS, EquationOfState
from forcegauge.models.base import load
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Prediction, Predictions
from forcegauge.records import Raw
from forcegauge.units import EV_PER_A3_IN_GPA

SETTINGS = EquationOfStateSettings()
QUICK = BENCHMARK.presets["quick"]
METRICS = {metric.key: metric for metric in BENCHMARK.metrics["default"]}
SOLID = "Al-X/FCC"


class ByVolume:
    """A model whose energy is a function of the volume over a first one; at rest everywhere but ``restless`` volumes.

    Args:
        energy: of the relative volume, eV.
        first: Å³.
        restless: whether forces never vanish at a relative volume.
    """

    def __init__(self, energy, first, restless=lambda x: False):
        self.energy, self.first, self.restless, self.questions = energy, first, restless, []

    def __call__(self, question):
        self.questions.append(question)
        answers = [self._answer(atoms) for atoms in question.structures]
        return Predictions.from_answers(question.structures, question.properties, answers)

    def _answer(self, atoms):
        x = atoms.cell.volume / self.first
        if np.isnan(self.energy(x)):
            return Failure("non_finite", "NaN")
        force = np.zeros((len(atoms), 3))
        force[:, 0] = 0.1 * self.restless(x)
        return Prediction(energy=float(self.energy(x)), forces=force, stress=np.zeros((3, 3)))


def own(atoms, name="crystal"):
    return BENCHMARK.structure_cases([(name, atoms)], SETTINGS)


@pytest.fixture
def relaxed_scores(scores_of):
    """The scores of a copper cell, at rest where it begins, by the energy over the relative volume."""

    def scored(energy, settings=SETTINGS, mode="default", **options):
        model = ByVolume(energy, bulk("Cu").cell.volume, **options)
        return scores_of(BENCHMARK, own(bulk("Cu")), settings, model, mode)["crystal"]

    return scored


@pytest.fixture
def solid_scores(ask):
    """The scores of a reference crystal by the energy over the relative volume."""

    def scored(energy):
        (case,) = BENCHMARK.cases(replace(QUICK, crystals=("none",), solids=(SOLID,)))
        model = ByVolume(energy, acwf.facts()[SOLID].volume)
        raw = ask(BENCHMARK, case, SETTINGS, model)
        (question,) = model.questions
        assert question.properties == ("energy",)
        return BENCHMARK.analyse({SOLID: raw}, references(SETTINGS), SETTINGS, "default")[SOLID]

    return scored


def curve_of(values, volume=1.0, hardness=1.0, steepness=0.0):
    """A reference curve, changed, as a function of the relative volume."""
    changed = EquationOfState(
        volume * values.volume, hardness * values.bulk_modulus_gpa / EV_PER_A3_IN_GPA, values.derivative + steepness
    )
    return lambda x: changed(x * values.volume)


SOUND = curve_of(acwf.facts()[SOLID])


def nearest_neighbours(kind):
    """Energy and force of a pair with its minimum of 0.3 eV at 2.5 Å, and B0' of the crystal that it binds."""
    if kind == "morse":

        def morse(r):
            wave = np.exp(-4.0 * (r / 2.5 - 1))
            return 0.3 * (wave**2 - 2 * wave), 0.3 * 2 * 4.0 / 2.5 * (wave**2 - wave)

        return morse, 2 * 4.0**2 * 0.3 / 2.5**2, 1 + 4.0

    def lennard_jones(r):
        ratio = (2.5 / r) ** 6
        return 0.3 * (ratio**2 - 2 * ratio), 0.3 * 12 * (ratio**2 - ratio) / r

    return lennard_jones, 72 * 0.3 / 2.5**2, 8.0


@pytest.mark.parametrize("kind", ["morse", "lennard-jones"])
@pytest.mark.parametrize("mode", ["default", "arena"])
def test_volume_and_stiffness_of_a_pair_crystal_are_the_analytic_ones(ask, bond, kind, mode):
    """Twelve neighbours and no more: V0 = r³/√2, B0 = 2/3 φ'' r²/V0, B0' = 1 - φ''' r/(3 φ'')."""
    pair, curvature, derivative = nearest_neighbours(kind)
    settings = BENCHMARK.settings("quick", mode)
    model = bond(lambda r, energy, force: pair(r), cutoff=3.05)
    raw = ask(BENCHMARK, own(bulk("Cu", "fcc", a=1.03 * 2.5 * np.sqrt(2)))[0], settings, model)
    scores = BENCHMARK.analyse({"crystal": raw}, {}, SETTINGS, "default")["crystal"]
    volume = 2.5**3 / np.sqrt(2)
    modulus = 2 / 3 * curvature * 2.5**2 / volume * EV_PER_A3_IN_GPA
    assert raw["volume"][10] == pytest.approx(volume, rel=5e-3)
    assert scores["volume_per_atom"] == pytest.approx(volume, rel=3e-4)
    assert scores["bulk_modulus_gpa"] == pytest.approx(modulus, rel=0.01)
    assert scores["derivative"] == pytest.approx(derivative, rel=0.05)
    assert scores["sound_fit"] == 1.0


def test_ions_are_relaxed_at_every_volume(ask, argon_like):
    shaken = bulk("Ar", cubic=True)
    shaken.rattle(0.05, seed=1)
    settings = replace(SETTINGS, n_points=5, force_tolerance_ev_per_a=0.001)
    raws = [ask(BENCHMARK, own(atoms)[0], settings, argon_like) for atoms in (shaken, bulk("Ar", cubic=True))]
    np.testing.assert_allclose(raws[0]["volume"], raws[1]["volume"], rtol=2e-3)
    np.testing.assert_allclose(raws[0]["energy"], raws[1]["energy"], atol=5e-4)
    assert raws[0]["converged"].all()


@pytest.mark.parametrize("score", ["derivative_flips", "tortuosity", "spearman_tension_energy", "sound_fit"])
def test_a_sound_crystal_scores_the_ideal(relaxed_scores, score):
    ideal = next(metric.ideal for metric in METRICS.values() if metric.score == score)
    assert relaxed_scores(SOUND)[score] == pytest.approx(ideal)


def test_the_reference_itself_scores_nothing(solid_scores):
    scores = solid_scores(SOUND)
    assert scores["reference_sound_fit"] == 1.0
    assert [scores[name] for name in ("nu", "epsilon", "volume_error", "bulk_modulus_error", "derivative_error")] == (
        pytest.approx([0.0] * 5, abs=1e-6)
    )
    assert np.isnan(scores["tortuosity"])


def test_a_reference_crystal_without_a_fit_counts_as_far(solid_scores):
    scores = solid_scores(curve_of(acwf.facts()[SOLID], volume=1.2))
    assert (scores["reference_sound_fit"], scores["reference_no_minimum"]) == (0.0, 1.0)
    for metric in METRICS.values():
        if metric.score in WITHOUT_FIT:
            assert metric.distance(scores[metric.score]) > metric.distance(metric.bad)
    assert np.isnan(scores["bulk_modulus_bias"])


KINK = 0.3
BROKEN_CURVES = {
    "derivative-flips": lambda x: SOUND(x) + 0.1 * np.sin(60 * x),
    "tortuosity": lambda x: SOUND(x) + 0.3 * (x < 0.9) - 0.3 * (x < 0.86),
    "spearman-compression-energy": lambda x: SOUND(x) - 50.0 * max(0.97 - x, 0.0),
    "spearman-compression-derivative": lambda x: np.sqrt(abs(x - 1.001)),
    "spearman-tension-energy": lambda x: SOUND(x) - 50.0 * max(x - 1.03, 0.0),
    "sound-fit": lambda x: SOUND(x) + KINK * abs(x - 0.98) ** 0.5,
}
BROKEN_SOLIDS = {
    "reference-sound-fit": curve_of(acwf.facts()[SOLID], volume=1.1),
    "nu": curve_of(acwf.facts()[SOLID], volume=0.945),
    "epsilon": curve_of(acwf.facts()[SOLID], volume=0.95),
    "volume-error": curve_of(acwf.facts()[SOLID], volume=1.055),
    "bulk-modulus-error": curve_of(acwf.facts()[SOLID], hardness=1.4),
    "bulk-modulus-bias": curve_of(acwf.facts()[SOLID], hardness=0.7),
    "derivative-error": curve_of(acwf.facts()[SOLID], steepness=2.5),
}


@pytest.mark.parametrize("key", METRICS)
def test_each_metric_catches_what_it_is_for(relaxed_scores, solid_scores, key):
    scores = relaxed_scores(BROKEN_CURVES[key]) if key in BROKEN_CURVES else solid_scores(BROKEN_SOLIDS[key])
    metric = METRICS[key]
    assert metric.distance(scores[metric.score]) >= metric.distance(metric.bad)


@pytest.mark.parametrize(
    ("refusal", "energy", "restless"),
    [
        ("no_convergence", SOUND, lambda x: 0.95 < x < 0.99),
        ("no_minimum", lambda x: SOUND(x + 0.5), lambda x: False),
        ("negative_curvature", lambda x: -SOUND(x), lambda x: False),
        ("bad_residual", BROKEN_CURVES["sound-fit"], lambda x: False),
    ],
)
def test_each_refusal_of_a_relaxed_crystal_is_told_apart(relaxed_scores, refusal, energy, restless):
    scores = relaxed_scores(energy, settings=replace(SETTINGS, max_steps=3), restless=restless)
    assert scores["sound_fit"] == 0.0
    assert [name for name in REFUSALS if scores[name]] == [refusal]
    assert np.isfinite(scores["tortuosity"])  # the energies are kept, wherever the relaxation was left


def test_an_unconverged_volume_far_out_leaves_the_fit_alone(relaxed_scores):
    settings = replace(SETTINGS, max_steps=3)
    assert relaxed_scores(SOUND, settings=settings, restless=lambda x: x < 0.85)["sound_fit"] == 1.0


def test_a_crystal_that_does_not_come_to_rest_fails_but_not_in_the_published_protocol(ask):
    model = ByVolume(SOUND, bulk("Cu").cell.volume, restless=lambda x: True)
    settings = replace(SETTINGS, max_steps=3)
    failure = ask(BENCHMARK, own(bulk("Cu"))[0], settings, model)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message[:10]) == ("not_converged", "free cell:")
    lenient = replace(BENCHMARK.settings("quick", "arena"), max_steps=3)
    raw = ask(BENCHMARK, own(bulk("Cu"))[0], lenient, model)
    assert isinstance(raw, Raw)
    assert not raw["converged"].any()
    assert np.isfinite(raw["energy"]).all()


def test_a_volume_that_explodes_fails_the_crystal_and_is_named(ask):
    model = ByVolume(lambda x: SOUND(x) if x > 0.89 else np.nan, bulk("Cu").cell.volume)
    failure = ask(BENCHMARK, own(bulk("Cu"))[0], SETTINGS, model)
    assert (failure.kind, failure.message) == ("non_finite", "volume 1 of 21: NaN")


def test_a_jump_between_neighbour_shells_is_caught(scores_of):
    """The broken model's energy steps up where the nearest neighbours come closer than a bond."""

    def asked(potential):
        model = load({"adapter": potential, "options": options[potential]}).model
        return lambda question: guarded_evaluate(model, question.structures, frozenset(question.properties))

    options = {"analytic": {"potential": "lennard-jones"}, "broken": {"how": "discontinuous", "at_bonds": 1.0}}
    sound, broken = (
        scores_of(BENCHMARK, own(bulk("Cu")), SETTINGS, asked(name))["crystal"] for name in ("analytic", "broken")
    )
    assert (sound["sound_fit"], sound["derivative_flips"]) == (1.0, 1.0)
    assert (broken["sound_fit"], broken["derivative_flips"] > 1.0) == (0.0, True)


def test_mode_arena_relaxes_as_published_and_leaves_the_reference_out(ask):
    settings = BENCHMARK.settings("quick", "arena")
    cases = BENCHMARK.cases(settings)
    assert [case.id for case in cases if case.inputs["is_fixed"]] == []
    model = ByVolume(SOUND, cases[0].structures[0].cell.volume)
    raw = ask(BENCHMARK, cases[0], settings, model)
    asked = [sorted(question.properties) for question in model.questions]
    assert asked == [["energy", "forces"], ["energy", "forces", "stress"], ["energy", "forces"]]
    scores = BENCHMARK.analyse({"x": raw}, {}, settings, "arena")["x"]
    assert scores["energy-diff-flip-times"] == 1.0


def test_presets_share_their_protocol_and_need_no_download_below_full():
    smoke, quick, full = (BENCHMARK.presets[name] for name in ("smoke", "quick", "full"))
    assert smoke.digest() == quick.digest() == full.digest() != BENCHMARK.settings("full", "arena").digest()
    few, many = BENCHMARK.cases(smoke), BENCHMARK.cases(quick)
    assert [len(few), len(many)] == [6, 80]
    known = {case.id: case.digest() for case in many}
    assert all(known[case.id] == case.digest() for case in few)


@pytest.mark.shared_data
def test_the_full_preset_has_all_crystals_of_both_sets(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    assert len(references(SETTINGS)) == len(acwf.facts())
    cases = BENCHMARK.cases(BENCHMARK.presets["full"])
    fixed = {case.id for case in cases if case.inputs["is_fixed"]}
    assert (len(cases), len(fixed)) == (1692, 692)
    assert references(SETTINGS).keys() == fixed


def test_a_missing_reference_is_said_and_not_passed_over(ask):
    (case,) = BENCHMARK.cases(replace(QUICK, crystals=("none",), solids=(SOLID,)))
    raw = ask(BENCHMARK, case, SETTINGS, ByVolume(SOUND, 16.5))
    with pytest.raises(BadInput, match="forcegauge data fetch acwf"):
        BENCHMARK.analyse({"W-X/SC": raw}, references(SETTINGS), SETTINGS, "default")


@pytest.mark.parametrize(
    ("case_id", "expected"),
    [("Al-X/FCC", ""), ("Mg-XO", ""), ("NaCl-rocksalt", "prototypes"), ("WBM-7", "wbm-1000"), ("Xx-XO", "own")],
)
def test_sets_are_told_by_the_name(case_id, expected):
    assert BENCHMARK.collection(case_id) == expected


def test_a_molecule_is_refused_by_name():
    with pytest.raises(BadInput, match=r"'water'.*not periodic in three directions"):
        BENCHMARK.structure_cases([("water", Atoms("OH2"))], SETTINGS)


def test_the_explorer_shows_energy_and_pressure(ask):
    raw = ask(BENCHMARK, own(bulk("Cu"))[0], SETTINGS, ByVolume(SOUND, bulk("Cu").cell.volume))
    energy, pressure = BENCHMARK.explorer.curves(raw)
    assert (energy.y.min(), energy.x[10]) == (0.0, 1.0)
    assert pressure.y[0] > 0 > pressure.y[-1]


def test_reference_crystals_are_measured_beside_any_set_of_relaxed_ones(tmp_path):
    import forcegauge

    options = {"benchmarks": "equation-of-state", "preset": "smoke", "results": tmp_path / "r", "progress": False}
    forcegauge.run("lennard-jones", **options)
    forcegauge.run("lennard-jones", structures={"my-copper": bulk("Cu"), "my-gold": bulk("Au")}, **options)
    (result,) = forcegauge.analyse(tmp_path / "r")
    assert set(result.records["lennard-jones"]) == {case.id for case in BENCHMARK.cases(BENCHMARK.presets["smoke"])}
    assert any("2 records of crystals or molecules of own are left out" in note for note in result.notes)
    scores = result.analysis.scores["lennard-jones"]
    assert scores["Cu-fcc"]["sound_fit"] == 1.0
    assert np.isnan(scores["Cu-fcc"]["reference_sound_fit"])
    assert scores[SOLID]["reference_sound_fit"] in (0.0, 1.0)


@pytest.mark.real_model
@pytest.mark.skipif("FORCEGAUGE_TEST_REAL_MODELS" not in os.environ, reason="set FORCEGAUGE_TEST_REAL_MODELS=1")
def test_chgnet_meets_the_volumes_of_the_reference(tmp_path):
    import forcegauge

    forcegauge.run("chgnet", benchmarks="equation-of-state", preset="smoke", results=tmp_path / "r", progress=False)
    (result,) = forcegauge.analyse(tmp_path / "r")
    scores = result.analysis.scores["chgnet"]
    assert all(scores[name]["volume_error"] < 0.5 for name in ("Al-X/FCC", "Si-X/Diamond", "Mg-XO"))
    assert scores["Cu-fcc"]["volume_per_atom"] == pytest.approx(11.95, rel=0.03)  # PBE, Bosoni et al. 2024
    assert all(one["sound_fit"] == 1.0 for name, one in scores.items() if BENCHMARK.collection(name))
