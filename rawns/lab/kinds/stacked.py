"""Interfaces that stand on another one, their ``parent``: macvlan, macvtap, ipvlan and VLAN devices (ip-link(8))."""

from __future__ import annotations

from ... import uapi
from ...errors import InvalidValue
from ...objects.link import IPVLAN_MODES, MACVLAN_MODES
from .. import values
from ..interface import Interface
from ..properties import KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import BaseHost

MODES = {word: MACVLAN_MODES[word] for word in ("private", "vepa", "bridge", "passthru")}
ISOLATIONS = {"bridge": 0, "private": uapi.IPVLAN_F_PRIVATE, "vepa": uapi.IPVLAN_F_VEPA}
PROTOCOLS = {"802.1q": uapi.ETH_P_8021Q, "802.1ad": uapi.ETH_P_8021AD}


class Macvlan(Interface):
    """An interface with a MAC address of its own on top of another one, its ``parent``, which may be in another host.

    Equivalent to ``ip link add link PARENT name NAME type macvlan mode MODE``.
    """

    __slots__ = ("mode",)

    kind = "macvlan"
    what = "a macvlan"
    doc = "an interface with a MAC address of its own on top of another interface"
    properties = (
        KindProperty(
            "mode",
            values.Choice("a mode of a macvlan", MODES),
            "which links on the same parent may exchange frames",
            "IFLA_MACVLAN_MODE",
            default="bridge",
            explicit=True,
        ),
    )
    stacked = True
    takes_frames = True
    on_loopback = False
    noted = "mode"
    mode: str

    def __init__(self, host: BaseHost, name: str | None, *args: Any, **options: Any) -> None:
        super().__init__(host, name, *args, **options)
        if self.mac and self.exclusive:
            raise InvalidValue(f"{self.what} in mode passthru has the MAC address of its parent: give the parent this mac")

    @property
    def exclusive(self) -> bool:
        return self.mode == "passthru"

    def apart_from(self, other: Interface) -> bool:
        """Return True for its parent, and for another macvlan on that parent unless both are in bridge mode."""
        if other is self.parent:
            return True
        siblings = other.parent is self.parent and isinstance(other, Macvlan)
        return siblings and not self.mode == getattr(other, "mode", "") == "bridge"


class Macvtap(Macvlan):
    """A macvlan whose frames a program (a virtual machine) exchanges through the character device /dev/tapINDEX.

    Equivalent to ``ip link add link PARENT name NAME type macvtap mode MODE``.
    """

    __slots__ = ()

    kind = "macvtap"
    what = "a macvtap"
    doc = "a macvlan for a program, which opens /dev/tapINDEX"
    leads_out = True
    program = True
    usual_values = {"txqueuelen": 500}  # TUN_READQ_SIZE of the kernel


class Ipvlan(Interface):
    """An interface on top of another one, its ``parent``, that shares the parent's MAC address.

    ``mode`` says which layer the kernel switches or routes on; with ``isolation`` private or vepa the interfaces on one parent
    do not reach each other directly.  Equivalent to ``ip link add link PARENT name NAME type ipvlan mode MODE ISOLATION``.
    """

    __slots__ = ("isolation", "mode")

    kind = "ipvlan"
    what = "an ipvlan"
    doc = "an interface on top of another one that shares its MAC address"
    properties = (
        KindProperty(
            "mode",
            values.Choice("a mode of an ipvlan", IPVLAN_MODES),
            "layer that packets are switched or routed on",
            "IFLA_IPVLAN_MODE",
            default="l3",
            explicit=True,
        ),
        KindProperty(
            "isolation",
            values.Choice("an isolation of an ipvlan", ISOLATIONS),
            "whether those on one parent reach each other",
            "IFLA_IPVLAN_FLAGS",
            default="bridge",
        ),
    )
    stacked = True
    takes_frames = True
    own_mac = False
    noted = "mode"
    mode: str
    isolation: str

    @property
    def on_parents_segment(self) -> bool:
        return self.mode == "l2"

    def apart_from(self, other: Interface) -> bool:
        """Return True for its parent, and for another ipvlan on that parent if it is isolated."""
        siblings = isinstance(other, Ipvlan) and other.parent is self.parent
        return other is self.parent or (siblings and self.isolation != "bridge")


class VlanDevice(Interface):
    """The frames of the VLAN ``id`` on another interface, its ``parent``, without their tags (IEEE 802.1Q).

    Equivalent to ``ip link add link PARENT name NAME type vlan protocol PROTOCOL id ID``.
    """

    __slots__ = ("id", "protocol")

    kind = "vlan"
    what = "a vlan"
    doc = "the frames of one VLAN on another interface"
    properties = (
        KindProperty("id", values.VLAN_ID, "number of the VLAN", "IFLA_VLAN_ID", required=True),
        KindProperty(
            "protocol",
            values.Choice("a VLAN protocol", PROTOCOLS),
            "Ethernet type of the tags",
            "IFLA_VLAN_PROTOCOL",
            default="802.1q",
        ),
    )
    stacked = True
    on_loopback = False
    bridgeable = True
    noted = "id"
    id: int
    protocol: str

    @property
    def tag(self) -> int:
        return self.id
