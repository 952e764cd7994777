"""Netlink datagrams from what people have: hex dumps, `strace -xx` logs, pcap and pcapng files, Python's and C's notation.

Everything is read as hostile input: sizes are bounded, and what cannot be read raises `InvalidValue` with a sentence.
"""

from __future__ import annotations

import ast
import re
from struct import Struct

from ..errors import InvalidValue
from .pcap import COOKED, LINKTYPE_NETLINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INPUT_BYTES = 256 << 20
MAX_PACKET_BYTES = 1 << 20
MIN_MESSAGE_BYTES = 16  # struct nlmsghdr
PCAP_MAGIC = {0xA1B2C3D4, 0xA1B23C4D}  # microseconds, nanoseconds
PCAPNG_MAGIC, BYTE_ORDER_MAGIC = 0x0A0D0D0A, 0x1A2B3C4D
INTERFACE_BLOCK, SIMPLE_PACKET, ENHANCED_PACKET = 1, 3, 6
LITERAL = re.compile(r"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')(?!\.\.\.)""", re.ASCII)  # not cut off by strace
# A line of xxd, hexdump -C, od, or of strace's own dumps (-e write=all), which begin with a bar: offset and bytes.
DUMP_LINE = re.compile(r"^\s*\|?\s*(?:0x)?([0-9a-f]{4,16}):?\s+((?:[0-9a-f]{2,}[ :]{1,2})*[0-9a-f]{2,})(?:\s|$)", re.I | re.M)
NUMBER = re.compile(r"0x([0-9a-f]{1,2})\b", re.IGNORECASE)

Datagram = tuple[int, bytes]  # the netlink family, -1 if the input does not say; the bytes


def datagrams(data: bytes) -> Iterator[Datagram]:
    """Yield the netlink datagrams in a file or a text.

    Raises `InvalidValue` if there is none, and behind the last one that can be read if the file is damaged after it.
    """
    if len(data) > MAX_INPUT_BYTES:
        raise InvalidValue(f"the input is larger than {MAX_INPUT_BYTES >> 20} MiB")
    found = _packets(data) if _is_capture(data) else ((-1, one) for one in _from_text(data.decode("latin-1")))
    first = next(found, None)
    if first is None:
        raise InvalidValue("there is no netlink message in the input: at least 16 bytes in hexadecimal, or a pcap file")
    yield first
    yield from found


# -- text ----------------------------------------------------------------------------------------------------------


def _from_text(text: str) -> Iterator[bytes]:
    literals = [one for one in map(_bytes_of, LITERAL.finditer(text)) if len(one) >= MIN_MESSAGE_BYTES]
    if literals:  # strace -xx, or a program's source
        yield from literals
        return
    numbers = NUMBER.findall(text)
    if len(numbers) >= MIN_MESSAGE_BYTES:
        yield bytes(int(number, 16) for number in numbers)
        return
    dumps: list[bytes] = []
    lines = DUMP_LINE.findall(text)
    if lines and int(lines[0][0], 16):  # not an offset
        lines = []
    for offset, digits in lines:
        if int(offset, 16) == 0 or not dumps:
            dumps.append(b"")
        dumps[-1] += _from_hex(digits)
    yield from (one for one in dumps or [_from_hex(text)] if len(one) >= MIN_MESSAGE_BYTES)


def _bytes_of(match: re.Match[str]) -> bytes:
    """Return the value of a literal in C's or Python's notation; empty if it is not one."""
    body = match.group(1) if match.group(1) is not None else match.group(2)
    if "\\x" not in body and "\\0" not in body:  # words, not bytes
        return b""
    try:
        value = ast.literal_eval("b'" + body.replace("'", "\\x27") + "'")
    except (SyntaxError, ValueError):
        return b""
    return value if isinstance(value, bytes) else b""


def _from_hex(text: str) -> bytes:
    digits = re.sub(r"[\s:,]", "", text)
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


# -- captures --------------------------------------------------------------------------------------------------------


def _is_capture(data: bytes) -> bool:
    head = int.from_bytes(data[:4], "little")
    return head == PCAPNG_MAGIC or head in PCAP_MAGIC or int.from_bytes(data[:4], "big") in PCAP_MAGIC


def _packets(data: bytes) -> Iterator[Datagram]:
    if int.from_bytes(data[:4], "little") == PCAPNG_MAGIC:
        return _from_pcapng(data)
    return _from_pcap(data)


def _from_pcap(data: bytes) -> Iterator[Datagram]:
    order = "<" if int.from_bytes(data[:4], "little") in PCAP_MAGIC else ">"
    if len(data) < 24:
        raise InvalidValue("the pcap file is cut off")
    link = Struct(order + "I").unpack_from(data, 20)[0] & 0xFFFF
    if link != LINKTYPE_NETLINK:
        raise InvalidValue(f"the pcap file holds packets of link type {link}, not of netlink ({LINKTYPE_NETLINK})")
    head, at = Struct(order + "IIII"), 24
    while at + head.size <= len(data):
        size = head.unpack_from(data, at)[2]
        at += head.size
        if size > MAX_PACKET_BYTES:
            raise InvalidValue(f"the pcap file is damaged at byte {at}: a packet of {size} bytes")
        if at + size > len(data):
            raise InvalidValue(f"the pcap file is cut off in the packet at byte {at}")
        yield from _cooked(data[at : at + size])
        at += size
    if at < len(data):
        raise InvalidValue(f"the pcap file is cut off in the header at byte {at}")


def _from_pcapng(data: bytes) -> Iterator[Datagram]:
    at, order, links = 0, "<", list[int]()
    while at + 12 <= len(data):
        kind = int.from_bytes(data[at : at + 4], "little" if order == "<" else "big")
        if data[at : at + 4] == b"\n\r\r\n":
            order = "<" if int.from_bytes(data[at + 8 : at + 12], "little") == BYTE_ORDER_MAGIC else ">"
            links = []
        size = Struct(order + "I").unpack_from(data, at + 4)[0]
        if size < 12 or size % 4:
            raise InvalidValue(f"the pcapng file is damaged at byte {at}: a block of {size} bytes")
        if at + size > len(data):
            raise InvalidValue(f"the pcapng file is cut off in the block at byte {at}")
        body = data[at + 8 : at + size - 4]
        if kind == INTERFACE_BLOCK and len(body) >= 2:
            links.append(Struct(order + "H").unpack_from(body)[0])
        elif kind == ENHANCED_PACKET and len(body) >= 20:
            number, _, _, length = Struct(order + "IIII").unpack_from(body)
            if number < len(links) and links[number] == LINKTYPE_NETLINK:
                yield from _cooked(body[20 : 20 + length])
        elif kind == SIMPLE_PACKET and links and links[0] == LINKTYPE_NETLINK and len(body) >= 4:
            yield from _cooked(body[4 : 4 + Struct(order + "I").unpack_from(body)[0]])
        at += size
    if at < len(data):
        raise InvalidValue(f"the pcapng file is cut off in the block at byte {at}")


def _cooked(packet: bytes) -> Iterator[Datagram]:
    if len(packet) >= COOKED.size + MIN_MESSAGE_BYTES:
        yield COOKED.unpack_from(packet)[2], packet[COOKED.size :]
