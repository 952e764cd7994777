"""A chapter of `rawns learn`: two machines and VXLAN."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect two machines, each with a bridge and a container on it."""
    network.add("m1", "m2", "c1", "c2")
    network.cable("m1", "eth0", "m2", "eth0")
    for number in (1, 2):
        machine, container = f"m{number}", f"c{number}"
        network.address(machine, "eth0", f"192.0.2.{number}/24")
        network[machine].net.add_bridge("br0", up=True)
        network.cable(machine, "port", container, "eth0", master="br0")
        network.address(container, "eth0", f"10.9.0.{number}/24")


CHAPTER = Chapter(
    "vxlan",
    "Two machines and VXLAN",
    text="""\
c1 and c2 are containers on different machines.  They have addresses of one
subnet, but the network between the machines knows nothing of it.  A tunnel
carries their frames: a VXLAN device packs an Ethernet frame into a UDP datagram
(port 4789) to the other machine, where it comes out of the VXLAN device there.
A number of 24 bits, the VNI, tells several such networks apart.

A VXLAN device can be a port of a bridge.  Then two bridges on two machines are
one.  It needs to know where to send: here one remote address; with more than
two machines, entries of its forwarding database, or a multicast group.

The frame's own header and the outer IP, UDP and VXLAN headers take 50 bytes, so
the MTU of a VXLAN device is 1450 if that of the link below is 1500.  Containers
on it should have 1450 as well.

  ip -n NS link add LINK type vxlan id VNI remote ADDRESS dstport 4789
  ip -n NS link set LINK master BRIDGE""",
    picture="""\
    c1 10.9.0.1/24                          c2 10.9.0.2/24
     |                                       |
    br0 -- vx (42) . . . tunnel . . . . (42) vx -- br0
    m1  eth0 192.0.2.1/24 ========== 192.0.2.2/24 eth0  m2""",
    task="Add a VXLAN device vx with VNI 42 to br0 on both machines, m1 and m2, so that c1 and c2 reach each other.",
    goals=(
        Goal("vx in m1 is a VXLAN device with VNI 42", goals.tunnel("m1", "vx", 42)),
        Goal("vx in m2 is a VXLAN device with VNI 42", goals.tunnel("m2", "vx", 42)),
        Goal("vx is a port of br0 in m1", goals.port_of("m1", "br0", "vx")),
        Goal("vx is a port of br0 in m2", goals.port_of("m2", "br0", "vx")),
        Goal("c2 answers c1", goals.reaches("c1", "10.9.0.2")),
    ),
    hints=(
        "On m1: `ip -n m1 link add vx type vxlan id 42 remote 192.0.2.2 dstport 4789`.",
        "On m2 the same, with remote 192.0.2.1.",
        "`ip -n m1 link set vx master br0 up`, and the same on m2.",
    ),
    solutions=(
        Solution(
            "ip -n m1 link add vx type vxlan id 42 remote 192.0.2.2 dstport 4789",
            "ip -n m2 link add vx type vxlan id 42 remote 192.0.2.1 dstport 4789",
            "ip -n m1 link set vx master br0 up",
            "ip -n m2 link set vx master br0 up",
            "ip netns exec c1 ping -c 1 10.9.0.2",
        ),
    ),
    given=given,
    kinds=("veth", "bridge", "vxlan"),
)
