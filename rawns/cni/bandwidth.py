"""The plugin bandwidth: limits what the container receives and sends (tbf; ifb for what it sends)."""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..objects import link, qdisc
from ..objects.link import Link
from ..rtnl import tc_filter
from . import pod
from .failure import INVALID_CONFIG, CniError
from .keys import ConfigKey, invalid, number, refused, table
from .plugin import CniPlugin, different
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call

LATENCY_SECONDS = 0.025  # that a packet waits at most, as in the reference implementation
BITS = number(0, (1 << 63) - 1)
IFB = "bwp"  # how the names of ifb devices begin
ALL_PROTOCOLS = 0x0300  # ETH_P_ALL in network order
INGRESS = 0xFFFF0000
SUBNETS = refused("limits for some networks only are left out: all packets are limited")
LIMITS = (
    ConfigKey("ingressRate", BITS, "bits per second that the container receives; 0 is no limit", 0),
    ConfigKey("ingressBurst", BITS, "bits that may come at once", 0),
    ConfigKey("egressRate", BITS, "bits per second that the container sends; 0 is no limit", 0),
    ConfigKey("egressBurst", BITS, "bits that may go at once", 0),
    ConfigKey("unshapedSubnets", SUBNETS, "is left out"),
    ConfigKey("shapedSubnets", SUBNETS, "is left out"),
)


class BandwidthPlugin(CniPlugin):
    """Limit the rates of a container that is connected by a cable."""

    name = "bandwidth"
    summary = "limits what the container receives and sends"
    chained = True
    keys = LIMITS
    capabilities = {"bandwidth": table(LIMITS)}

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        given = self.config["runtimeConfig.bandwidth"] or self.config
        self.shapes: dict[str, qdisc.Shape | None] = {}
        for way in ("ingress", "egress"):
            rate, burst = given[f"{way}Rate"], given[f"{way}Burst"]
            if bool(rate) != bool(burst):
                raise invalid(f"{way}Rate", f"{way}Rate and {way}Burst must be given together")
            try:
                self.shapes[way] = qdisc.Shape(rate, burst=burst // 8, latency=LATENCY_SECONDS) if rate else None
            except InvalidValue as error:
                raise invalid(f"{way}Rate", str(error)) from None
        self.ifb = call.attachment.link(IFB)

    def _host_end(self) -> Link:
        """Return the node's end of the container's cable."""
        inside = pod.find(self.call.pod.net, self.call.ifname)
        found = pod.cable_end(self.call, inside) if inside is not None else None
        if found is None:
            raise CniError(INVALID_CONFIG, f"{self.call.ifname} of the container is not a cable (veth) to the node")
        return found

    def add(self) -> CniResult:
        result = self.call.previous(required=True)
        assert result is not None
        ingress, egress = self.shapes["ingress"], self.shapes["egress"]
        if ingress is None and egress is None:
            return result
        end = self._host_end()
        if ingress is not None:
            self.call.host.do(*ingress.requests(end.index))
        if egress is not None:
            pod.create(self.call, lambda index: self._ifb(index, end, egress), self.call.host, self.ifb)
            result.add_interface(self.ifb, self.call.host.link(self.ifb).address)
        return result

    def _ifb(self, index: int, end: Link, shape: qdisc.Shape) -> list[Request]:
        """Return the requests: an ifb device that sends at a rate; what comes in from the container is sent through it."""
        redirect = {"action": uapi.TC_ACT_STOLEN, "eaction": uapi.TCA_EGRESS_REDIR, "ifindex": index}
        everything = {"mask": bytes(4), "val": bytes(4), "off": 0, "offmask": 0}
        action = {"TCA_ACT_KIND": "mirred", "TCA_ACT_OPTIONS": {"TCA_MIRRED_PARMS": redirect}}
        body = {
            "tcm_ifindex": end.index,
            "tcm_parent": INGRESS,
            "tcm_info": ALL_PROTOCOLS,
            "TCA_KIND": "u32",
            "TCA_OPTIONS": {"TCA_U32_SEL": {"flags": uapi.TC_U32_TERMINAL, "keys": [everything]}, "TCA_U32_ACT": {"[1]": action}},
        }
        return [
            link.new(self.ifb, "ifb", index=index, mtu=end.mtu, up=True),
            link.change(index, alias=self.call.attachment.stamp),
            *shape.requests(index),
            qdisc.replace(end.index, "ingress", handle=INGRESS, parent=uapi.TC_H_INGRESS),
            Request(tc_filter.NEWTFILTER, body, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, f"filter of {end.name}"),
        ]

    def check(self) -> None:
        self.call.previous(required=True)
        host, end = self.call.host, self._host_end()
        for way, shape in self.shapes.items():
            if shape is None:
                continue
            link = end if way == "ingress" else pod.find(host, self.ifb)
            if link is None or not link.up:
                raise different(
                    f"the node lacks the interface {self.ifb}" if link is None else f"{link.name} of the node is down"
                )
            found = host.shape_of(link.index)
            if found != shape:
                raise different(f"{link.name} is not limited to {shape}, but to {found or 'nothing'}")
            if link is not end and link.index not in self._redirected(end):
                raise different(f"what comes in by {end.name} is not redirected to {link.name}")

    def _redirected(self, end: Link) -> list[int]:
        """Return the indexes of the links that filters redirect to what comes in from the container."""
        asked = Request(tc_filter.GETTFILTER, {"tcm_ifindex": end.index, "tcm_parent": INGRESS}, uapi.NLM_F_DUMP)
        found = []
        for reply in self.call.host.netlink.dump(asked):
            actions = reply.body.get("TCA_OPTIONS", {}).get("TCA_U32_ACT", {})
            for action in actions.values():
                found.append(action.get("TCA_ACT_OPTIONS", {}).get("TCA_MIRRED_PARMS", {}).get("ifindex"))
        return found

    def delete(self) -> None:
        pod.delete_link(self.call.host, self.ifb)

    def collect(self) -> None:
        pod.delete_stale(self.call, IFB)
