"""The last states of long questions, on disk: a crash costs one slice, no more."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forcegauge.encoding import pack, unpack
from forcegauge.potential import Question


class Checkpoints:
    """States by record key, question number and row; each belongs to one question and is refused to any other.

    Args:
        folder: holds a folder per record key while its case is in hand.
        spacing_s: how long a state is worth less than a write to the disk; slices may be shorter.
    """

    def __init__(self, folder: Path, spacing_s: float) -> None:
        self._folder = folder
        self._spacing_s = spacing_s
        self._kept_at: dict[Path, float] = {}

    def save(self, key: str, number: int, row: int, question: Question, state: Mapping[str, Any]) -> None:
        """Keep a state, unless the last is young; that stays whole until the new one is safe on the disk."""
        path = self._path(key, number, row)
        if time.monotonic() - self._kept_at.get(path, -math.inf) < self._spacing_s:
            return
        self._kept_at[path] = time.monotonic()
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
        self._kept_at[path] = time.monotonic()
        if not path.exists():
            return None
        kept = unpack(path.read_bytes())
        return dict(kept["state"]) if kept["question"] == question.identity else None

    def clear(self, key: str) -> None:
        """Forget a case whose record is committed."""
        self._kept_at = {path: when for path, when in self._kept_at.items() if path.parent.name != key}
        if (self._folder / key).exists():
            shutil.rmtree(self._folder / key)

    def _path(self, key: str, number: int, row: int) -> Path:
        return self._folder / key / f"{number}-{row}.state"
