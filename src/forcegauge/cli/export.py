"""``forcegauge export``: a results folder as Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="New or empty folder, or an earlier export to replace.")],
) -> None:
    """Write all records to Parquet files, for pandas and for other machines.

    One file per benchmark (records/BENCHMARK.parquet), one row per record, arrays as lists beside their shapes; cases,
    settings, provenance and trajectories too, and a manifest with checksums. 'forcegauge import' makes the same
    results folder of it again, to the bit. Equal results give equal files.

    [bold]Examples[/bold]

        forcegauge export results --to exported
    """
    from forcegauge.results.exchange import export as write_export

    count = write_export(results, to)
    typer.echo(f"{count} records written to {to}")
