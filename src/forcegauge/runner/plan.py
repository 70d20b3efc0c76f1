"""The plan: which cases which model is asked, in which order, under which key."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from forcegauge.benchmarks.base import Benchmark, Mode, Settings
from forcegauge.encoding import digest
from forcegauge.errors import BadInput, DataUnavailable, Failure, UnknownName
from forcegauge.potential import Capabilities
from forcegauge.records import Case, ModelIdentity, Planned, Protocol


@dataclass(frozen=True, eq=False)
class Task:
    """One case for one model: the unit that succeeds, fails, and is never done twice.

    Args:
        key: of the record to be: hash of model identity, case, settings and run version.
        benchmark: whose conversation answers the case.
        settings: of the benchmark.
        case: what is asked.
        refusal: why the model need not be asked at all, or None.
    """

    key: str
    benchmark: Benchmark
    settings: Settings
    case: Case
    refusal: Failure | None

    @property
    def seed(self) -> int:
        """Seed of the case's random stream, from the key."""
        return int(self.key[:15], 16)

    def planned(self, model: str) -> Planned:
        """The line of the plan that the store keeps."""
        return Planned(self.key, model, self.benchmark.name, self.case.id, self.settings.digest())


@dataclass(frozen=True, eq=False)
class Chapter:
    """One benchmark of the run with its cases in the order in which they are asked.

    Args:
        benchmark: the benchmark.
        settings: of the chosen preset and mode.
        cases: every prefix of them is a stratified sample.
    """

    benchmark: Benchmark
    settings: Settings
    cases: Sequence[Case]

    def protocol(self) -> Protocol:
        """The settings as the store keeps them."""
        return Protocol(
            self.benchmark.name, self.settings.digest(), self.settings.protocol(), self.benchmark.run_version
        )

    def tasks(self, identity: ModelIdentity, capabilities: Capabilities) -> list[Task]:
        """The chapter's tasks for one model."""
        shared: list[Any] = [identity.digest(), self.settings.digest(), self.benchmark.run_version]
        return [
            Task(
                key=digest([*shared, case.digest()]),
                benchmark=self.benchmark,
                settings=self.settings,
                case=case,
                refusal=_refusal(self.benchmark, case, capabilities),
            )
            for case in self.cases
        ]

    def part(self, cases: Sequence[Case]) -> Chapter:
        """The same chapter with fewer cases."""
        return Chapter(self.benchmark, self.settings, cases)


def chapter(
    benchmark: Benchmark,
    preset: str,
    mode: Mode,
    structures: Sequence[tuple[str, Atoms]] | None = None,
    wanted: Iterable[str] = (),
) -> Chapter:
    """The cases of a benchmark in stratified order.

    Args:
        benchmark: the benchmark.
        preset: smoke, quick or full.
        mode: the protocol's mode.
        structures: a user's own structures by name, which replace the benchmark's cases.
        wanted: ids to keep; empty keeps all. An id that only a larger preset has is taken from there.

    Raises:
        BadInput: where the benchmark takes no structures.
        UnknownName: where no preset has a wanted case.
    """
    settings = benchmark.settings(preset, mode)
    if structures is None:
        cases = list(benchmark.cases(settings))
    elif benchmark.structure_cases is None:
        raise BadInput(f"benchmark {benchmark.name} takes no structures of one's own: leave it out or leave out them")
    else:
        cases = list(benchmark.structure_cases(structures, settings))
    ids = list(wanted)
    if ids:
        if structures is None and not {case.id for case in cases} >= set(ids):
            cases += [case for case in _all_cases(benchmark, mode) if case.id not in {known.id for known in cases}]
        cases = _pick(benchmark, cases, ids)
    return Chapter(benchmark, settings, stratified(cases))


def stratified(cases: Sequence[Case]) -> list[Case]:
    """Cases reordered so that every prefix holds each stratum in proportion; the order depends on ids alone."""
    strata: Mapping[str, list[Case]] = defaultdict(list)
    for case in cases:
        strata[case.stratum].append(case)
    placed: list[tuple[float, str, Case]] = []
    for members in strata.values():
        shuffled = sorted(members, key=lambda case: _scramble(case.id))
        placed += [((place + 0.5) / len(shuffled), _scramble(case.id), case) for place, case in enumerate(shuffled)]
    return [case for _, _, case in sorted(placed, key=lambda item: item[:2])]


def shard(cases: Sequence[Case], index: int, count: int) -> list[Case]:
    """Part ``index`` of ``count`` (from 1) of cases: every count-th, so parts cost about the same."""
    return list(cases[index - 1 :: count])


def _refusal(benchmark: Benchmark, case: Case, capabilities: Capabilities) -> Failure | None:
    missing = [name for name in benchmark.needs if name not in capabilities.properties]
    if missing:
        return Failure("not_implemented", f"the model gives no {' and no '.join(missing)}")
    if not capabilities.accepts(case.elements):
        from ase.data import chemical_symbols

        foreign = sorted(case.elements - set(capabilities.elements))
        symbols = ", ".join(chemical_symbols[number] for number in foreign)
        return Failure("unsupported_element", f"the model was not made for {symbols}")
    return None


def _all_cases(benchmark: Benchmark, mode: Mode) -> list[Case]:
    """The cases of all presets whose data is at hand."""
    found: dict[str, Case] = {}
    for preset in benchmark.presets:
        with contextlib.suppress(DataUnavailable):
            for case in benchmark.cases(benchmark.settings(preset, mode)):
                found.setdefault(case.id, case)
    return list(found.values())


def _pick(benchmark: Benchmark, cases: Sequence[Case], ids: Sequence[str]) -> list[Case]:
    known = {case.id: case for case in cases}
    for name in ids:
        if name not in known:
            remedy = "(only data that is at hand was searched: forcegauge data list)"
            raise UnknownName(f"case of benchmark {benchmark.name}", name, known, remedy)
    return [known[name] for name in dict.fromkeys(ids)]


def _scramble(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
