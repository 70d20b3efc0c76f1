import base64
import dataclasses
import math
import re

import numpy as np
import pytest

from forcegauge.records import Raw
from forcegauge.report import cases, elements, figures
from forcegauge.scoring import analyse, rank


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def case_data(result):
    return cases.case_data(result, rank([result]).benchmarks[0])


def curve_data(result, max_floats=10**6):
    return figures.curve_data(result, list(figures.lines(result, cases.names(result))), max_floats)


@pytest.fixture
def results(synthetic):
    return analyse(synthetic(("chgnet", "sevennet-0")))


def test_curves_survive_the_page(results):
    data, curves = case_data(results[0]), curve_data(results[0])
    numbers = floats(curves["floats"])
    case, model = data["cases"].index("Fe"), data["models"].index("sevennet-0")
    raw = results[0].analysis.outcomes["sevennet-0"]["Fe"]
    ((x, y, n, low, high),) = [row[3:] for row in curves["curves"] if row[:3] == [model, case, 0]]
    np.testing.assert_array_equal(numbers[x : x + n], raw["x"].astype("f4"))
    np.testing.assert_array_equal(numbers[y : y + n], raw["y"].astype("f4"))
    depth = -raw["y"].min()
    assert (low, high) == pytest.approx((-1.2 * depth, 2 * depth), rel=1e-5)


def test_scores_outcomes_and_failures_survive_the_page(results):
    data = case_data(results[0])
    scores = floats(data["scores"]).reshape(2, 118, 3)
    model, iron, helium = data["models"].index("sevennet-0"), data["cases"].index("Fe"), data["cases"].index("He")
    assert data["cases"][:3] == ["H", "He", "Li"]
    assert scores[model, iron, 0] == pytest.approx(results[0].analysis.scores["sevennet-0"]["Fe"]["jump"])
    assert np.isnan(scores[model, helium]).all()
    assert [model, helium, "unsupported_element: the model was not made for He", -1] in data["failures"]
    assert data["outcomes"][model][helium] + data["outcomes"][model][iron] == "ua"
    assert [data["systems"][at] for at in data["system"]] == data["cases"]


def test_each_traceback_is_kept_once_and_its_end_only(synthetic):
    (diatomics, _) = analyse(synthetic(("a", "b", "c")))
    data = case_data(diatomics)
    crashed = [row for row in data["failures"] if row[2].startswith("crashed")]
    assert len(crashed) > 1
    assert {row[3] for row in crashed} == {0}
    assert data["tracebacks"] == [next(row.traceback for row in diatomics.failures if row.traceback)]


def test_a_share_is_counted_by_what_is_exactly_one(results):
    """0.99999999 reads 1 in single precision; a case that is nearly right is not right."""
    (diatomics, _) = results
    scores = {model: {case: dict(one) for case, one in own.items()} for model, own in diatomics.analysis.scores.items()}
    scores["chgnet"]["H"]["smooth"] = 1 - 1e-12
    analysis = dataclasses.replace(diatomics.analysis, scores=scores)
    data = case_data(dataclasses.replace(diatomics, analysis=analysis))
    column = next(at for at, one in enumerate(data["columns"]) if one["score"] == "smooth")
    assert floats(data["scores"]).reshape(2, 118, 3)[0, 0, column] == np.nextafter(np.float32(1), np.float32(0))


def test_curves_are_thinned_where_they_are_too_many(results):
    whole = figures.size(list(figures.lines(results[0], cases.names(results[0]))))
    assert curve_data(results[0], whole)["stride"] == 1
    thinned = curve_data(results[0], whole // 2)
    assert thinned["stride"] == 2
    assert {row[5] for row in thinned["curves"]} == {60}


@pytest.mark.parametrize(
    ("wanted", "total", "given"),
    [([5, 5], 20, [5, 5]), ([1, 100, 100], 21, [1, 10, 10]), ([100, 3, 30], 33, [15, 3, 15]), ([], 9, [])],
)
def test_who_wants_little_gets_all_of_it(wanted, total, given):
    assert figures.shares(wanted, total) == given


def test_a_structure_survives_the_page(results):
    data = case_data(results[1])
    packed = data["structures"]
    at = data["cases"].index("wbm-1-0")
    start = sum(packed["n_atoms"][:at])
    atoms = results[1].cases["wbm-1-0"].structures[0]
    numbers = np.frombuffer(base64.b64decode(packed["numbers"]), "u1")[start : start + 2]
    positions = np.frombuffer(base64.b64decode(packed["positions"]), "<i2").reshape(-1, 3)[start : start + 2] / 100
    corner, cell = np.reshape(packed["cells"][at], (4, 3))[0], np.reshape(packed["cells"][at], (4, 3))[1:]
    assert numbers.tolist() == atoms.numbers.tolist()
    np.testing.assert_allclose(positions - corner, atoms.positions, atol=0.006)
    np.testing.assert_allclose(cell, atoms.cell.array, atol=1e-3)
    assert case_data(results[0])["structures"] is None


def test_a_huge_structure_is_left_out(results, monkeypatch):
    monkeypatch.setattr(cases, "MAX_ATOMS", 1)
    assert case_data(results[1])["structures"] is None


def test_crystals_are_in_the_order_of_their_numbers(results):
    found = cases.names(results[1])
    assert found == sorted(found, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


def test_a_mode_without_the_tables_score_colours_by_its_first(results):
    assert case_data(results[0])["table"] == 0
    explorer = results[0].benchmark.explorer
    for wanted, at in (("flips", 1), ("score_of_another_mode", 0), ("", None)):
        own = dataclasses.replace(explorer, periodic_table=wanted)
        benchmark = dataclasses.replace(results[0].benchmark, explorer=own)
        assert case_data(dataclasses.replace(results[0], benchmark=benchmark))["table"] == at


def test_curves_that_the_page_does_not_know_are_left_out(results):
    explorer = dataclasses.replace(results[1].benchmark.explorer, panels={"energy": "Energy (eV)"})
    result = dataclasses.replace(results[1], benchmark=dataclasses.replace(results[1].benchmark, explorer=explorer))
    outcomes = [one for own in result.analysis.outcomes.values() for one in own.values()]
    assert len(curve_data(result)["curves"]) == sum(isinstance(outcome, Raw) for outcome in outcomes)


def test_the_periodic_table_is_the_known_one():
    cells = {cell["symbol"]: (cell["row"], cell["column"]) for cell in elements.periodic_table()}
    assert len(set(cells.values())) == 118
    known = {"H": (1, 1), "He": (1, 18), "B": (2, 13), "Fe": (4, 8), "Ba": (6, 2), "La": (9, 3), "Lu": (9, 17)}
    known |= {"Hf": (6, 4), "Rn": (6, 18), "Ac": (10, 3), "Lr": (10, 17), "Rf": (7, 4), "Og": (7, 18)}
    assert {symbol: cells[symbol] for symbol in known} == known


def test_every_element_can_be_drawn():
    data = elements.drawing_data()
    assert len(data["symbols"]) == len(data["radii"]) == len(data["colours"]) == 119
    assert data["colours"][8] == "ff0d0d"  # oxygen is red
    assert all(re.fullmatch("[0-9a-f]{6}", one) for one in data["colours"])


def test_coverage_counts_cases_by_element_over_all_benchmarks(results):
    found = elements.coverage(results, "sevennet-0")
    salts = [case.elements for case in results[1].cases.values()]
    n_sodium = sum(11 in one for one in salts)
    assert found["Na"] == [n_sodium + 1, 0, 0]
    assert found["He"] == [0, 0, 1]
    assert not math.isnan(n_sodium)
    assert n_sodium > 1
