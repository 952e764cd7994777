"""Filters, their chains, and actions: RTM_*TFILTER, RTM_*CHAIN and RTM_*ACTION (tc(8), `<linux/pkt_cls.h>`)."""

from __future__ import annotations

from .. import uapi
from ..errors import DecodeError
from ..wire import (
    BE16,
    BE32,
    FAMILY,
    IFNAME,
    IP,
    MAC,
    RAW,
    S16,
    S32,
    U8,
    U16,
    U32,
    U64,
    Layout,
    Message,
    Raw,
    Scalar,
    Struct,
    StructArray,
    SubMessage,
    Text,
    Type,
    Vector,
    attrs,
)
from ..wire.indexed import Indexed
from .tc import BITFIELD32, HANDLE, STATS2, TABLE, TC, TCMSG, rate_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..wire import Buffer, Path, Trace

# -- actions ------------------------------------------------------------------------------------------------------

_TIMES = Struct("tcf_t", ("install", U64), ("lastuse", U64), ("expires", U64), ("firstuse", U64))
_ACTION: list[tuple[str, Scalar | Raw]] = [("index", U32), ("capab", U32), *[(n, S32) for n in ("action", "refcnt", "bindcnt")]]
POLICE = attrs(
    TCA_POLICE_TBF=Struct(
        "tc_police",
        ("index", U32),
        ("action", S32),
        ("limit", U32),
        ("burst", U32),
        ("mtu", U32),
        *rate_members("rate"),
        *rate_members("peakrate"),
        ("refcnt", S32),
        ("bindcnt", S32),
        ("capab", U32),
    ),
    TCA_POLICE_RATE=TABLE,
    TCA_POLICE_PEAKRATE=TABLE,
    TCA_POLICE_AVRATE=U32,
    TCA_POLICE_RESULT=S32,
    TCA_POLICE_TM=_TIMES,
    TCA_POLICE_RATE64=U64,
    TCA_POLICE_PEAKRATE64=U64,
    TCA_POLICE_PKTRATE64=U64,
    TCA_POLICE_PKTBURST64=U64,
)
ACTIONS: dict[str, Type] = {
    "police": POLICE,
    "gact": attrs(
        TCA_GACT_TM=_TIMES,
        TCA_GACT_PARMS=Struct("tc_gact", *_ACTION),
        TCA_GACT_PROB=Struct("tc_gact_p", ("ptype", U16), ("pval", U16), ("paction", S32)),
    ),
    "mirred": attrs(TCA_MIRRED_TM=_TIMES, TCA_MIRRED_PARMS=Struct("tc_mirred", *_ACTION, ("eaction", S32), ("ifindex", U32))),
    "vlan": attrs(
        TCA_VLAN_TM=_TIMES,
        TCA_VLAN_PARMS=Struct("tc_vlan", *_ACTION, ("v_action", S32)),
        TCA_VLAN_PUSH_VLAN_ID=U16,
        TCA_VLAN_PUSH_VLAN_PROTOCOL=BE16,
        TCA_VLAN_PUSH_VLAN_PRIORITY=U8,
        TCA_VLAN_PUSH_ETH_DST=MAC,
        TCA_VLAN_PUSH_ETH_SRC=MAC,
    ),
    "skbedit": attrs(
        TCA_SKBEDIT_TM=_TIMES,
        TCA_SKBEDIT_PARMS=Struct("tc_skbedit", *_ACTION),
        TCA_SKBEDIT_PRIORITY=HANDLE,
        TCA_SKBEDIT_QUEUE_MAPPING=U16,
        TCA_SKBEDIT_MARK=U32,
        TCA_SKBEDIT_PTYPE=U16,
        TCA_SKBEDIT_MASK=U32,
        TCA_SKBEDIT_FLAGS=U64,
    ),
}
ACTION = attrs(
    TCA_ACT_KIND=Text(16),
    TCA_ACT_OPTIONS=SubMessage("TCA_ACT_KIND", ACTIONS, nested=True),
    TCA_ACT_INDEX=U32,
    TCA_ACT_STATS=STATS2,
    TCA_ACT_COOKIE=RAW,
    TCA_ACT_FLAGS=BITFIELD32,
    TCA_ACT_HW_STATS=BITFIELD32,
    TCA_ACT_USED_HW_STATS=BITFIELD32,
    TCA_ACT_IN_HW_COUNT=U32,
)
ACTION_LIST = Indexed(ACTION)

# -- filters ------------------------------------------------------------------------------------------------------


SELECTOR = Struct(
    "tc_u32_sel",
    ("flags", U8),
    ("offshift", U8),
    ("nkeys", U8),
    ("__pad", Raw(1)),
    ("offmask", Raw(2)),
    ("off", U16),
    ("offoff", S16),
    ("hoff", S16),
    ("hmask", Raw(4)),
    whole=True,
)
KEYS = StructArray(Struct("tc_u32_key", ("mask", Raw(4)), ("val", Raw(4)), ("off", S32), ("offmask", S32)))


class _Selector(Type):
    """struct tc_u32_sel: how many ``keys`` follow is one of its members.  Masks and values are bytes in the network's order."""

    __slots__ = ()

    def pack(self, value: Any, siblings: Mapping[Any, Any]) -> bytes:
        keys = value.get("keys", [])
        return SELECTOR.pack_from({**value, "nkeys": len(keys)}) + KEYS.pack(keys, siblings)

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        split = start + SELECTOR.size
        value = SELECTOR.unpack(data, start, end, siblings, trace, path)
        if split + value["nkeys"] * KEYS.kind.size > end:
            raise DecodeError(f"{value['nkeys']} keys at offset {split} in {end - split} bytes")
        value["keys"] = KEYS.unpack(data, split, end, siblings, trace, (*path, "keys"))
        return value


U32_FILTER = attrs(
    TCA_U32_CLASSID=HANDLE,
    TCA_U32_HASH=U32,
    TCA_U32_LINK=U32,
    TCA_U32_DIVISOR=U32,
    TCA_U32_SEL=_Selector(),
    TCA_U32_POLICE=POLICE,
    TCA_U32_ACT=ACTION_LIST,
    TCA_U32_INDEV=IFNAME,
    TCA_U32_PCNT=Vector(U64),  # struct tc_u32_pcnt: the packets seen, those that matched, and those that matched each key
    TCA_U32_MARK=Struct("tc_u32_mark", ("val", U32), ("mask", U32), ("success", U32)),
    TCA_U32_FLAGS=U32.bits("TCA_CLS_FLAGS_"),
)
FW = attrs(TCA_FW_CLASSID=HANDLE, TCA_FW_POLICE=POLICE, TCA_FW_INDEV=IFNAME, TCA_FW_ACT=ACTION_LIST, TCA_FW_MASK=U32)
BASIC = attrs(
    TCA_BASIC_CLASSID=HANDLE,
    TCA_BASIC_EMATCHES=RAW,
    TCA_BASIC_ACT=ACTION_LIST,
    TCA_BASIC_POLICE=POLICE,
    TCA_BASIC_PCNT=Struct("tc_basic_pcnt", ("rcnt", U64), ("rhit", U64)),
)
MATCHALL = attrs(
    TCA_MATCHALL_CLASSID=HANDLE,
    TCA_MATCHALL_ACT=ACTION_LIST,
    TCA_MATCHALL_FLAGS=U32.bits("TCA_CLS_FLAGS_"),
    TCA_MATCHALL_PCNT=Struct("tc_matchall_pcnt", ("rhit", U64)),
)
FLOWER_BYTES = "IP_PROTO ICMPV4_TYPE ICMPV4_CODE ICMPV6_TYPE ICMPV6_CODE ARP_OP IP_TOS IP_TTL ENC_IP_TOS ENC_IP_TTL"
FLOWER_PORTS = "TCP_SRC TCP_DST UDP_SRC UDP_DST SCTP_SRC SCTP_DST TCP_FLAGS ENC_UDP_SRC_PORT ENC_UDP_DST_PORT"
FLOWER_ADDRESSES = "IPV4_SRC IPV4_DST IPV6_SRC IPV6_DST ARP_SIP ARP_TIP ENC_IPV4_SRC ENC_IPV4_DST ENC_IPV6_SRC ENC_IPV6_DST"


def _keys(kind: Type, names: str) -> dict[str, Type]:
    """Return keys of flower, each with the mask that the kernel knows for it."""
    known = [f"TCA_FLOWER_KEY_{name}{mask}" for name in names.split() for mask in ("", "_MASK")]
    return {name: kind for name in known if hasattr(uapi, name)}


FLOWER = attrs(
    TCA_FLOWER_CLASSID=HANDLE,
    TCA_FLOWER_INDEV=IFNAME,
    TCA_FLOWER_ACT=ACTION_LIST,
    TCA_FLOWER_FLAGS=U32.bits("TCA_CLS_FLAGS_"),
    TCA_FLOWER_IN_HW_COUNT=U32,
    **_keys(MAC, "ETH_DST ETH_SRC ARP_SHA ARP_THA"),
    **_keys(IP, FLOWER_ADDRESSES),
    **_keys(U8, f"{FLOWER_BYTES} VLAN_PRIO CVLAN_PRIO MPLS_TTL MPLS_BOS MPLS_TC NUM_OF_VLANS"),
    **_keys(BE16, f"{FLOWER_PORTS} ETH_TYPE VLAN_ETH_TYPE CVLAN_ETH_TYPE"),
    **_keys(BE16, "PORT_SRC_MIN PORT_SRC_MAX PORT_DST_MIN PORT_DST_MAX"),
    **_keys(U16, "VLAN_ID CVLAN_ID"),
    **_keys(BE32, "ENC_KEY_ID FLAGS"),
    **_keys(U32, "MPLS_LABEL"),
)
FILTERS: dict[str, Type] = {"u32": U32_FILTER, "fw": FW, "basic": BASIC, "matchall": MATCHALL, "flower": FLOWER}
_OPTIONS = SubMessage("TCA_KIND", FILTERS)
_FILTER_NAMES = {
    **TC.attrs.names,
    "TCA_OPTIONS": (uapi.TCA_OPTIONS, _OPTIONS),
    "TCA_DUMP_FLAGS": (uapi.TCA_DUMP_FLAGS, BITFIELD32),
}
FILTER = Layout(TCMSG, type(TC.attrs)(_FILTER_NAMES))
ACTION_LAYOUT = Layout(
    Struct("tcamsg", ("tca_family", FAMILY), ("tca__pad1", U8), ("tca__pad2", U16), whole=True),
    attrs(TCA_ROOT_TAB=ACTION_LIST, TCA_ROOT_FLAGS=BITFIELD32, TCA_ROOT_COUNT=U32, TCA_ROOT_TIME_DELTA=U32),
)

NEWTFILTER = Message(uapi.RTM_NEWTFILTER, "RTM_NEWTFILTER", FILTER)
DELTFILTER = Message(uapi.RTM_DELTFILTER, "RTM_DELTFILTER", FILTER)
GETTFILTER = Message(uapi.RTM_GETTFILTER, "RTM_GETTFILTER", FILTER)
NEWCHAIN = Message(uapi.RTM_NEWCHAIN, "RTM_NEWCHAIN", FILTER)
DELCHAIN = Message(uapi.RTM_DELCHAIN, "RTM_DELCHAIN", FILTER)
GETCHAIN = Message(uapi.RTM_GETCHAIN, "RTM_GETCHAIN", FILTER)
NEWACTION = Message(uapi.RTM_NEWACTION, "RTM_NEWACTION", ACTION_LAYOUT)
DELACTION = Message(uapi.RTM_DELACTION, "RTM_DELACTION", ACTION_LAYOUT)
GETACTION = Message(uapi.RTM_GETACTION, "RTM_GETACTION", ACTION_LAYOUT)
