"""A lab read back from the kernel: the description that its namespaces, links, addresses and routes amount to.

Floor 6.  For whoever has a lab's name and not its file.  What the kernel does not keep (commands, the order of things)
is not in it.
"""

from __future__ import annotations

from ..errors import InvalidValue
from ..net import NetNS
from ..netns import ETC_DIR
from . import discover, etc_files
from .diff import USUAL_AGEING, USUAL_MTU, data_of
from .kernel_state import our_addresses, read
from .lab import Lab
from .model import FORWARDING, Bridge, Macvlan, Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..objects.link import Link
    from .kernel_state import State
    from .model import Host

UNTOLD = {1: (True, True)}  # the VLANs that a port has of itself
Ends = dict[str, list[Port]]


def live(name: str) -> Lab:
    """The lab called ``name`` as it is.  Raises `InvalidValue` where there is none."""
    lab = Lab(name, standing=True)
    states: list[tuple[Host, State]] = []
    for stamped in discover.Survey().of(name):
        if not stamped.stale:
            one = stamped.name
            host = lab.netns(one, one[len(name) + 1 :] if one.startswith(f"{name}.") else one)
            host.found(NetNS.open(one))
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
        _files(host)
    for host, state in states:
        _macvlans(host, state)
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
    options: dict[str, Any] = {"mtu": link.mtu if link.mtu != USUAL_MTU else None, "up": link.up, "master": bridge}
    if bridge is not None and bridge.vlan_filtering and state.vlans.get(link.index, UNTOLD) != UNTOLD:
        options["vlans"] = state.vlans[link.index]
    shape = state.shapes.get(link.index)
    if shape is not None:
        said = {"rate": shape.rate, "delay": shape.delay, "jitter": shape.jitter, "loss": shape.loss}
        options["shape"] = {word: value for word, value in said.items() if value}
    return addresses, options


def _bridges(host: Host, state: State) -> None:
    for link in state.ours(host.lab.name):
        if link.kind == "bridge":
            data = data_of(link)
            addresses, options = _said(host, link, state)
            del options["master"]
            options.pop("vlans", None)
            stp, filtering = bool(data.get("IFLA_BR_STP_STATE")), bool(data.get("IFLA_BR_VLAN_FILTERING"))
            ageing = data.get("IFLA_BR_AGEING_TIME", USUAL_AGEING)
            options["ageing"] = ageing / 100 if ageing != USUAL_AGEING else None
            host.bridge(link.name, *addresses, stp=stp, vlan_filtering=filtering, **options)


def _others(host: Host, state: State, ends: Ends) -> None:
    for link in state.ours(host.lab.name):
        addresses, options = _said(host, link, state)
        data = data_of(link)
        if link.kind == "veth":
            port = host.port(link.name, *addresses, **options)
            ends.setdefault(link.alias or "", []).append(port)
        elif link.kind == "vxlan":
            remote = data.get("IFLA_VXLAN_GROUP") or data.get("IFLA_VXLAN_GROUP6")
            if remote:
                options["port"] = data.get("IFLA_VXLAN_PORT", 4789)
                options["local"] = data.get("IFLA_VXLAN_LOCAL") or data.get("IFLA_VXLAN_LOCAL6")
                host.vxlan(link.name, data["IFLA_VXLAN_ID"], remote, *addresses, **options)
        elif link.kind == "tun":
            host.tap(link.name, *addresses, owner=data.get("IFLA_TUN_OWNER"), **options)


def _macvlans(host: Host, state: State) -> None:
    """When all that they may stand on has been read."""
    modes = {number: word for word, number in Macvlan.MODES.items()}
    for link in state.ours(host.lab.name):
        if link.kind == "macvlan":
            addresses, options = _said(host, link, state)
            options["mode"] = modes.get(data_of(link).get("IFLA_MACVLAN_MODE", 0), "bridge")
            label, _, name = (link.alias or "").rpartition(" ")[2].rpartition(":")
            stood = [one for other in host.lab.hosts if other.label == label for one in other.interfaces if one.name == name]
            host.macvlan(link.name, stood[0] if stood else name or "?", *addresses, **options)


def _files(host: Host) -> None:
    folder = f"{ETC_DIR}/{host.name}"
    texts = {file: etc_files.read(f"{folder}/{file}") or "" for file in etc_files.listed(folder, host.lab.name)}
    host.files = {file: text.partition("\n")[2] for file, text in texts.items()} or None


def _routes(host: Host, state: State) -> None:
    for route in state.routes:
        dev = state.link_at(route.index)
        plain = route.gateway and not route.gateway.startswith("fe80:")  # the gateway says which way
        metric = None if route.metric == 1024 and ":" in str(route.gateway or route) else route.metric or None
        host.route(str(route), route.gateway, dev.name if dev is not None and not plain else None, metric)
    host.nats = (state.nats.nats if state.nats is not None else None) or ()
    if len(host.interfaces) > 1:  # whoever has one only has nowhere to forward to
        forwards = {key: value for key, value in host.settings(FORWARDING).items() if value != "0"}
        if forwards:
            host.sysctl(dict(forwards))
        host.release()
