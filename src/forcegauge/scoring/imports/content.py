"""What a published file holds, read and checked, before anything is written."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forcegauge.benchmarks import registry
from forcegauge.errors import BadInput
from forcegauge.records import Case, Failure, PublishedMetric, Raw

_NO_NUMBER = ("", "nan", "n/a")
_LARGEST_COUNT = 1e15  # whole numbers are exact there, and fit the store


@dataclass(frozen=True)
class File:
    """A file's bytes and what they are known by.

    Args:
        path: where it lies.
        content: all of it.
    """

    path: Path
    content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> File:
        """The whole file; raises BadInput where it cannot be read."""
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            raise BadInput(f"cannot read {path} ({error.strerror}): give the path of a published file") from error

    @property
    def sha256(self) -> str:
        """Of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def refused(self, reason: str) -> BadInput:
        """The error for a file that does not fit: what is wrong, and what to do."""
        return BadInput(f"{self.path}: {reason}; nothing was imported")


@dataclass(frozen=True)
class Curves:
    """One model's published answers to a benchmark.

    Args:
        benchmark: that has these cases.
        source: who published them and where.
        published_name: what the file calls the model.
        outcomes: by case id.
    """

    benchmark: str
    source: str
    published_name: str
    outcomes: Mapping[str, Raw | Failure]


def model_name(published: str) -> str:
    """A published name in the form of ours: ``MACE-MP(M)`` becomes ``mace-mp-m``."""
    return re.sub(r"[^a-z0-9.+]+", "-", published.lower()).strip("-")


def cases_of(file: File, benchmark: str, names: Iterable[str]) -> dict[str, Case]:
    """The benchmark's own cases of some ids; those that need a download are only looked for where they are needed.

    Raises BadInput where the benchmark has no such case, DataUnavailable where its dataset cannot be had.
    """
    bound = registry.get(benchmark)
    wanted, known = set(names), dict[str, Case]()
    for preset in ("quick", "full"):
        known |= {case.id: case for case in bound.cases(bound.settings(preset, "arena"))}
        if wanted <= set(known):
            return {name: known[name] for name in wanted}
    raise file.refused(f"{benchmark} has no case {min(wanted - set(known))!r}; its cases are such as {min(known)!r}")


def read_table(file: File, needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; raises BadInput where a column is missing or a row has another length."""
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise file.refused("this is no table (CSV in UTF-8)") from error
    lines = list(_lines(file, text))
    header = lines[0][1] if lines else []
    missing = [name for name in needed if name not in header]
    if missing or len(set(header)) != len(header):
        found = ", ".join(header[:6]) or "nothing"
        what = f"no column {missing[0]}" if missing else "two columns of one name"
        raise file.refused(f"{what} in its first line, which begins with {found[:80]}")
    if len(lines) == 1:
        raise file.refused("the table has no rows")
    for where, line in lines:
        if len(line) != len(header):
            raise file.refused(f"line {where} has {len(line)} values for {len(header)} columns")
    return [dict(zip(header, line, strict=True)) for _, line in lines[1:]]


def _lines(file: File, text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        yield from ((lines.line_num, line) for line in lines if line)
    except csv.Error as error:
        raise file.refused(f"line {lines.line_num} is none of a table ({error})") from error


def number(file: File, row: Mapping[str, str], column: str, who: str) -> float:
    """A cell's value, NaN where it says that there is none; raises BadInput for what is no finite number."""
    text = row[column].strip()
    try:
        value = math.nan if text.lower() in _NO_NUMBER else float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise file.refused(f"column {column} of {who} is {text!r}, not a number")
    return value


def count(file: File, row: Mapping[str, str], column: str, who: str) -> int:
    """A cell's whole number, 0 where it says that there is none; raises BadInput for anything else."""
    value = number(file, row, column, who)
    if value < 0 or value % 1 > 0 or value > _LARGEST_COUNT:
        raise file.refused(f"column {column} of {who} is {row[column]!r}, not a count")
    return 0 if math.isnan(value) else int(value)


def metric(file: File, source: str, **fields: str | float) -> PublishedMetric:
    """A published number; what is not given is unknown. Raises BadInput where the model has no name."""
    if not fields["model"]:
        raise file.refused("a row does not name its model")
    unknown = {"low": math.nan, "high": math.nan, "std": math.nan, "unit": "", "n_cases": 0, "n_missing": 0}
    values: dict[str, object] = {**unknown, **fields, "source": source, "sha256": file.sha256}
    return PublishedMetric(**values)  # type: ignore[arg-type]  # the readers give each field its type
