"""The overview: who stands where and how surely, by theme and by benchmark, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forcegauge.records import Record
from forcegauge.report.tables import are_told, bracket, number, places, seconds
from forcegauge.scoring import BenchmarkRanks, BenchmarkResult, Place, Ranking


def leaderboard(results: Sequence[BenchmarkResult], ranking: Ranking) -> dict[str, Any]:
    """Rows of the leaderboard and of the table of benchmarks, the best first."""
    analysed = [result for result in results if result.analysis is not None]
    themes = list(ranking.themes)
    costs = {model: cost(analysed, model) for model in ranking.models}
    brackets = bracket([ranking.overall[model].group for model in ranking.models])
    return {
        "themes": themes,
        "benchmarks": [
            {"name": ranks.benchmark, "title": result.benchmark.title, "theme": ranks.theme}
            for result, ranks in _by_theme(analysed, ranking)
        ],
        "n_themes": sum(any(place.value >= 0 for place in of_all.values()) for of_all in ranking.themes.values()),
        "n_groups": max((place.group for place in ranking.overall.values()), default=0),
        "n_costed": sum(costs[model]["relative"] is not None and ranking.overall[model].rank > 0 for model in costs),
        "rows": [
            {
                "model": model,
                "bracket": joined,
                "overall": shown(ranking.overall[model]),
                "themes": [shown(ranking.themes[theme][model]) for theme in themes],
                "benchmarks": [benchmark_cell(result, ranks, model) for result, ranks in _by_theme(analysed, ranking)],
                "cost": costs[model],
                "published": published_by(analysed, model),
            }
            for model, joined in zip(ranking.models, brackets, strict=True)
        ],
    }


def _by_theme(results: Sequence[BenchmarkResult], ranking: Ranking) -> list[tuple[BenchmarkResult, BenchmarkRanks]]:
    themes = list(ranking.themes)
    pairs = zip(results, ranking.benchmarks, strict=True)
    return sorted(pairs, key=lambda pair: themes.index(pair[1].theme))


def shown(place: Place, *, is_told: bool = True) -> dict[str, Any]:
    """A place as text and as lengths.

    Args:
        place: of a model.
        is_told: whether any two models are told apart; else all places are open, and saying so ten times is noise.
    """
    is_known = not math.isnan(place.low)
    return {
        "score": level(place.value),
        "value": None if math.isnan(place.value) else round(place.value, 6),
        "low": round(place.low, 6) if is_known else None,
        "high": round(place.high, 6) if is_known else None,
        "interval": f"{level(place.low)} – {level(place.high)}" if is_known else "",
        "rank": place.rank,
        "places": places(place),
        "told": f"place {places(place)}" if place.rank and is_told else "",
        "group": place.group,
        "chance": "" if math.isnan(place.chance) else percent(place.chance),
        "decide": times(place.to_decide),
        "reason": place.reason,
    }


def level(value: float) -> str:
    """A score between 0 and 1, a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def percent(share: float) -> str:
    """A probability without false certainty: what no draw or every draw showed is below or above a thousandth."""
    if share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if share > 0.999 else f"{100 * share:.{1 if share < 0.1 or share > 0.99 else 0}f} %"


def times(factor: float) -> str:
    """How many times the cases, as a factor that promises no more than it can; empty where it is unknown."""
    if math.isnan(factor):
        return ""
    return "> 1000" if factor > 1000 else f"{factor:.1f}" if factor < 10 else f"{float(f'{factor:.2g}'):.0f}"


def benchmark_cell(result: BenchmarkResult, ranks: BenchmarkRanks, model: str) -> dict[str, Any]:
    """A model's score in one benchmark, or why there is none."""
    cell = shown(ranks.places[model], is_told=are_told(ranks.places))
    if cell["value"] is None:
        reasons = {of_all[model].reason for of_all in ranks.metrics.values()} - {""}
        cell["reason"] = "not asked" if model not in result.models else "; ".join(sorted(reasons)) or "no case answered"
    return cell


def cost(results: Iterable[BenchmarkResult], model: str) -> dict[str, Any]:
    """What a model's answers cost: wall seconds, seconds per atom evaluated, and these relative to the machine.

    Relative cost is seconds per atom times what the worker reached on the calibration product in its own session: how
    many million floating-point operations the machine could have done instead, per atom evaluated.
    """
    records = [record for result in results for record in result.records.get(model, {}).values()]
    return of_records(records)


def of_records(records: Sequence[Record]) -> dict[str, Any]:
    """The cost of some records; relative cost is None where none of them tells how many atoms were evaluated."""
    counted = [record for record in records if record.atom_evaluations > 0 and record.wall_s > 0]
    n_atoms = sum(record.atom_evaluations for record in counted)
    spent = sum(record.wall_s for record in counted)
    weighted = 1000 * sum(record.wall_s * record.provenance.calibration_gflops for record in counted)
    wall = sum(record.wall_s for record in records)
    return {
        "wall": seconds(wall) if wall else "–",
        "per_atom": seconds(spent / n_atoms) if n_atoms else "–",
        "relative": weighted / n_atoms if weighted else None,
        "relative_text": number(weighted / n_atoms, 3) if weighted else "–",
    }


def published_by(results: Iterable[BenchmarkResult], model: str) -> str:
    """Who published the model's records and where; empty where any of them was measured."""
    found = [one.model.source for result in results for one in result.provenances.get(model, [])]
    return "; ".join(dict.fromkeys(found)) if all(found) else ""


def browser_data(board: Mapping[str, Any]) -> dict[str, Any]:
    """What the theme radar, the cost figure and the element filter start from."""
    return {
        "themes": board["themes"],
        "models": [
            {
                "model": row["model"],
                "score": row["overall"]["value"],
                "low": row["overall"]["low"],
                "high": row["overall"]["high"],
                "reason": row["overall"]["reason"],
                "themes": [place["value"] for place in row["themes"]],
                "cost": row["cost"]["relative"],
            }
            for row in board["rows"]
        ],
    }
