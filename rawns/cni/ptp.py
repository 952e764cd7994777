"""The plugin ptp: a cable from the container to the node, which routes."""

from __future__ import annotations

from .. import uapi
from ..link_state import complete
from ..objects import link, prefix, route
from . import checks, nat_tables, pod
from .cable import CablePlugin
from .call import random_mac
from .ipam import IPAM
from .keys import FLAG, MTU, TEXT, ConfigKey, invalid, list_of
from .plugin import different
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Request
    from .call import Call


class PtpPlugin(CablePlugin):
    """Connect a container to the node alone."""

    name = "ptp"
    summary = "a cable from the container to the node, which routes its packets"
    keys = (
        ConfigKey("ipMasq", FLAG, "masquerade what the container sends beyond its network (nf_tables)", False),
        ConfigKey("ipMasqBackend", nat_tables.BACKEND, "has no effect: nf_tables is always used"),
        ConfigKey("mtu", MTU, "the MTU of the cable; 0 is the kernel's default", 0),
        IPAM,
    )
    capabilities = {"ips": list_of(TEXT)}

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        if self.ipam is None:
            raise invalid("ipam", "ptp needs addresses")

    def add(self) -> CniResult:
        call, mac, host_mac = self.call, random_mac(), random_mac()
        pod.connect(call.pod, {})
        result = self.addresses()
        mtu: dict[str, Any] = {"mtu": self.config["mtu"]} if self.config["mtu"] else {}
        name = call.attachment.host_link

        def requests(index: int) -> list[Request]:
            far = {**mtu, "netns_fd": call.pod.fileno(), "address": mac, "index": pod.other_end(index)}
            near: Any = {**mtu, "address": host_mac, "index": index, "up": True}
            return [link.veth(name, call.ifname, far, **near), link.change(index, alias=call.attachment.stamp)]

        index = pod.create(call, requests, call.host, name)
        result.add_interface(name, host_mac)
        self.set_interface(result, mac, self.config["mtu"])
        inside: list[Request] = []
        outside: list[Request] = []
        for one in result.ips:
            given = one["address"]
            if one["gateway"] is None:
                one["gateway"] = prefix.Prefix.of(given.family, given.network.number + 1).address
            gateway = prefix.parse(one["gateway"])
            inside.append(route.new(str(gateway), index=pod.other_end(index), source=given.address, scope=uapi.RT_SCOPE_LINK))
            through: Any = {
                "via": gateway.address,
                "index": pod.other_end(index),
                "source": given.address,
                "scope": uapi.RT_SCOPE_UNIVERSE,
            }
            inside.append(route.new(str(given.network), **through))
            outside.append(pod.address_request(index, gateway))
            alone = str(prefix.parse(given.address))
            outside.append(route.new(alone, index=index, scope=uapi.RT_SCOPE_HOST))
        call.host.do(*outside)
        pod.forward(result)
        pod.configure(call, result, pod.other_end(index), before=inside)
        if self.config["ipMasq"]:
            nat_tables.masquerade(call, [one["address"] for one in result.ips]).install()
        complete(call.host.netlink, [name])
        return result

    def check(self) -> None:
        result, inside = self.checked("veth")
        host, end = self.call.host, checks.cable_end(self.call, inside)
        checks.addresses(host, end, [prefix.parse(one["gateway"]) for one in result.ips if one["gateway"]])
        checks.settings(pod.forwarding(result))
        addresses = result.in_sandbox(self.call.netns_path, self.call.ifname)
        for one in addresses:
            alone = str(prefix.parse(one.address).network)
            if not any(known.destination == alone and known.index == end.index for known in host.routes(one.family)):
                raise different(f"the node lacks the route to {alone} by {end.name}")
        if self.config["ipMasq"]:
            nat_tables.check(self.call, nat_tables.masquerade(self.call, addresses))
