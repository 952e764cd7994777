"""What this kernel may lack is compared on the wire: the request of the real `ip`, seen by strace, and that of `rawns ip`.

Both are compared as trees of attributes, because the order of attributes has no meaning.
"""

from __future__ import annotations

import random
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
from rawns.cli.ip import command, context, kinds, program
from rawns.cli.ip.keywords import ConstantKeyword, FlagKeyword
from rawns.cli.ip.kinds import macvlan, overlay
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
link set v3 type gre remote 10.0.0.1
link set v3 type ipip
link set v3 type ip6tnl ttl 5
link set v3 type vti key 5
link set nope type vti key 5
link add x0 type geneve id 5 remote 10.0.0.1 ttl 5 ttl 6
link add x0 type geneve id 5 id 6
link add x0 type geneve id 5 remote 10.0.0.1 remote 10.0.0.2
link add x0 type geneve vni 5 rem 10.0.0.1 dstport 5 dstport 6
link add x0 type geneve id 5 remote 10.0.0.1 udpcsum noudpcsum
link add x0 type geneve id 5 remote 10.0.0.1 tos 5 tos 6
link add x0 type geneve id 5 remote 10.0.0.1 df maybe
link add x0 type geneve id 5 remote 10.0.0.1 df set df unset
link add x0 type geneve id 5 remote 10.0.0.1 label 0x100000
link add x0 type geneve id 5 remote 10.0.0.1 dstport x
link add x0 type geneve id x
link add x0 type geneve id 16777216
link add x0 type geneve external external
link add x0 type geneve id 5 remote x
link add x0 type geneve id 5 remote ff02::1
link add x0 type geneve id 5 remote 10.0.0.1 hoplimit auto dsfield inherit
link add x0 type geneve id 5 remote 10.0.0.1 ttl inherit ttl 5
link add x0 type geneve frob
link add x0 type geneve help
link add x0 type geneve n
link add x0 type vxlan id 5 dstport 4789 ttl inherit ttl 7
link add x0 type vxlan id 5 dstport 4789 noudpcsum udpcsum
link add x0 type vxlan id 5 dstport 4789 no
link add x0 type vxlan id 5 dstport 4789 m 5
link add x0 type vxlan id 5 gpe
link add x0 type vxlan id 5 dstport 4789 local ff02::1
link add x0 type vxlan id 5 dstport 4789 group ff02::1
link add x0 type vxlan id 5 dstport 4789 group ff02::1 dev v3
link add x0 type vxlan id 5 dstport 4789 noexternal
link add x0 type vxlan external dstport 4789 learning
link add x0 type vxlan external dstport 4789 vnifilter id 5
link add x0 type vxlan id 5 dstport 0 remcsumtx noremcsumrx tos 0x10 df inherit
link add x0 type vxlan id 5 dstport 5 srcport 5 6 srcport 7 8
link add x0 type vxlan id 5 dstport 5 port 5 6
link add x0 type vxlan id 5 dstport 5 nolearning learning
link add x0 type vxlan id 5 dstport 5 ageing none maxaddress unlimited
link add x0 type vxlan id 5 dstport 5 gbp gbp
link add x0 type vxlan id 5 dstport 5 localbypass
link add link v3 name x0 type vlan id 5 protocol LLDP
link add link v3 name x0 type vlan id 5 protocol ipv4
link add link v3 name x0 type vlan id 70000
link add link v3 name x0 type vlan id 5 ingress-qos-map 1
link add link v3 name x0 type vlan id 5 ingress-qos-map 1:x
link add link v3 name x0 type vlan id 5 egress-qos-map 1:2 frob
link add link v3 name x0 type vlan frob
link add link v3 name x0 type vlan help
link add link v3 name x0 type vlan
link add link v3 name x0 type macvlan mode passthru nopromisc
link add link v3 name x0 type macvlan mode bridge nopromisc
link add link v3 name x0 type macvlan mode source nodst
link add link v3 name x0 type macvlan mode source flag nodst flag null
link add link v3 name x0 type macvtap mode source macaddr set 02:00:00:00:00:01 02:00:00:00:00:02
link add link v3 name x0 type macvtap mode source macaddr set
link add link v3 name x0 type macvtap mode source macaddr add x
link add link v3 name x0 type macvlan help
link add link v3 name x0 type ipvlan mode l2 private vepa
link add link v3 name x0 type ipvlan mode
link add link v3 name x0 type ipvlan help
link add link v3 name x0 type ipvtap frob
link add x0 type vrf
link add x0 type vrf table
link add x0 type vrf table 4294967296
link add x0 type vrf table default
link add x0 type vrf help
link add x0 type bond mode 1
link add x0 type bond mode 4 lacp_rate 1
link add x0 type bond mode 7
link add x0 type bond xmit_hash_policy 3
link add x0 type bond xmit_hash_policy vlan+srcmac
link add x0 type bond arp_validate filter_active arp_all_targets 1
link add x0 type bond fail_over_mac 2 primary_reselect 1 ad_select 2 lacp_active 1
link add x0 type bond arp_ip_target
link add x0 type bond arp_ip_target 10.0.0.1,x
link add x0 type bond arp_ip_target mode 1
link add x0 type bond ns_ip6_target 10.0.0.1
link add x0 type bond ad_actor_system x
link add x0 type bond ad_actor_sys_prio 70000
link add x0 type bond miimon -1
link add x0 type bond use_carrier 256
link add x0 type bond active_slave nope
link add x0 type bond arp_missed_max 5
link add x0 type bond help
link set v3 type bond_slave help
link set v3 type bond_slave prio -5
link set v3 type bond_slave prio x
link set v3 type bond_slave q 5
link set v3 type bridge_slave state 3 mcast_router 2 group_fwd_mask 8 backup_port v4
link set v3 type bridge_slave state x
link set v3 type bridge_slave backup_port nope
link set v3 type bridge_slave nobackup_port learning maybe
link set v3 type bridge_slave help
link set v3 type vrf_slave foo
link set v3 type team_slave foo
link add x0 type bridge vlan_protocol 802.1q no_linklocal_learn 1 mcast_vlan_snooping 0
link add x0 type bridge vlan_protocol frob
link add x0 type bridge no_linklocal_learn x
link add x0 type bridge group_address 01:80:c2:00:00:05 mcast_querier_interval 18446744073709551615
link add x0 type bridge mcast 1
link add x0 type bridge priority 70000
link add x0 type bridge help
link add x0 type veth peer
link add x0 type vxcan peer x1 mtu 5 frob
link add x0 type dummy foo
link add x0 type ifb help
link add x0 type nlmon foo
link add x0 type foo bar
link add x0 type foo help
""".strip().splitlines()

# Kinds, and the words that follow `ip link add x0 type KIND`: all requests must be the same, all refusals in the same words.
OPTIONS = {
    "wireguard": """
.
frob
""",
    "nlmon": """
.
""",
    "xfrm": """
if_id 5 dev v3
if_id 0x10
external
external if_id 5
dev v3 external
if_id 0
if_id x
dev v3
dev nope
frob
help
if_id
""",
    "bareudp": """
dstport 5 ethertype ipv4
dstport 0x5 ethertype MPLS_UC srcportmin 7 multiproto
dst 5 ether 0x800 src 7 nomulti
dstport 5 ethertype ipv4 multiproto nomultiproto
dstport 5 dstport 6 ethertype ipv4
dstport 5
ethertype ipv6
dstport x
dstport 5 ethertype frob
dstport 5 ethertype ipv6 srcportmin 70000
frob
help
""",
    "hsr": """
slave1 v3 slave2 v4
slave1 lo slave2 v3 supervision 45 version 1 proto 1
sup 45 ver 0 proto 0
slave1 nope
supervision 256
version x
proto x
frob
help
""",
    "gre gretap": """
remote 10.0.0.1 local 10.0.0.2
remote 10.0.0.1 local any ttl 64 tos 0x10 dev v3
remote 10.0.0.1 ttl inherit tos inherit nopmtudisc ignore-df
remote 10.0.0.1 noignore-df pmtudisc hoplimit 5 tclass 4 fwmark 0x7
remote 10.0.0.1 hlim 5 dsfield 4
remote 10.0.0.1 key 5 seq csum
remote 10.0.0.1 ikey 1.2.3.4 okey 7 iseq ocsum
remote 10.0.0.1 key 5 noikey seq nooseq csum noicsum
remote 10.0.0.1 key 5 nokey seq noseq csum nocsum
remote 10.0.0.1 k 5 n
remote 239.0.0.1 local 10.0.0.2
remote 239.0.0.1 local 10.0.0.2 okey 5
remote 239.0.0.1
remote 10.0.0.1 encap fou encap-sport auto encap-dport 5555 encap-csum noencap-udp6-csum
remote 10.0.0.1 encap gue encap-sport 7 encap-dport 8 encap-udp6-csum encap-remcsum noencap-csum noencap-remcsum
remote 10.0.0.1 encap fou noencap
remote 10.0.0.1 encap none
external
external key 5
remote fd00::1
remote x
remote 10.0.0
local
ttl 256
ttl x
tos 0x100
tos zz
key x
key 1.2.3.x
key -1
ikey
dev nope
fwmark x
encap frob
encap-sport x
encap-dport auto
erspan 5
frob
help
rem 10.0.0.1 loc 10.0.0.2 t 5
""",
    "erspan": """
remote 10.0.0.1 seq key 5 erspan_ver 1 erspan 7
remote 10.0.0.1 seq key 5 erspan_ver 2 erspan_dir egress erspan_hwid 9
remote 10.0.0.1 seq key 5 erspan_ver 2
remote 10.0.0.1 seq key 5 erspan_ver 0 erspan 7
remote 10.0.0.1
remote 10.0.0.1 erspan_ver 2 erspan_dir in
erspan 0
erspan 0x100000
erspan x
erspan_ver 3
erspan_ver x
erspan_dir frob
erspan_hwid x
help
""",
    "ip6gre ip6gretap ip6erspan": """
remote fd00::1 local fd00::2
remote fd00::1 hoplimit 7 encaplimit 5 tclass 0x20 flowlabel 12345 dev v3
remote fd00::1 ttl inherit encaplimit none tclass inherit fl inherit dscp inherit fwmark inherit allow-localremote
remote fd00::1 tclass inherit tclass 20 flowlabel inherit flowlabel 5 encaplimit none encaplimit 6 fwmark inherit fwmark 7
remote fd00::1 allow-localremote noallow-localremote
remote fd00::1 key 5 iseq ocsum nookey
remote fd00::1 encap fou encap-dport 5 noencap-udp6-csum encap-csum
remote fd00::1 erspan_ver 1 erspan 5
remote fd00::1 erspan_ver 2 erspan_dir egress erspan_hwid 9
remote ff02::1
external
remote 10.0.0.1
ttl 256
tclass 100
tclass x
flowlabel 100000
flowlabel x
dscp 5
fwmark x
encaplimit 256
encaplimit x
pmtudisc
frob
help
""",
    "ipip sit": """
remote 10.0.0.1 local 10.0.0.2
remote any local any ttl 64 tos 0x10 dev v3 fwmark 5
remote 10.0.0.1 hoplimit inherit tc inherit nopmtudisc
remote 10.0.0.1 nopmtudisc ttl 5
remote 10.0.0.1 mode ipip
remote 10.0.0.1 mode mplsip
remote 10.0.0.1 mode any
remote 10.0.0.1 mode ip6ip
remote 10.0.0.1 mode ipv6/ipv4
remote 10.0.0.1 mode ip4ip4
remote 10.0.0.1 mode frob
remote 10.0.0.1 encap fou encap-sport 5 encap-dport 6 encap-csum
external mode ipip
isatap
6rd-prefix 2001:db8::/32 6rd-relay_prefix 10.0.0.0/8
6rd-prefix 2001:db8::/32
6rd-prefix x
6rd-relay_prefix fd00::/8
rem 10.0.0.1
dev nope
ttl x
tos 0x100
fwmark x
encap frob
frob
help
""",
    "ip6tnl": """
remote fd00::1 local fd00::2
remote fd00::1 mode ip6ip6 hoplimit 7 encaplimit 5 tclass 0x20 flowlabel 12345 dev v3
remote fd00::1 mode ipip6 ttl inherit encaplimit none tc inherit fl inherit dscp inherit fwmark inherit allow-localremote
remote fd00::1 mode ip/ipv6
remote fd00::1 mode ip4ip6
remote fd00::1 mode any
remote fd00::1 mode frob
remote fd00::1 encap gue encap-dport 5
external
hlim x
tclass x
flowlabel x
dscp 5
frob
help
""",
    "vti": """
remote 10.0.0.1 local 10.0.0.2 key 5
remote 10.0.0.1 ikey 5 okey 1.2.3.4 dev v3 fwmark 7
local 10.0.0.2
rem 10.0.0.1 loc any
key x
dev nope
fwmark x
remote 1::2.3
nokey
frob
help
""",
    "vti6": """
remote fd00::1 local fd00::2 key 5
remote fd00::1 ikey 5 okey 1.2.3.4 dev v3 fwmark 7
local fd00::2
rem fd00::1 loc any
key x
dev nope
fwmark x
remote 1::2.3
nokey
frob
help
""",
}
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


def of_the_real_ip(ns: NetNS, words: list[str]) -> tuple[bytes | None, str, int]:
    """Return the request for a link that the real `ip` sends, its standard error, and its exit status."""
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
    return (sent[-1] if sent else None), done.stderr, done.returncode


def difference(ns: NetNS, line: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return how the request or the refusal of the real `ip` and of ours differ; empty if they do not."""
    words = shlex.split(line)
    real, complaint, status = of_the_real_ip(ns, words)
    sent: list[bytes] = []
    said: list[str] = []

    def change(ip: context.IpContext, request: Request, show: object) -> None:
        sent.append(request.pack(0))

    monkeypatch.setattr(context.IpContext, "change", change)
    for module in (program, context, macvlan, overlay):
        monkeypatch.setattr(module, "complain", said.append)
    with ns.entered():
        ours = command.main(words)
    if real is None:
        refusal = "\n".join([*said, ""]), ours
        return "" if not sent and refusal == (complaint, status) else f"ip {line}: {refusal}, the real one {complaint, status}"
    if not sent or "".join(f"{one}\n" for one in said) not in complaint:
        return f"ip {line}: {said}, the real one {complaint}"
    requests = [(one[16:HEADER], tree(one[HEADER:])) for one in (sent[0], real)]
    return "" if requests[0] == requests[1] else f"ip {line}: {requests[0]}, the real one {requests[1]}"


VALUES = """
0 1 2 5 10 64 255 256 65535 65536 0x10 -1 x 10.0.0.1 239.0.0.1 fd00::1 ff02::1 any default inherit none auto unlimited v3 v4 nope
lo on off set unset 1.2.3.4 1:2 02:00:00:00:00:01 ipip ip6ip fou gue l2 l3s bridge 802.1ad mpls_uc source passthru nopromisc
balance-rr layer3+4 slow 2001:db8::/32 10.0.0.0/8 main
""".split()
NEEDED = {
    "vxlan": "id 5 dstport 4789",
    "geneve": "id 5 remote 10.0.0.1",
    "xfrm": "if_id 5",
    "bareudp": "dstport 5 ethertype ipv4",
}


def generated(seed: int, count: int) -> Iterator[str]:
    """Yield command lines of words from the tables of the kinds, each once in a line, with values that fit or do not."""
    rng = random.Random(seed)
    described = {kind: found.rows for kind in sorted(kinds.MODULES) for found in [kinds.find(kind)] if found and found.rows}
    known = [kind for kind in described if not kind.endswith("_slave")]
    for _ in range(count):
        kind = rng.choice(known)
        words = NEEDED.get(kind, "").split()
        rows = [row for row in described[kind] if row.name not in words]
        for row in rng.sample(rows, min(len(rows), rng.randint(1, 4))):
            spelling = rng.choice(sorted(row.spellings))
            if spelling != "6rd-reset":  # iproute2 6.1 crashes
                words.append(spelling if rng.random() < 0.9 else spelling[: rng.randint(1, len(spelling))])
                words.append(rng.choice(VALUES))
            if rng.random() < 0.4 or isinstance(row, (ConstantKeyword, FlagKeyword)):
                del words[-1:]
        if "encaplimit" not in words or kind != "ip6tnl":  # iproute2 6.1 sends what is in its memory if the limit is wrong
            yield f"link add {'link v3 name ' * ('vlan' in kind or 'vtap' in kind)}x0 type {kind} {' '.join(words)}"


@pytest.mark.parametrize("seed", range(3))
def test_generated_requests(ns: NetNS, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [difference(ns, line, monkeypatch) for line in generated(seed, 60)]
    assert not [one for one in found if one]


def lines_by_kind() -> dict[str, list[str]]:
    """Return the command lines of `LINES` and `OPTIONS`, by the kind of link that they are about."""
    found: dict[str, list[str]] = {}
    for line in LINES:
        found.setdefault(line.partition(" type ")[2].partition(" ")[0], []).append(line)
    for names, options in OPTIONS.items():
        for kind in names.split():
            found.setdefault(kind, []).extend(
                f"link add x0 type {kind} {words.strip('.')}" for words in options.strip().splitlines()
            )
    return found


@pytest.mark.parametrize("kind", lines_by_kind())
def test_the_same_requests_for_a_kind(ns: NetNS, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [difference(ns, line, monkeypatch) for line in lines_by_kind()[kind]]
    assert not [one for one in found if one]
