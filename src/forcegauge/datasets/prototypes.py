"""Crystals that need no download: elements from ASE's table of reference states, compounds in common prototypes.

Lattice parameters are experimental facts rounded to about 0.01 Å (``lattices.toml`` beside this file; elements from
``ase.data``). They place the atoms where nature roughly puts them; nothing is scored against them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, reference_states
from ase.formula import Formula
from ase.spacegroup import crystal

from forcegauge.datasets.base import Card, Dataset

_LATTICES = Path(__file__).with_name("lattices.toml")
_UNBUILDABLE = frozenset({"U", "Np", "Pa"})
"""ASE gives their lattices with one atom in the cell; the real crystals have a basis."""

Site = tuple[float | str, float | str, float | str]


@dataclass(frozen=True)
class Prototype:
    """A crystal structure type.

    Args:
        spacegroup: number in the International Tables, setting 1 unless ``setting``.
        sites: one position per element of the formula, in its order; ``u`` and ``-u`` stand for the free coordinate.
        system: ``cubic``, ``tetragonal`` or ``hexagonal``: how many of a, c are given.
        setting: origin choice of the space group.
    """

    spacegroup: int
    sites: tuple[Site, ...]
    system: str = "cubic"
    setting: int = 1


_THIRD = 1 / 3
PROTOTYPES: Mapping[str, Prototype] = {
    "rocksalt": Prototype(225, ((0, 0, 0), (0.5, 0.5, 0.5))),
    "caesium-chloride": Prototype(221, ((0, 0, 0), (0.5, 0.5, 0.5))),
    "zincblende": Prototype(216, ((0, 0, 0), (0.25, 0.25, 0.25))),
    "wurtzite": Prototype(186, ((_THIRD, 2 * _THIRD, 0), (_THIRD, 2 * _THIRD, "u")), "hexagonal"),
    "fluorite": Prototype(225, ((0, 0, 0), (0.25, 0.25, 0.25))),
    "antifluorite": Prototype(225, ((0.25, 0.25, 0.25), (0, 0, 0))),
    "rutile": Prototype(136, ((0, 0, 0), ("u", "u", 0)), "tetragonal"),
    "perovskite": Prototype(221, ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0))),
    "auricupride": Prototype(221, ((0, 0.5, 0.5), (0, 0, 0))),
    "tetraauricupride": Prototype(123, ((0, 0, 0), (0.5, 0.5, 0.5)), "tetragonal"),
    "pyrite": Prototype(205, ((0, 0, 0), ("u", "u", "u"))),
    "cuprite": Prototype(224, ((0.25, 0.25, 0.25), (0, 0, 0))),
    "spinel": Prototype(227, ((0.125, 0.125, 0.125), (0.5, 0.5, 0.5), ("u", "u", "u")), setting=2),
    "corundum": Prototype(167, ((0, 0, 0.352), (0.306, 0, 0.25)), "hexagonal"),
    "diboride": Prototype(191, ((0, 0, 0), (_THIRD, 2 * _THIRD, 0.5)), "hexagonal"),
    "tungsten-carbide": Prototype(187, ((0, 0, 0), (_THIRD, 2 * _THIRD, 0.5)), "hexagonal"),
    "nickeline": Prototype(194, ((0, 0, 0), (_THIRD, 2 * _THIRD, 0.25)), "hexagonal"),
    "molybdenite": Prototype(194, ((_THIRD, 2 * _THIRD, 0.25), (_THIRD, 2 * _THIRD, "u")), "hexagonal"),
    "molybdenum-disilicide": Prototype(139, ((0, 0, 0), (0, 0, "u")), "tetragonal"),
    "cadmium-iodide": Prototype(164, ((0, 0, 0), (_THIRD, 2 * _THIRD, "u")), "hexagonal"),
    "chromium-silicide": Prototype(223, ((0.25, 0, 0.5), (0, 0, 0))),
    "laves": Prototype(227, ((0.125, 0.125, 0.125), (0.5, 0.5, 0.5)), setting=2),
    "heusler": Prototype(225, ((0.25, 0.25, 0.25), (0, 0, 0), (0.5, 0.5, 0.5))),
    "half-heusler": Prototype(216, ((0, 0, 0), (0.25, 0.25, 0.25), (0.5, 0.5, 0.5))),
    "graphite": Prototype(194, ((0, 0, 0.25), (_THIRD, 2 * _THIRD, 0.25)), "hexagonal"),
    "boron-nitride": Prototype(194, ((_THIRD, 2 * _THIRD, 0.25), (_THIRD, 2 * _THIRD, 0.75)), "hexagonal"),
    "selenium": Prototype(152, (("u", 0, _THIRD),), "hexagonal"),
}
"""Compounds' structure types by name; graphite lists its two kinds of carbon as two sites."""


@cache
def crystals() -> tuple[Atoms, ...]:
    """All built-in crystals: primitive cells, periodic, with ``info`` keys ``name`` and ``prototype``."""
    table = tomllib.loads(_LATTICES.read_text(encoding="utf-8"))
    compounds = [
        _compound(formula, prototype, parameters)
        for prototype, entries in table.items()
        for formula, parameters in entries.items()
    ]
    return (*_elements(), *compounds)


@cache
def names() -> frozenset[str]:
    """Every built-in crystal's name."""
    return frozenset(atoms.info["name"] for atoms in crystals())


def _elements() -> list[Atoms]:
    buildable = ("fcc", "bcc", "hcp", "diamond", "sc", "bct", "rhombohedral")
    built = []
    for symbol, state in zip(chemical_symbols, reference_states, strict=False):
        if state and state.get("symmetry") in buildable and symbol not in _UNBUILDABLE | {"Se", "Te"}:
            built.append(_named(bulk(symbol), symbol, state["symmetry"]))
    return built


def _compound(formula: str, prototype: str, parameters: Sequence[float]) -> Atoms:
    kind = PROTOTYPES[prototype]
    n_lengths = 1 if kind.system == "cubic" else 2
    a, c = parameters[0], parameters[n_lengths - 1]
    free = parameters[n_lengths:]
    basis = [[_coordinate(value, free) for value in site] for site in kind.sites]
    elements = list(Formula(formula).count())
    symbols = elements * len(basis) if len(elements) == 1 else elements
    angles = (90, 90, 120 if kind.system == "hexagonal" else 90)
    built = crystal(
        symbols,
        basis,
        spacegroup=kind.spacegroup,
        setting=kind.setting,
        cellpar=[a, a, c, *angles],
        primitive_cell=True,
    )
    return _named(Atoms(built.numbers, built.positions, cell=built.cell, pbc=True), formula, prototype)


def _coordinate(value: float | str, free: Sequence[float]) -> float:
    return free[0] if value == "u" else float(value)


def _named(atoms: Atoms, formula: str, prototype: str) -> Atoms:
    atoms.info = {"name": f"{formula}-{prototype}", "prototype": prototype}
    return atoms


DATASET = Dataset(
    Card(
        name="prototypes",
        title="Elements and compounds in common crystal structures",
        description="Primitive cells of elements (ASE's table of reference states) and of compounds in 27 structure "
        "types from rocksalt to spinel, at experimental lattice parameters. Built on the spot, no download.",
        licence="facts; Apache-2.0 with ForceGauge",
        citation="lattice parameters as in crystallographic handbooks, rounded to about 0.01 Å; elements: ASE",
        level_of_theory="none (experiment near room temperature)",
        units={"positions": "Å", "cell": "Å"},
        n_structures=234,
    ),
    lambda paths: [atoms.copy() for atoms in crystals()],
)
