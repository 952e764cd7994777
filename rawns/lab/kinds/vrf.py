"""VRFs: interfaces of a host with a routing table of their own (ip-vrf(8))."""

from __future__ import annotations

from .. import values
from ..interface import Interface
from ..properties import KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VRF_MTU = 65575  # bytes: vrf_setup() of drivers/net/vrf.c


class Vrf(Interface):
    """A VRF: the interfaces of its host that name it (``vrf``) use the routing table with the number ``table``.

    Equivalent to ``ip link add NAME type vrf table TABLE`` and ``ip link set INTERFACE master NAME``.
    """

    __slots__ = ("table",)

    kind = "vrf"
    section = "vrfs"
    what = "a vrf"
    doc = "a routing table of their own for some interfaces of a host"
    properties = (
        KindProperty(
            "table",
            values.WholeNumber("a routing table", 1, 0xFFFFFFFF),
            "number of the routing table",
            attribute="IFLA_VRF_TABLE",
            required=True,
        ),
    )
    routes = True
    table: int

    def usual_mtu(self, ports: Mapping[str, int], now: int | None = None) -> int | None:
        """Return the largest MTU: no packet is sent by the VRF itself."""
        return VRF_MTU

    @classmethod
    def kernel_mtu(cls, parent: Interface | None) -> int | None:
        """Return the MTU of a new device; None if it is not known."""
        return VRF_MTU


KINDS = {"vrfs": Vrf}
