"""The container's interface: its addresses, routes and settings, set in one visit and one datagram."""

from __future__ import annotations

import os
from errno import EBUSY, EEXIST, ENODEV, ENOENT

from .. import rtnl, sysctl, uapi
from ..errors import KernelError, SyscallError
from ..nlmsg import Request
from ..objects import address, link, route
from ..objects.link import Link
from ..threads import call_and_restore, enter
from .call import stale
from .failure import EXISTS, REFUSED, TRY_AGAIN, CniError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..net import Net, NetNS
    from ..objects.link import Ref
    from ..objects.prefix import Prefix
    from .call import Call
    from .result import CniResult

FIRST_INDEX, INDEXES = 1 << 20, 1 << 29  # of links whose index is chosen here: far above those that kernels choose
FORWARDING = {uapi.AF_INET: "net/ipv4/ip_forward", uapi.AF_INET6: "net/ipv6/conf/all/forwarding"}
MAX_ATTEMPTS = 8
DAD_SECONDS = 10.0  # that duplicate address detection is waited for


def new_index() -> int:
    """Return an index for new links that no other is likely to have."""
    return FIRST_INDEX + int.from_bytes(os.urandom(4), "big") % (INDEXES - FIRST_INDEX)


def other_end(index: int) -> int:
    """Return the index of the container's end of a cable by that of the node's end.

    They differ: ``ip`` of BusyBox takes the index of the other end for one of its own namespace.
    """
    return index + INDEXES


def connect(pod: NetNS, settings: dict[str, Any]) -> Net:
    """Open the socket of a container's network and change settings there, in one visit."""
    from ..net import connect as open_socket

    def visit() -> None:
        enter(pod.fileno())
        if not pod.connected:
            open_socket(pod)
        for name, value in settings.items():
            set_setting(name, value)

    call_and_restore(visit)
    return pod.net


def set_setting(name: str, value: Any) -> None:
    """Change a setting that differs; one that this kernel does not have is left alone."""
    try:
        if sysctl.read(name) != str(value):
            sysctl.write(name, value)
    except SyscallError as error:
        if error.errno != ENOENT:
            raise


def interface_settings(name: str, ips: list[dict[str, Any]], dad: bool) -> dict[str, Any]:
    """Return the settings of the container's interface: it announces its address, and has IPv6 if it gets such an address."""
    settings: dict[str, Any] = {f"net/ipv4/conf/{name}/arp_notify": 1}
    if any(one["address"].family == uapi.AF_INET6 for one in ips):
        settings[f"net/ipv6/conf/{name}/disable_ipv6"] = 0
        settings[f"net/ipv6/conf/{name}/keep_addr_on_down"] = 1
        if dad:
            settings[f"net/ipv6/conf/{name}/enhanced_dad"] = 1
            settings[f"net/ipv6/conf/{name}/accept_dad"] = 1
    return settings


def flags_request(index: int, flags: int, mask: int) -> Request:
    """Return the request that sets flags of a link (IFF_*): those in ``mask`` become as in ``flags``."""
    return Request(rtnl.NEWLINK, {"ifi_index": index, "ifi_flags": flags, "ifi_change": mask}, 0, f"link {index}")


def address_request(index: int, given: Prefix, dad: bool = False, connected: bool = True) -> Request:
    """Return the request that adds an address; without ``connected`` the kernel adds no route for its network."""
    broadcast = given.broadcast.address if given.family == uapi.AF_INET and given.length < 31 else None
    made = address.new(index, given, broadcast=broadcast, nodad=not dad)
    if not connected:
        made.body["IFA_FLAGS"] = made.body.get("IFA_FLAGS", 0) | uapi.IFA_F_NOPREFIXROUTE  # type: ignore[index]
    return made


def route_request(one: dict[str, Any], result: CniResult, index: int) -> Request:
    """Return the request that adds a route of a result.  Without a gateway of its own it has that of its family."""
    where = one["dst"]
    via = one["gw"] or result.gateway_of(where.family)
    options: dict[str, Any] = {"scope": one["scope"] if one["scope"] is not None else uapi.RT_SCOPE_UNIVERSE}
    for key, word in (("mtu", "mtu"), ("priority", "metric"), ("table", "table")):
        if one[key]:
            options[word] = one[key]
    made = route.new(str(where.network), via=via, index=index, family=where.family, **options)
    if one["advmss"]:
        made.body.setdefault("RTA_METRICS", {})["RTAX_ADVMSS"] = one["advmss"]  # type: ignore[attr-defined]
    return made


def configure(
    call: Call, result: CniResult, index: int, *, dad: bool = False, up: bool = True, before: list[Request] | None = None
) -> Net:
    """Give the container's interface the addresses and routes of a result, and set it up, in one datagram.

    ``before`` are requests that come between the addresses and the routes; then the kernel adds no routes for the networks.
    """
    net = connect(call.pod, interface_settings(call.ifname, result.ips, dad))
    routes = [*(before or ()), *[route_request(one, result, index) for one in result.routes]]
    requests = [address_request(index, one["address"], dad, before is None) for one in result.ips]
    requests += [link.change(index, up=True)] if up else []
    try:
        net.do(*requests, *routes)
    except FileExistsError as error:
        if getattr(error, "request", "") != "RTM_NEWROUTE":
            raise
        for one in routes:  # another network has given the container this route: the first one counts
            try:
                net.do(one)
            except FileExistsError:
                pass
    if dad:
        _settle(call.pod, index)
    return net


def _settle(pod: NetNS, index: int) -> None:
    """Wait until duplicate address detection of an interface has finished."""
    from ..events import wait_until

    def settled() -> bool:
        return not any(one.tentative for one in pod.net.addresses(index))

    if settled():
        return
    with pod.monitor("address") as monitor:
        try:
            wait_until(settled, monitor, timeout=DAD_SECONDS)
        except TimeoutError:
            raise CniError(REFUSED, f"duplicate address detection has not finished within {DAD_SECONDS:.0f} s") from None
    for one in pod.net.addresses(index):
        if one.flags & uapi.IFA_F_DADFAILED:
            raise CniError(REFUSED, f"{one} is in use already: duplicate address detection has found another host")


def create(call: Call, make: Callable[[int], Sequence[Request]], net: Net, name: str) -> int:
    """Create an interface by the requests ``make(index)``; return its index.  It will be found in ``net`` as ``name``.

    If another link has the index, another index is tried.  Raises `CniError` (code 102) if its name is taken.
    Nothing is left behind then.
    """
    for _ in range(MAX_ATTEMPTS):
        index = create_once(call.host, make, net, name)
        if index is not None:
            call.undo(delete_link, net, index)
            return index
        taken = _taken(call)
        if taken:
            raise CniError(EXISTS, taken)
    raise CniError(TRY_AGAIN, "no index is free for the interface")


def create_once(host: Net, make: Callable[[int], Sequence[Request]], net: Net, name: str) -> int | None:
    """Create an interface by the requests ``make(index)``; return its index, or None if that or a name is taken.

    It will be found in ``net`` as ``name``.  Nothing is left behind if a request is refused.
    """
    index = new_index()
    try:
        host.do(*make(index))
    except KernelError as error:
        made = find(net, name)
        if made is not None and made.index == index:  # it has been created, and a later request was refused
            delete_link(net, index)
            raise
        if error.errno not in (EEXIST, EBUSY):
            raise
        return None
    return index


def find(net: Net, name: Ref) -> Link | None:
    """Return the link of this name or index; None if there is none."""
    try:
        return net.link(name)
    except KernelError as error:
        if error.errno != ENODEV:
            raise
    return None


def _taken(call: Call) -> str:
    """Return a sentence if the name of the container's interface, or of the node's end, is taken."""
    for net, name, where in (
        (call.pod.net, call.ifname, "in the container"),
        (call.host, call.attachment.host_link, "on the node"),
    ):
        if find(net, name) is not None:
            return f"an interface {name} exists {where} already"
    return ""


def cable_end(call: Call, inside: Link) -> Link | None:
    """Return the node's end of a cable by the container's end; None if that is not the end of a cable to the node."""
    if inside.kind != "veth" or not inside.peer:
        return None
    outside = find(call.host, inside.peer)
    return outside if outside is not None and outside.kind == "veth" and outside.peer == inside.index else None


def delete_link(net: Net, name: Ref) -> bool:
    """Delete a link; return whether it was there."""
    try:
        net.delete_link(name)
    except KernelError as error:
        if error.errno != ENODEV:
            raise
        return False
    return True


def delete_cable(call: Call) -> None:
    """Delete the cable of an attachment by its end on the node, or in the container if another implementation has made it."""
    if not delete_link(call.host, call.attachment.host_link):
        inside = call.pod_if_any
        if inside is not None:
            delete_link(inside.net, call.ifname)


def forwarding(result: CniResult) -> list[str]:
    """Return the settings of the node that switch forwarding on for the families of the addresses."""
    return [FORWARDING[family] for family in sorted({one["address"].family for one in result.ips})]


def forward(result: CniResult) -> None:
    """Switch forwarding on, on the node, for the families of the addresses."""
    for name in forwarding(result):
        set_setting(name, 1)


def delete_stale(call: Call, beginning: str = "veth") -> None:
    """Delete the links of the node that belong to attachments that are not valid any more, with one grace period for all."""
    links = [Link(reply.body) for reply in call.host.netlink.dump(link.brief("IFLA_IFNAME", "IFLA_IFALIAS", "IFLA_GROUP"))]
    valid = [one.link(beginning) for one in call.valid]
    named = [(one.name, one.alias or "") for one in links if one.name.startswith(beginning)]
    names = stale(named, str(call.network), valid)
    if not names:
        return
    groups = {one.group for one in links}
    group = max(groups) + 1 if max(groups) < uapi.UINT32_MAX else min(set(range(1, len(groups) + 2)) - groups)
    found = {one.name: one.index for one in links}
    for requests in ([link.change(found[name], group=group) for name in names], [link.delete_group(group)]):
        try:
            call.host.do(*requests)
        except KernelError as error:
            if error.errno != ENODEV:  # it has gone by itself
                raise
