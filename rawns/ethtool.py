"""What ethtool(8) asks a network driver by ioctl(2), as far as this package needs it (`<linux/ethtool.h>`)."""

from __future__ import annotations

from array import array
from struct import pack

from . import uapi
from .syscalls import ioctl_struct, quoted


def link_detected(fd: int, name: str) -> bool:
    """Return whether an interface has a carrier, and let the kernel first complete a change of it: ETHTOOL_GLINK.

    ``fd`` is a socket of any family; its network namespace is the one in which the interface is looked up.  A carrier is
    reported (IFLA_CARRIER, IFF_LOWER_UP) before the interface transmits: a work queue of the kernel lets it transmit
    later, sets its operational state (RFC 2863) and tells the interfaces above it.  The kernel does this for the interface
    before it answers this request.  ``rtnl_getlink()`` (RTM_GETLINK of one interface) does so only since Linux 6.9, a dump never.
    No privilege is needed.  Equivalent to ``ethtool NAME`` ("Link detected").

    Raises `SyscallError`: ENODEV if there is no such interface, EOPNOTSUPP if its driver does not answer the request.
    """
    value = array("I", (uapi.ETHTOOL_GLINK, 0))  # struct ethtool_value
    encoded = name.encode("utf-8", "surrogateescape")[: uapi.IFNAMSIZ]
    argument = pack("16sP16x", encoded, value.buffer_info()[0])
    ioctl_struct(fd, "SIOCETHTOOL", argument, f"{{ifr_name={quoted(encoded)}, ifr_data={{ETHTOOL_GLINK}}}}")
    return bool(value[1])
