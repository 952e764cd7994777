"""Faults injected into a traced program: a system call that fails, a netlink request that is refused, and delays.

A call fails without being made: its number is replaced by -1 before the kernel looks at it.  A request is replaced, in the
program's memory, by a message that the kernel only acknowledges (NLMSG_NOOP); the acknowledgement is changed into a refusal
on its way back, and the request is restored.  The kernel never acts on the request, and the program sees an ordinary refusal.
"""

from __future__ import annotations

import time
from struct import Struct

from .. import explain, nlmsg, nlmsg_spans, uapi
from ..errors import DecodeError
from . import calls
from .ptrace import set_result, skip_call
from .record import PROTOCOLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .calls import Context
    from .ptrace import Thread

NLMSG_NOOP = 1  # <linux/netlink.h>
TYPE_OFFSET, FLAGS_OFFSET = 4, 6  # in struct nlmsghdr
U16, S32 = Struct("=H"), Struct("=i")
REPEATED_OFFSET = 4  # of the request's header behind the errno, in struct nlmsgerr
MAX_DELAY_SECONDS = 3600
SLICE_SECONDS = 0.05  # of a delay, after which signals are looked for
MAX_PENDING = 10_000  # refusals that have not been received
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
FAILABLE = set(calls.CALLS)


# The kernel does not treat what follows the beginning of a batch as a transaction if that is replaced.
BATCHES = ("NFNL_MSG_BATCH_BEGIN", "NFNL_MSG_BATCH_END")


class InjectedFault:
    """One fault: the ``name`` of a call or of a message (RTM_NEWADDR), and the ``error`` (errno) or the ``delay`` in seconds.

    ``number`` counts from 1: only that occurrence is concerned; None for all.
    """

    def __init__(self, name: str, error: int = 0, delay: float = 0.0, number: int | None = None) -> None:
        self.name, self.error, self.delay, self.number = name, error, delay, number
        self._seen = 0

    def occurs(self, *names: str) -> bool:
        """Count a call or a message that has these names; return whether this fault concerns it."""
        if self.name not in names:
            return False
        self._seen += 1
        return self.number is None or self._seen == self.number


def parse_failure(text: str) -> InjectedFault:
    """Read ``RTM_NEWADDR=EEXIST`` or ``unshare=ENOSPC:when=2``.  Raises ValueError with a sentence."""
    import errno
    import re

    match = re.fullmatch(r"(\w+)=(E\w+)(?::when=([1-9]\d{0,8}))?", text, re.ASCII)
    if match is None:
        raise ValueError(f'"{text}" is not written as CALL=ERROR, MESSAGE=ERROR or either with :when=N')
    name, error, number = match.groups()
    if not hasattr(errno, error):
        raise ValueError(f"{error} is not the name of an error, such as EPERM or ENOSPC (errno(3))")
    _check(name)
    return InjectedFault(name, getattr(errno, error), number=int(number) if number else None)


def parse_delay(text: str) -> InjectedFault:
    """Read ``RTM_NEWLINK=50ms`` or ``unshare=1s:when=1``.  Raises ValueError with a sentence."""
    import re

    match = re.fullmatch(r"(\w+)=(\d{1,9}(?:\.\d{1,9})?)(us|ms|s)(?::when=([1-9]\d{0,8}))?", text, re.ASCII)
    if match is None:
        raise ValueError(f'"{text}" is not written as NAME=TIME, with the unit us, ms or s')
    name, amount, unit, number = match.groups()
    delay = float(amount) * UNITS[unit]
    if delay > MAX_DELAY_SECONDS:
        raise ValueError(f"a delay is at most {MAX_DELAY_SECONDS} s")
    _check(name)
    return InjectedFault(name, delay=delay, number=int(number) if number else None)


def _check(name: str) -> None:
    if name in BATCHES:
        raise ValueError(f"{name} only marks a batch: let one of its messages fail, such as NFT_MSG_NEWRULE")
    if name not in FAILABLE and not any(name in explain.message_names(protocol) for protocol in PROTOCOLS.values()):
        raise ValueError(
            f"{name} is neither a call that the tracer follows, such as unshare, nor a message, such as RTM_NEWADDR, "
            "nor a family of generic netlink that this kernel has"
        )


class Injector:
    """Applies faults to the calls of traced threads."""

    def __init__(self, faults: Sequence[InjectedFault]) -> None:
        self._faults = faults
        self._failing: dict[int, int] = {}  # errno by thread, in a call that is skipped
        self._replaced: dict[int, list[tuple[int, int, bytes]]] = {}  # by thread: what to restore, datagram, offset and bytes
        self._pending: dict[tuple[str, int], list[tuple[int, int, int]]] = {}  # by socket and sequence: errno, type, flags

    def __bool__(self) -> bool:
        return bool(self._faults)

    def enter(self, thread: Thread, context: Context, socket: str, protocol: str) -> None:
        """Apply the faults that concern a call that begins; ``socket`` identifies its netlink socket, if it has one."""
        name = context.entry.name
        for fault in self._faults:
            if fault.occurs(name):
                _wait(thread.tid, fault.delay)
                if fault.error:
                    skip_call(thread.tid, context.entry.architecture)
                    self._failing[thread.tid] = fault.error
                    return
        if protocol and name in calls.SENDS:
            for number, data in enumerate(calls.payloads(context, calls.signed(context.entry.args[2]))):
                for frame in nlmsg.split(data[: nlmsg_spans.ignored(data)]):
                    names = explain.names_of_message(protocol, data, frame)
                    for fault in self._faults:
                        if fault.occurs(*names):
                            _wait(thread.tid, fault.delay)
                            if fault.error and self._replace(thread, context, number, frame):
                                self._expect(socket, frame, fault.error)
                                break

    def _expect(self, socket: str, frame: nlmsg.Frame, error: int) -> None:
        """Remember a request that was replaced until its acknowledgement comes."""
        if len(self._pending) >= MAX_PENDING:
            self._pending.clear()
        self._pending.setdefault((socket, frame.seq), []).append((error, frame.kind, frame.flags))

    def _replace(self, thread: Thread, context: Context, datagram: int, frame: nlmsg.Frame) -> bool:
        """Turn a request into one that is only acknowledged; return whether that was possible.

        In a batch of nf_tables the kernel answers with EINVAL instead and gives the batch up, as after any refusal.
        """
        at = frame.offset + TYPE_OFFSET
        flags = uapi.NLM_F_REQUEST | uapi.NLM_F_ACK
        if not calls.write(context, datagram, at, U16.pack(NLMSG_NOOP) + U16.pack(flags)):
            return False
        original = U16.pack(frame.kind) + U16.pack(frame.flags)
        self._replaced.setdefault(thread.tid, []).append((datagram, at, original))
        return True

    def leave(self, thread: Thread, context: Context, result: int, socket: str) -> int:
        """Complete what `enter` began, and change acknowledgements that the call has received; return the call's result."""
        for datagram, at, original in self._replaced.pop(thread.tid, ()):
            calls.write(context, datagram, at, original)
        error = self._failing.pop(thread.tid, 0)
        if error:
            set_result(thread.tid, context.entry.architecture, -error)
            return -error
        if self._pending and context.entry.name in calls.RECEIVES and result > 0:
            self._change_answers(thread, context, result, socket)
        return result

    def _change_answers(self, thread: Thread, context: Context, result: int, socket: str) -> None:
        for number, data in enumerate(calls.payloads(context, result)):
            try:
                frames = list(nlmsg.split(data))
            except DecodeError:
                continue
            for frame in frames:
                at = frame.start + REPEATED_OFFSET + TYPE_OFFSET
                repeated = data[at : frame.start + REPEATED_OFFSET + FLAGS_OFFSET]
                if frame.kind == nlmsg.ERROR.number and repeated == U16.pack(NLMSG_NOOP):
                    self._change_answer(thread, context, number, frame, socket)

    def _change_answer(self, thread: Thread, context: Context, datagram: int, frame: nlmsg.Frame, socket: str) -> None:
        """Turn the answer to a request that was replaced into a refusal of the original one."""
        pending = self._pending.get((socket, frame.seq))
        if pending is None:
            return
        error, kind, flags = pending[0]
        calls.write(context, datagram, frame.start, S32.pack(-error))
        calls.write(context, datagram, frame.start + REPEATED_OFFSET + TYPE_OFFSET, U16.pack(kind) + U16.pack(flags))
        if "MSG_PEEK" not in calls.format_arguments(context):
            del pending[0]
            if not pending:
                del self._pending[socket, frame.seq]

    def ended(self, thread: Thread) -> None:
        """Forget a thread that has ended."""
        self._failing.pop(thread.tid, None)
        self._replaced.pop(thread.tid, None)


def _wait(tid: int, seconds: float) -> None:
    """Wait before a call of a thread, or until a signal waits for the thread: it would interrupt a call that takes long, too."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not _has_signal(tid):
        time.sleep(min(left, SLICE_SECONDS))


def _has_signal(tid: int) -> bool:
    """Tell whether a thread has a pending signal that it neither blocks nor ignores (proc(5), /proc/PID/status)."""
    masks = {"SigPnd": 0, "ShdPnd": 0, "SigBlk": 0, "SigIgn": 0}
    try:
        with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as status:
            for name, _, value in (line.partition(":") for line in status):
                if name in masks:
                    masks[name] = int(value, 16)
    except OSError:  # it has been killed
        return True
    return bool((masks["SigPnd"] | masks["ShdPnd"]) & ~masks["SigBlk"] & ~masks["SigIgn"])
