"""The loop that keeps a model busy: conversations feed a queue, the queue feeds batches, answers feed conversations."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forcegauge.errors import Failure, ModelUnavailable
from forcegauge.potential import Answer, Finished, Predictions
from forcegauge.records import Provenance, Record
from forcegauge.results.store import Store
from forcegauge.runner.checkpoints import Checkpoints
from forcegauge.runner.conversation import Conversation, Part
from forcegauge.runner.plan import Task
from forcegauge.runner.prepare import Prepared
from forcegauge.runner.progress import Reporter
from forcegauge.runner.workers import Worker, is_readable
from forcegauge.structures import Structures

BATCH_S = 2.0
"""How long a batch should keep a worker: long against a round trip, short against a crash that loses it."""
SLICE_S = 5.0
"""How long a worker goes on with a relaxation before it hands the states back."""
_ATOMS_IN_BATCH = 200_000
_ATOMS_IN_WINDOW = 1_000_000
_FILL_S = 0.3  # cases are begun for so long at a stretch, then the workers are looked after
_POLL_S = 0.25


@dataclass(frozen=True)
class Limits:
    """What a question may cost.

    Args:
        timeout_s: worker seconds that one question may take.
        retries: how often a question that killed its worker is put again, alone.
        stop_at: monotonic time after which no further case is begun, or None.
    """

    timeout_s: float = 600.0
    retries: int = 1
    stop_at: float | None = None


@dataclass(eq=False)
class _Batch:
    identifier: int
    parts: list[Part]
    cost: float
    left_s: float


@dataclass(eq=False)
class _Seat:
    """A place for a worker, hired when there is something to ask and again when it died."""

    worker: Worker | None = None
    batch: _Batch | None = None


@dataclass
class Outcome:
    """What became of a model's tasks.

    Args:
        n_done: cases finished by this run.
        stopped: why the run ended before its plan, or empty.
    """

    n_done: int = 0
    stopped: str = ""


class Execution:
    """One model's tasks, from the first conversation to the last record.

    Args:
        model: the model; its workers are hired when needed and left in its hands at the end.
        tasks: in the order in which they shall be begun.
        store: opened for writing.
        workers: how many to keep busy.
        limits: on time and retries.
        reporter: told of every finished case.
    """

    def __init__(
        self, model: Prepared, tasks: Sequence[Task], store: Store, workers: int, limits: Limits, reporter: Reporter
    ) -> None:
        self._model = model
        self._capabilities = model.capabilities
        self._tasks = deque(tasks)
        self._store = store
        self._checkpoints = Checkpoints(store.folder / "checkpoints", SLICE_S)
        self._limits = limits
        self._reporter = reporter
        self._seats = [_Seat() for _ in range(min(workers, len(tasks)))]
        self._open: dict[Conversation, int] = {}
        self._queue: deque[Part] = deque()
        self._suspects: deque[list[Part]] = deque()
        self._finished: list[tuple[Conversation, Provenance]] = []
        self._cost_per_s = 0.0
        self._batches = 0
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Work until every task is finished, the time is over, or the model no longer starts."""
        try:
            while not self._outcome.stopped and self._step():
                pass
            return self._outcome
        finally:
            try:
                self._commit()
            finally:
                for conversation in self._open:
                    conversation.close()
                self._dismiss()

    def _dismiss(self) -> None:
        """Leave idle workers to the model; one that is still busy was interrupted and is ended."""
        for seat in self._seats:
            if seat.worker is None:
                continue
            if seat.batch is None and not self._outcome.stopped:
                self._model.ready.append(seat.worker)
            else:
                seat.worker.close()

    def _step(self) -> bool:
        self._fill_window(sum(seat.batch is None for seat in self._seats))
        if self._is_over():
            self._abandon_unasked()
        for seat in self._seats:
            if seat.batch is None and not self._outcome.stopped:
                self._dispatch(seat)
        self._commit()
        busy = [seat for seat in self._seats if seat.batch is not None]
        if not busy:
            return bool(self._tasks) and not self._is_over()  # only refusals were left in the window
        self._fill_window(len(self._seats))  # while the workers compute
        for seat in self._ready(busy):
            self._collect(seat)
        for seat in busy:
            if seat.batch is not None and seat.worker is not None:
                failure = seat.worker.check(seat.batch.left_s, self._limits.timeout_s)
                if failure is not None:
                    self._bury(seat, failure)
        return True

    def _is_over(self) -> bool:
        return self._limits.stop_at is not None and time.monotonic() >= self._limits.stop_at

    # Conversations

    def _fill_window(self, batches: int) -> None:
        """Begin cases until there is enough for so many batches."""
        wanted = max(self._target_cost(), self._capabilities.batch_cost) * batches
        queued = sum(part.cost for part in self._queue)
        atoms = sum(self._open.values())
        until = time.monotonic() + _FILL_S
        while self._tasks and atoms < _ATOMS_IN_WINDOW and not self._is_over():
            if queued >= wanted or time.monotonic() > until:
                break
            task = self._tasks.popleft()
            conversation = Conversation(task, self._capabilities, self._store.journal_get(task.key), self._checkpoints)
            self._open[conversation] = 0
            parts = [] if task.refusal is not None else conversation.start()
            if task.refusal is not None:
                conversation.close()
                conversation.outcome = task.refusal
            self._proceed(conversation, parts, None)
            queued += sum(part.cost for part in parts)
            atoms += self._open.get(conversation, 0)

    def _abandon_unasked(self) -> None:
        """Let go of the cases for which nothing has been computed yet: the time is over."""
        in_hand = {part.conversation for seat in self._seats if seat.batch for part in seat.batch.parts}
        in_hand |= {part.conversation for group in self._suspects for part in group}
        unasked = {one for one in self._open if one not in in_hand and not one.wall_s}
        for conversation in unasked:
            conversation.close()
            del self._open[conversation]
        self._queue = deque(part for part in self._queue if part.conversation not in unasked)

    def _proceed(self, conversation: Conversation, parts: Sequence[Part], worker: Worker | None) -> None:
        """Queue what a conversation asks next, or put it aside as finished."""
        for number, question, answer in conversation.fresh:
            self._store.journal_put(conversation.task.key, number, question, answer)
        conversation.fresh.clear()
        if conversation.outcome is None:
            self._open[conversation] = sum(len(part.structures.numbers) for part in parts) or self._open[conversation]
            self._queue.extend(parts)  # a slice goes behind, so short questions pass between slices
        else:
            del self._open[conversation]
            self._finished.append((conversation, self._model.provenance(worker)))

    def _commit(self) -> None:
        """Write what is finished, in one transaction."""
        if not self._finished:
            return
        with self._store.transaction():
            for conversation, provenance in self._finished:
                self._store.commit(self._record(conversation, provenance), conversation.task.case)
        for conversation, _ in self._finished:
            self._checkpoints.clear(conversation.task.key)
            self._reporter.advance(self._model.name, conversation.task.benchmark.name, conversation.outcome)
        self._outcome.n_done += len(self._finished)
        self._finished.clear()

    def _record(self, conversation: Conversation, provenance: Provenance) -> Record:
        task = conversation.task
        assert conversation.outcome is not None  # only finished conversations get here
        return Record(
            key=task.key,
            model=self._model.name,
            benchmark=task.benchmark.name,
            case_id=task.case.id,
            settings=task.settings.digest(),
            outcome=conversation.outcome,
            provenance=provenance,
            seed=task.seed,
            run_version=task.benchmark.run_version,
            wall_s=conversation.wall_s,
            peak_memory_bytes=conversation.peak_memory_bytes,
            finished_at=time.time(),
            atom_evaluations=conversation.atom_evaluations,
        )

    # Batches

    def _target_cost(self) -> float:
        """Edges and angles that keep a worker for BATCH_S; nothing until its speed is known, so one part goes alone."""
        return self._cost_per_s * min(BATCH_S, self._limits.timeout_s / 10)

    def _dispatch(self, seat: _Seat) -> None:
        """Send the next batch, if there is any, to a worker that is hired for it if need be."""
        parts: list[Part] = []
        while not parts and (self._suspects or self._queue):
            parts = self._suspects.popleft() if self._suspects else self._cut_batch()
            parts = [part for part in parts if part.answer is None and not self._is_late(part)]
        if not parts:
            return
        if seat.worker is not None and not seat.worker.is_alive():  # it died idle, of nothing that was asked
            seat.worker.close()
            seat.worker = None
        try:
            worker = seat.worker = seat.worker or self._model.hire()
        except ModelUnavailable as error:
            self._lose(error)
            return
        left_s = max(part.conversation.seconds_left(part, self._limits.timeout_s) for part in parts)
        self._batches += 1
        seat.batch = _Batch(self._batches, parts, sum(part.cost for part in parts), left_s)
        others_wait = any(part.question.kind == parts[0].question.kind for part in self._queue)
        worker.ask({"id": seat.batch.identifier, **_message(parts, others_wait)})

    def _is_late(self, part: Part) -> bool:
        """Whether the time limit of a part's question is used up; then it is answered with that."""
        if part.conversation.seconds_left(part, self._limits.timeout_s) > 0:
            return False
        late = Failure("timeout", f"not finished within the time limit of {self._limits.timeout_s:g} s")
        self._answer(part, part.failed(late), 0.0, None)
        return True

    def _cut_batch(self) -> list[Part]:
        """The oldest parts of one kind of question, up to the target cost."""
        parts: list[Part] = []
        others: list[Part] = []
        cost, atoms = 0.0, 0
        while self._queue:
            part = self._queue.popleft()
            if part.answer is not None:
                continue
            if parts and part.question.kind != parts[0].question.kind:
                others.append(part)
                continue
            size = len(part.structures.numbers)
            # A slice ends by the clock, however many structures share its steps.
            target = self._capabilities.batch_cost if part.question.procedure else self._target_cost()
            if parts and (cost + part.cost > target or atoms + size > _ATOMS_IN_BATCH):
                self._queue.appendleft(part)
                break
            parts.append(part)
            cost, atoms = cost + part.cost, atoms + size
        self._queue.extendleft(reversed(others))
        return parts

    # Answers

    def _ready(self, busy: Sequence[_Seat]) -> list[_Seat]:
        by_file = {seat.worker.fileno(): seat for seat in busy if seat.worker is not None}
        if None in by_file:  # a calculator in this process has answered already
            return [seat for seat in busy if seat.worker is not None and seat.worker.fileno() is None]
        return [by_file[file] for file in is_readable([file for file in by_file if file is not None], _POLL_S)]

    def _collect(self, seat: _Seat) -> None:
        assert seat.worker is not None  # a busy seat has one
        try:
            messages = seat.worker.answers()
        except Failure as failure:
            self._bury(seat, failure)
            return
        for message in messages:
            batch = seat.batch
            if batch is not None and message["id"] == batch.identifier:
                seat.batch = None
                self._deal(batch, message, seat.worker)

    def _deal(self, batch: _Batch, message: dict[str, Any], worker: Worker) -> None:
        """Give every part its share of an answer."""
        seconds = float(message["seconds"])
        if "predictions" in message:
            # A worker's first batch pays for warming up; the average forgets it soon.
            rate = batch.cost / max(seconds, 1e-4)
            self._cost_per_s = rate if not self._cost_per_s else 0.5 * (self._cost_per_s + rate)
        for part, answer in zip(batch.parts, _answers(batch.parts, message), strict=True):
            part.conversation.peak_memory_bytes = int(message["peak_memory_bytes"])
            share = seconds * part.cost / batch.cost
            if isinstance(answer, Finished) and not answer.states[0]["is_done"]:
                if part.answer is None:
                    part.conversation.advance(part, answer.states[0], share)
                    self._queue.append(part)
            else:
                self._answer(part, answer, share, worker)

    def _answer(self, part: Part, answer: Answer, seconds: float, worker: Worker | None) -> None:
        if part.answer is None:  # else its question failed meanwhile
            parts = part.conversation.take(part, answer, seconds)
            if part.conversation.outcome is not None or parts:
                self._proceed(part.conversation, parts, worker)

    # Deaths

    def _bury(self, seat: _Seat, failure: Failure) -> None:
        """Empty the seat of a dead worker and find out which question was to blame."""
        batch, dead = seat.batch, seat.worker
        seat.batch = seat.worker = None
        assert dead is not None  # only a worker can die
        dead.close()
        if batch is not None:
            self._blame(batch, failure, dead)

    def _blame(self, batch: _Batch, failure: Failure, dead: Worker) -> None:
        """Halve the batch; a question alone is put again, or answered with the failure."""
        parts = [part for part in batch.parts if part.answer is None]
        if not parts:
            return
        if len(parts) > 1:
            middle = len(parts) // 2
            self._suspects.extendleft([parts[middle:], parts[:middle]])
            return
        part = parts[0]
        apart = failure.kind == "out_of_memory" or part.question.keep_failures
        divisible = apart and part.state is None and len(part.structures) > 1
        part.deaths += failure.kind == "crashed"
        if failure.kind == "crashed" and part.deaths <= self._limits.retries:
            self._suspects.appendleft([part])
        elif divisible:
            halves = part.halves()
            part.conversation.replace(part, halves)
            self._suspects.extendleft([[half] for half in reversed(halves)])
        else:
            self._answer(part, part.failed(failure), batch.left_s if failure.kind == "timeout" else 0.0, dead)

    def _lose(self, error: ModelUnavailable) -> None:
        """End the run of a model that no longer starts; the cases in hand are recorded as such."""
        self._outcome.stopped = f"{self._model.name} no longer starts: {error}"
        for conversation in list(self._open):
            conversation.close()
            conversation.outcome = Failure("environment", str(error))
            self._proceed(conversation, [], None)


def _message(parts: Sequence[Part], others_wait: bool) -> dict[str, Any]:
    """The batch as the worker reads it; ``others_wait`` to enter a slice whose structures are done."""
    question = parts[0].question
    if question.procedure:
        return {
            "op": "advance",
            "procedure": question.procedure,
            "settings": dict(question.settings),
            "states": [dict(part.state or {}) for part in parts],
            "slice_s": SLICE_S,
            "others_wait": others_wait,
        }
    structures = Structures.concatenate([part.structures for part in parts]).as_arrays()
    return {"op": "evaluate", "structures": structures, "properties": list(question.properties)}


def _answers(parts: Sequence[Part], message: Mapping[str, Any]) -> Iterator[Answer]:
    """The answer to each part."""
    if "states" in message:
        yield from (Finished([state]) for state in message["states"])
        return
    predictions = Predictions.from_dict(message["predictions"])
    start = 0
    for part in parts:
        yield predictions.take(start, start + len(part.structures))
        start += len(part.structures)
