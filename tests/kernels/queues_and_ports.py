"""`rawns tc` and `rawns bridge` beside the real programs, for what only a kernel with modules has, inside a booted machine.

`compare` is a check of init.py.  The lines of a table are run in one namespace by the real program and in another by ours: lines
that change something and follow one another as one batch, the others alone.  Standard output, standard error and exit status must
be alike.  Then both print what has come of it, in several forms, and the real program prints both namespaces.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import NamedTuple

from ip_kinds import _differences

from rawns import NetNS

SERVER = "/rawns/fork_server.py"
LOADER = ["/real/ld.so", "--library-path", "/real"]
VOLATILE = "|".join(  # times, and numbers that the kernel chooses
    (
        r'\b8[0-9a-f]{3}:(?=[ 1"[])',
        r' (installed|used|firstused) \d+ sec|"(installed|last_used|first_used|used|updated)": ?\d+',
        r"\bused \d+/\d+|(?<= )\d+\.\d\d\b",
        r'\brate \d+bit(?= \d+pps)|"rate": ?\d+,(?=\s*"pps")',
        r'\bindex \d+ (?=ref)|"index": ?\d+|\bpolice 0x[0-9a-f]+',
    )
)
CHANGES = ("add", "change", "replace", "del", "set", "flush", "append")
FRAMES = 3  # that are sent through each link

# A line for a link of its own.  "~" in front: the discipline holds frames back, so that none are sent.
QDISCS = """
prio
prio bands 4 priomap 1 2 3 0 1
prio bands 20
prio bands 3 priomap 5
mq
pfifo
pfifo limit 7
bfifo limit 10k
pfifo_fast
sfq
sfq perturb 10 quantum 1514 limit 100 divisor 512 flows 64 depth 20 headdrop
sfq redflowlimit 100000 min 8000 max 60000 burst 20 avpkt 1000 probability 0.1 ecn harddrop
sfq limit 1
sfq divisor 3
red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 ecn adaptive bandwidth 10Mbit probability 0.1
red limit 60kb avpkt 1000 harddrop ecn
red limit 60kb avpkt 1000 nodrop
red limit 60kb avpkt 1000 nodrop ecn
red limit 60kb avpkt 1000 min 20k burst 3
red limit 60kb avpkt 1000 min 20k burst 33 bandwidth 1gbit
red limit 60kb avpkt 1000 bandwidth 50%
red
codel
codel limit 100 target 3ms interval 50ms noecn ce_threshold 2ms
codel limit 100 ecn
codel limit 0
codel target 100s
fq_codel
fq_codel limit 1000 flows 2048 target 4ms interval 80ms quantum 300 ecn ce_threshold 1ms memory_limit 16mb drop_batch 32
fq_codel noecn ce_threshold_selector 0x3/0x7
fq_codel flows 0
fq_codel flows 100000
fq
fq limit 1000 flow_limit 50 quantum 3000 initial_quantum 15000 maxrate 10mbit buckets 1000 nopacing
fq refill_delay 10ms orphan_mask 7 ce_threshold 5ms timer_slack 10us horizon 2s horizon_cap low_rate_threshold 1mbit
fq horizon_drop pacing buckets 1
fq maxrate 100gbit
fq quantum 0
~netem delay 10ms 2ms 25% distribution normal
~netem delay 10ms 2ms 25% distribution nothing
~netem delay 10ms 2ms 25% loss 0.3% 25% duplicate 1% 10% corrupt 0.1% 3% reorder 25% 50% gap 5 limit 500
~netem delay 1.5s loss state 1% 2% 3% 4% 5% ecn
netem loss 100%
netem duplicate 100%
~netem loss gemodel 1% 10% 70% 0.1% rate 5mbit 20 100 5
~netem rate 40gbit slot 20ms 30ms packets 5 bytes 3k
~netem slot distribution normal 2ms 1ms
netem limit 100
netem gap 5
netem reorder 5%
netem ecn
tbf rate 1mbit burst 10kb latency 50ms
tbf rate 40gbit burst 1mb limit 2mb peakrate 80gbit mtu 1540
htb default 10 r2q 20
htb debug 0123 direct_qlen 5
htb offload
noqueue
ingress
clsact
estimator 1sec 8sec pfifo
stab linklayer atm overhead 20 mtu 3000 pfifo
"""
ACTIONS = """
actions add action drop index 301 action pass index 302
actions add action police rate 1mbit burst 10k index 303
actions add action vlan pop index 304
actions add action skbedit mark 5 index 305
actions add action drop index 301
actions replace action pass index 301 cookie 0a
actions change action vlan push id 7 index 304
actions get action gact index 301
-j -s actions get action gact index 301
actions get action police index 303
actions get action gact index 301 action vlan index 304
actions del action skbedit index 305
actions del action skbedit index 305
actions ls action gact
-s -d actions ls action gact
-j -s actions ls action gact
-o actions ls action vlan
-br actions ls action vlan
actions ls action police
-j -p actions ls action police
actions ls action skbedit
-j actions ls action vlan
actions flush action vlan
actions flush action police
actions ls action police
"""
TC_BEFORE = """
qdisc add dev a0 root handle 1: htb default 10
class add dev a0 parent 1: classid 1:10 htb rate 10mbit ceil 20mbit burst 15k cburst 16k prio 2 quantum 1514
class add dev a0 parent 1: classid 1:11 htb rate 40gbit
qdisc add dev a0 parent 1:10 handle 10: fq_codel
qdisc add dev a0 parent 1:11 handle 11: netem delay 0ms
qdisc add dev a1 root handle 2: prio bands 4
qdisc add dev a1 parent 2:1 handle 21: sfq
qdisc add dev a1 parent 2:2 handle 22: red limit 60kb avpkt 1000 bandwidth 1mbit
qdisc add dev a1 parent 2:3 handle 23: bfifo limit 10k
qdisc add dev a2 clsact
qdisc add dev a3 root handle 3: mq
qdisc add dev a3 parent 3:2 handle 32: fq
qdisc add dev a3 ingress_block 7 egress_block 8 clsact
class add dev a1 parent 2: classid 2:9 prio
class del dev a1 classid 2:1
class show dev a1
-d -s class show dev a0
-d -s class show dev a1
class show dev a1 parent 2:1
class show dev a3
class show
"""
FILTER = "filter add dev a2 egress pref {} "
FILTERS = """
protocol all matchall
protocol ip matchall action pass
protocol all handle 0x5 matchall skip_hw classid 1:5 action drop
protocol ip matchall skip_sw
protocol ip matchall skip_hw skip_sw
protocol ip basic classid 1:4 action pass
protocol ip handle 7 basic action pass index 70
protocol ip basic action police rate 1mbit burst 10k drop
protocol ip basic help
protocol ip u32 match u32 0 0 police rate 1mbit burst 10k/8 mtu 2k peakrate 2mbit overhead 4 conform-exceed drop/pipe
protocol ip u32 match u32 0 0 action police rate 40gbit burst 10mb
protocol ip u32 match u32 0 0 action police pkts_rate 1000 pkts_burst 100 reclassify index 7
protocol ip u32 match u32 0 0 action police rate 1mbit burst 10k conform-exceed pipe / ok
protocol ip u32 match u32 0 0 action police avrate 1mbit
protocol ip u32 match u32 0 0 action police mtu 1500 linklayer atm drop
protocol ip u32 match u32 0 0 action drop action gact pass random determ drop 500 index 9
protocol ip u32 match u32 0 0 action pass random netrand drop 500
protocol ip u32 match u32 0 0 action gact goto chain 5 cookie 0102 hw_stats delayed
protocol ip u32 match u32 0 0 action gact pass hw_stats disabled
protocol ip u32 match u32 0 0 action jump 2 action gact index 9
protocol ip u32 match u32 0 0 action gact index 999
protocol ip u32 match u32 0 0 action vlan push id 5 protocol 802.1ad priority 3 drop index 4
protocol ip u32 match u32 0 0 action vlan push id 5
protocol ip u32 match u32 0 0 action vlan push id 5000
protocol ip u32 match u32 0 0 action vlan pop action vlan modify id 7 pipe action vlan pop_eth
protocol ip u32 match u32 0 0 action vlan push_eth dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02
protocol ip u32 match u32 0 0 action skbedit mark 5/0xff queue_mapping 3 priority 1:7 ptype multicast inheritdsfield pass
protocol ip u32 match u32 0 0 action skbedit ptype host
protocol ip u32 match u32 0 0 action skbedit priority 1: index 55
protocol ip u32 match u32 0 0 action mirred egress mirror dev a0 action skbedit mark 7 flowid 1:9
protocol ip u32 match u32 0 0 action mirred ingress redirect dev a0 action trap
protocol ip flower
protocol ip flower action pass no_percpu cookie aabb
protocol ip handle 7 flower ip_proto tcp dst_port 80 src_port 1000-2000 dst_ip 10.0.0.0/8 src_ip 10.0.0.1 tcp_flags 0x2/7
protocol ip flower ip_proto udp dst_port 53/0xff ip_tos 10/f ip_ttl 40 ip_flags frag/nofirstfrag skip_hw verbose
protocol ip flower ip_proto icmp type 8 code 0/1
protocol ip flower ip_proto udp dst_port 1000-2000 classid 1:5
protocol ip flower ip_tos 0 ip_ttl 0x40/0xf
protocol ip flower ip_flags nofrag
protocol ip flower indev a1
protocol ip flower indev what
protocol ipv6 flower dst_ip fd00::/8 src_ip fd00::1 ip_proto icmpv6 type 128 action drop
protocol ipv6 flower ip_proto 2a
protocol arp flower arp_tip 10.0.0.1 arp_sip 10.0.0.0/24 arp_op request arp_sha 02:00:00:00:00:01 arp_tha 02:00:00:00:00:02/24
protocol arp flower arp_op 1/1
protocol rarp flower arp_op reply
protocol 802.1q flower vlan_id 5 vlan_prio 3 vlan_ethtype ipv4 dst_ip 10.0.0.1
protocol 802.1ad flower vlan_ethtype 802.1q vlan_id 5 cvlan_id 6 cvlan_prio 2 cvlan_ethtype ip ip_proto sctp dst_port 5
protocol 802.1q flower num_of_vlans 2 vlan_id 0
protocol all flower num_of_vlans 1
protocol mpls_uc flower mpls_label 5 mpls_tc 3 mpls_bos 1 mpls_ttl 64
protocol all flower dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02/ff:ff:00:00:00:00
protocol all flower enc_dst_ip 10.0.0.1 enc_src_ip 10.0.0.0/8 enc_key_id 5 enc_dst_port 4789 enc_tos 5/f enc_ttl 6
protocol all flower enc_dst_ip fd00::1 enc_src_ip fd00::/16 enc_dst_port 4789
protocol ip chain 5 flower ip_proto tcp
protocol ip chain 5 matchall action pass
"""
TC_AFTER = """
filter get dev a2 egress protocol ip pref 138 handle 7 flower
-j filter get dev a2 egress protocol ip pref 138 handle 7 flower
filter get dev a2 egress protocol ip pref 138 handle 9 flower
filter show dev a2 egress pref 101
filter show dev a2 egress chain 5
filter show dev a2 egress protocol ipv6
filter change dev a2 egress protocol ip pref 106 handle 1 basic classid 1:8
filter replace dev a2 egress protocol ip pref 106 handle 1 basic classid 1:9
filter replace dev a2 egress protocol ip pref 138 handle 7 flower ip_proto tcp dst_port 81
filter del dev a2 egress protocol ip pref 138 handle 7 flower
filter del dev a2 egress protocol ip pref 138 handle 7 flower
filter del dev a2 egress pref 101
filter add block 7 protocol ip pref 5 flower ip_proto tcp action drop
filter add block 9 protocol ip pref 5 flower
filter show block 7
-j filter show block 7
filter show block 9
filter show dev a3 ingress
filter add dev a0 parent 1: protocol ip pref 1 flower ip_proto tcp flowid 1:10
filter add dev a0 parent 1: protocol ip pref 2 basic flowid 1:10
filter add dev a0 parent 1: protocol ip pref 3 handle 1 fw flowid 1:10
filter add dev a0 protocol ip pref 4 handle 3 fw
filter add dev a0 parent 1: protocol ip pref 5 handle 5/0xff fw classid 1:3 action pipe
filter add dev a0 parent 1: protocol ip pref 5 handle 6/0xff fw classid 1:3 indev a1
filter add dev a0 parent 1: protocol ip pref 6 fw
filter add dev a0 parent 1: protocol ip pref 7 handle 7 fw action police rate 1mbit burst 10k drop
filter show dev a0
-s -d filter show dev a0
chain add dev a2 egress chain 11 protocol ip flower ip_proto tcp dst_port 0/0xffff
chain show dev a2 egress
-j chain show dev a2 egress
chain get dev a2 egress chain 11
filter add dev a2 egress chain 11 protocol ip pref 5 flower ip_proto tcp dst_port 5
filter add dev a2 egress chain 11 protocol ip pref 5 flower ip_proto udp
chain del dev a2 egress chain 11
"""
TC_SHOWN = """
qdisc show
-d qdisc show
-s -d -r qdisc show
-j qdisc show
-j -p -s -d qdisc show
-o -s qdisc show
-iec -d qdisc show
class show dev a0
filter show dev a2 egress
-s -d filter show dev a2 egress
-j filter show dev a2 egress
-j -p -s -d filter show dev a2 egress
-o filter show dev a2 egress
-br filter show dev a2 egress
-N filter show dev a2 egress
-p filter show dev a2 egress
"""
TC_MADE = "-d -r qdisc show|-d class show dev a0|-d filter show dev a2 egress"  # by ours, as the real tc shows it

BRIDGE_LINKS = """
link add br0 index 50 address 02:00:00:00:00:50 type bridge vlan_filtering 1 mcast_igmp_version 3 vlan_stats_per_port 1
link add br1 index 51 address 02:00:00:00:00:51 type bridge
link add p0 index 60 address 02:00:00:00:00:60 type veth peer name q0 index 70 address 02:00:00:00:00:70
link add p1 index 61 address 02:00:00:00:00:61 type veth peer name q1 index 71 address 02:00:00:00:00:71
link add p2 index 62 address 02:00:00:00:00:62 type veth peer name q2 index 72 address 02:00:00:00:00:72
link add vx0 index 63 address 02:00:00:00:00:63 type vxlan dstport 4789 external vnifilter
link set br0 type bridge mcast_vlan_snooping 1
link set p0 master br0
link set p1 master br0
link set p2 master br1
link set vx0 master br0
link set dev vx0 type bridge_slave vlan_tunnel on
"""
BRIDGE = """
vlan
-d vlan
vlan add vid 5 dev p0
vlan add vid 10-20 dev p0
vlan add vid 30 dev p0 pvid untagged
vlan add vid 31 dev p0 untagged
vlan add vid 40-43 dev p1 untagged
vlan add vid 40-43 dev p1 pvid
vlan add vid 44 dev p1 pvid
vlan add vid 100 dev br0 self
vlan add vid 101 dev br0 self pvid untagged
vlan add vid 100-103 dev vx0
vlan add vid 100-103 dev vx0 tunnel_info id 1000-1003
vlan add vid 105 dev vx0
vlan add vid 105 dev vx0 tunnel_info id 2000
vlan add vid 104 dev vx0 tunnel_info id 2004
vlan add vid 5 dev p0 tunnel_info id 5
vlan add vid 5-6 dev vx0 tunnel_info id 5
vlan add vid 5 dev q0
vlan add vid 5 dev p2
vlan add vid 4095 dev p0
vlan add vid 0 dev p0
vlan add vid 20-10 dev p0
vlan add vid 5
vlan add dev p0
vlan del vid 12 dev p0
vlan del vid 12 dev p0
vlan del vid 15-17 dev p0
vlan del vid 103 dev vx0 tunnel_info id 1003
vlan set vid 18 dev p0 state 3
vlan set vid 18 dev p0 state blocking
vlan set vid 19 dev p0 mcast_router 2
vlan set vid 19 dev p0 mcast_router 9
vlan set vid 18-20 dev p0 state listening
vlan set vid 99 dev p0 state 3
vlan set vid 100 dev br0 state 3
vlan set vid 5 dev q0 state 3
vlan set dev p0 state 3
vlan global set dev br0 vid 100 mcast_querier 1 mcast_igmp_version 3 mcast_mld_version 2 mcast_snooping 1
vlan global set dev br0 vid 5 mcast_last_member_interval 200 mcast_startup_query_count 5 mcast_last_member_count 4
vlan global set dev br0 vid 5 mcast_membership_interval 30000 mcast_querier_interval 30000 mcast_query_interval 15000
vlan global set dev br0 vid 5 mcast_query_response_interval 1500 mcast_startup_query_interval 3000
vlan global set dev br0 vid 10-11 msti 0
vlan global set dev br0 vid 999 mcast_querier 1
vlan global set dev br1 vid 5 mcast_querier 1
vlan global show
vlan global show dev br0
vlan global show dev br0 vid 5
vlan global show dev br1
vlan global show dev p0
-j vlan global show
-j -p vlan global show
-o vlan global
vlan show dev p0
vlan show dev br0
vlan show dev p2
vlan show dev q0
vlan show vid 18
vlan show dev p0 vid 18
-d vlan show dev p0 vid 18
-c vlan show dev p0
vlan tunnelshow
vlan tunnelshow dev vx0
vlan tunnelshow vid 101
-d vlan tunnelshow
-j vlan tunnelshow
-s vlan show dev p0
-j -s vlan show dev p0
fdb add 02:00:00:00:00:77 dev p0 master static vlan 5
fdb add 02:00:00:00:00:78 dev p0 master dynamic
fdb add 02:00:00:00:00:79 dev p0 master vlan 99
fdb add 02:00:00:00:00:79 dev p0 master static sticky vlan 10
fdb add 02:00:00:00:00:7a dev br0 self vlan 100
fdb add 02:00:00:00:00:7b dev vx0 dst 10.0.0.7 src_vni 8
fdb show br br0
fdb show br br0 vlan 5
fdb show brport p0
fdb show dev p0 state static
-s -d fdb show br br0
-j fdb show br br0
-j -p -s fdb show br br0
fdb get 02:00:00:00:00:77 br br0 vlan 5
fdb get 02:00:00:00:00:77 br br0 vlan 6
fdb replace 02:00:00:00:00:77 dev p1 master static vlan 40
fdb del 02:00:00:00:00:77 dev p0 master vlan 5
fdb del 02:00:00:00:00:77 dev p0 master vlan 5
fdb flush dev br0 vlan 10
fdb flush dev br0 brport p0 static
fdb flush dev br0
fdb show br br0
mdb add dev br0 port p0 grp 239.1.1.1 permanent vid 5
mdb add dev br0 port p0 grp 239.1.1.1 permanent vid 10
mdb add dev br0 port p0 grp 239.1.1.1 permanent
mdb add dev br0 port p0 grp 239.1.1.2 src 10.0.0.9 permanent vid 5
mdb add dev br0 port p0 grp ff05::1 temp vid 5
mdb add dev br0 port p1 grp ff05::2 src fd00::1 permanent vid 40
mdb add dev br0 port p1 grp 01:02:03:04:05:06 permanent vid 40
mdb add dev br0 port p1 grp 239.1.1.1 vid 999
mdb add dev br0 port br0 grp 239.1.1.3 permanent vid 100
mdb add dev br0 port p2 grp 239.1.1.3
mdb add dev br1 port p2 grp 239.1.1.3 permanent
mdb
-d mdb
-s mdb
-d -s mdb
-j -d mdb
-j -p -d -s mdb
-o -d mdb
mdb show dev br0
mdb show dev br1
mdb show vid 5
mdb del dev br0 port p0 grp 239.1.1.1 vid 5
mdb del dev br0 port p0 grp 239.1.1.1 vid 5
vni add vni 100,200-210 dev vx0
vni add vni 300 remote 10.0.0.5 dev vx0
vni show dev vx0
vni
-s vni
-j vni
-j -p -s vni
vni del vni 205 dev vx0
vni
link set dev p0 mcast_router 2 guard on hairpin on fastleave on root_block on learning off
link set dev p0 flood off mcast_flood off bcast_flood off
link set dev p1 neigh_suppress on vlan_tunnel on isolated on locked on cost 70 priority 5 state blocking mcast_to_unicast on
link set dev p1 mab on
link set dev p1 backup_port p0
link set dev q1 cost 5
link
-d link
-s -d link
-j -d link
-j -p link
"""
BRIDGE_SHOWN = "vlan|-d vlan|-j vlan|-j -p -d vlan|-s vlan|-j -p -s vlan|-compressvlans vlan|-c -d vlan|-o vlan"
BRIDGE_MADE = "-d vlan|vlan tunnelshow|vlan global|fdb|-d mdb|vni|-d link"


class Answer(NamedTuple):
    """What came of a command."""

    status: int
    out: str
    err: str


class Side:
    """A namespace, in which one program, the real one or ours, runs one command after the other."""

    def __init__(self, ns: NetNS, ours: bool) -> None:
        self._ours = ours
        self._server = ns.popen([sys.executable, "-I", "-S", SERVER, "/rawns"], stdin=-1, stdout=-1, text=True)
        assert self._server.stdin and self._server.stdout
        self._requests, self._answers = self._server.stdin, self._server.stdout
        self._answers.readline()  # it is ready

    def ask(self, tool: str, words: Iterable[str], given: str = "", real: bool = False) -> None:
        """Start a command; `answer` waits for its end."""
        ours = self._ours and not real
        argv = [tool, *words] if ours else [*LOADER, f"/real/{tool}", *words]
        self._requests.write(json.dumps({"ours": ours, "argv": argv, "input": given, "env": {}}) + "\n")
        self._requests.flush()

    def answer(self) -> Answer:
        """Return what came of the command that was started last, without what changes by itself."""
        told = json.loads(self._answers.readline())
        return Answer(told["status"], *(re.sub(VOLATILE, "", told[key]) for key in ("out", "err")))

    def close(self) -> None:
        """End the server."""
        self._requests.close()
        self._answers.close()
        self._server.wait()


class Sides(NamedTuple):
    """The two namespaces, and what has differed so far."""

    namespaces: tuple[NetNS, NetNS]
    sides: tuple[Side, Side]
    found: list[str]

    def both(self, tool: str, words: str, given: str = "", real: bool = False) -> tuple[Answer, Answer]:
        """Return what the same words come to in both; with ``real``, of the real program."""
        for side in self.sides:
            side.ask(tool, shlex.split(words), given, real)
        return self.sides[0].answer(), self.sides[1].answer()

    def compare(self, tool: str, words: str, real: bool = False) -> int:
        """Note what differs; return the exit status of the real program."""
        first, second = self.both(tool, words, real=real)
        name = f"{tool} {words}{', both by the real one' if real else ''}"
        if first != second:
            texts = ["\n".join([one.out, one.err, f"status {one.status}"]) for one in (first, second)]
            self.found.extend([f"# {name}", *_differences(name, *texts)[2:]])
        return first.status

    def run(self, tool: str, lines: Iterable[str]) -> int:
        """Compare what the lines of a table come to; return the number of those that the real program has refused."""
        refused = 0
        for changes, group in groupby(lines, lambda line: any(word in CHANGES for word in line.split()[1:3])):
            for words in group if not changes else ():
                refused += self.compare(tool, words) != 0
            if changes:
                refused += self.compare_batch(tool, list(group))
        return refused

    def compare_batch(self, tool: str, lines: list[str]) -> int:
        """Note what differs in a batch; return the number of lines that the real program has refused."""
        first, second = self.both(tool, "-force -batch -", "\n".join([*lines, ""]))
        said = [f"{one.out}\n{one.err}\nstatus {one.status}" for one in (first, second)]
        said = [re.sub(r"Command failed -:(\d+)", lambda line: f"refused: {lines[int(line[1]) - 1]}", text) for text in said]
        if said[0] != said[1]:
            self.found.extend([f"# {tool} -batch: {lines[0]} ...", *_differences(tool, *said)[2:]])
        return first.err.count("Command failed")

    def prepare(self, lines: Iterable[str]) -> None:
        """Have the real `ip` run commands in both."""
        answers = self.both("ip", "-batch -", "\n".join([*lines, ""]), real=True)
        if any(answer.status for answer in answers):
            raise SystemExit(str(answers))


@contextmanager
def two_sides() -> Iterator[Sides]:
    """Yield two namespaces in which the kernel sends nothing by itself: without IPv6."""
    with ExitStack() as stack:
        namespaces = stack.enter_context(NetNS.create()), stack.enter_context(NetNS.create())
        for ns in namespaces:
            with ns.entered(), open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as file:
                file.write("1")
        sides = []
        for ns, ours in zip(namespaces, (False, True)):
            sides.append(Side(ns, ours))
            stack.callback(sides[-1].close)
        yield Sides(namespaces, (sides[0], sides[1]), [])


def lines_of(text: str) -> list[str]:
    """Return the lines of a table."""
    return text.strip().splitlines()


def send(ns: NetNS, links: Iterable[str]) -> None:
    """Send a few frames through links: IPv4, UDP."""
    header = bytes.fromhex("02000000000102000000000208004500001c000000004011")
    frame = header + bytes.fromhex("00000a0000010a00000203e8005000080000") + bytes(40)
    with ns.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        for link in links:
            for _ in range(FRAMES):
                try:
                    sock.sendto(frame, (link, 0))
                except OSError:  # dropped: ENOBUFS
                    pass


def tc(sides: Sides) -> tuple[int, int]:
    """Compare `tc`; return the number of commands, and of those that the real one has refused."""
    rows = lines_of(QDISCS)
    links = [f"w{number}" for number in range(len(rows))]
    form = "link add {} index {} numtxqueues 4 numrxqueues 4 address 02:00:00:00:{:02x}:00 up type dummy"
    sides.prepare(form.format(link, 100 + at, at) for at, link in enumerate([*links, "a0", "a1", "a2", "a3"]))
    places = ["" if row in ("ingress", "clsact") else f"root handle {0x100 + at:x}: " for at, row in enumerate(rows)]
    lines = [f"qdisc add dev w{at} {place}{row.lstrip('~')}" for at, (place, row) in enumerate(zip(places, rows))]
    lines += [
        *lines_of(ACTIONS),
        *lines_of(TC_BEFORE),
        *[FILTER.format(100 + at) + row for at, row in enumerate(lines_of(FILTERS))],
    ]
    refused = sides.run("tc", lines)
    for ns in sides.namespaces:
        send(ns, [link for link, row in zip(links, rows) if not row.startswith("~")] + ["a0", "a1", "a3"])
    refused += sides.run("tc", lines_of(TC_SHOWN))
    for words in TC_MADE.split("|"):
        sides.compare("tc", words, real=True)
    return len(lines) + len(lines_of(TC_SHOWN + TC_AFTER)), refused + sides.run("tc", lines_of(TC_AFTER))


def bridge(sides: Sides) -> tuple[int, int]:
    """Compare `bridge`; return the number of commands, and of those that the real one has refused."""
    ups = [f"link set {link} up" for link in "br0 br1 p0 p1 p2 q0 q1 q2 vx0".split()]
    sides.prepare([*lines_of(BRIDGE_LINKS), *ups])
    lines = [*lines_of(BRIDGE), *BRIDGE_SHOWN.split("|")]
    refused = sides.run("bridge", lines)
    for words in BRIDGE_MADE.split("|"):
        sides.compare("bridge", words, real=True)
    return len(lines), refused


def compare() -> str:
    """Run both programs, and end the check if they differ anywhere."""
    if not os.path.exists(LOADER[0]):
        return "there are no real programs"
    told, found = [], []
    for tool, run in (("tc", tc), ("bridge", bridge)):
        with two_sides() as sides:
            count, refused = run(sides)
        told.append(f"{tool}: {count} commands, {refused} refused")
        found += sides.found
    if found:
        os.makedirs("/run/files", exist_ok=True)
        with open("/run/files/differences.txt", "w") as file:
            file.write("\n".join([*told, *found, ""]))
        raise SystemExit("\n".join([*told, f"{sum(line.startswith('# ') for line in found)} differ", *found[:8]]))
    return "; ".join(told)
