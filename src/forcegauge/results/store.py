"""The results folder: what was planned, what came back, where from; one writer, any number of readers.

``DIR/records.sqlite`` holds everything but ``DIR/trajectories/`` (files named after a record's key) and ``DIR/logs/``.
A commit is atomic: after SIGKILL every committed record is there, and nothing of any other.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from ase.data import chemical_symbols

from forcegauge.encoding import digest
from forcegauge.errors import FailureKind, StoreError
from forcegauge.records import Case, Planned, Protocol, Provenance, PublishedMetric, Record
from forcegauge.results import schema
from forcegauge.results.connect import DATABASE, connect_reader, connect_writer, damaged, explained, file_state
from forcegauge.results.lock import WriterLock, cannot_write

_CHUNK = 200  # rows read at a time, so that no long query holds back a writer or its log

_INSERT = f"""
INSERT INTO records ({", ".join(schema.COLUMNS)}) VALUES ({", ".join("?" * len(schema.COLUMNS))})
ON CONFLICT (key) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in schema.COLUMNS[1:])}
WHERE records.kind IS NOT NULL
"""

_INSERT_PUBLISHED = f"""
INSERT INTO published ({", ".join(schema.PUBLISHED_COLUMNS)}) VALUES ({", ".join("?" * len(schema.PUBLISHED_COLUMNS))})
ON CONFLICT DO """
_REPLACE_PUBLISHED = f"""
UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in schema.PUBLISHED_COLUMNS)}
WHERE published.sha256 != excluded.sha256
"""

_PROGRESS = """
SELECT plan.model, plan.benchmark, records.key IS NOT NULL, records.kind, count(*)
FROM plan LEFT JOIN records ON records.key = plan.key GROUP BY 1, 2, 3, 4
UNION ALL
SELECT model, benchmark, 1, kind, count(*) FROM records
WHERE NOT EXISTS (SELECT 1 FROM plan WHERE plan.key = records.key) GROUP BY 1, 2, 3, 4
"""


class Store:
    """An open results folder; :meth:`open` it for reading, or be its :meth:`writer`. A context manager.

    Every method raises StoreError, with one line, where the file is damaged, locked, full or gone.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        lock: WriterLock | None = None,
        state: tuple[int, ...] | None = None,
    ) -> None:
        self.folder = folder
        self._path = folder / DATABASE
        self._connection = connection
        self._lock = lock
        self._state = state

    @classmethod
    def open(cls, folder: Path) -> Store:
        """A reader, also while a writer is at work and in a folder that cannot be written to.

        Raises:
            StoreError: there is no store, or what is there is damaged or not a store.
            NewerSchema: a newer ForceGauge wrote it.
        """
        connection, state = connect_reader(folder)
        return cls(folder, connection, state=state)

    @classmethod
    def writer(cls, folder: Path) -> Store:
        """The one writer of a folder, which is made where there is none; reads as well.

        Raises:
            StoreInUse: another process writes to it.
            StoreError: it cannot be written to, or what is there is damaged or not a store.
            NewerSchema: a newer ForceGauge wrote it.
        """
        try:
            for part in (folder, folder / "trajectories", folder / "logs"):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        lock = WriterLock(folder)
        try:
            return cls(folder, connect_writer(folder), lock=lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Close the file, and let the next writer in."""
        self._connection.close()
        if self._lock:
            self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def trajectories(self) -> Path:
        """The folder of trajectory files, each named after the key of its record, then a dot and a suffix."""
        return self.folder / "trajectories"

    @property
    def logs(self) -> Path:
        """The folder of log files."""
        return self.folder / "logs"

    # -- reading

    def records(self, *, benchmark: str | None = None, model: str | None = None) -> Iterator[Record]:
        """The finished cases, sorted by key; those committed while it runs may be missing, none comes twice."""
        return (record for record, _ in self.entries(benchmark=benchmark, model=model))

    def entries(self, *, benchmark: str | None = None, model: str | None = None) -> Iterator[tuple[Record, str]]:
        """Like :meth:`records`, each with the digest of its case."""
        keys = self._all(
            "SELECT key FROM records WHERE benchmark = coalesce(?, benchmark) AND model = coalesce(?, model)",
            (benchmark, model),
        )
        provenances: dict[int, Provenance] = {}
        ordered = sorted(key for (key,) in keys)
        for start in range(0, len(ordered), _CHUNK):
            yield from self._entries(ordered[start : start + _CHUNK], provenances)

    def record(self, key: str) -> Record | None:
        """The finished case of a key, or None."""
        return next((record for record, _ in self._entries([key], {})), None)

    def finished(self) -> dict[str, FailureKind | None]:
        """By the key of every record: the kind of its failure, None for raw arrays."""
        return dict(self._all("SELECT key, kind FROM records"))

    def progress(self) -> list[tuple[str, str, bool, FailureKind | None, int]]:
        """Counts of cases: (model, benchmark, whether there is a record, kind of failure or None, count).

        A record that no plan holds (an imported one) counts as planned.
        """
        rows = self._all(_PROGRESS)
        return [(model, benchmark, bool(is_done), kind, count) for model, benchmark, is_done, kind, count in rows]

    def protocols(self) -> list[Protocol]:
        """The settings that the records share, sorted by benchmark."""
        rows = self._all("SELECT benchmark, settings, run_version, fields FROM protocols ORDER BY 1, 2, 3")
        with self._guard():
            return [
                Protocol(benchmark, settings, schema.from_blob(fields), version)
                for benchmark, settings, version, fields in rows
            ]

    def planned(self) -> list[Planned]:
        """What the runs so far set out to do, sorted by key."""
        return [
            Planned(*row) for row in self._all("SELECT key, model, benchmark, case_id, settings FROM plan ORDER BY key")
        ]

    def cases(self, benchmark: str | None = None) -> dict[str, Case]:
        """The cases of all records, or of one benchmark's, by digest, in the order of the digests."""
        rows = self._all(
            "SELECT digest, benchmark, case_id, content FROM cases WHERE benchmark = coalesce(?, benchmark) ORDER BY 1",
            (benchmark,),
        )
        with self._guard():
            return {key: schema.blob_to_case(name, case_id, content) for key, name, case_id, content in rows}

    def published(self) -> list[PublishedMetric]:
        """Numbers of others without records behind them, sorted by benchmark, model and metric."""
        columns = ", ".join(schema.PUBLISHED_COLUMNS)
        rows = self._all(f"SELECT {columns} FROM published ORDER BY benchmark, model, metric, source")
        return [schema.row_to_published(row) for row in rows]

    def systems(self, benchmark: str) -> dict[str, str]:
        """By case id, the chemical system of a benchmark's cases, such as ``Cl-Na``; empty where it has no elements."""
        return {
            case.id: "-".join(sorted(chemical_symbols[number] for number in case.elements))
            for case in self.cases(benchmark).values()
        }

    def case(self, case_digest: str) -> Case:
        """The case of a digest that :meth:`entries` gave."""
        rows = self._all("SELECT benchmark, case_id, content FROM cases WHERE digest = ?", (case_digest,))
        if not rows:
            raise damaged(self._path, f"case {case_digest} is missing")
        with self._guard():
            return schema.blob_to_case(*rows[0])

    def benchmarks(self) -> list[str]:
        """Names of the benchmarks that have records, sorted."""
        return [name for (name,) in self._all("SELECT DISTINCT benchmark FROM records ORDER BY 1")]

    def provenances(self) -> dict[str, Provenance]:
        """Where the records come from, by digest, in the order of the digests."""
        rows = self._all("SELECT digest, fields FROM provenance ORDER BY 1")
        with self._guard():
            return {key: schema.fields_to_provenance(schema.from_blob(fields)) for key, fields in rows}

    def journal_get(self, key: str) -> dict[int, tuple[str, bytes]]:
        """The answers kept for an unfinished case: by question number, the question's digest and the answer."""
        rows = self._all("SELECT number, question, answer FROM journal WHERE key = ? ORDER BY 1", (key,))
        return {number: (question, answer) for number, question, answer in rows}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the store as it was at the first; of a reader only."""
        with self._guard():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    # -- writing

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Many commits at the cost of one. It only saves time: each commit made before an exception stays."""
        with self._guard():
            self._begin()
        try:
            yield
        finally:
            if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                with self._guard():
                    self._connection.execute("COMMIT")

    def add_plan(self, planned: Iterable[Planned]) -> None:
        """Note what a run sets out to do; keys already planned stay as they are."""
        rows = [(one.key, one.model, one.benchmark, one.case_id, one.settings) for one in planned]
        with self._atomic():
            self._connection.executemany("INSERT OR IGNORE INTO plan VALUES (?, ?, ?, ?, ?)", rows)

    def add_published(self, metrics: Iterable[PublishedMetric], *, replace: bool = False) -> int:
        """Keep numbers of others; how many were new or took the place of others.

        Those of the same model, benchmark, metric and source stay, or yield with ``replace`` to those of another file.
        """
        rows = [tuple(vars(one).values()) for one in metrics]
        with self._atomic():
            before = self._connection.total_changes
            self._connection.executemany(_INSERT_PUBLISHED + (_REPLACE_PUBLISHED if replace else "NOTHING"), rows)
            return self._connection.total_changes - before

    def add_protocol(self, protocol: Protocol) -> None:
        """Note the settings behind a hash, unless they are there."""
        row = (protocol.benchmark, protocol.settings, protocol.run_version, schema.to_blob(dict(protocol.fields)))
        with self._atomic():
            self._connection.execute("INSERT OR IGNORE INTO protocols VALUES (?, ?, ?, ?)", row)

    def commit(self, record: Record, case: Case) -> None:
        """Keep a finished case, wholly or not at all, and drop the journal of its key.

        It replaces an earlier failure of the same key; raw arrays of the same key stay, they are never computed twice.
        """
        case_digest = case.digest()
        fields = schema.provenance_fields(record.provenance)
        with self._atomic():
            execute = self._connection.execute
            if not execute("SELECT 1 FROM cases WHERE digest = ?", (case_digest,)).fetchone():
                content = schema.case_to_blob(case)
                execute("INSERT INTO cases VALUES (?, ?, ?, ?)", (case_digest, case.benchmark, case.id, content))
            provenance = self._provenance_id(fields)
            execute(_INSERT, schema.record_to_row(record, case_digest, provenance))
            execute("DELETE FROM journal WHERE key = ?", (record.key,))

    def journal_put(self, key: str, number: int, question_digest: str, answer: bytes) -> None:
        """Keep an answer until the record of its key is committed, in place of an earlier one of the same number."""
        with self._atomic():
            self._connection.execute(
                "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", (key, number, question_digest, answer)
            )

    # -- inside

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._guard():
            return self._connection.execute(query, values).fetchall()

    def _entries(self, keys: list[str], provenances: dict[int, Provenance]) -> list[tuple[Record, str]]:
        columns, marks = ", ".join(schema.COLUMNS), ", ".join("?" * len(keys))
        rows = self._all(f"SELECT {columns} FROM records WHERE key IN ({marks}) ORDER BY key", tuple(keys))
        if any(row[6] not in provenances for row in rows):
            found = self._all("SELECT id, fields FROM provenance")
            with self._guard():
                for number, fields in found:
                    provenances[number] = schema.fields_to_provenance(schema.from_blob(fields))
        with self._guard():
            return [(schema.row_to_record(row, provenances[row[6]]), row[5]) for row in rows]

    def _provenance_id(self, fields: dict[str, Any]) -> int:
        name = digest(fields)
        row = self._connection.execute("SELECT id FROM provenance WHERE digest = ?", (name,)).fetchone()
        if row:
            return int(row[0])
        added = self._connection.execute(
            "INSERT INTO provenance (digest, fields) VALUES (?, ?)", (name, schema.to_blob(fields))
        )
        return cast(int, added.lastrowid)

    def _begin(self) -> None:
        if not self._lock:
            raise TypeError("a store opened with Store.open cannot be written to; use Store.writer")
        self._connection.execute("BEGIN IMMEDIATE")

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        """All or nothing, alone or inside :meth:`transaction`."""
        execute = self._connection.execute
        with self._guard():
            nested = self._connection.in_transaction
            if nested:
                execute("SAVEPOINT one")
            else:
                self._begin()
            try:
                yield
                execute("RELEASE one" if nested else "COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    execute("ROLLBACK TO one" if nested else "ROLLBACK")
                raise

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turn what SQLite and the decoder say into a line; check a file that was opened as immutable."""
        try:
            yield
            changed = self._state is not None and file_state(self._path) != self._state
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
        except zlib.error as error:
            raise damaged(self._path, str(error)) from error
        if changed:
            raise StoreError(f"{self._path} was changed while it was being read: do this again")
