"""What every benchmark file promises, whatever it asks."""

import numpy as np
import pytest

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.base import MODES, PRESETS, Analysis
from forcegauge.encoding import pack, unpack
from forcegauge.errors import Failure
from forcegauge.models.analytic import lennard_jones
from forcegauge.models.guard import guarded_evaluate
from forcegauge.records import Raw

BENCHMARKS = [registry.get(name) for name in registry.names()]
pytestmark = pytest.mark.parametrize("bound", BENCHMARKS, ids=lambda found: found.name, scope="module")


def smooth(question):
    return guarded_evaluate(lennard_jones(), question.structures, frozenset(question.properties))


@pytest.fixture(scope="module")
def outcomes(bound, ask, bond):
    settings = bound.presets["smoke"]
    # What is relaxed with its cell needs a potential that ends smoothly.
    model = smooth if "stress" in bound.needs else bond(cutoff=6.0)
    asked = {case.id: ask(bound, case, settings, model) for case in bound.cases(settings)[:3]}
    return {**asked, "failed": Failure("not_implemented", "for the test")}


def test_it_has_the_presets_and_only_known_modes(bound):
    assert tuple(bound.presets) == PRESETS
    assert set(bound.modes) == set(bound.metrics) <= set(MODES)


def test_case_ids_are_unique_and_elements_named(bound):
    """A check of the model itself names no elements: it takes what the model accepts."""
    cases = bound.cases(bound.presets["quick"])
    assert len({case.id for case in cases}) == len(cases)
    assert all(case.stratum and case.benchmark == bound.name for case in cases)
    assert all(case.elements or case.stratum == "check" for case in cases)


def test_own_crystals_never_pass_for_built_in_ones(bound):
    if bound.structure_cases is None or bound.collection("any") != "own":
        pytest.skip("its cases are no sets of crystals")
    case = bound.cases(bound.presets["smoke"])[0]
    (own,) = bound.structure_cases([(case.id, case.structures[0])], bound.presets["smoke"])
    assert bound.collection(case.id) != bound.collection(own.id) == "own"


def test_raw_is_as_the_schema_says_and_survives_the_store(bound, outcomes):
    for raw in outcomes.values():
        if isinstance(raw, Raw):
            assert raw.arrays.keys() == bound.schema.keys()
            assert all(isinstance(value, np.ndarray) for value in raw.arrays.values())
            assert Raw(unpack(pack(dict(raw.arrays)))) == raw


def test_every_metric_has_its_score_and_failures_have_none(bound, outcomes):
    for mode in bound.modes:
        settings = bound.settings("smoke", mode)
        scores = bound.analyse(outcomes, {}, settings, mode)
        assert scores.keys() == {case_id for case_id, found in outcomes.items() if isinstance(found, Raw)}
        needed = {metric.score for metric in bound.metrics[mode]}
        assert all(needed <= score.keys() for score in scores.values())


def test_stored_raws_score_as_fresh_ones(bound, outcomes):
    stored = {
        case_id: Raw(unpack(pack(dict(raw.arrays)))) if isinstance(raw, Raw) else raw
        for case_id, raw in outcomes.items()
    }
    settings = bound.presets["smoke"]
    fresh, again = (bound.analyse(found, {}, settings, "default") for found in (outcomes, stored))
    assert fresh.keys() == again.keys()
    assert all(fresh[case_id] == pytest.approx(again[case_id], rel=0, abs=0, nan_ok=True) for case_id in fresh)


def test_metric_keys_are_unique_and_anchors_ordered(bound):
    keys = [metric.key for metrics in bound.metrics.values() for metric in metrics]
    assert len(set(keys)) == len(keys)
    for metrics in bound.metrics.values():
        for metric in metrics:
            assert metric.distance(metric.ideal) <= metric.distance(metric.good) < metric.distance(metric.bad)


def test_figure_and_curves_are_drawn(bound, outcomes):
    for mode in bound.modes:
        settings = bound.settings("smoke", mode)
        scores = {"model": bound.analyse(outcomes, {}, settings, mode)}
        drawn = bound.figure(Analysis(scores, {"model": outcomes}, mode, settings))
        assert len(drawn.data) >= 5
        assert all(trace.name == "model" for trace in drawn.data)
        assert all(np.isfinite(np.array(trace.y, dtype=float)).all() for trace in drawn.data)
    raw = next(iter(outcomes.values()))
    curves = bound.explorer.curves(raw)
    assert [curve.name for curve in curves] == list(bound.explorer.panels)
    assert all(curve.x.shape == curve.y.shape for curve in curves)


def test_the_docstring_answers_what_a_reader_asks(bound):
    for word in ("Why it matters", "Source", "Cost", "A perfect model scores", "Known weaknesses"):
        assert word in bound.doc
    assert bound.doc.splitlines()[0] == bound.question
