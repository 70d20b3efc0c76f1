"""A model in its own environment as an ASE calculator: one worker, asked and waited for, restarted when it dies."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed, Calculator, PropertyNotImplementedError, all_changes
from ase.data import chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress

from forcegauge.errors import BadInput, Failure
from forcegauge.folders import cache_folder
from forcegauge.potential import (
    PROPERTIES,
    Answer,
    Bands,
    Capabilities,
    Finished,
    Potential,
    Prediction,
    Predictions,
    Question,
    Relaxed,
    converse,
)
from forcegauge.runner.execute import BATCH_S, SLICE_S
from forcegauge.runner.prepare import Prepared, Resources, check_target, prepare_factory, prepare_registered
from forcegauge.runner.workers import Worker, is_readable
from forcegauge.simulate.procedure import procedure
from forcegauge.structures import Floats, Structures
from forcegauge.worker.answer import Message

Result = TypeVar("Result")

_POLL_S = 0.25
_GRADIENTS = {"forces", "stress"}
_IN_INFO = ("charge", "spin")  # of the whole structure; ASE's own comparison does not look at them


class ModelFailed(Failure, CalculationFailed):  # type: ignore[misc]  # ASE is not typed
    """What a model could not do for a structure: ASE's ``CalculationFailed`` and ForceGauge's ``Failure`` in one."""


def load_model(
    name: str,
    *,
    device: str = "cpu",
    dtype: str | None = None,
    threads: int | None = None,
    python: str | Path | None = None,
    timeout_s: float = 600.0,
) -> RemoteCalculator:
    """A model in a worker process of its own environment, as an ASE calculator.

    Args:
        name: of a registered model, or ``package.module:factory`` for a function that returns an ASE calculator.
        device: cpu, cuda, cuda:1...
        dtype: float32 or float64, None for the model's own.
        threads: CPU threads, None for all cores.
        python: interpreter to run the model in, instead of its environment.
        timeout_s: how long one structure, one batch of a list or one slice of a relaxation may take.

    Raises:
        UnknownName: no such model; the nearest names are in the message.
        ModelUnavailable: its environment does not build, or the model does not load in it.
    """
    if not timeout_s > 0:
        raise BadInput(f"timeout_s={timeout_s:g}: give a number of seconds above zero")
    resources = Resources(device=device, dtype=dtype, threads=threads, python=Path(python) if python else None)
    logs = cache_folder() / "logs"
    if ":" in name:
        check_target(name, "model")
        model = prepare_factory(name, name, resources, logs, _quiet)
    else:
        model = prepare_registered(name, resources, logs, _quiet)
    asked = {"device": device, "dtype": dtype, "threads": threads, "python": python, "timeout_s": timeout_s}
    return RemoteCalculator(model, timeout_s, asked)


class RemoteCalculator(Calculator):  # type: ignore[misc]  # ASE is not typed
    """An ASE calculator whose model runs in a worker process; ends with :meth:`close`, or when nobody holds it.

    Energies in eV, forces in eV/Å, stress in eV/Å³ in ASE's Voigt order, tension positive, moments in Bohr magnetons.
    Only what is asked for is computed: an energy alone needs no gradient. A structure that the model fails for raises
    :class:`ModelFailed`, a property that it lacks ASE's ``PropertyNotImplementedError``.

    Args:
        model: prepared by :func:`load_model`.
        timeout_s: how long one batch may take.
        asked: the keyword arguments of :func:`load_model`, for a copy in another process.
    """

    def __init__(self, model: Prepared, timeout_s: float, asked: Mapping[str, Any]) -> None:
        super().__init__()
        self._crew = _Crew(model, timeout_s)
        self.capabilities = self._crew.capabilities()
        self.implemented_properties = ["free_energy", *self.capabilities.properties]
        self._name = model.name
        self._recipe = asked
        self._lock = threading.RLock()
        self._asked: set[str] = set()
        self._usual: set[str] = set()
        self._potential = Potential(self.capabilities)
        self._end = weakref.finalize(self, self._crew.close)

    @property
    def worker_s(self) -> float:
        """Seconds that the worker has spent on all questions so far."""
        return self._crew.worker_s

    @property
    def waited_s(self) -> float:
        """Seconds from questions to answers so far: those of the worker, and the way there and back."""
        return self._crew.waited_s

    # The face for ASE

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Ask the model once; called by ASE where a result is missing."""
        if atoms is not None:
            self.atoms = atoms.copy()
        if system_changes:
            self._usual, self._asked = self._asked, set()
        wanted = {"energy"} | (set(properties) & set(PROPERTIES))
        if wanted & _GRADIENTS:  # who moves the cell asks for both at every step, and one gradient gives both
            wanted |= self._usual & _GRADIENTS
        one = self._one(Structures.from_atoms([self.atoms]), tuple(name for name in PROPERTIES if name in wanted))
        self.results["energy"] = self.results["free_energy"] = one.energy
        for name in wanted - {"energy", "stress"}:
            self.results[name] = getattr(one, name)
        if one.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(one.stress)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last call: ASE's list, and the charge and spin in ``atoms.info``."""
        changes: list[str] = super().check_state(atoms, tol)
        if self.atoms is not None and any(self.atoms.info.get(key) != atoms.info.get(key) for key in _IN_INFO):
            changes.append("info")
        return changes

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """One result; several threads may ask, one is answered after the other."""
        if name not in self.implemented_properties:
            given = ", ".join(self.capabilities.properties)
            raise PropertyNotImplementedError(f"{self._name} gives no {name}; it gives {given}")
        with self._lock:
            value = super().get_property(name, atoms, allow_calculation)
            self._asked.add(name)
            return value

    def _get_name(self) -> str:
        return self._name

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._name, dict(self._recipe))

    # The face of a potential, in the same words, driven on the spot

    def evaluate(
        self,
        structures: Structures | Iterable[Atoms],
        properties: Sequence[str] = ("energy", "forces"),
        *,
        keep_failures: bool = False,
    ) -> Predictions:
        """Energy, forces, stress or magnetic moments of many structures, in batches that suit the model.

        Raises the first failure as :class:`ModelFailed` unless ``keep_failures``; then its numbers are NaN, and
        ``failures`` says why.
        """
        return self._converse(self._potential.evaluate(structures, properties, keep_failures=keep_failures))

    def relax(self, structures: Structures | Iterable[Atoms], **wanted: Any) -> Relaxed:
        """Structures relaxed together; ``wanted`` as in :meth:`forcegauge.potential.Potential.relax`.

        Raises the first failure as :class:`ModelFailed` unless ``keep_failures``.
        """
        return self._converse(self._potential.relax(structures, **wanted))

    def elastic_band(self, images: Structures | Iterable[Atoms], **wanted: Any) -> Bands:
        """Minimum energy paths; ``wanted`` as in :meth:`forcegauge.potential.Potential.elastic_band`."""
        return self._converse(self._potential.elastic_band(images, **wanted))

    def close(self) -> None:
        """End the worker; the next question would start another."""
        with self._lock:
            self._crew.close()

    def __enter__(self) -> RemoteCalculator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _converse(self, conversation: Coroutine[Any, Any, Result]) -> Result:
        with self._lock:
            try:
                return converse(conversation, self._answer)
            except Failure as failure:
                raise _as_ase(failure) from None
            finally:
                conversation.close()

    def _answer(self, question: Question) -> Answer:
        if not len(question.structures):
            return question.answer_to_nothing()
        if not question.keep_failures:
            self._refuse_strangers(question.structures)
        if question.procedure:
            return self._crew.advance(question, self.capabilities)
        return self._crew.evaluate(question, self.capabilities)

    def _one(self, structures: Structures, properties: tuple[str, ...]) -> Prediction:
        try:
            self._refuse_strangers(structures)
            return self._crew.evaluate(Question(structures, properties), self.capabilities)[0]
        except Failure as failure:
            raise _as_ase(failure) from None

    def _refuse_strangers(self, structures: Structures) -> None:
        if self.capabilities.accepts(structures.elements):
            return
        strangers = sorted(structures.elements - set(self.capabilities.elements))
        names = ", ".join(chemical_symbols[number] for number in strangers)
        known = len(self.capabilities.elements)
        raise Failure("unsupported_element", f"{self._name} was not made for {names}; it knows {known} elements")


class _Crew:
    """One worker at a time, and what is done where it dies: the batch is halved, a structure alone is put once more.

    Args:
        model: whose workers are hired.
        timeout_s: how long one batch may take.
    """

    def __init__(self, model: Prepared, timeout_s: float) -> None:
        self.worker_s = self.waited_s = 0.0
        self._model = model
        self._timeout_s = timeout_s
        self._number = 0
        self._cost_per_s = 0.0
        self._owner = os.getpid()
        self._worker: Worker | None = model.hire()

    def capabilities(self) -> Capabilities:
        """What the worker's model declares; its batches follow the memory that there is."""
        return Capabilities.from_dict(self._hired().facts["capabilities"])

    def evaluate(self, question: Question, capabilities: Capabilities) -> Predictions:
        """The answer to a question about structures as they are."""
        structures, properties = question.structures, list(question.properties)
        pieces: dict[int, Predictions] = {}

        def message(rows: range) -> Message:
            return {"op": "evaluate", "structures": _taken(structures, rows).as_arrays(), "properties": properties}

        def note(rows: range, reply: Message) -> list[range]:
            pieces[rows.start] = Predictions.from_dict(reply["predictions"])
            return []

        def fail(row: int, failure: Failure) -> None:
            one = structures.take(row, row + 1)
            pieces[row] = Predictions.from_answers(one, question.properties, [failure])

        costs = capabilities.cost(structures) if len(structures) > 1 else np.ones(1)
        self._work(question, capabilities, costs, message, note, fail)
        return Predictions.concatenate([pieces[start] for start in sorted(pieces)])

    def advance(self, question: Question, capabilities: Capabilities) -> Finished:
        """The answer to a long question, slice by slice; structures that fit into a batch go together."""
        structures, settings = question.structures, dict(question.settings)
        steps = procedure(question.procedure)
        states: list[Mapping[str, Any]] = list(steps.begin(structures, settings))
        count = steps.structures_per_state(settings)
        costs = capabilities.cost(structures).reshape(-1, count).sum(axis=1)
        advance = {
            "op": "advance",
            "procedure": question.procedure,
            "settings": settings,
            "slice_s": SLICE_S,
            "others_wait": False,
        }

        def message(rows: range) -> Message:
            return {**advance, "states": [dict(states[row]) for row in rows]}

        def note(rows: range, reply: Message) -> list[range]:
            states[rows.start : rows.stop] = reply["states"]
            return [] if all(state["is_done"] for state in reply["states"]) else [rows]

        def fail(row: int, failure: Failure) -> None:
            states[row] = {**states[row], "failure": failure.as_dict(), "is_done": True}

        self._work(question, capabilities, costs, message, note, fail)
        return Finished(states)

    def close(self) -> None:
        """End the worker, unless it belongs to the process that this one was forked from."""
        worker, self._worker = self._worker, None
        if worker is not None and os.getpid() == self._owner:
            worker.close()

    def _work(
        self,
        question: Question,
        capabilities: Capabilities,
        costs: Floats,
        message: Callable[[range], Message],
        note: Callable[[range, Message], list[range]],
        fail: Callable[[int, Failure], None],
    ) -> None:
        """Ask about all rows, a batch at a time; ``note`` gives back what must be asked again."""
        todo, deaths = deque([range(len(costs))]), Counter[int]()
        while todo:
            rows = todo.popleft()
            if len(rows) > 1:
                # As in a run: long against a round trip, but a slice ends by the clock, however many share its steps.
                target = 0.0 if question.procedure else self._cost_per_s * min(BATCH_S, self._timeout_s / 10)
                rows, rest = _split(rows, costs, max(target, capabilities.batch_cost))
                todo.extendleft(rest)
            try:
                reply = self._ask(message(rows))
            except Failure as failure:
                if len(rows) > 1 and (question.keep_failures or failure.kind != "timeout"):
                    middle = rows.start + len(rows) // 2
                    todo.extendleft([range(middle, rows.stop), range(rows.start, middle)])
                elif failure.kind == "crashed" and not deaths[rows.start]:
                    deaths[rows.start] += 1
                    todo.appendleft(rows)
                elif question.keep_failures:
                    fail(rows.start, failure)
                else:
                    raise
            else:
                if len(costs) > 1 and not question.procedure:
                    self._cost_per_s = costs[rows.start : rows.stop].sum() / max(float(reply["seconds"]), 1e-4)
                todo.extend(note(rows, reply))

    def _ask(self, message: Message) -> Message:
        """The worker's answer; raises Failure where it died or had to be ended, and then there is no worker."""
        worker = self._hired()
        self._number += 1
        start = time.perf_counter()
        try:
            worker.ask({"id": self._number, **message})
            reply = self._wait(worker)
        except BaseException:  # an interrupted worker would go on computing for nobody
            self.close()
            raise
        self.worker_s += float(reply["seconds"])
        self.waited_s += time.perf_counter() - start
        return reply

    def _wait(self, worker: Worker) -> Message:
        file = worker.fileno()
        while True:
            if file is not None and not is_readable([file], _POLL_S):
                failure = worker.check(self._timeout_s, self._timeout_s)
                if failure is not None:
                    raise failure
                continue
            for reply in worker.answers():
                if reply["id"] == self._number:
                    return reply

    def _hired(self) -> Worker:
        if os.getpid() != self._owner:  # forked: two processes must not speak into one pipe
            self._model.ready.clear()
            self._worker, self._owner = None, os.getpid()
        if self._worker is not None and not self._worker.is_alive():  # it died idle, of nothing that was asked
            self.close()
        if self._worker is None:
            self._worker = self._model.hire()
        return self._worker


def _split(rows: range, costs: Floats, cap: float) -> tuple[range, list[range]]:
    """The first rows that cost no more than the cap together, at least one, and what is left of them."""
    fitting = int(np.searchsorted(np.cumsum(costs[rows.start : rows.stop]), cap, side="right"))
    stop = rows.start + max(1, fitting)
    return (rows, []) if stop >= rows.stop else (range(rows.start, stop), [range(stop, rows.stop)])


def _taken(structures: Structures, rows: range) -> Structures:
    return structures if len(rows) == len(structures) else structures.take(rows.start, rows.stop)


def _as_ase(failure: Failure) -> ModelFailed:
    return ModelFailed(failure.kind, failure.message, failure.traceback)


def _again(name: str, asked: Mapping[str, Any]) -> RemoteCalculator:
    return load_model(name, **asked)


def _quiet(text: str) -> None:
    """Whoever calls from Python is not told that a model is loading; a build tells of itself."""
