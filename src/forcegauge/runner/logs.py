"""What models print, in one file per model that never grows beyond a few megabytes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

LOG_BYTES = 5_000_000
"""How much of a log is kept: its end."""

_TAIL_BYTES = 32_768
_LINE_CHARACTERS = 400


class Log:
    """A log file that a worker appends to and its coordinator keeps short.

    Args:
        path: of the file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._start = path.stat().st_size if path.exists() else 0

    def open(self) -> BinaryIO:
        """The file for a process that prints into it; what it appends later is always at the end."""
        return self.path.open("ab")

    def note(self, text: str) -> None:
        """Add a text of our own."""
        with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as stream:
            stream.write(text)

    def trim(self, *, fully: bool = False) -> None:
        """Keep the last LOG_BYTES of a file that has more than twice as many, or more than that where ``fully``.

        The file is cut in place, because a worker holds it open; what is printed in that very moment may be lost.
        """
        with contextlib.suppress(OSError):
            if self.path.stat().st_size <= (LOG_BYTES if fully else 2 * LOG_BYTES):
                return
            with self.path.open("r+b") as stream:
                stream.seek(-LOG_BYTES, 2)
                end = stream.read(LOG_BYTES)
                stream.truncate(0)
            with self.path.open("ab") as stream:
                stream.write(b"[earlier lines are cut]\n" + end[end.find(b"\n") + 1 :])
            self._start = 0

    def last_lines(self, count: int = 40) -> str:
        """The last lines that were written since this object was made, very long ones cut."""
        with contextlib.suppress(OSError), self.path.open("rb") as stream:
            size = self.path.stat().st_size
            start = self._start if self._start <= size else 0  # another coordinator has cut it meanwhile
            stream.seek(max(start, size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()[-count:]
            return "\n".join(line[:_LINE_CHARACTERS] for line in lines)
        return ""
