"""Labs that change at run time: what the verbs do, as real tools see it, and that it can be taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import NETNS, remove_name

from rawns import InvalidValue, KernelError, Lab, RawnsError
from rawns.lab import document
from rawns.lab.host import Host
from rawns.lab.wait import LabTimeoutError

SOON = 10.0  # seconds; only a fault ever waits so long
ROUTE = ("dst", "gateway", "dev", "protocol", "scope", "prefsrc", "metric")
SERVER = "import socket,sys,time;s=socket.create_server(('0.0.0.0',int(sys.argv[1])));time.sleep(99)"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Three hosts on a switch, in both families; the third is a router to a fourth."""
    with Lab("verbs") as lab:
        a, b, c, d = (lab.netns(label=label) for label in "abcd")
        switch = lab.bridge("lan")
        for number, host in enumerate((a, b, c), 1):
            lab.wire(switch.port(), host.port("eth0", f"10.0.0.{number}/24", f"fd00::{number}/64"))
        lab.wire(c.port("eth1", "10.9.0.1/24"), d.port("eth0", "10.9.0.2/24"))
        c.forward()
        a.route("10.9.0.0/24", via="10.0.0.3")
        a.route("fd09::/64", via="fd00::3")
        d.route("default", via="10.9.0.1")
        lab.up()
        yield lab


def host(lab: Lab, label: str) -> Host:
    return next(one for one in lab.hosts if one.label == label)


def pings(lab: Lab, source: str, address: str, seconds: float = SOON) -> bool:
    return host(lab, source).run(["ping", "-c1", f"-W{seconds}", address], stdout=subprocess.DEVNULL).returncode == 0


def silent(lab: Lab, source: str, address: str) -> bool:
    """Whether no answer comes for a while; a slow machine only makes this true."""
    return not pings(lab, source, address, 0.3)


def told(lab: Lab, label: str, *words: str) -> Any:
    found = host(lab, label).run(["ip", "-j", *words], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(found or b"[]")


def differences(lab: Lab) -> list[str]:
    return [str(one) for one in lab.plan() if "stamp" not in str(one)]


def everything(lab: Lab) -> dict[str, Any]:
    """What the real ip and nft have of the hosts, without what changes by itself."""
    found: dict[str, Any] = {}
    for label in "abcd":
        routes = told(lab, label, "route") + told(lab, label, "-6", "route")
        found[label] = {
            "routes": sorted(" ".join(str(one.get(key)) for key in ROUTE) for one in routes if "fe80" not in one["dst"]),
            "addresses": sorted(
                f"{one['ifname']} {each['local']}/{each['prefixlen']}"
                for one in told(lab, label, "addr")
                for each in one["addr_info"]
                if each["scope"] == "global"
            ),
            "up": sorted((one["ifname"], "UP" in one["flags"]) for one in told(lab, label, "link")),
            "alias": sorted(one.get("ifalias", "") for one in told(lab, label, "link")),
            "nft": host(lab, label).run(["nft", "list", "ruleset"], stdout=subprocess.PIPE).stdout,
        }
    return found


# -- links ----------------------------------------------------------------------------------------------------------------


def test_a_port_set_down_and_up_is_as_before(lab: Lab) -> None:
    before = everything(lab)
    port = host(lab, "a").ports[0]
    port.set_down()
    port.set_down()
    assert told(lab, "a", "link", "show", "eth0")[0]["operstate"] == "DOWN"
    assert port.peer is not None
    port.peer.wait_carrier(False, timeout=SOON)
    assert "~ eth0 of a: down -> up" in differences(lab)
    port.set_up()
    port.set_up()
    port.wait_carrier(timeout=SOON)
    assert everything(lab) == before
    assert lab.plan() == []
    assert pings(lab, "a", "10.9.0.2")


def test_restore_takes_back_all_verbs(lab: Lab) -> None:
    before = everything(lab)
    lab.set_down("a", "c:eth1")
    lab.isolate("b")
    lab.partition(["a"], ["b", "c"])
    lab.block("a", "c", 80, "tcp")
    assert all(silent(lab, *one) for one in (("a", "10.0.0.2"), ("b", "10.0.0.3")))
    lab.restore()
    assert everything(lab) == before and lab.plan() == []
    assert pings(lab, "a", "10.9.0.2")


def test_a_verb_of_another_process_is_seen_and_taken_back(netns_name: Any) -> None:
    name = netns_name()
    text = json.dumps(
        {"name": name, "hosts": {"a": {}, "b": {}}, "wires": [{"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]}]}
    )
    try:
        Lab.from_source(document.parse(text)).up()
        program = f"from rawns import Lab; from rawns.lab import document; lab = Lab.from_source(document.parse({text!r}));"
        subprocess.run([sys.executable, "-c", f"{program} lab.isolate('a'); lab.set_down('b')"], check=True)
        lab = Lab.from_source(document.parse(text))
        assert lab.faults() == {"a": ["isolate a"]}
        assert differences(lab) == ["- isolate a (in a)", "~ eth0 of b: down -> up"]
        lab.up()
        assert lab.faults() == {} and lab.plan() == []
    finally:
        Lab.from_source(document.parse(text)).down()
        for one in [one for one in NETNS.iterdir() if one.name.startswith(f"{name}.")]:
            remove_name(one.name)


def test_an_end_is_replugged_into_another_host_and_bridge(lab: Lab) -> None:
    other = lab.bridge("lan2")
    e = lab.netns(label="e")
    lab.wire(other.port(), e.port("eth0", "10.0.0.5/24"))
    lab.up()
    before = everything(lab)
    far = host(lab, "a").ports[0].peer
    assert far is not None
    assert silent(lab, "a", "10.0.0.5") and pings(lab, "a", "10.0.0.2")
    lab.replug(far, "lan2")
    lab.wait_reachable("a", "e", timeout=SOON)
    assert pings(lab, "a", "10.0.0.5") and silent(lab, "a", "10.0.0.2")
    assert lab.replug("d:eth0", "e") == "eth1"
    assert told(lab, "e", "addr", "show", "eth1")[0]["addr_info"][0]["local"] == "10.9.0.2"
    assert pings(lab, "c", "10.9.0.2")
    assert lab.plan()
    lab.restore()
    assert lab.plan() == []
    lab.wait_reachable("a", "b", timeout=SOON)
    after = everything(lab)
    assert {label: one["addresses"] for label, one in after.items()} == {label: one["addresses"] for label, one in before.items()}
    with pytest.raises(InvalidValue, match="verbs has no host called lan3; did you mean lan"):
        lab.replug("a", "lan3")


# -- hosts kept from each other -----------------------------------------------------------------------------------------


def test_isolate_and_heal(lab: Lab) -> None:
    before = everything(lab)
    lab.isolate("b")
    lab.isolate("b")
    assert silent(lab, "a", "10.0.0.2") and silent(lab, "a", "fd00::2") and pings(lab, "a", "10.0.0.3")
    assert told(lab, "b", "link", "show", "eth0")[0]["operstate"] == "UP"
    assert differences(lab) == ["- isolate b (in b)"]
    lab.heal()
    lab.heal()
    assert everything(lab) == before
    lab.wait_reachable("a", "b", timeout=SOON)  # the kernel repeats a question about a neighbour once a second
    assert pings(lab, "a", "10.0.0.2")


def test_what_an_isolated_host_sends_is_lost_without_an_error(lab: Lab) -> None:
    import socket

    with host(lab, "a").socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("10.0.0.2", 7))  # the neighbour is known from now on
        lab.isolate("a")
        for _ in range(3):
            assert sender.sendto(b"x", ("10.0.0.2", 7)) == 1


def test_an_isolated_switch_forwards_nothing(lab: Lab) -> None:
    lab.isolate("lan")
    assert silent(lab, "a", "10.0.0.2")
    lab.heal()
    lab.wait_reachable("a", "b", timeout=SOON)


def test_partitions_replace_each_other(lab: Lab) -> None:
    def reached(*expected: str) -> bool:
        pairs = {"ab": 2, "ac": 3, "bc": 3}
        return all((pings if pair in expected else silent)(lab, pair[0], f"10.0.0.{last}") for pair, last in pairs.items())

    assert reached("ab", "ac", "bc")
    lab.partition(["a", "b"], ["c"])
    assert reached("ab") and silent(lab, "a", "fd00::3")
    lab.partition("a", "b")
    assert reached("ac", "bc")
    assert "partition" not in str(lab.faults().get("c", ""))
    lab.heal()
    assert reached("ab", "ac", "bc") and lab.plan() == []


def test_block_is_of_one_port_and_one_direction(lab: Lab) -> None:
    servers = [host(lab, "b").popen([sys.executable, "-c", SERVER, port]) for port in ("80", "81")]
    try:
        for port in (80, 81):
            host(lab, "b").wait_for_port(port, timeout=SOON)
            lab.wait_reachable("a", "b", port, timeout=SOON)
        lab.block("a", "b", 80)
        with pytest.raises(TimeoutError):
            lab.wait_reachable("a", "b", 80, timeout=0.3)
        lab.wait_reachable("c", "b", 80, timeout=SOON)
        lab.wait_reachable("a", "b", 81, timeout=SOON)
        lab.block("b", "a")
        with pytest.raises(TimeoutError):
            lab.wait_reachable("a", "b", 81, timeout=0.3)
        lab.unblock("b", "a")
        lab.unblock("b", "a")
        lab.wait_reachable("a", "b", 81, timeout=SOON)
        assert differences(lab) == ["- block a b port 80 (in a)", "- block a b port 80 (in b)"]
        lab.unblock("a", "b", 80)
        lab.wait_reachable("a", "b", 80, timeout=SOON)
        assert lab.plan() == []
    finally:
        for server in servers:
            server.kill()
            server.wait()


# -- waits ------------------------------------------------------------------------------------------------------------------


def test_waits_that_fail_say_why(lab: Lab) -> None:
    lab.set_down("b")
    with pytest.raises(LabTimeoutError, match=r"^eth0 of b has no carrier after 0\.01 s: it is down$"):
        lab.wait_carrier("b", timeout=0.01)
    with pytest.raises(LabTimeoutError, match=r"^a does not reach b after 0\.1 s: .* eth0 in b, is down"):
        lab.wait_reachable("a", "b", timeout=0.1)
    with pytest.raises(LabTimeoutError, match=r"^nothing listens on TCP port 80 in a after 0 s; it has no socket"):
        host(lab, "a").wait_for_port(80, timeout=0)


def test_why_says_the_words_of_the_verb(lab: Lab) -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: lab.isolate("b"), "b drops the packet: `isolate b` is in effect in the lab verbs"),
        (lambda: lab.partition("a", "b"), "a drops the packet: `partition a | b` is in effect in the lab verbs"),
        (lambda: lab.block("a", "b"), "a drops the packet: `block a b` is in effect in the lab verbs"),
    ]
    for verb, words in cases:
        verb()
        with pytest.raises(LabTimeoutError) as caught:
            lab.wait_reachable("a", "b", timeout=0.05)
        assert words in str(caught.value)
        lab.heal()


def test_a_wait_for_a_port_ends_with_its_process(lab: Lab) -> None:
    process = host(lab, "a").popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RawnsError, match="has ended with status 3"):
        host(lab, "a").wait_for_port(80, timeout=SOON, process=process)


def test_a_wait_ends_with_the_event(lab: Lab) -> None:
    lab.set_down("b")
    assert lab.wait_unreachable("a", "b", timeout=SOON) < SOON
    lab.set_up("b")
    assert lab.wait_reachable("a", "b", timeout=SOON) < SOON


# -- bad input ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (lambda lab: lab.set_down("aa"), "verbs has no host called aa; did you mean a?"),
        (lambda lab: lab.set_down("a:eth1"), "a has no interface called eth1; did you mean eth0?"),
        (lambda lab: lab.set_down("c"), "c has several interfaces: say c:eth0, for example"),
        (lambda lab: lab.set_up(), "no port is given"),
        (lambda lab: lab.isolate("x\x1b[2J"), "verbs has no host called x\\x1b[2J"),
        (lambda lab: lab.isolate(7), "verbs has no host called 7"),
        (lambda lab: lab.partition("a"), "a partition has at least two groups"),
        (lambda lab: lab.partition(["a", "b"], ["b"]), "b is in two groups of the partition"),
        (lambda lab: lab.partition("a", "lan"), "lan has no address by which it could be kept from others: isolate it instead"),
        (lambda lab: lab.block("a", "a"), "a cannot be blocked from itself"),
        (lambda lab: lab.block("a", "b", 0), "0 is not a port"),
        (lambda lab: lab.block("a", "b", 80, "sctp"), "'sctp' is not a protocol that can be blocked"),
        (lambda lab: lab.wait_reachable("a", "b", timeout=-1), "-1 is not a number of seconds"),
    ],
)
def test_what_a_lab_does_not_have_is_refused_in_a_sentence(lab: Lab, verb: Any, sentence: str) -> None:
    before = everything(lab)
    with pytest.raises(InvalidValue) as caught:
        verb(lab)
    assert str(caught.value).startswith(sentence)
    assert everything(lab) == before


def test_verbs_on_what_is_not_up() -> None:
    lab = Lab("verbs")
    one, other = lab.netns(label="a"), lab.netns(label="b")
    lab.wire(one.port("eth0", "10.0.0.1/24"), other.port("eth0", "10.0.0.2/24"))
    for verb in (lambda: lab.isolate("a"), lambda: lab.set_down("a"), lambda: lab.wait_reachable("a", "b")):
        with pytest.raises(RawnsError, match="^the host a is not there: the lab verbs is not up$"):
            verb()
    with pytest.raises(InvalidValue, match="a host of another lab"):
        Lab("other").isolate(one)


def test_an_interface_that_was_deleted_is_named(lab: Lab) -> None:
    host(lab, "d").run(["ip", "link", "del", "eth0"], check=True)
    with pytest.raises(KernelError, match=r"eth0 of d.*it is not there; `restore` or `up` creates it"):
        lab.set_down("d")
    with pytest.raises(RawnsError, match=r"^eth0 of d is not there; `restore` or `up` creates it$"):
        lab.set_up("d")
    lab.restore()
    assert pings(lab, "a", "10.9.0.2") and lab.plan() == []
