"""How ``records.sqlite`` is opened: for writing, for reading beside a writer, or from a folder nobody may write to.

- A writer uses a write-ahead log, so readers and writer never wait for each other. Such a log needs memory shared
  between processes, which network file systems do not offer across hosts; there a rollback journal is used.
- A reader opens the file like a writer, but may only query. It could be the one that recovers the log of a killed
  writer, and the last one to close removes the log's files again.
- In a folder that cannot be written to, SQLite can neither make nor recover a log. Where there is none to recover,
  the file is opened as immutable, and each read checks that it has not changed since.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from forcegauge.errors import StoreError, StoreInUse
from forcegauge.results.lock import cannot_write
from forcegauge.results.migrate import is_current, migrate, migrated_copy
from forcegauge.results.schema import APPLICATION_ID, create_tables

DATABASE = "records.sqlite"

_WAIT_S = 600.0  # only with a rollback journal does one process wait for another, a writer for an export at most
_MAGIC = b"SQLite format 3\0"
_NETWORK = {
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs", "gfs2", "glusterfs", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs",
}  # fmt: skip


def connect_writer(folder: Path) -> sqlite3.Connection:
    """The database of a folder whose lock is held, made if there is none, brought to the current schema.

    Raises StoreError where it is damaged, foreign or not writable, NewerSchema where it is newer.
    """
    path = folder / DATABASE
    if not path.exists():
        _create(path)
    connection = sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None, timeout=_WAIT_S)
    try:
        _check(connection, path)
        if is_on_network(folder):
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may undo the last commits, never damage
        connection.execute("BEGIN IMMEDIATE")  # a file without write permission fails here, not at the first record
        connection.execute("ROLLBACK")
        migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(folder: Path) -> tuple[sqlite3.Connection, tuple[int, ...] | None]:
    """The database for queries, and its state if it was opened as immutable (see :func:`file_state`).

    Raises StoreError where there is none, or it is damaged or foreign, NewerSchema where it is newer.
    """
    path = folder / DATABASE
    if not path.exists():
        what = f"no file {DATABASE} in {folder}" if folder.is_dir() else f"no results folder {folder}"
        if folder.is_file():
            raise StoreError(f"{folder} is a file: give the results folder that holds {DATABASE}")
        raise StoreError(f"{what}: make one with `forcegauge run --results {folder}`, or check the path")
    state = None
    try:
        try:
            connection = _query_only(path, "rw")
        except sqlite3.OperationalError as error:
            if not _is_unwritable(error) or _has_log(path):
                raise
            state = file_state(path)
            connection = _query_only(path, "ro&immutable=1")
        try:
            if is_current(connection, path):
                return connection, state
        except BaseException:
            connection.close()
            raise
        return migrated_copy(connection, path), None
    except sqlite3.DatabaseError as error:
        raise explained(error, path) from error


def file_state(path: Path) -> tuple[int, ...]:
    """Changes when the file does: inode, size and time of change."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def explained(error: sqlite3.Error, path: Path) -> Exception:
    """The line for an error of SQLite; the error itself where no user could mend it."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_NOTADB") and not _begins_like_sqlite(path):
        return StoreError(f"{path} is not a ForceGauge store (no SQLite database): give the folder of a run")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damaged(path, str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreInUse(f"{path} is locked by another program: close it there, then do this again")
    line = ""
    if name.startswith("SQLITE_FULL"):
        line = f"no space left for {path}: free some, then do this again; finished cases are kept"
    elif _is_unwritable(error) and _has_log(path):
        line = (
            f"{path} has a log of an unfinished run beside it, but {path.parent} cannot be written to: copy the "
            "folder to a writable place, and read it there"
        )
    elif _is_unwritable(error) or name.startswith(("SQLITE_IOERR", "SQLITE_PERM")):
        line = f"cannot use {path} ({error}): check its permissions and its disk"
    return StoreError(line) if line else error


def damaged(path: Path, reason: str) -> StoreError:
    """The line for a store that cannot be read any more."""
    return StoreError(
        f"{path} is damaged ({reason}): restore it from a copy or an export, or move it away and run again"
    )


def is_on_network(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether a folder is on a file system that other hosts may write to; False where the system does not say."""
    where = folder.resolve()
    kind, longest = "", -1
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    for line in lines:
        point = Path(_unescaped(line.split()[1]))
        if len(point.parts) >= longest and where.is_relative_to(point):  # a later mount hides an earlier one
            kind, longest = line.split()[2], len(point.parts)
    return kind in _NETWORK or kind.startswith("fuse.")


def _create(path: Path) -> None:
    """A complete, empty store under its name, or nothing: never a half-made one."""
    for suffix in ("-wal", "-journal"):
        if path.with_name(path.name + suffix).exists():
            raise StoreError(
                f"{path}{suffix} belongs to a database that is no longer there: move {path.name} back beside it, or "
                f"move {path.name}{suffix} away"
            )
    new = path.with_name(path.name + ".new")
    try:
        new.unlink(missing_ok=True)
        connection = sqlite3.connect(new, isolation_level=None)
        try:
            create_tables(connection)
        finally:
            connection.close()
        new.rename(path)
    except sqlite3.DatabaseError as error:
        raise explained(error, path) from error
    except OSError as error:
        raise cannot_write(path.parent, error) from error


def _query_only(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(_uri(path, mode), uri=True, isolation_level=None, timeout=_WAIT_S)
    try:
        _check(connection, path)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where the file is foreign or too short; one read transaction, so a writer at work does not disturb it."""
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        size, log = path.stat().st_size, path.with_name(path.name + "-wal")
        if size == 0:
            raise damaged(path, "it is empty")
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(f"{path} is not a ForceGauge store (a database of another program): give a run's folder")
        pages, page_size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        # SQLite notices missing pages but reads a torn last one as zeros; with a log, pages may be only in there
        if size < pages * page_size and not (log.exists() and log.stat().st_size):
            raise damaged(path, f"it has {size} of {pages * page_size} bytes")
    finally:
        connection.rollback()


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _is_unwritable(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))


def _has_log(path: Path) -> bool:
    logs = (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal"))
    return any(log.exists() and log.stat().st_size for log in logs)


def _begins_like_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _unescaped(name: str) -> str:
    # the kernel writes a space, tab, newline or backslash of a mount point as three octal digits
    return os.fsdecode(os.fsencode(name).decode("unicode_escape").encode("latin-1"))
