"""Any ASE calculator as a model: one structure after another, each property only if it was asked for."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from forcegauge.errors import BadInput, Failure
from forcegauge.potential import PROPERTIES, Capabilities, Prediction
from forcegauge.structures import Structures

ADAPTER_VERSION = 1
PACKAGES = ("ase", "numpy", "scipy")

_GETTERS: dict[str, Callable[[Atoms], Any]] = {
    # The dearest first: most calculators bring the cheaper ones along in the same call.
    "stress": lambda atoms: atoms.get_stress(voigt=False, apply_constraint=False),
    "forces": lambda atoms: atoms.get_forces(apply_constraint=False),
    "magmoms": lambda atoms: atoms.get_magnetic_moments(),
    "energy": lambda atoms: float(atoms.get_potential_energy()),
}


class AseModel:
    """A calculator instance behind the face of a model.

    Args:
        calculator: any ASE calculator; its ``identity`` text, if it has one, names it in the keys of records.
        elements: atomic numbers that it was made for, empty for all.
        identity: instead of the calculator's own.
        is_conservative: whether its forces are the gradient of its energy, None where unknown.
        properties: those to use, where it claims more than it has; otherwise all that it implements.
    """

    def __init__(
        self,
        calculator: Any,
        *,
        elements: Sequence[int] = (),
        identity: str | None = None,
        is_conservative: bool | None = None,
        properties: Sequence[str] | None = None,
    ) -> None:
        self.calculator = calculator
        self.identity = str(getattr(calculator, "identity", "") if identity is None else identity)
        offered = properties or getattr(calculator, "implemented_properties", None) or ("energy", "forces")
        self.capabilities = Capabilities(
            elements=tuple(elements),
            properties=tuple(name for name in PROPERTIES if name in offered),
            is_conservative=is_conservative,
            device=str(getattr(calculator, "device", "cpu")),
            knows_charge=True,  # it finds both in atoms.info; whether it looks there nobody can tell
            knows_spin=True,
        )

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction | Failure]:
        """One call of the calculator per structure; what goes wrong is that structure's own failure."""
        return [self._evaluate_one(atoms, properties) for atoms in structures]

    def _evaluate_one(self, atoms: Atoms, properties: frozenset[str]) -> Prediction | Failure:
        atoms.calc = self.calculator
        try:
            return Prediction(**{name: getter(atoms) for name, getter in _GETTERS.items() if name in properties})
        except NotImplementedError as error:  # ASE's PropertyNotImplementedError is one
            return Failure("not_implemented", f"the calculator does not give {error}")
        except MemoryError:
            return Failure("out_of_memory", f"no memory left for {len(atoms)} atoms")
        except Exception as error:
            return Failure("bug", f"{type(error).__name__}: {error}", traceback.format_exc())


def load(
    factory: str, *, path: Sequence[str] = (), device: str = "cpu", threads: int | None = None, **options: Any
) -> AseModel:
    """The calculator that ``package.module:factory`` gives when called with the options.

    Args:
        factory: where it is; what it returns must be an ASE calculator.
        path: folders to look in first.
        device: the factory's own affair; what the calculator says of itself is compared with it by the caller.
        threads: the factory's own affair.
        options: keyword arguments of the factory.
    """
    module_name, _, name = factory.partition(":")
    if not module_name or not name:
        raise BadInput(f"'{factory}' names no calculator factory: write package.module:function")
    sys.path[:0] = [str(Path(folder).resolve()) for folder in path]
    calculator = getattr(importlib.import_module(module_name), name)(**options)
    if not hasattr(calculator, "get_potential_energy"):
        raise BadInput(f"{factory} returned a {type(calculator).__name__}, which is no ASE calculator")
    return AseModel(calculator)
