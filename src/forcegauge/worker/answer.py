"""From a question as a message to an answer as a message, for the worker process and for a calculator in process."""

from __future__ import annotations

import resource
import time
from typing import Any

from forcegauge.models.base import Loaded
from forcegauge.models.guard import guarded_evaluate
from forcegauge.potential import Predictions
from forcegauge.simulate.procedure import procedure
from forcegauge.structures import Structures

Message = dict[str, Any]


def answer(loaded: Loaded, message: Message) -> Message:
    """The answer to one batch.

    ``{op: evaluate, id, structures, properties}`` is answered with ``predictions``;
    ``{op: advance, id, procedure, settings, states, slice_s, others_wait}`` with the ``states`` after about that many
    seconds, or once half of them are done and others wait to take their place.
    """
    start = time.perf_counter()

    def evaluate(structures: Structures, properties: frozenset[str]) -> Predictions:
        return guarded_evaluate(loaded.model, structures, properties)

    body: Message
    if message["op"] == "advance":
        fewest = len(message["states"]) / 2 if message["others_wait"] else 0
        states = procedure(message["procedure"]).advance(
            message["states"],
            message["settings"],
            evaluate,
            lambda n_active: n_active < fewest or time.perf_counter() - start >= message["slice_s"],
        )
        body = {"states": states}
    else:
        structures = Structures.from_arrays(message["structures"])
        body = {"predictions": evaluate(structures, frozenset(message["properties"])).as_dict()}
    seconds = time.perf_counter() - start
    return {"op": "answer", "id": message["id"], **body, "seconds": seconds, "peak_memory_bytes": peak_memory_bytes()}


def peak_memory_bytes() -> int:
    """The largest resident size that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
