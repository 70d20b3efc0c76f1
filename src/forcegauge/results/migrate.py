"""Stores of older schemas, brought up to date one version at a time.

A writer migrates the file itself, in one transaction under its lock. A reader, which may not write, migrates a
temporary copy and reads that; so every old store still loads, from a read-only folder too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from forcegauge.errors import NewerSchema, StoreError
from forcegauge.results.schema import SCHEMA_VERSION


def _to_2(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE records ADD COLUMN atom_evaluations INTEGER NOT NULL DEFAULT 0")
    # written out, not taken from the present schema: a later version may change it
    connection.execute("""CREATE TABLE published (
        model TEXT NOT NULL, benchmark TEXT NOT NULL, metric TEXT NOT NULL, value REAL, low REAL, high REAL, std REAL,
        unit TEXT NOT NULL, n_cases INTEGER NOT NULL, n_missing INTEGER NOT NULL, source TEXT NOT NULL,
        sha256 TEXT NOT NULL, PRIMARY KEY (model, benchmark, metric, source)
    )""")


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _to_2}
"""By version, the step to the next one: it changes tables and rows, and neither begins nor ends a transaction."""


def is_current(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the schema is the one of this ForceGauge; raises NewerSchema where it is newer."""
    found = _version(connection)
    if found > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path} has schema {found}, this ForceGauge reads up to schema {SCHEMA_VERSION}: upgrade ForceGauge "
            "(pip install --upgrade forcegauge)"
        )
    return found == SCHEMA_VERSION


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a store to the current schema: wholly, or not at all where a step fails."""
    if is_current(connection, path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(_version(connection), SCHEMA_VERSION):
            if version not in MIGRATIONS:
                raise StoreError(
                    f"{path} has schema {version}, which this ForceGauge can no longer bring to schema "
                    f"{SCHEMA_VERSION}: export it with the version that wrote it, then import the export"
                )
            MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def migrated_copy(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A temporary, up-to-date copy of an older store, gone when closed; the connection given is closed."""
    copy = sqlite3.connect("", isolation_level=None)  # the empty name: on disk where large, unlinked by SQLite
    try:
        connection.backup(copy)
        migrate(copy, path)
    except BaseException:
        copy.close()
        raise
    finally:
        connection.close()
    return copy


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
