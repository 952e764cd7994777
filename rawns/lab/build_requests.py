"""The requests that build and change a lab, besides those that create an interface (`interface`, `kinds`).

In the datagram of a host that is created they stand in this order::

    lo up, with the stamp
    bridges and VRFs                    down; nothing is flooded while ports are attached
    wires and all other interfaces      both ends of a wire where they will live, the near one up
    link-local IPv6 addresses or not    which must be said before there is a carrier
    what creation cannot set            the far end up, masters, aliases; bridges up
    addresses, VLANs, shaping, routes
"""

from __future__ import annotations

import os

from .. import uapi
from ..objects import address, link, prefix
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Request
    from ..objects.prefix import Prefix
    from .host import Host, LabRoute
    from .interface import Interface, Vlans


MIN_IPV6_MTU = 1280  # RFC 8200: a link with less has no IPv6
IPV6_IS_THERE = "/proc/net/if_inet6"


def alias(lab: str, one: Interface) -> str:
    """Return the alias of an interface: the lab's stamp, and what the interface is."""
    return stamp.of_link(lab, one.alias_words)


def lo(mark: str) -> Request:
    """Return the first request in a namespace: lo up, with the namespace's stamp as its alias."""
    return link.change(1, up=True, alias=mark)


def complete(lab: str, one: Interface, near: bool) -> list[Request]:
    """Return what creation cannot set; ``near`` if creation has set all but the alias (the near end of a wire)."""
    options: dict[str, Any] = {"alias": alias(lab, one)}
    if not near:
        options["up"] = one.up or None
        if one.master is not None:
            options["master"] = one.master.index
    options.update(one.late_options())
    requests = [one.labelled(link.change(one.index, **options))]
    if one.altname is not None:
        named = one.labelled(link.add_altname(one.index, one.altname))
        named.optional = True  # the lab works without a second name for the link
        requests.append(named)
    return requests


def link_local(one: Interface, index: int) -> list[Request]:
    """Say whether an interface gets a link-local IPv6 address, before it has a carrier; nothing where IPv6 is not possible."""
    if one.ipv6 is None or one.mtu is not None and one.mtu < MIN_IPV6_MTU or not os.path.exists(IPV6_IS_THERE):
        return []
    return [one.labelled(link.change(index, ipv6_link_local=one.ipv6))]


def delete(one: Interface) -> Request:
    """Delete an interface, to undo its creation."""
    return one.labelled(link.delete(one.name or one.index))


# -- what is on an interface --------------------------------------------------------------------------------------


def add_address(one: Interface, what: Prefix) -> Request:
    """Add an address, usable at once: on a wire of the lab's own there are no duplicates to detect."""
    return one.labelled(address.new(one.index, what, nodad=True, protocol=stamp.PROTOCOL))


def replace_address(one: Interface, what: Prefix) -> Request:
    """Add an address that exists already, or was just removed with another one."""
    request = add_address(one, what)
    request.flags = uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
    return request


def add_address_text(one: Interface, text: str) -> Request:
    """Add an address given as text: ``10.0.0.1/24``."""
    return add_address(one, prefix.parse(text))


def delete_address(one: Interface, what: str) -> Request:
    """Delete an address given as text."""
    return one.labelled(address.delete(one.index, what))


def unshape(one: Interface) -> Request:
    """Remove the queueing discipline that shapes an interface."""
    from ..objects import qdisc

    return one.labelled(qdisc.delete(one.index))


def vlans(one: Interface, there: Vlans, wanted: Vlans) -> list[Request]:
    """Change the VLANs of a port."""
    from ..objects import vlan

    gone = [vlan.delete(one.index, vid) for vid in there if vid not in wanted]
    new = {vid: how for vid, how in wanted.items() if there.get(vid) != how}
    added = [vlan.set(one.index, vid, pvid=pvid, untagged=bare) for vid, (pvid, bare) in new.items()]
    return [one.labelled(request) for request in gone + added]


# -- routes -------------------------------------------------------------------------------------------------------


def add_route(host: Host, one: LabRoute) -> Request:
    """Add a route of the description."""
    from ..objects import route

    indices = {"lo": 1, **{interface.name: interface.index for interface in host.interfaces}}
    index = None if one.dev is None else indices.get(one.dev)
    request = route.new(one.destination, via=one.via, index=index, metric=one.metric)
    request.body["rtm_protocol"] = stamp.PROTOCOL  # type: ignore[index]
    request.context += f": {host.label}{', ' + one.where if one.where else ''}"
    return request


def delete_route(body: Any) -> Request:
    """Delete a route that the kernel has listed."""
    from ..objects import route

    request = route.delete("default")
    kept = ("rtm_family", "rtm_dst_len", "rtm_table", "rtm_protocol", "RTA_DST", "RTA_GATEWAY", "RTA_OIF", "RTA_PRIORITY")
    request.body = {**{key: body[key] for key in kept if key in body}, "rtm_scope": uapi.RT_SCOPE_NOWHERE}
    request.context = f"route {body.get('RTA_DST', 'default')}"
    return request
