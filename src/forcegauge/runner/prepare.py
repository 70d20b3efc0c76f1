"""From a name on the command line to a model whose identity is known and whose workers can be started."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ase.calculators.calculator import BaseCalculator

from forcegauge.errors import BadInput, ModelUnavailable
from forcegauge.models import environments, registry, weights
from forcegauge.models.ase_calculator import ADAPTER_VERSION, PACKAGES, AseModel
from forcegauge.models.base import Loaded, versions
from forcegauge.potential import Capabilities
from forcegauge.records import ModelIdentity, Provenance
from forcegauge.runner.workers import LocalWorker, ProcessWorker, Worker
from forcegauge.version import __version__

MEMORY_SHARE = 0.8
"""Of the memory that is free at the start, this share is divided among the workers."""


@dataclass(frozen=True)
class Resources:
    """What the workers of a run are given.

    Args:
        workers: processes per model.
        device: ``cpu``, ``cuda``, ``cuda:1``...
        dtype: ``float32`` or ``float64``, None for the model's own.
        threads: CPU threads per worker, None to share the cores out.
        python: a user's own interpreter in the place of the model's environment, or None.
        memory_gb: resident size at which a worker is ended, None for a share of what is free.
    """

    workers: int = 1
    device: str = "cpu"
    dtype: str | None = None
    threads: int | None = None
    python: Path | None = None
    memory_gb: float | None = None

    @property
    def threads_per_worker(self) -> int:
        """CPU threads of one worker."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // self.workers)

    @property
    def memory_bytes(self) -> int:
        """Resident bytes allowed to one worker."""
        if self.memory_gb is not None:
            return int(self.memory_gb * 1e9)
        return int(psutil.virtual_memory().available * MEMORY_SHARE / self.workers)


@dataclass(eq=False)
class Prepared:
    """A model that is known to load.

    Args:
        name: as on the command line.
        identity: which potential it is, to the bit.
        facts: what its worker told of it.
        start: starts one more worker.
        ready: a worker that is already running, for the first seat.
    """

    name: str
    identity: ModelIdentity
    facts: Mapping[str, Any]
    start: Callable[[], Worker]
    ready: list[Worker] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        """What the model declares."""
        return Capabilities.from_dict(self.facts["capabilities"])

    def provenance(self, worker: Worker | None) -> Provenance:
        """Where the answers of this worker come from; what needed no worker comes from the model's facts."""
        facts = self.facts if worker is None else worker.facts
        capabilities = facts["capabilities"]
        return Provenance(
            model=self.identity,
            packages=facts["packages"],
            python=facts["python"],
            platform=facts["platform"],
            device=capabilities["device"],
            calibration_gflops=facts["calibration_gflops"],
            dtype=capabilities["dtype"],
            threads=facts["threads"],
            forcegauge=__version__,
        )

    def hire(self) -> Worker:
        """A worker: the one that is ready, or a new one."""
        return self.ready.pop() if self.ready else self.start()

    def close(self) -> None:
        """End a worker that was never put to work."""
        for worker in self.ready:
            worker.close()
        self.ready.clear()


def prepare_registered(name: str, resources: Resources, logs: Path, say: Callable[[str], None]) -> Prepared:
    """A model of the registry, its weights fetched and its environment built first where they are missing.

    Raises UnknownName, DataUnavailable where the weights cannot be had, or ModelUnavailable where the environment does
    not build or the model does not load in it.
    """
    entry = weights.provided(registry.get(name))
    name = entry.name
    place = environments.interpreter(resources.python) if resources.python else environments.ensure(entry.environment)
    spec = entry.spec(device=resources.device, threads=resources.threads_per_worker, dtype=resources.dtype)
    facts = environments.recall(place, name, spec)
    memory = _Memory(place, name, spec)
    start = _starter(name, place.python, spec, logs, resources, say, memory)
    ready: list[Worker] = []
    if facts is None or "calibration_gflops" not in facts:  # `models verify` remembers less than a worker tells
        ready.append(start())
        facts = dict(ready[0].facts)
        environments.remember(place, name, spec, facts)
    return Prepared(name, _identity(name, facts, place.lock_digest), facts, start, ready)


def check_target(target: str, asked_by: str = "--calculator") -> None:
    """Raise BadInput for a text that cannot name a calculator factory."""
    module, _, function = target.partition(":")
    if not module or not function.isidentifier():
        raise BadInput(f"{asked_by} {target}: give package.module:factory, a function that returns an ASE calculator")


def prepare_factory(name: str, target: str, resources: Resources, logs: Path, say: Callable[[str], None]) -> Prepared:
    """A user's calculator factory ``package.module:function``, in a worker of its own.

    Raises ModelUnavailable where the factory raises.
    """
    python = resources.python or Path(sys.executable)
    spec = {
        "factory": target,
        "path": [str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))],
        "device": resources.device,
        "dtype": resources.dtype,
        "threads": resources.threads_per_worker,
    }
    lock = environments.interpreter(python).lock_digest
    start = _starter(name, python, spec, logs, resources, say)
    worker = start()
    return Prepared(name, _identity(name, worker.facts, lock), worker.facts, start, [worker])


def prepare_calculator(name: str, calculator: BaseCalculator, resources: Resources) -> Prepared:
    """An ASE calculator object, in this process; no time or memory limit can be put on it."""
    model = AseModel(calculator)
    loaded = Loaded(model, model.identity, {}, ADAPTER_VERSION, versions(PACKAGES))
    threads = resources.threads_per_worker
    worker = LocalWorker(loaded, threads)
    lock = environments.interpreter(Path(sys.executable)).lock_digest
    return Prepared(
        name, _identity(name, worker.facts, lock), worker.facts, lambda: LocalWorker(loaded, threads), [worker]
    )


def _identity(name: str, facts: Mapping[str, Any], lock: str) -> ModelIdentity:
    # Without an identity of its own, nobody can tell whether the next process brings the same calculator.
    weights = facts["weights"] or f"process-{uuid.uuid4().hex}"
    return ModelIdentity(name, weights, facts["options"], facts["adapter_version"], lock)


class _Memory:
    """What is known of the memory that a model's batches take, kept beside its facts."""

    def __init__(self, place: environments.Installed, name: str, spec: Mapping[str, Any]) -> None:
        self._where = place, f"{name}-memory", spec
        self.known = environments.recall(*self._where)

    def learn(self, memory: Mapping[str, Any]) -> None:
        if memory != self.known:
            self.known = dict(memory)
            environments.remember(*self._where, memory)


def _starter(
    name: str,
    python: Path,
    spec: Mapping[str, Any],
    logs: Path,
    resources: Resources,
    say: Callable[[str], None],
    memory: _Memory | None = None,
) -> Callable[[], Worker]:
    source = environments.source_copy()
    log = logs / f"{_file_name(name)}.log"

    def start() -> Worker:
        say(f"{name}: loading")
        if not python.exists():
            raise ModelUnavailable(f"{name}: there is no interpreter {python}; give the path of a Python executable")
        try:
            known = () if memory is None else (memory.known, memory.learn)
            worker = ProcessWorker(python, source, spec, log, resources.memory_bytes, *known)
        except OSError as error:
            raise ModelUnavailable(f"{name}: a worker with the log {log} cannot be started: {error}") from None
        try:
            worker.wait_until_ready()
        except ModelUnavailable as error:
            worker.close()
            raise ModelUnavailable(f"model {name} does not load: {error}") from None
        except BaseException:
            worker.close()
            raise
        return worker

    return start


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
