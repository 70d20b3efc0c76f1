"""The files that hold a model's weights: fetched once, given by the user, and never believed without their hash.

A hash that the card states is enforced. One that it does not state is recorded when the file is first used under the
model's name, and enforced from then on. A user's own checkpoint may change: its hash is its identity.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forcegauge.download import Remote, download
from forcegauge.errors import BadInput, ModelUnavailable
from forcegauge.folders import cache_folder
from forcegauge.models import archives
from forcegauge.models.base import weights_sha256
from forcegauge.models.environments import write_whole
from forcegauge.models.registry import Entry


def provided(entry: Entry) -> Entry:
    """The card with its weights on this machine and their hash; fetched first where nobody gave a file.

    A model whose package brings the weights, or that has none, comes back as it is.

    Raises:
        ModelUnavailable: there is no adapter, nobody may fetch the weights, or they are not the right ones.
        DataUnavailable: they are neither in the cache, nor in a mirror, nor on the network.
    """
    if not entry.adapter and not entry.factory:
        raise ModelUnavailable(
            f"{entry.name} is declared only: ForceGauge has no adapter for it; run its ASE calculator by --calculator "
            f"package.module:factory and --python (weights: {entry.weights})"
        )
    if not entry.format:
        return entry
    path = Path(entry.file) if entry.file else _fetched(entry)
    if not path.exists():
        raise BadInput(f"{entry.name}: there is no file {path}; give {entry.adapter}:/path/to/file")
    return replace(entry, file=str(path), sha256=_enforced(entry, path))


def _fetched(entry: Entry) -> Path:
    remedy = f"give the file yourself: --models {entry.name}:/path/to/file"
    if not entry.url:
        raise ModelUnavailable(f"the weights of {entry.name} cannot be fetched ({entry.weights}); {remedy}")
    if entry.url.startswith(archives.SCHEME):
        path = cache_folder() / "weights" / entry.name / Path(entry.url).name
        if not path.exists():
            archives.fetch(entry.url, path, remedy)
        return path
    folder = cache_folder() / "weights" / entry.name
    for url in [f"{entry.url}/{file}" for file in entry.files] or [entry.url]:
        remote = Remote(f"the weights file of {entry.name}", url, "" if entry.files else entry.sha256, remedy=remedy)
        path = folder / remote.file_name
        if not path.exists():
            download(remote, path)
    return folder if entry.files else path


def _enforced(entry: Entry, path: Path) -> str:
    """The file's hash, which is the stated or the recorded one."""
    found = weights_sha256(path)
    record = cache_folder() / "weights" / f"{entry.name}.sha256"
    known, source = entry.sha256, "the card says"
    if not known and not entry.own:
        if record.exists():
            known, source = record.read_text(encoding="utf-8").strip(), f"first use recorded (in {record})"
        else:
            write_whole(record, found + "\n")
    if known and known != found:
        raise ModelUnavailable(
            f"{entry.name}: {path} has SHA-256 {found}, {source} {known}; it was not opened: delete what is wrong of "
            f"the two, or run the file under a name of its own: --models NAME={entry.name}:{path}"
        )
    return found


def read_tensors(path: Path, device: str = "cpu") -> Any:
    """What ``torch.save`` stored, tensors and plain containers only; nothing in the file is run.

    Raises ModelUnavailable where it holds anything else.
    """
    import torch

    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "global" in line]
        reason = lines[0] if lines else "not a file of torch.save"
        raise ModelUnavailable(
            f"{path} was to hold plain tensors and holds a pickle that would run code ({reason}); it is refused: "
            "save the model's state dictionary, or get the file from its publisher"
        ) from error


def no_such_head(family: str, head: str | None, heads: Sequence[str]) -> str:
    """One line on a head that the network lacks, or that was not given; ``heads`` is empty where it has but one."""
    asked = f"has no head {head}" if head else "has several heads, and none was chosen"
    if not heads:
        return f"the {family} checkpoint {asked}: it has one without a name; give it as {family}:/path/to/file"
    return f"the {family} checkpoint {asked}: it has {', '.join(heads)}; give it as {family}@HEAD:/path/to/file"
