"""Links that stand alone: taps (tun(4)), dummy devices (ip-link(8)) and VRFs (ip-vrf(8))."""

from __future__ import annotations

from ... import uapi
from .. import values
from ..interface import Interface
from ..properties import KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ...objects.link import Link

VRF_MTU = 65575  # bytes: vrf_setup() of drivers/net/vrf.c


class Tap(Interface):
    """A tap device: a program that opens it sends and receives its frames.  ``owner`` is the user id that may open it.

    Equivalent to ``ip tuntap add dev NAME mode tap user OWNER``.
    """

    __slots__ = ("owner",)

    kind = "tun"
    what = "a tap"
    bridgeable = True
    doc = "the network interface of a program: a tap device"
    properties = (KindProperty("owner", values.USER_ID, "user id that may open it", "IFLA_TUN_OWNER"),)
    leads_out = True
    program = True
    by_ioctl = True
    max_mtu = 65521  # tun_net_init() of drivers/net/tun.c: 65535 less the Ethernet header
    owner: int | None

    @property
    def carrier_due(self) -> bool:
        """Whether it gets a carrier: False, since it has one only while a program has opened it."""
        return False

    def late_options(self) -> dict[str, Any]:
        """Return what TUNSETIFF cannot set."""
        options = self.creation(self.host)
        return {key: value for key, value in options.items() if key != "index"}

    def same_link(self, there: Link) -> bool:
        """Return whether a link can become this one; before Linux 4.19 the owner is not reported, and not compared."""
        return "IFLA_TUN_TYPE" not in there.data or super().same_link(there)


class Dummy(Interface):
    """A dummy device: it is up without a wire and drops what is sent.  Equivalent to ``ip link add NAME type dummy``."""

    __slots__ = ()

    kind = "dummy"
    what = "a dummy"
    doc = "an interface that leads nowhere, to hold addresses"
    bridgeable = True


class Vrf(Interface):
    """A VRF: the interfaces of its host that name it (``vrf``) use the routing table with the number ``table``.

    Equivalent to ``ip link add NAME type vrf table TABLE`` and ``ip link set INTERFACE master NAME``.
    """

    __slots__ = ("table",)

    kind = "vrf"
    what = "a vrf"
    doc = "a routing table of their own for some interfaces of a host"
    properties = (
        KindProperty(
            "table",
            values.WholeNumber("a routing table", 1, uapi.UINT32_MAX),
            "number of the routing table",
            "IFLA_VRF_TABLE",
            required=True,
        ),
    )
    routes = True
    table: int

    def usual_mtu(self, ports: Mapping[str, int], now: int | None = None) -> int | None:
        return VRF_MTU  # no packet is sent by the VRF itself

    @classmethod
    def kernel_mtu(cls, parent: Interface | None) -> int | None:
        return VRF_MTU
