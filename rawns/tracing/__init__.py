"""Tracing of other programs: the system calls that concern namespaces and networks, with the netlink messages in them.

`trace` runs a program under ptrace(2) and returns its calls as records; ``rawns trace`` prints them while they happen.
"""

from __future__ import annotations

import os

from . import calls
from .ptrace import Tracer
from .record import Trace, TracedCall
from .watch import CallWatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .faults import InjectedFault

MAX_CALLS = 1_000_000  # that `trace` keeps


def tracer(report: Callable[[TracedCall], None], files: bool, faults: Sequence[InjectedFault] = ()) -> Tracer:
    """Return a tracer that passes each call of interest to ``report`` and applies ``faults``.

    ``files`` adds calls that open files, so that the program is stopped at each of them.  A seccomp filter cannot tell netlink
    sockets from files: `read`, `write` and their kin are reported only of processes that have a netlink socket.
    """
    injector = None
    if faults:
        from .faults import Injector

        injector = Injector(faults)
    names = set(calls.CALLS) | {"socketcall"}
    return Tracer(names if files else names - calls.FILES, CallWatcher(report, injector), calls.ON_ANY_DESCRIPTOR)


def trace(argv: Sequence[str], files: bool = False) -> Trace:
    """Run a program until it and all that it has started have ended; return its system calls that concern networks.

    ``files`` includes calls that open files of namespaces, /proc/sys/net and /sys/class/net.  The program inherits standard
    input, output and error.  At most a million calls are kept.  Equivalent to ``rawns trace CMD``, and similar to
    ``strace -f -e trace=network,unshare,setns,mount``; ptrace(2).  Raises `SyscallError` if tracing is forbidden,
    `RawnsError` if there is no such program, or on a processor that is not supported.
    """
    from ..threads import call_on_thread

    found: list[TracedCall] = []

    def keep(call: TracedCall) -> None:
        if len(found) < MAX_CALLS:
            found.append(call)

    def follow() -> int:
        following = tracer(keep, files)
        following.start(list(argv))
        return following.run()

    status: int = call_on_thread(follow)
    return Trace(found, os.waitstatus_to_exitcode(status))
