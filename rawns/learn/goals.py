"""Questions to the kernel, from which the goals of chapters are made: each raises `Unmet` while its answer is no.

``up("red", "v1")`` returns the question whether v1 in red is up.  The namespace ``""`` is the one in which the chapter began.
"""

from __future__ import annotations

import os
import socket
import sys
from errno import ECONNREFUSED, EHOSTUNREACH, ENETUNREACH
from time import monotonic

from .. import uapi
from ..errors import InvalidValue, RawnsError, SyscallError
from ..icmp import ping
from ..net import NetNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..objects.link import Link

    Question = Callable[["Kernel"], None]

PYTHON = sys.executable
SILENCE_SECONDS = 0.3  # after which a packet between namespaces counts as lost: an answer takes microseconds
ANSWER_SECONDS = 2.0  # for an answer that should come; address resolution may have to begin again
MAX_PROCESSES = 1 << 15


class Unmet(RawnsError):
    """What a goal asks for is not so.  ``str()`` says what is so instead."""


class Kernel:
    """The namespaces that questions are about, opened when they are first named.

    ``home`` is the namespace in which the chapter began.  ``patience`` is the number of seconds for which questions about
    processes wait for one that is just starting.
    """

    def __init__(self, home: str, patience: float) -> None:
        self._home, self.patience = home, patience
        self._open: dict[str, NetNS] = {}

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *exc: object) -> None:
        for place in self._open.values():
            place.disconnect()
            place.close()

    def at(self, name: str) -> NetNS:
        """Return a namespace by its name.  Raises `Unmet` if there is none."""
        if name not in self._open:
            try:
                self._open[name] = NetNS.open(name or self._home)
            except FileNotFoundError:
                raise Unmet(f"there is no namespace called {name}") from None
            except InvalidValue as error:  # a file on which nothing is mounted yet
                raise Unmet(str(error)) from None
        return self._open[name]

    def link(self, name: str, link: str) -> Link:
        """Return a link.  Raises `Unmet` if there is none of this name."""
        found = next((one for one in self.at(name).net.links() if one.name == link), None)
        if found is None:
            raise Unmet(f"there is no link called {link} {inside(name)}")
        return found

    def wait(self, true: Callable[[], bool], sentence: str) -> None:
        """Raise `Unmet` with the sentence if something about processes does not become true in time."""
        deadline = monotonic() + self.patience
        while not true():
            if monotonic() > deadline:
                raise Unmet(sentence)
            os.sched_yield()

    def forget(self) -> None:
        """Delete the neighbour entries that wait for an answer, in all namespaces: the next packet asks again at once.

        Otherwise a packet that was lost before a repair delays those after it by up to three seconds (arp(7)).
        """
        for name in NetNS.list():
            try:
                net = self.at(name).net
                for one in net.neighbours():
                    if one.state & (uapi.NUD_INCOMPLETE | uapi.NUD_FAILED):
                        net.delete_neighbour(one.index, one.address)
            except (RawnsError, OSError):  # the entry or the name has gone meanwhile
                continue


def inside(name: str) -> str:
    """Return "in NAME" in the words of a chapter."""
    return f"in {name}" if name else "in the namespace of this shell"


# -- namespaces and processes --------------------------------------------------------------------------------------------


def exists(*names: str) -> Question:
    """Ask whether there are namespaces of these names."""

    def ask(kernel: Kernel) -> None:
        for name in names:
            kernel.at(name)

    return ask


def absent(name: str) -> Question:
    """Ask whether a name is unused."""

    def ask(kernel: Kernel) -> None:
        if name in NetNS.list(stale=True):
            raise Unmet(f"the name {name} is still there")

    return ask


def occupied(name: str) -> Question:
    """Ask whether a process runs in a namespace."""

    def ask(kernel: Kernel) -> None:
        kernel.wait(lambda: bool(kernel.at(name).pids()), f"no process runs {inside(name)}")

    return ask


def connected(one: str, local: str, remote: str) -> Question:
    """Ask whether there is a TCP connection between two addresses, as one of its ends sees it (proc(5), /proc/net/tcp).

    A socket of IPv6 that serves IPv4, too, is listed in /proc/net/tcp6 with mapped addresses (::ffff:10.0.0.1).
    """

    def written(address: str, mapped: bytes) -> str:
        data = mapped + socket.inet_aton(address)
        words = [data[at : at + 4] for at in range(0, len(data), 4)]
        return "".join(word[:: -1 if sys.byteorder == "little" else 1].hex() for word in words).upper()

    def established() -> bool:
        for file, mapped in (("tcp", b""), ("tcp6", bytes(10) + b"\xff\xff")):
            wanted = [written(address, mapped) for address in (local, remote)]
            try:
                with open(f"/proc/thread-self/net/{file}", encoding="ascii") as table:
                    rows = [line.split() for line in table.readlines()[1:]]
            except FileNotFoundError:  # a kernel without IPv6
                continue
            if any([word.partition(":")[0] for word in row[1:3]] == wanted and row[3] == "01" for row in rows):
                return True
        return False

    def ask(kernel: Kernel) -> None:
        place = kernel.at(one)
        kernel.wait(lambda: place.call(established), f"there is no TCP connection between {local} and {remote}")

    return ask


# -- links, addresses, routes ------------------------------------------------------------------------------------------------


def up(name: str, *links: str) -> Question:
    """Ask whether links are up and have a carrier."""

    def ask(kernel: Kernel) -> None:
        for link in links:
            found = kernel.link(name, link)
            if not found.up:
                raise Unmet(f"{link} {inside(name)} is down")
            if not found.carrier and not found.loopback:
                raise Unmet(f"{link} {inside(name)} is up but has no carrier: the other end is down")

    return ask


def cable(one: str, near: str, other: str, far: str) -> Question:
    """Ask whether two links are the ends of one veth pair."""

    def ask(kernel: Kernel) -> None:
        found, peer = kernel.link(one, near), kernel.link(other, far)
        for name, link in ((one, found), (other, peer)):
            if link.kind != "veth":
                raise Unmet(f"{link.name} {inside(name)} is not a veth device")
        ends = ((one, found, other, peer), (other, peer, one, found))
        if not all(_leads_to(kernel, *end) for end in ends):
            raise Unmet(f"{near} {inside(one)} and {far} {inside(other)} are not two ends of one pair")

    return ask


def _leads_to(kernel: Kernel, name: str, link: Link, other: str, far: Link) -> bool:
    """Tell whether the other end of a veth device is this link: an index means something in one namespace only."""
    place = link.body.get("IFLA_LINK_NETNSID")  # absent if the other end is in the same namespace
    return place is not None and link.body.get("IFLA_LINK") == far.index and place == kernel.at(name).net.nsid(kernel.at(other))


def address(name: str, link: str, text: str) -> Question:
    """Ask whether a link has an address with this prefix length."""

    def ask(kernel: Kernel) -> None:
        found = [str(one) for one in kernel.at(name).net.addresses(kernel.link(name, link), uapi.AF_INET)]
        if text not in found:
            raise Unmet(f"{link} {inside(name)} has {' and '.join(found) or 'no IPv4 address'}")

    return ask


def port_of(name: str, bridge: str, *ports: str) -> Question:
    """Ask whether links are ports of a bridge that is up."""

    def ask(kernel: Kernel) -> None:
        found = kernel.link(name, bridge)
        if found.kind != "bridge":
            raise Unmet(f"{bridge} {inside(name)} is not a bridge")
        if not found.up:
            raise Unmet(f"{bridge} {inside(name)} is down")
        for port in ports:
            if kernel.link(name, port).master != found.index:
                raise Unmet(f"{port} {inside(name)} is not a port of {bridge}")

    return ask


def tunnel(name: str, link: str, vni: int) -> Question:
    """Ask whether a link is a VXLAN device with this network identifier."""

    def ask(kernel: Kernel) -> None:
        found = kernel.link(name, link)
        if found.kind != "vxlan":
            raise Unmet(f"{link} {inside(name)} is not a VXLAN device")
        data = found.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA", {})
        if data.get("IFLA_VXLAN_ID") != vni:
            raise Unmet(f"{link} {inside(name)} has the identifier {data.get('IFLA_VXLAN_ID')}")

    return ask


def default_route(name: str, gateway: str) -> Question:
    """Ask whether the default route of IPv4 leads to a gateway."""

    def ask(kernel: Kernel) -> None:
        found = [one for one in kernel.at(name).net.routes(uapi.AF_INET) if one.destination == "default"]
        if not found:
            raise Unmet(f"{name} has no default route")
        if all(one.gateway != gateway for one in found):
            raise Unmet(f"the default route of {name} leads to {found[0].gateway}")

    return ask


def no_route(name: str, target: str) -> Question:
    """Ask whether a namespace has no route to an address."""

    def ask(kernel: Kernel) -> None:
        try:
            kernel.at(name).net.route_to(target)
        except OSError as error:
            if error.errno in (ENETUNREACH, EHOSTUNREACH):
                return
            raise
        raise Unmet(f"{name} has a route to {target}")

    return ask


def setting(name: str, key: str, value: str) -> Question:
    """Ask whether a setting below /proc/sys/net has a value."""

    def ask(kernel: Kernel) -> None:
        found = kernel.at(name).setting(key)
        if found != value:
            raise Unmet(f"{key} {inside(name)} is {found}")

    return ask


def of_kind(name: str, link: str, kind: str) -> Question:
    """Ask whether a link is of a kind, and up."""

    def ask(kernel: Kernel) -> None:
        found = kernel.link(name, link)
        if found.kind != kind:
            raise Unmet(f"{link} {inside(name)} is of the kind {found.kind}")
        if not found.up:
            raise Unmet(f"{link} {inside(name)} is down")

    return ask


# -- packets -----------------------------------------------------------------------------------------------------------------


def reaches(name: str, target: str) -> Question:
    """Ask whether an echo request is answered."""

    def ask(kernel: Kernel) -> None:
        try:
            answered = ping(kernel.at(name), target, timeout=max(ANSWER_SECONDS, kernel.patience)).received
        except SyscallError as error:
            raise Unmet(f"{target} cannot be reached from {name or 'here'}: {os.strerror(error.errno or 0)}") from None
        if not answered:
            raise Unmet(f"{target} does not answer")

    return ask


def separated(name: str, target: str) -> Question:
    """Ask whether an echo request is not answered."""

    def ask(kernel: Kernel) -> None:
        try:
            answered = ping(kernel.at(name), target, timeout=SILENCE_SECONDS).received
        except SyscallError:
            return
        if answered:
            raise Unmet(f"{target} still answers {name}")

    return ask


def resolved(name: str, target: str) -> Question:
    """Ask whether a namespace has learnt the link-layer address of a neighbour, as it does when it sends a packet to it."""

    def ask(kernel: Kernel) -> None:
        known = [one for one in kernel.at(name).net.neighbours(family=uapi.AF_INET) if one.address == target and one.lladdr]
        if not known:
            raise Unmet(f"no packet has been sent from {name} to {target} yet")

    return ask


def attempt(place: NetNS, target: str, port: int, seconds: float = SILENCE_SECONDS) -> socket.socket | int | None:
    """Connect to a TCP port from inside a namespace; return the socket, the errno of a refusal, or None if nothing answers."""
    sock = place.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(seconds)
    try:
        sock.connect((target, port))
        return sock
    except (TimeoutError, socket.timeout):
        sock.close()
        return None
    except OSError as error:
        sock.close()
        return error.errno or 0


OUTCOMES = {"connected": "connects", None: "gets no answer", ECONNREFUSED: "is refused", EHOSTUNREACH: "gets `No route to host`"}


def connecting(name: str, target: str, port: int, expected: str | int | None) -> Question:
    """Ask how an attempt to connect ends: ``"connected"``, the errno of a refusal, or None for silence."""

    def ask(kernel: Kernel) -> None:
        found: str | int | None = attempt_outcome(kernel.at(name), target, port, expected, kernel.patience)
        if found != expected:
            told = OUTCOMES.get(found) or f"fails with `{os.strerror(int(found or 0))}`"
            raise Unmet(f"a connection from {name} to port {port} {told}")

    return ask


def attempt_outcome(place: NetNS, target: str, port: int, expected: str | int | None, patience: float = 0.0) -> str | int | None:
    """Return how an attempt to connect ends; wait longer for an answer that is expected than for one that is not."""
    found = attempt(place, target, port, SILENCE_SECONDS if expected is None else max(ANSWER_SECONDS, patience))
    if isinstance(found, socket.socket):
        found.close()
        return "connected"
    return found


def seen_as(name: str, listener: str, target: str, port: int, source: str) -> Question:
    """Ask which source address a connection has for the host that accepts it."""

    def ask(kernel: Kernel) -> None:
        server = kernel.at(listener).socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            server.bind((target, port))
            server.listen(1)
            server.settimeout(ANSWER_SECONDS)
            client = attempt(kernel.at(name), target, port, ANSWER_SECONDS)
            if not isinstance(client, socket.socket):
                raise Unmet(f"{name} cannot connect to {target}")
            with client:
                accepted, (address, *_) = server.accept()
                accepted.close()
        finally:
            server.close()
        if address != source:
            raise Unmet(f"{listener} sees the source address {address}")

    return ask


# -- the view of a program -----------------------------------------------------------------------------------------------------


def prints(name: str, words: Sequence[str], expected: str, sentence: str) -> Question:
    """Ask whether a command prints a line with these words if `ip netns exec` runs it."""

    def ask(kernel: Kernel) -> None:
        import subprocess

        place = kernel.at(name)
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        done = place.run(words, mounts=True, timeout=30, **options)  # type: ignore[arg-type]
        if expected.encode().split() not in [line.split() for line in done.stdout.splitlines()]:
            raise Unmet(sentence)

    return ask


def marked(name: str, link: str) -> Question:
    """Ask whether a namespace contains a link."""

    def ask(kernel: Kernel) -> None:
        kernel.link(name, link)

    return ask


def container(hostname: str) -> Question:
    """Ask whether a process is the first one of user, mount, pid, uts and network namespaces of its own."""

    def ask(kernel: Kernel) -> None:
        kernel.wait(lambda: containers(hostname) != [], f"no process called {hostname} has all five namespaces of its own")

    return ask


def containers(hostname: str) -> list[int]:
    """Return the processes that are the first of five namespaces of their own, with a host name."""
    kinds = ("user", "mnt", "pid", "uts", "net")
    mine = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}
    found = []
    for pid in [int(entry) for entry in os.listdir("/proc")[:MAX_PROCESSES] if entry.isdecimal()]:
        try:
            own = all(os.readlink(f"/proc/{pid}/ns/{kind}") != mine[kind] for kind in kinds)
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
                inner = next((line.split()[-1] for line in status if line.startswith("NSpid:")), "")
        except OSError:  # it has ended, or belongs to another user
            continue
        if own and inner == "1" and _hostname(pid) == hostname:
            found.append(pid)
    return found


def _hostname(pid: int) -> str:
    """Return the host name in the UTS namespace of a process, found by a child that enters it."""
    from .. import syscalls

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for kind in ("user", "uts"):
                syscalls.setns(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0)
            os.write(writing, os.uname().nodename.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        name = pipe.read(256)
    os.waitpid(child, 0)
    return name.decode(errors="replace")
