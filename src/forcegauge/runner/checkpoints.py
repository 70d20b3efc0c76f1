"""The last states of long questions, on disk: a crash costs one slice, no more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forcegauge.encoding import pack, unpack
from forcegauge.potential import Question


class Checkpoints:
    """States by record key, question number and row; each belongs to one question and is refused to any other.

    Args:
        folder: holds a folder per record key while its case is in hand.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, key: str, number: int, row: int, question: Question, state: Mapping[str, Any]) -> None:
        """Keep a state; the earlier one stays whole until the new one is safe on the disk."""
        path = self._path(key, number, row)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as stream:
            stream.write(pack({"question": question.identity, "state": dict(state)}))
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)

    def load(self, key: str, number: int, row: int, question: Question) -> dict[str, Any] | None:
        """The last state of this very question, or None."""
        path = self._path(key, number, row)
        if not path.exists():
            return None
        kept = unpack(path.read_bytes())
        return dict(kept["state"]) if kept["question"] == question.identity else None

    def clear(self, key: str) -> None:
        """Forget a case whose record is committed."""
        if (self._folder / key).exists():
            shutil.rmtree(self._folder / key)

    def _path(self, key: str, number: int, row: int) -> Path:
        return self._folder / key / f"{number}-{row}.state"
