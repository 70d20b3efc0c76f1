"""``forcegauge.run``: models and benchmarks in, finished records in the store, a summary out."""

from __future__ import annotations

import contextlib
import copy
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from forcegauge.benchmarks import registry as benchmark_registry
from forcegauge.benchmarks.base import PRESETS, Mode
from forcegauge.errors import FINAL_KINDS, BadInput, UnknownName
from forcegauge.models import environments, weights
from forcegauge.models import registry as model_registry
from forcegauge.results.store import Store
from forcegauge.runner import budget, prepare
from forcegauge.runner.execute import Execution, Limits, Outcome
from forcegauge.runner.plan import Chapter, Task, chapter, shard
from forcegauge.runner.prepare import Prepared, Resources
from forcegauge.runner.progress import Reporter, Silent
from forcegauge.structures import Structures

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
        preset: smoke, quick or full, for ``benchmarks`` (quick where not given); alone, the suite of that name.
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
    preset: str | None = None
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
    _check(options)
    chapters = plan(options)
    stopped: list[str] = []
    with Store.writer(options.results) as store, _prepared(options, reporter) as models:
        for chap in chapters:
            store.add_protocol(chap.protocol())
        work = [Work(model, chapters) for model in models]
        deadlines: list[float | None] = [None] * len(work)
        if options.budget_s is not None:
            deadlines = _fit_budget(options, work, store, reporter, start + options.budget_s)
        for one, deadline in zip(work, deadlines, strict=True):
            outcome = _ask(one, store, options, reporter, deadline)
            one.model.close()
            stopped += [outcome.stopped] if outcome.stopped else []
        rows = [row for one in work for row in _rows(one, store)]
    return Summary(rows, stopped, time.monotonic() - start)


class Work:
    """All that one model is to be asked, by benchmark; keys are computed once.

    Args:
        model: the model.
        chapters: the benchmarks with their cases.
    """

    def __init__(self, model: Prepared, chapters: Sequence[Chapter]) -> None:
        self.model = model
        capabilities = model.capabilities
        self.tasks = {chap.benchmark.name: chap.tasks(model.identity, capabilities) for chap in chapters}

    def first(self, count: int) -> Work:
        """The same with the first ``count`` cases of each benchmark."""
        return self.kept(dict.fromkeys(self.tasks, count))

    def kept(self, counts: Mapping[str, int]) -> Work:
        """The same with the first so many cases of each benchmark."""
        part = copy.copy(self)
        part.tasks = {name: tasks[: counts[name]] for name, tasks in self.tasks.items()}
        return part


def plan(options: RunOptions) -> list[Chapter]:
    """The benchmarks of a run with their cases; raises BadInput or UnknownName for what cannot be."""
    if options.preset is not None and options.preset not in PRESETS:
        raise UnknownName("preset", options.preset, PRESETS)
    if options.suite and (options.benchmarks or options.preset):
        other = "--benchmarks" if options.benchmarks else "--preset"
        raise BadInput(f"give {other} or --suite, not both: a suite is a list of benchmarks with presets")
    pairs = [(name, options.preset or DEFAULT_SUITE) for name in dict.fromkeys(options.benchmarks)]
    if not pairs:
        pairs = list(benchmark_registry.suite(options.suite or options.preset or DEFAULT_SUITE))
    chapters: list[Chapter] = []
    refusals: list[BadInput] = []
    for name, preset in pairs:
        benchmark = benchmark_registry.get(name)
        wanted = _cases_of(options, name)
        if options.cases and not wanted:
            continue  # every id that was asked for names another benchmark
        try:
            made = chapter(benchmark, preset, options.mode, options.structures, wanted)
        except BadInput as refusal:
            if options.structures is None or options.benchmarks:
                raise
            refusals.append(refusal)  # a suite asks what it can of one's own structures
            continue
        chapters.append(made if options.shard is None else made.part(shard(made.cases, *options.shard)))
    if refusals and not chapters:
        raise refusals[0]
    for reason in refusals:
        sys.stderr.write(f"forcegauge: left out: {reason}\n")
    return chapters


_WHOLE_SITE = 0.99
"""Sites are occupied in part below this; 0.999 is a whole atom, measured."""


def named_structures(structures: Sequence[Atoms] | Mapping[str, Atoms]) -> list[tuple[str, Atoms]]:
    """Structures with unique names: the given ones, those in their info (``name``, ``id``), or formula and position."""
    if isinstance(structures, Mapping):
        for name, atoms in structures.items():
            _check_structure(name, atoms)
        return list(structures.items())
    named: dict[str, Atoms] = {}
    for place, atoms in enumerate(structures, start=1):
        given = next((str(atoms.info[key]) for key in ("name", "id", "label") if key in atoms.info), "")
        wanted = given or f"{atoms.get_chemical_formula()}-{place}"
        name = next(one for one in chain([wanted], (f"{wanted}-{n}" for n in count(place))) if one not in named)
        named[name] = atoms
    for name, atoms in named.items():
        _check_structure(name, atoms)
    return list(named.items())


def _check_structure(name: str, atoms: Atoms) -> None:
    if not len(atoms):
        raise BadInput(f"structure {name} holds no atoms: leave it out")
    try:
        Structures.from_atoms(atoms)
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"structure {name} cannot be read: {error}; charge and spin in its info must be numbers, magnetic moments "
            "one number per atom"
        ) from None
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise BadInput(f"structure {name} has positions or cell vectors that are not finite: mend it or leave it out")
    occupancy = atoms.info.get("occupancy")  # of a CIF: ASE makes a whole atom of the commonest element on each site
    if isinstance(occupancy, Mapping) and any(
        share < _WHOLE_SITE for site in occupancy.values() for share in site.values()
    ):
        raise BadInput(
            f"structure {name} has sites that are occupied in part: give an ordered cell, one whole atom on each site"
        )


def _cases_of(options: RunOptions, benchmark: str) -> Sequence[str]:
    """The wanted cases of one benchmark: ``id``, or ``benchmark:id`` where a run has several benchmarks."""
    prefixed = [case.partition(":") for case in options.cases]
    names = benchmark_registry.names()
    return [
        tail if head in names and tail else case
        for case, (head, _, tail) in zip(options.cases, prefixed, strict=True)
        if not (head in names and tail) or head == benchmark
    ]


def _check(options: RunOptions) -> None:
    """Refuse what can be seen to be wrong before the results folder is touched."""
    index, count_ = options.shard or (1, 1)
    wrong = [
        (options.resources.workers < 1, f"{options.resources.workers} workers: give one or more"),
        (options.timeout_s <= 0, f"a time limit of {options.timeout_s:g} s: give more than zero"),
        (
            options.budget_s is not None and options.budget_s <= 0,
            f"a budget of {options.budget_s} s: give more than zero",
        ),
        (options.retries < 0, f"{options.retries} retries: give zero or more"),
        (not 1 <= index <= count_, f"shard {index} of {count_}: give (i, n) with i from 1 to n"),
        (options.structures is not None and not options.structures, "no structures: give at least one, or none at all"),
    ]
    for is_wrong, text in wrong:
        if is_wrong:
            raise BadInput(text)
    if not options.models and not options.calculators:
        raise BadInput("no model to run: give --models NAME,NAME or --calculator package.module:factory")
    taken = set(options.calculators)
    for name in dict.fromkeys(options.models):
        entry = weights.provided(model_registry.get(name))
        if entry.name in taken:
            raise BadInput(f"two models are called {entry.name}: give the calculator or the checkpoint another name")
        taken.add(entry.name)
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
            _wait_unloaded(models)
        for name, calculator in options.calculators.items():
            if isinstance(calculator, str):
                models.append(prepare.prepare_factory(name, calculator, resources, logs, reporter.say))
            else:
                models.append(prepare.prepare_calculator(name, calculator, resources))
            _wait_unloaded(models)
        yield models
    finally:
        for model in models:
            model.close()


def _wait_unloaded(models: Sequence[Prepared]) -> None:
    """Let only the first model wait with its worker: ten loaded ones would fill the memory until their turn."""
    if len(models) > 1:
        models[-1].close()


def _ask(work: Work, store: Store, options: RunOptions, reporter: Reporter, stop_at: float | None) -> Outcome:
    """Put all unfinished cases to one model, a case of each benchmark in turn."""
    finished = store.finished()
    name = work.model.name
    queues: list[list[Task]] = []
    for benchmark, tasks in work.tasks.items():
        store.add_plan(task.planned(name) for task in tasks)
        left = [task for task in tasks if not is_done(task.key, finished)]
        reporter.begin(name, benchmark, len(tasks), len(tasks) - len(left))
        queues.append(left)
    todo = [task for turn in zip_longest(*queues) for task in turn if task is not None]
    if not todo:
        return Outcome()
    limits = Limits(options.timeout_s, options.retries, stop_at)
    return Execution(work.model, todo, store, options.resources.workers, limits, reporter).run()


def is_done(key: str, finished: Mapping[str, str | None]) -> bool:
    """Whether a record of this key is final: raw arrays, or a failure that a rerun would only repeat."""
    return key in finished and (finished[key] is None or finished[key] in FINAL_KINDS)


def _fit_budget(
    options: RunOptions, work: list[Work], store: Store, reporter: Reporter, deadline: float
) -> list[float | None]:
    """Measure what cases cost, keep the share of every benchmark that fits for all models, and share the time out.

    Changes ``work`` in place; gives back when each model's time is over.
    """
    assert options.budget_s is not None
    pilot_s = budget.pilot_seconds(options.budget_s, len(work))
    costs, left = [], []
    for one in work:
        pilot = one.first(budget.PILOT_CASES)
        _ask(pilot, store, options, Silent(), time.monotonic() + pilot_s)
        finished = store.finished()
        costs.append({name: _cost(tasks, store, options, pilot_s) for name, tasks in pilot.tasks.items()})
        left.append({name: [not is_done(task.key, finished) for task in tasks] for name, tasks in one.tasks.items()})
    share = budget.affordable_share(costs, left, deadline - time.monotonic())
    for place, one in enumerate(work):
        counts = {name: budget.cases_kept(share, len(tasks)) for name, tasks in one.tasks.items()}
        work[place] = one.kept(counts)
        for name in counts if place == 0 else ():
            reporter.say(f"budget: {counts[name]} of {len(one.tasks[name])} cases of {name} fit")
    return list(budget.deadlines(costs, left, share, time.monotonic(), deadline))


def _cost(tasks: Sequence[Task], store: Store, options: RunOptions, pilot_s: float) -> float:
    """Seconds per case from the records that there are; where the pilot finished none, all that it took."""
    records = [record for task in tasks if (record := store.record(task.key)) is not None]
    if not records:
        return pilot_s
    return sum(record.wall_s for record in records) / len(records) / options.resources.workers


def _rows(work: Work, store: Store) -> Iterator[dict[str, Any]]:
    finished = store.finished()
    for benchmark, tasks in work.tasks.items():
        kinds = {task.key: finished[task.key] for task in tasks if task.key in finished}
        counts = Counter(kind for kind in kinds.values() if kind is not None)
        unsupported = counts.pop("unsupported_element", 0)
        failed = next((key for key, kind in kinds.items() if kind not in (None, "unsupported_element")), None)
        record = None if failed is None else store.record(failed)
        yield {
            "model": work.model.name,
            "benchmark": benchmark,
            "cases": len(tasks),
            "answered": sum(kind is None for kind in kinds.values()),
            "unsupported": unsupported,
            "failed": ", ".join(f"{number} {kind}" for kind, number in counts.most_common()),
            "left": len(tasks) - len(kinds),
            "first_reason": "" if record is None else str(record.outcome),
        }
