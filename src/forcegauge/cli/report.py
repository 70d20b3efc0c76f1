"""``forcegauge report``: one page to read, keep and send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The HTML file to write; replaced if it exists.")
    ] = Path("report.html"),
    mode: Annotated[str, typer.Option(help="Formulas and settings: default, arena or sait.")] = "default",
) -> None:
    """Write the report: one HTML file that needs no network and nothing beside it.

    It holds the leaderboard, a section per benchmark with metrics, intervals, curves of every case and, where cases
    are elements, a periodic table; the failures with their reasons; and where every number comes from. It can be
    written while a run is going: cases that are not finished yet are said to be pending.

    [bold]Examples[/bold]

        forcegauge report results

        forcegauge report results --output chgnet-sevennet.html --mode arena
    """
    from forcegauge.report import write_report

    written = write_report(results, output, mode)  # type: ignore[arg-type]  # the callee checks the mode
    typer.echo(f"{written} ({written.stat().st_size / 1e6:.1f} MB): open it in any browser, no network needed")
