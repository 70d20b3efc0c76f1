"""How far a results folder is, by model and benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field

from forcegauge.errors import FINAL_KINDS, FailureKind
from forcegauge.results.store import Store


@dataclass
class Progress:
    """Counts of one model on one benchmark: ``planned = finished + failed + unsupported + left``.

    Args:
        model: name on the command line.
        benchmark: the benchmark's name.
        planned: cases that runs set out to do, and imported ones.
        finished: of these, those with raw arrays.
        failures: how many failed, by kind, unsupported elements left out.
        unsupported: how many hold an element that the model was not made for.
    """

    model: str
    benchmark: str
    planned: int = 0
    finished: int = 0
    failures: dict[FailureKind, int] = field(default_factory=dict)
    unsupported: int = 0

    @property
    def failed(self) -> int:
        """How many failed for another reason than an unsupported element."""
        return sum(self.failures.values())

    @property
    def to_retry(self) -> int:
        """Of the failed, how many the next run tries again."""
        return sum(count for kind, count in self.failures.items() if kind not in FINAL_KINDS)

    @property
    def left(self) -> int:
        """Cases without any answer yet."""
        return self.planned - self.finished - self.failed - self.unsupported

    @property
    def percent(self) -> float:
        """Share of the planned cases that have an answer."""
        return 100.0 * (self.planned - self.left) / self.planned


def progress(store: Store) -> list[Progress]:
    """One row per model and benchmark, sorted; no blob is read."""
    rows: dict[tuple[str, str], Progress] = {}
    for model, benchmark, is_done, kind, count in store.progress():
        row = rows.setdefault((model, benchmark), Progress(model, benchmark))
        row.planned += count
        if kind == "unsupported_element":
            row.unsupported += count
        elif kind is not None:
            row.failures[kind] = row.failures.get(kind, 0) + count
        elif is_done:
            row.finished += count
    return [rows[name] for name in sorted(rows)]
