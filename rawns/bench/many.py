"""The implementations of cases in which very many namespaces are created, or several at the same time.

*Slots* are what a function platform creates in advance: a namespace for each function, joined to one of a few bridges, with a
tap for its virtual machine.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from time import perf_counter_ns

from .. import Lab, NetNS
from ..errors import RawnsError
from ..objects import address, link
from .harness import Each, Ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .harness import Steps, Trial

BRIDGES = 4
OTHERS = 1000  # namespaces beside which `TOGETHER` are created at the same time
TOGETHER = 30


def slot_address(number: int) -> str:
    """Return the address of a slot's interface, with its prefix length."""
    bridge, place = number % BRIDGES, number // BRIDGES
    return f"10.{bridge}.{place // 250}.{place % 250 + 1}/16"


def slots(trial: Trial) -> Steps:
    """Build ``n`` slots as a `Lab`."""
    with Lab("slots") as lab:
        bridges = [lab.bridge(f"br{number}", ipv6=False) for number in range(BRIDGES)]
        for number in range(trial.n):
            host = lab.netns()
            port = bridges[number % BRIDGES].port(ipv6=False)
            lab.wire(port, host.port("eth0", slot_address(number), ipv6=False))
            host.tap("tap0", ipv6=False)
        yield "description"
        lab.up()
        yield "lab.up"
        yield Ready([host.fd for host in lab.hosts])
        lab.down()
        yield "lab.down"


@contextmanager
def descriptors(trial: Trial) -> Iterator[None]:
    """Allow this process a few descriptors for each of ``n`` namespaces.  Raises `RawnsError` if the limit forbids it."""
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 4 * trial.n + 1024  # C keeps a socket in each, and the bench opens each once more
    if most != resource.RLIM_INFINITY and most < needed:
        raise RawnsError(f"{trial.n} namespaces need {needed} descriptors, and the limit is {most}: ulimit -Hn {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before, needed), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


# -- several at the same time ----------------------------------------------------------------------------------------


@contextmanager
def beside_others(trial: Trial) -> Iterator[None]:
    """Prepare namespaces that are not used, and one to which all new ones are wired."""
    with descriptors(trial):
        others: list[NetNS] = []
        try:
            for _ in range(OTHERS + 1):
                others.append(NetNS.create())
            trial.prepared["hub"] = others[0]
            yield
        finally:
            for ns in others:
                ns.close()


def _create_wired(hub: int, number: int) -> tuple[NetNS, int]:
    """Create a namespace, wire it to another and give it an address; return it and the nanoseconds that this took."""
    start = perf_counter_ns()
    ns = NetNS.create()
    far = {"netns_fd": hub, "txqueues": 1, "rxqueues": 1}
    pair = link.veth("eth0", f"p{number}", far, up=True, index=2, txqueues=1, rxqueues=1)
    ns.net.do(link.change(1, up=True), pair, address.new(2, f"10.0.0.{number + 1}/24"))
    return ns, perf_counter_ns() - start


def from_threads(trial: Trial) -> Steps:
    """Create ``n`` wired namespaces at the same time, each on a thread of its own."""
    hub, begin = trial.prepared["hub"].fileno(), threading.Barrier(trial.n + 1)
    found: dict[int, tuple[NetNS, int]] = {}
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            begin.wait()
            found[number] = _create_wired(hub, number)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(trial.n)]
    for thread in threads:
        thread.start()
    yield None
    begin.wait()
    for thread in threads:
        thread.join()
    try:
        if failures:
            raise failures[0]
        yield "all"
        made = [found[number] for number in range(trial.n)]
        yield Each("each", [spent for _, spent in made])
        yield Ready([ns.fileno() for ns, _ in made])
    finally:
        for ns, _ in found.values():
            ns.close()
    yield "closed"


def from_processes(trial: Trial) -> Steps:
    """Create ``n`` wired namespaces at the same time, each in a process of its own."""
    hub, (begin, go), (answers, answer), (end, hold) = trial.prepared["hub"].fileno(), os.pipe(), os.pipe(), os.pipe()
    pids: list[int] = []
    try:
        for number in range(trial.n):
            pid = os.fork()
            if pid == 0:
                _child(hub, number, begin, answer, end, (go, hold))
            pids.append(pid)
        yield None
        os.write(go, b"g" * trial.n)
        found: list[tuple[int, ...]] = []
        while len(found) < trial.n:  # a line is written at once, so none is torn
            found += [tuple(map(int, line.split())) for line in os.read(answers, 65536).decode().splitlines()]
        found.sort(key=lambda one: pids.index(one[0]))
        yield "all"
        if any(fd < 0 for _, fd, _ in found):
            raise RawnsError("a process could not create its namespace")
        yield Each("each", [spent for _, _, spent in found])
        opened = [NetNS.open(f"/proc/{pid}/fd/{fd}") for pid, fd, _ in found]
        yield Ready([ns.fileno() for ns in opened])
        for ns in opened:
            ns.close()
    finally:
        for fd in (go, hold):  # the processes end
            os.close(fd)
        for pid in pids:
            os.waitpid(pid, 0)
        for fd in (begin, answers, answer, end):
            os.close(fd)
    yield "closed"


def _child(hub: int, number: int, begin: int, answer: int, end: int, unused: tuple[int, int]) -> None:
    """Create one when there is a byte to read in ``begin``, say so in ``answer``, and keep it until ``end`` is closed."""
    try:
        for fd in unused:
            os.close(fd)
        if os.read(begin, 1):
            try:
                ns, spent = _create_wired(hub, number)
                os.write(answer, f"{os.getpid()} {ns.fileno()} {spent}\n".encode())
            except Exception:
                os.write(answer, f"{os.getpid()} -1 0\n".encode())
            os.read(end, 1)
    finally:
        os._exit(0)
