"""Parquet and back, and merging: nothing is lost, nothing is invented."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import CURVE, case, content, everything, fill, published, record
from store_strategies import QUIET_NAN, cases, outcomes

from forcegauge.encoding import digest
from forcegauge.errors import BadInput, Failure, StoreError
from forcegauge.records import Raw, Record
from forcegauge.results.exchange import MANIFEST, export, import_forcegauge
from forcegauge.results.merge import Merged, merge
from forcegauge.results.store import Store

TIMEOUT = Failure("timeout", "60 s", "Traceback:\n  in evaluate")
EXPLODED = Failure("exploded", "atoms 1e9 Å away")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _mixed(folder: Path) -> Path:
    odd = {
        "energies": QUIET_NAN,
        "energies.shape": np.array(["a", "bé"]),
        "scalar": np.array(3.0),
        "empty": np.zeros((0, 3), np.float32),
        "phase": np.array([1j, complex("nan")]),
        "minus zero": np.array([-0.0, 0.0], np.float16),
    }
    there = [
        record("H"),
        record("He", TIMEOUT),
        record("Li", Raw(odd)),
        record("Be", Raw({})),
        record("H", model="emt"),
    ]
    fill(folder, *there, record("Fe", benchmark="vacancy", wall_s=float("nan")))
    (folder / "trajectories" / f"{record('H').key}.npz").write_bytes(b"frames")
    with Store.writer(folder) as store:
        store.add_published([published("F1"), published("RMSE", value=float("nan"), low=float("nan"))])
    return folder


# -- Parquet


def test_export_and_import_lose_nothing(tmp_path: Path) -> None:
    store = _mixed(tmp_path / "results")
    assert export(store, tmp_path / "exported") == 6
    merged = import_forcegauge(tmp_path / "exported", tmp_path / "again")
    assert (merged.n_new, merged.n_kept, merged.n_published) == (6, 0, 2)
    assert everything(tmp_path / "again") == everything(store)
    assert (tmp_path / "again" / "trajectories" / f"{record('H').key}.npz").read_bytes() == b"frames"


def test_an_export_of_format_1_can_be_imported(tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    export(fill(tmp_path / "results", record("H")), exported)
    (exported / "published.parquet").unlink()
    table = exported / "records" / "diatomics.parquet"
    pq.write_table(pq.read_table(table).drop_columns(["atom_evaluations"]), table)
    files = json.loads((exported / MANIFEST).read_text())["files"]
    files = {name: hashlib.sha256((exported / name).read_bytes()).hexdigest() for name in files if name[:4] != "publ"}
    _change(format_version=1, files=files)(exported)
    import_forcegauge(exported, tmp_path / "again")
    with Store.open(tmp_path / "again") as store:
        assert [content(one) for one in store.records()] == [content(record("H", atom_evaluations=0))]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(st.tuples(outcomes, cases), max_size=4))
def test_any_records_survive_parquet(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("any")
    with Store.writer(folder / "results") as store:
        for number, (outcome, one) in enumerate(found):
            store.commit(record(one.id, outcome, key=digest(number)), one)
    export(folder / "results", folder / "exported")
    import_forcegauge(folder / "exported" / MANIFEST, folder / "again")
    assert everything(folder / "again") == everything(folder / "results")


def test_equal_stores_export_equal_bytes(tmp_path: Path) -> None:
    records = [record("H"), record("He", TIMEOUT), record("Li", model="emt")]
    fill(tmp_path / "a", *records)
    fill(tmp_path / "b", record("He", Failure("crashed", "earlier")), *reversed(records))
    export(tmp_path / "a", tmp_path / "from a")
    export(tmp_path / "b", tmp_path / "from b")
    assert _files(tmp_path / "from a") == _files(tmp_path / "from b")


def test_arrays_are_columns_that_a_reader_understands(tmp_path: Path) -> None:
    positions = np.arange(12.0).reshape(2, 2, 3)
    fill(tmp_path / "results", record("H", Raw({"positions": positions})), record("He", TIMEOUT))
    export(tmp_path / "results", tmp_path / "exported")
    rows = pq.read_table(tmp_path / "exported" / "records" / "diatomics.parquet").to_pylist()
    hydrogen, helium = sorted(rows, key=lambda row: row["case_id"])
    assert np.array_equal(np.reshape(hydrogen["raw.positions"], hydrogen["raw.positions.shape"]), positions)
    assert (hydrogen["failure"], hydrogen["model"], hydrogen["raw.positions.dtype"]) == (None, "morse", "<f8")
    assert (helium["failure"], helium["message"], helium["raw.positions"]) == ("timeout", "60 s", None)


def test_an_earlier_export_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    to = tmp_path / "exported"
    export(_mixed(tmp_path / "mixed"), to)
    (to / "notes.txt").write_text("mine")
    export(fill(tmp_path / "one", record("H")), to)
    assert sorted(_files(to)) == [
        "cases.parquet", "manifest.json", "notes.txt", "plan.parquet", "protocols.parquet", "provenance.parquet",
        "published.parquet", "records/diatomics.parquet",
    ]  # fmt: skip
    import_forcegauge(to, tmp_path / "again")
    assert everything(tmp_path / "again") == everything(tmp_path / "one")


def test_an_export_never_overwrites_other_folders(tmp_path: Path) -> None:
    store = fill(tmp_path / "results", record("H"))
    with pytest.raises(BadInput, match=r"is neither empty nor an earlier export \(it holds "):
        export(store, store)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file: give a folder to --to"):
        export(store, tmp_path / "file")
    with pytest.raises(BadInput, match=r"cannot write to .*: choose another folder for --to"):
        export(store, tmp_path / "file" / "below")
    with pytest.raises(StoreError, match="no results folder"):
        export(tmp_path / "missing", tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def _change(**fields: Any) -> Callable[[Path], None]:
    def change(exported: Path) -> None:
        manifest = json.loads((exported / MANIFEST).read_text())
        (exported / MANIFEST).write_text(json.dumps({**manifest, **fields}))

    return change


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda exported: (exported / MANIFEST).unlink(), "is no export"),
        (lambda exported: (exported / MANIFEST).write_text("{"), "is not the manifest of an export by ForceGauge"),
        (_change(format="other"), "is not the manifest"),
        (_change(files={"../elsewhere": "0"}), "is not the manifest"),
        (_change(format_version=3), "has export format 3, this ForceGauge reads up to 2: upgrade"),
        (lambda exported: (exported / "plan.parquet").unlink(), "is missing or not as it was exported"),
        (lambda exported: (exported / "cases.parquet").write_bytes(b"PAR1"), "is missing or not as it was exported"),
    ],
)
def test_what_cannot_be_imported(tmp_path: Path, spoil: Callable[[Path], object], line: str) -> None:
    export(fill(tmp_path / "results", record("H")), tmp_path / "exported")
    spoil(tmp_path / "exported")
    with pytest.raises(BadInput, match=line):
        import_forcegauge(tmp_path / "exported", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_many_rows_and_large_arrays_make_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forcegauge.results.exchange._GROUP_ROWS", 40)
    monkeypatch.setattr("forcegauge.results.exchange._GROUP_BYTES", 50_000)
    large = Raw({"frames": np.arange(10_000.0)})
    fill(tmp_path / "results", record("large", large), *(record(str(number)) for number in range(300)))
    export(tmp_path / "results", tmp_path / "exported")
    assert pq.ParquetFile(tmp_path / "exported" / "records" / "diatomics.parquet").num_row_groups == 9
    import_forcegauge(tmp_path / "exported", tmp_path / "again")
    assert everything(tmp_path / "again") == everything(tmp_path / "results")


# -- merging


def _outcomes(folder: Path) -> dict[str, Raw | Failure]:
    with Store.open(folder) as store:
        return {one.case_id: one.outcome for one in store.records()}


def test_shards_come_together(tmp_path: Path) -> None:
    shards = [fill(tmp_path / name, record(name), record(name, model="emt")) for name in ("H", "He", "Li")]
    together = fill(
        tmp_path / "together", *(record(name, model=model) for model in ("morse", "emt") for name in ("H", "He", "Li"))
    )
    merged = merge(shards, tmp_path / "all")
    assert merged == Merged(n_new=6)
    assert everything(tmp_path / "all") == everything(together)
    assert merge(shards, tmp_path / "all") == Merged(n_kept=6)


def _at(outcome: Raw | Failure, finished_at: float) -> Record:
    return record("H", outcome, finished_at=finished_at)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (_at(TIMEOUT, 9.0), _at(CURVE, 1.0), CURVE),
        (_at(CURVE, 1.0), _at(EXPLODED, 9.0), CURVE),
        (_at(TIMEOUT, 9.0), _at(EXPLODED, 1.0), EXPLODED),
        (_at(EXPLODED, 1.0), _at(TIMEOUT, 9.0), EXPLODED),
        (_at(TIMEOUT, 1.0), _at(Failure("bug", "later"), 2.0), Failure("bug", "later")),
        (_at(Failure("bug", "later"), 2.0), _at(TIMEOUT, 1.0), Failure("bug", "later")),
    ],
)
def test_the_better_answer_wins(tmp_path: Path, first: Record, second: Record, expected: Raw | Failure) -> None:
    merged = merge([fill(tmp_path / "a", first), fill(tmp_path / "b", second)], tmp_path / "all")
    assert _outcomes(tmp_path / "all") == {"H": expected}
    assert (merged.n_new, merged.n_conflicts) == (1, 0)
    assert merged.n_replaced + merged.n_kept == 1


def test_different_arrays_for_one_key_are_a_conflict(tmp_path: Path) -> None:
    other = Raw({**CURVE.arrays, "energies": CURVE["energies"] + np.float32(1e-6)})
    a, b = fill(tmp_path / "a", record("H")), fill(tmp_path / "b", record("H", other), record("He"))
    merged = merge([a, b], tmp_path / "all")
    assert merged == Merged(n_new=2, n_kept=1, n_conflicts=1, first_conflict=record("H").key)
    assert _outcomes(tmp_path / "all")["H"] == CURVE
    assert merged.describe(tmp_path / "all").endswith(f"the first is {record('H').key}")


def test_trajectories_follow_their_record(tmp_path: Path) -> None:
    name, unfinished = f"{record('H').key}.npz", f"{'0' * 32}.npz"
    a, b = fill(tmp_path / "a", record("H", TIMEOUT)), fill(tmp_path / "b", record("H"))
    for folder in (a, b):
        (folder / "trajectories" / name).write_text(folder.name)
        (folder / "trajectories" / unfinished).write_text(folder.name)
    merge([a, b, a], tmp_path / "all")
    assert (tmp_path / "all" / "trajectories" / name).read_text() == "b"
    assert (tmp_path / "all" / "trajectories" / unfinished).read_text() == "a"


def test_a_folder_may_be_merged_into(tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", record("H")), fill(tmp_path / "b", record("He"))
    assert merge([a, b], a) == Merged(n_new=1)
    assert set(_outcomes(a)) == {"H", "He"}


def test_a_bad_source_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results folder"):
        merge([fill(tmp_path / "a", record("H")), tmp_path / "missing"], tmp_path / "all")
    with pytest.raises(BadInput, match="nothing to merge"):
        merge([], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_cases_keep_what_their_hash_leaves_out(tmp_path: Path) -> None:
    merge([fill(tmp_path / "a", record("H"))], tmp_path / "all")
    with Store.open(tmp_path / "all") as store:
        assert [(one.stratum, one.elements) for one in store.cases().values()] == [("gas", frozenset({1}))]
        assert list(store.cases()) == [case("H").digest()]
