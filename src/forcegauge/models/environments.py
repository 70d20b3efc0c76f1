"""The environments that models live in: made once, frozen into a lock, found again, removed. Runs on ForceGauge's side.

An environment is a virtual environment in the cache, named by the hash of its pins, Python, platform and accelerator.
Its manifest is written last, so a folder without one is what an interrupted build left, and is built anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from forcegauge.encoding import digest
from forcegauge.errors import ModelUnavailable, UnknownName
from forcegauge.folders import cache_folder
from forcegauge.models.indexes import uv_arguments
from forcegauge.models.interpreters import CORE_PACKAGES, OLDEST, question

CORE = "core"
_MANIFEST = "forcegauge-environment.json"
_ALONE = " --no-deps"
_SETTING = re.compile(r"[A-Z][A-Z0-9_]*=[^=].*")
_SHOWN_LINES = 12
_NOT_FOR_BUILDS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
_FULL_BYTES = 16 * 2**20  # with less on the disk, whatever else is said of a build, this is why it failed


@dataclass(frozen=True)
class Installed:
    """An environment that can be used.

    Args:
        name: as in ``environments.toml``.
        python: its interpreter.
        lock: version by package name.
        lock_digest: hash of the lock and the Python version; part of every record's key.
        folder: where it and what is remembered about it lie.
    """

    name: str
    python: Path
    lock: Mapping[str, str]
    lock_digest: str
    folder: Path


@dataclass(frozen=True)
class Occupied:
    """A folder in the cache, for the table of what is installed.

    Args:
        name: of the environment.
        folder: where it is.
        size_bytes: on disk.
        complete: False where an interrupted build left it.
    """

    name: str
    folder: Path
    size_bytes: int
    complete: bool


def requirements(name: str) -> list[str]:
    """The pins of an environment, of all parts of a name such as ``mace+d3``; raises UnknownName."""
    known = _environments()
    for part in name.split("+"):
        if part not in known:
            raise UnknownName("environment", part, known)
    return list(dict.fromkeys(pin for part in name.split("+") for pin in known[part]["requirements"]))


def names() -> list[str]:
    """Every environment's name."""
    return list(_environments())


@functools.cache
def _environments() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "environments.toml").read_text(encoding="utf-8"))


def ensure(name: str) -> Installed:
    """The environment, built if it is not there; waits where another process is building it.

    Raises:
        ModelUnavailable: it does not build; the last lines of the output and the log's path are in the message.
    """
    pins = requirements(name)
    if name == CORE:
        return _core()
    folder = folder_of(name)
    found = _read(name, folder)
    if found:
        return found
    with _exclusive(folder.with_suffix(".lock"), f"waiting for another process that builds environment {name}") as lock:
        return _read(name, folder) or _build(name, pins, folder, lock)


def find(name: str) -> Installed | None:
    """The environment if it is there, built by nobody."""
    requirements(name)
    return _core() if name == CORE else _read(name, folder_of(name))


def interpreter(python: Path) -> Installed:
    """A user's own interpreter, locked by all that is installed in it.

    Raises ModelUnavailable where it does not run, is too old for a worker, or lacks what a worker needs.
    """
    found = question(python)
    if found.is_old:
        oldest = ".".join(map(str, OLDEST))
        raise ModelUnavailable(f"{python} is Python {found.python}; a worker needs {oldest} or newer: give another one")
    if found.lacking:
        lacking = " ".join(found.lacking)
        raise ModelUnavailable(
            f"{python} lacks {lacking.replace(' ', ', ')}, which a worker needs: {python} -m pip install {lacking}"
        )
    lock_digest = _lock_digest(found.packages, found.python)
    folder = cache_folder() / "environments" / f"{CORE}-own-{lock_digest[:12]}"
    return Installed("own", python, found.packages, lock_digest, folder)


@functools.cache
def accelerator() -> str:
    """``cpu``, or ``cuda-`` and the major version that the driver offers: what decides which builds of packages run.

    ``FORCEGAUGE_ACCELERATOR`` overrides it, so that a machine without one can build for another that has it.
    """
    chosen = os.environ.get("FORCEGAUGE_ACCELERATOR")
    if chosen:
        return chosen
    version = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    return f"cuda-{version.value // 1000}" if version.value else "cpu"


def folder_of(name: str) -> Path:
    """Where an environment is or will be."""
    place = [requirements(name), platform.python_version(), sys.platform, platform.machine()]
    if accelerator() != "cpu":
        place.append(accelerator())
    return cache_folder() / "environments" / f"{name}-{digest(place)[:12]}"


def _core() -> Installed:
    lock = {package: importlib.metadata.version(package) for package in CORE_PACKAGES}
    lock_digest = _lock_digest(lock, platform.python_version())
    folder = cache_folder() / "environments" / f"{CORE}-{lock_digest[:12]}"
    return Installed(CORE, Path(sys.executable), lock, lock_digest, folder)


def _lock_digest(lock: Mapping[str, str], python: str) -> str:
    return digest({"packages": dict(lock), "python": python})


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def _read(name: str, folder: Path) -> Installed | None:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not _interpreter(folder).exists():  # the Python it was made from is gone
        return None
    return Installed(name, _interpreter(folder), manifest["lock"], manifest["lock_digest"], folder)


def _build(name: str, pins: Sequence[str], folder: Path, lock: int) -> Installed:
    log = folder.with_suffix(".log")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with _progress(f"building environment {name}, once; log: {log}"), log.open("w", encoding="utf-8") as output:
            _install(pins, folder, output, lock)
        found = question(_interpreter(folder))
        manifest = {
            "name": name,
            "requirements": list(pins),
            "python": platform.python_version(),
            "accelerator": accelerator(),
            "lock": found.packages,
            "lock_digest": _lock_digest(found.packages, platform.python_version()),
        }
        write_whole(folder / _MANIFEST, json.dumps(manifest, indent=1))
    except (OSError, ModelUnavailable, subprocess.CalledProcessError) as error:
        reason = _reason(error, folder, log)
        shutil.rmtree(folder, ignore_errors=True)
        raise ModelUnavailable(f"environment {name} does not build: {reason}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    installed = _read(name, folder)
    if installed is None:
        raise ModelUnavailable(f"environment {name} was built, but has no interpreter in {folder}; log: {log}")
    return installed


def _install(pins: Sequence[str], folder: Path, output: TextIO, lock: int) -> None:
    """Fill the folder by uv where there is one, by pip where there is none or uv fails.

    A pin that ends in ``--no-deps`` comes after the others, alone, built with what is installed then: a package whose
    own requirements are wrong, which no check of the environment would accept. A pin such as ``NAME=0``, in capitals,
    is no package but a variable for the builds.
    """
    python = str(_interpreter(folder))
    settings = dict(pin.split("=", 1) for pin in pins if _SETTING.fullmatch(pin))
    together = [pin for pin in pins if not pin.endswith(_ALONE) and not _SETTING.fullmatch(pin)]
    alone = [["--no-deps", "--no-build-isolation", pin.removesuffix(_ALONE)] for pin in pins if pin.endswith(_ALONE)]
    uv = shutil.which("uv") if os.environ.get("FORCEGAUGE_USE_UV", "1") != "0" else None
    if uv:
        commands = [[uv, "venv", "--python", sys.executable, str(folder)]]
        sources = uv_arguments(sys.executable)
        commands += [[uv, "pip", "install", "--python", python, *sources, *asked] for asked in (together, *alone)]
        commands += [] if alone else [[uv, "pip", "check", "--python", python]]
        try:
            return _run(commands, output, lock, settings)
        except subprocess.CalledProcessError:  # it reads other settings than pip, and may not find what pip finds
            output.write("uv failed; once more with pip\n")
            shutil.rmtree(folder, ignore_errors=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    commands = [
        [sys.executable, "-m", "venv", str(folder)],
        *([*pip, "install", *asked] for asked in (together, *alone)),
    ]
    return _run([*commands, *([] if alone else [[*pip, "check"]])], output, lock, settings)


def _run(commands: Sequence[Sequence[str]], output: TextIO, lock: int, settings: Mapping[str, str]) -> None:
    """Run the commands one after another; raises CalledProcessError for the first that fails.

    They hold the lock too: where this process is killed, nobody builds in the same folder while pip still writes there.
    """
    clean = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_BUILDS} | dict(settings)
    for command in commands:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean,
            pass_fds=(lock,),
            check=True,
        )


def _reason(error: Exception, folder: Path, log: Path) -> str:
    """Why a build failed and what to do, on one line; the last lines of the log below it where they say it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_SHOWN_LINES:]
    except OSError:
        lines = []
    cache, temporary = folder.parent, Path(tempfile.gettempdir())
    if _free(cache) < _FULL_BYTES or "No space left on device" in f"{error} {lines}":
        return (
            f"no space left on the device of the cache {cache} ({_free(cache) / 1e9:.1f} GB free) or of temporary "
            f"files {temporary} ({_free(temporary) / 1e9:.1f} GB free); free some, or set FORCEGAUGE_CACHE or TMPDIR"
        )
    if not isinstance(error, subprocess.CalledProcessError):
        return f"{error}; log: {log}"
    said = "".join(f"\n  {line}" for line in lines)
    return f"exit code {error.returncode}; mend what the last lines say and try again; whole log: {log}{said}"


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return sys.maxsize


def write_whole(path: Path, text: str) -> None:
    """The file appears with all its text or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _exclusive(path: Path, waiting: str) -> Iterator[int]:
    """Hold a lock; its file descriptor keeps it for whoever inherits it."""
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"forcegauge: {waiting}", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise ModelUnavailable(f"cannot write to the cache {path.parent}: {error}; set FORCEGAUGE_CACHE") from error
        yield file.fileno()  # closing the file gives the lock back, and so does the death of all that hold it


@contextlib.contextmanager
def _progress(text: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            from rich.console import Console
        except ImportError:
            print(f"forcegauge: {text}", file=sys.stderr)
        else:
            console = Console(stderr=True)
            if console.is_terminal:
                stack.enter_context(console.status(text))
            else:
                console.print(f"forcegauge: {text}", soft_wrap=True, highlight=False)
        yield


def installed() -> list[Occupied]:
    """Every environment in the cache, complete or not, with its size."""
    root = cache_folder() / "environments"
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return [
        Occupied(folder.name.rpartition("-")[0], folder, _size(folder), (folder / _MANIFEST).exists())
        for folder in folders
        if not folder.name.startswith(f"{CORE}-")
    ]


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def remove(name: str) -> int:
    """Delete an environment, every version of its pins; returns the bytes freed, 0 where there was none."""
    requirements(name)
    freed = 0
    for one in installed():
        if one.name == name:
            with _exclusive(one.folder.with_suffix(".lock"), f"waiting for the build of environment {name}"):
                freed += one.size_bytes
                (one.folder / _MANIFEST).unlink(missing_ok=True)  # from here on it counts as unfinished
                shutil.rmtree(one.folder, ignore_errors=True)
    return freed


def remember(environment: Installed, model: str, spec: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Keep what a model said of itself, so that keys can be computed without starting a worker.

    The facts hold for this source of ForceGauge, this environment and this specification. On a full disk, or in a
    cache that others own, nothing is kept, and the model is asked again.
    """
    with contextlib.suppress(OSError):
        write_whole(_memory(environment, model, spec), json.dumps(facts, indent=1))


def recall(environment: Installed, model: str, spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was remembered, None where nothing was."""
    try:
        facts: dict[str, Any] = json.loads(_memory(environment, model, spec).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts


def _memory(environment: Installed, model: str, spec: Mapping[str, Any]) -> Path:
    decides = {"spec": dict(spec), "source": source_digest(), "lock": environment.lock_digest}
    return environment.folder / "facts" / f"{model}-{digest(decides)}.json"


@functools.cache
def source_digest() -> str:
    """Hash over ForceGauge's own source: what runs in a model's environment can never drift from what runs here."""
    total = hashlib.sha256()
    for path in _source_files():
        total.update(f"{path.relative_to(_package())}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:32]


def source_copy() -> Path:
    """A folder to put on the path of a model's interpreter: it holds ForceGauge's source and nothing else."""
    folder = cache_folder() / "sources" / source_digest()
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as temporary:
            for path in _source_files():
                target = Path(temporary) / "whole" / "forcegauge" / path.relative_to(_package())
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            try:
                (Path(temporary) / "whole").replace(folder)
            except OSError:
                if not folder.exists():  # else another process was faster, with the same bytes
                    raise
    except OSError as error:
        raise ModelUnavailable(f"cannot write to the cache {folder.parent}: {error}; set FORCEGAUGE_CACHE") from error
    return folder


def _package() -> Path:
    return Path(__file__).resolve().parents[1]


def _source_files() -> list[Path]:
    return sorted(path for path in _package().rglob("*") if path.suffix in (".py", ".toml") and path.is_file())
