"""What the remote calculator costs beside the package's own call, both in one run.

    python tools/measure_remote.py [ROUNDS] [MODEL]

Single structures of 64 atoms, and a list of 16 of them. Ways alternate: the package's own calculator in the model's
environment, ours from here. The cost is the time from question to answer less the worker's seconds: encoding, the way
there and back, decoding. What ASE itself does at every call of any calculator is not in it.
"""

from __future__ import annotations

import statistics
import sys
import time

import forcegauge
from forcegauge.models import environments, registry
from forcegauge.runner.remote import RemoteCalculator
from measure_batching import THREADS
from package_calls import LISTS, Package


def ours(calculator: RemoteCalculator, what: str) -> tuple[float, float]:
    """Seconds per structure of wall time, and of the way there and back."""
    structures = LISTS[what]()
    before, start = calculator.waited_s - calculator.worker_s, time.perf_counter()
    if what == "single":
        structures[0].calc = calculator
        calculator.reset()
        structures[0].get_forces()
    else:
        calculator.evaluate(structures, ("energy", "forces"))
    wall = time.perf_counter() - start
    return wall / len(structures), (calculator.waited_s - calculator.worker_s - before) / len(structures)


def main(rounds: int, name: str) -> None:
    """Print medians over the rounds."""
    place = environments.ensure(registry.get(name).environment)
    package = Package(name, place.python, environments.source_copy())
    try:
        with forcegauge.load_model(name, threads=THREADS) as calculator:
            for what in ("single", "cells"):
                count = len(LISTS[what]())
                package.ask("own", what)
                ours(calculator, what)
                turns = [(package.ask("own", what)["seconds"] / count, *ours(calculator, what)) for _ in range(rounds)]
                own, wall, cost = (statistics.median(turn[column] for turn in turns) for column in range(3))
                least = min(turn[2] for turn in turns)
                print(
                    f"{name} {what:6s} of 64 atoms: own call {own * 1e3:.1f} ms, remote {wall * 1e3:.1f} ms "
                    f"(ratio {wall / own:.2f}), the way there and back {cost * 1e3:.2f} ms = "
                    f"{cost / own:.2%} of it, at least {least * 1e3:.2f} ms = {least / own:.2%}",
                    flush=True,
                )
    finally:
        package.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2] if len(sys.argv) > 2 else "chgnet")
