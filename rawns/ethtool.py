"""What ethtool(8) asks a network driver by ioctl(2), as far as this package needs it (`<linux/ethtool.h>`)."""

from __future__ import annotations

from struct import Struct, pack

from . import uapi
from .syscalls import buffer, ioctl_struct, quoted

VALUE = Struct("=II")  # struct ethtool_value: cmd, data


def link_detected(fd: int, name: str) -> bool:
    """Return whether an interface has a carrier: ETHTOOL_GLINK.  Equivalent to ``ethtool NAME`` ("Link detected").

    ``fd`` is a socket of any family; its network namespace is the one in which the interface is looked up.  Since Linux 6.8 the
    kernel first completes a change of the carrier, as `link_state` says.  No privilege is needed.

    Raises `SyscallError`: ENODEV if there is no such interface, EOPNOTSUPP if its driver does not answer the request.
    """
    value, address = buffer(VALUE.size)  # `array` imports `collections`, which takes 1.3 ms
    value.raw = VALUE.pack(uapi.ETHTOOL_GLINK, 0)
    encoded = name.encode("utf-8", "surrogateescape")[: uapi.IFNAMSIZ]
    argument = pack("16sP16x", encoded, address)
    ioctl_struct(fd, "SIOCETHTOOL", argument, f"{{ifr_name={quoted(encoded)}, ifr_data={{ETHTOOL_GLINK}}}}")
    return bool(VALUE.unpack(value.raw)[1])
