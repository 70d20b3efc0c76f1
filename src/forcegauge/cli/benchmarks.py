"""The verb ``benchmarks``: what questions there are, and what each one means."""

from __future__ import annotations

from typing import Annotated

import typer

from forcegauge.cli.output import JsonOption, print_rows

app = typer.Typer(help="List the benchmarks, or show one: question, protocol, presets, metrics.", no_args_is_help=True)


@app.command("list")
def list_benchmarks(as_json: JsonOption = False) -> None:
    """List every benchmark with its question, its presets and what a model must offer."""
    from forcegauge.benchmarks import registry

    rows = [
        {
            "name": benchmark.name,
            "theme": benchmark.theme,
            "question": benchmark.question,
            "presets": " ".join(benchmark.presets),
            "modes": " ".join(benchmark.modes),
            "needs": " ".join(benchmark.needs),
            "suites": " ".join(suite for suite, pairs in registry.SUITES.items() if benchmark.name in dict(pairs)),
        }
        for benchmark in map(registry.get, registry.names())
    ]
    brief = ("name", "question", "presets", "suites")
    print_rows(rows if as_json else [{key: row[key] for key in brief} for row in rows], as_json=as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A benchmark, such as diatomics.")], as_json: JsonOption = False
) -> None:
    """Show one benchmark: question, protocol, presets with their settings, metrics of every mode with their anchors."""
    from dataclasses import asdict

    from forcegauge.benchmarks import registry

    benchmark = registry.get(name)
    metrics = [{"mode": mode, **asdict(metric)} for mode, declared in benchmark.metrics.items() for metric in declared]
    presets = [{"preset": preset, **asdict(settings)} for preset, settings in benchmark.presets.items()]
    if as_json:
        card = {field: getattr(benchmark, field) for field in ("name", "theme", "title", "question", "protocol", "doc")}
        about = {"needs": benchmark.needs, "schema": dict(benchmark.schema), "run_version": benchmark.run_version}
        versions = {"analysis_version": benchmark.analysis_version, "presets": presets, "metrics": metrics}
        print_rows([{**card, **about, **versions}], as_json=True)
        return
    typer.echo(f"{benchmark.title}\n\n{benchmark.doc.strip()}\n\nProtocol: {benchmark.protocol}\n")
    print_rows(
        [
            {key: " ".join(value) if isinstance(value, tuple) else value for key, value in row.items()}
            for row in presets
        ],
        as_json=False,
        title="Presets",
    )
    shown = ("mode", "key", "unit", "direction", "ideal", "good", "bad", "aggregate")
    print_rows([{key: row[key] for key in shown} for row in metrics], as_json=False, title="Metrics")
