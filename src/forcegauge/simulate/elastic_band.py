"""Nudged elastic bands, all images of many bands evaluated together; the highest image climbs.

Tangents: Henkelman and Jónsson, J. Chem. Phys. 113, 9978 (2000); climbing: Henkelman, Uberuaga and Jónsson,
J. Chem. Phys. 113, 9901 (2000). With the same optimiser a band takes the steps of ASE's NEB with method
``improvedtangent``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase.geometry import find_mic

from forcegauge.errors import Failure
from forcegauge.potential import Predictions
from forcegauge.simulate.optimisers import optimiser
from forcegauge.simulate.procedure import Evaluate, IsOver, State
from forcegauge.simulate.relax import HOLE_EV_PER_ATOM
from forcegauge.structures import Floats, Structures


class ElasticBand:
    """Bands to their minimum energy paths, both ends held.

    Settings: those of :meth:`forcegauge.potential.Potential.elastic_band`.
    """

    def structures_per_state(self, settings: Mapping[str, Any]) -> int:
        """A state is a band."""
        return int(settings["n_images"])

    def structures_per_step(self, settings: Mapping[str, Any]) -> int:
        """The ends stay where they are."""
        return int(settings["n_images"]) - 2

    def begin(self, structures: Structures, settings: Mapping[str, Any]) -> list[State]:
        """Nothing evaluated yet; a band whose images do not belong together has failed already."""
        count = settings["n_images"]
        return [_begin(structures.take(row, row + count), settings) for row in range(0, len(structures), count)]

    def advance(
        self, states: Sequence[State], settings: Mapping[str, Any], evaluate: Evaluate, is_over: IsOver
    ) -> list[State]:
        """Steps of all bands that are not done, until ``is_over``."""
        after = [dict(state) for state in states]
        active = [state for state in after if not state["is_done"]]
        while active:
            images = [_to_evaluate(state) for state in active]
            predictions = evaluate(Structures.concatenate(images), frozenset({"energy", "forces"}))
            start = 0
            for state, asked in zip(active, images, strict=True):
                _note(state, predictions.take(start, start + len(asked)), settings)
                start += len(asked)
            active = [state for state in active if not state["is_done"]]
            for state in active:
                _move(state, settings)
            if is_over(len(active)):
                break
        return after


def _begin(band: Structures, settings: Mapping[str, Any]) -> State:
    numbers = band.numbers.reshape(len(band), -1) if np.ptp(band.n_atoms) == 0 else None
    failure = None
    if numbers is None or (numbers != numbers[0]).any():
        failure = Failure("not_implemented", "the images of a band must have the same atoms in the same order")
    elif not band.is_finite:
        failure = Failure("non_finite", "positions or cell of an image are not finite")
    elif (band.cells != band.cells[0]).any() or (band.pbc != band.pbc[0]).any():
        failure = Failure("not_implemented", "the images of a band must share one cell")
    elif not _steps(band.as_arrays()).any(axis=(1, 2)).all():
        failure = Failure("not_implemented", "two neighbouring images of the band are the same: it has no direction")
    return {
        "structure": band.as_arrays(),
        "memory": optimiser(settings["optimiser"]).begin((len(band) - 2) * int(band.n_atoms[0])),
        "n_steps": 0,
        "energy": None,
        "forces": None,
        "push": None,
        "is_climbing": False,
        "is_done": failure is not None,
        "failure": None if failure is None else failure.as_dict(),
    }


def _to_evaluate(state: State) -> Structures:
    """The images between the ends; the ends themselves once."""
    band = Structures.from_arrays(state["structure"])
    return band if state["energy"] is None else band.take(1, len(band) - 1)


def _note(state: State, predictions: Predictions, settings: Mapping[str, Any]) -> None:
    """Take energies and forces of the images; the band may be done with that."""
    failure = predictions.failures[min(predictions.failures)] if predictions.failures else None
    if failure is None:
        energy, forces = predictions.energies, predictions.stacked_forces()
        if state["energy"] is not None:
            energy = np.concatenate([state["energy"][:1], energy, state["energy"][-1:]])
            forces = np.concatenate([state["forces"][:1], forces, state["forces"][-1:]])
        state["energy"], state["forces"] = energy, forces
        failure = _verdict(state, settings)
    if failure is not None:
        state["failure"], state["is_done"] = failure.as_dict(), True


def _verdict(state: State, settings: Mapping[str, Any]) -> Failure | None:
    energy, n_atoms = state["energy"], state["forces"].shape[1]
    fall = (energy[0] - energy.min()) / n_atoms
    if fall > HOLE_EV_PER_ATOM:
        return Failure("exploded", f"an image fell {fall:.3g} eV/atom below the first end")
    largest = _push(state, settings)
    below = settings["climb_below_ev_per_a"]
    if below is not None and not state["is_climbing"] and largest <= max(below, settings["force_tolerance_ev_per_a"]):
        state["is_climbing"] = True
        largest = _push(state, settings)
    if largest <= settings["force_tolerance_ev_per_a"]:
        state["is_done"] = True
    elif state["n_steps"] >= settings["max_steps"]:
        return Failure("not_converged", f"largest force on the band {largest:.3g} eV/Å after {state['n_steps']} steps")
    return None


def _push(state: State, settings: Mapping[str, Any]) -> float:
    """Set what moves the images; the largest of it on one atom, eV/Å."""
    state["push"] = band_forces(
        _steps(state["structure"]),
        state["energy"],
        state["forces"][1:-1],
        settings["spring_ev_per_a2"],
        is_climbing=state["is_climbing"],
    )
    return float(np.sqrt((state["push"] ** 2).sum(axis=2).max()))


def _steps(structure: Mapping[str, Any]) -> Floats:
    """[n_images - 1, n_atoms, 3], Å, from each image to the next, the short way through a periodic cell."""
    count = len(structure["n_atoms"])
    positions = structure["positions"].reshape(count, -1, 3)
    steps, _ = find_mic(np.diff(positions, axis=0).reshape(-1, 3), structure["cells"][0], structure["pbc"][0])
    short: Floats = steps.reshape(count - 1, -1, 3)
    return short


def band_forces(steps: Floats, energy: Floats, forces: Floats, spring: float, *, is_climbing: bool) -> Floats:
    """What moves the images between the ends.

    Args:
        steps: [n_images - 1, n_atoms, 3], Å, from each image to the next.
        energy: [n_images], eV.
        forces: [n_images - 2, n_atoms, 3], eV/Å, of the potential on the images between the ends.
        spring: eV/Å².
        is_climbing: the highest image feels no spring, and its force along the path is turned round.

    Returns:
        [n_images - 2, n_atoms, 3], eV/Å.
    """
    highest = int(energy[1:-1].argmax())
    pushes = np.empty_like(forces)
    for place, force in enumerate(forces):
        before, after = steps[place], steps[place + 1]
        tangent = _tangent(before, after, energy[place : place + 3])
        along = np.vdot(force, tangent)
        if is_climbing and place == highest:
            pushes[place] = force - 2 * along * tangent
        else:
            pull = spring * (np.linalg.norm(after) - np.linalg.norm(before))
            pushes[place] = force + (pull - along) * tangent
    return pushes


def _tangent(before: Floats, after: Floats, energy: Floats) -> Floats:
    """Towards the higher neighbour; at an extremum a mixture by the energy differences."""
    rise, fall = float(energy[2] - energy[1]), float(energy[1] - energy[0])
    if rise > 0 and fall > 0:
        tangent = after
    elif rise < 0 and fall < 0:
        tangent = before
    else:
        larger, smaller = max(abs(rise), abs(fall)), min(abs(rise), abs(fall))
        weights = (larger, smaller) if energy[2] > energy[0] else (smaller, larger)
        tangent = weights[0] * after + weights[1] * before
    length = np.linalg.norm(tangent)
    # Three images of one energy say nothing of the direction: neighbours do.
    return tangent / length if length > 0 else (after + before) / np.linalg.norm(after + before)


def _move(state: State, settings: Mapping[str, Any]) -> None:
    """One step of the whole band."""
    state["memory"] = dict(state["memory"])
    shift = optimiser(settings["optimiser"]).step(state["memory"], state["push"].reshape(-1, 3))
    positions = state["structure"]["positions"].copy()
    n_atoms = state["forces"].shape[1]
    positions[n_atoms:-n_atoms] += shift
    state["structure"] = {**state["structure"], "positions": positions}
    state["n_steps"] += 1
