"""Tap devices: the network interface of a program, a virtual machine for example (tun(4))."""

from __future__ import annotations

from .. import values
from ..interface import Interface
from ..properties import KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...objects.link import Link


class Tap(Interface):
    """A tap device: a program that opens it sends and receives its frames.  ``owner`` is the user id that may open it.

    Equivalent to ``ip tuntap add dev NAME mode tap user OWNER``.
    """

    __slots__ = ("owner",)

    kind = "tun"
    section = "taps"
    what = "a tap"
    bridgeable = True
    doc = "the network interface of a program: a tap device"
    properties = (KindProperty("owner", values.USER_ID, "user id that may open it", attribute="IFLA_TUN_OWNER"),)
    leads_out = True
    by_ioctl = True
    max_mtu = 65521  # tun_net_init() of drivers/net/tun.c: 65535 less the Ethernet header
    edge = "tap"
    owner: int | None

    @property
    def carrier_due(self) -> bool:
        """Whether it gets a carrier if everything is as described."""
        return False  # only while a program has opened it

    @property
    def leaf(self) -> str:
        """What a picture draws behind it."""
        return f"a program at {self}"

    @property
    def note(self) -> str:
        """What a picture says about it."""
        return "tap"

    def late_options(self) -> dict[str, Any]:
        """Return what TUNSETIFF cannot set."""
        options = self.creation(self.host)
        return {key: value for key, value in options.items() if key != "index"}

    def same_link(self, there: Link) -> bool:
        """Return whether a link can become this one; before Linux 4.19 the owner is not reported, and not compared."""
        return "IFLA_TUN_TYPE" not in there.data or super().same_link(there)


KINDS = {"taps": Tap}
