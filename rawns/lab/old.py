"""A small network as data, then in the kernel in as few messages as it allows, then gone.

Floor 6.  ``netns`` and ``wire`` only write down; `Lab.up` makes::

    create each namespace           unshare, bind mount if it is named
    one datagram into each          its new cables (both ends born in place), lo up, its ports' addresses, up

A cable is made from the end that was declared first, so that when a namespace's turn comes all its ports are there.
Both indexes of a cable are chosen here, which saves asking for them.
"""

from __future__ import annotations

from errno import EBUSY, EEXIST

from ..errors import InvalidValue, KernelError, RawnsError
from ..names import check, prepare
from ..net import NetNS
from ..objects import address, link, prefix
from ..syscalls import Rollback, shielded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Request


class Port:
    """One end of a wire: an interface ``name`` of a ``host``, with its ``addresses``.  Made by `Host.port`."""

    __slots__ = ("addresses", "host", "index", "mac", "mtu", "name", "wired")

    def __init__(self, host: Host, name: str, addresses: tuple[str, ...], mac: str | None, mtu: int | None) -> None:
        self.host, self.name, self.mac, self.mtu = host, link.check_name(name), mac, mtu
        self.addresses = [prefix.parse(text) for text in addresses]
        self.index, self.wired = 0, False
        if mtu is not None and not (isinstance(mtu, int) and 0 < mtu < 1 << 32):
            raise InvalidValue(f"{mtu!r} is no MTU: it is a number of bytes")
        if mac is not None and link.check_address(mac) != 6:
            raise InvalidValue(f"{mac!r} is no MAC address: it has six bytes")

    @property
    def options(self) -> dict[str, Any]:
        """What both ends of a cable can be born with."""
        return {"index": self.index, "address": self.mac, "mtu": self.mtu}

    def __repr__(self) -> str:
        return f"<Port {self.name} of {self.host.label}>"


class Host(NetNS):
    """A namespace of a lab: until `Lab.up` a plan, from then on a `NetNS` like any other."""

    def __init__(self, lab: Lab, name: str | None, label: str) -> None:
        super().__init__(-1, name, made=True)
        self.lab, self.label = lab, label
        self.ports: list[Port] = []

    def port(self, name: str | None = None, *addresses: str, mac: str | None = None, mtu: int | None = None) -> Port:
        """Plan an interface, by default ``eth0``, ``eth1`` ..., with addresses (``'10.0.0.1/24'``); mtu in bytes.

        Raises `InvalidValue` where the name or an address could never be right, or is used twice.
        """
        self.lab.changeable()
        port = Port(self, f"eth{len(self.ports)}" if name is None else name, addresses, mac, mtu)
        if port.name in [other.name for other in self.ports] + ["lo"]:
            raise InvalidValue(f"{self.label} has two interfaces called {port.name}")
        self.ports.append(port)
        return port


class Lab:
    """Namespaces and the wires between them.  As a context manager it is taken down at the end of the block.

    ``name`` is for messages.  Equivalent to a script of ``ip netns add``, ``ip link add ... type veth``,
    ``ip addr add`` and ``ip link set ... up``, and another that takes it all away.
    """

    _first_index = 2  # the first free index of a new namespace, after lo; more where modules put tunnels into it

    def __init__(self, name: str = "lab") -> None:
        self.name = name
        self._hosts: list[Host] = []
        self._wires: list[tuple[Port, Port]] = []
        self._up = False

    def netns(self, name: str | None = None) -> Host:
        """Plan a namespace; without a name it is held by its descriptor and nothing stands under /run/netns.

        Raises `InvalidValue` where the name cannot be one, or is used twice.
        """
        self.changeable()
        if name is not None and check(name) in [host.name for host in self._hosts]:
            raise InvalidValue(f"two namespaces are called {name}")
        host = Host(self, name, name or f"namespace {len(self._hosts) + 1}")
        self._hosts.append(host)
        return host

    def wire(self, one: Port, other: Port) -> None:
        """Plan a cable (a veth pair) between two ports.  Raises `InvalidValue` where one already has a cable."""
        self.changeable()
        for port in (one, other):
            if port.wired or one is other:
                raise InvalidValue(f"{port.name} of {port.host.label} has a cable already")
            if port.host not in self._hosts:
                raise InvalidValue(f"{port.name} belongs to {port.host.label}, which is not in this lab")
        one.wired = other.wired = True
        self._wires.append((one, other))

    def changeable(self) -> None:
        """Raises `RawnsError` where it is up: what it is made of can be said before."""
        if self._up:
            raise RawnsError(f"{self.name} is up; what it is made of can be said before")

    # -- up and down ------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Make all of it, or raise and leave nothing.

        Raises `InvalidValue` for a port without a cable, FileExistsError (`SyscallError`) where a name is taken,
        `SyscallError` or `KernelError` where the kernel refuses, naming the port and the namespace.
        """
        self.changeable()
        loose = [port for host in self._hosts for port in host.ports if not port.wired]
        if loose:
            raise InvalidValue(f"{loose[0].name} of {loose[0].host.label} has no cable")
        try:
            self._build()
        except KernelError as error:
            # An index that is taken is EEXIST at the near end, EBUSY at the far one.
            if error.request != "RTM_NEWLINK" or error.errno not in (EBUSY, EEXIST) or not self._learn_first_index():
                raise
            self._build()
        self._up = True

    def _build(self) -> None:
        order = {id(host): number for number, host in enumerate(self._hosts)}
        plan = self._plan(order)
        with Rollback() as undo:
            if any(host.name is not None for host in self._hosts):
                prepare(undo)
            for host in self._hosts:
                host.make(undo, inside=host.connect)
            for host in self._hosts:
                host.net.do(*[_in(host, request) for make in plan[order[id(host)]] for request in make()])

    def _plan(self, order: dict[int, int]) -> list[list[Any]]:
        """For each host what to ask for in its datagram, as functions: descriptors are not there yet."""
        free = [self._first_index] * len(self._hosts)
        plan: list[list[Any]] = [[] for _ in self._hosts]
        ends = []
        for one, other in self._wires:
            first, second = sorted((one, other), key=lambda port: order[id(port.host)])
            for port in (first, second):
                port.index = free[order[id(port.host)]]
                free[order[id(port.host)]] += 1
            plan[order[id(first.host)]].append(lambda near=first, far=second: [_cable(near, far)])
            ends += [(first, True), (second, False)]
        for steps in plan:
            steps.append(lambda: [link.change(1, up=True)])  # lo has index 1 everywhere
        for port, born_up in ends:
            plan[order[id(port.host)]].append(lambda port=port, up=born_up: _raise(port, up))
        return plan

    @staticmethod
    def _learn_first_index() -> bool:
        """Ask a new namespace what it holds; whether that is more than we thought."""
        known = Lab._first_index
        with NetNS.create() as fresh:
            Lab._first_index = 1 + max(link.index for link in fresh.net.links())
        return Lab._first_index > known

    def down(self) -> None:
        """Take all of it away, in reverse; does nothing where it is not up.

        What fails is tried once more, and the rest is taken away all the same; then the first error is raised.  What a
        signal handler raises has to wait until then, too.
        """
        with shielded():
            failure = self._take_away()
            self._up = any(host.fd >= 0 for host in self._hosts)
        if failure is not None:
            raise failure

    def _take_away(self) -> RawnsError | None:
        failure: RawnsError | None = None
        for host in [host for host in reversed(self._hosts) if host.fd >= 0] * 2:
            try:
                if host.fd >= 0:
                    host.unmake()
            except FileNotFoundError:
                host.close()  # somebody has taken the name away: that was the aim
            except RawnsError as error:
                failure = failure or error
        return failure

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exc: object) -> None:
        self.down()

    def __repr__(self) -> str:
        state = "up" if self._up else "planned"
        return f"<Lab {self.name} ({state}): {len(self._hosts)} namespaces, {len(self._wires)} wires>"


def _cable(near: Port, far: Port) -> Request:
    """Both ends where they will live; the near one up, the far one cannot be yet (ENOTCONN)."""
    far_options = {**far.options, "netns_fd": far.host.fd}
    return link.veth(near.name, far.name, far_options, up=True, **near.options)


def _raise(port: Port, born_up: bool) -> list[Request]:
    """Up, with its addresses; an IPv6 address is usable at once, for nobody else is on this wire."""
    up = [] if born_up else [link.change(port.index, up=True)]
    return up + [address.new(port.index, one, nodad=True) for one in port.addresses]


def _in(host: Host, request: Request) -> Request:
    request.context = f"{request.context} in {host.label}"
    return request
