"""Waiting for a state of a lab that is up: a carrier, a reachable host, a listening port.

Each wait has a limit, and its error says what `why` finds.  If the kernel sends events, they are waited for; if it sends none
(a socket that begins to listen), its tables are read again after growing pauses.
"""

from __future__ import annotations

import os
import sys
from select import POLLIN
from time import monotonic

from .. import icmp, sockets
from ..errors import InvalidValue, RawnsError, SyscallError
from ..events import wait_until
from ..objects import prefix
from ..terminal import printable, short_repr
from ..threads import call_inside
from .activation import activate
from .wait import LabTimeoutError
from .words import port_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

    from .host import Host
    from .interface import Interface

FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.02  # seconds between two looks at a table for which there are no events
PROBE_SECONDS, LONGEST_PROBE_SECONDS = 0.02, 0.2  # that an answer to one probe is waited for; at first, and at most
EXPLANATION_SECONDS = 1.0  # that `why` waits for an answer when a wait is over, in which many probes have been in vain
GROUPS = ("link", "address", "route", "rule", "neighbour")
MAX_PORTS = 12  # that an error lists
MAX_LINES = 65536  # of a table under /proc/net


def _check_timeout(seconds: object) -> None:
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds <= 86400:
        raise InvalidValue(f"{short_repr(seconds)} is not a number of seconds from 0 to a day")


def explanation(source: Host, target: Host, port: int | None = None, protocol: str | None = None) -> str:
    """Return what `rawns.why` finds, as the end of a sentence; empty if it finds no fault, or fails.

    `why` is in a layer above this one, and only needed when a wait has failed: it is asked through the package.
    """
    try:
        why = sys.modules[__name__.partition(".")[0]].why
        found = why(source, target, port=port, protocol=protocol, timeout=EXPLANATION_SECONDS)
    except (RawnsError, OSError) as error:
        return f"; why is not known: {error}"
    return f": {found.fault.sentence}" if found.fault is not None else ""


# -- a carrier ----------------------------------------------------------------------------------------------------------


def wait_carrier(host: Host, one: Interface, carrier: bool, timeout: float) -> float:
    """Wait until an interface has a carrier, or none; see `RuntimeVerbs.wait_carrier`."""
    _check_timeout(timeout)
    start = monotonic()

    def reached() -> bool:
        there = next((link for link in host.net.links() if link.name == one.name), None)
        if there is None:
            raise RawnsError(f"{printable(str(one))} is not there; `restore` or `up` creates it")
        return there.carrier is carrier

    with host.monitor("link") as monitor:
        try:
            wait_until(reached, monitor, timeout=timeout)
        except TimeoutError:
            has = "no" if carrier else "still a"
            raise LabTimeoutError(f"{printable(str(one))} has {has} carrier after {timeout:g} s{_carrier_cause(one)}") from None
        finally:
            if host.name is not None:
                host.release()
    if carrier:
        activate(host.lab.verbs, [one])
    return monotonic() - start


def _carrier_cause(one: Interface) -> str:
    """Return why an interface has no carrier, as far as its wire says it."""
    far = one.peer
    for end, what in ((one, "it"), (far, f"the other end of its wire, {far},")):
        host: Any = end.host if end is not None else None
        if end is None or not host.there:
            continue
        links = {link.name: link for link in host.net.links()}
        host.release()
        there = links.get(end.name or "")
        if there is None or not there.up:
            return f": {printable(what)} is {'missing' if there is None else 'down'}"
    return ""


# -- a host that is reached ---------------------------------------------------------------------------------------------


def wait_reachable(source: Host, target: Host, port: int | None, protocol: str | None, timeout: float) -> float:
    """Wait until one host reaches another; see `RuntimeVerbs.wait_reachable`."""
    _check_timeout(timeout)
    if protocol not in (None, "tcp" if port else "icmp"):
        raise InvalidValue(f"{short_repr(protocol)}: with a port the protocol is tcp, without one icmp")
    seconds = _probe_until(source, target, port, True, timeout)
    if seconds is None:
        what = printable(target.label) + (f" port {port}" if port else "")
        why = explanation(source, target, port, "tcp" if port else None)
        raise LabTimeoutError(f"{printable(source.label)} does not reach {what} after {timeout:g} s{why}")
    return seconds


def wait_unreachable(source: Host, target: Host, timeout: float) -> float:
    """Wait until one host does not reach another; see `RuntimeVerbs.wait_unreachable`."""
    _check_timeout(timeout)
    seconds = _probe_until(source, target, None, False, timeout)
    if seconds is None:
        raise LabTimeoutError(f"{printable(source.label)} still reaches {printable(target.label)} after {timeout:g} s")
    return seconds


def _probe_until(source: Host, target: Host, port: int | None, wanted: bool, timeout: float) -> float | None:
    """Probe until an answer comes, or until none comes; return the seconds that took, None after ``timeout`` seconds.

    A probe is repeated after an event in either host, and at the latest when its answer is overdue: what changes in a host
    between the two sends no event to them.
    """
    addresses = [address.address for one in target.interfaces for address in one.addresses]
    if not addresses:
        raise InvalidValue(f"{printable(target.label)} has no address")
    start = now = monotonic()
    pause = PROBE_SECONDS if wanted else LONGEST_PROBE_SECONDS
    with source.monitor(*GROUPS) as near, target.monitor(*GROUPS) as far:
        try:
            while True:
                patience = max(0.001, min(pause, start + timeout - now))
                if any(_probe(source, address, port, patience) for address in addresses) is wanted:
                    return monotonic() - start
                left = patience - (monotonic() - now)
                if left > 0:  # there was no route, or a refusal: nothing has been waited for yet
                    sockets.poll({near.fileno(): POLLIN, far.fileno(): POLLIN}, int(left * 1000) + 1)
                near.drain()
                far.drain()
                now = monotonic()
                if now - start >= timeout:
                    return None
                pause = min(2 * pause, LONGEST_PROBE_SECONDS)
        finally:
            for host in (source, target):
                if host.name is not None:
                    host.release()


def _probe(source: Host, address: str, port: int | None, patience: float) -> bool:
    """Return whether an address answers within so many seconds."""
    try:
        if port is None:
            return icmp.ping(source.namespace, address, timeout=patience).received > 0
        return bool(call_inside(source.namespace, _connects, address, port, patience))
    except SyscallError:
        return False  # no route, or an answer that says so


def _connects(address: str, port: int, patience: float) -> bool:
    """Return whether a TCP connection can be opened, from the calling thread's namespace."""
    from _socket import AF_INET, AF_INET6, SOCK_STREAM
    from select import POLLOUT

    sock = sockets.socket(AF_INET6 if ":" in address else AF_INET, SOCK_STREAM)
    try:
        try:
            sockets.connect(sock, (address, port))
        except BlockingIOError:
            pass  # under way
        ready = sockets.poll({sock.fileno(): POLLOUT}, int(patience * 1000) + 1)
        return bool(ready) and sockets.pending_error(sock) == 0
    finally:
        sockets.close(sock)


# -- a port that is listened on -------------------------------------------------------------------------------------------


def wait_for_port(host: Host, port: int, protocol: str, address: str | None, timeout: float, process: Popen[Any] | None) -> float:
    """Wait until a socket listens on a port; see `RuntimeVerbs.wait_for_port`."""
    _check_timeout(timeout)
    if protocol not in sockets.LISTENING:
        raise InvalidValue(f"{short_repr(protocol)} has no ports that can be waited for: tcp and udp have")
    port_number(port)
    address = None if address is None else prefix.address(address).address
    usable = None if address is None else {address, "::", *([] if ":" in address else ["0.0.0.0", f"::ffff:{address}"])}
    start, pause = monotonic(), FIRST_PAUSE
    what = f"{protocol.upper()} port {port}{f' of {address}' if address else ''} in {printable(host.label)}"
    with _Ending(process) as ending:
        while True:
            found = listeners(host, protocol)
            if any(number == port and (usable is None or place in usable) for place, number in found):
                return monotonic() - start
            if process is not None and ending.over:
                raise RawnsError(f"the process that was to listen on {what} has ended with status {process.returncode}")
            left = timeout - (monotonic() - start)
            if left <= 0:
                break
            ending.wait(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
    ports = sorted({f"{place}:{number}" if number == port else str(number) for place, number in found})
    others = f"; what is listened on: {', '.join(ports[:MAX_PORTS])}" if ports else "; it has no socket that listens"
    raise LabTimeoutError(f"nothing listens on {what} after {timeout:g} s{others}")


def listeners(host: Host, protocol: str) -> list[tuple[str, int]]:
    """Return address and port of each socket of a host that listens, or that receives datagrams if the protocol is udp."""
    lines = call_inside(host.namespace, _lines, protocol)
    if host.name is not None:
        host.release()
    return sockets.listeners(protocol, lines)


def _lines(protocol: str) -> list[str]:
    """Return the lines of the calling thread's tables of sockets."""
    found: list[str] = []
    for version in ("", "6"):
        try:
            with open(f"/proc/thread-self/net/{protocol}{version}", encoding="ascii", errors="replace") as file:
                found += [line for _, line in zip(range(MAX_LINES), file)]
        except OSError:
            continue  # this kernel lacks the family
    return found


class _Ending:
    """Waits for a time that ends early when a process does, if there is one."""

    def __init__(self, process: Popen[Any] | None) -> None:
        self._process, self._fd = process, -1

    def __enter__(self) -> _Ending:
        if self._process is not None and hasattr(os, "pidfd_open"):
            try:
                self._fd = os.pidfd_open(self._process.pid)
            except OSError:
                pass  # it has ended already, or this kernel has no such descriptors
        return self

    def __exit__(self, *exc: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def over(self) -> bool:
        """Whether the process has ended."""
        return self._process is not None and self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the process ends."""
        sockets.poll({self._fd: POLLIN} if self._fd >= 0 else {}, max(1, int(seconds * 1000)))
