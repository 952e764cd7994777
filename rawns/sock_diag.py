"""Messages of sock_diag, with which `ss` lists sockets (sock_diag(7), `<linux/inet_diag.h>` and its neighbours).

A request and its answers have one number, SOCK_DIAG_BY_FAMILY; the address family, which is the first byte of both, and the flags
of the header in front tell which of the structures follows.  The numbers stand here and not in `uapi`, because only
``rawns trace`` and ``rawns decode`` need them.
"""

from __future__ import annotations

from . import uapi
from .wire import IP, RAW, TEXT, U8, U16, U32, U64, Attrs, Layout, Message, Raw, Struct, Type, Vector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .wire import Buffer, Path, Trace

SOCK_DIAG_BY_FAMILY = 20
SOCK_DESTROY = 21
FLAGS_BEFORE_BODY = 10  # bytes from nlmsg_flags to the end of struct nlmsghdr


class _PortBytes(Raw):
    """A port in network order, inside a structure in the host's order."""

    def format(self, value: Any) -> str:
        return str(int.from_bytes(value, "big"))


class _PaddedAddress(Raw):
    """An address in 16 bytes, of which IPv4 uses four; shown as IPv4 if the others are zero."""

    def format(self, value: Any) -> str:
        return IP.format(IP.convert(value if any(value[4:]) else value[:4]))


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
    """Return members of a structure, written ``NAME:BITS``."""
    kinds = {"8": U8, "16": U16, "32": U32, "64": Raw(8)}
    return [(prefix + name, kinds[bits]) for name, _, bits in (word.partition(":") for word in words.split())]


def _attrs(prefix: str, first: int, **kinds: Type) -> Attrs:
    """Return a table of attributes that are numbered from ``first`` on."""
    return Attrs({prefix + name: (number, kind) for number, (name, kind) in enumerate(kinds.items(), first)})


MEMINFO = Struct("inet_diag_meminfo", *_members("idiag_", "rmem:32 wmem:32 fmem:32 tmem:32"))
INET_REQUEST = Layout(
    Struct(
        "inet_diag_req_v2",
        ("sdiag_family", U8.named("AF_")),
        ("sdiag_protocol", U8.named("IPPROTO_")),
        ("idiag_ext", U8),
        ("pad", U8),
        ("idiag_states", U32),
        *_id(),
        whole=True,
    ),
    _attrs("INET_DIAG_REQ_", 1, BYTECODE=RAW, SK_BPF_STORAGES=RAW, PROTOCOL=U32),
)
INET_ANSWER = Layout(
    Struct(
        "inet_diag_msg",
        ("idiag_family", U8.named("AF_")),
        *_members("idiag_", "state:8 timer:8 retrans:8"),
        *_id(),
        *_members("idiag_", "expires:32 rqueue:32 wqueue:32 uid:32 inode:32"),
        whole=True,
    ),
    _attrs(
        "INET_DIAG_",
        1,
        MEMINFO=MEMINFO,
        INFO=RAW,
        VEGASINFO=RAW,
        CONG=TEXT,
        TOS=U8,
        TCLASS=U8,
        SKMEMINFO=Vector(U32),
        SHUTDOWN=U8,
        DCTCPINFO=RAW,
        PROTOCOL=U8,
        SKV6ONLY=U8,
        LOCALS=RAW,
        PEERS=RAW,
        PAD=RAW,
        MARK=U32,
        BBRINFO=RAW,
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
    head = _members("sdiag_", "family:8 protocol:8")
    return Layout(Struct(name, *head, ("pad", U16), *_members(prefix, _REQUEST[prefix]), whole=True), Attrs({}))


_SHOWN = "ino:32 show:32 cookie:64"
_REQUEST = {"udiag_": f"states:32 {_SHOWN}", "ndiag_": _SHOWN, "pdiag_": _SHOWN}
UNIX_ANSWER = Layout(
    Struct(
        "unix_diag_msg",
        *_members("udiag_", "family:8 type:8 state:8"),
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
        *_members("ndiag_", "family:8 type:8 protocol:8 state:8 portid:32 dst_portid:32 dst_group:32 ino:32 cookie:64"),
        whole=True,
    ),
    _attrs("NETLINK_DIAG_", 0, MEMINFO=Vector(U32), GROUPS=RAW, RX_RING=RAW, TX_RING=RAW, FLAGS=U32),
)
PACKET_ANSWER = Layout(
    Struct("packet_diag_msg", *_members("pdiag_", "family:8 type:8 num:16 ino:32 cookie:64"), whole=True),
    _attrs(
        "PACKET_DIAG_", 0, INFO=RAW, MCLIST=RAW, RX_RING=RAW, TX_RING=RAW, FANOUT=U32, UID=U32, MEMINFO=Vector(U32), FILTER=RAW
    ),
)
AF_UNIX = 1
LAYOUTS = {  # the request and the answer of each family
    AF_UNIX: (_request("unix_diag_req", "udiag_"), UNIX_ANSWER),
    uapi.AF_INET: (INET_REQUEST, INET_ANSWER),
    uapi.AF_INET6: (INET_REQUEST, INET_ANSWER),
    uapi.AF_NETLINK: (_request("netlink_diag_req", "ndiag_"), NETLINK_ANSWER),
    uapi.AF_PACKET: (_request("packet_diag_req", "pdiag_"), PACKET_ANSWER),
}


class _ByFamily(Type):
    """The body of a message: the layout for its family and direction.  It can be decoded behind its header only."""

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if start < FLAGS_BEFORE_BODY or start >= end or data[start] not in LAYOUTS:
            return RAW.unpack(data, start, end, siblings, trace, path)
        flags = U16.unpack(data, start - FLAGS_BEFORE_BODY, start, {}, None, ())
        request, answer = LAYOUTS[data[start]]
        layout = request if flags & uapi.NLM_F_REQUEST else answer
        return layout.unpack(data, start, end, siblings, trace, path)


MESSAGES = {
    number: Message(number, name, _ByFamily())  # type: ignore[arg-type]  # it is decoded, never built
    for number, name in ((SOCK_DIAG_BY_FAMILY, "SOCK_DIAG_BY_FAMILY"), (SOCK_DESTROY, "SOCK_DESTROY"))
}
