"""What a lab is made of: its name, its hosts and the wires between them.  `Lab` adds the verbs."""

from __future__ import annotations

import os

from .. import netns_names
from ..errors import InvalidValue
from ..terminal import short_repr
from . import stamp
from .host import Host, RootHost
from .interface import BaseLab, Existing, Interface
from .kinds.veth import Port
from .words import RESERVED_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .interface import Address, BaseHost
    from .kinds.bridge import Bridge, BridgeOptions
    from .machine import Machine

MAX_ALTNAME = 127  # bytes: ALTIFNAMSIZ, less the NUL


class Topology(BaseLab):
    """The description of a lab: ``hosts`` and ``wires``, in the order in which they are created."""

    __slots__ = (
        "_bridge_hosts",
        "_hosts",
        "_labels",
        "_named_wires",
        "_names",
        "_renumber",
        "_root",
        "machines",
        "outlives_process",
        "wires",
    )

    outlives_process: bool  # `rawns lab run` says False: its labs end with it, though they have standing names
    machines: dict[str, Machine]  # by name, of a lab that spans several; each of its hosts names one
    wires: list[tuple[Port, Port]]
    _hosts: list[Host]
    _root: RootHost | None
    _labels: set[str]
    _names: set[str]  # under /run/netns
    _renumber: bool  # whether a host was inserted before others since their numbers were given
    _bridge_hosts: int  # namespaces created for a bridge alone come first
    _named_wires: int  # wires whose ports have their names already
    first_index = 2  # the first free index of a new namespace, after lo; more if modules put tunnels into it

    def __init__(self, name: str = "lab", standing: bool = False) -> None:
        self._init(name=stamp.check_lab_name(name), standing=standing, group=stamp.group(name), wires=[], machines={})
        self._init(outlives_process=standing, _hosts=[], _labels=set(), _names=set(), _root=None)
        self._init(_renumber=False, _bridge_hosts=0, _named_wires=0)

    @property
    def hosts(self) -> list[Host]:
        """The hosts, in the order in which they are created; each knows its index as its ``number``."""
        if self._renumber:
            self._renumber = False
            for number, host in enumerate(self._hosts):
                host.number = number
        return self._hosts

    @property
    def size(self) -> int:
        """The number of hosts."""
        return len(self._hosts)

    @property
    def root(self) -> RootHost:
        """The namespace that the lab is built from, as a host: ``lab.bridge("br0", host=lab.root)``."""
        if self._root is None:
            self._root = RootHost(self, None, "root")
            self._hosts.insert(0, self._root)
            self._renumber = True
        return self._root

    def existing(self, name: str) -> Interface:
        """Return the interface of the root namespace with this name: the lab's own, or one that exists already."""
        root = self.root
        found = next((one for one in root.interfaces if one.name == name), None)
        return root.add(Existing(root, name)) if found is None else found

    def netns(self, name: str | None = None, label: str | None = None) -> Host:
        """Plan a namespace; without a name it is held by its descriptor and has no name under /run/netns.

        ``label`` is its name in messages and stamps.  Raises `InvalidValue` if the name cannot be one, or is used twice.
        """
        host = self._host(name, label)
        host.number = len(self._hosts)
        self._hosts.append(host)
        return host

    def bridge(self, name: str, *addresses: Address, host: Host | None = None, **options: Unpack[BridgeOptions]) -> Bridge:
        """Plan a bridge, in a namespace of its own unless ``host`` is given.

        ``options`` are stp, vlan_filtering, ageing (seconds), mac, mtu, up.  Raises `InvalidValue`.
        """
        if host is None:
            host = self._host(f"{self.name}.{name}" if self.standing else None, name)
            self._hosts.insert(self._bridge_hosts + (self._root is not None), host)
            self._renumber = True
            self._bridge_hosts += 1
        return host.bridge(name, *addresses, **options)

    def _host(self, name: str | None, label: str | None) -> Host:
        if name is not None and netns_names.check(name) in self._names:
            raise InvalidValue(f"two namespaces are called {name}")
        label = label or name or f"namespace {len(self._hosts) + 1}"
        if label in self._labels:
            raise InvalidValue(f"two hosts are called {label}")
        self._labels.add(label)
        self._names.update(() if name is None else (name,))
        return Host(self, name, label)

    def wire(self, one: Port, other: Port, loop: bool = False) -> None:
        """Plan a wire (a veth pair) between two ports.  Raises `InvalidValue` if one of them is wired already.

        ``loop`` allows it to close a loop of bridges that do not speak the spanning tree protocol, in which frames circulate.
        """
        for port in (one, other):
            if not isinstance(port, Port):
                raise InvalidValue(f"a wire connects two ports (`Host.port`), not {short_repr(port)}")
            if port.peer is not None or one is other:
                raise InvalidValue(f"{port} has a wire already")
            if port.host.lab is not self:
                raise InvalidValue(f"{port} is not in this lab")
        one.peer, other.peer = other, one
        if loop:
            one.loop = other.loop = loop
        self.wires.append((one, other))

    def name_ports(self) -> None:
        """Name the bridge ports that were given no name: after the host that they lead to, or by a number."""
        taken: dict[BaseHost, set[str]] = {}  # by host, not by number: hosts that were inserted later have changed it
        for pair in self.wires[self._named_wires :]:
            for port, other in (pair, pair[::-1]):
                if port.name is None:
                    used = taken.get(port.host)
                    if used is None:
                        used = {*RESERVED_NAMES, *(one.name for one in port.host.interfaces if one.name)}
                        taken[port.host] = used
                    port.name, port.altname = self.port_name(port, other, used)
                    used.add(port.name)
        self._named_wires = len(self.wires)

    def port_name(self, port: Port, other: Port, used: set[str]) -> tuple[str, str | None]:
        """Return the name of a bridge port that was given none, and its alternative name if the whole one is too long.

        It is that of the host at the other end; in the root namespace, which others use too, after that of the lab.
        """
        if other.host.name is None and not self.standing:
            base = f"p{len(used) - len(RESERVED_NAMES)}"
        else:
            base = "".join(c if c.isalnum() or c in "-_." else "-" for c in other.host.label)
        if port.host.root:
            base = f"{self.name}-{base}"
        name, count = base, 1
        while name in used:
            count += 1
            name = f"{base}-{count}"
        short = stamp.short(name, used)
        return short, name if short != name and len(os.fsencode(name)) <= MAX_ALTNAME else None

    def drop_unwired(self) -> None:
        """Forget the ports without a wire: a lab that is read back may have lost one end of some."""
        for host in self.hosts:
            host.interfaces = [one for one in host.interfaces if not isinstance(one, Port) or one.peer is not None]

    @property
    def owner_token(self) -> str:
        """The token of this process in the lab's stamps; empty if it holds no lock."""
        return ""
