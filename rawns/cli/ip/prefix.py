"""What `ip monitor` prints of prefixes that routers announce (RTM_NEWPREFIX)."""

from __future__ import annotations

from _socket import AF_INET6

from .context import complain
from .render import OutputField, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, IpContext, Iterator

PREFIX_INFORMATION = 3  # an option of neighbour discovery (RFC 4861)
FLAGS = {"onlink": 1, "autoconf": 2}  # IF_PREFIX_* of the kernel, in no header


def prefix(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of one prefix; anything but a prefix of IPv6 is reported as an error, as iproute2 does it."""
    if ip.family not in (0, AF_INET6):
        return
    if body["prefix_family"] != AF_INET6:
        complain(f"incorrect protocol family: {body['prefix_family']}")
        return
    if body["prefix_type"] != PREFIX_INFORMATION:
        complain(f"wrong ND type {body['prefix_type']}")
        return
    if "PREFIX_ADDRESS" in body:
        address = body["PREFIX_ADDRESS"]
        yield OutputField("prefix", address, put("prefix %s", f"{ip.host(address)}/{body['prefix_len']}", ip))
    yield OutputField("dev", None, put("dev %s ", ip.name_of(body["prefix_ifindex"]), ip))
    words = [word for word, bit in FLAGS.items() if body["prefix_flags"] & bit]
    if "PREFIX_CACHEINFO" in body:
        times = body["PREFIX_CACHEINFO"]
        words += [f"valid {times.get('valid_time', 0)}", f"preferred {times.get('preferred_time', 0)}"]
    yield OutputField("", None, "".join([f"{word} " for word in words]) + "\n")
