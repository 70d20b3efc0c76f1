"""How often the 95 % intervals hold the truth: normal, skewed, rare and tied scores, some of them missing.

    python tools/measure_coverage.py [TRIALS]

Prints, per distribution and number of cases, the share of intervals that hold the mean of the population, among those
that are given, and the share of draws in which none is given because all scores are equal.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from forcegauge.metrics.uncertainty import estimate

MISSING = 0.1
Draw = Callable[[np.random.Generator, int], np.ndarray]


def rare(share: float, excess: Draw) -> Draw:
    """Mostly zero, else an excess."""
    return lambda rng, n: (rng.random(n) < share) * excess(rng, n)


POPULATIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(3, 2, n), 3.0),
    "lognormal, sigma 1": (lambda rng, n: rng.lognormal(0, 1, n), math.exp(0.5)),
    "1 or 3, 3 in 100": (lambda rng, n: 1 + 2.0 * (rng.random(n) < 0.03), 1.06),
    "flips 1, 3, 5": (lambda rng, n: rng.choice([1.0, 3.0, 5.0], p=[0.9, 0.07, 0.03], size=n), 1.26),
    "rare 5 %, lognormal 0.5": (rare(0.05, lambda rng, n: rng.lognormal(0, 0.5, n)), 0.05 * math.exp(0.125)),
    "rare 20 %, lognormal 1": (rare(0.2, lambda rng, n: rng.lognormal(0, 1, n)), 0.2 * math.exp(0.5)),
    "half zero, lognormal 0.5": (rare(0.5, lambda rng, n: rng.lognormal(0, 0.5, n)), 0.5 * math.exp(0.125)),
    "-2, 0 or 2": (lambda rng, n: rng.choice([-2.0, 0.0, 2.0], p=[0.05, 0.9, 0.05], size=n), 0.0),
}


def coverage(draw: Draw, truth: float, n: int, trials: int) -> tuple[float, float]:
    """Share of intervals that hold the truth, and share of draws without one."""
    rng = np.random.default_rng(11)
    hits = given = 0
    for _ in range(trials):
        scores = draw(rng, n)
        scores[rng.random(n) < MISSING] = math.nan
        found = estimate(scores, "mean", is_two_sided=truth == 0.0, n_resamples=1000)
        if not math.isnan(found.low):
            given += 1
            hits += found.low <= truth <= found.high
    return hits / max(given, 1), 1 - given / trials


def main() -> None:
    """The table."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for name, (draw, truth) in POPULATIONS.items():
        for n in (20, 100, 400):
            share, silent = coverage(draw, truth, n, trials)
            print(f"{name:26s} n = {n:4d}  {share:6.1%}  ({silent:.0%} without an interval)", flush=True)


if __name__ == "__main__":
    main()
