"""Linux network namespaces from Python with nothing but the kernel: no iproute2, no dependency, no root.

The names below are all there is to learn; each is loaded when it is first used, so ``import rawns`` costs nothing::

    with NetNS.create("ns1") as ns1, NetNS.create("ns2") as ns2:
        ns1.net.add_veth("v1", peer="v2", peer_ns=ns2)
"""

# No annotations and no f-strings in this file: an older Python must be able to read it far enough to say what it lacks.
import sys as _sys

if _sys.version_info < (3, 9):
    _sentence = "rawns needs Python 3.9 or newer; this is %d.%d.%d" % _sys.version_info[:3]
    _running = getattr(_sys, "argv", None) or [""]  # while `python -m rawns` imports the package: "-m", in Python 2 "-c"
    raise SystemExit(_sentence) if _running[0] == ("-m" if _sys.version_info[0] > 2 else "-c") else ImportError(_sentence)

__version__ = "0.1.0"

_HOME = {
    "NetNS": "net",
    "Net": "net",
    "Lab": "lab",
    "Pool": "pool",
    "ping": "icmp",
    "why": "diagnose",
    "Diagnosis": "diagnose",
    "Room": "chat",
    "Peer": "chat",
    "observed": "syscalls",
    "Observer": "syscalls",
    "RawnsError": "errors",
    "SyscallError": "errors",
    "KernelError": "errors",
    "Interrupted": "errors",
    "WireError": "errors",
    "InvalidValue": "errors",
    "NamespaceRestoreError": "errors",
}

__all__ = [
    "Diagnosis",
    "Interrupted",
    "InvalidValue",
    "KernelError",
    "Lab",
    "Net",
    "NetNS",
    "Observer",
    "Peer",
    "Pool",
    "RawnsError",
    "Room",
    "NamespaceRestoreError",
    "SyscallError",
    "WireError",
    "observed",
    "ping",
    "why",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .chat import Peer, Room
    from .diagnose import Diagnosis, why
    from .errors import Interrupted, InvalidValue, KernelError, NamespaceRestoreError, RawnsError, SyscallError, WireError
    from .icmp import ping
    from .lab import Lab
    from .net import Net, NetNS
    from .pool import Pool
    from .syscalls import Observer, observed


def __getattr__(name):  # type: (str) -> object
    home = _HOME.get(name)
    if home is None:
        raise AttributeError("module 'rawns' has no attribute %r" % name)
    module = __import__("rawns." + home, fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__():  # type: () -> list[str]
    return sorted(set(__all__) | {"__version__", "__doc__"})
