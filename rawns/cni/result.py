"""Results of ADD: interfaces, addresses, routes and DNS, in the form of each version of the specification."""

from __future__ import annotations

import os

from ..json_text import shown
from ..objects import prefix
from ..terminal import printable
from .failure import INCOMPATIBLE_VERSION, INVALID_CONFIG, CniError
from .keys import CIDR, IP, MTU, TEXT, ConfigKey, list_of, number, read, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..objects.prefix import Prefix

    Item = dict[str, Any]

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK, WITHOUT_IP_VERSION, WITH_GC = "0.4.0", "1.0.0", "1.1.0"
U32 = number(0, (1 << 32) - 1)
INTERFACES = (
    ConfigKey("name", TEXT, "its name", required=True),
    ConfigKey("mac", TEXT, "its MAC address"),
    ConfigKey("mtu", MTU, "its MTU (1.1.0)"),
    ConfigKey("sandbox", TEXT, "the path of its network namespace; none on the node"),
    ConfigKey("socketPath", TEXT, "a socket that belongs to it (1.1.0)"),
    ConfigKey("pciID", TEXT, "its PCI address (1.1.0)"),
)
IPS = (
    ConfigKey("address", CIDR, "the address with its prefix length", required=True),
    ConfigKey("gateway", IP, "the gateway of its network"),
    ConfigKey("interface", number(0, 65535), "the number of its interface in the list"),
    ConfigKey("version", TEXT, "4 or 6 (before 1.0.0)"),
)
ROUTES = (
    ConfigKey("dst", CIDR, "the destination, a prefix", required=True),
    ConfigKey("gw", IP, "the gateway; by default that of the address of the same family"),
    ConfigKey("mtu", MTU, "the largest packet in bytes (1.1.0)"),
    ConfigKey("advmss", U32, "the segment size that TCP advertises (1.1.0)"),
    ConfigKey("priority", U32, "the metric (1.1.0)"),
    ConfigKey("table", U32, "the routing table (1.1.0)"),
    ConfigKey("scope", number(0, 255), "the scope (1.1.0)"),
)
DNS = (
    ConfigKey("nameservers", list_of(TEXT), "addresses of name servers", []),
    ConfigKey("domain", TEXT, "the local domain", ""),
    ConfigKey("search", list_of(TEXT), "domains that short names are looked up in", []),
    ConfigKey("options", list_of(TEXT), "options of the resolver", []),
)
PARTS = (
    ConfigKey("cniVersion", TEXT, "the version of its form"),
    ConfigKey("interfaces", list_of(table(INTERFACES, True)), "interfaces", []),
    ConfigKey("ips", list_of(table(IPS, True)), "addresses", []),
    ConfigKey("routes", list_of(table(ROUTES, True)), "routes", []),
    ConfigKey("dns", table(DNS, True), "DNS", {}),
)
ADDED_LATER = {"interfaces": ("mtu", "socketPath", "pciID"), "routes": ("mtu", "advmss", "priority", "table", "scope")}


class CniResult:
    """What an attachment consists of.  Addresses are `Prefix` values, everything else is as in JSON."""

    __slots__ = ("interfaces", "ips", "routes", "dns")

    def __init__(self, ips: Sequence[Item] = (), routes: Sequence[Item] = (), dns: Item | None = None) -> None:
        self.interfaces: list[Item] = []
        self.ips, self.routes, self.dns = list(ips), list(routes), dict(dns or {})

    @classmethod
    def parse(cls, data: Any) -> CniResult:
        """Read a ``prevResult``.  Keys that are unknown are kept.  Raises `CniError`."""
        parts = read(PARTS, data, "prevResult", lenient=True)
        if parts["cniVersion"] not in (None, "", *VERSIONS):
            raise CniError(INCOMPATIBLE_VERSION, f"prevResult.cniVersion {shown(parts['cniVersion'])} is not supported")
        result = cls(parts["ips"], parts["routes"], parts["dns"])
        result.interfaces = parts["interfaces"]
        for one in result.ips:
            if one["interface"] is not None and one["interface"] >= len(result.interfaces):
                raise CniError(INVALID_CONFIG, f"prevResult.ips: there is no interface number {one['interface']}")
        return result

    def add_interface(self, name: str, mac: str | None, sandbox: str | None = None, mtu: int | None = None) -> int:
        """Append an interface; return its number."""
        self.interfaces.append({"name": name, "mac": mac, "mtu": mtu, "sandbox": sandbox})
        return len(self.interfaces) - 1

    def render(self, version: str) -> Item:
        """Return the result in the form of a version of the specification."""
        later = version < WITH_GC
        parts: Item = {"cniVersion": version}
        for name in ("interfaces", "ips", "routes"):
            dropped = {*(ADDED_LATER.get(name, ()) if later else ()), "version"}
            items = [_cleaned(one, dropped) for one in getattr(self, name)]
            if name == "ips" and version < WITHOUT_IP_VERSION:
                items = [{"version": "6" if ":" in one["address"] else "4", **one} for one in items]
            if items:
                parts[name] = items
        parts["dns"] = {key: value for key, value in self.dns.items() if value}
        return parts

    def number_of(self, path: str, name: str) -> int | None:
        """Return the number of the container's interface; None if the result does not have it.

        ``path`` leads to the container's namespace.  Raises `CniError` if the interface is there more than once, or in another
        namespace only: then the result is that of another container.
        """
        named = [n for n, one in enumerate(self.interfaces) if one["name"] == name and one.get("sandbox")]
        mine = [n for n in named if _same_file(self.interfaces[n]["sandbox"], path)]
        if len(mine) > 1:
            raise CniError(INVALID_CONFIG, f"prevResult.interfaces: {name} of the container is there {len(mine)} times")
        if named and not mine:
            elsewhere = printable(self.interfaces[named[0]]["sandbox"])
            raise CniError(INVALID_CONFIG, f"prevResult.interfaces: {name} is in {elsewhere}, and CNI_NETNS is {printable(path)}")
        return mine[0] if mine else None

    def in_sandbox(self, path: str, name: str) -> list[Prefix]:
        """Return the addresses of the container's interface, and those that belong to no interface."""
        return [one["address"] for one in self.ips if one["interface"] in (self.number_of(path, name), None)]

    def gateway_of(self, family: int) -> str | None:
        """Return the first gateway of a family."""
        return next((one["gateway"] for one in self.ips if one["address"].family == family and one.get("gateway")), None)


def _same_file(one: str, other: str) -> bool:
    """Return whether two paths lead to the same file, as /run and /var/run do."""
    try:
        return one == other or os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _cleaned(item: Item, dropped: set[str]) -> Item:
    kept = {key: value for key, value in item.items() if value is not None and key not in dropped}
    return {key: str(value) if isinstance(value, prefix.Prefix) else value for key, value in kept.items()}


def check_version(given: Any) -> str:
    """Return the version that a configuration asks for.  Raises `CniError` (code 1) if it is not supported."""
    version = "0.1.0" if given in (None, "") else given
    if version not in VERSIONS:
        supported = ", ".join(VERSIONS)
        raise CniError(
            INCOMPATIBLE_VERSION,
            f"cniVersion {shown(version)} is not supported",
            f"the versions that are supported: {supported}",
        )
    return str(version)
