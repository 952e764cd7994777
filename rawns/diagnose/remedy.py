"""Remedies: shell commands, each with a test of the state that says whether the command would change anything.

A remedy is printed only if every command of it would be accepted by the kernel and would change the state, as far as the
state that was read tells. A command that has been run once is therefore not recommended again.
"""

from __future__ import annotations

from .. import uapi
from ..objects.prefix import family_of
from . import fib
from .commands import word
from .prefixes import on_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..objects.address import Address
    from ..objects.link import Link
    from ..objects.route import Route
    from ..objects.rule import Rule
    from .namespace_view import NamespaceView

IPV6_MIN_MTU = 1280  # RFC 8200, section 5


class Action:
    """One shell command, and ``useful``: whether it would be accepted and would change the state."""

    __slots__ = ("command", "useful")

    def __init__(self, command: str, useful: bool | Callable[[], bool] = True) -> None:
        self.command = command
        self.useful: Callable[[], bool] = useful if callable(useful) else lambda: bool(useful)


class Remedy:
    """Commands that remove a fault, in order. ``str()`` is one shell command line, empty if a command would be useless."""

    __slots__ = ("actions",)

    def __init__(self, *actions: Action) -> None:
        self.actions = actions

    def __bool__(self) -> bool:
        return bool(self.actions) and all(action.useful() for action in self.actions)

    def __str__(self) -> str:
        return " && ".join(action.command for action in self.actions) if self else ""

    def __add__(self, other: Remedy) -> Remedy:
        return Remedy(*self.actions, *other.actions)


def ip(view: NamespaceView, words: str, useful: bool | Callable[[], bool] = True) -> Remedy:
    """Run ``ip WORDS`` in a namespace."""
    return Remedy(Action(view.name.ip(words), useful))


def bridge(view: NamespaceView, words: str) -> Remedy:
    """Run ``bridge WORDS`` in a namespace."""
    return Remedy(Action(view.name.bridge(words)))


# -- links --------------------------------------------------------------------------------------------------------------


def set_link(view: NamespaceView, link: Link, words: str, useful: bool = True) -> Remedy:
    """Change a link: ``ip link set LINK WORDS``."""
    return ip(view, f"link set {word(link.name)} {words}", useful)


def set_up(view: NamespaceView, link: Link) -> Remedy:
    """Bring a link up, if it is down."""
    return set_link(view, link, "up", not link.up)


def restart(view: NamespaceView, link: Link) -> Remedy:
    """Take a link down and bring it up again."""
    return set_link(view, link, "down") + set_link(view, link, "up")


def set_port(view: NamespaceView, link: Link, words: str) -> Remedy:
    """Change a bridge port: ``bridge link set dev LINK WORDS``."""
    return bridge(view, f"link set dev {word(link.name)} {words}")


# -- addresses ----------------------------------------------------------------------------------------------------------


def add_address(view: NamespaceView, link: Link, address: str) -> Remedy:
    """Add ``10.0.0.1/24`` to a link, unless the link has it or cannot have IPv6 addresses."""
    family = family_of(address)

    def useful() -> bool:
        if family == uapi.AF_INET6 and (view.conf(family, link, "disable_ipv6") or (link.mtu or IPV6_MIN_MTU) < IPV6_MIN_MTU):
            return False
        return all(str(one) != address for one in view.addresses_of(link, family))

    return readd_address(view, link.name, address, useful)


def readd_address(view: NamespaceView, name: str, address: str, useful: bool | Callable[[], bool] = True) -> Remedy:
    """Add an address to a link that an earlier command has made, or from which it has deleted the address."""
    nodad = " nodad" if family_of(address) == uapi.AF_INET6 else ""
    return ip(view, f"addr add {address} dev {word(name)}{nodad}", useful)


def delete_address(view: NamespaceView, link: Link, address: Address) -> Remedy:
    """Delete an address from a link, if the link has it."""

    def useful() -> bool:
        return any(str(one) == str(address) for one in view.addresses_of(link, address.family))

    return ip(view, f"addr del {_whole(address)} dev {word(link.name)}", useful)


def replace_address(view: NamespaceView, link: Link, old: Address, new: str, on: Link | None = None) -> Remedy:
    """Give a link another address instead of one, or move it to the link ``on``; add the IPv4 routes again that go with it.

    The kernel deletes the routes whose gateway is a neighbour only by the old address. The old address goes first: deleting a
    primary address would delete the new one of the same subnet with it.
    """
    change = delete_address(view, link, old) + add_address(view, on or link, new)
    if old.family == uapi.AF_INET6:
        return change
    others = [one for one in view.addresses_of(link, old.family) if one is not old]
    for route in view.routes():
        gateway = route.gateway if route.index == link.index and route.type == uapi.RTN_UNICAST else None
        if gateway is not None and on_link(old, gateway) and not any(on_link(one, gateway) for one in others):
            change += change_route(view, old.family, "add", f"{route_words(route)} via {gateway}")
    return change


def _whole(address: Address) -> str:
    return f"{address.address} peer {address.peer}/{address.prefixlen}" if address.peer else str(address)


# -- routes and rules ---------------------------------------------------------------------------------------------------


def route_words(route: Route) -> str:
    """Return the destination, table and metric that identify a route in ``ip route del``."""
    table = "" if route.table == uapi.RT_TABLE_MAIN else f" table {fib.table_name(route.table)}"
    metric = f" metric {route.metric}" if route.metric not in (0, fib.FALLBACK_METRIC) else ""
    return f"{route}{table}{metric}"


def route_dev(view: NamespaceView, index: int | None) -> str:
    """Return `` dev NAME`` for the link with an index; empty if there is no such link."""
    link = view.links.get(index or 0)
    return f" dev {word(link.name)}" if link is not None else ""


def change_route(view: NamespaceView, family: int, verb: str, words: str, useful: bool | Callable[[], bool] = True) -> Remedy:
    """Change a route: ``ip [-6] route VERB WORDS``."""
    return ip(view, f"{_option(family)}route {verb} {words}", useful)


def change_rule(view: NamespaceView, family: int, verb: str, words: str, useful: bool | Callable[[], bool] = True) -> Remedy:
    """Change a policy rule: ``ip [-6] rule VERB WORDS``."""
    return ip(view, f"{_option(family)}rule {verb} {words}", useful)


def delete_rule(view: NamespaceView, rule: Rule) -> Remedy:
    """Delete a policy rule, identified by its priority and by what it matches."""
    words = [f"pref {rule.priority}"]
    words += [f"from {rule.source}"] if rule.source != "all" else []
    words += [f"to {rule.destination}"] if rule.destination != "all" else []
    return change_rule(view, rule.family, "del", " ".join(words))


def _option(family: int) -> str:
    return "-6 " if family == uapi.AF_INET6 else ""


def delete_neighbour(view: NamespaceView, link: Link, address: str) -> Remedy:
    """Delete a neighbour entry, if there is one."""

    def useful() -> bool:
        return any((one.index, one.address) == (link.index, address) for one in view.neighbours())

    return ip(view, f"neigh del {address} dev {word(link.name)}", useful)


# -- settings and filters -----------------------------------------------------------------------------------------------


def set_sysctls(view: NamespaceView, values: dict[str, int]) -> Remedy:
    """Write settings, given as paths below /proc/sys/net; settings that have the value already are left out."""
    wrong = [(name, value) for name, value in values.items() if view.sysctl(name) not in (None, value)]
    shown = " ".join(word(f"net.{_dots(name)}={value}") for name, value in wrong)
    return Remedy(Action(view.name.run(f"sysctl -w {shown}"), bool(wrong)))


def _dots(path: str) -> str:
    """Return a path below /proc/sys/net as sysctl(8) spells it: a dot in an interface name becomes a slash."""
    parts = path.split("/")
    return ".".join(part.replace(".", "/") for part in parts)


def run_nft(view: NamespaceView, rule: str) -> Remedy:
    """Run ``nft RULE``."""
    return Remedy(Action(view.name.run(f"nft {word(rule)}")))
