"""What STATUS finds out: whether this kernel lets a plugin make what it makes, tried in a namespace of its own."""

from __future__ import annotations

from ..errors import KernelError, RawnsError
from ..net import NetNS
from ..nft import build
from ..objects import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plugin import CniPlugin

NEEDED = {"bridge": ("bridge", "veth"), "ptp": ("veth",), "bandwidth": ("ifb",)}


def missing(plugin: CniPlugin) -> str:
    """Return a sentence that says what is missing; empty if nothing is."""
    kinds = NEEDED.get(plugin.name, ())
    nat = plugin.name == "portmap" or plugin.config.get("ipMasq") or plugin.config.get("macspoofchk")
    if not kinds and not nat:
        return ""
    try:
        with NetNS.create() as scratch:
            for kind in kinds:
                lacking = _tried(scratch, kind)
                if lacking:
                    return lacking
            if nat:
                scratch.nft.netfilter.transact(build.new_table("cni-probe"))
    except RawnsError as error:
        return str(error)
    return ""


def _tried(scratch: NetNS, kind: str) -> str:
    request = link.veth("probe0", "probe1") if kind == "veth" else link.new("probe2", kind)
    try:
        scratch.net.do(request)
    except KernelError as error:
        return f"this kernel has no links of the kind {kind} ({error.code})"
    return ""
