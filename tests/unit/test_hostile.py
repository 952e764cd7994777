"""Input that others can write: mutated messages through every decoder and record, hostile text and values through every parser.

What is expected: `DecodeError` for bytes, another `RawnsError` for values, with a message of bounded length; nothing else.
`ipaddress` and regular expressions say what is well-formed.
"""

from __future__ import annotations

import ipaddress
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import CAPTURED, MESSAGES, shortened_attributes, skip_on_big_endian

from rawns import explain, netns_names, nlmsg, rtnl, uapi
from rawns.cli import main
from rawns.errors import DecodeError, InvalidValue, RawnsError, WireError
from rawns.exchange import Exchange
from rawns.lab import stamp
from rawns.nft import nat, records
from rawns.nft.evaluate import Packet
from rawns.nft.nat import Forward, Nat
from rawns.objects import address, link, neighbour, nsid, prefix, qdisc, route, rule, units, vlan
from rawns.objects.link import MAX_VID
from rawns.objects.record import Record
from rawns.observer import Event
from rawns.rtnl import tc
from rawns.wire import link_address

MAX_MESSAGE_CHARACTERS = 400

# -- mutated messages ---------------------------------------------------------------------------------------------------

RECORDS: dict[int, list[type[Record]]] = {
    uapi.RTM_NEWLINK: [link.Link],
    uapi.RTM_NEWADDR: [address.Address],
    uapi.RTM_NEWROUTE: [route.Route],
    uapi.RTM_NEWRULE: [rule.Rule],
    uapi.RTM_NEWNEIGH: [neighbour.Neighbour],
    uapi.RTM_NEWNSID: [nsid.Nsid],
    uapi.RTM_NEWQDISC: [qdisc.Qdisc],
    uapi.NFNL_SUBSYS_NFTABLES << 8 | uapi.NFT_MSG_NEWTABLE: [records.NftTable],
    uapi.NFNL_SUBSYS_NFTABLES << 8 | uapi.NFT_MSG_NEWCHAIN: [records.NftChain],
    uapi.NFNL_SUBSYS_NFTABLES << 8 | uapi.NFT_MSG_NEWRULE: [records.NftRule],
}


def mutated(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(changed))
        if dice.random() < 0.3:
            extreme = dice.choice((0, 1, -1, 2**31 - 1, -(2**31), 0xFFFF, 4))
            changed[at : at + 4] = struct.pack("=I", extreme & 0xFFFFFFFF)[: len(changed) - at]
        else:
            changed[at] = dice.choice((0, 255, 128, dice.randrange(256)))
    if dice.random() < 0.1:
        del changed[dice.randrange(len(changed)) :]
    return bytes(changed)


def examined(one: Record) -> None:
    """Read every attribute of a record, and print it."""
    for name in dir(type(one)):
        if not name.startswith("__"):
            getattr(one, name)
    assert repr(one).isascii() and isinstance(str(one), str) and one == one


@pytest.mark.no_cover  # measuring it takes three times as long
def test_mutated_answers_become_records_or_decode_errors() -> None:
    dice = random.Random(20260808)
    datagrams = [data for group in CAPTURED.values() for way, data in group if way == "<"]
    outcomes = {"record": 0, "error": 0}
    for _ in range(2500):
        data = mutated(dice, dice.choice(datagrams))
        try:
            for frame in nlmsg.split(data):
                reply = nlmsg.decode(data, frame, MESSAGES)
                for kind in RECORDS.get(reply.kind, []):
                    examined(kind(reply.body))
                    outcomes["record"] += 1
                if reply.kind == uapi.RTM_NEWLINK:
                    assert len(vlan.read(reply.body)) <= 2 * MAX_VID
                if reply.kind == uapi.RTM_NEWQDISC:
                    shape = qdisc.read([qdisc.Qdisc(reply.body)])
                    assert shape is None or repr(shape)
        except DecodeError as error:
            assert len(str(error)) < MAX_MESSAGE_CHARACTERS
            outcomes["error"] += 1
    assert min(outcomes.values()) > 100


@pytest.mark.no_cover
def test_mutated_answers_to_an_exchange() -> None:
    """Whatever comes under the right sequence number: replies, a KernelError with an errno, or a DecodeError."""
    dice = random.Random(20260809)
    datagrams = [data for group in CAPTURED.values() for way, data in group if way == "<" and len(data) >= 16]
    for number in range(2500):
        exchange = Exchange(MESSAGES)
        dump = number % 2 == 0
        (sent,) = struct.unpack_from("=I", exchange.send([link.dump() if dump else link.get(1)]), 8)
        data = bytearray(mutated(dice, dice.choice(datagrams)))
        if number % 5 == 0:
            data = bytearray(
                struct.pack("=IHHIIi", 36, 2, 0x300, 0, 0, dice.choice((-22, -(2**31), 2**31 - 1, 7, 0))) + bytes(16)
            )
        data[8:12] = struct.pack("=I", sent)
        try:
            exchange.receive(data)
            exchange.take()
            for replies in exchange.result():
                assert all(repr(reply) for reply in replies)
        except RawnsError as error:
            assert len(str(error)) < 70_000 and 0 < getattr(error, "errno", 1) < 4096
    assert exchange.send([link.dump()])  # and it is ready for the next conversation


@pytest.mark.no_cover
def test_mutated_calls_are_explained() -> None:
    dice = random.Random(20260810)
    datagrams = [data for group in CAPTURED.values() for _, data in group]
    for number in range(300):
        event = Event("recvfrom", "3", ("rtnetlink", "nftables", "IPPROTO_IP", "IPPROTO_ICMP", "IPPROTO_ICMPV6")[number % 5])
        event.payload = mutated(dice, dice.choice(datagrams))[:2000]
        assert explain.record(event)["call"] == "recvfrom" and all(isinstance(line, str) for line in explain.call(event))


@pytest.mark.no_cover
def test_attributes_that_are_shorter_than_their_structs_are_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The kernel's structs have grown: an older one sends a shorter one, of which programs in C read the rest as 0."""
    skip_on_big_endian()
    shorter: dict[object, bytes] = {}
    for data in (data for group in CAPTURED.values() for _, data in group):
        for frame in nlmsg.split(data):
            for key, changed in shortened_attributes(data[frame.start - 16 : frame.end]):
                if key[0] >= uapi.RTM_NEWLINK and key[2] in (4, 6, 8, 12):
                    shorter.setdefault(key, changed)
    file = tmp_path / "events"
    file.write_bytes(b"".join(data + bytes(-len(data) % 4) for data in shorter.values()))
    assert len(shorter) > 500 and main.run(["ip", "-d", "monitor", "file", str(file)]) == 0
    assert len(capfd.readouterr().out.splitlines()) > 400


def test_ranges_of_vlans_do_not_fill_the_memory() -> None:
    begin, end = uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, uapi.BRIDGE_VLAN_INFO_RANGE_END
    infos = [{"flags": begin, "vid": 1}, {"flags": end, "vid": 4094}] * 4000 + [
        {"flags": begin, "vid": 1},
        {"flags": end, "vid": 65535},
    ]
    assert len(vlan.read({"ifi_index": 1, "IFLA_AF_SPEC": {"IFLA_BRIDGE_VLAN_INFO": infos}})) <= 2 * MAX_VID


# -- hostile text and values --------------------------------------------------------------------------------------------

HUGE = 10**5000  # more digits than int() and str() of Python 3.11 take
VALUES: list[Any] = [
    "", " ", "\0", "\ud800", "\udcff", "\x1b[31m", "é", "x" * 100_000, "1" * 5000, "0x" + "f" * 5000, "-1", "+1", "1_0", " 1",
    "１", "10.0.0.1/" + "1" * 5000, "10.0.0.1/+8", "10.0.0.1/0_8", "10.0.0.1/ 8", "10.0.0.1/８", "10.0.0.1/-1", "fd00::1%eth0",
    "::/129", ":" * 5000, "/" * 5000, "1:" * 40, "0x2: 0:+0:0_0:00:01", "02:00:00:00:00:０1", "1e400mbit", "nan", "inf", "infs",
    HUGE, -HUGE, 1.5, float("nan"), float("inf"), True, None, b"bytes", [], {}, object(), 2**63, -1,
]  # fmt: skip
PARSERS: dict[str, Callable[[Any], object]] = {
    "prefix.parse": prefix.parse,
    "prefix.address": prefix.address,
    "prefix.destination": prefix.destination,
    "units.rate": units.rate,
    "units.size": units.size,
    "units.seconds": units.seconds,
    "units.fraction": units.fraction,
    "link.check_name": link.check_name,
    "link.reference": link.reference,
    "link_address": link_address,
    "link.new": lambda value: link.new("v", "dummy", mtu=value, address=value, alias=value).pack(1),
    "link.new(name)": lambda value: link.new(value, "dummy").pack(1),
    "link.new(kind)": lambda value: link.new("v", value).pack(1),
    "link.new(data)": lambda value: link.new("v", "bridge", {"IFLA_BR_AGEING_TIME": value}).pack(1),
    "link.new(key)": lambda value: link.new("v", "bridge", {str(value) if isinstance(value, str) else "": 1}).pack(1),
    "link.change": lambda value: link.change(1, new_name=value or "", up=value).pack(1),
    "link.change_port": lambda value: link.change_port(1, cost=value, learning=value).pack(1),
    "link.vxlan": lambda value: link.vxlan("v", value, remote=value, port=value).pack(1),
    "link.macvlan": lambda value: link.macvlan("v", 1, value).pack(1),
    "link.delete_group": link.delete_group,
    "link.add_altname": lambda value: link.add_altname(1, value).pack(1),
    "address.new": lambda value: address.new(1, value, peer=value, broadcast=value).pack(1),
    "address.new(number)": lambda value: address.new(value, "10.0.0.1/8", protocol=value or 0).pack(1),
    "neighbour.new": lambda value: neighbour.new(1, value, value).pack(1),
    "route.new": lambda value: route.new(value, via=value, source=value).pack(1),
    "route.new(number)": lambda value: route.new("10.0.0.0/8", metric=value, table=value, mtu=value).pack(1),
    "route.new(type)": lambda value: route.new("10.0.0.0/8", type=value).pack(1),
    "route.get": lambda value: route.get("10.0.0.1", source=value, mark=value or 0).pack(1),
    "rule.new": lambda value: rule.new(source=value, table=value, iif=value, mark=value).pack(1),
    "rule.new(action)": lambda value: rule.new(action=value).pack(1),
    "vlan.set": lambda value: vlan.set(1, value, value).pack(1),
    "qdisc.Shape": lambda value: qdisc.Shape(value, burst=value, delay=value, loss=value).requests(1),
    "nsid.new": lambda value: nsid.new(value, value).pack(1),
    "Packet": lambda value: Packet(value, value, protocol=value, port=value),
    "Packet(state)": lambda value: Packet("10.0.0.1", "10.0.0.2", protocol=value, port=value, mark=value, iif=value),
    "Nat": lambda value: nat.replace("t", [Nat("eth0", value)]),
    "Nat(out)": lambda value: nat.replace("t", [Nat(value)]),
    "Forward": lambda value: Forward("tcp", 80, value),
    "Forward(port)": lambda value: Forward("tcp", value, "10.0.0.1", value),
    "netns_names.check": netns_names.check,
    "stamp.check_lab_name": stamp.check_lab_name,
    "nat.replace": lambda value: nat.replace(value, [], value)[0].pack(1),
}  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
def test_hostile_values_are_refused_in_one_short_sentence(parser: str) -> None:
    refused = 0
    for value in VALUES:
        try:
            PARSERS[parser](value)
        except (InvalidValue, WireError) as error:
            refused += 1
            assert len(str(error)) < MAX_MESSAGE_CHARACTERS, (parser, str(error)[:200])
    assert refused > 0


def test_a_wrong_type_is_named_with_the_type_that_is_expected() -> None:
    for options, sentence in (
        ({"mtu": "1500"}, "IFLA_MTU: expected an integer from 0 to 4294967295, not '1500' (str)"),
        ({"mtu": 1500.0}, "IFLA_MTU: expected an integer from 0 to 4294967295, not 1500.0"),
        ({"mtu": 2**32}, "IFLA_MTU: expected an integer from 0 to 4294967295, not 4294967296 (int)"),
        ({"mtu": HUGE}, "IFLA_MTU: expected an integer from 0 to 4294967295, not an integer of 16610 bits (int)"),
        ({"alias": 7}, "IFLA_IFALIAS: expected text, not 7 (int)"),
        ({"address": 7}, "IFLA_ADDRESS: expected a link-layer address as text, not 7 (int)"),
        ({"link": -(2**31) - 1}, "IFLA_LINK: expected an integer from -2147483648 to 2147483647, not -2147483649 (int)"),
        ({"index": "2"}, "ifi_index: expected an integer from -2147483648 to 2147483647, not '2' (str)"),
    ):
        with pytest.raises(WireError) as caught:
            link.new("v", "dummy", **options).pack(1)  # type: ignore[arg-type]
        assert str(caught.value) == f"RTM_NEWLINK: {sentence}"
    with pytest.raises(
        WireError, match=r"RTA_MULTIPATH: expected a list of dicts, one for each struct rtnexthop, not 'x' \(str\)"
    ):
        rtnl.NEWROUTE.pack({"RTA_MULTIPATH": "x"})
    with pytest.raises(WireError, match=r"TCA_OPTIONS: TCA_TBF_RTAB: expected a list of integers, not 5 \(int\)"):
        tc.NEWQDISC.pack({"TCA_KIND": "tbf", "TCA_OPTIONS": {"TCA_TBF_RTAB": 5}})
    with pytest.raises(WireError, match="IFLA_LINKINFO: expected a dict of attributes, not 5"):
        rtnl.NEWLINK.pack({"IFLA_LINKINFO": 5})


# -- what is well-formed ------------------------------------------------------------------------------------------------


def random_text(dice: random.Random, alphabet: str, longest: int) -> str:
    return "".join(dice.choice(alphabet) for _ in range(dice.randint(0, longest)))


def test_link_layer_addresses() -> None:
    """One or two hex digits a byte, at most MAX_ADDR_LEN (32) bytes."""
    dice = random.Random(20260811)
    wellformed = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){0,31}")
    texts = [random_text(dice, "0123456789aF::::: x+_-", 20) for _ in range(3000)]
    texts += [":".join(f"{dice.randrange(256):02x}" for _ in range(length)) for length in range(1, 40)]
    accepted = 0
    for text in texts:
        if wellformed.fullmatch(text):
            accepted += 1
            assert link_address(text) == bytes(int(part, 16) for part in text.split(":"))
        else:
            with pytest.raises(WireError):
                link_address(text)
    assert accepted > 40


def interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """An address with a prefix length as `ipaddress` reads it, without the netmasks and scopes that it takes as well."""
    if "%" in text or not re.fullmatch(r"[^/]*(/[0-9]{1,3})?", text, re.ASCII):
        return None
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None


def test_addresses_and_prefixes_are_those_of_ipaddress() -> None:
    dice = random.Random(20260812)
    texts = [random_text(dice, "0123456789...", 9) + random_text(dice, "/0123", 3) for _ in range(3000)]
    texts += [random_text(dice, "0123af::::", 12) + random_text(dice, "/0129", 4) for _ in range(3000)]
    texts += [f"{ipaddress.IPv4Address(dice.randrange(2**32))}/{dice.randrange(34)}" for _ in range(300)]
    texts += [f"{ipaddress.IPv6Address(dice.randrange(2**128))}/{dice.randrange(130)}" for _ in range(300)]
    accepted = []
    for text in texts:
        expected = interface(text)
        if expected is None:
            with pytest.raises(InvalidValue):
                prefix.parse(text)
            continue
        ours = prefix.parse(text)
        accepted.append((ours, expected))
        assert (ours.length, ours.number, ours.packed) == (expected.network.prefixlen, int(expected), expected.packed)
        assert ours.mask == int(expected.netmask) and ours.network.number == int(expected.network.network_address)
        assert ours.broadcast.number == int(expected.network.broadcast_address)
        assert ipaddress.ip_address(ours.address) == expected.ip and prefix.Prefix.of(ours.family, ours.number).number == int(
            expected
        )
    assert len(accepted) > 500
    for (ours, expected), (other, inner) in zip(accepted, accepted[1:]):
        same = expected.version == inner.version
        assert (other in ours) == (same and inner.network.subnet_of(expected.network))  # type: ignore[arg-type]
        assert other in ours.network or not same or not inner.network.subnet_of(expected.network)  # type: ignore[arg-type]
        assert ours == prefix.parse(str(ours)) and ours in {prefix.parse(str(ours))}
