import math

import numpy as np
import pytest

from forcegauge.metrics.ranking import rank_sums, ranks


@pytest.mark.parametrize(
    ("distances", "places"),
    [
        ([0.3, 0.1, 0.2], [3, 1, 2]),
        ([0.1, 0.1, 0.2], [1, 1, 3]),
        ([math.nan, 0.1, math.inf], [3, 1, 2]),
        ([math.nan, 0.1, math.nan], [2, 1, 2]),
        ([-0.9, -1.0], [2, 1]),
        ([math.nan], [1]),
        ([], []),
    ],
)
def test_places(distances, places):
    assert ranks(distances).tolist() == places


def test_places_do_not_depend_on_the_order_of_models():
    distances = np.array([0.4, math.nan, 0.1, 0.4, -2.0])
    order = np.random.default_rng(0).permutation(5)
    assert (ranks(distances[order]) == ranks(distances)[order]).all()


def test_sums_run_over_metrics():
    assert rank_sums([[1, 2, 3], [1, 1, 3]]).tolist() == [2, 3, 6]
