"""Push MLIP Arena's published curves through our analysis in mode ``arena`` and compare with its stored metrics.

    python tools/check_published.py [FOLDER]

FOLDER holds ``ev``, ``eos_bulk`` and ``diatomics`` (default: ../shared/data/arena_published beside the repository).
Exit code 1 where a value differs by more than 1e-6. The published numbers are rounded to ten digits.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from forcegauge.benchmarks import registry
from forcegauge.records import Raw

TOLERANCE = 1e-6
DEFAULT_FOLDER = Path(__file__).resolve().parents[1] / "../shared/data/arena_published"


@dataclass(frozen=True)
class Comparison:
    """One published table against our numbers.

    Args:
        table: its path below the folder.
        n_cases: curves compared.
        n_missing: rows without a curve, published as missing.
        n_metrics: stored metrics per curve.
        worst: the largest difference; infinite where only one side has a value.
    """

    table: str
    n_cases: int
    n_missing: int
    n_metrics: int
    worst: float


def compare(folder: Path) -> Iterator[Comparison]:
    """Every table of the folder, in order."""
    for processed in sorted(folder.glob("e*/*_processed.parquet")):
        yield _compare_volumes(processed, str(processed.relative_to(folder)))
    for path in sorted(folder.glob("diatomics/*.json.gz")):
        rows = json.loads(gzip.decompress(path.read_bytes()))
        if "tortuosity" in rows[0]:  # the DFT reference curves come without metrics
            yield _compare_diatomics(rows, str(path.relative_to(folder)))


def _compare_volumes(processed: Path, table: str) -> Comparison:
    curves = parquet.read_table(processed.with_name(processed.name.replace("_processed", ""))).to_pylist()
    outcomes = {
        row["id"]: Raw(
            {
                "volume": np.array(row["eos"]["volumes"]),
                "energy": np.array(row["eos"]["energies"]),
                "n_atoms": np.array(1),
                "is_fixed": np.array(False),
            }
        )
        for row in curves
    }
    published = parquet.read_table(processed).to_pylist()
    present = {row["structure"]: row for row in published if not row["missing"]}
    benchmark = {"ev": "energy-volume", "eos_bulk": "equation-of-state"}[processed.parent.name]
    return _compare(benchmark, outcomes, present, table, n_missing=len(published) - len(present))


def _compare_diatomics(rows: Iterable[Mapping[str, Any]], table: str) -> Comparison:
    present = {row["name"][: len(row["name"]) // 2]: row for row in rows}
    outcomes = {
        symbol: Raw({"distance": np.array(row["R"]), "energy": np.array(row["E"]), "force": np.array(row["F"])})
        for symbol, row in present.items()
    }
    return _compare("diatomics", outcomes, present, table, n_missing=0)


def _compare(
    benchmark: str, outcomes: Mapping[str, Raw], published: Mapping[str, Mapping[str, Any]], table: str, n_missing: int
) -> Comparison:
    bound = registry.get(benchmark)
    scores = bound.analyse({case_id: outcomes[case_id] for case_id in published}, {}, bound.settings("full"), "arena")
    differences = [
        _difference(value, published[case_id][name]) for case_id in published for name, value in scores[case_id].items()
    ]
    n_metrics = len(next(iter(scores.values())))
    return Comparison(table, len(published), n_missing, n_metrics, max(differences))


def _difference(ours: float, theirs: float | None) -> float:
    absent = theirs is None or math.isnan(theirs)
    if absent or math.isnan(ours):
        return 0.0 if absent and math.isnan(ours) else math.inf
    return abs(ours - theirs)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER
    results = list(compare(folder))
    print(f"{'table':<42}{'cases':>6}{'missing':>9}{'metrics':>9}  largest difference")
    for result in results:
        print(f"{result.table:<42}{result.n_cases:>6}{result.n_missing:>9}{result.n_metrics:>9}  {result.worst:.1e}")
    agree = bool(results) and all(result.worst <= TOLERANCE for result in results)
    print(f"{'all within' if agree else 'NOT all within'} {TOLERANCE:g}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
