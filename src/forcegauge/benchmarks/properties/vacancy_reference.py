"""The published table that the benchmark ``vacancy`` compares with, read by one stated rule.

Potentials are trained on spin-polarised calculations, so where an element has a row with spin that row is the
reference. Rows that the table gives only without spin for an element whose spin matters, or that cannot be right, are
no reference; ``not_compared`` in the file names them with the reason. Noble gases are no cases: PBE does not bind them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from forcegauge.benchmarks.properties.vacancy_cells import HOPS

NOBLE_GASES = ("He", "Ne", "Ar", "Kr", "Xe")
_WITH_SPIN = "_mag"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        volume: Å³ per atom.
        formation: of a vacancy, eV; NaN where the table has none.
        barriers: by hop, eV, likewise.
    """

    volume: float
    formation: float
    barriers: Mapping[str, float]


@cache
def table() -> dict[str, tuple[Row, ...]]:
    """Rows by case id, such as ``Al-fcc``; the one with spin first where there are two."""
    fields = _file()
    found: dict[str, list[Row]] = {}
    for lattice, hops in HOPS.items():
        for name, (volume, formation, *barriers) in fields[lattice].items():
            symbol = name.removesuffix(_WITH_SPIN)
            rows = found.setdefault(f"{symbol}-{lattice}", [])
            row = Row(volume, formation, dict(zip(hops, barriers, strict=True)))
            rows.insert(0 if name.endswith(_WITH_SPIN) else len(rows), row)
    return {case_id: tuple(rows) for case_id, rows in found.items() if case_id.split("-")[0] not in NOBLE_GASES}


@cache
def not_compared() -> dict[str, str]:
    """Why a row is no reference, by case id."""
    return {case_id: str(reason) for case_id, reason in _file()["not_compared"].items()}


def reference(case_id: str) -> Row | None:
    """What a case is compared with; None for a row that is no reference, and for a user's own crystal."""
    return None if case_id in not_compared() or case_id not in table() else table()[case_id][0]


def hops_known(case_id: str) -> bool:
    """Whether the table has any barrier of that crystal."""
    return any(np.isfinite(value) for row in table()[case_id] for value in row.barriers.values())


def _file() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "vacancy_table.toml").read_text(encoding="utf-8"))
