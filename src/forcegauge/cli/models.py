"""The verb ``models``: which potentials there are, what is known of each, and the environments that they run in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forcegauge.cli.output import JsonOption, print_rows
from forcegauge.errors import ModelUnavailable

if TYPE_CHECKING:
    from forcegauge.models.registry import Entry

app = typer.Typer(
    help="List the potentials, read their cards, install, verify and remove their environments.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(help="A model's name, as `models list` gives it.")]
NamesArgument = Annotated[list[str], typer.Argument(help="Models' names, as `models list` gives them.")]


@app.command("list")
def list_models(
    everything: Annotated[bool, typer.Option("--all", help="Include the models that are broken on purpose.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Every potential: theory, elements, environment, whether that is installed, and what is known of the model here.

    Status: [b]verified here[/b], it has answered a force call in this environment; [b]loads[/b], it was started in it;
    [b]declared only[/b], its card is all there is so far.
    """
    from forcegauge.models import environments, registry
    from forcegauge.models.verification import status

    ready = {name: environments.find(name) is not None for name in environments.names()}
    rows = []
    for name in registry.names(hidden=everything):
        entry = registry.get(name)
        analytic = entry.environment == environments.CORE
        rows.append(
            {
                "model": name,
                "theory": entry.theory or ("analytic" if analytic else ""),
                "elements": entry.elements.partition(":")[0] or ("any" if analytic else ""),
                "environment": entry.environment,
                "installed": ready[entry.environment],
                "status": status(entry),
            }
        )
    print_rows(rows, as_json=as_json)


@app.command()
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """The card of one potential: weights, licences, training data, theory, energy reference, elements, paper."""
    from forcegauge.models import environments, registry

    entry = registry.get(name)
    card: dict[str, Any] = {**entry.as_dict(), "requirements": environments.requirements(entry.environment)}
    found = environments.find(entry.environment)
    card["folder"] = str(found.folder) if found and entry.environment != environments.CORE else None
    if as_json:
        print_rows([card], as_json=True)
        return
    rows = [
        {"field": key.replace("_", " "), "value": _readable(value)}
        for key, value in card.items()
        if value not in ("", None, 0, {}, [], ())
    ]
    print_rows(rows, as_json=False)


@app.command()
def install(names: NamesArgument, as_json: JsonOption = False) -> None:
    """Build the environments of these models, then ask each model for one force, so that installed means it works."""
    _install(names, as_json=as_json)


@app.command()
def verify(names: NamesArgument, as_json: JsonOption = False) -> None:
    """Check each model against its card: derivatives, symmetries, batches, cut-off, sizes, elements, energy reference.

    Runs the benchmark [b]conformance[/b] (quick) in the model's environment and keeps the records in the cache, so an
    unchanged model is not asked twice. Exit code 1 where a check fails.
    """
    from forcegauge.models import environments, registry

    entries = [registry.get(name) for name in names]  # every name is checked before anything is run
    for entry in entries:
        if environments.find(entry.environment) is None:
            raise ModelUnavailable(
                f"{entry.name}: environment {entry.environment} is not installed; run `forcegauge models install "
                f"{entry.name}`"
            )
    rows = [row for entry in entries for row in _conformance(entry)]
    print_rows(rows, as_json=as_json)
    if any(row["verdict"] == "fails" for row in rows):
        raise typer.Exit(1)


@app.command()
def remove(names: NamesArgument, as_json: JsonOption = False) -> None:
    """Delete the environments of these models; other models that share one lose it too."""
    from forcegauge.models import environments, registry

    rows = []
    for environment in dict.fromkeys(registry.get(name).environment for name in names):
        if environment == environments.CORE:
            raise ModelUnavailable(f"{', '.join(names)}: runs in ForceGauge's own interpreter, nothing to remove")
        shared = [name for name in registry.names(hidden=True) if registry.get(name).environment == environment]
        freed = environments.remove(environment)
        rows.append({"environment": environment, "freed_mb": freed / 1e6, "models": ", ".join(shared)})
    print_rows(rows, as_json=as_json)


def _conformance(entry: Entry) -> list[dict[str, Any]]:
    """One row per check of a model; what the cache has is not computed again."""
    from dataclasses import asdict

    from forcegauge.benchmarks.symmetry.verdicts import verdicts
    from forcegauge.folders import cache_folder
    from forcegauge.runner.progress import reporter
    from forcegauge.runner.run import RunOptions, run
    from forcegauge.scoring import analyse

    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in entry.name)
    folder = cache_folder() / "verification" / safe
    shown = reporter()
    try:
        run(RunOptions(results=folder, models=[entry.name], benchmarks=["conformance"], preset="quick"), shown)
    finally:
        shown.close()
    (result,) = analyse(folder)
    assert result.analysis is not None  # the run has just made its records
    (model,) = result.models
    lines = verdicts(result.analysis.outcomes[model], result.analysis.scores[model], entry.as_dict())
    return [{"model": entry.name, **asdict(line)} for line in lines]


def _install(names: list[str], *, as_json: bool) -> None:
    from forcegauge.models import environments, registry
    from forcegauge.models.verification import verify as verify_model

    rows, failed = [], False
    for entry in [registry.get(name) for name in names]:  # every name is checked before anything is built
        answer = verify_model(entry, environments.ensure(entry.environment))
        call = answer["call"]
        failed = failed or call["failure"] is not None
        rows.append(
            {
                "model": entry.name,
                "answer": "ok"
                if call["failure"] is None
                else f"{call['failure']['kind']}: {call['failure']['message']}",
                "energy_ev": call["energy_ev"],
                "max_force_ev_per_a": call["largest_force_ev_per_a"],
                "load_s": answer["load_seconds"],
                "call_s": call["seconds"],
            }
        )
    print_rows(rows, as_json=as_json)
    if failed:
        raise typer.Exit(1)


def _readable(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"
