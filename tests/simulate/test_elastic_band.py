"""Elastic bands step for step as ASE's, found saddles, and what is refused."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.mep import NEB
from ase.optimize import FIRE
from relax_alone import ask

from forcegauge.models.ase_calculator import AseModel
from forcegauge.structures import Structures

TOLERANCE = 0.02


def hop(symbol: str) -> list:
    """A vacancy of an fcc crystal and its neighbour's hop into it, ends at rest, images straight between."""
    crystal = bulk(symbol, cubic=True) * (2, 2, 2)
    ends = [crystal.copy(), crystal.copy()]
    nearest = crystal.get_distances(0, range(1, len(crystal)), mic=True).argmin() + 1
    ends[1].positions[nearest] = crystal.positions[0]
    for end in ends:
        del end[0]
    relaxed = ask(AseModel(EMT()), "relax", ends, force_tolerance_ev_per_a=0.005)
    images = [relaxed.structures[0], *(relaxed.structures[0] for _ in range(3)), relaxed.structures[1]]
    NEB(images, method="improvedtangent").interpolate(mic=True)
    return images


@pytest.fixture(scope="module")
def hops():
    return {symbol: hop(symbol) for symbol in ("Cu", "Al")}


def reference(images, *, climb: bool):
    images = [image.copy() for image in images]
    for image in images:
        image.calc = EMT()
    band = NEB(images, climb=climb, method="improvedtangent")
    with FIRE(band, logfile=None) as optimiser:
        assert optimiser.run(fmax=TOLERANCE, steps=500)
    return images, optimiser.nsteps


@pytest.mark.parametrize("climb", [False, True])
def test_two_bands_in_one_batch_take_the_steps_of_ase(hops, climb):
    bands = ask(
        AseModel(EMT()),
        "elastic_band",
        [image for images in hops.values() for image in images],
        n_images=5,
        climb_below_ev_per_a=np.inf if climb else None,
        force_tolerance_ev_per_a=TOLERANCE,
    )
    for row, images in enumerate(hops.values()):
        theirs, n_steps = reference(images, climb=climb)
        assert bands.n_steps[row] == n_steps
        np.testing.assert_allclose(bands.energy[row], [one.get_potential_energy() for one in theirs], atol=1e-8)
        ours = bands.structures[5 * row : 5 * row + 5]
        np.testing.assert_allclose(ours.positions, np.concatenate([one.positions for one in theirs]), atol=1e-7)


@pytest.mark.parametrize("optimiser", ["fire", "lbfgs"])
def test_the_climbing_image_stands_on_the_saddle(hops, optimiser):
    """By symmetry the saddle lies half-way, so every optimiser must find that barrier."""
    images = hops["Cu"]
    band = ask(
        AseModel(EMT()), "elastic_band", images, n_images=5, optimiser=optimiser, force_tolerance_ev_per_a=TOLERANCE
    )
    assert np.abs(band.forces[0][2]).max() < TOLERANCE
    middle = images[2].copy()
    middle.calc = EMT()
    with FIRE(middle, logfile=None) as walk:  # the mirror plane keeps it from falling down
        walk.run(fmax=TOLERANCE, steps=200)
    assert band.energy[0][2] == pytest.approx(middle.get_potential_energy(), abs=2e-3)
    assert band.energy[0][0] == pytest.approx(band.energy[0][4], abs=1e-3)


def test_bad_bands_fail_alone(hops):
    good, other = hops["Cu"], [image.copy() for image in hops["Cu"]]
    other[2].numbers[3] = 13
    stretched = [image.copy() for image in hops["Cu"]]
    stretched[4].cell *= 1.1
    standing = [hops["Cu"][0]] * 5
    images = [*good, *other, *stretched, *standing]
    answer = ask(AseModel(EMT()), "elastic_band", images, n_images=5, max_steps=1, keep_failures=True)
    assert answer.failures[0].kind == "not_converged"
    for row, reason in enumerate(["same atoms", "one cell", "no direction"], start=1):
        assert (answer.failures[row].kind, reason in answer.failures[row].message) == ("not_implemented", True)
    with pytest.raises(ValueError, match="no bands"):
        ask(AseModel(EMT()), "elastic_band", Structures.from_atoms(good), n_images=4)
