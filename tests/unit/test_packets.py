"""Packets, four ways, against bytes that came from elsewhere: strace of iputils' ping, this kernel's errors, the RFCs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rawns import explain, packets
from rawns.errors import WireError
from rawns.packets import ICMP, ICMP6, IPV4, IPV6
from rawns.wire import Span, Type

# strace -xx -e trace=sendto,recvmsg ping -c1 127.0.0.1 (iputils 20221126), and -s 20 ::1
PATTERN = "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
SENT = bytes.fromhex(f"0800b35b535b00018ef9046b0000000093100c0000000000{PATTERN}")
CAME = bytes.fromhex(f"45000054106c000040016c3b7f0000017f0000010000bb5b535b00018ef9046b0000000093100c0000000000{PATTERN}")
SENT6 = bytes.fromhex("80000000536000018ef9046b00000000f65b0c000000000010111213")
CAME6 = bytes.fromhex("81007361536000018ef9046b00000000f65b0c000000000010111213")

# what Linux 6.18 sent back to that ping: a router between veth pairs, read from a raw socket
ABOUT = "45000054b04d40000101b5570a0100010a0200010800 76e254270001"
EXCEEDED = bytes.fromhex(f"45c000382cdc0000400138290a0100fe0a010001 0b00f4ff00000000 {ABOUT}")
FRAGMENT = bytes.fromhex("03042c8800000578 450005c600004000400121330a0100010a020001 0800e976542f0001")
NO_ROUTE = bytes.fromhex(
    "010023c300000000 6004458500403a40fd010000000000000000000000000001fd990000000000000000000000000001 8000578f542d0001"
)
TOO_BIG = bytes.fromhex(
    "020092f800000578 600b8ba805a83a40fd010000000000000000000000000001fd020000000000000000000000000001 800046c254300001"
)
# RFC 792: a redirect for a host, 10.1.0.9 instead, written out by hand
REDIRECT = bytes.fromhex("05010000 0a010009 450000540000400040010000 0a010001 0a030001 08000000 12340007")

ALL: dict[str, tuple[Type, bytes]] = {
    "echo": (ICMP, SENT),
    "echo reply in IP": (IPV4, CAME),
    "echo 6": (ICMP6, SENT6),
    "echo reply 6": (ICMP6, CAME6),
    "time exceeded in IP": (IPV4, EXCEEDED),
    "fragmentation needed": (ICMP, FRAGMENT),
    "redirect": (ICMP, REDIRECT),
    "no route 6": (ICMP6, NO_ROUTE),
    "too big 6": (ICMP6, TOO_BIG),
    "options": (IPV4, bytes.fromhex("46000018000000004011000001020304050607089404000000112233")),
    "IPv6, not ICMP": (IPV6, bytes.fromhex("6000000000041140" + "00" * 15 + "01" + "00" * 15 + "01" + "deadbeef")),
    "a type nobody knows": (ICMP, bytes.fromhex("fe01020304050607aabb")),
    "a type nobody knows 6": (ICMP6, bytes.fromhex("fe01020304050607aabb")),
}
EACH = pytest.mark.parametrize(("kind", "data"), ALL.values(), ids=ALL)


# -- one description, three uses -----------------------------------------------------------------------------------


def test_echo_request_is_what_ping_sends() -> None:
    assert packets.echo_request(0x535B, 1, SENT[8:]) == SENT
    assert packets.echo_request6(0x5360, 1, SENT6[8:]) == SENT6


def test_a_reply_is_read() -> None:
    ip = packets.decode(IPV4, CAME)
    assert {key: ip[key] for key in ("version_ihl", "tot_len", "id", "frag_off", "ttl", "protocol", "check", "options")} == {
        "version_ihl": 0x45,
        "tot_len": 84,
        "id": 0x106C,
        "frag_off": 0,
        "ttl": 64,
        "protocol": 1,
        "check": 0x6C3B,
        "options": b"",
    }
    assert (ip["saddr"], ip["daddr"]) == (b"\x7f\0\0\1", b"\x7f\0\0\1")
    echo = {"type": 0, "code": 0, "checksum": 0xBB5B, "un.echo.id": 0x535B, "un.echo.sequence": 1, "data": SENT[8:]}
    assert ip["packet"] == echo
    assert packets.decode(ICMP6, CAME6) == {
        "icmp6_type": 129,
        "icmp6_code": 0,
        "icmp6_cksum": 0x7361,
        "icmp6_identifier": 0x5360,
        "icmp6_sequence": 1,
        "data": SENT6[8:],
    }


def test_errors_are_read_with_what_they_are_about() -> None:
    error = packets.decode(IPV4, EXCEEDED)["packet"]
    assert (error["type"], error["code"]) == (11, 0)
    assert (error["packet"]["daddr"], error["packet"]["ttl"]) == (bytes([10, 2, 0, 1]), 1)
    assert error["packet"]["packet"]["un.echo.id"] == 0x5427
    assert packets.decode(ICMP, FRAGMENT)["un.frag.mtu"] == 1400
    redirect = packets.decode(ICMP, REDIRECT)
    assert redirect["un.gateway"] == bytes([10, 1, 0, 9])
    assert redirect["packet"]["packet"]["un.echo.sequence"] == 7
    assert packets.decode(ICMP6, TOO_BIG)["icmp6_mtu"] == 1400
    about = packets.decode(ICMP6, NO_ROUTE)["packet"]
    assert (about["ip6_dst"].hex(), about["ip6_hlim"], about["ip6_flow"]) == ("fd99" + "0" * 27 + "1", 64, 0x60044585)
    assert about["packet"]["icmp6_identifier"] == 0x542D


@EACH
def test_what_is_read_can_be_written(kind: Type, data: bytes) -> None:
    assert kind.pack(packets.decode(kind, data), {}) == data


@EACH
def test_every_byte_has_a_name(kind: Type, data: bytes) -> None:
    trace: list[Span] = []
    assert packets.decode(kind, data, trace) == packets.decode(kind, data)
    assert sum(span.length for span in trace) == len(data)
    assert [span.offset for span in trace] == sorted({span.offset for span in trace})
    shown = "\n".join(explain.rows(data, trace, len(data)))
    assert "padding" not in shown and all(span.name in shown for span in trace)


def test_explained_in_words() -> None:
    trace: list[Span] = []
    packets.decode(IPV4, EXCEEDED, trace)
    words = {".".join(span.path): span.text() for span in trace}
    assert words["version_ihl"] == "version 4, ihl 5"
    assert words["saddr"] == "10.1.0.254"
    assert words["packet.type"] == "ICMP_TIME_EXCEEDED"
    assert words["packet.packet.protocol"] == "IPPROTO_ICMP"
    assert words["packet.packet.packet.type"] == "ICMP_ECHO"


# -- bad packets ----------------------------------------------------------------------------------------------------


@EACH
def test_every_truncation(kind: Type, data: bytes) -> None:
    """Shorter is malformed or has less data in it; it is never anything else."""
    whole = packets.decode(kind, data)
    for size in range(len(data)):
        try:
            part = packets.decode(kind, data[:size])
        except WireError:
            continue
        assert kind.pack(part, {}) == data[:size]
        assert part.keys() == whole.keys()


@EACH
def test_what_trails_is_data(kind: Type, data: bytes) -> None:
    inner: Any = packets.decode(kind, data + b"\xff\xee")
    while "packet" in inner:
        inner = inner["packet"]
    assert inner["data"].endswith(b"\xff\xee")


@EACH
def test_noise(kind: Type, data: bytes) -> None:
    """Any one byte changed: decoded to something that is written back the same, or a WireError."""
    noise = random.Random(1)
    for at in range(min(len(data), 60)):
        changed = bytearray(data)
        changed[at] ^= noise.randrange(1, 256)
        try:
            value = packets.decode(kind, bytes(changed))
        except WireError:
            continue
        assert kind.pack(value, {}) == changed


@pytest.mark.parametrize(
    "front", ["", "44", "65", "4f", "05"], ids=["nothing", "ihl 4", "version 6", "more options than bytes", "version 0"]
)
def test_no_ipv4_header(front: str) -> None:
    with pytest.raises(WireError):
        packets.decode(IPV4, bytes.fromhex(front) + (CAME[1:40] if front else b""))


def test_an_error_about_an_error_about_an_error_ends() -> None:
    """2,000 headers inside one another must not become 2,000 calls."""
    one = bytes.fromhex("0301000000000000" + "4500001c00000000400100000101010102020202")
    data = one * 2000
    value = packets.decode(ICMP, data)
    assert ICMP.pack(value, {}) == data
    depth = 0
    while "packet" in value:
        value, depth = value["packet"], depth + 1
    assert depth == packets.MAX_NESTED_PACKETS


def test_values_that_do_not_fit() -> None:
    with pytest.raises(WireError, match="un.echo.id"):
        packets.echo_request(65536, 1, b"")
    with pytest.raises(WireError, match="icmp6_sequence"):
        packets.echo_request6(1, -1, b"")
    with pytest.raises(WireError, match="ttl"):
        IPV4.pack({"version_ihl": 0x45, "ttl": 256}, {})
    with pytest.raises(WireError, match="no member 'un.gateway'"):
        ICMP.pack({"type": 8, "un.gateway": b"\1\2\3\4"}, {})
    with pytest.raises(WireError, match="no packet inside"):
        IPV4.pack({"version_ihl": 0x45, "protocol": 17, "packet": {}}, {})


# -- the checksum ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0001f203f4f5f6f7", 0x220D),  # RFC 1071, section 3: the sum is ddf2
        ("", 0xFFFF),
        ("00", 0xFFFF),
        ("0000", 0xFFFF),
        ("ffff", 0),
        ("ffffffff", 0),
        ("01", 0xFEFF),  # an odd byte is the high half of a word
        ("ff00ff", 0x01FE),
        ("45000073000040004011 0000 c0a80001c0a800c7", 0xB861),  # the worked example of Wikipedia's "Internet checksum"
    ],
)
def test_checksum(data: str, expected: int) -> None:
    assert packets.checksum(bytes.fromhex(data)) == expected


def test_checksums_of_captured_packets() -> None:
    assert packets.checksum(SENT) == packets.checksum(CAME[20:]) == packets.checksum(CAME[:20]) == 0
    assert packets.checksum(SENT[:2] + b"\0\0" + SENT[4:]) == 0xB35B


def by_the_book(data: bytes) -> int:
    """RFC 1071, section 4.1, word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def test_checksum_against_the_books_own_loop() -> None:
    noise = random.Random(1071)
    for size in [*range(64), 1499, 65535]:
        data = noise.randbytes(size)
        assert packets.checksum(data) == by_the_book(data)


# -- in words: the sentences of `strings /usr/bin/ping` -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((3, 0, 0), "Destination Net Unreachable"),
        ((3, 1, 0), "Destination Host Unreachable"),
        ((3, 4, 1400), "Frag needed and DF set (mtu = 1400)"),
        ((3, 13, 0), "Packet filtered"),
        ((3, 99, 0), "Dest Unreachable, Bad Code: 99"),
        ((4, 0, 0), "Source Quench"),
        ((5, 1, 0x0A010009), "Redirect Host(New nexthop: 10.1.0.9)"),
        ((5, 9, 0), "Redirect, Bad Code: 9(New nexthop: 0.0.0.0)"),
        ((11, 0, 0), "Time to live exceeded"),
        ((11, 7, 0), "Time exceeded, Bad Code: 7"),
        ((12, 0, 20), "Parameter problem: pointer = 20"),
        ((77, 0, 0), "Bad ICMP type: 77"),
    ],
)
def test_words(numbers: tuple[int, int, int], sentence: str) -> None:
    assert packets.words(*numbers) == sentence


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((1, 0, 0), "Destination unreachable: No route"),
        ((1, 3, 0), "Destination unreachable: Address unreachable"),
        ((1, 42, 0), "Destination unreachable: Unknown code 42"),
        ((2, 0, 1280), "Packet too big: mtu=1280"),
        ((2, 1, 1280), "Packet too big: mtu=1280, code=1"),
        ((3, 0, 0), "Time exceeded: Hop limit"),
        ((3, 5, 0), "Time exceeded: code 5"),
        ((4, 1, 40), "Parameter problem: Unknown header at 40"),
        ((4, 9, 40), "Parameter problem: code 9 at 40"),
        ((99, 0, 0), "unknown icmp type: 99"),
    ],
)
def test_words6(numbers: tuple[int, int, int], sentence: str) -> None:
    assert packets.words6(*numbers) == sentence
