"""Scores of the benchmark ``vacancy`` from its raw arrays and the published table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from forcegauge.benchmarks.base import Mode, Outcomes, References, Scores
from forcegauge.benchmarks.properties.vacancy_cells import HOPS
from forcegauge.benchmarks.properties.vacancy_reference import reference, table
from forcegauge.metrics.paths import barrier, barrier_asymmetry, fitted, n_maxima, path_asymmetry, work_mismatch
from forcegauge.records import Raw

_UNEQUAL_ENDS = 0.2
"""Of the barrier: from here on it is no barrier of a hop between two equal holes."""
_NO_BARRIER_EV = 0.001
_DEEPER = 0.1
"""Of the barrier: a path that falls so far below both ends has its hole at rest elsewhere."""
_VALLEY = 0.05
"""Of the barrier: a shallower valley between two maxima is none."""
_PUBLISHED_LIMIT = 10.0
"""Times the published barrier; MLIP Arena takes higher paths for missing."""

_FAILED = {0: "", 1: "not converged", 2: "exploded", 3: "not finite"}
_JUDGED = ("no saddle", "ends differ", "deeper between")
"""Why a hop is refused whose band converged."""

Hop = Mapping[str, Any]


def references(settings: Any) -> dict[str, dict[str, Any]]:
    """By case id, the row to compare with (``row``, None for none) and all rows that the table has (``rows``)."""
    found = {}
    for case_id, rows in table().items():
        row = reference(case_id)
        found[case_id] = {"row": None if row is None else asdict(row), "rows": [asdict(one) for one in rows]}
    return found


def analyse(outcomes: Outcomes, references: References, settings: Any, mode: Mode) -> Scores:
    """Scores of every case that has an answer; a hop without a sound barrier has no error and is counted."""
    raws = {case_id: raw for case_id, raw in outcomes.items() if isinstance(raw, Raw)}
    judge = _published if mode == "arena" else _own
    return {case_id: judge(raw, references.get(case_id, {})) for case_id, raw in raws.items()}


def formation_energy(raw: Raw) -> float:
    """E(hole) - (N - 1)/N E(pristine), eV."""
    n_atoms = int(raw["n_atoms"])
    return float(raw["end_energy"][0] - (n_atoms - 1) / n_atoms * raw["pristine_energy"])


def hops(raw: Raw) -> dict[str, Hop]:
    """What each hop's band says, by the name of the hop."""
    names = HOPS["hcp" if len(raw["hop"]) == 2 else "fcc"][: len(raw["hop"])]
    return {name: _hop(raw, row) for row, name in enumerate(names)}


def _hop(raw: Raw, row: int) -> Hop:
    path = (raw["path_distance"][row], raw["path_energy"][row], raw["path_slope"][row])
    refusal = _FAILED[int(raw["band_failure"][row])]
    if refusal:
        return {"path": path, "refusal": refusal, "barrier": np.nan}
    energy = path[1][::2]  # of the images
    height, unevenness = barrier(energy), barrier_asymmetry(energy)
    # An image above both ends: else the path goes down into something, or along a hole of the potential.
    if energy[1:-1].max() <= max(energy[0], energy[-1]) + _NO_BARRIER_EV:
        refusal = _JUDGED[0]
    elif unevenness > _UNEQUAL_ENDS:
        refusal = _JUDGED[1]
    elif path[1].min() < min(energy[0], energy[-1]) - max(_DEEPER * height, _NO_BARRIER_EV):
        refusal = _JUDGED[2]
    return {
        "path": path,
        "refusal": refusal,
        "barrier": height,
        "barrier_asymmetry": unevenness,
        "path_asymmetry": path_asymmetry(*path, height),
        "work_mismatch": work_mismatch(*path),
        "n_maxima": n_maxima(path[1], _VALLEY * height),
    }


def _own(raw: Raw, known: Mapping[str, Any]) -> dict[str, float]:
    """Default mode."""
    found = hops(raw)
    sound = {name: hop["barrier"] for name, hop in found.items() if not hop["refusal"]}
    row = known.get("row") or {"formation": np.nan, "barriers": {}}
    formation = formation_energy(raw)
    errors = [height - row["barriers"].get(name, np.nan) for name, height in sound.items()]
    scores = {
        "formation_energy": formation,
        "formation_bias": formation - row["formation"],
        "formation_error": abs(formation - row["formation"]),
        "barrier_bias": _mean(errors),
        "barrier_error": _mean(np.abs(errors)),
        "sound_hops": _mean([not hop["refusal"] for hop in found.values()]),
    }
    for score in ("path_asymmetry", "barrier_asymmetry", "work_mismatch", "n_maxima"):
        scores[score] = _mean([hop.get(score, np.nan) for hop in found.values()])
    for name in (*HOPS["fcc"], *HOPS["hcp"]):
        scores[f"barrier_{name.replace('-', '_')}"] = sound.get(name, np.nan)
    return scores


def _published(raw: Raw, known: Mapping[str, Any]) -> dict[str, float]:
    """Mode arena: paths in units of the published barrier, without rows of its own for spin."""
    found = hops(raw)
    lattice = "hcp" if "out-of-plane" in found else "fcc"
    scores = dict.fromkeys(
        [f"{lattice}_{score}" for lattice in HOPS for score in ("mape", "asymmetry", "missing")], np.nan
    )
    name = "out-of-plane" if lattice == "hcp" else "nearest"
    barriers = [row["barriers"].get(name, np.nan) for row in known.get("rows", [])]
    barriers = [height for height in barriers if height > 0]
    if name not in found or not barriers:
        return scores
    hop = found[name]
    distance, energy, slope = (values[::2] for values in hop["path"])  # of the images, as published
    deviations, asymmetries = [], []
    for height in barriers if hop["refusal"] in ("", *_JUDGED) else []:
        _, curve = fitted(distance, energy, slope)
        if np.abs(curve / height).max() <= _PUBLISHED_LIMIT:
            deviations.append(abs(curve.max() / height - 1))
            asymmetries.append(path_asymmetry(distance, energy, slope, height))
    scores[f"{lattice}_mape"], scores[f"{lattice}_asymmetry"] = _mean(deviations), _mean(asymmetries)
    scores[f"{lattice}_missing"] = 1 - len(deviations) / len(barriers)
    return scores


def _mean(values: Any) -> float:
    """The mean of those that are numbers; NaN where none is."""
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    return float(array.mean()) if len(array) else float("nan")
