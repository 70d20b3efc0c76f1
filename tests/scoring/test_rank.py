import pytest

from forcegauge.scoring import analyse, rank


def test_sums_of_places_order_the_models(store):
    ranking = rank(store.add("bad", [3.0] * 3).add("good", [1.0] * 3).add("middle", [2.0] * 3))
    assert ranking.models == ("good", "middle", "bad")
    (places,) = ranking.benchmarks
    assert places.metrics["coverage"] == {"bad": 1, "good": 1, "middle": 1}
    assert places.rank_sum == {"bad": 7, "good": 3, "middle": 5}


def test_equals_share_the_better_place(store):
    ranking = rank(store.add("a", [1.0] * 3).add("b", [1.0] * 3).add("c", [2.0] * 3))
    assert ranking.rank == {"a": 1, "b": 1, "c": 3}


def test_coverage_counts_as_much_as_a_metric(store):
    ranking = rank(store.add("whole", [2.0, 2.0]).add("half", [2.0, "crashed"]))
    assert ranking.rank == {"whole": 1, "half": 2}


def test_without_a_benchmark_a_model_is_last_there(store):
    store.add("a", [1.0]).add("b", [2.0]).add("c", [3.0])
    store.add("b", [1.0], benchmark="others").add("c", [2.0], benchmark="others")
    ranking = rank(store)
    assert ranking.benchmarks[1].rank == {"a": 3, "b": 1, "c": 2}
    assert ranking.mean_rank == {"a": 2.0, "b": 1.5, "c": 2.5}
    assert ranking.models == ("b", "a", "c")


def test_a_model_that_failed_everywhere_is_last_but_listed(store):
    ranking = rank(store.add("a", ["crashed"] * 3).add("b", [100.0] * 3))
    assert ranking.rank == {"b": 1, "a": 2}


def test_rows_are_the_table(store):
    store.add("a", [1.0]).add("b", [2.0], benchmark="others")
    assert rank(analyse(store)).rows() == [
        {"rank": 1, "model": "a", "mean_rank": pytest.approx(1.5), "numbers": 1, "others": 2},
        {"rank": 1, "model": "b", "mean_rank": pytest.approx(1.5), "numbers": 2, "others": 1},
    ]


def test_one_model_is_first(store):
    assert rank(store.add("a", [1.0])).rank == {"a": 1}


def test_unequal_cases_rank_on_those_that_all_were_asked(tmp_path):
    import forcegauge

    options = {"benchmarks": "energy-volume", "preset": "smoke", "results": tmp_path / "r", "progress": False}
    forcegauge.run("broken-discontinuous", **options)
    forcegauge.run("lennard-jones", **{**options, "cases": ["Cu-fcc"], "preset": "quick"})
    ranking = forcegauge.rank(tmp_path / "r")
    coverage = ranking.benchmarks[0].metrics["coverage"]
    assert set(coverage.values()) == {1}
    (result,) = forcegauge.analyse(tmp_path / "r")
    assert any("ranks are over the 1 cases that all were asked" in note for note in result.notes)


def test_perfect_models_tie(tmp_path):
    import forcegauge

    models = ["lennard-jones", "morse", "harmonic"]
    forcegauge.run(models, benchmarks="diatomics", cases=["Cu", "Fe", "Au"], results=tmp_path / "r", progress=False)
    metrics = forcegauge.rank(tmp_path / "r").benchmarks[0].metrics
    assert set(metrics["tortuosity"].values()) == {1}
    assert set(metrics["spearman-repulsion"].values()) == {1}
