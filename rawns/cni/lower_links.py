"""The plugins macvlan and ipvlan: an interface of the container on top of one of the node."""

from __future__ import annotations

from .. import uapi
from ..objects import link
from ..objects.link import IPVLAN_MODES, MACVLAN_MODES, Link
from . import pod
from .call import random_mac
from .failure import INVALID_CONFIG, CniError
from .ipam import IPAM, InterfacePlugin
from .keys import LINK, MAC, MTU, TEXT, ConfigKey, choice, list_of, refused
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..nlmsg import Request

MASTER = ConfigKey("master", LINK, "the interface of the node; by default that of the default route")
SIZE = ConfigKey("mtu", MTU, "its MTU; 0 is that of the interface below", 0)

INSIDE = ConfigKey("linkInContainer", refused("an interface below that is in the container is left out"), "is left out")


class LowerLinkPlugin(InterfacePlugin):
    """The common part: ``_request`` returns the request that creates the interface."""

    def _request(self, lower: int, mac: str, options: dict[str, Any]) -> Request:
        raise NotImplementedError

    def _mac(self) -> str:
        return ""

    def _master(self) -> Link:
        """Return the interface below.  Raises `CniError` if there is none."""
        host, name = self.call.host, self.config["master"]
        if name is None:
            routes = [one for family in (uapi.AF_INET, uapi.AF_INET6) for one in host.routes(family)]
            index = next((one.index for one in routes if one.destination == "default" and one.index), None)
            if index is None:
                raise CniError(INVALID_CONFIG, "master is not given, and the node has no default route")
            return host.link(index)
        found = pod.find(host, name)
        if found is None:
            raise CniError(INVALID_CONFIG, f"master: the node has no interface {name}")
        return found

    def add(self) -> CniResult:
        call, mac = self.call, self._mac()
        pod.connect(call.pod, {})
        master = self._master()
        mtu = self.config["mtu"] or master.mtu
        if mtu > master.mtu:
            raise CniError(INVALID_CONFIG, f"mtu: {mtu} is more than that of {master.name}, {master.mtu}")
        result = self.addresses()

        def requests(index: int) -> list[Request]:
            options: dict[str, Any] = {"netns_fd": call.pod.fileno(), "index": index, "mtu": mtu}
            return [self._request(master.index, mac, options)]

        index = pod.create(call, requests, call.pod.net, call.ifname)
        known = mac or call.pod.net.link(index).address
        self.set_interface(result, known, mtu)
        pod.configure(call, result, index)
        return result

    def check(self) -> None:
        self.checked(self.name)

    def delete(self) -> None:
        inside = self.call.pod_if_any
        if inside is not None:
            pod.delete_link(inside.net, self.call.ifname)
        super().delete()

    def status(self) -> None:
        self._master()
        super().status()


class MacvlanPlugin(LowerLinkPlugin):
    """An interface with a MAC address of its own on an interface of the node."""

    name = "macvlan"
    summary = "an interface with a MAC address of its own on top of one of the node"
    keys = (
        MASTER,
        ConfigKey("mode", choice(*MACVLAN_MODES), "how the interfaces on it reach each other", "bridge"),
        SIZE,
        INSIDE,
        ConfigKey("mac", MAC, "its MAC address"),
        IPAM,
    )
    capabilities = {"mac": MAC, "ips": list_of(TEXT)}

    def _mac(self) -> str:
        return self.call.mac(self.config["mac"]) or random_mac()

    def _request(self, lower: int, mac: str, options: dict[str, Any]) -> Request:
        return link.macvlan(self.call.ifname, lower, self.config["mode"], address=mac, **options)


class IpvlanPlugin(LowerLinkPlugin):
    """An interface that shares the MAC address of an interface of the node."""

    name = "ipvlan"
    summary = "an interface that shares the MAC address of one of the node"
    keys = (MASTER, ConfigKey("mode", choice(*IPVLAN_MODES), "whether it bridges or routes", "l2"), SIZE, INSIDE, IPAM)
    capabilities = {"ips": list_of(TEXT)}

    def _request(self, lower: int, mac: str, options: dict[str, Any]) -> Request:
        return link.new(
            self.call.ifname, "ipvlan", {"IFLA_IPVLAN_MODE": IPVLAN_MODES[self.config["mode"]]}, link=lower, **options
        )
