"""Records for the tests of the store; run as a program it commits them one after another and says each key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from forcegauge.encoding import digest, pack
from forcegauge.records import (
    Case,
    Failure,
    ModelIdentity,
    Planned,
    Protocol,
    Provenance,
    PublishedMetric,
    Raw,
    Record,
)
from forcegauge.results.store import Store
from forcegauge.structures import Structures

CURVE = Raw({"distances": np.linspace(0.5, 6.0, 24), "energies": np.linspace(9.0, -1.0, 24, dtype=np.float32)})


def provenance(model: str = "morse") -> Provenance:
    identity = ModelIdentity(model, f"weights of {model}", {"dtype": "float64"}, 1, "lock")
    return Provenance(identity, {"ase": "3.25"}, "3.11.7", "Linux x86_64", "cpu", 41.5, "float64", 1, "0.1.0")


def case(case_id: str = "H", benchmark: str = "diatomics", inputs: dict[str, Any] | None = None) -> Case:
    atoms = Structures.from_atoms([Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])])
    return Case(benchmark, case_id, atoms, inputs or {}, frozenset({1}), "gas")


def record(case_id: str = "H", outcome: Raw | Failure = CURVE, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "key": digest([changes.get("model", "morse"), changes.get("benchmark", "diatomics"), case_id]),
        "model": "morse",
        "benchmark": "diatomics",
        "case_id": case_id,
        "settings": "s" * 32,
        "outcome": outcome,
        "provenance": provenance(changes.get("model", "morse")),
        "seed": 2**80 + 1,
        "run_version": 1,
        "wall_s": 0.25,
        "peak_memory_bytes": 2**33,
        "finished_at": 1.75e9,
        "atom_evaluations": 48,
    }
    return Record(**{**fields, **changes})


def published(metric: str = "F1", **changes: Any) -> PublishedMetric:
    fields: dict[str, Any] = {
        "model": "mace", "benchmark": "matbench-discovery", "metric": metric, "value": 0.67, "low": 0.5, "high": 0.75,
        "std": 0.25, "unit": "eV/atom", "n_cases": 256963, "n_missing": 2, "source": "a paper", "sha256": "a" * 64,
    }  # fmt: skip
    return PublishedMetric(**{**fields, **changes})


def planned(one: Record) -> Planned:
    return Planned(one.key, one.model, one.benchmark, one.case_id, one.settings)


def fill(folder: Path, *records: Record) -> Path:
    """A store with the given records, their plan and one protocol."""
    with Store.writer(folder) as store:
        store.add_protocol(Protocol("diatomics", "s" * 32, {"n_points": 24, "low_a": 0.5}, 1))
        store.add_plan(planned(one) for one in records)
        for one in records:
            store.commit(one, case(one.case_id, one.benchmark))
    return folder


def content(one: Record) -> bytes:
    """Every bit of a record, arrays' types and shapes included."""
    outcome = one.outcome.as_dict() if isinstance(one.outcome, Failure) else dict(one.outcome.arrays)
    identity = {**vars(one.provenance.model)}
    return pack({**vars(one), "outcome": outcome, "provenance": {**vars(one.provenance), "model": identity}})


def case_content(one: Case) -> bytes:
    """Every bit of a case."""
    return pack({**vars(one), "structures": one.structures.as_arrays(), "elements": sorted(one.elements)})


def everything(folder: Path) -> dict[str, Any]:
    """All that a store holds, comparable with ``==``."""
    with Store.open(folder) as store:
        return {
            "records": [(content(one), name) for one, name in store.entries()],
            "cases": {name: case_content(one) for name, one in store.cases().items()},
            "planned": store.planned(),
            "published": [pack(vars(one)) for one in store.published()],
            "protocols": [pack(vars(one)) for one in store.protocols()],
            "provenances": sorted(store.provenances()),
        }


def _commit_numbered(folder: Path, count: int) -> None:
    with Store.writer(folder) as store:
        for number in range(count):
            one = record(str(number), Raw({"numbers": np.full(500, number)}))
            store.commit(one, case(str(number)))
            print(one.key, number, flush=True)


if __name__ == "__main__":
    _commit_numbered(Path(sys.argv[1]), int(sys.argv[2]))
