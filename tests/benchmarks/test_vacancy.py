"""Vacancies: right cells, right hops, ASE's numbers, and every refusal told from the others."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.mep import NEB
from ase.optimize import BFGS, FIRE

from forcegauge.benchmarks.base import Analysis
from forcegauge.benchmarks.properties import vacancy_reference
from forcegauge.benchmarks.properties.vacancy import BENCHMARK
from forcegauge.benchmarks.properties.vacancy_cells import HOPS, neighbours, primitive, supercell
from forcegauge.errors import BadInput, Failure
from forcegauge.models import broken
from forcegauge.models.analytic import emt, lennard_jones
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Prediction, Predictions
from forcegauge.records import Raw

SMOKE = BENCHMARK.presets["smoke"]
TABLES = Path(__file__).parents[2] / "../shared/data/vacancy"
SCORES = {metric.score for metric in BENCHMARK.metrics["default"]}


def speaks(model):
    """A model as the conversation's other side."""

    def answer(question):
        return guarded_evaluate(model, question.structures, frozenset(question.properties))

    return answer


def case(case_id, settings=SMOKE):
    (found,) = BENCHMARK.cases(replace(settings, crystals=(case_id,)))
    return found


def scored(raw, case_id, mode="default"):
    return BENCHMARK.analyse({case_id: raw}, BENCHMARK.references(SMOKE), SMOKE, mode)[case_id]


@pytest.fixture(scope="module")
def answers(ask):
    """Raw arrays or failure of a named model for a case, computed once."""
    models = {
        "emt": emt,
        "lennard-jones": lennard_jones,
        "nonconservative": broken.nonconservative,
        "discontinuous": broken.discontinuous,
    }
    known = {}

    def found(model, case_id, settings=SMOKE):
        key = (model, case_id, settings)
        if key not in known:
            known[key] = ask(BENCHMARK, case(case_id, settings), settings, speaks(models[model]()))
        return known[key]

    return found


def ase_alone(symbol):
    """Formation energy and barrier by ASE's own relaxations and its elastic band, eV."""
    crystal = bulk(symbol, cubic=True)
    crystal.calc = EMT()
    with BFGS(FrechetCellFilter(crystal), logfile=None) as walk:
        walk.run(fmax=0.001)
    perfect = crystal * 2
    near = perfect.get_distances(0, range(1, len(perfect)), mic=True).argmin() + 1
    ends = [perfect.copy(), perfect.copy()]
    ends[1].positions[near] -= perfect.get_distance(0, near, mic=True, vector=True)
    ends = [end[1:] for end in ends]
    images = [ends[0], *(ends[0].copy() for _ in range(5)), ends[1]]
    for image in (perfect, *images):
        image.calc = EMT()
    for end in ends:
        with BFGS(end, logfile=None) as walk:
            walk.run(fmax=0.005)
    band = NEB(images, climb=True, method="improvedtangent")
    band.interpolate()
    with FIRE(band, logfile=None) as walk:
        assert walk.run(fmax=0.02, steps=500)
    energies = [image.get_potential_energy() for image in images]
    n_atoms = len(perfect)
    return energies[0] - (n_atoms - 1) / n_atoms * perfect.get_potential_energy(), max(energies) - energies[0]


@pytest.mark.parametrize("symbol", ["Cu", "Al"])
def test_energies_are_those_of_ase(answers, symbol):
    scores = scored(answers("emt", f"{symbol}-fcc"), f"{symbol}-fcc")
    formation, barrier = ase_alone(symbol)
    assert scores["formation_energy"] == pytest.approx(formation, abs=2e-3)
    assert scores["barrier_nearest"] == pytest.approx(barrier, abs=3e-3)
    assert scores["path_asymmetry"] < 1e-3
    assert scores["barrier_asymmetry"] < 1e-3
    assert scores["work_mismatch"] < 0.03
    assert scores["sound_hops"] == 1.0
    row = vacancy_reference.reference(f"{symbol}-fcc")
    assert scores["formation_bias"] == pytest.approx(scores["formation_energy"] - row.formation)
    assert scores["barrier_error"] == pytest.approx(abs(scores["barrier_nearest"] - row.barriers["nearest"]))


@pytest.mark.parametrize("ratio", [1.56, np.sqrt(8 / 3), 1.88])
@pytest.mark.parametrize("repeats", [(3, 3, 2), (4, 4, 2)])
def test_hcp_hops_go_to_the_right_neighbours(ratio, repeats):
    """Also where one of the two is the shorter, and where the cell is as the published one should have been."""
    a, volume = 3.2, 3.2**3 * ratio * np.sqrt(3) / 4
    crystal = bulk("Mg", "hcp", a=a, c=ratio * a)
    perfect = supercell(crystal, "hcp", 3, repeats)
    assert len(perfect) == 2 * np.prod(repeats)
    assert perfect.cell.volume / len(perfect) == pytest.approx(volume)
    hoppers, (inside, across) = neighbours(perfect, "hcp", layer=ratio * a / 2)
    assert np.linalg.norm(inside) == pytest.approx(a)
    assert inside[2] == pytest.approx(0.0, abs=1e-9)
    assert np.linalg.norm(across) == pytest.approx(np.sqrt(a**2 / 3 + (ratio * a) ** 2 / 4))
    assert abs(across[2]) == pytest.approx(ratio * a / 2)
    for hopper, way in zip(hoppers, (inside, across), strict=True):
        perfect.positions[hopper] += way
        assert perfect.get_distance(0, hopper, mic=True) == pytest.approx(0.0, abs=1e-9)
        perfect.positions[hopper] -= way


@pytest.mark.parametrize(("repeats", "count"), [(2, 32), (3, 108)])
def test_fcc_cells(repeats, count):
    crystal = primitive("Al", "fcc", 16.47)
    perfect = supercell(crystal, "fcc", repeats, (3, 3, 2))
    assert len(perfect) == count
    assert perfect.cell.volume / count == pytest.approx(16.47)
    _, ways = neighbours(perfect, "fcc", layer=1.0)
    assert np.linalg.norm(ways, axis=1) == pytest.approx([(4 * 16.47) ** (1 / 3) / np.sqrt(2)])
    assert primitive("Mg", "hcp", 22.85).cell.volume == pytest.approx(2 * 22.85)


def test_both_hcp_hops_share_crystal_and_hole(answers):
    raw = answers("lennard-jones", "Mg-hcp")
    assert raw["n_atoms"] == 36
    a, c = np.linalg.norm(raw["cell"], axis=1)[[0, 2]]
    assert np.linalg.norm(raw["hop"], axis=1) == pytest.approx([a, np.sqrt(a**2 / 3 + c**2 / 4)])
    assert raw["path_energy"][:, 0] == pytest.approx(raw["end_energy"][[0, 0]], abs=1e-9)
    assert raw["path_energy"][:, -1] == pytest.approx(raw["end_energy"][1:], abs=1e-9)
    assert raw["pristine_energy"] / 36 == pytest.approx(raw["crystal_energy"] / 2, abs=1e-6)
    scores = scored(raw, "Mg-hcp")
    barriers = [scores["barrier_in_plane"], scores["barrier_out_of_plane"]]
    assert scores["barrier_bias"] == pytest.approx(np.mean(barriers) - np.mean([0.40, 0.42]))
    first, second = BENCHMARK.explorer.curves(raw)
    assert [first.y.max(), second.y.max()] == pytest.approx(barriers, rel=1e-3)


@pytest.mark.parametrize("defect", ["nonconservative", "discontinuous"])
def test_broken_models_are_caught_by_the_work_of_their_forces(answers, defect):
    metric = next(metric for metric in BENCHMARK.metrics["default"] if metric.score == "work_mismatch")
    sound, wrong = (scored(answers(model, "Al-fcc"), "Al-fcc") for model in ("lennard-jones", defect))
    assert sound["work_mismatch"] < metric.good
    assert wrong["work_mismatch"] > metric.bad


def test_a_model_that_knows_where_space_begins_has_asymmetric_barriers(ask):
    sound, depth = speaks(emt()), 0.03

    def located(question):
        """EMT in a standing wave along y, one wave per cell; the hop is along y and z."""
        answers = []
        for atoms, one in zip(question.structures, sound(question), strict=True):
            angle = 2 * np.pi * (atoms.get_scaled_positions(wrap=False)[:, 1] - 0.1)
            push = -2 * np.pi * depth * np.cos(angle)[:, None] * atoms.cell.reciprocal()[1]
            forces = None if one.forces is None else one.forces + push
            answers.append(replace(one, energy=one.energy + depth * np.sin(angle).sum(), forces=forces))
        return Predictions.from_answers(question.structures, question.properties, answers)

    scores = scored(ask(BENCHMARK, case("Cu-fcc"), SMOKE, located), "Cu-fcc")
    assert scores["barrier_asymmetry"] > 0.02
    assert scores["path_asymmetry"] > 0.01
    assert scores["work_mismatch"] < 0.01


# ---- refusals ----------------------------------------------------------------------------------------------------


def still(question):
    """No energy, no force, no stress: everything stays where it is."""
    return said(question, [np.zeros((len(atoms), 3)) for atoms in question.structures])


def said(question, forces):
    """No energy and no stress, but these forces."""
    full = [{"energy": 0.0, "forces": one, "stress": np.zeros((3, 3))} for one in forces]
    asked = [Prediction(**{name: one[name] for name in question.properties}) for one in full]
    return Predictions.from_answers(question.structures, question.properties, asked)


def test_an_hcp_crystal_that_is_none_is_refused(ask):
    (flat,) = BENCHMARK.structure_cases([("flat", bulk("Mg", "hcp", a=3.5, c=4.2))], SMOKE)
    failure = ask(BENCHMARK, flat, SMOKE, still)
    assert isinstance(failure, Failure)
    assert "left its lattice: c/a became 1.2" in failure.message


def test_an_atom_that_falls_into_the_hole_is_refused(ask):
    def falling(question):
        """Supercells pull their first atom 2 Å aside."""
        forces = [np.zeros((len(atoms), 3)) for atoms in question.structures]
        for atoms, one in zip(question.structures, forces, strict=True):
            if len(atoms) == 31:
                one[0, 2] = 2.0 - atoms.positions[0, 2]
        return said(question, forces)

    failure = ask(BENCHMARK, case("Cu-fcc"), SMOKE, falling)
    assert isinstance(failure, Failure)
    assert "an atom left its site by 1.9" in failure.message


def test_a_band_that_does_not_converge_loses_its_hop_only(answers):
    raw = answers("emt", "Cu-fcc", replace(SMOKE, max_steps=9))
    assert raw["band_failure"].tolist() == [1]
    assert raw["band_steps"].tolist() == [9]
    scores = scored(raw, "Cu-fcc")
    assert scores["sound_hops"] == 0.0
    assert np.isnan([scores["barrier_error"], scores["path_asymmetry"], scores["barrier_nearest"]]).all()
    assert np.isfinite(scores["formation_error"])
    first, second = BENCHMARK.explorer.curves(raw)
    assert not len(first.x)
    assert not len(second.x)


def test_a_band_that_a_rerun_may_mend_ends_the_case(ask):
    model = speaks(emt())

    def small(question):
        if len(question.structures) > 3:
            gone = [Failure("out_of_memory", "for the test")] * len(question.structures)
            return Predictions.from_answers(question.structures, question.properties, gone)
        return model(question)

    assert ask(BENCHMARK, case("Cu-fcc"), SMOKE, small).kind == "out_of_memory"


def made(energies):
    """A record of fcc hops or of both hcp hops, by their paths."""
    images = np.array(energies)
    points = np.linspace(0, 6, 13)
    energy = np.stack([np.interp(points, np.arange(7), one) for one in images])
    return Raw(
        {
            "n_atoms": np.array(32),
            "pristine_energy": np.array(-32.0),
            "hop": np.ones((len(energy), 3)),
            "end_energy": np.concatenate([[-30.0], energy[:, -1]]),
            "path_distance": np.tile(points / 2, (len(energy), 1)),
            "path_energy": energy,
            "path_slope": np.gradient(energy, points / 2, axis=1),
            "band_failure": np.zeros(len(energy), int),
        }
    )


GOOD = [0.0, 0.2, 0.5, 0.7, 0.5, 0.2, 0.0]


@pytest.mark.parametrize(
    ("energy", "sound", "asymmetry"),
    [
        (GOOD, 1.0, 0.0),
        ([0.0, 0.2, 0.5, 0.7, 0.5, 0.3, 0.2], 0.0, 2 / 7),
        ([0.0, 0.2, 0.5, 0.7, 0.5, 0.3, 0.1], 1.0, 1 / 7),
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.0, 1.0),
        ([0.0, -0.2, -0.5, -0.7, -0.5, -0.2, 0.0], 0.0, np.nan),
        ([0.0, 0.5, 0.7, 0.4, 0.7, 0.5, 0.0], 1.0, 0.0),
        ([0.0, 0.5, 0.7, -0.1, 0.7, 0.5, 0.0], 0.0, 0.0),
    ],
    ids=["good", "ends differ", "ends differ little", "no saddle", "a well", "two maxima", "deeper between"],
)
def test_hops_are_judged_by_their_path(energy, sound, asymmetry):
    scores = scored(made([energy]), "Cu-fcc")
    assert scores["sound_hops"] == sound
    assert scores["barrier_asymmetry"] == pytest.approx(asymmetry, nan_ok=True)
    assert np.isfinite(scores["barrier_error"]) == bool(sound)
    assert scores["formation_energy"] == pytest.approx(1.0)


def test_one_bad_hop_of_two_is_counted_and_leaves_the_other():
    scores = scored(made([GOOD, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]), "Mg-hcp")
    assert scores["sound_hops"] == 0.5
    assert scores["barrier_error"] == pytest.approx(0.7 - 0.40)


def test_mode_arena_takes_the_published_barrier_and_the_hop_out_of_the_plane():
    high = [2 * energy for energy in GOOD]
    scores = scored(made([GOOD, high]), "Mg-hcp", "arena")
    assert scores["hcp_mape"] == pytest.approx(1.4 / 0.42 - 1, rel=1e-2)
    assert np.isnan(scores["fcc_mape"])
    nickel = scored(made([GOOD]), "Ni-fcc", "arena")
    assert nickel["fcc_mape"] == pytest.approx(np.mean([1 - 0.7 / 1.08, 1 - 0.7 / 0.94]), rel=1e-2)
    assert scored(made([GOOD]), "Li-fcc", "arena")["fcc_missing"] == 0.0
    beyond = scored(made([[20 * energy for energy in GOOD]]), "Li-fcc", "arena")
    assert beyond["fcc_missing"] == 1.0
    assert np.isnan(beyond["fcc_mape"])
    arena = BENCHMARK.settings("quick", "arena")
    assert (arena.fcc_repeats, arena.climb_below_ev_per_a) == (3, np.inf)


# ---- the table and own crystals ----------------------------------------------------------------------------------


def test_cases_follow_the_stated_rules():
    ids = [found.id for found in BENCHMARK.cases(BENCHMARK.presets["full"])]
    assert len(ids) == len(set(ids)) == 100
    assert not {case_id.split("-")[0] for case_id in ids} & set(vacancy_reference.NOBLE_GASES)
    assert set(vacancy_reference.not_compared()) <= set(ids)
    assert {found for found in ids if vacancy_reference.reference(found) is None} == set(
        vacancy_reference.not_compared()
    )
    assert vacancy_reference.reference("Ni-fcc").barriers == {"nearest": 1.08}  # with spin
    assert vacancy_reference.reference("Co-hcp").formation == 1.93
    assert not case("W-fcc").inputs["has_hops"]
    assert case("Pt-hcp").inputs["has_hops"]
    assert {case_id for case_id in BENCHMARK.presets["quick"].crystals} <= set(ids)


@pytest.mark.shared_data
def test_the_table_is_the_published_one():
    if not TABLES.exists():
        pytest.skip("no published data beside the checkout")
    columns = {"fcc": ("e_vacmig",), "hcp": ("e_vacmig_v", "e_vacmig")}
    rows = 0
    for lattice, barriers in columns.items():
        for line in csv.DictReader((TABLES / f"{lattice}.csv").read_text().splitlines()):
            symbol = line["symbol"].removesuffix("_mag")
            rows += 1
            if symbol in vacancy_reference.NOBLE_GASES:
                continue
            known = vacancy_reference.table()[f"{symbol}-{lattice}"]
            row = known[0] if "_mag" in line["symbol"] else known[-1]
            numbers = [float(line[name] or "nan") for name in ("volume_per_atom", "e_vacform", *barriers)]
            np.testing.assert_array_equal([row.volume, row.formation, *map(row.barriers.get, HOPS[lattice])], numbers)
    assert rows == 114


@pytest.mark.parametrize("seed", range(5))
def test_rounding_does_not_choose_the_hop(seed):
    perfect = bulk("Cu", cubic=True) * 2
    noisy = perfect.copy()
    noisy.positions += 1e-13 * np.random.default_rng(seed).normal(size=noisy.positions.shape)
    assert neighbours(noisy, "fcc", 1.8)[0] == neighbours(perfect, "fcc", 1.8)[0] == [1]


def test_own_crystals_are_recognised():
    given = [("gold", bulk("Au", cubic=True) * 2), ("magnesium", bulk("Mg") * (2, 2, 1))]
    gold, magnesium = BENCHMARK.structure_cases(given, SMOKE)
    assert (gold.inputs["lattice"], magnesium.inputs["lattice"]) == ("fcc", "hcp")
    assert [len(found.structures[0]) for found in (gold, magnesium)] == [1, 2]
    assert BENCHMARK.collection("gold") == "own"
    assert BENCHMARK.collection("Au-fcc") == "angsten-2014"


@pytest.mark.parametrize("atoms", [bulk("Fe"), bulk("Si"), bulk("NaCl", "rocksalt", a=5.6), Atoms("H")])
def test_other_crystals_are_refused_by_name(atoms):
    with pytest.raises(BadInput, match="structure 'odd'"):
        BENCHMARK.structure_cases([("odd", atoms)], SMOKE)


def test_own_crystals_have_paths_and_no_errors(ask):
    (own,) = BENCHMARK.structure_cases([("mine", bulk("Cu", cubic=True))], SMOKE)
    raw = ask(BENCHMARK, own, SMOKE, speaks(emt()))
    scores = scored(raw, "mine")
    assert np.isnan([scores["formation_error"], scores["barrier_bias"]]).all()
    assert scores["sound_hops"] == 1.0
    analysis = Analysis({"emt": {"mine": scores}}, {"emt": {"mine": raw}}, "default", SMOKE)
    titles = [axis.title.text for axis in BENCHMARK.figure(analysis).select_xaxes()]
    assert titles == ["path asymmetry", "barrier asymmetry", "work mismatch"]


def test_the_figure_has_a_mark_for_each_energy_with_a_reference(answers):
    outcomes = {"Cu-fcc": answers("emt", "Cu-fcc"), "Mg-hcp": answers("lennard-jones", "Mg-hcp")}
    outcomes |= {"Fe-fcc": made([GOOD]), "Al-fcc": Failure("exploded", "for the test")}
    analysis = Analysis({"one": {}}, {"one": outcomes}, "default", SMOKE)
    marks = {case_id for trace in BENCHMARK.figure(analysis).data for case_id in trace.text}
    assert marks == {"Cu-fcc", "Mg-hcp"}
    assert sum(len(trace.x) for trace in BENCHMARK.figure(analysis).data) == 2 + 3
