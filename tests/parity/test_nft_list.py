"""What we make, as the real `nft` lists it; and what the real `nft` makes, as we read it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from rawns import NetNS
from rawns.nft.nat import Forward, Nat, NatTable

pytestmark = pytest.mark.skipif(shutil.which("nft") is None, reason="there is no `nft` here")

SCRIPT = """
table inet lab {
  comment "rawns lab article"
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "eth0" meta nfproto ipv4 tcp dport 8080 dnat ip to 10.0.0.2:80
    iifname "eth0" meta nfproto ipv4 udp dport 53 dnat ip to 10.0.0.3:53
    iifname "eth0" meta nfproto ipv6 tcp dport 8080 dnat ip6 to [fd00::2]:80
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" ip saddr 10.0.0.0/24 masquerade
    oifname "eth0" ip saddr 10.4.0.0/20 masquerade
    oifname "eth0" ip saddr 192.0.2.7 masquerade
    oifname "eth0" ip6 saddr fd00::/64 masquerade
    oifname "eth0" ip6 saddr fd01::/67 masquerade
    oifname "ppp0" meta nfproto ipv4 masquerade
    oifname "ppp0" meta nfproto ipv6 masquerade
  }
}
"""
FORWARDS = (Forward("tcp", 8080, "10.0.0.2", 80), Forward("udp", 53, "10.0.0.3"), Forward("tcp", 8080, "fd00::2", 80))
NATS = [
    Nat("eth0", ("10.0.0.0/24", "10.4.0.0/20", "192.0.2.7", "fd00::/64", "fd01::/67"), FORWARDS),
    Nat("ppp0", ("0.0.0.0/0", "::/0")),
]


@pytest.fixture
def ns() -> Iterator[NetNS]:
    with NetNS.create() as namespace:
        if namespace.run(["nft", "list", "ruleset"], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("`nft` cannot list anything here")
        yield namespace


def listed(ns: NetNS) -> str:
    return str(ns.run(["nft", "-s", "list", "ruleset"], check=True, stdout=subprocess.PIPE, text=True).stdout)


def test_nft_lists_what_we_made_as_what_it_made_itself(ns: NetNS) -> None:
    ns.run(["nft", "-f", "-"], input=SCRIPT, text=True, check=True)
    theirs = listed(ns)
    assert "masquerade" in theirs and 'comment "rawns lab article"' in theirs
    ns.nft.delete_table("lab")
    assert listed(ns) == ""
    ns.nft.set_nat("lab", NATS, "rawns lab article")
    assert listed(ns) == theirs


def test_we_read_what_nft_made(ns: NetNS) -> None:
    ns.run(["nft", "-f", "-"], input=SCRIPT, text=True, check=True)
    assert ns.nft.nat("lab") == NatTable("rawns lab article", NATS)


def test_chains_are_the_same(ns: NetNS) -> None:
    script = """
    add table ip a
    add chain ip a one { type filter hook forward priority 7; policy drop; }
    add chain ip a two
    add table bridge b
    add chain bridge b three { type filter hook output priority -200; policy accept; }
    add table arp c
    add chain arp c four { type filter hook input priority 0; policy drop; }
    """
    ns.run(["nft", "-f", "-"], input=script, text=True, check=True)
    done = ns.run(["nft", "-j", "list", "chains"], check=True, stdout=subprocess.PIPE)
    theirs = [one["chain"] for one in json.loads(done.stdout)["nftables"] if "chain" in one]
    keys = ("table", "name", "type", "hook", "policy")
    ours = [(*(getattr(chain, key) for key in keys), chain.priority) for chain in ns.nft.chains()]
    assert sorted(map(str, ours)) == sorted(str((*map(one.get, keys), one.get("prio", 0))) for one in theirs)
    assert len(ours) == 4
