"""How a structure goes downhill: FIRE and limited-memory BFGS, one structure's memory at a time.

An optimiser sees rows of coordinates [n_rows, 3] and the forces on them; what the rows stand for (atoms, a cell, the
images of a band) is not its business. Parameters and the order of the update are those of ASE's optimisers of the
same name, so that a structure takes the same steps as there.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from forcegauge.errors import UnknownName
from forcegauge.structures import Floats

Memory = dict[str, Any]
"""All that an optimiser remembers of one structure: numbers and arrays that travel."""

FARTHEST_A = 0.2
"""Å: FIRE moves all rows together no farther, L-BFGS no single row."""


class Optimiser(Protocol):
    """Steps from forces."""

    def begin(self, n_rows: int) -> Memory:
        """The memory before the first step of so many rows."""
        ...

    def step(self, memory: Memory, forces: Floats) -> Floats:
        """[n_rows, 3], how far to go from where these forces [n_rows, 3] act; takes note of it in ``memory``."""
        ...


class Fire:
    """Inertia with a brake: Bitzek, Koskinen, Gähler, Moseler, Gumbsch, Phys. Rev. Lett. 97, 170201 (2006)."""

    _LARGEST_STEP, _GROW, _SHRINK, _PATIENCE, _MIX, _MIX_DECAY = 1.0, 1.1, 0.5, 5, 0.1, 0.99

    def begin(self, n_rows: int) -> Memory:
        """At rest."""
        return {"velocities": np.zeros((n_rows, 3)), "step": 0.1, "mix": self._MIX, "downhill": 0, "is_moving": False}

    def step(self, memory: Memory, forces: Floats) -> Floats:
        """Faster while the forces agree with the velocity, a halt where they do not."""
        velocities: Floats = memory["velocities"]
        if memory["is_moving"]:
            if np.vdot(forces, velocities) > 0:
                speed, pull = np.sqrt(np.vdot(velocities, velocities)), np.sqrt(np.vdot(forces, forces))
                velocities = (1 - memory["mix"]) * velocities + memory["mix"] * forces / pull * speed
                if memory["downhill"] > self._PATIENCE:
                    memory["step"] = min(memory["step"] * self._GROW, self._LARGEST_STEP)
                    memory["mix"] *= self._MIX_DECAY
                memory["downhill"] += 1
            else:
                velocities = np.zeros_like(velocities)
                memory["mix"], memory["downhill"] = self._MIX, 0
                memory["step"] *= self._SHRINK
        memory["is_moving"] = True
        velocities = velocities + memory["step"] * forces
        memory["velocities"] = velocities
        shift: Floats = memory["step"] * velocities
        length = np.sqrt(np.vdot(shift, shift))
        return shift * (FARTHEST_A / length) if length > FARTHEST_A else shift


class Lbfgs:
    """Limited-memory BFGS, Nocedal, Math. Comput. 35, 773 (1980), without line search.

    Unlike ASE's it forgets steps of negative curvature, which would send it uphill to a saddle.
    """

    _MEMORY, _CURVATURE = 100, 70.0  # steps; eV/Å² before any step is known

    def begin(self, n_rows: int) -> Memory:
        """Nothing known of the curvature."""
        return {"shifts": np.zeros((0, n_rows, 3)), "bends": np.zeros((0, n_rows, 3)), "last": None}

    def step(self, memory: Memory, forces: Floats) -> Floats:
        """The quasi-Newton step by the two-loop recursion."""
        if memory["last"] is not None:
            shift, before = memory["last"]
            bend = before - forces
            if np.vdot(shift, bend) > 0:
                memory["shifts"] = np.concatenate([memory["shifts"], shift[None]])[-self._MEMORY :]
                memory["bends"] = np.concatenate([memory["bends"], bend[None]])[-self._MEMORY :]
        shift = self._direction(memory["shifts"], memory["bends"], forces)
        longest = np.sqrt((shift**2).sum(axis=1).max())
        if longest >= FARTHEST_A:
            shift *= FARTHEST_A / longest
        memory["last"] = np.stack([shift, forces])
        return shift

    def _direction(self, shifts: Floats, bends: Floats, forces: Floats) -> Floats:
        scales = 1.0 / np.einsum("kij,kij->k", shifts, bends)
        wanted, weights = forces, np.zeros(len(shifts))
        for number in reversed(range(len(shifts))):
            weights[number] = scales[number] * np.vdot(shifts[number], wanted)
            wanted = wanted - weights[number] * bends[number]
        step: Floats = wanted / self._CURVATURE
        for number in range(len(shifts)):
            back = scales[number] * np.vdot(bends[number], step)
            step += shifts[number] * (weights[number] - back)
        return step


OPTIMISERS: dict[str, Optimiser] = {"fire": Fire(), "lbfgs": Lbfgs()}


def optimiser(name: str) -> Optimiser:
    """The optimiser of that name."""
    if name not in OPTIMISERS:
        raise UnknownName("optimiser", name, OPTIMISERS)
    return OPTIMISERS[name]
