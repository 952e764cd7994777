"""`rawns tc` beside the real tc: the same words in two universes alike; output, messages, exit statuses and state compared."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from universe import Both, missing

from rawns.cli.tc import filters, kinds
from rawns.cli.tc.completion import words

# What tc prints of the time that has passed, and counters of packets that the kernel sends by itself.
VOLATILE = r"|".join(
    (
        r"\b8[0-9a-f]{3}:(?=[ 1\"[])",  # handles that the kernel has chosen, which are counted for the whole machine
        r"\[8[0-9a-f]{3}0000\]",
        r" (installed|used|firstused) \d+ sec",
        r"(?<=Sent )\d+ bytes \d+ pkt",
        r"\"(installed|last_used|first_used|bytes|packets)\": ?\d+,?",
    )
)
SETUP = """
link add v1 address 02:00:00:00:00:01 index 11 type veth peer name v2 address 02:00:00:00:00:02 index 12
"""  # down, so that the kernel sends nothing by itself


@pytest.fixture(name="both", scope="module")
def two_universes() -> Iterator[Both]:
    why = missing() or ("" if shutil.which("tc") else "tc is not installed")
    if why:
        pytest.skip(why)
    universes = Both("tc")
    try:
        universes.prepare(SETUP)
        yield universes
    finally:
        universes.close()


QDISCS = """
qdisc show
-j qdisc show
-j -p qdisc show dev v1
qdisc add dev v1 root pfifo limit 7
qdisc show dev v1
-s -d qdisc show dev v1
-j -s qdisc
qdisc replace dev v1 root handle 5: bfifo limit 10k
qdisc show dev v1
-j qdisc show dev v1
qdisc show dev v1 handle 5:
qdisc show dev v1 parent 1:1
qdisc show dev v1 root
qdisc show dev v1 root root
qdisc show dev v1 handle x
qdisc change dev v1 root handle 5: bfifo limit 20kb
qdisc link dev v1 handle 5: root bfifo limit 30kb
qdisc del dev v1 root
qdisc del dev v1 root
qdisc add dev v1 root netem delay
qdisc add dev v1 root netem loss
qdisc add dev v1 root netem delay 1ms loss gemodel
qdisc add dev v1 root netem slot
qdisc add dev v1 root netem rate
qdisc add dev v1 root netem delay x
qdisc add dev v1 root tbf rate 1mbit burst 10kb latency 50ms
qdisc show dev v1
-d qdisc show dev v1
-r qdisc show dev v1
-iec qdisc show dev v1
-o -s qdisc show dev v1
-j -p -d -s qdisc show dev v1
qdisc replace dev v1 root tbf rate 40gbit burst 1mb limit 2mb peakrate 80gbit mtu 1540
-d -r qdisc show dev v1
-j qdisc show dev v1
qdisc replace dev v1 root tbf rate 7.3mbit burst 15k/8 lat 70ms mpu 64 overhead 18 linklayer atm
-d qdisc show dev v1
qdisc replace dev v1 root tbf rate 100kbps buffer 5000 limit 3000
qdisc show dev v1
qdisc replace dev v1 root tbf rate 1mibit maxburst 1600b latency 1s
qdisc show dev v1
qdisc replace dev v1 root tbf rate 1gibps burst 3mbit latency 100us
qdisc show dev v1
qdisc add dev v1 root tbf
qdisc add dev v1 root tbf help
qdisc add dev v1 root tbf rate
qdisc add dev v1 root tbf rate x
qdisc add dev v1 root tbf rate 1mbit burst 10k/3 latency 1ms
qdisc add dev v1 root tbf rate 1mbit rate 2mbit
qdisc add dev v1 root tbf rate 1mbit burst 10k latency 5ms limit 7
qdisc add dev v1 root tbf limit 7 latency 5ms
qdisc add dev v1 root tbf rate 1mbit burst 10k peakrate 2mbit latency 1ms
qdisc add dev v1 root tbf rate 1mbit foo
qdisc add dev v1 root tbf rate 50% burst 10k limit 1
qdisc add dev v1 root tbf maxburst x
qdisc add root tbf rate 50% burst 10k limit 1
qdisc replace dev v1 root handle 1: htb default 10 r2q 20
qdisc show dev v1
-d qdisc show dev v1
-j -d -s qdisc show dev v1
qdisc add dev v2 root handle 7: htb debug 0123 direct_qlen 5
-d qdisc show dev v2
-j qdisc show dev v2
qdisc add dev v2 root htb help
qdisc add dev v2 root htb default g
qdisc add dev v2 root htb foo
qdisc add dev v2 root htb r2q 0x5
class add dev v1 parent 1: classid 1:1 htb rate 10mbit ceil 20mbit burst 15k cburst 16k prio 2 quantum 1514
class add dev v1 parent 1:1 classid 1:10 htb rate 3mbit
class add dev v1 parent 1: classid 1:2 htb rate 40gbit ceil 80gbit
class add dev v1 parent 1: classid 1:3 htb rate 1mbit burst 10k/8 mpu 64 overhead 10 mtu 9000 linklayer adsl
qdisc add dev v1 parent 1:10 handle 10: pfifo limit 5
class show dev v1
-d class show dev v1
-s -d class show dev v1
-r class show dev v1
-iec class show dev v1
-j class show dev v1
-o -s class show dev v1
class show dev v1 parent 1:1
class show dev v1 root
class show dev v1 classid 1:2
class show dev v1 qdisc 1:
class show dev v1 qdisc 1: qdisc 2:
class show
class change dev v1 classid 1:2 htb rate 5mbit
class replace dev v1 parent 1: classid 1:2 htb rate 6mbit
class show dev v1
class del dev v1 classid 1:2
class del dev v1 classid 1:2
class add dev v1 parent 1: classid 1:5 htb
class add dev v1 parent 1: classid 1:5 htb rate
class add dev v1 parent 1: classid 1:5 htb rate 5mbit rate 6mbit
class add dev v1 parent 1: classid 1:5 htb rate 5mbit burst x
class add dev v1 parent 1: classid 1:5 htb rate 5mbit cbuffer x
class add dev v1 parent 1: classid 1:5 htb rate 5mbit prio -1
class add dev v1 parent 1: classid 1:5 htb rate 5x
class add dev v1 parent 1: classid 1:5 htb help
class add dev v1 parent 1: classid 1:5 htb what
class add dev v1 parent 1: classid 1:5 pfifo
class add dev v1 parent 1: classid 1:5 foo
class add dev v1 parent 1: handle 1:5 htb rate 1mbit
class add dev v1 root parent 1: htb rate 1mbit
class add dev v1 root root htb rate 1mbit
class add dev v1 parent x htb rate 1mbit
class add dev v1 classid 1:99999 htb rate 1mbit
class add dev nope parent 1: htb rate 1mbit
class show dev nope
class show dev v1 what
class what
class help
qdisc show dev v1
qdisc del dev v1 root
qdisc del dev v2 root
qdisc add dev v1 ingress
qdisc add dev v2 clsact
qdisc show
-j qdisc show
qdisc show dev v1 ingress
qdisc show dev v1 clsact
qdisc add dev v1 ingress foo
qdisc add dev v1 clsact foo
qdisc add dev v1 clsact
qdisc add dev v1 handle ffff: ingress
qdisc del dev v1 ingress
qdisc del dev v2 clsact
qdisc add dev v2 ingress_block 5 egress_block 6 clsact
qdisc show dev v2
-j qdisc show dev v2
qdisc del dev v2 clsact
qdisc add dev v1 root estimator 1sec 8sec pfifo
qdisc show dev v1
qdisc del dev v1 root
qdisc add dev v1 root estimator 1sec help
qdisc add dev v1 root estimator 100s 8sec pfifo
qdisc add dev v1 root stab linklayer atm overhead 20 mtu 3000 pfifo
-d qdisc show dev v1
-d -j qdisc show dev v1
qdisc replace dev v1 root stab mpu 64 tsize 256 bfifo
-d qdisc show dev v1
qdisc replace dev v1 root stab overhead -4 bfifo
-d qdisc show dev v1
qdisc add dev v1 root stab help
qdisc add dev v1 root stab mtu x pfifo
qdisc add dev v1 root stab linklayer foo pfifo
qdisc add dev v1 root stab mtu 5 pfifo
qdisc replace dev v1 root mq
qdisc show dev v1
-j qdisc show dev v1
qdisc replace dev v1 root pfifo_fast
-d -s qdisc show dev v1
-j qdisc show dev v1
qdisc replace dev v1 root noqueue
qdisc show dev v1
qdisc replace dev v1 root noqueue x
qdisc replace dev v1 root pfifo_fast x
qdisc replace dev v1 root foo x
qdisc replace dev v1 root foo
qdisc add dev v1 root pfifo limit x
qdisc add dev v1 root pfifo foo
qdisc add dev v1 root pfifo help
qdisc add dev v1 root root pfifo
qdisc add dev v1 root parent 1: pfifo
qdisc add dev v1 handle 1: handle 2: pfifo
qdisc add dev v1 handle x pfifo
qdisc add dev v1 dev v2 pfifo
qdisc add dev v1 parent zz pfifo
qdisc add dev nope root pfifo
qdisc add dev
qdisc add dev v1 root handle
qdisc add
qdisc add help
qdisc what
qdisc show what
qdisc show dev nope
qdisc show help
qdisc help
what
help
-help
-what
-
-j -
- qdisc
- what
--
-- qdisc
-n
-n nope qdisc
-j -n
-b
-force -b
-b /nonexistent
-cf
qdisc show dev -
qdisc add dev - root pfifo
qdisc add dev v1 root -
qdisc add dev v1 root pfifo -
qdisc add dev v1 root pfifo limit -
qdisc -
--json qdisc
-s -s -d qdisc show invisible
-batch - <<< qdisc add dev v1 root pfifo limit 9\\nqdisc what\\nqdisc show dev v1
-force -batch - <<< qdisc what\\nqdisc add dev v1 root what x\\nqdisc show dev v1
-force -batch - <<< qdisc replace dev v1 root bfifo\\nqdisc add dev v1 root dev v1 dev v2\\nqdisc show dev v1
qdisc del dev v1 root
qdisc show
"""


FILTERS = (
    """
qdisc replace dev v1 root handle 1: htb default 10
class add dev v1 parent 1: classid 1:10 htb rate 1mbit
qdisc add dev v2 clsact
filter show
filter show dev v1
-j filter show dev v1
ADD protocol ip prio 5 u32 match ip dst 10.0.0.1/32 match ip sport 80 0xffff flowid 1:10
ADD protocol ip prio 5 u32 match ip src 10.0.0.0/8 match ip protocol 6 0xff match ip tos 0x10 0xfc classid 1:10
ADD protocol ip prio 5 u32 match ip dport 80 0xffff match ip sport 90 0xffff match ip ihl 5 0xf flowid 1:10
ADD protocol ip prio 5 u32 match ip nofrag match ip icmp_type 8 0xff match ip icmp_code 0 0xff flowid 1:10
ADD protocol ip prio 5 u32 match ip firstfrag match ip df match u8 0x45 0xff at 0 match u16 0x1 0xf at 2 flowid 1:10
ADD protocol ip prio 5 u32 match tcp dst 80 0xffff match udp src 5 0xff match icmp type 8 0xff flowid 1:10
ADD protocol ip prio 5 u32 match u32 5 ff at nexthdr+4 match u32 6 ff at nexthdr+ 8 flowid 1:10
ADD protocol ipv6 prio 6 u32 match ip6 dst fd00::1/128 match ip6 src fd00::/60 flowid 1:10
ADD protocol ipv6 prio 6 u32 match ip6 priority 5 ff match ip6 dport 5 ffff match ip6 flowlabel 5 fffff flowid 1:10
ADD protocol all prio 7 u32 match ether src 02:00:00:00:00:01 match ether dst 2:0:0:0:0:2 flowid 1:10
ADD protocol ip prio 8 handle 5: u32 divisor 256
ADD protocol ip prio 8 u32 ht 5:7: match ip src 10.0.0.7 flowid 1:10
ADD protocol ip prio 8 u32 ht 5: sample ip src 10.0.0.9 divisor 256 match ip src 10.0.0.9 flowid 1:10
ADD protocol ip prio 8 u32 ht 800:: match ip src 10.0.0.0/8 link 5: hashkey mask 000000ff at 12
ADD protocol ip prio 9 u32 match mark 5 0xff flowid 1:10
ADD protocol ip prio 9 handle 801::55 u32 match u32 0 0 skip_hw flowid 1:10
ADD protocol ip prio 9 u32 order 77 match u32 0 0 indev v2 flowid 1:10
filter show dev v1
-s filter show dev v1
-p filter show dev v1
-d -r filter show dev v1
-o filter show dev v1
-j filter show dev v1
-s -j filter show dev v1
-N filter show dev v1
ADD protocol ip prio 8 u32 match ip src 0/0 link 5: offset at 0 mask 0f00 shift 6 plus 4 eat
-s filter show dev v1 prio 8
filter show dev v1 parent 1:
filter show dev v1 prio 9
filter show dev v1 protocol ipv6
filter show dev v1 root
filter get dev v1 parent 1: protocol ip pref 5 handle 800::800 u32
-j filter get dev v1 parent 1: protocol ip pref 5 handle 800::800 u32
filter get dev v1 parent 1: protocol ip pref 5 handle 800::900 u32
filter get dev v1 parent 1: protocol ip pref 5 u32
filter get dev v1 parent 1: pref 5 handle 800::800 u32
filter get dev v1 parent 1: protocol ip handle 800::800 u32
filter get dev v1 protocol ip pref 5 handle 800::800 u32
filter get parent 1: protocol ip pref 5 handle 800::800 u32
filter get dev v1 parent 1: protocol ip pref 5 handle 800::800
filter change dev v1 parent 1: protocol ip prio 5 handle 800::800 u32 match ip dst 10.0.0.1/32 flowid 1:20
filter replace dev v1 parent 1: protocol ip prio 5 handle 800::801 u32 match ip dst 10.0.0.3/32 flowid 1:10
filter del dev v1 parent 1: protocol ip prio 5 handle 800::801 u32
filter del dev v1 parent 1: protocol ip prio 99
filter show dev v1 pref 5
ADD u32
ADD u32 help
ADD u32 what
ADD u32 match
ADD u32 match ip
ADD u32 match what 5
ADD u32 match ip what 5 5
ADD u32 match ip src x
ADD u32 match ip protocol 600 0xff
ADD u32 match u32 5
ADD u32 match u32 5 0x
ADD u32 match u32 5 5 at 3
ADD u32 match u32 5 5 at x
ADD u32 match u16 0x10000 5
ADD u32 match ether what 5
ADD u32 match ether src 5
ADD u32 match mark 5 3
ADD u32 match ip src 10.0.0.1 match ip src 10.0.0.2
ADD u32 classid x
ADD u32 divisor 3
ADD u32 link 800::5
ADD u32 ht x
ADD u32 sample u32 0
ADD u32 match u32 0 0 skip_sw skip_hw
ADD u32 offset at 3
ADD u32 hashkey at 3
ADD handle x u32
ADD handle 5::5 u32 order 6 match u32 0 0
ADD handle 5
ADD handle 5 handle 6
ADD prio 70000 u32
ADD prio 5 prio 6 u32
ADD protocol what u32
ADD protocol 0x88cc prio 3 u32 match u32 0 0 flowid 1:10
ADD protocol 0x1234 prio 4 u32 match u32 0 0 flowid 1:10
filter show dev v1 pref 3
filter show dev v1 pref 4
filter add dev v1 block 5 u32
filter show dev v1 block 5
filter show block 5
filter show block x
ADD chain x u32
ADD root u32
filter add dev v1 parent x u32
filter add dev v1 dev v2 u32
filter add dev nope u32
filter show dev nope
filter show what
ADD what
ADD what x
ADD matchall
filter add help
filter what
filter help
filter del dev v1
filter show dev v1
filter add dev v2 ingress protocol all pref 1 u32 match u32 0 0 action mirred egress redirect dev v1
filter add dev v2 egress protocol ip pref 2 u32 match u32 0 0 MIRROR pipe action mirred ingress redirect dev v1 index 77
filter add dev v2 egress protocol ip pref 3 u32 match u32 0 0 action mirred egress mirror dev v1 cookie aabbccdd flowid 1:1
filter add dev v2 egress protocol ip pref 4 chain 7 u32 match u32 0 0 action mirred egress mirror dev v1 drop
filter add dev v2 egress protocol ip pref 5 u32 match u32 0 0 action mirred egress mirror dev v1 goto chain 7
filter add dev v2 egress protocol ip pref 6 u32 match u32 0 0 action mirred egress mirror dev v1 jump 2 no_percpu skip_sw
filter show dev v2 ingress
filter show dev v2 egress
-s -d filter show dev v2 egress
-j filter show dev v2 egress
-s -j -p filter show dev v2 ingress
-o -s filter show dev v2 egress
filter show dev v2 egress chain 7
filter show dev v2
-br filter show dev v2 egress
chain show dev v2 egress
-j chain show dev v2 egress
chain add dev v2 egress chain 9
chain add dev v2 egress chain 9
chain get dev v2 egress chain 9
chain get dev v2 egress chain 9 index 5
chain get dev v2 egress chain 9 what more words
chain get dev v2 egress chain 9 what
chain show dev v2 egress chain 9
chain del dev v2 egress chain 9
chain del dev v2 egress chain 9
chain what
chain help
MATCH action
MATCH action help
MATCH action what
MATCH action mirred
MATCH action mirred help
MATCH action mirred what
MATCH action mirred egress
MATCH action mirred egress ingress dev v1
MATCH action mirred egress what dev v1
MATCH action mirred egress redirect mirror dev v1
MATCH action mirred egress redirect dev nope
MATCH action mirred egress redirect index x dev v1
MATCH action mirred egress redirect dev v1 cookie xy
MATCH action mirred egress redirect dev v1 hw_stats what
MATCH action drop
MATCH action gact what
MATCH action goto chain x
MATCH action vlan push
MATCH action vlan push id x
MATCH action vlan push pop
MATCH action vlan pop id 5
MATCH action vlan push_eth dst_mac 02:00:00:00:00:01
MATCH action vlan push id 5 protocol ip
MATCH action skbedit
MATCH action skbedit what
MATCH action skbedit priority x
MATCH action skbedit ptype x
MATCH action police
MATCH action police what
MATCH action police rate x
MATCH action police rate 1mbit
MATCH action police rate 1mbit rate 2mbit
MATCH police burst 5
MATCH police rate 1mbit burst 5k conform-exceed x
actions
actions what
actions help
actions ls
actions ls action mirred
-s -d actions ls action mirred
-j actions ls action mirred
-j -p actions ls action mirred
actions add action mirred egress mirror dev v1 index 303
actions add action mirred egress mirror dev v1 index 303
actions replace action mirred egress redirect dev v2 index 303
actions get action mirred index 303
-j actions get action mirred index 303
-s actions get action mirred index 303
actions get action mirred index 99
actions get action mirred
actions get action what index 5
actions del action mirred index 303
actions del action mirred index 303
actions flush action mirred
actions add
actions add action
actions add action what
actions ls action what
actions ls action gact
filter del dev v2 ingress
filter del dev v2 egress
qdisc del dev v2 clsact
qdisc del dev v1 root
""".replace("\nADD ", "\nfilter add dev v1 parent 1: ")
    .replace("MIRROR", "action mirred egress mirror dev v1")
    .replace("\nMATCH ", "\nfilter add dev v2 ingress u32 match u32 0 0 ")
)


def test_words_that_completion_offers(both: Both) -> None:
    """The real tc knows each word that completion offers after a kind: whatever it complains of, it is not the word."""
    lines = []
    for object, before, names in (
        ("qdisc", "qdisc add dev v1 root", kinds.MODULES),
        ("class", "class add dev v1 parent 1: classid 1:1", ["htb"]),
        ("filter", "filter add dev v1 parent 1: protocol ip", filters.MODULES),
    ):
        lines += [f"{before} {kind} {word}" for kind in names for word in words([object, "add", kind])]
    assert len(lines) > 150
    lines.append("filter add dev v1 parent 1: protocol ip u32 nonsense")
    complained = "".join([both.real.ip(*line.split())[2] for line in lines])
    assert re.findall(r'What is "(.*)"|unknown parameter "(.*)"', complained) == [("nonsense", "")]


def test_disciplines_and_classes(both: Both) -> None:
    assert both.differences(QDISCS, VOLATILE, same_help=True) == []


def test_filters_chains_and_actions(both: Both) -> None:
    assert both.differences(FILTERS, VOLATILE, same_help=True) == []
