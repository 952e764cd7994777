"""`rawns ip link` beside the real `ip link`: the same words, and every byte of the answers compared."""

from __future__ import annotations

import pytest
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

SHOW = """
link
-d link
-o link
-o -d link
-br link
-br -d link
-j link
-j -p link
-d -j link
-d -j -p link
-br -j link
-o -j link
-4 link
-6 link show dev v3
-f bridge link show
-f mpls link
-0 link
-N -j link show lo
-pretty -json link show lo
--json link show dev v3
-c=never link show lo
-timestamp link show v3
-n b link
-netns a -br link
link show v3
link ls dev v3
link show up
-j link show up
link show type veth
link show type bridge
link show type bridge_slave
-j -p link show type bridge_slave
link show type nothing
link show master br0
link show nomaster
link show group 7
link show dev v3 group default
-br link show up group default
link show v9
link show ""
link show 12345678901234567890
link show if13
link show v1 v2
link show master v9
link show group nothing
link show vrf br0
link show type
l
li sh lo
"""

CHANGE = """
link set v3 down
link set dev v3 up mtu 1400
link set mtu 0x578 up dev v3
link set v3 address 02:00:00:00:00:33
link set alias the-third dev v3
link set v3 alias "it's \\"quoted\\""
link set v3 txqueuelen 77 group 9
link set group 9 down
link set v3 arp off multicast off allmulticast on promisc on
link show v3
-d -j link show v3
link set v3 mode dormant addrgenmode none
-d link show v3
link set v3 name v33
link set v33 netns a
-n a link set v33 name v34 up
-n a -d link show v34
link add x1 address 02:00:00:00:00:51 index 51 type veth peer name x2 address 02:00:00:00:00:52 index 52 netns b
link add x3 address 02:00:00:00:00:53 index 53 type veth peer x4 address 02:00:00:00:00:54 index 54
link set x3 up
link add link-netns b x5 address 02:00:00:00:00:55 index 55 type veth peer name x6 address 02:00:00:00:00:56 index 56
link set x4 master br1
link show master br1
link set x4 nomaster
link del x1
link delete dev x3
link set v1 type bridge_slave cost 7 guard on hairpin on
link set v2 up down
link add x7 type veth peer name x8 up
link del group 99
link del lo
link set v2 type nothing
"""

BRIDGE = """
link set br1 type bridge forward_delay 400 hello_time 100 max_age 700 priority 4096 stp_state 0
link set br1 type bridge group_fwd_mask 0x8 group_address 01:80:c2:00:00:05 mcast_router 2 mcast_snooping 0
link set br1 type bridge mcast_querier 1 mcast_hash_max 512 mcast_last_member_interval 77 mcast_igmp_version 3
link set br1 type bridge no_linklocal_learn 1 nf_call_iptables 1 fdb_flush
link set br1 type bridge mcast_vlan_snooping 1
link set br1 type bridge forward_delay 1
link set br1 type bridge stp_state x
link set br1 type bridge nothing
link set br1 type bridge help
-d link show br1
-d -j -p link show br1
link set v2 master br1
link set v2 type bridge_slave priority 3 cost 9 learning off flood off mcast_flood off bcast_flood off isolated on
link set v2 type bridge_slave mcast_router 2 group_fwd_mask 8 vlan_tunnel on locked on proxy_arp on mcast_to_unicast on
link set v2 type bridge_slave fastleave on root_block on neigh_suppress on proxy_arp_wifi on nobackup_port
link set v2 type bridge_slave guard maybe
link set v2 type bridge_slave nothing
link set v3 type bridge_slave cost 4
-d link show v2
-d -j -p link show v2
-d -o link show v2
"""

WRONG = """
nothing
link nothing
link set
link set v9 up
link set dev
link set v3 nothing
link set v3 dev v1
link set v3 mtu
link set v3 mtu x
link set v3 mtu 99999999999
link set v3 mtu -5
link set v3 mtu 9
link set v3 mtu ""
link set v3 mtu 1500 mtu 1500
link set v3 arp
link set v3 arp maybe
link set v3 carrier maybe
link set v3 address zz
link set v3 address 02:00:00:00:00
link set v3 address 02:00:00:00:00:100
link set v3 address 01:00:00:00:00:07
link set v3 address 1.2.3.4
link set v3 brd 02:00
link set v3 master v9
link set v3 master v2
link set v3 netns nope
link set v3 netns -1
link set v3 netns b netns b
link set v3 name ""
link set v3 name a/b
link set v3 name 12345678901234567890
link set v3 name v1
link set v3 name .
link set v3 index 5
link set v3 group nothing
link set v3 mode nothing
link set v3 addrgenmode nothing
link set v3 type nothing more
link set "" up
link set group nothing up
link add
link add x1
link add x1 type
link add x1 type nothing
link add x1 type veth nothing
link add v1 type veth
link add x1 type veth peer name v1
link add x1 type veth peer name x2 type veth
link add x1 type veth peer name x2 mtu 5
link add x1 type veth peer name x2 master v9
link add x1 type veth peer name x2 netns nope
link add x1 type veth peer name a/b
link add x1 index -1 type veth
link add 12345678901234567890 type veth
link add a/b type veth
link add link v9 name x1 type veth
link add dev x1 name x2 type veth
link add group 5 type veth
link add x1 type bridge priority 99999
link del
link del v9
link del v3 nothing
link help
help
-nothing link
-f nothing link
-n nope link
-rc x link
-j
"""


@pytest.mark.parametrize("lines", [SHOW, CHANGE, BRIDGE, WRONG], ids=["show", "change", "bridge", "wrong"])
def test_ip_link(both: Both, lines: str) -> None:
    assert not both.differences(lines)


TRAFFIC = """
import socket
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("c1", 0))
for _ in range(9000):
    out.send(b"\\\\xff" * 12 + b"\\\\x88\\\\xb5" + bytes(1400))
"""

COUNTED = ["-s", "-s -s", "-s -h", "-s -h -iec", "-s -s -h", "-s -j", "-s -s -j -p", "-s -o", "-s -d", "-s -br"]


def test_counters(both: Both) -> None:
    """In one universe, for no two see the same traffic."""
    here = both.real
    here.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"])
    here.prepare("link add c1 type veth peer name c2\nlink set c1 up\nlink set c2 up")
    here.run([both.ours.program[0], "-c", TRAFFIC.replace("\\\\", "\\")])
    for options in COUNTED:
        for words in ("link show c1", "link show c2", "addr show c2", "addr show c1"):
            line = [*options.split(), *words.split()]
            assert here.run([*both.ours.program, *line]).stdout == here.run([*here.program, *line]).stdout, line
    assert b"9000 " in here.run([*both.ours.program, "-s", "link", "show", "c2"]).stdout
