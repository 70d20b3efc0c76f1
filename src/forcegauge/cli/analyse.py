"""``forcegauge analyse``: every metric of every model with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forcegauge.cli.output import JsonOption, print_rows


def analyse(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    mode: Annotated[str, typer.Option(help="Formulas and settings: default, arena or sait.")] = "default",
    as_json: JsonOption = False,
) -> None:
    """Print the metrics of a results folder: value, 95 % interval, and how many cases stand behind it.

    Nothing is computed again: metrics are formulas on stored arrays, and may be asked for while a run is going.
    The interval is a bootstrap over cases (Wilson's for proportions); none is given below ten cases, or where all
    scores are equal and say nothing about their spread. n_cases counts what was asked, failures included;
    n_unsupported of them hold an element that the model was not made for, n_failed failed for another reason.
    What was left out, and why, goes to the standard error.

    [bold]Examples[/bold]

        forcegauge analyse results

        forcegauge analyse results --mode arena --json > metrics.json
    """
    from dataclasses import asdict

    from forcegauge import scoring

    analysed = scoring.analyse(results, mode)  # type: ignore[arg-type]  # the callee checks the mode
    columns = ("model", "benchmark", "metric", "value", "low", "high", "unit", "n_cases", "n_failed", "n_unsupported")
    rows = [{name: asdict(value)[name] for name in columns} for result in analysed for value in result.values]
    print_rows(rows, as_json=as_json, title=f"Metrics, mode {mode}", empty="no metrics")
    for result in analysed:
        for note in result.notes:
            typer.echo(f"{result.benchmark.name}: {note}", err=True)
