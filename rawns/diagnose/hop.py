"""One hop of a packet, from one IP stack to the next, and the faults that checks find on it."""

from __future__ import annotations

from .. import uapi
from ..objects.prefix import family_of
from .flow import Flow, RouteQuery
from .namespace_view import RouteRefused
from .remedy import Remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..nft.evaluate import Evaluation, Packet
    from ..objects.link import Link
    from ..objects.route import Route
    from .fib import RouteTrace
    from .namespace_view import NamespaceView, RouteAnswer
    from .segment import Segment


class NetworkFault:
    """What keeps a packet from its destination: a ``sentence``, and the ``remedy`` that removes it, if one is known.

    ``check`` is the name of the check that found it, ``subject`` what was checked. ``conclusive`` is True if an answer to a ping
    does not refute it, because another host may have answered. ``transient`` is True if it may go away by itself within
    seconds, so that an answer is waited for longer.
    """

    __slots__ = ("check", "conclusive", "remedy", "sentence", "subject", "transient")

    def __init__(self, sentence: str, remedy: Remedy | None = None, *, conclusive: bool = False, transient: bool = False) -> None:
        self.sentence, self.remedy = sentence, Remedy() if remedy is None else remedy
        self.conclusive, self.transient = conclusive, transient
        self.check = self.subject = ""

    @property
    def command(self) -> str:
        """The shell command that removes the fault; empty if none is known that the kernel would accept."""
        return str(self.remedy)

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return f"<NetworkFault {self.check}: {self.sentence}>"


class CheckResult:
    """One check that was made: its name, what it looked at, and the fault that it found, or None."""

    __slots__ = ("check", "fault", "subject")

    def __init__(self, check: str, subject: str, fault: NetworkFault | None = None) -> None:
        self.check, self.subject, self.fault = check, subject, fault

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}"


class FilterSuspect:
    """A chain of nf_tables whose effect on the packet could not be determined, and where the packet meets it."""

    __slots__ = ("evaluation", "packet", "view")

    def __init__(self, view: NamespaceView, evaluation: Evaluation, packet: Packet) -> None:
        self.view, self.evaluation, self.packet = view, evaluation, packet


class Hop:
    """From one IP stack to the next: everything that the checks of it look at, filled in as the packet proceeds.

    ``here`` has the packet, which goes from ``source`` to ``target`` and came in by ``iif`` (None: it is sent from here). The
    kernel's ``answer`` sends it by ``egress`` to ``next_hop``, over ``segments``, and it comes in by ``ingress`` in ``receiver``.
    ``destination`` is the namespace that should get it in the end, if that is known; ``others`` are the namespaces that are known
    so far. ``reply`` says that this is the way back; ``tracked`` are the namespaces that have seen the request, whose conntrack
    therefore knows the reply.
    """

    def __init__(
        self,
        here: NamespaceView,
        target: str,
        source: str | None,
        iif: Link | None,
        destination: NamespaceView | None,
        others: Iterable[NamespaceView] = (),
        reply: bool = False,
        flow: Flow | None = None,
    ) -> None:
        self.here, self.target, self.source, self.iif, self.destination = here, target, source, iif, destination
        self.others, self.reply, self.flow = list(others), reply, flow or Flow()
        self.family = family_of(target)
        self.port = self.flow.port  # the port of the destination host, changed by port translation
        self.mark = 0
        self.scope: Link | None = None  # the scope of a link-local target
        self.tracked: list[NamespaceView] = []
        self.answer: RouteAnswer = RouteRefused(0)
        self.trace: RouteTrace | None = None
        self.egress: Link | None = None
        self.next_hop = target
        self.segments: list[Segment] = []
        self.receiver: NamespaceView | None = None
        self.ingress: Link | None = None
        self.suspects: list[FilterSuspect] = []

    @property
    def route(self) -> Route | None:
        """The route that the kernel chose; None if it refused."""
        return None if isinstance(self.answer, RouteRefused) else self.answer

    @property
    def query(self) -> RouteQuery:
        """The route look-up of this packet."""
        ports = {"sport" if self.reply else "dport": self.port} if self.port else {}
        oif = self.scope.index if self.scope is not None else 0
        iif = self.iif.index if self.iif is not None else 0
        protocol = self.flow.number(self.family) if self.port else 0
        return RouteQuery(self.target, self.source, iif=iif, oif=oif, mark=self.mark, protocol=protocol, **ports)

    def taken(self) -> list[str]:
        """Return the addresses that are in use, as far as is known."""
        return [one.address for view in self.views() for one in view.addresses]

    def views(self) -> list[NamespaceView]:
        """Return the namespaces that have been read: the two ends of the hop, the destination, and the others."""
        ends = [view for view in (self.here, self.destination, self.receiver) if view is not None]
        return [view for view in dict.fromkeys([*ends, *self.others]) if view.loaded]

    def resolved(self) -> bool:
        """Return whether the sender has a permanent neighbour entry for the next hop, so that it need not ask."""
        index = None if self.egress is None else self.egress.index
        entries = [one for one in self.here.neighbours() if (one.index, one.address) == (index, self.next_hop)]
        return any(one.state & uapi.NUD_PERMANENT for one in entries)
