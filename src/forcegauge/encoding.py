"""Nested values with arrays as bytes, the same for the wire, the store and the hash; nothing in it can execute.

The format: the length of a JSON header (8 bytes, little-endian), the header, then the arrays' bytes one after
another, each filled up to a multiple of 8 bytes. In the header ``{"__array__": [dtype, shape, offset]}`` stands for
an array.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<Q")
_MARK = "__array__"


def pack(value: Any) -> bytes:
    """Bytes of a value made of dicts with text keys, lists, numbers, text, booleans, None and arrays.

    Keys are sorted, so equal values give equal bytes. NaN and infinities survive.
    Raises TypeError for anything else, object arrays included.
    """
    buffers: list[bytes] = []
    header = json.dumps(_lower(value, buffers, [0]), separators=(",", ":"), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)  # arrays start at multiples of 8 bytes, so numpy reads them aligned
    return b"".join([_LENGTH.pack(len(header)), header, *buffers])


def unpack(data: bytes | memoryview) -> Any:
    """The value that :func:`pack` was given; tuples come back as lists, arrays read-only."""
    view = memoryview(data)
    start = _LENGTH.size + _LENGTH.unpack_from(view)[0]
    return _raise_arrays(json.loads(bytes(view[_LENGTH.size : start])), view[start:])


def digest(value: Any) -> str:
    """SHA-256 of a value, in 32 hexadecimal digits: the address of everything that ForceGauge stores."""
    return hashlib.sha256(pack(value)).hexdigest()[:32]


def _lower(value: Any, buffers: list[bytes], offset: list[int]) -> Any:
    if isinstance(value, np.generic) and not isinstance(value, np.ndarray):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("cannot encode an array of objects; give numbers, booleans or text")
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        buffers.append(little.tobytes() + b"\0" * (-little.nbytes % 8))
        start, offset[0] = offset[0], offset[0] + len(buffers[-1])
        return {_MARK: [little.dtype.str, list(value.shape), start]}
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            raise TypeError(f"cannot encode a mapping with keys that are not text: {list(value)[:3]}")
        return {key: _lower(value[key], buffers, offset) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_lower(item, buffers, offset) for item in value]
    raise TypeError(f"cannot encode {type(value).__name__}; give numbers, text, lists, mappings or arrays")


def _raise_arrays(value: Any, body: memoryview) -> Any:
    if isinstance(value, dict):
        if _MARK in value:
            dtype, shape, start = value[_MARK]
            count = int(np.prod(shape, dtype=np.int64))
            if count == 0:
                return np.empty(shape, dtype)
            return np.frombuffer(body, dtype=dtype, count=count, offset=start).reshape(shape)
        return {key: _raise_arrays(item, body) for key, item in value.items()}
    if isinstance(value, list):
        return [_raise_arrays(item, body) for item in value]
    return value
