import numpy as np
import pytest

from forcegauge.errors import BadInput
from forcegauge.scoring import analyse, arena_ranks, rank


def spread(level, seed, n=60, noise=0.05):
    """Values of ``n`` cases of one difficulty each, shared by all models."""
    hard = np.random.default_rng(0).lognormal(-2, 1, n)
    return (hard + level + np.random.default_rng(seed).normal(0, noise, n)).tolist()


def test_scores_come_from_the_anchors_alone(store):
    """Good is 0.1, bad 1: a mean of 0.55 lies half-way; coverage counts as a factor."""
    alone = rank(store.add("half", [0.5, 0.6, "crashed", "unsupported_element"]))
    assert alone.overall["half"].value == pytest.approx(0.5 * 2 / 3)
    joined = rank(store.add("best", [0.0] * 4).add("worst", [9.0] * 4))
    assert joined.overall["half"].value == alone.overall["half"].value
    assert (joined.overall["best"].value, joined.overall["worst"].value) == (1.0, 0.0)
    assert joined.models == ("best", "half", "worst")


def test_equals_share_the_better_place_and_a_group(store):
    ranking = rank(store.add("a", [0.3] * 12).add("b", [0.3] * 12).add("c", [0.7] * 12))
    assert [ranking.overall[model].rank for model in "abc"] == [1, 1, 3]
    assert ranking.overall["a"].group == ranking.overall["b"].group == 1
    assert ranking.overall["a"].chance == pytest.approx(0.5)


def test_noise_makes_one_group_and_a_real_difference_two(store):
    store.add("a", spread(0.1, 1)).add("twin", spread(0.1, 2)).add("worse", spread(0.4, 3))
    ranking = rank(store)
    places = ranking.benchmarks[0].metrics["mean_error"]
    assert places["a"].group == places["twin"].group == 1
    assert (places["worse"].group, places["worse"].best, places["worse"].worst) == (2, 3, 3)
    assert sorted([places["a"].best, places["twin"].best]) == [1, 1]
    assert places["a"].low < places["a"].value < places["a"].high
    assert ranking.overall["worse"].chance == 0
    assert sum(one.chance for one in ranking.overall.values()) == pytest.approx(1)


def test_few_cases_decide_nothing(store):
    ranking = rank(store.add("a", [0.1] * 5).add("b", [0.9] * 5))
    assert [ranking.overall[model].rank for model in "ab"] == [1, 2]
    assert [ranking.overall[model].group for model in "ab"] == [1, 1]
    assert np.isnan(ranking.overall["a"].low)


def test_a_model_without_a_benchmark_has_no_overall_place(store):
    store.add("a", [0.1]).add("b", [0.2]).add("b", [0.1], benchmark="others")
    ranking = rank(store)
    assert ranking.models == ("b", "a")
    assert ranking.overall["a"].rank == 0
    assert ranking.overall["a"].reason == "not asked: others"
    assert ranking.benchmarks[0].places["a"].rank == 1


def test_a_model_that_failed_everywhere_scores_nothing(store):
    ranking = rank(store.add("a", ["crashed"] * 3).add("b", [100.0] * 3).add("c", [0.2] * 3))
    assert ranking.overall["a"].value == 0
    assert ranking.models[0] == "c"


def test_what_is_of_another_theory_is_shown_but_not_scored(store, monkeypatch):
    from dataclasses import replace

    from forcegauge.benchmarks import registry

    made = registry.get("numbers")
    judged = (replace(made.metrics["default"][0], theory="PBE"), made.metrics["default"][1])
    monkeypatch.setattr(registry, "get", lambda name: replace(made, metrics={"default": judged}))
    store.add("chgnet", [0.1] * 12).add("chgnet-r2scan", [0.1] * 12).add("so3lr", [0.1] * 12).add("mine", [0.1] * 12)
    places = rank(store).benchmarks[0].metrics["mean_error"]
    assert [places[model].rank for model in ("chgnet", "mine", "chgnet-r2scan", "so3lr")] == [1, 1, 0, 0]
    assert "r2SCAN" in places["chgnet-r2scan"].reason
    assert "PBE0" in places["so3lr"].reason


def test_cases_of_one_system_are_one(store):
    """Ten copies of six systems are six: nothing is decided."""
    store.systems = lambda benchmark: {f"c{row}": f"system {row % 6}" for row in range(60)}
    places = rank(store.add("a", spread(0.1, 1)).add("b", spread(0.4, 2))).benchmarks[0].places
    assert places["b"].group == 1


def test_rows_are_the_table(store):
    store.add("a", [0.1]).add("b", [0.2]).add("b", [1.0], benchmark="others")
    rows = rank(analyse(store)).rows()
    assert [(row["model"], row["rank"], row["note"]) for row in rows] == [("b", 1, ""), ("a", "", "not asked: others")]
    assert rows[0]["accuracy"] == pytest.approx((0.8 / 0.9 + 0) / 2)


def test_scores_and_intervals_stay_when_models_join(store):
    """Not even if they were asked more cases, fewer, or others."""
    first = rank(store.add("a", spread(0.1, 1, n=40)))
    shown = [(one.value, one.low, one.high) for one in (first.overall["a"], first.themes["accuracy"]["a"])]
    store.add("more", spread(0.2, 2, n=60)).add("fewer", spread(0.0, 3, n=12)).add("few", [0.1] * 3)
    joined = rank(store)
    assert [(one.value, one.low, one.high) for one in (joined.overall["a"], joined.themes["accuracy"]["a"])] == shown
    assert joined.overall["few"].reason == "asked 3 of the 12 common cases: numbers"
    assert joined.overall["few"].rank == 0
    assert joined.overall["few"].value == 1
    assert np.isnan(joined.overall["few"].low)
    assert sorted(one.rank for one in joined.overall.values()) == [0, 1, 2, 3]


def test_places_are_over_common_cases(store):
    """The second was asked the easy cases only: a better score, and the worse place."""
    hard = [0.2] * 20 + [0.9] * 20
    ranking = rank(store.add("whole", hard).add("easy", [0.3 + 0.001 * row for row in range(20)]))
    places = ranking.overall
    assert places["easy"].value > places["whole"].value
    assert (places["whole"].rank, places["easy"].rank) == (1, 2)
    assert (places["whole"].worst, places["easy"].best) == (1, 2)


def test_who_fails_everywhere_is_worse_beyond_doubt(store):
    """No draw of the cases changes either score, which is no reason for a tie."""
    ranking = rank(store.add("dead", ["crashed"] * 30).add("sound", [0.0] * 30).add("mute", [np.nan] * 30))
    assert [ranking.overall[model].group for model in ("sound", "dead", "mute")] == [1, 2, 2]
    assert ranking.overall["mute"].value == 0


def test_made_for_none_of_the_elements_is_as_good_as_not_asked(store):
    store.add("a", ["unsupported_element"] * 12).add("a", [0.2] * 12, benchmark="others")
    store.add("b", [0.5] * 12).add("b", [0.5] * 12, benchmark="others")
    ranking = rank(store)
    assert ranking.overall["a"].reason == "made for none of its elements: numbers"
    assert ranking.models == ("b", "a")
    assert np.isnan(ranking.overall["a"].value)


def test_few_systems_outvote_nobody(store):
    """A third of a small benchmark's difference must not be told because the large one has little noise."""
    for model, small, seed in (("a", 0.2, 1), ("b", 0.9, 2)):
        store.add(model, [small] * 3).add(model, spread(0.1, seed), benchmark="others")
    ranking = rank(store)
    assert ranking.overall["a"].value > ranking.overall["b"].value + 0.3
    assert ranking.overall["b"].group == 1
    assert rank(analyse(store)[:1]).overall["a"].chance != rank(analyse(store)[:1]).overall["a"].chance


def test_a_bias_is_ranked_by_its_mean(store, monkeypatch):
    from dataclasses import replace

    from forcegauge.benchmarks import registry

    made = registry.get("numbers")
    bias = replace(made.metrics["default"][0], direction="target", good=0.1, bad=1.0)
    monkeypatch.setattr(registry, "get", lambda name: replace(made, metrics={"default": (bias,)}))
    noise = np.random.default_rng(0).normal(0, 0.05, 60)
    store.add("fair", (np.array([0.5, -0.5] * 30) + noise).tolist()).add("biased", (0.4 + noise).tolist())
    ranking = rank(store)
    places = ranking.benchmarks[0].metrics["mean_error"]
    assert (places["fair"].rank, places["biased"].rank, places["biased"].group) == (1, 2, 2)
    assert 0 < places["biased"].low < places["biased"].value < places["biased"].high < 1


def test_a_tie_says_how_many_cases_would_decide(store):
    store.add("a", spread(0.10, 1)).add("b", spread(0.1, 2)).add("c", spread(0.7, 3))
    places = rank(store).benchmarks[0].metrics["mean_error"]
    first, second = sorted("ab", key=lambda model: places[model].rank)
    assert places[first].group == places[second].group
    assert places[second].to_decide > 1
    assert np.isnan([places[first].to_decide, places["c"].to_decide]).all()


def test_no_published_order_without_a_published_task(store):
    with pytest.raises(BadInput, match="diatomics, energy-volume"):
        arena_ranks(analyse(store.add("a", [0.1])))


def test_perfect_models_tie(tmp_path):
    import forcegauge

    models = ["lennard-jones", "morse", "harmonic"]
    forcegauge.run(models, benchmarks="diatomics", cases=["Cu", "Fe", "Au"], results=tmp_path / "r", progress=False)
    metrics = forcegauge.rank(tmp_path / "r").benchmarks[0].metrics
    for name in ("tortuosity", "spearman-repulsion"):
        assert {one.rank for one in metrics[name].values()} == {1}
