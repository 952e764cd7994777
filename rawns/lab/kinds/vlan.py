"""VLAN devices: the frames of one VLAN on another interface (IEEE 802.1Q, ip-link(8))."""

from __future__ import annotations

from ... import uapi
from .. import values
from ..interface import Interface
from ..properties import KindProperty


class VlanDevice(Interface):
    """The frames of the VLAN ``id`` on another interface, its ``parent``, without their tags.

    Equivalent to ``ip link add link PARENT name NAME type vlan protocol PROTOCOL id ID``.
    """

    __slots__ = ("id", "protocol")

    kind = "vlan"
    section = "vlans"
    what = "a vlan"
    doc = "the frames of one VLAN on another interface"
    properties = (
        KindProperty("id", values.VLAN_ID, "number of the VLAN", attribute="IFLA_VLAN_ID", required=True),
        KindProperty(
            "protocol",
            values.Choice("a VLAN protocol", {"802.1q": uapi.ETH_P_8021Q, "802.1ad": uapi.ETH_P_8021AD}),
            "Ethernet type of the tags",
            attribute="IFLA_VLAN_PROTOCOL",
            default="802.1q",
        ),
    )
    stacked = True
    on_loopback = False
    bridgeable = True
    edge = "stacked"
    id: int
    protocol: str

    @property
    def tag(self) -> int:
        """The VLAN whose tagged frames it takes from its parent."""
        return self.id

    @property
    def note(self) -> str:
        """What a picture says about it."""
        return f"vlan {self.id}"


KINDS = {"vlans": VlanDevice}
