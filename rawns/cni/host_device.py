"""The plugin host-device: an interface of the node moves into the container, and back."""

from __future__ import annotations

import os

from .. import rtnl
from ..errors import SyscallError
from ..net import NetNS
from ..nlmsg import Request
from ..objects.link import Link, check_name
from ..syscalls import listdir
from . import pod
from .failure import EXISTS, INVALID_CONFIG, CniError
from .ipam import IPAM, InterfacePlugin
from .keys import LINK, MAC, TEXT, ConfigKey, invalid, list_of
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call

NAMES = ("device", "hwaddr", "kernelpath", "pciBusID")


class HostDevicePlugin(InterfacePlugin):
    """Give a container an interface of the node."""

    name = "host-device"
    summary = "moves an interface of the node into the container, and back"
    keys = (
        ConfigKey("device", LINK, "its name"),
        ConfigKey("hwaddr", MAC, "its MAC address"),
        ConfigKey("kernelpath", TEXT, "the directory of its device under /sys/devices"),
        ConfigKey("pciBusID", TEXT, "its PCI address"),
        IPAM,
    )
    capabilities = {"deviceID": TEXT, "ips": list_of(TEXT)}

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        if self.config["runtimeConfig.deviceID"]:
            self.config["pciBusID"] = self.config["runtimeConfig.deviceID"]
        given = [name for name in NAMES if self.config[name]]
        if len(given) != 1 and call.command in ("ADD", "STATUS"):
            raise invalid("", f"expected one of {', '.join(NAMES)}, not {' and '.join(given) or 'none'}")

    def _device(self) -> Link:
        """Return the interface of the node."""
        host, config = self.call.host, self.config
        found = [one for one in host.links() if not one.loopback]
        if config["device"]:
            found = [one for one in found if one.name == config["device"]]
        elif config["hwaddr"]:
            found = [one for one in found if one.address == config["hwaddr"]]
        else:
            path = config["kernelpath"] or f"/sys/bus/pci/devices/{config['pciBusID']}"
            if ".." in path.split("/") or not path.startswith("/sys/"):
                raise CniError(INVALID_CONFIG, f"{path} is not a device under /sys")
            try:
                names = listdir(os.path.join(path, "net"))
            except SyscallError as error:
                raise CniError(INVALID_CONFIG, f"{path} has no network interface: {error.strerror}") from None
            found = [one for one in found if one.name in names]
        if len(found) != 1:
            raise CniError(INVALID_CONFIG, f"the node has {'several such interfaces' if found else 'no such interface'}")
        return found[0]

    def add(self) -> CniResult:
        call = self.call
        net = pod.connect(call.pod, {})
        if pod.find(net, call.ifname) is not None:
            raise CniError(EXISTS, f"an interface {call.ifname} exists in the container already")
        device = self._device()
        result = self.addresses()
        move = {"IFLA_NET_NS_FD": call.pod.fileno(), "IFLA_IFNAME": call.ifname, "IFLA_IFALIAS": device.name}
        call.host.do(Request(rtnl.NEWLINK, {"ifi_index": device.index, **move}, 0, f"link {device.name}"))
        call.undo(self._back)
        inside = net.link(call.ifname)
        self.set_interface(result, inside.address, inside.mtu)
        pod.configure(call, result, inside.index)
        return result

    def _back(self) -> None:
        """Move the interface back to the node, under the name that it had there, which its alias says."""
        inside = self.call.pod_if_any
        if inside is None:
            return  # the kernel has moved a device back, and deleted a virtual link
        found = pod.find(inside.net, self.call.ifname)
        if found is None:
            return
        name = check_name(found.alias or self.config["device"] or found.name)
        with NetNS.current() as here:
            move = {"IFLA_NET_NS_FD": here.fileno(), "IFLA_IFNAME": name, "IFLA_IFALIAS": ""}
            inside.net.do(Request(rtnl.NEWLINK, {"ifi_index": found.index, **move}, 0, f"link {found.name}"))

    def delete(self) -> None:
        self._back()
        super().delete()

    def status(self) -> None:
        self._device()
        super().status()
