"""Printing of this process's own system calls (``--explain``), with their netlink messages and the reason for each call."""

from __future__ import annotations

from _thread import get_native_id

from ..observer import Event, Observer
from ..socket_names import NETLINK_PROTOCOLS
from .record import PROTOCOLS, TracedCall
from .text import Formatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

NUMBERS = {protocol: number for number, protocol in PROTOCOLS.items()}  # of the netlink families
REASONS = {
    "unshare": "a new network namespace, in which this thread is from now on",
    "setns": "this thread enters a namespace",
    "mount": "the namespace is mounted on a file, so that it exists without a process; or the directory of names is prepared",
    "umount2": "the name is unmounted; the namespace ends if nothing else holds it",
    "socket": "netlink sockets belong to the namespace in which they are created",
    "setsockopt": "errors come with the kernel's sentence; lists are strict",
    "sendto": "requests, several in one datagram",
    "recvfrom": "the kernel's answers: acknowledgements, errors or lists",
    "ioctl": "the kind of a namespace, or a device, is asked for",
    "flock": "only one process at a time changes this",
}


class ExplainObserver(Observer):
    """Prints each call of this process to ``file``."""

    def __init__(self, file: TextIO, level: int) -> None:
        self._file, self._formatter = file, Formatter(level)
        self._last = ""

    def after(self, event: Event) -> None:
        if event.call != self._last and event.call in REASONS:
            print(f"# {REASONS[event.call]}", file=self._file)
        self._last = event.call
        call = TracedCall(event.call, event.arguments, event.protocol, 0, get_native_id())
        call.program = "rawns"
        call.error, call.result, call.nanoseconds = event.error, event.result, event.nanoseconds
        call.payload = event.payload
        number = NUMBERS.get(event.protocol)
        if number is not None:
            call.number, call.family = number, NETLINK_PROTOCOLS[number]
        print("\n".join(self._formatter.lines(call)), file=self._file)
