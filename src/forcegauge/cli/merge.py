"""``forcegauge merge``: several results folders into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Results folders; they stay as they are.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Results folder to write to; what it holds counts too.")],
) -> None:
    """Unite results folders, such as the shards of one run: what one has and the others lack comes together.

    Where two answer the same question, raw arrays beat a failure, a final failure beats one that would be tried again,
    and else the newer counts. Different raw arrays for the same question are reported, and the first kept.

    [bold]Examples[/bold]

        forcegauge merge shard1 shard2 shard3 --to results
    """
    from forcegauge.results.merge import merge as merge_stores

    typer.echo(merge_stores(folders, to).describe(to))
