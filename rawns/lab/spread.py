"""Which host of a lab that spans several machines is on which of them."""

from __future__ import annotations

from .problems import Problem
from .words import join_words, nearest, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .host import Host
    from .topology import Topology

EVEN = "even"  # the value of ``spread``


def assign(lab: Topology, spread: str | None) -> Iterator[Problem]:
    """Give each host its machine: the one it names, or by ``spread``; yield the hosts for which that is not possible.

    Spread evenly, each machine gets as many consecutive hosts as the others.  A host that exists for its bridge alone follows
    the first host that is wired to it.
    """
    machines = list(lab.machines)
    for host in lab.hosts:
        if host.root:
            yield Problem("root is not a host of a lab that spans machines: each machine has a root namespace", host.where)
        elif host.machine is not None and host.machine not in lab.machines:
            near = nearest(host.machine, machines)
            hint = f"did you mean {near}?" if near else f"there is {join_words(machines)}"
            yield Problem(f"{host.label} is on machine {quote(host.machine)}, which is not described; {hint}", host.where)
    followers = [host for host in lab.hosts if host.machine is None and _for_its_bridge(host)]
    free = [host for host in lab.hosts if host.machine is None and not host.root and host not in followers]
    if spread == EVEN:
        for number, host in enumerate(free):
            host.machine = machines[number * len(machines) // len(free)]
    for host in followers:
        ends = [one.peer.host for one in host.interfaces if one.peer is not None]
        host.machine = next((end.machine for end in ends if end.machine is not None), machines[0])
    for host in lab.hosts:
        if host.machine is None and not host.root:
            yield Problem(
                f'{host.label} is on no machine: machine = "{machines[0]}", or spread = "{EVEN}" for the lab', host.where
            )
        for one in host.interfaces:
            if one.created_in.machine != host.machine:
                other = one.parent or one.created_in
                yield Problem(f"{one} and {other}, which it stands on, are on two machines", one.where)


def _for_its_bridge(host: Host) -> bool:
    return any(one.switches and one.name == host.label for one in host.interfaces)
