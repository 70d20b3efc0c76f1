"""The thousand WBM crystals on which MLIP Arena publishes its bulk tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from forcegauge.datasets.base import Card, Dataset, Source


def _load(paths: Sequence[Path]) -> list[Atoms]:
    """The crystals in the order of their database; ``info["name"]`` is the published id, such as ``WBM-71714``."""
    from ase.db import connect

    structures = []
    with connect(str(paths[0]), type="db", use_lock_file=False) as database:
        for row in database.select():
            atoms = Atoms(row.numbers, row.positions, cell=row.cell, pbc=row.pbc)
            atoms.info["name"] = row.key_value_pairs["wbm_id"]
            structures.append(atoms)
    return structures


DATASET = Dataset(
    Card(
        name="wbm-1000",
        title="1,000 crystals of the WBM set",
        description="Crystals found by element substitution and relaxed with PBE (Wang, Botti, Marques 2021). MLIP "
        "Arena drew these 1,000, rare elements preferred, for its equation-of-state and energy-volume tests. "
        "Structures only, no energies.",
        licence="structures CC BY 4.0; the database file Apache-2.0 (MLIP Arena)",
        citation="H.-C. Wang, S. Botti, M. A. L. Marques, npj Comput. Mater. 7, 12 (2021), "
        "doi:10.1038/s41524-020-00481-6; selection: MLIP Arena, arXiv 2509.20630",
        level_of_theory="geometry: PBE (with +U where Materials Project has it), VASP",
        units={"positions": "Å", "cell": "Å"},
        n_structures=1000,
        sources=(
            Source(
                url="https://raw.githubusercontent.com/atomind-ai/mlip-arena/"
                "5f2d6be035c5f6b4ee9ae87cd8fa2f8835507acd/examples/wbm_structures.db",
                sha256="cc387c7787c21e7ff2ab80d5428c60b9e817c9b37f53e03c0f5e5e72dc44fe88",
                n_bytes=782_336,
            ),
        ),
    ),
    _load,
)
