"""Policy routing as `rawns.diagnose.fib` evaluates it, against the kernel: random rules and routes, and look-ups of all kinds."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from ways import Net

from rawns.diagnose import fib
from rawns.diagnose.flow import RouteQuery
from rawns.diagnose.namespace_view import RouteRefused
from rawns.diagnose.visible import VisibleNamespaces

LINKS = ("e0", "e1", "e2")
PREFIXES = ["default", "10.9.0.0/16", "10.9.1.0/24", "10.9.1.128/25", "10.9.1.7/32", "10.8.0.0/13", "0.0.0.0/1"]
TARGETS = ["10.9.1.7", "10.9.1.200", "10.9.2.1", "10.8.1.1", "192.0.2.1", "10.0.0.9", "10.0.1.9", "10.0.0.1"]
SOURCES = [None, "10.0.0.1", "10.0.1.1", "10.0.2.1"]
TABLES = ["main", "100", "101"]


def in_ipv6(text: str) -> str:
    """The same in IPv6: ``10.9.1.7/25`` is ``fd00:10:9:1::7/121``, roughly; what matters is that prefixes contain each other."""
    if text in ("default", "None"):
        return text
    address, _, length = text.partition("/")
    if address == "0.0.0.0":
        return "::/1"
    one, two, three, four = address.split(".")
    bits = {"32": 128, "25": 113, "24": 64, "16": 48, "13": 45}.get(length, 0)
    whole = f"fd00:{one}:{two}:{three}:{int(four):x}:0:0:0" if int(four) else f"fd00:{one}:{two}:{three}::"
    return f"{whole}/{bits}" if length else whole


def network(choose: random.Random) -> list[str]:
    """Commands of ip for a dozen routes and half a dozen rules."""
    lines = []
    for _ in range(14):
        kind = choose.choice(["via"] * 6 + ["dev"] * 3 + ["blackhole", "unreachable", "prohibit", "throw"])
        number = choose.randrange(3)
        prefix, table, metric = choose.choice(PREFIXES), choose.choice(TABLES), choose.randrange(1, 4)
        way = f"via 10.0.{number}.{choose.randrange(2, 250)}" if kind == "via" else f"dev e{number}"
        if kind in ("via", "dev"):
            lines.append(f"route add {prefix} {way} table {table} metric {metric}")
        else:
            lines.append(f"route add {kind} {prefix} table {table} metric {metric}")
    for _ in range(7):
        selectors = [
            choose.choice(["", "", "from 10.0.0.0/24", "from 10.0.1.1"]),
            choose.choice(["", "", "to 10.9.0.0/16", "to 10.9.1.7"]),
            choose.choice(["", "", "fwmark 1", "fwmark 0x2/0x2", "iif e1", "iif lo", "ipproto tcp", "ipproto udp dport 53"]),
        ]
        narrow = sum(map(bool, selectors)) > 1
        actions = ["table 100", "table 101", "table main suppress_prefixlength 0", "goto 32000"]
        actions += ["blackhole", "prohibit", "unreachable"] if narrow else []
        action = choose.choice(actions)
        inverted = "not" if action.startswith("table") and choose.random() < 0.3 else ""
        what = [inverted, *selectors, action]
        lines.append(f"rule add pref {choose.randrange(100, 31000)} {' '.join(word for word in what if word)}")
    lines.append("rule add pref 32000 table main")
    return lines


@pytest.fixture
def net(netns_name: Callable[[], str]) -> Iterator[Net]:
    with ExitStack() as stack:
        yield Net(stack, netns_name)


def words_of(line: str, ipv6: bool) -> list[str]:
    """A command of ip, with its addresses in IPv6 if that is asked for."""
    words = line.split()
    if not ipv6:
        return ["ip", *words]
    return ["ip", "-6", *(in_ipv6(word) if word[0].isdigit() and word.count(".") == 3 else word for word in words)]


@pytest.mark.parametrize("seed", range(16))
def test_the_evaluation_is_the_kernels(seed: int, net: Net) -> None:
    """Each answer is explained: the route that was evaluated is the one that the kernel takes, and so is each refusal."""
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip` here")
    choose, ipv6 = random.Random(seed), seed % 4 == 3
    written = in_ipv6 if ipv6 else str
    for number, link in enumerate(LINKS):
        net["a"].net.add_veth(link, f"f{number}")
        net["a"].net.set_link(link, up=True)
        net["a"].net.set_link(f"f{number}", up=True)
        net.address("a", link, f"{written(f'10.0.{number}.1')}/{64 if ipv6 else 24}")
        net.sysctl("a", f"ipv4/conf/{link}/rp_filter", 0)
    net.sysctl("a", "ipv4/conf/all/rp_filter", 0)
    net.sysctl("a", "ipv4/ip_forward", 1)
    net.sysctl("a", "ipv6/conf/all/forwarding", 1)
    net.settle(ipv6=ipv6)
    for line in network(choose):
        net["a"].run(words_of(line, ipv6), capture_output=True)  # one of two with the same prefix and metric is refused
    visible = VisibleNamespaces()
    try:
        view = visible.end(net["a"])
        indexes = {link.name: link.index for link in view.links.values()}
        deciders = set()
        for _ in range(120):
            iif = choose.choice([0, 0, 0, indexes["e1"], indexes["e0"]])
            source = choose.choice(["10.7.7.7", "10.6.6.6"]) if iif else choose.choice(SOURCES)
            protocol, dport = choose.choice([(0, 0), (6, 80), (17, 53), (17, 54)])
            mark, target = choose.choice([0, 0, 1, 2, 3]), written(choose.choice(TARGETS))
            query = RouteQuery(target, source and written(source), iif=iif, mark=mark, protocol=protocol, dport=dport)
            answer, trace = view.route(query), fib.trace(view, query)
            shown = {name: getattr(query, name) for name in query.__slots__}
            told = answer.errno if isinstance(answer, RouteRefused) else str(answer.body)
            assert trace.explains(answer), (shown, told, trace.rule and fib.describe_rule(trace.rule), trace.route, trace.errno)
            deciders.add((trace.rule and trace.rule.priority, str(trace.route), trace.errno))
        assert len(deciders) > 3, deciders  # the network is not trivial
    finally:
        visible.close()
