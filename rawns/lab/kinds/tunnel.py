"""Tunnels for Ethernet over UDP: VXLAN (RFC 7348) and Geneve (RFC 8926); `<linux/if_link.h>`, ip-link(8)."""

from __future__ import annotations

from ...errors import InvalidValue
from .. import values
from ..interface import Interface
from ..properties import AddressProperty, KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..interface import BaseHost

MAX_VNI = (1 << 24) - 1


def _vni(what: str, least: int, attribute: str) -> KindProperty:
    doc = "number of the tunnel, the same at both ends"
    return KindProperty("vni", values.WholeNumber(what, least, MAX_VNI), doc, attribute, required=True)


def _remote(attribute: str) -> KindProperty:
    return AddressProperty("remote", values.TUNNEL_ADDRESS, "address of the other machine", attribute, required=True)


def _port(attribute: str, default: int) -> KindProperty:
    return KindProperty("port", values.UDP_PORT, f"UDP port ({default})", attribute, default=default, explicit=True)


class Tunnel(Interface):
    """A tunnel to another machine: ``vni`` is its number, ``remote`` the other machine's address, ``port`` a UDP port.

    With ``underlay`` its packets travel in the network of that host: the kernel sends them from the namespace that the device
    was created in, though it has moved since.
    """

    __slots__ = ("port", "remote", "underlay", "vni")

    bridgeable = True
    tunnel = True
    noted = "vni"
    vni: int
    port: int
    remote: str

    def __init__(self, host: BaseHost, name: str | None, *args: Any, underlay: BaseHost | None = None, **options: Any) -> None:
        super().__init__(host, name, *args, **options)
        self._init(underlay=None if underlay is host else underlay)
        if self.local is not None and (":" in self.local) is not (":" in self.remote):
            raise InvalidValue(f"local and remote of a tunnel are of one family: {self.local} and {self.remote} are not")

    @property
    def tunnel_key(self) -> object:
        return self.kind, self.vni, self.port


class Vxlan(Tunnel):
    """A tunnel for Ethernet over UDP between two machines: ``vni`` is its number, ``local`` and ``remote`` addresses.

    Equivalent to ``ip link add NAME type vxlan id VNI remote REMOTE local LOCAL dstport PORT``.
    """

    __slots__ = ("local",)

    kind = "vxlan"
    what = "a vxlan"
    doc = "a tunnel for Ethernet over UDP to another machine"
    properties = (
        _vni("a VXLAN network identifier", 1, "IFLA_VXLAN_ID"),
        _remote("IFLA_VXLAN_GROUP"),
        AddressProperty("local", values.TUNNEL_ADDRESS, "address that packets are sent from", "IFLA_VXLAN_LOCAL"),
        _port("IFLA_VXLAN_PORT", 4789),
    )
    local: str | None


class Geneve(Tunnel):
    """A tunnel for Ethernet over UDP to another machine: ``vni`` is its number, ``remote`` the other machine's address.

    Equivalent to ``ip link add NAME type geneve id VNI remote REMOTE dstport PORT``.
    """

    __slots__ = ()

    kind = "geneve"
    what = "a geneve"
    doc = "a Geneve tunnel for Ethernet over UDP to another machine"
    properties = (
        _vni("a virtual network identifier", 0, "IFLA_GENEVE_ID"),
        _remote("IFLA_GENEVE_REMOTE"),
        _port("IFLA_GENEVE_PORT", 6081),
    )

    def usual_mtu(self, ports: Mapping[str, int], now: int | None = None) -> int | None:
        return None  # the kernel chooses it, by the MTU of the route to the other machine if there is one

    @classmethod
    def kernel_mtu(cls, parent: Interface | None) -> int | None:
        return None
