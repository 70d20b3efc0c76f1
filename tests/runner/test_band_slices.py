"""Elastic bands in the runner: in slices, with others, resumed from the last state."""

import pytest
from ase.build import bulk
from toys import CountingModel, make_benchmark, prepared, tasks_for

from forcegauge.records import Case, Raw
from forcegauge.results.store import Store
from forcegauge.runner import execute as execute_module
from forcegauge.runner.execute import Execution, Limits
from forcegauge.runner.progress import Silent
from forcegauge.simulate.path_interpolation import interpolated
from forcegauge.structures import Structures

N_IMAGES = 5


def hop(symbol: str) -> Case:
    """A vacancy and a neighbour's hop into it, with the spacing that Lennard-Jones likes."""
    crystal = bulk(symbol, cubic=True) * 2
    near = crystal.get_distances(0, range(1, len(crystal)), mic=True).argmin() + 1
    end = crystal.copy()
    end.positions[near] -= crystal.get_distance(0, near, mic=True, vector=True)
    ends = Structures.from_atoms([crystal[1:], end[1:]])
    return Case("toy", symbol, ends, {}, frozenset(crystal.numbers.tolist()))


async def band(potential, case, settings, rng):
    ends = await potential.relax(case.structures, optimiser="lbfgs", force_tolerance_ev_per_a=0.01)
    path = interpolated(ends.structures[0], ends.structures[1], N_IMAGES)
    found = await potential.elastic_band(path, n_images=N_IMAGES, optimiser="lbfgs")
    return Raw({"energy": found.energy[0], "steps": found.n_steps})


BENCHMARK = make_benchmark(band, schema={"energy": "", "steps": ""})
CASES = [hop("Cu"), hop("Ag")]


class Stops(CountingModel):
    """Interrupted at one call."""

    allowed = 10**6

    def evaluate(self, structures, properties):
        if len(self.calls) == self.allowed:
            raise KeyboardInterrupt
        return super().evaluate(structures, properties)


def run(model, folder):
    """Outcomes by case of what was run until now, whether it came to its end or not."""
    ready = prepared(model)
    with Store.writer(folder) as store:
        try:
            Execution(ready, tasks_for(ready, BENCHMARK, CASES), store, 1, Limits(), Silent()).run()
        finally:
            outcomes = {record.case_id: record.outcome for record in store.records()}
    return outcomes


def test_bands_of_two_cases_share_batches_and_an_interruption_costs_one_slice(tmp_path, monkeypatch):
    undisturbed = CountingModel()
    whole = run(undisturbed, tmp_path / "whole")
    assert all(outcome["energy"][N_IMAGES // 2] > outcome["energy"][0] for outcome in whole.values())
    sizes = [size for size, _ in undisturbed.calls]
    assert 2 * N_IMAGES in sizes  # both bands with their ends
    assert 2 * (N_IMAGES - 2) in sizes  # then without
    with Store.open(tmp_path / "whole") as store:
        evaluated = sum(record.atom_evaluations for record in store.records())
    assert evaluated == sum(sizes) * len(CASES[0].structures[0])

    monkeypatch.setattr(execute_module, "SLICE_S", 0.0)  # one step per slice
    disturbed = Stops()
    in_bands = sizes.index(2 * N_IMAGES) + 3
    for allowed in (in_bands, in_bands + 2):
        disturbed.allowed = allowed
        with pytest.raises(KeyboardInterrupt):
            run(disturbed, tmp_path / "results")
        assert list((tmp_path / "results" / "checkpoints").rglob("*.state"))
    disturbed.allowed = 10**6
    resumed = run(disturbed, tmp_path / "results")
    assert resumed == whole
    images = sum(size for size, _ in disturbed.calls)
    assert images <= sum(sizes) + 2 * 2 * N_IMAGES  # two interruptions, each at most one step of both bands
    assert not list((tmp_path / "results" / "checkpoints").rglob("*.state"))
