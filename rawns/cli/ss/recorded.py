"""TCP sockets of a file with answers of the kernel, which ``TCPDIAG_FILE`` names in place of the kernel, as in iproute2."""

from __future__ import annotations

from errno import EIO
from os import strerror
from sys import byteorder

from ... import nlmsg, sock_diag, uapi
from ...errors import DecodeError
from ..output import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 64 << 20  # bytes of a file
ENDLESS = "Unexpected EOF reading $TCPDIAG_FILE"


def records(path: str) -> list[tuple[Any, Any]]:
    """Return the sockets of a file, as `sock_diag.DiagRequest` does; what is wrong with the file is printed."""
    found: list[tuple[Any, Any]] = []
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST)
    except OSError as error:
        complain(f"fopen($TCPDIAG_FILE): {error.strerror}")
        return found
    try:
        for frame in nlmsg.split(data):
            if frame.kind == uapi.NLMSG_DONE:
                return found
            if frame.kind == uapi.NLMSG_ERROR:
                number = -int.from_bytes(data[frame.start : frame.start + 4], byteorder, signed=True)
                complain(f"TCPDIAG answered: {strerror(number if 0 < number < 4096 else EIO)}")
                return found
            family = data[frame.start] if frame.start < frame.end else 0
            if family in (uapi.AF_INET, uapi.AF_INET6):
                reading = sock_diag.DiagRequest({"sdiag_family": family}).reading
                assert reading is not None
                one: Any = reading.unpack(data, frame.start, frame.end)
                found.append(one)
    except DecodeError:
        pass
    complain(ENDLESS)
    return found
