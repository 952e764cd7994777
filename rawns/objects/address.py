"""Addresses of links (ip-address(8), `<linux/if_addr.h>`)."""

from __future__ import annotations

from .. import rtnl, uapi
from ..nlmsg import Request
from . import prefix
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from .prefix import Prefix

    class AddressOptions(TypedDict, total=False):
        """The options of `new`."""

        peer: str | None
        broadcast: str | None
        nodad: bool
        protocol: int


class Address(Record):
    """One address of one link.  ``str()`` of it is ``10.0.0.1/24``.

    ``scope`` is one of RT_SCOPE_*, ``flags`` are IFA_F_* bits, ``broadcast`` is None if there is none.
    """

    __slots__ = ()

    index: int = field("ifa_index")
    family: int = field("ifa_family", names="AF_")
    address: str = field("IFA_LOCAL", "IFA_ADDRESS")
    prefixlen: int = field("ifa_prefixlen")
    broadcast: str | None = field("IFA_BROADCAST")
    label: str | None = field("IFA_LABEL")
    scope: int = field("ifa_scope", default=uapi.RT_SCOPE_UNIVERSE, names="RT_SCOPE_")
    flags: int = field("IFA_FLAGS", "ifa_flags", default=0, bits="IFA_F_")

    @property
    def peer(self) -> str | None:
        """The other end of a point-to-point address, else None."""
        other: str | None = self.body.get("IFA_ADDRESS")
        return other if other != self.address else None

    @property
    def protocol(self) -> int:
        """What added it (IFA_PROTO, Linux 5.18): one of IFAPROT_*, or a program's own number; 0 if unknown."""
        number: int = self.body.get("IFA_PROTO", 0)
        return number

    @property
    def tentative(self) -> bool:
        """Whether IPv6's duplicate address detection has not finished, so that it cannot be used yet (IFA_F_TENTATIVE)."""
        return bool(self.flags & uapi.IFA_F_TENTATIVE)

    def __str__(self) -> str:
        return f"{self.address}/{self.prefixlen}"

    def _title(self) -> str:
        return str(self)


def _body(index: int, text: str | Prefix, peer: str | None = None) -> dict[str, Any]:
    local = prefix.parse(text)
    other = prefix.parse(peer, local.family) if peer is not None else local
    return {
        "ifa_family": local.family,
        "ifa_prefixlen": other.length,
        "ifa_index": index,
        "IFA_LOCAL": local.address,
        "IFA_ADDRESS": other.address,
    }


def dump(family: int = 0, index: int = 0) -> Request:
    """List all addresses, or those of one family or of one link: ``ip addr show [dev NAME]``."""
    return Request(rtnl.GETADDR, {"ifa_family": family, "ifa_index": index}, uapi.NLM_F_DUMP)


def new(
    index: int,
    text: str | Prefix,
    *,
    peer: str | None = None,
    broadcast: str | None = None,
    nodad: bool = False,
    protocol: int = 0,
) -> Request:
    """Add an address: ``ip addr add TEXT dev NAME [peer ADDR/LEN] [brd ADDR] [nodad] [proto NUMBER]``.

    Without a prefix length the address stands alone (/32, /128).  ``nodad`` makes an IPv6 address usable at once.
    ``protocol`` says what adds it, as a number that the kernel keeps since Linux 5.18.  Raises `InvalidValue`.
    """
    fields = _body(index, text, peer)
    if broadcast is not None:
        fields["IFA_BROADCAST"] = prefix.address(broadcast, fields["ifa_family"]).address
    if nodad and fields["ifa_family"] == uapi.AF_INET6:
        fields["IFA_FLAGS"] = uapi.IFA_F_NODAD
    if protocol:
        fields["IFA_PROTO"] = protocol
    return Request(rtnl.NEWADDR, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"address {text}")


def delete(index: int, text: str | Prefix) -> Request:
    """Delete an address: ``ip addr del TEXT dev NAME``.  Raises `InvalidValue`."""
    return Request(rtnl.DELADDR, _body(index, text), 0, f"address {text}")
