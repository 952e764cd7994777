"""What is done from inside a namespace: its settings under /proc/sys/net, tap devices, and hearing of what changes."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from rawns import Interrupted, InvalidValue, NetNS, Observer, SyscallError, observed, sysctl, tap, uapi
from rawns.events import GROUPS, Monitor, wait_until
from rawns.objects import address
from rawns.observer import Event


@pytest.fixture
def ns() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        yield namespace


class Watcher(Observer):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def after(self, event: Event) -> None:
        self.seen.append(str(event))


# -- settings -------------------------------------------------------------------------------------------------------


def cat(ns: NetNS, path: str) -> str:
    return str(ns.run(["cat", f"/proc/sys/{path}"], stdout=subprocess.PIPE, text=True, check=True).stdout).strip()


@pytest.fixture
def writable(ns: NetNS) -> NetNS:
    """A namespace whose settings may be set; skips where /proc/sys is closed."""
    try:
        ns.setting("net.ipv4.ip_forward", 0)
    except SyscallError as error:
        assert "\n" not in str(error) and error.hint
        pytest.skip(str(error))
    return ns


def test_a_setting(writable: NetNS) -> None:
    ns = writable
    here = sysctl.read("net.ipv4.ip_forward")
    assert ns.setting("net.ipv4.ip_forward") == "0"
    assert ns.setting("net.ipv4.ip_forward", True) == "1" == cat(ns, "net/ipv4/ip_forward")
    assert ns.setting("net/ipv4/ip_forward", 0) == "0" == ns.setting("/proc/sys/net/ipv4/ip_forward")
    assert ns.setting("net.ipv4.ping_group_range", (0, 0)).split() == ["0", "0"]
    assert sysctl.read("net.ipv4.ip_forward") == here, "ours is not his"


def test_the_dots_of_names(writable: NetNS) -> None:
    ns = writable
    ns.net.add_veth("v.1", "v2")
    for name in ("net/ipv4/conf/v.1/rp_filter", "net.ipv4.conf.v/1.rp_filter"):
        assert ns.setting(name, 2) == "2" == cat(ns, "net/ipv4/conf/v.1/rp_filter")
        assert ns.setting(name, 0) == "0"


def test_many_in_one_visit_or_none(writable: NetNS) -> None:
    ns = writable
    watcher = Watcher()
    with observed(watcher):
        told = ns.settings({"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": 2})
    assert told == {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "2"}
    assert sum(call.startswith("setns(") for call in watcher.seen) == 3, "the proof that the thread may return, in, and out, once"
    assert any(call.startswith('open("/proc/sys/net/ipv4/ip_forward", O_WRONLY|O_CLOEXEC) = ') for call in watcher.seen)
    assert any(call.startswith("write(") and call.endswith(', "1", 1) = 1') for call in watcher.seen)
    with pytest.raises(FileNotFoundError) as refused:
        ns.settings({"net.ipv4.ip_forward": 0, "net.ipv4.conf.all.rp_filter": 1, "net.ipv4.conf.nope.rp_filter": 1})
    assert "there is no such setting here" in str(refused.value)
    assert ns.settings(["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter"]) == told
    assert ns.setting("net.ipv4.route.flush", 1) == "1", "which can be written only"
    with pytest.raises(PermissionError):
        ns.setting("net.ipv4.route.flush")
    both = {"net.ipv4.route.flush": 1, "net.ipv4.ip_forward": 1}
    assert ns.settings(both) == dict.fromkeys(both, "1")
    with pytest.raises(SyscallError, match="EINVAL.*does not accept this value"):
        ns.setting("net.ipv4.ip_forward", "perhaps")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_where_settings_are_closed(ns: NetNS, number: int) -> None:
    class Closed(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "open" and "/proc/sys" in arguments and "O_WRONLY" in arguments:
                raise OSError(number, "")

    with observed(Closed()), pytest.raises(SyscallError) as refused:
        ns.setting("net.ipv4.ip_forward", 1)
    assert refused.value.errno == number and refused.value.hint and "\n" not in str(refused.value)
    assert ("read-only" in str(refused.value)) == (number == errno.EROFS)


# -- taps -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tun(ns: NetNS) -> NetNS:
    """A namespace in which taps can be made; skips where /dev/net/tun is absent or closed."""
    try:
        fd, _ = ns.open_tap()
    except SyscallError as error:
        assert error.hint and "/dev/net/tun" in str(error) and "\n" not in str(error)
        pytest.skip(str(error))
    os.close(fd)
    return ns


def test_frames_reach_the_program(tun: NetNS) -> None:
    fd, name = tun.open_tap("t%d")
    try:
        assert name == "t0" and tun.net.link("t0").kind == "tun"
        tun.net.set_link("t0", up=True)
        tun.net.add_address("t0", "10.0.0.1/24")
        tun.net.add_neighbour("t0", "10.0.0.2", "02:00:00:00:00:02")
        with tun.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"to whom it may concern", ("10.0.0.2", 9))
        for _ in range(32):  # IPv6 says hello as well
            frame = os.read(fd, 2000)
            if frame.endswith(b"to whom it may concern"):
                break
        assert frame[:6] == bytes.fromhex("020000000002")
    finally:
        os.close(fd)
    assert [link.name for link in tun.net.links()] == ["lo"]


def test_a_device_that_stays(tun: NetNS) -> None:
    tun.add_tap("tap0", owner=os.getuid())
    data = tun.net.link("tap0").data
    assert (data["IFLA_TUN_PERSIST"], data["IFLA_TUN_OWNER"], data["IFLA_TUN_TYPE"]) == (1, os.getuid(), uapi.IFF_TAP)
    if shutil.which("ip"):
        shown = tun.run(["ip", "tuntap", "show"], mounts=True, stdout=subprocess.PIPE, text=True).stdout
        assert shown.startswith("tap0: tap persist user")
    with pytest.raises(InvalidValue):
        tun.add_tap("tap1", owner=-1)
    with pytest.raises(SyscallError, match="EBUSY.*tap0 exists already"):
        tun.add_tap("tap0")
    with pytest.raises(SyscallError, match="EINVAL.*of another kind"):
        tun.open_tap("tap0", "tun")
    tun.net.delete_link("tap0")
    assert [link.name for link in tun.net.links()] == ["lo"]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES])
def test_where_there_are_no_taps(ns: NetNS, number: int) -> None:
    class Closed(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "open" and "tun" in arguments:
                raise OSError(number, "")

    with observed(Closed()), pytest.raises(SyscallError) as refused:
        ns.add_tap("tap0")
    assert refused.value.hint and "\n" not in str(refused.value)


def test_a_failing_ioctl_leaves_no_descriptor(tun: NetNS) -> None:
    for failing in ("TUNSETIFF", "TUNSETOWNER", "TUNSETPERSIST"):

        class FailingCall(Observer):
            wanted = failing

            def before(self, call: str, arguments: str) -> None:
                if call == "ioctl" and self.wanted in arguments:
                    raise OSError(errno.ENOMEM, "")

        with observed(FailingCall()), pytest.raises(SyscallError, match=f"ioctl.*{failing}.*ENOMEM"):
            tun.add_tap("tap0", owner=os.getuid())
        assert [link.name for link in tun.net.links()] == ["lo"]


# -- events ---------------------------------------------------------------------------------------------------------


def test_events_of_each_kind(ns: NetNS) -> None:
    with ns.monitor(*GROUPS) as monitor, NetNS.create() as other:
        assert monitor.receive() == [] and monitor.receive(0.001) == []
        ns.net.set_link("lo", up=True)
        ns.net.add_veth("v1", "v2", peer_ns=other, up=True)
        other.net.set_link("v2", up=True)
        ns.net.add_address("v1", "10.0.0.1/24")
        ns.net.add_neighbour("v1", "10.0.0.2", "02:00:00:00:00:02")
        ns.net.shape("v1", "10mbit")
        ns.net.delete_link("v1")
        seen = {event.name for event in monitor.receive(5)}
        new = {f"RTM_NEW{noun}" for noun in ("LINK", "ADDR", "ROUTE", "NEIGH", "QDISC", "NSID")}
        assert {*new, "RTM_DELLINK"} <= seen
        assert monitor.fileno() >= 0 and "link" in repr(monitor)
    assert monitor.fileno() == -1
    monitor.close()


def test_only_what_was_asked_for(ns: NetNS) -> None:
    with ns.monitor("link") as monitor:
        ns.net.set_link("lo", up=True)
        ns.net.add_address("lo", "10.0.0.1/32")
        events = monitor.receive(5)
        assert {event.name for event in events} == {"RTM_NEWLINK"} and events[0].body["IFLA_IFNAME"] == "lo"
    for groups in ((), ("weather",)):
        with pytest.raises(InvalidValue):
            Monitor(*groups)


def test_it_waits_for_the_event(ns: NetNS) -> None:
    """Far end up: carrier comes; the state is read before the first wait and after each event, and no more."""
    with NetNS.create() as other, ns.monitor("link") as near, other.monitor("link") as far:
        ns.net.add_veth("v1", "v2", peer_ns=other, up=True)
        asked: list[bool] = []

        def carrier() -> bool:
            asked.append(ns.net.link("v1").carrier)
            if len(asked) == 1:
                other.net.set_link("v2", up=True)
            return asked[-1]

        assert wait_until(carrier, near, far, timeout=30) is True
        assert asked[0] is False and asked[-1] is True and len(asked) < 20


def test_it_gives_up(ns: NetNS) -> None:
    with ns.monitor("link") as monitor, pytest.raises(TimeoutError) as late:
        wait_until(lambda: False, monitor, timeout=0.01, what="the carrier of v1")
    assert "the carrier of v1 did not come within 0.01 s" in str(late.value) and isinstance(late.value, SyscallError)


def test_an_overrun_says_so(ns: NetNS) -> None:
    """More events than the socket's buffer holds: the reader is told once, and may go on from there."""
    with ns.monitor("address") as monitor:
        for start in range(0, 4000, 1000):
            ns.net.do(*[address.new(1, f"10.{i // 250}.{i % 250}.1/32") for i in range(start, start + 1000)])
        with pytest.raises(Interrupted, match="ENOBUFS"):
            monitor.receive()
        monitor.drain()
        assert monitor.receive() == []
        ns.net.add_address("lo", "10.99.0.1/32")
        assert [event.body["IFA_LOCAL"] for event in monitor.receive(5)] == ["10.99.0.1"]
        assert wait_until(lambda: len(ns.net.addresses("lo")) > 4000, monitor, timeout=30)


def test_each_call_failed_in_turn(ns: NetNS) -> None:
    for failing in ("socket", "bind", "setsockopt"):

        class FailingCall(Observer):
            wanted = failing

            def before(self, call: str, arguments: str) -> None:
                if call == self.wanted:
                    raise OSError(errno.ENOMEM, "")

        with observed(FailingCall()), pytest.raises(SyscallError, match=f"{failing}.*ENOMEM"):
            ns.monitor("link")


def test_the_struct_of_an_ioctl() -> None:
    assert tap.IFREQ.size == 40
