import math
import time

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from forcegauge.metrics.uncertainty import MIN_CASES, estimate, rare_interval, wilson

AGGREGATES = ("mean", "median", "proportion")


def covered(draw, truth, aggregate, n=40, n_trials=300):
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(n_trials):
        found = estimate(draw(rng, n), aggregate, n_resamples=600, seed=trial)
        hits += found.low <= truth <= found.high
    return hits / n_trials


@pytest.mark.parametrize(
    ("draw", "truth", "aggregate"),
    [
        (lambda rng, n: rng.normal(3, 2, n), 3.0, "mean"),
        (lambda rng, n: rng.exponential(1.0, n), 1.0, "mean"),
        (lambda rng, n: rng.lognormal(0, 1, n), 1.0, "median"),
        (lambda rng, n: rng.random(n) < 0.1, 0.1, "proportion"),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_promise(draw, truth, aggregate):
    assert 0.90 <= covered(draw, truth, aggregate) <= 0.985


def test_a_mean_lies_near_scipys_bca():
    """Both correct for skewness, to the same order."""
    scores = np.random.default_rng(1).lognormal(0, 1, 200)
    ours = estimate(scores, "mean", n_resamples=20_000)
    theirs = bootstrap((scores,), np.mean, n_resamples=20_000, batch=2000, method="BCa").confidence_interval
    assert ours.low == pytest.approx(theirs.low, rel=0.03)
    assert ours.high == pytest.approx(theirs.high, rel=0.06)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 25), (94, 94), (999, 1000)])
def test_a_proportion_has_the_interval_of_scipys_wilson(successes, n):
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes / n, n) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_scores_that_are_missing_are_left_out(aggregate):
    scores = [1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 1]
    assert estimate([*scores, math.nan, math.nan], aggregate) == estimate(scores, aggregate)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_no_scores_at_all_give_nothing(aggregate):
    for scores in ([], [math.nan] * 20):
        value, low, high, n = estimate(scores, aggregate)
        assert np.isnan([value, low, high]).all()
        assert n == 0


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_few_scores_give_a_value_without_an_interval(aggregate):
    scores = [0.0, 1.0] * ((MIN_CASES - 1) // 2)
    value, low, high, n = estimate(scores, aggregate)
    assert value == 0.5
    assert math.isnan(low)
    assert math.isnan(high)
    assert n == len(scores)


def test_equal_scores_do_not_claim_certainty():
    for aggregate in ("mean", "median"):
        found = estimate([2.5] * 50, aggregate)
        assert found.value == 2.5
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    found = estimate([1.0] * 50, "proportion")
    assert found.low == pytest.approx(0.929, abs=1e-3)
    assert found.high == 1


def test_no_interval_has_zero_width():
    value, low, high, _ = estimate([1.0] * 90 + [3.0] * 10, "median")
    assert value == 1
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("scores", [[0.0] * 60 + [1.0] * 40, [1.0] * 97 + [0.0] * 3])
def test_a_rare_amount_of_one_size_is_wilsons_proportion(scores):
    low, high = rare_interval(np.array(scores) * 7 + 2)
    assert ((low - 2) / 7, (high - 2) / 7) == pytest.approx(wilson(np.mean(scores), 100), abs=0.002)


def test_differences_may_have_a_side_that_was_not_seen():
    scores = [0.0] * 98 + [1.0] * 2
    assert rare_interval(scores)[0] > 0
    assert rare_interval(scores, is_two_sided=True)[0] < 0
    assert rare_interval([0.0] * 80 + [1.0] * 20, is_two_sided=True)[0] > 0


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_copies_of_a_case_add_nothing(aggregate):
    """Five copies of each of 40 cases, known to belong together, say what the 40 say."""
    scores = np.random.default_rng(3).lognormal(0, 1, 40)
    scores[:12] = 1
    alone = estimate(scores, aggregate)
    copies = estimate(np.repeat(scores, 5), aggregate, clusters=np.repeat(np.arange(40), 5))
    blind = estimate(np.repeat(scores, 5), aggregate)
    assert copies.value == alone.value
    assert copies.high - copies.low == pytest.approx(alone.high - alone.low, rel=0.15, abs=0.05)
    assert not blind.high - blind.low > 0.75 * (alone.high - alone.low)  # or none, where it would have no width


def test_ten_cases_of_one_cluster_are_one():
    assert np.isnan(estimate(range(50), "mean", clusters=[0, 1, 2, 3, 4] * 10).low)


def test_one_outlier_among_equals_gives_a_finite_interval():
    value, low, high, _ = estimate([0.0] * 93 + [940.0], "mean")
    assert value == pytest.approx(10)
    assert 0 <= low <= value <= high < 940


def test_infinite_scores_spoil_means_but_not_medians():
    scores = [*np.linspace(1, 2, 20), math.inf]
    assert estimate(scores, "mean").value == math.inf
    assert math.isnan(estimate(scores, "mean").high)
    assert estimate(scores, "median").high < 2


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_order_and_time_do_not_matter(aggregate):
    scores = np.random.default_rng(0).normal(size=101)
    assert estimate(scores, aggregate) == estimate(scores[::-1], aggregate)


def test_a_thousand_cases_take_a_fraction_of_a_second():
    scores = np.random.default_rng(0).normal(size=1000)
    start = time.process_time()
    estimate(scores, "mean")
    estimate(scores, "median")
    assert time.process_time() - start < 1.5
