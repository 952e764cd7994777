"""Frames on a byte stream: a header of one byte (the kind) and four (the length, big-endian), and so many bytes.

`JSON` frames carry requests and answers; the others carry the standard streams of a command that runs on a machine.
"""

from __future__ import annotations

import os
import struct

from ..errors import RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

JSON, INPUT, OUTPUT, ERRORS = range(4)
HEADER = struct.Struct("!BI")
MAX_BYTES = 1 << 26  # of a frame: the description of 100,000 hosts has fewer
CHUNK = 1 << 16  # bytes that are read or written at once


class FrameError(RawnsError):
    """The other side ended in the middle of a frame, or sent what is not one."""


def write(descriptor: int, kind: int, data: bytes) -> None:
    """Write one frame.  Raises OSError if the other side is gone."""
    write_all(descriptor, HEADER.pack(kind, len(data)) + data)


def write_json(descriptor: int, what: object) -> None:
    """Write a value as a frame of JSON."""
    import json

    write(descriptor, JSON, json.dumps(what, separators=(",", ":")).encode())


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[:CHUNK]) :]


def read(descriptor: int) -> tuple[int, bytes] | None:
    """Read one frame: its kind and data; None at the end of the stream.  Raises `FrameError`."""
    header = read_exactly(descriptor, HEADER.size)
    if not header:
        return None
    kind, length = HEADER.unpack(header)
    if kind not in (JSON, INPUT, OUTPUT, ERRORS) or length > MAX_BYTES:
        raise FrameError("it sent what is not a frame of this protocol")
    data = read_exactly(descriptor, length)
    if len(data) < length:
        raise FrameError("the connection ended in the middle of a frame")
    return kind, data


def read_exactly(descriptor: int, length: int) -> bytes:
    """Read so many bytes; none at the end of the stream.  Raises `FrameError` if it ends after some of them."""
    parts = bytearray()
    while len(parts) < length:
        part = os.read(descriptor, min(CHUNK, length - len(parts)))
        if not part:
            if parts:
                raise FrameError("the connection ended in the middle of a frame")
            break
        parts += part
    return bytes(parts)


def parse_json(data: bytes) -> dict[str, Any]:
    """Return the object in a frame of JSON.  Raises `FrameError`."""
    import json

    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FrameError("it sent what is not a frame of this protocol")
    return found
