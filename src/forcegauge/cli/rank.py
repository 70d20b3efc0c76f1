"""``forcegauge rank``: the models in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forcegauge.cli.output import JsonOption, print_rows


def rank(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    mode: Annotated[str, typer.Option(help="Formulas and settings: default, arena or sait.")] = "default",
    as_json: JsonOption = False,
) -> None:
    """Rank the models of a results folder.

    In each benchmark the models get a place per metric, coverage included; the sum of places orders them. The overall
    order is by the mean of the places in the benchmarks, each of equal weight. Equals share the better place; who has
    no value of a metric, or no record of a benchmark, comes last there.

    [bold]Examples[/bold]

        forcegauge rank results

        forcegauge rank results --json
    """
    from forcegauge import scoring

    analysed = scoring.analyse(results, mode)  # type: ignore[arg-type]  # the callee checks the mode
    print_rows(scoring.rank(analysed).rows(), as_json=as_json, title=f"Ranks, mode {mode}", empty="no models")
    for result in analysed:
        for note in result.notes:
            typer.echo(f"{result.benchmark.name}: {note}", err=True)
