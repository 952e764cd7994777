"""The packets whose way is traced, and the route look-ups made for them."""

from __future__ import annotations

from .. import uapi
from ..nft import statements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOLS = ("icmp", "tcp", "udp")


class Flow:
    """What is sent: ``protocol`` is ``icmp`` (an echo request), ``tcp`` or ``udp``; ``port`` is the destination port, or None."""

    __slots__ = ("port", "protocol")

    def __init__(self, protocol: str = "icmp", port: int | None = None) -> None:
        self.protocol, self.port = protocol, port

    def number(self, family: int) -> int:
        """Return the protocol's number in the IP header."""
        return statements.PROTOCOLS["icmpv6" if self.protocol == "icmp" and family == uapi.AF_INET6 else self.protocol]

    def __str__(self) -> str:
        return "ping" if self.port is None else f"{self.protocol.upper()} port {self.port}"


class RouteQuery:
    """One route look-up: ``ip route get TARGET [from SOURCE] [iif] [oif] [mark] [ipproto] [sport] [dport]``.

    ``iif`` and ``oif`` are indexes, 0 for none. ``iif`` is the link by which the packet came in; 0 means that it is sent from
    here.
    """

    __slots__ = ("dport", "iif", "mark", "oif", "protocol", "source", "sport", "target")

    def __init__(
        self,
        target: str,
        source: str | None = None,
        *,
        iif: int = 0,
        oif: int = 0,
        mark: int = 0,
        protocol: int = 0,
        sport: int = 0,
        dport: int = 0,
    ) -> None:
        self.target, self.source, self.iif, self.oif, self.mark = target, source, iif, oif, mark
        self.protocol, self.sport, self.dport = protocol, sport, dport

    @property
    def key(self) -> tuple[object, ...]:
        """All of it, as a key of a dict."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def replace(self, **changes: Any) -> RouteQuery:
        """Return a copy with some fields changed."""
        return RouteQuery(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})
