import json

import pytest
from typer.testing import CliRunner

from forcegauge.cli.models import app
from forcegauge.errors import ModelUnavailable, UnknownName


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))


def run(*arguments):
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_list_as_table_and_as_json():
    assert "sevennet-0" in run("list").stdout
    rows = json.loads(run("list", "--json").stdout)
    assert {row["model"]: row["installed"] for row in rows}["chgnet"] is False
    assert {row["model"]: row["installed"] for row in rows}["morse"] is True
    assert len(json.loads(run("list", "--all", "--json").stdout)) == len(rows) + 10


def test_show_a_card():
    (card,) = json.loads(run("show", "chgnet", "--json").stdout)
    assert card["energy_reference"] == "MP2020-corrected"
    assert "torch==2.13.0" in card["requirements"]
    text = run("show", "sevennet-0").stdout
    assert "raw DFT" in text
    assert "10.1021/acs.jctc.4c00190" in text


def test_verify_reports_what_came_back():
    result = run("verify", "morse", "zbl", "--json")
    assert [row["answer"] for row in json.loads(result.stdout)] == ["ok", "ok"]
    assert result.exit_code == 0
    silent = run("verify", "broken-silent", "--json")
    assert silent.exit_code == 1
    assert "not_implemented" in json.loads(silent.stdout)[0]["answer"]


@pytest.mark.parametrize("verb", ["show", "install", "verify", "remove"])
def test_unknown_model(verb):
    with pytest.raises(UnknownName, match="did you mean 'chgnet'"):
        run(verb, "chgnett")


def test_nothing_to_verify_or_remove():
    with pytest.raises(ModelUnavailable, match="run `forcegauge models install chgnet`"):
        run("verify", "chgnet")
    with pytest.raises(ModelUnavailable, match="nothing to remove"):
        run("remove", "morse")
    (row,) = json.loads(run("remove", "chgnet", "--json").stdout)
    assert (row["freed_mb"], row["models"]) == (0.0, "chgnet, sevennet-0")
