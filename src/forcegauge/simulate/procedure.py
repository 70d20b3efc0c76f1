"""The contract of a long question: begin with structures, advance states slice by slice, read the result off a state.

A state is all that there is of one structure, or of one group of them such as the images of a band: a mapping of
numbers, text and arrays that travels, is written to disk and goes on in any worker of the same model. Every state has
``structure`` (arrays of a Structures), ``is_done`` and ``failure`` (None, or the fields of a Failure).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from forcegauge.errors import UnknownName
from forcegauge.potential import Predictions
from forcegauge.structures import Structures

State = dict[str, Any]
Evaluate = Callable[[Structures, frozenset[str]], Predictions]
IsOver = Callable[[int], bool]
"""Whether the slice should end, told how many states are not done yet."""


class Procedure(Protocol):
    """One kind of long question."""

    def structures_per_state(self, settings: Mapping[str, Any]) -> int:
        """How many structures, one after the other, make one state."""
        ...

    def structures_per_step(self, settings: Mapping[str, Any]) -> int:
        """How many of these a step evaluates."""
        ...

    def begin(self, structures: Structures, settings: Mapping[str, Any]) -> list[State]:
        """The states before the first step, in the order of the structures; one may have failed already."""
        ...

    def advance(
        self, states: Sequence[State], settings: Mapping[str, Any], evaluate: Evaluate, is_over: IsOver
    ) -> list[State]:
        """The states after some steps: at least one, and no more once ``is_over``; done ones stay as they are."""
        ...


def procedure(name: str) -> Procedure:
    """The procedure of that name."""
    from forcegauge.simulate.elastic_band import ElasticBand
    from forcegauge.simulate.relax import Relaxation

    procedures: dict[str, Procedure] = {"relax": Relaxation(), "elastic_band": ElasticBand()}
    if name not in procedures:
        raise UnknownName("procedure", name, procedures)
    return procedures[name]
