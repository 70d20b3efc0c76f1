"""All-electron equations of state of elements and oxides in ten cubic structures, and the crystals they belong to.

The cells are built here from the structure types: every atom sits on a place without a free coordinate, so the volume
is all that there is to know. ``acwf.toml`` beside this file carries the values of sixty crystals as facts, rounded;
the others come with the dataset.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from forcegauge.datasets.base import Card, Dataset, Source
from forcegauge.units import EV_PER_A3_IN_GPA

_FACTS = Path(__file__).with_name("acwf.toml")

_UNARIES: Mapping[str, str] = {"X/SC": "sc", "X/BCC": "bcc", "X/FCC": "fcc", "X/Diamond": "diamond"}
_OXIDES: Mapping[str, tuple[int, int, tuple[tuple[float, float, float], ...]]] = {
    # spacegroup, setting, the place of the metal and those of oxygen
    "X2O": (225, 1, ((0.25, 0.25, 0.25), (0, 0, 0))),
    "XO": (225, 1, ((0, 0, 0), (0.5, 0.5, 0.5))),
    "X2O3": (224, 2, ((0, 0, 0), (0.25, 0.75, 0.75))),
    "XO2": (225, 1, ((0, 0, 0), (0.25, 0.25, 0.25))),
    "X2O5": (224, 2, ((0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0.75, 0.75))),
    "XO3": (221, 1, ((0, 0, 0), (0.5, 0, 0))),
}
STRUCTURE_TYPES = (*_UNARIES, *_OXIDES)
"""As in the names of the data: antifluorite, rocksalt, fluorite and the ReO3 type among the oxides."""

SPIN_POLARISED = frozenset(
    "O Cr Mn Fe Co Ni Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Pa U Np Pu Am Cm".split()  # noqa: SIM905
)
"""Elements with moments of their own, as crystals or with open f shells: the reference is not spin-polarised, the data
that models learn from are."""
HUBBARD_U = frozenset(("Co", "Cr", "Fe", "Mn", "Mo", "Ni", "V", "W"))
"""Elements whose oxides the Materials Project, and so most models, describes with PBE+U and the reference with PBE."""


class Values(NamedTuple):
    """One equation of state of the reference, rounded.

    Args:
        volume: V0 of the primitive cell, Å³.
        bulk_modulus_gpa: B0, GPa.
        derivative: B0'.
    """

    volume: float
    bulk_modulus_gpa: float
    derivative: float


@cache
def facts() -> Mapping[str, Values]:
    """The values that the package carries, by names such as ``Al-X/FCC`` and ``Mg-XO``; sixty, some of each type."""
    return {name: Values(*row) for name, row in tomllib.loads(_FACTS.read_text(encoding="utf-8")).items()}


def read(paths: Iterable[Path]) -> dict[str, Values]:
    """All comparable values of the original files, by name: a part of what is there, see :func:`is_comparable`."""
    fits = {}
    for path in paths:
        fits.update(json.loads(path.read_text(encoding="utf-8"))["BM_fit_data"])
    return {name: _rounded(fit) for name, fit in sorted(fits.items()) if is_comparable(name)}


def _rounded(fit: Mapping[str, float]) -> Values:
    """To what the reference is good for; the same figures whether they come from the facts or from the files."""
    modulus = fit["bulk_modulus_ev_ang3"] * EV_PER_A3_IN_GPA
    return Values(round(fit["min_volume"], 4), float(f"{modulus:.5g}"), round(fit["bulk_deriv"], 4))


def is_comparable(name: str) -> bool:
    """Whether a model trained on spin-polarised PBE, with or without +U on some oxides, should meet the reference.

    False for elements with moments and for their oxides, and for the oxides of the elements with +U: then whoever
    knows +U and whoever does not are asked the same crystals, and the theory is the same for both.
    """
    symbol, _, kind = name.partition("-")
    return symbol not in SPIN_POLARISED and (kind in _UNARIES or symbol not in HUBBARD_U)


def build(name: str, volume: float) -> Atoms:
    """The primitive cell of a crystal of that name at a volume in Å³; ``info`` has ``name`` and ``prototype``."""
    symbol, _, kind = name.partition("-")
    if kind in _UNARIES:
        atoms = bulk(symbol, _UNARIES[kind], a=1.0)
    else:
        spacegroup, setting, places = _OXIDES[kind]
        symbols = [symbol, *["O"] * (len(places) - 1)]
        built = crystal(
            symbols, places, spacegroup=spacegroup, setting=setting, cellpar=[1, 1, 1, 90, 90, 90], primitive_cell=True
        )
        atoms = Atoms(built.numbers, built.positions, cell=built.cell, pbc=True)
    atoms.set_cell(atoms.cell.array * (volume / atoms.cell.volume) ** (1 / 3), scale_atoms=True)
    atoms.info = {"name": name, "prototype": kind}
    return atoms


def _load(paths: Sequence[Path]) -> list[Atoms]:
    """The comparable crystals at the volumes of the reference, in the order of their names."""
    return [build(name, values.volume) for name, values in read(paths).items()]


_FOLDER = (
    "https://raw.githubusercontent.com/aiidateam/acwf-verification-scripts/"
    "e8a0a4410d6effa013b748e07f394644057c5e23/acwf_paper_plots/code-data/"
)

DATASET = Dataset(
    Card(
        name="acwf",
        title="All-electron equations of state of elements and oxides",
        description="Birch-Murnaghan parameters of unpolarised PBE, the mean of two all-electron codes, for each "
        "element in four cubic structures and for its oxides in six. Given here are the crystals that a model of "
        "spin-polarised PBE should meet, with or without +U: no element with moments or open f shells, no oxide of the "
        "elements to which the Materials Project gives a U. The loader builds the primitive cells at the volumes of "
        "the reference.",
        licence="MIT",
        citation="E. Bosoni et al., Nat. Rev. Phys. 6, 45 (2024), doi:10.1038/s42254-023-00655-3",
        level_of_theory="PBE, spin-unpolarised, all-electron (FLEUR and WIEN2k)",
        units={"positions": "Å", "cell": "Å", "volume": "Å³", "bulk modulus": "GPa"},
        n_structures=692,
        sources=(
            Source(
                url=_FOLDER + "results-unaries-verification-PBE-v1-AE-average.json",
                sha256="d7844caa127eae860fe5087ead42f80d1b6b5eb952a686ff4b912ddaed7db48b",
                n_bytes=80_895,
            ),
            Source(
                url=_FOLDER + "results-oxides-verification-PBE-v1-AE-average.json",
                sha256="6dd6873cde0d80da9126ef9b5bc8f0489ee3e1ad27d2860fab719591579c11f9",
                n_bytes=118_063,
            ),
        ),
    ),
    _load,
)
