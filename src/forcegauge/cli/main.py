"""The command ``forcegauge``: verbs, and the one place where an error becomes a line and an exit code.

Verb modules import nothing heavy at their top, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from forcegauge.cli import (
    analyse,
    benchmarks,
    compare,
    data,
    export,
    import_,
    merge,
    models,
    rank,
    report,
    run,
    status,
)
from forcegauge.errors import ForceGaugeError
from forcegauge.version import __version__

# Typer exports only this subclass of the errors of its parser.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

_INTERRUPTED = 130

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


app.add_typer(models.app, name="models")
app.add_typer(benchmarks.app, name="benchmarks")
app.add_typer(data.app, name="data")
app.command()(run.run)
app.command()(status.status)
app.command()(analyse.analyse)
app.command()(rank.rank)
app.command()(compare.compare)
app.command()(report.report)
app.command()(merge.merge)
app.command()(export.export)
app.command("import")(import_.import_)


def main() -> None:
    """Run the command line: one line and exit code 2 for what the user can mend, 130 after Ctrl-C."""
    code = _INTERRUPTED
    try:
        code = app(standalone_mode=False)  # typer turns Ctrl-C into this exit code
    except ForceGaugeError as error:
        if "--debug" in sys.argv:
            raise
        _complain(str(error), 2)
    except _USAGE_ERROR as error:
        _complain(_usage(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        pass
    if code == _INTERRUPTED:
        _complain("interrupted; finished cases are kept, the same command goes on from here", code)
    sys.exit(code)


def _usage(error: Any) -> str:
    """What the parser has to say, and where the allowed options are listed; nothing where it printed the help."""
    text = " ".join(str(error.format_message()).split())
    return f"{text} (see {error.ctx.command_path} --help)" if text and error.ctx else text


def _complain(text: str, code: int) -> NoReturn:
    if text:
        typer.echo(f"forcegauge: {text}", err=True)
    sys.exit(code)
