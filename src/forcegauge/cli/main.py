"""The command ``forcegauge``: verbs, and the one place where an error becomes a line and an exit code.

Verb modules import nothing heavy at their top, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from forcegauge.errors import ForceGaugeError
from forcegauge.version import __version__

app = typer.Typer(
    name="forcegauge",
    help="Measure machine-learning force fields: by the physics they must obey, with an interval on every number.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"forcegauge {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options that every verb shares."""


def main() -> None:
    """Run the command line; exit code 2 and one line for what the user can mend, 130 after Ctrl-C."""
    try:
        app()
    except ForceGaugeError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"forcegauge: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("forcegauge: interrupted; finished cases are kept, the same command goes on from here", err=True)
        sys.exit(130)
