"""A node of three that agree on a value by Raft (pysyncobj): ``consensus_node.py OWN-ADDRESS OTHER...``.

It writes its view whenever that changes; on SIGUSR1 it proposes its own address and a number as the value.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from pysyncobj import SyncObj, SyncObjConf
from pysyncobj.batteries import ReplDict

own, *others = sys.argv[1:]
values: Any = ReplDict()
conf = SyncObjConf(raftMinTimeout=0.4, raftMaxTimeout=1.0, connectionTimeout=2.0, dynamicMembershipChange=False)
node: Any = SyncObj(own, others, consumers=[values], conf=conf)
proposals = 0


def propose(*_: object) -> None:
    """Propose a value; a node without a majority cannot decide it."""
    global proposals
    proposals += 1
    values.set("value", f"{own}-{proposals}")


signal.signal(signal.SIGUSR1, propose)
before: tuple[object, object] | None = None
while True:
    status = node.getStatus()
    view = (status["leader"], values.get("value"))
    if view != before:
        before = view
        print(f"leader={view[0]} value={view[1]}", flush=True)
    time.sleep(0.02)
