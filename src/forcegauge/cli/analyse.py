"""``forcegauge analyse``: every metric of every model with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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

    Numbers that others have published come last, as they were imported; the column published names the source.

    [bold]Examples[/bold]

        forcegauge analyse results

        forcegauge analyse results --mode arena --json > metrics.json
    """
    from dataclasses import asdict

    from forcegauge import scoring
    from forcegauge.results.store import Store
    from forcegauge.scoring import published

    with Store.open(results) as store, store.snapshot():
        others = published.rows(store)
        has_records = bool(store.benchmarks())
        analysed = scoring.analyse(store, mode) if has_records or not others else []  # type: ignore[arg-type]
    sources = {(result.benchmark.name, model): text for result in analysed for model, text in result.published.items()}
    found: list[dict[str, Any]] = [
        {**asdict(value), "published": sources.get((value.benchmark, value.model), "")}
        for result in analysed
        for value in result.values
    ]
    found += [{**asdict(one), "n_failed": one.n_missing, "n_unsupported": 0, "published": one.source} for one in others]
    columns = ["model", "benchmark", "metric", "value", "low", "high", "unit", "n_cases", "n_failed", "n_unsupported"]
    columns += ["published"] * any(row["published"] for row in found)
    rows = [
        {name: row[name].partition(",")[0] if name == "published" else row[name] for name in columns} for row in found
    ]
    print_rows(rows, as_json=as_json, title=f"Metrics, mode {mode}", empty="no metrics")
    for result in analysed:
        for note in result.notes:
            typer.echo(f"{result.benchmark.name}: {note}", err=True)
    for source in sorted({*sources.values(), *(one.source for one in others)}):
        typer.echo(f"published: {source}", err=True)
