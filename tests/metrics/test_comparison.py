"""Paired differences: known answers, and errors as seldom as promised."""

import numpy as np
import pytest
from scipy.stats import permutation_test, wilcoxon

from forcegauge.metrics.comparison import SIGNIFICANCE, difference, holm, swap_pairs
from forcegauge.metrics.ranking import rank_intervals, shares_of_best, tie_groups


def noisy(seed, shift=0.0, n=200):
    rng = np.random.default_rng(seed)
    hard = rng.lognormal(0, 1, n)  # some cases are hard for everyone: what pairing takes away
    return hard + rng.normal(0, 0.2, n), hard + rng.normal(shift, 0.2, n)


def test_pairing_shows_what_two_intervals_would_not():
    first, second = noisy(1, shift=0.1)
    found = difference(first, second)
    assert found.value == pytest.approx(-0.1, abs=0.05)
    assert found.is_decided
    assert found.high < 0
    assert first.std() / np.sqrt(200) > abs(found.value) / 2
    assert difference(second, first).value == -found.value


def test_the_probability_is_that_of_scipys_permutation_test():
    first, second = noisy(2, shift=0.03, n=40)
    theirs = permutation_test(
        (first, second), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", n_resamples=20_000
    )
    assert difference(first, second).p == pytest.approx(theirs.pvalue, abs=0.02)


def test_a_potential_and_itself_are_never_apart():
    first, _ = noisy(3)
    assert difference(first, first)[:4] == pytest.approx((0, np.nan, np.nan, 1), nan_ok=True)


def test_a_shift_of_every_case_is_decided_by_ten():
    first = np.random.default_rng(0).normal(size=30).round(3)
    assert difference(first + 1.0, first).is_decided
    assert not difference(first[:9] + 1.0, first[:9]).is_decided


@pytest.mark.parametrize(("failures", "is_decided"), [(1, False), (3, False), (5, False), (8, True), (20, True)])
def test_rare_failures_decide_when_they_are_enough(failures, is_decided):
    second = np.ones(1000)
    second[:failures] = 0
    found = difference(np.ones(1000), second, "proportion")
    assert found.value == pytest.approx(failures / 1000)
    assert found.is_decided == is_decided


def test_copies_of_a_case_decide_nothing():
    first, second = noisy(4, shift=0.12, n=20)
    labels = np.repeat(np.arange(20), 30)
    blind = difference(np.repeat(first, 30), np.repeat(second, 30))
    aware = difference(np.repeat(first, 30), np.repeat(second, 30), clusters=labels)
    alone = difference(first, second)
    assert aware.p == pytest.approx(alone.p, abs=0.02)
    assert blind.p < alone.p / 5


def test_medians_are_compared_as_medians():
    first, second = noisy(5, shift=0.3)
    second[:5] = 1e6  # a mean would see nothing else
    found = difference(first, second, "median")
    assert found.is_decided
    assert abs(found.value) < 1


def test_missing_cases_are_no_case():
    first, second = noisy(6)
    first[:20], second[10:40] = np.nan, np.inf
    assert difference(first, second).n == 180
    assert difference([np.nan], [1.0]).p == 1


def test_infinite_scores_count_and_one_decides_nothing():
    first, second = noisy(6, n=40)
    for n, is_decided in ((1, False), (12, True)):
        second[:n] = np.inf
        found = difference(first, second)
        assert found.value == -np.inf
        assert found.is_decided == is_decided


@pytest.mark.parametrize("aggregate", ["mean", "median"])
def test_a_bias_is_compared_as_a_bias(aggregate):
    """Errors of both signs cancel: the first has none on average, though each case is far off."""
    rng = np.random.default_rng(11)
    first, second = rng.permutation([-0.5, 0.5] * 30) + rng.normal(0, 0.05, 60), 0.3 + rng.normal(0, 0.05, 60)
    found = difference(first, second, aggregate, ideal=0.0)
    if aggregate == "mean":
        assert found.value == pytest.approx(-0.3, abs=0.05)
        assert found.is_decided
        assert difference(second, first, ideal=0.0).low == pytest.approx(-found.high, abs=0.02)
    one_sided = difference(1 + np.abs(first), 1 + np.abs(second), aggregate, ideal=1.0)
    assert one_sided.value == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("ideal", [None, 0.0])
def test_all_pairs_at_once_agree_with_single_ones(ideal):
    scores = np.random.default_rng(12).normal([[0.1], [0.3], [-0.2]], 0.6, (3, 60))
    scores[0, :5] = np.nan
    labels = np.arange(60) // 2
    pairs = swap_pairs(scores, labels, ideal=ideal)
    for a, b in ((0, 1), (0, 2), (2, 1)):
        one = difference(scores[a], scores[b], clusters=labels, ideal=ideal)
        assert pairs.apart[a, b] == pytest.approx(one.value)
        assert pairs.p[a, b] == pytest.approx(one.p, abs=0.03)
    assert pairs.n_systems[0, 1] == 28


def test_many_models_can_be_told_apart():
    """No number of swaps bounds what Holm's correction for 780 pairs may show."""
    scores = np.arange(40.0)[:, None] + np.random.default_rng(13).normal(0, 0.1, (40, 100))
    pairs = swap_pairs(scores, np.arange(100))
    assert holm(pairs.p[np.triu_indices(40, 1)]).max() < SIGNIFICANCE


@pytest.mark.parametrize("kind", ["normal", "lognormal", "rare"])
def test_alike_potentials_are_told_apart_as_seldom_as_promised(kind):
    rng = np.random.default_rng(7)
    draws = {
        "normal": lambda: rng.normal(size=50),
        "lognormal": lambda: rng.lognormal(size=50),
        "rare": lambda: (rng.random(50) < 0.1) * 2.0,
    }
    wrong = sum(difference(draws[kind](), draws[kind](), seed=trial).is_decided for trial in range(200))
    assert wrong <= 200 * SIGNIFICANCE + 2.6 * np.sqrt(200 * SIGNIFICANCE)


def test_so_many_cases_would_decide():
    first, second = noisy(8, shift=0.03, n=60)
    wanted = difference(first, second).n_to_decide()
    assert wanted > 60
    more = [difference(*noisy(seed, shift=0.03, n=int(wanted))).is_decided for seed in range(20)]
    assert np.mean(more) >= 0.5


def test_holm_is_the_textbooks():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert len(holm([])) == 0


def test_a_tie_group_ends_where_its_first_is_better():
    distances = [0.1, 0.2, 0.3, 0.4, np.nan]
    better = np.zeros((5, 5), bool)
    better[0, 2:] = better[1, 3] = better[:4, 4] = True
    assert tie_groups(distances, better).tolist() == [1, 1, 2, 2, 3]
    assert rank_intervals(better).tolist() == [[1, 2], [1, 3], [2, 4], [3, 4], [5, 5]]


def test_all_alike_make_one_group_as_often_as_promised():
    rng = np.random.default_rng(9)
    whole = 0
    for _ in range(100):
        scores = rng.lognormal(size=(60, 1)) + rng.normal(0, 0.3, size=(60, 5))
        pairs = [(a, b) for a in range(5) for b in range(a)]
        found = [difference(scores[:, a], scores[:, b]) for a, b in pairs]
        better = np.zeros((5, 5), bool)
        for (a, b), one, p in zip(pairs, found, holm([one.p for one in found]), strict=True):
            if p < SIGNIFICANCE:
                better[(a, b) if one.value < 0 else (b, a)] = True
        whole += int(tie_groups(scores.mean(axis=0), better).max() == 1)
    assert whole >= 90


def test_equals_share_the_first_place():
    assert shares_of_best([[1, 1, 2], [2, 1, 1], [1, 3, np.nan], [np.nan] * 3]).tolist() == [0.375, 0.25, 0.125]


def test_the_swaps_agree_with_wilcoxon_where_both_apply():
    first, second = noisy(10, shift=0.05, n=100)
    assert difference(first, second).p == pytest.approx(wilcoxon(first - second).pvalue, abs=0.1)
