"""One real force call inside a model's environment: ``python -m forcegauge.models.probe``, a specification on stdin.

The last line of its output is JSON: the model's facts and what the call gave.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from ase import Atoms

from forcegauge.errors import ForceGaugeError
from forcegauge.models.base import Loaded, load
from forcegauge.models.guard import guarded_evaluate
from forcegauge.structures import Structures

_SPACING_PER_ATOM = 2.5  # Å; a loose crystal, so that every element has neighbours and none overlap


def probe(loaded: Loaded) -> dict[str, object]:
    """What came back for two atoms of one element in a small cell: energy (eV), largest force (eV/Å), failure, time."""
    capabilities = loaded.capabilities
    number = capabilities.elements[len(capabilities.elements) // 2] if capabilities.elements else 14
    cell = np.eye(3) * _SPACING_PER_ATOM * 2 ** (1 / 3)
    atoms = Atoms([number, number], positions=[[0, 0, 0], [1.4, 1.5, 1.6]], cell=cell, pbc=True)
    wanted = [name for name in ("energy", "forces", "stress") if name in capabilities.properties]
    start = time.perf_counter()
    answer = guarded_evaluate(loaded.model, Structures.from_atoms(atoms), frozenset(wanted))
    failure = answer.failures.get(0)
    return {
        "structure": atoms.get_chemical_formula(),
        "properties": wanted,
        "energy_ev": None if failure or answer.energy is None else float(answer.energy[0]),
        "largest_force_ev_per_a": None if failure or answer.forces is None else float(np.abs(answer.forces).max()),
        "failure": failure.as_dict() if failure else None,
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Read a specification, load, ask once, print."""
    spec = json.load(sys.stdin)
    start = time.perf_counter()
    try:
        loaded = load(spec)
    except ForceGaugeError as error:
        print(json.dumps({"error": str(error)}))
        return
    seconds = time.perf_counter() - start
    print(json.dumps({"facts": loaded.facts(), "load_seconds": seconds, "call": probe(loaded)}))


if __name__ == "__main__":
    main()
