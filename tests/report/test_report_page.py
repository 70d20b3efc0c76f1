import dataclasses
import json
import os
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest

from forcegauge.benchmarks import registry
from forcegauge.errors import BadInput
from forcegauge.report import figures, tables, write_report
from forcegauge.scoring import analyse

HOSTILE = "<script>document.title='owned'</script>"


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of data scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self._in_data = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._in_data = dict(attributes).get("type") == "application/json"

    def handle_data(self, text):
        if self._in_data:
            self.data.append(json.loads(text))
            self._in_data = False


@pytest.fixture
def page(synthetic, tmp_path):
    path = write_report(analyse(synthetic(("chgnet", HOSTILE))), tmp_path / "report.html")
    return Tags(path.read_text())


def test_nothing_is_fetched(page):
    links = [attributes.get(name, "") for _, attributes in page.tags for name in ("src", "href", "srcset", "action")]
    kept = ("#", "data:,", "https://doi.org/")  # a citation is followed by hand only
    assert [link for link in links if link and not link.startswith(kept)] == []
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy


def test_there_are_only_our_two_scripts(page):
    scripts = [attributes for tag, attributes in page.tags if tag == "script" and "type" not in attributes]
    assert scripts == [{}, {}]


def test_outside_text_is_in_the_data_unchanged(page):
    styles = next(found for found in page.data if HOSTILE in found)
    assert styles[HOSTILE]["name"] == HOSTILE


def test_ten_models_stay_under_15_megabytes(synthetic, tmp_path):
    models = [f"model-{row}" for row in range(10)]
    path = write_report(analyse(synthetic(models, n_crystals=1000, n_points=500)), tmp_path / "report.html")
    assert path.stat().st_size < 15e6


def test_figures_take_the_models_colours_and_no_foreign_markup(synthetic):
    (diatomics, _) = analyse(synthetic(("chgnet", HOSTILE)))
    styles = figures.model_styles(diatomics.models)
    drawn = figures.overview(diatomics, styles)
    assert {trace["marker"]["color"] for trace in drawn["data"]} == {style["colour"] for style in styles.values()}
    assert "<script" not in json.dumps(drawn)
    assert "template" not in drawn["layout"]


def test_mild_markup_of_an_author_stays(synthetic):
    (diatomics, _) = analyse(synthetic(("chgnet",)))
    figure = go.Figure().update_layout(title="<b>E</b><sub>0</sub><br><img src=x>")
    benchmark = dataclasses.replace(diatomics.benchmark, figure=lambda analysis: figure)
    drawn = figures.overview(dataclasses.replace(diatomics, benchmark=benchmark), {})
    assert drawn["layout"]["title"]["text"] == "<b>E</b><sub>0</sub><br>&lt;img src=x>"


def test_more_models_than_colours_differ_by_dash():
    styles = figures.model_styles([f"model-{row}" for row in range(20)])
    assert len({(style["colour"], style["dash"]) for style in styles.values()}) == 20


def test_a_figure_that_cannot_be_drawn_leaves_the_page(synthetic, tmp_path, monkeypatch):
    (result, other) = analyse(synthetic(("chgnet",)))

    def broken(analysis):
        raise KeyError("no such score")

    result = dataclasses.replace(result, benchmark=dataclasses.replace(result.benchmark, figure=broken))
    text = write_report([result, other], tmp_path / "report.html").read_text()
    assert "The overview could not be drawn: KeyError" in text
    assert text.count('class="plot overview"') == 1
    assert text.count('class="explorer"') == 2


def test_one_case_and_all_failed_have_a_page(synthetic, tmp_path):
    store = synthetic(("chgnet", "sevennet-0"))
    store._records = [
        record
        for record in store._records
        if (record.model, record.case_id) in [("chgnet", "He"), ("sevennet-0", "He"), ("sevennet-0", "Po")]
    ]
    text = write_report(analyse(store), tmp_path / "report.html").read_text()
    assert "the model was not made for Po" in text


def test_records_that_fit_no_mode_are_shown_as_a_note(synthetic, tmp_path, monkeypatch):
    results = analyse(synthetic(("chgnet",)))
    unfit = dataclasses.replace(results[1], analysis=None, values=(), records={}, metrics=(), notes=("run it again",))
    text = write_report([results[0], unfit], tmp_path / "report.html").read_text()
    assert "run it again" in text
    assert text.count('class="explorer"') == 1


# -- the file


def test_a_folder_is_enough(folder, tmp_path):
    path = write_report(folder, tmp_path / "report.html")
    assert "sevennet-0" in path.read_text()
    assert {found.name for found in tmp_path.iterdir()} == {"results", "report.html"}


def test_a_failure_leaves_the_old_file(synthetic, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    results = analyse(synthetic(("chgnet",)))

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="No space left on device; nothing was changed"):
        write_report(results, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_said_before_any_work(tmp_path):
    with pytest.raises(BadInput, match=r"there is no folder .*; give the path of a file"):
        write_report(tmp_path / "no-store", tmp_path / "nowhere" / "report.html")
    with pytest.raises(BadInput, match="it is a folder"):
        write_report(tmp_path / "no-store", tmp_path)


def test_nothing_to_report_is_said(tmp_path):
    with pytest.raises(BadInput, match="nothing to report"):
        write_report([], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


# -- tables


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (-1234.56, "−1235"),
        (123456.7, "123457"),
        (5.0, "5"),
        (0.0, "0"),
        (1.5e-7, "1.50e−7"),
        (2.5e9, "2.50e9"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
    ],
)
def test_numbers_read_well(value, text):
    assert tables.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.000346, "1.00035"), (0.99998, "0.99998"), (1.0, "1"), (1.2345678, "1.235"), (94.0, "94")]
)
def test_numbers_near_their_ideal_keep_the_difference(value, text):
    assert tables.number(value, ideal=1.0) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0021, "2.1 ms"), (12.34, "12.3 s"), (75, "1.2 min"), (3600, "1.0 h"), (3599, "1.0 h")]
)
def test_durations_read_well(value, text):
    assert tables.seconds(value) == text


def test_levels_run_from_bad_to_good(synthetic):
    (result, _) = analyse(synthetic(("chgnet",)))
    jump, flips, smooth = result.metrics[1:]
    assert tables.level(jump, 0.0) == 1
    assert tables.level(jump, 1.025) == pytest.approx(0.5)
    assert tables.level(jump, 99.0) == 0
    assert tables.level(smooth, 0.95) == 1
    assert tables.level(smooth, 0.4) == 0
    assert tables.level(flips, 1.0) == 1
    assert tables.level(flips, float("nan")) is None


def test_long_lists_of_failures_are_cut_and_counted(synthetic):
    (result, _) = analyse(synthetic(("chgnet", "sevennet-0")))
    many = dataclasses.replace(result, failures=result.failures[:1] * 150)
    (group,) = tables.failure_groups([many])
    assert (group.count, len(group.rows), group.kind) == (150, 100, "unsupported_element")
    assert len(group.tracebacks) == 0
    assert len(tables.tail("x" * 10_000)) < 6100


def test_no_table_without_elements(synthetic, tmp_path):
    store = synthetic(("chgnet",))
    store._records = [record for record in store._records if record.benchmark == "energy-volume"]
    assert 'class="elements"' not in write_report(analyse(store), tmp_path / "report.html").read_text()
    assert registry.get("diatomics").explorer.periodic_table
