"""What the runner itself costs per case: wall time less the worker's seconds, over many small cases.

python tools/measure_overhead.py [N_CASES]      prints milliseconds per case for both benchmarks' shapes
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from ase.build import bulk

from forcegauge.benchmarks import registry
from forcegauge.results.store import Store
from forcegauge.runner.execute import Execution, Limits
from forcegauge.runner.plan import Chapter
from forcegauge.runner.prepare import Resources, prepare_registered
from forcegauge.runner.progress import Silent


def measure(benchmark_name: str, n_cases: int, folder: Path) -> None:
    benchmark = registry.get(benchmark_name)
    settings = benchmark.settings("quick")
    if benchmark.name == "energy-volume":
        crystals = [(f"Cu-{number}", bulk("Cu", a=3.4 + 1e-4 * number)) for number in range(n_cases)]
        cases = benchmark.structure_cases(crystals, settings)
    else:
        cases = benchmark.cases(settings)
    model = prepare_registered("lennard-jones", Resources(threads=1), folder / "logs", lambda text: None)
    with Store.writer(folder / benchmark_name) as store:
        workers = [model.hire()]
        model.ready.extend(workers)  # loading is not a cost per case
        start = time.perf_counter()
        tasks = Chapter(benchmark, settings, cases).tasks(model.identity, model.capabilities)
        store.add_plan(task.planned(model.name) for task in tasks)
        outcome = Execution(model, tasks, store, 1, Limits(), Silent()).run()
        wall = time.perf_counter() - start
        model.close()
        worker = sum(record.wall_s for record in store.records())
    own = (wall - worker) / outcome.n_done * 1e3
    print(
        f"{benchmark_name}: {outcome.n_done} cases, wall {wall:.2f} s, in the worker {worker:.2f} s, "
        f"the runner's own {own:.2f} ms per case"
    )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        for benchmark in ("energy-volume", "diatomics"):
            measure(benchmark, count, Path(name))
