"""The plugin bandwidth: limits what the container receives and sends (tbf; ifb for what it sends)."""

from __future__ import annotations

from errno import ENODEV

from .. import uapi
from ..errors import InvalidValue, KernelError
from ..nlmsg import Request
from ..objects import link, qdisc
from ..objects.link import Link
from ..rtnl import tc_filter
from . import pod
from .failure import INVALID_CONFIG, CniError
from .keys import ConfigKey, invalid, number, table
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
LIMITS = (
    ConfigKey("ingressRate", BITS, "bits per second that the container receives; 0 is no limit", 0),
    ConfigKey("ingressBurst", BITS, "bits that may come at once", 0),
    ConfigKey("egressRate", BITS, "bits per second that the container sends; 0 is no limit", 0),
    ConfigKey("egressBurst", BITS, "bits that may go at once", 0),
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
        net = self.call.pod.net
        try:
            inside = net.link(self.call.ifname)
            if inside.kind == "veth" and inside.peer:
                outside = self.call.host.link(inside.peer)
                if outside.kind == "veth" and outside.peer == inside.index:
                    return outside
        except KernelError as error:
            if error.errno != ENODEV:
                raise
        raise CniError(INVALID_CONFIG, f"{self.call.ifname} of the container is not a cable (veth) to the node")

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
        for way, shape in self.shapes.items():
            if shape is None:
                continue
            name = self._host_end().name if way == "ingress" else self.ifb
            if pod.find(self.call.host, name) is None:
                raise different(f"the node lacks the interface {name}")
            found = self.call.host.shape_of(name)
            if found != shape:
                raise different(f"{name} is not limited to {shape}, but to {found}")

    def delete(self) -> None:
        pod.delete_link(self.call.host, self.ifb)

    def collect(self) -> None:
        pod.delete_stale(self.call, IFB)
