"""Multicast groups of bridges: RTM_*MDB (`<linux/if_bridge.h>`, ``bridge mdb``)."""

from __future__ import annotations

from .. import uapi
from ..wire import FAMILY, IP, U8, U16, U32, Layout, Message, Raw, Repeated, Struct, Type, attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..wire.types import Buffer, Path, Trace

BR_PORT_MSG = Struct("br_port_msg", ("family", FAMILY), ("__pad1", U8), ("__pad2", U16), ("ifindex", U32), whole=True)
BR_MDB_ENTRY = Struct(
    "br_mdb_entry",
    ("ifindex", U32),
    ("state", U8),
    ("flags", U8.bits("MDB_FLAGS_")),
    ("vid", U16),
    ("addr.u", Raw(16)),
    ("addr.proto", Raw(2)),  # an ETH_P_*, in the network's order; 0: a link-layer address
    ("__pad", Raw(2)),
    whole=True,
)
SOURCE = attrs(MDBA_MDB_SRCATTR_ADDRESS=IP, MDBA_MDB_SRCATTR_TIMER=U32)
ENTRY = Layout(
    BR_MDB_ENTRY,
    attrs(
        MDBA_MDB_EATTR_TIMER=U32,
        MDBA_MDB_EATTR_SRC_LIST=attrs(MDBA_MDB_SRCLIST_ENTRY=Repeated(SOURCE)),
        MDBA_MDB_EATTR_GROUP_MODE=U8,
        MDBA_MDB_EATTR_SOURCE=IP,
        MDBA_MDB_EATTR_RTPROT=U8.named("RTPROT_"),
    ),
)
ROUTER_PORT = Layout(  # one of a bridge behind which routers of multicast are
    Struct("router_port", ("ifindex", U32), whole=True),
    attrs(
        MDBA_ROUTER_PATTR_TIMER=U32,
        MDBA_ROUTER_PATTR_TYPE=U8.named("MDB_RTR_TYPE_"),
        MDBA_ROUTER_PATTR_INET_TIMER=U32,
        MDBA_ROUTER_PATTR_INET6_TIMER=U32,
        MDBA_ROUTER_PATTR_VID=U16,
    ),
)
ROUTER = attrs(MDBA_ROUTER_PORT=Repeated(ROUTER_PORT))


class _Either(Type):
    """A payload that is another one in a request (MDBA_SET_ENTRY*) than in what the kernel reports under the same number."""

    __slots__ = ("request", "report", "nested")

    def __init__(self, request: Type, report: Type) -> None:
        self.request, self.report, self.nested = request, report, request.nested

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        return (self.request if _asks(siblings) else self.report).pack(value, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        asks = _asks(siblings) or self.request is BR_MDB_ENTRY and end - start == BR_MDB_ENTRY.size  # a nest has more
        return (self.request if asks else self.report).unpack(data, start, end, siblings, trace, path)


def _asks(siblings: Mapping[Any, Any]) -> bool:
    """Return whether a message with these attributes is a request."""
    entry = siblings.get("MDBA_MDB")
    return isinstance(entry, dict) and "addr.u" in entry


GROUPS = attrs(MDBA_MDB_ENTRY=Repeated(attrs(MDBA_MDB_ENTRY_INFO=Repeated(ENTRY))))
MDB = Layout(
    BR_PORT_MSG, attrs(MDBA_MDB=_Either(BR_MDB_ENTRY, GROUPS), MDBA_ROUTER=_Either(attrs(True, MDBE_ATTR_SOURCE=IP), ROUTER))
)

NEWMDB = Message(uapi.RTM_NEWMDB, "RTM_NEWMDB", MDB)
DELMDB = Message(uapi.RTM_DELMDB, "RTM_DELMDB", MDB)
GETMDB = Message(uapi.RTM_GETMDB, "RTM_GETMDB", MDB)
