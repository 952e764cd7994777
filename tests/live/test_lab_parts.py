"""What a lab is made of besides hosts and wires: each made, found again, changed, and gone."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_lab_standing import lab_name, told  # noqa: F401 (a fixture)

from rawns import InvalidValue, KernelError, Lab, NetNS, RawnsError, ping
from rawns.lab import Host, discover
from rawns.lab.readback import live

Name = Callable[[], str]
Capture = pytest.CaptureFixture[str]


def host(lab: Lab, label: str) -> Host:
    return next(one for one in lab.hosts if one.label == label)


def pair(name: str, **options: Any) -> Lab:
    """Two hosts on a cable, the first end with these options."""
    lab = Lab(name, standing=True)
    one, two = lab.netns(f"{name}.a", "a"), lab.netns(f"{name}.b", "b")
    lab.wire(one.port("eth0", "10.0.0.1/24", **options), two.port("eth0", "10.0.0.2/24"))
    return lab


def unless_missing(lab: Lab, kind: str) -> None:
    """`up`, or a skip where this kernel does not have such links."""
    try:
        lab.up()
    except KernelError as error:
        if error.errno == errno.EOPNOTSUPP or "unknown" in error.message.lower():
            pytest.skip(f"this kernel has no {kind}: {error}")
        raise


def connects(one: str, other: str, address: str) -> str:
    """Connect from one namespace to an address of the other over TCP; the address that the other sees."""
    with NetNS.open(other) as there, there.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind((address, 0))
        server.listen()
        with NetNS.open(one) as here, here.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(server.getsockname())
            peer, (seen, _) = server.accept()
            peer.close()
    return str(seen)


# -- shaping --------------------------------------------------------------------------------------------------------


def test_a_rate_is_set_changed_and_taken_away(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    unless_missing(pair(name, shape={"rate": 10_000_000}), "tbf")
    assert pair(name, shape={"rate": 10_000_000}).up() == []
    (change,) = told(pair(name, shape={"rate": 20_000_000}))
    assert change.startswith("~ eth0 of a: ") and pair(name, shape={"rate": 20_000_000}).up() == []
    lines = told(pair(name))
    assert len(lines) == 2 and "-> not shaped" in lines[0] and lines[1] == "~ the stamp of a"
    with NetNS.open(f"{name}.a") as ns:
        assert ns.net.links()[1].body["IFLA_QDISC"] == "noqueue"
    assert pair(name).up() == []
    discover.remove_lab(name)


def test_delay_where_the_kernel_has_it_and_one_sentence_where_not(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    try:
        pair(name, shape={"delay": 0.01}).up()
    except KernelError as error:
        assert "eth0 of a" in str(error) and "netem" in str(error)
        assert not [one for one in NetNS.list() if one.startswith(name)]
        pytest.skip(f"this kernel has no netem: {error}")
    assert pair(name, shape={"delay": 0.01}).up() == []
    discover.remove_lab(name)


# -- settings, files, commands ----------------------------------------------------------------------------------------


def test_settings_are_written_and_compared(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()

    def lab(value: int) -> Lab:
        made = pair(name)
        host(made, "a").forward()
        host(made, "a").sysctl({"net.ipv4.conf.eth0.rp_filter": value})
        return made

    lab(1).up()
    with NetNS.open(f"{name}.a") as ns:
        assert ns.setting("net.ipv4.ip_forward") == ns.setting("net.ipv6.conf.all.forwarding") == "1"
        assert lab(1).up() == []
        assert told(lab(2)) == ["~ net.ipv4.conf.eth0.rp_filter of a: 1 -> 2"]
        assert ns.setting("net.ipv4.conf.eth0.rp_filter") == "2"
    with pytest.raises(RawnsError, match="net.ipv4.nonsense|net/ipv4/nonsense"):
        wrong = lab(2)
        host(wrong, "b").sysctl({"net.ipv4.nonsense": 1})
        wrong.up()
    assert lab(2).up() == []
    discover.remove_lab(name)


@pytest.mark.really_root
def test_files_for_etc_are_ours_and_go_with_the_lab(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()
    folder = Path("/etc/netns") / f"{name}.a"

    def lab(**files: str) -> Lab:
        made = pair(name)
        host(made, "a").files = files
        return made

    there = folder.parent.exists()
    lab(hosts="10.0.0.2\tb\n").up()
    try:
        assert folder.joinpath("hosts").read_text() == f"# rawns lab={name}\n10.0.0.2\tb\n"
        assert lab(hosts="10.0.0.2\tb\n").up() == []
        with NetNS.open(f"{name}.a") as ns:
            done = ns.run(["getent", "hosts", "b"], mounts=True, capture_output=True, text=True)
            assert done.stdout.split() == ["10.0.0.2", "b"]
        (folder / "mine").write_text("by hand\n")
        lines = told(lab(hosts="10.0.0.9\tb\n", motd="hello\n"))
        assert lines[0] == "~ /etc/hosts of a" and lines[1] == "+ /etc/motd of a"
        assert told(lab(motd="hello\n")) == ["- /etc/hosts of a"]
        with pytest.raises(RawnsError, match="mine is there already, and no lab's"):
            lab(motd="hello\n", mine="x").up()
    finally:
        discover.remove_lab(name)
        assert os.listdir(folder) == ["mine"]
        (folder / "mine").unlink()
        folder.rmdir()
        if not there:
            folder.parent.rmdir()


def test_commands_run_and_one_that_fails_undoes_all(lab_name: Name, capfd: Capture) -> None:  # noqa: F811
    name = lab_name()
    lab = pair(name)
    host(lab, "a").commands = [["/bin/sh", "-c", "cat /proc/self/net/dev"]]
    lab.up()
    printed = capfd.readouterr()
    assert "eth0:" in printed.err and not printed.out
    lab = pair(name)
    host(lab, "a").commands = [["false"]]
    assert lab.up() == [], "what is there already needs no command"
    discover.remove_lab(name)
    lab = pair(name)
    host(lab, "b").commands = [["/bin/sh", "-c", "exit 3"]]
    with pytest.raises(RawnsError, match="the command exit 3 of b exited with 3"):
        lab.up()
    lab = pair(name)
    host(lab, "b").commands = [["/nonexistent/command"]]
    with pytest.raises((RawnsError, FileNotFoundError)):
        lab.up()
    assert not [one for one in NetNS.list() if one.startswith(name)]


# -- address translation ------------------------------------------------------------------------------------------------


def test_the_way_out_is_translated_and_followed_by_changes(lab_name: Name) -> None:  # noqa: F811
    from rawns.nft.nat import Forward

    name = lab_name()

    def lab(*forwards: Forward, nat: bool = True) -> Lab:
        made = Lab(name, standing=True)
        inside, router, outside = (made.netns(f"{name}.{label}", label) for label in ("in", "router", "out"))
        made.wire(inside.port("eth0", "10.0.0.1/24"), router.port("lan", "10.0.0.254/24"))
        made.wire(router.port("wan", "192.0.2.1/24"), outside.port("eth0", "192.0.2.2/24"))
        inside.route("default", via="10.0.0.254")
        router.forward()
        if nat:
            router.nat("wan", "10.0.0.0/24", forwards=forwards)
        return made

    try:
        lab().up()
    except KernelError as error:
        pytest.skip(f"this kernel has no nf_tables: {error}")
    assert lab().up() == []
    assert connects(f"{name}.in", f"{name}.out", "192.0.2.2") == "192.0.2.1"
    assert told(lab(Forward("tcp", 8080, "10.0.0.1", 80))) == ["~ nat of router out of wan"]
    assert lab(Forward("tcp", 8080, "10.0.0.1", 80)).up() == []
    assert told(lab(nat=False)) == ["- nat of router", "~ the stamp of router"]
    with NetNS.open(f"{name}.router") as router_:
        assert router_.net.nft.nat(f"rawns_{name}") is None
    discover.remove_lab(name)


# -- other kinds of links -----------------------------------------------------------------------------------------------


def test_a_tap_is_made_and_found_again(lab_name: Name) -> None:  # noqa: F811
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("/dev/net/tun is not there, or closed to us")
    name = lab_name()

    def lab(mtu: int = 1500) -> Lab:
        made = pair(name)
        one = host(made, "a")
        one.tap("tap0", master=one.bridge("br0"), mtu=mtu)
        return made

    lab().up()
    assert lab().up() == []
    with NetNS.open(f"{name}.a") as ns:
        tap = ns.net.link("tap0")
        assert tap.kind == "tun" and tap.up and tap.master == ns.net.link("br0").index
    assert told(lab(1400)) == ["~ tap0 of a: mtu 1500 -> 1400"]
    assert [one for one in told(pair(name)) if one.startswith("-")] == ["- bridge br0 of a", "- tun tap0 of a"]
    discover.remove_lab(name)


def test_macvlans_on_another_hosts_interface(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()

    def lab() -> Lab:
        made = pair(name)
        parent = host(made, "a").interfaces[0]
        for number in (1, 2):
            child = made.netns(f"{name}.m{number}", f"m{number}")
            child.macvlan("mac0", parent, f"10.0.0.1{number}/24")
        return made

    unless_missing(lab(), "macvlan")
    assert lab().up() == []
    assert connects(f"{name}.m2", f"{name}.m1", "10.0.0.11") == "10.0.0.12"
    assert "m1" in [one.label for one in live(name).hosts]
    discover.remove_lab(name)


def test_two_labs_joined_by_a_tunnel(lab_name: Name) -> None:  # noqa: F811
    """Two namespaces stand in for two machines; in each a bridge, a tunnel to the other machine, and a host."""
    name = lab_name()

    def lab() -> Lab:
        made = Lab(name, standing=True)
        boxes = [made.netns(f"{name}.box{number}", f"box{number}") for number in (1, 2)]
        made.wire(boxes[0].port("eth0", "192.0.2.1/24"), boxes[1].port("eth0", "192.0.2.2/24"))
        for number, box in enumerate(boxes, 1):
            bridge = box.bridge("br0")
            box.vxlan("vx0", 42, f"192.0.2.{3 - number}", local=f"192.0.2.{number}", master=bridge)
            inner = made.netns(f"{name}.h{number}", f"h{number}")
            made.wire(bridge.port(), inner.port("eth0", f"10.0.0.{number}/24", mtu=1450))
        return made

    unless_missing(lab(), "vxlan")
    assert lab().up() == []
    assert connects(f"{name}.h2", f"{name}.h1", "10.0.0.1") == "10.0.0.2"
    discover.remove_lab(name)


def test_vlans_keep_hosts_apart_where_the_kernel_filters(lab_name: Name) -> None:  # noqa: F811
    name = lab_name()

    def lab(third: int) -> Lab:
        made = Lab(name, standing=True)
        bridge = made.bridge("br0", vlan_filtering=True)
        for number, vid in ((1, 10), (2, 10), (3, third)):
            inner = made.netns(f"{name}.h{number}", f"h{number}")
            made.wire(bridge.port(vlans=[vid]), inner.port("eth0", f"10.0.0.{number}/24"))
        return made

    unless_missing(lab(20), "VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)")
    assert lab(20).up() == []
    assert told(lab(10)) == ["~ h3 of br0: VLANs 20 -> 10"]
    discover.remove_lab(name)


# -- waiting ------------------------------------------------------------------------------------------------------------


def test_waiting_for_use_and_for_the_end(lab_name: Name) -> None:  # noqa: F811
    from rawns.lab.wait import LabTimeoutError

    name = lab_name()
    pair(name).up(wait=10)
    with NetNS.open(f"{name}.b") as ns:
        ns.net.set_link("eth0", up=False)
        lab = pair(name)
        lab.hosts[1].interfaces[0].up = False  # as it is described now: no carrier is due
        assert lab.up(wait=10) == []
        ns.net.set_link("eth0", up=True)
        child = ns.popen(["cat"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(LabTimeoutError, match=f"the namespace {name}.b is still in use by process {child.pid}, 0.2 s after"):
            discover.remove_lab(name, wait=0.2)
    finally:
        child.communicate(timeout=10)
    assert discover.remove_lab(name, wait=10) == []


def test_what_does_not_come_is_named(lab_name: Name) -> None:  # noqa: F811
    from rawns.lab.wait import LabTimeoutError, wait_until_usable

    name = lab_name()
    lab = pair(name)
    lab.up(wait=10)
    with NetNS.open(f"{name}.b") as ns:
        ns.net.set_link("eth0", up=False)
    with pytest.raises(LabTimeoutError, match=r"eth0 of a has no carrier, and so it has been for 0\.1 s"):
        wait_until_usable(lab, 0.1)
    discover.remove_lab(name, wait=10)


def test_the_root_namespace_is_not_a_labs_to_change() -> None:
    root = Lab("x").root
    for wrong in (lambda: root.route("default", dev="x"), lambda: root.sysctl({"net.ipv4.ip_forward": 1}), lambda: root.nat("x")):
        with pytest.raises(InvalidValue, match="the namespace that the lab is built from"):
            wrong()  # type: ignore[no-untyped-call]


def test_the_index_of_a_link_on_another_hosts_interface_is_free_in_both() -> None:
    """Before Linux 6.14 rtnl_newlink() looks for the index in the namespace of the socket, which is the parent's."""
    with Lab() as lab:
        a, b, c = lab.netns(), lab.netns(), lab.netns()
        parent = a.port("eth0", "10.0.0.1/24")
        lab.wire(parent, b.port("eth0", "10.0.0.2/24"))
        guests = [c.macvlan(f"m{number}", parent, f"10.0.0.{number}/24") for number in (3, 4)]
        try:
            lab.up()
        except KernelError as error:
            pytest.skip(f"this kernel has no macvlan: {error}")
        assert {link.index for link in c.net.links()} & {link.index for link in a.net.links()} == {1}
        assert ping(b, "10.0.0.4", timeout=5).received == 1 and len({guest.index for guest in guests}) == 2
