"""The codec by itself: strict on the way out, lenient on the way in, and never past the end.

Bytes are written out here, or packed with `struct`; the whole messages are in test_messages.py.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from rawns import uapi
from rawns.errors import DecodeError, RawnsError, WireError
from rawns.wire import (
    BE16,
    BE32,
    FLAG,
    IP,
    MAC,
    RAW,
    S8,
    S32,
    S64,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    Attrs,
    Layout,
    Message,
    Raw,
    RecordList,
    Repeated,
    Span,
    Struct,
    SubMessage,
    Text,
    Type,
    Vector,
    names_of,
    table,
)

HEAD = Struct("head", ("kind", U8), ("pad", U8), ("size", U16), ("index", S32), whole=True)
NEST = Attrs({"N_NUMBER": (1, U32), "N_TEXT": (2, TEXT)}, nested=True)
ATTRS = Attrs(
    {
        "A_NUMBER": (1, U32),
        "A_NAME": (2, Text(16)),
        "A_NEST": (3, NEST),
        "A_MANY": (4, Repeated(Text(8))),
        "A_WORDS": (5, Vector(U16)),
        "A_KIND": (6, Text(16, nul=False)),
        "A_DATA": (7, SubMessage("A_KIND", {"nest": NEST})),
        "A_PORT": (9, BE16),
        "A_FLAG": (10, FLAG),
        "A_CHAIN": (11, RecordList(Layout(HEAD, NEST), "size")),
        "A_HEAD": (12, HEAD),
        "A_IP": (13, IP),
        "A_MAC": (14, MAC),
        "A_RAW": (15, RAW),
        "A_PLAIN": (16, Struct("plain", ("prio", Raw(2)), ("addr", Raw(6)))),
    }
)
MESSAGE = Message(99, "RTM_TEST", Layout(HEAD, ATTRS))


def attribute(number: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def read(kind: Type, data: bytes, trace: list[Span] | None = None) -> Any:
    return kind.unpack(data, 0, len(data), {}, trace, ())


# -- one value --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "data"),
    [
        (U8, 0xFE, b"\xfe"),
        (S8, -2, b"\xfe"),
        (U16, 0x1234, struct.pack("=H", 0x1234)),
        (U32, 0xFFFFFFFF, b"\xff\xff\xff\xff"),
        (S32, -1, b"\xff\xff\xff\xff"),
        (U64, 2**64 - 2, struct.pack("=Q", 2**64 - 2)),
        (S64, -(2**63), struct.pack("=q", -(2**63))),
        (BE16, 0x88A8, b"\x88\xa8"),
        (BE32, 0x0A000001, b"\x0a\0\0\1"),
        (TEXT, "v1", b"v1\0"),
        (TEXT, "", b"\0"),
        (TEXT, "kabel-\u00fc", b"kabel-\xc3\xbc\0"),
        (TEXT, "bad \udcff", b"bad \xff\0"),
        (Text(8, nul=False), "veth", b"veth"),
        (IP, "10.0.0.1", b"\x0a\0\0\1"),
        (IP, "fd00::1", socket.inet_pton(socket.AF_INET6, "fd00::1")),
        (IP, b"\1\2\3", b"\1\2\3"),
        (MAC, "02:00:00:00:00:0a", b"\2\0\0\0\0\x0a"),
        (MAC, "0a", b"\x0a"),
        (RAW, b"anything", b"anything"),
        (Raw(2), b"ab", b"ab"),
        (FLAG, True, b""),
        (Vector(U16), [1, 2, 3], struct.pack("=HHH", 1, 2, 3)),
        (Vector(U16), [], b""),
    ],
)
def test_one_value_both_ways(kind: Type, value: object, data: bytes) -> None:
    assert kind.pack(value, {}) == data
    assert read(kind, data) == value
    assert isinstance(kind.format(value), str)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (U8, 256),
        (U8, -1),
        (S8, 128),
        (U32, 2**32),
        (U32, "1"),
        (U32, None),
        (U32, 1.0),
        (TEXT, b"v1"),
        (TEXT, None),
        (TEXT, "a\0b"),
        (TEXT, "\ud800"),
        (Text(16), "sixteen-letters!"),
        (Text(16), "\u00fc" * 8),
        (Text(4, nul=False), "veth"),
        (IP, "10.0.0"),
        (IP, "10.0.0.256"),
        (IP, "10.0.0.1/24"),
        (IP, "fe80::1%eth0"),
        (IP, ""),
        (IP, "1\0"),
        (IP, 5),
        (IP, None),
        (MAC, "02:00:00:00:00:gg"),
        (MAC, "02:100"),
        (MAC, 7),
        (RAW, "text"),
        (Raw(2), b"abc"),
        (FLAG, False),
        (FLAG, 1),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(kind: Type, value: object) -> None:
    with pytest.raises(WireError) as caught:
        kind.pack(value, {})
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, RawnsError)


def test_the_longest_name_fits() -> None:
    assert Text(16).pack("fifteen-letters", {}) == b"fifteen-letters\0"


WRONG = [None, True, 1.5, "x", b"x", -1, 2**70, [], [None], {}, {"x": 1}, object(), "\ud800", ["x"], 7, (1, 2)]


@pytest.mark.parametrize("key", [*ATTRS.names, "kind", "index", 4000])
def test_no_value_whatever_is_worse_than_a_wire_error(key: object) -> None:
    refused = 0
    for value in WRONG:
        try:
            MESSAGE.pack({key: value})
        except WireError as error:
            refused += 1
            assert str(key) in str(error) and str(error).startswith("RTM_TEST: ")
    assert refused > len(WRONG) // 2


@pytest.mark.parametrize("key", ["A_NUMER", "", None, -1, 70000, 1.5, ("A_NUMBER",)])
def test_an_unknown_name_is_an_error(key: object) -> None:
    with pytest.raises(WireError, match="RTM_TEST: there is no attribute"):
        MESSAGE.pack({key: b""})
    with pytest.raises(WireError, match="RTM_TEST: A_NEST: there is no attribute"):
        MESSAGE.pack({"A_NEST": {key: b""}})


def test_an_unknown_member_of_a_struct_is_an_error() -> None:
    with pytest.raises(WireError, match="A_HEAD: struct head has no member 'idx'"):
        MESSAGE.pack({"A_HEAD": {"idx": 1}})


def test_bytes_in_a_struct_are_neither_cut_nor_filled() -> None:
    for addr in (b"12345", b"1234567"):
        with pytest.raises(WireError, match="A_PLAIN: addr: expected 6 bytes, not ."):
            MESSAGE.pack({"A_PLAIN": {"prio": b"ab", "addr": addr}})
    assert MESSAGE.pack({"A_PLAIN": {"prio": b"ab"}})[8:] == attribute(16, b"ab" + bytes(6))


def test_the_path_to_what_does_not_fit_is_in_the_error() -> None:
    with pytest.raises(WireError, match="^RTM_TEST: A_NEST: N_NUMBER: expected an integer from 0 to 4294967295, not -1 .int.$"):
        MESSAGE.pack({"A_NEST": {"N_NUMBER": -1}})
    with pytest.raises(WireError, match="^RTM_TEST: size: expected an integer from 0 to 65535, not 65536 .int.$"):
        MESSAGE.pack({"size": 65536})


def test_more_than_an_attribute_holds_is_an_error() -> None:
    assert len(MESSAGE.pack({"A_RAW": bytes(65531)})) == 8 + 65536
    with pytest.raises(WireError, match="65532 bytes are more than one attribute can hold"):
        MESSAGE.pack({"A_RAW": bytes(65532)})


# -- whole messages ---------------------------------------------------------------------------------------------------

BODY = {
    "kind": 1,
    "pad": 0,
    "size": 2,
    "index": -3,
    "A_NUMBER": 5,
    "A_NAME": "v1",
    "A_NEST": {"N_NUMBER": 6, "N_TEXT": "deep"},
    "A_MANY": ["a", "bc"],
    "A_WORDS": [1, 2, 3],
    "A_KIND": "nest",
    "A_DATA": {"N_NUMBER": 7},
    "A_PORT": 80,
    "A_FLAG": True,
    "A_CHAIN": [
        {"kind": 1, "pad": 0, "size": 16, "index": 0, "N_NUMBER": 1},
        {"kind": 2, "pad": 0, "size": 13, "index": 0, "N_TEXT": ""},
    ],
    "A_HEAD": {"kind": 1, "pad": 2, "size": 3, "index": 4},
    "A_IP": "10.0.0.1",
    "A_MAC": "02:00:00:00:00:01",
    "A_RAW": b"\1\2\3",
    4000: b"unknown",
}
DEEP = attribute(1, struct.pack("=I", 6)) + attribute(2, b"deep\0")
BYTES = b"".join(
    [
        struct.pack("=BBHi", 1, 0, 2, -3),
        attribute(1, struct.pack("=I", 5)),
        attribute(2, b"v1\0"),
        attribute(3 | 0x8000, DEEP),
        attribute(4, b"a\0"),
        attribute(4, b"bc\0"),
        attribute(5, struct.pack("=HHH", 1, 2, 3)),
        attribute(6, b"nest"),
        attribute(7, attribute(1, struct.pack("=I", 7))),
        attribute(9, b"\0\x50"),
        attribute(10, b""),
        attribute(
            11,
            struct.pack("=BBHi", 1, 0, 16, 0)
            + attribute(1, struct.pack("=I", 1))
            + struct.pack("=BBHi", 2, 0, 13, 0)
            + struct.pack("=HHB", 5, 2, 0)
            + bytes(3),
        ),
        attribute(12, struct.pack("=BBHi", 1, 2, 3, 4)),
        attribute(13, b"\x0a\0\0\1"),
        attribute(14, b"\2\0\0\0\0\1"),
        attribute(15, b"\1\2\3"),
        attribute(4000, b"unknown"),
    ]
)


def test_a_whole_message_decodes() -> None:
    assert MESSAGE.unpack(BYTES) == BODY


def test_a_whole_message_encodes() -> None:
    """Padding inside a chain is the kernel's affair; without it our bytes are the same."""
    plain = {key: value for key, value in BODY.items() if key != "A_CHAIN"}
    at = BYTES.index(struct.pack("=BBHi", 1, 0, 16, 0)) - 4
    (length,) = struct.unpack_from("=H", BYTES, at)
    assert MESSAGE.pack(plain) == BYTES[:at] + BYTES[at + length :]


def test_a_chain_encodes_with_lengths_of_its_own() -> None:
    hops = [{"kind": 1, "N_NUMBER": 1}, {"kind": 2, "N_NUMBER": 2}]
    data = MESSAGE.pack({"A_CHAIN": hops})
    expected = [struct.pack("=BBHi", kind, 0, 16, 0) + attribute(1, struct.pack("=I", kind)) for kind in (1, 2)]
    assert data[8:] == attribute(11, b"".join(expected))


def test_the_order_of_the_body_is_the_order_of_the_bytes() -> None:
    assert MESSAGE.pack({"A_NUMBER": 1, "A_PORT": 2})[8:] == attribute(1, struct.pack("=I", 1)) + attribute(9, b"\0\2")
    assert MESSAGE.pack({"A_PORT": 2, "A_NUMBER": 1})[8:] == attribute(9, b"\0\2") + attribute(1, struct.pack("=I", 1))


def test_memoryview_and_bytearray_will_do() -> None:
    assert MESSAGE.unpack(memoryview(BYTES)) == MESSAGE.unpack(bytearray(BYTES)) == BODY


def test_a_message_inside_more_bytes() -> None:
    assert MESSAGE.unpack(b"\xff" * 16 + BYTES + b"\xff" * 5, 16, 16 + len(BYTES)) == BODY


# -- hostile bytes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "0 bytes at offset 0 instead of the 8 of struct head"),
        (bytes(7), "7 bytes at offset 0 instead of the 8 of struct head"),
        (bytes(8) + b"\0", "1 stray bytes at offset 8"),
        (bytes(8) + struct.pack("=HH", 0, 1), "an attribute at offset 8 claims 0 of 4 bytes"),
        (bytes(8) + struct.pack("=HH", 3, 1), "an attribute at offset 8 claims 3 of 4 bytes"),
        (bytes(8) + struct.pack("=HH", 5, 1), "an attribute at offset 8 claims 5 of 4 bytes"),
        (bytes(8) + struct.pack("=HH", 0xFFFF, 1), "an attribute at offset 8 claims 65535 of 4 bytes"),
        (bytes(8) + attribute(1, b"abc"), "3 bytes at offset 12 instead of 4"),
        (bytes(8) + attribute(3, struct.pack("=HH", 9, 1)), "an attribute at offset 12 claims 9 of 4 bytes"),
        (bytes(8) + attribute(11, struct.pack("=BBHi", 1, 0, 7, 0)), "size at offset 12 is 7 of 8 bytes"),
        (bytes(8) + attribute(11, struct.pack("=BBHi", 1, 0, 9, 0)), "size at offset 12 is 9 of 8 bytes"),
        (bytes(8) + attribute(11, bytes(5)), "5 bytes at offset 12 instead of the 8 of struct head"),
    ],
)
def test_a_length_that_lies(data: bytes, complaint: str) -> None:
    traces: list[list[Span] | None] = [None, []]
    for trace in traces:
        with pytest.raises(DecodeError) as caught:
            MESSAGE.unpack(data, trace=trace)
        assert str(caught.value) == f"RTM_TEST: {complaint}"


def test_the_end_is_respected_where_more_bytes_follow() -> None:
    """The message ends in the middle of the buffer: what lies behind it is none of its business."""
    with pytest.raises(WireError, match="claims 8 of 4"):
        MESSAGE.unpack(bytes(8) + attribute(1, bytes(4)), 0, 12)


def test_the_last_padding_may_be_missing() -> None:
    assert MESSAGE.unpack(bytes(8) + struct.pack("=HH2s", 6, 15, b"ab"))["A_RAW"] == b"ab"


def test_the_flags_of_an_attribute_are_not_its_number() -> None:
    for flag in (0, uapi.NLA_F_NESTED, uapi.NLA_F_NET_BYTEORDER, 0xC000):
        assert MESSAGE.unpack(bytes(8) + attribute(1 | flag, struct.pack("=I", 5)))["A_NUMBER"] == 5


def test_data_before_its_kind_is_kept_as_bytes() -> None:
    inner = attribute(1, struct.pack("=I", 7))
    assert MESSAGE.unpack(bytes(8) + attribute(7, inner) + attribute(6, b"nest"))["A_DATA"] == inner


def test_an_attribute_of_strange_size_survives() -> None:
    body = MESSAGE.unpack(bytes(8) + attribute(13, b"\1\2\3\4\5") + attribute(14, b"") + attribute(12, bytes(8) + b"more"))
    assert (body["A_IP"], body["A_MAC"], body["A_HEAD"]["kind"]) == (b"\1\2\3\4\5", "", 0)
    longer = MESSAGE.unpack(bytes(8) + attribute(1, bytes(4) + b"more"))
    assert longer["A_NUMBER"] == 0
    assert MESSAGE.unpack(bytes(8) + attribute(5, b"\1\0\2"))["A_WORDS"] == [struct.unpack("=H", b"\1\0")[0]]


def test_an_older_kernels_shorter_struct_gives_the_members_it_has() -> None:
    old = Struct("grown", ("first", U32), ("second", U32))
    traces: list[list[Span] | None] = [None, []]
    for trace in traces:
        assert read(old, struct.pack("=I", 7) + b"\0\0", trace) == {"first": 7}
        assert read(old, b"", trace) == {}


# -- names ------------------------------------------------------------------------------------------------------------


def test_spans_name_everything_with_its_place() -> None:
    trace: list[Span] = []
    MESSAGE.unpack(BYTES, trace=trace)
    places = {".".join(span.path): (span.offset, span.length, span.text()) for span in trace}
    assert places["kind"] == (0, 1, "1") and places["index"] == (4, 4, "-3")
    assert places["A_NUMBER"] == (8, 8, "5")
    assert places["A_NAME"] == (16, 7, '"v1"')
    assert places["A_NEST"] == (24, 24, "")
    assert places["A_NEST.N_NUMBER"] == (28, 8, "6")
    assert places["A_NEST.N_TEXT"] == (36, 9, '"deep"')
    assert places["A_DATA.N_NUMBER"][2] == "7"
    assert places["[4000]"][2] == b"unknown".hex(" ")
    assert repr(trace[0]) == "<Span 0+1 kind 1>"


def test_what_is_longer_than_its_struct_has_a_span_too() -> None:
    trace: list[Span] = []
    MESSAGE.unpack(bytes(8) + attribute(12, bytes(8) + b"more"), trace=trace)
    assert [(span.name, span.offset, span.length) for span in trace if span.name == "?"] == [("?", 20, 4)]


def test_numbers_are_shown_by_their_names() -> None:
    assert U8.named("AF_").format(uapi.AF_INET6) == "AF_INET6"
    assert U8.named("AF_").format(200) == "200"
    flags = U32.bits("IFF_")
    assert flags.format(uapi.IFF_UP | uapi.IFF_LOOPBACK) == "IFF_UP|IFF_LOOPBACK"
    assert flags.format(uapi.IFF_UP | 1 << 30) == "IFF_UP|0x40000000"
    assert flags.format(0) == "0" and flags.format(1 << 30) == "0x40000000"
    assert names_of("NETLINK_ROUTE") == {0: "NETLINK_ROUTE"}


def test_text_of_a_peer_is_shown_without_its_control_characters() -> None:
    assert TEXT.format("a\x1b[31m\udcff\u202e") == '"a\\x1b[31m\\udcff\\u202e"'


def test_a_table_is_by_number() -> None:
    assert table([MESSAGE]) == {99: MESSAGE}
