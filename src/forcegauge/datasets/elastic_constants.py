"""Published elastic constants of some built-in crystals: numbers with their source, no third party's file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("elastic_constants.toml")


@dataclass(frozen=True)
class Published:
    """What was published of one crystal.

    Args:
        kind: ``PBE`` or ``experiment``.
        source: what to cite.
        values: GPa: the independent constants of a cubic (C11, C12, C44) or hexagonal crystal (C13 and C33 besides),
            or the averages K and G of Voigt, Reuss and Hill.
    """

    kind: str
    source: str
    values: Mapping[str, float]


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """The file as it stands: by source its ``kind``, what to cite and the ``crystals``."""
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


@cache
def published() -> Mapping[str, Published]:
    """By the name of the built-in crystal."""
    return {
        name: Published(source["kind"], source["source"], {key: value for key, value in row.items() if key != "id"})
        for source in table().values()
        for name, row in source["crystals"].items()
    }
