"""The nouns of a lab: hosts, the interfaces in them, the wires between; what a description says, before and beside the kernel.

Floor 6.  Nothing here talks to the kernel.  What could never be right by itself (a name, an address, a number) is refused
where it is said; what is wrong only beside the rest (an address outside its wire's prefix) is found by `faults`.  Each
noun knows ``where`` it was said (``wires[3].ends[0]``), for the error that it may come to.
"""

from __future__ import annotations

from _socket import AF_INET6

from .. import sysctl
from ..errors import InvalidValue, KernelError, RawnsError, SyscallError
from ..net import NetNS
from ..netns import adopt, unshare
from ..objects import link, prefix
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar, Union

    from ..events import Monitor
    from ..net import Net
    from ..nft.nat import Forward, Nat
    from ..objects.link import Link
    from ..objects.prefix import Prefix
    from ..syscalls import Rollback
    from ..sysctl import Value
    from .lab import Lab

    Text = Union[str, Prefix]  # an address, as text or read already
    Made = TypeVar("Made", bound="Interface")
    Answer = TypeVar("Answer")

RESERVED = ("lo", "all", "default")  # the last two by /proc/sys/net/ipv4/conf, where they are other than interfaces
LONGEST_MTU = 0x7FFFFFFF
FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")


class Interface:
    """One interface of a host.  ``kind`` is the kernel's word for it, ``data`` its own attributes by their C names.

    ``name`` may be None until the lab is built (the port of a bridge is called after the host it leads to); ``master`` is
    the `Bridge` it is a port of.  ``mtu`` is in bytes; None leaves a value to the kernel.  ``shape`` are the keywords of
    `objects.qdisc.shape`, ``vlans`` those of the VLANs that a port of a filtering bridge carries: id to (pvid, untagged).
    """

    __slots__ = ("addresses", "altname", "host", "index", "mac", "master", "mtu", "name", "shape", "up", "vlans", "where")

    kind = ""

    def __init__(
        self,
        host: Host,
        name: str | None,
        addresses: Sequence[Text] = (),
        *,
        mac: str | None = None,
        mtu: int | None = None,
        up: bool = True,
        master: Bridge | None = None,
        shape: dict[str, Any] | None = None,
        vlans: dict[int, tuple[bool, bool]] | None = None,
    ) -> None:
        self.host, self.mac, self.mtu, self.up, self.master = host, mac, mtu, up, master
        self.name = name if name is None else link.check_name(name)
        self.addresses: Sequence[Prefix] = tuple([prefix.parse(text) for text in addresses])
        self.shape, self.vlans = shape, vlans
        self.index, self.where = 0, ""
        self.altname: str | None = None  # the whole name, where that is too long for the kernel
        if mtu is not None and not (isinstance(mtu, int) and 0 < mtu <= LONGEST_MTU):
            raise InvalidValue(f"{mtu!r} is no MTU: it is a number of bytes")
        if mac is not None and link.check_address(mac) != 6:
            raise InvalidValue(f"{mac!r} is no MAC address: it has six bytes")
        if vlans and master is None:
            raise InvalidValue("VLANs are for the ports of a bridge")

    def __setattr__(self, name: str, value: object) -> None:
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            raise unknown_attribute(self, name) from None

    @property
    def given(self) -> Sequence[Prefix]:
        """The addresses that it can have: while it is down the kernel leaves it none of IPv6."""
        return self.addresses if self.up else [one for one in self.addresses if one.family != AF_INET6]

    @property
    def data(self) -> dict[str, Any]:
        """The attributes of its kind that it is born with, and that may be changed later."""
        return {}

    def __str__(self) -> str:
        """What a sentence calls it: ``eth0 of web``."""
        return f"{self.name or 'a port'} of {self.host.label}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Port(Interface):
    """One end of a wire (a veth pair).  Made by `Host.port` and `Bridge.port`; ``peer`` is the other end once it is wired."""

    __slots__ = ("peer",)

    kind = "veth"

    def __init__(self, host: Host, name: str | None, addresses: Sequence[Text] = (), **options: Any) -> None:
        super().__init__(host, name, addresses, **options)
        self.peer: Port | None = None


class Bridge(Interface):
    """A switch, and the host it stands in.  ``stp`` and ``vlan_filtering`` are off or on, ``ageing`` is in seconds."""

    __slots__ = ("_ageing", "_filtering", "_stp")

    kind = "bridge"

    def __init__(
        self,
        host: Host,
        name: str,
        addresses: Sequence[Text] = (),
        *,
        stp: bool = False,
        vlan_filtering: bool = False,
        ageing: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(host, name, addresses, **options)
        self._stp, self._filtering, self._ageing = stp, vlan_filtering, ageing
        if ageing is not None and not (isinstance(ageing, (int, float)) and 0 <= ageing <= 1_000_000):
            raise InvalidValue(f"{ageing!r} is no time to remember addresses for: it is a number of seconds")

    @property
    def stp(self) -> bool:
        """Whether it speaks the spanning tree protocol: a new port then waits for 30 seconds before it forwards."""
        return self._stp

    @property
    def vlan_filtering(self) -> bool:
        """Whether its ports' VLANs keep traffic apart."""
        return self._filtering

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"IFLA_BR_STP_STATE": int(self._stp), "IFLA_BR_VLAN_FILTERING": int(self._filtering)}
        if self._ageing is not None:
            data["IFLA_BR_AGEING_TIME"] = round(self._ageing * 100)  # in USER_HZ, which is 100 wherever it matters
        return data

    def port(self, name: str | None = None, **options: Any) -> Port:
        """Plan a port of this bridge, to be wired; without a name it is called after the host that it leads to.

        ``options`` are those of `Host.port` and ``vlans``: a list of ids, the first of them for untagged frames.
        """
        vlans = options.pop("vlans", None)
        return self.host.port(name, master=self, vlans=vlan_map(vlans) if vlans is not None else None, **options)


class Macvlan(Interface):
    """An interface with a MAC address of its own on top of another (``parent``), which may stand in another host."""

    __slots__ = ("mode", "parent")

    kind = "macvlan"
    MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}  # MACVLAN_MODE_*, <linux/if_link.h>

    def __init__(self, host: Host, name: str, parent: Interface, mode: str = "bridge", *addresses: Text, **options: Any) -> None:
        super().__init__(host, name, addresses, **options)
        if mode not in self.MODES:
            raise InvalidValue(f"{mode!r} is no mode of a macvlan: it is one of {', '.join(self.MODES)}")
        self.parent, self.mode = parent, mode

    @property
    def data(self) -> dict[str, Any]:
        return {"IFLA_MACVLAN_MODE": self.MODES[self.mode]}


class Existing(Interface):
    """An interface of the root namespace that the lab uses and does not make: what a macvlan or an uplink stands on."""

    __slots__ = ()


class Tap(Interface):
    """A tap device: frames to and from a program (a virtual machine) that opens it.  ``owner`` is the uid that may."""

    __slots__ = ("owner",)

    kind = "tun"

    def __init__(self, host: Host, name: str, *addresses: Text, owner: int | None = None, **options: Any) -> None:
        super().__init__(host, name, addresses, **options)
        self.owner = owner


class Vxlan(Interface):
    """A tunnel for Ethernet over UDP between two machines: ``vni`` is its number, ``local`` and ``remote`` addresses."""

    __slots__ = ("local", "port", "remote", "vni")

    kind = "vxlan"

    def __init__(
        self,
        host: Host,
        name: str,
        vni: int,
        remote: str,
        *addresses: Text,
        local: str | None = None,
        port: int = 4789,
        **options: Any,
    ) -> None:
        super().__init__(host, name, addresses, **options)
        if not (isinstance(vni, int) and 0 < vni < 1 << 24):
            raise InvalidValue(f"{vni!r} is no VXLAN network identifier: it is a number from 1 to 16777215")
        if not (isinstance(port, int) and 0 < port < 1 << 16):
            raise InvalidValue(f"{port!r} is no UDP port")
        self.vni, self.port = vni, port
        self.remote = prefix.address(remote)
        self.local = None if local is None else prefix.address(local, self.remote.family)

    @property
    def data(self) -> dict[str, Any]:
        six = "6" if self.remote.family != 2 else ""
        data: dict[str, Any] = {"IFLA_VXLAN_ID": self.vni, f"IFLA_VXLAN_GROUP{six}": self.remote.address}
        if self.local is not None:
            data[f"IFLA_VXLAN_LOCAL{six}"] = self.local.address
        return {**data, "IFLA_VXLAN_PORT": self.port}


class Route:
    """Where a host sends what: ``to`` a prefix or ``default``, ``via`` a gateway, out of ``dev`` (a name of its own)."""

    __slots__ = ("dev", "metric", "to", "via", "where")

    def __init__(self, to: str, via: str | None = None, dev: str | None = None, metric: int | None = None) -> None:
        gateway = prefix.address(via) if via is not None else None
        self.to = prefix.destination(to, gateway.family if gateway else 0)
        self.via = gateway.address if gateway else None
        self.dev, self.metric, self.where = dev, metric, ""
        if gateway is not None and gateway.family != self.to.family:
            raise InvalidValue(f"{to} and its gateway {via} are of two families")
        if via is None and dev is None:
            raise InvalidValue(f"a route to {to} goes via a gateway or out of a device")

    def __str__(self) -> str:
        words = ["default" if not self.to.length else str(self.to)]
        words += ["via", self.via] if self.via else []
        words += ["dev", self.dev] if self.dev else []
        return " ".join(words + (["metric", str(self.metric)] if self.metric is not None else []))


class Host:
    """A host of a lab: its description and, once the lab is up, its network namespace.

    ``label`` is the host's name in the description, ``name`` its name under /run/netns (None: the namespace is held by a
    descriptor alone).  ``net``, ``run``, ``call``, ``popen``, ``socket``, ``entered``, ``setting``, ``settings`` and ``monitor``
    are those of the `NetNS` in ``namespace``; they raise `RawnsError` while the lab is not up.
    """

    __slots__ = (
        "_identity",
        "_namespace",
        "commands",
        "files",
        "interfaces",
        "lab",
        "label",
        "name",
        "nats",
        "number",
        "routes",
        "sysctls",
        "where",
    )

    root = False  # whether it is the namespace that the lab is built from, which is never created and never deleted

    def __init__(self, lab: Lab, name: str | None, label: str) -> None:
        self.lab, self.name, self.label, self.where = lab, name, label, ""
        self._namespace: NetNS | None = None
        self._identity: tuple[int, int] | None = None  # known from creation on, also while no descriptor is open
        self.number = 0  # its index in `Lab.hosts`; hosts are created in this order
        self.interfaces: list[Interface] = []
        self.routes: Sequence[Route] = ()
        self.sysctls: dict[str, str] | None = None
        self.nats: Sequence[Any] = ()
        self.files: dict[str, str] | None = None  # content by file name, for /etc
        self.commands: Sequence[Any] = ()

    def __setattr__(self, name: str, value: object) -> None:
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            raise unknown_attribute(self, name) from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}{'' if self.there else ' (planned)'}>"

    # -- interfaces -------------------------------------------------------------------------------------------------

    def port(self, name: str | None = None, *addresses: Text, master: Bridge | None = None, **options: Any) -> Port:
        """Plan an interface, by default ``eth0``, ``eth1`` ..., with addresses (``'10.0.0.1/24'``), to be wired.

        ``options`` are mac, mtu (bytes), up, and shape: what `objects.qdisc.shape` takes (``{"rate": 10_000_000}``).
        Raises `InvalidValue` where the name or an address could never be right, or is used twice.
        """
        if name is None and master is None:
            name = self.free_name()
        return self._added(Port(self, name, addresses, master=master, **options))

    def free_name(self) -> str:
        """``eth0``, ``eth1`` ...: the next that no interface of this host has."""
        number, taken = sum(one.master is None for one in self.interfaces), {one.name for one in self.interfaces}
        while f"eth{number}" in taken:
            number += 1
        return f"eth{number}"

    def bridge(self, name: str, *addresses: Text, **options: Any) -> Bridge:
        """Plan a bridge in this host.  ``options`` are stp, vlan_filtering, ageing (seconds), mac, mtu, up."""
        return self._added(Bridge(self, name, addresses, **options))

    def macvlan(self, name: str, parent: Interface | str, *addresses: Text, mode: str = "bridge", **options: Any) -> Macvlan:
        """Plan a macvlan on an interface of this host or another's; by name, on one of the root namespace's."""
        if isinstance(parent, str):
            parent = Existing(self.lab.root, parent)
        return self._added(Macvlan(self, name, parent, mode, *addresses, **options))

    def tap(self, name: str, *addresses: Text, **options: Any) -> Tap:
        """Plan a tap device.  ``options`` are owner (uid), master, mac, mtu, up."""
        return self._added(Tap(self, name, *addresses, **options))

    def vxlan(self, name: str, vni: int, remote: str, *addresses: Text, **options: Any) -> Vxlan:
        """Plan a tunnel to another machine's lab.  ``options`` are local, port (4789), master, mac, mtu, up."""
        return self._added(Vxlan(self, name, vni, remote, *addresses, **options))

    def _added(self, interface: Made) -> Made:
        name = interface.name
        if name in RESERVED and not isinstance(interface, Existing):
            raise InvalidValue(f"no interface of {self.label} can be called {name}: that is taken in every namespace")
        if name is not None and any(name == other.name for other in self.interfaces):
            raise InvalidValue(f"{self.label} has two interfaces called {name}")
        self.interfaces.append(interface)
        return interface

    # -- the rest ---------------------------------------------------------------------------------------------------

    def route(self, to: str, via: str | None = None, dev: str | None = None, metric: int | None = None) -> Route:
        """Plan a route: ``ip route add TO [via VIA] [dev DEV] [metric METRIC]``.  Raises `InvalidValue`."""
        route = Route(to, via, dev, metric)
        self.routes = [*self.routes, route]
        return route

    def sysctl(self, values: dict[str, object]) -> None:
        """Plan settings under /proc/sys that belong to its namespace: ``{"net.ipv4.ip_forward": 1}``."""
        self.sysctls = {**(self.sysctls or {}), **{key: str(value) for key, value in values.items()}}

    def forward(self, on: bool = True) -> None:
        """Plan whether it forwards packets, of both families."""
        self.sysctl(dict.fromkeys(FORWARDING, int(on)))

    def nat(self, out: str, *sources: str, forwards: Sequence[Forward] = ()) -> Nat:
        """Plan that what leaves through ``out`` gets the address of that interface, where it comes from ``sources``.

        ``sources`` are prefixes (none: all of IPv4), ``forwards`` are ports forwarded in (`objects.nat.Forward`).  Raises
        `InvalidValue`.
        """
        from ..nft.nat import ALL_IPV4, Nat

        nat = Nat(out, sources or (ALL_IPV4,), forwards)
        if any(nat.out == other.out for other in self.nats):
            raise InvalidValue(f"{out} of {self.label} is said twice to be the way out")
        self.nats = [*self.nats, nat]
        return nat

    @property
    def extras(self) -> bool:
        """Whether there is more to it than what rtnetlink says (`extras`)."""
        return bool(self.sysctls or self.nats or self.files)

    @property
    def features(self) -> frozenset[str]:
        """What its stamp names: what else there is to read back (`stamp`)."""
        found = [word for word, there in (("routes", self.routes), ("nat", self.nats), ("files", self.files)) if there]
        if self.sysctls and any(self.sysctls.get(key, "0") != "0" for key in FORWARDING):
            found.append("forward")
        for one in self.interfaces:
            if one.shape:
                found.append("shape")
            if one.vlans:
                found.append("vlans")
        return frozenset(found)

    def settle_in(self) -> None:
        """What there is to do at once, by the thread that is inside when it has just been made."""
        self.namespace.connect()
        if any(prefix.family == AF_INET6 for one in self.interfaces for prefix in one.addresses):
            try:  # a link-local address that is still checked for duplicates would keep a router from its neighbours
                sysctl.write("net.ipv6.conf.default.accept_dad", 0)
            except SyscallError:
                pass  # /proc/sys is read-only here: it takes a second longer, then

    # -- its namespace ----------------------------------------------------------------------------------------------

    @property
    def there(self) -> bool:
        """Whether its namespace exists, as far as this lab knows."""
        return self._namespace is not None or self._identity is not None

    @property
    def namespace(self) -> NetNS:
        """Its network namespace; one with a name is opened when it is needed and closed by `release`.

        Raises `RawnsError` while the lab is not up, or if the name leads to another namespace by now.
        """
        if self._namespace is None:
            if self.name is None or self._identity is None:
                raise RawnsError(f"the host {printable(self.label)} has no network namespace: its lab is not up")
            opened = NetNS.open(self.name)
            if opened.identity != self._identity:
                opened.close()
                raise RawnsError(f"the name {self.name!r} belongs to another network namespace by now")
            self._namespace = opened
        return self._namespace

    def unshare(self, undo: Rollback, mark: bytes) -> None:
        """Create the namespace and leave the calling thread in it; `netns.mount_name` mounts it on its name.

        ``mark`` is the content of the name's file until then.
        """
        self._namespace = adopt(NetNS, -1, self.name)
        unshare(self._namespace, undo, mark)

    def found(self, namespace: NetNS) -> None:
        """Take over a namespace that exists already."""
        self._identity, self._namespace = namespace.identity, adopt(NetNS, namespace.fileno(), self.name)
        namespace.fd = -1

    def forget(self) -> None:
        """Close the namespace and regard the host as not created."""
        self._close()
        self._identity = None

    def delete(self) -> None:
        """Remove its name from /run/netns and forget it.  Raises as `NetNS.delete`."""
        self.namespace.delete()
        self.forget()

    def release(self) -> None:
        """Close what can be opened again: the netlink socket, and the descriptor if a name leads to the namespace as well."""
        if self._namespace is None:
            return
        if self.name is None:
            self._namespace.disconnect()
        else:
            self._identity = self._namespace.identity
            self._close()

    def _close(self) -> None:
        namespace, self._namespace = self._namespace, None
        if namespace is not None:
            namespace.close()

    @property
    def net(self) -> Net:
        """The network of its namespace, as `NetNS.net`."""
        return self.namespace.net

    @property
    def fd(self) -> int:
        """The descriptor of its namespace; -1 while none is open."""
        return -1 if self._namespace is None else self._namespace.fd

    @property
    def identity(self) -> tuple[int, int]:
        """(st_dev, st_ino) of its namespace, as `NetNS.identity`."""
        return self._identity or self.namespace.identity

    def fileno(self) -> int:
        """The descriptor of its namespace, opened if necessary."""
        return self.namespace.fileno()

    def entered(self) -> AbstractContextManager[Any]:
        """``with host.entered():`` moves the calling thread into its namespace until the end of the block."""
        return self.namespace.entered()

    def call(self, function: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """``function(*args, **kwargs)`` on a thread inside, as `NetNS.call`."""
        return self.namespace.call(function, *args, **kwargs)

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> socket.socket:
        """A `socket.socket` created inside, as `NetNS.socket`."""
        return self.namespace.socket(family, type, proto)

    def popen(self, argv: Sequence[str], *, mounts: bool = False, **options: Any) -> subprocess.Popen[Any]:
        """Start a command inside, as `NetNS.popen`; ``options`` are those of `subprocess.Popen`."""
        return self.namespace.popen(argv, mounts=mounts, **options)

    def run(self, argv: Sequence[str], *, mounts: bool = False, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a command inside and wait for it, as `NetNS.run`: ``ip netns exec NAME CMD``."""
        return self.namespace.run(argv, mounts=mounts, **options)

    def setting(self, name: str, value: Value | None = None) -> str:
        """Read or set one setting below /proc/sys/net inside, as `NetNS.setting`."""
        return self.namespace.setting(name, value)

    def settings(self, given: dict[str, Value] | Iterable[str]) -> dict[str, str]:
        """Read or set several settings inside, as `NetNS.settings`."""
        return self.namespace.settings(given)

    def monitor(self, *groups: str) -> Monitor:
        """A `Monitor` of what changes inside, as `NetNS.monitor`."""
        return self.namespace.monitor(*groups)

    def pids(self) -> list[int]:
        """The processes inside, as `NetNS.pids`."""
        return self.namespace.pids()

    @property
    def ports(self) -> list[Port]:
        """Its ends of wires."""
        return [one for one in self.interfaces if isinstance(one, Port)]


class Root(Host):
    """The namespace that a lab is built from: it exists, it stays, and only links with the lab's stamp are changed in it."""

    __slots__ = ()

    root = True

    @property
    def namespace(self) -> NetNS:
        """The namespace of the calling thread at the first use."""
        if self._namespace is None:
            self._namespace = NetNS.current()
        return self._namespace

    def release(self) -> None:
        """Close the netlink socket; the descriptor stays open, because no name leads to this namespace."""
        if self._namespace is not None:
            self._namespace.disconnect()

    def route(self, *_: Any, **__: Any) -> Any:
        raise InvalidValue("links are all that a lab may make in the namespace that the lab is built from")

    sysctl = nat = route

    def delete(self) -> None:
        """Delete the lab's links in it: with one message, unless the lab's group has links of others too."""
        from ..objects import link
        from .kernel_state import State

        state = State(self.net.links())
        ours = list(state.ours(self.lab.name))
        if ours and len(ours) == sum(one.group == self.lab.group for one in state.links.values()):
            self.net.do(link.delete_group(self.lab.group))
        else:
            for one in ours:
                self._delete(one)
        self.forget()

    def _delete(self, one: Link) -> None:
        try:
            self.net.delete_link(one)
        except KernelError as error:
            if error.code != "ENODEV":  # it was deleted together with its other end
                raise


def unknown_attribute(described: object, name: str) -> AttributeError:
    """The error for an attribute that does not exist, with the nearest name that does."""
    from .value_parsers import nearest

    kind = type(described)
    near = nearest(name, [one for one in dir(kind) if not one.startswith("_")])
    hint = f"; did you mean {near}?" if near else ""
    return AttributeError(f"a {kind.__name__} has no attribute {name!r} to set{hint}")


def vlan_map(ids: Iterable[int]) -> dict[int, tuple[bool, bool]]:
    """VLANs by id: whether frames without a tag belong to it, and whether its frames leave without."""
    found = {}
    for number, vid in enumerate(ids):
        if not (isinstance(vid, int) and 0 < vid < 4095):
            raise InvalidValue(f"{vid!r} is no VLAN: it is a number from 1 to 4094")
        found[vid] = (number == 0, number == 0)
    return found
