"""A chapter of `rawns learn`: what Kubernetes does with all this."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Build a node: a bridge with an address, two pods behind it, and a web server in one of them."""
    network.add("node", "web", "client")
    node = network["node"].net
    node.add_bridge("cni0", up=True)
    network.address("node", "cni0", "10.1.0.1/24")
    for number, pod in enumerate(("web", "client"), 2):
        network.cable("node", f"veth-{pod}", pod, "eth0", master="cni0")
        network.address(pod, "eth0", f"10.1.0.{number}/24")
        network.default(pod, "10.1.0.1")
    network.forward("node")
    network.listen("web", 8080)


CHAPTER = Chapter(
    "kubernetes",
    "What Kubernetes does with all this",
    text="""\
A pod is a network namespace that several containers share: they have one
address and reach each other at 127.0.0.1.  A process that only waits (pause)
holds it.

For each pod the runtime calls a program, the CNI plugin, with the path of the
namespace.  The usual plugin makes a veth pair, with eth0 in the pod, and the
other end in a bridge of the node; it picks an address, and sets a default
route.  Between nodes it adds routes, or a VXLAN.  You have done all of this.

A Service is an address that no link has.  On each node, kube-proxy writes rules
that change the destination of connections to it into the address of a pod: nat,
at the hook prerouting, before the route is chosen.  A network policy is a
filter at the hook forward.

  nft 'add chain ip TABLE CHAIN { type nat hook prerouting priority -100; }'
  nft add rule ip TABLE CHAIN ip daddr A tcp dport P dnat to B:Q""",
    picture="""\
    node: cni0 10.1.0.1/24    10.96.0.10:80 -> 10.1.0.2:8080
           |            |
    web 10.1.0.2:8080   client 10.1.0.3""",
    task="Make a Service in node: connections of client to 10.96.0.10 port 80 reach port 8080 of web.",
    goals=(
        Goal("web listens on port 8080", goals.connecting("client", "10.1.0.2", 8080, "connected")),
        Goal("client can connect to 10.96.0.10 port 80", goals.connecting("client", "10.96.0.10", 80, "connected")),
    ),
    hints=(
        "In node: `ip netns exec node nft add table ip svc`.",
        "`ip netns exec node nft 'add chain ip svc pre { type nat hook prerouting priority -100; }'`",
        "`ip netns exec node nft add rule ip svc pre ip daddr 10.96.0.10 tcp dport 80 dnat to 10.1.0.2:8080`",
        "web answers client directly, over the bridge, and client does not know that address: also `masquerade` at postrouting.",
    ),
    solutions=(
        Solution(
            "ip netns exec node nft add table ip svc",
            "ip netns exec node nft 'add chain ip svc pre { type nat hook prerouting priority -100; }'",
            "ip netns exec node nft add rule ip svc pre ip daddr 10.96.0.10 tcp dport 80 dnat to 10.1.0.2:8080",
            "ip netns exec node nft 'add chain ip svc post { type nat hook postrouting priority 100; }'",
            "ip netns exec node nft add rule ip svc post ct status dnat masquerade",
            needs=("nft",),
        ),
    ),
    given=given,
    kinds=("veth", "bridge", "nf_tables"),
)
