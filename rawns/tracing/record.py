"""A system call of a traced program as a record, and the calls of a run.

`TracedCall` extends `Event`, with which `observed` reports this process's own calls, so that `explain` reads both.
"""

from __future__ import annotations

from ..observer import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# What `explain` calls the netlink families that have descriptions.
PROTOCOLS: dict[int | None, str] = {0: "rtnetlink", 4: "sock_diag", 12: "nftables", 16: "generic"}
# What a call that a signal interrupts returns to the kernel, never to the program (<linux/errno.h>).
RESTARTED = {512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND", 516: "ERESTART_RESTARTBLOCK"}


class TracedCall(Event):
    """One system call of a traced program.

    ``pid``, ``tid`` and ``program`` (its name as in ps(1)) identify the thread that made it, ``netns`` its network namespace: a
    name, or ``net:[INODE]``.  ``time`` is its start in nanoseconds since 1970; ``nanoseconds`` its duration, with the two
    stops that the tracer needs.  ``family`` is the netlink family of the socket (NETLINK_ROUTE), empty for other calls,
    ``number`` its number, and ``payload`` what was sent or received, as bytes.  ``unfinished`` says that the thread ended
    inside the call.
    """

    __slots__ = ("family", "netns", "number", "pid", "program", "socket", "tid", "time", "unfinished")

    def __init__(self, call: str, arguments: str, protocol: str, pid: int, tid: int) -> None:
        super().__init__(call, arguments, protocol)
        self.pid, self.tid = pid, tid
        self.program = self.netns = self.family = self.socket = ""
        self.number: int | None = None
        self.time = 0
        self.unfinished = False

    def __str__(self) -> str:
        if self.unfinished:
            return f"{self.call}({self.arguments}) = ?"
        if self.error in RESTARTED:
            return (
                f"{self.call}({self.arguments}) = ? {RESTARTED[self.error]} (a signal: the call is repeated, or fails with EINTR)"
            )
        return super().__str__()


class Trace:
    """What a traced program did: its calls in the order in which they returned, and how it ended.

    ``status`` is the exit status, or minus the number of the signal that killed it.  Iterating yields the calls.
    """

    def __init__(self, calls: list[TracedCall], status: int) -> None:
        self.calls, self.status = calls, status

    def __iter__(self) -> Iterator[TracedCall]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __repr__(self) -> str:
        return f"<Trace of {len(self.calls)} calls, exit status {self.status}>"


def as_object(call: TracedCall) -> dict[str, Any]:
    """Return a call as a dict for JSON: `explain.record`, with the thread, the namespace and the time (seconds since 1970)."""
    from .. import explain

    return {
        "time": call.time / 1e9,
        "program": call.program,
        "pid": call.pid,
        "tid": call.tid,
        "netns": call.netns,
        "family": call.family or None,
        **explain.record(call),
        "unfinished": call.unfinished,
        "payload": call.payload.hex() if call.family else None,
    }
