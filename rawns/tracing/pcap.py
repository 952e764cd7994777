"""The netlink messages of a traced program as a file for Wireshark: pcap with LINKTYPE_NETLINK (tcpdump.org/linktypes).

Each packet begins with the header of a "cooked" capture: whether it was sent or received, ARPHRD_NETLINK, and the family.
"""

from __future__ import annotations

from struct import Struct

from . import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .record import TracedCall

MAGIC_NANOSECONDS = 0xA1B23C4D  # in the byte order of this machine
LINKTYPE_NETLINK = 253
MAX_PACKET_BYTES = 1 << 18  # the greatest that Wireshark reads; what is longer is cut off, with its length in the header
ARPHRD_NETLINK = 824
RECEIVED, SENT = 0, 4  # PACKET_HOST, PACKET_OUTGOING
FILE_HEADER = Struct("=IHHiIII")  # magic, version, time zone, accuracy, greatest length, link type
PACKET_HEADER = Struct("=IIII")  # seconds, nanoseconds, bytes in the file, bytes in all
COOKED = Struct("!HH10xH")


class Writer:
    """Writes calls that moved netlink messages to a binary file; all others are left out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(FILE_HEADER.pack(MAGIC_NANOSECONDS, 2, 4, 0, 0, MAX_PACKET_BYTES, LINKTYPE_NETLINK))

    def add(self, call: TracedCall) -> None:
        """Write one call."""
        if not call.payload or call.number is None or "MSG_PEEK" in call.arguments:
            return
        cooked = COOKED.pack(RECEIVED if call.call in calls.RECEIVES else SENT, ARPHRD_NETLINK, call.number)
        packet = (cooked + call.payload)[:MAX_PACKET_BYTES]
        size = COOKED.size + len(call.payload)
        self._file.write(PACKET_HEADER.pack(*divmod(call.time, 1_000_000_000), len(packet), size) + packet)
        self._file.flush()
