"""Messages between coordinator and worker: eight bytes of length, then a packed value. No pickles."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from forcegauge.encoding import pack, unpack

_LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write one message; raises BrokenPipeError where nobody listens."""
    body = pack(message)
    stream.write(_LENGTH.pack(len(body)) + body)  # in one piece, so that the other side wakes up once
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message, waiting for it; None when the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return unpack(body) if len(body) == length else None


class Inbox:
    """Messages cut from a stream of bytes as they arrive, for a side that must not wait."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that ``data`` completes."""
        self._bytes += data
        messages = []
        while len(self._bytes) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes)
            end = _LENGTH.size + length
            if len(self._bytes) < end:
                break
            with memoryview(self._bytes) as view:
                body = bytes(view[_LENGTH.size : end])
            messages.append(unpack(body))
            del self._bytes[:end]
        return messages
