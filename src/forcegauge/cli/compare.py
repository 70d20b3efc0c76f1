"""``forcegauge compare``: one model against another, as a gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forcegauge.cli.output import JsonOption, print_rows


def compare(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    baseline: Annotated[str, typer.Option(help="The model that is known.")],
    candidate: Annotated[str, typer.Option(help="The model that is to be judged.")],
    fail_if_worse: Annotated[bool, typer.Option("--fail-if-worse", help="Exit 1 where any metric is worse.")] = False,
    mode: Annotated[str, typer.Option(help="Formulas and settings: default, arena or sait.")] = "default",
    margin: Annotated[
        float,
        typer.Option(help="Least effect that matters, as a share of the way from the bad anchor to the good one."),
    ] = 0.01,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a table for a pull request here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two models or checkpoints, metric by metric, over the cases that both were asked.

    A metric is better or worse where the interval of the paired difference excludes no effect, chance would do as much
    in less than 5 % of all such comparisons together, and the effect is not below the margin; else it is undecided,
    and n_to_decide says how many cases would settle an effect of this size.

    [bold]Examples[/bold]

        forcegauge compare results --baseline v1 --candidate v2

        forcegauge compare results --baseline v1 --candidate v2 --fail-if-worse --markdown summary.md
    """
    from dataclasses import asdict

    from forcegauge.errors import BadInput
    from forcegauge.scoring import analyse
    from forcegauge.scoring.compare import compare as compared
    from forcegauge.scoring.compare import left_out
    from forcegauge.scoring.compare import markdown as table

    analysed = analyse(results, mode)  # type: ignore[arg-type]  # the callee checks the mode
    rows = compared(analysed, baseline, candidate, margin=margin)
    if markdown is not None:
        try:
            markdown.write_text(table(rows, baseline, candidate), encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot write the table to {markdown}: {error.strerror}; choose another file") from None
    shown = sorted(rows, key=lambda row: ("worse", "better", "undecided").index(row.verdict))
    first = ("verdict", "benchmark", "metric")
    fields = [asdict(row) for row in shown]
    ordered = [{name: one[name] for name in (*first, *(key for key in one if key not in first))} for one in fields]
    print_rows(ordered, as_json=as_json, title=f"{candidate} against {baseline}")
    notes = [f"{result.benchmark.name}: {note}" for result in analysed for note in result.notes]
    for note in (*notes, *left_out(analysed, baseline, candidate)):
        typer.echo(note, err=True)
    worse = [f"{row.benchmark} {row.metric}" for row in rows if row.verdict == "worse"]
    if worse:
        typer.echo(f"{candidate} is worse than {baseline} in {', '.join(worse)}", err=True)
    if worse and fail_if_worse:
        raise typer.Exit(1)
