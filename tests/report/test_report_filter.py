import dataclasses

import pytest

from forcegauge.report import write_report
from forcegauge.report.cases import names
from forcegauge.report.elements import system
from forcegauge.scoring import analyse, rank
from forcegauge.scoring.analyse import restricted

pytestmark = pytest.mark.browser
MODELS = ("chgnet", "chgnet-r2scan", "own", "sevennet-0")
CHOICES = [(), ("Na", "Cl"), ("Li", "F", "Na", "Cl", "Fe", "O"), ("Po",), ("H", "He")]
RANKED = """symbols => ForceGauge.rankFor(symbols).models.map(one => ({
    model: one.model, score: one.score, rank: one.rank, themes: Object.fromEntries(one.themes),
    benchmarks: [...one.benchmarks].map(([name, found]) => [name, found ? found.score : null]),
    metrics: [...one.benchmarks].flatMap(
        ([name, found]) => (found?.metrics ?? []).map(({ key, value }) => [name, key, value])),
}))"""


@pytest.fixture
def results(synthetic):
    """Of four models; one is of another theory than a metric's reference, one was not asked some of the cases."""
    store = synthetic(MODELS)
    store._records = [one for one in store._records if not (one.model == "own" and one.case_id in ("Cl", "wbm-1-0"))]
    found = analyse(store)
    judged = [dataclasses.replace(one, theory="PBE") if one.key == "jump" else one for one in found[0].metrics]
    theme = dataclasses.replace(found[1].benchmark, theme="properties")
    return [dataclasses.replace(found[0], metrics=tuple(judged)), dataclasses.replace(found[1], benchmark=theme)]


def of_choice(results, symbols):
    """The results as if only cases without other elements than these had been asked."""
    kept = []
    for result in results:
        cases = frozenset(
            one for one in names(result) if not symbols or set(system(result, one).split("-")) <= {*symbols}
        )
        if cases:
            part = restricted(result, cases)
            kept.append(dataclasses.replace(part, records={model: own for model, own in part.records.items() if own}))
    return kept


def test_the_browser_ranks_as_python_does(visit, results, tmp_path):
    with visit(write_report(results, tmp_path / "report.html")) as page:
        for symbols in CHOICES:
            found = {one["model"]: one for one in page.evaluate(RANKED, list(symbols))}
            parts = of_choice(results, symbols)
            expected = rank(parts)
            for model in expected.models:
                one, place = found[model], expected.overall[model]
                assert one["score"] == pytest.approx(place.value, abs=1e-6, nan_ok=True), (symbols, model)
                assert one["rank"] == place.rank
                themes = {theme: of_all[model].value for theme, of_all in expected.themes.items()}
                assert one["themes"] == pytest.approx(themes, abs=1e-6, nan_ok=True)
                scores = {ranks.benchmark: ranks.places[model].value for ranks in expected.benchmarks}
                told = {name: score for name, score in one["benchmarks"] if score is not None}
                assert told == pytest.approx({name: scores[name] for name in told}, abs=1e-6, nan_ok=True)
        assert page.evaluate("() => ForceGauge.rankFor([]).nAll") == 118 + 40 - 2


def test_metrics_over_all_cases_are_those_of_the_tables(visit, results, tmp_path):
    with visit(write_report(results, tmp_path / "report.html")) as page:
        for one in page.evaluate(RANKED, []):
            for benchmark, metric, value in one["metrics"]:
                result = next(result for result in results if result.benchmark.name == benchmark)
                common = frozenset.intersection(*(frozenset(own) for own in result.records.values()))
                expected = restricted(result, common).value(one["model"], metric).value
                assert value == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_chosen_elements_rank_anew_and_all_come_back(visit, results, tmp_path):
    rows = "() => [...document.querySelectorAll('.leaderboard tbody tr')].map(row => row.innerText)"
    path = write_report(results, tmp_path / "report.html")
    with visit(path) as page:
        before = page.evaluate(rows)
        assert not page.locator(".filtered-note").is_visible()
        page.locator("#filter summary").click()
        page.locator("#filter [data-symbol=Na]").click()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("() => document.activeElement.dataset.symbol") == "Mg"
        page.locator("#filter [data-symbol=Cl]").click()
        assert page.locator("#filter .typed").input_value() == "Na Cl"
        assert page.locator("#filter [aria-pressed=true]").count() == 2
        assert "no other element than Na, Cl" in page.locator(".filtered-note").inner_text()
        order = [row.get_attribute("data-model") for row in page.locator(".leaderboard tbody tr").all()]
        assert order == [one["model"] for one in page.evaluate(RANKED, ["Na", "Cl"])]
        assert page.locator(".leaderboard .whisker").count() == 0
        assert page.locator(".leaderboard tr.first").count() == 0
        page.locator("#filter .typed").fill("Unobtainium")
        assert page.locator("#filter .typed").get_attribute("aria-invalid") == "true"
        page.locator("#filter .clear").click()
        assert page.evaluate(rows) == before
        assert not page.locator(".filtered-note").is_visible()


def test_a_failure_leads_to_its_case_with_structure_and_traceback(visit, results, tmp_path):
    with visit(write_report(results, tmp_path / "report.html")) as page:
        page.locator("#failures summary", has_text="crashed").first.click()
        link = page.locator("#failures .to-case:visible").first
        wanted = link.inner_text()
        link.click()
        explorer = page.locator("#diatomics .explorer")
        assert explorer.locator("input.case").input_value() == wanted
        explorer.locator(".failed-here summary").first.click()
        assert "<img src=x onerror" in explorer.locator(".failed-here pre").first.inner_text()
        assert "Na Cl" in page.locator("#energy-volume .structure figcaption").inner_text()


def test_the_structure_is_drawn_and_turns(visit, results, tmp_path):
    image = "() => document.querySelector('#energy-volume canvas').toDataURL()"
    with visit(write_report(results, tmp_path / "report.html")) as page:
        first = page.evaluate(image)
        page.locator("#energy-volume canvas").focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate(image) != first
        assert page.locator("#energy-volume input.case").input_value() == "wbm-1-0"
        page.locator("#energy-volume .next").click()
        assert page.evaluate(image) != first


def test_a_point_of_the_overview_leads_to_its_case(visit, results, tmp_path):
    with visit(write_report(results, tmp_path / "report.html")) as page:
        click = "plot => plot.emit('plotly_click', {points: [{text: 'Fe', x: 1, y: 2}]})"
        page.locator("#diatomics .overview").evaluate(click)
        assert page.locator("#diatomics input.case").input_value() == "Fe"


def test_a_card_opens_from_the_leaderboard_and_shows_coverage(visit, results, tmp_path):
    with visit(write_report(results, tmp_path / "report.html")) as page:
        page.locator(".leaderboard .card-link").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        card = page.locator(".card[open]")
        card.wait_for()
        assert card.get_attribute("id") == "card-2"
        assert card.locator(".coverage [data-symbol=Fe]").get_attribute("class") == "all"
        assert card.locator(".coverage > *").count() == 118
