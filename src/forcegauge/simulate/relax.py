"""Relaxation of many structures at once, with fixed or free cell, by FIRE or L-BFGS.

Each structure has its own optimiser's memory; one that is done costs nothing more. Steps and criterion are those of
ASE's optimisers, with FrechetCellFilter where the cell is free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forcegauge.errors import Failure
from forcegauge.potential import Predictions
from forcegauge.simulate.cell import Deformation
from forcegauge.simulate.crystal_symmetry import averaged_forces, averaged_stress, symmetrised
from forcegauge.simulate.optimisers import optimiser
from forcegauge.simulate.procedure import Evaluate, IsOver, State
from forcegauge.structures import Floats, Structures

HOLE_EV_PER_ATOM = 100.0
"""A structure that falls this far below its start has found a hole in the potential: it has exploded."""
LARGEST_SWELLING = 8.0
"""A cell whose volume grows or shrinks by more than this factor has exploded."""
LARGEST_STRETCH = 4.0
"""So has one with any length that does: a cell that is drawn out at its volume has neighbours without end."""


class Relaxation:
    """Structures to the nearest minimum.

    Settings: ``force_tolerance_ev_per_a``, on the largest row of forces, the cell's three rows included;
    ``max_steps``; ``optimiser``, fire or lbfgs; ``cell``, fixed or free; ``keep_symmetry``, of the space group that
    the structure begins with.
    """

    def structures_per_state(self, settings: Mapping[str, Any]) -> int:
        """Each structure is relaxed for itself."""
        return 1

    def structures_per_step(self, settings: Mapping[str, Any]) -> int:
        """The same one."""
        return 1

    def begin(self, structures: Structures, settings: Mapping[str, Any]) -> list[State]:
        """At rest, nothing evaluated yet."""
        return [_begin(structures.take(row, row + 1), settings) for row in range(len(structures))]

    def advance(
        self, states: Sequence[State], settings: Mapping[str, Any], evaluate: Evaluate, is_over: IsOver
    ) -> list[State]:
        """Steps of all states that are not done, until ``is_over``."""
        after = [dict(state) for state in states]
        active = [state for state in after if not state["is_done"]]
        asked = frozenset({"energy", "forces"} | ({"stress"} if settings["cell"] == "free" else set()))
        while active:
            structures = Structures.concatenate([Structures.from_arrays(state["structure"]) for state in active])
            predictions = evaluate(structures, asked)
            for row, state in enumerate(active):
                _note(state, row, predictions, settings)
            active = [state for state in active if not state["is_done"]]
            for state in active:
                _move(state, settings)
            if is_over(len(active)):
                break
        return after


def _begin(structure: Structures, settings: Mapping[str, Any]) -> State:
    is_free = settings["cell"] == "free"
    cell = structure.cells[0]
    failure = None
    is_crystal = structure.is_finite and bool(structure.pbc.all()) and abs(np.linalg.det(cell)) > 0
    operations = None
    if not structure.is_finite:  # spglib would take the whole process with it
        failure = Failure("non_finite", "positions or cell of the structure are not finite")
    elif is_free and not is_crystal:
        failure = Failure("not_implemented", "a free cell needs a structure that is periodic in three directions")
    elif settings["keep_symmetry"] and not is_crystal:
        failure = Failure("not_implemented", "symmetry is kept of crystals only, periodic in three directions")
    elif settings["keep_symmetry"]:
        structure, operations = symmetrised(structure)
        cell = structure.cells[0]
    n_rows = len(structure.numbers) + (3 if is_free else 0)
    return {
        "structure": structure.as_arrays(),
        "operations": operations,
        "first_cell": cell,
        "deformation": np.zeros((3, 3)),
        "memory": optimiser(settings["optimiser"]).begin(n_rows),
        "n_steps": 0,
        "first_energy": None,
        "energy": None,
        "forces": None,
        "is_done": failure is not None,
        "failure": None if failure is None else failure.as_dict(),
    }


def _note(state: State, row: int, predictions: Predictions, settings: Mapping[str, Any]) -> None:
    """Take energy and forces of where the structure is; it may be done with that."""
    failure = predictions.failures.get(row)
    if failure is None:
        one = predictions[row]
        state["energy"] = one.energy
        assert one.forces is not None  # it was asked for
        state["forces"] = _rows(state, one.forces, one.stress)
        if state["first_energy"] is None:
            state["first_energy"] = one.energy
        failure = _verdict(state, settings)
    if failure is not None:
        state["failure"], state["is_done"] = failure.as_dict(), True


def _rows(state: State, forces: Floats, stress: Floats | None) -> Floats:
    """[n_rows, 3], eV/Å, the forces on all coordinates; those of the cell come last."""
    operations = state["operations"]
    if operations is not None:
        forces = averaged_forces(operations, forces)
        stress = None if stress is None else averaged_stress(operations, stress)
    return forces if stress is None else _deformation(state).forces(forces, stress)


def _deformation(state: State) -> Deformation:
    return Deformation(state["first_cell"], state["deformation"])


def _verdict(state: State, settings: Mapping[str, Any]) -> Failure | None:
    forces: Floats = state["forces"]
    largest = float(np.sqrt((forces**2).sum(axis=1).max(initial=0.0)))
    fall = (state["first_energy"] - state["energy"]) / max(len(state["structure"]["numbers"]), 1)
    swelling = abs(np.trace(state["deformation"]))  # of the logarithm: that of the volume's growth
    if fall > HOLE_EV_PER_ATOM:
        return Failure("exploded", f"the energy fell by {fall:.3g} eV/atom within {state['n_steps']} steps")
    if swelling > np.log(LARGEST_SWELLING):
        growth = np.exp(np.trace(state["deformation"]))
        return Failure("exploded", f"the volume became {growth:.3g} times the first within {state['n_steps']} steps")
    stretch = float(np.exp(np.linalg.norm(state["deformation"] + state["deformation"].T, 2) / 2))
    if stretch > LARGEST_STRETCH:
        return Failure("exploded", f"a length of the cell changed by {stretch:.3g} times in {state['n_steps']} steps")
    if largest <= settings["force_tolerance_ev_per_a"]:
        state["is_done"] = True
    elif state["n_steps"] >= settings["max_steps"]:
        return Failure("not_converged", f"largest force {largest:.3g} eV/Å after {state['n_steps']} steps")
    return None


def _move(state: State, settings: Mapping[str, Any]) -> None:
    """One step from the forces at the present place."""
    state["memory"] = dict(state["memory"])
    shift = optimiser(settings["optimiser"]).step(state["memory"], state["forces"])
    structure = state["structure"]
    if settings["cell"] == "free":
        positions, after = _deformation(state).moved(structure["positions"], shift)
        state["deformation"] = after.logarithm
        state["structure"] = {**structure, "positions": positions, "cells": after.cell[None]}
    else:
        state["structure"] = {**structure, "positions": structure["positions"] + shift}
    state["n_steps"] += 1
