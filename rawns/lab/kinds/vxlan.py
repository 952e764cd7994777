"""VXLAN tunnels: Ethernet over UDP (RFC 7348, `<linux/if_link.h>`)."""

from __future__ import annotations

from ...errors import InvalidValue
from .. import values
from ..interface import Interface
from ..properties import AddressProperty, KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import BaseHost


class Vxlan(Interface):
    """A tunnel for Ethernet over UDP between two machines: ``vni`` is its number, ``local`` and ``remote`` addresses.

    Equivalent to ``ip link add NAME type vxlan id VNI remote REMOTE local LOCAL dstport PORT``.
    """

    __slots__ = ("local", "port", "remote", "vni")

    kind = "vxlan"
    section = "vxlans"
    what = "a vxlan"
    bridgeable = True
    doc = "a tunnel for Ethernet over UDP to another machine"
    properties = (
        KindProperty(
            "vni",
            values.WholeNumber("a VXLAN network identifier", 1, (1 << 24) - 1),
            "number of the tunnel, the same at both ends",
            attribute="IFLA_VXLAN_ID",
            required=True,
        ),
        AddressProperty(
            "remote",
            "address of the other machine",
            attribute="IFLA_VXLAN_GROUP",
            attribute6="IFLA_VXLAN_GROUP6",
            required=True,
        ),
        AddressProperty(
            "local", "address that packets are sent from", attribute="IFLA_VXLAN_LOCAL", attribute6="IFLA_VXLAN_LOCAL6"
        ),
        KindProperty("port", values.UDP_PORT, "UDP port (4789)", attribute="IFLA_VXLAN_PORT", default=4789, explicit=True),
    )
    tunnel = True
    edge = "tunnel"
    vni: int
    port: int
    remote: str
    local: str | None

    def __init__(self, host: BaseHost, name: str | None, *args: Any, **options: Any) -> None:
        super().__init__(host, name, *args, **options)
        if self.local is not None and (":" in self.local) is not (":" in self.remote):
            raise InvalidValue(f"local and remote of a tunnel are of one family: {self.local} and {self.remote} are not")

    @property
    def tunnel_key(self) -> object:
        """What the two ends of the tunnel have in common."""
        return self.kind, self.vni, self.port

    @property
    def remote_address(self) -> str:
        """The address of the other end."""
        return self.remote

    @property
    def note(self) -> str:
        """What a picture says about it."""
        return f"{self.kind} {self.vni}"


KINDS = {"vxlans": Vxlan}
