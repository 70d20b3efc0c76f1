"""How many cases fit into a time: measured on a pilot, then the same share of every benchmark for every model."""

from __future__ import annotations

import math
from collections.abc import Mapping

PILOT_CASES = 50
MIN_CASES = 3
_PILOT_SHARE = 0.15
_PILOT_LIMIT_S = 60.0
_RESERVE = 0.9
"""Cases differ and workers must load again; this share of the time is planned, the rest is reserve."""


def pilot_seconds(budget_s: float, n_models: int) -> float:
    """Seconds for the pilot of one model: a minute for all, or a share of a short budget."""
    return min(_PILOT_LIMIT_S, _PILOT_SHARE * budget_s) / max(n_models, 1)


def cost_per_case(seconds: float, worker_seconds: Mapping[str, float], done: Mapping[str, int]) -> dict[str, float]:
    """Wall seconds per case by benchmark, the run's own cost included.

    Args:
        seconds: wall time of the pilot.
        worker_seconds: spent on its cases, by benchmark.
        done: cases finished, by benchmark; a benchmark without any is left out.
    """
    whole = sum(worker_seconds.values())
    shares = {name: spent / whole if whole > 0 else 1 / len(done) for name, spent in worker_seconds.items()}
    return {name: seconds * shares[name] / count for name, count in done.items() if count}


def affordable_share(costs: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int], left_s: float) -> float:
    """The share of every benchmark's cases that all models together can do in the time left.

    Args:
        costs: seconds per case, by model, by benchmark.
        sizes: number of cases, by benchmark.
        left_s: seconds left.
    """
    whole = sum(cost * sizes[name] for by_benchmark in costs.values() for name, cost in by_benchmark.items())
    return 1.0 if whole <= 0 else min(1.0, max(0.0, _RESERVE * left_s / whole))


def cases_kept(share: float, size: int) -> int:
    """How many of a benchmark's cases that share comes to, but a few at least."""
    return min(size, max(MIN_CASES, math.floor(share * size + 1e-9)))
