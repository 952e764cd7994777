"""`ManagedLab`: a lab for one test, with processes in its hosts, which ends with the test."""

from __future__ import annotations

import os
import re
from _thread import get_ident

from ..errors import InvalidValue, RawnsError
from ..lab.host import Host
from ..lab.lab import Lab
from ..terminal import printable
from .ending import end_all
from .leaks import Leak, NewProcesses, command_of, group_of, runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess, Popen
    from typing import Any

    from typing_extensions import Unpack

    from ..lab.capture import FrameCapture
    from ..lab.change import Change
    from ..lab.diff import Plan
    from ..lab.document import Source
    from ..lab.lab import Progress
    from ..lab.lock import LabLock
    from ..lab.running import PortWord
    from ..net import NetNS
    from ..netns_processes import Command, ProcessOptions, RunOptions
    from .capture import LabCapture
    from .processes import HostProcess, OutputReader, Ready

MAX_NAME = 48  # characters of a lab's name that is taken from a test's


class ManagedHost(Host):
    """A host of a `ManagedLab`: a `rawns.lab.Host` in which processes can be started that end with the lab."""

    __slots__ = ()

    @property
    def managed(self) -> ManagedLab:
        """The lab that it belongs to."""
        lab: Any = self.lab
        found: ManagedLab = lab
        return found

    @property
    def namespace(self) -> NetNS:
        """Its network namespace, as `Host.namespace`; `RawnsError` names the test if its lab has ended with it."""
        if not self.there:
            self.managed.check_alive(f"reach {printable(self.label)}")
        return super().namespace

    def __reduce_ex__(self, protocol: object) -> Any:
        return self.managed.__reduce_ex__(protocol)

    @property
    def processes(self) -> list[HostProcess]:
        """The processes that `start` has started in it, in their order."""
        return [one for one in self.managed.processes if one.host is self]

    def start(
        self, argv: Command, ready: Ready | None = None, timeout: float = 5.0, **options: Unpack[ProcessOptions]
    ) -> HostProcess:
        """Start a process that ends with the lab; return it when it is ready.

        ``ready`` is ``"port 8080"`` (a TCP socket listens on it), ``"udp port 53"``, ``"output PATTERN"`` (a regular expression
        is found in what it writes), or a function that is called with the process until its answer is true.  ``options`` are
        those of `subprocess.Popen`.  What it writes is kept as ``output``.

        Raises `ProcessError` with its last lines if it ends before it is ready, or is not ready after ``timeout`` seconds;
        `InvalidValue` for what is not a condition, before anything is started; `RawnsError` on another thread than the main
        thread, and in a forked process; what Popen raises if the command cannot be executed.
        """
        from .processes import parse_ready, start

        if not argv:
            raise InvalidValue("no command is given")
        if ready is not None:
            parse_ready(ready)
        self.managed.check("start a process")
        self.managed.watch()
        process = start(self, argv, options)
        self.managed.started(process)
        if ready is not None:
            process.wait_ready(ready, timeout)
        return process

    def popen(self, argv: Command, *, mounts: bool = False, **options: Unpack[ProcessOptions]) -> Popen[Any]:
        """Start a command inside, as `Host.popen`; it is killed if the test run is."""
        self.managed.watch()
        return super().popen(argv, mounts=mounts, **options)

    def run(self, argv: Command, *, mounts: bool = False, **options: Unpack[RunOptions]) -> CompletedProcess[Any]:
        """Run a command inside and wait for it, as `Host.run`; it is killed if the test run is."""
        self.managed.watch()
        return super().run(argv, mounts=mounts, **options)


class ManagedLab(Lab):
    """A lab that belongs to one test: its hosts start processes, and at the end everything is ended, in order.

    Hosts are looked up by name: ``lab["web"]``.
    """

    __slots__ = (
        "_begun",
        "_captures",
        "_maker",
        "_maker_thread",
        "_place",
        "_reader",
        "_watched",
        "ended",
        "leaked",
        "port_captures",
        "processes",
        "test",
    )

    def __init__(self, name: str = "lab", standing: bool = False) -> None:
        super().__init__(name, standing)
        self.outlives_process = False
        self.processes: list[HostProcess] = []  # in the order of their start
        self.test = ""  # the test that it belongs to
        self.ended = False
        self.port_captures: LabCapture | None = None  # of all ports, from `up` on
        self._captures: list[FrameCapture] = []  # those that `capture` has begun
        self._maker, self._maker_thread = os.getpid(), get_ident()
        self._place = _place()
        self._reader: OutputReader | None = None
        self._begun = NewProcesses()
        self._watched: set[tuple[int, int]] = set()  # network namespaces that the watchdog knows
        self.leaked: list[Leak] = []  # processes that were in its hosts at its end, and that `ManagedHost.start` has not started

    def __getitem__(self, label: str) -> ManagedHost:
        found = self.find_host(label)
        if not isinstance(found, ManagedHost):
            raise InvalidValue(f"{label} is the namespace that the lab is built from: it is `lab.root`, and starts no processes")
        return found

    def __iter__(self) -> Iterator[ManagedHost]:
        return (host for host in self.hosts if isinstance(host, ManagedHost))

    def netns(self, name: str | None = None, label: str | None = None) -> ManagedHost:
        """Plan a host, as `Lab.netns`."""
        self.check_alive("plan a host")
        made = super().netns(name, label)
        assert isinstance(made, ManagedHost)
        return made

    def _host(self, name: str | None, label: str | None) -> ManagedHost:
        plain = super()._host(name, label)
        return ManagedHost(self, plain.name, plain.label)

    @property
    def is_up(self) -> bool:
        """Whether at least one of its hosts exists."""
        return any(host.there for host in self.hosts)

    def up(self, wait: float | None = 10.0, progress: Progress | None = None) -> list[Change]:
        """Create the lab, as `Lab.up`, and by default wait until it can be used, 10 seconds at most."""
        self.check("bring the lab up")
        return super().up(wait, progress)

    def _built(self) -> None:
        if self.port_captures is not None:
            self.port_captures.add(host for host in self.hosts if not host.root)

    def down(self, wait: float | None = None) -> None:
        """End its processes, the last one first, and remove it, as `Lab.down`."""
        self.check_process("take the lab down")
        self._check_thread("take the lab down")
        self.end_processes()
        self._forget_watched()
        super().down(wait)

    def end(self) -> None:
        """Take it down for good; do nothing in a forked process."""
        if self._maker == os.getpid() and not self.ended:
            self.ended = True
            try:
                self.end_processes()
                self._end_others()
                if self.port_captures is not None:
                    self.port_captures.close()
                end_all([capture.stop for capture in self._captures])
            finally:
                self.down()

    def __enter__(self) -> ManagedLab:
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()

    def capture(
        self,
        *ports: PortWord,
        file: str,
        max_bytes: int | None = None,
        max_packets: int | None = None,
        seconds: float | None = None,
    ) -> FrameCapture:
        """Capture what ports send and receive into one file, as `Lab.capture`; it ends with the lab at the latest."""
        made = super().capture(*ports, file=file, max_bytes=max_bytes, max_packets=max_packets, seconds=seconds)
        self._captures.append(made)
        return made

    # -- processes ----------------------------------------------------------------------------------------------------

    def started(self, process: HostProcess) -> None:
        """Take over a process that was started in one of its hosts."""
        from .processes import OutputReader

        self.processes.append(process)
        if self._reader is None:
            self._reader = OutputReader()
        self._reader.add(process)

    def watch(self) -> None:
        """Have what runs in its hosts killed if this process is killed."""
        if os.getpid() == self._maker:
            from . import watchdog

            self._watched.update(host.identity for host in self.hosts if host.there and not host.root)
            watchdog.watch(self._watched)

    def _forget_watched(self) -> None:
        if self._watched:
            from . import watchdog

            watchdog.forget(self._watched)
            self._watched.clear()

    def end_processes(self) -> None:
        """End all its processes, the last one first."""
        if not self.processes and self._reader is None:
            return
        reader, self._reader = self._reader, None
        try:
            end_all([process.stop for process in self.processes])
        finally:
            if reader is not None:
                reader.close()

    def _end_others(self) -> None:
        """Kill the other processes that have begun in its hosts, such as daemons, and note them as `leaked`."""
        if not self.is_up:
            return
        hosts = {host.identity: host for host in self.hosts if host.there and not host.root}
        killed = {process.pid for process in self.processes}  # with their process groups
        for pid, namespace in self._begun.within(hosts):
            if runs(pid) and group_of(pid) not in killed:
                leak = Leak("process", f"{pid} ({command_of(pid)}) in {printable(hosts[namespace].label)}", pid)
                self.leaked.append(leak)
                leak.remove()

    # -- wrong uses -----------------------------------------------------------------------------------------------------

    def _changing(self) -> LabLock:
        self.check("change the lab")
        return super()._changing()

    def compare(self, mending: bool = False) -> Plan:
        """Return what differs from the kernel, as `Lab.compare`."""
        self.check_alive("compare the lab with the kernel")
        return super().compare(mending)

    def ready(self, host: Host) -> Host:
        """Return a host whose namespace can be used, as `Lab.ready`."""
        self.check_alive(f"reach {printable(host.label)}")
        return super().ready(host)

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            f"the lab {self.name} belongs to process {self._maker}, and cannot be copied or pickled: give the other process the "
            "names of its hosts, or start it in a host"
        )

    def check(self, what: str) -> None:
        """Raise `RawnsError` if the lab has ended, or if this process or thread cannot change it."""
        self.check_process(what)
        self.check_alive(what)
        self._check_thread(what)

    def _check_thread(self, what: str) -> None:
        """Raise `RawnsError` on a thread that sees other names than the one that has made the lab.

        That is one that began before the run was isolated.  In another network, too, it would create the lab's links there.
        """
        if get_ident() != self._maker_thread:
            place = _place()
            if place[0] != self._place[0] or (place[1] != self._place[1] and self.root.interfaces):
                raise RawnsError(
                    f"this thread cannot {what}: it began before its process was isolated, and so has other names under "
                    f"/run/netns, or another network, than the lab {self.name}; start the thread during the test"
                )

    def check_process(self, what: str) -> None:
        """Raise `RawnsError` in a process that was forked from the one to which the lab belongs."""
        if os.getpid() != self._maker:
            raise RawnsError(
                f"process {os.getpid()} cannot {what}: the lab {self.name} belongs to process {self._maker}, from which this one "
                "was forked; the hosts' `run`, `socket` and `entered` work here as well"
            )

    def check_alive(self, what: str) -> None:
        """Raise `RawnsError` if the lab has ended."""
        if self.ended:
            of = f" of {self.test}" if self.test else ""
            raise RawnsError(f"cannot {what}: the lab {self.name}{of} has ended with its test; use a lab of the test that runs")


def _place() -> list[str]:
    """Return the names of the calling thread's mount and network namespaces: readlink(2) takes half the time of stat(2) here."""
    try:
        return [os.readlink(f"/proc/thread-self/ns/{kind}") for kind in ("mnt", "net")]
    except OSError:
        return ["", ""]  # /proc is not mounted: what is done with the lab says so


def name_of(test: str) -> str:
    """Return the name of a lab for a test: ASCII letters, digits, ``-`` and ``_`` of the test's name."""
    words = re.sub(r"[^A-Za-z0-9_]+", "-", test).strip("-")[:MAX_NAME].strip("-")
    return words or "lab"


def from_source(source: Source) -> ManagedLab:
    """Return the lab that a `Source` describes.  Raises `InvalidDescription`."""
    from ..lab.parse import lab_of

    lab = lab_of(source, ManagedLab)
    lab.source = source
    return lab
