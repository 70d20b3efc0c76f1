"""One file from the network or a mirror, whole or not at all, and nothing that has not the checksum it should."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from forcegauge.errors import BadInput, ChecksumMismatch, DataUnavailable

_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_MIRROR = "FORCEGAUGE_MIRROR"


@dataclass(frozen=True)
class Remote:
    """A file on the network.

    Args:
        what: what it is, for messages, such as ``dataset wbm-1000``.
        url: ``https://host/path``.
        sha256: of its bytes, empty where nobody knows.
        n_bytes: its size, 0 where nobody knows.
        remedy: another way to come by it, half a sentence.
    """

    what: str
    url: str
    sha256: str = ""
    n_bytes: int = 0
    remedy: str = ""

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(remote: Remote, path: Path) -> None:
    """Put the file at ``path``, from the mirror folder in ``FORCEGAUGE_MIRROR`` or else the network.

    Raises DataUnavailable where it cannot be had, ChecksumMismatch where it is not what it should be; then nothing is
    kept, and what was at ``path`` stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as scratch:
            temporary = Path(scratch.name)
            try:
                found, origin = _copy(remote, scratch)
                scratch.flush()
                os.fsync(scratch.fileno())
                if remote.sha256 and found != remote.sha256:
                    raise ChecksumMismatch(
                        f"{remote.what}: {origin} has SHA-256 {found}, expected {remote.sha256}; nothing was kept. "
                        f"Fetch again; if it stays, the file was changed at its source or in the mirror"
                    )
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataUnavailable(
            f"{remote.what}: cannot write {path} ({error.strerror}); set FORCEGAUGE_CACHE to a folder with room "
            f"that you may write"
        ) from error


def _copy(remote: Remote, target: IO[bytes]) -> tuple[str, str]:
    """Copy the bytes; the checksum of what came and where it came from."""
    checksum = hashlib.sha256()
    with _opened(remote) as (stream, origin), _progress(remote) as advance:
        while True:
            try:
                block = stream.read(_BLOCK_BYTES)
            except OSError as error:
                raise DataUnavailable(f"{remote.what}: {origin} broke off ({error}); try again") from error
            if not block:
                return checksum.hexdigest(), origin
            checksum.update(block)
            target.write(block)
            advance(len(block))


@contextmanager
def _opened(remote: Remote) -> Iterator[tuple[IO[bytes], str]]:
    mirrored = _mirrored(remote)
    if mirrored is not None and mirrored.is_file():
        with mirrored.open("rb") as stream:
            yield stream, str(mirrored)
        return
    try:
        response = urllib.request.urlopen(remote.url, timeout=_TIMEOUT_S)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        looked = f"not in the mirror ({mirrored})" if mirrored else f"no mirror ({_MIRROR} is not set)"
        reason = getattr(error, "reason", error)
        other = f", or {remote.remedy}" if remote.remedy else ""
        raise DataUnavailable(
            f"{remote.what} is not in the cache, {looked}, and {remote.url} does not answer ({reason}); "
            f"fetch it where there is a network, or set {_MIRROR} to a folder that holds host/path of that address"
            f"{other}"
        ) from error
    with response:
        yield response, remote.url


def _mirrored(remote: Remote) -> Path | None:
    """The mirror's file for an address; the environment variable names a folder of ``host/path`` files."""
    folder = os.environ.get(_MIRROR, "")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise BadInput(f"{_MIRROR} is {folder}, which is no folder; give one that holds host/path, or unset it")
    address = urlsplit(remote.url)
    return Path(folder) / address.netloc / address.path.lstrip("/")


@contextmanager
def _progress(remote: Remote) -> Iterator[Callable[[int], None]]:
    """A function to tell of arriving bytes; draws a bar where a person watches a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        yield partial(bar.advance, bar.add_task(f"{remote.what}: {remote.file_name}", total=remote.n_bytes or None))
