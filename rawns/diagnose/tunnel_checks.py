"""Checks of VXLAN tunnels: where a device sends, and whether the device at the other end receives it."""

from __future__ import annotations

from .. import uapi
from .commands import word
from .hop import NetworkFault
from .namespace_view import data
from .prefixes import multicast, on_link
from .remedy import Action, Remedy
from .segment import tunnel_remotes
from .topology import global_addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView

ANY_ADDRESS = "00:00:00:00:00:00"  # the entry of a forwarding database for broadcasts and unknown addresses


def has_remote(hop: Hop) -> NetworkFault | None:
    """Check that a VXLAN device knows where to send broadcasts: it has a remote, or a forwarding entry for all addresses."""
    segment = hop.segment
    if segment is None:
        return None
    here, link, mine = segment.here, segment.one, data(segment.one)
    if mine.get("IFLA_VXLAN_GROUP") or mine.get("IFLA_VXLAN_GROUP6") or mine.get("IFLA_VXLAN_COLLECT_METADATA"):
        return None
    lladdr = hop.inlet.address if hop.inlet is not None else None
    if hop.reply and mine.get("IFLA_VXLAN_LEARNING"):
        return None  # the request has taught it where the sender is
    entries = [one for one in here.fdb() if one.index == link.index and one.address]
    if any(one.lladdr == ANY_ADDRESS for one in entries):
        return None
    if any(one.lladdr == lladdr for one in entries) and (hop.reply or _permanent(hop)):
        return None
    home = segment.there.underlay(segment.other)
    outer = data(segment.other).get("IFLA_VXLAN_LOCAL") or _reachable(hop, segment.here.underlay(link), home)
    what = (
        "no remote address, and no forwarding entry for broadcasts"
        if entries
        else "neither a remote address nor forwarding entries"
    )
    sentence = f"the VXLAN device {here.named(link)} has {what}: it has nowhere to send"
    if outer is None:
        return NetworkFault(sentence)
    words = f"fdb append {ANY_ADDRESS} dev {word(link.name)} dst {outer}"
    return NetworkFault(sentence, Remedy(Action(here.name.bridge(words))))


def _permanent(hop: Hop) -> bool:
    return any(one.address == hop.next_hop and one.state & uapi.NUD_PERMANENT for one in hop.here.neighbours())


def _reachable(hop: Hop, home: NamespaceView | None, other: NamespaceView | None) -> str | None:
    """Return an address of the other end's home, on a subnet of this end's home if there is one."""
    if home is None or other is None:
        return None
    theirs = global_addresses(other, uapi.AF_INET)
    near = [one.address for one in theirs if any(on_link(own, one.address) for own in global_addresses(home, uapi.AF_INET))]
    found: list[str] = near or [one.address for one in theirs]
    return found[0] if found else None


def foreign_local(view: NamespaceView, link: Link, home: NamespaceView, remote: str) -> NetworkFault:
    """Return the fault of a VXLAN device whose local address is not an address of its namespace."""
    options = data(link)
    local = options.get("IFLA_VXLAN_LOCAL") or options.get("IFLA_VXLAN_LOCAL6")
    sentence = f"the VXLAN device {view.named(link)} sends from its local address {local}, which {home.name} does not have"
    own = [one.address for one in home.addresses if on_link(one, remote)]
    if not own or view is not home:
        return NetworkFault(sentence)
    return NetworkFault(sentence, Remedy(Action(view.name.ip(f"link set {word(link.name)} type vxlan local {own[0]}"))))


def other_remote(view: NamespaceView, link: Link) -> Remedy:
    """Return the remedy that sends to the home of the only other VXLAN device with this VNI and port."""
    mine, home = data(link), view.underlay(link)
    found = []
    for other in view.elsewhere():
        for one in other.links.values():
            same = all(data(one).get(key) == mine.get(key) for key in ("IFLA_VXLAN_ID", "IFLA_VXLAN_PORT"))
            theirs = other.underlay(one) if one.kind == "vxlan" and one is not link and same else None
            if theirs is not None and home is not None and theirs is not home:
                own = [
                    each.address for each in global_addresses(theirs, uapi.AF_INET) if theirs.links[each.index].kind != "vxlan"
                ]
                found += [address for address in own if any(on_link(near, address) for near in home.addresses)]
    if len(found) != 1 or not mine.get("IFLA_VXLAN_GROUP"):
        return Remedy()
    return Remedy(Action(view.name.ip(f"link set {word(link.name)} type vxlan remote {found[0]}")))


def wrong_tunnel(hop: Hop, view: NamespaceView, link: Link) -> NetworkFault | None:
    """Return the fault of a tunnel at whose other end a VXLAN device expects another VNI or UDP port."""
    mine = data(link)
    port = mine.get("IFLA_VXLAN_PORT")
    remotes = [one for one in tunnel_remotes(view, link) if not multicast(one)]
    if link.kind != "vxlan" or not remotes:
        return None
    for other in view.elsewhere():
        for one in other.links.values() if other is not view else ():
            theirs, home = data(one), other.underlay(one)
            remote = next((each for each in remotes if home is not None and home.holder(each)), None)
            if one.kind != "vxlan" or remote is None:
                continue
            if theirs.get("IFLA_VXLAN_ID") == mine.get("IFLA_VXLAN_ID") and theirs.get("IFLA_VXLAN_PORT") == port:
                continue
            sentence = (
                f"{view.named(link)} sends VXLAN {mine.get('IFLA_VXLAN_ID')} to {remote}, port {port}; {other.named(one)} there"
                f" expects VXLAN {theirs.get('IFLA_VXLAN_ID')} at port {theirs.get('IFLA_VXLAN_PORT')}"
            )
            return NetworkFault(sentence, _recreated(hop, other, one, mine))
    return None


def _recreated(hop: Hop, view: NamespaceView, link: Link, wanted: dict[str, Any]) -> Remedy:
    """Return the remedy that makes a VXLAN device again: the kernel changes neither its VNI nor its port."""
    theirs, name = data(link), word(link.name)
    words = [f"id {wanted.get('IFLA_VXLAN_ID')}", f"dstport {wanted.get('IFLA_VXLAN_PORT')}"]
    for key, option in (
        ("IFLA_VXLAN_GROUP", "remote"),
        ("IFLA_VXLAN_GROUP6", "remote"),
        ("IFLA_VXLAN_LOCAL", "local"),
        ("IFLA_VXLAN_LOCAL6", "local"),
    ):
        words += [f"{option} {theirs[key]}"] if theirs.get(key) else []
    lower = view.links.get(theirs.get("IFLA_VXLAN_LINK") or 0)
    words += [f"dev {word(lower.name)}"] if lower is not None else []
    change = Remedy(Action(view.name.ip(f"link del {name}")))
    change += Remedy(Action(view.name.ip(f"link add {name} up type vxlan {' '.join(words)}")))
    master = view.links.get(link.master or 0)
    if master is not None:
        change += Remedy(Action(view.name.ip(f"link set {name} master {word(master.name)}")))
    nodad = " nodad" if hop.family == uapi.AF_INET6 else ""
    adds = [Action(view.name.ip(f"addr add {one} dev {name}{nodad}")) for one in global_addresses(view, hop.family, link)]
    return change + Remedy(*adds)
