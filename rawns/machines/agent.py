"""The side of a machine: answer the requests of a `MachineConnection`, with the verbs of `Lab` on this machine's part of the lab.

What `up` and `remove` have changed is undone when the connection ends, unless `commit` has come before; it can be undone on
request after that, too, because another machine may fail to commit.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading

from ..errors import InvalidValue, RawnsError
from ..lab import discover, stamped_names
from ..lab.document import Source
from ..lab.lab import Lab
from ..lab.lock import LabLock
from ..rollback import signals_blocked
from ..rootless import privileged
from ..threads import start_background
from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .underlay_watch import UnderlayWatch

_ending = threading.Event()  # set when the handler of a signal that ends this process has run
ALIVE_SECONDS = 1.0  # between two frames that say that this agent does not hang
REPEAT_SECONDS = 0.05  # between two signals to the main thread
POLLRDHUP = 0x2000  # <poll.h>; `select` has it in some builds only
OPERATIONS = (
    "hello underlay reach watch watched netem lock plan up remove commit undo down names status ping why gc execute".split()
)


def main() -> None:
    """Answer requests from standard input until it ends; then undo what was not committed."""
    source, target = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what a command prints is not an answer
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    with contextlib.suppress(PermissionError):  # it leads a session, and so a group, already
        os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    # Ctrl-C is for the operator, who closes the connection if it is meant for us.  A handler is not inherited by commands.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    agent = Agent(source, target)
    start_background(_watch_operator, source)
    try:
        agent.serve()
    except (OSError, frames.FrameError):
        pass  # the operator is gone and cannot be told
    finally:
        with signals_blocked():
            _end_commands()
            agent.close()


def _end_commands() -> None:
    """End the commands of hosts that still run in the group of this process."""
    _ending.set()  # the group's signal is for them
    os.killpg(0, signal.SIGTERM)


def _watch_operator(source: int) -> None:
    """End this process when the operator is gone, also while a command of the lab runs: the connection is then half closed."""
    poll = select.poll()
    poll.register(source, POLLRDHUP)
    while not any(what & (POLLRDHUP | select.POLLHUP | select.POLLERR) for _, what in poll.poll()):
        continue
    # To the main thread: if another one took the signal, no system call of the main thread would end.  Again until the
    # handler has run: a signal that arrives just before a system call begins does not end it either.
    while not _ending.wait(REPEAT_SECONDS):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _end(number: int, frame: object) -> None:
    """Raise SystemExit, once: what is being undone then is not interrupted again."""
    if not _ending.is_set():
        _end_commands()  # before the exception, on whose way out a wait for one of them would not end
        raise SystemExit(128 + number)


def _identity() -> str:
    """Return a text that differs between two machines: by their kernels, and by /run, in which the locks of labs are."""
    run = os.stat("/run")
    with open("/proc/sys/kernel/random/boot_id") as file:
        return f"{file.read().strip()} {run.st_dev} {run.st_ino}"


class Agent:
    """The operations, each a method that takes the arguments of a request and returns what JSON can carry."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.writer = source, frames.FrameWriter(target)
        self._locks: dict[str, LabLock] = {}
        self._undo: tuple[str, dict[str, Any] | None] | None = None  # a lab, and its description before `up`; None: it was not up
        self._committed = False  # whether the end of the connection leaves it
        self._operations: dict[str, Callable[..., Any]] = {name: getattr(self, name) for name in OPERATIONS}
        self._watch: UnderlayWatch | None = None

    def serve(self) -> None:
        """Answer requests until the stream ends."""
        self.writer.write_json(self._answer({"operation": "hello"}))
        self.writer.keep_alive(ALIVE_SECONDS)
        while (found := frames.read(self.source)) is not None:
            if found[0] == frames.JSON:
                self.writer.write_json(self._answer(frames.parse_json(found[1])))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = self._operations.get(str(request.pop("operation", "")))
        if operation is None:
            return {"error": "this version has no such operation"}
        try:
            return {"result": operation(**request)}
        except (RawnsError, OSError) as error:
            return {"error": str(error)}

    def close(self) -> None:
        """Undo what has not been committed, and release all locks."""
        try:
            if not self._committed:
                self.undo()
        except (RawnsError, OSError) as error:
            print(f"what has been done cannot be undone: {error}", file=sys.stderr)
        finally:
            for name, lock in self._locks.items():
                if not stamped_names.has_names(name):
                    lock.remove()
                lock.release()

    # -- what this machine is like ------------------------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        """Return what the operator has to know before anything is done."""
        uname = os.uname()
        words = os.environ.get("SSH_CONNECTION", "").split()
        return {
            "identity": _identity(),
            "kernel": uname.release,
            "name": uname.nodename,
            "python": sys.version.partition(" ")[0],
            "privileged": privileged(),
            "ssh": words[2] if len(words) == 4 else None,
        }

    def netem(self) -> bool:
        """Return whether the kernel has netem."""
        from ..lab.netem_support import kernel_has_netem

        return kernel_has_netem()

    def underlay(self, local: str, peers: list[str]) -> dict[str, int]:
        """Return the MTU of the route to each of the other machines.  Raises `RawnsError` if there is none."""
        from .underlay import mtus

        return mtus(local, peers)

    def reach(self, peer: str, size: int) -> str:
        """Send echo requests of this size to another machine; return why there is no answer, or an empty text."""
        from .underlay import reach

        return reach(peer, size)

    def watch(self, peer: str) -> None:
        """Begin to watch for the tunnels' frames of another machine."""
        from .underlay_watch import UnderlayWatch

        self._watch = UnderlayWatch(peer)

    def watched(self) -> dict[str, Any]:
        """Return what has been seen since `watch`."""
        if self._watch is None:
            raise RawnsError("nothing is watched")
        watch, self._watch = self._watch, None
        return watch.close()

    # -- the lab ------------------------------------------------------------------------------------------------------

    def lock(self, lab: str) -> None:
        """Begin to change this lab: keep other operators out until the connection ends; wait for one that is at work."""
        self._undo, self._committed = None, False
        if lab not in self._locks:
            self._locks[lab] = LabLock(f"{lab}.machines").__enter__()

    def plan(self, data: dict[str, Any]) -> list[str]:
        """Return what `up` would do."""
        return [str(one) for one in self._lab(data).plan()]

    def up(self, data: dict[str, Any], wait: float | None = None) -> list[str]:
        """Bring the part up, or change what differs; `undo` takes it back."""
        lab = self._lab(data)
        self._undo = lab.name, self._described(lab.name)  # a signal may come when `up` has returned
        changes = lab.up(wait)
        if not changes:
            self._undo = None
        return [str(one) for one in changes]

    def _described(self, name: str) -> dict[str, Any] | None:
        """Return the description of a lab that is up; None for one that is not."""
        from ..lab.export import data_of
        from ..lab.readback import live

        try:
            return data_of(live(name))
        except InvalidValue:
            return None

    def _lab(self, data: dict[str, Any]) -> Lab:
        return Lab.from_source(Source(data))

    def remove(self, lab: str) -> list[str]:
        """Remove the lab as a part of `up`, because it has no host here any more; `undo` takes it back."""
        self._undo = lab, self._described(lab)
        return list(discover.remove_lab(lab))

    def commit(self) -> None:
        """Keep what has been done when the connection ends."""
        self._committed = True

    def undo(self) -> None:
        """Take back what `up` or `remove` has done since `lock`."""
        if self._undo is not None:
            name, before = self._undo
            if before is None:
                discover.remove_lab(name)
            else:
                self._lab(before).up()
            self._undo = None

    def down(self, lab: str, wait: float | None = None) -> list[str]:
        """Remove the lab; return the names of its namespaces."""
        removed = list(discover.remove_lab(lab, wait))
        if lab in self._locks:
            self._locks[lab].remove()
        return removed

    def names(self, lab: str) -> list[str]:
        """Return the names of the lab's namespaces that are there."""
        return next((list(one.hosts) for one in discover.find_labs() if one.name == lab), [])

    def status(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the state of each host and interface, and what differs from the description."""
        plan = self._lab(data).compare()
        states = plan.part_states()
        hosts = {}
        for host in plan.lab.hosts:
            if not host.root:
                interfaces = {one.name: states.get(one, "") for one in host.interfaces}
                hosts[host.label] = {"state": states.get(host.label, ""), "interfaces": interfaces}
        return {"hosts": hosts, "differences": [str(one) for one in plan.changes()]}

    def ping(self, data: dict[str, Any], pairs: list[tuple[str, str]], timeout: float) -> list[list[Any]]:
        """Send echo requests from hosts to addresses; return for each how long it took in seconds, or why there is no answer."""
        from ..lab.reachability import Pair
        from ..objects import prefix
        from ..pairs import ask

        lab = self._lab(data)
        hosts = {host.label: host for host in lab.hosts}
        wanted = [Pair(hosts[source], hosts[source], prefix.address(target)) for source, target in pairs]
        return [[one.rtt, ""] if one.ok else [None, one.why] for one in ask(lab, wanted, timeout)]

    def why(self, data: dict[str, Any], source: str, target: str, **options: Any) -> dict[str, Any]:
        """Explain what keeps packets of a host from an address, as far as this machine can see."""
        from ..diagnose import why
        from ..net import NetNS

        name = next(host.name for host in self._lab(data).hosts if host.label == source)
        with NetNS.open(str(name)) as namespace:
            found = why(namespace, target, **options)
        return {"ok": bool(found), "text": str(found)}

    def gc(self) -> list[str]:
        """Remove what killed processes have left of labs."""
        return [str(one) for one in discover.collect_garbage()]

    def execute(self, host: str, argv: list[str], terminal: list[int] | None = None) -> int:
        """Run a command in the namespace of a host, with its streams in frames; return its exit status."""
        from ..netns import Namespace
        from .streams import CommandServer

        with Namespace.open(host) as namespace:
            try:
                server = CommandServer(self.source, self.writer, namespace, argv, terminal)
            except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
                text = f"rawns lab: {argv[0]}: {error.strerror}\n"
                self.writer.write(frames.ERRORS, text.encode(errors="replace"))
                return 127 if isinstance(error, FileNotFoundError) else 126  # as shells have it
            return server.run()
