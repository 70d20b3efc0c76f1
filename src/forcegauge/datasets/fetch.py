"""The files of a dataset in the cache, fetched once, and nothing there but what has the registered checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from forcegauge.datasets.base import Card, Source
from forcegauge.download import Remote, download, file_sha256
from forcegauge.folders import cache_folder

State = Literal["ok", "absent", "damaged"]


def fetch(card: Card) -> list[Path]:
    """Local paths of a dataset's files, in the order of its sources; what the cache lacks is fetched first.

    A mirror folder in ``FORCEGAUGE_MIRROR`` is asked before the network. A damaged file in the cache is fetched again.
    """
    paths = []
    for source in card.sources:
        path = local_path(card, source)
        if state(path, source) != "ok":
            download(Remote(f"dataset {card.name}", source.url, source.sha256, source.n_bytes), path)
        paths.append(path)
    return paths


def local_path(card: Card, source: Source) -> Path:
    """Where the cache keeps, or would keep, one file of a dataset."""
    return cache_folder() / "datasets" / card.name / source.file_name


def state(path: Path, source: Source) -> State:
    """Whether a local file is there and has the registered checksum."""
    if not path.is_file():
        return "absent"
    return "ok" if file_sha256(path) == source.sha256 else "damaged"
