"""The periodic table of the page: where each element stands, its colour and size, and how a model answers for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors

from forcegauge.errors import Failure
from forcegauge.scoring import BenchmarkResult

ANSWERED, FAILED, UNSUPPORTED, NOT_ASKED = "afu-"
"""One letter per outcome, as the browser reads them."""


def periodic_table() -> list[dict[str, Any]]:
    """Symbol, row and column of the 118 elements, lanthanides and actinides in two rows below."""
    noble = (0, 2, 10, 18, 36, 54, 86, 118)
    cells = []
    for z in range(1, 119):
        period = next(row for row, last in enumerate(noble) if z <= last)
        at, from_end = z - noble[period - 1], noble[period] - z
        row, column = period, 18 - from_end
        if at <= (1 if period == 1 else 2):
            column = at
        elif period >= 6 and at <= 17:
            row, column = period + 3, at
        cells.append({"symbol": chemical_symbols[z], "z": z, "row": row, "column": column})
    return cells


def drawing_data() -> dict[str, list[Any]]:
    """By atomic number from 0: symbol, covalent radius in Å, and Jmol's colour as a hexadecimal triple."""
    colours = ["".join(f"{round(255 * part):02x}" for part in rgb) for rgb in jmol_colors]
    last = len(covalent_radii)
    return {
        "symbols": chemical_symbols[:last],
        "radii": [round(float(radius), 2) for radius in covalent_radii],
        "colours": [colours[min(z, len(colours) - 1)] for z in range(last)],
    }


def system(result: BenchmarkResult, case: str) -> str:
    """The elements of a case as sorted symbols joined by dashes; empty where it has none."""
    asked = result.cases.get(case)
    if asked is not None and asked.elements:
        return "-".join(sorted(chemical_symbols[z] for z in asked.elements))
    return result.systems.get(case) or (case if atomic_numbers.get(case) else "")


def outcome_letter(outcome: object) -> str:
    """``a`` answered, ``f`` failed, ``u`` for an element that the model was not made for, ``-`` not asked."""
    if outcome is None:
        return NOT_ASKED
    if not isinstance(outcome, Failure):
        return ANSWERED
    return UNSUPPORTED if outcome.kind == "unsupported_element" else FAILED


def coverage(results: Iterable[BenchmarkResult], model: str) -> Mapping[str, list[int]]:
    """By symbol: how many cases with the element were answered, failed, and were refused as not supported."""
    counts: Counter[tuple[str, str]] = Counter()
    for result in results:
        outcomes = result.analysis.outcomes.get(model, {}) if result.analysis else {}
        for case, outcome in outcomes.items():
            letter = outcome_letter(outcome)
            counts.update((symbol, letter) for symbol in system(result, case).split("-") if symbol)
    symbols = {symbol for symbol, _ in counts}
    return {symbol: [counts[symbol, letter] for letter in (ANSWERED, FAILED, UNSUPPORTED)] for symbol in symbols}
