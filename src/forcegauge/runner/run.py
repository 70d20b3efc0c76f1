"""``forcegauge.run``: models and benchmarks in, finished records in the store, a summary out."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from forcegauge.benchmarks import registry as benchmark_registry
from forcegauge.benchmarks.base import PRESETS, Mode
from forcegauge.errors import FINAL_KINDS, BadInput, Failure, UnknownName
from forcegauge.models import environments
from forcegauge.models import registry as model_registry
from forcegauge.results.store import Store
from forcegauge.runner import budget, prepare
from forcegauge.runner.execute import Execution, Limits, Outcome
from forcegauge.runner.plan import Chapter, Task, chapter, shard
from forcegauge.runner.prepare import Prepared, Resources
from forcegauge.runner.progress import Reporter, Silent

DEFAULT_SUITE = "quick"


@dataclass(frozen=True)
class RunOptions:
    """Everything that a run can be told; the command line's options have the same names.

    Args:
        results: the folder that takes the records; made where it is missing.
        models: names of registered models.
        calculators: by a name of one's own, an ASE calculator object (runs in this process) or the text
            ``package.module:factory`` (runs in a worker).
        benchmarks: names of benchmarks; empty for those of the suite.
        suite: a named list of benchmarks with presets; ``quick`` where neither is given.
        preset: smoke, quick or full, for ``benchmarks``.
        mode: default, arena or sait: the protocol's variant.
        cases: ids to run; empty for all of the preset.
        structures: one's own structures by name, in the place of the benchmarks' cases.
        resources: workers, device, dtype, threads, interpreter, memory.
        timeout_s: worker seconds that one question may take.
        retries: how often a question that killed its worker is put again.
        budget_s: seconds for the whole run; a stratified subset that fits is taken. None for no limit.
        shard: (i, n): part i of n of the plan, from 1.
    """

    results: Path
    models: Sequence[str] = ()
    calculators: Mapping[str, BaseCalculator | str] = field(default_factory=dict)
    benchmarks: Sequence[str] = ()
    suite: str | None = None
    preset: str = "quick"
    mode: Mode = "default"
    cases: Sequence[str] = ()
    structures: Sequence[tuple[str, Atoms]] | None = None
    resources: Resources = field(default_factory=Resources)
    timeout_s: float = 600.0
    retries: int = 1
    budget_s: float | None = None
    shard: tuple[int, int] | None = None


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Args:
        rows: per model and benchmark: cases planned, finished, answered, failed by kind, and the first reason.
        stopped: one line per model that ended early.
        seconds: wall time of the whole run.
    """

    rows: Sequence[Mapping[str, Any]]
    stopped: Sequence[str]
    seconds: float


def run(options: RunOptions, reporter: Reporter | None = None) -> Summary:
    """Ask every model every case that the store does not have yet.

    Finished cases are committed at once; the same call goes on where an interrupted one stopped.
    Raises ForceGaugeError for anything that the caller can mend, before the first case is asked.
    """
    start = time.monotonic()
    reporter = reporter or Silent()
    _check_models(options)
    chapters = plan(options)
    stopped: list[str] = []
    with Store.writer(options.results) as store, _prepared(options, reporter) as models:
        for chap in chapters:
            store.add_protocol(chap.protocol())
        if options.budget_s is not None:
            chapters = _within_budget(options, chapters, models, store, reporter, start)
        deadline = None if options.budget_s is None else start + options.budget_s
        for model in models:
            outcome = _ask(model, chapters, store, options, reporter, deadline)
            model.close()
            stopped += [outcome.stopped] if outcome.stopped else []
        rows = [row for model in models for row in _rows(model, chapters, store)]
    return Summary(rows, stopped, time.monotonic() - start)


def plan(options: RunOptions) -> list[Chapter]:
    """The benchmarks of a run with their cases; raises BadInput or UnknownName for what cannot be."""
    if options.preset not in PRESETS:
        raise UnknownName("preset", options.preset, PRESETS)
    if options.benchmarks and options.suite:
        raise BadInput("give --benchmarks or --suite, not both: a suite is a list of benchmarks")
    pairs = [(name, options.preset) for name in options.benchmarks]
    if not pairs:
        pairs = list(benchmark_registry.suite(options.suite or DEFAULT_SUITE))
    chapters = []
    for name, preset in pairs:
        made = chapter(benchmark_registry.get(name), preset, options.mode, options.structures, _cases_of(options, name))
        if options.shard is not None:
            made = made.part(shard(made.cases, *options.shard))
        chapters.append(made)
    return chapters


def named_structures(structures: Sequence[Atoms] | Mapping[str, Atoms]) -> list[tuple[str, Atoms]]:
    """Structures with unique names: the given ones, those in their info (``name``, ``id``), or formula and position."""
    if isinstance(structures, Mapping):
        return list(structures.items())
    named: dict[str, Atoms] = {}
    for place, atoms in enumerate(structures, start=1):
        given = next((str(atoms.info[key]) for key in ("name", "id", "label") if key in atoms.info), "")
        name = given or f"{atoms.get_chemical_formula()}-{place}"
        named[name if name not in named else f"{name}-{place}"] = atoms
    return list(named.items())


def _cases_of(options: RunOptions, benchmark: str) -> Sequence[str]:
    """The wanted cases of one benchmark: ``id``, or ``benchmark:id`` where a run has several benchmarks."""
    prefixed = [case.partition(":") for case in options.cases]
    names = benchmark_registry.names()
    return [
        tail if head in names and tail else case
        for case, (head, _, tail) in zip(options.cases, prefixed, strict=True)
        if not (head in names and tail) or head == benchmark
    ]


def _check_models(options: RunOptions) -> None:
    """Refuse what can be seen to be wrong before the results folder is touched."""
    if not options.models and not options.calculators:
        raise BadInput("no model to run: give --models NAME,NAME or --calculator package.module:factory")
    for name in options.models:
        model_registry.get(name)
    for calculator in options.calculators.values():
        if isinstance(calculator, str):
            prepare.check_target(calculator)
    if options.resources.python is not None:
        environments.interpreter(options.resources.python)


@contextlib.contextmanager
def _prepared(options: RunOptions, reporter: Reporter) -> Iterator[list[Prepared]]:
    """All models of the run, known to load before the first case is asked."""
    logs, resources = options.results / "logs", options.resources
    models: list[Prepared] = []
    try:
        for name in dict.fromkeys(options.models):
            models.append(prepare.prepare_registered(name, resources, logs, reporter.say))
        for name, calculator in options.calculators.items():
            if isinstance(calculator, str):
                models.append(prepare.prepare_factory(name, calculator, resources, logs, reporter.say))
            else:
                models.append(prepare.prepare_calculator(name, calculator, resources))
        for waiting in models[1:]:
            waiting.close()  # known to load; ten loaded models would fill the memory until their turn
        yield models
    finally:
        for model in models:
            model.close()


def _ask(
    model: Prepared,
    chapters: Sequence[Chapter],
    store: Store,
    options: RunOptions,
    reporter: Reporter,
    stop_at: float | None,
) -> Outcome:
    """Put all unfinished cases of the chapters to one model, a case of each chapter in turn."""
    finished = store.finished()
    queues: list[list[Task]] = []
    for chap in chapters:
        tasks = chap.tasks(model.identity, model.capabilities)
        store.add_plan(task.planned(model.name) for task in tasks)
        left = [task for task in tasks if not is_done(task.key, finished)]
        reporter.begin(model.name, chap.benchmark.name, len(tasks), len(tasks) - len(left))
        queues.append(left)
    todo = [task for turn in zip_longest(*queues) for task in turn if task is not None]
    if not todo:
        return Outcome()
    limits = Limits(options.timeout_s, options.retries, stop_at)
    return Execution(model, todo, store, options.resources.workers, limits, reporter).run()


def is_done(key: str, finished: Mapping[str, str | None]) -> bool:
    """Whether a record of this key is final: raw arrays, or a failure that a rerun would only repeat."""
    return key in finished and (finished[key] is None or finished[key] in FINAL_KINDS)


def _within_budget(
    options: RunOptions,
    chapters: Sequence[Chapter],
    models: Sequence[Prepared],
    store: Store,
    reporter: Reporter,
    start: float,
) -> list[Chapter]:
    """Measure what cases cost, then keep the share of every chapter that fits into the time."""
    assert options.budget_s is not None
    pilot_s = budget.pilot_seconds(options.budget_s, len(models))
    pilot = [chap.part(chap.cases[: budget.PILOT_CASES]) for chap in chapters]
    costs = {}
    for model in models:
        outcome = _ask(model, pilot, store, options, Silent(), time.monotonic() + pilot_s)
        costs[model.name] = budget.cost_per_case(
            outcome.seconds, outcome.seconds_by_benchmark, outcome.done_by_benchmark
        )
    left = options.budget_s - (time.monotonic() - start)
    share = budget.affordable_share(costs, {chap.benchmark.name: len(chap.cases) for chap in chapters}, left)
    kept = [chap.part(chap.cases[: budget.cases_kept(share, len(chap.cases))]) for chap in chapters]
    for whole, part in zip(chapters, kept, strict=True):
        reporter.say(f"budget: {len(part.cases)} of {len(whole.cases)} cases of {whole.benchmark.name} fit")
    return kept


def _rows(model: Prepared, chapters: Sequence[Chapter], store: Store) -> Iterator[dict[str, Any]]:
    finished = store.finished()
    for chap in chapters:
        keys = [task.key for task in chap.tasks(model.identity, model.capabilities)]
        outcomes = [finished[key] for key in keys if key in finished]
        kinds = Counter(kind for kind in outcomes if kind is not None)
        wanted = set(keys)
        reason = ""
        if kinds:
            records = store.records(benchmark=chap.benchmark.name, model=model.name)
            failures = (one.outcome for one in records if one.key in wanted and isinstance(one.outcome, Failure))
            reason = next((str(failure) for failure in failures if failure.kind != "unsupported_element"), "")
        yield {
            "model": model.name,
            "benchmark": chap.benchmark.name,
            "cases": len(keys),
            "answered": sum(kind is None for kind in outcomes),
            "unsupported": kinds.pop("unsupported_element", 0),
            "failed": ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()),
            "left": len(keys) - len(outcomes),
            "first_reason": reason,
        }
