"""The stricter guard around every model: what it was not made for is not asked, what it says is not believed unseen."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols

from forcegauge.errors import Failure
from forcegauge.models.memory import is_out_of_memory
from forcegauge.potential import Capabilities, Model, Prediction, Predictions
from forcegauge.structures import Structures


def guarded_evaluate(model: Model, structures: Structures, properties: frozenset[str]) -> Predictions:
    """Predictions in which one bad structure never spoils the others.

    Elements outside the model's set, properties it does not offer and input it cannot take are failures without asking
    it. An exception halves the batch until the culprit stands alone. Energies, forces, stresses or moments that are not
    finite are failures of kind ``non_finite``.
    """
    refused = _refusals(model.capabilities, structures, properties)
    answers: list[Prediction | Failure] = [refused.get(row, Prediction()) for row in range(len(structures))]
    asked = [row for row in range(len(structures)) if row not in refused]
    if asked:
        given = _halving(model, _select(structures, asked), properties)
        for row, answer in zip(asked, given, strict=True):
            answers[row] = answer
    return _finite(Predictions.from_answers(structures, sorted(properties), answers))


def _refusals(capabilities: Capabilities, structures: Structures, properties: frozenset[str]) -> dict[int, Failure]:
    lacking = sorted(properties - set(capabilities.properties))
    if lacking:
        failure = Failure("not_implemented", f"the model gives no {', '.join(lacking)}")
        return dict.fromkeys(range(len(structures)), failure)
    with np.errstate(invalid="ignore"):  # a cell that is not finite is told below
        volumes = np.abs(np.linalg.det(structures.cells))
    solid = structures.pbc.all(axis=1) & (volumes > 0)
    reasons = [
        (structures.n_atoms == 0, "a structure without atoms"),
        ("stress" in properties and ~(volumes > 0), "stress needs a cell with a volume"),
        (
            (structures.pbc & ~structures.cells.any(axis=2)).any(axis=1),
            "periodic along a direction without a cell vector",
        ),
        (capabilities.needs_cell and ~solid, "the model needs a periodic cell: give a molecule a large box"),
    ]
    refused: dict[int, Failure] = {}
    for mask, reason in reasons:
        for row in np.flatnonzero(mask) if np.ndim(mask) else ():
            refused.setdefault(int(row), Failure("not_implemented", reason))
    broken = ~np.isfinite(structures.positions).all(axis=1)
    for row in {*structures.owner[broken].tolist(), *np.flatnonzero(~np.isfinite(volumes)).tolist()}:
        refused[row] = Failure("non_finite", "positions or cell of the structure are not finite")
    return {**_unknown_states(capabilities, structures), **refused, **_unsupported(capabilities, structures)}


def _unknown_states(capabilities: Capabilities, structures: Structures) -> dict[int, Failure]:
    """Ions, and spins, for a model that would compute a neutral singlet instead."""
    charged = (structures.net_charge != 0) & (not capabilities.knows_charge)
    magnetic = (structures.multiplicity != 1) & (not capabilities.knows_spin)
    failures = {}
    for row in np.flatnonzero(charged | magnetic).tolist():
        said = [f"charge {structures.net_charge[row]:+g}"] if charged[row] else []
        said += [f"spin multiplicity {structures.multiplicity[row]:g}"] if magnetic[row] else []
        failures[row] = Failure(
            "not_implemented", f"the structure has {' and '.join(said)}, which the model knows nothing of"
        )
    return failures


def _unsupported(capabilities: Capabilities, structures: Structures) -> dict[int, Failure]:
    if capabilities.accepts(structures.elements):
        return {}
    foreign = ~np.isin(structures.numbers, capabilities.elements)
    failures = {}
    for row in np.unique(structures.owner[foreign]).tolist():
        atoms = slice(*structures.offsets[row : row + 2].tolist())
        strangers = np.unique(structures.numbers[atoms][foreign[atoms]])
        names = ", ".join(chemical_symbols[number] for number in strangers)
        failures[row] = Failure("unsupported_element", f"the model was not made for {names}")
    return failures


def _select(structures: Structures, rows: Sequence[int]) -> Structures:
    if len(rows) == len(structures):
        return structures
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    runs = np.split(np.asarray(rows), breaks)
    return Structures.concatenate([structures.take(int(run[0]), int(run[-1]) + 1) for run in runs])


def _halving(model: Model, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
    try:
        answers = list(model.evaluate(structures, properties))
        Predictions.from_answers(structures, properties, answers)  # raises where number or shapes do not fit
        return [_complete(answer, properties) for answer in answers]
    except Failure as failure:
        cause = failure
    except Exception as error:
        cause = _failure(error, structures)
    if len(structures) == 1:
        return [cause]
    middle = len(structures) // 2
    halves = (structures.take(0, middle), structures.take(middle, len(structures)))
    return [answer for half in halves for answer in _halving(model, half, properties)]


def _failure(error: Exception, structures: Structures) -> Failure:
    text = str(error).strip() or type(error).__name__
    if is_out_of_memory(error):
        return Failure("out_of_memory", f"no memory left for {int(structures.n_atoms.sum())} atoms")
    return Failure("bug", f"{type(error).__name__}: {text.splitlines()[0]}", traceback.format_exc())


def _complete(answer: Prediction | Failure, properties: frozenset[str]) -> Prediction | Failure:
    if isinstance(answer, Failure):
        return answer
    absent = sorted(name for name in properties if getattr(answer, name) is None)
    return Failure("not_implemented", f"the model gave no {', '.join(absent)}") if absent else answer


def _finite(predictions: Predictions) -> Predictions:
    """The same with a failure, and NaN throughout, for each structure that has a number that is not finite."""
    owner = np.repeat(np.arange(len(predictions)), predictions.n_atoms)
    broken: dict[int, list[str]] = {}
    for name in ("energy", "forces", "stress", "magmoms"):
        values = getattr(predictions, name)
        if values is None:
            continue
        bad = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        rows = np.flatnonzero(bad) if name in ("energy", "stress") else np.unique(owner[bad])
        for row in rows.tolist():
            broken.setdefault(row, []).append(name)
    for row in broken:
        for values in (predictions.energy, predictions.stress):
            if values is not None:
                values[row] = np.nan
        for values in (predictions.forces, predictions.magmoms):
            if values is not None:
                values[owner == row] = np.nan
    failures = {row: Failure("non_finite", f"{' and '.join(names)} not finite") for row, names in broken.items()}
    return dataclasses.replace(predictions, failures={**failures, **predictions.failures})
