"""The plugin tuning: settings of the container's network and of its interface."""

from __future__ import annotations

from .. import sysctl, uapi
from ..errors import InvalidValue
from ..objects import link
from ..terminal import short_repr
from ..threads import call_inside
from . import pod
from .failure import INVALID_CONFIG, CniError
from .keys import FLAG, MAC, MTU, TEXT, ConfigKey, invalid, number, texts
from .plugin import CniPlugin, different
from .result import CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call

ALLOWED = "/etc/cni/tuning/allowlist.conf"  # regular expressions, one a line: other settings are refused
MAX_ALLOWED_BYTES = 65536
PLACEHOLDER = "IFNAME"  # in the name of a setting: the container's interface
FLAGS = {"promisc": uapi.IFF_PROMISC, "allmulti": uapi.IFF_ALLMULTI}


class TuningPlugin(CniPlugin):
    """Change settings of a container that is connected already."""

    name = "tuning"
    summary = "settings of the container's network (sysctl) and of its interface"
    chained = True
    keys = (
        ConfigKey("sysctl", texts("an object whose values are strings"), "settings below net; IFNAME is the interface", {}),
        ConfigKey("mac", MAC, "the MAC address of the interface"),
        ConfigKey("mtu", MTU, "its MTU", 0),
        ConfigKey("promisc", FLAG, "let it receive all frames"),
        ConfigKey("allmulti", FLAG, "let it receive all multicast frames"),
        ConfigKey("txQLen", number(0, uapi.UINT32_MAX), "the length of its transmit queue, in packets"),
        ConfigKey("dataDir", TEXT, "has no effect: nothing is restored at DEL"),
    )
    capabilities = {"mac": MAC}

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        for key in self.keys:
            value = call.conventional(key.name)
            if value is not None:  # it replaces that of the configuration; settings are added
                found = key.type.read(value, f"args.cni.{key.name}")
                self.config[key.name] = {**self.config["sysctl"], **found} if key.name == "sysctl" else found
        self.settings = {
            name.replace(PLACEHOLDER, call.ifname or PLACEHOLDER): value for name, value in self.config["sysctl"].items()
        }
        for name in self.settings:
            try:
                sysctl.path_of(name)
            except InvalidValue as error:
                raise invalid("sysctl", str(error)) from None
        self.changes: dict[str, Any] = {
            "address": call.mac(self.config["mac"]) if call.command in ("ADD", "CHECK") else None,
            "mtu": self.config["mtu"] or None,
            "txqlen": self.config["txQLen"],
        }

    def add(self) -> CniResult:
        result = self.call.previous(required=True)
        assert result is not None
        _allowed(self.settings)
        call_inside(self.call.pod, sysctl.change_all, self.settings)
        requests = [link.change(self.call.ifname, **self.changes)] if any(self.changes.values()) else []
        mask = sum(bit for name, bit in FLAGS.items() if self.config[name] is not None)
        if mask:
            wanted = sum(bit for name, bit in FLAGS.items() if self.config[name])
            requests.append(pod.flags_request(self.call.pod.net.index(self.call.ifname), wanted, mask))
        if requests:
            self.call.pod.net.do(*requests)
        for one in result.interfaces:
            if one["name"] == self.call.ifname and one.get("sandbox"):
                one.update({"mac": self.changes["address"] or one["mac"], "mtu": self.changes["mtu"] or one.get("mtu")})
        return result

    def status(self) -> None:
        _allowed(self.settings)

    def check(self) -> None:
        self.call.previous(required=True)
        there = call_inside(self.call.pod, sysctl.read_all, self.settings)
        for name, value in self.settings.items():
            if not sysctl.same(there[name], value):
                raise different(f"{name} is {short_repr(there[name])}, not {short_repr(value)}")
        found = pod.find(self.call.pod.net, self.call.ifname)
        if found is None:
            raise different(f"the container lacks the interface {self.call.ifname}")
        for word, wanted in self.changes.items():
            if wanted and getattr(found, word) != wanted:
                raise different(f"{word} of {found.name} is {getattr(found, word)}, not {wanted}")
        for name, bit in FLAGS.items():
            if self.config[name] is not None and bool(found.flags & bit) != self.config[name]:
                raise different(f"{name} of {found.name} is not {str(self.config[name]).lower()}")


def _allowed(settings: dict[str, str]) -> None:
    """Raise `CniError` if the node has a list of settings that are allowed, and one is not on it."""
    try:
        with open(ALLOWED, "rb") as file:
            lines = file.read(MAX_ALLOWED_BYTES).decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return
    import re

    for name in settings:
        dotted = sysctl.path_of(name)[len(sysctl.ROOT) + 1 :].replace("/", ".")
        try:
            if not any(re.match(line.strip(), dotted) for line in lines if line.strip()):
                raise CniError(INVALID_CONFIG, f"sysctl: {short_repr(name)} is not allowed by {ALLOWED}")
        except re.error as error:
            raise CniError(INVALID_CONFIG, f"{ALLOWED}: {error}") from None
