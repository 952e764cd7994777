"""What becomes of a packet, foretold from the rules of the real `nft`, and then really sent."""

from __future__ import annotations

import shutil
import socket
import subprocess

import pytest

from rawns import InvalidValue, NetNS
from rawns.nft.evaluate import Packet

pytestmark = pytest.mark.skipif(shutil.which("nft") is None, reason="there is no `nft` here")


@pytest.fixture
def ns(netns: NetNS) -> NetNS:
    if netns.run(["nft", "list", "ruleset"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("`nft` cannot list anything here")
    return netns


def make(ns: NetNS, *lines: str, hook: str = "input", policy: str = "accept", family: str = "inet") -> None:
    chain = f"type filter hook {hook} priority 0 ; policy {policy} ;"
    script = [f"add table {family} t", *(f"add chain {family} t {name}" for name in ("more", "end", f"c {{ {chain} }}"))]
    script += [line if line.startswith("add ") else f"add rule {family} t c {line}" for line in lines]
    ns.run(["nft", "-f", "-"], input="\n".join(script) + "\n", text=True, check=True)


def udp(address: str = "127.0.0.1") -> Packet:
    """A datagram as the tests send it.  A new one each time: an evaluated rule may have set its mark."""
    return Packet(address, address, iif="lo", oif="lo", protocol="udp", port=5000)


# The rules of an input chain, whether its policy drops, and what becomes of a datagram to port 5000 of 127.0.0.1.
SURE = [
    ([], "accept", "accept"),
    ([], "drop", "drop"),
    (["drop"], "accept", "drop"),
    (["counter drop"], "accept", "drop"),
    (["accept"], "drop", "accept"),
    (["reject"], "accept", "reject"),
    (["iifname lo accept"], "drop", "accept"),
    (['iifname "eth0" accept'], "drop", "drop"),
    (["iifname != lo drop"], "accept", "accept"),
    (["ip saddr 127.0.0.0/8 drop"], "accept", "drop"),
    (["ip saddr 10.0.0.0/12 drop"], "accept", "accept"),
    (["ip daddr 127.0.0.0/9 drop"], "accept", "drop"),
    (["ip6 saddr ::1 drop"], "accept", "accept"),
    (["ip protocol udp drop"], "accept", "drop"),
    (["meta l4proto tcp drop"], "accept", "accept"),
    (["udp dport 5000 drop"], "accept", "drop"),
    (["udp dport 5001 drop"], "accept", "accept"),
    (["udp dport >= 4000 udp dport < 5000 drop"], "accept", "accept"),
    (["ct state new accept"], "drop", "accept"),
    (["ct state established,related accept"], "drop", "drop"),
    (["ct state invalid drop", "ct state new counter accept"], "drop", "accept"),
    (["log", "counter", "meta mark set 7"], "drop", "drop"),
    (["jump more", "drop"], "accept", "drop"),
    (["add rule inet t more accept", "jump more", "drop"], "drop", "accept"),
    (["add rule inet t more udp dport 5001 accept", "jump more", "drop"], "accept", "drop"),
    (["add rule inet t more return", "add rule inet t more drop", "jump more"], "accept", "accept"),
    (["goto more", "accept"], "drop", "drop"),
    (["return", "drop"], "accept", "accept"),
    (["iifname eth0 jump more", "add rule inet t more drop"], "accept", "accept"),
]


def arrives(ns: NetNS, family: int = socket.AF_INET) -> bool:
    """Whether a datagram comes over `lo` to port 5000: on `lo` it is there when `send` returns, or it never is."""
    with ns.socket(family, socket.SOCK_DGRAM) as ear, ns.socket(family, socket.SOCK_DGRAM) as mouth:
        here = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        ear.bind((here, 5000))
        mouth.sendto(b"x", (here, 5000))
        ear.setblocking(False)
        try:
            return ear.recv(9) == b"x"
        except BlockingIOError:
            return False


@pytest.mark.parametrize(("lines", "policy", "verdict"), SURE, ids=lambda value: str(value)[:60])
def test_what_is_sure_happens(ns: NetNS, lines: list[str], policy: str, verdict: str) -> None:
    make(ns, *lines, policy=policy)
    told = ns.nft.evaluate(udp(), "input")
    assert (told.verdict, told.certain) == (verdict, True), told
    assert arrives(ns) == (verdict == "accept")
    assert ns.nft.evaluate(udp(), "forward").chain is None


@pytest.mark.parametrize(
    ("lines", "policy", "verdict", "undecided"),
    [
        (["udp dport { 5000, 5001 } drop"], "accept", "accept", 1),
        (["udp dport vmap { 5000 : drop }"], "accept", "accept", 1),
        (["limit rate 1/hour drop"], "accept", "accept", 1),
        (["meta mark 7 accept"], "drop", "drop", 1),
        (["meta mark 7 accept", "drop"], "accept", "drop", 1),
        (["meta mark 7 accept"], "accept", "accept", 0),  # it would say what the policy says
        (["meta mark 7 iifname eth9 drop"], "accept", "accept", 0),  # it cannot fit, whatever the mark
        (["meta mark 7 jump more", "add rule inet t more drop"], "accept", "accept", 1),
        (["meta mark 7 goto more"], "drop", "drop", 1),
        (["meta mark 7 return", "accept"], "drop", "accept", 1),
        (["jump more", "add rule inet t more meta mark 7 drop"], "accept", "accept", 1),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_nobody_can_tell_is_said(ns: NetNS, lines: list[str], policy: str, verdict: str, undecided: int) -> None:
    make(ns, *lines, policy=policy)
    told = ns.nft.evaluate(udp(), "input")
    assert (told.verdict, len(told.undecided), told.certain) == (verdict, undecided, not undecided), told


def test_who_said_so(ns: NetNS) -> None:
    make(ns, 'udp dport 5000 drop comment "not here"')
    told = ns.nft.evaluate(udp(), "input")
    assert str(told.chain) == "inet t c" and told.rule is not None and told.rule.comment == "not here"


def test_a_family_is_for_its_own(ns: NetNS) -> None:
    make(ns, family="ip6", policy="drop")
    told = ns.nft.evaluate(udp("::1"), "input")
    assert (told.verdict, told.rule, str(told.chain)) == ("drop", None, "ip6 t c") and not arrives(ns, socket.AF_INET6)
    told = ns.nft.evaluate(udp(), "input")
    assert (told.verdict, told.chain) == ("accept", None) and arrives(ns)


def test_chains_are_passed_in_their_order(ns: NetNS) -> None:
    """The first that drops has the last word; a table that sleeps has none."""
    for name, priority, policy in (("late", 10, "drop"), ("early", -10, "accept")):
        chain = f"type filter hook input priority {priority} ; policy {policy} ;"
        ns.run(["nft", f"add table inet {name} ; add chain inet {name} c {{ {chain} }}"], check=True)
    told = ns.nft.evaluate(udp(), "input")
    assert (told.verdict, str(told.chain)) == ("drop", "inet late c") and not arrives(ns)
    ns.run(["nft", "add table inet late { flags dormant ; }"], check=True)
    told = ns.nft.evaluate(udp(), "input")
    assert (told.verdict, str(told.chain)) == ("accept", "inet early c") and arrives(ns)


@pytest.mark.parametrize(
    "options", [{"protocol": "smtp"}, {"state": "tired"}, {"destination": "::1"}, {"source": "10.0.0.0/8"}], ids=str
)
def test_a_packet_that_cannot_be(options: dict[str, str]) -> None:
    with pytest.raises(InvalidValue):
        Packet(**{"source": "10.0.0.1", "destination": "10.0.0.2", **options})  # type: ignore[arg-type]


SPOKEN = [
    'iifname "eth0" oifname "eth*" counter drop',
    "ct state established,related accept",
    "ct state invalid drop",
    "meta mark 0x00000007 return",
    "ip saddr 10.0.0.0/8 ip daddr 10.4.0.0/20 reject",
    "ip saddr != 192.0.2.7 accept",
    "meta nfproto ipv6 ip6 saddr fd00::/64 ip6 daddr fd01::/67 drop",
    "meta l4proto tcp th dport 22 accept",
    "meta l4proto udp th sport >= 1024 drop",
    "jump end",
    "goto end",
    "ip ttl 1 drop",
]


@pytest.mark.parametrize("line", SPOKEN)
def test_a_rule_in_words_is_the_rule(ns: NetNS, line: str) -> None:
    """Our words for a rule, given to the real `nft`, make the same expressions."""
    make(ns, line)
    (one,) = [rule for rule in ns.nft.rules() if rule.chain == "c"]
    ns.run(["nft", "add", "rule", "inet", "t", "more", str(one)], check=True)
    (other,) = [rule for rule in ns.nft.rules() if rule.chain == "more"]
    plain = [[statement for statement in each.statements if statement.kind not in ("counter", "reject")] for each in (one, other)]
    assert plain[0] == plain[1], f"{one} and {other}"


def test_words_of_what_cannot_be_said_again(ns: NetNS) -> None:
    make(ns, 'udp dport { 53, 54 } limit rate 7/hour accept comment "names"')
    ns.run(["nft", "add table ip n ; add chain ip n p { type nat hook prerouting priority 0 ; }"], check=True)
    for port, to in ((80, "10.0.0.2:8080"), (81, "10.0.0.3")):
        ns.run(["nft", f"add rule ip n p tcp dport {port} dnat to {to}"], check=True)
    assert [str(rule) for rule in ns.nft.rules()] == [
        'meta l4proto udp in @__set0 limit accept comment "names"',
        "meta l4proto tcp th dport 80 dnat ip to 10.0.0.2:8080",
        "meta l4proto tcp th dport 81 dnat ip to 10.0.0.3",
    ]
