import dataclasses
import math

import pytest

from forcegauge.errors import Failure
from forcegauge.records import PublishedMetric, Raw
from forcegauge.report import cards, leaderboard, page, tables, write_report
from forcegauge.report.page import render
from forcegauge.scoring import Place, analyse, rank
from forcegauge.scoring.imports import import_published

HOSTILE = "<script>document.title='owned'</script>"


def place(**changes):
    known = Place(value=0.5, low=0.4, high=0.6, rank=1, best=1, worst=3, group=1, chance=0.5)
    return dataclasses.replace(known, **changes)


@pytest.fixture
def results(synthetic):
    return analyse(synthetic(("chgnet", "sevennet-0", "own")))


def test_rows_stand_in_the_order_of_the_ranks(results):
    ranking = rank(results)
    board = leaderboard.leaderboard(results, ranking)
    assert tuple(row["model"] for row in board["rows"]) == ranking.models
    for row in board["rows"]:
        found = ranking.overall[row["model"]]
        assert row["overall"]["score"] == f"{found.value:.3f}"
        assert row["overall"]["rank"] == found.rank
        by_name = zip(board["benchmarks"], row["benchmarks"], strict=True)
        known = {one.benchmark: one.places[row["model"]].value for one in ranking.benchmarks}
        assert {head["name"]: cell["value"] for head, cell in by_name} == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize(
    ("groups", "joined"),
    [
        ([1, 1, 1], ["first", "middle", "last"]),
        ([1, 2, 2, 0], ["alone", "first", "last", "alone"]),
        ([0, 0], ["alone", "alone"]),
        ([], []),
    ],
)
def test_a_bracket_joins_each_tie_group(groups, joined):
    assert tables.bracket(groups) == joined


@pytest.mark.parametrize(
    ("one", "text"),
    [(place(), "1–3"), (place(best=2, worst=2), "2"), (place(rank=0, best=0, worst=0), "")],
)
def test_places_read_as_an_interval(one, text):
    assert tables.places(one) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "< 0.1 %"), (1.0, "> 99.9 %"), (0.034, "3.4 %"), (0.5, "50 %"), (0.996, "99.6 %")]
)
def test_a_chance_is_never_false_certainty(share, text):
    assert leaderboard.percent(share) == text


@pytest.mark.parametrize(
    ("factor", "text"),
    [(math.nan, ""), (1.86, "1.9"), (13.4, "13"), (457.0, "460"), (4000.0, "> 1000"), (math.inf, "> 1000")],
)
def test_how_many_cases_would_decide_is_a_round_factor(factor, text):
    assert leaderboard.shown(place(to_decide=factor))["decide"] == text


def test_a_tie_says_how_many_cases_would_end_it(results, monkeypatch):
    ranking = rank(results)
    tied = {**ranking.overall, "own": place(to_decide=2.34), "chgnet": place(to_decide=5000.0)}
    monkeypatch.setattr(page, "rank", lambda results: dataclasses.replace(ranking, overall=tied))
    text = page.render(results)
    assert "tell: 2.3 × cases" in text
    assert "tell: &gt; 1000 × cases" in text


def test_published_records_were_not_measured_when_they_were_imported(synthetic):
    store = synthetic(("chgnet", "other"))
    measured, imported = 1_790_000_000.0, 1_790_000_000.0 + 86400
    identity = store._records[-1].provenance.model
    published = dataclasses.replace(identity, name="other", weights="published:Somebody 2025", environment="")
    store._records = [
        one
        if one.model == "chgnet"
        else dataclasses.replace(
            one, finished_at=imported, provenance=dataclasses.replace(one.provenance, model=published)
        )
        for one in store._records
    ]
    text = render(analyse(store))
    assert text.count('title="Not measured here: Somebody 2025"') == 3  # leaderboard, card and provenance
    assert tables.moment(measured) in text
    assert tables.moment(imported) not in text


def test_the_most_asked_stand_first_among_those_without_a_place(synthetic):
    store = synthetic(("asked-one", "crystals", "a-refusal"))
    no_answer = Failure("unsupported_element", "no")
    store._records = [
        dataclasses.replace(one, outcome=no_answer) if one.model == "a-refusal" else one
        for one in store._records
        if (one.benchmark == "energy-volume") == (one.model == "crystals")
    ]
    assert rank(analyse(store)).models == ("asked-one", "crystals", "a-refusal")


def test_nobody_is_marked_where_nobody_is_told_apart(results):
    places = {"chgnet": place(group=1), "own": place(group=1)}
    assert not tables.are_told(places)
    assert tables.are_told({**places, "own": place(group=2)})
    assert leaderboard.shown(place(), is_told=False)["told"] == ""


def test_cost_is_relative_to_the_machine(results):
    records = list(results[0].records["chgnet"].values())
    found = leaderboard.of_records(records)
    n_atoms, wall = 240 * len(records), sum(record.wall_s for record in records)
    assert found["relative"] == pytest.approx(1000 * 61.3 * wall / n_atoms)
    uncounted = [dataclasses.replace(record, atom_evaluations=0) for record in records]
    assert leaderboard.of_records(uncounted)["relative"] is None
    assert leaderboard.of_records([*records, *uncounted])["relative"] == pytest.approx(found["relative"])


def test_who_was_not_asked_has_a_row_and_a_reason(synthetic, tmp_path):
    store = synthetic(("chgnet", "sevennet-0"))
    store._records = [one for one in store._records if (one.model, one.benchmark) != ("chgnet", "diatomics")]
    results = analyse(store)
    rows = {row["model"]: row for row in leaderboard.leaderboard(results, rank(results))["rows"]}
    assert rows["chgnet"]["overall"]["reason"] == "not asked: diatomics"
    assert "not asked" in [cell["reason"] for cell in rows["chgnet"]["benchmarks"]]
    assert "not asked: diatomics" in write_report(results, tmp_path / "report.html").read_text()


def test_a_cell_of_another_theory_is_greyed_with_the_reason(synthetic, tmp_path):
    results = [
        dataclasses.replace(
            one, metrics=(one.metrics[0], *(dataclasses.replace(metric, theory="PBE") for metric in one.metrics[1:]))
        )
        for one in analyse(synthetic(("chgnet", "chgnet-r2scan")))
    ]
    text = write_report(results, tmp_path / "report.html").read_text()
    assert 'title="Not scored: the reference is PBE, chgnet-r2scan is of another theory: r2SCAN"' in text
    rows = {row["model"]: row for row in leaderboard.leaderboard(results, rank(results))["rows"]}
    assert {cell["value"] for cell in rows["chgnet-r2scan"]["benchmarks"]} == {None}
    assert all("another theory" in cell["reason"] for cell in rows["chgnet-r2scan"]["benchmarks"])


def test_published_models_carry_a_badge(synthetic, tmp_path):
    store = synthetic(("chgnet", "other"))
    identity = store._records[-1].provenance.model
    published = dataclasses.replace(identity, name="other", weights="published:Somebody 2025", environment="")
    store._records = [
        one
        if one.model == "chgnet"
        else dataclasses.replace(one, provenance=dataclasses.replace(one.provenance, model=published))
        for one in store._records
    ]
    results = analyse(store)
    rows = {row["model"]: row["published"] for row in leaderboard.leaderboard(results, rank(results))["rows"]}
    assert rows == {"chgnet": "", "other": "Somebody 2025"}
    assert "Somebody 2025" in write_report(results, tmp_path / "report.html").read_text()


def test_numbers_of_others_stand_in_a_table_of_their_own(results):
    one = PublishedMetric("alien", "elsewhere", "f1", 0.8123, *[math.nan] * 3, "", 0, 0, "A table <b>", "ab" * 32)
    two = dataclasses.replace(one, model="<i>other", metric="mae", value=0.02, unit="eV")
    (table,) = tables.published_tables([one, two])
    assert table["metrics"] == {"f1": "", "mae": "eV"}
    assert table["rows"] == {"alien": ["0.8123", "–"], "<i>other": ["–", "0.02"]}
    text = render(results, [one, two])
    assert "A table &lt;b&gt;" in text
    assert "&lt;i&gt;other" in text
    assert 'id="published"' not in render(results)


def test_places_as_published_stand_in_mode_arena(results):
    arena = [
        dataclasses.replace(one, analysis=dataclasses.replace(one.analysis, mode="arena")) if one.analysis else one
        for one in results
    ]
    assert "Places as published" in render(arena)
    assert "Places as published" not in render(results)


# -- cards


def test_a_card_says_what_the_registry_says(results):
    own = {card["model"]: card for card in cards.cards(results, rank(results))}
    facts = dict(own["chgnet"]["facts"])
    assert facts["Theory"] == "PBE and PBE+U"
    assert facts["Licence"] == "BSD-3-Clause (code), BSD-3-Clause (weights)"
    assert own["chgnet"]["paper"].startswith("10.1038/")
    assert own["own"]["facts"] == []


def test_a_card_counts_failures_by_kind_and_has_a_row_per_benchmark(results):
    card = next(card for card in cards.cards(results, rank(results)) if card["model"] == "sevennet-0")
    (kind,) = card["failures"]
    assert (kind["kind"], kind["count"], kind["seen"]) == ("unsupported_element", 17, [("diatomics", 17)])
    assert [row["name"] for row in card["benchmarks"]] == ["diatomics", "energy-volume"]
    assert card["benchmarks"][0]["coverage"] == "85.6 %"
    assert card["n_elements"] == 101
    assert card["conformance"] is None


def test_the_conformance_check_is_summed_up_on_the_card(monkeypatch, tmp_path):
    import forcegauge

    forcegauge.run("lennard-jones", results=tmp_path / "r", benchmarks="conformance", preset="smoke", progress=False)
    results = analyse(tmp_path / "r")
    (card,) = cards.cards(results, rank(results))
    verdicts = dict(card["conformance"]["counts"])
    assert verdicts["ok"] > 5
    assert "fails" not in verdicts
    assert sum(verdicts.values()) == len(card["conformance"]["lines"])


def test_names_from_outside_are_escaped_everywhere(synthetic, tmp_path):
    text = write_report(analyse(synthetic(("chgnet", HOSTILE))), tmp_path / "report.html").read_text()
    assert HOSTILE not in text
    assert "&lt;script&gt;document.title" in text


def test_a_benchmark_without_explorer_still_has_its_cases(synthetic, tmp_path):
    results = [
        dataclasses.replace(one, benchmark=dataclasses.replace(one.benchmark, explorer=None))
        for one in analyse(synthetic(("chgnet",)))
    ]
    text = write_report(results, tmp_path / "report.html").read_text()
    assert text.count('class="case-data"') == 2
    assert text.count('class="curve-data"') == 0
    assert isinstance(results[0].analysis.outcomes["chgnet"]["H"], Raw)
    assert not math.isnan(rank(results).overall["chgnet"].value)


@pytest.mark.shared_data
def test_published_curves_are_ranked_and_named_with_their_source(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    for name in ("ALIGNN", "CHGNet", "MACE-MPA"):
        curves = shared / "data" / "arena_published" / "ev" / f"{name}.parquet"
        import_published(curves, "arena-ev", tmp_path / "r", f"{name}-published")
    results = analyse(tmp_path / "r")
    rows = leaderboard.leaderboard(results, rank(results))["rows"]
    assert [row["model"] for row in rows] == ["MACE-MPA-published", "CHGNet-published", "ALIGNN-published"]
    assert [row["overall"]["group"] for row in rows] == [1, 2, 3]
    assert all("MLIP Arena" in row["published"] for row in rows)
    text = write_report(tmp_path / "r", tmp_path / "report.html").read_text()
    assert text.count('class="badge"') == 9  # leaderboard, cards and provenance
