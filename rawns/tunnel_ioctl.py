"""Tunnels as ioctl(2) makes and describes them: the requests SIOC*TUNNEL, SIOC*PRL and SIOC*6RD (`<linux/if_tunnel.h>`).

rtnetlink can do all of this for most kinds of tunnels; ``ip tunnel`` uses these requests, which need no netlink.  Values are
numbers of this machine and addresses as bytes; what the kernel has in the order of the network is converted here.
"""

from __future__ import annotations

from _socket import SOCK_DGRAM, htonl, htons, socket
from struct import pack as _pack

from . import uapi
from .errors import WireError
from .observer import quoted
from .packets import IPV4
from .syscalls import buffer, ioctl_struct
from .wire import S32, U8, U16, U32, Raw, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PARM = Struct(
    "ip_tunnel_parm",
    ("name", Raw(uapi.IFNAMSIZ)),
    ("link", S32),
    ("i_flags", U16),
    ("o_flags", U16),
    ("i_key", U32),
    ("o_key", U32),
    ("iph", Raw(20)),  # struct iphdr: what the header in front of a packet is to be
    whole=True,
)
PARM6 = Struct(
    "ip6_tnl_parm2",
    ("name", Raw(uapi.IFNAMSIZ)),
    ("link", S32),
    ("proto", U8),
    ("encap_limit", U8),
    ("hop_limit", U8),
    ("__pad", U8),
    ("flowinfo", U32),
    ("flags", U32),
    ("laddr", Raw(16)),
    ("raddr", Raw(16)),
    ("i_flags", U16),
    ("o_flags", U16),
    ("i_key", U32),
    ("o_key", U32),
    whole=True,
)
SIXRD = Struct(
    "ip_tunnel_6rd", ("prefix", Raw(16)), ("relay_prefix", Raw(4)), ("prefixlen", U16), ("relay_prefixlen", U16), whole=True
)
PRL = Struct(
    "ip_tunnel_prl", ("addr", Raw(4)), ("flags", U16), ("__reserved", U16), ("datalen", U32), ("__reserved2", U32), whole=True
)
IPH = IPV4.header
MAX_ROUTERS = 16  # entries of SIOCGETPRL
BIG_ENDIAN: dict[str, Callable[[Any], Any]] = {
    "i_flags": htons,
    "o_flags": htons,
    "i_key": htonl,
    "o_key": htonl,
    "flowinfo": htonl,
}
_IPH_MEMBERS = frozenset(name for name, _ in IPH.members)


def _same(value: Any) -> Any:
    return value


def pack(described: Struct, values: Mapping[str, Any]) -> bytes:
    """Return a structure; the members of struct iphdr stand among the others.  Raises `WireError`."""
    try:
        found: dict[str, Any] = {name: BIG_ENDIAN.get(name, _same)(value) for name, value in values.items()}
    except (OverflowError, ValueError) as error:  # of a negative number the second, from Python 3.14 on
        raise WireError(f"struct {described.name}: {error}") from None
    if described is PARM:
        inner = {name: found.pop(name) for name in _IPH_MEMBERS & set(found)}
        found["iph"] = IPH.pack(inner, inner)
    if "name" in found:
        found["name"] = found["name"].encode("utf-8", "surrogateescape").ljust(uapi.IFNAMSIZ, b"\0")
    return described.pack(found, found)


def unpack(described: Struct, data: bytes) -> dict[str, Any]:
    """Return the members of a structure, those of struct iphdr among them.  Raises `DecodeError` if it is too short."""
    found: dict[str, Any] = described.unpack(data, 0, len(data), {}, None, ())
    for name in BIG_ENDIAN.keys() & found.keys():
        found[name] = BIG_ENDIAN[name](found[name])
    if described is PARM:
        found.update(IPH.unpack(found.pop("iph"), 0, IPH.size, {}, None, ()))
    if "name" in found:
        found["name"] = found["name"].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return found


def call(request: str, family: int, name: str, data: bytes) -> bytes:
    """Make a request about the device ``name`` with a structure; return the structure as the kernel has left it.

    ``request`` is its name in `uapi`, ``family`` AF_INET or AF_INET6.  Raises `SyscallError`.
    """
    structure, address = buffer(len(data))
    structure.raw = data
    encoded = name.encode("utf-8", "surrogateescape")[: uapi.IFNAMSIZ]
    control = socket(family, SOCK_DGRAM)
    try:
        text = f"{{ifr_name={quoted(encoded)}, ifr_data={address:#x}}}"
        ioctl_struct(control.fileno(), request, _pack("16sP16x", encoded, address), text)
    finally:
        control.close()
    changed: bytes = structure.raw
    return changed


def routers(family: int, name: str) -> list[tuple[bytes, int]]:
    """Return the potential routers of an ISATAP device: addresses, and 1 for a default router (PRL_DEFAULT).

    Raises `SyscallError`.
    """
    head = pack(PRL, {"addr": bytes(4), "datalen": PRL.size * (MAX_ROUTERS - 1)})
    data = call("SIOCGETPRL", family, name, head.ljust(PRL.size * MAX_ROUTERS, b"\0"))
    found = [unpack(PRL, data[at : at + PRL.size]) for at in range(PRL.size, len(data), PRL.size)]
    return [(one["addr"], one["flags"]) for one in found if any(one["addr"])]
