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

    A metric's anchors turn its value into a level from 0 (useless) to 1 (fit for use). A benchmark's score is the mean
    level of its metrics times the share of cases answered, a theme's the mean of its benchmarks, the overall one that
    of the themes: no other model has a part in it. best and worst are the places that doubt leaves open, all models
    together at 95 %; in one group nobody is better than its first beyond doubt; chance is that of being the best.
    What is of another level of theory than the reference is not scored, and who was not asked everything has no place.

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
