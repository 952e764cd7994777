"""What every interface of a lab has: the base of the kinds in `kinds`, and what an interface knows of its host and lab.

A description holds no descriptor and makes no system call.
"""

from __future__ import annotations

from _socket import AF_INET6

from ..errors import InvalidValue
from ..netns import InsideNamespace
from ..objects import link, prefix
from . import values
from .properties import LINK_PROPERTIES, MAX_MTU, KindProperty, shape_of
from .words import RESERVED_NAMES, host_address, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TypeVar, Union

    from ..net import Net
    from ..nlmsg import Request
    from ..objects.link import Link
    from ..objects.prefix import Prefix
    from .properties import LinkProperty, Property

    Address = Union[str, Prefix]
    Vlans = dict[int, tuple[bool, bool]]  # by id: whether untagged frames belong to it, and whether its frames leave untagged
    Made = TypeVar("Made", bound="Interface")

DEFAULT_MTU = 1500  # bytes, of a veth, tap or VXLAN device that is created without one
DEFAULT_VLANS: Vlans = {1: (True, True)}  # of each port of a filtering bridge, by the kernel

# Left alone the kernel makes objects in sysfs for as many queues as there are processors, at each end of a veth pair, and
# removes all but one again: a fifth of the time that a wire takes on two processors, and more on more.
ONE_QUEUE = {"txqueues": 1, "rxqueues": 1}

AT_CREATION = tuple([(row.attribute, row.name) for row in LINK_PROPERTIES if row.at_creation])

_set = object.__setattr__


class Described:
    """An object of a description: setting an attribute that it does not have names the nearest one that it has."""

    __slots__ = ()

    def _init(self, **values: object) -> None:
        """Set attributes that exist: a lab has thousands of objects, and `__setattr__` takes four times as long."""
        for name, value in values.items():
            _set(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        try:
            _set(self, name, value)
        except AttributeError:
            kind = type(self)
            known = getattr(kind, name, None)
            if callable(known):
                raise AttributeError(f"{name} of a {kind.__name__} is a method: call it, {name}(...)") from None
            if known is not None:
                raise AttributeError(f"{name} of a {kind.__name__} can be read, but not set") from None
            near = nearest(name, [one for one in dir(kind) if not one.startswith("_")])
            hint = f"; did you mean {near}?" if near else ""
            raise AttributeError(f"a {kind.__name__} has no attribute {name!r} to set{hint}") from None


class BaseLab(Described):
    """What an interface knows of its lab: the ``name``, and the ``group`` (IFLA_GROUP) of its links."""

    __slots__ = ("group", "name", "standing")

    group: int
    name: str
    standing: bool

    def existing(self, name: str) -> Interface:
        """Return the interface of the root namespace with this name."""
        raise NotImplementedError

    @property
    def verbs(self) -> Any:
        """The lab itself, with the verbs of `runtime.RuntimeVerbs`, which hosts and interfaces offer as methods."""
        return self


class BaseHost(Described, InsideNamespace):
    """What an interface knows of its host.

    ``label`` is the host's name in the description, ``number`` its index in the lab; ``where`` says where it is described.
    """

    __slots__ = ("_names", "interfaces", "lab", "label", "machine", "name", "number", "where")

    root = False  # whether it is the namespace that the lab is built from
    lab: BaseLab
    label: str
    name: str | None
    number: int
    machine: str | None  # the name of the machine that it is on, if the lab spans several
    where: str
    interfaces: list[Interface]
    _names: _Names | None

    @property
    def net(self) -> Net:
        """The network of its namespace, as `NetNS.net`."""
        raise NotImplementedError

    def add(self, interface: Made) -> Made:
        """Add an interface to the description.  Raises `InvalidValue` if its name is reserved or taken."""
        name, known = interface.name, self._known()
        if name in RESERVED_NAMES and not interface.existing:
            raise InvalidValue(f"no interface of {self.label} can be called {name}: that name is reserved in every namespace")
        if name is not None and name in known.names:
            raise InvalidValue(f"{self.label} has two interfaces called {name}")
        self.interfaces.append(interface)
        known.add(interface)
        return interface

    def free_name(self) -> str:
        """Return ``eth0``, ``eth1`` ...: the next that no interface of this host has."""
        known = self._known()
        number = known.unbridged
        while f"eth{number}" in known.names:
            number += 1
        return f"eth{number}"

    def _known(self) -> _Names:
        """Return the names of its interfaces, counted again if the list was changed otherwise than by `add`."""
        if self._names is None or self._names.count != len(self.interfaces):
            self._names = _Names()
            for one in self.interfaces:
                self._names.add(one)
        return self._names


class _Names:
    """The names of a host's interfaces, so that adding very many takes linear time."""

    __slots__ = ("count", "names", "unbridged")

    def __init__(self) -> None:
        self.count = self.unbridged = 0
        self.names: set[str | None] = set()

    def add(self, one: Interface) -> None:
        self.count += 1
        self.unbridged += not one.bridged
        self.names.add(one.name)


class Interface(Described):
    """One interface of a host, as it is described.

    ``kind`` is the kernel's name for the kind of link, ``section`` the table of a lab file that describes such links.
    ``name`` may be None until the lab is built (a bridge port is named after the host that it leads to); ``master`` is the
    bridge or VRF that the interface is enslaved to, ``parent`` the interface that a stacked one stands on.  The properties
    (`LINK_PROPERTIES`, and ``properties`` of the kind) are attributes of their names; None leaves a value to the kernel.
    ``shape`` are the keywords of `objects.qdisc.Shape`, ``vlans`` the VLANs of a port of a filtering bridge.
    """

    __slots__ = (
        "addresses",
        "altname",
        "host",
        "index",
        "master",
        "name",
        "parent",
        "shape",
        "vlans",
        "where",
        *(row.name for row in LINK_PROPERTIES),
    )

    kind = ""
    what = ""  # with an article, for sentences
    doc = ""  # one sentence for the reference page
    properties: Sequence[KindProperty] = ()
    all_properties: Sequence[Property] = LINK_PROPERTIES
    usual_values: Mapping[str, Any] = {}  # of link properties, if the kernel's differ from those of the rows
    noted = ""  # the property that a picture shows
    max_mtu = MAX_MTU
    existing = False  # whether the lab uses the interface and does not create it
    switches = False  # whether it is a bridge
    routes = False  # whether it is a VRF
    bridgeable = False  # whether it can be the port of a bridge
    stacked = False  # whether it stands on another interface, its ``parent``
    tunnel = False  # whether it leads to the host that has the address ``remote``
    leads_out = False  # whether others than the lab's own hosts may be behind it
    program = False  # whether a program is behind it
    by_ioctl = False  # whether it is created by an ioctl and not by RTM_NEWLINK
    own_mac = True  # whether it can be given a MAC address
    takes_frames = False  # whether it takes all that its parent receives: the kernel allows a device one such user
    on_loopback = True  # whether a stacked one can stand on lo

    # What only some kinds have.
    peer: Interface | None = None  # the other end of a wire
    loop: bool = False  # whether its wire may close a loop of bridges
    stp: bool = False  # whether it is a bridge that uses the spanning tree protocol
    vlan_filtering: bool = False  # whether it is a bridge that keeps the traffic of VLANs apart
    remote: str = ""  # the address of the other end of a tunnel
    local: str | None = None  # the address that a tunnel sends from
    underlay: BaseHost | None = None  # the host whose network carries the packets of a tunnel; None for its own
    owner: int | None = None  # the user who may open a tap

    def __init_subclass__(cls) -> None:
        cls.all_properties = (*LINK_PROPERTIES, *cls.properties)

    host: BaseHost
    name: str | None
    addresses: Sequence[Prefix]
    master: Interface | None
    parent: Interface | None
    shape: dict[str, Any] | None
    vlans: Vlans | None
    index: int
    where: str
    altname: str | None
    mac: str | None
    mtu: int | None
    txqueuelen: int | None
    ipv6: bool | None
    up: bool

    def __init__(
        self,
        host: BaseHost,
        name: str | None,
        addresses: Iterable[Address] = (),
        *,
        master: Interface | None = None,
        parent: Interface | None = None,
        shape: Mapping[str, Any] | None = None,
        vlans: Vlans | None = None,
        **options: Any,
    ) -> None:
        self._init(
            host=host,
            name=name if name is None else values.INTERFACE_NAME.read(name),
            addresses=tuple([host_address(prefix.parse(text)) for text in addresses]),
            master=master,
            parent=parent,
            shape=shape_of(shape) if shape else None,
            vlans=vlans,
            index=0,
            where="",
            altname=None,  # the whole name, if it is too long for the kernel
        )
        for row in self.all_properties:
            value = options.pop(row.name, None) if options else None
            if value is not None:
                _set(self, row.name, row.value.read(value))
            elif row.required:
                raise InvalidValue(f"{self.kind} {name} needs {row.name}")
            else:
                _set(self, row.name, row.default)
        if options:
            word = next(iter(options))
            known = [row.name for row in self.all_properties]
            raise TypeError(f"{type(self).__name__} has no option {word!r}; it has {', '.join(known)}")
        if vlans and not self.bridged:
            raise InvalidValue("VLANs are for the ports of a bridge")
        if self.mac and not self.own_mac:
            raise InvalidValue(f"{self.what} has no MAC address of its own")
        if self.mtu and self.mtu > self.max_mtu:
            raise InvalidValue(f"{self.mtu} is not an MTU of a {self.kind} device: expected at most {self.max_mtu}")

    # -- what it is like ----------------------------------------------------------------------------------------------

    @property
    def bridged(self) -> bool:
        """Whether it is a port of a bridge, which has the addresses in its place."""
        return self.master is not None and self.master.switches

    @property
    def created_in(self) -> BaseHost:
        """The host in whose namespace it is created, and to which what is below it belongs: its own for most kinds."""
        return self.parent.host if self.parent is not None else self.underlay or self.host

    @property
    def up_at_creation(self) -> bool:
        """Whether its creation sets it up: a VLAN device can only be set up after its parent, others after ``ipv6`` is set."""
        return self.up and self.parent is None and self.ipv6 is None

    @property
    def given(self) -> Sequence[Prefix]:
        """The addresses that it can have: the kernel leaves an interface that is down no IPv6 address."""
        return self.addresses if self.up else [one for one in self.addresses if one.family != AF_INET6]

    @property
    def tag(self) -> int:
        """The VLAN whose tagged frames it takes from its parent; 0 for untagged frames."""
        return 0

    @property
    def tunnel_key(self) -> object:
        """What the two ends of a tunnel have in common; None for anything else."""
        return None

    @property
    def on_parents_segment(self) -> bool:
        """Whether a stacked interface exchanges frames with the segment of its parent."""
        return self.parent is not None

    @property
    def exclusive(self) -> bool:
        """Whether nothing else can stand on its parent."""
        return False

    def apart_from(self, other: Interface) -> bool:
        """Return whether it does not receive the frames of an interface on the same segment."""
        return False

    @property
    def carrier_due(self) -> bool:
        """Whether it gets a carrier sooner or later if everything is as described."""
        return self.up and (self.parent is None or self.parent.carrier_due)

    @property
    def note(self) -> str:
        """What a picture says about it, like ``vxlan 42``."""
        word = self.what.rpartition(" ")[2]
        return f"{word} {getattr(self, self.noted)}" if self.noted else word

    # -- at run time --------------------------------------------------------------------------------------------------

    def set_down(self) -> None:
        """Set it down: ``ip link set NAME down``; see `Lab.set_down`."""
        self.host.lab.verbs.set_down(self)

    def set_up(self) -> None:
        """Set it up, with its addresses and routes: ``ip link set NAME up``; see `Lab.set_up`."""
        self.host.lab.verbs.set_up(self)

    def impair(self, both: bool = False, **options: Any) -> None:
        """Set how it sends (``rate="10mbit", delay="20ms"``), with ``both`` also the other end; see `Lab.impair`."""
        self.host.lab.verbs.impair(self, both=both, **options)

    def clear(self, both: bool = False) -> None:
        """Let it send as fast as it can; see `Lab.clear`."""
        self.host.lab.verbs.clear(self, both=both)

    def wait_carrier(self, carrier: bool = True, *, timeout: float = 5.0) -> float:
        """Wait until it has a carrier, or none; see `Lab.wait_carrier`."""
        seconds: float = self.host.lab.verbs.wait_carrier(self, carrier, timeout=timeout)
        return seconds

    # -- requests -----------------------------------------------------------------------------------------------------

    @property
    def data(self) -> dict[str, Any]:
        """The attributes of its kind (IFLA_INFO_DATA) that it is created with."""
        found: dict[str, Any] = {}
        for row in self.properties:
            value = getattr(self, row.name)
            if row.explicit or value != row.default:
                found.update(row.encoded(value))
        return found

    @property
    def alias_words(self) -> str:
        """What its alias says after the lab's stamp: what it is, so that it is recognized when it is read back."""
        if self.parent is not None:
            return f"{self.kind} {self.parent.host.label}:{self.parent.name}"
        return self.kind if self.underlay is None else f"{self.kind} {self.underlay.label}:"

    def creation(self, speaker: BaseHost) -> dict[str, Any]:
        """Return keywords for its creation by a socket in the host ``speaker``: index, group, properties and namespace."""
        options: dict[str, Any] = {"index": self.index, "group": self.host.lab.group}
        for option, name in AT_CREATION:
            value = getattr(self, name)
            if value is not None:
                options[option] = value
        if self.host is not speaker:
            options["netns_fd"] = self.host.fileno()
        if self.parent is not None:
            options["link"] = self.parent.index
        return options

    def create(self, speaker: BaseHost) -> list[Request]:
        """Return the requests that create it, sent in the host ``speaker``: that of `created_in`."""
        assert self.name is not None
        options = self.creation(speaker)
        if self.host is speaker:
            options["up"] = self.up_at_creation
            if self.master is not None:
                options["master"] = self.master.index
        return [self.labelled(link.new(self.name, self.kind, self.data, **options))]

    def late_options(self) -> dict[str, Any]:
        """Return keywords of a change for what its creation could not set."""
        return {}

    def labelled(self, request: Request) -> Request:
        """Return the request, with the description's words for what it is about."""
        place = f", {self.where}" if self.where else ""
        request.context = f"{request.context}: {self.name} of {self.host.label}{place}"
        return request

    # -- compared with the kernel -------------------------------------------------------------------------------------

    def same_link(self, there: Link) -> bool:
        """Return whether a link of the same alias and kind can become this one without being created again."""
        return all(row.in_place or row.kernel_value(there.data) == getattr(self, row.name) for row in self.properties)

    def usual(self, row: LinkProperty, there: Link, ports: Mapping[str, int]) -> Any:
        """Return the value of a property that is not described; None if the kernel is to choose.

        ``there`` is the link as it is, ``ports`` are the MTUs of the links that are enslaved to it, by name.
        """
        if row.name == "ipv6":
            return None  # what a new link has may be inherited from the first namespace (net.core.devconf_inherit_init_net)
        return self.usual_mtu(ports, there.mtu) if row.name == "mtu" else self.usual_values.get(row.name, row.usual)

    def usual_mtu(self, ports: Mapping[str, int], now: int | None = None) -> int | None:
        """Return the MTU of an interface that is described without one; see `usual`."""
        return DEFAULT_MTU if self.parent is None else None

    @classmethod
    def kernel_mtu(cls, parent: Interface | None) -> int | None:
        """Return the MTU that the kernel gives to a new device of this kind, for `readback`; None if it is not known."""
        return DEFAULT_MTU if parent is None else parent.mtu or parent.kernel_mtu(parent.parent)

    def __str__(self) -> str:
        """Return its name in a sentence: ``eth0 of web``."""
        return f"{self.name or 'a port'} of {self.host.label}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Existing(Interface):
    """An interface of the root namespace that the lab uses and does not create: the parent of a macvlan, for example."""

    __slots__ = ()

    existing = True
    leads_out = True

    @property
    def carrier_due(self) -> bool:
        """Whether it gets a carrier if everything is as described."""
        return False

    @classmethod
    def kernel_mtu(cls, parent: Interface | None) -> int | None:
        """Return the MTU of a new device; None if it is not known."""
        return None
