"""Elastic moduli of binary compounds, as MatCalc's benchmark takes them from the Materials Project."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from forcegauge.datasets.base import Card, Dataset, Source

_FOLDER = (
    "https://raw.githubusercontent.com/materialsvirtuallab/matcalc/"
    "aa76b41edb9ffb62f7efb2b5d3a3f7a8b2b4747d/benchmark_data/"
)


def _load(paths: Sequence[Path]) -> list[Atoms]:
    """The crystals in the order of the file.

    ``info`` has ``name``, the Materials Project's id such as ``mp-1265``, ``bulk_modulus_gpa`` and
    ``shear_modulus_gpa``, both averages of Voigt, Reuss and Hill.
    """
    with gzip.open(paths[0], "rt", encoding="utf-8") as file:
        entries = json.load(file)
    return [_crystal(entry) for entry in entries]


def _crystal(entry: Mapping[str, Any]) -> Atoms:
    """One entry; its structure is a dictionary of pymatgen with a fully occupied element on every site."""
    sites, lattice = entry["structure"]["sites"], entry["structure"]["lattice"]
    atoms = Atoms(
        [site["species"][0]["element"] for site in sites],
        scaled_positions=[site["abc"] for site in sites],
        cell=lattice["matrix"],
        pbc=lattice["pbc"],
    )
    atoms.info = {
        "name": entry["mp_id"],
        "bulk_modulus_gpa": entry["bulk_modulus_vrh"],
        "shear_modulus_gpa": entry["shear_modulus_vrh"],
    }
    return atoms


BINARY_ELASTICITY = Dataset(
    Card(
        name="mp-binary-elasticity",
        title="Bulk and shear moduli of 3,953 binary compounds",
        description="Binary compounds of the Materials Project, relaxed with PBE, with the Voigt-Reuss-Hill averages "
        "of bulk and shear modulus that follow from their PBE elastic tensors; collected for MatCalc's benchmark.",
        licence="data CC BY 4.0 (Materials Project); the file BSD-3-Clause (MatCalc)",
        citation="M. de Jong et al., Sci. Data 2, 150009 (2015), doi:10.1038/sdata.2015.9; collection: MatCalc, "
        "github.com/materialsvirtuallab/matcalc, release 2025.1",
        level_of_theory="PBE (with +U where the Materials Project has it), VASP",
        units={"positions": "Å", "cell": "Å", "bulk_modulus_gpa": "GPa", "shear_modulus_gpa": "GPa"},
        n_structures=3953,
        sources=(
            Source(
                url=_FOLDER + "mp-binary-pbe-elasticity-2025.1.json.gz",
                sha256="5689599491322805bda913663eeef8d567f64ada80c90173d50fb7b6fb0b5896",
                n_bytes=1_324_808,
            ),
        ),
    ),
    _load,
)
