"""Standing labs on the real kernel: changed in place, found by other processes; nothing else is touched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from conftest import remove_name

from rawns import InvalidValue, Lab, NetNS, Observer, RawnsError, observed
from rawns.lab import discover, stamp
from rawns.lab.readback import live
from rawns.observer import Event

Name = Callable[[], str]


@pytest.fixture
def lab_name(netns_name: Name) -> Iterator[Callable[[], str]]:
    """Names for labs; whatever carries them at the end of the test is removed, by name and without the library."""
    mine: list[str] = []

    def fresh() -> str:
        mine.append(netns_name())
        return mine[-1]

    yield fresh
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    for one in names:
        if any(one.startswith(f"{lab}.") for lab in mine):
            remove_name(one)


def star(name: str, count: int) -> Lab:
    lab = Lab(name, standing=True)
    bridge = lab.bridge("br0")
    for number in range(1, count + 1):
        host = lab.netns(f"{name}.h{number}", f"h{number}")
        lab.wire(bridge.port(), host.port("eth0", f"10.0.0.{number}/24"))
    return lab


class Sent(Observer):
    """The netlink messages that change something, by name."""

    def __init__(self) -> None:
        self.changing: list[str] = []
        self.calls: list[str] = []

    def after(self, event: Event) -> None:
        from rawns import explain

        self.calls.append(event.call)
        if event.call == "sendto":
            names = [name for name, _, _ in explain.messages(event)]
            self.changing += [name for name in names if not name.startswith("RTM_GET")]


def told(lab: Lab) -> list[str]:
    return [str(change) for change in lab.up()]


# -- up, up again, and changed --------------------------------------------------------------------------------------


def test_a_second_up_sends_no_changing_message(lab_name: Name) -> None:
    name = lab_name()
    assert star(name, 3).up()
    watch = Sent()
    with observed(watch):
        assert star(name, 3).up() == []
    assert watch.changing == [] and "unshare" not in watch.calls and "mount" not in watch.calls
    assert star(name, 3).plan() == []
    star(name, 3).down()
    assert not [one for one in NetNS.list() if one.startswith(name)]


def test_a_connection_survives_a_change_elsewhere(lab_name: Name) -> None:
    name = lab_name()
    star(name, 3).up(wait=30.0)
    one, two = NetNS.open(f"{name}.h1"), NetNS.open(f"{name}.h2")
    with one, two, one.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("10.0.0.1", 0))
        server.listen()
        with two.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect(server.getsockname())
            peer, _ = server.accept()
            with peer:
                before = [link.index for link in one.net.links()]
                lab = star(name, 4)
                lab.hosts[3].interfaces[0].mtu = 1400
                changes = told(lab)
                assert f"+ host h4 ({name}.h4)" in changes and "~ eth0 of h3: mtu 1500 -> 1400" in changes
                client.sendall(b"still here")
                assert peer.recv(16) == b"still here"
                assert [link.index for link in one.net.links()] == before
                assert "- namespace " + f"{name}.h4" in told(star(name, 3))
                client.sendall(b"and now")
                assert peer.recv(16) == b"and now"
    discover.remove_lab(name)


def test_each_thing_that_can_differ(lab_name: Name) -> None:
    name = lab_name()
    star(name, 2).up()

    def changed(change: Callable[[Lab], object], *expected: str) -> None:
        lab = star(name, 2)
        change(lab)
        lines = told(lab)
        assert [line for line in lines if "stamp" not in line] == list(expected)
        again = star(name, 2)
        change(again)
        assert again.up() == [], "what was done is not what is found"

    def readdress(lab: Lab) -> None:
        host = lab.hosts[1]
        host.interfaces = []
        lab.wires[0][0].peer = None
        port = host.port("eth0", "10.0.0.7/24", "fd00::7/64")
        port.peer, lab.wires[0][0].peer = lab.wires[0][0], port
        lab.wires[0] = lab.wires[0][0], port

    eth0 = "eth0 of h1"
    changed(readdress, f"+ address 10.0.0.7/24 on {eth0}", f"+ address fd00::7/64 on {eth0}", f"- address 10.0.0.1/24 on {eth0}")
    star(name, 2).up()
    changed(lambda lab: setattr(lab.hosts[1].interfaces[0], "up", False), f"~ {eth0}: up -> down")
    colour = mac(name, eth0)
    changed(lambda lab: setattr(lab.hosts[1].interfaces[0], "mac", "02:00:00:00:00:AA"), *colour, f"~ {eth0}: down -> up")
    changed(lambda lab: lab.hosts[1].route("10.9.0.0/16", via="10.0.0.2"), "+ route 10.9.0.0/16 via 10.0.0.2 in h1")
    changed(lambda lab: None, "- route 10.9.0.0/16 via 10.0.0.2 in h1")
    changed(lambda lab: setattr(lab.hosts[0].interfaces[0], "stp", True), "~ br0 of br0: stp off -> on")
    discover.remove_lab(name)


def mac(name: str, eth0: str) -> list[str]:
    """The change from whatever the kernel has rolled; asked of it before."""
    with NetNS.open(f"{name}.h1") as ns:
        return [f"~ {eth0}: mac {ns.net.link('eth0').address} -> 02:00:00:00:00:aa"]


# -- whose is whose -------------------------------------------------------------------------------------------------


def test_what_a_person_made_by_hand_is_left_alone(lab_name: Name) -> None:
    name = lab_name()
    star(name, 2).up()
    with NetNS.open(f"{name}.h1") as ns:
        ns.net.add_address("eth0", "192.0.2.1/24")
        ns.net.add_route("198.51.100.0/24", via="10.0.0.2")
        ns.net.add_veth("mine", "yours")
        assert star(name, 2).up() == []
        lab = star(name, 2)
        lab.hosts[1].interfaces[0].mtu = 1300
        lab.up()
        assert [str(one) for one in ns.net.addresses("eth0", socket.AF_INET)] == ["10.0.0.1/24", "192.0.2.1/24"]
        assert "198.51.100.0/24" in [str(one) for one in ns.net.routes()]
        assert {"mine", "yours"} <= {link.name for link in ns.net.links()}
    discover.remove_lab(name)


def test_a_name_of_another_program_is_refused_and_stays(lab_name: Name) -> None:
    mine, other = lab_name(), lab_name()
    star(other, 1).up()
    with NetNS.create(f"{mine}.h2"):
        with pytest.raises(FileExistsError, match=f"the name {mine}.h2 is taken: it is a namespace that no lab made"):
            star(mine, 2).up()
        assert [one for one in NetNS.list() if one.startswith(mine)] == [f"{mine}.h2"]
        lab = Lab(mine, standing=True)
        lab.netns(f"{other}.h1", "h1")
        with pytest.raises(FileExistsError, match=f"{other}.h1 is taken: it is lab {other}'s"):
            lab.up()
        discover.remove_lab(mine)
        assert {f"{mine}.h2", f"{other}.h1"} <= set(NetNS.list())
    discover.remove_lab(other)


def test_an_interface_that_is_there_already_is_refused(lab_name: Name) -> None:
    name = lab_name()
    star(name, 1).up()
    with NetNS.open(f"{name}.h1") as ns:
        ns.net.add_veth("eth1", "x")

        def wider() -> Lab:
            lab = star(name, 1)
            lab.wire(lab.hosts[1].port("eth1"), lab.netns(f"{name}.h9", "h9").port("eth0"))
            return lab

        with pytest.raises(InvalidValue, match="eth1 of h1 exists already, and does not belong to this lab"):
            wider().up()
        assert f"{name}.h9" not in NetNS.list()
        ns.net.delete_link("eth1")
        assert wider().up() and wider().up() == []
    discover.remove_lab(name)


@pytest.mark.really_root
def test_links_in_our_own_namespace_go_by_one_message(lab_name: Name) -> None:
    name = lab_name()

    def lab() -> Lab:
        made = Lab(name, standing=True)
        bridge = made.bridge(f"b{os.getpid()}", host=made.root)
        for number in range(1, 4):
            host = made.netns(f"{name}.a-host-of-long-name-{number}", f"a-host-of-long-name-{number}")
            made.wire(bridge.port(), host.port("eth0", f"10.0.0.{number}/24"))
        return made

    before = set(socket.if_nameindex())
    lab().up()
    ours = sorted(link for _, link in set(socket.if_nameindex()) - before)
    assert len(ours) == 4 and all(len(link) <= 15 for link in ours)
    assert lab().up() == []
    (one,) = [one for one in discover.find_labs() if one.name == name]
    assert (sorted(one.links), one.state, len(one.hosts)) == (ours, "standing", 3)
    watch = Sent()
    with observed(watch):
        discover.remove_lab(name)
    assert watch.changing == ["RTM_DELLINK"]
    assert set(socket.if_nameindex()) == before


# -- killed, and two at once ----------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from rawns import Lab, Observer, observed
sys.path.insert(0, {tests!r})
from test_lab_standing import star

class Killer(Observer):
    left = {number}
    def before(self, call, arguments):
        if call == {call!r}:
            Killer.left -= 1
            if Killer.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

with observed(Killer()):
    star({name!r}, 3).up()
"""


def killed(name: str, call: str, number: int) -> bool:
    """Run an `up` that is killed before the so-manieth such call; whether it came to that."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([os.path.dirname(here), here, *sys.path])
    script = KILLED.format(tests=here, number=number, call=call, name=name)
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, timeout=60, capture_output=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("mend", ["gc", "up"])
@pytest.mark.parametrize("call", ["open", "unshare", "mount", "sendto", "write", "close"])
def test_what_a_killed_up_leaves_is_put_right(call: str, mend: str, lab_name: Name) -> None:
    name = lab_name()
    for number in (0, 1, 3, 5, 8):
        if not killed(name, call, number):
            break
        if mend == "gc":
            discover.collect_garbage()
            left = [one for one in NetNS.list() + NetNS.list(stale=True) if one.startswith(name)]
            if call == "close" and [one.state for one in discover.find_labs() if one.name == name] == ["standing"]:
                assert star(name, 3).up() == []  # the last calls of an `up` come when the lab is whole
                discover.remove_lab(name)
                continue
            assert not left, f"killed before {call} number {number}: {left}"
        else:
            star(name, 3).up()
            assert star(name, 3).up() == []
            assert [one.state for one in discover.find_labs() if one.name == name] == ["standing"]
            discover.remove_lab(name)
    discover.remove_lab(name)


def test_a_change_that_was_killed_costs_nothing_that_stood(lab_name: Name) -> None:
    name = lab_name()
    star(name, 1).up()
    assert killed(name, "unshare", 1)
    assert [one.state for one in discover.find_labs() if one.name == name] == ["left half-made"]
    discover.collect_garbage()
    (one,) = [one for one in discover.find_labs() if one.name == name]
    assert one.state == "standing" and {f"{name}.br0", f"{name}.h1"} <= set(one.hosts)
    assert star(name, 1).up() is not None and star(name, 1).up() == []
    discover.remove_lab(name)


def test_two_at_once_wait_for_each_other(lab_name: Name) -> None:
    name = lab_name()
    results: list[object] = []

    def up() -> None:
        try:
            results.append(star(name, 8).up())
        except RawnsError as error:
            results.append(error)

    threads = [threading.Thread(target=up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one) for one in results) == [0, 0, 0, max(map(len, results))]  # type: ignore[arg-type]
    discover.remove_lab(name)


def test_a_lock_that_is_not_waited_for_names_its_holder(lab_name: Name) -> None:
    from rawns.lab.lock import LabBusyError, LabLock

    name = lab_name()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with LabLock(name):
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with (
        pytest.raises(LabBusyError, match=f"lab {name} is being changed by process {os.getpid()}"),
        LabLock(name, wait=False),
    ):
        pass
    done.set()
    holder.join()


# -- undone -----------------------------------------------------------------------------------------------------------


class FailingCall(Observer):
    def __init__(self, call: str, number: int, error: int) -> None:
        self.call, self.left, self.error, self.done = call, number, error, False

    def before(self, call: str, arguments: str) -> None:
        if call == self.call and not self.done:
            self.left -= 1
            if self.left < 0:
                self.done = True
                raise OSError(self.error, "")


@pytest.mark.parametrize("error", ["ENOSPC", "ENOBUFS", "ENOMEM", "EMFILE"])
@pytest.mark.parametrize("call", ["unshare", "sendto", "mount", "open", "socket"])
def test_a_change_that_fails_is_taken_back(call: str, error: str, lab_name: Name) -> None:
    import errno

    name = lab_name()

    def wider() -> Lab:
        lab = star(name, 3)
        lab.hosts[1].interfaces[0].mtu = 1400
        return lab

    star(name, 1).up()
    number = 0
    while True:
        failing = FailingCall(call, number, getattr(errno, error))
        try:
            with observed(failing):
                changes = wider().plan() and wider().up()
        except RawnsError as refused:
            assert error in str(refused) and call in str(refused), refused
            assert star(name, 1).up() == [], f"after {call} number {number}"
            assert [one for one in NetNS.list() if one.startswith(name)] == [f"{name}.br0", f"{name}.h1"]
        else:
            if not failing.done:
                assert changes
                break
            discover.remove_lab(name)
            star(name, 1).up()
        number += 1 if number < 12 else 5
    discover.remove_lab(name)


def test_a_host_that_another_process_deletes_during_the_build(lab_name: Name) -> None:
    name = lab_name()
    star(name, 2).up()

    class Deleter(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "unshare":
                remove_name(f"{name}.br0")

    with observed(Deleter()), pytest.raises(FileNotFoundError, match=f"no network namespace is called {name}.br0"):
        star(name, 3).up()
    assert [one for one in NetNS.list() if one.startswith(name)] == [f"{name}.h1", f"{name}.h2"]
    assert star(name, 3).up() and star(name, 3).up() == []
    discover.remove_lab(name)


def test_out_of_descriptors_is_one_sentence_with_the_remedy(lab_name: Name) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lab = Lab(lab_name())
    switch = lab.bridge("br0")
    for _ in range(64):
        lab.wire(switch.port(), lab.netns().port("eth0"))
    before = set(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(before) + 16, hard))  # the lowest free number is taken
    try:
        with pytest.raises(RawnsError, match=r"\(EMFILE\); this process has as many open files as it may have: `ulimit -n`"):
            lab.up()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(os.listdir("/proc/self/fd")) == before


# -- read back --------------------------------------------------------------------------------------------------------


def test_a_lab_is_read_back_from_the_kernel(lab_name: Name) -> None:
    name = lab_name()
    lab = star(name, 2)
    lab.hosts[1].route("10.9.0.0/16", via="10.0.0.2")
    lab.up()
    again = live(name)
    assert {host.label for host in again.hosts} == {"br0", "h1", "h2"}
    assert sorted(str(port) for wire in again.wires for port in wire) == ["eth0 of h1", "eth0 of h2", "h1 of br0", "h2 of br0"]
    (h1,) = [host for host in again.hosts if host.label == "h1"]
    assert [str(route) for route in h1.routes] == ["10.9.0.0/16 via 10.0.0.2"]
    discover.remove_lab(name)
    with pytest.raises(InvalidValue, match=f"no lab called {name}"):
        live(name)


# -- stamps -----------------------------------------------------------------------------------------------------------


def test_a_stamp_says_what_was_written_and_nothing_else_is_one() -> None:
    mark = stamp.Stamp("shop", "0123456789abcdef", stamp.WHOLE, ["nat", "files"])
    again = stamp.read(str(mark))
    assert again is not None
    assert (again.lab, again.by, again.state, again.features) == ("shop", "0123456789abcdef", "whole", {"nat", "files"})  # type: ignore[comparison-overlap]
    for text in (None, "", "rawns", "rawns shop", "a cable", "rawnslab=shop", "Rawns lab=shop"):
        assert stamp.read(text) is None
    assert 0 < stamp.group("shop") < 1 << 31 and stamp.group("shop") != stamp.group("shop2")


def test_long_names_are_shortened_alike_and_apart() -> None:
    names = {stamp.short(f"a-very-long-name-{number}") for number in range(500)}
    assert len(names) == 500 and all(len(name.encode()) <= 15 for name in names)
    assert stamp.short("short") == "short" and stamp.short("short", ["short"]) != "short"
    assert stamp.short("a-very-long-name-1") == stamp.short("a-very-long-name-1")
    taken = {stamp.short("ä" * 9)}
    assert stamp.short("ä" * 9, taken) not in taken
