"""Run toy benchmarks with toy models, and read what they left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from toys import prepared, tasks_for

from forcegauge.benchmarks.base import Benchmark
from forcegauge.records import Case
from forcegauge.results.store import Store
from forcegauge.runner.execute import Execution, Limits, Outcome
from forcegauge.runner.prepare import Prepared
from forcegauge.runner.progress import Silent


@pytest.fixture
def execute(tmp_path):
    """Run tasks of a benchmark with a model and give back the outcome; the store lies in ``results``."""

    def run(model: Any, benchmark: Benchmark, cases: Sequence[Case] | None = None, **limits: Any) -> Outcome:
        ready = model if isinstance(model, Prepared) else prepared(model)
        with Store.writer(tmp_path / "results") as store:
            todo = tasks_for(ready, benchmark, cases)
            return Execution(ready, todo, store, 1, Limits(**limits), Silent()).run()

    return run


@pytest.fixture
def records(tmp_path):
    """The records of that store by case id."""

    def read(model: str | None = None) -> dict[str, Any]:
        with Store.open(tmp_path / "results") as store:
            return {record.case_id: record for record in store.records(model=model)}

    return read
