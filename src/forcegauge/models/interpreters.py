"""What a Python interpreter says of itself, in one line of error where it says nothing sensible."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forcegauge.errors import ModelUnavailable

CORE_PACKAGES = ("numpy", "scipy", "ase")
"""What a worker needs beside the model's own package."""
OLDEST = (3, 11)
"""The first Python that a worker runs on."""

# How packages got in does not change what they compute, and adapters have versions of their own.
_TOOLS = ("pip", "setuptools", "wheel", "uv", "forcegauge")
_LIMIT_S = 120.0
_SCRIPT = f"""
import json, platform, sys
packages, lacking = {{}}, []
if sys.version_info >= (3, 8):
    import importlib.metadata, importlib.util
    for one in importlib.metadata.distributions():
        if one.metadata["Name"]:
            packages[one.metadata["Name"].lower().replace("_", "-")] = one.version
    lacking = [name for name in {CORE_PACKAGES!r} if importlib.util.find_spec(name) is None]
print("\\n" + json.dumps({{"python": platform.python_version(), "packages": packages, "lacking": lacking}}))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that runs.

    Args:
        python: its version.
        packages: version by name of all that is installed, in the order of the names, tools of installing left out.
        lacking: those of :data:`CORE_PACKAGES` that cannot be imported.
    """

    python: str
    packages: Mapping[str, str]
    lacking: tuple[str, ...]

    @property
    def is_old(self) -> bool:
        """Whether a worker cannot run on it."""
        return tuple(int(part) for part in self.python.split(".")[:2]) < OLDEST


def question(python: Path) -> Interpreter:
    """What the interpreter says; raises ModelUnavailable, one line, where it does not run or talks nonsense."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _SCRIPT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_S,
        )
    except OSError as error:
        raise _useless(python, error.strerror or str(error)) from None
    except subprocess.TimeoutExpired:
        raise _useless(python, f"no answer within {_LIMIT_S:.0f} s") from None
    try:
        said = json.loads(done.stdout.splitlines()[-1])
        packages = {name: version for name, version in sorted(said["packages"].items()) if name not in _TOOLS}
        return Interpreter(said["python"], packages, tuple(said["lacking"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        lines = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        raise _useless(python, f"exit code {done.returncode}, it said: {lines[-1][:200]}") from None


def _useless(python: Path, reason: str) -> ModelUnavailable:
    return ModelUnavailable(f"{python} does not run as a Python interpreter: {reason}; give the path of one")
