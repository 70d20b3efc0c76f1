"""The questions of each check; what the answers mean is decided in :mod:`forcegauge.benchmarks.symmetry.scores`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, covalent_radii
from scipy.spatial.transform import Rotation

from forcegauge.benchmarks.symmetry.crossing import Crossing, cross
from forcegauge.benchmarks.symmetry.samples import (
    Sample,
    accepted,
    boxed,
    crystal,
    free_molecule,
    main_element,
    rattled,
    samples,
    slab,
)
from forcegauge.benchmarks.symmetry.sheet import CHANGED, SCAN, Row, Sheet
from forcegauge.errors import Failure
from forcegauge.potential import PROPERTIES
from forcegauge.structures import Floats

if TYPE_CHECKING:
    from forcegauge.benchmarks.symmetry.conformance import ConformanceSettings

SIZES = ("one atom", "two atoms", "molecule", "slab", "bulk, small", "bulk, large")
OXIDES: Mapping[str, tuple[str, float]] = {
    "MgO": ("rocksalt", 4.21),
    "CaO": ("rocksalt", 4.81),
    "SrO": ("rocksalt", 5.16),
    "BeO": ("wurtzite", 2.70),
    "Li2O": ("fluorite", 4.62),
    "Na2O": ("fluorite", 5.55),
}
"""Lattice and its length in Å; of metals that no functional corrects by +U and that form one stable oxide."""
OXIDE, METAL, OXYGEN = range(3)
_O = 8
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_N_HALVINGS = 4
_LENGTH = 5.0  # Å; a strain moves the atoms of a small cell about as far as the displacement did
_CROSSING = (8, 1, 13, 9)
_LARGEST = 200  # atoms
_GROWTH = 3  # of the time with the number of atoms: electrons are solved by matrices, networks grow less
_FAR = 50.0  # Å between two molecules that must not know of each other
_PAIR = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.6, 2.0, 2.5])  # covalent bonds
BOND_AT = 5
"""Which of an element's distances is the bond."""
_SCALES = np.linspace(0.95, 1.05, 11)

Check = Callable[[Sheet, "ConformanceSettings", Mapping[str, Any], np.random.Generator], Awaitable[None]]


def _samples(sheet: Sheet, settings: ConformanceSettings) -> list[tuple[int, Sample]]:
    return list(enumerate(samples(sheet.potential.capabilities, settings.n_samples)))


def _steps(sheet: Sheet, settings: ConformanceSettings) -> Floats:
    """[n_halvings], Å: the steps of a difference, each half of the one before."""
    single = sheet.potential.capabilities.dtype == "float32"
    first = settings.step_float32_angstrom if single else settings.step_float64_angstrom
    return np.asarray(first * 0.5 ** np.arange(_N_HALVINGS))


async def forces(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Forces, and the energies with single coordinates displaced by halved steps either way."""
    members = _samples(sheet, settings)
    rounds: list[list[Row]] = [[] for _ in range(settings.n_coordinates)]
    for number, sample in members:
        count = min(settings.n_coordinates, 3 * len(sample.atoms))
        for place, coordinate in enumerate(rng.choice(3 * len(sample.atoms), count, replace=False).tolist()):
            for step in _both_ways(_steps(sheet, settings)):
                moved = sample.atoms.copy()
                moved.positions[divmod(coordinate, 3)] += step
                rounds[place].append(Row(moved, number, CHANGED, coordinate, step))
    await sheet.ask([Row(sample.atoms, number) for number, sample in members])
    await _ask_rounds(sheet, rounds)


async def stress(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Stress of the solids, and their energies under six strains of halved sizes either way."""
    if "stress" not in sheet.potential.capabilities.properties:
        raise Failure("not_implemented", "the model gives no stress")
    members = [(number, sample) for number, sample in _samples(sheet, settings) if sample.is_solid]
    rounds: list[list[Row]] = [[] for _ in members]
    for place, (number, sample) in enumerate(members):
        for component, (a, b) in enumerate(_VOIGT):
            for step in _both_ways(_steps(sheet, settings) / _LENGTH):
                strain = np.zeros((3, 3))
                strain[a, b] += step / 2
                strain[b, a] += step / 2
                moved = sample.atoms.copy()
                moved.set_cell(moved.cell.array @ (np.eye(3) + strain), scale_atoms=True)
                rounds[place].append(Row(moved, number, CHANGED, component, step))
    await sheet.ask([Row(sample.atoms, number) for number, sample in members], ("energy", "stress"))
    await _ask_rounds(sheet, rounds)


async def _ask_rounds(sheet: Sheet, rounds: Sequence[Sequence[Row]]) -> None:
    """Energies of the first round, then of as many more as the budget takes."""
    count = sheet.afford(len(rounds), await sheet.ask(rounds[0], ("energy",)))
    await sheet.ask([row for one in rounds[1:count] for row in one], ("energy",))


def _both_ways(steps: Floats) -> list[float]:
    return [*steps.tolist(), *(-steps).tolist()]


async def rotation(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Everything turned, cell included."""

    def turned(number: int, sample: Sample) -> Iterable[Row]:
        for turn in Rotation.random(settings.n_transforms, random_state=rng).as_matrix():
            moved = sample.atoms.copy()
            moved.set_cell(moved.cell.array @ turn.T)
            moved.positions = moved.positions @ turn.T
            yield Row(moved, number, CHANGED, transform=turn)

    await _compare(sheet, settings, turned)


async def translation(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """All atoms shifted together, and single atoms of a periodic structure replaced by their images."""

    def shifted(number: int, sample: Sample) -> Iterable[Row]:
        for _ in range(settings.n_transforms):
            moved = sample.atoms.copy()
            moved.positions += rng.uniform(-5, 5, 3)
            if moved.pbc.any():
                images = rng.integers(-1, 2, moved.positions.shape) * moved.pbc
                moved.positions += images @ moved.cell.array
            yield Row(moved, number, CHANGED)

    await _compare(sheet, settings, shifted)


async def permutation(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """The atoms listed in another order."""

    def shuffled(number: int, sample: Sample) -> Iterable[Row]:
        for _ in range(settings.n_transforms):
            order = rng.permutation(len(sample.atoms))
            yield Row(sample.atoms[order], number, CHANGED, order=order.tolist())

    await _compare(sheet, settings, shuffled)


async def inversion(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Every position negated; the cell stays, because each lattice is its own inverse."""

    def inverted(number: int, sample: Sample) -> Iterable[Row]:
        moved = sample.atoms.copy()
        moved.positions = -moved.positions
        yield Row(moved, number, CHANGED, transform=-np.eye(3))

    await _compare(sheet, settings, inverted)


async def extensivity(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Supercells, and two molecules 50 Å apart."""
    capabilities = sheet.potential.capabilities

    def multiplied(number: int, sample: Sample) -> Iterable[Row]:
        if sample.name == "molecule":
            twin = sample.atoms.copy()
            twin.positions += np.array([_FAR, 1.0, 2.0])
            pair = Atoms(sample.atoms.numbers, sample.atoms.positions) + Atoms(twin.numbers, twin.positions)
            yield Row(boxed(pair, capabilities), number, CHANGED, order=_tiled(sample.atoms, 2))
            return
        for times in ((2, 1, 1), (1, 2, 2 if sample.is_solid else 1)):
            order = _tiled(sample.atoms, int(np.prod(times)))
            yield Row(sample.atoms.repeat(times), number, CHANGED, order=order)

    await _compare(sheet, settings, multiplied)


def _tiled(atoms: Atoms, times: int) -> list[int]:
    return list(range(len(atoms))) * times


async def _compare(
    sheet: Sheet, settings: ConformanceSettings, changed: Callable[[int, Sample], Iterable[Row]]
) -> None:
    members = _samples(sheet, settings)
    rounds = list(zip_longest(*(changed(number, sample) for number, sample in members)))
    count = sheet.afford(len(rounds), await sheet.ask([Row(sample.atoms, number, SCAN) for number, sample in members]))
    # Asked together: were references asked before, a model that minds company would differ here, too.
    references = [Row(sample.atoms, number) for number, sample in members]
    await sheet.ask([*references, *(row for one in rounds[:count] for row in one if row)])


async def batch(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Each structure alone; then all together, in two orders, among copies of each other."""
    members = _samples(sheet, settings)
    for number, sample in members:
        await sheet.ask([Row(sample.atoms, number)], apart=True)
    together = [Row(sample.atoms, number, CHANGED) for number, sample in members]
    await sheet.ask(together, apart=True)
    await sheet.ask([*together[::-1], *together[:1] * 3], apart=True)


async def repeat(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """The same question three times."""
    members = _samples(sheet, settings)
    await sheet.ask([Row(sample.atoms, number) for number, sample in members], apart=True)
    for _ in range(2):
        await sheet.ask([Row(sample.atoms, number, CHANGED) for number, sample in members], apart=True)


async def cutoff_crossing(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """An atom taken away from a cluster of three until none of them sees it, for some elements."""
    first, known = main_element(sheet.potential.capabilities), accepted(sheet.potential.capabilities)
    wanted = dict.fromkeys([first, *(number for number in _CROSSING if number in known)])
    numbers = list(wanted)[: settings.n_elements_crossing]
    for place, number in enumerate(numbers):
        each = sheet.seconds / max(place, 1)
        if sheet.seconds + each > sheet.budget_s:
            break
        await cross(sheet, Crossing(place, number, sheet.potential.capabilities), settings.n_suspects)
        sheet.extent = (place + 1.0, float(len(numbers)), sheet.seconds / (place + 1))


async def sizes(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """One atom, two, a molecule, a slab, a small crystal and one of about 200 atoms, or as large as time allows."""
    capabilities = sheet.potential.capabilities
    element = main_element(capabilities)
    solid = crystal(element)
    pair = Atoms([element] * 2, [(0, 0, 0), (0, 0, 2 * covalent_radii[element])])
    made = (
        boxed(Atoms([element], [(0, 0, 0)]), capabilities),
        boxed(pair, capabilities),
        boxed(free_molecule(capabilities), capabilities),
        rattled(slab(solid, capabilities)),
        rattled(solid),
    )
    await sheet.ask([Row(atoms, place, component=place, coordinate=len(atoms)) for place, atoms in enumerate(made)])
    steps = _growing(solid)
    for atoms, larger in zip(steps, [*steps[1:], None], strict=True):
        row = Row(atoms, len(made), component=len(made), coordinate=len(atoms))
        seconds = (await sheet.ask([row], apart=True)).seconds or 0.0
        sheet.extent = (float(len(atoms)), float(len(steps[-1])), seconds)
        if larger and seconds * (len(larger) / len(atoms)) ** _GROWTH > sheet.budget_s:
            break


def _growing(solid: Atoms) -> list[Atoms]:
    """Supercells, each at least twice as large as the one before, to about 200 atoms."""
    times, made = np.ones(3, dtype=int), [solid]
    while len(made[-1]) < _LARGEST:
        while len(solid) * times.prod() < min(2 * len(made[-1]), _LARGEST):
            times[np.argmin(times * solid.cell.lengths())] += 1
        made.append(rattled(solid.repeat(times)))
    return made[1:]


async def properties(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Every property that there is, of a crystal, of a molecule, and of it in a large periodic box, one by one."""
    capabilities = sheet.potential.capabilities
    # Some models refuse small cells, and give no stress without one.
    held = boxed(free_molecule(capabilities), replace(capabilities, needs_cell=True))
    made = [*(sample.atoms for _, sample in _samples(sheet, settings)[:2]), held]
    for place, name in enumerate(PROPERTIES):
        await sheet.ask([Row(atoms, number, component=place) for number, atoms in enumerate(made)], (name,))


async def energy_reference(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Oxides, their metals and the oxygen molecule, each at several lengths around its own."""
    capabilities = sheet.potential.capabilities
    rows: list[Row] = []
    for number, (formula, (lattice, length)) in enumerate(OXIDES.items()):
        # ASE's fluorite begins with the atom that has eight neighbours.
        oxide = bulk("O" + formula.removesuffix("O") if lattice == "fluorite" else formula, lattice, a=length)
        if capabilities.accepts(oxide.numbers.tolist()):
            metal = crystal(next(z for z in oxide.numbers.tolist() if z != _O))
            for component, solid in ((OXIDE, oxide), (METAL, metal)):
                rows += _scaled(solid, number, component)
    if len(rows) < 3 * 2 * len(_SCALES):
        known = ", ".join(OXIDES)
        raise Failure("unsupported_element", f"the energy reference needs the elements of three of {known}")
    rows += [
        Row(boxed(Atoms("O2", [(0, 0, 0), (0, 0, 1.22 * scale)]), capabilities), -1, SCAN, OXYGEN, scale)
        for scale in _SCALES.tolist()
    ]
    await sheet.ask(rows, ("energy",))


def _scaled(solid: Atoms, number: int, component: int) -> Iterable[Row]:
    for scale in _SCALES.tolist():
        moved = solid.copy()
        moved.set_cell(solid.cell.array * scale, scale_atoms=True)
        yield Row(moved, number, SCAN, component, scale)


async def element(
    sheet: Sheet, settings: ConformanceSettings, inputs: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Two atoms from half a covalent bond, where any nuclei repel, to where it is broken."""
    number = int(inputs["number"])
    radius = covalent_radii[number]
    distances = 2 * (radius if radius > 0.25 else 1.5) * _PAIR  # ASE has 0.2 Å for what nobody measured
    rows = []
    for distance in distances.tolist():
        pair = Atoms([number] * 2, [(0, 0, 0), (distance, 0, 0)])
        rows.append(Row(boxed(pair, sheet.potential.capabilities), 0, SCAN, number, distance))
    await sheet.ask(rows)


CHECKS: Mapping[str, Check] = {
    "forces": forces,
    "stress": stress,
    "rotation": rotation,
    "translation": translation,
    "permutation": permutation,
    "inversion": inversion,
    "extensivity": extensivity,
    "batch": batch,
    "repeat": repeat,
    "cutoff-crossing": cutoff_crossing,
    "sizes": sizes,
    "properties": properties,
    "energy-reference": energy_reference,
}
"""By case id; the elements' cases all take :func:`element`."""


def title(number: int) -> str:
    """The case id of an element."""
    return f"element-{chemical_symbols[number]}"
