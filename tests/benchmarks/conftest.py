"""A pair potential small enough to be checked by eye, for conversations without a runner."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from forcegauge.errors import Failure
from forcegauge.potential import Capabilities, Finished, Potential, Prediction, Predictions, Question, converse
from forcegauge.records import Raw
from forcegauge.simulate.procedure import procedure


class PairPotential:
    """Energy and force of a pair by its distance, summed over all pairs within the cut-off.

    Args:
        pair: distances [n] to energies [n] in eV and forces [n] in eV/Å, repulsive positive.
        cutoff: Å.
        force_factor: multiplies the forces only; anything but 1 makes them non-conservative.
        questions: every question that was asked.
    """

    def __init__(self, pair, cutoff=30.0, force_factor=1.0):
        self.pair, self.cutoff, self.force_factor, self.questions = pair, cutoff, force_factor, []

    def __call__(self, question):
        self.questions.append(question)
        answers = [self._predict(atoms) for atoms in question.structures]
        wanted = [
            Prediction(**{name: getattr(answer, name) for name in question.properties})
            if np.isfinite(answer.energy)
            else Failure("non_finite", "the energy is NaN")
            for answer in answers
        ]
        return Predictions.from_answers(question.structures, question.properties, wanted)

    def _predict(self, atoms):
        first, distance, vector = self._pairs(atoms)
        energy, force = self.pair(distance)
        forces = np.zeros((len(atoms), 3))
        pull = -self.force_factor * (force / distance)[:, None] * vector
        np.add.at(forces, first, pull)
        stress = 0.5 * pull.T @ vector / atoms.cell.volume if atoms.pbc.all() else None
        return Prediction(energy=0.5 * float(energy.sum()), forces=forces, stress=stress)

    def _pairs(self, atoms):
        if atoms.pbc.any():
            return neighbor_list("idD", atoms, self.cutoff)
        first, second = np.nonzero(~np.eye(len(atoms), dtype=bool))
        vector = atoms.positions[second] - atoms.positions[first]
        return first, np.linalg.norm(vector, axis=1), vector


def lennard_jones(sigma, well, cutoff=30.0):
    """Energy and force of the Lennard-Jones pair, its energy shifted to be zero at the cut-off."""

    def pair(distance):
        ratio = (sigma / distance) ** 6
        end = (sigma / cutoff) ** 6
        energy = 4 * well * (ratio**2 - ratio) - 4 * well * (end**2 - end)
        return energy, 24 * well * (2 * ratio**2 - ratio) / distance

    return pair


def answer(model, question):
    """What a worker would say with this model, a long question driven to its end."""
    if not question.procedure:
        return model(question)
    steps = procedure(question.procedure)
    states = steps.begin(question.structures, question.settings)

    def evaluate(structures, properties):
        return model(Question(structures, tuple(properties), keep_failures=True))

    return Finished(steps.advance(states, question.settings, evaluate, lambda n_active: False))


@pytest.fixture(scope="session")
def ask():
    """A function that holds one conversation: benchmark, case, settings, model -> raw arrays or Failure."""

    def held(benchmark, case, settings, model, **capabilities):
        conversation = benchmark.run(Potential(Capabilities(**capabilities)), case, settings, np.random.default_rng(0))
        try:
            return converse(conversation, partial(answer, model))
        except Failure as failure:
            return failure

    return held


@pytest.fixture
def scores_of(ask):
    """A function that asks some cases and gives their scores."""

    def scored(benchmark, cases, settings, model, mode="default"):
        outcomes = {case.id: ask(benchmark, case, settings, model) for case in cases}
        assert all(isinstance(outcome, Raw | Failure) for outcome in outcomes.values())
        return benchmark.analyse(outcomes, {}, settings, mode)

    return scored


@pytest.fixture
def argon_like():
    """Lennard-Jones with argon's numbers."""
    return PairPotential(lennard_jones(3.4, 0.0104, cutoff=12.0), cutoff=12.0)


@pytest.fixture(scope="session")
def bond():
    """Lennard-Jones stiff and short enough to be a bond of any element, and a maker of its broken kin."""

    def make(change=None, **options):
        plain = lennard_jones(1.5, 2.0)
        return PairPotential(plain if change is None else lambda r: change(r, *plain(r)), **options)

    return make
