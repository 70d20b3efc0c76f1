"""One procedure driven to its end in process."""

from functools import partial

from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Finished, Potential, converse
from forcegauge.simulate.procedure import procedure


def answer(model, question):
    """What a worker would say, without slices."""
    evaluate = partial(guarded_evaluate, model)
    if not question.procedure:
        return evaluate(question.structures, frozenset(question.properties))
    steps = procedure(question.procedure)
    states = steps.begin(question.structures, question.settings)
    return Finished(steps.advance(states, question.settings, evaluate, lambda n_active: False))


def ask(model, method, *args, **wanted):
    """The answer of the potential's method to one question."""
    potential = Potential(model.capabilities)
    return converse(getattr(potential, method)(*args, **wanted), partial(answer, model))
