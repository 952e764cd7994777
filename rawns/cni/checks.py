"""CHECK: compare the container's interface, the node's interfaces and its settings with what ADD has returned."""

from __future__ import annotations

from errno import ENOENT

from .. import sysctl, uapi
from ..errors import SyscallError
from . import pod
from .plugin import different

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..net import Net
    from ..objects.link import Link
    from ..objects.prefix import Prefix
    from ..objects.route import Route
    from .call import Call
    from .result import CniResult

    Item = dict[str, Any]


def container(call: Call, result: CniResult, kind: str | None = None) -> Link:
    """Return the container's interface.  Raises `CniError` if it, an address or a route differs from the result.

    ``kind`` is the kind of link that it must be.  Interfaces of the result that are on the node must be there, too.
    """
    net, name = call.pod.net, call.ifname
    number = result.number_of(call.netns_path, name)
    if number is None:
        raise different(f"prevResult has no interface {name} of the container")
    found = _interface(net, result.interfaces[number], "container")
    if kind is not None and found.kind != kind:
        raise different(f"{name} of the container is a link of the kind {found.kind}, not {kind}")
    there = {str(one) for one in net.addresses(found.index)}
    for given in result.in_sandbox(call.netns_path, name):
        if str(given) not in there:
            raise different(f"{name} lacks the address {given}")
    for one in result.routes:
        _route(net, found.index, one, result)
    for entry in result.interfaces:
        if not entry.get("sandbox"):
            _interface(call.host, entry, "node")
    return found


def _interface(net: Net, entry: Item, place: str) -> Link:
    """Return the link that an entry of a result names.  Raises `CniError` if its MAC address or MTU differs.

    A bridge may have another MAC address: that of one that another implementation has created changes with its ports.
    """
    name = entry["name"]
    found = pod.find(net, name)
    if found is None:
        raise different(f"the {place} lacks the interface {name}")
    if entry.get("mac") and found.kind != "bridge" and found.address != entry["mac"].lower():
        raise different(f"{name} of the {place} has the MAC address {found.address}, not {entry['mac']}")
    if entry.get("mtu") and found.mtu != entry["mtu"]:
        raise different(f"{name} of the {place} has the MTU {found.mtu}, not {entry['mtu']}")
    return found


def _route(net: Net, index: int, one: Item, result: CniResult) -> None:
    where = one["dst"].network
    name = "default" if not where.length else str(where)
    via = one["gw"] or result.gateway_of(where.family)
    to = f"the route to {name}" + (f" via {via}" if via else "")
    known = [each for each in net.routes(where.family, one["table"] or uapi.RT_TABLE_MAIN) if each.destination == name]
    known = [each for each in known if each.type == uapi.RTN_UNICAST]
    if not known:
        raise different(f"the container lacks {to}")
    if any(each.index != index for each in known):
        return  # another network has given the container this route first
    told = [_difference(each, one, via) for each in known]
    if all(told):
        raise different(f"{to} of the container has {told[0]}")


def _difference(known: Route, one: Item, via: str | None) -> str:
    """Return what differs between a route of the kernel and one of a result; empty if nothing does."""
    metrics = known.body.get("RTA_METRICS", {})
    there = {"mtu": known.mtu, "priority": known.metric, "advmss": metrics.get("RTAX_ADVMSS"), "scope": known.scope}
    if known.gateway != via:
        return f"the gateway {known.gateway}"
    for word, value in there.items():
        if one[word] and one[word] != value:
            return f"the {word} {value}, not {one[word]}" if value else f"no {word}, but should have {one[word]}"
    return ""


def cable_end(call: Call, inside: Link) -> Link:
    """Return the node's end of the container's cable, which is up.  Raises `CniError` if there is none."""
    found = pod.cable_end(call, inside)
    if found is None:
        raise different(f"{inside.name} of the container is not a cable (veth) to the node")
    if not found.up:
        raise different(f"{found.name} of the node is down")
    return found


def addresses(net: Net, link: Link, wanted: Iterable[Prefix]) -> None:
    """Raise `CniError` if an interface of the node lacks an address."""
    there = {str(one) for one in net.addresses(link.index)}
    for one in wanted:
        if str(one) not in there:
            raise different(f"{link.name} of the node lacks the gateway's address {one}")


def settings(names: Iterable[str]) -> None:
    """Raise `CniError` if a setting of the node is not 1.  One that this kernel does not have is left out, as by ADD."""
    for name in names:
        try:
            value = sysctl.read(name)
        except SyscallError as error:
            if error.errno != ENOENT:
                raise
            continue
        if value != "1":
            raise different(f"{name.replace('/', '.')} of the node is {value}, not 1")
