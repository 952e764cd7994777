"""Messages of sock_diag, with which `ss` lists sockets (sock_diag(7), `<linux/inet_diag.h>` and its neighbours).

A request and its answers have one number, SOCK_DIAG_BY_FAMILY; the address family, which is the first byte of both, and the flags
of the header in front tell which of the structures follows.  So `DiagRequest` names the structures of its request and its
answers; ``rawns trace`` and ``rawns decode`` find them out.  The numbers stand here and not in `uapi`, because nothing else
needs them.
"""

from __future__ import annotations

from struct import Struct as _Struct

from . import uapi
from .errors import DecodeError
from .nlmsg import Request
from .socket_names import IP_PROTOCOLS, NETLINK_PROTOCOLS, SOCKET_TYPES
from .wire import IP, RAW, TEXT, U8, U16, U32, U64, Attrs, Layout, Message, Raw, Scalar, Struct, Type, Vector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .wire import Buffer, Path, Trace

SOCK_DIAG_BY_FAMILY = 20
SOCK_DESTROY = 21
FLAGS_BEFORE_BODY = 10  # bytes from nlmsg_flags to the end of struct nlmsghdr


def _bits(words: str, prefix: str) -> dict[int, str]:
    """Return names of bits, from the lowest on."""
    return {1 << number: prefix + word for number, word in enumerate(words.split())}


STATES = "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING".split()
SHOWN_INET = _bits("MEMINFO INFO VEGASINFO CONG TOS TCLASS SKMEMINFO SHUTDOWN", "INET_DIAG_")  # 1 << (number - 1)
SHOWN_UNIX = _bits("NAME VFS PEER ICONS RQLEN MEMINFO UID", "UDIAG_SHOW_")
SHOWN_NETLINK = _bits("MEMINFO GROUPS RING_CFG FLAGS", "NDIAG_SHOW_")
SHOWN_PACKET = _bits("INFO MCLIST RING_CFG FANOUT MEMINFO FILTER", "PACKET_SHOW_")
PROTOCOLS = {number: name for number, name in IP_PROTOCOLS.items() if number}  # 0 has no meaning for other families
KINDS: dict[str, Scalar | Raw] = {"8": U8, "16": U16, "32": U32, "64": Raw(8), "family": U8.named("AF_")}
KINDS.update(
    type=Scalar("B", SOCKET_TYPES),
    state=Scalar("B", {number: f"TCP_{name}" for number, name in enumerate(STATES, 1)}),
    states=U32.bits({1 << number: f"TCPF_{name}" for number, name in enumerate(STATES, 1)}),
    protocol=Scalar("B", PROTOCOLS),
    netlink=Scalar("B", {**NETLINK_PROTOCOLS, 255: "NDIAG_PROTO_ALL"}),
    inet=U8.bits(SHOWN_INET),
    udiag_=U32.bits(SHOWN_UNIX),
    ndiag_=U32.bits(SHOWN_NETLINK),
    pdiag_=U32.bits(SHOWN_PACKET),
)


class _PortBytes(Raw):
    """A port in network order, inside a structure in the host's order."""

    def format(self, value: Any) -> str:
        return str(int.from_bytes(value, "big"))


class _PaddedAddress(Raw):
    """An address in 16 bytes, of which IPv4 uses four; shown as IPv4 if the others are zero."""

    def format(self, value: Any) -> str:
        return IP.format(IP.convert(value if any(value[4:]) else value[:4]))


class _Address6(Raw):
    """An IPv6 address."""

    def format(self, value: Any) -> str:
        return IP.format(IP.convert(value))


def _id() -> list[tuple[str, Any]]:
    """Return the members of ``struct inet_diag_sockid``."""
    return [
        ("id.idiag_sport", _PortBytes(2)),
        ("id.idiag_dport", _PortBytes(2)),
        ("id.idiag_src", _PaddedAddress(16)),
        ("id.idiag_dst", _PaddedAddress(16)),
        ("id.idiag_if", U32),
        ("id.idiag_cookie", Raw(8)),
    ]


def _members(prefix: str, words: str) -> list[tuple[str, Any]]:
    """Return members of a structure, written ``NAME:KIND`` with the kinds of `KINDS`."""
    return [(prefix + name, KINDS[kind]) for name, _, kind in (word.partition(":") for word in words.split())]


def _attrs(prefix: str, first: int, **kinds: Type) -> Attrs:
    """Return a table of attributes that are numbered from ``first`` on."""
    return Attrs({prefix + name: (number, kind) for number, (name, kind) in enumerate(kinds.items(), first)})


TCP_INFO = Struct(  # <linux/tcp.h>
    "tcp_info",
    *_members("tcpi_", "state:8 ca_state:8 retransmits:8 probes:8 backoff:8 options:8 wscale:8 app_limited:8 rto:32 ato:32"),
    *_members("tcpi_", "snd_mss:32 rcv_mss:32 unacked:32 sacked:32 lost:32 retrans:32 fackets:32 last_data_sent:32"),
    *_members("tcpi_", "last_ack_sent:32 last_data_recv:32 last_ack_recv:32 pmtu:32 rcv_ssthresh:32 rtt:32 rttvar:32"),
    *_members("tcpi_", "snd_ssthresh:32 snd_cwnd:32 advmss:32 reordering:32 rcv_rtt:32 rcv_space:32 total_retrans:32"),
    *[(f"tcpi_{name}", U64) for name in ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received")],
    *_members("tcpi_", "segs_out:32 segs_in:32 notsent_bytes:32 min_rtt:32 data_segs_in:32 data_segs_out:32"),
    *[(f"tcpi_{name}", U64) for name in ("delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited")],
    *_members("tcpi_", "delivered:32 delivered_ce:32"),
    *[(f"tcpi_{name}", U64) for name in ("bytes_sent", "bytes_retrans")],
    *_members("tcpi_", "dsack_dups:32 reord_seen:32 rcv_ooopack:32 snd_wnd:32"),
)
VEGASINFO = Struct("tcpvegas_info", *_members("tcpv_", "enabled:32 rttcnt:32 rtt:32 minrtt:32"))
DCTCPINFO = Struct(
    "tcp_dctcp_info", ("dctcp_enabled", U16), ("dctcp_ce_state", U16), *_members("dctcp_", "alpha:32 ab_ecn:32 ab_tot:32")
)
BBRINFO = Struct("tcp_bbr_info", *_members("bbr_", "bw_lo:32 bw_hi:32 min_rtt:32 pacing_gain:32 cwnd_gain:32"))
MEMINFO = Struct("inet_diag_meminfo", *_members("idiag_", "rmem:32 wmem:32 fmem:32 tmem:32"))
INET_REQUEST = Layout(
    Struct(
        "inet_diag_req_v2",
        *_members("", "sdiag_family:family sdiag_protocol:protocol idiag_ext:inet pad:8 idiag_states:states"),
        *_id(),
        whole=True,
    ),
    _attrs("INET_DIAG_REQ_", 1, BYTECODE=RAW, SK_BPF_STORAGES=RAW, PROTOCOL=Scalar("I", PROTOCOLS)),
)
INET_ANSWER = Layout(
    Struct(
        "inet_diag_msg",
        *_members("idiag_", "family:family state:state timer:8 retrans:8"),
        *_id(),
        *_members("idiag_", "expires:32 rqueue:32 wqueue:32 uid:32 inode:32"),
        whole=True,
    ),
    _attrs(
        "INET_DIAG_",
        1,
        MEMINFO=MEMINFO,
        INFO=TCP_INFO,
        VEGASINFO=VEGASINFO,
        CONG=TEXT,
        TOS=U8,
        TCLASS=U8,
        SKMEMINFO=Vector(U32),
        SHUTDOWN=U8,
        DCTCPINFO=DCTCPINFO,
        PROTOCOL=Scalar("B", PROTOCOLS),
        SKV6ONLY=U8,
        LOCALS=RAW,
        PEERS=RAW,
        PAD=RAW,
        MARK=U32,
        BBRINFO=BBRINFO,
        CLASS_ID=U32,
        MD5SIG=RAW,
        ULP_INFO=RAW,
        SK_BPF_STORAGES=RAW,
        CGROUP_ID=U64,
        SOCKOPT=RAW,
    ),
)


def _request(name: str, prefix: str) -> Layout:
    """Return the request for sockets of another family; they differ in the names of their members."""
    head = _members("sdiag_", "family:family protocol:" + ("netlink" if prefix == "ndiag_" else "8"))
    return Layout(Struct(name, *head, ("pad", U16), *_members(prefix, _REQUEST[prefix]), whole=True), Attrs({}))


_SHOWN = {prefix: f"ino:32 show:{prefix} cookie:64" for prefix in ("udiag_", "ndiag_", "pdiag_")}
_REQUEST = {**_SHOWN, "udiag_": f"states:states {_SHOWN['udiag_']}"}
UNIX_ANSWER = Layout(
    Struct(
        "unix_diag_msg",
        *_members("udiag_", "family:family type:type state:state"),
        ("pad", U8),
        *_members("udiag_", "ino:32 cookie:64"),
        whole=True,
    ),
    _attrs(
        "UNIX_DIAG_",
        0,
        NAME=RAW,
        VFS=Struct("unix_diag_vfs", *_members("udiag_", "vfs_ino:32 vfs_dev:32")),
        PEER=U32,
        ICONS=Vector(U32),
        RQLEN=Struct("unix_diag_rqlen", *_members("udiag_", "rqueue:32 wqueue:32")),
        MEMINFO=Vector(U32),
        SHUTDOWN=U8,
        UID=U32,
    ),
)
NETLINK_ANSWER = Layout(
    Struct(
        "netlink_diag_msg",
        *_members(
            "ndiag_", "family:family type:type protocol:netlink state:8 portid:32 dst_portid:32 dst_group:32 ino:32 cookie:64"
        ),
        whole=True,
    ),
    _attrs("NETLINK_DIAG_", 0, MEMINFO=Vector(U32), GROUPS=Vector(U32), RX_RING=RAW, TX_RING=RAW, FLAGS=U32),
)
_RING = Struct(
    "packet_diag_ring",
    *_members("pdr_", "block_size:32 block_nr:32 frame_size:32 frame_nr:32 retire_tmo:32 sizeof_priv:32 features:32"),
)
_PACKET_INFO = Struct("packet_diag_info", *_members("pdi_", "index:32 version:32 reserve:32 copy_thresh:32 tstamp:32 flags:32"))
PACKET_ANSWER = Layout(
    Struct("packet_diag_msg", *_members("pdiag_", "family:family type:type num:16 ino:32 cookie:64"), whole=True),
    _attrs(
        "PACKET_DIAG_",
        0,
        INFO=_PACKET_INFO,
        MCLIST=RAW,
        RX_RING=_RING,
        TX_RING=_RING,
        FANOUT=U32,
        UID=U32,
        MEMINFO=Vector(U32),
        FILTER=RAW,
    ),
)


def _of_ipv6(layout: Layout) -> Layout:
    """Return the same layout with addresses that are IPv6 even if only their first four bytes are not zero."""
    header = layout.header
    members = [(name, _Address6(16) if isinstance(kind, _PaddedAddress) else kind) for name, kind in header.members]
    return Layout(Struct(header.name, *members, whole=True), layout.attrs)


LAYOUTS = {  # the request and the answer of each family
    uapi.AF_UNIX: (_request("unix_diag_req", "udiag_"), UNIX_ANSWER),
    uapi.AF_INET: (INET_REQUEST, INET_ANSWER),
    uapi.AF_INET6: (_of_ipv6(INET_REQUEST), _of_ipv6(INET_ANSWER)),
    uapi.AF_NETLINK: (_request("netlink_diag_req", "ndiag_"), NETLINK_ANSWER),
    uapi.AF_PACKET: (_request("packet_diag_req", "pdiag_"), PACKET_ANSWER),
}


OLD_REQUEST = Struct(  # of TCPDIAG_GETSOCK and DCCPDIAG_GETSOCK, before Linux 3.3
    "inet_diag_req",
    *_members("idiag_", "family:family src_len:8 dst_len:8 ext:inet"),
    *_id(),
    *_members("idiag_", "states:states dbs:32"),
    whole=True,
)


_KIND_AND_FLAGS = _Struct("=HH")  # in struct nlmsghdr


class _ByFamily(Type):
    """The body of a message: the layout for its family and direction.  It can be decoded behind its header only."""

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if start < FLAGS_BEFORE_BODY or start >= end or data[start] not in LAYOUTS:
            return RAW.unpack(data, start, end, siblings, trace, path)
        kind, flags = _KIND_AND_FLAGS.unpack_from(data, start - FLAGS_BEFORE_BODY - 2)
        request, answer = LAYOUTS[data[start]]
        if kind < SOCK_DIAG_BY_FAMILY:
            request = Layout(OLD_REQUEST, INET_REQUEST.attrs)
        layout = request if flags & uapi.NLM_F_REQUEST else answer
        return layout.unpack(data, start, end, siblings, trace, path)


_NAMES = {18: "TCPDIAG_GETSOCK", 19: "DCCPDIAG_GETSOCK", SOCK_DIAG_BY_FAMILY: "SOCK_DIAG_BY_FAMILY", SOCK_DESTROY: "SOCK_DESTROY"}
MESSAGES = {
    number: Message(number, name, _ByFamily())  # type: ignore[arg-type]  # it is decoded, never built
    for number, name in _NAMES.items()
}


class _Reading(Message):
    """The answers to a `DiagRequest`: a pair of the header's members, in order, and the attributes by name.

    Without ``attributes``, those of IPv6 only are decoded: whether `::` also stands for 0.0.0.0 is one of them.
    ``struct tcp_info`` is left as bytes: its 65 members in a dict take 5 kB for each of thousands of sockets (`TCP_INFO.read`).
    """

    __slots__ = ("attributes",)

    def __init__(self, layout: Layout, attributes: bool) -> None:
        attrs = layout.attrs
        if "INET_DIAG_INFO" in attrs.names:
            attrs = attrs.select(*attrs.names, INET_DIAG_INFO=RAW)
        super().__init__(SOCK_DIAG_BY_FAMILY, "SOCK_DIAG_BY_FAMILY", Layout(layout.header, attrs))
        self.attributes = attributes

    def unpack(self, data: Buffer, start: int = 0, end: int | None = None, trace: Trace = None) -> Any:
        """Return the pair.  Raises `DecodeError` if the message is too short."""
        stop, header = len(data) if end is None else end, self.layout.header
        if stop - start < header.size:
            raise DecodeError(f"{self.name}: {stop - start} bytes instead of the {header.size} of struct {header.name}")
        if not self.attributes and data[start] == uapi.AF_INET:
            return header.read(data, start), {}
        return header.read(data, start), self.layout.attrs.unpack(data, start + header.size, stop, {}, None, ())


class DiagRequest(Request):
    """A request for the list of the sockets of one family, or to destroy one socket (``number`` SOCK_DESTROY).

    The body of each `Reply` is a pair: the members of the answer's header as a tuple, and its attributes by name.
    ``attributes`` says whether these are needed.
    """

    __slots__ = ()

    def __init__(self, body: Mapping[Any, Any], attributes: bool = True, number: int = SOCK_DIAG_BY_FAMILY) -> None:
        family = body.get("sdiag_family", 0)
        request, answer = LAYOUTS[family]
        flags = uapi.NLM_F_DUMP if number == SOCK_DIAG_BY_FAMILY else 0
        super().__init__(Message(number, MESSAGES[number].name, request), body, flags)
        self.reading = _Reading(answer, attributes)

    @property
    def dump(self) -> bool:
        """Whether this asks for a list."""
        return self.message.number == SOCK_DIAG_BY_FAMILY
