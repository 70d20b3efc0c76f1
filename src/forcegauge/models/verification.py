"""Whether a model really answers in its environment: one force call in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Literal

from forcegauge.errors import ModelUnavailable
from forcegauge.folders import cache_folder
from forcegauge.models import environments, weights
from forcegauge.models.registry import Entry

Status = Literal["verified here", "loads", "declared only"]

_TIME_LIMIT_S = 600.0


def verify(entry: Entry, installed: environments.Installed) -> dict[str, Any]:
    """What came back from one force call of the model; its facts are remembered with the environment.

    Raises ModelUnavailable where the model does not load or dies; a call that fails is part of what came back.
    """
    entry = weights.provided(entry)
    spec = entry.spec(device="cpu", threads=1)
    answer = _ask(entry.name, spec, installed)
    if "error" in answer:
        raise ModelUnavailable(f"{entry.name} does not load in environment {installed.name}: {answer['error']}")
    if answer["call"]["failure"] is None:
        environments.remember(installed, entry.name, spec, answer["facts"])
        with contextlib.suppress(OSError):  # a cache that others own
            environments.write_whole(_answered(entry, installed), json.dumps(answer["call"]))
    return answer


def status(entry: Entry) -> Status:
    """What is known of a model in the environment that stands now.

    ``verified here``: it answered a force call of ``models install`` or the questions of ``models verify``. ``loads``:
    it was started by a run, or is part of ForceGauge. ``declared only``: all that is known is its card.
    """
    installed = environments.find(entry.environment)
    if installed is None:
        return "declared only"
    asked = cache_folder() / "verification" / entry.name / "records.sqlite"
    if asked.exists() or _answered(entry, installed).exists():
        return "verified here"
    files = (installed.folder / "facts").glob("*.json")
    facts = [path for path in files if re.fullmatch(re.escape(entry.name) + r"-[0-9a-f]{32}", path.stem)]
    return "loads" if facts or entry.environment == environments.CORE else "declared only"


def _answered(entry: Entry, installed: environments.Installed) -> Path:
    return installed.folder / "facts" / f"{entry.name}.answered"


def _ask(name: str, spec: dict[str, Any], installed: environments.Installed) -> dict[str, Any]:
    clean = {**os.environ, "PYTHONPATH": str(environments.source_copy())}
    try:
        done = subprocess.run(
            [str(installed.python), "-m", "forcegauge.models.probe"],
            input=json.dumps(spec),
            capture_output=True,
            text=True,
            env=clean,
            timeout=_TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(f"{name} gave no answer within {_TIME_LIMIT_S:.0f} s") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ModelUnavailable(f"{name} died in environment {installed.name} (exit code {done.returncode}): {said}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer
