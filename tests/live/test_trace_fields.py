"""Every field that strace decodes in the netlink messages of other programs, compared with ours, on the same bytes of one run.

strace prints the fields with numbers and names (``-X verbose``), and the bytes of the same call as a dump, which is decoded here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawns import explain, nlmsg_spans
from rawns.tracing import parse
from rawns.wire import Span

SCRIPT = """
ip link add v1 type veth peer name v2; ip addr add 10.0.0.1/24 dev v1; ip link set v1 up; ip link set v2 up; ip -d link
ip -s addr
ip route add 10.5.0.0/16 nexthop dev v1 nexthop via 10.0.0.9 weight 3; ip route; ip -6 route; ip rule add from 10.0.0.0/8 table 7
ip rule; ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev v1; ip neigh; ip link add br0 type bridge; ip link set v2 master br0
tc qdisc add dev v1 root tbf rate 1mbit burst 10k latency 10ms; tc -s qdisc; bridge link; bridge fdb; bridge vlan; ss -tan; ss -xa
ip netconf; ip link del nosuch; nft add table ip x; nft list tables
"""
HEAD = re.compile(
    r"nla_len=(\d+), nla_type=(?:0x8000 /\* NLA_F_NESTED \*/\|)?(?:(0x[0-9a-f]+)|(\d+))(?: /\* ([^*]*) \*/)?\}"
    r"(?:, (?=(-?\d+|0x[0-9a-f]+)\b))?"
)
MEMBER = re.compile(r'\b([a-z_]\w*)=(-?\d+|0x[0-9a-f]+)(?: /\* ([^"*]*) \*/)?(?=[,}\]])')
FIELD = re.compile(f"(?P<head>{HEAD.pattern})|(?P<member>{MEMBER.pattern})")
DUMP = re.compile(r"^ \| [0-9a-f]{5,}", re.MULTILINE)
NESTED = 0xC000  # NLA_F_NESTED | NLA_F_NET_BYTEORDER

# Where strace and rawns differ, by what strace says, and why rawns is right.
JUDGED = {
    "nlmsg_flags NLM_F_REQUEST|NLM_F_DUMP NLM_F_REQUEST|NLM_F_ROOT|NLM_F_MATCH": "NLM_F_DUMP is both bits",
    "ifi_type ARPHRD_NETROM 0": "in a request it is not set",
    "rtm_protocol RTPROT_UNSPEC 0": "a zero without a meaning has no name here",
    "action FR_ACT_UNSPEC 0": "the same",
    "ndm_state NUD_NONE 0": "the same",
    "version NFNETLINK_V0 0": "the same",
    "nfgen_family AF_UNSPEC NFPROTO_UNSPEC": "the values are those of <linux/netfilter.h>, of which some are no address families",
    "nfgen_family AF_INET NFPROTO_IPV4": "the same",
    "ifi_family": "the request for a bridge's entries has a struct ndmsg, whose first member is ndm_family",
    "nla FRA_SUPPRESS_PREFIXLEN 4294967295 -1": "ip rule(8) and the kernel take it for a signed number; -1 is none",
    "nla NETCONFA_IFINDEX 4294967295 -1": "NETCONFA_IFINDEX_ALL is -1",
    "nla NETCONFA_IFINDEX 4294967294 -2": "NETCONFA_IFINDEX_DEFAULT is -2",
}


class Call:
    """One call in a log of strace: what it has decoded, and the bytes."""

    def __init__(self, line: str, data: bytes, protocol: str) -> None:
        self.line, self.data, self.protocol = line, data, protocol


def calls(log: str) -> Iterator[Call]:
    """Yield the calls that moved messages, with the lines of their dumps."""
    lines, at = log.splitlines(), 0
    families: dict[tuple[str, str], str] = {}
    while at < len(lines):
        line, dump, at = lines[at], [], at + 1
        opened = re.match(r"(\d+) +socket\([^,]*AF_NETLINK[^,]*, [^,]*, 0?x?[0-9a-f]+ ?(?:/\* (\w+) \*/)?\) = (\d+)", line)
        if opened:
            families[opened[1], opened[3]] = opened[2] or "NETLINK_ROUTE"
        while at < len(lines) and lines[at].startswith((" |", " *")):
            dump.append(lines[at])
            at += 1
        called = re.match(r"(\d+) +\w+\((\d+), ", line)
        if called and dump and "nlmsg_len=" in line and "<unfinished" not in line:
            text = "\n".join(one for one in dump if DUMP.match(one))
            names = {"NETLINK_ROUTE": "rtnetlink", "NETLINK_SOCK_DIAG": "sock_diag", "NETLINK_NETFILTER": "nftables"}
            protocol = names.get(families.get((called[1], called[2]), ""), "generic")
            (_, data), *_ = parse.datagrams(text.encode())
            line = re.sub(
                r"msg_name=\{[^}]*\}, msg_namelen=\d+|, iov_len=\d+.*$|\{sa_family=[^}]*\}|\{nlmsg_len=0,[^}]*\}", "", line
            )  # the last: iproute2 sends more
            yield Call(line, data, protocol)


def number_of(span: Span, data: bytes) -> int:
    """The number of an attribute, from its header."""
    return int.from_bytes(data[span.offset + 2 : span.offset + 4], "little") & ~NESTED


def differences(call: Call) -> Iterator[str]:
    """Yield what strace says of a call and the spans do not; both are in the order of the bytes."""
    data = call.data[: nlmsg_spans.ignored(call.data)]  # iproute2 sends more
    spans = [span for _, found in nlmsg_spans.spans(data, explain.descriptions(call.protocol)) for span in found]
    at = 0
    for match in FIELD.finditer(call.line[call.line.index("nlmsg_len=") :]):
        head, length, hexadecimal, decimal, name, value, _, member, number, words = match.groups()
        if head:
            wanted, name = int(hexadecimal or decimal, 0), (name or "").rpartition("|")[2]
            found = next(
                (place for place in range(at, len(spans)) if is_head(spans[place], call.data, int(length), wanted)), None
            )
            if found is None:
                yield f"nla {name or wanted}"
                continue
            at, span = found + 1, spans[found]
            if name and "???" not in name and not name.startswith("NLA_") and name != span.name:
                yield f"nla {name} {span.name}"
            elif value is not None and isinstance(span.value, int) and int(value, 0) != span.value:
                yield f"nla {name} {value} {span.value}"
            continue
        found = next((place for place in range(at, len(spans)) if spans[place].name.split(".")[-1] == member), None)
        if found is None:
            yield member
            continue
        at, span = found + 1, spans[found]
        if isinstance(span.value, int) and (int(number, 0) ^ span.value) & 0xFFFFFFFF:
            yield f"{member} {number} {span.value}"
        elif words and re.fullmatch(r"[A-Z][A-Z0-9_|]*", words) and set(words.split("|")) != set(span.text().split("|")):
            yield f"{member} {words} {span.text()}"


def is_head(span: Span, data: bytes, length: int, number: int) -> bool:
    """Whether a span is the attribute of this length and number."""
    return span.head == 4 and span.length == length and number_of(span, data) == number & ~NESTED


def test_every_field_that_strace_decodes_agrees(tmp_path: Path) -> None:
    missing = [tool for tool in ("strace", "ip", "tc", "bridge", "ss", "nft") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    log = tmp_path / "log"
    options = ["-f", "-v", "-X", "verbose", "-s", "65536", "-e", "write=all", "-e", "read=all", "-o", str(log)]
    trace = ["strace", *options, "-e", "trace=socket,sendto,sendmsg,recvfrom,recvmsg", "sh", "-c", SCRIPT]
    subprocess.run(["unshare", "-n", *trace], capture_output=True)
    found: dict[str, int] = {}
    fields = 0
    for call in calls(log.read_text(errors="replace")):
        fields += len(FIELD.findall(call.line))
        for one in differences(call):
            found[one] = found.get(one, 0) + 1
    assert fields > 3000
    assert {one: number for one, number in found.items() if one not in JUDGED} == {}
