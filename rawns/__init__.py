"""Linux network namespaces from Python with nothing but the kernel: no iproute2, no dependency, no root.

These are the public names.  Each is loaded when it is first used, so that ``import rawns`` takes no time::

    with NetNS.create("ns1") as ns1, NetNS.create("ns2") as ns2:
        ns1.net.add_veth("v1", peer="v2", peer_ns=ns2)
"""

# No annotations and no f-strings in this file: an older Python must be able to read it far enough to say what it lacks.
import sys as _sys

if _sys.version_info < (3, 9):
    _sentence = "rawns needs Python 3.9 or newer; this is %d.%d.%d" % _sys.version_info[:3]
    _running = getattr(_sys, "argv", None) or [""]  # while `python -m rawns` imports the package: "-m", in Python 2 "-c"
    raise SystemExit(_sentence) if _running[0] == ("-m" if _sys.version_info[0] > 2 else "-c") else ImportError(_sentence)

__version__ = "0.2.0"

_MODULES = {  # of each public name
    "Address": "objects.address",
    "Bridge": "lab",
    "DecodeError": "errors",
    "Diagnosis": "diagnose",
    "Evaluation": "nft.evaluate",
    "Event": "observer",
    "Forward": "nft.nat",
    "Host": "lab",
    "Interrupted": "errors",
    "InvalidValue": "errors",
    "KernelError": "errors",
    "Lab": "lab",
    "Link": "objects.link",
    "Listing": "nlmsg",
    "Monitor": "events",
    "NamespaceRestoreError": "errors",
    "Nat": "nft.nat",
    "Neighbour": "objects.neighbour",
    "Net": "net",
    "NetNS": "net",
    "Nft": "nft.client",
    "Observer": "observer",
    "Packet": "nft.evaluate",
    "Peer": "chat",
    "PingResult": "icmp",
    "Pool": "pool",
    "Port": "lab",
    "Qdisc": "objects.qdisc",
    "RawnsError": "errors",
    "Room": "chat",
    "Route": "objects.route",
    "Rule": "objects.rule",
    "Shape": "objects.qdisc",
    "SyscallError": "errors",
    "Trace": "tracing.record",
    "TracedCall": "tracing.record",
    "Vlan": "objects.vlan",
    "WireError": "errors",
    "observed": "observer",
    "ping": "icmp",
    "trace": "tracing",
    "why": "diagnose",
}

__all__ = [
    "Address",
    "Bridge",
    "DecodeError",
    "Diagnosis",
    "Evaluation",
    "Event",
    "Forward",
    "Host",
    "Interrupted",
    "InvalidValue",
    "KernelError",
    "Lab",
    "Link",
    "Listing",
    "Monitor",
    "NamespaceRestoreError",
    "Nat",
    "Neighbour",
    "Net",
    "NetNS",
    "Nft",
    "Observer",
    "Packet",
    "Peer",
    "PingResult",
    "Pool",
    "Port",
    "Qdisc",
    "RawnsError",
    "Room",
    "Route",
    "Rule",
    "Shape",
    "SyscallError",
    "Trace",
    "TracedCall",
    "Vlan",
    "WireError",
    "observed",
    "ping",
    "trace",
    "why",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .chat import Peer, Room
    from .diagnose import Diagnosis, why
    from .errors import (
        DecodeError,
        Interrupted,
        InvalidValue,
        KernelError,
        NamespaceRestoreError,
        RawnsError,
        SyscallError,
        WireError,
    )
    from .events import Monitor
    from .icmp import PingResult, ping
    from .lab import Bridge, Host, Lab, Port
    from .net import Net, NetNS
    from .nft.client import Nft
    from .nft.evaluate import Evaluation, Packet
    from .nft.nat import Forward, Nat
    from .nlmsg import Listing
    from .objects.address import Address
    from .objects.link import Link
    from .objects.neighbour import Neighbour
    from .objects.qdisc import Qdisc, Shape
    from .objects.route import Route
    from .objects.rule import Rule
    from .objects.vlan import Vlan
    from .observer import Event, Observer, observed
    from .pool import Pool
    from .tracing import trace
    from .tracing.record import Trace, TracedCall


def __getattr__(name):  # type: (str) -> object
    if name not in _MODULES:
        raise AttributeError("module 'rawns' has no attribute %r" % name)
    module = __import__("rawns." + _MODULES[name], fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__():  # type: () -> list[str]
    return sorted(set(__all__) | {"__version__", "__doc__"})
