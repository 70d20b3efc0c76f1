"""The frozen records that pass between the parts: what is asked, what came back, where from, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forcegauge.encoding import digest
from forcegauge.errors import Failure, FailureKind
from forcegauge.structures import Structures

__all__ = [
    "Aggregate",
    "Array",
    "Case",
    "Direction",
    "Failure",
    "FailureKind",
    "Metric",
    "MetricValue",
    "ModelIdentity",
    "Planned",
    "Protocol",
    "Provenance",
    "PublishedMetric",
    "Raw",
    "Record",
]

Array = NDArray[Any]
Aggregate = Literal["mean", "median", "proportion"]
Direction = Literal["lower", "higher", "target"]


PUBLISHED = "published:"
"""Begins the ``weights`` of a model that somebody else ran; the source follows."""


@dataclass(frozen=True, eq=False)
class Case:
    """One thing that a benchmark asks about, without any reference value: a conversation cannot peek.

    Args:
        benchmark: the benchmark's name.
        id: unique within the benchmark; what ``--cases`` takes.
        structures: those that the case starts from; may be empty.
        inputs: whatever else defines the case (numbers, text, arrays).
        elements: atomic numbers that the potential must know.
        stratum: cases of one stratum resemble each other; a budget takes some of each.
    """

    benchmark: str
    id: str
    structures: Structures
    inputs: Mapping[str, Any] = field(default_factory=dict)
    elements: frozenset[int] = frozenset()
    stratum: str = ""

    def digest(self) -> str:
        """A hash of what is asked; the stratum has no part in it."""
        return digest(
            {
                "benchmark": self.benchmark,
                "id": self.id,
                "structures": self.structures.as_arrays(),
                "inputs": dict(self.inputs),
            }
        )


@dataclass(frozen=True, eq=False)
class Raw:
    """What a conversation brought home: arrays by name, everything a later analysis could want, nothing derived.

    The benchmark's ``schema`` gives each array's shape and unit.
    """

    arrays: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Raw)
            and self.arrays.keys() == other.arrays.keys()
            and all(np.array_equal(value, other.arrays[name], equal_nan=True) for name, value in self.arrays.items())
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class ModelIdentity:
    """Which potential it was, to the bit.

    Args:
        name: as on the command line.
        weights: SHA-256 of the weights, or a calculator's own ``identity`` text.
        options: modal, dispersion, dtype and the like.
        adapter_version: raised when an adapter's answers change.
        environment: hash of the lock of its environment; empty where others computed.
    """

    name: str
    weights: str
    options: Mapping[str, Any]
    adapter_version: int
    environment: str

    def digest(self) -> str:
        """The model's part of a record's key; the name has no part in it."""
        return digest([self.weights, dict(self.options), self.adapter_version, self.environment])

    @property
    def source(self) -> str:
        """Who published its results and where; empty for a potential that was run."""
        return self.weights.removeprefix(PUBLISHED) if self.is_published else ""

    @property
    def is_published(self) -> bool:
        """Whether its results were taken from what others have published."""
        return not self.environment and self.weights.startswith(PUBLISHED)


@dataclass(frozen=True)
class Provenance:
    """Where a record comes from; one for all records that a worker made under the same circumstances.

    Args:
        model: its identity.
        packages: version by package name, in the model's environment.
        python: version of the worker's interpreter.
        platform: operating system and processor architecture.
        device: ``cpu``, ``cuda:0``..., with the hardware's name where known.
        calibration_gflops: what the worker's device reached on a fixed matrix product at its start.
        dtype: of the model.
        threads: CPU threads given to the worker.
        forcegauge: version of ForceGauge.
    """

    model: ModelIdentity
    packages: Mapping[str, str]
    python: str
    platform: str
    device: str
    calibration_gflops: float
    dtype: str
    threads: int
    forcegauge: str


@dataclass(frozen=True, eq=False)
class Record:
    """One finished case, as the store keeps it.

    Args:
        key: hash of the model's identity, the case, the settings and the run version.
        model: name on the command line.
        benchmark: the benchmark's name.
        case_id: the case's id.
        settings: hash of the protocol settings.
        outcome: raw arrays, or why there are none.
        provenance: where it comes from.
        seed: of the case's random stream, derived from the key.
        run_version: of the benchmark's run part.
        wall_s: seconds the worker spent on the case's questions.
        peak_memory_bytes: the worker's peak at the end of the case, 0 where unknown.
        finished_at: seconds since 1970, UTC.
        atom_evaluations: atoms times evaluations that took these seconds, failed ones left out; 0 where unknown.
    """

    key: str
    model: str
    benchmark: str
    case_id: str
    settings: str
    outcome: Raw | Failure
    provenance: Provenance
    seed: int
    run_version: int
    wall_s: float
    peak_memory_bytes: int
    finished_at: float
    atom_evaluations: int = 0


@dataclass(frozen=True)
class Metric:
    """A number that a benchmark reports, declared once and used by tables, ranks, pages and report.

    Args:
        key: its name in every table.
        title: for people, a few words.
        unit: empty for pure numbers.
        direction: whether lower, higher, or closeness to ``ideal`` is better.
        ideal: what a perfect potential scores.
        good: the anchor from which a value counts as fit for use, with its reason in ``reason``.
        bad: the anchor from which it counts as useless.
        reason: why these anchors.
        score: the per-case score that it aggregates.
        aggregate: ``mean``, ``median``, or ``proportion`` of cases whose score is 1.
        description: one or two sentences: what is computed, of which cases.
        theory: functional that its reference values come from, such as ``PBE``; a potential of another theory is shown
            but not scored. Empty where physics alone is the judge.
    """

    key: str
    title: str
    unit: str
    direction: Direction
    ideal: float
    good: float
    bad: float
    reason: str
    score: str
    aggregate: Aggregate
    description: str
    theory: str = ""

    def distance(self, value: float) -> float:
        """How far a value is from the ideal one in the metric's direction; smaller is better, NaN stays NaN."""
        if self.direction == "lower":
            return value
        return -value if self.direction == "higher" else abs(value - self.ideal)

    def levels(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n], 0 at or beyond the bad anchor, 1 at or beyond the good one, straight between; NaN stays NaN."""
        signed = {"lower": values, "higher": -values, "target": np.abs(values - self.ideal)}[self.direction]
        bad, good = self.distance(self.bad), self.distance(self.good)
        found: NDArray[np.float64] = np.clip((bad - signed) / (bad - good), 0.0, 1.0)
        return found


@dataclass(frozen=True)
class MetricValue:
    """One metric of one model, with its doubt.

    Args:
        model: name on the command line.
        benchmark: the benchmark's name.
        metric: the metric's key.
        value: the aggregate over the cases that have a score; NaN where none has.
        low: lower end of the 95 % interval, NaN below ten cases.
        high: its upper end.
        unit: as declared.
        n_cases: cases that were asked, failures included.
        n_failed: of these, how many failed for other reasons than an unsupported element.
        n_unsupported: of these, how many hold an element that the model was not made for.
    """

    model: str
    benchmark: str
    metric: str
    value: float
    low: float
    high: float
    unit: str
    n_cases: int
    n_failed: int
    n_unsupported: int


@dataclass(frozen=True)
class PublishedMetric:
    """A number that others have published of a model, where the cases behind it are not to be had.

    Args:
        model: name it has in this store.
        benchmark: whose number it is; ForceGauge need not have that benchmark.
        metric: its name in the source.
        value: NaN where the source says that there is none.
        low: lower end of the published interval, NaN where there is none.
        high: its upper end.
        std: published standard deviation over the cases, NaN where there is none.
        unit: empty for pure numbers, and where the source says nothing.
        n_cases: cases that were asked, 0 where unknown.
        n_missing: of these, how many have no answer; 0 where unknown.
        source: who published it and where.
        sha256: of the file that it was read from.
    """

    model: str
    benchmark: str
    metric: str
    value: float
    low: float
    high: float
    std: float
    unit: str
    n_cases: int
    n_missing: int
    source: str
    sha256: str


@dataclass(frozen=True)
class Protocol:
    """The settings that a group of records shares, kept so that an analysis needs nothing but the store.

    Args:
        benchmark: the benchmark's name.
        settings: their hash.
        fields: the protocol fields by name.
        run_version: of the benchmark's run part.
    """

    benchmark: str
    settings: str
    fields: Mapping[str, Any]
    run_version: int


@dataclass(frozen=True)
class Planned:
    """A case that some run set out to do; with a record of its key it is done.

    Args:
        key: of the record to be.
        model: name on the command line.
        benchmark: the benchmark's name.
        case_id: the case's id.
        settings: hash of the protocol settings.
    """

    key: str
    model: str
    benchmark: str
    case_id: str
    settings: str
