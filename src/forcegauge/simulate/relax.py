"""Relaxation of many structures at once at fixed cell, by FIRE.

Bitzek, Koskinen, Gähler, Moseler and Gumbsch, Phys. Rev. Lett. 97, 170201 (2006); parameters and the order of the
update as in ASE's FIRE, so a structure takes the same steps as there. Each structure has its own time step and
mixing; a structure that is done costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from forcegauge.errors import Failure
from forcegauge.potential import Predictions
from forcegauge.simulate.procedure import Evaluate, State
from forcegauge.structures import Floats, Structures

_FIRST_STEP, _LARGEST_STEP, _FARTHEST = 0.1, 1.0, 0.2  # time steps in ASE's units; Å per step, all atoms together
_GROW, _SHRINK, _PATIENCE = 1.1, 0.5, 5
_MIX, _MIX_DECAY = 0.1, 0.99
HOLE_EV_PER_ATOM = 100.0
"""A structure that falls this far below its start has found a hole in the potential: it has exploded."""


class Relaxation:
    """Positions to the nearest minimum at fixed cell.

    Settings: ``force_tolerance_ev_per_a``, on the largest force on an atom; ``max_steps``.
    """

    def begin(self, structures: Structures, settings: Mapping[str, Any]) -> list[State]:
        """At rest, nothing evaluated yet."""
        return [
            {
                "structure": structures.take(row, row + 1).as_arrays(),
                "velocities": np.zeros((int(count), 3)),
                "step": _FIRST_STEP,
                "mix": _MIX,
                "downhill": 0,
                "n_steps": 0,
                "first_energy": None,
                "energy": None,
                "forces": None,
                "is_done": False,
                "failure": None,
            }
            for row, count in enumerate(structures.n_atoms)
        ]

    def advance(
        self, states: Sequence[State], settings: Mapping[str, Any], evaluate: Evaluate, is_over: Callable[[], bool]
    ) -> list[State]:
        """FIRE steps of all states that are not done, until ``is_over``."""
        after = [dict(state) for state in states]
        active = [state for state in after if not state["is_done"]]
        while active:
            structures = Structures.concatenate([Structures.from_arrays(state["structure"]) for state in active])
            predictions = evaluate(structures, frozenset({"energy", "forces"}))
            for row, state in enumerate(active):
                _note(state, row, predictions, settings)
            active = [state for state in active if not state["is_done"]]
            for state in active:
                _move(state)
            if is_over():
                break
        return after


def _note(state: State, row: int, predictions: Predictions, settings: Mapping[str, Any]) -> None:
    """Take energy and forces at the present positions; the structure may be done with that."""
    failure = predictions.failures.get(row)
    if failure is None:
        one = predictions[row]
        state["energy"], state["forces"] = one.energy, one.forces
        if state["first_energy"] is None:
            state["first_energy"] = one.energy
        failure = _verdict(state, settings)
    if failure is not None:
        state["failure"], state["is_done"] = failure.as_dict(), True


def _verdict(state: State, settings: Mapping[str, Any]) -> Failure | None:
    forces: Floats = state["forces"]
    largest = float(np.sqrt((forces**2).sum(axis=1).max(initial=0.0)))
    fall = (state["first_energy"] - state["energy"]) / max(len(forces), 1)
    if fall > HOLE_EV_PER_ATOM:
        return Failure("exploded", f"the energy fell by {fall:.3g} eV/atom within {state['n_steps']} steps")
    if largest <= settings["force_tolerance_ev_per_a"]:
        state["is_done"] = True
    elif state["n_steps"] >= settings["max_steps"]:
        return Failure("not_converged", f"largest force {largest:.3g} eV/Å after {state['n_steps']} steps")
    return None


def _move(state: State) -> None:
    """One FIRE step from the forces at the present positions."""
    forces, velocities = state["forces"], state["velocities"]
    if state["n_steps"] > 0:
        if np.vdot(forces, velocities) > 0:
            speed, pull = np.sqrt(np.vdot(velocities, velocities)), np.sqrt(np.vdot(forces, forces))
            velocities = (1 - state["mix"]) * velocities + state["mix"] * forces / pull * speed
            if state["downhill"] > _PATIENCE:
                state["step"] = min(state["step"] * _GROW, _LARGEST_STEP)
                state["mix"] *= _MIX_DECAY
            state["downhill"] += 1
        else:
            velocities = np.zeros_like(velocities)
            state["mix"], state["downhill"] = _MIX, 0
            state["step"] *= _SHRINK
    velocities = velocities + state["step"] * forces
    shift = state["step"] * velocities
    length = np.sqrt(np.vdot(shift, shift))
    if length > _FARTHEST:
        shift = shift * (_FARTHEST / length)
    state["velocities"] = velocities
    state["structure"] = {**state["structure"], "positions": state["structure"]["positions"] + shift}
    state["n_steps"] += 1
