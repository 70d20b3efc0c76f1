import json

import pytest
import typer
from typer.testing import CliRunner

from forcegauge.cli.analyse import analyse
from forcegauge.cli.rank import rank
from forcegauge.cli.report import report
from forcegauge.errors import ForceGaugeError

COLUMNS = ["model", "benchmark", "metric", "value", "low", "high", "unit", "n_cases", "n_failed", "n_unsupported"]


@pytest.fixture
def invoke():
    app = typer.Typer()
    for verb in (analyse, rank, report):
        app.command()(verb)

    def run(*arguments):
        found = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(found.exception, ForceGaugeError):
            raise found.exception
        assert found.exit_code == 0, found.output
        return found

    return run


def test_analyse_prints_the_documented_columns(invoke, folder):
    rows = json.loads(invoke("analyse", folder, "--json").stdout)
    assert [list(row) for row in rows] == [COLUMNS] * len(rows)
    assert {(row["model"], row["benchmark"]) for row in rows} == {
        (model, benchmark) for model in ("chgnet", "sevennet-0") for benchmark in ("diatomics", "energy-volume")
    }
    (coverage,) = [
        r for r in rows if (r["model"], r["benchmark"], r["metric"]) == ("sevennet-0", "diatomics", "coverage")
    ]
    assert coverage["n_unsupported"] == 17
    assert coverage["value"] == pytest.approx(101 / 118)


def test_rank_prints_the_best_first(invoke, folder):
    rows = json.loads(invoke("rank", folder, "--json").stdout)
    assert [row["rank"] for row in rows] == sorted(row["rank"] for row in rows)
    assert [row["model"] for row in rows if 0 <= row["score"] <= 1 and row["best"] <= row["rank"] <= row["worst"]]
    assert "asymptotics" in rows[0]


def test_report_says_where_the_page_is_and_how_large(invoke, folder, tmp_path):
    said = invoke("report", folder, "--output", tmp_path / "page.html").stdout
    assert str(tmp_path / "page.html") in said.replace("\n", "")
    assert "MB" in said
    assert (tmp_path / "page.html").stat().st_size > 4e6


@pytest.mark.parametrize("verb", ["analyse", "rank", "report"])
def test_a_mode_that_does_not_exist_is_one_line(invoke, folder, verb):
    with pytest.raises(ForceGaugeError, match="no mode 'arean': did you mean 'arena'"):
        invoke(verb, folder, "--mode", "arean")


@pytest.mark.parametrize("verb", ["analyse", "rank", "report"])
def test_a_folder_without_a_store_is_one_line(invoke, tmp_path, verb, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ForceGaugeError) as caught:
        invoke(verb, tmp_path / "nothing")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("verb", ["analyse", "rank", "report"])
def test_help_shows_examples(invoke, verb):
    assert f"forcegauge {verb} results" in invoke(verb, "--help").stdout
