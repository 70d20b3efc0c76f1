import math
from dataclasses import replace

import pytest

from forcegauge.errors import BadInput, Failure, UnknownName
from forcegauge.records import Planned
from forcegauge.scoring import analyse


def only(store, mode="default"):
    (result,) = analyse(store, mode)
    return result


def test_values_intervals_and_counts(store):
    result = only(store.add("a", [1.0, 2.0, 6.0] * 4 + ["crashed", "unsupported_element"]))
    mean, median, coverage = (result.value("a", key) for key in ("mean_error", "median_error", "coverage"))
    assert (mean.value, median.value) == (3, 2)
    assert mean.low < 3 < mean.high
    assert coverage.value == pytest.approx(12 / 14)
    assert {(v.n_cases, v.n_failed, v.n_unsupported) for v in result.values} == {(14, 1, 1)}
    assert mean.unit == "eV"
    assert [(row.case, row.kind) for row in result.failures] == [("c12", "crashed"), ("c13", "unsupported_element")]


def test_all_failed_leaves_a_coverage_of_zero_and_no_value(store):
    result = only(store.add("a", ["timeout"] * 12))
    assert math.isnan(result.value("a", "mean_error").value)
    coverage = result.value("a", "coverage")
    assert (coverage.value, coverage.low) == (0, 0)
    assert 0.2 < coverage.high < 0.3


def test_one_case_has_a_value_without_an_interval(store):
    value = only(store.add("a", [0.25])).value("a", "mean_error")
    assert value.value == 0.25
    assert math.isnan(value.low)


def test_scores_that_are_nan_are_left_out_but_covered(store):
    result = only(store.add("a", [1.0, math.nan]))
    assert result.value("a", "mean_error").value == 1
    assert result.value("a", "coverage").value == 1


def test_an_empty_store_says_what_to_do(store):
    store.plan = [Planned("k", "a", "numbers", "c0", "s")]
    with pytest.raises(BadInput, match=r"no case is finished \(1 are planned\)"):
        analyse(store)


def test_an_unknown_mode_offers_the_nearest(store):
    with pytest.raises(UnknownName, match="did you mean 'arena'"):
        analyse(store.add("a", [1.0]), "arean")


def test_planned_cases_are_pending_until_they_have_a_record(store):
    store.add("a", [1.0])
    settings = store.settings[0].digest()
    store.plan = [Planned(store.kept[0].key, "a", "numbers", "c0", settings)]
    store.plan += [Planned(f"later{row}", "a", "numbers", f"d{row}", settings) for row in range(3)]
    result = only(store)
    assert result.n_pending == {"a": 3}
    assert result.value("a", "coverage").n_cases == 1


def test_the_larger_group_of_settings_wins_and_the_other_is_named(store):
    store.add("a", [1.0, 1.0]).add("a", [5.0, 5.0, 5.0], settings=replace(store.settings[0], n_steps=4), at=-100)
    store.settings += (replace(store.settings[0], n_steps=4),)
    result = only(store)
    assert result.value("a", "mean_error").value == 5
    assert result.analysis.settings.n_steps == 4
    assert result.analysis.settings.ends == (0.0, 1.0)
    assert any("2 records with other settings" in note for note in result.notes)


def test_of_equal_groups_the_newest_wins(store):
    store.add("a", [1.0], at=0).add("a", [5.0], settings=replace(store.settings[0], n_steps=4), at=100)
    store.settings += (replace(store.settings[0], n_steps=4),)
    assert only(store).value("a", "mean_error").value == 5


def test_a_mode_takes_the_records_of_its_own_settings(store):
    store.add("a", [1.0, 1.0]).add("a", [3.0], settings=store.settings[1])
    assert only(store, "arena").value("a", "mean_error").value == 3
    assert only(store, "default").value("a", "mean_error").value == 1


def test_settings_of_another_modes_presets_yield_even_if_they_are_more(store):
    store.add("a", [1.0]).add("a", [3.0] * 5, settings=store.settings[1])
    assert only(store, "default").value("a", "mean_error").value == 1


def test_a_mode_without_records_says_to_run_again(store):
    with pytest.raises(BadInput, match="run it again with --mode arena"):
        analyse(store.add("a", [1.0]), "arena")
    with pytest.raises(BadInput, match="has no mode 'sait': it has default, arena"):
        analyse(store, "sait")


def test_a_benchmark_that_does_not_fit_leaves_the_others(store):
    store.add("a", [1.0], benchmark="numbers").add("a", [2.0], benchmark="others", settings=store.settings[1])
    numbers, others = analyse(store, "arena")
    assert numbers.analysis is None
    assert "--mode arena" in numbers.notes[0]
    assert others.value("a", "mean_error").value == 2


def test_records_of_an_older_run_version_are_left_out(store):
    store.add("a", [9.0] * 5, version=1).add("a", [1.0])
    result = only(store)
    assert result.value("a", "mean_error").value == 1
    assert any("5 records of an older version" in note for note in result.notes)


def test_only_old_records_say_to_run_again(store):
    with pytest.raises(BadInput, match="older version of its run part: run it again"):
        analyse(store.add("a", [9.0], version=1))


def test_the_newest_identity_of_a_name_wins(store):
    store.add("a", [9.0] * 5, weights="old", at=0).add("a", [1.0, 1.0], weights="new", at=100)
    result = only(store)
    assert result.value("a", "mean_error").value == 1
    assert result.value("a", "coverage").n_cases == 2
    assert any("weights new" in note and "5 records" in note for note in result.notes)


def test_a_case_asked_twice_counts_once(store):
    result = only(store.add("a", [9.0, 9.0], at=0).add("a", [1.0], at=100))
    assert result.value("a", "mean_error").value == 5
    assert any("more than one form" in note for note in result.notes)


def test_unequal_cases_are_said(store):
    result = only(store.add("a", [1.0, 2.0]).add("b", [1.0]))
    assert any("not asked the same cases (a 2, b 1)" in note for note in result.notes)


def test_an_analysis_that_stumbles_over_a_case_keeps_the_others(store):
    result = only(store.add("a", [1.0, 666, 3.0]).add("b", [4.0, 4.0, 4.0]))
    assert result.value("a", "mean_error").value == 2
    assert result.value("a", "mean_error").n_failed == 1
    assert result.value("b", "mean_error").value == 4
    (row,) = result.failures
    assert (row.model, row.case, row.kind) == ("a", "c1", "bug")
    assert "ZeroDivisionError" in row.message
    assert "Traceback" in row.traceback
    assert isinstance(result.analysis.outcomes["a"]["c1"], Failure)


def test_data_that_this_machine_lacks_are_no_failure_of_a_model(store):
    store.add("a", [1.0, 404], benchmark="numbers").add("a", [2.0], benchmark="others")
    numbers, others = analyse(store)
    assert (numbers.analysis, numbers.failures) == (None, ())
    assert numbers.notes == ("the references are not on this machine",)
    assert others.value("a", "mean_error").value == 2


def test_provenance_names_each_circumstance_once(store):
    result = only(store.add("a", [1.0, 2.0]).add("b", [1.0, 2.0]))
    assert {model: len(found) for model, found in result.provenances.items()} == {"a": 1, "b": 1}


def test_collections_are_not_mixed_and_strange_benchmarks_left_out(tmp_path):
    import dataclasses

    from ase.build import bulk

    import forcegauge
    from forcegauge.results.store import Store

    options = {"benchmarks": "energy-volume", "preset": "smoke", "results": tmp_path / "r", "progress": False}
    forcegauge.run("emt", **options)
    forcegauge.run("emt", structures={"my-copper": bulk("Cu")}, **options)
    (result,) = forcegauge.analyse(tmp_path / "r")
    assert "my-copper" not in result.records["emt"]
    assert any("1 records of crystals or molecules of own are left out" in note for note in result.notes)
    with Store.writer(tmp_path / "r") as store:
        one = next(store.records())
        (case,) = (case for case in store.cases("energy-volume").values() if case.id == one.case_id)
        strange = dataclasses.replace(case, benchmark="other-lab")
        store.commit(dataclasses.replace(one, key="0" * 32, benchmark="other-lab"), strange)
    (result,) = forcegauge.analyse(tmp_path / "r")
    assert any("other-lab: not installed here" in note for note in result.notes)


def test_published_records_do_not_push_ones_own_set_off_the_page(store, monkeypatch):
    from dataclasses import replace

    from forcegauge.benchmarks import registry

    sets = replace(registry.get("numbers"), collection=lambda case: "small" if case in ("c0", "c1") else "large")
    monkeypatch.setattr(registry, "get", lambda name: sets)
    store.add("mine", [0.1, 0.2]).add("theirs", [0.1] * 50)
    for row, one in enumerate(store.kept):
        if one.model == "theirs":
            identity = replace(one.provenance.model, weights="published:lab", environment="")
            store.kept[row] = replace(one, provenance=replace(one.provenance, model=identity))
    result = only(store)
    assert set(result.records["mine"]) == {"c0", "c1"}
    assert any("large" in note for note in result.notes)
