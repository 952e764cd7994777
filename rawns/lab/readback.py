"""A lab read back from the kernel: the description that its namespaces, links, addresses and routes amount to.

It is for a lab whose file is not at hand.  What the kernel does not store (commands, the order of hosts) is not
in it.
"""

from __future__ import annotations

from _socket import AF_INET6

from ..errors import InvalidValue
from ..net import NetNS
from ..netns_names import ETC_DIR
from . import etc_files, kinds, stamped_names
from .diff import IP6_METRIC
from .host import FORWARDING
from .interface import DEFAULT_VLANS
from .kernel_state import our_addresses, read
from .kinds.bridge import Bridge
from .kinds.veth import Port
from .lab import Lab
from .properties import LINK_PROPERTIES, SHAPE_KEYS
from .segments import Segments
from .topology import Topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from ..objects.link import Link
    from ..objects.qdisc import Shape
    from .host import Host
    from .interface import Interface
    from .kernel_state import NamespaceState

    Found = tuple[Host, NamespaceState]
    Made = TypeVar("Made", bound=Interface)


def live(name: str) -> Lab:
    """Return the lab called ``name`` as it is.  Raises `InvalidValue` if there is none."""
    lab = Lab(name, standing=True)
    states: list[Found] = []
    for stamped in stamped_names.Survey().of(name):
        if not stamped.stale:
            one = stamped.name
            label = stamped.stamp.host or (one[len(name) + 1 :] if one.startswith(f"{name}.") else one)
            host = lab.netns(one, _free(label, {each.label for each in lab.hosts}))
            host.use_existing(NetNS.open(one))
            states.append((host, read(host)))
            host.release()
    root = Topology(name).root
    if any(read(root).ours(name)):
        states.insert(0, (lab.root, read(lab.root)))
    root.forget()
    if not states:
        raise InvalidValue(f"there is no lab called {name} on this machine; `rawns lab list` names those there are")
    LabReader(lab, states).read()
    return lab


def _free(label: str, taken: set[str]) -> str:
    """Return a label that no other host has: stamps can be written by others, and may name one twice."""
    found, count = label, 1
    while found in taken:
        count += 1
        found = f"{label}-{count}"
    return found


class LabReader:
    """Fills a lab from the states of its hosts."""

    def __init__(self, lab: Lab, states: list[Found]) -> None:
        self._lab, self._states = lab, states
        self._hosts = {host.label: host for host, _ in states}
        self._ends: dict[str, list[Port]] = {}  # of wires, by alias
        self._read: dict[tuple[int, str], Interface] = {}  # by host number and name

    def read(self) -> None:
        """Fill the lab."""
        links = [(host, state, link) for host, state in self._states for link in state.ours(self._lab.name)]
        for host, state, link in links:
            kind = Bridge if link.kind == Bridge.kind else kinds.by_kind(link.kind)
            if kind is not None and (kind.switches or kind.routes):
                self.add(host, state, link, kind)
        for host, state, link in links:
            if link.kind == Port.kind:
                port = self.add(host, state, link, Port)
                self._ends.setdefault(link.alias or "", []).append(port)
        waiting = [(host, state, link) for host, state, link in links if (host.number, link.name) not in self._read]
        while waiting:
            left = [one for one in waiting if not self._link(*one, last=False)]
            if len(left) == len(waiting):  # what they stand on is not there: it is named all the same
                for one in left:
                    self._link(*one, last=True)
                break
            waiting = left
        for host, state in self._states:
            _routes(host, state)
            _files(host)
        for pair in self._ends.values():
            if len(pair) == 2:
                self._lab.wire(pair[0], pair[1])
        for ends in Segments(self._lab, working=True, spanning_tree=True).loops:  # they exist, so they were allowed
            for end in ends:
                if isinstance(end, Port):
                    end.loop = True
        self._lab.drop_unwired()

    def add(self, host: Host, state: NamespaceState, link: Link, kind: type[Made], **below: Interface | Host | None) -> Made:
        """Add an interface for a link, and return it; ``below`` is its ``parent`` or ``underlay``."""
        options: dict[str, Any] = {"master": self._master(host, state, link), **below}
        parent = options.get("parent")
        for row in LINK_PROPERTIES:
            value = row.kernel_value(link)
            usual = kind.usual_values.get(row.name, row.usual)
            usual = kind.kernel_mtu(parent) if row.name == "mtu" else usual
            options[row.name] = value if value != usual and usual is not None else None
        for own in kind.properties:
            if own.readable(link.data):
                value = own.kernel_value(link.data)
                options[own.name] = value if value != own.usual or own.explicit else None
        master = options["master"]
        carried = state.vlans.get(link.index, DEFAULT_VLANS)
        if master is not None and master.vlan_filtering and carried != DEFAULT_VLANS:
            options["vlans"] = carried
        shape = state.shapes.get(link.index)
        if shape is not None:
            options["shape"] = shape_words(shape)
        addresses = [str(one) for one in our_addresses(state, link.index)]
        made = host.add(kind(host, link.name, addresses, **options))
        self._read[host.number, link.name] = made
        return made

    def _master(self, host: Host, state: NamespaceState, link: Link) -> Interface | None:
        master = state.link_at(link.master) if link.master else None
        return self._read.get((host.number, master.name)) if master is not None else None

    def _link(self, host: Host, state: NamespaceState, link: Link, last: bool) -> bool:
        """Add a link of a kind that has a table of its own; return whether its parent has been read.

        ``last`` says that it will not be read: then an interface of this name in the root namespace takes its place.
        """
        kind = kinds.by_kind(link.kind)
        if kind is None:
            return True
        label, colon, name = (link.alias or "").rpartition(" ")[2].rpartition(":")
        if kind.tunnel and colon:
            self.add(host, state, link, kind, underlay=self._lab.root if label == "root" else self._hosts.get(label))
            return True
        if not kind.stacked:
            self.add(host, state, link, kind)
            return True
        there = self._hosts.get(label)
        parent = self._read.get((there.number, name)) if there is not None else None
        if not colon:  # the alias has a hash of the words
            below = state.link_at(link.peer)
            parent = self._read.get((host.number, below.name)) if below is not None else None
        if parent is None and (label == "root" or last):
            parent = self._lab.existing(name or "unknown")
        if parent is not None:
            self.add(host, state, link, kind, parent=parent)
        return parent is not None


def shape_words(shape: Shape) -> dict[str, Any]:
    """Return a shape in the words and units of a file, as few as give the same shape."""
    from ..objects.qdisc import Shape

    words = str(shape).split()
    entry: dict[str, Any] = dict(zip(words[::2], words[1::2]))
    if "limit" in entry:
        entry["limit"] = int(entry["limit"])
    if Shape(**entry) != shape:  # more digits than these words have
        entry = {key.name: getattr(shape, key.name) for key in SHAPE_KEYS if key.name in shape.named}
    for word in ("burst", "latency"):
        fewer = {key: value for key, value in entry.items() if key != word}
        if fewer and word in entry and Shape(**fewer) == shape:
            entry = fewer
    return entry


def _files(host: Host) -> None:
    folder = f"{ETC_DIR}/{host.name}"
    texts = {file: etc_files.read(f"{folder}/{file}") or "" for file in etc_files.listed(folder, host.lab.name)}
    host.files = {file: text.partition("\n")[2] for file, text in texts.items()} or None


def _routes(host: Host, state: NamespaceState) -> None:
    for route in state.routes:
        dev = state.link_at(route.index)
        plain = route.gateway and not route.gateway.startswith("fe80:")  # the gateway determines the interface
        metric = None if route.metric == IP6_METRIC and route.family == AF_INET6 else route.metric or None
        to = "::/0" if str(route) == "default" and route.family == AF_INET6 else str(route)
        host.route(to, route.gateway, dev.name if dev is not None and not plain else None, metric)
    host.firewall = state.firewall or ()
    host.nats = (state.nats.nats if state.nats is not None else None) or ()
    if state.stamp is not None and "forward" in state.stamp.features:
        forwards = {key: value for key, value in host.settings(FORWARDING).items() if value != "0"}
        if forwards:
            host.sysctl(dict(forwards))
        host.release()
