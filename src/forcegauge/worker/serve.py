"""The worker's life: load the model, answer until told to stop, die with the coordinator.

Standard input and output carry the messages of :mod:`forcegauge.worker.wire`; whatever the model's package prints goes
to standard error, which is the worker's log file.

    coordinator                      worker
    {op: load, spec, parent,    ->
     memory_bytes, memory}
                                <-   {op: ready, ...facts} or {op: failed, kind, message, traceback}
                                <-   {op: beat} every second, from a thread of its own
    {op: evaluate or advance}   ->
                                <-   {op: answer, id, ...} (see :mod:`forcegauge.worker.answer`)
    end of input                ->   the worker exits
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import select
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from forcegauge.errors import Failure, ForceGaugeError
from forcegauge.models.base import Loaded, load
from forcegauge.models.memory import Bounded, bounded
from forcegauge.potential import Model
from forcegauge.worker.answer import answer
from forcegauge.worker.wire import receive, send

BEAT_S = 1.0
_LINE_CHARACTERS = 600


class Line:
    """The outgoing side, shared by the answering thread and the heartbeat."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; without a coordinator there is nothing left to live for."""
        with self._lock:
            try:
                send(self._stream, message)
            except OSError:
                os._exit(1)


def main() -> None:
    """Serve one coordinator over standard input and output."""
    _guard_group(int(sys.argv[1]))
    incoming, line = _take_streams()
    first = receive(incoming)
    if first is None:
        return
    if os.getppid() != first["parent"]:  # it died before the guard could look
        os._exit(1)
    threading.Thread(target=_beat, args=(line,), daemon=True).start()
    try:
        loaded = load(first["spec"])
        model = bounded(loaded.model, float(first["memory_bytes"]), first["memory"])
        loaded = replace(loaded, model=model)
        line.send({"op": "ready", **facts(loaded, first["spec"]), "memory": _news(model, told=False)})
    except BaseException as error:
        line.send({"op": "failed", "message": _one_line(error), "traceback": traceback.format_exc()})
        os._exit(1)
    gc.collect()
    gc.freeze()  # what a model's package has loaded stays: to look through it again takes a tenth of a second each time
    while (message := receive(incoming)) is not None:
        line.send({**answer(loaded, message), "memory": _news(model)})
    os._exit(0)


def _news(model: Model, told: bool = True) -> dict[str, Any] | None:
    """What is known of the model's memory, where it is not told yet."""
    if not isinstance(model, Bounded) or (told and not model.is_news):
        return None
    model.is_news = False
    return model.known()


def facts(loaded: Loaded, spec: dict[str, Any]) -> dict[str, Any]:
    """What the coordinator must know of a loaded model and of the place where it runs."""
    return {
        **loaded.facts(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "calibration_gflops": calibrate(),
        "threads": int(spec.get("threads") or 1),
    }


def calibrate(size: int = 512) -> float:
    """Speed of this process in GFLOP/s, on a float64 matrix product of fixed size: the best of five."""
    matrix = np.random.default_rng(0).random((size, size))
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - start)
    return float(2 * size**3 / best / 1e9)


def _take_streams() -> tuple[BinaryIO, Line]:
    incoming = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # a package that prints must not speak into the protocol
    sys.stdout = sys.stderr
    return incoming, Line(outgoing)


def _beat(line: Line) -> None:
    while True:
        time.sleep(BEAT_S)
        line.send({"op": "beat"})


def _guard_group(lifeline: int) -> None:
    """Leave a guard behind that ends this process group, and so all that a model starts, once the coordinator is gone.

    The guard is a child that does nothing but wait: for the end of ``lifeline``, a pipe whose other end only the
    coordinator holds, or, because children forked by the coordinator hold it too, for the end of its process. The
    kernel's own signal at a parent's death will not do: it comes when the thread ends that started the worker.
    """
    files = [lifeline]
    with contextlib.suppress(OSError, AttributeError):  # Linux before 5.3, and other systems
        files.append(os.pidfd_open(os.getppid()))
    if os.fork() == 0:
        for stream in (0, 1):  # the worker's end must not be hidden by its guard
            os.close(stream)
        select.select(files, [], [])
        os.killpg(0, signal.SIGKILL)
    for file in files:
        os.close(file)


def _one_line(error: BaseException) -> str:
    if isinstance(error, ForceGaugeError | Failure):
        return str(error)[:_LINE_CHARACTERS]
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}"[:_LINE_CHARACTERS] if text else type(error).__name__
