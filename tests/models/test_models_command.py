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
    assert len(json.loads(run("list", "--all", "--json").stdout)) == len(rows) + 11


def test_show_a_card():
    (card,) = json.loads(run("show", "chgnet", "--json").stdout)
    assert card["energy_reference"] == "MP2020-corrected"
    assert "torch==2.13.0" in card["requirements"]
    text = run("show", "sevennet-0").stdout
    assert "raw DFT" in text
    assert "10.1021/acs.jctc.4c00190" in text


def test_verify_gives_a_line_per_check_and_keeps_the_records(tmp_path):
    result = run("verify", "morse", "--json")
    assert result.exit_code == 0
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert {row["model"] for row in rows.values()} == {"morse"}
    assert rows["force-consistency"]["verdict"] == "ok"
    assert rows["elements-answered"]["value"] == 96
    assert rows["energy-reference"]["value"] is None
    assert (tmp_path / "verification" / "morse" / "records.sqlite").is_file()
    assert json.loads(run("verify", "morse", "--json").stdout) == list(rows.values())


def test_verify_ends_with_1_where_a_check_fails_against_the_card():
    silent = run("verify", "broken-silent", "--json")
    assert silent.exit_code == 1
    rows = {row["check"]: row for row in json.loads(silent.stdout)}
    assert rows["gives-forces"]["verdict"] == "fails"
    assert "not_implemented" in rows["rotation-force"]["note"]


def test_a_defect_that_the_card_admits_is_notable():
    admitted = run("verify", "broken-nonconservative", "--json")
    assert admitted.exit_code == 0
    rows = {row["check"]: row["verdict"] for row in json.loads(admitted.stdout)}
    assert rows["force-consistency"] == "notable"


def test_install_asks_for_one_force():
    (row,) = json.loads(run("install", "zbl", "--json").stdout)
    assert row["answer"] == "ok"
    assert run("install", "broken-silent", "--json").exit_code == 1


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
    assert row["freed_mb"] == 0.0
    assert row["models"].startswith("chgnet, sevennet-0")
