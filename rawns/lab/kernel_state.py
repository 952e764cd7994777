"""The state of one namespace: its links, addresses, routes, and what else its stamp says belongs to the lab.

It is read anew each time and stored nowhere.
"""

from __future__ import annotations

from .. import uapi
from ..objects import link
from . import stamp
from .host import FORWARDING
from .properties import LINK_PROPERTIES
from .stamp import LO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Optional

    from ..net import Net
    from ..nft.nat import NatTable
    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.qdisc import Shape
    from ..objects.route import Route
    from .faults import Fault
    from .host import Host
    from .stamp import Stamp

    States = list[Optional["NamespaceState"]]  # by `Host.number`; None if the host is to be created

WANTED = (
    "IFLA_IFNAME",
    "IFLA_LINK",
    "IFLA_MASTER",
    "IFLA_IFALIAS",
    "IFLA_GROUP",
    *(link.OPTIONS[row.attribute] for row in LINK_PROPERTIES if row.attribute in link.OPTIONS),
)


class NamespaceState:
    """A namespace: ``links`` by name, ``addresses``, ``shapes`` and ``vlans`` by index; ``stamp`` is that of ``lo``."""

    __slots__ = ("addresses", "faults", "firewall", "links", "nats", "relayed", "routes", "shapes", "stamp", "sysctls", "vlans")

    def __init__(self, links: Iterable[Link]) -> None:
        self.links: dict[str, Link] = {one.name: one for one in links}
        lo = next((one for one in self.links.values() if one.index == LO), None)
        self.stamp: Stamp | None = stamp.read(lo.alias) if lo is not None else None
        self.addresses: dict[int, list[Address]] = {}
        self.routes: list[Route] = []
        self.shapes: dict[int, Shape] = {}  # by index: those that are ours
        self.vlans: dict[int, dict[int, tuple[bool, bool]]] = {}  # of the ports of filtering bridges
        self.sysctls: dict[str, str] = {}
        self.nats: NatTable | None = None  # our table
        self.firewall: list[str] | None = []  # the rules of our table; None if it holds anything else
        self.faults: list[Fault] = []  # what keeps it from others, made at run time
        self.relayed: dict[int, Shape] = {}  # the shapes of links, by index, whose frames a relay carries; in `shapes` too

    def ours(self, lab: str) -> Iterator[Link]:
        """Yield the links that carry this lab's stamp."""
        number = stamp.group(lab)
        for one in self.links.values():
            mark = stamp.read(one.alias) if one.group == number else None
            if mark is not None and mark.lab == lab:
                yield one

    @property
    def next_index(self) -> int:
        """An index that no link has."""
        return 1 + max((one.index for one in self.links.values()), default=LO)

    def link_at(self, index: int | None) -> Link | None:
        """Return the link with an index, or None."""
        return next((one for one in self.links.values() if one.index == index), None)


def read(host: Host) -> NamespaceState:
    """Read a host's namespace: its links and addresses, and of the rest what its stamp names, or the description.

    Raises `KernelError`, `SyscallError` or `Interrupted`.
    """
    net = host.net
    state = NamespaceState(link.Link(reply.body) for reply in net.netlink.dump(link.brief(*WANTED)))
    wanted = {*host.features, *(state.stamp.features if state.stamp else ())}
    for one in net.addresses():
        state.addresses.setdefault(one.index, []).append(one)
    if "routes" in wanted:
        state.routes = [one for one in net.routes() if one.protocol == stamp.PROTOCOL]
    if "shape" in wanted:
        _shapes(net, state)
    if "firewall" in wanted:
        state.firewall = net.nft.firewall(firewall_table(host.lab.name))
    if "faults" in wanted:
        from . import faults

        state.faults = faults.read(net, host.lab.name)
    if "relay" in wanted:
        from . import relay_client

        indices = {one.name: one.index for one in state.links.values()}
        state.relayed = {indices[port]: shape for port, shape in relay_client.read(host).items() if port in indices}
        state.shapes.update(state.relayed)
    if "vlans" in wanted:
        from ..objects import vlan

        for reply in net.netlink.dump(vlan.dump()):
            found = {one.vid: (one.pvid, one.untagged) for one in vlan.read(reply.body)}
            state.vlans[reply.body["ifi_index"]] = found
    if wanted & {"nat", "forward"} or host.sysctls:
        if "nat" in wanted:
            state.nats = net.nft.nat(nat_table(host.lab.name))
        settings = settings_of(host, state)
        if settings:
            state.sysctls = host.settings(list(settings))
    return state


def nat_table(lab: str) -> str:
    """Return the name of a lab's nf_tables table, in each host that translates addresses."""
    return f"rawns_{lab}"


def firewall_table(lab: str) -> str:
    """Return the name of the table of a lab's firewall, in each host that has one."""
    return f"rawns_{lab}_firewall"


def settings_of(host: Host, state: NamespaceState | None) -> dict[str, str]:
    """Return the settings to write.  One that is no longer described keeps its value, but forwarding is switched off."""
    stopped = state is not None and state.stamp is not None and "forward" in state.stamp.features
    return {**(dict.fromkeys(FORWARDING, "0") if stopped else {}), **(host.sysctls or {})}


def _shapes(net: Net, state: NamespaceState) -> None:
    from ..objects import qdisc

    found: dict[int, list[qdisc.Qdisc]] = {}
    for reply in net.netlink.dump(qdisc.dump()):
        one = qdisc.Qdisc(reply.body)
        found.setdefault(one.index, []).append(one)
    for index, several in found.items():
        shape = qdisc.read(several)
        if shape is not None:
            state.shapes[index] = shape


def our_addresses(state: NamespaceState, index: int) -> list[Address]:
    """Return the addresses of a link that a lab gave it: those with our protocol number.

    Kernels before 5.18 keep no such number; there, all that are not of the kernel's own making count.
    """
    kept = any("IFA_PROTO" in one.body for found in state.addresses.values() for one in found)
    return [
        one
        for one in state.addresses.get(index, ())
        if (one.body.get("IFA_PROTO") == stamp.PROTOCOL if kept else one.scope == uapi.RT_SCOPE_UNIVERSE and _lasting(one))
    ]


def _lasting(one: Address) -> bool:
    return bool(one.flags & uapi.IFA_F_PERMANENT)
