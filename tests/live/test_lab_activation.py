"""When a verb of a lab returns, its interfaces transmit and its IPv6 addresses receive.

The witness of the first is the operational state (RFC 2863) in a dump of the real ip: the kernel sets it when it lets an
interface with a carrier transmit, and a dump changes nothing.  That of the second is the real ip's list of multicast groups.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest

from rawns import InvalidValue, KernelError, Lab, NetNS, uapi
from rawns.lab.host import Host
from rawns.lab.kinds.stacked import Ipvlan, Macvlan, VlanDevice

ROUNDS = 5  # before this was guaranteed, one lab in a hundred was found whole by chance


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Hosts on two bridges that are wired, and two hosts with a wire of their own."""
    with Lab("active") as lab:
        lans = [lab.bridge("lan"), lab.bridge("lan2", "10.0.0.9/24")]
        for number in range(1, 5):
            host = lab.netns(label=f"h{number}")
            lab.wire(lans[number % 2].port(), host.port("eth0", f"10.0.0.{number}/24", f"fd00::{number}/64"))
        lab.wire(lans[0].port("up"), lans[1].port("down"))
        x, y = lab.netns(label="x"), lab.netns(label="y")
        lab.wire(x.port("eth0", "10.1.0.1/24", "fd01::1/64"), y.port("eth0", "10.1.0.2/24", "fd01::2/64"))
        yield lab


def told(host: Host, *words: str) -> Any:
    done = host.run(["ip", "-j", *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout or b"[]")


def inactive(lab: Lab) -> list[str]:
    """Return interfaces with a carrier that do not transmit, and addresses that do not hear a neighbour solicitation."""
    found = []
    seen = [(host, told(host, "-d", "link")) for host in lab.hosts]  # before anything that asks for one link
    for host, links in seen:
        for link in links:
            due = "LOWER_UP" in link["flags"] and link["linkinfo"]["info_kind"] != "dummy" if "linkinfo" in link else False
            if due and link["operstate"] != "UP":
                found.append(f"{host.label} {link['ifname']} {link['operstate']}")
            port = link.get("linkinfo", {}).get("info_slave_data", {})
            if due and port.get("state", "forwarding") != "forwarding":
                found.append(f"{host.label} {link['ifname']} {port['state']}")
        for link in told(host, "-6", "addr", "show", "scope", "global"):
            groups = {
                group["address"] for one in told(host, "-6", "maddr", "show", "dev", link["ifname"]) for group in one["maddr"]
            }
            for address in filter(None, link["addr_info"]):
                low = int(IPv6Address(address["local"])) & 0xFFFFFF
                if str(IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | low)) not in groups:  # RFC 4291, 2.7.1
                    found.append(f"{host.label} {address['local']} is in no solicited-node group")
    return found


def up_ports(lab: Lab) -> int:
    return sum(link["operstate"] == "UP" for host in lab.hosts for link in told(host, "link"))


def test_up(lab: Lab) -> None:
    for _ in range(ROUNDS):
        lab.up()
        assert inactive(lab) == []
        assert up_ports(lab) == 14  # both ends of six wires, two bridges
        lab.down()


def test_what_is_added_to_a_lab_that_is_up(lab: Lab) -> None:
    lab.up()
    late = lab.netns(label="late")
    lan = next(one for host in lab.hosts for one in host.interfaces if one.switches)
    lab.wire(late.port("eth0", "10.0.0.8/24", "fd00::8/64"), lan.port())  # type: ignore[attr-defined]
    lab.up()
    assert inactive(lab) == [] and up_ports(lab) == 16


def test_set_up_and_restore(lab: Lab) -> None:
    lab.up()
    ports = ["h1:eth0", "lan:up", "y:eth0"]
    for again in (lambda: lab.set_up(*ports), lab.restore):
        for _ in range(ROUNDS):
            lab.set_down(*ports)
            for port in ports:
                lab.wait_carrier(port, False)
            again()
            assert inactive(lab) == [] and up_ports(lab) == 14


def test_wait_carrier(lab: Lab) -> None:
    """A carrier that comes by other means is complete when it has been waited for."""
    lab.up()
    x, y = lab.find_host("x"), lab.find_host("y")
    for _ in range(ROUNDS):
        told(y, "link", "set", "eth0", "down")
        lab.wait_carrier("x", False)
        y.net.set_link("eth0", up=True)
        lab.wait_carrier("x")
        assert [told(host, "link", "show")[1]["operstate"] for host in (x, y)] == ["UP", "UP"]


def test_replug(lab: Lab) -> None:
    """Also that the far end of a wire that was moved transmits when the near one is set up."""
    lab.up()
    for target in ("lan2", "y"):
        lab.replug("h1:eth0", target)
        assert inactive(lab) == []
        assert up_ports(lab) == 14
        lab.restore()
    name, near = lab.replug("x:eth0", "h1"), lab.find_host("h1")
    for _ in range(ROUNDS):
        lab.set_down("y:eth0")
        lab.set_up("y:eth0")
        (far,) = [link for link in near.net.links() if link.name == name]  # a dump; starting the real ip takes too long
        assert far.operstate == uapi.IF_OPER_UP


def test_many_ipv6_addresses_receive() -> None:
    """The kernel works through them one by one; what it has done is read by one system call, before it can go on."""
    addresses = [f"fd00::{number:x}" for number in range(1, 65)]
    groups = {
        (int(IPv6Address("ff02::1:ff00:0")) | int(IPv6Address(one)) & 0xFFFFFF).to_bytes(16, "big").hex() for one in addresses
    }

    def joined() -> set[str]:
        return {line.split()[2] for line in Path("/proc/thread-self/net/igmp6").read_text().splitlines()}

    with Lab("many") as lab:
        a, b = (lab.netns(label=label) for label in "ab")
        port = a.port("eth0", *[f"{one}/64" for one in addresses])
        lab.wire(b.port("eth0", "fd00::99/64"), port)
        lab.up()
        assert groups <= a.call(joined)
        for _ in range(2 * ROUNDS):
            port.set_down()
            assert not groups & a.call(joined)
            port.set_up()
            assert groups <= a.call(joined)


@pytest.mark.parametrize("kind", ["macvlan", "vlan", "ipvlan"])
def test_what_stands_on_a_wire(kind: str) -> None:
    """In the host of its parent, and in another one."""
    with Lab("stacked") as lab:
        a, b, c = (lab.netns(label=label) for label in "abc")
        lower = a.port("eth0")
        lab.wire(lower, b.port("eth0", "10.0.0.2/24"))
        made: Any = {one.kind: one for one in (Macvlan, VlanDevice, Ipvlan)}[kind]
        for host, number in ((a, 3), (c, 4)):
            addresses = (f"10.0.0.{number}/24", f"fd00::{number}/64")
            host.add(made(host, f"s{number}", addresses, parent=lower, **({"id": number} if kind == "vlan" else {})))
        try:
            lab.up()
        except KernelError as error:
            if error.code != "EOPNOTSUPP":
                raise
            pytest.skip(f"this kernel has no {kind}")
        assert inactive(lab) == [] and up_ports(lab) == 4
        for _ in range(ROUNDS):
            lab.set_down("b:eth0")
            lab.wait_carrier("a:eth0", False)
            lab.set_up("b:eth0")
            assert inactive(lab) == [] and up_ports(lab) == 4


def test_link_detected() -> None:
    """The end that is set up first transmits when its carrier has been asked for; the witness is again a dump."""
    with NetNS.create() as near, NetNS.create() as far:
        near.net.add_veth("v1", peer="v2", peer_ns=far)
        for _ in range(ROUNDS):
            near.net.set_link("v1", up=True)
            assert not near.net.link_detected("v1")
            far.net.set_link("v2", up=True)
            assert near.net.link_detected("v1") and far.net.link_detected(2)
            assert [ns.net.links("veth")[0].operstate for ns in (near, far)] == [uapi.IF_OPER_UP, uapi.IF_OPER_UP]
            far.net.set_link("v2", up=False)
            near.net.set_link("v1", up=False)
        with pytest.raises(KernelError, match="No such device"):
            near.net.link_detected("missing")
        with pytest.raises(InvalidValue):
            near.net.link_detected("a/b")
