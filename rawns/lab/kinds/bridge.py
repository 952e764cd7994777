"""Bridges: Ethernet switches (bridge(8), `<linux/if_bridge.h>`)."""

from __future__ import annotations

from ...objects import link
from .. import values
from ..interface import DEFAULT_MTU, Interface
from ..properties import KindProperty
from .veth import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from typing_extensions import Unpack

    from ...nlmsg import Request
    from ..interface import BaseHost, Vlans
    from ..properties import InterfaceOptions

    class BridgeOptions(InterfaceOptions, total=False):
        """Keywords of a bridge."""

        stp: bool
        vlan_filtering: bool
        ageing: float | None  # seconds


USUAL_AGEING = 300.0  # seconds


class AgeingProperty(KindProperty):
    """The ageing time: the spanning tree protocol shortens it for a while after each change of the topology."""

    __slots__ = ()

    def readable(self, data: Mapping[str, Any]) -> bool:
        return not data.get("IFLA_BR_TOPOLOGY_CHANGE")


class Bridge(Interface):
    """A bridge, and the host it is in.

    ``stp`` is the spanning tree protocol (a new port then waits for 30 seconds before it forwards), ``vlan_filtering`` keeps
    the traffic of VLANs apart, ``ageing`` is the time in seconds after which a silent MAC address is forgotten.
    Equivalent to ``ip link add NAME type bridge stp_state S vlan_filtering F ageing_time A``.
    """

    __slots__ = ("ageing", "stp", "vlan_filtering")

    kind = "bridge"
    what = "a bridge"
    doc = "an Ethernet switch"
    switches = True
    properties = (
        KindProperty("stp", values.FLAG, "spanning tree protocol", "IFLA_BR_STP_STATE", default=False, in_place=True),
        KindProperty(
            "vlan_filtering",
            values.FLAG,
            "whether the VLANs of its ports are kept apart",
            "IFLA_BR_VLAN_FILTERING",
            default=False,
            in_place=True,
        ),
        AgeingProperty(
            "ageing",
            values.SECONDS,
            "seconds after which a silent MAC address is forgotten (300)",
            "IFLA_BR_AGEING_TIME",
            usual=USUAL_AGEING,
            in_place=True,
        ),
    )
    stp: bool
    vlan_filtering: bool
    ageing: float | None

    @property
    def carrier_due(self) -> bool:
        """Whether it gets a carrier: if it is up and one of its ports gets one."""
        return self.up and any(port.master is self and port.carrier_due for port in self.host.interfaces)

    def port(self, name: str | None = None, *, vlans: Iterable[int] | None = None, **options: Unpack[InterfaceOptions]) -> Port:
        """Plan a port of this bridge, to be wired; without a name it is called after the host that it leads to.

        ``vlans`` are the ids of the VLANs that it carries, the first of them for untagged frames; ``options`` are mac, mtu
        (bytes), up and shape.  Raises `InvalidValue`.
        """
        carried = vlan_map(vlans) if vlans is not None else None
        return self.host.add(Port(self.host, name, master=self, vlans=carried, **options))

    def create(self, speaker: BaseHost) -> list[Request]:
        """Return the requests that create it, down: its ports come first, since each port that comes up floods all others."""
        options = self.creation(speaker)
        assert self.name is not None
        mtu = options.pop("mtu", None)  # set at creation it would follow that of the ports
        created = self.labelled(link.new(self.name, self.kind, self.data, **options))
        return [created] if mtu is None else [created, self.labelled(link.change(self.index, mtu=mtu))]

    def late_options(self) -> dict[str, Any]:
        return {"mtu": self.mtu}

    def usual_mtu(self, ports: Mapping[str, int], now: int | None = None) -> int | None:
        """Return the smallest MTU of the ports; None if the bridge has it.

        The kernel adjusts a bridge's MTU to its ports only until it is set once; afterwards it has to be set again.
        """
        if now == min(ports.values(), default=DEFAULT_MTU):
            return None
        described = {port.name: port.mtu or port.usual_mtu({}) for port in self.host.interfaces if port.master is self}
        return min([described.get(name) or mtu for name, mtu in ports.items()], default=DEFAULT_MTU)


def vlan_map(ids: Iterable[int]) -> Vlans:
    """Return VLANs by id; untagged frames belong to the first.  Raises `InvalidValue`."""
    return {values.VLAN_ID.read(vid): (number == 0, number == 0) for number, vid in enumerate(ids)}
