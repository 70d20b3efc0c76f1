"""What a store promises: what was committed is there, whatever happened since, and bad folders get a clear line."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import CURVE, case, case_content, content, everything, fill, planned, provenance, published, record
from store_strategies import cases, outcomes

from forcegauge.errors import Failure, NewerSchema, StoreError, StoreInUse
from forcegauge.records import Raw
from forcegauge.results import migrate
from forcegauge.results.connect import is_on_network
from forcegauge.results.progress import progress
from forcegauge.results.schema import SCHEMA_VERSION
from forcegauge.results.store import Store

TIMEOUT = Failure("timeout", "60 s", "in evaluate")
SLOW_EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- what comes back


def test_everything_comes_back(tmp_path: Path) -> None:
    records = [record("H"), record("He", TIMEOUT), record("Li", Raw({})), record("Be", wall_s=float("nan"))]
    fill(tmp_path, *records)
    with Store.open(tmp_path) as store:
        assert {one.key: content(one) for one in store.records()} == {one.key: content(one) for one in records}
        assert [one.key for one in store.records()] == sorted(one.key for one in records)
        assert sorted(store.planned(), key=str) == sorted(map(planned, records), key=str)
        assert store.protocols()[0].fields == {"n_points": 24, "low_a": 0.5}
        assert {one.id for one in store.cases("diatomics").values()} == {"H", "He", "Li", "Be"}
        assert store.cases("vacancy") == {}
        assert case_content(store.case(case("H").digest())) == case_content(case("H"))
        assert list(store.provenances().values()) == [provenance()]


@SLOW_EXAMPLES
@given(outcome=outcomes, one_case=cases, seed=st.integers(0, 2**128))
def test_any_record_comes_back(tmp_path: Path, outcome: Raw | Failure, one_case: Any, seed: int) -> None:
    folder = tmp_path / os.urandom(4).hex()
    one = record(one_case.id, outcome, seed=seed)
    with Store.writer(folder) as store:
        store.commit(one, one_case)
    with Store.open(folder) as store:
        assert [content(found) for found in store.records()] == [content(one)]
        assert [case_content(found) for found in store.cases().values()] == [case_content(one_case)]


def test_records_can_be_chosen_by_model_and_benchmark(tmp_path: Path) -> None:
    fill(tmp_path, record("H"), record("H", model="emt"), record("H", benchmark="vacancy"))
    with Store.open(tmp_path) as store:
        assert [one.model for one in store.records(benchmark="diatomics", model="emt")] == ["emt"]
        assert [one.benchmark for one in store.records(benchmark="vacancy")] == ["vacancy"]
        assert len(list(store.records(model="morse"))) == 2
        assert store.benchmarks() == ["diatomics", "vacancy"]


def test_finished_gives_the_kind_of_each_key(tmp_path: Path) -> None:
    fill(tmp_path, record("H"), record("He", TIMEOUT))
    with Store.open(tmp_path) as store:
        assert store.finished() == {record("H").key: None, record("He").key: "timeout"}


def test_text_that_is_not_unicode_is_kept_escaped(tmp_path: Path) -> None:
    fill(tmp_path, record("H", Failure("bug", "no file \udcff", "null \0 byte")))
    with Store.open(tmp_path) as store:
        assert store.record(record("H").key).outcome == Failure("bug", "no file \\udcff", "null \0 byte")


def test_progress_counts_add_up(tmp_path: Path) -> None:
    done = [record("H"), record("He", TIMEOUT), record("U", Failure("unsupported_element", "no U"))]
    fill(tmp_path, *done, record("Li", Failure("exploded", "far away")))
    with Store.writer(tmp_path) as store:
        store.add_plan([planned(record("Be"))])
        store.commit(record("H", model="emt"), case("H"))  # as imported: no plan
    with Store.open(tmp_path) as store:
        emt, morse = progress(store)
    assert (emt.model, emt.planned, emt.finished, emt.percent) == ("emt", 1, 1, 100.0)
    assert (morse.planned, morse.finished, morse.failed, morse.unsupported, morse.left) == (5, 1, 2, 1, 1)
    assert (morse.failures, morse.to_retry, morse.percent) == ({"exploded": 1, "timeout": 1}, 1, 80.0)


# -- committing


def test_an_answer_replaces_a_failure_and_is_never_replaced(tmp_path: Path) -> None:
    crashed, other = Failure("crashed", "gone"), Raw({"other": np.ones(2)})
    with Store.writer(tmp_path) as store:
        for outcome, kept in ((TIMEOUT, TIMEOUT), (crashed, crashed), (CURVE, CURVE), (TIMEOUT, CURVE), (other, CURVE)):
            store.commit(record("H", outcome), case("H"))
            assert store.record(record("H").key).outcome == kept


def test_the_journal_lasts_until_the_commit(tmp_path: Path) -> None:
    key = record("H").key
    with Store.writer(tmp_path) as store:
        store.journal_put(key, 0, "q0", b"first")
        store.journal_put(key, 1, "q1", b"")
        store.journal_put(key, 0, "q0b", b"again")
        store.journal_put("another", 0, "q", b"stays")
    with Store.writer(tmp_path) as store:
        assert store.journal_get(key) == {0: ("q0b", b"again"), 1: ("q1", b"")}
        store.commit(record("H"), case("H"))
        assert store.journal_get(key) == {}
        assert store.journal_get("another") == {0: ("q", b"stays")}


def test_an_error_in_a_batch_undoes_one_commit(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        with store.transaction():
            store.commit(record("H"), case("H"))
            with pytest.raises(TypeError, match="array of objects"):
                store.commit(record("He", Raw({"bad": np.array([None])})), case("He"))
        assert list(store.finished()) == [record("H").key]
        assert [one.id for one in store.cases().values()] == ["H"]


def _commit_and_stop(store: Store) -> None:
    with store.transaction():
        store.commit(record("H"), case("H"))
        raise KeyboardInterrupt


def test_an_interrupted_batch_keeps_what_was_committed(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        with pytest.raises(KeyboardInterrupt):
            _commit_and_stop(store)
        assert list(store.finished()) == [record("H").key]


def test_a_reader_sees_a_batch_only_when_it_is_complete(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store.writer(tmp_path) as writer, Store.open(tmp_path) as reader:
        with writer.transaction():
            writer.commit(record("H"), case("H"))
            assert reader.finished() == {}
        assert len(reader.finished()) == 1


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store.open(tmp_path) as store, pytest.raises(TypeError, match=r"Store\.writer"):
        store.commit(record("H"), case("H"))


# -- folders that are no stores


def _line(error: type[Exception], work: Callable[[], Any]) -> str:
    with pytest.raises(error) as caught:
        work()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_folder_and_no_store(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert _line(StoreError, lambda: Store.open(missing)).startswith(
        f"no results folder {missing}: make one with `forcegauge run --results {missing}`"
    )
    assert _line(StoreError, lambda: Store.open(tmp_path)).startswith(f"no file records.sqlite in {tmp_path}: make one")
    assert not missing.exists()


@pytest.mark.parametrize("opened", [Store.open, Store.writer])
def test_a_file_that_is_no_store(tmp_path: Path, opened: Callable[[Path], Store]) -> None:
    (tmp_path / "records.sqlite").write_text("model,benchmark\n" * 100)
    assert "is not a ForceGauge store (no SQLite database)" in _line(StoreError, lambda: opened(tmp_path))
    (tmp_path / "records.sqlite").unlink()
    other = sqlite3.connect(tmp_path / "records.sqlite")
    other.execute("CREATE TABLE records (key TEXT)")
    other.close()
    assert "is not a ForceGauge store (a database of another program)" in _line(StoreError, lambda: opened(tmp_path))


@pytest.mark.parametrize("opened", [Store.open, Store.writer])
@pytest.mark.parametrize("left", [0, 50, 4000, 8192, -1])
def test_a_truncated_store(tmp_path: Path, opened: Callable[[Path], Store], left: int) -> None:
    fill(tmp_path, *(record(str(number)) for number in range(50)))
    path = tmp_path / "records.sqlite"
    os.truncate(path, left if left >= 0 else path.stat().st_size - 1)
    line = _line(StoreError, lambda: opened(tmp_path))
    assert line.startswith(f"{path} is damaged (")
    assert line.endswith("): restore it from a copy or an export, or move it away and run again")
    # nor does the lock stay
    assert not (tmp_path / "writer.lock").read_text()


def test_damage_in_the_middle_is_found_when_it_is_read(tmp_path: Path) -> None:
    fill(tmp_path, *(record(str(number)) for number in range(300)))
    path = tmp_path / "records.sqlite"
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (path.stat().st_size - 8192))
    assert "is damaged" in _line(StoreError, lambda: everything(tmp_path))


def test_damaged_arrays_are_found(tmp_path: Path) -> None:
    fill(tmp_path, record("H"))
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        connection.execute("UPDATE records SET arrays = zeroblob(40)")
    connection.close()
    assert "is damaged" in _line(StoreError, lambda: everything(tmp_path))


def test_a_log_without_its_database(tmp_path: Path) -> None:
    fill(tmp_path, record("H"))
    (tmp_path / "records.sqlite").unlink()
    (tmp_path / "records.sqlite-wal").write_bytes(b"some commits")
    line = _line(StoreError, lambda: Store.writer(tmp_path))
    assert "records.sqlite-wal belongs to a database that is no longer there" in line


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write to results folder" in _line(StoreError, lambda: Store.writer(tmp_path / "file"))
    assert "file is a file: give the results folder" in _line(StoreError, lambda: Store.open(tmp_path / "file"))


def test_another_program_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forcegauge.results.connect._WAIT_S", 0.05)
    fill(tmp_path, record("H"))
    other = sqlite3.connect(tmp_path / "records.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "is locked by another program" in _line(StoreInUse, lambda: Store.writer(tmp_path))
    other.close()


# -- schemas


def _set_version(folder: Path, version: int, *statements: str) -> None:
    connection = sqlite3.connect(folder / "records.sqlite", isolation_level=None)
    for statement in (*statements, f"PRAGMA user_version = {version}"):
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("opened", [Store.open, Store.writer])
def test_a_newer_schema(tmp_path: Path, opened: Callable[[Path], Store]) -> None:
    _set_version(fill(tmp_path), SCHEMA_VERSION + 1)
    line = _line(NewerSchema, lambda: opened(tmp_path))
    assert f"has schema {SCHEMA_VERSION + 1}, this ForceGauge reads up to schema {SCHEMA_VERSION}: upgrade" in line


def _add_seed(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE records ADD COLUMN seed TEXT NOT NULL DEFAULT '7'")


def test_an_older_schema_is_read_and_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, record("H"), record("He", TIMEOUT))
    _set_version(tmp_path, SCHEMA_VERSION - 1, "ALTER TABLE records DROP COLUMN seed")
    before = (tmp_path / "records.sqlite").read_bytes()
    monkeypatch.setitem(migrate.MIGRATIONS, SCHEMA_VERSION - 1, _add_seed)
    with Store.open(tmp_path) as store:
        assert [one.seed for one in store.records()] == [7, 7]
    assert (tmp_path / "records.sqlite").read_bytes() == before  # a reader migrates a copy
    with Store.writer(tmp_path) as store:
        store.commit(record("Li"), case("Li"))
    with Store.open(tmp_path) as store:
        assert sorted(one.seed for one in store.records()) == [7, 7, 2**80 + 1]
        assert store._connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_failing_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE plan")
        raise RuntimeError("on purpose")

    _set_version(fill(tmp_path, record("H")), SCHEMA_VERSION - 1)
    monkeypatch.delitem(migrate.MIGRATIONS, SCHEMA_VERSION - 1)
    assert "can no longer bring to schema" in _line(StoreError, lambda: Store.writer(tmp_path))
    monkeypatch.setitem(migrate.MIGRATIONS, SCHEMA_VERSION - 1, fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        Store.writer(tmp_path)
    monkeypatch.setitem(migrate.MIGRATIONS, SCHEMA_VERSION - 1, lambda connection: None)
    with Store.writer(tmp_path) as store:
        assert len(store.planned()) == 1


def _tables(store: Store) -> list[list[Any]]:
    return [store._all(f"PRAGMA table_info({name})") for name in ("records", "published")]


@pytest.mark.parametrize("opened", [Store.open, Store.writer])
def test_schema_1_is_read_without_loss(tmp_path: Path, opened: Callable[[Path], Store]) -> None:
    records = [record("H", atom_evaluations=0), record("He", TIMEOUT, atom_evaluations=0)]
    fill(tmp_path, *records)
    _set_version(tmp_path, 1, "ALTER TABLE records DROP COLUMN atom_evaluations", "DROP TABLE published")
    with opened(tmp_path) as store:
        assert sorted(map(content, store.records())) == sorted(map(content, records))
        assert (store.published(), len(store.planned()), len(store.cases())) == ([], 2, 2)
    with Store.writer(tmp_path) as store:
        store.commit(record("Li"), case("Li"))
        assert store.add_published([published()]) == 1
        migrated = _tables(store)
    with Store.writer(tmp_path / "new") as store:
        assert migrated == _tables(store)


def test_published_numbers_stay_unless_another_file_replaces_them(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        assert store.add_published([published("F1"), published("MAE", std=float("nan"))]) == 2
        newer = [published("F1", value=0.7, sha256="b" * 64), published("MAE", value=0.1)]
        assert store.add_published(newer) == 0
        assert store.add_published(newer, replace=True) == 1  # the same file says the same
        assert [one.value for one in store.published()] == [0.7, 0.67]
        assert np.isnan(store.published()[1].std)


# -- file systems


def test_network_file_systems_are_told_by_the_longest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    home = tmp_path / "my home"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        f"server:/home {tmp_path}/my\\040home nfs4 rw 0 0\n"
        f"/dev/sdb {tmp_path}/my\\040home/scratch xfs rw 0 0\n"
        f"sshfs {tmp_path}/far fuse.sshfs rw 0 0\n"
    )
    folders = [
        tmp_path,
        home,
        home / "deep" / "er",
        home / "scratch" / "run",
        home.with_name("my homes"),
        tmp_path / "far",
    ]
    assert [is_on_network(folder, mounts) for folder in folders] == [False, True, True, False, False, True]
    assert not is_on_network(tmp_path, tmp_path / "no such file")


def test_a_network_file_system_gets_a_rollback_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "results", record("H"))
    monkeypatch.setattr("forcegauge.results.connect.is_on_network", lambda folder: True)
    with Store.writer(tmp_path / "results") as store, Store.open(tmp_path / "results") as reader:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert len(list(reader.records())) == 1
        store.commit(record("He"), case("He"))
        assert len(list(reader.records())) == 2
    assert not (tmp_path / "results" / "records.sqlite-wal").exists()
