"""``forcegauge status``: how far a results folder is, what failed and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forcegauge.cli.output import JsonOption, print_rows


def status(
    results: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder that 'forcegauge run' wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Show how far a results folder is: cases finished, failed and left, by model and benchmark.

    It reads beside a run that is going, and from folders that cannot be written to. planned = finished + failed +
    unsupported + left: unsupported cases hold an element that the model was not made for, failed ones failed for
    another reason, left ones have no answer yet. Of the failed, to_retry are tried again by the next run (a crash, a
    timeout...); the others are answers (a value that is not finite, say) and count as such.

    [bold]Examples[/bold]

        forcegauge status results

        forcegauge status results --json
    """
    from forcegauge.results.progress import progress
    from forcegauge.results.store import Store

    with Store.open(results) as store:
        found = progress(store)
    rows = [
        {
            "model": one.model,
            "benchmark": one.benchmark,
            "planned": one.planned,
            "finished": one.finished,
            "failed": one.failed,
            "unsupported": one.unsupported,
            "left": one.left,
            "percent": round(one.percent, 1),
            "to_retry": one.to_retry,
            "failures": one.failures if as_json else ", ".join(f"{n} {kind}" for kind, n in one.failures.items()),
        }
        for one in found
    ]
    print_rows(rows, as_json=as_json, title=str(results), empty="nothing planned yet")
