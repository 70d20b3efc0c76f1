"""The verbs around the results folder, as typed on the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from ase import Atoms
from typer.testing import CliRunner

from forcegauge.cli.export import export
from forcegauge.cli.import_ import import_
from forcegauge.cli.merge import merge
from forcegauge.cli.status import status
from forcegauge.errors import BadInput, Failure, StoreError, UnknownName
from forcegauge.records import Case, ModelIdentity, Planned, Provenance, Raw, Record
from forcegauge.results.store import Store
from forcegauge.structures import Structures

app = typer.Typer(rich_markup_mode="rich")
for verb in (status, export, merge):
    app.command()(verb)
app.command("import")(import_)

PROVENANCE = Provenance(ModelIdentity("morse", "w", {}, 1, "e"), {}, "3.11", "Linux", "cpu", 1.0, "float64", 1, "0.1.0")


def _fill(folder: Path, outcomes: dict[str, Raw | Failure | None]) -> Path:
    with Store.writer(folder) as store:
        store.add_plan(Planned(f"key-{name}", "morse", "diatomics", name, "s") for name in outcomes)
        for name, outcome in outcomes.items():
            if outcome is not None:
                case = Case("diatomics", name, Structures.from_atoms(Atoms("H")))
                one = Record(
                    f"key-{name}", "morse", "diatomics", name, "s", outcome, PROVENANCE, 1, 1, 0.1, 0, time.time()
                )
                store.commit(one, case)
    return folder


def _call(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


OUTCOMES: dict[str, Raw | Failure | None] = {
    "H": Raw({}),
    "He": Raw({}),
    "Li": Failure("timeout", "slow"),
    "Be": Failure("exploded", "away"),
    "U": Failure("unsupported_element", "U"),
    "C": None,
}


def test_status_counts_for_people_and_for_programs(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "results", OUTCOMES)
    with Store.writer(folder):  # as while a run is going
        (row,) = json.loads(_call("status", folder, "--json").stdout)
        text = _call("status", folder).stdout
    assert row == {
        "model": "morse", "benchmark": "diatomics", "planned": 6, "finished": 2, "failed": 2, "unsupported": 1,
        "left": 1, "percent": 83.3, "to_retry": 1, "failures": {"exploded": 1, "timeout": 1},
    }  # fmt: skip
    assert "morse" in text
    assert "83.3" in text


def test_status_of_a_folder_with_no_plan(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "results", {})
    assert "nothing planned yet" in _call("status", folder).stdout
    assert _call("status", folder, "--json").stdout == "[]\n"


def test_export_import_and_merge(tmp_path: Path) -> None:
    a, b = _fill(tmp_path / "a", OUTCOMES), _fill(tmp_path / "b", {"C": Raw({}), "Li": Raw({})})
    assert "5 records written to" in _call("export", a, "--to", tmp_path / "exported").stdout
    again = _call("import", tmp_path / "exported", "--format", "forcegauge", "--results", tmp_path / "again")
    assert "5 records new, 0 in place of a failure, 0 there already" in again.stdout
    merged = _call("merge", tmp_path / "again", b, "--to", tmp_path / "all")
    assert "6 records new, 1 in place of a failure, 0 there already" in merged.stdout
    (row,) = json.loads(_call("status", tmp_path / "all", "--json").stdout)
    assert (row["planned"], row["finished"], row["left"]) == (6, 4, 0)


def test_bad_input_names_what_is_wrong(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert isinstance(_call("status", missing).exception, StoreError)
    assert isinstance(_call("export", missing, "--to", tmp_path / "x").exception, StoreError)
    assert isinstance(_call("merge", missing, "--to", tmp_path / "x").exception, StoreError)
    assert isinstance(_call("import", missing, "--results", tmp_path / "x").exception, BadInput)
    unknown = _call("import", missing, "--format", "forcegage", "--results", tmp_path / "x").exception
    assert isinstance(unknown, UnknownName)
    assert str(unknown) == "no import format 'forcegage': did you mean 'forcegauge'?"


@pytest.mark.parametrize("name", ["status", "export", "import", "merge"])
def test_help_has_an_example(name: str) -> None:
    assert f"forcegauge {name} " in _call(name, "--help").stdout
