"""Checks of VXLAN tunnels: where a device sends, and whether the device at the other end receives it."""

from __future__ import annotations

from .. import uapi
from . import remedy
from .commands import word
from .hop import NetworkFault
from .prefixes import multicast, on_link
from .remedy import Remedy
from .segment import SHARED, tunnel_remotes, vxlan_address
from .topology import global_addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.address import Address
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView
    from .segment import Segment

ANY_ADDRESS = "00:00:00:00:00:00"  # the entry of a forwarding database for broadcasts and unknown addresses


def has_remote(hop: Hop, segment: Segment) -> NetworkFault | None:
    """Check that a VXLAN device knows where to send broadcasts: it has a remote, or a forwarding entry for all addresses."""
    here, link = segment.here, segment.one
    if vxlan_address(link, "GROUP") or link.data.get("IFLA_VXLAN_COLLECT_METADATA"):
        return None
    if hop.reply and link.data.get("IFLA_VXLAN_LEARNING"):
        return None  # the request has taught it where the sender is
    entries = [one for one in here.fdb() if one.index == link.index and one.address]
    if any(one.lladdr == ANY_ADDRESS for one in entries):
        return None
    lladdr = hop.ingress.address if hop.ingress is not None else None
    if any(one.lladdr == lladdr for one in entries) and (hop.reply or hop.resolved()):
        return None
    home, other = here.underlay(link), segment.there.underlay(segment.other)
    near = _near(home, other)
    outer = segment.other.data.get("IFLA_VXLAN_LOCAL") or (near[0].address if near else None)
    what = "no remote address, and no forwarding entry for broadcasts"
    what = what if entries else "neither a remote address nor forwarding entries"
    sentence = f"the VXLAN device {here.named(link)} has {what}: it has nowhere to send"
    if outer is None:
        return NetworkFault(sentence)
    return NetworkFault(sentence, remedy.bridge(here, f"fdb append {ANY_ADDRESS} dev {word(link.name)} dst {outer}"))


def _near(home: NamespaceView | None, other: NamespaceView | None) -> list[Address]:
    """Return the addresses of the other end's namespace, those on a subnet of this end's first."""
    if home is None or other is None:
        return []
    own = global_addresses(home, uapi.AF_INET)
    return sorted(global_addresses(other, uapi.AF_INET), key=lambda one: not any(on_link(near, one.address) for near in own))


def foreign_local(view: NamespaceView, link: Link, home: NamespaceView, remote: str) -> NetworkFault:
    """Return the fault of a VXLAN device whose local address is not an address of its namespace."""
    local = vxlan_address(link, "LOCAL")
    sentence = f"the VXLAN device {view.named(link)} sends from its local address {local}, which {home.name} does not have"
    own = [one.address for one in home.addresses if on_link(one, remote)]
    if not own or view is not home:
        return NetworkFault(sentence)
    return NetworkFault(sentence, remedy.set_link(view, link, f"type vxlan local {own[0]}"))


def other_remote(view: NamespaceView, link: Link) -> Remedy:
    """Return the remedy that sends to the home of the only other VXLAN device with this VNI and port."""
    home, found = view.underlay(link), []
    for other in view.elsewhere():
        for one in other.links.values():
            theirs = other.underlay(one) if one is not link and _same_tunnel(one, link) else None
            if theirs is not None and home is not None and theirs is not home:
                own = [each for each in _near(home, theirs) if theirs.links[each.index].kind != "vxlan"]
                found += [each.address for each in own if any(on_link(near, each.address) for near in home.addresses)]
    if len(found) != 1 or not link.data.get("IFLA_VXLAN_GROUP"):
        return Remedy()
    return remedy.set_link(view, link, f"type vxlan remote {found[0]}")


def _same_tunnel(one: Link, other: Link) -> bool:
    return one.kind == "vxlan" and all(one.data.get(key) == other.data.get(key) for key in SHARED)


def wrong_tunnel(hop: Hop, view: NamespaceView, link: Link) -> NetworkFault | None:
    """Return the fault of a tunnel at whose other end a VXLAN device expects another VNI or UDP port."""
    remotes = [one for one in tunnel_remotes(view, link) if not multicast(one)]
    for other in view.elsewhere() if remotes else ():
        for one in other.links.values() if other is not view else ():
            home = other.underlay(one) if one.kind == "vxlan" and not _same_tunnel(one, link) else None
            remote = next((each for each in remotes if home is not None and home.holder(each)), None)
            if remote is None:
                continue
            (vni, port), (other_vni, other_port) = ([each.data.get(key) for key in SHARED] for each in (link, one))
            sentence = f"{view.named(link)} sends VXLAN {vni} to {remote}, port {port}"
            sentence += f"; {other.named(one)} there expects VXLAN {other_vni} at port {other_port}"
            return NetworkFault(sentence, _recreated(hop, other, one, link))
    return None


def _recreated(hop: Hop, view: NamespaceView, link: Link, wanted: Link) -> Remedy:
    """Return the remedy that makes a VXLAN device again: the kernel changes neither its VNI nor its port."""
    name, lower = word(link.name), view.links.get(link.data.get("IFLA_VXLAN_LINK") or 0)
    words = f"id {wanted.data.get('IFLA_VXLAN_ID')} dstport {wanted.data.get('IFLA_VXLAN_PORT')}"
    for key, option in (("GROUP", "remote"), ("LOCAL", "local")):
        words += f" {option} {vxlan_address(link, key)}" if vxlan_address(link, key) else ""
    words += f" dev {word(lower.name)}" if lower is not None else ""
    change = remedy.ip(view, f"link del {name}") + remedy.ip(view, f"link add {name} up type vxlan {words}")
    master = view.links.get(link.master or 0)
    if master is not None:
        change += remedy.set_link(view, link, f"master {word(master.name)}")
    for one in global_addresses(view, hop.family, link):
        change += remedy.readd_address(view, link.name, str(one))
    return change
