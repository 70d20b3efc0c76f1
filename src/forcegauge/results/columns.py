"""Arrays of any type and shape as Arrow columns that pandas can read, and back without losing a bit.

An array called ``raw.energies`` becomes three columns: ``raw.energies``, its values in row-major order as a list;
``raw.energies.shape``; and ``raw.energies.dtype``, numpy's name of the type, little-endian. So in pandas the array of
row ``i`` is ``table["raw.energies"][i].reshape(table["raw.energies.shape"][i])``. A row without that array has null.
Records that differ in the type of an array get columns for each type. Text is a list of strings; complex numbers,
dates and what else Parquet has no lists of are bytes, for ``numpy.frombuffer``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forcegauge.records import Array

if TYPE_CHECKING:
    import pyarrow as pa

_NUMERIC = {np.dtype(name).str for name in ("?", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")}
_FIELD = b"forcegauge"  # field metadata: which array, how stored, and which of the three columns

Layout = list[tuple[str, str]]
"""(array, storage) pairs; the storage is a little-endian numpy type, ``text`` or ``bytes``."""


def layout(rows: Iterable[Mapping[str, Array]]) -> Layout:
    """What columns the arrays of some rows need, sorted."""
    return sorted({(name, _storage(array)) for arrays in rows for name, array in arrays.items()})


def fields(wanted: Layout) -> list[pa.Field]:
    """Three Arrow fields per entry of a layout, with unique names."""
    import pyarrow as pa

    result: list[pa.Field] = []
    taken: set[str] = set()
    for array, storage in wanted:
        name = array
        if any(other == array and kind < storage for other, kind in wanted):
            name += f" ({storage if storage in ('text', 'bytes') else np.dtype(storage).name})"
        while taken & {name, f"{name}.shape", f"{name}.dtype"}:
            name += "'"
        types = {"": _arrow_type(storage), "shape": pa.list_(pa.int64()), "dtype": pa.string()}
        for part, kind in types.items():
            note = json.dumps([array, storage, part]).encode()
            result.append(pa.field(f"{name}.{part}" if part else name, kind, metadata={_FIELD: note}))
            taken.add(result[-1].name)
    return result


def to_columns(rows: Sequence[Mapping[str, Array]], wanted: Layout) -> list[pa.Array]:
    """The columns of :func:`fields` for some rows."""
    columns: list[pa.Array] = []
    for name, storage in wanted:
        arrays = [row[name] if name in row and _storage(row[name]) == storage else None for row in rows]
        columns += _three_columns(arrays, storage)
    return columns


def from_columns(batch: pa.RecordBatch) -> list[dict[str, Array]]:
    """The arrays of each row of a batch that was written with :func:`fields`."""
    notes = {place: field.metadata[_FIELD] for place, field in enumerate(batch.schema) if _is_ours(field)}
    found = {tuple(json.loads(note)): batch.column(place) for place, note in notes.items()}
    rows: list[dict[str, Array]] = [{} for _ in range(batch.num_rows)]
    for array, storage in sorted({(name, storage) for name, storage, _ in found}):
        values, shapes, dtypes = (found[array, storage, part] for part in ("", "shape", "dtype"))
        for place, (dtype, shape) in enumerate(zip(dtypes.to_pylist(), shapes.to_pylist(), strict=True)):
            if dtype is not None:
                rows[place][array] = _array(values[place], storage, dtype, shape)
    return rows


def plain_names(batch: pa.RecordBatch) -> list[str]:
    """The other columns of a batch."""
    return [field.name for field in batch.schema if not _is_ours(field)]


def _is_ours(field: pa.Field) -> bool:
    return _FIELD in (field.metadata or {})


def _array(value: Any, storage: str, dtype: str, shape: list[int]) -> Array:
    if storage == "bytes":
        flat = np.frombuffer(value.as_py(), dtype=dtype)
    elif storage == "text":
        flat = np.array(value.as_py(), dtype=dtype)
    else:
        flat = value.values.to_numpy(zero_copy_only=False)
    return flat.reshape(shape)


def _three_columns(arrays: Sequence[Array | None], storage: str) -> list[pa.Array]:
    import pyarrow as pa

    little = [None if one is None else np.asarray(one, dtype=one.dtype.newbyteorder("<")) for one in arrays]
    if storage in ("text", "bytes"):
        listed = [
            None if one is None else one.ravel().tolist() if storage == "text" else one.tobytes() for one in little
        ]
        values = pa.array(listed, _arrow_type(storage))
    else:
        flat = [np.zeros(0, storage) if one is None else one.ravel() for one in little]
        offsets = np.concatenate([[0], np.cumsum([one.size for one in flat])])
        absent = pa.array([one is None for one in little], pa.bool_())
        joined = pa.array(np.concatenate(flat) if flat else np.zeros(0, storage))
        values = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), joined, mask=absent)
    shapes = pa.array([None if one is None else list(one.shape) for one in little], pa.list_(pa.int64()))
    return [values, shapes, pa.array([None if one is None else one.dtype.str for one in little], pa.string())]


def _storage(array: Array) -> str:
    dtype = array.dtype.newbyteorder("<")
    if dtype.str in _NUMERIC:
        return dtype.str
    if dtype.kind == "U" and _is_utf8(array):
        return "text"
    return "bytes"


def _is_utf8(array: Array) -> bool:
    try:
        "".join(array.ravel().tolist()).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _arrow_type(storage: str) -> pa.DataType:
    import pyarrow as pa

    if storage == "bytes":
        return pa.large_binary()
    return pa.large_list(pa.string() if storage == "text" else pa.from_numpy_dtype(np.dtype(storage)))
