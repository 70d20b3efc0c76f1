"""``forcegauge import``: records from files into a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forcegauge.errors import BadInput, UnknownName

_OWN = "forcegauge"


def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What is read; of --format forcegauge a folder.")],
    results: Annotated[Path, typer.Option(metavar="DIR", help="Results folder to write to; made where it is missing.")],
    form: Annotated[
        str,
        typer.Option("--format", help="forcegauge, arena-ev, arena-eos, arena-diatomics, matbench or sait-indicators."),
    ] = _OWN,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Curves: the name they get. Tables: the one model to take, else all.")
    ] = "",
) -> None:
    """Read records from files into a results folder, new or not.

    What 'forcegauge export' wrote comes back without loss. Where a record is already there, raw arrays stay, raw arrays
    replace a failure, and the newer of two failures counts.

    Of what others have published, curves become records, which are analysed, ranked and plotted beside your own; bare
    numbers are shown by 'analyse', marked with their source. A file comes in whole or not at all, and importing it
    again changes nothing.

    [bold]Examples[/bold]

        forcegauge import exported --results both

        forcegauge import CHGNet.parquet --format arena-ev --model chgnet-published --results results

        forcegauge import metrics.csv --format matbench --results results
    """
    from forcegauge.scoring.imports import FORMATS, import_published

    if form == _OWN:
        from forcegauge.results.exchange import import_forcegauge

        if model:
            raise BadInput("an export has its models' names: leave --model out, or name another --format")
        merged = import_forcegauge(source, results)
    elif form in FORMATS:
        merged = import_published(source, form, results, model)
    else:
        raise UnknownName("import format", form, (_OWN, *FORMATS))
    typer.echo(merged.describe(results))
