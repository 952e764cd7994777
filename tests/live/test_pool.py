"""Namespaces created ahead of time: none is given twice, a fork shares none, and nothing is left at the end."""

from __future__ import annotations

import errno
import gc
import queue
import signal
import socket
import subprocess
import sys
import threading

import pytest

from rawns import InvalidValue, NetNS, Observer, Pool, RawnsError, SyscallError, observed

LONG = 30  # seconds; only a failing test waits so long
Identity = tuple[int, int]


class Recorder(Observer):
    """The calls this thread makes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._thread = threading.get_ident()

    def before(self, call: str, arguments: str) -> None:
        if threading.get_ident() == self._thread:
            self.calls.append(call)


class Refusing(Observer):
    """A kernel that makes no namespaces."""

    def before(self, call: str, arguments: str) -> None:
        if call == "unshare":
            raise OSError(errno.ENOSPC, "")


class Announced:
    """Tells of each namespace that it has been prepared, and keeps their identities."""

    def __init__(self) -> None:
        self.news: queue.Queue[Identity] = queue.Queue()

    def __call__(self, ns: NetNS) -> None:
        self.news.put(ns.identity)

    def next(self) -> Identity:
        return self.news.get(timeout=LONG)


def run(script: str) -> str:
    """What a Python of its own prints; it must end well, and silently."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


PREAMBLE = """
import atexit, os, sys
def held():
    "How many descriptors of network namespaces, and sockets, this process has."
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{fd}").startswith(("net:", "socket:"))
        except FileNotFoundError:
            pass
    return found
"""


def test_what_is_taken_was_ready_and_costs_no_system_call() -> None:
    with Pool(8) as pool:
        pool.fill()
        assert len(pool) == 8
        with observed(Recorder()) as recorder:
            taken = [pool.take() for _ in range(3)]
        assert isinstance(recorder, Recorder) and recorder.calls == []
        for ns in taken:
            assert ns.name is None and [link.name for link in ns.net.links()] == ["lo"]
            ns.close()


def test_what_is_taken_has_its_lo_up_where_that_was_wanted() -> None:
    with Pool(2, lo=True) as pool:
        pool.fill()
        for _ in range(3):  # those that were ready, and one made on the spot
            with pool.take() as ns:
                assert ns.net.link("lo").up
                with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.connect(("127.0.0.1", 7))


def test_what_is_taken_is_the_callers() -> None:
    with Pool(2) as pool:
        ns = pool.take()
    with ns:
        assert [link.name for link in ns.net.links()] == ["lo"]
    assert ns.fd == -1


def test_many_threads_at_once_never_get_the_same() -> None:
    taken: list[NetNS] = []
    begin = threading.Barrier(4)

    def rush() -> None:
        begin.wait()
        for _ in range(40):
            taken.append(pool.take())

    with Pool(16) as pool:
        threads = [threading.Thread(target=rush) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pool.fill()
        taken += [pool.take() for _ in range(16)]
        assert len({ns.identity for ns in taken}) == 4 * 40 + 16  # all of them alive: no number was given twice
    for ns in taken:
        ns.close()


def test_its_thread_replaces_what_is_taken() -> None:
    prepared = Announced()
    with Pool(2, prepare=prepared) as pool:
        first = {prepared.next(), prepared.next()}
        pool.fill()  # the second may have been announced, and not yet be in its place
        one, other = pool.take(), pool.take()
        assert {one.identity, other.identity} == first
        assert not first & {prepared.next(), prepared.next()}  # created before they were requested
        one.close()
        other.close()


def test_an_empty_one_lets_nobody_wait() -> None:
    busy, go_on, prepared = threading.Event(), threading.Event(), Announced()
    caller = threading.get_ident()

    def prepare(ns: NetNS) -> None:
        if threading.get_ident() != caller:
            busy.set()
            go_on.wait(LONG)
        prepared(ns)

    with Pool(1, prepare=prepare) as pool:
        assert busy.wait(LONG) and len(pool) == 0
        with pool.take() as ns:
            assert prepared.next() == ns.identity  # made by the caller, and made ready all the same
        go_on.set()


def test_it_never_holds_more_than_its_size() -> None:
    prepared: list[Identity] = []
    with Pool(3, prepare=lambda ns: prepared.append(ns.identity)) as pool:
        for _ in range(20):
            pool.fill()
            assert len(pool) == 3
            pool.take().close()
    assert len(pool) == 0


@pytest.mark.parametrize("size", [0, -1, True, 1 << 20, "8", 1.5, None])
def test_sizes_that_are_none(size: object) -> None:
    with pytest.raises(InvalidValue, match="the size of a pool must be a number from 1 to 4096"):
        Pool(size)  # type: ignore[arg-type]


def test_a_closed_one_gives_nothing() -> None:
    pool = Pool(2)
    pool.fill()
    pool.close()
    pool.close()
    assert len(pool) == 0 and repr(pool) == "<Pool: closed>"
    for use in (pool.take, pool.fill, pool.__enter__):
        with pytest.raises(RawnsError, match="^the pool is closed$"):
            use()


def test_one_that_is_dropped_ends_by_itself() -> None:
    pool = Pool(2)
    pool.fill()
    thread = next(one for one in threading.enumerate() if one.name == "rawns pool")
    del pool
    gc.collect()
    thread.join(LONG)
    assert not thread.is_alive()


# -- what goes wrong ----------------------------------------------------------------------------------------------------


def test_an_error_of_the_creation_is_raised_by_take() -> None:
    with observed(Refusing()):
        pool = Pool(2)
        with pytest.raises(SyscallError, match=r"unshare\(CLONE_NEWNET\): No space left") as caught:
            pool.take()
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(SyscallError):
            pool.fill()
    with pool:  # the limit is gone, and so is the trouble
        pool.take().close()
        pool.fill()
        assert len(pool) == 2


def test_an_error_of_prepare_is_raised_by_take_and_leaves_nothing() -> None:
    trouble, seen = [ValueError("no luck")], queue.Queue[int]()

    def prepare(ns: NetNS) -> None:
        seen.put(ns.fd)
        if trouble:
            raise trouble[0]

    with Pool(2, prepare=prepare) as pool:
        seen.get(timeout=LONG)
        with pytest.raises(ValueError, match="no luck"):
            pool.take()
        with pytest.raises(ValueError, match="no luck"):
            pool.fill()
        trouble.clear()
        pool.fill()
        assert len(pool) == 2


def test_descriptors_that_run_out() -> None:
    script = f"""{PREAMBLE}
import resource
from rawns import Pool
with Pool(4) as pool:
    pool.fill()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), hard))
    taken = []
    try:
        for _ in range(64):
            taken.append(pool.take())
    except OSError as error:
        print(type(error).__name__, error.code)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(len(taken) >= 4)
    pool.take().close()
    for ns in taken:
        ns.close()
print(held())
"""
    assert run(script).split() == ["SyscallError", "EMFILE", "True", "0"]


# -- fork, exit, signals ------------------------------------------------------------------------------------------------


def test_the_child_of_a_fork_has_none_of_its_parents() -> None:
    script = f"""{PREAMBLE}
from rawns import Pool
pool = Pool(4, lo=True)
pool.fill()
(here, there), (wait, go) = os.pipe(), os.pipe()
child = os.fork()
if not child:
    alone = held() == 0 and len(pool) == 0
    mine = [pool.take() for _ in range(8)]
    pool.fill()
    os.write(there, f"{{alone}} {{len(pool)}} {{' '.join(str(ns.identity[1]) for ns in mine)}}".encode())
    os.close(go)
    os.read(wait, 1)
    os._exit(0)
alone, ready, *theirs = os.read(here, 4096).decode().split()
mine = [str(pool.take().identity[1]) for _ in range(8)]
os.close(go)
os.waitpid(child, 0)
print(alone, ready, len(theirs), len({{*theirs, *mine}}))
"""
    assert run(script) == "True 4 8 16\n"


@pytest.mark.parametrize("how", ["lo=False", "lo=True", "prepare=lambda ns: ns.identity"])
def test_a_fork_while_the_thread_is_at_work(how: str) -> None:
    """Whatever it is in the middle of, the child holds no namespace, nor a socket of one, and can have its own."""
    script = f"""{PREAMBLE}
from rawns import Pool
with Pool(4, {how}) as pool:
    for number in range(60):
        while len(pool):
            pool.take().close()
        pool.take().close()  # the bell has rung
        child = os.fork()
        if not child:
            os._exit(0 if held() == 0 and pool.take().fd >= 0 else 1)
        assert os.waitpid(child, 0)[1] == 0, number
print(held())
"""
    assert run(script) == "0\n"


def test_exit_waits_for_nobody_and_drains() -> None:
    """A pool that has not been closed, and whose thread never ends."""
    script = f"""{PREAMBLE}
import threading
atexit.register(lambda: print(held()))  # after the pool's, which is registered later
from rawns import Pool
other = Pool(3)
other.fill()
stuck = threading.Event()
def prepare(ns):
    stuck.set()
    threading.Event().wait()
pool = Pool(2, prepare=prepare)
stuck.wait()
print(held())
"""
    assert run(script) == "4\n1\n"  # the one in the hands of the thread goes with the process


def test_its_thread_takes_no_signals_but_prepare_hears_them() -> None:
    masks: queue.Queue[set[int]] = queue.Queue()
    mine = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Pool(1, prepare=lambda ns: masks.put(signal.pthread_sigmask(signal.SIG_BLOCK, ()))) as pool:
        assert masks.get(timeout=LONG) == mine
        pool.fill()
        thread = next(one for one in threading.enumerate() if one.name == "rawns pool")
        with open(f"/proc/self/task/{thread.native_id}/status") as status:
            blocked = int(next(line.split()[1] for line in status if line.startswith("SigBlk:")), 16)
        assert blocked >> signal.SIGINT - 1 & 1 and blocked >> signal.SIGTERM - 1 & 1
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mine
