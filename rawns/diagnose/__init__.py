"""`rawns.why`: whether one namespace reaches another, and if not, which fault prevents it and which command removes it.

The modules, from the bottom up::

    prefixes, commands, flow            addresses as numbers; shell commands; what is sent
    namespace_view                      the interface through which one namespace is seen
    remedy, fib, hop                    remedies and their preconditions; policy routing evaluated; one hop and its faults
    segment, topology                   the data link between two IP stacks; which stacks are connected
    ..._checks, checks                  the checks by subject; the one table that lists them all
    path                                following the packet hop by hop, there and back
    capture, probe, proof               packet sockets; real packets; what they prove
    visible                             namespaces as the kernel describes them
    diagnosis                           the result
"""

from __future__ import annotations

from .. import uapi
from ..errors import InvalidValue
from ..objects import prefix
from ..objects.prefix import family_of
from .diagnosis import Diagnosis
from .flow import PROTOCOLS, Flow
from .hop import CheckResult, NetworkFault
from .path import PathTracer
from .prefixes import link_local, loopback
from .probe import Prober
from .proof import ANSWER_SECONDS, PathVerifier
from .visible import VisibleNamespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..netns import Reference
    from ..objects.link import Link
    from .namespace_view import NamespaceView
    from .probe import ProbeRequest, ProbeResult

    End = Reference

__all__ = ["CheckResult", "Diagnosis", "NetworkFault", "why"]


def why(
    a: End,
    b: End,
    family: int | None = None,
    report: Callable[[CheckResult], object] = lambda result: None,
    *,
    port: int | None = None,
    protocol: str | None = None,
    timeout: float = ANSWER_SECONDS,
) -> Diagnosis:
    """Find out whether ``a`` reaches ``b``, and if not, why. Equivalent to ``rawns why A B[:PORT]``.

    Each end is a `NetNS`, a host of a `Lab`, a descriptor (int), or text. In text the first rule that applies decides: ``.``
    is the namespace of the caller; ``pid:N`` that of a process; what contains a slash is a path; for ``b``, an IPv4 or IPv6
    address is an address (an IPv6 link-local one may end in ``%INTERFACE``, where a name goes before an index); anything else
    is a name under /run/netns, or the name of a host if only one lab has such a host (LAB.HOST otherwise). A namespace whose
    name is written like an address is given by its path.

    ``family`` is AF_INET, AF_INET6, or None for the one that both ends have. With ``port`` the packet is one to that port
    (1 to 65535) by ``protocol``, ``"tcp"`` (the default) or ``"udp"``, and a real connection is tried at the end. Without a port,
    an echo request is sent.  If no check finds a fault, its answer is waited for ``timeout`` seconds at most.

    ``report`` is called with each `CheckResult` as it is made. Nothing is configured; the probes do change what the kernel
    learns by itself (neighbour entries, forwarding databases, path MTUs). Raises FileNotFoundError (`SyscallError`) if a
    namespace does not exist, `SyscallError` if the kernel does not let the caller in or (when no check has found a fault) allows
    no socket, `InvalidValue` if an argument can never be right.
    """
    flow = _flow(port, protocol)
    visible = VisibleNamespaces()
    prober = Prober(visible.inside)
    try:
        origin = visible.end(a)
        given = address(b) if isinstance(b, str) else None
        target, scope = given if given is not None else (None, "")
        destination: NamespaceView | None = None if given is not None else visible.end(b)
        if target is not None and family not in (None, 0, family_of(target)):
            raise InvalidValue(f"{target} is not an address of the family that is asked for")
        family = family_of(target) if target is not None else family or _family(origin, destination or origin)
        device = _device(origin, str(target), scope)
        label = f"{target}%{scope}" if scope else target
        diagnosis = Diagnosis(str(origin.name), label or str((destination or origin).name), family, flow)
        diagnosis.target = target
        if target is not None and (loopback(target) or (origin.holder(target) is not None and not scope)):
            destination = origin

        return diagnose(diagnosis, origin, destination, flow, visible.known, prober.send, report, device, timeout)
    finally:
        prober.close()
        visible.close()


def diagnose(
    diagnosis: Diagnosis,
    origin: NamespaceView,
    destination: NamespaceView | None,
    flow: Flow,
    known: Callable[[], Iterable[NamespaceView]],
    send: Callable[[ProbeRequest], ProbeResult],
    report: Callable[[CheckResult], object] = lambda result: None,
    device: Link | None = None,
    timeout: float = ANSWER_SECONDS,
) -> Diagnosis:
    """Make the checks from one namespace to another, and prove what they say by probes that ``send`` sends."""
    tracer = PathTracer(diagnosis, origin, destination, flow, known, report, device)
    fault = tracer.trace()
    diagnosis.fault = PathVerifier(tracer, flow, send, timeout).prove(fault)
    diagnosis.filters = tracer.filters()
    return diagnosis


def _flow(port: int | None, protocol: str | None) -> Flow:
    if protocol not in (None, *PROTOCOLS):
        raise InvalidValue(f"{protocol!r} is not a protocol; choose one of {', '.join(PROTOCOLS)}")
    if port is None:
        if protocol in ("tcp", "udp"):
            raise InvalidValue(f"{protocol.upper()} needs a port")
        return Flow()
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise InvalidValue(f"{port!r} is not a port; ports are numbers from 1 to 65535")
    if protocol == "icmp":
        raise InvalidValue("ICMP has no ports")
    return Flow(protocol or "tcp", port)


def address(text: str) -> tuple[str, str] | None:
    """Return an address in the kernel's spelling and its scope (the interface after %, or empty); None if it is no address."""
    if "/" in text:
        return None
    bare, percent, scope = text.partition("%")
    try:
        found = prefix.address(bare).address
    except InvalidValue:
        return None
    if percent and (":" not in found or not scope):
        return None
    return found, scope


def _device(origin: NamespaceView, target: str, scope: str) -> Link | None:
    """Return the link of a scope: by its name, otherwise by its index. Raises `InvalidValue`."""
    links = [link for link in origin.links.values() if not link.loopback]
    if scope:
        named = next((link for link in origin.links.values() if link.name == scope), None)
        found = named or (origin.links.get(int(scope)) if scope.isascii() and scope.isdigit() and len(scope) < 10 else None)
        if found is None:
            raise InvalidValue(f"{origin.name} has no interface {scope}")
        return found if link_local(target) else None
    if ":" not in target or not link_local(target):
        return None
    if len(links) == 1:
        return links[0]
    shown = " or ".join(f"{target}%{link.name}" for link in links[:4])
    raise InvalidValue(f"{target} is a link-local address and needs an interface: {shown or f'{target}%INTERFACE'}")


def _family(origin: NamespaceView, destination: NamespaceView) -> int:
    """Return AF_INET, unless only IPv6 is what both ends have."""

    def has(view: NamespaceView, family: int) -> bool:
        found = [one.address for one in view.addresses if one.family == family]
        return any(not loopback(one) and not link_local(one) for one in found)

    both = [family for family in (uapi.AF_INET, uapi.AF_INET6) if has(origin, family) and has(destination, family)]
    either = [family for family in (uapi.AF_INET, uapi.AF_INET6) if has(destination, family) or has(origin, family)]
    return (both or either or [uapi.AF_INET])[0]
