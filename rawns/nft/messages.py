"""Messages of nf_tables described as data: tables, chains, rules, and the transactions that carry them (nft(8)).

The names are those of `<linux/netfilter/nf_tables.h>` and `<linux/netfilter/nfnetlink.h>`; the numbers are in `uapi`.

Each number in an attribute is big-endian.  What a register holds (NFTA_DATA_VALUE) is bytes: the name of an interface padded
to 16, a port or an address in network order.

A rule is a list of expressions, each a name and its own attributes: load something into a register, compare it, act.  An
expression that is not in `EXPRESSIONS` keeps its attributes as bytes.
"""

from __future__ import annotations

from .. import uapi
from ..errors import WireError
from ..terminal import short_repr
from ..wire import BE32, RAW, TEXT, U8, U16, Attrs, Layout, Message, Repeated, Scalar, Span, Struct, SubMessage, Text, Type, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..wire import Buffer, Path, Trace


def attrs(**kinds: Type) -> Attrs:
    """Return a table of attributes by their C names; its nests carry NLA_F_NESTED, as those of libnftnl do."""
    return Attrs({name: (getattr(uapi, name), kind) for name, kind in kinds.items()}, True)


def numbered(prefix: str, **kinds: Type) -> Attrs:
    """Return a table of attributes that are numbered from 1 on, in the order of the header."""
    return Attrs({prefix + name: (number, kind) for number, (name, kind) in enumerate(kinds.items(), 1)}, True)


class Userdata(Type):
    """User data of a table, chain or rule: a list of (type, length, value) that the kernel stores without reading it.

    The types are those of libnftnl's `udata.h`; type 0 is the comment that ``nft list`` prints.  The value is a dict by type,
    with a comment as text under ``"comment"``.  Bytes that are not such a list are kept as they are.
    """

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        if isinstance(value, bytes):
            return value
        pieces = []
        for key, one in value.items():
            data = COMMENT.pack(one, {}) if key == "comment" else one
            if not isinstance(data, bytes) or len(data) > 255:
                raise WireError(f"{short_repr(one)} is not user data of at most 255 bytes")
            pieces.append(bytes([0 if key == "comment" else key, len(data)]) + data)
        return b"".join(pieces)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        found: dict[Any, Any] = {}
        spans: list[Span] = []
        offset = start
        while offset < end:
            size = data[offset + 1] if end - offset > 1 else end
            value = bytes(data[offset + 2 : min(offset + 2 + size, end)])
            key, kind = self._kind(data[offset], value)
            if len(value) < size or key in found:
                return bytes(data[start:end])
            found[key] = kind.unpack(value, 0, size, {}, None, path)
            spans.append(Span(offset, 2 + size, (*path, str(key)), kind, found[key], 2))
            offset += 2 + size
        if trace is not None:
            trace += spans
        return found

    @staticmethod
    def _kind(number: int, value: bytes) -> tuple[Any, Type]:
        """Return the key and type of an entry; a comment is text if it would be packed to the same bytes."""
        if number == 0 and value.find(b"\0") == len(value) - 1 < COMMENT.limit and value:
            return "comment", COMMENT
        return number, RAW

    def format(self, value: Any) -> str:
        return RAW.format(value) if isinstance(value, bytes) else ""


COMMENT = Text(128)  # NFTNL_UDATA_COMMENT_MAXLEN, the NUL included
USERDATA = Userdata()

NAME = Text(uapi.NFT_NAME_MAXLEN)
BE64, SIGNED = Scalar("!Q"), Scalar("!i")
REGISTER = BE32.named("NFT_REG")
PROTOCOL = BE32.named("NFPROTO_")
_VERDICTS = "NF_DROP NF_ACCEPT NF_STOLEN NF_QUEUE NF_REPEAT NFT_CONTINUE NFT_BREAK NFT_JUMP NFT_GOTO NFT_RETURN".split()
VERDICT = Scalar("!i", {getattr(uapi, name): name for name in _VERDICTS})
NAT_FLAGS = BE32.bits("NF_NAT_RANGE_")

NFGENMSG = Struct(
    "nfgenmsg",
    ("nfgen_family", U8.named("NFPROTO_")),
    ("version", U8),
    ("res_id", U16),
    order="!",
    whole=True,
)

# -- expressions --------------------------------------------------------------------------------------------------

DATA = attrs(
    NFTA_DATA_VALUE=RAW,
    NFTA_DATA_VERDICT=attrs(NFTA_VERDICT_CODE=VERDICT, NFTA_VERDICT_CHAIN=NAME, NFTA_VERDICT_CHAIN_ID=BE32),
)
EXPRESSIONS: dict[str, Type] = {
    "meta": attrs(NFTA_META_KEY=BE32.named("NFT_META_"), NFTA_META_DREG=REGISTER, NFTA_META_SREG=REGISTER),
    "payload": attrs(
        NFTA_PAYLOAD_DREG=REGISTER,
        NFTA_PAYLOAD_BASE=BE32.named("NFT_PAYLOAD_"),
        NFTA_PAYLOAD_OFFSET=BE32,
        NFTA_PAYLOAD_LEN=BE32,
        NFTA_PAYLOAD_SREG=REGISTER,
        NFTA_PAYLOAD_CSUM_TYPE=BE32,
        NFTA_PAYLOAD_CSUM_OFFSET=BE32,
        NFTA_PAYLOAD_CSUM_FLAGS=BE32,
    ),
    "bitwise": attrs(
        NFTA_BITWISE_SREG=REGISTER,
        NFTA_BITWISE_DREG=REGISTER,
        NFTA_BITWISE_OP=BE32.named("NFT_BITWISE_"),
        NFTA_BITWISE_LEN=BE32,
        NFTA_BITWISE_MASK=DATA,
        NFTA_BITWISE_XOR=DATA,
        NFTA_BITWISE_DATA=DATA,
    ),
    "cmp": attrs(NFTA_CMP_SREG=REGISTER, NFTA_CMP_OP=BE32.named("NFT_CMP_"), NFTA_CMP_DATA=DATA),
    "ct": attrs(NFTA_CT_KEY=BE32.named("NFT_CT_"), NFTA_CT_DREG=REGISTER, NFTA_CT_DIRECTION=U8, NFTA_CT_SREG=REGISTER),
    "lookup": attrs(
        NFTA_LOOKUP_SET=NAME,
        NFTA_LOOKUP_SREG=REGISTER,
        NFTA_LOOKUP_DREG=REGISTER,
        NFTA_LOOKUP_SET_ID=BE32,
        NFTA_LOOKUP_FLAGS=BE32.bits("NFT_LOOKUP_F_"),
    ),
    "fib": attrs(
        NFTA_FIB_DREG=REGISTER,
        NFTA_FIB_RESULT=BE32.named("NFT_FIB_RESULT_"),
        NFTA_FIB_FLAGS=BE32.bits("NFTA_FIB_F_"),
    ),
    "immediate": attrs(NFTA_IMMEDIATE_DREG=REGISTER, NFTA_IMMEDIATE_DATA=DATA),
    "counter": attrs(NFTA_COUNTER_BYTES=BE64, NFTA_COUNTER_PACKETS=BE64),
    "fwd": attrs(NFTA_FWD_SREG_DEV=REGISTER, NFTA_FWD_SREG_ADDR=REGISTER, NFTA_FWD_NFPROTO=PROTOCOL),
    "reject": attrs(NFTA_REJECT_TYPE=BE32.named("NFT_REJECT_"), NFTA_REJECT_ICMP_CODE=U8),
    "nat": attrs(
        NFTA_NAT_TYPE=BE32.named("NFT_NAT_"),
        NFTA_NAT_FAMILY=PROTOCOL,
        NFTA_NAT_REG_ADDR_MIN=REGISTER,
        NFTA_NAT_REG_ADDR_MAX=REGISTER,
        NFTA_NAT_REG_PROTO_MIN=REGISTER,
        NFTA_NAT_REG_PROTO_MAX=REGISTER,
        NFTA_NAT_FLAGS=NAT_FLAGS,
    ),
    "masq": attrs(NFTA_MASQ_FLAGS=NAT_FLAGS, NFTA_MASQ_REG_PROTO_MIN=REGISTER, NFTA_MASQ_REG_PROTO_MAX=REGISTER),
    "redir": attrs(NFTA_REDIR_REG_PROTO_MIN=REGISTER, NFTA_REDIR_REG_PROTO_MAX=REGISTER, NFTA_REDIR_FLAGS=NAT_FLAGS),
    "match": attrs(NFTA_MATCH_NAME=TEXT, NFTA_MATCH_REV=BE32, NFTA_MATCH_INFO=RAW),  # the two of iptables-nft
    "target": attrs(NFTA_TARGET_NAME=TEXT, NFTA_TARGET_REV=BE32, NFTA_TARGET_INFO=RAW),
}
EXPRESSION = attrs(NFTA_EXPR_NAME=TEXT, NFTA_EXPR_DATA=SubMessage("NFTA_EXPR_NAME", EXPRESSIONS, nested=True))

# -- tables, chains, rules ----------------------------------------------------------------------------------------

TABLE = Layout(
    NFGENMSG,
    attrs(
        NFTA_TABLE_NAME=NAME,
        NFTA_TABLE_FLAGS=BE32.bits("NFT_TABLE_F_"),
        NFTA_TABLE_USE=BE32,
        NFTA_TABLE_HANDLE=BE64,
        NFTA_TABLE_USERDATA=USERDATA,
        NFTA_TABLE_OWNER=BE32,
    ),
)
# The names of hooks are those of inet, ip, ip6 and bridge; arp and netdev have other numbers.
HOOK = attrs(
    NFTA_HOOK_HOOKNUM=BE32.named("NF_INET_"),
    NFTA_HOOK_PRIORITY=SIGNED,
    NFTA_HOOK_DEV=TEXT,
    NFTA_HOOK_DEVS=attrs(NFTA_DEVICE_NAME=Repeated(TEXT)),
)
CHAIN = Layout(
    NFGENMSG,
    attrs(
        NFTA_CHAIN_TABLE=NAME,
        NFTA_CHAIN_HANDLE=BE64,
        NFTA_CHAIN_NAME=NAME,
        NFTA_CHAIN_HOOK=HOOK,
        NFTA_CHAIN_POLICY=VERDICT,
        NFTA_CHAIN_USE=BE32,
        NFTA_CHAIN_TYPE=TEXT,
        NFTA_CHAIN_COUNTERS=EXPRESSIONS["counter"],
        NFTA_CHAIN_FLAGS=BE32.bits("NFT_CHAIN_"),
        NFTA_CHAIN_ID=BE32,
        NFTA_CHAIN_USERDATA=USERDATA,
    ),
)
RULE = Layout(
    NFGENMSG,
    attrs(
        NFTA_RULE_TABLE=NAME,
        NFTA_RULE_CHAIN=NAME,
        NFTA_RULE_HANDLE=BE64,
        NFTA_RULE_EXPRESSIONS=attrs(NFTA_LIST_ELEM=Repeated(EXPRESSION)),
        NFTA_RULE_COMPAT=attrs(NFTA_RULE_COMPAT_PROTO=BE32, NFTA_RULE_COMPAT_FLAGS=BE32),
        NFTA_RULE_POSITION=BE64,
        NFTA_RULE_USERDATA=USERDATA,
        NFTA_RULE_ID=BE32,
        NFTA_RULE_POSITION_ID=BE32,
        NFTA_RULE_CHAIN_ID=BE32,
    ),
)
BATCH = Layout(NFGENMSG, attrs(NFNL_BATCH_GENID=BE32))


def _message(name: str, layout: Layout) -> Message:
    """Return a message whose type is the subsystem of netfilter in the upper byte, and its own number in the lower."""
    return Message(uapi.NFNL_SUBSYS_NFTABLES << 8 | getattr(uapi, name), name, layout)


BATCH_BEGIN = Message(uapi.NFNL_MSG_BATCH_BEGIN, "NFNL_MSG_BATCH_BEGIN", BATCH)
BATCH_END = Message(uapi.NFNL_MSG_BATCH_END, "NFNL_MSG_BATCH_END", BATCH)
NEWTABLE = _message("NFT_MSG_NEWTABLE", TABLE)
GETTABLE = _message("NFT_MSG_GETTABLE", TABLE)
DELTABLE = _message("NFT_MSG_DELTABLE", TABLE)
NEWCHAIN = _message("NFT_MSG_NEWCHAIN", CHAIN)
GETCHAIN = _message("NFT_MSG_GETCHAIN", CHAIN)
DELCHAIN = _message("NFT_MSG_DELCHAIN", CHAIN)
NEWRULE = _message("NFT_MSG_NEWRULE", RULE)
GETRULE = _message("NFT_MSG_GETRULE", RULE)
DELRULE = _message("NFT_MSG_DELRULE", RULE)

MESSAGES = table([value for value in list(globals().values()) if isinstance(value, Message)])
