"""Capture files in the format pcapng, which tcpdump and Wireshark read (draft-ietf-opsawg-pcapng).

One section; a block for each interface, for each packet, and at the end for each interface its counters.  Nothing is done
here but to build bytes.
"""

from __future__ import annotations

from struct import pack

SECTION_HEADER, INTERFACE, STATISTICS, ENHANCED_PACKET = 0x0A0D0D0A, 1, 5, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101
MAX_CAPTURED = 262_144  # bytes of a packet
IF_NAME, IF_TSRESOL, EPB_FLAGS, ISB_IFRECV, ISB_IFDROP = 2, 9, 2, 4, 5  # options
INBOUND, OUTBOUND = 1, 2  # direction, in the flags of a packet


def _option(code: int, value: bytes) -> bytes:
    return pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return pack("<II", kind, length) + body + pack("<I", length)


def section() -> bytes:
    """Return the block with which a file begins."""
    return _block(SECTION_HEADER, pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1))


def interface(name: str, link_type: int = LINKTYPE_ETHERNET) -> bytes:
    """Return the block of an interface; the first is number 0.  Times of its packets are in nanoseconds."""
    options = _option(IF_NAME, name.encode("utf-8", "replace")) + _option(IF_TSRESOL, b"\x09") + _option(0, b"")
    return _block(INTERFACE, pack("<HHI", link_type, 0, MAX_CAPTURED) + options)


def packet(number: int, nanoseconds: int, data: bytes, length: int, outgoing: bool) -> bytes:
    """Return the block of a packet of an interface; ``length`` is what it had on the wire, ``data`` may be less."""
    fixed = pack("<IIIII", number, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF, len(data), length)
    options = _option(EPB_FLAGS, pack("<I", OUTBOUND if outgoing else INBOUND)) + _option(0, b"")
    return _block(ENHANCED_PACKET, fixed + data + bytes(-len(data) % 4) + options)


def statistics(number: int, nanoseconds: int, received: int, dropped: int) -> bytes:
    """Return the block with the counters of an interface: packets seen, and those that were lost for want of room."""
    options = _option(ISB_IFRECV, pack("<Q", received)) + _option(ISB_IFDROP, pack("<Q", dropped)) + _option(0, b"")
    return _block(STATISTICS, pack("<III", number, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF) + options)
