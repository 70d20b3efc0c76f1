"""Potentials whose answers are known: Lennard-Jones, Morse, a harmonic bond, screened nuclear repulsion, and ASE's EMT.

The pair potentials share one implementation: a radial function, switched off smoothly. Every element up to curium has
parameters by one stated rule, lengths from covalent radii (Cordero et al. 2008, doi:10.1039/b801115j, as in ASE), one
well depth for all. They are yardsticks, not models of materials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import covalent_radii

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models.base import split_predictions
from forcegauge.models.neighbours import Pairs, neighbour_pairs
from forcegauge.potential import Capabilities, Model, Prediction
from forcegauge.structures import Floats, Integers, Structures

ADAPTER_VERSION = 1
PACKAGES = ("numpy", "scipy", "ase")

_LARGEST_NUMBER = 96  # beyond curium there are no measured radii
_ELECTRIC = 14.399645478425668  # e²/(4πε0), eV Å
_ZBL_RADIUS = 0.46850  # Å; 0.8854 Bohr radii
_ZBL_TERMS = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))

Radial = Callable[[Floats, Integers, Integers], tuple[Floats, Floats]]
"""Energy (eV) and its derivative (eV/Å) at a distance (Å) between two atomic numbers, [n_pairs] each."""


def contact(first: Integers, second: Integers) -> Floats:
    """Sum of covalent radii, Å, [n_pairs]."""
    length: Floats = covalent_radii[first] + covalent_radii[second]
    return length


@dataclass(eq=False)
class PairPotential:
    """A model that sums a radial function over pairs, with exact forces and stress.

    Args:
        identity: text that names the formula; the parameters are in the options.
        radial: the function before it is switched off.
        reach: where it has vanished, Å, for two atomic numbers.
        onset: the share of the reach from which on it is switched off.
        capabilities: as declared to the worker.
    """

    identity: str
    radial: Radial
    reach: Callable[[Integers, Integers], Floats]
    onset: float
    capabilities: Capabilities

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> list[Prediction]:
        """Energies, and forces and stress where asked, of all structures in one pass."""
        kinds = np.array(sorted(structures.elements), dtype=np.int64)
        widest = float(self.reach(kinds[:, None], kinds[None, :]).max()) if len(kinds) else 1.0
        pairs = neighbour_pairs(structures, widest)
        first, second = structures.numbers[pairs.first], structures.numbers[pairs.second]
        end = self.reach(first, second)
        energy, slope = switched(self.radial, self.onset, pairs.distance, end, first, second)
        return predict(structures, pairs, energy, slope, properties)


def switched(
    radial: Radial, onset: float, distance: Floats, end: Floats, first: Integers, second: Integers
) -> tuple[Floats, Floats]:
    """A radial function times a quintic step from 1 at ``onset * end`` to 0 at ``end``; twice differentiable."""
    begin = onset * end
    x = np.clip((distance - begin) / (end - begin), 0.0, 1.0)
    step = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
    step_slope = -30.0 * x**2 * (1.0 - x) ** 2 / (end - begin)
    energy, slope = radial(distance, first, second)
    return energy * step, slope * step + energy * step_slope


def predict(
    structures: Structures, pairs: Pairs, energy: Floats, slope: Floats, properties: frozenset[str]
) -> list[Prediction]:
    """Predictions from the energy and its derivative of each directed pair, [n_pairs]; a pair counts twice, so half."""
    rows = pairs.owner[pairs.first]
    energies: Floats = 0.5 * np.bincount(rows, energy, len(structures)).astype(np.float64)
    forces = stress = None
    if properties & {"forces", "stress"}:
        with np.errstate(divide="ignore", invalid="ignore"):
            gradient = (0.5 * slope / pairs.distance)[:, None] * pairs.vector
        forces = pairs.forces(gradient)
        stress = pairs.stress(gradient, np.abs(np.linalg.det(structures.cells)))
    return split_predictions(structures, properties, energies, forces, stress)


def lennard_jones(depth_ev: float = 0.4, reach_sigma: float = 2.8) -> PairPotential:
    """4 ε [(σ/r)¹² - (σ/r)⁶] with its minimum at the sum of covalent radii, so σ is that sum over 2^(1/6)."""

    def radial(distance: Floats, first: Integers, second: Integers) -> tuple[Floats, Floats]:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            sixth = (contact(first, second) / 2 ** (1 / 6) / distance) ** 6
            return 4 * depth_ev * (sixth**2 - sixth), -24 * depth_ev * (2 * sixth**2 - sixth) / distance

    return _pair("lennard-jones", radial, reach_sigma / 2 ** (1 / 6), 0.8)


def morse(depth_ev: float = 0.8, steepness: float = 5.0, reach_bonds: float = 2.7) -> PairPotential:
    """D [e^(-2ρ(r/r0 - 1)) - 2 e^(-ρ(r/r0 - 1))] with r0 the sum of covalent radii; finite at any distance."""

    def radial(distance: Floats, first: Integers, second: Integers) -> tuple[Floats, Floats]:
        bond = contact(first, second)
        wave = np.exp(-steepness * (distance / bond - 1))
        return depth_ev * (wave**2 - 2 * wave), -2 * depth_ev * steepness / bond * (wave**2 - wave)

    return _pair("morse", radial, reach_bonds, 0.7)


def harmonic(stiffness_ev_per_a2: float = 5.0, reach_bonds: float = 1.25) -> PairPotential:
    """A spring to every neighbour nearer than 1.25 sums of covalent radii, which is also its rest length.

    The parabola is shifted to end at zero where the bond ends, so a stretched bond lets go without a barrier:
    u(r) = k/2 [(r - r0)² - (r_end - r0)²].
    """

    def radial(distance: Floats, first: Integers, second: Integers) -> tuple[Floats, Floats]:
        rest = contact(first, second)
        end = (reach_bonds - 1) * rest
        stretch = distance - rest
        return 0.5 * stiffness_ev_per_a2 * (stretch**2 - end**2), stiffness_ev_per_a2 * stretch

    return _pair("harmonic", radial, reach_bonds, 0.92)


def zbl() -> PairPotential:
    """Screened repulsion of nuclei with the universal function of Ziegler, Biersack and Littmark (1985).

    It is switched off between half the sum of covalent radii and the sum.
    """

    def radial(distance: Floats, first: Integers, second: Integers) -> tuple[Floats, Floats]:
        length = _ZBL_RADIUS / (first**0.23 + second**0.23)
        with np.errstate(divide="ignore", invalid="ignore"):
            bare = _ELECTRIC * first * second / distance
            terms = [(weight * np.exp(-rate * distance / length), rate / length) for weight, rate in _ZBL_TERMS]
            screen = sum(term for term, _ in terms)
            screen_slope = -sum(term * rate for term, rate in terms)
            return bare * screen, bare * (screen_slope - screen / distance)

    return _pair("zbl", radial, 1.0, 0.5)


def _pair(name: str, radial: Radial, reach: float, onset: float) -> PairPotential:
    elements = tuple(range(1, _LARGEST_NUMBER + 1))
    capabilities = Capabilities(
        elements=elements,
        properties=("energy", "forces", "stress"),
        cutoff_angstrom=float(2 * reach * covalent_radii[list(elements)].max()),
        is_conservative=True,
        batch_cost=2_000_000.0,
    )
    return PairPotential(name, radial, lambda first, second: reach * contact(first, second), onset, capabilities)


def emt() -> Model:
    """Effective-medium theory of ASE (Jacobsen, Stoltze and Nørskov 1996, doi:10.1016/0039-6028(96)00816-3)."""
    from ase.calculators.emt import EMT, parameters
    from ase.data import atomic_numbers

    from forcegauge.models.ase_calculator import AseModel

    elements = tuple(sorted(atomic_numbers[symbol] for symbol in parameters))
    given = ("energy", "forces", "stress")  # it offers magnetic moments too, all of them zero
    return AseModel(EMT(), elements=elements, identity="ase emt", is_conservative=True, properties=given)


POTENTIALS: dict[str, Callable[..., Model]] = {
    "lennard-jones": lennard_jones,
    "morse": morse,
    "harmonic": harmonic,
    "zbl": zbl,
    "emt": emt,
}


def load(potential: str, *, device: str = "cpu", threads: int | None = None, **parameters: Any) -> Model:
    """The analytic potential of that name; they run on one thread of the CPU whatever is asked."""
    if potential not in POTENTIALS:
        raise UnknownName("analytic potential", potential, POTENTIALS)
    try:
        return POTENTIALS[potential](**parameters)
    except TypeError as error:
        raise BadInput(f"analytic potential {potential} does not take these options: {error}") from error
