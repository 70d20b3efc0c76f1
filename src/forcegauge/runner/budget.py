"""How many cases fit into a time: measured on a pilot, then the same share of every benchmark for every model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

PILOT_CASES = 50
MIN_CASES = 3
_PILOT_SHARE = 0.15
_PILOT_LIMIT_S = 60.0
_RESERVE = 0.9
"""Cases differ and workers must load again; this share of the time is planned, the rest is reserve."""


def pilot_seconds(budget_s: float, n_models: int) -> float:
    """Seconds for the pilot of one model: a minute for all, or a share of a short budget."""
    return min(_PILOT_LIMIT_S, _PILOT_SHARE * budget_s) / max(n_models, 1)


def seconds_for(
    share: float, costs: Sequence[Mapping[str, float]], left: Sequence[Mapping[str, Sequence[bool]]]
) -> list[float]:
    """[n_models], seconds that a share of every benchmark's cases would take each model, finished ones left out.

    Args:
        share: of the cases, from the first.
        costs: seconds per case by benchmark, of each model.
        left: whether each case is still to be done, by benchmark, of each model.
    """
    return [
        sum(cost[name] * sum(cases[: cases_kept(share, len(cases))]) for name, cases in unfinished.items())
        for cost, unfinished in zip(costs, left, strict=True)
    ]


def affordable_share(
    costs: Sequence[Mapping[str, float]], left: Sequence[Mapping[str, Sequence[bool]]], left_s: float
) -> float:
    """The largest share of every benchmark's cases that all models together can do in the time left."""
    low, high = 0.0, 1.0
    if sum(seconds_for(high, costs, left)) <= _RESERVE * left_s:
        return high
    for _ in range(20):
        middle = (low + high) / 2
        fits = sum(seconds_for(middle, costs, left)) <= _RESERVE * left_s
        low, high = (middle, high) if fits else (low, middle)
    return low


def deadlines(
    costs: Sequence[Mapping[str, float]],
    left: Sequence[Mapping[str, Sequence[bool]]],
    share: float,
    now: float,
    deadline: float,
) -> Iterator[float]:
    """When each model's time is over: what it is expected to need, stretched so that all together end in time."""
    needed = seconds_for(share, costs, left)
    whole = sum(needed) or 1.0
    spent = 0.0
    for seconds in needed:
        spent += seconds
        yield now + max(deadline - now, 0.0) * (spent / whole if sum(needed) else 1.0)


def cases_kept(share: float, size: int) -> int:
    """How many of a benchmark's cases that share comes to, but a few at least."""
    return min(size, max(MIN_CASES, math.floor(share * size + 1e-9)))
