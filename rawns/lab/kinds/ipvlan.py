"""IPVLAN devices: interfaces that share the MAC address of another one (ipvlan.rst of the kernel, ip-link(8))."""

from __future__ import annotations

from ... import uapi
from .. import values
from ..interface import Interface
from ..properties import KindProperty


class Ipvlan(Interface):
    """An interface on top of another one, its ``parent``, that shares the parent's MAC address.

    ``mode`` says which layer the kernel switches or routes on; with ``isolation`` private or vepa the interfaces on one parent
    do not reach each other directly.  Equivalent to ``ip link add link PARENT name NAME type ipvlan mode MODE ISOLATION``.
    """

    __slots__ = ("isolation", "mode")

    kind = "ipvlan"
    section = "ipvlans"
    what = "an ipvlan"
    doc = "an interface on top of another one that shares its MAC address"
    properties = (
        KindProperty(
            "mode",
            values.Choice(
                "a mode of an ipvlan",
                {"l2": uapi.IPVLAN_MODE_L2, "l3": uapi.IPVLAN_MODE_L3, "l3s": uapi.IPVLAN_MODE_L3S},
            ),
            "layer that packets are switched or routed on",
            attribute="IFLA_IPVLAN_MODE",
            default="l3",
            explicit=True,
        ),
        KindProperty(
            "isolation",
            values.Choice(
                "an isolation of an ipvlan", {"bridge": 0, "private": uapi.IPVLAN_F_PRIVATE, "vepa": uapi.IPVLAN_F_VEPA}
            ),
            "whether those on one parent reach each other",
            attribute="IFLA_IPVLAN_FLAGS",
            default="bridge",
        ),
    )
    stacked = True
    takes_frames = True
    own_mac = False
    edge = "stacked"
    mode: str
    isolation: str

    @property
    def on_parents_segment(self) -> bool:
        """Whether it exchanges frames with the segment of its parent."""
        return self.mode == "l2"

    def apart_from(self, other: Interface) -> bool:
        """Return whether it does not reach an interface: its own parent, or others on that parent in isolation."""
        siblings = isinstance(other, Ipvlan) and other.parent is self.parent
        return other is self.parent or (siblings and self.isolation != "bridge")

    @property
    def note(self) -> str:
        """What a picture says about it."""
        return f"ipvlan {self.mode}"


KINDS = {"ipvlans": Ipvlan}
