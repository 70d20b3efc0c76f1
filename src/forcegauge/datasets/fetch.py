"""Files from the network or a mirror into the cache, and nothing there but what has the registered checksum."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

from forcegauge.datasets.base import Card, Source
from forcegauge.errors import BadInput, ChecksumMismatch, DataUnavailable
from forcegauge.folders import cache_folder

State = Literal["ok", "absent", "damaged"]

_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_MIRROR = "FORCEGAUGE_MIRROR"


def fetch(card: Card) -> list[Path]:
    """Local paths of a dataset's files, in the order of its sources; what the cache lacks is fetched first.

    A mirror folder in ``FORCEGAUGE_MIRROR`` is asked before the network. A damaged file in the cache is fetched again.
    """
    paths = []
    for source in card.sources:
        path = local_path(card, source)
        if state(path, source) != "ok":
            _fetch_one(card, source, path)
        paths.append(path)
    return paths


def local_path(card: Card, source: Source) -> Path:
    """Where the cache keeps, or would keep, one file of a dataset."""
    return cache_folder() / "datasets" / card.name / source.file_name


def state(path: Path, source: Source) -> State:
    """Whether a local file is there and has the registered checksum."""
    if not path.is_file():
        return "absent"
    return "ok" if _sha256(path) == source.sha256 else "damaged"


def _fetch_one(card: Card, source: Source, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as scratch:
            temporary = Path(scratch.name)
            try:
                found, origin = _copy(card, source, scratch)
                scratch.flush()
                os.fsync(scratch.fileno())
                if found != source.sha256:
                    raise ChecksumMismatch(_mismatch(card, source, origin, found))
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataUnavailable(
            f"dataset {card.name}: cannot write {path} ({error.strerror}); set FORCEGAUGE_CACHE to a folder with room "
            f"that you may write"
        ) from error


def _copy(card: Card, source: Source, target: IO[bytes]) -> tuple[str, str]:
    """Copy a source's bytes; the checksum of what came and where it came from."""
    checksum = hashlib.sha256()
    with _opened(card, source) as (stream, origin), _progress(card, source) as advance:
        while True:
            try:
                block = stream.read(_BLOCK_BYTES)
            except OSError as error:
                raise DataUnavailable(f"dataset {card.name}: {origin} broke off ({error}); try again") from error
            if not block:
                return checksum.hexdigest(), origin
            checksum.update(block)
            target.write(block)
            advance(len(block))


@contextmanager
def _opened(card: Card, source: Source) -> Iterator[tuple[IO[bytes], str]]:
    mirrored = _mirrored(source)
    if mirrored is not None and mirrored.is_file():
        with mirrored.open("rb") as stream:
            yield stream, str(mirrored)
        return
    try:
        response = urllib.request.urlopen(source.url, timeout=_TIMEOUT_S)
    except (urllib.error.URLError, OSError) as error:
        looked = f"not in the mirror ({mirrored})" if mirrored else f"no mirror ({_MIRROR} is not set)"
        reason = getattr(error, "reason", error)
        raise DataUnavailable(
            f"dataset {card.name} is not in the cache, {looked}, and {source.url} does not answer ({reason}); "
            f"fetch it where there is a network, or set {_MIRROR} to a folder that holds host/path of that address"
        ) from error
    with response:
        yield response, source.url


def _mirrored(source: Source) -> Path | None:
    """The mirror's file for an address; the environment variable names a folder of ``host/path`` files."""
    folder = os.environ.get(_MIRROR, "")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise BadInput(f"{_MIRROR} is {folder}, which is no folder; give one that holds host/path, or unset it")
    address = urlsplit(source.url)
    return Path(folder) / address.netloc / address.path.lstrip("/")


def _mismatch(card: Card, source: Source, origin: str, found: str) -> str:
    return (
        f"dataset {card.name}: {origin} has SHA-256 {found}, expected {source.sha256}; nothing was kept. "
        f"Fetch again; if it stays, the file was changed at its source or in the mirror"
    )


@contextmanager
def _progress(card: Card, source: Source) -> Iterator[Callable[[int], None]]:
    """A function to tell of arriving bytes; draws a bar where a person watches a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        yield partial(bar.advance, bar.add_task(f"{card.name}: {source.file_name}", total=source.n_bytes))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
