import numpy as np
import pytest

from forcegauge.scoring import analyse, rank


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


def test_unequal_cases_rank_on_those_that_all_were_asked(tmp_path):
    import forcegauge

    options = {"benchmarks": "energy-volume", "preset": "smoke", "results": tmp_path / "r", "progress": False}
    forcegauge.run("broken-discontinuous", **options)
    forcegauge.run("lennard-jones", **{**options, "cases": ["Cu-fcc"], "preset": "quick"})
    ranking = forcegauge.rank(tmp_path / "r")
    assert {one.rank for one in ranking.benchmarks[0].metrics["coverage"].values()} == {1}
    (result,) = forcegauge.analyse(tmp_path / "r")
    assert any("ranks are over the 1 cases that all were asked" in note for note in result.notes)


def test_perfect_models_tie(tmp_path):
    import forcegauge

    models = ["lennard-jones", "morse", "harmonic"]
    forcegauge.run(models, benchmarks="diatomics", cases=["Cu", "Fe", "Au"], results=tmp_path / "r", progress=False)
    metrics = forcegauge.rank(tmp_path / "r").benchmarks[0].metrics
    for name in ("tortuosity", "spearman-repulsion"):
        assert {one.rank for one in metrics[name].values()} == {1}
