"""A chapter of `rawns learn`: network address translation."""

from __future__ import annotations

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect a host by a router with a host outside, which has no route back."""
    network.add("red", "r", "out")
    network.cable("red", "eth0", "r", "lan")
    network.cable("out", "eth0", "r", "wan")
    network.address("red", "eth0", "10.1.0.2/24")
    network.address("r", "lan", "10.1.0.1/24")
    network.address("r", "wan", "192.0.2.1/24")
    network.address("out", "eth0", "192.0.2.2/24")
    network.default("red", "10.1.0.1")
    network.forward("r")


CHAPTER = Chapter(
    "nat",
    "Network address translation",
    text="""\
red has a private address, to which hosts outside have no route.  r forwards the
packets of red, out receives them, but its answers have no way back.

Source NAT changes this.  When a connection leaves by wan, r puts its own
address in as the source (masquerade).  The kernel's connection tracking
remembers the connection, and changes the destination of the answers back.

nf_tables is the part of the kernel that filters and translates.  A table holds
chains; a chain of type nat is called at a hook, here postrouting, after the
route has been chosen; a rule matches packets and says what to do with them.

Run nft inside the namespace: `ip netns exec r nft ...`.

  nft add table ip TABLE
  nft 'add chain ip TABLE CHAIN { type nat hook postrouting priority 100; }'
  nft add rule ip TABLE CHAIN oifname LINK masquerade
  nft list ruleset""",
    picture="""\
    red               r                              out
    eth0 ============ lan              wan ========= eth0
    10.1.0.2/24       10.1.0.1/24      192.0.2.1/24  192.0.2.2/24
                                       masquerade    no route to 10.1.0.0/24""",
    task="Routes and forwarding are there.  Let red reach 192.0.2.2 by NAT in r, without a new route in out.",
    goals=(
        Goal("out has no route to 10.1.0.2", goals.no_route("out", "10.1.0.2")),
        Goal("192.0.2.2 answers red", goals.reaches("red", "192.0.2.2")),
        Goal(
            "out sees 192.0.2.1 as the source of connections from red",
            goals.seen_as("red", "out", "192.0.2.2", 4444, "192.0.2.1"),
        ),
    ),
    hints=(
        "First a table in r: `ip netns exec r nft add table ip nat`.",
        "Then a chain: `ip netns exec r nft 'add chain ip nat post { type nat hook postrouting priority 100; }'`.",
        "Then the rule: `ip netns exec r nft add rule ip nat post oifname wan masquerade`.",
        "Without nft, in Python: `rawns.NetNS.open('r').nft.set_nat('nat', [rawns.Nat('wan')])`.",
    ),
    solutions=(
        Solution(
            "ip netns exec r nft add table ip nat",
            "ip netns exec r nft 'add chain ip nat post { type nat hook postrouting priority 100; }'",
            "ip netns exec r nft add rule ip nat post oifname wan masquerade",
            "ip netns exec red ping -c 1 192.0.2.2",
            needs=("nft",),
        ),
        Solution(
            "python3 -c \"import rawns; rawns.NetNS.open('r').nft.set_nat('nat', [rawns.Nat('wan')])\"",
            "ip netns exec red ping -c 1 192.0.2.2",
        ),
    ),
    given=given,
    kinds=("veth", "nf_tables"),
)
