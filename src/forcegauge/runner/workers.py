"""Workers as the coordinator holds them: a process in the model's environment, or a calculator in this one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import psutil

from forcegauge.errors import Failure, ModelUnavailable
from forcegauge.models.base import Loaded
from forcegauge.runner.logs import Log
from forcegauge.worker.answer import Message, answer
from forcegauge.worker.serve import facts
from forcegauge.worker.wire import Inbox, send

NO_CPU_LIMIT_S = 60.0
"""A busy worker whose processes use no CPU for this long hangs."""


_PIPE_BYTES = 2**20  # most batches and answers pass without waiting for the other side to read
_READ_BYTES = 2**16  # a larger buffer costs more to get than its calls save


class Worker(Protocol):
    """One loaded model that answers one batch at a time."""

    facts: Mapping[str, Any]
    is_busy: bool

    def fileno(self) -> int | None:
        """The file descriptor to wait on; None where the answer is ready at once."""

    def ask(self, message: Message) -> None:
        """Send one batch; see :mod:`forcegauge.worker.answer`."""

    def answers(self) -> list[Message]:
        """The answers that have arrived; raises Failure where the worker died."""

    def is_alive(self) -> bool:
        """Whether it can be asked."""

    def check(self, left_s: float, limit_s: float) -> Failure | None:
        """Kill the worker where it breaks a limit, and say why.

        Args:
            left_s: what is left of the time limit for the batch in hand.
            limit_s: the whole limit, for the message.
        """

    def close(self) -> None:
        """End it and everything that it started."""


class ProcessWorker:
    """A worker process in the model's environment.

    Args:
        python: interpreter of that environment.
        source: folder that holds the copy of ForceGauge's own source.
        spec: what :func:`forcegauge.models.base.load` takes.
        log: file that takes everything the model's package prints.
        memory_bytes: resident size at which it is ended as out of memory.
        memory: what an earlier worker learnt of the memory that batches take, or None.
        learn: told when this one has learnt more.

    Raises ModelUnavailable from :meth:`wait_until_ready` where the model does not load.
    """

    def __init__(
        self,
        python: Path,
        source: Path,
        spec: Mapping[str, Any],
        log: Path,
        memory_bytes: int,
        memory: Mapping[str, Any] | None = None,
        learn: Callable[[Mapping[str, Any]], None] = lambda memory: None,
    ) -> None:
        self._log = Log(log)
        # Nothing is ever written to it: its end tells the worker's guard that this process is gone.
        lifeline, kept = os.pipe()
        self._lifeline: int | None = kept
        with self._log.open() as stream:
            self._process = subprocess.Popen(
                [str(python), "-m", "forcegauge.worker", str(lifeline)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=_environment(source, int(spec.get("threads") or 1)),
                start_new_session=True,
                pass_fds=(lifeline,),
                pipesize=_PIPE_BYTES,
            )
        os.close(lifeline)
        self._memory_bytes = memory_bytes
        self._learn = learn
        self._inbox = Inbox()
        self._watch = _Watch(self._process.pid)
        self._asked_at = 0.0
        self.facts: Mapping[str, Any] = {}
        self.is_busy = False
        with contextlib.suppress(BrokenPipeError):
            first = {"op": "load", "spec": dict(spec), "parent": os.getpid()}
            send(self._input, {**first, "memory_bytes": memory_bytes, "memory": memory})

    def wait_until_ready(self, limit_s: float = 600.0) -> Mapping[str, Any]:
        """What the worker tells of its model, once it has loaded it."""
        deadline = time.monotonic() + limit_s
        os.set_blocking(self._output.fileno(), False)
        while time.monotonic() < deadline:
            self._log.trim()
            if not is_readable([self._output.fileno()], 1.0):
                continue
            data = os.read(self._output.fileno(), _READ_BYTES)
            if not data:
                raise ModelUnavailable(self._died_while_loading())
            for message in self._inbox.feed(data):
                if message["op"] == "ready":
                    self.facts = message
                    if message["memory"] is not None:
                        self._learn(message["memory"])
                    return self.facts
                if message["op"] == "failed":
                    self._log.note(message["traceback"])
                    self.close()
                    raise ModelUnavailable(f"{message['message']} (traceback in {self._log.path})")
        self.close()
        raise ModelUnavailable(f"the model did not load within {limit_s:.0f} s; its log is {self._log.path}")

    def fileno(self) -> int | None:
        """The descriptor on which answers arrive."""
        return self._output.fileno()

    def ask(self, message: Message) -> None:
        """Send one batch; a worker that died meanwhile is noticed by :meth:`answers`."""
        self.is_busy = True
        self._asked_at = time.monotonic()
        self._watch.restart()
        self._log.trim()
        with contextlib.suppress(BrokenPipeError):
            send(self._input, message)

    def answers(self) -> list[Message]:
        """The answers that have arrived; raises Failure (crashed) where the process is gone."""
        arrived: list[Message] = []
        while True:
            try:
                data = os.read(self._output.fileno(), _READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                if arrived:
                    break
                raise self._death()
            arrived += [message for message in self._inbox.feed(data) if message["op"] == "answer"]
        if arrived:
            self.is_busy = False
        for message in arrived:
            if message["memory"] is not None:
                self._learn(message["memory"])
        return arrived

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def check(self, left_s: float, limit_s: float) -> Failure | None:
        """Kill the worker where the batch takes too long, uses no CPU, or too much memory."""
        if not self.is_busy or is_readable([self._output.fileno()], 0.0):
            return None  # what lies in the pipe may be the answer: it is read first
        if not self.is_alive():  # and what it started holds the pipe open
            return self._death()
        self._log.trim()
        elapsed = time.monotonic() - self._asked_at
        usage = self._watch.look()
        failure = None
        if usage.memory_bytes > self._memory_bytes:
            used, allowed = usage.memory_bytes / 1e9, self._memory_bytes / 1e9
            failure = Failure("out_of_memory", f"the worker held {used:.1f} GB, allowed are {allowed:.1f} GB")
        elif elapsed > left_s:
            failure = Failure("timeout", f"no answer within the time limit of {limit_s:g} s")
        elif usage.idle_s > NO_CPU_LIMIT_S and self.facts["capabilities"]["device"] == "cpu":
            failure = Failure("timeout", f"no answer, and no CPU use for {NO_CPU_LIMIT_S:.0f} s: it hangs")
        if failure is not None:
            self.close()
        return failure

    def close(self) -> None:
        """Kill the process and its group; they hold nothing that is not also on this side."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._log.trim(fully=True)

    @property
    def pid(self) -> int:
        """Process id, also of the group."""
        return self._process.pid

    @property
    def _input(self) -> Any:
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None  # Popen was given a pipe
        return self._process.stdout

    def _death(self) -> Failure:
        peak = self._watch.peak_bytes
        code = self._process.wait()
        how = f"killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        tail = self._log.last_lines()
        if code == -signal.SIGKILL and peak > 0.7 * self._memory_bytes:
            return Failure("out_of_memory", f"the worker was {how} while it held {peak / 1e9:.1f} GB", tail)
        return Failure("crashed", f"the worker died: {how}", tail)

    def _died_while_loading(self) -> str:
        code = self._process.wait()
        lines = self._log.last_lines().strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        return f"the worker ended with exit code {code} while it loaded the model{last} (log: {self._log.path})"


class LocalWorker:
    """A model in this very process: an ASE calculator that the caller passed; no limit can be enforced on it."""

    def __init__(self, loaded: Loaded, threads: int) -> None:
        self._loaded = loaded
        self._answers: list[Message] = []
        self.facts: Mapping[str, Any] = facts(loaded, {"threads": threads})
        self.is_busy = False

    def fileno(self) -> int | None:
        """Nothing to wait on."""
        return None

    def ask(self, message: Message) -> None:
        """Answer on the spot."""
        self._answers.append(answer(self._loaded, message))
        self.is_busy = True

    def answers(self) -> list[Message]:
        """The answer to the batch."""
        arrived, self._answers, self.is_busy = self._answers, [], False
        return arrived

    def is_alive(self) -> bool:
        """As long as this process is."""
        return True

    def check(self, left_s: float, limit_s: float) -> Failure | None:
        """Nothing can be checked: the answer came before the question was over."""
        return None

    def close(self) -> None:
        """The calculator belongs to the caller."""


class _Usage:
    def __init__(self, memory_bytes: int, idle_s: float) -> None:
        self.memory_bytes = memory_bytes
        self.idle_s = idle_s


class _Watch:
    """Memory and CPU use of a process and all that it started."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s = -1.0
        self._since = time.monotonic()
        self.peak_bytes = 0

    def restart(self) -> None:
        """Count idleness from now."""
        self._since = time.monotonic()

    def look(self) -> _Usage:
        """Resident bytes now, and seconds since the CPU time last grew."""
        memory, cpu = 0, 0.0
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    cpu += times.user + times.system
                    memory += process.memory_info().rss
        self.peak_bytes = max(self.peak_bytes, memory)
        # The heartbeat alone costs far less than a hundredth of a second per second.
        if cpu > self._cpu_s + 0.02 or cpu < self._cpu_s:
            self._cpu_s, self._since = cpu, time.monotonic()
        return _Usage(memory, time.monotonic() - self._since)


def _environment(source: Path, threads: int) -> dict[str, str]:
    """The worker's environment variables: our source first, a fixed number of threads."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    pools = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {
        **kept,
        **pools,
        "PYTHONPATH": str(source),
        "PYTHONSAFEPATH": "1",  # a file in the current folder must not stand in for a module
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
    }


def is_readable(files: Sequence[int], timeout_s: float) -> list[int]:
    """Those of the descriptors that can be read, or whose other end is gone."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return [file for file, _ in poll.poll(timeout_s * 1000)]


def describe(error: BaseException) -> Failure:
    """An unforeseen exception as a failure of kind bug."""
    text = "".join(traceback.format_exception(error))
    first = str(error).strip().splitlines()
    return Failure("bug", f"{type(error).__name__}: {first[0]}" if first else type(error).__name__, text)
