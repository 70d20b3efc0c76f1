import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from forcegauge.benchmarks.base import Analysis
from forcegauge.benchmarks.properties.perovskite import SITES, perovskite, published, tilted
from forcegauge.benchmarks.properties.tilt import BENCHMARK, TiltSettings, displacements
from forcegauge.benchmarks.properties.tilt_curves import REFERENCE, above, frequencies, landau_fits
from forcegauge.errors import FAILURE_KINDS, BadInput, Failure
from forcegauge.metrics.landau import frequency_thz
from forcegauge.models.harmonic_crystal import HarmonicCrystal
from forcegauge.potential import Prediction, Predictions
from forcegauge.records import Raw

SETTINGS = TiltSettings(scales=(0.925, 0.975, 0.99, 1.0, 1.01, 1.05))
STIFFNESS = 5.0
PBE = Path(__file__).parents[2] / "../shared/data/bazro3/pbe_phonopy_params.yaml"
(CASE,) = BENCHMARK.cases(SETTINGS)


def springs(rest=4.0):
    """Springs between Zr and O alone, at rest at a lattice constant: every answer along the tilt is known."""
    return HarmonicCrystal(tilted(perovskite("Ba", "Zr", "O", rest)).crystal, STIFFNESS, reach_bonds=0.9)


def answering(model, change=lambda atoms, answer: answer):
    """The model as a conversation needs it; ``change`` is told each structure and its answer, and may spoil it."""

    def answer(question):
        found = model.evaluate(question.structures, frozenset(question.properties))
        spoilt = [change(atoms, one) for atoms, one in zip(question.structures, found, strict=True)]
        return Predictions.from_answers(question.structures, question.properties, spoilt)

    return answer


def scored(ask, model, settings=SETTINGS, mode="default"):
    raw = ask(BENCHMARK, CASE, settings, model)
    return BENCHMARK.analyse({"BaZrO3": raw}, BENCHMARK.references(settings), settings, mode)["BaZrO3"]


def test_each_octahedron_turns_against_its_neighbours_and_all_agree_on_shared_atoms():
    pattern = tilted(perovskite("Ba", "Zr", "O", 4.0))
    crystal, symbols = pattern.crystal, np.array(pattern.crystal.get_chemical_symbols())
    assert len(crystal) == 40
    assert not pattern.direction[symbols != "O"].any()
    for zr in np.nonzero(symbols == "Zr")[0]:
        sign = (-1) ** int(np.floor(crystal.positions[zr] / 4.0).sum())
        oxygen = np.nonzero(symbols == "O")[0]
        bonds = crystal.get_distances(zr, oxygen, mic=True, vector=True)
        near = np.linalg.norm(bonds, axis=1) < 2.1
        assert near.sum() == 6
        turned = sign * np.cross([0, 0, 1], bonds[near] / 2.0)
        np.testing.assert_allclose(pattern.direction[oxygen[near]], turned, atol=1e-12)
    assert pattern.mass == pytest.approx(16 * 15.999)


def test_the_other_sign_is_the_crystal_moved_by_one_lattice_constant():
    pattern = tilted(perovskite("Ba", "Zr", "O", 4.0))
    plus, minus = pattern.displaced(1.0, np.array([0.3, -0.3]))
    plus.translate([4.0, 0, 0])
    plus.wrap(), minus.wrap()
    distance = np.linalg.norm(plus.positions[:, None] - minus.positions, axis=2)
    assert (distance.min(axis=1) < 1e-9).all()


def test_springs_give_the_analytic_curve(ask):
    """E = 16·2·(k/2)(√(R² + d²) - 2)² + what no tilt changes, R half the lattice constant; wells at bonds of 2 Å."""
    raw = ask(BENCHMARK, CASE, SETTINGS, answering(springs()))
    half = raw["lattice_constant"] / 2
    bond = np.hypot(half[:, None], raw["displacement"])
    rise = raw["energy"] - raw["energy"][:, [2]]
    np.testing.assert_allclose(rise, 16 * STIFFNESS * ((bond - 2.0) ** 2 - (half[:, None] - 2.0) ** 2), atol=1e-9)
    by_forces, by_energies = frequencies(raw)
    curvature = 32 * STIFFNESS * (half - 2.0) / half
    exact = frequency_thz(curvature, 16 * 15.999)
    np.testing.assert_allclose(by_forces, exact, atol=0.05)  # d = 0.01 Å sees a little of d⁴
    np.testing.assert_allclose(by_energies, exact, atol=0.05)
    position, depth = landau_fits(raw)[1].well()
    assert position == pytest.approx(np.sqrt(4.0 - half[1] ** 2), rel=2e-3)
    assert depth * 40 == pytest.approx(16 * STIFFNESS * (half[1] - 2.0) ** 2, rel=1e-2)


def test_springs_score_what_is_known_of_them(ask):
    scores = scored(ask, answering(springs()))
    assert scores["critical_lattice_constant"] == pytest.approx(4.0, abs=2e-3)
    assert scores["frequency_error"] == pytest.approx(3.853, abs=0.05)
    assert scores["asymmetry"] < 1e-9
    assert scores["frequency_mismatch"] < 0.05
    assert scores["landau_residual"] < 0.05
    shifted = scored(ask, answering(springs(rest=4.05)))
    assert shifted["critical_lattice_constant"] == pytest.approx(4.05, abs=5e-3)
    assert shifted["well_displacement"] == pytest.approx(np.sqrt(2.025**2 - 4.0), rel=1e-2)


def by_order(atoms, one):
    """An energy that depends on the order of atoms; lower powers of the place cancel over the cells' signs."""
    shift = 1e-5 * float(np.arange(len(atoms)) ** 3 @ atoms.positions[:, 1])
    return one if one.energy is None else replace(one, energy=one.energy + shift)


def stronger(atoms, one):
    """Forces longer by half than the gradient."""
    return one if one.forces is None else replace(one, forces=1.5 * one.forces)


def kinked(atoms, one):
    """A step of the energy for every O atom that is farther than 0.2 Å from its site."""
    sites = tilted(perovskite("Ba", "Zr", "O", 4.0)).crystal.get_scaled_positions()
    away = np.linalg.norm(atoms.positions - sites @ atoms.cell[:], axis=1)
    return one if one.energy is None else replace(one, energy=one.energy + 0.05 * np.count_nonzero(away > 0.2))


@pytest.mark.parametrize(
    ("spoil", "caught"), [(by_order, "asymmetry"), (stronger, "frequency-mismatch"), (kinked, "landau-residual")]
)
def test_a_broken_model_is_caught_by_its_metric(ask, spoil, caught):
    metric = next(metric for metric in BENCHMARK.metrics["default"] if metric.key == caught)
    sound, broken = (scored(ask, answering(springs(), *how))[metric.score] for how in ((), (spoil,)))
    assert sound <= metric.good
    assert broken > (metric.bad if caught != "frequency-mismatch" else 5 * sound)


@pytest.mark.parametrize(("rest", "end"), [(3.65, 3.7), (4.3, 4.2)])
def test_a_tilt_that_is_never_or_always_soft_counts_as_the_end_of_the_scan(ask, rest, end):
    assert scored(ask, answering(springs(rest)))["critical_lattice_constant"] == pytest.approx(end)


def test_the_ends_of_every_preset_are_bad_values_of_the_critical_lattice_constant():
    metric = next(metric for metric in BENCHMARK.metrics["default"] if metric.key == "critical-lattice-constant")
    for name in BENCHMARK.presets:
        scales = BENCHMARK.presets[name].scales
        assert all(metric.distance(4.0 * scale) >= metric.distance(metric.bad) for scale in (scales[0], scales[-1]))


def test_what_fails_is_stored_with_its_reason_and_scores_nothing(ask):
    def failing(atoms, one):
        is_far = atoms.cell.volume < 7.5**3 and abs(atoms.positions[3, 0] % 1) > 0
        return Failure("exploded", "for the test") if is_far else one

    raw = ask(BENCHMARK, CASE, SETTINGS, answering(springs(), failing))
    code = 1 + FAILURE_KINDS.index("exploded")
    assert raw["energy_failure"][0].max() == code
    np.testing.assert_array_equal(np.isnan(raw["energy"]), raw["energy_failure"] == code)
    assert not raw["energy_failure"][1:].any()
    scores = BENCHMARK.analyse({"BaZrO3": raw}, BENCHMARK.references(SETTINGS), SETTINGS, "default")["BaZrO3"]
    assert np.isnan([scores["landau_residual"], scores["asymmetry"], scores["frequency_mismatch"]]).all()
    assert scores["critical_lattice_constant"] == pytest.approx(4.0, abs=2e-3)  # bracketed by what there is


def test_a_model_that_answers_nothing_fails_the_case(ask):
    everything = answering(springs(), lambda atoms, one: Failure("non_finite", "for the test"))
    assert ask(BENCHMARK, CASE, SETTINGS, everything).kind == "non_finite"


def test_energies_are_asked_without_forces_one_question_per_lattice_constant(ask):
    questions = []

    def model(question):
        questions.append((len(question.structures), question.properties))
        return answering(springs())(question)

    ask(BENCHMARK, CASE, SETTINGS, model)
    assert questions == [(13, ("energy",))] * 6 + [(12, ("forces",))]


def test_arena_computes_the_published_pattern_at_the_published_points(ask):
    settings = BENCHMARK.settings("quick", "arena")
    np.testing.assert_allclose(np.sort(displacements(settings)), np.linspace(-0.5, 0.5, 101), atol=1e-12)
    cell = perovskite("Ba", "Zr", "O", 4.0)
    assert np.linalg.norm(published(cell).direction) == pytest.approx(1.0, abs=1e-4)
    stretched = HarmonicCrystal(cell, STIFFNESS, reach_bonds=0.9)
    raw = ask(BENCHMARK, CASE, settings, answering(stretched))
    np.testing.assert_allclose(raw["lattice_constant"], [3.70, 3.85, 4.00, 4.15])
    assert raw["n_atoms"] == 5
    assert np.isnan(raw["mode_force"]).all()
    assert scored(ask, answering(stretched), settings, "arena")["asymmetry"] < 1e-9


def test_presets_hold_the_cell_of_the_reference_and_enough_displacements():
    for preset in BENCHMARK.presets.values():
        assert 1.0 in preset.scales
        assert len(np.unique(np.abs(displacements(preset)))) > 4


@pytest.mark.parametrize("origin", [[0, 0, 0], [0.5, 0.5, 0.5], [0.13, 0.77, 0.4]])
def test_a_users_perovskite_is_recognised_in_any_setting(origin):
    given = perovskite("Sr", "Ti", "O", 3.905)
    given.positions += 3.905 * np.array(origin) + 0.01 * np.random.default_rng(0).standard_normal((5, 3))
    given = given[[3, 1, 4, 0, 2]]
    given.wrap()
    given.rotate(37, (1, 2, 3), rotate_cell=True)
    (case,) = BENCHMARK.structure_cases([("mine", given)], SETTINGS)
    assert case.id == "mine"
    assert BENCHMARK.collection("mine") == "own"
    np.testing.assert_allclose(case.structures[0].get_scaled_positions(), SITES, atol=1e-12)
    assert case.structures[0].get_chemical_symbols() == ["Sr", "Ti", "O", "O", "O"]
    assert case.structures[0].cell.lengths() == pytest.approx([3.905] * 3)


def broken_cells():
    cell = perovskite("Sr", "Ti", "O", 3.9)
    stretched, moved, shifted, charged = cell.copy(), cell.copy(), cell.copy(), cell.copy()
    charged.info["charge"] = 1
    stretched.set_cell([3.9, 3.9, 4.1], scale_atoms=True)
    moved.positions[4] += [0.0, 0.0, 0.4]
    shifted.positions[0] += [0.0, 0.0, 0.4]
    return [
        (bulk("Cu"), "has other atoms"),
        (cell.repeat((2, 1, 1)), "has other atoms"),
        (stretched, "is not cubic"),
        (moved, "has no octahedron of X around B"),
        (shifted, "has no A in the corners"),
        (Atoms("SrTiO3", cell.positions), "is not periodic in three directions"),
        (charged, "has a charge"),
    ]


@pytest.mark.parametrize(("atoms", "complaint"), broken_cells())
def test_other_structures_are_refused_by_name(atoms, complaint):
    with pytest.raises(BadInput, match=rf"structure 'mine'.*{complaint}") as caught:
        BENCHMARK.structure_cases([("mine", atoms)], SETTINGS)
    assert "\n" not in str(caught.value)


def test_the_figure_draws_one_side_unless_both_are_whole(ask):
    raw = ask(BENCHMARK, CASE, SETTINGS, answering(springs()))
    path, energy = above(raw, 0)
    assert path[0] == 0.0 == energy[0]
    assert (np.diff(path) > 0).all()
    both = ask(BENCHMARK, CASE, replace(SETTINGS, n_mirrored=10), answering(springs()))
    assert len(above(both, 0)[0]) == 21


def test_the_figure_draws_models_of_other_lattice_constants_and_marks_the_reference(ask):
    raws = {
        "one": ask(BENCHMARK, CASE, SETTINGS, answering(springs())),
        "two": ask(BENCHMARK, CASE, replace(SETTINGS, scales=(0.95, 1.0)), answering(springs())),
        "none": Failure("exploded", "for the test"),
    }
    outcomes = {model: {"BaZrO3": outcome} for model, outcome in raws.items()}
    drawn = BENCHMARK.figure(Analysis({}, outcomes, "default", SETTINGS))
    assert {trace.name for trace in drawn.data} == {"one", "two"}
    marks = [mark for mark in drawn.layout.annotations if mark.text == "PBE"]
    assert [(mark.x, mark.y) for mark in marks] == [(4.0, -3.853)]
    assert len(BENCHMARK.figure(Analysis({}, {"none": outcomes["none"]}, "default", SETTINGS)).data) == 0


@pytest.mark.shared_data
@pytest.mark.skipif(not PBE.exists(), reason="the published force constants are not beside the checkout")
def test_the_reference_is_what_the_published_force_constants_give(ask):
    text = PBE.read_text()
    supercell = text[text.index("\nsupercell:") : text.index("\ndisplacements:")]
    sites = np.array(re.findall(r"coordinates: \[ *([\d.]+), *([\d.]+), *([\d.]+)", supercell), dtype=float)
    number = r" *(-?[\d.]+)"
    rows = re.findall(rf"- \[{number},{number},{number} \]", text[text.index("\nforce_constants:") :])
    constants = np.array(rows, dtype=float).reshape(40, 40, 3, 3)
    crystal = tilted(perovskite("Ba", "Zr", "O", 4.0)).crystal
    apart = np.abs(crystal.get_scaled_positions()[:, None] - sites).max(axis=2)
    order = apart.argmin(axis=1)
    assert apart.min(axis=1).max() < 1e-6
    constants = constants[np.ix_(order, order)]

    class Harmonic:
        def evaluate(self, structures, properties):
            for atoms in structures:
                moved = atoms.positions - crystal.positions
                forces = -np.einsum("ijab,jb->ia", constants, moved)
                found = {"energy": -0.5 * float((forces * moved).sum()), "forces": forces}
                yield Prediction(**{name: found[name] for name in properties})

    settings = replace(SETTINGS, scales=(1.0,))
    scores = scored(ask, answering(Harmonic()), settings)
    assert scores["frequency_error"] < 0.001  # that is how exactly REFERENCE gives it
    assert scores["frequency_mismatch"] < 1e-6
    raw = ask(BENCHMARK, CASE, settings, answering(Harmonic()))
    assert isinstance(raw, Raw)
    assert frequencies(raw)[0] == pytest.approx([REFERENCE["frequency"]], abs=1e-3)
