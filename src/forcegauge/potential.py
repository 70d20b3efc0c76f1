"""The two faces of a potential: the `Model` that an adapter offers, the `Potential` that a benchmark asks.

A benchmark awaits ``potential.evaluate(...)``; what travels is a :class:`Question`. Whoever drives the
conversation (the runner, or :func:`converse` for one alone) answers it with ``send``; there is no event loop.
"""

from __future__ import annotations

import types
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar, overload

import numpy as np
from ase import Atoms

from forcegauge.encoding import digest
from forcegauge.errors import Failure
from forcegauge.structures import Floats, Structures

Result = TypeVar("Result")

PROPERTIES = ("energy", "forces", "stress", "magmoms")
"""What can be asked for. Energy eV; forces [n_atoms, 3] eV/Å; stress [3, 3] eV/Å³, tension positive; magmoms μB."""


@dataclass(frozen=True)
class Capabilities:
    """What a model can do, declared by its adapter and checked by nobody else.

    Args:
        elements: atomic numbers that it was made for; empty means every element.
        properties: those of :data:`PROPERTIES` that it gives.
        needs_cell: it fails without a periodic cell; molecules get a large box.
        cutoff_angstrom: how far an atom sees directly, None where unknown.
        graph_cutoff_angstrom: how far the edges reach that a batch holds, None where that is ``cutoff_angstrom``.
        angle_cutoff_angstrom: how far the bonds reach between which angles are counted, None without angles.
        is_conservative: forces are the gradient of the energy, None where unknown.
        is_mirror_symmetric: a structure and its mirror image have the same energy, as in nature; false for a network
            that was built to turn with a structure but not to mirror with it.
        dtype: ``float32`` or ``float64``.
        device: ``cpu``, ``cuda:0``...
        knows_charge: the total charge of a structure decides its answer; else one that is not neutral is refused.
        knows_spin: so does its spin multiplicity; else one that is no singlet is refused.
        batch_cost: how much one call takes well, in edges and angles as :meth:`cost` counts them.
    """

    elements: tuple[int, ...] = ()
    properties: tuple[str, ...] = ("energy", "forces")
    needs_cell: bool = False
    cutoff_angstrom: float | None = None
    graph_cutoff_angstrom: float | None = None
    angle_cutoff_angstrom: float | None = None
    is_conservative: bool | None = None
    is_mirror_symmetric: bool = True
    dtype: str = "float64"
    device: str = "cpu"
    knows_charge: bool = False
    knows_spin: bool = False
    batch_cost: float = 50_000.0

    def cost(self, structures: Structures) -> Floats:
        """[n_structures], edges and angles of each graph by estimate; never below one per atom, nor below one."""
        n_atoms = structures.n_atoms.astype(float)
        cost = n_atoms * structures.neighbours(self.graph_cutoff_angstrom or self.cutoff_angstrom or 6.0)
        if self.angle_cutoff_angstrom:
            cost = cost + n_atoms * structures.neighbours(self.angle_cutoff_angstrom) ** 2
        floored: Floats = np.maximum(cost, np.maximum(n_atoms, 1.0))
        return floored

    def accepts(self, elements: Iterable[int]) -> bool:
        """Whether the model was made for all of these atomic numbers."""
        return not self.elements or set(elements) <= set(self.elements)

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the wire and the store."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Capabilities:
        """The capabilities that :meth:`as_dict` described."""
        lists = {name: tuple(fields[name]) for name in ("elements", "properties")}
        return cls(**{**fields, **lists})


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one structure; what was not asked is None.

    Args:
        energy: eV, of the whole structure.
        forces: [n_atoms, 3], eV/Å.
        stress: [3, 3], eV/Å³, tension positive.
        magmoms: [n_atoms], Bohr magnetons.
    """

    energy: float | None = None
    forces: Floats | None = None
    stress: Floats | None = None
    magmoms: Floats | None = None


class Model(Protocol):
    """What an adapter offers inside the worker; the worker adds element checks, finiteness checks and batch repair."""

    capabilities: Capabilities

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> Sequence[Prediction | Failure]:
        """One answer per structure, in order, computing nothing that is not in ``properties``.

        A Failure in the list is that structure's own. An exception spoils the call; the worker then halves the batch
        until the culprit stands alone.
        """
        ...


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Predictions for a list of structures as concatenated arrays; NaN where a structure failed.

    Args:
        n_atoms: [n_structures].
        energy: [n_structures], eV, or None where not asked.
        forces: [n_atoms_total, 3], eV/Å, or None.
        stress: [n_structures, 3, 3], eV/Å³, tension positive, or None.
        magmoms: [n_atoms_total], Bohr magnetons, or None.
        failures: by the index of the structure.
        seconds: of the worker's time that the whole question took, by its share of the batches; None where nobody
            measured.
    """

    n_atoms: np.ndarray
    energy: Floats | None = None
    forces: Floats | None = None
    stress: Floats | None = None
    magmoms: Floats | None = None
    failures: Mapping[int, Failure] = field(default_factory=dict)
    seconds: float | None = None

    @classmethod
    def from_answers(
        cls, structures: Structures, properties: Iterable[str], answers: Sequence[Prediction | Failure]
    ) -> Predictions:
        """Packed answers of a model to ``structures``; raises ValueError where number or shapes do not fit."""
        if len(answers) != len(structures):
            raise ValueError(f"the model gave {len(answers)} answers to {len(structures)} structures")
        failures = {row: answer for row, answer in enumerate(answers) if isinstance(answer, Failure)}
        counts = structures.n_atoms.tolist()
        columns: dict[str, Any] = {}
        for name in properties:
            rows = [
                _column(name, count, None if row in failures else getattr(answer, name))
                for row, (count, answer) in enumerate(zip(counts, answers, strict=True))
            ]
            stacked = name in ("energy", "stress")
            empty = _column(name, 0, None)
            columns[name] = np.array(rows).reshape(-1, *np.shape(empty)) if stacked else np.concatenate([empty, *rows])
        return cls(n_atoms=structures.n_atoms, failures=failures, **columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """The parts of one question, joined in order."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        failures = {
            start + row: failure
            for start, part in zip(starts, parts, strict=False)
            for row, failure in part.failures.items()
        }
        fields: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("n_atoms", *PROPERTIES)
            if getattr(parts[0], name) is not None
        }
        return cls(**fields, failures=failures)

    def take(self, start: int, stop: int) -> Predictions:
        """The predictions from ``start`` to before ``stop``."""
        rows, atoms = slice(start, stop), slice(self._offsets[start], self._offsets[stop])
        fields: dict[str, Any] = {
            name: value[atoms if name in ("forces", "magmoms") else rows]
            for name in ("n_atoms", *PROPERTIES)
            if (value := getattr(self, name)) is not None
        }
        first, last = bisect_left(self._failed_rows, start), bisect_left(self._failed_rows, stop)
        failures = {row - start: self.failures[row] for row in self._failed_rows[first:last]}
        return type(self)(**fields, failures=failures)

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the wire and the journal."""
        names = ("n_atoms", *PROPERTIES, "seconds")
        fields = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**fields, "failures": {str(row): failure.as_dict() for row, failure in self.failures.items()}}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Predictions:
        """The predictions that :meth:`as_dict` described."""
        failures = {int(row): Failure.from_dict(failure) for row, failure in fields["failures"].items()}
        return cls(**{**fields, "failures": failures})

    @cached_property
    def _offsets(self) -> list[int]:
        return [0, *np.cumsum(self.n_atoms).tolist()]

    @cached_property
    def _failed_rows(self) -> list[int]:
        return sorted(self.failures)

    @property
    def energies(self) -> Floats:
        """[n_structures], eV; raises where the energy was not asked for."""
        return _asked("energy", self.energy)

    def stacked_forces(self) -> Floats:
        """[n_structures, n_atoms, 3], eV/Å, for structures of one size."""
        return _asked("forces", self.forces).reshape(len(self), -1, 3)

    def __len__(self) -> int:
        return len(self.n_atoms)

    @overload
    def __getitem__(self, item: int) -> Prediction: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, item: int | slice) -> Prediction | Sequence[Prediction]:
        if isinstance(item, slice):
            return [self[row] for row in range(*item.indices(len(self)))]
        row = range(len(self))[item]
        if row in self.failures:
            raise self.failures[row]
        one = self.take(row, row + 1)
        return Prediction(
            energy=None if one.energy is None else float(one.energy[0]),
            forces=one.forces,
            stress=None if one.stress is None else one.stress[0],
            magmoms=one.magmoms,
        )


@dataclass(frozen=True, eq=False)
class Finished:
    """The last states of a long question, in order; see :mod:`forcegauge.simulate.procedure`."""

    states: Sequence[Mapping[str, Any]]

    @property
    def failures(self) -> dict[int, Failure]:
        """By the index of the state."""
        found = {row: state["failure"] for row, state in enumerate(self.states)}
        return {row: Failure.from_dict(fields) for row, fields in found.items() if fields is not None}

    @classmethod
    def concatenate(cls, parts: Sequence[Finished]) -> Finished:
        """The parts of one question, joined in order."""
        return cls([state for part in parts for state in part.states])

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the journal."""
        return {"states": list(self.states)}


Answer = Predictions | Finished


@dataclass(frozen=True, eq=False)
class Question:
    """One thing asked of a potential: an evaluation, or a long procedure that the worker carries out in slices.

    Args:
        structures: what is asked about.
        properties: those of :data:`PROPERTIES` that are wanted; empty for a procedure.
        keep_failures: give back what there is instead of raising the first failure.
        procedure: name of the long procedure, empty for an evaluation.
        settings: of the procedure; of an evaluation, only what keeps it out of others' batches.
    """

    structures: Structures
    properties: tuple[str, ...] = ()
    keep_failures: bool = False
    procedure: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def kind(self) -> str:
        """Questions of one kind may share a batch."""
        return digest([self.procedure, dict(self.settings), list(self.properties)])

    @cached_property
    def identity(self) -> str:
        """A hash of the whole question, the journal's guard against a benchmark that changed its mind."""
        return digest([self.kind, self.structures.as_arrays()])

    def answer_to_nothing(self) -> Answer:
        """The answer where there are no structures."""
        return Finished([]) if self.procedure else Predictions.from_answers(self.structures, self.properties, [])

    def read(self, fields: Mapping[str, Any]) -> Answer:
        """The answer that its ``as_dict`` described."""
        return Finished(fields["states"]) if self.procedure else Predictions.from_dict(fields)


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Structures at rest.

    Args:
        structures: where they ended.
        energy: [n_structures], eV, NaN where a structure failed.
        n_steps: [n_structures], steps taken.
        failures: by the index of the structure.
    """

    structures: Structures
    energy: Floats
    n_steps: np.ndarray
    failures: Mapping[int, Failure]


@types.coroutine
def _ask(questions: tuple[Question, ...]) -> Generator[tuple[Question, ...], tuple[Answer, ...], tuple[Answer, ...]]:
    return (yield questions)


class Potential:
    """What a benchmark talks to. Every method is awaitable; awaiting anything else inside a conversation is an error.

    Args:
        capabilities: of the model behind it, for choosing a box or a property that it has.
    """

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities

    async def evaluate(
        self,
        structures: Structures | Iterable[Atoms],
        properties: Sequence[str] = ("energy", "forces"),
        *,
        keep_failures: bool = False,
        apart: bool = False,
    ) -> Predictions:
        """Energy, forces, stress or magnetic moments of many structures.

        Ask for the energy alone where it suffices: it needs no gradient and costs a fraction.
        Raises the first Failure, which ends the case, unless ``keep_failures``. With ``apart`` no structure of another
        question shares its batch: slow, and only for asking whether company matters.
        """
        unknown = [name for name in properties if name not in PROPERTIES]
        if unknown:
            raise ValueError(f"no property {unknown[0]!r}: there are {', '.join(PROPERTIES)}")
        wanted = tuple(name for name in PROPERTIES if name in properties)
        asked = Structures.from_atoms(structures)
        settings = {"apart": asked.digest()} if apart else {}  # a kind of its own
        answer = await self._put(Question(asked, wanted, keep_failures, settings=settings))
        assert isinstance(answer, Predictions)  # what an evaluation is answered with
        return answer

    async def relax(
        self,
        structures: Structures | Iterable[Atoms],
        *,
        cell: Literal["fixed", "free"] = "fixed",
        optimiser: Literal["fire", "lbfgs"] = "fire",
        keep_symmetry: bool = False,
        force_tolerance_ev_per_a: float = 0.05,
        max_steps: int = 500,
        keep_failures: bool = False,
    ) -> Relaxed:
        """Structures relaxed until no force is above the tolerance.

        Args:
            structures: where they begin.
            cell: with ``free`` the cell goes along, by the logarithm of its deformation (see
                :mod:`forcegauge.simulate.cell`).
            optimiser: FIRE, which forgives, or L-BFGS, which needs fewer steps.
            keep_symmetry: keep the space group that each crystal begins with.
            force_tolerance_ev_per_a: eV/Å, on each atom, and on the cell's rows: volume times stress over n_atoms.
            max_steps: per structure.
            keep_failures: give back what there is. Else the first Failure is raised: ``not_converged`` after
                ``max_steps``, ``exploded`` where energy or cell run away, or whatever the evaluation fails with.
        """
        settings = {
            "cell": cell,
            "optimiser": optimiser,
            "keep_symmetry": keep_symmetry,
            "force_tolerance_ev_per_a": force_tolerance_ev_per_a,
            "max_steps": max_steps,
        }
        question = Question(Structures.from_atoms(structures), (), keep_failures, "relax", settings)
        answer = await self._put(question)
        assert isinstance(answer, Finished)  # what a procedure is answered with
        energies = [state["energy"] if state["failure"] is None else np.nan for state in answer.states]
        return Relaxed(
            structures=Structures.concatenate([Structures.from_arrays(state["structure"]) for state in answer.states]),
            energy=np.array(energies, dtype=np.float64),
            n_steps=np.array([state["n_steps"] for state in answer.states]),
            failures=answer.failures,
        )

    async def _put(self, question: Question) -> Answer:
        (answer,) = await _ask((question,))
        failures = answer.failures
        if failures and not question.keep_failures:
            raise failures[min(failures)]
        return answer

    async def gather(self, *asked: Coroutine[Any, Any, Result]) -> list[Result]:
        """The results of several conversations held at once; the first Failure of any ends them all."""
        results: dict[int, Result] = {}
        waiting: dict[int, tuple[Question, ...]] = {}
        try:
            for place, conversation in enumerate(asked):
                _advance(place, conversation, None, waiting, results)
            while waiting:
                places = list(waiting)
                answers = iter(await _ask(tuple(question for place in places for question in waiting[place])))
                for place in places:
                    share = tuple(next(answers) for _ in waiting.pop(place))
                    _advance(place, asked[place], share, waiting, results)
        finally:
            for conversation in asked:
                conversation.close()
        return [results[place] for place in range(len(asked))]


def _advance(
    place: int,
    conversation: Coroutine[Any, Any, Result],
    answers: tuple[Answer, ...] | None,
    waiting: dict[int, tuple[Question, ...]],
    results: dict[int, Result],
) -> None:
    try:
        waiting[place] = conversation.send(answers)
    except StopIteration as stop:
        results[place] = stop.value


def converse(conversation: Coroutine[Any, Any, Result], answer: Callable[[Question], Answer]) -> Result:
    """The result of one conversation, each question answered on the spot: for tests and small scripts."""
    answers: tuple[Answer, ...] | None = None
    while True:
        try:
            questions = conversation.send(answers)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        answers = tuple(answer(question) for question in questions)


def _column(name: str, n_atoms: int, value: Any) -> Any:
    shape = {"energy": (), "forces": (n_atoms, 3), "stress": (3, 3), "magmoms": (n_atoms,)}[name]
    if value is None:
        return np.full(shape, np.nan)
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"the model gave {name} of shape {array.shape} where {shape} belongs")
    return array


def _asked(name: str, value: Floats | None) -> Floats:
    if value is None:
        raise ValueError(f"{name} was not asked for")
    return value
