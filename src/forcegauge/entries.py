"""Named things of one kind: an explicit list of ForceGauge's own, entry points for those of other packages."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from forcegauge.errors import BadInput, UnknownName

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Entries(Generic[Thing]):
    """A registry that imports nothing until a name is asked for.

    Args:
        noun: what its things are called, such as ``benchmark``.
        kind: the class of its things.
        own: ``module:attribute`` by name.
        group: the entry-point group through which other packages add theirs.
    """

    noun: str
    kind: type[Thing]
    own: Mapping[str, str]
    group: str

    @cached_property
    def _all(self) -> dict[str, EntryPoint]:
        listed = {name: EntryPoint(name, where, self.group) for name, where in self.own.items()}
        for point in entry_points(group=self.group):
            if point.name in listed and listed[point.name].value != point.value:
                raise BadInput(
                    f"two {self.noun}s are called '{point.name}': {listed[point.name].value} and {point.value}; "
                    f"uninstall or rename one"
                )
            listed[point.name] = point
        return listed

    def names(self) -> list[str]:
        """All names, ForceGauge's own first."""
        return list(self._all)

    def get(self, name: str) -> Thing:
        """The thing of that name; raises UnknownName, or BadInput where another package's entry is unusable."""
        if name not in self._all:
            raise UnknownName(self.noun, name, self._all)
        point = self._all[name]
        try:
            found = getattr(importlib.import_module(point.module), point.attr)
        except (ImportError, AttributeError) as error:
            if name in self.own:
                raise
            raise BadInput(f"{self.noun} '{name}' does not load from {point.value}: {error}") from error
        if not isinstance(found, self.kind):
            raise BadInput(
                f"{self.noun} '{name}' at {point.value} is a {type(found).__name__}, not a {self.kind.__name__}"
            )
        return found
