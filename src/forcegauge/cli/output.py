"""How every verb prints: a table for people, one JSON array of objects for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

_WIDTH_OF_FILES = 160
_NEVER_WRAPPED = 28  # characters; names and numbers stay whole, sentences may wrap

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON array of objects instead of a table.")]


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", empty: str = "nothing") -> None:
    """A table of rows with equal keys, or one JSON array of them (NaN becomes null); ``empty`` where there is none."""
    if as_json:
        sys.stdout.write(json.dumps([_plain(row) for row in rows], indent=1) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    if not rows:
        console.print(empty)
        return
    names = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    heading = Text(title, style="table.title") if title else None  # as text: a name may hold what looks like markup
    table = Table(title=heading, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in names:
        numeric = all(isinstance(row[name], int | float) for row in rows)
        short = all(len(_readable(row[name])) <= _NEVER_WRAPPED for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*(Text(_readable(row[name])) for name in names))
    console.print(table)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }


def _readable(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
