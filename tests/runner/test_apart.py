import pytest
from toys import CountingModel, make_benchmark

from forcegauge.records import Raw


@pytest.mark.parametrize(("apart", "sizes"), [(True, {3}), (False, {3, 9})])
def test_a_question_apart_shares_its_batch_with_no_other_case(execute, apart, sizes):
    """The first batch is one question, because nothing is known of the model's speed; then three travel together."""

    async def ask(potential, case, settings, rng):
        answer = await potential.evaluate([case.structures[0]] * 3, ("energy",), apart=apart)
        return Raw({"energy": answer.energies})

    model = CountingModel()
    assert execute(model, make_benchmark(ask)).n_done == 4
    assert {count for count, _ in model.calls} == sizes
