"""Where pip looks for packages, said to uv: else it takes a wheel from the public index that pip would not take.

uv reads neither pip's configuration nor its environment variables. Where those name a mirror, or a folder of wheels
built for this machine, the two installers would make different environments under one name.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Mapping

_OF_UV = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
_OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
_STRENGTH = ("global", "install", ":env:")  # what pip believes more comes later


def uv_arguments(python: str) -> list[str]:
    """Arguments of ``uv pip install`` that name pip's sources; none where uv was told its own, or pip has none.

    Args:
        python: an interpreter that has pip; without pip there is nothing to say.
    """
    if any(os.environ.get(name) for name in _OF_UV):
        return []
    asked = [python, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    found = _options(subprocess.run(asked, capture_output=True, text=True).stdout)
    arguments = [
        part for name, given in _OPTIONS.items() for one in found.get(name, "").split() for part in (given, one)
    ]
    if found.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        arguments.append("--no-index")
    # pip takes the best version of all indexes, uv by itself that of the first index that has any.
    return [*arguments, "--index-strategy", "unsafe-best-match"] if arguments else []


def _options(listed: str) -> Mapping[str, str]:
    """Value by option from the lines of ``pip config list``, such as ``global.find-links='/opt/wheels'``."""
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listed.splitlines() if "=" in line]
    for section in _STRENGTH:
        for key, _, value in lines:
            place, _, option = key.rpartition(".")
            if place == section:
                found[option] = str(ast.literal_eval(value))
    return found
