"""The verb ``data``: datasets, where they come from, and whether they are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forcegauge.cli.output import JsonOption, print_rows

if TYPE_CHECKING:
    from forcegauge.datasets.base import Card

app = typer.Typer(help="List, show, fetch, verify and describe datasets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A dataset, such as wbm-1000.")]
Names = Annotated[list[str] | None, typer.Argument(help="Datasets; all where none is given.")]


@app.command("list")
def list_datasets(as_json: JsonOption = False) -> None:
    """List every dataset with its licence and whether it is in the cache."""
    rows = []
    for card in _cards(None):
        files = _file_rows(card)
        rows.append(
            {
                "name": card.name,
                "title": card.title,
                "structures": card.n_structures,
                "megabytes": sum(source.n_bytes for source in card.sources) / 1e6,
                "licence": card.licence,
                "state": " ".join(sorted({row["state"] for row in files})) or "built in",
            }
        )
    print_rows(rows if as_json else _without(rows, "licence"), as_json=as_json)


@app.command()
def show(name: Name, as_json: JsonOption = False) -> None:
    """Show a dataset's card: origin, checksum, licence, citation, level of theory, units."""
    from dataclasses import asdict

    (card,) = _cards([name])
    if as_json:
        print_rows([asdict(card)], as_json=True)
        return
    for label, value in asdict(card).items():
        if label == "units":
            value = ", ".join(f"{quantity} {unit}" for quantity, unit in card.units.items())
        if label != "sources":
            typer.echo(f"{label.replace('_', ' ')}: {value}")
    for row in _file_rows(card):
        typer.echo(f"file: {row['file']} ({row['state']})\n  from {row['url']}\n  SHA-256 {row['sha256']}")


@app.command()
def fetch(names: Names = None, as_json: JsonOption = False) -> None:
    """Fetch datasets into the cache, each file checked against its SHA-256; what is there already stays.

    FORCEGAUGE_CACHE moves the cache; FORCEGAUGE_MIRROR names a folder of host/path files that is asked first.
    """
    from forcegauge.datasets.fetch import fetch as fetch_files

    rows = []
    for card in _cards(names):
        if card.sources and not as_json:
            typer.echo(f"{card.name}: {card.licence}", err=True)
        rows += [{"dataset": card.name, "file": str(path)} for path in fetch_files(card)]
    print_rows(rows, as_json=as_json, empty="nothing to fetch: built in")


@app.command()
def verify(names: Names = None, as_json: JsonOption = False) -> None:
    """Check the cached files against their SHA-256; exit code 1 where one is damaged or, if named, absent."""
    rows = [row for card in _cards(names) for row in _file_rows(card)]
    shown = rows if as_json else _without(rows, "url", "sha256")
    print_rows(shown, as_json=as_json, empty="nothing to verify: built in")
    accepted = {"ok"} if names else {"ok", "absent"}
    if any(row["state"] not in accepted for row in rows):
        raise typer.Exit(1)


@app.command()
def stats(name: Name, as_json: JsonOption = False) -> None:
    """Count a dataset's structures, atoms and elements; fetches it where needed."""
    from forcegauge.datasets import registry
    from forcegauge.datasets.base import statistics

    found = statistics(registry.get(name).structures())
    if as_json:
        print_rows([{"dataset": name, **found}], as_json=True)
        return
    print_rows([{"quantity": key.replace("_", " "), "value": value} for key, value in found.items()], as_json=False)


def _without(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """Rows for a narrow terminal; programs get every column."""
    return [{key: value for key, value in row.items() if key not in columns} for row in rows]


def _cards(names: list[str] | None) -> list[Card]:
    from forcegauge.datasets import registry

    return [registry.get(name).card for name in names or registry.names()]


def _file_rows(card: Card) -> list[dict[str, Any]]:
    from forcegauge.datasets.fetch import local_path, state

    return [
        {
            "dataset": card.name,
            "state": state(local_path(card, source), source),
            "file": str(local_path(card, source)),
            "url": source.url,
            "sha256": source.sha256,
        }
        for source in card.sources
    ]
