"""Hosts of a lab: what is described of each, and, once the lab is up, its network namespace."""

from __future__ import annotations

from _socket import AF_INET6

from ..errors import InvalidValue, RawnsError, SyscallError
from ..net import NetNS, connect
from ..netns import adopt, unshare
from ..netns_names import remove_own
from ..objects import prefix
from ..objects.link import check_flag
from ..terminal import printable
from .interface import BaseHost, BaseLab, Interface
from .kinds.veth import Port
from .stamp import Stamp, is_label
from .values import SYSCTLS
from .words import host_address, network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from subprocess import Popen
    from typing import Any, TypeVar

    from typing_extensions import ParamSpec, Unpack

    from ..events import Monitor
    from ..net import Net
    from ..nft.nat import Forward, Nat
    from ..rollback import Rollback
    from .interface import Address
    from .kinds.bridge import Bridge, BridgeOptions
    from .kinds.stacked import Macvlan
    from .kinds.standalone import Tap
    from .kinds.tunnel import Vxlan
    from .properties import InterfaceOptions

    Made = TypeVar("Made", bound=Interface)
    Answer = TypeVar("Answer")
    Arguments = ParamSpec("Arguments")

FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")


class LabRoute:
    """Where a host sends packets: ``to`` a prefix or ``default``, ``via`` a gateway, out of ``dev`` (one of its interfaces).

    Equivalent to ``ip route add TO [via VIA] [dev DEV] [metric METRIC]``.  Raises `InvalidValue` if the destination has bits
    beyond its prefix length, if gateway and destination are of two families, and without gateway and device.
    """

    __slots__ = ("dev", "metric", "to", "via", "where")

    def __init__(self, to: str, via: str | None = None, dev: str | None = None, metric: int | None = None) -> None:
        gateway = prefix.address(via) if via is not None else None
        self.to = network(to, gateway.family if gateway else 0)
        self.via = host_address(gateway).address if gateway else None
        self.dev, self.metric, self.where = dev, metric, ""
        if gateway is not None and gateway.family != self.to.family:
            raise InvalidValue(f"{to} and its gateway {via} are of two families")
        if via is None and dev is None:
            raise InvalidValue(f"a route to {to} goes via a gateway or out of a device")

    @property
    def destination(self) -> str:
        """The destination as a request has it."""
        if self.to.length:
            return str(self.to)
        return "::/0" if self.to.family == AF_INET6 else "0.0.0.0/0"

    def __str__(self) -> str:
        default = not self.to.length and (self.via is not None or self.to.family != AF_INET6)  # else the family is not said
        words = ["default" if default else str(self.to)]
        words += ["via", self.via] if self.via else []
        words += ["dev", self.dev] if self.dev else []
        return " ".join(words + (["metric", str(self.metric)] if self.metric is not None else []))


class Host(BaseHost):
    """A host of a lab: its description and, once the lab is up, its network namespace.

    ``label`` is the host's name in the description, ``name`` its name under /run/netns (None: the namespace is held by a
    descriptor alone).  ``net``, ``run``, ``call``, ``popen``, ``socket``, ``entered``, ``setting``, ``settings`` and ``monitor``
    are those of the `NetNS` in ``namespace``; they raise `RawnsError` while the lab is not up.
    """

    __slots__ = ("_identity", "_namespace", "commands", "files", "firewall", "nats", "routes", "sysctls")

    _namespace: NetNS | None
    _identity: tuple[int, int] | None  # known from creation on, also while no descriptor is open
    routes: Sequence[LabRoute]
    sysctls: dict[str, str] | None
    nats: Sequence[Nat]
    firewall: Sequence[str]  # rules of `nft.firewall`
    files: dict[str, str] | None  # content by file name, for /etc
    commands: Sequence[list[str]]

    def __init__(self, lab: BaseLab, name: str | None, label: str) -> None:
        self._init(lab=lab, name=name, label=label, where="", number=0, machine=None, interfaces=[], _names=None)
        self._init(_namespace=None, _identity=None, routes=(), sysctls=None, nats=(), firewall=(), files=None, commands=())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}{'' if self.there else ' (planned)'}>"

    # -- its description ----------------------------------------------------------------------------------------------

    def port(
        self, name: str | None = None, *addresses: Address, master: Interface | None = None, **options: Unpack[InterfaceOptions]
    ) -> Port:
        """Plan one end of a wire, by default ``eth0``, ``eth1`` ..., with addresses (``'10.0.0.1/24'``).

        ``options`` are mac, mtu (bytes), up, and shape: the keywords of `objects.qdisc.Shape` (``{"rate": 10_000_000}``).
        Raises `InvalidValue` if the name or an address could never be right, or is used twice.
        """
        if name is None and (master is None or not master.switches):
            name = self.free_name()
        return self.add(Port(self, name, addresses, master=master, **options))

    def bridge(self, name: str, *addresses: Address, **options: Unpack[BridgeOptions]) -> Bridge:
        """Plan a bridge in this host.  ``options`` are stp, vlan_filtering, ageing (seconds), mac, mtu, up."""
        from .kinds.bridge import Bridge

        return self.add(Bridge(self, name, addresses, **options))

    def macvlan(
        self, name: str, parent: Interface | str, *addresses: Address, mode: str = "bridge", **options: Unpack[InterfaceOptions]
    ) -> Macvlan:
        """Plan a macvlan on an interface of this host or another's; a name stands for one of the root namespace."""
        from .kinds.stacked import Macvlan

        return self.add(Macvlan(self, name, addresses, parent=self._parent(parent), mode=mode, **options))

    def tap(
        self,
        name: str,
        *addresses: Address,
        owner: int | None = None,
        master: Interface | None = None,
        vlans: Iterable[int] | None = None,
        **options: Unpack[InterfaceOptions],
    ) -> Tap:
        """Plan a tap device; ``owner`` is the user id that may open it, ``master`` a bridge of this host."""
        from .kinds.bridge import vlan_map
        from .kinds.standalone import Tap

        carried = vlan_map(vlans) if vlans is not None else None
        return self.add(Tap(self, name, addresses, owner=owner, master=master, vlans=carried, **options))

    def vxlan(
        self,
        name: str,
        vni: int,
        remote: str,
        *addresses: Address,
        local: str | None = None,
        port: int = 4789,
        master: Interface | None = None,
        underlay: Host | None = None,
        **options: Unpack[InterfaceOptions],
    ) -> Vxlan:
        """Plan a tunnel to another machine's lab; ``master`` is a bridge of this host, ``underlay`` carries its packets."""
        from .kinds.tunnel import Vxlan

        tunnel: dict[str, Any] = {"vni": vni, "remote": remote, "local": local, "port": port, "underlay": underlay}
        return self.add(Vxlan(self, name, addresses, master=master, **tunnel, **options))

    def _parent(self, parent: Interface | str) -> Interface:
        return self.lab.existing(parent) if isinstance(parent, str) else parent

    def route(self, to: str, via: str | None = None, dev: str | None = None, metric: int | None = None) -> LabRoute:
        """Plan a route: ``ip route add TO [via VIA] [dev DEV] [metric METRIC]``.  Raises `InvalidValue`."""
        route = LabRoute(to, via, dev, metric)
        self.routes = [*self.routes, route]
        return route

    def sysctl(self, values: dict[str, object]) -> None:
        """Plan settings under /proc/sys that belong to its namespace: ``{"net.ipv4.ip_forward": 1}``.  Raises `InvalidValue`."""
        self.sysctls = {**(self.sysctls or {}), **{key: str(value) for key, value in SYSCTLS.read(values).items()}}

    def forward(self, on: bool = True) -> None:
        """Plan whether it forwards packets, of both families.  Raises `InvalidValue`."""
        self.sysctl(dict.fromkeys(FORWARDING, int(check_flag("forward", on))))

    def uplink(self, kind: str) -> None:
        """Plan it as a router of a kind: ``home``, ``cgnat``, ``corporate`` or ``none``; ``home on wan`` names its uplink (eth0).

        That is forwarding, NAT, and rules of its firewall: `presets`.  Raises `InvalidValue`.
        """
        self.lab.verbs.apply_uplink(self, kind)

    def allow(self, rule: str) -> None:
        """Plan a rule that allows packets: ``in tcp port 80 from 10.0.0.0/8``; see `nft.firewall`.  Raises `InvalidValue`."""
        self.add_rule(f"allow {rule}")

    def deny(self, rule: str) -> None:
        """Plan a rule that drops packets: ``forward on wan``; see `nft.firewall`.  Raises `InvalidValue`."""
        self.add_rule(f"deny {rule}")

    def add_rule(self, rule: str) -> None:
        """Plan a rule of its firewall, after those that there are: ``deny in tcp port 22``.  Raises `InvalidValue`."""
        from ..nft.firewall import FirewallRule

        self.firewall = [*self.firewall, str(FirewallRule(rule))]

    def nat(self, out: str, *sources: str, forwards: Sequence[Forward] = (), random: bool = False) -> Nat:
        """Plan that packets that leave through ``out`` get the address of that interface, if they come from ``sources``.

        ``sources`` are prefixes (none: all of IPv4), ``forwards`` are ports forwarded in (`nft.nat.Forward`); with ``random``
        each connection gets a source port at random.  Raises `InvalidValue`.
        """
        from ..nft.nat import ALL_IPV4, Nat

        nat = Nat(out, sources or (ALL_IPV4,), forwards, random)
        if any(nat.out == other.out for other in self.nats):
            raise InvalidValue(f"{self.label} translates addresses out of {out} twice")
        self.nats = [*self.nats, nat]
        return nat

    @property
    def extras(self) -> bool:
        """Whether something is described that `host_config` applies: settings, address translation, files."""
        return bool(self.sysctls or self.nats or self.files or self.firewall)

    @property
    def features(self) -> frozenset[str]:
        """Words of its stamp for what is read back: routes, nat, files, firewall, forward, shape, relay, vlans."""
        extras = {"routes": self.routes, "nat": self.nats, "files": self.files, "firewall": self.firewall}
        found = [word for word, there in extras.items() if there]
        if self.sysctls and any(self.sysctls.get(key, "0") != "0" for key in FORWARDING):
            found.append("forward")
        for one in self.interfaces:
            if one.shape:
                found.append("shape")
                if not one.shape.keys() <= {"rate", "burst", "latency"}:
                    from .netem_support import RELAY, kernel_has_netem

                    found += [] if kernel_has_netem() else [RELAY]
            if one.vlans:
                found.append("vlans")
        return frozenset(found)

    def stamp(self, by: str, state: str, features: Iterable[str]) -> Stamp:
        """Return the stamp of its namespace; it has the label too, unless that is part of the name."""
        plain = self.name == f"{self.lab.name}.{self.label}" or not is_label(self.label)
        return Stamp(self.lab.name, by, state, features, "" if plain else self.label)

    @property
    def ordered_routes(self) -> list[LabRoute]:
        """Its routes in the order in which they can be added: those without a gateway first, since gateways may need them."""
        return sorted(self.routes, key=lambda one: one.via is not None)

    def prepare_namespace(self) -> None:
        """Prepare the namespace, in the thread that has created it and is still inside."""
        connect(self.namespace)
        if any(address.family == AF_INET6 for one in self.interfaces for address in one.addresses):
            from .. import sysctl

            try:  # a link-local address that is still checked for duplicates would keep a router from its neighbours
                sysctl.write("net.ipv6.conf.default.accept_dad", 0)
            except SyscallError:
                pass  # /proc/sys is read-only here: then it takes a second longer

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
                raise RawnsError(f"the host {printable(self.label)} has no network namespace: `up` of its lab creates it")
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

    def use_existing(self, namespace: NetNS) -> None:
        """Take over a namespace that exists already."""
        self._identity, self._namespace = namespace.identity, adopt(NetNS, namespace.fileno(), self.name)
        namespace.fd = -1

    def forget(self) -> None:
        """Close the namespace and regard the host as not created."""
        self._close()
        self._identity = None

    def delete(self) -> None:
        """Remove its name from /run/netns and forget it.  Raises as `NetNS.delete`."""
        if self.name is not None:
            remove_own(self.name, self.identity)
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
    def connected(self) -> bool:
        """Whether the netlink socket that `net` uses is open."""
        return self._namespace is not None and self._namespace.connected

    @property
    def fd(self) -> int:
        """The descriptor of its namespace; -1 while none is open."""
        return -1 if self._namespace is None else self._namespace.fd

    @property
    def identity(self) -> tuple[int, int]:
        """(st_dev, st_ino) of its namespace, as `NetNS.identity`."""
        return self._identity or self.namespace.identity

    def fileno(self) -> int:
        """Return the descriptor of its namespace, opened if necessary."""
        return self.namespace.fileno()

    def monitor(self, *groups: str) -> Monitor:
        """Return a `Monitor` of what changes inside, as `NetNS.monitor`."""
        return self.namespace.monitor(*groups)

    def wait_for_port(
        self,
        port: int,
        *,
        protocol: str = "tcp",
        address: str | None = None,
        timeout: float = 5.0,
        process: Popen[Any] | None = None,
    ) -> float:
        """Wait until a socket inside listens on a port; see `Lab.wait_for_port`."""
        found: float = self.lab.verbs.wait_for_port(
            self, port, protocol=protocol, address=address, timeout=timeout, process=process
        )
        return found

    @property
    def ports(self) -> list[Port]:
        """Its ends of wires."""
        return [one for one in self.interfaces if isinstance(one, Port)]


class RootHost(Host):
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
        """Raise `InvalidValue`: a lab may create links only in this namespace."""
        raise InvalidValue("links are all that a lab may make in the namespace that the lab is built from")

    sysctl = nat = add_rule = route

    def delete(self) -> None:
        """Delete the lab's links in it."""
        from .removal import delete_links

        delete_links(self.net, self.lab.name)
        self.forget()
