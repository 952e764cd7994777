"""The plugin bridge: a cable from the container to a bridge of the node."""

from __future__ import annotations

from errno import EADDRNOTAVAIL

from .. import uapi
from ..errors import KernelError
from ..link_state import complete
from ..nft import build
from ..objects import link, prefix, vlan
from ..objects.link import Link
from . import checks, nat_tables, pod
from .cable import CablePlugin
from .call import digest, random_mac
from .failure import EXISTS, INVALID_CONFIG, TRY_AGAIN, CniError
from .ipam import IPAM, RANGE_SETS
from .keys import FLAG, LINK, MAC, MTU, TEXT, VLAN, ConfigKey, invalid, list_of, table
from .plugin import different
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Request
    from ..objects.prefix import Prefix
    from .call import Call

TRUNK = (
    ConfigKey("id", VLAN, "a VLAN"),
    ConfigKey("minID", VLAN, "the first of several VLANs"),
    ConfigKey("maxID", VLAN, "the last of them"),
)
MAX_ATTEMPTS = 8


class BridgePlugin(CablePlugin):
    """Connect containers to a bridge."""

    name = "bridge"
    summary = "a cable from the container to a bridge of the node, which is created if there is none"
    keys = (
        ConfigKey("bridge", LINK, "the name of the bridge", "cni0"),
        ConfigKey("isGateway", FLAG, "give the bridge the gateway's address, and switch forwarding on", False),
        ConfigKey("isDefaultGateway", FLAG, "as isGateway, and make it the container's default gateway", False),
        ConfigKey("forceAddress", FLAG, "replace another address of the bridge", False),
        ConfigKey("ipMasq", FLAG, "masquerade what the container sends beyond its network (nf_tables)", False),
        ConfigKey("ipMasqBackend", nat_tables.BACKEND, "has no effect: nf_tables is always used"),
        ConfigKey("mtu", MTU, "the MTU of the cable and of the bridge; 0 is the kernel's default", 0),
        ConfigKey("hairpinMode", FLAG, "let the bridge send a frame back to the port that it came from", False),
        ConfigKey("promiscMode", FLAG, "let the bridge receive all frames", False),
        ConfigKey("vlan", VLAN, "the VLAN of the container; 0 is none", 0),
        ConfigKey("vlanTrunk", list_of(table(TRUNK)), "VLANs whose frames reach the container with a tag", []),
        ConfigKey("preserveDefaultVlan", FLAG, "leave the port in VLAN 1 as well", True),
        ConfigKey("disableContainerInterface", FLAG, "leave the container's interface down", False),
        ConfigKey("macspoofchk", FLAG, "drop frames that do not come from the container's MAC address (nf_tables)", False),
        ConfigKey("portIsolation", FLAG, "let the container reach no other port that is isolated", False),
        ConfigKey("enabledad", FLAG, "detect duplicates of IPv6 addresses, and wait for that", False),
        ConfigKey("mac", MAC, "the MAC address of the container's interface"),
        IPAM,
    )
    capabilities = {"mac": MAC, "ips": list_of(TEXT), "ipRanges": RANGE_SETS}

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        config = self.config
        config["isGateway"] |= config["isDefaultGateway"]
        if config["hairpinMode"] and config["promiscMode"]:
            raise invalid("promiscMode", "hairpinMode and promiscMode exclude each other")
        if config["disableContainerInterface"] and self.ipam is not None:
            raise invalid("ipam", "an interface that is left down (disableContainerInterface) gets no addresses")
        self.trunk = [_vids(one, f"vlanTrunk[{number}]") for number, one in enumerate(config["vlanTrunk"])]
        self.filtering = bool(config["vlan"] or self.trunk)
        if config["vlan"] and config["isGateway"]:
            link.check_name(_gateway_name(config["bridge"], config["vlan"]))

    # -- ADD ------------------------------------------------------------------------------------------------------

    def add(self) -> CniResult:
        call, config = self.call, self.config
        mac = call.mac(config["mac"]) or random_mac()
        pod.connect(call.pod, {})
        result = self.addresses()
        if config["isDefaultGateway"]:
            self._default_routes(result)
        for one in result.ips:
            if config["isGateway"] and one["gateway"] is None:
                one["gateway"] = prefix.Prefix.of(one["address"].family, one["address"].network.number + 1).address
        bridge = self._bridge()
        gateway = self._gateway_link(bridge) if config["isGateway"] else bridge
        host_mac = random_mac()
        index = self._cable(bridge, mac, host_mac)
        result.add_interface(bridge.name, bridge.address)
        result.add_interface(call.attachment.host_link, host_mac)
        self.set_interface(result, mac, config["mtu"])
        if config["isGateway"]:
            self._gateway_addresses(gateway, result)
        pod.configure(call, result, index, dad=config["enabledad"], up=not config["disableContainerInterface"])
        for rules in self._rules(result, mac):
            rules.install()
        if not config["disableContainerInterface"]:
            complete(call.host.netlink, [call.attachment.host_link])
        return result

    def _default_routes(self, result: CniResult) -> None:
        """Add default routes of the families that have addresses, unless IPAM has given some."""
        for one in result.ips:
            family = one["address"].family
            everything = prefix.destination("default", family)
            if not any(known["dst"] == everything for known in result.routes):
                gateway = one["gateway"] or prefix.Prefix.of(family, one["address"].network.number + 1).address
                route = dict.fromkeys(("mtu", "advmss", "priority", "table", "scope"))
                result.routes.append({**route, "dst": everything, "gw": gateway})

    def _bridge(self) -> Link:
        """Return the bridge, which is created if there is none."""
        name, host = self.config["bridge"], self.call.host
        for _ in range(MAX_ATTEMPTS):
            found = pod.find(host, name)
            if found is not None:
                break
            try:
                options: dict[str, Any] = {"mtu": self.config["mtu"]} if self.config["mtu"] else {}
                data = {"IFLA_BR_VLAN_FILTERING": 1} if self.filtering else {}
                host.do(link.new(name, "bridge", data, up=True, address=random_mac(), **options))
                pod.set_setting(f"net/ipv6/conf/{name}/accept_ra", 0)
            except FileExistsError:
                pass  # another plugin was faster
        else:
            raise CniError(TRY_AGAIN, f"the bridge {name} comes and goes")
        self._bridge_only(found)
        changes: list[Request] = []
        if self.filtering and not found.data.get("IFLA_BR_VLAN_FILTERING"):
            changes.append(link.reconfigure(found.index, "bridge", {"IFLA_BR_VLAN_FILTERING": 1}))
        if self.config["promiscMode"] and not found.flags & uapi.IFF_PROMISC:
            changes.append(pod.flags_request(found.index, uapi.IFF_PROMISC, uapi.IFF_PROMISC))
        if not found.up:
            changes.append(link.change(found.index, up=True))
        if changes:
            host.do(*changes)
        return found

    def _cable(self, bridge: Link, mac: str, host_mac: str) -> int:
        """Create the cable, whose node's end is a port of the bridge and up; return the index of the container's end."""
        call, config, name = self.call, self.config, self.call.attachment.host_link
        both: dict[str, Any] = {"mtu": config["mtu"]} if config["mtu"] else {}

        def requests(index: int) -> list[Request]:
            far = {**both, "netns_fd": call.pod.fileno(), "address": mac, "index": pod.other_end(index)}
            near = {**both, "address": host_mac, "index": index, "master": bridge.index, "up": True}
            made = [link.veth(name, call.ifname, far, **near), link.change(index, alias=call.attachment.stamp)]
            port = {"hairpin": config["hairpinMode"] or None, "isolated": config["portIsolation"] or None}
            if any(port.values()):
                made.append(link.change_port(index, **port))
            return made + self._vlan_requests(index)

        return pod.other_end(pod.create(call, requests, call.host, name))

    def _vlan_requests(self, index: int) -> list[Request]:
        vid = self.config["vlan"]
        made = [vlan.set(index, vid, pvid=True, untagged=True)] if vid else []
        made += [vlan.set(index, first, last if last > first else None) for first, last in self.trunk]
        if self.filtering and not self.config["preserveDefaultVlan"] and vid != 1:
            made.append(vlan.delete(index, 1))
        return made

    # -- the gateway ------------------------------------------------------------------------------------------------

    def _gateway_link(self, bridge: Link) -> Link:
        """Return the link that has the gateway's addresses: the bridge, or what leads to the VLAN of the containers.

        That is the end of a cable whose other end is a port of the bridge.  It is created if there is none, and belongs to the
        bridge and the VLAN, so that its names follow from these, and neither DEL nor GC removes it.
        """
        if not self.config["vlan"]:
            return bridge
        name, host = _gateway_name(bridge.name, self.config["vlan"]), self.call.host
        port = "vlan" + digest(name)[:11]

        def requests(index: int) -> list[Request]:
            far: dict[str, Any] = {"mtu": bridge.mtu, "address": random_mac(), "index": pod.other_end(index)}
            near: dict[str, Any] = {"mtu": bridge.mtu, "master": bridge.index, "up": True, "index": index}
            marks = [link.change(one, alias=f"cni-gateway {name}") for one in (index, pod.other_end(index))]
            up = link.change(pod.other_end(index), up=True)
            return [link.veth(port, name, far, **near), *marks, *self._vlan_requests(index), up]

        for _ in range(MAX_ATTEMPTS):
            found = pod.find(host, name)
            if found is not None:
                return self._checked(found, bridge)
            if pod.create_once(host, requests, host, port) is None and pod.find(host, name) is None and pod.find(host, port):
                raise CniError(EXISTS, f"an interface {port} exists on the node already, without its other end {name}")
        raise CniError(TRY_AGAIN, f"the interface {name} comes and goes")

    def _checked(self, found: Link, bridge: Link) -> Link:
        """Return the link of the gateway, which is up then.  Raises `CniError` if it does not lead to the bridge."""
        host = self.call.host
        other = pod.find(host, found.peer) if found.peer and found.peer_nsid is None else None
        if other is None or bridge.index != (other.master if found.kind == "veth" else other.index):
            raise CniError(INVALID_CONFIG, f"{found.name} exists on the node, and does not lead to the bridge {bridge.name}")
        if not found.up:
            host.set_link(found.index, up=True)
        return found

    def _gateway_addresses(self, gateway: Link, result: CniResult) -> None:
        """Give the gateway its addresses, one for each address of the container, and switch forwarding on."""
        host = self.call.host
        there = host.addresses(gateway.index)
        for one in result.ips:
            given: Prefix = one["address"]
            wanted = prefix.Prefix(given.family, one["gateway"], given.length)
            if any(str(known) == str(wanted) for known in there):
                continue
            for known in there:
                other = prefix.parse(str(known))
                overlaps = other.family == given.family and (given.family == uapi.AF_INET or _overlap(other, wanted))
                if overlaps and not self.config["forceAddress"]:
                    raise CniError(
                        INVALID_CONFIG, f"{gateway.name} has the address {known}, not {wanted}; forceAddress replaces it"
                    )
                if overlaps:
                    self._delete_address(gateway, str(known))
            try:
                host.do(pod.address_request(gateway.index, wanted))
            except FileExistsError:
                pass  # another plugin was faster
        pod.forward(result)

    def _delete_address(self, gateway: Link, address: str) -> None:
        try:
            self.call.host.delete_address(gateway.index, address)
        except KernelError as error:
            if error.errno != EADDRNOTAVAIL:  # another plugin was faster
                raise

    def _rules(self, result: CniResult, mac: str) -> list[nat_tables.Rules]:
        """Return the tables of nf_tables."""
        made: list[nat_tables.Rules] = []
        addresses = [one["address"] for one in result.ips]
        if self.config["ipMasq"] and addresses:
            made.append(nat_tables.masquerade(self.call, addresses))
        if self.config["macspoofchk"]:
            rules = nat_tables.Rules(self.call, nat_tables.BRIDGE)
            rules.chain("prerouting", uapi.NF_INET_PRE_ROUTING, -300, kind="filter")
            source_mac = build.payload(uapi.NFT_PAYLOAD_LL_HEADER, 6, 6)
            differs = build.compare(bytes.fromhex(mac.replace(":", "")), uapi.NFT_CMP_NEQ)
            port = build.interface("IIFNAME", self.call.attachment.host_link)
            rules.rule("prerouting", *port, source_mac, differs, build.verdict(uapi.NF_DROP))
            made.append(rules)
        return made

    # -- the other verbs --------------------------------------------------------------------------------------------

    def check(self) -> None:
        result, inside = self.checked("veth")
        if not inside.up and not self.config["disableContainerInterface"]:
            raise different(f"{inside.name} of the container is down")
        port = checks.cable_end(self.call, inside)
        bridge = self._checked_bridge(port)
        if self.config["isGateway"]:
            there = bridge
            if self.config["vlan"]:
                found = pod.find(self.call.host, _gateway_name(bridge.name, self.config["vlan"]))
                if found is None:
                    raise different(f"the node lacks the interface {_gateway_name(bridge.name, self.config['vlan'])}")
                there = found
            ips = [one for one in result.ips if one["gateway"]]
            wanted = [prefix.Prefix(one["address"].family, one["gateway"], one["address"].length) for one in ips]
            checks.addresses(self.call.host, there, wanted)
            checks.settings(pod.forwarding(result))
        for rules in self._rules(result, inside.address or ""):
            nat_tables.check(self.call, rules)

    def status(self) -> None:
        found = pod.find(self.call.host, self.config["bridge"])
        if found is not None:
            self._bridge_only(found)
        super().status()

    def _bridge_only(self, found: Link) -> None:
        if found.kind != "bridge":
            raise CniError(INVALID_CONFIG, f"bridge: {found.name} exists, and is not a bridge")

    def _checked_bridge(self, port: Link) -> Link:
        """Return the bridge.  Raises `CniError` if it, or the node's end of the cable as its port, is not as ADD has left it."""
        config, host = self.config, self.call.host
        bridge = pod.find(host, config["bridge"])
        if bridge is None or bridge.kind != "bridge":
            raise different(f"the node lacks the bridge {config['bridge']}")
        if not bridge.up:
            raise different(f"{bridge.name} of the node is down")
        if config["promiscMode"] and not bridge.flags & uapi.IFF_PROMISC:
            raise different(f"{bridge.name} of the node is not in promiscuous mode")
        if port.master != bridge.index:
            raise different(f"{port.name} of the node is not a port of {bridge.name}")
        if config["mtu"] and port.mtu != config["mtu"]:
            raise different(f"{port.name} of the node has the MTU {port.mtu}, not {config['mtu']}")
        for key, attribute in (("hairpinMode", "IFLA_BRPORT_MODE"), ("portIsolation", "IFLA_BRPORT_ISOLATED")):
            if bool(port.port.get(attribute)) != config[key]:
                raise different(f"{key} of {port.name} is {str(not config[key]).lower()}")
        if self.filtering:
            there = {one.vid for one in host.vlans(port.index)}
            wanted = {vid for first, last in [*self.trunk, (config["vlan"],) * 2] if last for vid in range(first, last + 1)}
            if wanted - there:
                raise different(f"{port.name} of the node is not in VLAN {min(wanted - there)}")
        return bridge


def _vids(given: dict[str, Any], place: str) -> tuple[int, int]:
    """Return the first and last VLAN of an entry of ``vlanTrunk``."""
    one, first, last = given["id"], given["minID"], given["maxID"]
    if (one is None) == (first is None and last is None) or (first is None) != (last is None):
        raise invalid(place, "expected id, or minID and maxID")
    first, last = (one, one) if one is not None else (first, last)
    if not 0 < first <= last:
        raise invalid(place, f"{first} to {last} are not VLANs")
    return first, last


def _gateway_name(bridge: str, vid: int) -> str:
    """Return the name of the link that has the gateway's addresses in a VLAN."""
    return f"{bridge}.{vid}"


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.network in other.network or other.network in one.network
