"""`Lab` on the real kernel: everything there after `up`, nothing after `down`, and few messages in between."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Callable

import pytest

import rawns
from rawns import InvalidValue, KernelError, Lab, NetNS, Observer, RawnsError, observed
from rawns.observer import Event

Name = Callable[[], str]


class Recorder(Observer):
    def __init__(self) -> None:
        self.events: list[Event] = []

    def after(self, event: Event) -> None:
        self.events.append(event)

    def count(self, call: str) -> int:
        return sum(event.call == call for event in self.events)


def test_the_article(netns_name: Name) -> None:
    names = netns_name(), netns_name()
    with Lab("article") as lab:
        ns1, ns2 = lab.netns(names[0]), lab.netns(names[1])
        lab.wire(ns1.port("v1", "10.0.0.1/24", "fd00::1/64"), ns2.port("v2", "10.0.0.2/24", "fd00::2/64"))
        assert not set(names) & set(NetNS.list()), "nothing is made before `up`"
        lab.up()
        assert set(names) <= set(NetNS.list())
        for ns, link, last in ((ns1, "v1", 1), (ns2, "v2", 2)):
            assert ns.net.link("lo").up and ns.net.link(link).up and ns.net.link(link).carrier
            addresses = [str(each) for each in ns.net.addresses(link) if each.scope == 0]
            assert addresses == [f"10.0.0.{last}/24", f"fd00::{last}/64"]
        with ns1.socket(socket.AF_INET, socket.SOCK_STREAM) as server, ns2.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            server.bind(("10.0.0.1", 0))
            server.listen()
            client.connect(server.getsockname())
        with ns1.socket(socket.AF_INET6, socket.SOCK_STREAM) as server, ns2.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
            server.bind(("fd00::1", 0))  # usable at once: no duplicate address detection on our own wire
            server.listen()
            client.connect(server.getsockname())
    assert not set(names) & set(NetNS.list())


def test_one_datagram_for_each_namespace(netns_name: Name) -> None:
    with Lab() as lab:
        hosts = [lab.netns() for _ in range(3)]
        for number, one in enumerate(hosts):
            for other in hosts[number + 1 :]:
                net = 10 * number + hosts.index(other)
                lab.wire(one.port(None, f"10.0.{net}.1/24"), other.port(None, f"10.0.{net}.2/24"))
        recorder = Recorder()
        with observed(recorder):
            lab.up()
        assert recorder.count("sendto") == 3 and recorder.count("recvfrom") == 3
        assert [[link.name for link in host.net.links("veth")] for host in hosts] == [["eth0", "eth1"]] * 3


def test_wires_said_backwards_and_a_wire_within_one_namespace() -> None:
    with Lab() as lab:
        one, two = lab.netns(), lab.netns()
        lab.wire(two.port("b"), one.port("a", mac="02:00:00:00:00:0a", mtu=1400))
        lab.wire(one.port("x"), one.port("y"))
        lab.up()
        assert sorted(link.name for link in one.net.links("veth") if link.carrier) == ["a", "x", "y"]
        a = one.net.link("a")
        assert (a.address, a.mtu, two.net.link("b").carrier) == ("02:00:00:00:00:0a", 1400, True)


def test_up_again_after_down() -> None:
    lab = Lab()
    one, two = lab.netns(), lab.netns()
    lab.wire(one.port("a", "10.0.0.1/24"), two.port("b", "10.0.0.2/24"))
    for _ in range(2):
        assert lab.up() and not lab.up()
        assert one.run(["true"]).returncode == 0
        lab.down()
        lab.down()
        with pytest.raises(RawnsError, match="`up` of its lab creates it"):
            one.run(["true"])


def test_a_taken_name_undoes_the_rest(netns_name: Name) -> None:
    first, taken = netns_name(), netns_name()
    with NetNS.create(taken) as other:
        lab = Lab()
        lab.netns(first)
        lab.netns(taken)
        with pytest.raises(FileExistsError, match=taken):
            lab.up()
        assert first not in NetNS.list() and taken in NetNS.list()
        assert NetNS.open(taken) == other


def test_what_the_kernel_refuses_is_named_and_undone(netns_name: Name) -> None:
    name = netns_name()
    lab = Lab()
    one, two = lab.netns(name), lab.netns()
    lab.wire(one.port("v1"), two.port("v2"))
    one.interfaces[0].mtu = 67  # the description would have refused it: a veth has at least 68
    with pytest.raises(KernelError) as refused:
        lab.up()
    assert f"(wire v2 of namespace 2 -- v1 of {name}) refused" in str(refused.value) and "EINVAL" in str(refused.value)
    assert name not in NetNS.list()


def test_where_new_namespaces_hold_more_than_lo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where modules put tunnels into each new namespace, index 2 is taken: then the kernel is asked, once."""
    monkeypatch.setattr(Lab, "first_index", 1)  # as if lo's were free: the kernel says EBUSY
    with Lab() as lab:
        one, two = lab.netns(), lab.netns()
        lab.wire(one.port("a", "10.0.0.1/24"), two.port("b", "10.0.0.2/24"))
        lab.up()
        indexes = {one.net.link("a").index, two.net.link("b").index}
        assert one.net.link("a").carrier and 1 < Lab.first_index == min(indexes) < max(indexes)


def test_a_namespace_that_somebody_removed_meanwhile(netns_name: Name) -> None:
    name = netns_name()
    with Lab() as lab:
        lab.netns(name)
        lab.netns(netns_name())
        lab.up()
        NetNS.remove(name)


def test_bad_plans_are_refused_before_anything_is_made() -> None:
    lab = Lab()
    one, two = lab.netns("a"), lab.netns()
    for wrong in (
        lambda: lab.netns("a"),
        lambda: lab.netns("a/b"),
        lambda: one.port("x" * 16),
        lambda: one.port("lo"),
        lambda: one.port("eth0", "10.0.0.1/99"),
        lambda: one.port("eth0", "ten"),
        lambda: one.port("eth0", mac="02:00"),
        lambda: one.port("eth0", mac="red"),
        lambda: one.port("eth0", mtu="big"),  # type: ignore[arg-type]
        lambda: one.port("eth0", mtu=67),
        lambda: one.port("eth0", mtu=65536),
        lambda: one.port("eth0", mac="01:00:00:00:00:01"),
        lambda: one.port("eth0", mac="00:00:00:00:00:00"),
        lambda: one.port("e%d"),
        lambda: one.port("eth0", "224.0.0.1/4"),
    ):
        with pytest.raises(InvalidValue):
            wrong()
    port = one.port("eth0")
    with pytest.raises(InvalidValue, match="two interfaces"):
        one.port("eth0")
    with pytest.raises(InvalidValue, match="a wire already"):
        lab.wire(port, port)
    lab.wire(port, two.port())
    with pytest.raises(InvalidValue, match="a wire already"):
        lab.wire(port, two.port())
    with pytest.raises(InvalidValue, match="not in this lab"):
        lab.wire(two.port(), Lab().netns().port())


def test_a_child_inside_does_not_keep_the_name(netns_name: Name) -> None:
    name = netns_name()
    with Lab() as lab:
        host = lab.netns(name)
        lab.up()
        child = host.popen(["cat"], stdin=subprocess.PIPE)
    assert name not in NetNS.list()
    child.communicate(timeout=10)


def test_a_port_without_a_cable_is_refused() -> None:
    lab = Lab()
    one = lab.netns()
    one.port("eth0", "10.0.0.1/24")
    with pytest.raises(InvalidValue, match="eth0 of namespace 1 has no wire"):
        lab.up()


def large(name: str) -> Lab:
    """Hosts enough that a thread makes them ahead; every third has a name."""
    lab = Lab("large")
    switch = lab.bridge("br0")
    for number in range(24):
        host = lab.netns(None if number % 3 else f"{name}-{number}")
        lab.wire(switch.port(), host.port("eth0", f"10.0.0.{number + 1}/24"))
    return lab


@pytest.mark.parametrize("call", ["open", "write", "unshare", "socket", "sendto", "mount"])
def test_a_large_lab_that_fails_half_way_leaves_nothing(call: str, netns_name: Name) -> None:
    """Whichever thread it fails in: the error is the caller's, and the other thread has made its last."""

    class FailingCall(Observer):
        left = 0

        def before(self, called: str, arguments: str) -> None:
            if called == call:
                self.left -= 1
                if self.left < 0:
                    raise OSError(errno.ENOMEM, "")

    name = netns_name()
    for number in (0, 1, 7, 15, 20):
        failing = FailingCall()
        failing.left = number
        lab, before = large(name), set(os.listdir("/proc/self/fd"))
        with observed(failing):
            try:
                lab.up()
            except RawnsError as error:
                assert call in str(error) and "ENOMEM" in str(error)
            else:
                assert failing.left >= 0, "nobody noticed"
                lab.down()
        assert set(os.listdir("/proc/self/fd")) == before
        assert not [one for one in NetNS.list() + NetNS.list(stale=True) if one.startswith(name)]


def test_a_large_lab_is_all_there_and_this_thread_at_home(netns_name: Name) -> None:
    home = os.stat("/proc/thread-self/ns/net").st_ino
    with large(netns_name()) as lab:
        lab.up()
        assert os.stat("/proc/thread-self/ns/net").st_ino == home
        assert len({host.identity for host in lab.hosts}) == 25
        assert all(host.net.link("eth0").carrier for host in lab.hosts[1:]) and lab.up() == []
    assert os.stat("/proc/thread-self/ns/net").st_ino == home


def test_a_host_is_the_same_key_of_a_dictionary_before_and_after_up() -> None:
    with Lab() as lab:
        one, two = lab.netns(), lab.netns()
        lab.wire(one.port("a", "10.0.0.1/24"), two.port("b", "10.0.0.2/24"))
        known = {one: 1, two: 2}
        lab.up()
        assert known[one] == 1 and known[two] == 2 and one != two
        assert rawns.ping(one, "10.0.0.2", timeout=5).received == 1
        assert rawns.why(one, two).fault is None  # type: ignore[arg-type]
        assert one.call(os.readlink, "/proc/thread-self/ns/net") != os.readlink("/proc/thread-self/ns/net")
    assert known == {one: 1, two: 2}


def test_a_plan_makes_no_system_call() -> None:
    recorder = Recorder()
    with observed(recorder):
        lab = Lab()
        switch, one = lab.bridge("br0"), lab.netns("web")
        lab.wire(switch.port(), one.port("eth0", "10.0.0.1/24", mtu=1400))
        assert {one, switch.host} and repr(lab) and repr(one) and not one.there
    assert recorder.events == []


def test_a_method_is_not_set_but_called() -> None:
    host = Lab().netns()
    with pytest.raises(AttributeError, match=r"forward of a Host is a method: call it, forward\(\.\.\.\)"):
        host.forward = True  # type: ignore[method-assign,assignment]
    with pytest.raises(AttributeError, match="ports of a Host can be read, but not set"):
        host.ports = []  # type: ignore[misc]


@pytest.mark.parametrize(
    ("which", "name", "near"),
    [("host", "forwrad", "forward"), ("port", "mtuu", "mtu"), ("bridge", "vlan_filterin", "vlan_filtering")],
)
def test_an_unknown_attribute_is_refused_with_the_nearest_name(which: str, name: str, near: str) -> None:
    lab = Lab()
    host = lab.netns()
    described = {"host": host, "port": host.port(), "bridge": host.bridge("br0")}[which]
    with pytest.raises(AttributeError, match=f"no attribute '{name}' to set; did you mean {near}"):
        setattr(described, name, True)
