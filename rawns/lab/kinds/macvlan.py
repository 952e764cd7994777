"""Macvlans: interfaces with a MAC address of their own on top of another interface (`<linux/if_link.h>`)."""

from __future__ import annotations

from ...errors import InvalidValue
from ...objects.link import MACVLAN_MODES
from .. import values
from ..interface import Interface
from ..properties import KindProperty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import BaseHost


class Macvlan(Interface):
    """An interface with a MAC address of its own on top of another one, its ``parent``, which may be in another host.

    Equivalent to ``ip link add link PARENT name NAME type macvlan mode MODE``.
    """

    __slots__ = ("mode",)

    kind = "macvlan"
    section = "macvlans"
    what = "a macvlan"
    doc = "an interface with a MAC address of its own on top of another interface"
    properties = (
        KindProperty(
            "mode",
            values.Choice(
                "a mode of a macvlan", {word: MACVLAN_MODES[word] for word in ("private", "vepa", "bridge", "passthru")}
            ),
            "who may talk to each other on the same parent",
            attribute="IFLA_MACVLAN_MODE",
            default="bridge",
            explicit=True,
        ),
    )
    stacked = True
    takes_frames = True
    on_loopback = False
    edge = "stacked"
    mode: str

    def __init__(self, host: BaseHost, name: str | None, *args: Any, **options: Any) -> None:
        super().__init__(host, name, *args, **options)
        if self.mac and self.exclusive:
            raise InvalidValue(f"{self.what} in mode passthru has the MAC address of its parent: give the parent this mac")

    @property
    def exclusive(self) -> bool:
        """Whether it takes its parent for itself alone."""
        return self.mode == "passthru"

    def apart_from(self, other: Interface) -> bool:
        """Return True for its parent, and for another macvlan on that parent unless both are in bridge mode."""
        if other is self.parent:
            return True
        siblings = other.parent is self.parent and isinstance(other, Macvlan)
        return siblings and not self.mode == getattr(other, "mode", "") == "bridge"

    @property
    def note(self) -> str:
        """What a picture says about it."""
        return f"{self.kind} {self.mode}"


class Macvtap(Macvlan):
    """A macvlan whose frames a program (a virtual machine) exchanges through the character device /dev/tapINDEX.

    Equivalent to ``ip link add link PARENT name NAME type macvtap mode MODE``.
    """

    __slots__ = ()

    kind = "macvtap"
    section = "macvtaps"
    what = "a macvtap"
    doc = "a macvlan for a program, which opens /dev/tapINDEX"
    leads_out = True
    usual_values = {"txqueuelen": 500}  # TUN_READQ_SIZE of the kernel

    @property
    def leaf(self) -> str:
        """What a picture draws behind it."""
        return f"a program at {self}"


KINDS = {"macvlans": Macvlan, "macvtaps": Macvtap}
