"""``forcegauge rank``: the models in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from forcegauge.cli.output import JsonOption, print_rows


def rank(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    mode: Annotated[str, typer.Option(help="Formulas and settings: default, arena or sait.")] = "default",
    variant: Annotated[
        str, typer.Option(help="Of mode arena: 'ranks', or 'argsort' as the published table of diatomics has them.")
    ] = "ranks",
    as_json: JsonOption = False,
) -> None:
    """Rank the models of a results folder.

    A metric's anchors turn its value into a level from 0 (useless) to 1 (fit for use). A benchmark's score is the mean
    level of its metrics times the share of cases answered, a theme's the mean of its benchmarks, the overall one that
    of the themes: no other model has a part in it. Places are over the cases that all models were asked. best and
    worst are the places that doubt leaves open, all models together at 95 %; in one group nobody is better than its
    first beyond doubt; chance is that of being the best; times_to_decide is how many times the cases would tell a
    model from the next better one. What is of another level of theory than the reference is not scored, and who was
    not asked everything has no place.

    In mode arena the places are summed over the metrics of a task and then over the tasks, as published.

    In mode sait the imported indicator tables are scored as published (0 to 1 by fixed thresholds, a missing value 0),
    summed into static (V0, B0) and dynamic (RDF, ADF) parts, and their correlations over the models are given.

    [bold]Examples[/bold]

        forcegauge rank results

        forcegauge rank results --json
    """
    from forcegauge import scoring
    from forcegauge.errors import BadInput, UnknownName

    if variant not in (variants := ("ranks", "argsort")):
        raise UnknownName("variant of mode arena", variant, variants)
    if variant != "ranks" and mode != "arena":
        raise BadInput(
            f"--variant {variant} belongs to --mode arena, not to mode {mode}: leave it out, or add that mode"
        )
    if mode == "sait":
        _print_indicators(results, as_json=as_json)
        return
    analysed = scoring.analyse(results, mode)  # type: ignore[arg-type]  # the callee checks the mode
    rows: Sequence[Mapping[str, Any]] = (
        [one.row() for one in scoring.arena_ranks(analysed, variant)]  # type: ignore[arg-type]  # checked above
        if mode == "arena"
        else scoring.rank(analysed).rows()
    )
    print_rows(rows, as_json=as_json, title=f"Ranks, mode {mode}", empty="no models")
    for result in analysed:
        for note in result.notes:
            typer.echo(f"{result.benchmark.name}: {note}", err=True)


def _print_indicators(results: Path, *, as_json: bool) -> None:
    """The published order of imported indicator tables, and for people how the sums go together."""
    from forcegauge.scoring.sait import indicator_boards

    boards = indicator_boards(results)
    print_rows([row for board in boards for row in board.rows()], as_json=as_json, title="Indicator scores, mode sait")
    if not as_json:
        rows = [row for board in boards for row in board.correlation_rows()]
        print_rows(rows, as_json=False, title="Pearson correlation over the models")
