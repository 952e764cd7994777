"""Messages of nf_tables that only other programs send: sets and their elements, objects, flow tables, generations.

They are decoded for ``rawns trace``.  Their numbers follow from their order in `<linux/netfilter/nf_tables.h>`, and stand here
and not in `uapi`, which every command loads.
"""

from __future__ import annotations

from .. import uapi
from ..wire import BE32, BE64, RAW, TEXT, Attrs, Layout, Message, Repeated, Type
from ..wire.indexed import Indexed
from .messages import DATA, EXPRESSION, MESSAGES, NAME, NFGENMSG, USERDATA, Userdata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFNL_SUBSYS_NFT_COMPAT = 11  # <linux/netfilter/nfnetlink.h>
TYPE_NAMES = (
    "NEWTABLE GETTABLE DELTABLE NEWCHAIN GETCHAIN DELCHAIN NEWRULE GETRULE DELRULE NEWSET GETSET DELSET NEWSETELEM GETSETELEM "
    "DELSETELEM NEWGEN GETGEN TRACE NEWOBJ GETOBJ DELOBJ GETOBJ_RESET NEWFLOWTABLE GETFLOWTABLE DELFLOWTABLE GETRULE_RESET"
).split()


def _attrs(prefix: str, **kinds: Type) -> Attrs:
    """Return a table of attributes that are numbered from 1 on, in the order of the header."""
    return Attrs({prefix + name: (number, kind) for number, (name, kind) in enumerate(kinds.items(), 1)}, True)


class SetUserdata(Userdata):
    """User data of a set, with the names of libnftnl's `udata.h` for what only nft(8) reads."""

    __slots__ = ()

    @staticmethod
    def _kind(number: int, value: bytes) -> tuple[Any, Type]:
        return f"NFTNL_UDATA_SET_{SET_ENTRIES[number]}" if number < len(SET_ENTRIES) else number, RAW


SET_ENTRIES = "KEYBYTEORDER DATABYTEORDER MERGE_ELEMENTS KEY_TYPEOF DATA_TYPEOF EXPR DATA_INTERVAL COMMENT".split()
EXPRESSIONS = Attrs({"NFTA_LIST_ELEM": (uapi.NFTA_LIST_ELEM, Repeated(EXPRESSION))}, True)
ELEMENT = _attrs(
    "NFTA_SET_ELEM_",
    KEY=DATA,
    DATA=DATA,
    FLAGS=BE32,
    TIMEOUT=BE64,
    EXPIRATION=BE64,
    USERDATA=USERDATA,
    EXPR=EXPRESSION,
    PAD=RAW,
    OBJREF=TEXT,
    KEY_END=DATA,
    EXPRESSIONS=EXPRESSIONS,
)
LAYOUTS = {
    "SET": _attrs(
        "NFTA_SET_",
        TABLE=NAME,
        NAME=NAME,
        FLAGS=BE32,
        KEY_TYPE=BE32,
        KEY_LEN=BE32,
        DATA_TYPE=BE32,
        DATA_LEN=BE32,
        POLICY=BE32,
        DESC=_attrs("NFTA_SET_DESC_", SIZE=BE32, CONCAT=RAW),
        ID=BE32,
        TIMEOUT=BE64,
        GC_INTERVAL=BE32,
        USERDATA=SetUserdata(),
        PAD=RAW,
        OBJ_TYPE=BE32,
        HANDLE=BE64,
        EXPR=EXPRESSION,
        EXPRESSIONS=EXPRESSIONS,
        TYPE=TEXT,  # this and the next since Linux 6.16
        COUNT=BE32,
    ),
    "SETELEM": _attrs(
        "NFTA_SET_ELEM_LIST_",
        TABLE=NAME,
        SET=NAME,
        ELEMENTS=Indexed(ELEMENT, True),
        SET_ID=BE32,
    ),
    "GEN": _attrs("NFTA_GEN_", ID=BE32, PROC_PID=BE32, PROC_NAME=TEXT),
    "OBJ": _attrs("NFTA_OBJ_", TABLE=NAME, NAME=NAME, TYPE=BE32, DATA=RAW, USE=BE32, HANDLE=BE64, PAD=RAW, USERDATA=USERDATA),
    "FLOWTABLE": _attrs("NFTA_FLOWTABLE_", TABLE=NAME, NAME=NAME, HOOK=RAW, USE=BE32, HANDLE=BE64, PAD=RAW, FLAGS=BE32),
}


def _message(number: int, name: str) -> Message:
    number |= uapi.NFNL_SUBSYS_NFTABLES << 8
    known = MESSAGES.get(number)
    attrs = LAYOUTS.get(name[3:].removesuffix("_RESET"), Attrs({}))
    return known or Message(number, f"NFT_MSG_{name}", Layout(NFGENMSG, attrs))


COMPAT_GET = Message(  # which match or target of xtables a program asks for: <linux/netfilter/nf_tables_compat.h>
    NFNL_SUBSYS_NFT_COMPAT << 8,
    "NFNL_MSG_COMPAT_GET",
    Layout(NFGENMSG, _attrs("NFTA_COMPAT_", NAME=TEXT, REV=BE32, TYPE=BE32)),
)
ALL = {
    **MESSAGES,
    COMPAT_GET.number: COMPAT_GET,
    **{message.number: message for message in map(_message, range(len(TYPE_NAMES)), TYPE_NAMES)},
}
