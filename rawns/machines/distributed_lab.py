"""`DistributedLab`: a lab whose hosts are on several machines, with the verbs of `Lab`."""

from __future__ import annotations

import ipaddress
import threading

from ..errors import InvalidValue, RawnsError
from ..lab.lab import Lab
from ..lab.reachability import Pair, Reach
from ..objects import prefix
from ..pairs import PairResult
from ..terminal import printable
from ..threads import start_background
from .connection import MachineConnection, MachineError
from .split import crossing, parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from ..lab.host import Host
    from ..lab.interface import Interface

    Answer = TypeVar("Answer")

PING_SECONDS = 5.0


class DistributedLab:
    """A lab that spans machines, described as any lab, with ``[machines.NAME]``.

    As a context manager it closes its connections at the end of the block; the lab stays.  All verbs raise `MachineError`, which
    names the machine, and `InvalidDescription` for what cannot be.  ``lab`` is the whole description.
    """

    def __init__(self, lab: Lab) -> None:
        if not lab.machines:
            raise InvalidValue(f"the lab {lab.name} names no machines: Lab brings it up")
        self.lab = lab
        self._connections: dict[str, MachineConnection] = {}
        self._parts: dict[str, dict[str, Any]] | None = None
        self._underlay: dict[tuple[str, str], int] = {}  # MTU of the route from a machine to another

    @staticmethod
    def load(path: str) -> DistributedLab:
        """Load the lab of a file, TOML or JSON (``rawns help labs``).  Raises `InvalidDescription`, `SyscallError`."""
        return DistributedLab(Lab.load(path))

    # -- connections --------------------------------------------------------------------------------------------------

    def connect(self, *names: str) -> None:
        """Connect to machines, by default to all, at the same time."""
        missing = [name for name in names or self.lab.machines if name not in self._connections]
        self._each(missing, self._connect)
        for name in missing:
            if not _table(self._connections[name].hello, name).get("privileged"):
                raise MachineError(name, "the user there may not create namespaces: connect as root, or say sudo = true")
        self._require_different_machines()

    def _require_different_machines(self) -> None:
        """Raise `MachineError` if two names lead to one machine, on which one would wait for the lock of the other."""
        seen: dict[object, str] = {}
        for name in sorted(self._connections):
            identity = str(self._connections[name].hello.get("identity"))
            if seen.setdefault(identity, name) != name:
                raise MachineError(name, f"its connection leads to the same machine as that of {seen[identity]}")

    def _connect(self, name: str) -> None:
        self._connections[name] = MachineConnection(self.lab.machines[name])

    def connection(self, host: str) -> tuple[MachineConnection, str]:
        """Return a connection to the machine of a host, and the name of the host's namespace there."""
        found = self.host(host)
        self.connect(str(found.machine))
        return self._connections[str(found.machine)], str(found.name)

    def close(self) -> None:
        """End all connections: what has been changed and not committed is undone there."""
        connections, self._connections = self._connections, {}
        for thread in [start_background(one.close) for one in connections.values()]:
            thread.join()

    def __enter__(self) -> DistributedLab:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _each(self, names: Iterable[str], function: Callable[[str], Answer]) -> dict[str, Answer]:
        """Call a function for several machines at the same time; return the answers.  Raises the first error in the end."""
        found: dict[str, Answer] = {}
        failed: dict[str, BaseException] = {}

        def run(name: str) -> None:
            try:
                found[name] = function(name)
            except BaseException as error:
                failed[name] = error

        threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise next(iter(failed.values()))
        return found

    def _call_each(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return self._each(self.lab.machines, lambda name: self._connections[name].call(operation, **arguments))

    def _call_with_part(self, operation: str, names: Iterable[str] | None = None, **arguments: Any) -> dict[str, Any]:
        """Call an operation on these machines, by default on each that has hosts, with its part of the description."""
        found = self.parts()
        return self._each(
            found if names is None else names, lambda name: self._connections[name].call(operation, data=found[name], **arguments)
        )

    # -- the parts ----------------------------------------------------------------------------------------------------

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses by which the machines reach each other.  Connects to machines of which it is not described."""
        found = {}
        for name, machine in self.lab.machines.items():
            address = machine.address
            if address is None:
                self.connect(name)
                address = self._connections[name].hello.get("ssh")
            try:
                found[name] = str(ipaddress.ip_address(str(address)))
            except ValueError:
                raise MachineError(name, 'its address is not known: address = "192.0.2.1"') from None
        return found

    def parts(self) -> dict[str, dict[str, Any]]:
        """Return the description of each machine's part, by name; machines without hosts have none."""
        if self._parts is None:
            self.connect()
            addresses = self.addresses
            ways = {way for wire in crossing(self.lab) for way in (wire.machines, wire.machines[::-1])}
            peers = {name: sorted(addresses[there] for here, there in ways if here == name) for name in addresses}
            families = {":" in addresses[name] for name in addresses if peers[name]}
            if len(families) > 1:
                raise InvalidValue("the addresses of the machines are of two families: give all an IPv4 or all an IPv6 address")
            mtus = self._each(
                [name for name in peers if peers[name]],
                lambda name: self._connections[name].call("underlay", local=addresses[name], peers=peers[name]),
            )
            underlay = {}
            for name, answer in mtus.items():
                by_address = _table(answer, name)
                for other, address in addresses.items():
                    if address in by_address:
                        underlay[name, other] = _whole(by_address[address], name)
            self._underlay = underlay
            found = parts(self.lab, addresses, underlay)
            self._parts = {name: part for name, part in found.items() if part.get("hosts") or part.get("bridges")}
        return self._parts

    # -- verbs --------------------------------------------------------------------------------------------------------

    def plan(self) -> dict[str, list[str]]:
        """Return what `up` would do on each machine, as lines."""
        found = {name: _texts(lines, name) for name, lines in self._call_with_part("plan").items()}
        for name, there in self._each(self._without_hosts(), self._names).items():
            found[name] = [f"- {one}" for one in there]
        return found

    def _without_hosts(self) -> list[str]:
        """Return the machines that have no host of the lab, or none any more."""
        return [name for name in self.lab.machines if name not in self.parts()]

    def _names(self, machine: str) -> list[str]:
        return _texts(self._connections[machine].call("names", lab=self.lab.name), machine)

    def up(self, wait: float | None = None) -> dict[str, list[str]]:
        """Bring the lab up on all machines, or change what differs; return what was done on each.

        All or nothing: every machine first examines its part; if one cannot bring it up, the others take back what they have
        done, and one that cannot is named too.  Another operator's `up` or `down` of this lab is waited for.  ``wait`` is that
        of `Lab.up`.
        """
        self.connect()
        self._lock()
        self._require_netem()
        done = self.plan()
        if wait is None and not any(done.values()):
            return done  # there is nothing to keep or to take back
        differing = [name for name in self.parts() if done[name] or wait is not None]
        try:
            for name, lines in self._call_with_part("up", differing, wait=wait).items():
                done[name] = _texts(lines, name)
            for name, lines in self._each([name for name in self._without_hosts() if done[name]], self._remove).items():
                done[name] = [f"- {one}" for one in _texts(lines, name)]
            self._call_each("commit")
        except RawnsError as error:
            left = [one for one in self._undo() if one.machine != getattr(error, "machine", None)]
            if left:
                raise RawnsError("; ".join([str(error), *map(str, left)])) from error
            raise
        except BaseException:  # an interrupt: machines may still be at work, and undo it when their connection ends
            self.close()
            raise
        return done

    def _remove(self, machine: str) -> Any:
        return self._connections[machine].call("remove", lab=self.lab.name)

    def _lock(self) -> None:
        """Keep other operators out, on one machine after the other in an order that is the same for all."""
        for name in sorted(self.lab.machines):
            self._connections[name].call("lock", lab=self.lab.name)

    def _undo(self) -> list[MachineError]:
        """Let each machine take back what it has done; return the errors of those that could not, or may not have."""

        def undo(name: str) -> MachineError | None:
            try:
                self._connections[name].call("undo")
            except MachineError as error:
                return error
            return None

        return [error for error in self._each(self._connections, undo).values() if error is not None]

    def _require_netem(self) -> None:
        """Raise `MachineError` if an interface needs netem and its machine's kernel has none."""
        needing: dict[str, Interface] = {}
        for host in self.lab.hosts:
            for one in host.interfaces:
                if one.shape and set(one.shape) - {"rate", "burst", "latency"}:
                    needing.setdefault(str(host.machine), one)
        found = self._each(needing, lambda name: self._connections[name].call("netem"))
        for name, one in needing.items():
            if not found[name]:
                raise MachineError(name, f"its kernel has no netem, which {one} needs (CONFIG_NET_SCH_NETEM)")

    def down(self, wait: float | None = None) -> dict[str, list[str]]:
        """Remove the lab from all machines; return the names of the namespaces that were removed."""
        self.connect()
        self._lock()
        found = self._call_each("down", lab=self.lab.name, wait=wait)
        return {name: _texts(lines, name) for name, lines in found.items()}

    def status(self) -> dict[str, dict[str, Any]]:
        """Return, by machine, the state of each host and interface (``hosts``), and what differs (``differences``)."""
        return {name: _state(found, name) for name, found in self._call_with_part("status").items()}

    def ping(self, timeout: float = PING_SECONDS) -> list[PairResult]:
        """Test every pair that should reach each other; return the results by machine.  ``timeout`` is in seconds."""
        return self.ask(Reach(self.lab).pairs()[0], timeout)

    def ask(self, pairs: Iterable[Pair], timeout: float) -> list[PairResult]:
        """Test these pairs; return the results by machine."""
        found = self.parts()
        by_machine: dict[str, list[PairResult]] = {}
        for pair in pairs:
            by_machine.setdefault(str(pair.source.machine), []).append(PairResult(pair))

        def ask(name: str) -> None:
            wanted = [(one.pair.source.label, one.pair.address.address) for one in by_machine[name]]
            answers = self._connections[name].call("ping", data=found[name], pairs=wanted, timeout=timeout)
            if not isinstance(answers, list) or len(answers) != len(wanted):
                raise MachineError(name, "it sent another number of results than was asked for")
            for one, answer in zip(by_machine[name], answers):
                rtt, reason = answer if isinstance(answer, list) and len(answer) == 2 else (None, "")
                one.rtt = rtt if isinstance(rtt, float) and 0 <= rtt < float("inf") else -1.0  # JSON can carry NaN, too
                one.why = printable(str(reason))

        self._each(by_machine, ask)
        return [one for several in by_machine.values() for one in several]

    def echo(self, source: Host, address: str, timeout: float) -> PairResult:
        """Send echo requests from one host to an address."""
        (found,) = self.ask([Pair(source, source, prefix.address(address))], timeout)
        return found

    def call(self, machine: str, operation: str, **arguments: Any) -> Any:
        """Call an operation of the agent on one machine."""
        self.connect(machine)
        return self._connections[machine].call(operation, **arguments)

    def underlay_mtu(self, here: str, there: str) -> int:
        """Return the MTU of the route from one machine to another, in bytes."""
        self.parts()
        return self._underlay[here, there]

    def gc(self) -> dict[str, list[str]]:
        """Remove what killed processes have left of labs on all machines."""
        self.connect()
        return {name: _texts(lines, name) for name, lines in self._call_each("gc").items()}

    def host(self, label: str) -> Host:
        """Return a host of the description by its label.  Raises `InvalidValue`."""
        found = next((one for one in self.lab.hosts if one.label == label), None)
        if found is None:
            labels = ", ".join(one.label for one in self.lab.hosts[:20])
            raise InvalidValue(f"{self.lab.name} has no host called {printable(label)}; it has {labels}")
        return found

    def __repr__(self) -> str:
        return f"<DistributedLab {self.lab.name}: {len(self.lab.hosts)} hosts on {len(self.lab.machines)} machines>"


def _texts(found: object, machine: str) -> list[str]:
    """Return lines that another machine has sent, fit for a terminal.  Raises `MachineError` if they are not lines."""
    if not isinstance(found, list):
        raise MachineError(machine, "it sent what is not an answer")
    return [printable(str(one)) for one in found]


def _whole(found: object, machine: str) -> int:
    if not isinstance(found, int):
        raise MachineError(machine, "it sent what is not an answer")
    return found


def _table(found: object, machine: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise MachineError(machine, "it sent what is not an answer")
    return found


def _state(found: object, machine: str) -> dict[str, Any]:
    """Return the states that another machine has sent, fit for a terminal."""
    answer = _table(found, machine)
    hosts = {}
    for label, host in _table(answer.get("hosts"), machine).items():
        state = _table(host, machine)
        interfaces = _table(state.get("interfaces"), machine)
        shown = {printable(str(name)): printable(str(how)) for name, how in interfaces.items()}
        hosts[printable(label)] = {"state": printable(str(state.get("state"))), "interfaces": shown}
    return {"hosts": hosts, "differences": _texts(answer.get("differences"), machine)}
