"""Models that are wrong on purpose, each in one way, to show that ForceGauge notices and that nothing else suffers.

All answer like ``lennard-jones`` (the same depth for every element) until their defect shows. Those with a trigger
misbehave only when a structure of the batch holds that element, and then for the whole batch, as real ones do.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from forcegauge.errors import BadInput, Failure, UnknownName
from forcegauge.models.analytic import PairPotential, contact, lennard_jones
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Floats, Integers, Structures

ADAPTER_VERSION = 1
PACKAGES = ("numpy", "scipy", "ase")

_BLOCK_BYTES = 64 * 2**20

Answers = list[Prediction | Failure]


class BrokenModel:
    """Lennard-Jones with a defect.

    Args:
        identity: text that names the defect.
        defect: given the batch and what is asked, and the way to a proper answer, what is said instead.
        capabilities: where they differ from Lennard-Jones'.
    """

    def __init__(
        self,
        identity: str,
        defect: Callable[[PairPotential, Structures, frozenset[str]], Sequence[Prediction | Failure]],
        **capabilities: Any,
    ) -> None:
        self._sound = lennard_jones()
        self._defect = defect
        self.identity = identity
        self.capabilities: Capabilities = dataclasses.replace(self._sound.capabilities, **capabilities)

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> Sequence[Prediction | Failure]:
        """Whatever the defect makes of it."""
        return self._defect(self._sound, structures, properties)


def nonconservative(excess: float = 0.25) -> BrokenModel:
    """Forces longer by a quarter than the gradient of the energy."""

    def defect(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
        return [
            one if one.forces is None else dataclasses.replace(one, forces=(1 + excess) * one.forces)
            for one in sound.evaluate(structures, properties)
        ]

    return BrokenModel("broken nonconservative", defect, is_conservative=False)


def stress(excess: float = 0.25) -> BrokenModel:
    """A stress larger by a quarter than the derivative of the energy with respect to strain."""

    def defect(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
        return [
            one if one.stress is None else dataclasses.replace(one, stress=(1 + excess) * one.stress)
            for one in sound.evaluate(structures, properties)
        ]

    return BrokenModel("broken stress", defect, is_conservative=False)


def discontinuous(step_ev: float = 0.5, at_bonds: float = 1.3) -> BrokenModel:
    """An energy step of half an eV for each pair nearer than 1.3 sums of covalent radii; forces know nothing of it."""

    def change(distance: Floats, energy: Floats, first: Integers, second: Integers) -> Floats:
        return energy + step_ev * (distance < at_bonds * contact(first, second))

    return BrokenModel("broken discontinuous", _changed(change), is_conservative=False)


def nan(below_bonds: float = 0.8) -> BrokenModel:
    """Not a number for structures with a pair nearer than 0.8 sums of covalent radii."""

    def change(distance: Floats, energy: Floats, first: Integers, second: Integers) -> Floats:
        return np.where(distance < below_bonds * contact(first, second), np.nan, energy)

    return BrokenModel("broken nan", _changed(change))


def slow(seconds: float = 0.05, burn: bool = False) -> BrokenModel:
    """So many seconds for each structure, asleep, or computing if ``burn``."""

    def defect(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
        _pass_time(seconds * len(structures), burn)
        return list(sound.evaluate(structures, properties))

    return BrokenModel("broken slow", defect)


def hanging(trigger: str = "Xe", burn: bool = False) -> BrokenModel:
    """No answer, ever, to a batch with the trigger element; asleep, or computing if ``burn``."""
    return _triggered("hanging", trigger, lambda: _pass_time(float("inf"), burn))


def crashing(trigger: str = "Xe") -> BrokenModel:
    """The process dies by SIGABRT, leaving no core file."""

    def crash() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()

    return _triggered("crashing", trigger, crash)


def memory(trigger: str = "Xe", ceiling_gib: float | None = None) -> BrokenModel:
    """Memory without end, until the system or ``ceiling_gib`` refuses more."""

    def eat() -> None:
        eaten: list[Floats] = []
        while ceiling_gib is None or len(eaten) * _BLOCK_BYTES < ceiling_gib * 2**30:
            eaten.append(np.ones(_BLOCK_BYTES // 8))
        raise MemoryError(f"{ceiling_gib:g} GiB eaten")

    return _triggered("memory", trigger, eat)


def raising(trigger: str = "Xe") -> BrokenModel:
    """An exception for a batch with the trigger element."""

    def fail() -> None:
        raise RuntimeError(f"this model cannot stand {trigger}")

    return _triggered("raising", trigger, fail)


def elements(known: Sequence[str] = ("H", "C", "O", "Si")) -> BrokenModel:
    """A model that knows few elements and says so."""
    numbers = tuple(sorted(atomic_numbers[symbol] for symbol in known))
    return BrokenModel("broken elements", _proper, elements=numbers)


def silent() -> BrokenModel:
    """A model that promises forces and gives none."""

    def defect(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
        return [dataclasses.replace(one, forces=None) for one in sound.evaluate(structures, properties)]

    return BrokenModel("broken silent", defect)


DEFECTS: dict[str, Callable[..., BrokenModel]] = {
    "nonconservative": nonconservative,
    "stress": stress,
    "discontinuous": discontinuous,
    "nan": nan,
    "slow": slow,
    "hanging": hanging,
    "crashing": crashing,
    "memory": memory,
    "raising": raising,
    "elements": elements,
    "silent": silent,
}


def load(how: str, *, device: str = "cpu", threads: int | None = None, **options: Any) -> BrokenModel:
    """The model that is broken in that way; one thread of the CPU whatever is asked."""
    if how not in DEFECTS:
        raise UnknownName("way to be broken", how, DEFECTS)
    try:
        return DEFECTS[how](**options)
    except (TypeError, KeyError) as error:
        raise BadInput(f"broken-{how} does not take these options: {error}") from error


def _proper(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
    return list(sound.evaluate(structures, properties))


def _changed(
    change: Callable[[Floats, Floats, Integers, Integers], Floats],
) -> Callable[[PairPotential, Structures, frozenset[str]], Answers]:
    """The defect of a pair energy that is not what its derivative says."""

    def defect(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
        def radial(distance: Floats, first: Integers, second: Integers) -> tuple[Floats, Floats]:
            energy, slope = sound.radial(distance, first, second)
            changed = change(distance, energy, first, second)
            return changed, slope + 0.0 * changed  # what is not a number spreads to the forces

        return list(dataclasses.replace(sound, radial=radial).evaluate(structures, properties))

    return defect


def _triggered(how: str, trigger: str, act: Callable[[], None]) -> BrokenModel:
    number = atomic_numbers[trigger]

    def defect(sound: PairPotential, structures: Structures, properties: frozenset[str]) -> Answers:
        if number in structures.elements:
            act()
        return list(sound.evaluate(structures, properties))

    return BrokenModel(f"broken {how}", defect)


def _pass_time(seconds: float, burn: bool) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not burn:
            time.sleep(min(left, 60.0))
