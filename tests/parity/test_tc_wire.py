"""What `rawns tc` says to the kernel beside what the real tc says, seen by strace: for all that the kernel here lacks, too."""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from test_tc import two_universes
from universe import Both, Universe

from rawns import nlmsg, rtnl

__all__ = ["two_universes"]  # the fixture
ADD = "qdisc add dev v1 root "
QDISCS = """
prio
prio bands 4 priomap 1 2 3 0 1
prio bands x
prio priomap 7
prio foo
prio help
fq
fq limit 1000 flow_limit 50 quantum 3000 initial_quantum 15000 maxrate 10mbit buckets 1000 nopacing
fq refill_delay 10ms orphan_mask 7 ce_threshold 5ms timer_slack 10us horizon 2s horizon_cap low_rate_threshold 1mbit defrate 5mbit
fq limit x
fq maxrate 100gbit
fq timer_slack 10s
fq help
fq_codel limit 1000 flows 2048 target 4ms interval 80ms quantum 300 ecn ce_threshold 1ms memory_limit 16mb drop_batch 32
fq_codel noecn ce_threshold_selector 0x3/0x7
fq_codel ce_threshold_selector 3
fq_codel target x
codel limit 100 target 3ms interval 50ms noecn ce_threshold 2ms
codel limit 0
codel foo
netem delay 10ms 2ms 25% distribution normal
netem delay 10ms 2ms 25% loss 0.3% 25% duplicate 1% 10% corrupt 0.1% 3% reorder 25% 50% gap 5 limit 500
netem delay 1.5s loss state 1% 2% 3% 4% 5% ecn
netem loss gemodel 1% 10% 70% 0.1% rate 5mbit 20 100 5
netem rate 40gbit slot 20ms 30ms packets 5 bytes 3k
netem delay 300s
netem delay x
netem loss 101%
netem loss state x
netem loss what
netem gap 5
netem reorder 5%
netem ecn
netem slot x
netem foo
netem help
red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 ecn adaptive bandwidth 10Mbit probability 0.1
red limit 60kb avpkt 1000 harddrop nodrop
red limit 60kb avpkt 1000 min 20k burst 3
red limit x
red
red foo
sfq
sfq perturb 10 quantum 1514 limit 100 divisor 512 flows 64 depth 20 headdrop
sfq redflowlimit 100000 min 8000 max 60000 burst 20 avpkt 1000 probability 0.1 ecn harddrop
sfq limit 1
sfq depth x
sfq min 5
sfq foo
ingress handle 5
hhf_unknown
""".strip()
FILTER = "filter add dev v1 parent 1: "
FILTERS = """
prio 1 matchall
prio 1 handle 0x5 matchall skip_hw classid 1:5 action drop
prio 1 matchall what
prio 1 basic classid 1:4 action pass
prio 1 basic help
protocol ip handle 5/0xff fw classid 1:3 indev v2 action pipe
handle x fw
protocol ip u32 match u32 0 0 police rate 1mbit burst 10k/8 mtu 2k peakrate 2mbit overhead 4 conform-exceed drop/pipe
protocol ip u32 match u32 0 0 action police rate 40gbit burst 10mb avrate 1mbit
protocol ip u32 match u32 0 0 action police pkts_rate 1000 pkts_burst 100 reclassify index 7
protocol ip u32 match u32 0 0 action police rate 1mbit burst 10k conform-exceed pipe / ok
protocol ip u32 match u32 0 0 action drop action gact pass random determ drop 500 index 9
protocol ip u32 match u32 0 0 action gact goto chain 5 cookie 0102 hw_stats delayed
protocol ip u32 match u32 0 0 action jump 2 action gact index 4
protocol ip u32 match u32 0 0 action vlan push id 5 protocol 802.1ad priority 3 drop index 4
protocol ip u32 match u32 0 0 action vlan pop action vlan modify id 7 pipe action vlan pop_eth
protocol ip u32 match u32 0 0 action vlan push_eth dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02
protocol ip u32 match u32 0 0 action skbedit mark 5/0xff queue_mapping 3 priority 1:7 ptype multicast inheritdsfield pass
protocol ip u32 match u32 0 0 action mirred ingress mirror dev v2 action skbedit mark 7 flowid 1:9
protocol ip flower
protocol ip handle 7 flower ip_proto tcp dst_port 80 src_port 1000-2000 dst_ip 10.0.0.0/8 src_ip 10.0.0.1 tcp_flags 0x2/7
protocol ip flower ip_proto udp dst_port 53/0xff ip_tos 10/f ip_ttl 40 ip_flags frag/nofirstfrag skip_sw verbose
protocol ip flower ip_proto icmp type 8 code 0/1 indev v2
protocol ipv6 flower dst_ip fd00::/8 src_ip fd00::1 ip_proto icmpv6 type 128 action drop
protocol ipv6 flower ip_proto 2a
protocol arp flower arp_tip 10.0.0.1 arp_sip 10.0.0.0/24 arp_op request arp_sha 02:00:00:00:00:01 arp_tha 02:00:00:00:00:02/24
protocol 802.1q flower vlan_id 5 vlan_prio 3 vlan_ethtype ipv4 dst_ip 10.0.0.1
protocol 802.1ad flower vlan_ethtype 802.1q vlan_id 5 cvlan_id 6 cvlan_prio 2 cvlan_ethtype ip ip_proto sctp dst_port 5
protocol all flower dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02/ff:ff:00:00:00:00
protocol all flower enc_dst_ip 10.0.0.1 enc_src_ip fd00::1 enc_key_id 5 enc_dst_port 4789 enc_tos 5/f enc_ttl 6
protocol ip flower vlan_id 5
protocol ip flower ip_proto what
protocol ip flower dst_port 80
protocol ip flower ip_proto tcp dst_port x
protocol ip flower ip_proto icmpv6
protocol ip flower type 5
protocol ip flower dst_mac x
protocol ip flower what
protocol ip flower skip_hw skip_sw
handle x flower
""".strip()
COMMANDS = [*(ADD + line for line in QDISCS.splitlines()), *(FILTER + line for line in FILTERS.splitlines())]
FLAGS = re.compile(r"(sendmsg|sendto)\(")


def sent(universe: Universe, program: list[str], trace: Path) -> tuple[list[Any], str]:
    """Run the commands as one batch; return the messages about disciplines, filters and actions, and what was complained of."""
    options = ["-qq", "-s0", "-e", "trace=sendmsg,sendto", "-e", "write=all", "-o", str(trace)]
    argv = ["strace", *options, *program, "-force", "-batch", "-"]
    done = universe.run(argv, stdin=None, input="\n".join(COMMANDS).encode())
    buffers: list[bytes] = []
    for line in trace.read_text().splitlines():
        data = re.match(r" \| [0-9a-f]{5,}  ((?:[0-9a-f]{2} {1,2}){1,16})", line)
        if FLAGS.match(line):
            buffers.append(b"")
        elif data:
            buffers[-1] += bytes.fromhex(data[1])
    return [told for data in buffers if len(data) >= 16 for told in messages(data)], done.stderr.decode()


def messages(data: bytes) -> list[Any]:
    found = []
    for frame in nlmsg.split(data):
        if 36 <= frame.kind <= 50:
            body = rtnl.MESSAGES[frame.kind].unpack(data, frame.start, frame.end)
            found.append((frame.kind, struct.unpack_from("=H", data, 6)[0], body))
    return found


def test_what_is_sent_is_what_tc_sends(both: Both, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    theirs, complained = sent(both.real, [shutil.which("tc") or "tc"], tmp_path / "real")
    ours, said = sent(both.ours, both.ours.program, tmp_path / "ours")
    complaints = [complained.splitlines(), said.splitlines()]
    assert complaints[0] == complaints[1]
    assert len(theirs) > len(COMMANDS) // 2
    assert theirs == ours
