"""``forcegauge import``: records from files into a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forcegauge.errors import UnknownName

_FORMATS = ("forcegauge",)


def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Folder that 'forcegauge export' wrote.")],
    results: Annotated[Path, typer.Option(metavar="DIR", help="Results folder to write to; made where it is missing.")],
    form: Annotated[str, typer.Option("--format", help="What the files are: forcegauge.")] = "forcegauge",
) -> None:
    """Read records from files into a results folder, new or not.

    Files that are not as they were written are refused. Where a record is already there, raw arrays stay, raw arrays
    replace a failure, and the newer of two failures counts.

    [bold]Examples[/bold]

        forcegauge import exported --format forcegauge --results results

        forcegauge import from_a_colleague --results both
    """
    if form not in _FORMATS:
        raise UnknownName("import format", form, _FORMATS)
    from forcegauge.results.exchange import import_forcegauge

    merged = import_forcegauge(source, results)
    typer.echo(merged.describe(results))
