"""The tables of ``records.sqlite``, their version, and how a record becomes a row.

Arrays, structures and settings are stored as zlib-compressed :func:`forcegauge.encoding.pack` blobs, so nothing that
is read can execute. Text that cannot be UTF-8 (an odd file name in a traceback) is stored with backslash escapes.
"""

from __future__ import annotations

import math
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from forcegauge.encoding import pack, unpack
from forcegauge.records import Case, Failure, ModelIdentity, Provenance, PublishedMetric, Raw, Record
from forcegauge.structures import Structures

SCHEMA_VERSION = 2
"""Raised with every change of the tables; :mod:`.migrate` then gets a step from the version before."""

APPLICATION_ID = 0x46674761
"""Marks the file as ours in the header of the SQLite format ("FgGa" in ASCII)."""

# finished() and progress() read only the index, never a page that holds a blob
TABLES = """
CREATE TABLE provenance (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, fields BLOB NOT NULL);
CREATE TABLE cases (
    digest TEXT NOT NULL PRIMARY KEY, benchmark TEXT NOT NULL, case_id TEXT NOT NULL, content BLOB NOT NULL
);
CREATE TABLE protocols (
    benchmark TEXT NOT NULL, settings TEXT NOT NULL, run_version INTEGER NOT NULL, fields BLOB NOT NULL,
    PRIMARY KEY (benchmark, settings, run_version)
);
CREATE TABLE plan (
    key TEXT NOT NULL PRIMARY KEY, model TEXT NOT NULL, benchmark TEXT NOT NULL, case_id TEXT NOT NULL,
    settings TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE records (
    key TEXT NOT NULL PRIMARY KEY, model TEXT NOT NULL, benchmark TEXT NOT NULL, case_id TEXT NOT NULL,
    settings TEXT NOT NULL, "case" TEXT NOT NULL REFERENCES cases (digest),
    provenance INTEGER NOT NULL REFERENCES provenance (id), seed TEXT NOT NULL, run_version INTEGER NOT NULL,
    wall_s REAL, peak_memory_bytes INTEGER NOT NULL, finished_at REAL NOT NULL,
    kind TEXT, message TEXT, traceback TEXT, arrays BLOB, atom_evaluations INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE published (
    model TEXT NOT NULL, benchmark TEXT NOT NULL, metric TEXT NOT NULL, value REAL, low REAL, high REAL, std REAL,
    unit TEXT NOT NULL, n_cases INTEGER NOT NULL, n_missing INTEGER NOT NULL, source TEXT NOT NULL,
    sha256 TEXT NOT NULL, PRIMARY KEY (model, benchmark, metric, source)
);
CREATE INDEX states ON records (benchmark, model, kind, key);
CREATE TABLE journal (
    key TEXT NOT NULL, number INTEGER NOT NULL, question TEXT NOT NULL, answer BLOB NOT NULL, PRIMARY KEY (key, number)
);
"""

COLUMNS = (
    "key", "model", "benchmark", "case_id", "settings", '"case"', "provenance", "seed", "run_version", "wall_s",
    "peak_memory_bytes", "finished_at", "kind", "message", "traceback", "arrays", "atom_evaluations",
)  # fmt: skip
"""Of the table ``records``; ``kind`` is NULL for raw arrays, ``arrays`` for failures, ``wall_s`` for NaN."""

PUBLISHED_COLUMNS = tuple(field.name for field in fields(PublishedMetric))
"""Of the table ``published``; numbers are NULL for NaN."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database a store."""
    connection.executescript(TABLES)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def to_blob(value: Any) -> bytes:
    """A nested value with arrays, compressed."""
    return zlib.compress(pack(value), 1)  # physics compresses little; higher levels cost time and gain under 3 %


def from_blob(blob: bytes) -> Any:
    """What :func:`to_blob` was given."""
    return unpack(zlib.decompress(blob))


def record_to_row(record: Record, case: str, provenance: int) -> tuple[Any, ...]:
    """The values of :data:`COLUMNS`.

    Args:
        record: what to store.
        case: digest of its case.
        provenance: row id of its provenance.
    """
    outcome = record.outcome
    if isinstance(outcome, Failure):
        end: tuple[Any, ...] = (outcome.kind, _clean(outcome.message), _clean(outcome.traceback), None)
    else:
        end = (None, None, None, to_blob(dict(outcome.arrays)))
    return (
        record.key,
        record.model,
        record.benchmark,
        record.case_id,
        record.settings,
        case,
        provenance,
        str(int(record.seed)),  # as text, for a seed may have more bits than SQLite's integers
        int(record.run_version),
        float(record.wall_s),
        int(record.peak_memory_bytes),
        float(record.finished_at),
        *end,
        int(record.atom_evaluations),
    )


def row_to_record(row: tuple[Any, ...], provenance: Provenance) -> Record:
    """The record of a row of :data:`COLUMNS`; its arrays are read-only."""
    kind, message, traceback, arrays, atom_evaluations = row[12:]
    return Record(
        key=row[0],
        model=row[1],
        benchmark=row[2],
        case_id=row[3],
        settings=row[4],
        outcome=Raw(from_blob(arrays)) if kind is None else Failure(kind, message, traceback),
        provenance=provenance,
        seed=int(row[7]),
        run_version=row[8],
        wall_s=math.nan if row[9] is None else row[9],
        peak_memory_bytes=row[10],
        finished_at=row[11],
        atom_evaluations=atom_evaluations,
    )


def row_to_published(row: tuple[Any, ...]) -> PublishedMetric:
    """The metric of a row of :data:`PUBLISHED_COLUMNS`."""
    values: dict[str, Any] = {
        name: math.nan if value is None else value for name, value in zip(PUBLISHED_COLUMNS, row, strict=True)
    }
    return PublishedMetric(**values)


def case_to_blob(case: Case) -> bytes:
    """All of a case but its benchmark and id."""
    return to_blob(
        {
            "structures": case.structures.as_arrays(),
            "inputs": dict(case.inputs),
            "elements": sorted(int(number) for number in case.elements),
            "stratum": case.stratum,
        }
    )


def blob_to_case(benchmark: str, case_id: str, blob: bytes) -> Case:
    """The case that :func:`case_to_blob` described."""
    content = from_blob(blob)
    return Case(
        benchmark=benchmark,
        id=case_id,
        structures=Structures.from_arrays(content["structures"]),
        inputs=content["inputs"],
        elements=frozenset(content["elements"]),
        stratum=content["stratum"],
    )


def provenance_fields(provenance: Provenance) -> dict[str, Any]:
    """The fields by name, the model's identity as a mapping; what is hashed and stored."""
    model = {**vars(provenance.model), "options": dict(provenance.model.options)}
    speed = float(provenance.calibration_gflops)  # an integer would have another digest
    return {**vars(provenance), "calibration_gflops": speed, "packages": dict(provenance.packages), "model": model}


def fields_to_provenance(fields: Mapping[str, Any]) -> Provenance:
    """The provenance that :func:`provenance_fields` described."""
    return Provenance(**{**fields, "model": ModelIdentity(**fields["model"])})


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
