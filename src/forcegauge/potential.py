"""The two faces of a potential: the `Model` that an adapter offers, the `Potential` that a benchmark asks.

A benchmark awaits ``potential.evaluate(...)``; what travels is a :class:`Question`. Whoever drives the
conversation (the runner, or :func:`converse` for one alone) answers it with ``send``; there is no event loop.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from ase import Atoms

from forcegauge.encoding import digest
from forcegauge.errors import Failure
from forcegauge.predictions import PROPERTIES, Prediction, Predictions
from forcegauge.structures import Floats, Structures

__all__ = [
    "PROPERTIES",
    "Answer",
    "Bands",
    "Capabilities",
    "Finished",
    "Model",
    "Potential",
    "Prediction",
    "Predictions",
    "Question",
    "Relaxed",
    "converse",
]

Result = TypeVar("Result")


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


@dataclass(frozen=True, eq=False)
class Bands:
    """Minimum energy paths, each a row of images from one end to the other.

    Args:
        structures: all images of all bands, in order.
        energy: [n_bands, n_images], eV, NaN where a band failed.
        forces: by band, [n_images, n_atoms, 3], eV/Å, of the potential alone; None where a band failed early.
        n_steps: [n_bands], steps taken.
        failures: by the index of the band.
    """

    structures: Structures
    energy: Floats
    forces: Sequence[Floats | None]
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

    async def elastic_band(
        self,
        images: Structures | Iterable[Atoms],
        *,
        n_images: int,
        climb_below_ev_per_a: float | None = 0.5,
        spring_ev_per_a2: float = 0.1,
        optimiser: Literal["fire", "lbfgs"] = "fire",
        force_tolerance_ev_per_a: float = 0.05,
        max_steps: int = 500,
        keep_failures: bool = False,
    ) -> Bands:
        """Nudged elastic bands between fixed ends, all images of all bands together.

        Args:
            images: the bands one after the other, each of ``n_images``, its ends included and at rest.
            n_images: of one band, at least 3.
            climb_below_ev_per_a: once the largest force on the band is below this, eV/Å, the highest image climbs to
                the saddle; None for a band that never climbs.
            spring_ev_per_a2: spring constant between neighbouring images, eV/Å².
            optimiser: FIRE or L-BFGS, of a whole band.
            force_tolerance_ev_per_a: on each atom of each image, eV/Å; a band that shall climb is not done before.
            max_steps: per band.
            keep_failures: give back what there is, as in :meth:`relax`.
        """
        settings = {
            "n_images": n_images,
            "climb_below_ev_per_a": climb_below_ev_per_a,
            "spring_ev_per_a2": spring_ev_per_a2,
            "optimiser": optimiser,
            "force_tolerance_ev_per_a": force_tolerance_ev_per_a,
            "max_steps": max_steps,
        }
        asked = Structures.from_atoms(images)
        if n_images < 3 or len(asked) % n_images:
            raise ValueError(f"{len(asked)} images make no bands of {n_images}; a band has both ends and one between")
        answer = await self._put(Question(asked, (), keep_failures, "elastic_band", settings))
        assert isinstance(answer, Finished)  # what a procedure is answered with
        broken = np.full(n_images, np.nan)
        return Bands(
            structures=Structures.concatenate([Structures.from_arrays(state["structure"]) for state in answer.states]),
            energy=np.array([broken if state["failure"] else state["energy"] for state in answer.states]),
            forces=[state["forces"] for state in answer.states],
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
