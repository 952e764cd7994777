"""The checks behind `rawns why`, over namespaces that are described by literals: no kernel, no privileges, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from errno import ENETUNREACH
from itertools import count
from typing import Any

import pytest

from rawns import SyscallError, uapi
from rawns.diagnose import CheckResult, Diagnosis, NetworkFault, diagnose, remedy
from rawns.diagnose.commands import NamespaceName, word
from rawns.diagnose.flow import Flow, RouteQuery
from rawns.diagnose.namespace_view import NamespaceView, RouteRefused
from rawns.diagnose.path import chosen
from rawns.diagnose.prefixes import holds, of_length, spare_address
from rawns.diagnose.probe import ProbeRequest, ProbeResult
from rawns.diagnose.segment import search
from rawns.nft.evaluate import Evaluation, Packet
from rawns.nft.records import NftChain, NftRule
from rawns.objects.address import Address
from rawns.objects.link import Link
from rawns.objects.neighbour import Neighbour
from rawns.objects.prefix import BITS, family_of
from rawns.objects.route import Route
from rawns.objects.rule import Rule
from rawns.objects.vlan import Vlan

UP = uapi.IFF_UP | uapi.IFF_LOWER_UP | uapi.IFF_BROADCAST
BARE, TAGGED = (True, True), (False, False)  # (pvid, untagged)


SERIAL = count(1)


class DescribedNamespace(NamespaceView):
    """A namespace that is what a test says it is.  Its routes follow from its addresses, and from ``more``: (prefix, gateway)."""

    def __init__(self, name: str) -> None:
        self.name = NamespaceName(name)
        self.told: dict[int, Link] = {}
        self.ends: dict[int, tuple[NamespaceView, int]] = {}
        self.has: list[Address] = []
        self.more: list[tuple[str, int, str | None, str]] = []  # prefix, length, gateway, device
        self.tags: dict[int, dict[int, tuple[bool, bool]]] = {}
        self.sysctls: dict[str, int] = {}
        self.evaluations: dict[str, Evaluation] = {}
        self.link_evaluations: dict[str, Evaluation] = {}
        self.listening: list[str] = []
        self.noted: list[Neighbour] = []
        self.looked = 0
        self.known = True
        self.link("lo", uapi.IFF_UP | uapi.IFF_LOWER_UP | uapi.IFF_LOOPBACK, kind=None)

    def link(self, name: str, flags: int = UP, kind: str | None = "veth", **more: Any) -> Link:
        index = len(self.told) + 1
        info = {"IFLA_INFO_KIND": kind} if kind else {}
        body: dict[str, Any] = {"ifi_index": index, "ifi_flags": flags, "IFLA_IFNAME": name, "IFLA_MTU": 1500}
        body.update(IFLA_ADDRESS=f"02:00:{next(SERIAL):08x}")
        body.update(IFLA_LINKINFO={**info, **more.pop("info", {})}, **more)
        self.told[index] = Link(body)
        return self.told[index]

    def named_link(self, name: str) -> Link:
        return next(link for link in self.told.values() if link.name == name)

    def change(self, name: str, **body: Any) -> None:
        index = self.named_link(name).index
        self.told[index] = Link({**self.told[index].body, **body})

    def address(self, link: Link, text: str, flags: int = 0) -> None:
        address, _, length = text.partition("/")
        body = {"ifa_index": link.index, "ifa_family": family_of(address), "ifa_prefixlen": int(length), "ifa_flags": flags}
        self.has.append(Address({**body, "IFA_LOCAL": address, "IFA_ADDRESS": address}))

    # -- what is asked ----------------------------------------------------------------------------------------------

    @property
    def loaded(self) -> bool:
        return self.known

    @property
    def links(self) -> dict[int, Link]:
        self.looked, self.known = self.looked + 1, True
        return self.told

    @property
    def addresses(self) -> Sequence[Address]:
        return self.has

    def far_end(self, link: Link) -> tuple[NamespaceView, int] | None:
        return self.ends.get(link.index)

    def underlay(self, link: Link) -> NamespaceView | None:
        return self

    def elsewhere(self) -> Sequence[NamespaceView]:
        return ()

    def route(self, query: RouteQuery) -> Route | RouteRefused:
        target = query.target
        family = family_of(target)
        base = {"rtm_family": family, "rtm_dst_len": BITS[family], "RTA_DST": target, "rtm_table": 254, "rtm_scope": 0}
        if self.holder(target) is not None:
            return Route({**base, "rtm_type": uapi.RTN_LOCAL, "RTA_OIF": 1, "RTA_PREFSRC": target})
        near = [(one.prefixlen, one.index, None, one.address) for one in self.has if holds(one.address, one.prefixlen, target)]
        far = [(length, self.named_link(dev).index, via, None) for to, length, via, dev in self.more if holds(to, length, target)]
        ways = [one for one in [*near, *far] if self.told[one[1]].up]
        if not ways:
            return RouteRefused(ENETUNREACH)
        _, index, via, mine = max(ways, key=lambda one: one[0])
        mine = mine or next((one.address for one in self.has if one.family == family), None)
        found = {**base, "rtm_type": uapi.RTN_UNICAST, "RTA_OIF": index, "RTA_PREFSRC": mine}
        return Route({**found, "RTA_GATEWAY": via} if via else found)

    def routes(self) -> Sequence[Route]:
        rows = [(to, length, via, self.named_link(dev).index) for to, length, via, dev in self.more]
        return [
            Route({"rtm_family": family_of(to), "rtm_dst_len": length, "rtm_table": 254, "rtm_type": 1, "RTA_OIF": index}
                  | ({"RTA_DST": to} if length else {}) | ({"RTA_GATEWAY": via} if via else {}))
            for to, length, via, index in rows
        ]  # fmt: skip

    def rules(self) -> Sequence[Rule]:
        standard = ((0, 255), (32766, 254), (32767, 253))
        return [
            Rule({"family": family, "table": table, "action": uapi.FR_ACT_TO_TBL, "FRA_PRIORITY": priority})
            for family in (uapi.AF_INET, uapi.AF_INET6)
            for priority, table in standard
        ]

    def fdb(self) -> Sequence[Neighbour]:
        return ()

    def neighbours(self) -> Sequence[Neighbour]:
        return self.noted

    def vlans(self, index: int) -> dict[int, Vlan]:
        return {vid: Vlan(index, vid, *flags) for vid, flags in self.tags.get(index, {}).items()}

    def chains(self) -> Sequence[NftChain]:
        return ()

    def evaluate(self, packet: Packet, hook: str, families: frozenset[int] | None = None) -> Evaluation:
        evaluations = self.evaluations if families is None else self.link_evaluations
        return evaluations.get(hook, Evaluation("accept"))

    def translate(self, packet: Packet, hook: str) -> None:
        return None

    def unreadable_filters(self) -> Sequence[str]:
        return ()

    def listeners(self, protocol: str, port: int) -> Sequence[str] | None:
        return self.listening

    def sysctl(self, name: str) -> int | None:
        return self.sysctls.get(name, 0)


def cable(one: DescribedNamespace, near: str, other: DescribedNamespace, far: str, **more: Any) -> tuple[Link, Link]:
    left, right = one.link(near, IFLA_LINK=1, **more), other.link(far, IFLA_LINK=1)
    one.ends[left.index], other.ends[right.index] = (other, right.index), (one, left.index)
    return left, right


def pair() -> tuple[DescribedNamespace, DescribedNamespace]:
    a, b = DescribedNamespace("a"), DescribedNamespace("b")
    v1, v2 = cable(a, "v1", b, "v2")
    a.address(v1, "10.0.0.1/24")
    b.address(v2, "10.0.0.2/24")
    return a, b


def switched(hosts: int = 2, **data: int) -> tuple[DescribedNamespace, list[DescribedNamespace]]:
    """Hosts h0, h1 ... on br0 in s, by ports p0, p1 ..."""
    switch = DescribedNamespace("s")
    bridge = switch.link("br0", kind="bridge", info={"IFLA_INFO_DATA": data})
    found = []
    for which in range(hosts):
        host = DescribedNamespace(f"h{which}")
        port, end = cable(switch, f"p{which}", host, "eth0", IFLA_MASTER=bridge.index)
        switch.tags[port.index] = {1: BARE}
        host.address(end, f"10.{which >> 16}.{which >> 8 & 255}.{(which & 255) + 1}/8")
        found.append(host)
    return switch, found


def diagnosed(
    a: DescribedNamespace,
    b: DescribedNamespace | None,
    target: str | None = None,
    answer: float | None = None,
    others: Iterable[DescribedNamespace] = (),
    flow: Flow | None = None,
    report: Callable[[CheckResult], object] = lambda result: None,
) -> Diagnosis:
    """The diagnosis, with a probe that is answered in ``answer`` seconds, or never."""
    flow = flow or Flow()
    made = Diagnosis(str(a.name), target or str(b and b.name), family_of(target or "0.0.0.0"), flow)
    made.target = target
    return diagnose(made, a, b, flow, lambda: others, lambda request: ProbeResult(answer), report)


def fault(diagnosis: Diagnosis) -> NetworkFault:
    assert diagnosis.fault is not None, str(diagnosis)
    return diagnosis.fault


# -- the path -----------------------------------------------------------------------------------------------------------


def test_no_fault() -> None:
    a, b = pair()
    diagnosis = diagnosed(a, b, answer=0.00005)
    assert str(diagnosis) == f"a reaches b (10.0.0.2) in 0.050 ms: {len(diagnosis.checks)} checks, 1 hop"
    assert (
        diagnosis
        and diagnosis.data()["reaches"] is True
        and diagnosis.data()["fault"] is None
        and diagnosis.data()["rtt_ms"] == 0.05
    )


def test_no_fault_and_no_answer() -> None:
    a, b = pair()
    found = fault(diagnosed(a, b))
    assert found.sentence == f"all {len(diagnosed(a, b).checks) - 1} checks hold, yet no answer came"


def test_an_answer_refutes_a_fault() -> None:
    a, b = pair()
    b.sysctls["ipv4/icmp_echo_ignore_all"] = 1
    diagnosis = diagnosed(a, b, answer=0.001)
    assert diagnosis and diagnosis.refuted is not None and diagnosis.refuted.check == "echo"
    assert str(diagnosis).startswith(
        "a reaches b (10.0.0.2) in 1.000 ms, for now: b receives the packet, but answers no echo requests"
    )


def test_without_permission_to_ping() -> None:
    """A fault is reported all the same; that there is none can only be said if it can be proved."""
    a, b = pair()

    def forbidden(request: ProbeRequest) -> ProbeResult:
        raise SyscallError(1, "socket")

    def found() -> Diagnosis:
        return diagnose(Diagnosis("a", "b", uapi.AF_INET, Flow()), a, b, Flow(), tuple, forbidden)

    with pytest.raises(SyscallError):
        found()
    b.change("v2", ifi_flags=uapi.IFF_BROADCAST)
    assert fault(found()).check == "both ends up"


def test_an_answer_of_another_host_refutes_nothing() -> None:
    a, b = pair()
    b.has.clear()
    b.address(b.named_link("v2"), "10.0.0.1/24")
    found = fault(diagnosed(a, b, answer=0.001))
    assert (found.check, found.conclusive) == ("not to itself", True)
    assert found.command == "rawns ip -n b addr del 10.0.0.1/24 dev v2 && rawns ip -n b addr add 10.0.0.2/24 dev v2"


def test_a_check_is_reported_when_it_is_made() -> None:
    a, b = pair()
    b.change("v2", ifi_flags=uapi.IFF_BROADCAST)
    a.change("v1", ifi_flags=uapi.IFF_UP | uapi.IFF_BROADCAST)
    heard: list[str] = []
    diagnosis = diagnosed(a, b, report=lambda result: heard.append(str(result)))
    assert heard == [str(result) for result in diagnosis.checks] and heard[-1] == "carrier: v1 in a"
    assert fault(diagnosis).sentence == "v1 in a has no carrier because its far end, v2 in b, is down"


def test_a_route_into_a_dummy_device() -> None:
    a, b = pair()
    a.link("d0", kind="dummy")
    a.more.append(("10.0.0.2", 32, None, "d0"))
    found = fault(diagnosed(a, b))
    assert (found.check, found.command) == ("leads somewhere", "rawns ip -n a route del 10.0.0.2/32 dev d0")


def test_carrier_switched_off() -> None:
    a, b = pair()
    for place, name in ((a, "v1"), (b, "v2")):
        place.change(name, ifi_flags=uapi.IFF_UP | uapi.IFF_BROADCAST)
    found = fault(diagnosed(a, b))
    assert found.sentence == "v1 in a has no carrier, though v2 in b at its far end is up"
    assert found.command == "rawns ip -n a link set v1 carrier on && rawns ip -n b link set v2 carrier on"


# -- bridges and VLANs --------------------------------------------------------------------------------------------------


def test_one_vlan() -> None:
    switch, (one, other) = switched(IFLA_BR_VLAN_FILTERING=1)
    assert diagnosed(one, other, answer=0.001).refuted is None


@pytest.mark.parametrize(
    "tags, sentence, command",
    [
        (
            {7: BARE},
            "p0 in s puts frames into VLAN 1, which p1, which is in VLAN 7, does not carry",
            "vid 1 pvid untagged",
        ),
        ({}, "p0 in s puts frames into VLAN 1, which p1 does not carry", "vid 1 pvid untagged"),
        ({7: TAGGED}, "p0 in s puts frames into VLAN 1, which p1 does not carry", "vid 1 pvid untagged"),
    ],
)
def test_two_vlans(tags: dict[int, tuple[bool, bool]], sentence: str, command: str) -> None:
    switch, (one, other) = switched(IFLA_BR_VLAN_FILTERING=1)
    switch.tags[switch.named_link("p1").index] = tags
    found = fault(diagnosed(one, other))
    assert (found.check, found.sentence) == ("VLAN", sentence)
    assert found.command == f"bridge -n s vlan add dev p1 {command}"


def test_no_vlan_for_what_has_no_tag() -> None:
    switch, (one, other) = switched(IFLA_BR_VLAN_FILTERING=1)
    switch.tags[switch.named_link("p0").index] = {5: TAGGED}
    found = fault(diagnosed(one, other))
    assert found.sentence == "p0 in s accepts no untagged frames into the bridge br0"
    assert found.command == "bridge -n s vlan add dev p0 vid 1 pvid untagged"


def test_a_trunk_and_a_vlan_device() -> None:
    """What leaves a port untagged may arrive tagged: at the VLAN device on top of the far end, and only at the right one."""
    switch, (one, other) = switched(IFLA_BR_VLAN_FILTERING=1)
    switch.tags[switch.named_link("p0").index] = {10: BARE}
    switch.tags[switch.named_link("p1").index] = {10: TAGGED, 20: TAGGED}
    below = other.named_link("eth0")
    other.has.clear()
    for vlan, address in ((20, "10.0.0.20/8"), (10, "10.0.0.10/8")):
        upper = other.link(f"eth0.{vlan}", kind="vlan", IFLA_LINK=below.index, info={"IFLA_INFO_DATA": {"IFLA_VLAN_ID": vlan}})
        other.ends[upper.index] = (other, below.index)
        if vlan == 10:
            other.address(upper, address)
    diagnosis = diagnosed(one, other, answer=0.001)
    assert diagnosis.refuted is None and diagnosis.target == "10.0.0.10"
    assert any("eth0.10 in h1" in result.subject for result in diagnosis.checks)


@pytest.mark.parametrize("state, word", [(0, "disabled"), (1, "listening"), (2, "learning"), (4, "blocking")])
def test_a_port_that_does_not_forward(state: int, word: str) -> None:
    switch, (one, other) = switched(IFLA_BR_STP_STATE=1)
    info = {"IFLA_INFO_KIND": "veth", "IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": {"IFLA_BRPORT_STATE": state}}
    switch.change("p1", IFLA_LINKINFO=info)
    found = fault(diagnosed(one, other))
    assert found.check == "bridge port state" and f"p1 in s is {word}, not forwarding: br0 runs" in found.sentence
    assert found.command.startswith("rawns ip -n s link set br0 type bridge stp_state 0 && ")


def test_of_a_thousand_hosts_two_are_looked_at() -> None:
    _, hosts = switched(1000)
    for host in hosts:
        host.known = False
    hosts[3].known = hosts[997].known = True
    found = search(hosts[3], hosts[3].named_link("eth0"), lambda facts, link: facts is hosts[997], [])
    assert found is not None and [segment.kind for segment in found.segments] == ["cable", "bridge", "cable"]
    assert sum(host.looked > 0 for host in hosts) == 2


def test_two_bridges_in_a_ring_end() -> None:
    """A search over a loop of bridges comes to an end, and finds nothing that is not there."""
    one, two = DescribedNamespace("s"), DescribedNamespace("t")
    for switch in (one, two):
        switch.link("br0", kind="bridge")
    for number_ in (1, 2):
        near, far = cable(one, f"p{number_}", two, f"q{number_}", IFLA_MASTER=2)
        two.change(f"q{number_}", IFLA_MASTER=2)
    a = DescribedNamespace("a")
    v1, _ = cable(a, "v1", one, "p3")
    one.change("p3", IFLA_MASTER=2)
    a.address(v1, "10.0.0.1/24")
    assert fault(diagnosed(a, None, "10.0.0.9")).check == "next hop exists"


# -- nf_tables ----------------------------------------------------------------------------------------------------------

CHAIN = NftChain({"nfgen_family": uapi.NFPROTO_IPV4, "NFTA_CHAIN_TABLE": "t", "NFTA_CHAIN_NAME": "c"})
_EXPRESSIONS = [{"NFTA_EXPR_NAME": "counter"}, {"NFTA_EXPR_NAME": "\x1b[m", "NFTA_EXPR_DATA": {}}]
RULE = NftRule({"NFTA_RULE_EXPRESSIONS": {"NFTA_LIST_ELEM": _EXPRESSIONS}})
ADMITTED = (
    "rawns ip netns exec b nft 'insert rule ip t c ip saddr 10.0.0.1 ip daddr 10.0.0.2 accept; "
    "insert rule ip t c ip saddr 10.0.0.2 ip daddr 10.0.0.1 accept'"
)


def fated(verdict: str, rule: NftRule | None = None, perhaps: int = 0) -> Evaluation:
    evaluation = Evaluation(verdict, CHAIN, rule)
    evaluation.undecided += [RULE] * perhaps
    return evaluation


@pytest.mark.parametrize(
    "evaluation, check, sentence",
    [
        (fated("drop"), "filter", "the nf_tables chain ip t c in b drops the packet by its policy"),
        (fated("drop", RULE), "filter", "the nf_tables chain ip t c in b drops the packet by its rule `counter \\x1b[m`"),
        (fated("reject", RULE), "filter", "the nf_tables chain ip t c in b rejects the packet by its rule `counter \\x1b[m`"),
        (fated("drop", None, 2), "answer", "in b drops it, unless 2 rules of it decide otherwise"),
        (fated("accept", None, 1), "answer", "in b may drop it by a rule"),
    ],
)
def test_filters(evaluation: Evaluation, check: str, sentence: str) -> None:
    a, b = pair()
    b.evaluations["input"] = evaluation
    found = fault(diagnosed(a, b))
    assert (found.check, found.command) == (check, ADMITTED) and sentence in found.sentence
    assert diagnosed(a, b, answer=0.001)


def test_a_hook_that_is_not_on_the_way() -> None:
    a, b = pair()
    a.evaluations["forward"] = b.evaluations["forward"] = fated("drop")
    assert diagnosed(a, b, answer=0.001).refuted is None


def test_a_chain_that_drops_by_policy_is_suspected_first() -> None:
    a, b = pair()
    a.evaluations["output"], b.evaluations["input"] = fated("accept", None, 3), fated("drop", None, 1)
    assert "in b drops it, unless a rule of it decides otherwise" in fault(diagnosed(a, b)).sentence


def test_neighbour_discovery_is_filtered_too() -> None:
    a, b = pair()
    for place, name, address in ((a, "v1", "fd00::1/64"), (b, "v2", "fd00::2/64")):
        place.address(place.named_link(name), address)
    heard: list[tuple[int, str]] = []

    def evaluate(packet: Packet, hook: str, families: object = None) -> Evaluation:
        kind = packet.transport[0]
        heard.append((kind, hook))
        return fated("drop") if (kind, hook) == (135, "input") else Evaluation("accept")

    b.evaluate = evaluate  # type: ignore[method-assign]
    found = fault(diagnosed(a, b, "fd00::2"))
    assert found.check == "resolution passes filters"
    assert found.sentence.endswith("drops the packet by its policy, a question or an answer of address resolution")
    assert "meta l4proto ipv6-icmp accept" in found.command and heard[-1] == (135, "input")


def test_a_bridge_that_filters() -> None:
    switch, (one, other) = switched()
    switch.link_evaluations["forward"] = fated("drop")
    assert fault(diagnosed(one, other)).check == "bridge filter"
    switch.link_evaluations = {"input": fated("drop")}
    assert diagnosed(one, other, answer=0.001).refuted is None
    switch.link_evaluations = {}
    switch.evaluations["forward"] = fated("drop")
    assert diagnosed(one, other, answer=0.001).refuted is None
    switch.sysctls["bridge/bridge-nf-call-iptables"] = 1
    assert fault(diagnosed(one, other)).sentence.endswith("by its policy (br_netfilter passes it what br0 forwards)")


# -- the small things ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "like, length, used, expected",
    [
        ("10.0.0.1", 24, ["10.0.0.1", "10.0.0.2"], "10.0.0.3/24"),
        ("10.0.0.77", 24, [], "10.0.0.1/24"),
        ("fd00::1", 64, ["fd00::1", "10.0.0.1"], "fd00::2/64"),
        ("10.0.0.1", 30, ["10.0.0.1"], "10.0.0.2/30"),
        ("10.0.0.1", 32, ["10.0.0.1"], "10.0.0.0/32"),  # the nearest free one: the same would be a remedy without end
        ("10.0.0.1", 32, [], "10.0.0.1/32"),
        ("10.0.0.0", 31, ["10.0.0.0"], "10.0.0.1/31"),
        ("fd00::1", 128, ["fd00::1", "fd00::"], "fd00::3/128"),
    ],
)
def test_an_unused_address(like: str, length: int, used: list[str], expected: str) -> None:
    assert spare_address(like, length, used) == expected


def test_prefixes() -> None:
    assert holds("10.0.0.0", 24, "10.0.0.255") and not holds("10.0.0.0", 24, "10.0.1.0")
    assert holds("0.0.0.0", 0, "192.0.2.1") and not holds("0.0.0.0", 0, "fd00::1") and not holds("::", 0, "10.0.0.1")
    assert holds("fd00::", 64, "fd00::ffff") and of_length("0.0.1.0", 32).number == 256


def test_the_address_of_the_destination() -> None:
    a, b = pair()
    b.has.insert(0, Address({"ifa_index": 2, "ifa_family": uapi.AF_INET, "ifa_prefixlen": 24, "IFA_LOCAL": "192.0.2.1"}))
    assert chosen(a, b, uapi.AF_INET) == "10.0.0.2"  # on a's own subnet
    assert chosen(a, b, uapi.AF_INET6) is None and chosen(a, a, uapi.AF_INET) == "10.0.0.1"
    assert chosen(a, a, uapi.AF_INET6) == "::1"


def test_names_in_commands() -> None:
    assert word("v1") == "v1" and word("a b;c") == "'a b;c'" and "\x1b" not in word("\x1b[m")
    assert NamespaceName("ns 1").ip("link") == "rawns ip -n 'ns 1' link" and NamespaceName().ip("route") == "rawns ip route"
    assert NamespaceName(None, "/proc/7/ns/net").run("sysctl -w a=1") == "nsenter --net=/proc/7/ns/net sysctl -w a=1"
    assert NamespaceName("r").run("nft list ruleset") == "rawns ip netns exec r nft list ruleset"


# -- remedies -----------------------------------------------------------------------------------------------------------


def test_a_remedy_that_would_change_nothing_is_not_printed() -> None:
    a, _ = pair()
    v1 = a.named_link("v1")
    assert str(remedy.set_up(a, v1)) == "" and not remedy.set_up(a, v1)
    assert str(remedy.add_address(a, v1, "10.0.0.1/24")) == ""
    assert str(remedy.add_address(a, v1, "10.0.0.7/24")) == "rawns ip -n a addr add 10.0.0.7/24 dev v1"
    assert str(remedy.set_sysctls(a, {"ipv4/ip_forward": 0})) == ""
    a.sysctls["ipv4/ip_forward"] = 1
    assert str(remedy.set_sysctls(a, {"ipv4/ip_forward": 0})) == "rawns ip netns exec a sysctl -w net.ipv4.ip_forward=0"
    both = remedy.add_address(a, v1, "10.0.0.7/24") + remedy.set_up(a, v1)
    assert str(both) == ""  # half of a remedy is none


def test_what_the_kernel_would_refuse_is_not_printed() -> None:
    a, _ = pair()
    a.change("v1", IFLA_MTU=1000)
    v1 = a.named_link("v1")
    assert str(remedy.add_address(a, v1, "fd00::1/64")) == ""  # no IPv6 below 1280 bytes
    assert str(remedy.add_address(a, v1, "10.0.0.9/24")) != ""


def test_a_fault_without_a_remedy_is_one_sentence() -> None:
    a, b = pair()
    found = diagnosed(a, b, "224.0.0.1")
    assert str(found) == fault(found).sentence and fault(found).command == ""
    assert found.data()["fault"]["command"] is None


def test_a_ring_is_passed_by_the_ports_that_forward() -> None:
    """The search takes the longer way if a spanning tree blocks the shorter one."""
    switches = [DescribedNamespace(name) for name in "stu"]
    for switch in switches:
        switch.link("br0", kind="bridge")
    blocked = {
        "IFLA_INFO_KIND": "veth",
        "IFLA_INFO_SLAVE_KIND": "bridge",
        "IFLA_INFO_SLAVE_DATA": {"IFLA_BRPORT_STATE": uapi.BR_STATE_BLOCKING},
    }
    s, t, u = switches
    for one, other, names in ((s, t, ("st", "ts")), (t, u, ("tu", "ut")), (u, s, ("us", "su"))):
        cable(one, names[0], other, names[1], IFLA_MASTER=2)
        other.change(names[1], IFLA_MASTER=2)
    s.change("st", IFLA_LINKINFO=blocked)
    a, b = DescribedNamespace("a"), DescribedNamespace("b")
    for host, switch, name, address in ((a, s, "pa", "10.0.0.1/24"), (b, t, "pb", "10.0.0.2/24")):
        end, _ = cable(host, "v", switch, name)
        switch.change(name, IFLA_MASTER=2)
        host.address(end, address)
    u.known = False
    found = search(a, a.named_link("v"), lambda view, _: view is b, [])
    assert found is not None and [segment.here for segment in found.segments].count(u) == 2
    assert diagnosed(a, b, answer=0.001).refuted is None


def test_ports_and_listeners() -> None:
    a, b = pair()
    flow = Flow("tcp", 80)
    assert fault(diagnosed(a, b, flow=flow)).sentence == "nothing listens on TCP port 80 in b"
    b.listening.append("127.0.0.1")
    assert "is bound to 127.0.0.1, and receives nothing for 10.0.0.2" in fault(diagnosed(a, b, flow=flow)).sentence
    b.listening.append("0.0.0.0")
    found = diagnosed(a, b, flow=flow, answer=0.001)
    assert found and " TCP port 80 in 1.000 ms" in str(found)
