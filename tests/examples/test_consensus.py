"""Three nodes that agree by Raft (pysyncobj) under a partition.

The majority goes on, the minority does not, and they agree again when the partition has been healed.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import Any

import needs

pytestmark = [needs.package("pysyncobj", "pysyncobj")]
PORT = 4321
SECONDS = 20.0  # for an election


def test_majority_decides_and_minority_follows(lab: Any) -> None:
    switch = lab.bridge("br0")
    addresses = {}
    for number in (1, 2, 3):
        host = lab.netns(label=f"n{number}")
        lab.wire(switch.port(), host.port("eth0", f"10.0.0.{number}/24"))
        addresses[f"n{number}"] = f"10.0.0.{number}:{PORT}"
    lab.up()
    program = str(Path(__file__).with_name("consensus_node.py"))
    nodes = {}
    for label, own in addresses.items():
        others = [one for one in addresses.values() if one != own]
        nodes[label] = lab[label].start([sys.executable, program, own, *others], ready=f"port {PORT}", timeout=SECONDS)
    for node in nodes.values():
        node.wait_ready(r"output leader=10.0.0.\d:4321", SECONDS)
    first = last_leader(nodes["n1"].output)
    old = next(label for label, own in addresses.items() if own == first)
    rest = [label for label in addresses if label != old]

    lab.partition([old], rest)
    elected = "|".join(re.escape(addresses[label]) for label in rest)
    for label in rest:
        nodes[label].wait_ready(f"output leader=({elected}) value=None\n$", SECONDS)
    nodes[rest[0]].send_signal(signal.SIGUSR1)
    decided = f"{addresses[rest[0]]}-1"
    for label in rest:
        nodes[label].wait_ready(f"output value={re.escape(decided)}\n", SECONDS)
    assert decided not in nodes[old].output, "the minority has heard of it"

    lab.heal()
    nodes[old].wait_ready(f"output leader=({elected}) value={re.escape(decided)}\n$", SECONDS)


def last_leader(output: str) -> str:
    """Return the leader that a node has named last."""
    return str(re.findall(r"leader=(\S+)", output)[-1])
