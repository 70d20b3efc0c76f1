"""Sound models pass every check, and each defect is seen by the check that is there for it."""

import dataclasses

import numpy as np
import pytest
from ase.data import atomic_numbers

from forcegauge.benchmarks.symmetry import checks
from forcegauge.benchmarks.symmetry.conformance import BENCHMARK, ConformanceSettings
from forcegauge.benchmarks.symmetry.declared import METRICS
from forcegauge.benchmarks.symmetry.samples import samples
from forcegauge.benchmarks.symmetry.verdicts import verdicts
from forcegauge.errors import Failure
from forcegauge.metrics.conformance import CORRECTION_EV
from forcegauge.models import broken, registry
from forcegauge.models.analytic import emt, lennard_jones, morse
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Capabilities, Potential, Prediction, Predictions, converse
from forcegauge.structures import Structures

SETTINGS = ConformanceSettings(n_transforms=2, n_coordinates=3, elements=("Si", "Cu"))
CARD = {"conservative": True, "properties": ("energy", "forces", "stress")}


def outcomes_of(model, *ids, settings=SETTINGS, seconds=None):
    """Outcome by case id, of all cases or some, every question taking so many seconds."""
    held = {}

    def answer(asked):
        given = guarded_evaluate(model, asked.structures, frozenset(asked.properties))
        return dataclasses.replace(given, seconds=seconds)

    for case in BENCHMARK.cases(settings):
        if ids and case.id not in ids:
            continue
        conversation = BENCHMARK.run(Potential(model.capabilities), case, settings, np.random.default_rng(0))
        try:
            held[case.id] = converse(conversation, answer)
        except Failure as failure:
            held[case.id] = failure
    return held


def scored(outcomes, settings=SETTINGS):
    return BENCHMARK.analyse(outcomes, BENCHMARK.references(settings), settings, "default")


def lines_of(model, card=CARD, settings=SETTINGS, seconds=None):
    outcomes = outcomes_of(model, settings=settings, seconds=seconds)
    return {line.check: line for line in verdicts(outcomes, scored(outcomes, settings), card)}


def beyond(model, limit="bad"):
    """Keys of the metrics that are worse than an anchor."""
    scores = scored(outcomes_of(model))
    found = set()
    for metric in METRICS:
        values = [one[metric.score] for one in scores.values() if np.isfinite(one[metric.score])]
        if values and metric.distance(float(np.mean(values))) > metric.distance(getattr(metric, limit)):
            found.add(metric.key)
    return found


class Changed:
    """Lennard-Jones whose predictions are changed, one by one or as a batch."""

    def __init__(self, change, **capabilities):
        self.sound, self.change = lennard_jones(), change
        self.capabilities = dataclasses.replace(self.sound.capabilities, **capabilities)

    def evaluate(self, structures, properties):
        answers = self.sound.evaluate(structures, frozenset({"energy", "forces", "stress"}))
        return [self.change(atoms, one, len(structures)) for atoms, one in zip(structures, answers, strict=True)]


def moved(one, energy=0.0, forces=0.0):
    return dataclasses.replace(one, energy=one.energy + energy, forces=one.forces + forces)


# Sound models


@pytest.mark.parametrize("make", [lennard_jones, morse, emt])
def test_a_sound_model_is_ok_throughout(make):
    lines = lines_of(make())
    assert {line.verdict for line in lines.values()} <= {"ok", "undecided", "untested"}
    measured = {metric.key for metric in METRICS if np.isfinite(lines[metric.key].value)}
    assert measured == {metric.key for metric in METRICS}
    assert lines["energy-reference"].verdict in ("undecided", "untested")


def test_every_metric_of_a_sound_model_is_within_its_good_anchor():
    assert beyond(lennard_jones(), "good") == set()


@pytest.mark.parametrize("preset", ["smoke", "quick", "full"])
def test_presets_ask_all_checks(preset):
    ids = [case.id for case in BENCHMARK.cases(BENCHMARK.presets[preset])]
    assert ids[: len(checks.CHECKS)] == list(checks.CHECKS)
    assert len(ids) - len(checks.CHECKS) == {"smoke": 5, "quick": 118, "full": 118}[preset]


# Broken models


def test_forces_that_are_no_gradient_are_seen_by_the_forces_alone():
    assert beyond(broken.nonconservative()) == {"force-consistency"}


def test_an_energy_step_is_found_wherever_it_is_and_measured():
    assert beyond(broken.discontinuous()) == {"energy-jump"}
    raw = outcomes_of(broken.discontinuous(), "cutoff-crossing")
    assert scored(raw)["cutoff-crossing"]["energy_jump"] == pytest.approx(0.5, abs=1e-4)


def test_nan_at_short_range_is_nonsense_of_the_elements():
    assert beyond(broken.nan()) == {"nonsense-elements"}
    assert lines_of(broken.nan())["nonsense-elements"].note == "not finite: Si Cu"


def test_missing_forces_are_told_against_the_card():
    lines = lines_of(broken.silent())
    assert lines["gives-forces"].verdict == "fails"
    assert lines["force-consistency"].verdict == "untested"
    assert "not_implemented" in lines["rotation-force"].note


def test_a_wrong_sign_of_the_stress():
    model = Changed(lambda atoms, one, n: dataclasses.replace(one, stress=-one.stress))
    assert beyond(model) == {"stress-consistency"}


def test_a_truncated_pair_energy_jumps_at_the_declared_cutoff():
    sound = lennard_jones()

    def cut(distance, first, second):
        energy, slope = sound.radial(distance, first, second)
        return energy * (distance < 3.0), slope * (distance < 3.0)

    capabilities = dataclasses.replace(sound.capabilities, cutoff_angstrom=3.0)
    model = dataclasses.replace(sound, radial=cut, capabilities=capabilities)
    found = scored(outcomes_of(model, "cutoff-crossing"))["cutoff-crossing"]
    energy, slope = sound.radial(np.array([3.0]), np.array([14]), np.array([14]))
    assert found["energy_jump"] == pytest.approx(abs(energy[0]), rel=0.01)
    assert found["force_jump"] == pytest.approx(abs(slope[0]), rel=0.05)
    assert found["reach"] == pytest.approx(3.0, abs=0.05)


def test_a_declared_cutoff_that_is_too_short_is_notable():
    model = Changed(lambda atoms, one, n: one, cutoff_angstrom=4.0)
    assert "it sees farther" in lines_of(model)["reach"].note


class Stretched:
    """Lennard-Jones in a space that is five per cent longer along x: a true potential, but not of our space."""

    def __init__(self):
        self.sound = lennard_jones()
        self.capabilities = dataclasses.replace(self.sound.capabilities, properties=("energy", "forces"))

    def evaluate(self, structures, properties):
        long = np.array([1.05, 1.0, 1.0])
        arrays = structures.as_arrays()
        there = {"positions": arrays["positions"] * long, "cells": arrays["cells"] * long}
        answers = self.sound.evaluate(Structures.from_arrays({**arrays, **there}), properties)
        return [one if one.forces is None else dataclasses.replace(one, forces=one.forces * long) for one in answers]


def test_a_preferred_direction_is_seen_by_rotation_alone():
    assert beyond(Stretched()) == {"rotation-energy", "rotation-force"}


def test_a_preferred_place_is_seen_by_translation():
    def pinned(atoms, one, n):
        return moved(one, 0.05 * np.sin(atoms.positions[:, 0]).sum(), -0.05 * np.cos(atoms.positions))

    found = beyond(Changed(pinned))
    assert {"translation-energy", "translation-force", "net-force"} <= found
    assert not {"permutation-energy", "permutation-force", "batch-energy", "repeat-energy"} & found


def test_an_atom_that_counts_more_for_standing_first_is_seen_by_permutation():
    def partial(atoms, one, n):
        size = np.linalg.norm(one.forces[0])
        return moved(one, 0.05 * size, 0.05 * size * one.forces)

    found = beyond(Changed(partial))
    assert {"permutation-energy", "permutation-force"} <= found
    assert not {key for key in found if key.startswith(("rotation", "translation", "inversion", "batch"))}


def test_a_handed_force_is_seen_by_inversion_alone():
    """F x SF with the tensor S of all forces turns along with a structure, but does not change sign in a mirror."""

    def handed(atoms, one, n):
        tensor = one.forces.T @ one.forces / len(atoms)
        twist = np.cross(one.forces, one.forces @ tensor)
        return moved(one, forces=0.3 * (twist - twist.mean(axis=0)))

    found = beyond(Changed(handed))
    assert "inversion-force" in found
    assert not {key for key in found if key.endswith("-force") and not key.startswith("inversion")} - {"net-force"}


def chiral(**capabilities):
    """An energy that knows left from right: F . (SF x SSF), S the tensor of all forces, is odd in a mirror."""

    def screwed(atoms, one, n):
        tensor = one.forces.T @ one.forces / len(atoms)
        once = one.forces @ tensor
        return moved(one, 10 * np.sum(one.forces * np.cross(once, once @ tensor)))

    return Changed(screwed, **capabilities)


@pytest.mark.parametrize(
    ("capabilities", "card", "verdict"),
    [
        ({}, {}, "fails"),
        ({}, {"mirror_symmetric": True}, "fails"),
        ({}, {"mirror_symmetric": False}, "notable"),
        ({"is_mirror_symmetric": False}, {}, "notable"),
    ],
)
def test_a_chiral_energy_fails_unless_it_was_declared(capabilities, card, verdict):
    lines = lines_of(chiral(**capabilities), {**CARD, **card})
    assert lines["inversion-energy"].value > 1e-3
    assert lines["inversion-energy"].verdict == verdict
    assert lines["rotation-energy"].verdict == lines["permutation-energy"].verdict == "ok"


def test_of_a_slow_model_less_is_asked_and_the_lines_say_so():
    lines = lines_of(lennard_jones(), seconds=31.0)
    for check, fewer in {
        "force-consistency": "1 coordinates of a structure instead of 3: 31.0 s each time",
        "stress-consistency": "1 solids instead of 4",
        "rotation-energy": "1 changes instead of 2",
        "energy-jump": "1 elements instead of 2",
        "sizes-answered": "16 atoms instead of 216",
    }.items():
        assert fewer in lines[check].note
        assert lines[check].verdict == "ok"
    assert "instead of" not in "".join(line.note for line in lines_of(lennard_jones(), seconds=0.1).values())


def test_an_energy_that_is_not_extensive():
    found = beyond(Changed(lambda atoms, one, n: moved(one, 0.5)))
    assert found == {"extensivity-energy"}


def test_company_in_the_batch_is_seen_by_batch_alone():
    """The number of structures in a batch changes the answer, as a wrong normalisation would."""
    crowd = Changed(lambda atoms, one, n: moved(one, 0.01 * n * len(atoms), 0.1 * n * one.forces))
    found = beyond(crowd)
    assert {"batch-energy", "batch-force"} <= found
    assert not {key for key in found if key.startswith(("rotation", "permutation", "extensivity", "repeat"))}


def test_an_answer_that_drifts_from_call_to_call_is_seen_by_repeat():
    class Drifting(Changed):
        calls = 0

        def evaluate(self, structures, properties):
            self.calls += 1
            return super().evaluate(structures, properties)

    model = Drifting(lambda atoms, one, n: moved(one, 0.01 * model.calls * len(atoms)))
    found = beyond(model)
    assert "repeat-energy" in found
    assert not {key for key in found if key.startswith(("rotation", "permutation", "extensivity"))}


def test_a_model_that_cannot_take_a_slab_or_a_lone_atom():
    def fussy(atoms, one, n):
        return one if len(atoms) > 1 else Failure("not_implemented", "alone")

    lines = lines_of(Changed(fussy))
    assert lines["sizes-answered"].verdict == "notable"
    assert lines["sizes-answered"].note == "one atom: not_implemented"


def test_structures_that_a_check_lost_are_named():
    bulky = Changed(lambda atoms, one, n: one if len(atoms) < 20 else Failure("out_of_memory", "too many atoms"))
    assert "out_of_memory" in lines_of(bulky)["extensivity-energy"].note


# What is asked of whom


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (("Si",), ["bulk", "molecule", "slab", "packed", "squeezed"]),
        (("H", "C", "N", "O", "F", "P", "S", "Cl"), ["bulk", "molecule", "slab", "packed", "squeezed"]),
        (("Pd", "Ag", "I"), ["bulk", "molecule", "slab", "packed", "squeezed", "bulk Ag"]),
        (("Pu",), ["bulk", "molecule", "slab", "packed", "squeezed"]),
        ((), ["bulk", "molecule", "slab", "packed", "squeezed", "compound"]),
    ],
)
def test_structures_are_made_of_what_the_model_accepts(known, names):
    capabilities = Capabilities(elements=tuple(sorted(atomic_numbers[symbol] for symbol in known)))
    found = samples(capabilities, 6)
    assert [sample.name for sample in found] == names
    assert all(capabilities.accepts(sample.atoms.numbers.tolist()) for sample in found)
    again = samples(capabilities, 6)
    assert all((one.atoms.positions == other.atoms.positions).all() for one, other in zip(found, again, strict=True))


def test_a_model_that_needs_a_cell_is_never_asked_without():
    model = Changed(lambda atoms, one, n: one, needs_cell=True)
    lines = lines_of(model)
    assert {line.verdict for line in lines.values()} == {"ok", "undecided"}


def test_a_silicon_potential_is_checked_on_silicon():
    model = Changed(lambda atoms, one, n: one, elements=(14,))
    outcomes = outcomes_of(model, *checks.CHECKS)
    assert [case for case, found in outcomes.items() if isinstance(found, Failure)] == ["energy-reference"]
    assert outcomes["energy-reference"].kind == "unsupported_element"
    assert all(set(raw["numbers"]) == {14} for case, raw in outcomes.items() if case != "energy-reference")


def test_questions_apart_share_no_batch():
    seen = []

    async def ask(potential):
        atoms = samples(potential.capabilities, 2)
        for sample in atoms:
            await potential.evaluate([sample.atoms], apart=True)
        await potential.evaluate([sample.atoms for sample in atoms])

    def note(asked):
        seen.append(asked.kind)
        none = [Prediction(0.0, np.zeros((n, 3))) for n in asked.structures.n_atoms]
        return Predictions.from_answers(asked.structures, asked.properties, none)

    converse(ask(Potential(Capabilities())), note)
    assert len(set(seen)) == 3


def test_a_model_without_stress_is_not_asked_for_it():
    model = Changed(lambda atoms, one, n: one, properties=("energy", "forces"))
    assert outcomes_of(model, "stress")["stress"].kind == "not_implemented"
    card = {"conservative": True, "properties": ("energy", "forces")}
    assert lines_of(model, card)["stress-consistency"].verdict == "untested"


# The zero of energy


def oxides_with(shift):
    """Energies by which every oxide forms with its measured enthalpy plus a shift per oxygen."""
    enthalpy = BENCHMARK.references(SETTINGS)["energy-reference"]
    by_metal = {atomic_numbers[name.rstrip("O2")]: value for name, value in enthalpy.items()}

    def energy(numbers, place):
        oxygens = int((numbers == 8).sum())
        metals = [int(number) for number in numbers if number != 8]
        free = -4.9 * oxygens - sum(0.1 * number for number in metals)
        return free + (oxygens * (by_metal[metals[0]] + shift) if metals and oxygens else 0.0) + 9 * (place - 5) ** 2

    def answer(asked):
        given = [Prediction(energy(atoms.numbers, row % 11)) for row, atoms in enumerate(asked.structures)]
        return Predictions.from_answers(asked.structures, asked.properties, given)

    case = next(case for case in BENCHMARK.cases(SETTINGS) if case.id == "energy-reference")
    raw = converse(BENCHMARK.run(Potential(Capabilities()), case, SETTINGS, np.random.default_rng(0)), answer)
    return {"energy-reference": raw}


@pytest.mark.parametrize(
    ("shift", "claimed", "theory", "verdict"),
    [
        (0.0, "MP2020-corrected", "PBE and PBE+U", "ok"),
        (CORRECTION_EV, "raw DFT", "PBE", "ok"),
        (CORRECTION_EV, "MP2020-corrected", "PBE", "fails"),
        (0.0, "raw DFT", "r2SCAN", "ok"),
        (-CORRECTION_EV, "raw DFT", "r2SCAN", "fails"),
        (CORRECTION_EV, "raw DFT", "r2SCAN", "undecided"),
        (CORRECTION_EV, "raw DFT with D3(BJ)", "PBE with D3(BJ)", "undecided"),
        (0.0, "raw DFT", "PBE0+MBD", "undecided"),
        (-2.0, "raw DFT", "PBE", "undecided"),
        (0.0, "", "PBE", "undecided"),
    ],
)
def test_oxides_tell_the_energy_reference(shift, claimed, theory, verdict):
    outcomes = oxides_with(shift)
    lines = verdicts(outcomes, scored(outcomes), {"energy_reference": claimed, "theory": theory})
    (line,) = [line for line in lines if line.check == "energy-reference"]
    assert line.verdict == verdict
    assert line.value == pytest.approx(shift, abs=1e-9)


# Verdicts


@pytest.mark.parametrize(("claim", "verdict"), [(True, "fails"), (False, "notable"), (None, "notable")])
def test_only_a_claim_can_be_failed(claim, verdict):
    lines = lines_of(broken.nonconservative(), {**CARD, "conservative": claim})
    assert lines["force-consistency"].verdict == verdict


def test_a_defect_that_the_card_explains_is_no_failure():
    line = lines_of(broken.nonconservative(), {**CARD, "known": {"force-consistency": "longer by a quarter"}})
    assert line["force-consistency"].verdict == "notable"
    assert line["force-consistency"].note == "card: longer by a quarter"
    assert lines_of(lennard_jones(), {**CARD, "known": {"force-consistency": "none"}})["force-consistency"].note == ""


def test_a_property_that_the_card_lacks_is_notable():
    assert lines_of(lennard_jones(), {"properties": ("energy", "forces")})["gives-stress"].verdict == "notable"


def test_cards_explain_checks_that_exist():
    checked = {line.check for line in lines_of(lennard_jones()).values()}
    for name in registry.names():
        assert set(registry.get(name).known) <= checked
