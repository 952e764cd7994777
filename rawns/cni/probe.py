"""What STATUS finds out: whether this kernel lets a plugin make what it makes, tried in a namespace of its own."""

from __future__ import annotations

from ..errors import KernelError, RawnsError
from ..net import NetNS
from ..nft import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plugin import CniPlugin

NEEDED = {"bridge": ("bridge", "veth"), "ptp": ("veth",), "bandwidth": ("ifb",)}
STACKED = ("macvlan", "ipvlan")


def missing(plugin: CniPlugin) -> str:
    """Return a sentence that says what is missing; empty if nothing is."""
    kinds = ("veth", plugin.name) if plugin.name in STACKED else NEEDED.get(plugin.name, ())
    nat = plugin.name == "portmap" or plugin.config.get("ipMasq") or plugin.config.get("macspoofchk")
    if not kinds and not nat:
        return ""
    try:
        with NetNS.create() as scratch:
            for kind in kinds:
                lacking = _tried(scratch, kind)
                if lacking:
                    return lacking
            if getattr(plugin, "filtering", False):
                scratch.net.add_link("probe3", "bridge", data={"IFLA_BR_VLAN_FILTERING": 1})
            if nat:
                scratch.nft.netfilter.transact(build.new_table("cni-probe"))
    except RawnsError as error:
        return str(error)
    return ""


def _tried(scratch: NetNS, kind: str) -> str:
    try:
        if kind == "veth":
            scratch.net.add_veth("probe0", "probe1")
        elif kind in STACKED:
            scratch.net.add_link("probe2", kind, link="probe0")
        else:
            scratch.net.add_link("probe2", kind)
    except KernelError as error:
        return f"this kernel has no links of the kind {kind} ({error.code})"
    return ""
