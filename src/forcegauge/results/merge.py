"""Several stores into one: the union by key, and a rule for keys that more than one of them answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from forcegauge.encoding import pack
from forcegauge.errors import BadInput
from forcegauge.records import Case, PublishedMetric, Raw, Record
from forcegauge.results.store import Store

_BATCH = 500  # commits per transaction


@dataclass
class Merged:
    """What became of the incoming records.

    Args:
        n_new: their key was not there.
        n_replaced: they took the place of an earlier failure.
        n_kept: what was there stayed.
        n_conflicts: of those, raw arrays that differ from the raw arrays that were there.
        first_conflict: key of the first of them; empty where there is none.
        n_published: numbers of others, without records, that were not there or not from that file.
        n_published_kept: those that stayed.
    """

    n_new: int = 0
    n_replaced: int = 0
    n_kept: int = 0
    n_conflicts: int = 0
    first_conflict: str = ""
    n_published: int = 0
    n_published_kept: int = 0

    def describe(self, to: Path) -> str:
        """The counts as a line, for people; further ones for published numbers and conflicts."""
        records = f"{self.n_new} records new, {self.n_replaced} in place of a failure, {self.n_kept} there already"
        numbers = f"{self.n_published} published numbers new, {self.n_published_kept} there already"
        has_numbers = self.n_published + self.n_published_kept > 0
        has_records = self.n_new + self.n_replaced + self.n_kept > 0 or not has_numbers
        line = "\n".join(f"{to}: {text}" for text in [records] * has_records + [numbers] * has_numbers)
        if self.n_conflicts:
            line += (
                f"\n{self.n_conflicts} of them have other raw arrays than those there, which were kept; the first is "
                f"{self.first_conflict}"
            )
        return line


def merge(sources: Sequence[Path], to: Path) -> Merged:
    """Write the union of ``sources`` to the folder ``to``, which may hold results already; the sources stay the same.

    Of two answers to one key, raw arrays beat a failure, a final failure beats one that the next run tries again, and
    else the newer counts. Different raw arrays under one key are a conflict: the first are kept, what ``to`` holds
    counting as the first. Sources of an older schema are brought up to date on the way.

    Raises:
        BadInput: no source.
        StoreError: a source or ``to`` cannot be used; nothing has been written if it is a source.
    """
    if not sources:
        raise BadInput("nothing to merge: name at least one results folder")
    merged = Merged()
    with ExitStack() as stack:
        opened = [stack.enter_context(Store.open(source)) for source in sources if source.resolve() != to.resolve()]
        target = stack.enter_context(Store.writer(to))
        for source in opened:
            for protocol in source.protocols():
                target.add_protocol(protocol)
            target.add_plan(source.planned())
            add_published(target, source.published(), merged)
            taken = absorb(target, source.entries(), source.case, merged)
            copy_trajectories(source.trajectories, target, taken)
    return merged


def absorb(
    target: Store, entries: Iterable[tuple[Record, str]], case: Callable[[str], Case], merged: Merged
) -> set[str]:
    """Commit records to a store by the rule of :func:`merge`; the keys of those that it took.

    Args:
        target: a writer.
        entries: records, each with the digest of its case.
        case: gives the case of a digest.
        merged: what the counts are added to.
    """
    there = set(target.finished())
    taken: set[str] = set()
    stream = iter(entries)
    while batch := list(islice(stream, _BATCH)):
        with target.transaction():
            for record, case_digest in batch:
                known = target.record(record.key) if record.key in there else None
                if known is not None and not _beats(record, known):
                    _count_kept(record, known, merged)
                    continue
                target.commit(record, case(case_digest))
                there.add(record.key)
                merged.n_new += known is None
                merged.n_replaced += known is not None
                taken.add(record.key)
    return taken


def add_published(target: Store, metrics: Sequence[PublishedMetric], merged: Merged, *, replace: bool = False) -> None:
    """Keep numbers of others in a store, see :meth:`Store.add_published`; the counts are added to ``merged``."""
    new = target.add_published(metrics, replace=replace)
    merged.n_published += new
    merged.n_published_kept += len(metrics) - new


def copy_trajectories(folder: Path, target: Store, keys: set[str]) -> None:
    """Copy the trajectory files of some keys into a store, and of keys that it has no record and no file of."""
    there = target.finished()
    names = {_key(path) for path in target.trajectories.iterdir()}
    for path in sorted(path for path in folder.glob("*") if path.is_file()):
        if _key(path) in keys or not (_key(path) in there or _key(path) in names):
            shutil.copy2(path, target.trajectories / path.name)


def _beats(record: Record, known: Record) -> bool:
    new, old = record.outcome, known.outcome
    if isinstance(old, Raw):
        return False
    if isinstance(new, Raw) or new.is_final != old.is_final:
        return isinstance(new, Raw) or new.is_final
    return record.finished_at > known.finished_at


def _count_kept(record: Record, known: Record, merged: Merged) -> None:
    merged.n_kept += 1
    new, old = record.outcome, known.outcome
    if isinstance(new, Raw) and isinstance(old, Raw) and pack(dict(new.arrays)) != pack(dict(old.arrays)):
        merged.n_conflicts += 1
        merged.first_conflict = merged.first_conflict or record.key


def _key(path: Path) -> str:
    return path.name.partition(".")[0]
