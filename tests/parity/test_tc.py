"""`rawns tc` beside the real tc: the same words in two universes alike; output, messages, exit statuses and state compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from universe import Both, missing

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
link set v1 up
link set v2 up
"""


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
--json qdisc
-s -s -d qdisc show invisible
-batch - <<< qdisc add dev v1 root pfifo limit 9\\nqdisc what\\nqdisc show dev v1
-force -batch - <<< qdisc what\\nqdisc add dev v1 root what x\\nqdisc show dev v1
-force -batch - <<< qdisc replace dev v1 root bfifo\\nqdisc add dev v1 root dev v1 dev v2\\nqdisc show dev v1
qdisc del dev v1 root
qdisc show
"""


def test_disciplines_and_classes(both: Both) -> None:
    assert both.differences(QDISCS, VOLATILE, same_help=True) == []
