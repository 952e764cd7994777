"""Threads that enter network namespaces: overlapping blocks, threads that cannot return, limits of threads and processes."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys

import pytest

from rawns import NetNS, Observer, RawnsError, observed
from rawns.threads import call_on_thread

HERE = "/proc/thread-self/ns/net"


def here() -> int:
    """The inode of the namespace that the calling thread is in, without the library."""
    return os.stat(HERE).st_ino


def python(script: str, *argv: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run([*prefix, sys.executable, "-c", script, *argv], capture_output=True, text=True, timeout=60)


# -- overlapping blocks ---------------------------------------------------------------------------------------------


def test_blocks_of_two_coroutines_that_overlap_are_noticed() -> None:
    home = here()

    async def visit(ns: NetNS, entered: asyncio.Event, leave: asyncio.Event) -> None:
        with ns.entered():
            entered.set()
            await leave.wait()

    async def both(one: NetNS, two: NetNS) -> list[BaseException | None]:
        entered, leave = [asyncio.Event(), asyncio.Event()], [asyncio.Event(), asyncio.Event()]
        first = asyncio.ensure_future(visit(one, entered[0], leave[0]))
        await entered[0].wait()
        second = asyncio.ensure_future(visit(two, entered[1], leave[1]))
        await entered[1].wait()
        leave[0].set()
        await asyncio.wait([first])
        after_first = here()
        leave[1].set()
        await asyncio.wait([second])
        assert after_first == here() == home
        return [first.exception(), second.exception()]

    with NetNS.create() as one, NetNS.create() as two:
        before = os.listdir("/proc/self/fd")
        for error in asyncio.run(both(one, two)):
            assert isinstance(error, RawnsError) and "left the network namespace during the block" in str(error)
        with one.entered():  # and the next block is a good one again
            pass
        assert len(os.listdir("/proc/self/fd")) == len(before) and here() == home


@pytest.mark.parametrize("same", [True, False], ids=["the same namespace twice", "two namespaces"])
def test_a_block_that_ends_elsewhere_goes_back_to_where_the_outermost_began(same: bool) -> None:
    home = here()
    with NetNS.create() as one, NetNS.create() as two:
        first, second = one.entered(), (one if same else two).entered()
        first.__enter__()
        second.__enter__()
        if same:  # the first is where it should be; the second is not any more
            first.__exit__(None, None, None)
        else:
            with pytest.raises(RawnsError, match="left the network namespace"):
                first.__exit__(None, None, None)
        assert here() == home
        with pytest.raises(RawnsError, match="left the network namespace"):
            second.__exit__(None, None, None)
        assert here() == home


def test_blocks_that_nest_are_left_alone_also_in_an_event_loop() -> None:
    home = here()

    async def nested(one: NetNS, two: NetNS) -> None:
        with one.entered():
            inode = here()
            with two.entered():
                assert here() not in (inode, home)
            assert here() == inode
        assert here() == home

    with NetNS.create() as one, NetNS.create() as two:
        asyncio.run(nested(one, two))


def test_an_error_in_the_block_is_kept_beside_that_of_its_end() -> None:
    with NetNS.create() as one, NetNS.create() as two:
        with pytest.raises(RawnsError, match="left the network namespace") as caught, one.entered():
            two.enter()
            raise KeyError("mine")
        assert isinstance(caught.value.__context__, KeyError)


# -- threads that cannot return -------------------------------------------------------------------------------------

STRANDED = """
import errno, sys, threading
from rawns import NamespaceRestoreError, NetNS, Observer, Pool, RawnsError, observed

class NoWayBack(Observer):
    def before(self, call, arguments):
        self.calls = [*getattr(self, "calls", []), call]
        if call == "setns" and self.calls.count("setns") % 3 == 0:  # the first proves that the thread may return
            raise OSError(errno.EPERM, "")

def visit():
    with ns.entered():
        pass
    print("went on")

ns = NetNS.create()
with observed(NoWayBack()):
    HOW
print("the main thread goes on")
"""
SENTENCE = "this thread cannot return to its network namespace: setns("


@pytest.mark.parametrize(
    "how, status, goes_on",
    [
        ("visit()", 1, False),
        ("thread = threading.Thread(target=visit); thread.start(); thread.join()", 0, True),
        ("import _thread; lock = _thread.allocate_lock(); lock.acquire(); _thread.start_new_thread(visit, ()); import time\n"
         "    while len(__import__('os').listdir('/proc/self/task')) > 1: time.sleep(0)", 0, True),
        ("import asyncio; asyncio.run(asyncio.to_thread(visit))", 1, False),
        ("block = ns.entered(); block.__enter__(); del block; visit()", 1, False),
    ],
    ids=["main", "thread", "_thread", "to_thread", "released"],
)  # fmt: skip
def test_a_thread_that_cannot_return_ends_with_a_sentence(how: str, status: int, goes_on: bool) -> None:
    done = python(STRANDED.replace("HOW", how))
    assert done.returncode == status and "Traceback" not in done.stderr and "Fatal" not in done.stderr, done.stderr
    assert all(line.startswith(SENTENCE) and "(EPERM)" in line for line in done.stderr.splitlines()) and done.stderr
    assert done.stdout == ("the main thread goes on\n" if goes_on else "")


def test_a_thread_of_ours_that_cannot_return_is_an_error_of_the_call() -> None:
    class NoWayBack(Observer):
        setns = 0

        def before(self, call: str, arguments: str) -> None:
            if call == "setns":
                self.setns += 1
                if self.setns == 3:
                    raise OSError(errno.EPERM, "")

    went_on = []

    def visit(ns: NetNS) -> None:
        with observed(NoWayBack()), ns.entered():
            pass
        went_on.append(True)

    home = here()
    with NetNS.create() as ns, pytest.raises(RawnsError, match="cannot return to its network namespace.*has not moved"):
        call_on_thread(visit, ns)
    assert not went_on and here() == home
