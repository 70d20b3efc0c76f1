"""How much memory a batch takes, so that none is sent that does not fit, without provoking an error to find out.

Runs in the worker. Two small probes give the peak as a line over the cost that ``Capabilities.cost`` counts. A batch
may then fill a share of what is free. On a CPU the caps that adapters declare hold, unless the worker is allowed so
little that a batch might not fit; on an accelerator, where larger batches gain, the line alone decides.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from forcegauge.errors import Failure
from forcegauge.models.ase_calculator import AseModel
from forcegauge.potential import Capabilities, Model, Prediction
from forcegauge.structures import Structures

SHARE = 0.7
"""Of the free memory; the rest is for what the line does not know."""
ENOUGH_BYTES = 6e9
"""A CPU worker that is allowed this much needs no probes: the declared caps take less than half."""

_GROWTH = 32.0  # how far beyond its declared cap a batch may grow on an accelerator
_LARGEST_PROBE, _PROBES = 20_000.0, (0.125, 0.5)  # cost, and shares of it
_SPACING = 2.8  # Å; a simple cubic crystal, in which every element has neighbours and none overlap
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")
_WANTED = {"energy": frozenset({"energy"}), "gradient": frozenset({"energy", "forces", "stress"})}


@dataclass(frozen=True)
class MemoryModel:
    """Peak memory as a line over the cost of a batch, for one model, device and kind of question.

    Args:
        base_bytes: without any structure.
        bytes_per_cost: for each edge and angle.
        ceiling: cost that no batch may exceed, whatever is free; lowered where a batch did not fit.
    """

    base_bytes: float
    bytes_per_cost: float
    ceiling: float

    @classmethod
    def through(cls, costs: Sequence[float], peaks: Sequence[float], ceiling: float) -> MemoryModel:
        """The line through two probes; a peak that does not grow gives a flat one."""
        slope = max(0.0, (peaks[1] - peaks[0]) / (costs[1] - costs[0]))
        return cls(max(0.0, peaks[0] - slope * costs[0]), slope, ceiling)

    def largest_cost(self, allowed_bytes: float) -> float:
        """What a batch may cost where so much memory is allowed; at least 1, so that structures go one by one."""
        room = SHARE * allowed_bytes - self.base_bytes
        fitting = room / self.bytes_per_cost if self.bytes_per_cost else np.inf
        return float(max(1.0, min(self.ceiling, fitting)))

    def lowered(self, failed_cost: float) -> MemoryModel:
        """The same after a batch of this cost did not fit: half of it is tried next."""
        return replace(self, ceiling=min(self.ceiling, failed_cost) / 2)


class Bounded:
    """A model whose batches fit into memory.

    Args:
        model: the model itself; where it has an ``edge_cap``, that follows.
        lines: by kind of question, ``energy`` or ``gradient``.
        allowed_bytes: resident bytes or, on an accelerator, bytes of its memory.
    """

    def __init__(self, model: Model, lines: Mapping[str, MemoryModel], allowed_bytes: float) -> None:
        self.lines = dict(lines)
        self.is_news = False
        """Whether a batch did not fit since this was last told."""
        self._model = model
        self._declared = model.capabilities.batch_cost
        self._allowed_bytes = allowed_bytes
        self.capabilities: Capabilities = replace(model.capabilities, batch_cost=self._cap("gradient"))

    def evaluate(self, structures: Structures, properties: frozenset[str]) -> Sequence[Prediction | Failure]:
        """The model's answers, a batch that fits at a time; one that does not fit after all lowers the bound."""
        kind = "gradient" if properties & {"forces", "stress"} else "energy"
        cap = self._cap(kind)
        if hasattr(self._model, "edge_cap"):
            self._model.edge_cap = cap
        answers: list[Prediction | Failure] = []
        costs = self._model.capabilities.cost(structures)
        for start, stop in _slices(costs.tolist(), cap) if cap < self._declared else [(0, len(structures))]:
            try:
                answers += self._model.evaluate(structures.take(start, stop), properties)
            except Exception as error:
                if is_out_of_memory(error) and stop - start > 1:
                    self.lines[kind] = self.lines[kind].lowered(min(cap, float(costs[start:stop].sum())))
                    self.capabilities = replace(self.capabilities, batch_cost=self._cap("gradient"))
                    self.is_news = True
                    _empty_cache()
                raise
        return answers

    def known(self) -> dict[str, Any]:
        """The lines in plain fields, to be remembered."""
        return {kind: asdict(line) for kind, line in self.lines.items()}

    def _cap(self, kind: str) -> float:
        return self.lines[kind].largest_cost(self._allowed_bytes)


def bounded(model: Model, allowed_bytes: float, known: Mapping[str, Any] | None = None) -> Model:
    """The model with batches that fit, probed if nothing is known; as it is where its memory does not matter.

    Args:
        model: as its adapter made it.
        allowed_bytes: resident bytes at which the worker is ended; on an accelerator its free memory counts instead.
        known: what :meth:`Bounded.known` told of an earlier worker.
    """
    device = model.capabilities.device
    if isinstance(model, AseModel) or "torch" not in sys.modules:  # one structure after another, or tables
        return model
    if device.startswith("cpu") and allowed_bytes >= ENOUGH_BYTES:
        return model
    lines = {kind: MemoryModel(**fields) for kind, fields in known.items()} if known else probe(model)
    if not lines:
        return model
    return Bounded(model, lines, allowed_bytes if device.startswith("cpu") else _free_bytes(device))


def probe(model: Model) -> dict[str, MemoryModel]:
    """A line per kind of question; none where the model cannot answer about the probes."""
    capabilities = model.capabilities
    ceiling = capabilities.batch_cost * (1.0 if capabilities.device.startswith("cpu") else _GROWTH)
    crystal = _crystal(capabilities)
    each = float(capabilities.cost(crystal)[0])
    largest = min(capabilities.batch_cost, _LARGEST_PROBE)
    counts = [max(place + 1, int(share * largest / each)) for place, share in enumerate(_PROBES)]
    batches = [Structures.concatenate([crystal] * count) for count in counts]
    lines = {}
    for kind, wanted in _WANTED.items():
        properties = wanted & frozenset(capabilities.properties)
        try:
            if any(isinstance(one, Failure) for one in model.evaluate(batches[0], properties)):  # and warms up
                return {}
            peaks = [_peak_of(model, batch, properties) for batch in batches]
        except Exception:
            return {}  # whatever it is, the first real question will tell it in full
        lines[kind] = MemoryModel.through([each * count for count in counts], peaks, ceiling)
    return lines


def peak_bytes(device: str, call: Callable[[], object]) -> float:
    """The most memory that was held during a call: of the accelerator, or resident."""
    if not device.startswith("cpu"):
        torch: Any = sys.modules["torch"]
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return float(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError):  # where there is no such file, the peak since the start of the process must do
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew, see proc(5)
    call()
    return _peak_resident_bytes()


def _peak_resident_bytes() -> float:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def _peak_of(model: Model, structures: Structures, properties: frozenset[str]) -> float:
    return peak_bytes(model.capabilities.device, lambda: model.evaluate(structures, properties))


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory was what lacked; torch's error is a RuntimeError, as is what its allocator for the CPU raises."""
    return isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _NO_MEMORY)


def _crystal(capabilities: Capabilities) -> Structures:
    known = capabilities.elements
    number = known[len(known) // 2] if known else 14
    corners = [[x, y, z] for x in range(2) for y in range(2) for z in range(2)]
    positions = _SPACING * np.array(corners, dtype=float)
    return Structures.from_atoms(Atoms([number] * 8, positions, cell=np.eye(3) * 2 * _SPACING, pbc=True))


def _slices(costs: Sequence[float], cap: float) -> list[tuple[int, int]]:
    edges, filled = [0], 0.0
    for row, cost in enumerate(costs):
        if filled and filled + cost > cap:
            edges.append(row)
            filled = 0.0
        filled += cost
    return list(zip(edges, [*edges[1:], len(costs)], strict=True))


def _free_bytes(device: str) -> float:
    torch: Any = sys.modules["torch"]
    return float(torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device))


def _empty_cache() -> None:
    torch: Any = sys.modules["torch"]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
