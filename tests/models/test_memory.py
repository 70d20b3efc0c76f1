"""Batches that fit: the line through two probes, a small machine, an accelerator that is only imagined."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from forcegauge.models import memory
from forcegauge.models.ase_calculator import AseModel
from forcegauge.models.guard import guarded_evaluate
from forcegauge.models.memory import Bounded, MemoryModel, bounded, peak_bytes, probe
from forcegauge.potential import Capabilities, Prediction
from forcegauge.structures import Structures

ENERGY, ALL = frozenset({"energy"}), frozenset({"energy", "forces", "stress"})


class Accelerator:
    """What torch tells of a device, for a device of ``size`` bytes."""

    def __init__(self, size: float) -> None:
        self.size, self.peak, self.emptied = size, 0.0, 0
        self.cuda = SimpleNamespace(
            reset_peak_memory_stats=lambda device: setattr(self, "peak", 0.0),
            max_memory_allocated=lambda device: self.peak,
            mem_get_info=lambda device: (self.size, self.size),
            memory_reserved=lambda device: 0,
            is_available=lambda: True,
            empty_cache=lambda: setattr(self, "emptied", self.emptied + 1),
        )

    def take(self, needed: float) -> None:
        if needed > self.size:
            raise RuntimeError(f"CUDA out of memory. Tried to allocate {needed:g} bytes")
        self.peak = max(self.peak, needed)


class Hungry:
    """Takes so many bytes per cost, four times as many with a gradient; cuts its passes itself, as adapters do."""

    def __init__(self, take, device="cpu", bytes_per_cost=1000.0, base=0.0, batch_cost=20_000.0):
        self.capabilities = Capabilities(
            elements=(6, 14, 29), properties=("energy", "forces", "stress"), device=device, batch_cost=batch_cost
        )
        self.edge_cap = batch_cost
        self.passes = []
        self._take, self._bytes_per_cost, self._base = take, bytes_per_cost, base

    def evaluate(self, structures, properties):
        answers, costs = [], self.capabilities.cost(structures)
        for start, stop in memory._slices(costs.tolist(), self.edge_cap):
            cost = costs[start:stop].sum()
            self.passes.append(cost)
            self._take(self._base + cost * self._bytes_per_cost * (4 if "forces" in properties else 1))
            for atoms in structures.take(start, stop):
                answers.append(Prediction(1.0, np.zeros((len(atoms), 3)), np.zeros((3, 3))))
        return answers


@pytest.fixture
def accelerator(monkeypatch):
    made = Accelerator(1e9)
    monkeypatch.setitem(sys.modules, "torch", made)
    return made


def crystals(count):
    return Structures.from_atoms([bulk("Cu", cubic=True)] * count)


def test_the_line_and_what_fits_under_it():
    line = MemoryModel.through([1000.0, 5000.0], [3e8, 7e8], ceiling=1e6)
    assert (line.base_bytes, line.bytes_per_cost) == (2e8, 1e5)
    assert line.largest_cost(10e9) == pytest.approx((memory.SHARE * 10e9 - 2e8) / 1e5)
    assert line.largest_cost(1e12) == 1e6
    assert line.largest_cost(1e8) == 1.0  # too little for anything: one structure at a time
    assert line.lowered(4000.0).largest_cost(1e12) == 2000.0
    flat = MemoryModel.through([1000.0, 5000.0], [3e8, 2.9e8], ceiling=500.0)
    assert flat.largest_cost(1e9) == 500.0


def test_the_peak_of_a_call_is_that_calls_alone():
    before = peak_bytes("cpu", lambda: None)
    large = peak_bytes("cpu", lambda: np.ones(50_000_000))
    after = peak_bytes("cpu", lambda: None)
    assert large - before == pytest.approx(4e8, rel=0.1)
    assert after - before < 1e8


def test_probes_find_bytes_per_cost_of_resident_memory():
    lines = probe(Hungry(lambda needed: np.ones(int(needed) // 8), bytes_per_cost=20_000.0))
    assert lines["energy"].bytes_per_cost == pytest.approx(20_000.0, rel=0.2)
    assert lines["gradient"].bytes_per_cost == pytest.approx(80_000.0, rel=0.2)
    assert lines["gradient"].ceiling == 20_000.0


def test_on_an_accelerator_batches_grow_to_the_share_and_never_beyond_the_memory(accelerator):
    model = Hungry(accelerator.take, "cuda:0", base=1e8)
    fitting = bounded(model, 1.0)
    room = memory.SHARE * 1e9 - 1e8
    assert fitting.capabilities.batch_cost == pytest.approx(room / 4000.0)
    answer = guarded_evaluate(fitting, crystals(2000), ALL)
    assert not answer.failures
    assert accelerator.peak <= memory.SHARE * 1e9
    assert max(model.passes) > 5 * 20_000.0
    assert accelerator.emptied == 0
    guarded_evaluate(fitting, crystals(5000), ENERGY)
    assert max(model.passes) == pytest.approx(room / 1000.0, rel=0.02)  # energies take less, so more go together
    assert not fitting.is_news


def test_what_did_not_fit_after_all_is_halved_told_and_remembered(accelerator):
    line = {"base_bytes": 0.0, "bytes_per_cost": 1000.0, "ceiling": 640_000.0}  # four times too small
    model = Hungry(accelerator.take, "cuda:0")
    fitting = bounded(model, 1.0, {"energy": line, "gradient": line})
    answer = guarded_evaluate(fitting, crystals(2000), ALL)
    assert not answer.failures
    assert fitting.is_news
    assert accelerator.emptied > 0
    lowered = fitting.known()["gradient"]["ceiling"]
    assert lowered <= 250_000.0
    assert fitting.capabilities.batch_cost == lowered
    again = bounded(Hungry(accelerator.take, "cuda:0"), 1.0, fitting.known())
    guarded_evaluate(again, crystals(2000), ALL)
    assert not again.is_news


def test_a_structure_too_large_by_itself_lowers_nothing(accelerator):
    fitting = bounded(Hungry(accelerator.take, "cuda:0"), 1.0)
    huge = Structures.from_atoms(bulk("Cu", cubic=True) * (12, 12, 12))
    answer = guarded_evaluate(fitting, huge, ALL)
    assert answer.failures[0].kind == "out_of_memory"
    assert not fitting.is_news


def test_on_a_cpu_nothing_changes_but_where_little_is_allowed(accelerator):
    model = Hungry(lambda needed: np.ones(int(needed) // 8), bytes_per_cost=10_000.0)
    assert bounded(model, 16e9) is model
    now = peak_bytes("cpu", lambda: None)
    fitting = bounded(model, (now + 4e8) / memory.SHARE)
    assert isinstance(fitting, Bounded)
    assert pytest.approx(fitting.capabilities.batch_cost, rel=0.3) == 4e8 / 40_000.0
    del model.passes[:]
    assert not guarded_evaluate(fitting, crystals(100), ALL).failures
    assert max(model.passes) <= fitting.capabilities.batch_cost


def test_models_without_growing_batches_are_left_alone(accelerator, monkeypatch):
    model = AseModel(LennardJones())
    assert bounded(model, 1e8) is model

    class Silent(Hungry):
        def evaluate(self, structures, properties):
            raise ValueError("no crystals, please")

    silent = Silent(accelerator.take, "cuda:0")
    assert bounded(silent, 1e8) is silent
    monkeypatch.delitem(sys.modules, "torch")
    plain = Hungry(accelerator.take)
    assert bounded(plain, 1e8) is plain
