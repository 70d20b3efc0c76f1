"""Files of MLIP Arena (arXiv 2509.20630): curves of energy against volume or distance, and its leaderboards."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.asymptotics.diatomics import distances
from forcegauge.errors import Failure
from forcegauge.records import PublishedMetric, Raw
from forcegauge.scoring.imports.content import Curves, File, cases_of, count, metric, model_name, number, read_table
from forcegauge.structures import Floats

SOURCE = "MLIP Arena, arXiv 2509.20630, https://github.com/atomind-ai/mlip-arena (Apache-2.0)"
N_CRYSTALS = 1000
"""Of the published bulk tests; the leaderboards do not say it."""

_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_GRID_TOLERANCE = 1e-6  # of strain or volume ratio; the published curves are within 2e-12
_DISTANCE_TOLERANCE = 1e-6  # Å; the published ones are rounded to 1e-8


def read_energy_volume(file: File) -> Curves | list[PublishedMetric]:
    """Raw curves ``MODEL.parquet`` of the energy-volume scan, or its leaderboard as CSV."""
    settings: Any = registry.get("energy-volume").settings("full", "arena")
    strain = np.linspace(-settings.max_strain, settings.max_strain, settings.n_points)
    return _volumes(file, "energy-volume", (1 + strain) ** 3)


def read_equation_of_state(file: File) -> Curves | list[PublishedMetric]:
    """Raw curves ``MODEL.parquet`` of relaxed crystals, or their leaderboard as CSV."""
    settings: Any = registry.get("equation-of-state").settings("full", "arena")
    strain = np.linspace(-settings.max_strain, settings.max_strain, settings.n_points)
    return _volumes(file, "equation-of-state", 1 + strain)


def read_diatomics(file: File) -> Curves:
    """Homonuclear curves as JSON, packed or not: a list of name, method, R in Å, E in eV, F in eV/Å."""
    rows = _json_rows(file)
    settings: Any = registry.get("diatomics").settings("full", "arena")
    numbers = {case.id: int(case.inputs["number"]) for case in registry.get("diatomics").cases(settings)}
    outcomes: dict[str, Raw | Failure] = {}
    for row in rows:
        name = row["name"]
        symbol = name[: len(name) // 2]
        if symbol not in numbers or name != 2 * symbol:
            raise file.refused(f"{name!r} is no pair of equal elements such as 'HH'")
        if symbol in outcomes:
            raise file.refused(f"{name} occurs twice")
        r, e, f = (_floats(file, row[key], f"{key} of {name}") for key in ("R", "E", "F"))
        if not len(r) == len(e) == len(f):
            raise file.refused(f"{name} has {len(r)} distances, {len(e)} energies and {len(f)} forces")
        order = np.argsort(r)
        grid = distances(numbers[symbol], settings.step_angstrom)
        if len(r) != len(grid) or not np.allclose(r[order], grid, rtol=0, atol=_DISTANCE_TOLERANCE):
            raise file.refused(
                f"the {len(r)} distances of {name} are not those of the protocol ({len(grid)} from {grid[0]:.4g} to "
                f"{grid[-1]:.4g} Å)"
            )
        outcomes[symbol] = _outcome({"distance": r[order], "energy": e[order], "force": f[order]})
    return Curves("diatomics", SOURCE, _one_method(file, rows), outcomes)


def _volumes(file: File, benchmark: str, ratio: Floats) -> Curves | list[PublishedMetric]:
    """Curves whose volumes are ``ratio`` times the middle one, or the rows of the leaderboard."""
    if not file.content.startswith(_PARQUET):
        return _leaderboard(file, benchmark)
    rows = _parquet_rows(file, file.content, ("id", "method", "eos"))
    cases = cases_of(file, benchmark, [str(row["id"]) for row in rows])
    outcomes: dict[str, Raw | Failure] = {}
    for row in rows:
        name = str(row["id"])
        if name in outcomes:
            raise file.refused(f"{name} occurs twice")
        curve = row["eos"] if isinstance(row["eos"], dict) else {}
        volume, energy = (_floats(file, curve.get(key), f"eos.{key} of {name}") for key in ("volumes", "energies"))
        crystal = cases[name].structures[0]
        middle = volume[len(volume) // 2] if len(volume) else np.nan
        if len(energy) != len(volume) or len(volume) != len(ratio):
            raise file.refused(f"{name} has {len(energy)} energies at {len(volume)} volumes, not {len(ratio)} each")
        if not np.allclose(volume, ratio * middle, rtol=_GRID_TOLERANCE, atol=0) or not middle > 0:
            raise file.refused(
                f"the volumes of {name} are not those of {benchmark} ({ratio[0]:.4g} to {ratio[-1]:.4g} of the middle)"
            )
        if benchmark == "energy-volume" and not np.isclose(middle, crystal.cell.volume, rtol=_GRID_TOLERANCE, atol=0):
            raise file.refused(
                f"the middle volume of {name} is {middle:.6g} Å³, that of the crystal is {crystal.cell.volume:.6g}"
            )
        arrays = {"volume": volume, "energy": energy, "n_atoms": np.array(len(crystal))}
        if benchmark == "equation-of-state":  # whether the ions came to rest was not published: taken to be so
            arrays |= {"is_fixed": np.array(False), "converged": np.ones(len(ratio), bool)}
        outcomes[name] = _outcome(arrays)
    for name in _published_as_missing(file):
        reason = "published as missing: it failed, or its curve could not be scored"
        outcomes.setdefault(name, Failure("not_converged", reason))
    return Curves(benchmark, SOURCE, _one_method(file, rows), outcomes)


def _outcome(arrays: dict[str, Any]) -> Raw | Failure:
    bad = sum(int(np.count_nonzero(~np.isfinite(values))) for values in arrays.values())
    return Failure("non_finite", f"{bad} values of the published curve are no numbers") if bad else Raw(arrays)


def _published_as_missing(file: File) -> list[str]:
    """What the per-crystal table beside the curves says is missing; nothing where there is no such table."""
    path: Path = file.path.with_name(f"{file.path.stem}_processed.parquet")
    if not path.exists():
        return []
    rows = _parquet_rows(File.read(path), path.read_bytes(), ("structure", "missing"))
    return [str(row["structure"]) for row in rows if row["missing"]]


def _leaderboard(file: File, benchmark: str) -> list[PublishedMetric]:
    """Means and standard deviations over the crystals, under the names that mode ``arena`` gives them."""
    keys = [one.score for one in registry.get(benchmark).metrics["arena"]]
    found: list[PublishedMetric] = []
    for row in read_table(file, ("model", "missing", *keys, *(f"{key}-std" for key in keys))):
        who = row["model"]
        n_missing = count(file, row, "missing", who)
        found += [
            metric(
                file,
                SOURCE,
                model=model_name(who),
                benchmark=benchmark,
                metric=f"arena-{key}",
                value=number(file, row, key, who),
                std=number(file, row, f"{key}-std", who),
                n_cases=N_CRYSTALS,
                n_missing=n_missing,
            )
            for key in keys
        ]
    return found


def _parquet_rows(file: File, content: bytes, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
        rows = table.select([name for name in needed if name in table.column_names]).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:80]
        raise file.refused(f"this is no Parquet file that can be read ({reason})") from error
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        remedy = "; give the raw curves beside it, without _processed" if "structure" in table.column_names else ""
        raise file.refused(f"no column {missing[0]} (there are {', '.join(table.column_names)[:80]}){remedy}")
    if not rows:
        raise file.refused("the table has no rows")
    return list(rows)


def _json_rows(file: File) -> list[dict[str, Any]]:
    try:
        content = gzip.decompress(file.content) if file.content.startswith(_GZIP) else file.content
        rows = json.loads(content)
    except (ValueError, OSError, EOFError, RecursionError, zlib.error) as error:
        raise file.refused("this is no JSON, packed with gzip or not") from error
    keys = {"name", "method", "R", "E", "F"}
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and keys <= set(row) for row in rows):
        raise file.refused(f"this is no list of pairs with {', '.join(sorted(keys))} each")
    if not all(isinstance(row["name"], str) for row in rows):
        raise file.refused("a pair's name is no text")
    return rows


def _floats(file: File, values: Any, what: str) -> Floats:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty((0, 0))
    if array.ndim != 1:
        raise file.refused(f"{what} is no list of numbers")
    return array


def _one_method(file: File, rows: Iterable[Mapping[str, Any]]) -> str:
    found = sorted({str(row["method"]) for row in rows})
    if len(found) > 1:
        raise file.refused(f"it holds {len(found)} models ({', '.join(found[:3])}), not one")
    return found[0]
