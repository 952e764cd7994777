"""`explain`: one walk over the spans, and the two renderings of its rows.

The messages are put together here with `struct`, not by our encoder.
"""

from __future__ import annotations

import json
import struct

import pytest

from rawns import explain
from rawns.observer import Event


def attribute(number: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def link(*attributes: bytes) -> bytes:
    """RTM_NEWLINK (16), up and running."""
    body = struct.pack("=BBHiII", 0, 0, 1, 7, 0x41, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), 16, 0, 3, 0) + body


def event(payload: bytes, protocol: str = "rtnetlink") -> Event:
    made = Event("recvfrom", "3, ...", protocol)
    made.payload, made.result, made.nanoseconds = payload, len(payload), 1500
    return made


CONF = struct.pack("=33i", *range(100, 133))
CONF6 = struct.pack("=61i", *range(200, 261))
STATS6 = struct.pack("=6Q", 6, 11, 12, 13, 14, 15)
ICMP6 = struct.pack("=7Q", 7, 1, 2, 3, 4, 5, 6)
WHOLE = link(
    attribute(3, b"v1\0"),  # IFLA_IFNAME, padded
    attribute(43, attribute(2, b"\2") + attribute(4, struct.pack("=I", 77))),  # IFLA_XDP
    attribute(
        26,
        attribute(2, attribute(1, CONF))  # IFLA_AF_SPEC
        + attribute(10, attribute(2, CONF6) + attribute(3, STATS6) + attribute(6, ICMP6)),
    ),
    attribute(62, b""),  # IFLA_DEVLINK_PORT, empty as it is for most
    attribute(66, struct.pack("=I", 9)),
    attribute(900, b"\1\2\3"),  # from a kernel to come
)


def rows(payload: bytes) -> list[explain.HexRow]:
    return [row for _, _, found in explain.messages(event(payload)) for row in found]


@pytest.mark.parametrize("payload", [WHOLE, WHOLE + link(), link(attribute(43, b"\5\0")), WHOLE[:-4], WHOLE + b"\1\2"])
def test_no_byte_is_left_out(payload: bytes) -> None:
    """Also of what is malformed, in an attribute or at the end."""
    assert b"".join(row.data for row in rows(payload)) == payload
    at = 0
    for row in rows(payload):
        assert row.offset == at and row.name
        at += len(row.data)


def test_entries_of_lists_have_names() -> None:
    values = {row.name: row.value for row in rows(WHOLE)}
    assert values["IPV4_DEVCONF_FORWARDING"] == 100 and values["IPV4_DEVCONF_ARP_EVICT_NOCARRIER"] == 132  # <linux/ip.h>: 1, 33
    assert values["DEVCONF_FORWARDING"] == 200 and values["DEVCONF_MTU6"] == 202 and values["[60]"] == 260  # <linux/ipv6.h>
    assert values["IPSTATS_MIB_INPKTS"] == 11 and values["[4]"] == 14  # the fourth is one thing or another, by kernel
    assert values["ICMP6_MIB_RATELIMITHOST"] == 6
    assert values["IFLA_XDP_PROG_ID"] == 77


def test_values_have_words() -> None:
    words = {row.name: row.text for row in rows(WHOLE) if row.more or row.depth == 0 and row.value is not None}
    assert words["ifi_flags"] == "IFF_UP|IFF_RUNNING" and words["IFLA_XDP_ATTACHED"] == "XDP_ATTACHED_SKB"
    assert words["IFLA_IFNAME"] == '"v1"' and words["[900]"] == "01 02 03"


def test_a_stray_end_of_a_list_is_shown() -> None:
    found = rows(link(attribute(26, attribute(2, attribute(1, CONF[:6])))))
    assert [(row.name, row.data) for row in found[-3:]] == [
        ("IPV4_DEVCONF_FORWARDING", CONF[:4]),
        ("?", CONF[4:6]),
        ("(padding)", b"\0\0"),
    ]


def test_both_renderings_say_the_same() -> None:
    told = json.loads(json.dumps(explain.record(event(WHOLE))))
    (message,) = told["messages"]
    assert (message["name"], message["length"], told["result"], told["errno"]) == ("RTM_NEWLINK", len(WHOLE), len(WHOLE), None)
    assert "".join(row["hex"] for row in message["bytes"]) == WHOLE.hex()
    lines = list(explain.call(event(WHOLE)))
    assert lines[1] == f"    RTM_NEWLINK, {len(WHOLE)} bytes"
    assert bytes.fromhex("".join(line[12:35] for line in lines[2:])) == WHOLE
    by_name = {row["name"]: row for row in message["bytes"] if row["value"] is not None}
    assert (by_name["ifi_flags"]["value"], by_name["ifi_flags"]["text"]) == (0x41, "IFF_UP|IFF_RUNNING")
    assert by_name["IFLA_IFNAME"]["value"] == "v1" and "text" not in by_name["IFLA_IFNAME"]
    assert any("IFF_UP|IFF_RUNNING" in line and "ifi_flags" in line for line in lines)


def test_a_call_that_failed() -> None:
    failed = Event("open", '"/run/netns/ns1", O_RDONLY', "")
    failed.error, failed.result = 17, None
    told = explain.record(failed)
    assert (told["result"], told["errno"], told["messages"]) == (-1, "EEXIST", [])


@pytest.mark.parametrize("protocol", ["rtnetlink", "IPPROTO_ICMP"])
def test_what_is_malformed_says_so(protocol: str) -> None:
    payload = link(attribute(3, b"v1\0"))[:-2] if protocol == "rtnetlink" else b"\0\0\0"
    said = "\n".join(explain.call(event(payload, protocol)))
    assert "malformed: " in said
    assert any(row["name"].startswith("malformed") for row in explain.record(event(payload, protocol))["messages"][0]["bytes"])


def test_the_other_family_has_names_of_its_own() -> None:
    """16 is RTM_NEWLINK there and the opening of a transaction here; user data has headers of two bytes."""
    stamp = attribute(6, b"\0\3st\0\7\1x")
    table = struct.pack("=BB", 1, 0) + b"\0\0" + attribute(1, b"t\0") + stamp
    opening = struct.pack("=IHHII", 20, 16, 1, 3, 0) + b"\0\0\0\x0a"
    payload = opening + struct.pack("=IHHII", 16 + len(table), 0xA00, 0x401, 4, 0) + table
    (begin, _, first), (made, _, second) = explain.messages(event(payload, "nftables"))
    assert (begin, made) == ("NFNL_MSG_BATCH_BEGIN", "NFT_MSG_NEWTABLE")
    assert b"".join(row.data for row in [*first, *second]) == payload
    told = [(row.name, row.value, row.text) for row in second if row.depth == 1]
    assert told == [
        ("comment", None, "type 0, length 3"),
        ("comment", "st", '"st"'),
        ("7", None, "type 7, length 1"),
        ("7", b"x", "78"),
    ]
    assert {row.name: row.text for row in second}["nlmsg_flags"] == "NLM_F_REQUEST|NLM_F_CREATE"
    assert {row.name: row.value for row in first}["res_id"] == 10
