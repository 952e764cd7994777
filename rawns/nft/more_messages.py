"""Messages and expressions of nf_tables that only other programs send: sets, objects, flow tables, generations, limits, logs.

They are decoded for ``rawns trace``.  Their numbers follow from their order in `<linux/netfilter/nf_tables.h>`, and stand here
and not in `uapi`, which every command loads.
"""

from __future__ import annotations

from .. import uapi
from ..wire import BE16, BE32, BE64, RAW, TEXT, U8, Attrs, Layout, Message, Repeated, Scalar, SubMessage, Type
from ..wire.indexed import Indexed
from . import conntrack
from .messages import DATA, EXPRESSION, EXPRESSIONS, MESSAGES, NAME, NFGENMSG, USERDATA, Userdata, numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFNL_SUBSYS_NFT_COMPAT = 11  # <linux/netfilter/nfnetlink.h>
TYPE_NAMES = (
    "NEWTABLE GETTABLE DELTABLE NEWCHAIN GETCHAIN DELCHAIN NEWRULE GETRULE DELRULE NEWSET GETSET DELSET NEWSETELEM GETSETELEM "
    "DELSETELEM NEWGEN GETGEN TRACE NEWOBJ GETOBJ DELOBJ GETOBJ_RESET NEWFLOWTABLE GETFLOWTABLE DELFLOWTABLE GETRULE_RESET"
).split()


class SetUserdata(Userdata):
    """User data of a set, with the names of libnftnl's `udata.h` for what only nft(8) reads."""

    __slots__ = ()

    @staticmethod
    def _kind(number: int, value: bytes) -> tuple[Any, Type]:
        return f"NFTNL_UDATA_SET_{SET_ENTRIES[number]}" if number < len(SET_ENTRIES) else number, RAW


SET_ENTRIES = "KEYBYTEORDER DATABYTEORDER MERGE_ELEMENTS KEY_TYPEOF DATA_TYPEOF EXPR DATA_INTERVAL COMMENT".split()
EXPRESSION_LIST = Attrs({"NFTA_LIST_ELEM": (uapi.NFTA_LIST_ELEM, Repeated(EXPRESSION))}, True)
SHORT: dict[str, Type] = {"8": U8, "16": BE16, "32": BE32, "64": BE64, "text": TEXT, "raw": RAW, "data": DATA}
SHORT.update(expression=EXPRESSION, expressions=EXPRESSION_LIST)
# Of expressions by their names, the attributes NFTA_NAME_*, written ``ATTRIBUTE:TYPE``: 32 bits if there is no type.
MORE_EXPRESSIONS = {
    "byteorder": "SREG DREG OP LEN SIZE",
    "range": "SREG OP FROM_DATA:data TO_DATA:data",
    "dynset": "SET_NAME:text SET_ID OP SREG_KEY SREG_DATA TIMEOUT:64 EXPR:expression PAD:raw FLAGS EXPRESSIONS:expressions",
    "exthdr": "DREG TYPE:8 OFFSET LEN FLAGS OP SREG",
    "hash": "SREG DREG LEN MODULUS SEED OFFSET TYPE SET_NAME:text SET_ID",
    "numgen": "DREG MODULUS TYPE OFFSET SET_NAME:text SET_ID",
    "rt": "DREG KEY",
    "socket": "KEY DREG LEVEL",
    "limit": "RATE:64 UNIT:64 BURST TYPE FLAGS PAD:raw",
    "connlimit": "COUNT FLAGS",
    "last": "SET MSECS:64 PAD:raw",
    "log": "GROUP:16 PREFIX:text SNAPLEN QTHRESHOLD:16 LEVEL FLAGS",
    "queue": "NUM:16 TOTAL:16 FLAGS:16 SREG_QNUM",
    "quota": "BYTES:64 FLAGS PAD:raw CONSUMED:64",
    "secmark": "CTX:text",
    "synproxy": "MSS:16 WSCALE:8 FLAGS",
    "tproxy": "FAMILY REG_ADDR REG_PORT",
    "dup": "SREG_ADDR SREG_DEV",
    "objref": "IMM_TYPE IMM_NAME:text SET_SREG SET_NAME:text SET_ID",
    "xfrm": "DREG KEY DIR:8 SPNUM",
    "osf": "DREG TTL:8 FLAGS",
    "tunnel": "KEY DREG MODE",
    "flow_offload": "TABLE_NAME:text",
}
PREFIXES = {"numgen": "NG", "flow_offload": "FLOW"}  # in the names of attributes, where it is not the name of the expression


def _expression(name: str, rows: str) -> Attrs:
    pairs = (row.partition(":") for row in rows.split())
    return numbered(f"NFTA_{PREFIXES.get(name, name.upper())}_", **{word: SHORT[kind or "32"] for word, _, kind in pairs})


EXPRESSIONS.update({name: _expression(name, rows) for name, rows in MORE_EXPRESSIONS.items()})
OBJECTS = {1: "counter", 2: "quota", 4: "limit", 5: "connlimit", 8: "secmark", 10: "synproxy"}  # NFT_OBJECT_*
OBJECT_DATA = SubMessage("NFTA_OBJ_TYPE", {number: EXPRESSIONS[name] for number, name in OBJECTS.items()}, nested=True)
FIELD = numbered("NFTA_SET_FIELD_", LEN=BE32)
FIELDS = Attrs({"NFTA_LIST_ELEM": (uapi.NFTA_LIST_ELEM, Repeated(FIELD))}, True)
DEVICES = Attrs({"NFTA_DEVICE_NAME": (1, Repeated(TEXT))}, True)
FLOWTABLE_HOOK = numbered("NFTA_FLOWTABLE_HOOK_", NUM=BE32, PRIORITY=Scalar("!i"), DEVS=DEVICES)
ELEMENT = numbered(
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
    EXPRESSIONS=EXPRESSION_LIST,
)
LAYOUTS = {
    "SET": numbered(
        "NFTA_SET_",
        TABLE=NAME,
        NAME=NAME,
        FLAGS=BE32,
        KEY_TYPE=BE32,
        KEY_LEN=BE32,
        DATA_TYPE=BE32,
        DATA_LEN=BE32,
        POLICY=BE32,
        DESC=numbered("NFTA_SET_DESC_", SIZE=BE32, CONCAT=FIELDS),
        ID=BE32,
        TIMEOUT=BE64,
        GC_INTERVAL=BE32,
        USERDATA=SetUserdata(),
        PAD=RAW,
        OBJ_TYPE=BE32,
        HANDLE=BE64,
        EXPR=EXPRESSION,
        EXPRESSIONS=EXPRESSION_LIST,
        TYPE=TEXT,  # this and the next since Linux 6.16
        COUNT=BE32,
    ),
    "SETELEM": numbered(
        "NFTA_SET_ELEM_LIST_",
        TABLE=NAME,
        SET=NAME,
        ELEMENTS=Indexed(ELEMENT, True),
        SET_ID=BE32,
    ),
    "GEN": numbered("NFTA_GEN_", ID=BE32, PROC_PID=BE32, PROC_NAME=TEXT),
    "OBJ": numbered(
        "NFTA_OBJ_", TABLE=NAME, NAME=NAME, TYPE=BE32, DATA=OBJECT_DATA, USE=BE32, HANDLE=BE64, PAD=RAW, USERDATA=USERDATA
    ),
    "FLOWTABLE": numbered(
        "NFTA_FLOWTABLE_", TABLE=NAME, NAME=NAME, HOOK=FLOWTABLE_HOOK, USE=BE32, HANDLE=BE64, PAD=RAW, FLAGS=BE32
    ),
}


def _message(number: int, name: str) -> Message:
    number |= uapi.NFNL_SUBSYS_NFTABLES << 8
    known = MESSAGES.get(number)
    attrs = LAYOUTS.get(name[3:].removesuffix("_RESET"), Attrs({}))
    return known or Message(number, f"NFT_MSG_{name}", Layout(NFGENMSG, attrs))


COMPAT_GET = Message(  # which match or target of xtables a program asks for: <linux/netfilter/nf_tables_compat.h>
    NFNL_SUBSYS_NFT_COMPAT << 8,
    "NFNL_MSG_COMPAT_GET",
    Layout(NFGENMSG, numbered("NFTA_COMPAT_", NAME=TEXT, REV=BE32, TYPE=BE32)),
)
ALL = {
    **MESSAGES,
    **conntrack.MESSAGES,
    COMPAT_GET.number: COMPAT_GET,
    **{message.number: message for message in map(_message, range(len(TYPE_NAMES)), TYPE_NAMES)},
}
