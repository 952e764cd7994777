"""A lab's nouns as requests: pure, and the same for what is born with its host and for what is added later.

Floor 6.  A namespace's requests go out in this order, and most of them in one datagram::

    lo up                               with the stamp of the namespace
    bridges                             made, not yet up: each port that comes up floods all the others
    wires and all other interfaces      made; both ends of a wire where they will live, the near one up
    what could not be said at birth     the far end up, masters, aliases
    bridges up
    addresses, VLANs, shaping, routes
"""

from __future__ import annotations

from .. import uapi
from ..objects import address, link, prefix, route
from . import stamp
from .model import Bridge, Macvlan, Port, Tap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..nlmsg import Request
    from ..objects.prefix import Prefix
    from .lab import Lab
    from .model import Host, Interface, Route
    from .stamp import Stamp


# Of a wire's ends.  Left alone the kernel makes objects in sysfs for as many queues as there are processors, each end, and
# removes all but one again: a fifth of the time that a wire takes on two processors, and more on more.
QUEUES = {"txqueues": 1, "rxqueues": 1}


def alias(lab: str, one: Interface) -> str:
    """What stands in the alias of an interface of ours."""
    if isinstance(one, Port) and one.peer is not None:
        ends = [f"{end.host.label}:{end.name}" for end in (one, one.peer)]
        return stamp.of_link(lab, stamp.of_wire(*sorted(ends)))
    if isinstance(one, Macvlan):
        return stamp.of_link(lab, f"{one.kind} {one.parent.host.label}:{one.parent.name}")
    return stamp.of_link(lab, one.kind)


def _said(request: Request, one: Interface) -> Request:
    """The request with the words by which the description knows what it is for."""
    place = f", {one.where}" if one.where else ""
    request.context = f"{request.context}: {one.name} of {one.host.label}{place}"
    return request


def lo(mark: Stamp) -> Request:
    """The first words in a namespace, and its stamp."""
    return link.change(1, up=True, alias=str(mark))


# -- birth --------------------------------------------------------------------------------------------------------


def create(lab: Lab, one: Interface) -> Iterable[Request]:
    """Make an interface, by its own host; with a wire, its other end too, where that will live."""
    if isinstance(one, Port):
        assert one.peer is not None and one.name is not None and one.peer.name is not None
        far = _options(lab, one.peer, one.host)
        near = {**_options(lab, one, one.host), **_master(one)}
        request = _said(link.veth(one.name, one.peer.name, far, up=one.up, **near), one)
        request.context = f"wire {one} -- {one.peer}{', ' + one.where if one.where else ''}"  # either end may be what is refused
        return (request,)
    assert one.name is not None
    options = {**_options(lab, one, one.host), **_master(one)}
    data = one.data
    if not isinstance(one, Bridge):
        return (_said(link.new(one.name, one.kind, data, **{**options, "up": one.up}), one),)
    data = {key: value for key, value in data.items() if value}  # what is off may not even be built into the kernel
    mtu = options.pop("mtu")  # one that it is born with would follow those of its ports
    born = _said(link.new(one.name, one.kind, data, **options), one)
    return (born,) if mtu is None else (born, _said(link.change(one.index, mtu=mtu), one))


def create_on(lab: Lab, one: Macvlan) -> Request:
    """Make a macvlan, by the host its parent is in, where it will live."""
    assert one.name is not None
    options = {**_options(lab, one, one.parent.host), "link": one.parent.index}
    return _said(link.new(one.name, one.kind, one.data, **options), one)


def _options(lab: Lab, one: Interface, speaker: Host) -> dict[str, Any]:
    """What any interface can be born with."""
    options: dict[str, Any] = {"index": one.index, "address": one.mac, "mtu": one.mtu, "group": lab.group}
    if isinstance(one, Port):
        options.update(QUEUES)
    if one.host is not speaker:
        options["netns_fd"] = one.host.fileno()
    return options


def _master(one: Interface) -> dict[str, Any]:
    return {} if one.master is None else {"master": one.master.index}


def settle(lab: Lab, one: Interface, born: bool) -> list[Request]:
    """What could not be said at birth; ``born`` are the near ends of wires, to which all but the alias could."""
    options: dict[str, Any] = {"alias": alias(lab.name, one)}
    if not born:
        options.update(_master(one), up=one.up or None)
    if isinstance(one, Tap):
        options.update(group=lab.group, address=one.mac, mtu=one.mtu)
    if isinstance(one, Bridge):
        options["mtu"] = one.mtu
    requests = [_said(link.change(one.index, **options), one)]
    if one.altname is not None:
        requests.append(_said(link.add_altname(one.index, one.altname), one))
    return requests


def unmake(one: Interface) -> Request:
    """What undoes the making of an interface."""
    return _said(link.delete(one.name or one.index), one)


# -- what is on an interface --------------------------------------------------------------------------------------


def give(one: Interface, what: Prefix) -> Request:
    """An address, usable at once: nobody else is on a wire of our own, so there are no duplicates to detect."""
    return _said(address.new(one.index, what, nodad=True, protocol=stamp.PROTOCOL), one)


def keep(one: Interface, what: Prefix) -> Request:
    """An address that is there already, or has just gone."""
    request = give(one, what)
    request.flags = uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
    return request


def give_text(one: Interface, text: str) -> Request:
    return give(one, prefix.parse(text))


def take(one: Interface, what: str) -> Request:
    return _said(address.delete(one.index, what), one)


def shape(one: Interface) -> list[Request]:
    """How it sends."""
    from ..objects import qdisc

    return [_said(request, one) for request in qdisc.shape(one.index, **one.shape)] if one.shape else []


def unshape(one: Interface) -> Request:
    from ..objects import qdisc

    return _said(qdisc.delete(one.index), one)


DEFAULT_VLANS = {1: (True, True)}  # of each port of a filtering bridge, by the kernel


def vlans(one: Interface, there: dict[int, tuple[bool, bool]], wanted: dict[int, tuple[bool, bool]]) -> list[Request]:
    """From the VLANs that a port has to those that it is to have."""
    from ..objects import vlan

    gone = [vlan.delete(one.index, vid) for vid in there if vid not in wanted]
    new = {vid: how for vid, how in wanted.items() if there.get(vid) != how}
    added = [vlan.set(one.index, vid, pvid=pvid, untagged=bare) for vid, (pvid, bare) in new.items()]
    return [_said(request, one) for request in gone + added]


# -- routes -------------------------------------------------------------------------------------------------------


def add_route(host: Host, one: Route) -> Request:
    index = None if one.dev is None else next((i.index for i in host.interfaces if i.name == one.dev), None)
    request = route.new(str(one.to) if one.to.length else _everything(one), via=one.via, index=index, metric=one.metric)
    request.body["rtm_protocol"] = stamp.PROTOCOL  # type: ignore[index]
    request.context += f": {host.label}{', ' + one.where if one.where else ''}"
    return request


def _everything(one: Route) -> str:
    return "::/0" if one.to.family == uapi.AF_INET6 else "0.0.0.0/0"


def same_route(body: Any) -> Request:
    """The request that deletes a route which the kernel has listed."""
    request = route.delete("default")
    kept = ("rtm_family", "rtm_dst_len", "rtm_table", "rtm_protocol", "RTA_DST", "RTA_GATEWAY", "RTA_OIF", "RTA_PRIORITY")
    request.body = {**{key: body[key] for key in kept if key in body}, "rtm_scope": uapi.RT_SCOPE_NOWHERE}
    request.context = f"route {body.get('RTA_DST', 'default')}"
    return request
