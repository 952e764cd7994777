"""The firewall of a host: what it lets through, as real programs and nft see it, and how it is read back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from test_lab_runtime import SERVER, SOON, differences, host

from rawns import InvalidValue, Lab, why
from rawns.lab import document
from rawns.lab.export import data_of
from rawns.nft.firewall import FirewallRule

RULES = [
    "allow in tcp port 80",
    "deny in tcp on eth0",
    "deny out udp port 5000-5010 to 10.0.0.0/30",
    "allow forward icmp",
    "deny forward from fd00::/64",
    "deny in from 10.9.9.9/32",
]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("walls") as lab:
        a, r, b = (lab.netns(label=label) for label in "arb")
        lab.wire(a.port("eth0", "10.0.0.2/24"), r.port("in", "10.0.0.1/24"))
        lab.wire(r.port("out", "10.1.0.1/24"), b.port("eth0", "10.1.0.2/24"))
        a.route("default", via="10.0.0.1")
        b.route("default", via="10.1.0.1")
        r.forward()
        yield lab


def serving(lab: Lab, label: str, *ports: int) -> list[subprocess.Popen[Any]]:
    found = [host(lab, label).popen([sys.executable, "-c", SERVER, str(port)]) for port in ports]
    for port in ports:
        host(lab, label).wait_for_port(port, timeout=SOON)
    return found


def silent(lab: Lab, source: str, target: str, port: int) -> bool:
    """Whether no connection can be opened for a while; a slow machine only makes this true."""
    try:
        lab.wait_reachable(source, target, port, timeout=0.25)
    except TimeoutError:
        return True
    return False


def test_the_first_rule_that_matches_decides_and_replies_pass(lab: Lab) -> None:
    for rule in ("allow in tcp port 80", "deny in tcp on eth0"):
        host(lab, "b").add_rule(rule)
    host(lab, "r").deny("forward tcp from 10.1.0.0/24")
    lab.up()
    assert lab.plan() == []
    servers = serving(lab, "b", 80, 81) + serving(lab, "a", 80)
    try:
        lab.wait_reachable("a", "b", 80, timeout=SOON)  # its replies come from 10.1.0.0/24
        assert silent(lab, "a", "b", 81)
        assert silent(lab, "b", "a", 80)
        found = why(host(lab, "a"), host(lab, "b"), port=81, protocol="tcp")
        assert not found and "the firewall of b drops the packet by its rule `deny in tcp on eth0`" in str(found)
    finally:
        for server in servers:
            server.kill()
            server.wait()


def test_a_firewall_is_read_back_changed_and_removed(lab: Lab) -> None:
    b = host(lab, "b")
    b.firewall = RULES
    lab.up()
    assert lab.plan() == []
    shown = b.run(["nft", "list", "ruleset"], stdout=subprocess.PIPE, text=True).stdout
    assert re.search(r'tcp dport 80 accept comment "allow in tcp port 80"', shown)
    assert re.search(r"udp dport 5000-5010 drop comment", shown)
    assert re.search(r"ip6 saddr fd00::/64 drop comment", shown)
    b.firewall = RULES[1:]
    assert [line[:24] for line in differences(lab)] == ["~ firewall of b: 6 rules"]
    lab.up()
    assert lab.plan() == []
    b.run(["nft", "flush chain inet rawns_walls_firewall input"], check=True)
    assert differences(lab)[0].startswith("~ firewall of b: ")
    lab.restore()
    b.run(["nft", "add rule inet rawns_walls_firewall input accept"], check=True)
    assert differences(lab)[0].startswith("~ firewall of b: other rules -> ")
    b.firewall = ()
    lab.up()
    assert lab.plan() == []
    assert b.run(["nft", "list", "ruleset"], stdout=subprocess.PIPE, text=True).stdout == ""


def test_a_file_describes_it() -> None:
    data = {
        "name": "walls",
        "hosts": {"a": {"firewall": [*RULES[:2], "deny   in"]}, "b": {}},
        "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"]}],
    }
    lab = Lab.from_source(document.parse(json.dumps(data)))
    assert list(host(lab, "a").firewall) == [*RULES[:2], "deny in"]
    again = Lab.from_source(document.parse(json.dumps(data_of(lab))))
    assert list(host(again, "a").firewall) == [*RULES[:2], "deny in"]


@pytest.mark.parametrize("text", RULES)
def test_a_rule_is_its_text(text: str) -> None:
    assert str(FirewallRule(text)) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("drop in", "is not a rule of a firewall: expected a text like"),
        ("deny", "is not a rule of a firewall: expected a text like"),
        (7, "is not a rule of a firewall"),
        ("deny in port 80", "a port needs the protocol tcp or udp before it"),
        ("deny in tcp port 0", "'0' is not a port"),
        ("deny in tcp port 90-80", "the first is greater than the last"),
        ("deny in tcp port 80 port 81", "once each with a value"),
        ("deny in tcp port", "once each with a value"),
        ("deny in from 10.0.0.1/24", "is an address in a network, not the network: that is 10.0.0.0/24"),
        ("deny in from 10.0.0.0/8 to fd00::/64", "the two addresses are of two families"),
        ("deny in on a/b", "a/b"),
        ("deny in sideways", "once each with a value"),
    ],
)
def test_what_is_not_a_rule_is_refused(text: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(sentence)):
        FirewallRule(text)


def test_an_interface_that_the_host_does_not_have_is_named(lab: Lab) -> None:
    host(lab, "b").deny("in on eth7")
    with pytest.raises(InvalidValue, match="b has no interface eth7"):
        lab.up()
