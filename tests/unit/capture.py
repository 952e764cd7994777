"""Writes `captured.txt`: what the real `ip` says to the kernel, and what the kernel answers, as strace sees it.

    python3 tests/unit/capture.py > tests/unit/captured.txt              (as root, with iproute2 and strace)
    python3 tests/unit/capture.py lab > tests/unit/captured_lab.txt      (what labs need besides; `tc` and `bridge` too)
    python3 tests/unit/capture.py ip > tests/unit/captured_ip.txt        (what `rawns ip` needs besides)
    python3 tests/unit/capture.py tables > tests/unit/captured_tables.txt  (labels, neighbour tables, configuration, rules)
    python3 tests/unit/capture.py kinds > tests/unit/captured_kinds.txt  (the kinds of links of labs)
    python3 tests/unit/capture.py tunnels > tests/unit/captured_tunnels.txt  (tunnels, HSR, MACsec)
    python3 tests/unit/capture.py stats > tests/unit/captured_stats.txt    (statistics, and what the kernel only announces)
    python3 tests/unit/capture.py bridge > tests/unit/captured_bridge.txt  (ports, addresses, groups and identifiers of bridges)
    python3 tests/unit/capture.py tc > tests/unit/captured_tc.txt    (filters, actions and disciplines of tc)
    python3 tests/unit/capture.py nft > tests/unit/captured_nft.txt      (with nftables)

Only for making the file anew; the tests read it.  Each command stands on a line with a hash sign; below it, in hex,
the messages that were sent (>) and received (<).
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import struct
import subprocess
import sys
import tempfile

A, B = f"rt-{os.getpid()}-a", f"rt-{os.getpid()}-b"

COMMANDS = """
link add v1 type veth peer name v2
link add v3 address 02:00:00:00:00:03 mtu 1400 txqueuelen 500 index 77 type veth peer name v4 address 02:00:00:00:00:04 netns B
link add br0 type bridge stp_state 1 forward_delay 400 vlan_filtering 1 vlan_protocol 802.1ad
link set lo up
link set v1 address 02:00:00:00:00:01
link set v1 alias thecable
link set v1 type bridge_slave cost 7 priority 3 guard on isolated on
link set v1 nomaster
link set v1 group 7
link set v1 addrgenmode none
link set v1 up
link set v2 up
link set v1 mtu 9
addr add 10.0.0.1/24 brd + dev v1 label v1:a
addr add fd00::1/64 dev v1 nodad valid_lft 3000 preferred_lft 1000
addr add 10.0.0.5 peer 10.0.0.6/32 dev v1 metric 20
addr add 10.0.0.1/24 dev v1
route add default via 10.0.0.254
route add 10.9.0.0/16 dev v1 metric 50 mtu 1300 src 10.0.0.1 proto static table 77
route add 10.8.0.0/16 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.0.3 weight 2
route add blackhole 10.7.0.0/16
route add fd01::/64 via fd00::2 metric 9
route add 10.6.0.0/16 via 192.168.7.7
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v1 nud permanent
neigh add proxy 10.0.0.9 dev v1
netns set B 5
netns list-id
-d link show
link show dev v3
addr show
route show table all
route get 10.0.0.2
neigh show
neigh show proxy
neigh del 10.0.0.2 dev v1
route del 10.7.0.0/16
addr del 10.0.0.1/24 dev v1
link set v2 netns B
link del v1
""".strip().splitlines()

LAB_BEFORE = """
tuntap add tap7 mode tap
link set lo up
link add v1 type veth peer name v2
link add br0 type bridge
link set v1 master br0
link set v2 up
addr add 10.0.0.1/24 dev v2
""".strip().splitlines()

LAB = """
ip link add vx0 type vxlan id 42 local 10.0.0.1 remote 10.0.0.2 dstport 4789 dev v2 ttl 64 nolearning
ip link add vx6 type vxlan id 43 group ff05::100 dev v2 dstport 4790 srcport 1000 2000 ageing 60 udp6zerocsumrx proxy
ip link add vxe type vxlan external dstport 8472
ip link add link v2 name mv0 type macvlan mode bridge
ip link add link v2 name mt0 type macvtap mode vepa
ip link add link v2 name v2.5 type vlan protocol 802.1ad id 5 reorder_hdr off gvrp on ingress-qos-map 1:2 egress-qos-map 3:4
ip link add link v2 name iv0 type ipvlan mode l3s private
ip link add dummy7 type dummy
ip link add ifb7 type ifb
ip link add vrf7 type vrf table 10
ip link property add dev v1 altname uplink altname the-cable-in-the-cellar
ip link property del dev v1 altname uplink
ip -d link show dev vx0
ip -d link show dev mv0
ip -d link show dev tap7
ip -d link show dev v1
bridge link set dev v1 cost 5 learning off isolated on
bridge vlan add dev v1 vid 10 pvid untagged
bridge vlan add dev v1 vid 20-30
bridge vlan add dev br0 vid 10 self
bridge vlan del dev v1 vid 10
ip route replace default via 10.0.0.254 mtu 1400
ip route add unreachable 10.66.0.0/16 metric 7
ip route add 10.67.0.0/16 via 192.0.2.1 dev v2 onlink proto static
ip route get 10.0.0.7 from 10.0.0.1 oif v2 mark 5
ip route get 10.66.0.1
ip route get 10.0.0.8 from 10.9.9.9 iif v2
ip rule add from 10.0.0.0/24 table 100 pref 1000
ip rule add to fd00::/64 iif v2 fwmark 5/0xff lookup main pref 1001
ip rule add not uidrange 0-99 ipproto tcp sport 80 dport 1000-2000 tos 0x10 oif v2 table 1000 suppress_prefixlength 0 pref 1002
ip rule add prohibit from 10.9.0.0/16 pref 1003
ip rule show
ip rule del pref 1000
tc qdisc add dev v1 root tbf rate 10mbit burst 16kb latency 50ms
tc qdisc show dev v1
tc qdisc del dev v1 root
tc qdisc add dev v1 root handle 5: tbf rate 40gbit burst 1mb limit 2mb peakrate 80gbit mtu 1540
tc qdisc show dev v1
tc qdisc replace dev v1 root handle 1: htb default 1 r2q 20
tc class add dev v1 parent 1: classid 1:1 htb rate 10mbit ceil 20mbit burst 15k cburst 16k prio 2 quantum 1514
tc class add dev v1 parent 1: classid 1:2 htb rate 40gbit
tc class show dev v1
tc qdisc add dev v1 parent 1:1 handle 10: netem delay 20ms 2ms 25% loss 1% limit 1000
tc qdisc add dev v1 parent 1:1 handle 10: netem delay 70s 3ms loss 1% ecn rate 1mbit duplicate 2% corrupt 3% reorder 4% 50% gap 5
tc qdisc add dev v1 parent 1:1 handle 10: pfifo limit 7
tc qdisc show dev v1
tc class del dev v1 classid 1:2
tc qdisc add dev v1 root netem delay 10ms
tc qdisc add dev v1 root netem delay 100 loss 2.5
tc qdisc add dev v1 ingress
tc qdisc add dev v2 clsact
tc qdisc show
tc qdisc add dev v2 root fq_codel limit 1000 target 5ms
tc qdisc replace dev v2 root noqueue
ip link del group 7
""".strip().splitlines()

IP_BEFORE = """
link set lo up
link add v1 index 3 type veth peer name v2 index 2
link set v1 up
link set v2 up
addr add 10.0.0.1/24 dev v1
addr add fd00::1/64 dev v1 nodad
""".strip().splitlines()
IP_COMMANDS = """
ip nexthop add id 1 via 10.0.0.2 dev v1
ip nexthop add id 2 via fd00::2 dev v1 proto static
ip nexthop add id 3 blackhole
ip nexthop add id 4 via 10.0.0.9 dev v1 onlink encap ip id 3 dst 192.0.2.1
ip nexthop add id 5 via 10.0.0.3 dev v1
ip nexthop add id 10 group 1/5,9
ip nexthop replace id 11 group 1/5 type resilient buckets 4 idle_timer 60 unbalanced_timer 300
ip nexthop add id 12 via fd00::3 fdb
ip nexthop show
ip nexthop show dev v1
ip nexthop get id 11
ip nexthop bucket show id 11
ip nexthop bucket get id 11 index 1
ip nexthop del id 12
ip route add 10.9.0.0/24 nhid 1
ip route add 10.8.0.0/24 dev v1 encap ip id 5 dst 192.0.2.9 src 192.0.2.1
ip route add 10.7.0.0/24 dev v1 encap seg6 mode encap segs fd00::5,fd00::6
ip route add fd05::/64 dev v1 encap ip6 id 7 dst fd00::9
ip route add 10.6.0.0/24 via inet6 fd00::7 dev v1
ip route add 10.5.0.0/24 dev v1 features ecn fastopen_no_cookie 1 mtu lock 1300
ip route show table main
""".strip().splitlines()

TABLES = """
ip addrlabel add prefix fd00::/64 dev v1 label 7
ip addrlabel add prefix fd01::/32 label 100
ip addrlabel list
ip addrlabel del prefix fd00::/64 dev v1 label 7
ip netconf show dev v1
ip -4 netconf show
ip ntable show
ip ntable show dev v1 name arp_cache
ip ntable change name arp_cache thresh1 129 thresh2 513 thresh3 1025 gc_int 31000
ip ntable change name ndisc_cache dev v1 base_reachable 31000 ucast_probes 4 queue 65 locktime 0
ip rule add not from 10.0.0.0/24 to 10.1.0.0/16 tos 0x10 fwmark 0x5/0xff iif v1 oif v2 table 300 pref 10
ip rule add from all uidrange 1000-2000 ipproto tcp sport 80 dport 1000-2000 table main suppress_prefixlength 0 pref 11
ip rule add from all tun_id 77 table 10 suppress_ifgroup 5 protocol static pref 12
ip rule add from all l3mdev pref 13
ip rule add from all goto 32766 pref 14
ip rule add from all nop pref 15
ip rule add from all table 10 realms 3/4 pref 16
ip -6 rule add from fd00::/64 unreachable pref 17
ip rule list
ip -6 rule list
ip rule del pref 14
""".strip().splitlines()

KINDS_BEFORE = ["link add va index 3 type veth peer name vb index 2"]
KINDS = """
ip link add link va name x0 type vlan id 5
ip link add link va name x0 type vlan protocol 802.1ad id 7
ip link add x0 type dummy
ip link add x0 type vrf table 10
ip link add link va name x0 type ipvlan mode l2
ip link add link va name x0 type ipvlan mode l3s private
ip link add link va name x0 type macvtap mode bridge
ip link add link va name x0 type macvlan mode private
ip link add x0 type geneve id 42 remote 192.0.2.2
ip link add x0 type geneve id 43 remote 2001:db8::2 dstport 6082
ip link add x0 mtu 1400 txqueuelen 7 address 02:00:00:00:00:07 type dummy
""".strip().splitlines()

TUNNELS = """
ip link add gre1 type gre remote 192.0.2.2 local 192.0.2.1 ttl 64 tos 0x10 key 5 iseq ocsum dev v1
ip link add gt1 type gretap remote 192.0.2.2 ikey 1 okey 2 nopmtudisc ignore-df encap fou encap-sport 5555
ip link add er1 type erspan remote 192.0.2.2 seq key 9 erspan_ver 2 erspan_dir egress erspan_hwid 7
ip link add g6 type ip6gre remote fd00::2 hoplimit 64 encaplimit 4 tclass 0x20 flowlabel 0x12345 key 3 fwmark 8
ip link add ge1 type gretap external
ip link add tun1 type ipip remote 192.0.2.2 local 192.0.2.1 ttl 10 pmtudisc mode ipip dev v1
ip link add sit1 type sit remote 192.0.2.2 local 192.0.2.1 ttl 10 mode ip6ip isatap
ip link add t6 type ip6tnl remote fd00::2 local fd00::1 mode ip6ip6 hoplimit 8 encaplimit none dscp inherit
ip link add vti1 type vti remote 192.0.2.2 local 192.0.2.1 key 4 fwmark 7
ip link add vti6 type vti6 remote fd00::2 local fd00::1 ikey 4 okey 5
ip link add xfrm1 type xfrm dev v1 if_id 5
ip link add bu1 type bareudp dstport 6635 ethertype mpls_uc srcportmin 12345 multiproto
ip link add hsr1 type hsr slave1 v1 slave2 v2 supervision 45 version 1
ip link add link v1 ms1 type macsec port 5 encrypt on cipher gcm-aes-128 window 3 replay on validate strict
""".strip().splitlines()

STATS_BEFORE = """
link add br0 type bridge mcast_stats_enabled 1
link add v1 type veth peer name v2
link set v1 master br0
link set lo up
""".strip().splitlines()

STATS = """
ip stats show dev v1
ip stats show group offload subgroup l3_stats
ip stats show group link group offload subgroup cpu_hit dev br0
ip link xstats type bridge
ip link xstats type bridge_slave
ip stats set dev v1 l3_stats on
""".strip().splitlines()

BRIDGE_BEFORE = """
link add br0 index 20 address 02:00:00:00:00:10 type bridge mcast_snooping 1
link add v1 index 11 address 02:00:00:00:00:01 type veth peer name v2 index 12 address 02:00:00:00:00:02
link add vx0 index 30 address 02:00:00:00:00:30 type vxlan dstport 4789 external vnifilter
link set v1 master br0
link set vx0 master br0
link set br0 up
link set v1 up
link set v2 up
""".strip().splitlines()

BRIDGE = """
bridge link set dev v1 cost 7 learning_sync off mcast_router 2 backup_port vx0 state 3 self master
bridge link set dev v1 hwmode vepa
bridge fdb add 02:00:00:00:00:77 dev v1 master static sticky vlan 5
bridge fdb append 02:00:00:00:00:79 dev vx0 dst 10.0.0.7 src_vni 8 vni 9 port 99 via v2
bridge fdb replace 02:00:00:00:00:79 dev vx0 nhid 5
bridge fdb del 02:00:00:00:00:77 dev v1 master
bridge fdb get 02:00:00:00:00:01 br br0
bridge fdb show br br0
bridge fdb flush dev br0 brport v1 vlan 5 nopermanent sticky
bridge mdb add dev br0 port v1 grp 239.1.1.1 src 10.0.0.9 permanent vid 5
bridge mdb add dev br0 port v1 grp ff05::1
bridge mdb del dev br0 port v1 grp ff05::1
bridge mdb add dev br0 port br0 grp 239.1.1.2 permanent
bridge mdb show
bridge vlan add dev v1 vid 5-9 untagged self
bridge vlan add dev v1 vid 5-9 tunnel_info id 100-104
bridge vlan del dev v1 vid 5
bridge vlan set dev v1 vid 5-9 state forwarding mcast_router 1
bridge vlan global set dev br0 vid 5 mcast_querier 1 mcast_query_interval 5000 mcast_igmp_version 3
bridge -d -s vlan show
bridge vlan global show
bridge vni add vni 100,200-210 dev vx0
bridge vni add vni 300 remote fd00::5 dev vx0
bridge vni add vni 301 group 239.1.1.1 dev vx0
bridge vni delete vni 100 dev vx0
bridge vni show
bridge -s vni show dev vx0
""".strip().splitlines()

TC = """
tc qdisc add dev va clsact
tc qdisc add dev vb root handle 1: htb default 10
tc filter add dev vb parent 1: protocol ip prio 5 u32 match ip dst 10.0.0.1/32 match ip sport 80 0xffff flowid 1:10
tc filter add dev va ingress protocol all pref 7 u32 match u32 0 0 action mirred egress redirect dev vb
tc filter get dev vb parent 1: protocol ip pref 5 handle 800::800 u32
tc filter show dev vb
tc filter show dev va ingress
tc filter add dev va egress pref 3 matchall skip_hw action drop
tc filter add dev va egress protocol ip pref 4 flower ip_proto tcp dst_port 80 src_ip 10.0.0.0/8 action vlan push id 5 priority 2
tc filter replace dev va egress protocol ip pref 4 handle 5 fw classid 1:3 police rate 1mbit burst 10k drop
tc filter add dev va egress pref 8 basic classid 1:4
tc filter del dev vb parent 1: pref 5
tc chain add dev va ingress chain 5
tc chain show dev va ingress
tc chain del dev va ingress chain 5
tc actions add action mirred egress mirror dev va index 3
tc actions add action skbedit mark 5/0xff queue_mapping 3
tc actions show action mirred
tc actions get action mirred index 3
tc actions del action mirred index 3
tc qdisc add dev vb parent 1:10 handle 10: red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 ecn bandwidth 10Mbit
tc qdisc add dev vb parent 1:10 handle 10: sfq perturb 10 divisor 1024
tc qdisc add dev vb parent 1:10 handle 10: fq limit 1000 maxrate 1mbit nopacing horizon_drop
tc qdisc add dev vb parent 1:10 handle 10: codel target 6ms ecn
tc qdisc add dev vb parent 1:10 handle 10: prio bands 4
tc qdisc add dev vb parent 1:10 handle 10: netem delay 10ms loss gemodel 1% 10% 70% 0.1% slot 20ms packets 5
""".strip().splitlines()

# Messages that `ip` would not send, or not with NETLINK_CAP_ACK (as rawns does) and NETLINK_GET_STRICT_CHK.
BY_HAND = {
    "RTM_NEWADDR 10.0.0.1/99 on lo": "28000000140005060100000000000000026300000100000008000200 0a000001080001000a000001",
    "RTM_NEWLINK mtu 9 for the index 3": "28000000100005000200000000000000 0000000003000000 0000000000000000 0800040009000000",
    "RTM_NEWNSID with a descriptor that is none": "24000000580005000300000000000000 00000000 0800030063000000 0800010005000000",
    "RTM_NEWROUTE via nowhere": "2c00000018000506040000000000000002100000fe03000100000000080001000a06000008000500c0a80707",
    "RTM_NEWADDR without an address": "18000000140005060500000000000000 0218000001000000",
    "RTM_GETADDR dump for the index 999": "18000000160001030600000000000000 02000000e7030000",
    "RTM_GETLINK of lo": "28000000120005000700000000000000 00000000010000000000000000000000 08001d0009000000",
}


NFT_COMMANDS = (
    """
add table inet lab { comment "st" ; } ; delete table inet lab ; add table inet lab { comment "st" ; } ; \
 add chain inet lab prerouting { type nat hook prerouting priority -100 ; policy accept ; } ; \
 add chain inet lab postrouting { type nat hook postrouting priority 100 ; policy accept ; } ; \
 add rule inet lab prerouting iifname eth0 meta nfproto ipv4 tcp dport 8080 dnat ip to 10.0.0.2:80 ; \
 add rule inet lab prerouting iifname eth0 meta nfproto ipv6 udp dport 53 dnat ip6 to [fd00::2]:5353 ; \
 add rule inet lab postrouting oifname eth0 ip saddr 10.0.0.0/24 masquerade ; \
 add rule inet lab postrouting oifname eth0 ip saddr 10.4.0.0/20 masquerade ; \
 add rule inet lab postrouting oifname eth0 ip saddr 192.0.2.7 masquerade ; \
 add rule inet lab postrouting oifname eth0 ip6 saddr fd00::/64 masquerade ; \
 add rule inet lab postrouting oifname eth0 ip6 saddr fd01::/67 masquerade ; \
 add rule inet lab postrouting oifname eth1 meta nfproto ipv4 masquerade ; \
 add rule inet lab postrouting oifname eth1 meta nfproto ipv6 masquerade
-a list table inet lab
add table ip filter ; add chain ip filter forward { type filter hook forward priority 0 ; policy drop ; } ; \
 add chain ip filter more ; \
 add rule ip filter forward ct state established,related accept ; \
 add rule ip filter forward iifname a oifname != b counter drop comment "not that way" ; \
 add rule ip filter forward ip daddr 10.9.0.0/16 reject with icmp type host-prohibited ; \
 add rule ip filter forward tcp dport { 22, 80 } accept ; \
 add rule ip filter forward jump more ; \
 add rule ip filter more meta mark set 7 return
list ruleset
delete rule ip filter forward handle 4
flush chain ip filter forward ; delete chain ip filter forward
delete table inet nope
add rule ip filter nope drop ; add rule ip filter nada drop
""".strip()
    .replace("\\\n", "")
    .splitlines()
)

# Of what `nft` asks: the tables, chains and rules.  The rest are generations, sets, objects and flow tables.
NFT_SUBJECTS = {16, *range(0xA00, 0xA09)}


def relevant_to_nft(buffers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    kept, wanted = [], False
    for arrow, data in buffers:
        if arrow == ">":
            wanted = struct.unpack_from("=IH", data)[1] in NFT_SUBJECTS
        if wanted:
            kept.append((arrow, data))
    return kept


def converse() -> None:
    """Say what is `BY_HAND` to the kernel, in the namespace we are in."""
    talk = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    for option in (10, 11, 12):  # NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK
        talk.setsockopt(270, option, 1)
    for what, hexes in BY_HAND.items():
        talk.send(bytes.fromhex(hexes))
        print(f"\n# {what}\n> {hexes.replace(' ', '')}\n< {talk.recv(65536).hex()}")
        if what.endswith("of lo"):
            print("<", talk.recv(65536).hex())  # the acknowledgement that was asked for


def dumped(text: str) -> list[tuple[str, bytes]]:
    """The buffers of a `strace -e read=all -e write=all`: direction and bytes, in order."""
    found: list[tuple[str, bytes]] = []
    for line in text.splitlines():
        call = re.match(r"(sendmsg|sendto|recvmsg|recvfrom)\(", line)
        data = re.match(r" \| [0-9a-f]{5,}  ((?:[0-9a-f]{2} {1,2}){1,16})", line)
        if call:
            peek = "MSG_PEEK" in line
            found.append(("" if peek else ">" if call[1].startswith("send") else "<", b""))
        elif data:
            found[-1] = (found[-1][0], found[-1][1] + bytes.fromhex(data[1]))
    return [(arrow, data) for arrow, data in found if arrow and data]


FAMILY_HEADER = {24: 12, 26: 12, 104: 8, 106: 8}  # bytes, of RTM_*ROUTE and RTM_*NEXTHOP
ENCAP = {24: 22, 104: 8}  # RTA_ENCAP and NHA_ENCAP, which are nests


def padding_cleared(data: bytes) -> bytes:
    """Clear the padding behind attributes of routes and next hops, where `ip` sends what was in its memory."""
    kind = struct.unpack_from("=IH", data)[1]
    if kind not in FAMILY_HEADER:
        return data
    cleared = bytearray(data)

    def clear(at: int, end: int) -> None:
        while at + 4 <= end:
            length, number = struct.unpack_from("=HH", cleared, at)
            cleared[at + length : at + length + -length % 4] = bytes(-length % 4)
            if number & 0x3FFF == ENCAP.get(kind):
                clear(at + 4, at + length)
            at += length + -length % 4

    clear(16 + FAMILY_HEADER[kind], len(data))
    return bytes(cleared)


# RTM_GET... of what a command is about; NEW and DEL are the two numbers before.
SUBJECT = {
    "link": 18,
    "addr": 22,
    "route": 26,
    "neigh": 30,
    "netns": 90,
    "vlan": 18,
    "rule": 34,
    "nexthop": 106,
    "bucket": 118,
    "qdisc": 38,
    "class": 42,
    "addrlabel": 74,
    "netconf": 82,
    "ntable": 66,
    "stats": 94,
    "filter": 46,
    "chain": 102,
    "actions": 50,
    "xstats": 94,
    "mdb": 86,
    "vni": 122,
    "options": 114,
}
LINKPROP, SETLINK, SETNEIGHTBL, SETSTATS = 110, 19, 67, 95


def relevant(words: list[str], buffers: list[tuple[str, bytes]], tool: str = "ip") -> list[tuple[str, bytes]]:
    """Without the tool's probing of the kernel and its look-ups of names on the way."""
    if "bucket" in words:
        words = ["bucket", *words]
    if tool == "bridge":
        options = words[0] == "-d" or words[:2] == ["vlan", "set"] or "global" in words
        words = [word for word in words if word[0] != "-"]
        words[0] = {"fdb": "neigh", "vlan": "options" if options else "vlan"}.get(words[0], words[0])
    if "xstats" in words:
        words = ["xstats", "show", *words]
    subject = LINKPROP if "property" in words else SUBJECT[words[1] if words[0] in ("-d", "-4", "-6") else words[0]]
    asks = bool({"show", "get", "list", "list-id"} & set(words))
    kept: list[tuple[str, bytes]] = []
    wanted = False
    for arrow, data in buffers:
        length, kind, _, seq = struct.unpack_from("=IHHI", data)
        if arrow == ">":
            changes = subject - 2 <= kind < subject or kind in (SETLINK, SETNEIGHTBL, SETSTATS)
            all_names = tool == "bridge" and kind == SUBJECT["link"] and data[16] == 0  # it reads them first
            wanted = seq != 0 and not all_names and (kind == subject if asks else changes)
            data = padding_cleared(data[:length])  # `ip addr show` sends 128 zeros more than its message has
        if wanted:
            kept.append((arrow, data))
    return kept


def run(command: str, trace: str, tool: str = "ip") -> list[tuple[str, bytes]]:
    options = ["-qq", "-e", "trace=sendmsg,sendto,recvmsg,recvfrom", "-e", "read=all", "-e", "write=all", "-o", trace]
    words = shlex.split(command)
    argv = ["strace", *options, tool, "-n", A, *(B if word == "B" else word for word in words)]
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(trace) as text:
        return relevant(words, dumped(text.read()), tool)


def announced() -> None:
    """Print what the kernel announces of prefixes and multicast routes, in the namespace we are in."""
    prefix, mroute = 18, 6  # RTNLGRP_IPV6_PREFIX, RTNLGRP_IPV4_MROUTE
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    events.bind((0, 1 << prefix - 1 | 1 << mroute - 1))
    router = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    router.bind(("fe80::99", 0, 0, socket.if_nametoindex("v2")))
    information = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 1800, 0, socket.inet_pton(socket.AF_INET6, "fd00:7::"))
    advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0) + information
    router.sendto(advertisement, ("ff02::1", 0, 0, socket.if_nametoindex("v2")))
    print(f"\n# the kernel has received the prefix fd00:7::/64\n< {received(events, 52).hex()}")
    daemon = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    daemon.setsockopt(socket.IPPROTO_IP, 200, 1)  # MRT_INIT
    for number, name in enumerate(("v1", "lo")):  # MRT_ADD_VIF with VIFF_USE_IFINDEX
        vif = struct.pack("=HBBIiI", number, 8, 1, 0, socket.if_nametoindex(name), 0)
        daemon.setsockopt(socket.IPPROTO_IP, 202, vif)
    ends = socket.inet_aton("10.0.0.5") + socket.inet_aton("239.1.1.1")
    daemon.setsockopt(socket.IPPROTO_IP, 204, ends + struct.pack("=H32s2x16x", 0, bytes([0, 3])))  # MRT_ADD_MFC
    print(f"\n# the kernel has a multicast route for (10.0.0.5,239.1.1.1)\n< {received(events, 24).hex()}")


def received(events: socket.socket, kind: int) -> bytes:
    """Return the next datagram that begins with a message of this number."""
    while True:
        data = events.recv(65536)
        if struct.unpack_from("=IH", data)[1] == kind:
            return data


def stats() -> int:
    several(STATS_BEFORE, STATS)
    try:
        subprocess.run(["ip", "netns", "add", A], check=True)
        for words in ANNOUNCED_BEFORE:
            subprocess.run(["ip", "-n", A, *words.split()], check=True)
        sys.stdout.flush()
        subprocess.run(["ip", "netns", "exec", A, sys.executable, __file__, "announced"], check=True, timeout=30)
    finally:
        subprocess.run(["ip", "netns", "del", A])
    return 0


ANNOUNCED_BEFORE = """
link add v1 index 11 type veth peer name v2 index 12
link set v1 up
link set v2 up
addr add fe80::99/64 dev v2 nodad
""".strip().splitlines()


def several(before: list[str], commands: list[str]) -> int:
    try:
        subprocess.run(["ip", "netns", "add", A], check=True)
        for command in before:
            subprocess.run(["ip", "-n", A, *command.split()], check=True)
        print(f"= {subprocess.run(['ip', '-V'], stdout=subprocess.PIPE, text=True).stdout.strip()}, Linux {os.uname().release}")
        with tempfile.NamedTemporaryFile() as trace:
            for number, command in enumerate(commands):
                again = f" ({commands[:number].count(command) + 1})" if command in commands[:number] else ""
                print(f"\n# {command}{again}")
                tool, _, rest = command.partition(" ")
                for arrow, data in run(rest, trace.name, tool):
                    print(arrow, data.hex())
    finally:
        subprocess.run(["ip", "netns", "del", A])
    return 0


def run_nft(command: str, trace: str) -> list[tuple[str, bytes]]:
    options = ["-qq", "-e", "trace=sendmsg,sendto,recvmsg,recvfrom", "-e", "read=all", "-e", "write=all", "-o", trace]
    flag = ["-a"] if command.startswith("-a ") else []
    argv = ["nsenter", f"--net=/run/netns/{A}", "strace", *options, "nft", *flag, command.removeprefix("-a ")]
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(trace) as text:
        return relevant_to_nft(dumped(text.read()))


def nft() -> int:
    try:
        subprocess.run(["ip", "netns", "add", A], check=True)
        version = subprocess.run(["nft", "-v"], stdout=subprocess.PIPE, text=True).stdout.strip()
        print(f"= {version}, Linux {os.uname().release}")
        with tempfile.NamedTemporaryFile() as trace:
            for command in NFT_COMMANDS:
                print("\n# nft", command)
                for arrow, data in run_nft(command, trace.name):
                    print(arrow, data.hex())
    finally:
        subprocess.run(["ip", "netns", "del", A])
    return 0


def main() -> int:
    try:
        for name in (A, B):
            subprocess.run(["ip", "netns", "add", name], check=True)
        release = os.uname().release
        print(f"= {subprocess.run(['ip', '-V'], stdout=subprocess.PIPE, text=True).stdout.strip()}, Linux {release}")
        with tempfile.NamedTemporaryFile() as trace:
            for command in COMMANDS:
                print("\n# ip", command)
                for arrow, data in run(command, trace.name):
                    print(arrow, data.hex())
        sys.stdout.flush()
        subprocess.run(["ip", "netns", "exec", A, sys.executable, __file__, "converse"], check=True)
    finally:
        for name in (A, B):
            subprocess.run(["ip", "netns", "del", name])
    return 0


if __name__ == "__main__":
    sys.exit(
        {
            "converse": converse,
            "lab": lambda: several(LAB_BEFORE, LAB),
            "kinds": lambda: several(KINDS_BEFORE, KINDS),
            "ip": lambda: several(IP_BEFORE, IP_COMMANDS),
            "tunnels": lambda: several(IP_BEFORE, TUNNELS),
            "tables": lambda: several(IP_BEFORE, TABLES),
            "tc": lambda: several(KINDS_BEFORE, TC),
            "stats": stats,
            "bridge": lambda: several(BRIDGE_BEFORE, BRIDGE),
            "announced": announced,
            "nft": nft,
        }[sys.argv[1]]()
        if sys.argv[1:]
        else main()
    )
