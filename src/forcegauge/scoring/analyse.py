"""Metrics with intervals from the records of a store."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol as Interface

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.base import MODES, Analysis, Benchmark, Mode, Scores
from forcegauge.errors import BadInput, DataUnavailable, Failure, UnknownName
from forcegauge.metrics.uncertainty import estimate
from forcegauge.records import Case, Metric, MetricValue, Planned, Protocol, Provenance, Raw, Record
from forcegauge.results.store import Store
from forcegauge.scoring.groups import Group, choose_group

COVERAGE = Metric(
    key="coverage",
    title="Coverage",
    unit="",
    direction="higher",
    ideal=1.0,
    good=1.0,
    bad=0.8,
    reason="A potential that answers four cases in five leaves the other metrics to the easy ones.",
    score="coverage",
    aggregate="proportion",
    description="Share of the asked cases that have an answer; an element that the model was not made for counts "
    "as missing, and so does every other failure.",
)
"""The metric that every benchmark has besides its own."""


class RecordSource(Interface):
    """What the analysis needs of a store."""

    def records(self, *, benchmark: str | None = None, model: str | None = None) -> Iterator[Record]:
        """Every finished case."""
        ...

    def protocols(self) -> list[Protocol]:
        """The settings that the records refer to."""
        ...

    def planned(self) -> list[Planned]:
        """Every case that some run set out to do."""
        ...

    def systems(self, benchmark: str) -> dict[str, str]:
        """Chemical system by case id."""
        ...

    def cases(self, benchmark: str) -> dict[str, Case]:
        """What was asked, by digest."""
        ...


@dataclass(frozen=True)
class FailureRow:
    """One failed case, or one case that the benchmark's own analysis stumbled over (kind ``bug``)."""

    model: str
    benchmark: str
    case: str
    kind: str
    message: str
    traceback: str


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """All that a store says about one benchmark.

    Args:
        benchmark: the benchmark itself.
        analysis: scores and outcomes; None where the records cannot be analysed in this mode, and ``notes`` say why.
        metrics: coverage first, then those declared for the mode.
        values: every metric of every model.
        failures: every failed case of the models.
        records: the records behind the analysis, by case id, by model.
        n_pending: by model, cases that a run set out to do and that have no record yet; no part of ``n_cases``.
        notes: what was left out and why.
        systems: chemical system by case id; cases of one are drawn together. A case without elements has none.
        cases: what was asked, by case id.
    """

    benchmark: Benchmark
    analysis: Analysis | None
    metrics: tuple[Metric, ...] = ()
    values: tuple[MetricValue, ...] = ()
    failures: tuple[FailureRow, ...] = ()
    records: Mapping[str, Mapping[str, Record]] = field(default_factory=dict)
    n_pending: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    systems: Mapping[str, str] = field(default_factory=dict)
    cases: Mapping[str, Case] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that have a record, in alphabetical order."""
        return tuple(sorted(self.records))

    @property
    def provenances(self) -> dict[str, list[Provenance]]:
        """By model, the distinct circumstances under which its records were made."""
        found: dict[str, list[Provenance]] = {}
        for model, records in self.records.items():
            seen = found.setdefault(model, [])
            for record in records.values():
                if record.provenance not in seen:
                    seen.append(record.provenance)
        return found

    @property
    def published(self) -> dict[str, str]:
        """By model that others have run, where its results were published."""
        first = {model: found[0].model for model, found in self.provenances.items()}
        return {model: identity.source for model, identity in first.items() if identity.is_published}

    def value(self, model: str, metric: str) -> MetricValue | None:
        """One metric of one model; None where the model has no record."""
        return next((value for value in self.values if (value.model, value.metric) == (model, metric)), None)


def analyse(store: RecordSource | str | Path, mode: Mode = "default") -> list[BenchmarkResult]:
    """Metrics with intervals for every benchmark of a store, in the order of their names.

    Args:
        store: an open store, or the folder of one.
        mode: which published protocol the formulas and settings follow.

    Raises:
        BadInput: no such mode, no finished case, or no benchmark whose records fit the mode. A benchmark that does
            not fit beside others that do comes without analysis, and its notes say why.
    """
    if mode not in MODES:
        raise UnknownName("mode", mode, MODES)
    if isinstance(store, str | Path):
        with Store.open(Path(store)) as opened, opened.snapshot():
            return analyse(opened, mode)
    records: dict[str, list[Record]] = {}
    for record in store.records():
        records.setdefault(record.benchmark, []).append(record)
    planned, protocols = store.planned(), store.protocols()
    if not records:
        raise BadInput(
            f"nothing to analyse: no case is finished ({len(planned)} are planned); 'forcegauge run' comes first"
        )
    known = {name: benchmark for name in sorted(records) if (benchmark := _installed(name)) is not None}
    foreign = sorted(set(records) - set(known))
    results = [
        replace(
            _analyse_benchmark(benchmark, mode, records[name], protocols, planned, store.systems(name)),
            cases={case.id: case for case in store.cases(name).values()},
        )
        for name, benchmark in known.items()
    ]
    if foreign:
        missing = f"{', '.join(foreign)}: not installed here, so these records are left out; install their package."
        if not results:
            raise BadInput(f"nothing to analyse: {missing}")
        results[0] = replace(results[0], notes=(*results[0].notes, missing))
    if all(result.analysis is None for result in results):
        raise BadInput("; ".join(note for result in results for note in result.notes))
    return results


def _installed(name: str) -> Benchmark | None:
    """The benchmark, or None where the records came from a place that has more of them."""
    try:
        return registry.get(name)
    except UnknownName:
        return None


def restricted(result: BenchmarkResult, cases: frozenset[str]) -> BenchmarkResult:
    """The same result over some of the cases only, its values anew."""
    assert result.analysis is not None  # what cannot be analysed cannot be restricted
    values = []
    for model in result.analysis.outcomes:
        outcomes = {case: one for case, one in result.analysis.outcomes[model].items() if case in cases}
        scores = {case: one for case, one in result.analysis.scores[model].items() if case in cases}
        values += [
            _value(model, result.benchmark.name, metric, scores, outcomes, result.systems) for metric in result.metrics
        ]
    records = {
        model: {case: one for case, one in own.items() if case in cases} for model, own in result.records.items()
    }
    return replace(result, values=tuple(values), records=records)


def _analyse_benchmark(
    benchmark: Benchmark,
    mode: Mode,
    records: Sequence[Record],
    protocols: Sequence[Protocol],
    planned: Sequence[Planned],
    systems: Mapping[str, str],
) -> BenchmarkResult:
    planned = [case for case in planned if case.benchmark == benchmark.name]
    try:
        group = choose_group(benchmark, mode, records, protocols, frozenset(case.model for case in planned))
    except BadInput as reason:
        return BenchmarkResult(benchmark, None, notes=(str(reason),))
    outcomes: dict[str, dict[str, Raw | Failure]] = {
        model: {case: record.outcome for case, record in cases.items()} for model, cases in group.records.items()
    }
    try:
        scores = {model: _scores(benchmark, own, group, mode) for model, own in outcomes.items()}
    except (BadInput, DataUnavailable) as reason:  # what this machine lacks is no failure of a model
        return BenchmarkResult(benchmark, None, notes=(str(reason),))
    metrics = (COVERAGE, *benchmark.metrics[mode])
    pending = _pending(benchmark, group, planned, {record.key for record in records})
    return BenchmarkResult(
        benchmark=benchmark,
        analysis=Analysis(scores, outcomes, mode, group.settings),
        metrics=metrics,
        values=tuple(
            _value(model, benchmark.name, metric, scores[model], outcomes[model], systems)
            for model in outcomes
            for metric in metrics
        ),
        failures=_failures(benchmark, outcomes),
        records=group.records,
        n_pending={model: pending[model] for model in {**outcomes, **pending}},
        notes=group.notes,
        systems=systems,
    )


def _pending(benchmark: Benchmark, group: Group, planned: Sequence[Planned], finished: Set[str]) -> Counter[str]:
    """By model, how many planned cases of the group have no record yet."""
    return Counter(
        case.model
        for case in planned
        if case.settings == group.settings_digest
        and case.key not in finished
        and benchmark.collection(case.case_id) == group.collection
    )


def _failures(benchmark: Benchmark, outcomes: Mapping[str, Mapping[str, Raw | Failure]]) -> tuple[FailureRow, ...]:
    return tuple(
        FailureRow(model, benchmark.name, case, outcome.kind, outcome.message, outcome.traceback)
        for model, own in outcomes.items()
        for case, outcome in own.items()
        if isinstance(outcome, Failure)
    )


def _scores(benchmark: Benchmark, outcomes: dict[str, Raw | Failure], group: Group, mode: Mode) -> Scores:
    """Per-case scores of one model; a case whose analysis raises becomes a failure in ``outcomes``."""
    references = benchmark.references(group.settings)
    try:
        return benchmark.analyse(outcomes, references, group.settings, mode)
    except (BadInput, DataUnavailable):
        raise
    except Exception:  # an author's mistake about one case must not take the page from the others
        scores: dict[str, Mapping[str, float]] = {}
    for case, outcome in list(outcomes.items()):
        try:
            scores.update(benchmark.analyse({case: outcome}, references, group.settings, mode))
        except Exception as error:
            message = f"the analysis of {benchmark.name} raised {type(error).__name__}: {error}"
            outcomes[case] = Failure("bug", message, traceback.format_exc())
    return scores


def _value(
    model: str,
    benchmark: str,
    metric: Metric,
    scores: Scores,
    outcomes: Mapping[str, Raw | Failure],
    systems: Mapping[str, str],
) -> MetricValue:
    kinds = {case: outcome.kind if isinstance(outcome, Failure) else None for case, outcome in outcomes.items()}
    if metric is COVERAGE:
        per_case = {case: float(kind is None) for case, kind in kinds.items()}
    else:
        per_case = {case: float(of_case.get(metric.score, float("nan"))) for case, of_case in scores.items()}
    clusters = [systems.get(case) or case for case in per_case]
    found = estimate(list(per_case.values()), metric.aggregate, clusters=clusters)
    counts = Counter(kinds.values())
    return MetricValue(
        model=model,
        benchmark=benchmark,
        metric=metric.key,
        value=found.value,
        low=found.low,
        high=found.high,
        unit=metric.unit,
        n_cases=len(kinds),
        n_failed=len(kinds) - counts[None] - counts["unsupported_element"],
        n_unsupported=counts["unsupported_element"],
    )
