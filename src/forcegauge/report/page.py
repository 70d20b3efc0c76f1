"""The page as one file: templates, styles, scripts, Plotly and data, with nothing left to fetch."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from forcegauge.benchmarks.base import Mode
from forcegauge.errors import BadInput
from forcegauge.records import PublishedMetric
from forcegauge.report import cards, cases, elements, figures, leaderboard, tables
from forcegauge.report.indicators import radar
from forcegauge.scoring import BenchmarkRanks, BenchmarkResult, analyse, arena_ranks, published, rank
from forcegauge.scoring.sait import boards_of
from forcegauge.version import __version__

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("base", "plots", "elements", "structure", "explorer", "scores", "overview", "filter", "cards", "page")
"""In the order in which they build on one another; all of them are one function."""
_STYLES = ("page", "leaderboard", "explorer", "cards", "print")


def write_report(
    results: str | Path | Sequence[BenchmarkResult], output: str | Path = "report.html", mode: Mode = "default"
) -> Path:
    """Write the page and give back its path; an existing file is replaced only by a whole new one.

    Args:
        results: a results folder, or what :func:`forcegauge.scoring.analyse` gave.
        output: path of the HTML file; its folder must exist.
        mode: as for ``analyse``; only used with a folder.

    Raises:
        BadInput: nothing to show, or the file cannot be written.
    """
    path = Path(output)
    if path.is_dir() or not path.parent.is_dir():
        found = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise BadInput(f"cannot write the report to {path}: {found}; give the path of a file with --output")
    if isinstance(results, str | Path):
        page = render(analyse(results, mode), published.rows(results))
    else:
        page = render(results)
    _replace(path, page)
    return path


def render(results: Sequence[BenchmarkResult], numbers: Sequence[PublishedMetric] = ()) -> str:
    """The page's HTML.

    Args:
        results: what was analysed.
        numbers: what others have published of their models without the cases behind it.
    """
    analysed = [result for result in results if result.analysis is not None]
    if not analysed:
        raise BadInput("nothing to report: no benchmark has an analysis")
    ranking = rank(results)
    styles = figures.model_styles(sorted(ranking.models))
    board, head = leaderboard.leaderboard(results, ranking), _head(analysed)
    own = cards.cards(results, ranking)
    scripts = [_script(text) for text in (get_plotlyjs(), _our_script())]
    return (
        _environment()
        .get_template("page.html")
        .render(
            style=Markup("\n".join(_asset(f"{name}.css") for name in _STYLES)),
            scripts=[Markup(text) for text in scripts],
            script_hashes=[_hash(text) for text in scripts],
            head=head,
            styles=styles,
            board=board,
            overview_data=leaderboard.browser_data(board),
            sections=_sections(results, ranking.benchmarks, styles),
            cards=own,
            coverage={card["model"]: card["elements"] for card in own},
            elements=elements.periodic_table(),
            drawing=elements.drawing_data(),
            failures=tables.failure_groups(results),
            provenance=tables.provenance_rows(results),
            published=tables.published_tables(numbers),
            radars=[(board.dataset, board.loss, radar(board)) for board in boards_of(numbers)],
            arena=[one.row() for one in arena_ranks(analysed)] if head["mode"] == "arena" else [],
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=tables.number, moment=tables.moment, tail=tables.tail)
    return environment


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")


def _our_script() -> str:
    parts = [_asset(f"{name}.js") for name in _SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


def _head(results: Sequence[BenchmarkResult]) -> dict[str, Any]:
    """What was compared, when and how; published records are as old as their import, which measured nothing."""
    records = [record for result in results for cases in result.records.values() for record in cases.values()]
    measured = [record for record in records if not record.provenance.model.is_published] or records
    first = results[0].analysis
    return {
        "n_records": len(records),
        "n_failed": sum(len(result.failures) for result in results),
        "n_pending": sum(sum(result.n_pending.values()) for result in results),
        "first": min(record.finished_at for record in measured),
        "last": max(record.finished_at for record in measured),
        "written": time.time(),
        "mode": first.mode if first else "",
        "version": __version__,
    }


def _sections(
    results: Sequence[BenchmarkResult], ranks: Sequence[BenchmarkRanks], styles: dict[str, dict[str, str]]
) -> list[dict[str, Any]]:
    """The benchmarks' parts of the page; their curves share its size."""
    by_name = {one.benchmark: one for one in ranks}
    sections = [_section(result, by_name.get(result.benchmark.name), styles) for result in results]
    lines = [section.pop("lines", []) for section in sections]
    allowed = figures.shares([figures.size(own) for own in lines], figures.MAX_FLOATS)
    for section, result, own, most in zip(sections, results, lines, allowed, strict=True):
        section["curves"] = figures.curve_data(result, own, most) if own else None
    return sections


def _section(
    result: BenchmarkResult, ranks: BenchmarkRanks | None, styles: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """One benchmark's part of the page; a figure that cannot be drawn says so and takes nothing else with it."""
    explorer = result.benchmark.explorer
    section: dict[str, Any] = {
        "benchmark": result.benchmark,
        "notes": result.notes,
        "choose": explorer.choose if explorer else "case",
        "has_table": bool(explorer and explorer.periodic_table),
        "cases": None,
        "errors": [],
    }
    if ranks is None:
        return section
    cells = tables.metric_cells(result, result.metrics, ranks)
    section |= {
        "columns": tables.metric_columns(result.metrics),
        "cells": cells,
        "places": {model: leaderboard.benchmark_cell(result, ranks, model) for model in cells},
        "brackets": dict(zip(cells, tables.bracket([ranks.places[model].group for model in cells]), strict=True)),
        "counts": {model: tables.counts(result, model) for model in result.models},
        "settings": tables.settings_rows(result),
        "cases": cases.case_data(result, ranks),
        "overview": _attempt(section, "overview", lambda: figures.overview(result, styles)),
        "lines": _attempt(section, "curves", lambda: list(figures.lines(result, cases.names(result)))) or [],
    }
    return section


def _attempt(section: dict[str, Any], what: str, draw: Callable[[], Any]) -> Any:
    """What the author's drawing code gives; metrics and failures are worth the page also where it raises."""
    try:
        return draw()
    except Exception as error:  # any mistake of any author
        section["errors"].append(f"The {what} could not be drawn: {type(error).__name__}: {error}")
        return None


def _script(text: str) -> str:
    """Script text as a parser will see it between its tags, so that its hash holds."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _replace(path: Path, page: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(page)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BadInput(
            f"cannot write the report to {path}: {error.strerror}; nothing was changed, choose another --output"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
