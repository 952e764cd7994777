"""Frames on a byte stream: a header of one byte (the kind) and four (the length, big-endian), and so many bytes.

`JSON` frames carry requests and answers. `ALIVE` frames are empty: an agent sends them all the time, so that one that hangs, or a
network that fails, can be told from one that is at work. The others carry the standard streams of a command that runs there.
"""

from __future__ import annotations

import os
import select
import struct
import threading

from ..errors import RawnsError
from ..threads import start_background

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

JSON, INPUT, OUTPUT, ERRORS, ALIVE = range(5)
KINDS = (JSON, INPUT, OUTPUT, ERRORS, ALIVE)
HEADER = struct.Struct("!BI")
MAX_BYTES = 1 << 26  # of a frame: the description of 100,000 hosts has fewer
CHUNK = 1 << 16  # bytes that are read or written at once


class FrameError(RawnsError):
    """The other side ended in the middle of a frame, or sent what is not one."""


class FrameWriter:
    """Writes frames to a descriptor, whole, from several threads."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._lock = descriptor, threading.Lock()

    def write(self, kind: int, data: bytes = b"") -> None:
        """Write one frame.  Raises OSError if the other side is gone."""
        with self._lock:
            write_all(self.descriptor, HEADER.pack(kind, len(data)) + data)

    def write_json(self, what: object) -> None:
        """Write a value as a frame of JSON.  Raises OSError if the other side is gone."""
        with self._lock:
            write_json(self.descriptor, what)

    def keep_alive(self, seconds: float) -> None:
        """Write an empty frame again and again, from a thread of its own that ends when the other side is gone."""

        def run() -> None:
            try:
                while not ended.wait(seconds):
                    self.write(ALIVE)
            except OSError:
                pass

        ended = threading.Event()  # never set: the thread ends with the process
        start_background(run)


def write_json(descriptor: int, what: object, silence: float | None = None) -> None:
    """Write a value as a frame of JSON; ``silence`` is that of `write_all`."""
    import json

    data = json.dumps(what, separators=(",", ":")).encode()
    write_all(descriptor, HEADER.pack(JSON, len(data)) + data, silence)


def write_all(descriptor: int, data: bytes, silence: float | None = None) -> None:
    """Write all bytes.  Raises TimeoutError if the descriptor does not block, and takes none for so many seconds."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view[:CHUNK]) :]
        except BlockingIOError:
            wait(descriptor, select.POLLOUT, silence)


def wait(descriptor: int, event: int, seconds: float | None) -> None:
    """Wait until a descriptor can be read or written.  Raises TimeoutError if it cannot for so many seconds."""
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(None if seconds is None else seconds * 1000):
        raise TimeoutError


def read(descriptor: int, silence: float | None = None) -> tuple[int, bytes] | None:
    """Read one frame: its kind and data; None at the end of the stream.  Raises `FrameError`.

    Raises TimeoutError if nothing comes for ``silence`` seconds.
    """
    header = read_exactly(descriptor, HEADER.size, silence)
    if not header:
        return None
    kind, length = HEADER.unpack(header)
    if kind not in KINDS or length > MAX_BYTES:
        raise FrameError("it sent what is not a frame of this protocol")
    data = read_exactly(descriptor, length, silence)
    if len(data) < length:
        raise FrameError("the connection ended in the middle of a frame")
    return kind, data


def read_exactly(descriptor: int, length: int, silence: float | None = None) -> bytes:
    """Read so many bytes; none at the end of the stream.  Raises `FrameError` if it ends after some of them.

    Raises TimeoutError if nothing comes for ``silence`` seconds.
    """
    parts = bytearray()
    while len(parts) < length:
        if silence is not None:
            wait(descriptor, select.POLLIN, silence)
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
