"""What a checkpoint must fulfil through its adapter, asked inside the environment: the package's numbers, and slopes.

Run as a script there: a specification, code that makes ``calculator`` (the package's own) from ``path``.
"""

import contextlib
import io
import json
import sys
import time
import warnings

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule

GIVEN = ("energy", "forces", "stress")


def batch():
    """Distorted crystals and molecules of different sizes out of H, O, Al, Si and Cu, the first for derivatives."""
    crystals = [bulk("Si"), bulk("Si", cubic=True), bulk("Cu", cubic=True) * (2, 1, 1), bulk("Al", a=3.4)]
    crystals.append(bulk("Al", a=4.6, cubic=True))
    boxed = [molecule(name) for name in ("H2O", "H2O2", "SiH4")]
    boxed += [Atoms("O2", [[0, 0, 0], [0, 0, distance]]) for distance in (1.2, 2.5, 9.0)]
    for atoms in boxed:
        atoms.set_cell([18, 19, 20])
        atoms.center()
        atoms.pbc = True
    listed = [*crystals, *boxed, Atoms("Cu", cell=[15, 15, 15], pbc=True)]
    for seed, atoms in enumerate(listed):
        atoms.rattle(0.05, seed=seed)
    return listed


def slopes(energy_of, atoms, step):
    """(property, place, value) by central differences of the energy."""
    found = []
    for index, axis in ((0, 0), (1, 2)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index, axis] += sign * step
            ends.append(energy_of(moved))
        found.append(("forces", (index, axis), (ends[1] - ends[0]) / (2 * step)))
    for row, column in ((0, 0), (0, 1)):
        ends = []
        for sign in (1, -1):
            change = np.zeros((3, 3))
            change[row, column] += sign * step / 2
            change[column, row] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell @ (np.eye(3) + change), scale_atoms=True)
            ends.append(energy_of(moved))
        found.append(("stress", (row, column), (ends[0] - ends[1]) / (2 * step * atoms.get_volume())))
    return found


def gradients_taken(model, structures):
    """How often torch was asked for a gradient while the energy alone was wanted."""
    import torch

    taken, backward, grad = [], torch.autograd.backward, torch.autograd.grad
    torch.autograd.backward = lambda *a, **k: (taken.append(1), backward(*a, **k))[1]
    torch.autograd.grad = lambda *a, **k: (taken.append(1), grad(*a, **k))[1]
    model.evaluate(structures, frozenset({"energy"}))
    torch.autograd.backward, torch.autograd.grad = backward, grad
    return len(taken)


def main():
    from forcegauge.models.base import load
    from forcegauge.models.guard import guarded_evaluate
    from forcegauge.structures import Structures

    warnings.simplefilter("ignore")
    spec, code = json.loads(sys.argv[1]), sys.argv[2]
    loaded = load(spec)

    def ask(structures, properties=GIVEN):
        return guarded_evaluate(loaded.model, Structures.from_atoms(structures), frozenset(properties))

    structures, scope = batch(), {"path": spec["file"]}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(code, scope)
    together, energies = ask(structures), ask(structures, ["energy"]).energies
    kinds = {row: str(failure) for row, failure in together.failures.items()}
    rows, package_s = [], 0.0
    for row, atoms in enumerate(structures):
        if row in kinds:
            continue
        start = time.perf_counter()
        atoms.calc = scope["calculator"]
        package = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(voigt=False),
        }
        package_s += time.perf_counter() - start
        ours, alone = together[row], ask(atoms)[0]
        rows.append(
            {
                "formula": atoms.get_chemical_formula(),
                "energy": package["energy"],
                "package": {name: float(np.abs(getattr(ours, name) - package[name]).max()) for name in GIVEN},
                "alone": {name: float(np.abs(getattr(ours, name) - getattr(alone, name)).max()) for name in GIVEN},
                "energy_only": abs(float(energies[row]) - ours.energy),
            }
        )
    start = time.perf_counter()
    ask(structures)
    ours_s = time.perf_counter() - start
    step = 1e-4 if loaded.capabilities.dtype == "float64" else 1e-2
    derivatives = [
        (name, float(getattr(together[0], name)[place]), value)
        for name, place, value in slopes(lambda atoms: float(ask(atoms, ["energy"]).energies[0]), structures[0], step)
    ]
    gradients = gradients_taken(loaded.model, Structures.from_atoms(structures[:1]))
    strange = ask([structures[1], Atoms("Lr", cell=[9, 9, 9], pbc=True), structures[2]], ["energy"])
    print(
        json.dumps(
            {
                "rows": rows,
                "kinds": kinds,
                "derivatives": derivatives,
                "gradients": gradients,
                "strange": {row: failure.kind for row, failure in strange.failures.items()},
                "facts": loaded.facts(),
                "seconds": {"ours": ours_s, "package": package_s},
            },
            default=float,
        )
    )


if __name__ == "__main__":
    main()
