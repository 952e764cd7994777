"""Read back what an implementation has set up, and compare it with what another one has.

Implementations are only comparable if they leave the same state behind.  MAC addresses, and the IPv6 addresses that are
derived from them, are random, and are not compared.
"""

from __future__ import annotations

import socket

from .. import uapi
from ..net import NetNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# IFF_RUNNING and IFF_LOWER_UP are set later, by a worker of the kernel; a bridge sets IFF_PROMISC on its ports.
COMPARED_FLAGS = ~(uapi.IFF_RUNNING | uapi.IFF_LOWER_UP | uapi.IFF_PROMISC)


def open_namespace(namespace: str | int) -> NetNS:
    """Open a namespace by its name under /run/netns, or by a descriptor (which is duplicated)."""
    return NetNS.open(namespace) if isinstance(namespace, str) else NetNS.open(fd=namespace)


def read_state(namespaces: Iterable[str | int]) -> list[dict[str, Any]]:
    """Return links, IPv4 addresses and IPv4 routes of each namespace."""
    return [_read_namespace(namespace) for namespace in namespaces]


def _read_namespace(namespace: str | int) -> dict[str, Any]:
    with open_namespace(namespace) as ns:
        links = ns.net.links()
        names = {link.index: link.name for link in links}
        addresses = [
            (names.get(one.index), str(one), one.body.get("IFA_PROTO", 0)) for one in ns.net.addresses() if ":" not in str(one)
        ]
        routes = [(str(one), one.gateway, names.get(one.index)) for one in _routes(ns)]
        return {
            "links": {one.name: _link(one, names) for one in links},
            "addresses": sorted(addresses, key=str),
            "routes": sorted(routes, key=str),
        }


def _routes(ns: NetNS) -> list[Any]:
    try:
        return ns.net.routes(family=socket.AF_INET)
    except FileNotFoundError:  # "FIB table does not exist": the kernel makes it with the first route
        return []


def _link(link: Any, names: dict[int, str]) -> dict[str, Any]:
    found = {"kind": link.kind, "mtu": link.mtu, "flags": link.flags & COMPARED_FLAGS, "master": names.get(link.master)}
    alias = " ".join(word for word in (link.alias or "").split() if not word.startswith("by="))
    return {**found, "group": link.group, "alias": alias, "queues": link.body.get("IFLA_NUM_TX_QUEUES")}


def without(state: list[dict[str, Any]], differences: Iterable[str]) -> list[dict[str, Any]]:
    """Return a copy of a state without what the implementation declares to do differently (`harness.Implementation`)."""
    differences = set(differences)
    return [_without(one, differences) for one in state]


def _without(state: dict[str, Any], differences: set[str]) -> dict[str, Any]:
    no_lo, no_stamp = "lo" in differences, "stamp" in differences
    links = {name: dict(link) for name, link in state["links"].items() if not (name == "lo" and no_lo)}
    for link in links.values():
        if no_stamp:
            link["alias"] = link["group"] = None
        if "queues" in differences:
            link["queues"] = None
    addresses = [
        (name, text, 0 if no_stamp else protocol) for name, text, protocol in state["addresses"] if not (name == "lo" and no_lo)
    ]
    compared: Any = sorted(links.values(), key=str) if "names" in differences else links
    return {"links": compared, "addresses": addresses, "routes": state["routes"]}


def difference(mine: list[Any], others: list[Any], ignored: Iterable[str]) -> str:
    """Return the first difference between two states in words, or an empty string if there is none."""
    one, other = without(mine, ignored), without(others, ignored)
    if len(one) != len(other):
        return f"{len(one)} namespaces instead of {len(other)}"
    for number, (left, right) in enumerate(zip(one, other)):
        for key in left:
            if left[key] != right[key]:
                return f"{key} of namespace {number + 1}: {_first_difference(left[key], right[key])}"
    return ""


def _first_difference(left: Any, right: Any) -> str:
    """Describe the first difference between two lists, or two dictionaries."""
    if isinstance(left, dict):
        left, right = ([(key, one[key]) for key in sorted(one)] for one in (left, right))
    for one, other in zip(left, right):
        if one != other:
            return f"{one} instead of {other}"
    return f"{len(left)} instead of {len(right)}"
