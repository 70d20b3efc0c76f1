import numpy as np
import pytest

from forcegauge.benchmarks.base import Analysis
from forcegauge.benchmarks.figures import COLOURS, Panel, exceedance


def drawn(values, panel, models=("model",)):
    scores = {model: {f"case {row}": {"score": value} for row, value in enumerate(values)} for model in models}
    return exceedance(Analysis(scores, {}, "default", None), [panel], case="cases").data


def test_every_case_beyond_the_floor_is_a_point_with_its_name():
    (line,) = drawn([1.0, 3.0, 1.0, 1.5], Panel("score", "score, off 1", ideal=1.0))
    assert list(line.x) == [0.0, 0.5, 2.0]
    assert list(line.y) == [50.0, 50.0, 25.0]
    assert line.text[1:] == ("case 3", "case 1")


def test_a_perfect_model_lies_on_the_floor():
    (line,) = drawn([1.0, 1.00001], Panel("score", "score", ideal=1.0, floor=1e-3))
    assert (list(line.x), list(line.y)) == ([1e-3], [0.0])


@pytest.mark.parametrize("values", [[np.nan], [], [np.nan, 1.0]])
def test_cases_without_a_score_do_not_count(values):
    (line,) = drawn(values, Panel("score", "score"))
    assert list(line.y) == ([100.0, 100.0] if 1.0 in values else [0.0])


def test_more_models_than_colours_are_told_apart():
    models = [f"model {row}" for row in range(len(COLOURS) + 1)]
    lines = drawn([1.0], Panel("score", "score"), models)
    assert len({(line.line.color, line.line.dash) for line in lines}) == len(models)
