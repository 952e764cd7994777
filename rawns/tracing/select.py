"""Selection of the calls of a traced program that are shown: by object, network namespace and failure."""

from __future__ import annotations

from .. import explain, nlmsg, nlmsg_spans
from ..errors import DecodeError
from . import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .record import TracedCall

# How the names of messages begin, without RTM_NEW and so on, by the words of `ip` for them.
MESSAGES = {
    "link": ("LINK", "STATS", "NSID"),
    "addr": ("ADDR",),
    "route": ("ROUTE", "NEXTHOP"),
    "rule": ("RULE",),
    "neigh": ("NEIGH",),
}


class Selection:
    """Select calls by kinds of objects, by network namespace, or by failure.  Without arguments all calls are selected."""

    def __init__(self, kinds: Collection[str] = (), netns: str | None = None, failed: bool = False) -> None:
        self._kinds, self._netns, self._failed = kinds, netns, failed

    def before(self, report: Callable[[TracedCall], None]) -> Callable[[TracedCall], None]:
        """Return a function that passes the calls of the selection on to ``report``."""
        return lambda call: report(call) if self.takes(call) else None

    def takes(self, call: TracedCall) -> bool:
        """Return whether a call belongs to the selection."""
        if self._netns is not None and call.netns != self._netns:
            return False
        if self._failed and not call.error and not _refuses(call):
            return False
        return not self._kinds or any(self._of_kind(call, kind) for kind in self._kinds)

    @staticmethod
    def _of_kind(call: TracedCall, kind: str) -> bool:
        if kind == "ns":
            return call.call in calls.NAMESPACES | calls.FILES
        if kind == "nft":
            return call.protocol == "nftables"
        return call.protocol == "rtnetlink" and any(
            name.startswith("RTM_") and name[7:].startswith(MESSAGES[kind]) for name in message_names(call)
        )


def message_names(call: TracedCall) -> list[str]:
    """Return the names of the messages that a call moved; of an answer also that of the request that it repeats."""
    found = []
    try:
        for name, spans in nlmsg_spans.spans(call.payload, explain.descriptions(call.protocol)):
            found += [name, *(span.text() for span in spans if span.name == "msg.nlmsg_type")]
    except DecodeError:
        pass
    return found


def _refuses(call: TracedCall) -> bool:
    """Return whether a call has received an error."""
    if call.call not in calls.RECEIVES:
        return False
    try:
        for frame in nlmsg.split(call.payload):
            answers = frame.kind in (nlmsg.ERROR.number, nlmsg.DONE.number)
            if answers and any(call.payload[frame.start : frame.start + 4]):  # the errno
                return True
    except DecodeError:
        pass
    return False
