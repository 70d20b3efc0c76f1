"""Radar charts of imported indicator tables."""

import json
import math

from forcegauge.records import PublishedMetric
from forcegauge.report.indicators import radar
from forcegauge.scoring.sait import boards_of


def numbers(model, value):
    names = [f"{one}_{split}" for one in ("EF", "RDF", "ADF", "V0", "B0") for split in ("ID", "OOD")]
    rest = (math.nan, math.nan, math.nan, "", 0, 0, "a table", "")
    return [PublishedMetric(model, "sait-indicators-sin", name, value, *rest) for name in names]


def test_one_panel_per_model_the_best_first_and_names_stay_text():
    (board,) = boards_of([*numbers("worse-mae", 1e9), *numbers("<script>alert(1)</script>-mae", 0.0)])
    figure = radar(board)
    assert [trace["r"][0] for trace in figure["data"]] == [1, 1, 0, 0]
    titles = [one["text"] for one in figure["layout"]["annotations"]]
    assert titles[0].startswith("&lt;script&gt;")
    assert "<script" not in json.dumps(figure)
    assert boards_of([]) == []
