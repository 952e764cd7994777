"""Conversion of ptrace stops to records: which calls are of interest, their data, and the namespace of the caller."""

from __future__ import annotations

import os
from time import perf_counter_ns, time_ns

from .. import netns_names
from ..socket_names import NETLINK_PROTOCOLS
from . import calls, seccomp
from .ptrace import Entry, Thread, Watcher, program_name
from .record import PROTOCOLS, TracedCall
from .sockets import AF_NETLINK, Descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Injector

FILE_PREFIXES = (b"/run/netns", b"/var/run/netns", b"/proc/sys/net/", b"/sys/class/net")
S_ISUID = 0o4000  # <sys/stat.h>
MOUNTS = ("mount", "umount2", "move_mount")
MAX_NAMES = 100_000  # of namespaces that are remembered


class CallWatcher(Watcher):
    """Makes a `TracedCall` of each call of interest; passes it to ``report`` when it has returned and the thread runs again."""

    def __init__(self, report: Callable[[TracedCall], None], injector: Injector | None = None) -> None:
        self._report, self._injector = report, injector
        self._descriptors = Descriptors()
        self._namespaces = NamespaceNames()
        self._socket_namespace: dict[str, str] = {}  # of sockets whose creation was seen
        self._running: dict[int, tuple[TracedCall, int]] = {}  # by thread, with the time of its start
        self._returned: list[TracedCall] = []  # not yet reported

    def enter(self, thread: Thread, entry: Entry) -> bool:
        self._descriptors.stopped()
        if entry.name == "socketcall" and not calls.unpack_socketcall(thread.tid, entry):
            return False
        family = None
        if entry.name in calls.ON_NETLINK:
            family = self._descriptors.family(thread.tid, calls.signed(entry.args[0]))
            if family is None:
                return False
        context = calls.Context(thread.tid, entry, self._descriptors)
        if not _concerns_networks(context):
            return False
        call = TracedCall(entry.name, calls.format_arguments(context), PROTOCOLS.get(family, ""), thread.process.pid, thread.tid)
        call.program = program_name(thread.tid)
        call.netns = self._namespaces.of_thread(thread.tid)
        if family is not None:
            self._add_socket(call, context, family)
        call.time = time_ns()
        self._running[thread.tid] = call, perf_counter_ns()
        if self._injector is not None:
            self._injector.enter(thread, context, call.socket, call.protocol)
        return True

    def _add_socket(self, call: TracedCall, context: calls.Context, family: int) -> None:
        """Add to a call its netlink socket, the namespace of that, and what is sent."""
        args = context.entry.args
        call.number = family
        call.family = NETLINK_PROTOCOLS.get(family, f"NETLINK_{family}")
        call.socket = self._descriptors.describe(call.tid, calls.signed(args[0]))
        call.netns = self._socket_namespace.get(call.socket, call.netns)
        if call.call in calls.SENDS:
            call.payload = _joined(calls.payloads(context, calls.signed(args[2])))

    def leave(self, thread: Thread, entry: Entry, result: int) -> None:
        running = self._running.pop(thread.tid, None)
        if running is None:
            return
        call, start = running
        call.nanoseconds = perf_counter_ns() - start
        self._descriptors.stopped()
        if self._injector is not None:
            context = calls.Context(thread.tid, entry, self._descriptors)
            result = self._injector.leave(thread, context, result, call.socket)
        call.error, call.result = (-result, None) if -4096 < result < 0 else (0, result)
        if call.family and call.call in calls.RECEIVES and result > 0:
            context = calls.Context(thread.tid, entry, self._descriptors, returned=True)
            call.arguments = calls.format_arguments(context)  # with the sender's address, which the kernel has written
            call.payload = _joined(calls.payloads(context, result))
        elif call.call == "socket" and result >= 0:
            self._created(thread, call, result, calls.signed(entry.args[0]) == AF_NETLINK)
        elif call.call in MOUNTS:
            self._namespaces.forget()
        elif call.call in ("execve", "execveat") and not call.error:
            self._executed(thread, call)
        self._returned.append(call)

    def _created(self, thread: Thread, call: TracedCall, fd: int, netlink: bool) -> None:
        """Remember the namespace of a socket."""
        if netlink:
            thread.process.every_call = True  # it may read and write the socket, too, with calls that the filter lets through
        if len(self._socket_namespace) >= MAX_NAMES:
            self._socket_namespace.clear()
        self._socket_namespace[self._descriptors.describe(thread.tid, fd)] = call.netns

    def _executed(self, thread: Thread, call: TracedCall) -> None:
        """Note the new program of a process, and whether it still has a netlink socket."""
        call.program = program_name(thread.tid)
        if _lost_privilege(thread.tid):
            call.arguments += " /* set-user-ID, but without that privilege, because it is traced */"
        if thread.process.filtered and thread.process.every_call:
            thread.process.every_call = self._descriptors.has_netlink(thread.tid)

    def resumed(self) -> None:
        for call in self._returned:
            self._report(call)
        self._returned.clear()

    def renamed(self, thread: Thread, former: int) -> None:
        self.ended(thread, 0)  # the thread that had this id
        running = self._running.pop(former, None)
        if running is not None:
            self._running[thread.tid] = running
            running[0].tid = thread.tid

    def ended(self, thread: Thread, status: int) -> None:
        if self._injector is not None:
            self._injector.ended(thread)
        running = self._running.pop(thread.tid, None)
        if running is not None:
            call, start = running
            call.nanoseconds, call.unfinished = perf_counter_ns() - start, True
            self._returned.append(call)


class NamespaceNames:
    """Names of network namespaces by their inode, read again when /run/netns has changed."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._read_at = 0

    def of_thread(self, tid: int) -> str:
        """Return the name of a thread's network namespace, or ``net:[INODE]``; empty if the thread has ended."""
        try:
            link = os.readlink(f"/proc/{tid}/ns/net")
        except OSError:
            return ""
        self._update()
        return self._names.get(link, link)

    def forget(self) -> None:
        """Read all names again at the next question: a mount on a name does not change the directory."""
        self._read_at = 0

    def _update(self) -> None:
        try:
            changed = os.stat(netns_names.NETNS_DIR).st_mtime_ns
        except OSError:
            return
        if changed == self._read_at:
            return
        self._read_at = changed
        self._names.clear()  # the number of an inode can be used again
        for name in netns_names.listed()[:MAX_NAMES]:
            identity = netns_names.identity(netns_names.path_of(name))
            if identity is not None:
                self._names[f"net:[{identity[1]}]"] = name


def _concerns_networks(context: calls.Context) -> bool:
    """Return whether the arguments of a call say that it concerns namespaces or networks."""
    entry = context.entry
    if entry.name == "ioctl":
        return seccomp.wanted_ioctl(entry.args[1])
    if entry.name in ("clone", "clone3"):
        return calls.creates_namespace(context)
    return entry.name not in calls.FILES or _is_network_file(calls.path_of(context))


def _lost_privilege(tid: int) -> bool:
    """Return whether a thread executes a set-user-ID program without being that user."""
    try:
        program = os.stat(f"/proc/{tid}/exe")
        return bool(program.st_mode & S_ISUID) and program.st_uid != os.stat(f"/proc/{tid}").st_uid
    except OSError:
        return False


def _is_network_file(path: bytes) -> bool:
    return path.startswith(FILE_PREFIXES) or path.startswith(b"/proc/") and b"/ns/" in path


def _joined(datagrams: list[bytes]) -> bytes:
    """Return datagrams one after the other; each but the last is padded to four bytes, as messages are."""
    return b"".join(one + bytes(-len(one) % 4) for one in datagrams[:-1]) + (datagrams[-1] if datagrams else b"")
