"""The plugin portmap: ports of the node that lead to the container, by nf_tables."""

from __future__ import annotations

from _socket import if_indextoname, inet_pton

from .. import uapi
from ..errors import InvalidValue, KernelError
from ..json_text import shown
from ..nft import build
from ..nft.nat import PREROUTING, dnat_to
from ..objects import prefix, route
from ..objects.route import Route
from . import checks, nat_tables, pod
from .keys import FLAG, IP, TEXT, ConfigKey, converted, list_of, number, refused, table
from .plugin import CniPlugin
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..objects.prefix import Prefix
    from .call import Call

    Body = dict[str, Any]

PORT = number(1, 65535)
NUMBERS = {"tcp": uapi.IPPROTO_TCP, "udp": uapi.IPPROTO_UDP, "sctp": 132}


def _protocol_name(text: str) -> str:
    if text.lower() not in NUMBERS:
        raise InvalidValue(f"{shown(text)} is not one of tcp, udp and sctp")
    return text.lower()


PROTOCOL = converted("tcp, udp or sctp", _protocol_name)
ANY_ADDRESS = ("0.0.0.0", "::")
FAMILIES = (uapi.AF_INET, uapi.AF_INET6)
MAPPING = (
    ConfigKey("hostPort", PORT, "the port of the node", required=True),
    ConfigKey("containerPort", PORT, "the port of the container", required=True),
    ConfigKey("protocol", PROTOCOL, "tcp, udp or sctp", "tcp"),
    ConfigKey("hostIP", TEXT, "the address of the node; by default all of its addresses", ""),
)
CONDITIONS = refused("conditions of iptables mean nothing to nf_tables")


class PortmapPlugin(CniPlugin):
    """Publish ports of containers."""

    name = "portmap"
    summary = "ports of the node that lead to the container (nf_tables)"
    chained = True
    keys = (
        ConfigKey("snat", FLAG, "let the node (127.0.0.1) and the container's own network use the node's ports", True),
        ConfigKey("masqAll", FLAG, "masquerade all that comes by these ports", False),
        ConfigKey("markMasqBit", number(0, 31), "has no effect: no marks are needed here"),
        ConfigKey("backend", nat_tables.BACKEND, "has no effect: nf_tables is always used"),
        ConfigKey("conditionsV4", CONDITIONS, "is left out"),
        ConfigKey("conditionsV6", CONDITIONS, "is left out"),
        ConfigKey("externalSetMarkChain", refused("a chain of iptables cannot be called from nf_tables"), "is left out"),
    )
    capabilities = {"portMappings": list_of(table(MAPPING, lenient=True))}

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.mappings: list[dict[str, Any]] = self.config["runtimeConfig.portMappings"] or []
        for n, one in enumerate(self.mappings):
            one["hostIP"] = IP.read(one["hostIP"], f"runtimeConfig.portMappings[{n}].hostIP") if one["hostIP"] else ""

    def add(self) -> CniResult:
        result = self.call.previous(required=True)
        assert result is not None
        addresses = self._addresses(result)
        if self.mappings and addresses:
            for name in self._localhost_settings(addresses):
                pod.set_setting(name, 1)
            self._rules(addresses).install()
            self._forget_flows()
        return result

    def _forget_flows(self) -> None:
        """Delete what connection tracking knows of the UDP ports: these flows would not meet the rules as they are now."""
        ports = {(one["hostPort"], one["hostIP"]) for one in self.mappings if one["protocol"] == "udp"}
        if not ports:
            return
        from .udp_flows import delete_udp

        local = {one.address for one in self.call.host.addresses()}
        for port, given in ports:
            reached = {given} if given not in ("", *ANY_ADDRESS) else local
            for family in [prefix.family_of(given)] if given else FAMILIES:
                delete_udp(self.call.host.netlink, family, port, reached.__contains__)

    def _addresses(self, result: CniResult) -> list[Prefix]:
        """Return the first address of each family that the container has."""
        found: dict[int, Prefix] = {}
        for one in result.in_sandbox(self.call.netns_path, self.call.ifname):
            found.setdefault(one.family, one)
        return list(found.values())

    def _localhost_settings(self, addresses: list[Prefix]) -> list[str]:
        """Return the settings that let packets from 127.0.0.1 leave by the interface that leads to the container."""
        found = []
        for one in addresses:
            if one.family == uapi.AF_INET and self.config["snat"]:
                try:
                    leads = Route(self.call.host.netlink.get(route.get(one.address)).body)
                except KernelError:
                    continue
                if leads.index is not None:
                    found.append(f"net/ipv4/conf/{if_indextoname(leads.index)}/route_localnet")
        return found

    def _rules(self, addresses: list[Prefix]) -> nat_tables.Rules:
        rules = nat_tables.Rules(self.call)
        for chain in (PREROUTING, nat_tables.OUTPUT):
            rules.chain(*chain)
        for given in addresses:
            for one in self.mappings:
                if one["hostIP"] and prefix.family_of(one["hostIP"]) != given.family:
                    continue
                for chain in (PREROUTING, nat_tables.OUTPUT):
                    rules.rule(chain[0], *_published(one, given))
                for source in self._masqueraded(given):
                    rules.masquerade(*_came_by_port(one, given, source))
        return rules

    def _masqueraded(self, given: Prefix) -> list[str]:
        """Return the sources whose packets must return by the node: replies would otherwise take another way."""
        if self.config["masqAll"]:
            return ["0.0.0.0/0" if given.family == uapi.AF_INET else "::/0"]
        if not self.config["snat"]:
            return []
        return [str(given.network), *(["127.0.0.0/8"] if given.family == uapi.AF_INET else [])]

    def check(self) -> None:
        result = self.call.previous(required=True)
        assert result is not None
        addresses = self._addresses(result)
        if self.mappings and addresses:
            nat_tables.check(self.call, self._rules(addresses))
            checks.settings(self._localhost_settings(addresses))

    def delete(self) -> None:
        nat_tables.remove(self.call)
        self._forget_flows()

    def collect(self) -> None:
        nat_tables.collect(self.call)

    def status(self) -> None:
        self.call.host.nft.tables()


def _published(one: dict[str, Any], given: Prefix) -> list[Body]:
    """Return the rule: to an address of the node (or to the one that is named) and this port; send it to the container."""
    steps = [*build.ip_family(given.family), *build.local_destination()]
    if one["hostIP"] and one["hostIP"] not in ANY_ADDRESS:
        steps += build.in_network(build.DESTINATION, prefix.parse(one["hostIP"]))
    steps += [*_protocol(one), *build.destination_port(one["hostPort"])]
    return [*steps, *dnat_to(inet_pton(given.family, given.address), one["containerPort"])]


def _came_by_port(one: dict[str, Any], given: Prefix, source: str) -> list[Body]:
    """Return the conditions: redirected, from ``source``, now to the container's port."""
    alone = prefix.Prefix(given.family, given.address, prefix.BITS[given.family])
    steps = [*build.ip_family(given.family), *build.redirected(), *build.in_network(build.SOURCE, prefix.parse(source))]
    return [*steps, *build.in_network(build.DESTINATION, alone), *_protocol(one), *build.destination_port(one["containerPort"])]


def _protocol(one: dict[str, Any]) -> list[Body]:
    return build.meta("L4PROTO", bytes([NUMBERS[one["protocol"]]]))
