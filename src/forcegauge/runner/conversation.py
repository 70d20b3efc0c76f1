"""One conversation between a benchmark and a potential, driven by ``send`` as its answers come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from forcegauge.encoding import pack, unpack
from forcegauge.errors import Failure
from forcegauge.potential import Answer, Capabilities, Finished, Potential, Prediction, Predictions, Question
from forcegauge.records import Raw
from forcegauge.runner.checkpoints import Checkpoints
from forcegauge.runner.plan import Task
from forcegauge.runner.workers import describe
from forcegauge.simulate.procedure import procedure
from forcegauge.structures import Floats, Structures

Journal = Mapping[int, tuple[str, bytes]]


@dataclass(eq=False)
class Part:
    """A piece of a question that fits into a batch.

    Args:
        conversation: whom the answer is for.
        place: which question of the present round it belongs to.
        row: index of its first structure in that question, or of its state.
        question: what is asked.
        structures: the piece.
        cost: its edges and angles, by estimate.
        state: for a procedure, the last state of its structures.
        seconds: of a procedure, what its slices have taken so far.
        deaths: how often a worker died of it alone.
        answer: once it is known.
    """

    conversation: Conversation
    place: int
    row: int
    question: Question
    structures: Structures
    cost: float
    state: Mapping[str, Any] | None = None
    seconds: float = 0.0
    deaths: int = 0
    answer: Answer | None = None

    def failed(self, failure: Failure) -> Answer:
        """The answer in which every structure of the part has failed."""
        if self.state is not None:
            return Finished([{**self.state, "failure": failure.as_dict(), "is_done": True}])
        answers: list[Prediction | Failure] = [failure] * len(self.structures)
        return Predictions.from_answers(self.structures, self.question.properties, answers)

    def halves(self) -> list[Part]:
        """The part cut in two, each with about half of the structures."""
        middle, count = len(self.structures) // 2, len(self.structures)
        return [
            replace(self, row=self.row + a, structures=self.structures.take(a, b), cost=self.cost * (b - a) / count)
            for a, b in ((0, middle), (middle, count))
        ]


@dataclass(eq=False)
class _Asked:
    number: int
    question: Question
    parts: list[Part] = field(default_factory=list)
    known: Answer | None = None
    seconds: float = 0.0
    is_journalled: bool = False

    def answer(self) -> Answer | None:
        if self.known is None and all(part.answer is not None for part in self.parts):
            answers: list[Any] = [part.answer for part in self.parts]
            joined = (Finished if self.question.procedure else Predictions).concatenate(answers)
            # Kept with the answer, so that what a benchmark makes of it is the same when the journal answers.
            self.known = replace(joined, seconds=self.seconds) if isinstance(joined, Predictions) else joined
        return self.known

    def give_up(self, failure: Failure) -> None:
        """Answer what is still open with the failure that ends the question anyway."""
        for part in self.parts:
            if part.answer is None:
                part.answer = part.failed(failure)


class Conversation:
    """The case in hand: its coroutine, the questions that wait, and the outcome once there is one.

    Args:
        task: the case and its benchmark.
        capabilities: of the model.
        journal: answers of an earlier, interrupted attempt, by question number.
        checkpoints: where the states of its long questions lie.
    """

    def __init__(self, task: Task, capabilities: Capabilities, journal: Journal, checkpoints: Checkpoints) -> None:
        self.task = task
        self.outcome: Raw | Failure | None = None
        self.wall_s = 0.0
        self.atom_evaluations = 0
        self.peak_memory_bytes = 0
        self.fresh: list[tuple[int, str, bytes]] = []
        """Answers that must be journalled, because the conversation goes on after them."""
        self._capabilities = capabilities
        self._journal = journal
        self._checkpoints = checkpoints
        self._asked: list[_Asked] = []
        self._count = 0
        rng = np.random.default_rng(task.seed)
        self._coroutine: Any = task.benchmark.run(Potential(capabilities), task.case, task.settings, rng)

    def start(self) -> list[Part]:
        """Begin; the parts of the first questions."""
        return self._go_on(None)

    def take(self, part: Part, answer: Answer, seconds: float) -> list[Part]:
        """Note the answer to a part; the parts of the next questions, if that was the last one waited for."""
        asked = self._asked[part.place]
        part.answer = answer
        self.atom_evaluations += _atom_evaluations(part, answer)
        asked.seconds += seconds
        self.wall_s += seconds
        if answer.failures and not asked.question.keep_failures:
            asked.give_up(answer.failures[min(answer.failures)])
        if any(one.answer() is None for one in self._asked):
            return []
        return self._go_on(tuple(one.known for one in self._asked if one.known is not None))

    def advance(self, part: Part, state: Mapping[str, Any], seconds: float) -> None:
        """Note how far a slice has come, on disk too."""
        asked = self._asked[part.place]
        self.atom_evaluations += _atom_evaluations(part, Finished([state]))
        part.state = state
        part.seconds += seconds
        asked.seconds += seconds
        self.wall_s += seconds
        self._checkpoints.save(self.task.key, asked.number, part.row, part.question, state)

    def replace(self, part: Part, parts: Sequence[Part]) -> None:
        """Put smaller parts in the place of one."""
        held = self._asked[part.place].parts
        where = next(position for position, one in enumerate(held) if one is part)
        held[where : where + 1] = parts

    def seconds_left(self, part: Part, limit_s: float) -> float:
        """What the time limit leaves to a question; of a long one, to the structure or band of this part."""
        return limit_s - (part.seconds if part.state is not None else self._asked[part.place].seconds)

    def close(self) -> None:
        """Give the case up without an outcome."""
        self._coroutine.close()

    def _go_on(self, answers: tuple[Answer, ...] | None) -> list[Part]:
        """Step until something must be asked, answering from the journal what it holds."""
        while True:
            previous = self._asked
            try:
                questions = self._coroutine.send(answers)
            except StopIteration as stop:
                self._finish(stop.value)
                return []
            except Failure as failure:
                self.outcome = failure
                return []
            except Exception as error:
                self.outcome = describe(error)
                return []
            if not _are_questions(questions):
                self.outcome = Failure("bug", f"the benchmark awaited {questions!r}, which is no question")
                self._coroutine.close()
                return []
            self._remember(previous)
            self._asked = [_Asked(self._count + place, question) for place, question in enumerate(questions)]
            self._count += len(questions)
            parts = [part for place in range(len(self._asked)) for part in self._cut(place)]
            if parts:
                return parts
            answers = tuple(one.known for one in self._asked if one.known is not None)

    def _cut(self, place: int) -> list[Part]:
        """The parts of one question, none above the model's batch cost; none at all if the journal knows the answer."""
        asked = self._asked[place]
        question = asked.question
        if asked.number in self._journal:
            noted, answer = self._journal[asked.number]
            if noted == question.identity:
                asked.known, asked.is_journalled = question.read(unpack(answer)), True
                return []
        if not len(question.structures):
            asked.known = question.answer_to_nothing()
            return []
        asked.parts = self._long_parts(place) if question.procedure else self._short_parts(place)
        asked.answer()  # the states of a long question may all be done already
        return [part for part in asked.parts if part.answer is None]

    def _short_parts(self, place: int) -> list[Part]:
        question = self._asked[place].question
        costs = self._capabilities.cost(question.structures)
        return [
            Part(self, place, a, question, question.structures.take(a, b), float(costs[a:b].sum()))
            for a, b in pairwise(_cuts(costs, self._capabilities.batch_cost))
        ]

    def _long_parts(self, place: int) -> list[Part]:
        """A part per state, from the last one on disk where there is one."""
        asked = self._asked[place]
        question = asked.question
        steps = procedure(question.procedure)
        count = steps.structures_per_state(question.settings)
        costs = self._capabilities.cost(question.structures).reshape(-1, count).sum(axis=1).tolist()
        parts = []
        for row, state in enumerate(steps.begin(question.structures, question.settings)):
            last = self._checkpoints.load(self.task.key, asked.number, row, question) or state
            if last.keys() != state.keys():  # of another version of the procedure
                last = state
            answer = Finished([last]) if last["is_done"] else None
            group = question.structures.take(row * count, (row + 1) * count)
            parts.append(Part(self, place, row, question, group, costs[row], last, answer=answer))
        return parts

    def _remember(self, asked: Sequence[_Asked]) -> None:
        self.fresh += [
            (one.number, one.question.identity, pack(one.known.as_dict()))
            for one in asked
            if one.known is not None and not one.is_journalled
        ]

    def _finish(self, value: Any) -> None:
        schema = self.task.benchmark.schema
        if not isinstance(value, Raw):
            self.outcome = Failure("bug", f"the benchmark returned {type(value).__name__} instead of Raw")
        elif set(value.arrays) != set(schema):
            found, wanted = ", ".join(sorted(value.arrays)), ", ".join(sorted(schema))
            self.outcome = Failure("bug", f"the benchmark returned the arrays {found}; its schema has {wanted}")
        elif wrong := [name for name, array in value.arrays.items() if not _is_numeric(array)]:
            self.outcome = Failure("bug", f"the benchmark returned {wrong[0]} as something else than a numpy array")
        else:
            self.outcome = value


def _atom_evaluations(part: Part, answer: Answer) -> int:
    """Atoms times evaluations that the answer took since the part's last state; what failed does not count."""
    if part.state is None:
        done = np.ones(len(part.structures), bool)
        done[list(answer.failures)] = False
        return int(part.structures.n_atoms[done].sum())
    assert isinstance(answer, Finished)  # whoever has a state is answered with one
    question, state = part.question, answer.states[0]
    n_evaluations = state["n_steps"] - part.state["n_steps"] + (state["is_done"] and state["failure"] is None)
    per_step = procedure(question.procedure).structures_per_step(question.settings)
    n_atoms = part.structures.n_atoms
    first = n_atoms[per_step:].sum() if n_evaluations and not part.state["n_steps"] else 0  # then all are evaluated
    return int(n_evaluations * n_atoms[:per_step].sum() + first)


def _are_questions(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, Question) for one in value)


def _is_numeric(array: Any) -> bool:
    return isinstance(array, np.ndarray) and not array.dtype.hasobject


def _cuts(costs: Floats, cap: float) -> list[int]:
    """Where to cut so that each piece costs at most ``cap``; a single structure above it stays whole."""
    edges, filled = [0], 0.0
    for row, cost in enumerate(costs.tolist()):
        if filled and filled + cost > cap:
            edges.append(row)
            filled = 0.0
        filled += cost
    return [*edges, len(costs)] if len(costs) else [0]
