"""What every real model must fulfil, asked inside its environment: its numbers, its derivatives, its refusals.

Run as a script there: name, specification, code that makes ``calculator`` (the package's own) and the kind of batch.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule

ALL = ("energy", "forces", "stress")


def answer(name, package, kind):
    """Everything that the tests look at, from a process in the environment of a registered model."""
    from forcegauge.models import environments, registry, weights

    entry = weights.provided(registry.get(name))
    installed = environments.ensure(entry.environment)
    done = subprocess.run(
        [installed.python, __file__, json.dumps(entry.spec(threads=1)), package.replace("PATH", entry.file), kind],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(environments.source_copy())},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {"entry": entry, "silence": done.stderr, **json.loads(done.stdout.strip().splitlines()[-1])}


def needed(name):
    """Skip where real models were not asked for, or the environment takes too long to build and is not there."""
    import pytest

    from forcegauge.models import environments, registry

    if not os.environ.get("FORCEGAUGE_TEST_REAL_MODELS"):
        pytest.skip("FORCEGAUGE_TEST_REAL_MODELS is not set: it would build the environments of models")
    environment = registry.get(name).environment
    if environment in SLOW_TO_BUILD and environments.find(environment) is None:
        pytest.skip(f"environment {environment} takes minutes to build and is not installed")


SLOW_TO_BUILD = frozenset({"hienet"})


def batch(kind):
    """Distorted structures of different sizes, the first with a cell and small enough for finite differences."""
    if kind == "silicon":
        listed = [bulk("Si"), bulk("Si", cubic=True), bulk("Si", cubic=True) * 2, bulk("Si", "bcc", a=3.1)]
    elif kind == "molecules":
        listed = [molecule(name) for name in ("H2O", "CH3CH2OH", "C6H6", "CH3Cl", "SO2")]
        for atoms in listed:
            atoms.center(vacuum=6.0)
            atoms.pbc = True
    else:
        listed = [bulk("NaCl", "rocksalt", a=5.6), bulk("Si", cubic=True), bulk("Fe"), bulk("Cu", cubic=True) * 2]
        listed += [bulk("ZnO", "wurtzite", a=3.25, c=5.2), bulk("Al", a=3.4), bulk("Al", a=4.7)]
        listed += [Atoms("O2", [[0, 0, 0], [0, 0, d]], cell=[20, 21, 22], pbc=True) for d in (1.2, 2.0, 4.0)]
    for seed, atoms in enumerate(listed):
        atoms.rattle(0.05, seed=seed)
    return listed


def difference(first, second, properties):
    """Largest absolute difference per property."""
    return {name: float(np.abs(np.subtract(first[name], second[name])).max()) for name in properties}


def slopes(energy_of, atoms, has_stress):
    """Forces and stress by central differences of the energy, and where they stand in the arrays."""
    step, found = 5e-3, []
    for index, axis in ((0, 0), (1, 2)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index, axis] += sign * step
            ends.append(energy_of(moved))
        found.append(("forces", (index, axis), -(ends[0] - ends[1]) / (2 * step)))
    for row, column in ((0, 0), (0, 1)) if has_stress else ():
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell @ strain, scale_atoms=True)
            ends.append(energy_of(moved))
        found.append(("stress", (row, column), (ends[0] - ends[1]) / (2 * step * atoms.get_volume())))
    return found


def main():
    """Ask, compare, print."""
    from forcegauge.models.base import load
    from forcegauge.models.guard import guarded_evaluate
    from forcegauge.structures import Structures

    warnings.simplefilter("ignore")
    spec, package, kind = json.loads(sys.argv[1]), *sys.argv[2:]
    loaded = load(spec)
    given = [name for name in ALL if name in loaded.capabilities.properties]

    def ask(structures, properties=given):
        return guarded_evaluate(loaded.model, Structures.from_atoms(structures), frozenset(properties))

    def plain(one):
        return {name: getattr(one, name) for name in given}

    structures, scope = batch(kind), {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(package, scope)  # the package's own calculator, made by its own means
    together, energies, rows = ask(structures), ask(structures, ["energy"]).energies, []
    for row, atoms in enumerate(structures):
        atoms.calc = scope["calculator"]
        with contextlib.redirect_stdout(io.StringIO()):
            own = {"forces": atoms.get_forces(), "energy": atoms.get_potential_energy()}
            if "stress" in given:
                own["stress"] = atoms.get_stress(voigt=False)
        atoms.calc = None
        ours = plain(together[row])
        rows.append(
            {
                "formula": atoms.get_chemical_formula(),
                "energy": own["energy"],
                "package": difference(ours, own, given),
                "alone": difference(ours, plain(ask(atoms)[0]), given),
                "energy_only": abs(energies[row] - ours["energy"]),
            }
        )
    first = structures[0]
    analytic = plain(ask(first)[0])
    differences = [
        (name, float(analytic[name][place]), slope)
        for name, place, slope in slopes(
            lambda atoms: float(ask(atoms, ["energy"]).energies[0]), first, "stress" in given
        )
    ]
    foreign = first.copy()
    foreign.numbers[0] = 103
    spoiled = first.copy()
    spoiled.positions[0, 0] = np.nan
    mixed = ask([first, foreign, spoiled, first])
    free = (
        structures[-1].copy() if kind == "molecules" else Atoms(first.numbers[:1].repeat(2), [[0, 0, 0], [0, 0, 2.4]])
    )
    free.set_cell(None)
    free.pbc = False
    boxed = free.copy()
    boxed.center(vacuum=20.0)
    boxed.pbc = True
    crystal = ask(bulk("Si"), ["energy"]).failures.get(0)
    print(
        json.dumps(
            {
                "rows": rows,
                "differences": differences,
                "kinds": {row: failure.kind for row, failure in mixed.failures.items()},
                "crystal": crystal and crystal.kind,
                "free": ask([free, boxed], ["energy"]).energies.tolist(),
                "spared": float(abs(mixed[3].energy - analytic["energy"])),
                "repeat": float(np.abs(ask(first).forces - ask(first).forces).max()),
                "facts": loaded.facts(),
            },
            default=float,
        )
    )


if __name__ == "__main__":
    sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).parent]
    main()
