"""What every dataset brings: a card that says what it is and where it comes from, and a loader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms


@dataclass(frozen=True)
class Source:
    """One file on the network.

    Args:
        url: ``https://host/path``.
        sha256: of its bytes.
        n_bytes: its size.
    """

    url: str
    sha256: str
    n_bytes: int

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Card:
    """What a dataset is.

    Args:
        name: as on the command line.
        title: a few words for people.
        description: what it holds and how it was made; two or three sentences.
        licence: of the data.
        citation: what to cite.
        level_of_theory: functional, code and corrections; ``none`` where it holds no computed value.
        units: unit by quantity.
        n_structures: how many structures the loader gives.
        sources: its files; none where ForceGauge builds it.
    """

    name: str
    title: str
    description: str
    licence: str
    citation: str
    level_of_theory: str
    units: Mapping[str, str]
    n_structures: int
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A card and its loader.

    Args:
        card: what it is.
        load: the structures from the local paths of the card's sources, in their order.
    """

    card: Card
    load: Callable[[Sequence[Path]], list[Atoms]] = field(repr=False)

    def structures(self) -> list[Atoms]:
        """All structures, fetched first where they are not in the cache.

        Raises DataUnavailable where they cannot be had, ChecksumMismatch where the bytes are not the registered ones.
        """
        from forcegauge.datasets.fetch import fetch

        return self.load(fetch(self.card))


def statistics(structures: Sequence[Atoms]) -> dict[str, Any]:
    """Counts and ranges: structures, atoms per structure, elements, volume per atom in Å³ of the periodic ones."""
    counts = np.array([len(atoms) for atoms in structures])
    volumes = [float(atoms.cell.volume) / len(atoms) for atoms in structures if atoms.pbc.all()]
    elements = Counter(symbol for atoms in structures for symbol in set(atoms.get_chemical_symbols()))
    return {
        "n_structures": len(structures),
        "n_atoms_min": int(counts.min()) if len(counts) else 0,
        "n_atoms_mean": float(counts.mean()) if len(counts) else 0.0,
        "n_atoms_max": int(counts.max(initial=0)),
        "n_elements": len(elements),
        "volume_per_atom_min_A3": min(volumes, default=float("nan")),
        "volume_per_atom_max_A3": max(volumes, default=float("nan")),
        "most_common_elements": " ".join(f"{symbol}:{count}" for symbol, count in elements.most_common(8)),
    }
