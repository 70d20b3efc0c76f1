"""One writer per results folder: an exclusive lock on a file that says who holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from pathlib import Path

from forcegauge.errors import StoreError, StoreInUse

LOCK_FILE = "writer.lock"


class WriterLock:
    """The right to write to a results folder, held until :meth:`release` or the end of the process, however it ends.

    Raises:
        StoreInUse: another process, or another store object of this one, holds it.
        StoreError: the folder cannot be written to, or its file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 200, 0).decode(errors="replace").strip()
            os.close(self._file)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise StoreInUse(
                    f"results folder {folder} is in use by {holder or 'another process'}: wait until it ends, or "
                    "write to another folder and merge the two"
                ) from error
            raise StoreError(
                f"the file system of {folder} cannot lock files ({error.strerror}): write to a local folder instead"
            ) from error
        # the file is never deleted: a lock on a deleted file would keep nobody out
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next writer in; harmless when done twice."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1


def cannot_write(folder: Path, error: OSError) -> StoreError:
    """The line for a folder that cannot be made or written to."""
    return StoreError(
        f"cannot write to results folder {folder} ({error.strerror}): choose another folder, or change its permissions"
    )
