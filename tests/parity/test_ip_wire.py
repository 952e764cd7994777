"""What this kernel may lack is compared on the wire: the request of the real `ip`, seen by strace, and that of `rawns ip`.

Both are compared as trees of attributes, because the order of attributes has no meaning.
"""

from __future__ import annotations

import re
import shlex
import shutil
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from universe import missing

from rawns import NetNS
from rawns.cli.ip import command, context
from rawns.cli.ip.kinds import vxlan
from rawns.nlmsg import Request

pytestmark = pytest.mark.skipif(bool(missing()) or shutil.which("strace") is None, reason=missing() or "strace is not installed")

LINES = """
link add link v3 name v3.5 type vlan id 5
link add link v3 name v3.5 type vlan id 5 protocol 802.1ad reorder_hdr off gvrp on mvrp on loose_binding on bridge_binding off
link add link v3 name v3.5 type vlan id 5 ingress-qos-map 1:2 3:4 egress-qos-map 5:6
link add link v3 name v3.5 type vlan proto 802.1q id 0x10
link set v3 type vlan gvrp off
link add vrf1 type vrf table 10
link add vrf1 type vrf table main
link add link v3 name iv type ipvlan
link add link v3 name iv type ipvlan mode l3 private
link add link v3 name iv type ipvlan mode l3s vepa
link add link v3 name iv type ipvlan mode l2 bridge
link add link v3 name iv type ipvtap mode l2
link add gn type geneve id 5 remote 10.0.0.1
link add gn type geneve id 5 remote fd00::1 ttl 7 tos 0x10 df set flowlabel 5 dstport 99 udpcsum udp6zerocsumtx noudp6zerocsumrx
link add gn type geneve external
link add gn type geneve id 5 remote 10.0.0.1 ttl inherit tos inherit innerprotoinherit
link add gn type geneve id 5 remote 239.0.0.1
link add gn type geneve id 5 external
link add gn type geneve id 5 ttl 999
link add d0 type dummy
link add b0 type bond
link add vx type vxcan peer name vy
link add vx type vcan
link add b0 type bond mode active-backup miimon 100
link add b0 type bond mode 802.3ad lacp_rate fast xmit_hash_policy layer3+4 ad_select bandwidth min_links 2 lacp_active off
link add b0 type bond mode 802.3ad ad_actor_sys_prio 5 ad_user_port_key 6 ad_actor_system 02:00:00:00:00:01
link add b0 type bond mode balance-tlb tlb_dynamic_lb 0 updelay 5 downdelay 6 use_carrier 0 peer_notify_delay 7
link add b0 type bond mode active-backup arp_interval 100 arp_ip_target 10.0.0.1,10.0.0.2 arp_validate all arp_all_targets all
link add b0 type bond mode active-backup ns_ip6_target fd00::1,fd00::2
link add b0 type bond primary v3 primary_reselect better fail_over_mac follow resend_igmp 3 num_grat_arp 4 all_slaves_active 1
link add b0 type bond lp_interval 6 packets_per_slave 7
link add b0 type bond num_unsol_na 4
link add b0 type bond mode frob
link add b0 type bond miimon x
link add b0 type bond primary nope
link add b0 type bond lacp_rate x
link add b0 type bond frob
link set v3 type bond active_slave v4
link set v3 type bond clear_active_slave
link set v3 type bond_slave queue_id 5 prio 7
link set v3 type bond_slave queue_id x
link set v3 type bond_slave frob
""".strip().splitlines()

RTM_NEWLINK, RTM_DELLINK = 16, 17
HEADER = 32  # struct nlmsghdr, struct ifinfomsg


@pytest.fixture(scope="module", name="ns")
def namespace_with_two_links() -> Iterator[NetNS]:
    with NetNS.create() as ns:
        ns.net.add_veth("v3", peer="v4")
        yield ns


def split(data: bytes) -> list[tuple[int, bytes]] | None:
    """Return the attributes in ``data``; None if these are no attributes."""
    found, offset = [], 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("HH", data, offset)
        if size < 4 or offset + size > len(data):
            return None
        found.append((kind & 0x3FFF, data[offset + 4 : offset + size]))
        offset += size + 3 & ~3
    return found if offset >= len(data) else None


def tree(data: bytes) -> Any:
    """Return attributes without their order: nested ones as lists, others in hexadecimal."""
    found = split(data) if len(data) >= 4 else None
    if not found:
        return data.hex()
    return sorted(((kind, tree(payload)) for kind, payload in found), key=str)


def of_the_real_ip(ns: NetNS, words: list[str]) -> tuple[bytes | None, str]:
    """Return the request for a link that the real `ip` sends, and its standard error."""
    done = ns.run(
        ["strace", "-o", "/dev/stdout", "-e", "trace=sendmsg,sendto", "-e", "write=all", "ip", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    messages: list[bytearray] = []
    for line in done.stdout.splitlines():
        dumped = re.match(r" \| ([0-9a-f]{5})  (.{49})", line)
        if dumped is not None:
            if dumped[1] == "00000":
                messages.append(bytearray())
            messages[-1] += bytes.fromhex(dumped[2].replace(" ", ""))
    sent = [bytes(one) for one in messages if len(one) > HEADER and one[4] in (RTM_NEWLINK, RTM_DELLINK)]
    return (sent[-1] if sent else None), done.stderr


@pytest.mark.parametrize("line", LINES)
def test_the_same_request(ns: NetNS, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    real, complaint = of_the_real_ip(ns, words)
    sent: list[bytes] = []
    said: list[str] = []

    def change(ip: context.IpContext, request: Request, show: object) -> None:
        sent.append(request.pack(0))

    monkeypatch.setattr(context.IpContext, "change", change)
    for module in (command, context, vxlan):
        monkeypatch.setattr(module, "complain", said.append)
    with ns.entered():
        command.main(words)
    if real is None:
        assert not sent
        assert "\n".join([*said, ""]) == complaint
    else:
        assert (sent[0][16:HEADER], tree(sent[0][HEADER:])) == (real[16:HEADER], tree(real[HEADER:]))
