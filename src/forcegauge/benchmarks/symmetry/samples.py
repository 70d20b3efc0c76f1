"""Small structures made of elements that a model accepts, so that a potential for silicon is asked about silicon.

Everything is rattled and sheared by fixed random numbers: no symmetry hides a mistake, all models get the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import atomic_numbers, chemical_symbols, covalent_radii, reference_states

from forcegauge.potential import Capabilities

_CRYSTALS = ("Si", "Cu", "Al", "Mg", "Na", "C", "Au", "W")  # first choices: well known, not magnetic
_COMPOUNDS = (
    ("MgO", "rocksalt", 4.21),
    ("NaCl", "rocksalt", 5.64),
    ("SiC", "zincblende", 4.36),
    ("GaAs", "zincblende", 5.65),
    ("CuPd", "cesiumchloride", 2.99),
)
_MOLECULES = ("CH3CH2OH", "CH3OH", "H2O", "NH3", "CH4", "SiH4")
_RATTLE = 0.08  # Å
_SHEAR = 0.03
_SQUEEZE = 0.92  # of all lengths: potentials that reach no farther than a bond answer there too
_VACUUM = 12.0  # Å
_N_MORE = 6
_LOOSE = 1.3  # covalent bonds between neighbours where twelve of them stand around an atom that no crystal has so


@dataclass(frozen=True, eq=False)
class Sample:
    """A structure with a name for tables."""

    name: str
    atoms: Atoms

    @property
    def is_solid(self) -> bool:
        """Periodic in three directions without vacuum, so that strain and supercells make sense."""
        return bool(self.atoms.pbc.all()) and self.name not in ("molecule", "slab")


def samples(capabilities: Capabilities, count: int) -> list[Sample]:
    """The first ``count`` of: bulk, molecule, slab, packed molecules, squeezed bulk, compound, more crystals.

    What the accepted elements cannot make is left out.
    """
    found: list[Sample] = []
    for name, atoms in _candidates(capabilities):
        if len(found) == count:
            break
        found.append(Sample(name, atoms))
    return found


def _candidates(capabilities: Capabilities) -> Iterator[tuple[str, Atoms]]:
    first = main_element(capabilities)
    solid = crystal(first)
    yield "bulk", distorted(solid)
    isolated = rattled(free_molecule(capabilities))
    yield "molecule", boxed(isolated, capabilities)
    yield "slab", rattled(slab(solid, capabilities))
    yield "packed", packed(isolated)
    squeezed = distorted(solid)
    squeezed.set_cell(squeezed.cell * _SQUEEZE, scale_atoms=True)
    yield "squeezed", squeezed
    for name, lattice, length in _COMPOUNDS:
        built = _bare(bulk(name, lattice, a=length, cubic=True))
        if capabilities.accepts(built.numbers.tolist()):
            yield "compound", distorted(built)
            break
    # Elements of molecules are left out: no crystal of single atoms is anywhere near what a model of them knows.
    others = [number for number in accepted(capabilities) if number != first and _lattice(number)]
    for place in np.unique(np.linspace(0, len(others) - 1, min(_N_MORE, len(others))).astype(int)).tolist():
        yield f"bulk {chemical_symbols[others[place]]}", distorted(crystal(others[place]))


def accepted(capabilities: Capabilities) -> list[int]:
    """Atomic numbers that the model was made for, those with measured radii where it takes any."""
    return list(capabilities.elements) or list(range(1, 97))


def main_element(capabilities: Capabilities) -> int:
    """The element of the crystals: a well-known one, else one of a simple lattice, else the middle of the list."""
    known = accepted(capabilities)
    preferred = [atomic_numbers[symbol] for symbol in _CRYSTALS]
    simple = [number for number in [*preferred, *filter(_lattice, known)] if number in known]
    return simple[0] if simple else known[len(known) // 2]


def crystal(number: int) -> Atoms:
    """The conventional cell, 2 to 8 atoms: the element's own lattice if that is simple, else a loose fcc."""
    symbol, lattice = chemical_symbols[number], _lattice(number)
    if lattice == "hcp":
        return _bare(bulk(symbol, orthorhombic=True))
    if lattice:
        return _bare(bulk(symbol, cubic=True))
    return _bare(bulk(symbol, "fcc", a=_LOOSE * np.sqrt(8) * covalent_radii[number], cubic=True))


def _lattice(number: int) -> str:
    """fcc, bcc, hcp or diamond where the element has one of these, else empty."""
    state = reference_states[number] if number < len(reference_states) else None
    found = (state or {}).get("symmetry", "")
    return found if found in ("fcc", "bcc", "hcp", "diamond") else ""


def _bare(atoms: Atoms) -> Atoms:
    """Without the magnetic moments that ASE adds to some elements."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


def free_molecule(capabilities: Capabilities) -> Atoms:
    """A molecule without a cell: ethanol if the model accepts it, else a simpler one, else a cluster of one element."""
    for name in _MOLECULES:
        built = molecule(name)
        if capabilities.accepts(built.numbers.tolist()):
            return Atoms(built.numbers, built.positions)
    number = main_element(capabilities)
    bond = 2.1 * covalent_radii[number]
    around = [(np.cos(turn), np.sin(turn), 0.0) for turn in (0.0, 2 * np.pi / 3, 4 * np.pi / 3)]
    corners = np.array([*around, (0, 0, np.sqrt(2)), (0, 0, -np.sqrt(2))]) / np.sqrt(3)
    return Atoms([number] * 5, corners * bond)


def boxed(atoms: Atoms, capabilities: Capabilities) -> Atoms:
    """The same in a box that no neighbour is seen across, where the model needs a cell; else as it is."""
    if not capabilities.needs_cell:
        return atoms
    room = max(_VACUUM, (capabilities.cutoff_angstrom or 0.0) + 2.0)
    held = atoms.copy()
    # Three different sides, so that no symmetry of the box is there to be exploited.
    held.set_cell(np.ptp(held.positions, axis=0) + room + np.array([0.0, 0.3, 0.7]))
    held.pbc = True
    held.center()
    return held


def packed(atoms: Atoms) -> Atoms:
    """A molecule in a small skew periodic cell, in reach of its images."""
    held = atoms.copy()
    sides = np.ptp(held.positions, axis=0) + 2.6
    held.set_cell(np.diag(sides) + np.array([[0, 0, 0], [0.5, 0, 0], [0.3, -0.4, 0]]))
    held.pbc = True
    return held


def slab(solid: Atoms, capabilities: Capabilities) -> Atoms:
    """Two cells of a crystal with vacuum above; periodic there too where the model needs it."""
    held = solid.repeat((1, 1, 2))
    cell = held.cell.array.copy()
    cell[2, 2] += _VACUUM
    held.set_cell(cell)
    held.pbc = (True, True, capabilities.needs_cell)
    return held


def rattled(atoms: Atoms) -> Atoms:
    """The same with every coordinate off by about 0.08 Å."""
    moved = atoms.copy()
    moved.positions += np.random.default_rng(len(atoms)).normal(0.0, _RATTLE, moved.positions.shape)
    return moved


def distorted(atoms: Atoms) -> Atoms:
    """The same, sheared by some per cent and rattled."""
    moved = atoms.copy()
    strain = np.random.default_rng(7).uniform(-_SHEAR, _SHEAR, (3, 3))
    moved.set_cell(moved.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
    return rattled(moved)
