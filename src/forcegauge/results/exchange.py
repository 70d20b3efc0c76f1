"""A store as a folder of Parquet files that any program can read, and back without losing a bit.

    manifest.json               format, versions, SHA-256 of every other file
    records/<benchmark>.parquet one row per record: key, model, case_id, failure..., arrays as in :mod:`.columns`
    cases.parquet               what was asked: structures and inputs by digest
    provenance.parquet          model, packages, device... by digest
    protocols.parquet           settings by benchmark and hash
    plan.parquet                what the runs set out to do
    published.parquet           numbers of others, without records
    trajectories/               copies of the trajectory files

Rows are sorted, nothing depends on when or where it was written: equal stores give equal bytes. Nested values
(``inputs``, ``options``, ``packages``, ``fields``) are JSON text, the bytes of arrays in them a column beside it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from forcegauge.encoding import digest, pack, unpack
from forcegauge.errors import BadInput
from forcegauge.records import (
    Array,
    Case,
    Failure,
    ModelIdentity,
    Planned,
    Protocol,
    Provenance,
    PublishedMetric,
    Raw,
    Record,
)
from forcegauge.results import columns
from forcegauge.results.merge import Merged, absorb, add_published, copy_trajectories
from forcegauge.results.schema import PUBLISHED_COLUMNS, provenance_fields
from forcegauge.results.store import Store
from forcegauge.structures import Structures
from forcegauge.version import __version__

FORMAT = "forcegauge-export"
FORMAT_VERSION = 2
MANIFEST = "manifest.json"
PUBLISHED = "published.parquet"

_PARTIAL = ".partial"  # inside the target, which may be a disk of its own
_GROUP_ROWS, _GROUP_BYTES = 1000, 2**26  # a row group ends at either
_LENGTH = struct.Struct("<Q")

_PLAN = ("key", "model", "benchmark", "case_id", "settings")
_RECORD = (
    *_PLAN, "case", "provenance", "seed", "run_version", "wall_s", "peak_memory_bytes", "finished_at", "failure",
    "message", "traceback", "atom_evaluations",
)  # fmt: skip
_CASE = ("digest", "benchmark", "case_id", "stratum", "inputs", "inputs.arrays")
_PROTOCOL = ("benchmark", "settings", "run_version", "fields", "fields.arrays")
_PROVENANCE = (
    "digest", "model", "weights", "options", "options.arrays", "adapter_version", "environment", "packages",
    "packages.arrays", "python", "platform", "device", "calibration_gflops", "dtype", "threads", "forcegauge",
)  # fmt: skip
_INTEGERS = (
    "run_version", "peak_memory_bytes", "adapter_version", "threads", "atom_evaluations", "n_cases", "n_missing",
)  # fmt: skip
_FLOATS = ("wall_s", "finished_at", "calibration_gflops", "value", "low", "high", "std")
_TYPES = {name: "int64" for name in _INTEGERS}
_TYPES |= {name: "float64" for name in _FLOATS}

Row = dict[str, Any]
"""Values by column; under ``arrays`` those that go through :mod:`.columns`."""


def export(folder: Path, to: Path) -> int:
    """Write the store of ``folder`` to the folder ``to``; the number of records.

    An earlier export in ``to`` is replaced; other files there stay. It may be done while a run is going.

    Raises:
        BadInput: ``to`` holds something else than an earlier export, or cannot be written to.
        StoreError: the store cannot be read.
    """
    earlier = _earlier_files(to)
    with Store.open(folder) as store, store.snapshot():
        try:
            partial = to / _PARTIAL
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            count = _write_store(store, partial)
            _move_in(partial, to, earlier)
        except OSError as error:
            raise BadInput(
                f"cannot write to {to} ({error.strerror or error}): choose another folder for --to"
            ) from error
        finally:
            shutil.rmtree(to / _PARTIAL, ignore_errors=True)
    return count


def import_forcegauge(source: Path, results: Path) -> Merged:
    """Put an export back into a results folder, new or not, by the rule of :func:`forcegauge.results.merge.merge`.

    Args:
        source: the folder of the export, or its ``manifest.json``.
        results: the folder to write to.

    Raises:
        BadInput: it is no export, of a newer format, or not as it was written.
        StoreError: ``results`` cannot be used.
    """
    source = source.parent if source.name == MANIFEST else source
    files = _checked_files(source)
    cases = {row["digest"]: row for row in _read_table(source / "cases.parquet")}
    provenances = {row["digest"]: _row_to_provenance(row) for row in _read_table(source / "provenance.parquet")}
    merged, taken = Merged(), set[str]()
    with Store.writer(results) as store:
        for row in _read_table(source / "protocols.parquet"):
            store.add_protocol(Protocol(row["benchmark"], row["settings"], _nested(row, "fields"), row["run_version"]))
        store.add_plan(Planned(**{name: row[name] for name in _PLAN}) for row in _read_table(source / "plan.parquet"))
        if PUBLISHED in files:  # format 1 had none
            rows = _read_table(source / PUBLISHED)
            numbers = [PublishedMetric(**{name: row[name] for name in PUBLISHED_COLUMNS}) for row in rows]
            add_published(store, numbers, merged)
        for name in files:
            if name.startswith("records/"):
                entries = ((_row_to_record(row, provenances), row["case"]) for row in _read_table(source / name))
                taken |= absorb(store, entries, lambda key: _row_to_case(cases[key]), merged)
        copy_trajectories(source / "trajectories", store, taken)
    return merged


# -- a store to tables


def _write_store(store: Store, to: Path) -> int:
    for part in ("records", "trajectories"):
        (to / part).mkdir()
    count = 0
    for benchmark in store.benchmarks():
        layout = columns.layout(_raw_arrays(record) for record in store.records(benchmark=benchmark))
        rows = (_record_to_row(record, case) for record, case in store.entries(benchmark=benchmark))
        name = quote(benchmark, safe="")  # a benchmark of another package may have any name
        count += _write_table(to / "records" / f"{name}.parquet", _RECORD, rows, layout)
    cases = store.cases()
    layout = columns.layout(_case_arrays(case) for case in cases.values())
    _write_table(to / "cases.parquet", _CASE, (_case_to_row(key, case) for key, case in cases.items()), layout)
    rows = (_provenance_to_row(key, provenance) for key, provenance in store.provenances().items())
    _write_table(to / "provenance.parquet", _PROVENANCE, rows)
    _write_table(to / "protocols.parquet", _PROTOCOL, (_protocol_to_row(one) for one in store.protocols()))
    _write_table(to / "plan.parquet", _PLAN, (dict(vars(one)) for one in store.planned()))
    _write_table(to / PUBLISHED, PUBLISHED_COLUMNS, (dict(vars(one)) for one in store.published()))
    for path in sorted(path for path in store.trajectories.glob("*") if path.is_file()):
        shutil.copyfile(path, to / "trajectories" / path.name)
    return count


def _record_to_row(record: Record, case: str) -> Row:
    failure = record.outcome if isinstance(record.outcome, Failure) else None
    return {
        **vars(record),
        "case": case,
        "provenance": digest(provenance_fields(record.provenance)),
        "seed": str(record.seed),
        "failure": failure and failure.kind,
        "message": failure and failure.message,
        "traceback": failure and failure.traceback,
        "arrays": _raw_arrays(record),
    }


def _raw_arrays(record: Record) -> dict[str, Array]:
    arrays = record.outcome.arrays if isinstance(record.outcome, Raw) else {}
    return {f"raw.{name}": array for name, array in arrays.items()}


def _case_to_row(key: str, case: Case) -> Row:
    plain = {"digest": key, "benchmark": case.benchmark, "case_id": case.id, "stratum": case.stratum}
    return {**plain, **_text("inputs", dict(case.inputs)), "arrays": _case_arrays(case)}


def _case_arrays(case: Case) -> dict[str, Array]:
    arrays = {f"structures.{name}": array for name, array in case.structures.as_arrays().items()}
    return {**arrays, "elements": np.array(sorted(case.elements), dtype=np.int64)}


def _provenance_to_row(key: str, provenance: Provenance) -> Row:
    fields = provenance_fields(provenance)
    model = fields["model"]
    nested = {**_text("options", model["options"]), **_text("packages", fields["packages"])}
    return {**fields, **model, "model": model["name"], **nested, "digest": key}


def _protocol_to_row(protocol: Protocol) -> Row:
    return {**vars(protocol), **_text("fields", dict(protocol.fields))}


# -- tables to what they were


def _row_to_record(row: Row, provenances: dict[str, Provenance]) -> Record:
    plain = {name: row[name] for name in (*_PLAN, "run_version", "wall_s", "peak_memory_bytes", "finished_at")}
    outcome: Raw | Failure
    if row["failure"] is None:
        outcome = Raw({name.removeprefix("raw."): array for name, array in row["arrays"].items()})
    else:
        outcome = Failure(row["failure"], row["message"], row["traceback"])
    plain["atom_evaluations"] = row.get("atom_evaluations", 0)  # format 1 had none
    return Record(**plain, seed=int(row["seed"]), outcome=outcome, provenance=provenances[row["provenance"]])


def _row_to_case(row: Row) -> Case:
    arrays = dict(row["arrays"])
    elements = frozenset(int(number) for number in arrays.pop("elements"))
    structures = Structures(**{name.removeprefix("structures."): array for name, array in arrays.items()})
    return Case(row["benchmark"], row["case_id"], structures, _nested(row, "inputs"), elements, row["stratum"])


def _row_to_provenance(row: Row) -> Provenance:
    plain = {name: row[name] for name in ("python", "platform", "device", "calibration_gflops", "dtype", "threads")}
    model = ModelIdentity(
        row["model"], row["weights"], _nested(row, "options"), row["adapter_version"], row["environment"]
    )
    return Provenance(model=model, packages=_nested(row, "packages"), forcegauge=row["forcegauge"], **plain)


# -- Parquet


def _write_table(path: Path, names: tuple[str, ...], rows: Iterable[Row], layout: columns.Layout | None = None) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    layout, count = layout or [], 0
    kinds = [pa.type_for_alias("binary" if name.endswith(".arrays") else _TYPES.get(name, "string")) for name in names]
    table = pa.schema(
        [*(pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)), *columns.fields(layout)]
    )
    # numbers hardly repeat: a dictionary of them only costs
    texts = [name for name, kind in zip(names, kinds, strict=True) if kind == pa.string()]
    with pq.ParquetWriter(path, table, compression="zstd", use_dictionary=texts) as writer:
        for group in _groups(rows):
            plain = [pa.array([row[name] for row in group], kind) for name, kind in zip(names, kinds, strict=True)]
            arrays = columns.to_columns([row["arrays"] for row in group], layout) if layout else []
            writer.write_batch(pa.RecordBatch.from_arrays([*plain, *arrays], schema=table))
            count += len(group)
    return count


def _read_table(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=200):
            arrays = columns.from_columns(batch)
            plain = batch.select(columns.plain_names(batch)).to_pylist()
            for row, of_row in zip(plain, arrays, strict=True):
                yield {**row, "arrays": of_row}


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(array.nbytes for array in row.get("arrays", {}).values())
        if len(group) == _GROUP_ROWS or size > _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _text(name: str, value: Any) -> Row:
    """A nested value as JSON text, and the bytes of its arrays."""
    packed = pack(value)
    start = _LENGTH.size + _LENGTH.unpack_from(packed)[0]
    return {name: packed[_LENGTH.size : start].decode().rstrip(), f"{name}.arrays": packed[start:]}


def _nested(row: Row, name: str) -> Any:
    header = row[name].encode()
    return unpack(_LENGTH.pack(len(header)) + header + row[f"{name}.arrays"])


# -- the folder


def _earlier_files(to: Path) -> list[str]:
    """The files of an earlier export in ``to``; raises BadInput where it holds something else."""
    if to.exists() and not to.is_dir():
        raise BadInput(f"{to} is a file: give a folder to --to")
    there = [path.name for path in to.iterdir() if path.name != _PARTIAL] if to.exists() else []
    if not there:
        return []
    if MANIFEST not in there:
        raise BadInput(f"{to} is neither empty nor an earlier export (it holds {there[0]}): give a new folder to --to")
    return list(_read_manifest(to)["files"])


def _move_in(partial: Path, to: Path, earlier: Iterable[str]) -> None:
    names = sorted(str(path.relative_to(partial)) for path in partial.rglob("*") if path.is_file())
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "forcegauge": __version__,
        "files": {name: _sha256(partial / name) for name in names},
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    for name in set(earlier) - set(names):
        (to / name).unlink(missing_ok=True)
    for name in [*names, MANIFEST]:  # the manifest last: until then the earlier one tells that files do not belong
        (to / name).parent.mkdir(exist_ok=True)
        (partial / name).replace(to / name)


def _checked_files(source: Path) -> list[str]:
    """The files of an export in the order of their names; raises BadInput where one is not as it was written."""
    if not (source / MANIFEST).is_file():
        raise BadInput(f"{source} is no export (no {MANIFEST} in it): give a folder that `forcegauge export` wrote")
    manifest = _read_manifest(source)
    if manifest["format_version"] > FORMAT_VERSION:
        raise BadInput(
            f"{source} has export format {manifest['format_version']}, this ForceGauge reads up to {FORMAT_VERSION}: "
            "upgrade ForceGauge (pip install --upgrade forcegauge)"
        )
    for name, expected in manifest["files"].items():
        if not (source / name).is_file() or _sha256(source / name) != expected:
            raise BadInput(
                f"{source / name} is missing or not as it was exported: copy the export again, or export anew"
            )
    return sorted(manifest["files"])


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        parts = [Path(name).parts for name in manifest["files"]]
        inside = all(len(names) in (1, 2) and names[0] not in ("/", "..") and names[-1] != ".." for names in parts)
        if manifest["format"] != FORMAT or manifest["format_version"] < 1 or not inside:
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{folder / MANIFEST} is not the manifest of an export by ForceGauge: give another folder"
        ) from error
    return dict(manifest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
