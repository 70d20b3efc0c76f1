"""``forcegauge run``: models, benchmarks, and where the records go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forcegauge.cli.output import JsonOption, print_rows
from forcegauge.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from ase import Atoms

    from forcegauge.runner.run import RunOptions, Summary

_CalculatorsOption = Annotated[
    list[str] | None,
    typer.Option(help="Your own: [b]package.module:factory[/b] or [b]NAME=package.module:factory[/b]; repeatable."),
]
_SuiteOption = Annotated[
    str | None, typer.Option(help="A list of benchmarks with presets; [b]quick[/b] where nothing is named.")
]
_PresetOption = Annotated[
    str | None,
    typer.Option(help="smoke (seconds), quick (minutes, if nothing is said) or full (the paper)."),
]
_StructuresOption = Annotated[
    Path | None, typer.Option(help="Your own crystals or molecules, any file that ASE reads, as the cases.")
]
_ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="CPU threads per worker; the cores are shared out otherwise.")
]
_BudgetOption = Annotated[
    str | None, typer.Option(help="Time for everything, such as 30m: a stratified part of the cases that fits.")
]
_MemoryOption = Annotated[
    float | None, typer.Option(min=0.1, help="GB at which a worker is ended; a share of what is free otherwise.")
]

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def run(  # noqa: PLR0913, PLR0917 - typer reads the options off the signature
    results: Annotated[Path, typer.Option(help="Folder for the records; the same folder goes on where it stopped.")],
    models: Annotated[str, typer.Option(help="Names, separated by commas; see [b]forcegauge models list[/b].")] = "",
    calculator: _CalculatorsOption = None,
    benchmarks: Annotated[str, typer.Option(help="Names, separated by commas; see [b]benchmarks list[/b].")] = "",
    suite: _SuiteOption = None,
    preset: _PresetOption = None,
    mode: Annotated[str, typer.Option(help="Protocol: default, arena or sait.")] = "default",
    cases: Annotated[str, typer.Option(help="Only these case ids, separated by commas; BENCHMARK:ID if need be.")] = "",
    structures: _StructuresOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes per model.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="float32 or float64, where the model can; else its own.")] = None,
    threads: _ThreadsOption = None,
    timeout: Annotated[
        str, typer.Option(help="Worker time that one question, or each relaxed structure, may take: 90s, 10m ...")
    ] = "10m",
    retries: Annotated[int, typer.Option(min=0, help="How often a question that killed its worker is put again.")] = 1,
    budget: _BudgetOption = None,
    shard: Annotated[str | None, typer.Option(help="i/n: part i of n of the cases; join the stores by merge.")] = None,
    python: Annotated[Path | None, typer.Option(help="Run the models in this interpreter, not in ours.")] = None,
    max_memory: _MemoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask models the questions of benchmarks and keep every answer.

    What is finished is never computed again: after Ctrl-C, a crash or a power cut, the same command goes on.

    [b]Examples[/b]

    forcegauge run --models chgnet,sevennet-0 --suite quick --results results

    forcegauge run --models chgnet --benchmarks energy-volume --structures my.xyz --results mine

    forcegauge run --calculator mine=my_package.potentials:load --suite smoke --results mine --budget 30m
    """
    from forcegauge.benchmarks.base import MODES
    from forcegauge.runner.prepare import Resources
    from forcegauge.runner.progress import reporter
    from forcegauge.runner.run import RunOptions
    from forcegauge.runner.run import run as run_all

    if mode not in MODES:
        raise UnknownName("mode", mode, MODES)
    if dtype not in (None, "float32", "float64"):
        raise BadInput(f"--dtype {dtype}: give float32 or float64")
    options = RunOptions(
        results=results,
        models=_names("--models", models),
        calculators=_calculators(calculator or []),
        benchmarks=_names("--benchmarks", benchmarks),
        suite=suite,
        preset=preset,
        mode=mode,
        cases=_names("--cases", cases),
        structures=None if structures is None else read_structures(structures),
        resources=Resources(workers, device, dtype, threads, python, max_memory),
        timeout_s=seconds("--timeout", timeout),
        retries=retries,
        budget_s=None if budget is None else seconds("--budget", budget),
        shard=None if shard is None else parse_shard(shard),
    )
    _run(options, run_all, reporter(), as_json=as_json)


def _run(options: RunOptions, run_all: Any, reporter: Any, *, as_json: bool) -> None:
    import signal

    # A batch system's SIGTERM ends a run as Ctrl-C does: workers stopped, finished cases kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary: Summary = run_all(options, reporter)
    finally:
        reporter.close()
    print_rows(summary.rows, as_json=as_json, title=f"{options.results}: {summary.seconds:.0f} s")
    for line in summary.stopped:
        typer.echo(f"forcegauge: {line}", err=True)
    if not as_json:
        typer.echo(f"next: forcegauge report {options.results} --output report.html")
    if summary.stopped:
        raise typer.Exit(1)


def seconds(option: str, text: str) -> float:
    """A duration such as ``90s``, ``30m``, ``1.5h`` or ``2h30m`` in seconds; a bare number means seconds."""
    pieces = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower())
    rebuilt = "".join(number + unit for number, unit in pieces)
    total = sum(float(number) * _SECONDS[unit or "s"] for number, unit in pieces)
    if not pieces or rebuilt != text.replace(" ", "").lower() or total <= 0:
        raise BadInput(f"{option} {text}: give a duration above zero such as 90s, 30m or 1.5h")
    return total


def parse_shard(text: str) -> tuple[int, int]:
    """``i/n`` with 1 <= i <= n."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise BadInput(f"--shard {text}: give i/n with i from 1 to n, such as 2/8")
    return int(match[1]), int(match[2])


def read_structures(path: Path) -> list[tuple[str, Atoms]]:
    """Structures of a file, each with a name."""
    from ase.io import read

    from forcegauge.runner.run import named_structures

    if not path.exists():
        raise BadInput(f"--structures {path}: there is no such file")
    try:
        found = read(path, index=":")
    except Exception as error:  # whatever a format's reader raises means the same to the user
        raise BadInput(
            f"--structures {path}: ASE cannot read it ({error}); give extended XYZ, CIF, POSCAR..."
        ) from None
    if not found:
        raise BadInput(f"--structures {path}: the file holds no structure")
    return named_structures(found)


def _names(option: str, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if text and not names:
        raise BadInput(f"{option} {text}: give names separated by commas")
    return names


def _calculators(texts: list[str]) -> dict[str, str]:
    """Target by name; a target without a name is its own."""
    named: dict[str, str] = {}
    for text in texts:
        name, equals, target = text.partition("=")
        if name in named:
            raise BadInput(f"--calculator {text}: two calculators are called {name}")
        named[name] = target if equals else text
    return named
