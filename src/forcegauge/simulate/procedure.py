"""The contract of a long question: begin with structures, advance states slice by slice, read the result off a state.

A state is one structure's all: a mapping of numbers, text and arrays that travels, is written to disk and goes on
in any worker of the same model. Every state has ``structure`` (arrays of a Structures of one), ``is_done`` and
``failure`` (None, or the fields of a Failure).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from forcegauge.errors import UnknownName
from forcegauge.potential import Predictions
from forcegauge.structures import Structures

State = dict[str, Any]
Evaluate = Callable[[Structures, frozenset[str]], Predictions]


class Procedure(Protocol):
    """One kind of long question."""

    def begin(self, structures: Structures, settings: Mapping[str, Any]) -> list[State]:
        """The states before the first step, one per structure."""
        ...

    def advance(
        self, states: Sequence[State], settings: Mapping[str, Any], evaluate: Evaluate, is_over: Callable[[], bool]
    ) -> list[State]:
        """The states after some steps: at least one, and no more once ``is_over``; done ones stay as they are."""
        ...


def procedure(name: str) -> Procedure:
    """The procedure of that name."""
    from forcegauge.simulate.relax import Relaxation

    procedures: dict[str, Procedure] = {"relax": Relaxation()}
    if name not in procedures:
        raise UnknownName("procedure", name, procedures)
    return procedures[name]
