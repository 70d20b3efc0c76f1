"""The crystals whose elastic constants are asked, and what is published of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from ase import Atoms

from forcegauge.metrics.elasticity import from_voigt, moduli

LEAST_GPA, LARGEST_GPA = 1.0, 700.0
LARGEST_SHEAR_SHARE = 3.0
_CLASSES = {
    "oxide": (8,),
    "halide": (9, 17, 35, 53),
    "chalcogenide": (16, 34, 52),
    "pnictide": (7, 15, 33, 51),
    "hydride": (1,),
    "boride, carbide or silicide": (5, 6, 14, 32),
}
"""Anions by atomic number, those that rule a compound's bonds first."""


def stratum(crystal: Atoms) -> str:
    """Chemistry and size: what a crystal shares with others that a potential finds as hard as it, or as costly."""
    numbers = frozenset(crystal.numbers.tolist())
    found = (name for name, anions in _CLASSES.items() if len(numbers) > 1 and numbers & frozenset(anions))
    chemistry = "element" if len(numbers) == 1 else next(found, "intermetallic")
    return f"{chemistry}, {'small' if len(crystal) <= 4 else 'large'} cell"


def subset(crystals: Sequence[Atoms], count: int) -> list[Atoms]:
    """``count`` crystals, every stratum in its share, always the same ones; all where ``count`` is 0.

    In the order of stratum and of a hash of the name, every n-th is taken, so neither the order of the file nor a
    random number decides.
    """
    if not count or count >= len(crystals):
        return list(crystals)
    order = sorted(crystals, key=lambda one: (stratum(one), hashlib.sha256(str(one.info["name"]).encode()).hexdigest()))
    return [order[int(place)] for place in (np.arange(count) + 0.5) * len(order) / count]


def is_physical(bulk_gpa: float, shear_gpa: float) -> bool:
    """Whether published moduli can be scored against.

    Both must lie between 1 GPa, below which PBE without dispersion and its numerical noise decide, and 700 GPa, more
    than diamond has; and the shear modulus must stay below three times the bulk modulus, a Poisson ratio of -0.25.
    """
    is_in_range = all(LEAST_GPA <= modulus <= LARGEST_GPA for modulus in (bulk_gpa, shear_gpa))
    return is_in_range and shear_gpa < LARGEST_SHEAR_SHARE * bulk_gpa


def built_in_names() -> tuple[str, ...]:
    """The built-in crystals with published constants."""
    return tuple(_built_in())


class Published(Mapping[str, Mapping[str, Any]]):
    """By case id ``bulk`` and ``shear``, GPa, ``kind`` and ``source``, without those that are unphysical.

    The Materials Project's are read when the first case id of theirs is asked for, so built-in crystals need no file.
    """

    def __getitem__(self, case_id: str) -> Mapping[str, Any]:
        return (_materials_project() if case_id.startswith("mp-") else _built_in())[case_id]

    def __iter__(self) -> Iterator[str]:
        return iter((*_built_in(), *_materials_project()))

    def __len__(self) -> int:
        return len(_built_in()) + len(_materials_project())


@cache
def _built_in() -> Mapping[str, Mapping[str, Any]]:
    from forcegauge.datasets.elastic_constants import published

    found = {}
    for name, one in published().items():
        if "K" in one.values:
            bulk, shear = one.values["K"], one.values["G"]
        else:
            bulk, shear, _ = moduli(from_voigt(_matrix(one.values)))
        found[name] = {"bulk": bulk, "shear": shear, "kind": one.kind, "source": one.source}
    return found


def _matrix(constants: Mapping[str, float]) -> np.ndarray:
    """[6, 6], Voigt, of a cubic crystal, or of a hexagonal one, which has C13."""
    c11, c12, c44 = (constants[name] for name in ("C11", "C12", "C44"))
    c13, c33 = constants.get("C13", c12), constants.get("C33", c11)
    matrix = np.diag([c11, c11, c33, c44, c44, 0.5 * (c11 - c12) if "C13" in constants else c44])
    for (row, column), value in {(0, 1): c12, (0, 2): c13, (1, 2): c13}.items():
        matrix[row, column] = matrix[column, row] = value
    return matrix


@cache
def _materials_project() -> Mapping[str, Mapping[str, Any]]:
    from forcegauge.datasets import registry

    dataset = registry.get("mp-binary-elasticity")
    return {
        atoms.info["name"]: {
            "bulk": atoms.info["bulk_modulus_gpa"],
            "shear": atoms.info["shear_modulus_gpa"],
            "kind": "PBE",
            "source": dataset.card.citation,
        }
        for atoms in dataset.structures()
        if is_physical(atoms.info["bulk_modulus_gpa"], atoms.info["shear_modulus_gpa"])
    }
