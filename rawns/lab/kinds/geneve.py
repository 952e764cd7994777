"""Geneve tunnels: Ethernet over UDP (RFC 8926, ip-link(8))."""

from __future__ import annotations

from .. import values
from ..interface import Interface
from ..properties import AddressProperty, KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Geneve(Interface):
    """A tunnel for Ethernet over UDP to another machine: ``vni`` is its number, ``remote`` the other machine's address.

    Equivalent to ``ip link add NAME type geneve id VNI remote REMOTE dstport PORT``.
    """

    __slots__ = ("port", "remote", "vni")

    kind = "geneve"
    section = "geneves"
    what = "a geneve"
    doc = "a Geneve tunnel for Ethernet over UDP to another machine"
    bridgeable = True
    properties = (
        KindProperty(
            "vni",
            values.WholeNumber("a virtual network identifier", 0, (1 << 24) - 1),
            "number of the tunnel, the same at both ends",
            attribute="IFLA_GENEVE_ID",
            required=True,
        ),
        AddressProperty(
            "remote",
            "address of the other machine",
            attribute="IFLA_GENEVE_REMOTE",
            attribute6="IFLA_GENEVE_REMOTE6",
            required=True,
        ),
        KindProperty("port", values.UDP_PORT, "UDP port (6081)", attribute="IFLA_GENEVE_PORT", default=6081, explicit=True),
    )
    tunnel = True
    edge = "tunnel"
    vni: int
    port: int
    remote: str

    @property
    def tunnel_key(self) -> object:
        """What the two ends of the tunnel have in common."""
        return self.kind, self.vni, self.port

    @property
    def remote_address(self) -> str:
        """The address of the other end."""
        return self.remote

    def usual_mtu(self, ports: Mapping[str, int], now: int | None = None) -> int | None:
        """Return None: the kernel chooses the MTU, by that of the route to the other machine if there is one."""
        return None

    @classmethod
    def kernel_mtu(cls, parent: Interface | None) -> int | None:
        """Return the MTU of a new device; None if it is not known."""
        return None

    @property
    def note(self) -> str:
        """What a picture says about it."""
        return f"geneve {self.vni}"


KINDS = {"geneves": Geneve}
