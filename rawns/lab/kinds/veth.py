"""Wires: veth pairs (veth(4)), of which each end is a `Port`."""

from __future__ import annotations

from ...objects import link
from .. import stamp
from ..interface import ONE_QUEUE, Interface

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...nlmsg import Request
    from ...objects.link import Link
    from ..interface import BaseHost


class Port(Interface):
    """One end of a wire (a veth pair).  Made by `Host.port` and `Bridge.port`; ``peer`` is the other end once it is wired."""

    __slots__ = ("loop", "peer")

    kind = "veth"
    what = "a wire"
    bridgeable = True
    doc = "a wire between two hosts, or a host and a bridge: a veth pair"
    peer: Port | None
    loop: bool  # whether its wire may close a loop of bridges

    def __init__(self, host: BaseHost, name: str | None, *args: Any, **options: Any) -> None:
        super().__init__(host, name, *args, **options)
        self._init(peer=None, loop=False)

    @property
    def far(self) -> Port:
        """The other end of a wire, for a port that is wired."""
        assert self.peer is not None
        return self.peer

    @property
    def carrier_due(self) -> bool:
        """Whether it gets a carrier: if both ends are up."""
        return self.up and self.peer is not None and self.peer.up

    @property
    def up_at_creation(self) -> bool:
        """Whether it is set up when it is created at the near end; its carrier comes later."""
        return self.up

    @property
    def alias_words(self) -> str:
        """The two ends of the wire, the same at both."""
        ends = [f"{end.host.label}:{end.name}" for end in (self, self.far)]
        return stamp.of_wire(*sorted(ends))

    def creation(self, speaker: BaseHost) -> dict[str, Any]:
        options = super().creation(speaker)
        options.update(ONE_QUEUE)
        return options

    def create(self, speaker: BaseHost) -> list[Request]:
        """Return the request that creates both ends, each in its own namespace; the kernel cannot bring up the far one yet."""
        far = self.far
        assert self.name is not None and far.name is not None
        near = self.creation(speaker)
        if self.master is not None:
            near["master"] = self.master.index
        request = link.veth(self.name, far.name, far.creation(speaker), up=self.up_at_creation, **near)
        place = f", {self.where}" if self.where else ""
        request.context = f"wire {self} -- {far}{place}"  # either end may be what is refused
        return [request]

    def same_link(self, there: Link) -> bool:
        return True  # the two ends are compared with each other, by `diff`
