import json

import pytest
from typer.testing import CliRunner

from forcegauge.cli.benchmarks import app as benchmarks_app
from forcegauge.cli.data import app as data_app
from forcegauge.datasets import registry
from forcegauge.datasets.fetch import local_path
from forcegauge.errors import DataUnavailable, UnknownName


def call(app, *arguments, exit_code=0):
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path))
    monkeypatch.delenv("FORCEGAUGE_MIRROR", raising=False)


def test_list_names_every_dataset_and_its_state():
    rows = {row["name"]: row for row in json.loads(call(data_app, "list", "--json"))}
    assert list(rows) == registry.names()
    assert (rows["prototypes"]["state"], rows["wbm-1000"]["state"]) == ("built in", "absent")


def test_show_gives_the_whole_card():
    (card,) = json.loads(call(data_app, "show", "wbm-1000", "--json"))
    assert card["sources"][0]["sha256"] == registry.get("wbm-1000").card.sources[0].sha256
    shown = call(data_app, "show", "wbm-1000")
    assert card["licence"] in shown
    assert card["sources"][0]["url"] in shown


def test_verify_tells_absent_and_damaged_from_well():
    card = registry.get("wbm-1000").card
    path = local_path(card, card.sources[0])
    assert json.loads(call(data_app, "verify", "--json"))[0]["state"] == "absent"
    call(data_app, "verify", "wbm-1000", exit_code=1)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    assert "damaged" in call(data_app, "verify", exit_code=1)


@pytest.mark.shared_data
def test_fetch_then_verify(shared, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    (row,) = json.loads(call(data_app, "fetch", "wbm-1000", "--json"))
    assert row["dataset"] == "wbm-1000"
    assert json.loads(call(data_app, "verify", "wbm-1000", "--json"))[0]["state"] == "ok"


def test_stats_of_the_built_in_crystals():
    (found,) = json.loads(call(data_app, "stats", "prototypes", "--json"))
    assert found["n_structures"] == registry.get("prototypes").card.n_structures


def test_fetch_of_what_is_built_in_says_so():
    assert "nothing to fetch" in call(data_app, "fetch", "prototypes")


@pytest.mark.parametrize(
    ("arguments", "error"), [(("show", "x"), UnknownName), (("fetch", "wbm-1000"), DataUnavailable)]
)
def test_what_cannot_be_done_is_an_error_of_ours(arguments, error):
    with pytest.raises(error):
        call(data_app, *arguments)


def test_benchmarks_are_listed_with_their_question():
    rows = json.loads(call(benchmarks_app, "list", "--json"))
    assert {"diatomics", "energy-volume"} <= {row["name"] for row in rows}
    assert all(row["question"].endswith("?") for row in rows)
    assert "diatomics" in call(benchmarks_app, "list")


@pytest.mark.parametrize("name", ["diatomics", "energy-volume"])
def test_a_benchmark_is_shown_with_metrics_of_every_mode(name):
    (shown,) = json.loads(call(benchmarks_app, "show", name, "--json"))
    assert {metric["mode"] for metric in shown["metrics"]} == {"default", "arena"}
    text = call(benchmarks_app, "show", name)
    assert shown["question"] in text
    assert "Known weaknesses" in text
