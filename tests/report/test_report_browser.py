from dataclasses import replace

import numpy as np
import pytest

from forcegauge.benchmarks.base import Curve
from forcegauge.report import write_report
from forcegauge.scoring import analyse

pytestmark = pytest.mark.browser
HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture
def report(synthetic, tmp_path):
    return write_report(analyse(synthetic(("chgnet", "sevennet-0", HOSTILE))), tmp_path / "report.html")


def some_curves(raw, is_flat):
    force = np.full(raw["x"].size, np.nan) if is_flat else -np.gradient(raw["y"], raw["x"])
    return [Curve("energy", raw["x"], raw["y"]), Curve("force", raw["x"], force)]


def shown(page):
    """Names and colours of the curves in the first panel."""
    return page.evaluate(
        "() => document.querySelector('.panels .plot').data.map(trace => [trace.name, trace.line.color])"
    )


def test_choosing_an_element_changes_the_curves(visit, report):
    with visit(report) as page:
        explorer = page.locator("#diatomics .explorer")
        first = page.evaluate("() => [...document.querySelector('.panels .plot').data[0].x].slice(0, 3)")
        assert explorer.locator("input.case").input_value() == "H"
        explorer.locator("input.case").fill("fe")
        second = page.evaluate("() => [...document.querySelector('.panels .plot').data[0].x].slice(0, 3)")
        assert first != second
        explorer.locator(".next").click()
        assert explorer.locator("input.case").input_value() == "Co"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert explorer.locator("input.case").input_value() == "Mn"
        explorer.locator("[data-symbol=Au]").click()
        assert explorer.locator("input.case").input_value() == "Au"
        explorer.locator(".elements [data-symbol=He]").click()
        assert "sevennet-0: unsupported_element" in explorer.locator(".failed-here").inner_text()
        explorer.locator("input.case").fill("Unobtainium")
        explorer.locator("input.case").blur()
        assert explorer.locator("input.case").get_attribute("aria-invalid") == "true"


def test_toggles_hide_models_and_colours_stay(visit, report):
    with visit(report) as page:
        before = dict(shown(page))
        page.locator("#diatomics .explorer .toggles label", has_text="chgnet").click()
        assert dict(shown(page)) == {name: colour for name, colour in before.items() if name != "chgnet"}
        assert len(set(before.values())) == 3


def test_the_models_of_an_overview_can_be_switched_off(visit, report):
    visible = "() => document.querySelector('#diatomics .overview').data.map(trace => trace.visible ?? true)"
    with visit(report) as page:
        assert page.evaluate(visible) == [True] * 3
        page.locator("#diatomics > .toggles label", has_text="owned").click()
        assert page.evaluate(visible).count(False) == 1


def test_the_wall_is_clipped_until_asked_for(visit, report):
    height = "() => document.querySelector('.panels .plot').layout.yaxis.range.reduce((low, high) => high - low)"
    with visit(report) as page:
        page.locator("#diatomics input.case").fill("Au")
        clipped = page.evaluate(height)
        page.locator("#diatomics .zoom-all").click()
        assert page.evaluate(height) > 3 * clipped
        page.locator("#diatomics .zoom-well").click()
        assert page.evaluate(height) == pytest.approx(clipped)
        page.locator("#diatomics .zoom-in").click()
        assert page.evaluate(height) == pytest.approx(0.6 * clipped)


def test_a_panel_that_a_case_has_nothing_for_is_not_shown(visit, synthetic, tmp_path):
    """As of a metal without hops out of the plane: curves of NaN; the panel comes back with the next case."""
    results = analyse(synthetic(("chgnet",)))
    records = results[0].records["chgnet"]
    explorer = replace(results[0].benchmark.explorer, curves=lambda raw: some_curves(raw, raw is records["H"].outcome))
    path = write_report(
        [replace(results[0], benchmark=replace(results[0].benchmark, explorer=explorer))], tmp_path / "r.html"
    )
    hidden = "() => [...document.querySelectorAll('.panels .plot')].map(plot => plot.hidden)"
    with visit(path) as page:
        assert page.evaluate(hidden) == [False, True]
        page.locator(".zoom-in").click()
        page.locator(".next").click()
        assert page.evaluate(hidden) == [False, False]
        page.locator(".previous").click()
        assert page.evaluate(hidden) == [False, True]


def test_worst_first_puts_the_worst_case_in_front(visit, report):
    with visit(report) as page:
        page.locator("#energy-volume .order").select_option("0")
        explorer = page.locator("#energy-volume .explorer")
        jumps = []
        for _ in range(3):
            rows = explorer.locator(".case-scores tbody tr td:nth-child(2)").all_inner_texts()
            jumps.append(max(float(row) for row in rows))
            explorer.locator(".next").click()
        assert jumps == sorted(jumps, reverse=True)
        assert jumps[0] > jumps[-1]


def test_the_periodic_table_is_coloured_by_the_chosen_model(visit, report):
    colours = (
        "() => [...document.querySelectorAll('#diatomics .elements button')].map(one => one.style.backgroundColor)"
    )
    with visit(report) as page:
        before = page.evaluate(colours)
        page.locator(".table-model").select_option(label="sevennet-0")
        assert page.evaluate(colours) != before
        assert page.locator("#diatomics .elements .missing").count() > 14
        assert page.locator("#diatomics [data-symbol=Po].missing").count() == 1


def test_the_theme_toggle_reaches_page_and_figures(visit, report):
    paper = "() => getComputedStyle(document.body).backgroundColor"
    ink = "() => document.querySelector('.panels .plot').layout.font.color"
    with visit(report, color_scheme="light") as page:
        light = page.evaluate(paper), page.evaluate(ink)
        page.locator("#theme").click()
        dark = page.evaluate(paper), page.evaluate(ink)
        assert all(one != other for one, other in zip(light, dark, strict=True))
        page.reload()
        assert page.evaluate(paper) == dark[0]
    with visit(report, color_scheme="dark") as page:
        assert (page.evaluate(paper), page.evaluate(ink)) == dark


def test_text_from_outside_stays_text(visit, report):
    with visit(report) as page:
        assert page.title().startswith("ForceGauge report")
        assert HOSTILE in page.locator(".leaderboard").inner_text()
        assert page.locator("main script:not([type='application/json'])").count() == 0
        assert page.locator("main img").count() == 0
        assert "<img src=x onerror" in page.locator("#failures pre").first.text_content()
        page.locator("#diatomics .panels .plot .nsewdrag").first.hover()
        page.wait_for_selector("#diatomics .panels .plot .hoverlayer .legend")
        assert "owned" in page.locator("#diatomics .panels .plot .hoverlayer").first.text_content()


def test_a_script_that_got_in_would_not_run(browser, report):
    """The second line of defence: only scripts of known hash run, and nothing is sent anywhere."""
    page = browser.new_page()
    page.goto(report.as_uri())
    sent = page.evaluate("() => fetch('https://example.org/').then(() => 'sent', () => 'refused')")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
        }"""
    )
    assert sent == "refused"
    assert page.title().startswith("ForceGauge report")
    page.close()


@pytest.mark.parametrize("width", [420, 900, 1440])
def test_nothing_sticks_out_of_the_page(visit, report, width):
    with visit(report, viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_ten_models_open_in_under_two_seconds(browser, synthetic, tmp_path):
    """The best of three, for a busy machine delays any of them."""
    models = [f"model-{row}" for row in range(10)]
    path = write_report(analyse(synthetic(models, n_crystals=1000, n_points=300)), tmp_path / "report.html")
    taken = []
    for _ in range(3):
        page = browser.new_page()
        page.goto(path.as_uri())
        taken.append(page.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd"))
        page.close()
    assert min(taken) < 2000
