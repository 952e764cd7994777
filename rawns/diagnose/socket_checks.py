"""Checks of the sockets that should receive the packet."""

from __future__ import annotations

from .. import uapi
from .hop import NetworkFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..objects.link import Link
    from .hop import Hop
    from .namespace_view import NamespaceView


def listened(hop: Hop, there: NamespaceView, ingress: Link) -> NetworkFault | None:
    """Check that a socket receives on the port, at the destination address."""
    if hop.reply or hop.port is None or there.holder(hop.target) is None:
        return None
    found = there.listeners(hop.flow.protocol, hop.port)
    if found is None:
        return None
    protocol = hop.flow.protocol.upper()
    if not found:
        return NetworkFault(f"nothing listens on {protocol} port {hop.port} in {there.name}")
    usable = [hop.target, "::"] + (["0.0.0.0"] if hop.family == uapi.AF_INET else [])
    if any(address in usable or address == f"::ffff:{hop.target}" for address in found):
        return None
    bound = " and ".join(dict.fromkeys(found))
    sentence = f"what listens on {protocol} port {hop.port} in {there.name} is bound to {bound}"
    return NetworkFault(f"{sentence}, and receives nothing for {hop.target}")
