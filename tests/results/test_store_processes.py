"""The store among processes: readers beside a writer, killed writers, folders that nobody may write to."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import store_samples
from store_samples import case, fill, record

from forcegauge.errors import StoreInUse
from forcegauge.results.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def _committing(folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, store_samples.__file__, str(folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_reader_counts_while_a_writer_commits(tmp_path: Path) -> None:
    counts = []
    with _committing(tmp_path, 400) as process:
        process.stdout.readline()
        with Store.open(tmp_path) as store:
            while process.poll() is None:
                counts.append(len(list(store.records())))
                process.stdout.readline()
        process.stdout.read()
    assert counts == sorted(counts)
    assert len(set(counts)) > 3  # it did read in between
    with Store.open(tmp_path) as store:
        assert len(store.finished()) == 400


@pytest.mark.parametrize("n_commits", [1, 37, 150])
def test_a_killed_writer_leaves_every_commit_and_no_lock(tmp_path: Path, n_commits: int) -> None:
    with _committing(tmp_path, 1_000_000) as process:
        said = [process.stdout.readline() for _ in range(n_commits)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines()
    with Store.writer(tmp_path) as store:
        found = {one.key: one for one in store.records()}
        for line in said:
            if len(line.split()) == 2 and len(line.split()[0]) == 32:  # the last line may be torn
                key, number = line.split()
                assert np.array_equal(found[key].outcome["numbers"], np.full(500, int(number)))
        assert len(said) <= len(found) <= len(said) + 1
        assert store._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        store.commit(record("another"), case("another"))


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    holder = rf"in use by process {os.getpid()} on {socket.gethostname()}: "
    with Store.writer(tmp_path), pytest.raises(StoreInUse, match=holder):
        Store.writer(tmp_path)
    Store.writer(tmp_path).close()


Work = Callable[[Path, Callable[[], None]], Any]


def _as_nobody(work: Work, folder: Path, answers: Any, permission: Any) -> None:
    if os.geteuid() == 0:  # whom permissions do not stop
        os.setgid(65534)
        os.setuid(65534)
    try:
        answers.put(work(folder, lambda: (answers.put("ready"), permission.get())))
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")


def _read_only(work: Work, folder: Path, meanwhile: Callable[[], None] = lambda: None) -> Any:
    """What ``work(folder, wait)`` gives where the folder is read-only; ``meanwhile`` runs in the wait."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    inside = list(folder.rglob("*"))
    for path in [*inside, folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    context = multiprocessing.get_context("fork")
    answers, permission = context.SimpleQueue(), context.SimpleQueue()
    process = context.Process(target=_as_nobody, args=(work, folder, answers, permission))
    process.start()
    answer = answers.get()
    for path in [folder, *inside]:
        path.chmod(0o755)
    if answer == "ready":
        meanwhile()
        permission.put("go on")
        answer = answers.get()
    process.join()
    return answer


def _count(folder: Path, wait: Callable[[], None] = lambda: None) -> int:
    with Store.open(folder) as store:
        return len(list(store.records()))


def test_a_folder_that_cannot_be_written_to_is_read(tmp_path: Path) -> None:
    folder = fill(tmp_path / "results", record("H"), record("He"))
    assert _read_only(_count, folder) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["logs", "records.sqlite", "trajectories", "writer.lock"]


def test_a_schema_1_in_such_a_folder_is_read(tmp_path: Path) -> None:
    folder = fill(tmp_path / "results", record("H"), record("He"))
    connection = sqlite3.connect(folder / "records.sqlite")
    connection.executescript(
        "ALTER TABLE records DROP COLUMN atom_evaluations; DROP TABLE published; PRAGMA user_version = 1"
    )
    connection.close()
    assert _read_only(_count, folder) == 2


def test_a_writer_of_such_a_folder_gets_a_line(tmp_path: Path) -> None:
    folder = fill(tmp_path / "results", record("H"))
    answer = _read_only(lambda where, wait: Store.writer(where), folder)
    assert answer.startswith(f"StoreError: cannot write to results folder {folder} (Permission denied): choose another")


def test_a_log_that_cannot_be_folded_in_is_never_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with _committing(folder, 1_000_000) as process:
        process.stdout.readline()
        process.kill()
        process.stdout.read()
    (folder / "records.sqlite-shm").unlink()
    answer = _read_only(_count, folder)
    assert "has a log of an unfinished run beside it" in str(answer)
    assert _count(folder) >= 1


def _read_later(folder: Path, wait: Callable[[], None]) -> Any:
    with Store.open(folder) as store:
        wait()
        return store.finished()


def test_an_immutable_file_that_changes_is_noticed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "results", record("H"))
    answer = _read_only(_read_later, folder, lambda: fill(folder, record("He")))
    assert "was changed while it was being read: do this again" in str(answer)
