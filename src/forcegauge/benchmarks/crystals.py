"""A user's own crystals as cases: names that are unique, and a refusal of what is no crystal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count

from ase import Atoms

from forcegauge.errors import BadInput
from forcegauge.structures import Structures


def own_crystals(
    structures: Sequence[tuple[str, Atoms]],
    benchmark: str,
    does: str,
    collection: Callable[[str], str],
    *,
    is_rebuilt: bool = False,
) -> dict[str, Atoms]:
    """Crystals by the id of their case, in order.

    The id is the name that comes with the structure, else ``info["name"]`` or ``info["id"]``, else the formula and
    a number; a name met before gets a number. One that the benchmark's own cases bear, such as ``Cu-fcc``, becomes
    ``own-Cu-fcc``: the crystal would be scored against what is known of another.

    Args:
        structures: with the names that they came with.
        benchmark: its name, for the refusal.
        does: what it does with them, such as ``strains``.
        collection: of the benchmark, by case id; ``own`` for what is none of its sets.
        is_rebuilt: the benchmark builds cells of its own from the crystal, which would lose its charge.

    Raises:
        BadInput: naming it, for a structure that is not periodic in all three directions, or that is charged where it
            would be rebuilt.
    """
    crystals: dict[str, Atoms] = {}
    for place, (name, atoms) in enumerate(structures, start=1):
        given = name or str(atoms.info.get("name") or atoms.info.get("id") or f"{atoms.symbols.formula:metal}-{place}")
        if collection(given) != "own":
            given = f"own-{given}"
        if not atoms.pbc.all() or atoms.cell.rank < 3:
            flags = " ".join("FT"[int(flag)] for flag in atoms.pbc)
            raise BadInput(
                f"benchmark {benchmark} {does} crystals, but structure '{given}' ({atoms.symbols}) is not periodic in "
                f"three directions (pbc {flags}, {atoms.cell.rank} cell vectors); leave it or the benchmark out"
            )
        if is_rebuilt and Structures.from_atoms(atoms).net_charge[0]:
            raise BadInput(
                f"benchmark {benchmark} {does} neutral crystals, but structure '{given}' ({atoms.symbols}) has a "
                "charge; leave it or the benchmark out"
            )
        others = (f"{given}-{number}" for number in count(2))
        crystals[next(candidate for candidate in chain((given,), others) if candidate not in crystals)] = atoms
    return crystals
