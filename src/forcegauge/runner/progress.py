"""What a person sees of a run: a bar per model and benchmark on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from forcegauge.records import Failure, Raw


class Reporter(Protocol):
    """Told what happens, in the order in which it happens."""

    def begin(self, model: str, benchmark: str, total: int, done: int) -> None:
        """A model is about to be asked ``total`` cases of a benchmark, ``done`` of which the store already has."""

    def advance(self, model: str, benchmark: str, outcome: Raw | Failure | None) -> None:
        """One more case is finished and stored."""

    def say(self, text: str) -> None:
        """A line that does not fit elsewhere: a model is loading, a worker died."""

    def close(self) -> None:
        """The run is over."""


class Silent:
    """Says nothing, for programs."""

    def begin(self, model: str, benchmark: str, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, model: str, benchmark: str, outcome: Raw | Failure | None) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


class Bars:
    """Progress bars with the time left, for a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._failed: dict[tuple[str, str], int] = {}
        self._progress.start()

    def begin(self, model: str, benchmark: str, total: int, done: int) -> None:
        """Show a bar."""
        if (model, benchmark) not in self._tasks:
            label = f"{escape(model)} · {escape(benchmark)}"
            self._tasks[model, benchmark] = self._progress.add_task(label, failed="")
        self._progress.update(self._tasks[model, benchmark], total=total, completed=done)

    def advance(self, model: str, benchmark: str, outcome: Raw | Failure | None) -> None:
        """Move a bar by one."""
        bar = self._tasks[model, benchmark]
        if _has_failed(outcome):
            count = self._failed[model, benchmark] = self._failed.get((model, benchmark), 0) + 1
            self._progress.update(bar, failed=f"{count} failed")
        self._progress.advance(bar)

    def say(self, text: str) -> None:
        """Print above the bars."""
        self._progress.console.print(escape(text), highlight=False)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._progress.stop()


class Lines:
    """A line when a benchmark begins, every ``every_s`` seconds, and when it ends: for logs and batch jobs."""

    def __init__(self, stream: TextIO, every_s: float = 30.0) -> None:
        self._stream = stream
        self._every_s = every_s
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._began: dict[tuple[str, str], tuple[float, int]] = {}
        self._last = time.monotonic()

    def begin(self, model: str, benchmark: str, total: int, done: int) -> None:
        """Say how much there is to do."""
        self._counts[model, benchmark] = [done, total, 0]
        self._began[model, benchmark] = (time.monotonic(), done)
        self.say(f"{model} · {benchmark}: {total - done} of {total} cases to do")

    def advance(self, model: str, benchmark: str, outcome: Raw | Failure | None) -> None:
        """Count, and speak where it is time to."""
        counts = self._counts[model, benchmark]
        counts[0] += 1
        counts[2] += _has_failed(outcome)
        if counts[0] == counts[1] or time.monotonic() - self._last > self._every_s:
            self._last = time.monotonic()
            self.say(self._line(model, benchmark))

    def say(self, text: str) -> None:
        """Print a line."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is left open."""

    def _line(self, model: str, benchmark: str) -> str:
        done, total, failed = self._counts[model, benchmark]
        start, before = self._began[model, benchmark]
        elapsed = time.monotonic() - start
        left = elapsed / max(done - before, 1) * (total - done)
        ending = f", {failed} failed" if failed else ""
        rest = f", about {_duration(left)} left" if done < total else f" in {_duration(elapsed)}"
        return f"{model} · {benchmark}: {done}/{total}{ending}{rest}"


def reporter(stream: TextIO | None = None) -> Reporter:
    """Bars where the stream is a terminal, lines elsewhere; standard error by default, so output stays clean."""
    stream = stream or sys.stderr
    return Bars(Console(file=stream)) if stream.isatty() else Lines(stream)


def _has_failed(outcome: Raw | Failure | None) -> bool:
    """An element that the model was not made for is no failure of the run."""
    return isinstance(outcome, Failure) and outcome.kind != "unsupported_element"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
