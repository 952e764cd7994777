"""Every message described, four ways: against bytes that our encoder did not make, back again, cut short, enlarged."""

from __future__ import annotations

import importlib
import os
import random
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from samples import CAPTURED, MESSAGES, REQUESTS, one, payloads

from rawns import nlmsg, nlmsg_spans, rtnl, uapi
from rawns.errors import WireError
from rawns.nlmsg import Request
from rawns.rtnl import address, link, tc
from rawns.wire import Message, Span

PAYLOADS = payloads()
HEADER = 16  # sizeof(struct nlmsghdr)


def complete(message: Message, body: dict[Any, Any]) -> dict[Any, Any]:
    """A body with the fields of the headers that were left out, which are zero."""
    full = {**dict.fromkeys((name for name, _ in message.layout.header.members), 0), **body}
    fill(full)
    return full


STRUCTS: dict[str, Any] = {
    "IFA_CACHEINFO": address.IFA_CACHEINFO,
    "TCA_TBF_PARMS": tc.TBF.names["TCA_TBF_PARMS"][1],
    "TCA_HTB_PARMS": tc.HTB.names["TCA_HTB_PARMS"][1],
    "TCA_HTB_INIT": tc.HTB.names["TCA_HTB_INIT"][1],
}


def fill(body: dict[Any, Any]) -> None:
    """The same for the structures inside the attributes."""
    for key, value in body.items():
        if key == "VETH_INFO_PEER":
            body[key] = {**dict.fromkeys((name for name, _ in link.IFINFOMSG.members), 0), **value}
        elif key in STRUCTS:
            body[key] = {**STRUCTS[key].defaults, **value}
        elif key == "TCA_OPTIONS" and body["TCA_KIND"] == "netem":
            body[key] = {**tc.NETEM.header.defaults, **value}
        elif key == "RTA_MULTIPATH":
            body[key] = [{"rtnh_flags": 0, "rtnh_ifindex": 0, **hop} for hop in value]
        elif isinstance(value, dict):
            body[key] = dict(value)
            fill(body[key])


def test_every_message_has_a_sample() -> None:
    """All of rtnl's that may be sent, and the two every answer ends with."""
    # Which only the kernel sends: the next tests.  No kernel has sent the last two yet.
    announced = {message.number for message in (rtnl.DELNSID, rtnl.DELNETCONF, rtnl.DELNEXTHOPBUCKET, rtnl.DELVLAN)}
    seen = {message.number for message, _ in PAYLOADS} | announced
    assert {message.name for number, message in MESSAGES.items() if number not in seen} == set()
    only_received = {rtnl.DELNSID, rtnl.NEWNEXTHOPBUCKET, rtnl.DELNEXTHOPBUCKET, rtnl.NEWNEIGHTBL, rtnl.NEWNETCONF}
    only_received |= {rtnl.DELNETCONF, rtnl.NEWPREFIX, rtnl.NEWSTATS, rtnl.DELVLAN}
    assert set(rtnl.MESSAGES.values()) == only_received | {*(message for message, _, _ in REQUESTS.values())}


def test_the_kernel_announces_the_end_of_a_namespace_id() -> None:
    """Linux 6.18, when the namespace that had the id 0 was freed."""
    announced = bytes.fromhex("1c000000590000000000000000000000000000000800010000000000")
    frame = next(nlmsg.split(announced))
    body = rtnl.MESSAGES[frame.kind].unpack(announced, frame.start, frame.end)
    assert (frame.kind, frame.end, body["NETNSA_NSID"]) == (uapi.RTM_DELNSID, len(announced), 0)


def test_the_kernel_announces_the_end_of_a_configuration() -> None:
    """Linux 6.18, when the link 3 was deleted."""
    announced = bytes.fromhex("1c000000510000000000000000000000020000000800010003000000")
    frame = next(nlmsg.split(announced))
    body = rtnl.MESSAGES[frame.kind].unpack(announced, frame.start, frame.end)
    assert frame.kind == uapi.RTM_DELNETCONF and body == {"ncm_family": uapi.AF_INET, "NETCONFA_IFINDEX": 3}


def test_the_kernel_announces_prefixes_and_multicast_routes() -> None:
    """The router advertised fd00:7::/64, on-link and autonomous, for an hour, preferred half of it; the route has one hop."""
    prefix = answers("the kernel has received the prefix fd00:7::/64")[0]
    assert only(prefix, "PREFIX_ADDRESS prefix_len prefix_flags prefix_type") == ["fd00:7::", 64, 0xC0, 3]
    assert prefix["PREFIX_CACHEINFO"] == {"preferred_time": 1800, "valid_time": 3600}
    route = answers("the kernel has a multicast route for (10.0.0.5,239.1.1.1)")[0]
    assert only(route, "rtm_family rtm_type RTA_SRC RTA_DST") == [128, uapi.RTN_MULTICAST, "10.0.0.5", "239.1.1.1"]
    assert only(route, "RTA_IIF RTA_TABLE RTA_MFC_STATS") == [11, 253, {"mfcs_packets": 0, "mfcs_bytes": 0, "mfcs_wrong_if": 0}]
    assert [only(hop, "rtnh_ifindex rtnh_hops") for hop in route["RTA_MULTIPATH"]] == [[1, 3]]


def test_the_kernel_sends_statistics() -> None:
    """`ip` printed no counters but zeros, and that L3 statistics were neither requested nor used."""
    found = answers("ip stats show dev v1")[0]
    assert found["ifindex"] == 4 and found["IFLA_STATS_LINK_64"]["rx_packets"] == 0
    off = {"IFLA_OFFLOAD_XSTATS_HW_S_INFO_REQUEST": 0, "IFLA_OFFLOAD_XSTATS_HW_S_INFO_USED": 0}
    assert found["IFLA_STATS_LINK_OFFLOAD_XSTATS"]["IFLA_OFFLOAD_XSTATS_HW_S_INFO"] == {"IFLA_OFFLOAD_XSTATS_L3_STATS": off}
    port = found["IFLA_STATS_LINK_XSTATS_SLAVE"]["LINK_XSTATS_TYPE_BRIDGE"]
    assert port["BRIDGE_XSTATS_MCAST"] == [0] * 30 and port["BRIDGE_XSTATS_STP"]["tx_bpdu"] == 0
    bridge = answers("ip link xstats type bridge")[1]
    assert bridge["IFLA_STATS_LINK_XSTATS"]["LINK_XSTATS_TYPE_BRIDGE"]["BRIDGE_XSTATS_MCAST"] == [0] * 30


def test_the_kernel_lists_labels_tables_and_configuration() -> None:
    """`ip` printed: prefix ::1/128 label 0; inet arp_cache ... thresh1 128; inet lo forwarding off rp_filter off ..."""
    label = answers("ip addrlabel list")[0]
    assert (label["IFAL_ADDRESS"], label["ifal_prefixlen"], label["IFAL_LABEL"]) == ("::1", 128, 0)
    table = answers("ip ntable show")[0]
    assert only(table, "ndtm_family NDTA_NAME NDTA_THRESH1 NDTA_GC_INTERVAL") == [uapi.AF_INET, "arp_cache", 128, 30000]
    assert only(table["NDTA_PARMS"], "NDTPA_BASE_REACHABLE_TIME NDTPA_UCAST_PROBES NDTPA_LOCKTIME") == [30000, 3, 1000]
    assert len(table["NDTA_STATS"]) == 11 and table["NDTA_CONFIG"]["ndtc_key_len"] == 4
    configuration = answers("ip -4 netconf show")[0]
    assert only(configuration, "NETCONFA_IFINDEX NETCONFA_FORWARDING NETCONFA_RP_FILTER") == [1, 0, 0]
    rules = {body["FRA_PRIORITY"]: body for body in answers("ip rule list") if "FRA_PRIORITY" in body}
    assert only(rules[11], "FRA_UID_RANGE FRA_IP_PROTO") == [{"start": 1000, "end": 2000}, uapi.IPPROTO_TCP]
    assert (rules[12]["FRA_TUN_ID"], rules[14]["FRA_GOTO"], rules[16]["FRA_FLOW"]) == (77, 32766, 3 << 16 | 4)


def test_a_message_is_called_what_its_number_is_called() -> None:
    assert all(getattr(uapi, message.name) == number for number, message in MESSAGES.items())


@pytest.mark.parametrize("command", REQUESTS)
def test_encodes_to_what_ip_sends(command: str) -> None:
    message, flags, body = REQUESTS[command]
    theirs = one(command, ">")
    (seq,) = struct.unpack_from("=I", theirs, 8)
    assert Request(message, body, flags).pack(seq).hex() == theirs.hex()


@pytest.mark.parametrize("command", REQUESTS)
def test_decodes_what_ip_sends(command: str) -> None:
    message, _, body = REQUESTS[command]
    theirs = one(command, ">")
    assert message.unpack(theirs, HEADER) == complete(message, body)


# -- what the kernel says -------------------------------------------------------------------------------------------


def answers(command: str, number: int = 0) -> list[dict[Any, Any]]:
    """The bodies in a datagram received, without the closing NLMSG_DONE."""
    data = one(command, "<", number)
    return [MESSAGES[frame.kind].unpack(data, frame.start, frame.end) for frame in nlmsg.split(data) if frame.kind >= 16]


def only(body: dict[Any, Any], keys: str) -> list[Any]:
    return [body.get(key) for key in keys.split()]


def test_links_as_the_kernel_lists_them() -> None:
    """`ip -d link show` printed: 1: lo ... 2: v2@v1 ... 3: v1@v2 alias thecable ... 77: v3@if2 ... link-netnsid 0."""
    lo, v2, v1, v3 = links()
    keys = "ifi_index IFLA_IFNAME IFLA_MTU IFLA_ADDRESS IFLA_LINK IFLA_LINK_NETNSID IFLA_TXQLEN"
    assert only(lo, keys) == [1, "lo", 65536, "00:00:00:00:00:00", None, None, 1000]
    assert only(v1, keys) == [3, "v1", 1500, "02:00:00:00:00:01", 2, None, 1000]
    assert only(v3, keys) == [77, "v3", 1400, "02:00:00:00:00:03", 2, 0, 500]
    assert only(v2, "ifi_index IFLA_IFNAME IFLA_LINK") == [2, "v2", 3]
    assert [v1["IFLA_IFALIAS"], v1["IFLA_GROUP"], v1["IFLA_LINKINFO"]] == ["thecable", 7, {"IFLA_INFO_KIND": "veth"}]
    assert [lo["ifi_type"], v1["ifi_type"]] == [uapi.ARPHRD_LOOPBACK, uapi.ARPHRD_ETHER]
    up = uapi.IFF_UP | uapi.IFF_LOWER_UP
    assert [link["ifi_flags"] & up for link in (lo, v1, v2, v3)] == [up, up, up, 0]
    assert [link["IFLA_OPERSTATE"] for link in (lo, v1, v3)] == [uapi.IF_OPER_UNKNOWN, uapi.IF_OPER_UP, uapi.IF_OPER_DOWN]
    assert v1["IFLA_AF_SPEC"]["AF_INET6"]["IFLA_INET6_ADDR_GEN_MODE"] == uapi.IN6_ADDR_GEN_MODE_NONE
    assert v1["IFLA_STATS64"]["rx_packets"] == v1["IFLA_STATS"]["rx_packets"] < 100


def links() -> list[dict[Any, Any]]:
    datagrams = [data for way, data in CAPTURED["ip -d link show"] if way == "<"]
    return [body for number in range(len(datagrams)) for body in answers("ip -d link show", number)]


def test_addresses_as_the_kernel_lists_them() -> None:
    found = [only(body, "ifa_index ifa_prefixlen IFA_ADDRESS IFA_LOCAL IFA_LABEL") for body in answers("ip addr show")]
    assert found[0] == [1, 8, "127.0.0.1", "127.0.0.1", "lo"]
    assert found[1] == [3, 24, "10.0.0.1", "10.0.0.1", "v1:a"]
    assert found[2] == [3, 32, "10.0.0.6", "10.0.0.5", "v1"]
    assert [3, 64, "fd00::1", None, None] in found
    (timed,) = [body for body in answers("ip addr show") if body["IFA_ADDRESS"] == "fd00::1"]
    assert only(timed["IFA_CACHEINFO"], "ifa_prefered ifa_valid") == [1000, 3000]
    assert timed["IFA_FLAGS"] == uapi.IFA_F_NODAD


def test_routes_as_the_kernel_lists_them() -> None:
    routes = {(body.get("RTA_DST"), body["RTA_TABLE"]): body for body in answers("ip route show table all")}
    assert routes[None, 254]["RTA_GATEWAY"] == "10.0.0.254"
    special = routes["10.9.0.0", 77]
    keys = "rtm_dst_len rtm_protocol RTA_PRIORITY RTA_PREFSRC RTA_OIF RTA_METRICS"
    assert only(special, keys) == [16, uapi.RTPROT_STATIC, 50, "10.0.0.1", 3, {"RTAX_MTU": 1300}]
    assert routes["10.7.0.0", 254]["rtm_type"] == uapi.RTN_BLACKHOLE
    hops = routes["10.8.0.0", 254]["RTA_MULTIPATH"]
    assert [only(hop, "RTA_GATEWAY rtnh_hops rtnh_ifindex") for hop in hops] == [["10.0.0.2", 0, 3], ["10.0.0.3", 1, 3]]
    assert routes["fd01::", 254]["RTA_GATEWAY"] == "fd00::2"
    (looked_up,) = answers("ip route get 10.0.0.2")
    assert only(looked_up, "RTA_DST RTA_OIF RTA_PREFSRC RTA_UID") == ["10.0.0.2", 3, "10.0.0.1", 0]


def test_neighbours_and_ids_as_the_kernel_lists_them() -> None:
    found = answers("ip neigh show")
    assert only(found[0], "ndm_ifindex ndm_state NDA_DST NDA_LLADDR") == [3, uapi.NUD_PERMANENT, "10.0.0.2", "02:00:00:00:00:02"]
    (proxied,) = answers("ip neigh show proxy")
    assert only(proxied, "ndm_flags NDA_DST") == [uapi.NTF_PROXY, "10.0.0.9"]
    assert [answers("ip netns list-id", number)[0]["NETNSA_NSID"] for number in range(2)] == [0, uapi.NETNSA_NSID_NOT_ASSIGNED]


def test_refusals_as_the_kernel_words_them() -> None:
    def refusal(command: str) -> list[Any]:
        data = one(command, "<")
        (frame,) = nlmsg.split(data)
        body = MESSAGES[frame.kind].unpack(data, frame.start, frame.end)
        return only(body, "error NLMSGERR_ATTR_MSG NLMSGERR_ATTR_OFFS msg.nlmsg_type")

    assert refusal("RTM_NEWADDR 10.0.0.1/99 on lo") == [-22, "ipv4: Invalid prefix length", None, 20]
    assert refusal("RTM_NEWNSID with a descriptor that is none") == [-9, "Peer netns reference is invalid", 20, 88]
    assert refusal("RTM_GETADDR dump for the index 999") == [-19, None, None, None]


# -- for every sample -------------------------------------------------------------------------------------------------


def test_what_was_decoded_encodes_and_decodes_to_the_same() -> None:
    for message, payload in PAYLOADS:
        body = message.unpack(payload)
        assert message.unpack(message.pack(body)) == body


def test_requests_and_refusals_encode_to_the_very_same_bytes() -> None:
    """Those of the kernel about links, groups and actions do not: it forgets NLA_F_NESTED, or we do not know that it sets it."""
    named = ("RTM_NEWLINK", "RTM_NEWROUTE", "RTM_NEWNEXTHOP", "RTM_GETMDB", "RTM_NEWTFILTER", "RTM_GETACTION")
    compared = 0
    for message, payload in PAYLOADS:
        if message.name not in named:
            padded = payload + bytes(-len(payload) % 4)
            assert message.pack(message.unpack(payload)).hex() == padded.hex()
            compared += 1
    assert compared > 50


def test_every_byte_has_a_name() -> None:
    """The spans that `explain` prints leave nothing out but padding, and nothing reaches over the end."""
    for message, payload in PAYLOADS:
        trace: list[Span] = []
        message.unpack(payload, trace=trace)
        named = {at for span in trace for at in range(span.offset, span.offset + span.length)}
        assert not named or max(named) < len(payload)
        padding = set(range(len(payload))) - named
        assert all(payload[at] == 0 for at in padding) and not any(padding >= {at, at + 1, at + 2, at + 3} for at in padding)
        for span in trace:
            assert isinstance(span.text(), str) and span.name


def test_tracing_changes_nothing() -> None:
    for message, payload in PAYLOADS:
        assert message.unpack(payload, trace=[]) == message.unpack(payload)


def outcome(message: Message, data: bytes, trace: list[Span] | None) -> object:
    try:
        return message.unpack(data, trace=trace)
    except WireError:
        return "malformed"


def test_messages_of_a_known_shape_are_decoded_as_any_other() -> None:
    """A message is decoded in one step if one of the same lengths was met before; one with a trace never is.

    So each sample is met twice, and then decoded whole, cut short and with one byte changed at a time in its first 64.
    """
    dice = random.Random(20260102)
    for message, payload in PAYLOADS:
        for _ in range(3):
            assert message.unpack(payload) == message.unpack(payload, trace=[])
        for _ in range(6):
            at = dice.randrange(min(len(payload), 64))
            changed = payload[:at] + dice.randbytes(1) + payload[at + 1 :]
            assert outcome(message, changed, None) == outcome(message, changed, [])
            cut = payload[: dice.randrange(len(payload))]
            assert outcome(message, cut, None) == outcome(message, cut, [])
            assert message.unpack(payload) == message.unpack(payload, trace=[])


def same(whole: object, part: object) -> bool:
    """Tell whether a value is that of the whole message, the bytes of a nest whose type was cut off, or the first of several."""
    if isinstance(whole, list) and isinstance(part, list):
        return whole[: len(part)] == part
    return whole == part or isinstance(whole, dict) and isinstance(part, bytes)


@pytest.mark.no_cover  # measuring it takes three times as long
def test_every_truncation_is_an_error_or_a_part() -> None:
    for message, payload in PAYLOADS:
        whole, errors = message.unpack(payload), 0
        for size in range(len(payload)):
            try:
                part = message.unpack(payload[:size], trace=[] if size % 2 else None)
            except WireError:
                errors += 1
            else:
                assert all(same(whole[key], value) for key, value in part.items()), f"{message.name} cut to {size} bytes invents"
        assert errors >= len(payload) // 4 or message is nlmsg.DONE  # a cut inside a header or an attribute is an error


def test_every_truncation_of_a_datagram_is_an_error_or_a_part() -> None:
    for datagrams in CAPTURED.values():
        for _, data in datagrams:
            whole = [(frame.kind, frame.start, frame.end) for frame in nlmsg.split(data)]
            for size in [*range(1, 100), *range(len(data) - 40, len(data))]:
                frames = []
                try:
                    for frame in nlmsg.split(data[:size]):
                        frames.append((frame.kind, frame.start, frame.end))
                except WireError:
                    pass
                assert frames == whole[: len(frames)]


def test_unknown_attributes_are_kept() -> None:
    for message, payload in PAYLOADS:
        body = message.unpack(payload)
        aligned = payload + bytes(-len(payload) % 4)
        if len(payload) < message.layout.header.size:
            continue
        enlarged = aligned + struct.pack("=HH3sx", 7, 4001, b"new") + struct.pack("=HH", 4, 4002)
        assert message.unpack(enlarged) == {**body, 4001: b"new", 4002: b""}
        assert message.pack({4001: b"new", 4002: b""})[-12:] == enlarged[-12:]


def test_a_longer_struct_of_a_newer_kernel_is_read_as_far_as_it_is_known() -> None:
    known = address.IFA_CACHEINFO.pack({"ifa_valid": 5}, {})
    payload = address.IFADDRMSG.pack({}, {}) + struct.pack("=HH", 4 + len(known) + 8, uapi.IFA_CACHEINFO) + known + b"\xff" * 8
    traces: list[list[Span] | None] = [None, []]
    for trace in traces:
        cache = rtnl.NEWADDR.unpack(payload, trace=trace)["IFA_CACHEINFO"]
        assert cache == {"ifa_prefered": 0, "ifa_valid": 5, "cstamp": 0, "tstamp": 0}


def test_the_data_of_an_unknown_kind_is_kept_as_bytes() -> None:
    info = struct.pack("=HH8sHHI", 12, 1, b"wormhole", 8, 2, 0xCAFE)
    payload = bytes(16) + struct.pack("=HH", 4 + len(info), uapi.IFLA_LINKINFO) + info
    expected = {"IFLA_INFO_KIND": "wormhole", "IFLA_INFO_DATA": struct.pack("=I", 0xCAFE)}
    assert rtnl.NEWLINK.unpack(payload)["IFLA_LINKINFO"] == expected


@pytest.mark.no_cover  # measuring it takes three times as long
def test_no_mutation_does_worse_than_a_wire_error() -> None:
    """Ten bytes of luck a time, from a fixed seed; the count bounds the time, and no datagram may take many steps."""
    dice = random.Random(20260101)
    datagrams = [data for group in CAPTURED.values() for _, data in group]
    outcomes = {True: 0, False: 0}
    for _ in range(8000):
        data = bytearray(dice.choice(datagrams))
        for _ in range(dice.randint(1, 10)):
            at = dice.randrange(len(data))
            data[at : at + dice.choice((1, 1, 2))] = dice.choice((b"\0", b"\xff", b"\x80", dice.randbytes(1), dice.randbytes(2)))
        if dice.random() < 0.2:
            del data[dice.randrange(len(data)) :]
        try:
            steps = 0
            for name, trace in nlmsg_spans.spans(data, rtnl.MESSAGES):
                steps += 1 + len(trace)
                assert isinstance(name, str) and all(isinstance(span.text(), str) for span in trace[:40])
            outcomes[True] += 1
        except WireError:
            outcomes[False] += 1
        assert steps <= len(data)
    assert min(outcomes.values()) > 100, "the dice are loaded: this tests only one outcome"


# -- what `ip` has no command for, built in C -----------------------------------------------------------------------

C = """
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <string.h>

static unsigned char *end;

static struct nlattr *put(int type, const void *data, int size) {
    struct nlattr *nla = (struct nlattr *)end;
    nla->nla_type = type;
    nla->nla_len = NLA_HDRLEN + size;
    memset(end + NLA_HDRLEN, 0, NLA_ALIGN(size));
    if (data)
        memcpy(end + NLA_HDRLEN, data, size);
    end += NLA_ALIGN(nla->nla_len);
    return nla;
}

static void close_nest(struct nlattr *nla) { nla->nla_len = end - (unsigned char *)nla; }

int setlink(unsigned char *out) {
    unsigned int u32 = 65000, netnsid = -1;
    unsigned char u8 = 1;
    struct ifinfomsg *ifi = (struct ifinfomsg *)out;
    memset(ifi, 0, sizeof *ifi);
    ifi->ifi_family = AF_UNSPEC;
    ifi->ifi_index = 42;
    ifi->ifi_change = IFF_MULTICAST | IFF_UP;
    ifi->ifi_flags = IFF_UP;
    end = out + NLMSG_ALIGN(sizeof *ifi);
    put(IFLA_GSO_MAX_SIZE, &u32, 4);
    put(IFLA_LINK_NETNSID, &netnsid, 4);
    put(IFLA_CARRIER, &u8, 1);
    put(IFLA_PHYS_SWITCH_ID, "\\001\\002\\003", 3);
    struct nlattr *list = put(IFLA_PROP_LIST | NLA_F_NESTED, 0, 0);
    put(IFLA_ALT_IFNAME, "uplink", 7);
    put(IFLA_ALT_IFNAME, "the-cable-in-the-cellar", 24);
    close_nest(list);
    struct nlattr *info = put(IFLA_LINKINFO, 0, 0);
    put(IFLA_INFO_KIND, "bridge", 6);
    struct nlattr *data = put(IFLA_INFO_DATA, 0, 0);
    struct ifla_bridge_id id = { { 0x80, 0 }, { 2, 0, 0, 0, 0, 9 } };
    unsigned short prio = 0x8000;
    unsigned long long timer = 0x1122334455667788ULL;
    put(IFLA_BR_PRIORITY, &prio, 2);
    put(IFLA_BR_BRIDGE_ID, &id, sizeof id);
    put(IFLA_BR_GC_TIMER, &timer, 8);
    put(IFLA_BR_GROUP_ADDR, "\\001\\200\\302\\000\\000\\000", 6);
    close_nest(data);
    close_nest(info);
    return end - out;
}
"""
SETLINK = {
    "ifi_index": 42,
    "ifi_change": uapi.IFF_MULTICAST | uapi.IFF_UP,
    "ifi_flags": uapi.IFF_UP,
    "IFLA_GSO_MAX_SIZE": 65000,
    "IFLA_LINK_NETNSID": -1,
    "IFLA_CARRIER": 1,
    "IFLA_PHYS_SWITCH_ID": b"\1\2\3",
    "IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": ["uplink", "the-cable-in-the-cellar"]},
    "IFLA_LINKINFO": {
        "IFLA_INFO_KIND": "bridge",
        "IFLA_INFO_DATA": {
            "IFLA_BR_PRIORITY": 0x8000,
            "IFLA_BR_BRIDGE_ID": {"prio": b"\x80\0", "addr": b"\2\0\0\0\0\x09"},
            "IFLA_BR_GC_TIMER": 0x1122334455667788,
            "IFLA_BR_GROUP_ADDR": "01:80:c2:00:00:00",
        },
    },
}


@pytest.fixture(scope="session")
def built_in_c(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    cffi = pytest.importorskip("cffi")
    name, folder = f"_rawns_setlink_{os.getpid()}", tmp_path_factory.mktemp("setlink")
    ffi = cffi.FFI()
    ffi.cdef("int setlink(unsigned char *out);")
    ffi.set_source(name, "#include <sys/socket.h>\n#include <linux/if.h>\n" + C, extra_compile_args=["-w", "-O0"])
    library = Path(ffi.compile(tmpdir=str(folder)))
    sys.path.insert(0, str(library.parent))
    try:
        module = importlib.import_module(name)
    finally:
        sys.path.remove(str(library.parent))
    out = module.ffi.new("unsigned char[4096]")
    return bytes(module.ffi.buffer(out, module.lib.setlink(out)))


def test_setlink_encodes_to_what_c_builds(built_in_c: bytes) -> None:
    assert rtnl.SETLINK.pack(SETLINK).hex() == built_in_c.hex()
    assert rtnl.SETLINK.unpack(built_in_c) == complete(rtnl.SETLINK, SETLINK)


def test_setlink_cut_short(built_in_c: bytes) -> None:
    whole = rtnl.SETLINK.unpack(built_in_c)
    for size in range(len(built_in_c)):
        try:
            part = rtnl.SETLINK.unpack(built_in_c[:size])
        except WireError:
            continue
        assert all(whole[key] == value for key, value in part.items())
