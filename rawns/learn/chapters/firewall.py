"""A chapter of `rawns learn`: a firewall, and what the kernel answers."""

from __future__ import annotations

from errno import EHOSTUNREACH

from .. import goals
from ..chapter import Chapter, Goal, Solution
from ..named_network import NamedNetwork


def given(network: NamedNetwork) -> None:
    """Connect two namespaces by a cable; three services listen in one."""
    network.add("red", "blue")
    network.cable("red", "v1", "blue", "v2")
    network.address("red", "v1", "10.0.0.1/24")
    network.address("blue", "v2", "10.0.0.2/24")
    for port in (80, 81, 82):
        network.listen("blue", port)


CHAPTER = Chapter(
    "firewall",
    "A firewall, and what the kernel answers",
    text="""\
A chain of type filter at the hook input sees packets for this host, at output
those that it sends, and at forward those that pass through.  In each chain the
first rule with a verdict decides; if none does, the chain's policy.  A drop is
final; what one chain accepts, the next one at this hook can still drop.

What the sender of a connection request gets, if it is not accepted:

  what happens                       answer               its error
  no rule, and nothing listens       TCP reset            Connection refused
  drop                               none                 timeout, after minutes
  reject                             ICMP port unreach.   Connection refused
  reject with icmpx admin-prohibited ICMP prohibited      No route to host
  reject with tcp reset              TCP reset            Connection refused

So silence means a drop (or a broken way), and an error at once means that a
host or a firewall has answered.  `rawns chat connect` shows which error it is.

  nft 'add chain inet TABLE CHAIN { type filter hook input priority 0; }'
  nft add rule inet TABLE CHAIN tcp dport PORT VERDICT""",
    picture="""\
    red 10.0.0.1/24 v1 ======= v2 10.0.0.2/24 blue
                                  80 accept   81 drop   82 reject""",
    task="Services listen in blue on ports 80 to 82.  In blue, drop packets to port 81; reject those to 82, as prohibited.",
    goals=(
        Goal("red can connect to port 80", goals.connecting("red", "10.0.0.2", 80, "connected")),
        Goal("port 81 is silent", goals.connecting("red", "10.0.0.2", 81, None)),
        Goal("port 82 answers with `No route to host`", goals.connecting("red", "10.0.0.2", 82, EHOSTUNREACH)),
    ),
    hints=(
        "All of it is in blue: `ip netns exec blue nft ...`.  Begin with `add table inet fw`.",
        "`nft 'add chain inet fw input { type filter hook input priority 0; }'`",
        "`nft add rule inet fw input tcp dport 81 drop`",
        "`nft add rule inet fw input tcp dport 82 reject with icmpx admin-prohibited`",
    ),
    solutions=(
        Solution(
            "ip netns exec blue nft add table inet fw",
            "ip netns exec blue nft 'add chain inet fw input { type filter hook input priority 0; }'",
            "ip netns exec blue nft add rule inet fw input tcp dport 81 drop",
            "ip netns exec blue nft add rule inet fw input tcp dport 82 reject with icmpx admin-prohibited",
            "ip netns exec red rawns chat connect 10.0.0.2 82 < /dev/null",
            needs=("nft",),
        ),
    ),
    given=given,
    kinds=("veth", "nf_tables"),
)
