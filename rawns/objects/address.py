"""Addresses of links (ip-address(8), `<linux/if_addr.h>`).

Floor 3, pure: a record and the requests that list, add and delete.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..nlmsg import Request
from . import prefix
from .record import Field, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .prefix import Prefix


class Address(Record):
    """One address of one link.  ``str()`` of it is ``10.0.0.1/24``."""

    __slots__ = ()

    index = Field("ifa_index")
    family = Field("ifa_family")
    address = Field("IFA_LOCAL", "IFA_ADDRESS")
    prefixlen = Field("ifa_prefixlen")
    broadcast = Field("IFA_BROADCAST")
    label = Field("IFA_LABEL")
    scope = Field("ifa_scope", default=0)
    flags = Field("IFA_FLAGS", "ifa_flags", default=0)

    @property
    def peer(self) -> str | None:
        """The other end of a point-to-point address, else None."""
        other: str | None = self.body.get("IFA_ADDRESS")
        return other if other != self.address else None

    @property
    def protocol(self) -> int:
        """Who added it (IFA_PROTO): one of IFAPROT_*, or a number of somebody's own; 0 where nobody said."""
        number: int = self.body.get("IFA_PROTO", 0)
        return number

    @property
    def tentative(self) -> bool:
        """Whether IPv6's duplicate address detection still keeps it from being used (IFA_F_TENTATIVE)."""
        return bool(self.flags & uapi.IFA_F_TENTATIVE)

    def __str__(self) -> str:
        return f"{self.address}/{self.prefixlen}"


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
    """All addresses, or those of one family, of one link: ``ip addr show [dev NAME]``."""
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
    """Add an address: ``ip addr add TEXT dev NAME [peer ...] [brd ...] [nodad] [proto ...]``.

    Without a prefix length the address stands alone (/32, /128).  ``nodad`` makes an IPv6 address usable at once.
    ``protocol`` is who added it, a number that the kernel keeps since Linux 5.18.
    """
    fields = _body(index, text, peer)
    if broadcast is not None:
        fields["IFA_BROADCAST"] = prefix.address(broadcast, fields["ifa_family"]).address
    if nodad and fields["ifa_family"] == uapi.AF_INET6:
        fields["IFA_FLAGS"] = uapi.IFA_F_NODAD
    if protocol:
        fields["IFA_PROTO"] = protocol
    return Request(rtnl.NEWADDR, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"address {text}")


def delete(index: int, text: str) -> Request:
    """Delete an address: ``ip addr del TEXT dev NAME``."""
    return Request(rtnl.DELADDR, _body(index, text), 0, f"address {text}")
