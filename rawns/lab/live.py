"""A lab read back from the kernel: the description that its namespaces, links, addresses and routes amount to.

Floor 6.  For whoever has a lab's name and not its file.  What the kernel does not keep (commands, the order of things)
is not in it.
"""

from __future__ import annotations

from ..errors import InvalidValue
from ..net import NetNS
from . import found
from .lab import Lab
from .model import Bridge, Port
from .state import LO, our_addresses, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..objects.link import Link
    from .model import Host
    from .state import State

FORWARDING = 0  # of struct ipv4_devconf's numbers, from 1 on: IPV4_DEVCONF_FORWARDING, less one
Ends = dict[str, list[Port]]


def live(name: str) -> Lab:
    """The lab called ``name`` as it is.  Raises `InvalidValue` where there is none."""
    lab = Lab(name, standing=True)
    states: list[tuple[Host, State]] = []
    for one, mark, namespace in found.named():
        if mark.lab == name and namespace is not None:
            host = lab.netns(one, one[len(name) + 1 :] if one.startswith(f"{name}.") else one)
            host.found(NetNS.open(fd=namespace.fd))
            states.append((host, read(host)))
            host.release()
    root = Lab(name).root
    if any(read(root).ours(name)):
        states.insert(0, (lab.root, read(lab.root)))
    root.forget()
    if not states:
        raise InvalidValue(f"there is no lab called {name} on this machine; `rawns lab list` names those there are")
    ends: Ends = {}
    for host, state in states:
        _bridges(host, state)
        _others(host, state, ends)
        _routes(host, state)
    for pair in ends.values():
        if len(pair) == 2:
            lab.wire(*pair)
    lab.drop_loose()
    return lab


def _said(host: Host, link: Link, state: State) -> tuple[list[str], dict[str, Any]]:
    """The addresses, and the options, of a link that was listed."""
    master = state.link_at(link.master) if link.master else None
    bridge = next((one for one in host.interfaces if isinstance(one, Bridge) and master and one.name == master.name), None)
    addresses = [str(one) for one in our_addresses(state, link.index)]
    return addresses, {"mtu": link.mtu, "up": link.up, "master": bridge}


def _bridges(host: Host, state: State) -> None:
    for link in state.ours(host.lab.name):
        if link.kind == "bridge":
            data = link.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA", {})
            addresses, options = _said(host, link, state)
            del options["master"]
            stp, filtering = bool(data.get("IFLA_BR_STP_STATE")), bool(data.get("IFLA_BR_VLAN_FILTERING"))
            host.bridge(link.name, *addresses, stp=stp, vlan_filtering=filtering, **options)


def _others(host: Host, state: State, ends: Ends) -> None:
    for link in state.ours(host.lab.name):
        addresses, options = _said(host, link, state)
        data = link.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA", {})
        if link.kind == "veth":
            port = host.port(link.name, *addresses, **options)
            ends.setdefault(link.alias or "", []).append(port)
        elif link.kind == "vxlan":
            remote = data.get("IFLA_VXLAN_GROUP") or data.get("IFLA_VXLAN_GROUP6")
            if remote:
                options["port"] = data.get("IFLA_VXLAN_PORT", 4789)
                host.vxlan(link.name, data["IFLA_VXLAN_ID"], remote, *addresses, **options)
        elif link.kind == "macvlan":
            parent = (link.alias or "").rpartition(":")[2]
            host.macvlan(link.name, parent or "?", *addresses, **options)
        elif link.kind == "tun":
            host.tap(link.name, *addresses, **options)


def _routes(host: Host, state: State) -> None:
    for route in state.routes:
        dev = state.link_at(route.index)
        host.route(str(route), route.gateway, dev.name if dev is not None else None, route.metric or None)
    if _forwards(host.net.link(LO)):
        host.sysctl({"net.ipv4.ip_forward": 1})


def _forwards(link: Link) -> bool:
    """Whether a link forwards IPv4 packets, which the kernel tells with each link."""
    settings = link.body.get("IFLA_AF_SPEC", {}).get("AF_INET", {}).get("IFLA_INET_CONF") or [0]
    values = list(settings.values()) if isinstance(settings, dict) else list(settings)
    return bool(values[FORWARDING])

