"""The baseline: the cases in plain C."""

from __future__ import annotations

import os
from itertools import count

from ...lab.stamp import Stamp, group
from ..harness import BASELINE, Each, Implementation, Ready
from ..many import BRIDGES
from . import c_library
from .source import PeerSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ... import NetNS
    from ..harness import Run, Steps, Trial

PORTS = count(30000)
ONE_QUEUE, NO_IPV6, TWO_THREADS, BY_GROUP, BRIDGE_FIRST = 1, 2, 4, 8, 16  # as in baseline.c


def mark(lab: str, host: str = "") -> str:
    """Return the stamp that a lab writes on a namespace; the token of its process has any value."""
    return str(Stamp(lab, "0123456789abcdef", host=host))


class PlainC:
    """The cases in plain C, ``baseline.c``."""

    def __init__(self, library: Any) -> None:
        self.c = library

    def anonymous(self, trial: Trial) -> Steps:
        """Create a namespace and open a netlink socket in it."""
        self.c.create(0, None)
        yield "create"
        self.c.socket(0)
        yield "socket"
        yield Ready([self.c.fd(0)])
        self.c.delete(0, None)
        yield "close"

    def named(self, trial: Trial) -> Steps:
        """Create a namespace with a name, and delete it."""
        self.c.create(0, trial.names[0])
        yield "create"
        yield Ready([trial.names[0]])
        self.c.delete(0, trial.names[0])
        yield "delete"

    def verbs(self, trial: Trial) -> Steps:
        """Build two namespaces and a veth pair, one message for each step."""
        yield from self._two_namespaces()
        self.c.pair(0, 1)
        yield "pair, created in place"
        yield from self._rest(2, 2)

    def _two_namespaces(self) -> Steps:
        """Create two namespaces, and open a netlink socket in each."""
        for number in (0, 1):
            self.c.create(number, None)
        yield "two namespaces"
        for number in (0, 1):
            self.c.socket(number)
        yield "netlink sockets"

    def _rest(self, near: int, far: int) -> Steps:
        """Add addresses and a route, set the links up, and delete the namespaces."""
        c = self.c
        c.address(0, near, "10.0.0.1", 24)
        c.address(1, far, "10.0.0.2", 24)
        yield "addresses"
        c.up(0, near)
        c.up(1, far)
        yield "up"
        c.up(0, 1)
        c.up(1, 1)
        yield "lo up"
        c.route(0, "10.7.0.0", 16, "10.0.0.2")
        yield "route"
        yield Ready([c.fd(0), c.fd(1)])
        c.delete(1, None)
        c.delete(0, None)
        yield "close"

    def moved(self, trial: Trial) -> Steps:
        """Create the pair in the current namespace and move both ends."""
        c, near, far = self.c, trial.near, trial.far
        yield from self._two_namespaces()
        c.moved_pair(2, near, far)
        yield "pair, created here"
        indexes = c.move(2, near, 0, "v1"), c.move(2, far, 1, "v2")
        c.home_close(2)
        yield "both ends moved"
        yield from self._rest(*indexes)

    def article(self, trial: Trial) -> Steps:
        """Build the article: one datagram of messages to each namespace."""
        marks = mark("article", "ns1"), mark("article", "ns2")
        self.c.lab_up(*trial.names, *marks, "rawns lab=article ns1:v1=ns2:v2", group("article"))
        yield "up"
        yield Ready(trial.names)
        self.c.lab_down(*trial.names)
        yield "down"

    def same(self, trial: Trial) -> Steps:
        """Run the article with all system calls that rawns makes."""
        self.c.same_calls(1)
        try:
            yield from self.article(trial)
        finally:
            self.c.same_calls(0)

    def straight(self, trial: Trial) -> Steps:
        """Build the article with a pair that is created in the current namespace and moved."""
        c, near, far = self.c, trial.near, trial.far
        for number, name in enumerate(trial.names):
            c.create(number, name)
            c.socket(number)
        yield "two namespaces"
        c.moved_pair(2, near, far)
        yield "pair, created here"
        one, two = c.move(2, near, 0, "v1"), c.move(2, far, 1, "v2")
        c.home_close(2)
        yield "both ends moved"
        c.address(0, one, "10.0.0.1", 24)
        c.address(1, two, "10.0.0.2", 24)
        yield "addresses"
        for number, index in ((0, one), (1, two)):
            c.up(number, index)
            c.up(number, 1)
        yield "up"
        yield Ready(trial.names)
        c.lab_down(*trial.names)
        yield "delete"

    def enter(self, trial: Trial) -> Steps:
        """Enter a namespace and return, ``repeat`` times."""
        number = self._adopt(trial.prepared["one"])
        for _ in range(trial.repeat):
            self.c.enter(number)
        yield "setns and back"
        self.c.delete(number, None)
        yield None

    def _adopt(self, ns: NetNS, number: int = 5) -> int:
        """Give C a duplicate of a prepared namespace's descriptor; ``delete`` closes it."""
        self.c.adopt(number, os.dup(ns.fd))
        return number

    def execute(self, mounts: bool) -> Run:
        """Return an implementation that runs ``true`` in a namespace, with or without the mounts of ``ip netns exec``."""

        def run_steps(trial: Trial) -> Steps:
            number = self._adopt(trial.prepared["one"])
            yield None
            self.c.exec(number, trial.prepared["true"], mounts)
            yield "fork, exec, exit"
            self.c.delete(number, None)
            yield None

        return run_steps

    def packet(self, trial: Trial) -> Steps:
        """Send the first two pings over a new veth pair."""
        c = self.c
        c.lab_up(None, None, mark("packet"), mark("packet"), "rawns lab=packet", group("packet"))
        yield None
        c.ping(0, "10.0.0.2")
        yield "the first"
        c.ping(0, "10.0.0.2")
        yield "the second"
        c.delete(0, None)
        c.delete(1, None)
        yield None

    def chat(self, trial: Trial) -> Steps:
        """Send lines to an echo server on a thread and wait for each to come back."""
        c, (near, far) = self.c, trial.prepared["processors"]
        one, two = self._adopt(trial.prepared["one"], 5), self._adopt(trial.prepared["two"], 6)
        before = os.sched_getaffinity(0)
        c.chat_serve(one, "10.0.0.1", next(PORTS), far)
        try:
            if near >= 0:
                os.sched_setaffinity(0, {near})
            c.chat_connect(two)
            yield None
            c.chat_rounds(trial.repeat, 16)
            yield "round trip"
        finally:
            c.chat_close()
            os.sched_setaffinity(0, before)
            c.delete(one, None)
            c.delete(two, None)
        yield None

    def connect(self, trial: Trial) -> Steps:
        """Connect to a server in another namespace."""
        c = self.c
        one, two = self._adopt(trial.prepared["one"], 5), self._adopt(trial.prepared["two"], 6)
        c.chat_serve(one, "10.0.0.1", next(PORTS), -1)
        yield None
        c.chat_connect(two)
        yield "connect"
        c.chat_close()
        c.delete(one, None)
        c.delete(two, None)
        yield None

    def star(self, flags: int) -> Run:
        """Return an implementation that builds a star of ``n`` hosts; ``flags`` choose the order and the state."""

        def run_steps(trial: Trial) -> Steps:
            c = self.c
            c.star_up(trial.n, flags, "star", mark("star"), mark("star", "br0"), group("star"))
            yield "up"
            yield Ready([c.fd(number) for number in range(trial.n + 1)])
            c.star_down(trial.n)
            yield "down"

        return run_steps

    def slots(self, threads: int) -> Run:
        """Return an implementation that builds ``n`` slots on so many threads."""

        def run_steps(trial: Trial) -> Steps:
            c = self.c
            bridge_mark = mark("slots", "br0").replace("br0", "br%d")
            c.slots_up(trial.n, threads, "slots", mark("slots"), bridge_mark, group("slots"))
            yield "up"
            yield Ready([c.fd(number) for number in range(trial.n + BRIDGES)])
            c.slots_down(trial.n)
            yield "down"

        return run_steps

    def together(self, trial: Trial) -> Steps:
        """Create ``n`` wired namespaces at the same time, each on a thread of its own."""
        c = self.c
        c.together(trial.n, trial.prepared["hub"].fileno())
        yield "all"
        yield Each("each", [c.together_spent(number) for number in range(trial.n)])
        yield Ready([c.fd(number) for number in range(trial.n)])
        c.star_down(trial.n - 1)
        yield "closed"

    def many(self, threads: int) -> Run:
        """Return an implementation that creates ``n`` namespaces on so many threads."""

        def run_steps(trial: Trial) -> Steps:
            c = self.c
            c.create_many(trial.n, threads)
            yield f"{trial.n} created"
            yield Ready([c.fd(number) for number in range(trial.n)])
            c.star_down(trial.n - 1)
            yield "closed"

        return run_steps

    def one_more(self, trial: Trial) -> Steps:
        """Create one namespace beside those that the case has prepared."""
        self.c.create(0, None)
        yield "create"
        yield Ready([self.c.fd(0)])
        self.c.delete(0, None)
        yield "close"


_library: c_library.CLibrary | None = None


def find() -> str:
    """Compile and load the C library; return its version.  Raises `PeerMissing`."""
    global _library
    _library = c_library.CLibrary()
    return f"{c_library.compiler_version()}, {_library.how}"


def implementations(case: str, version: str) -> list[Implementation]:
    """Return the implementations for a case."""
    c = PlainC(_library)
    kind, _, size = case.partition("-")

    def one(name: str, run: Run, differences: tuple[str, ...] = (), note: str = "") -> Implementation:
        return Implementation(name, run, BASELINE, version, differences, note)

    simple: dict[str, Run] = {
        "anonymous": c.anonymous, "named": c.named, "verbs": c.verbs, "moved": c.moved, "enter": c.enter, "packet": c.packet,
        "chat": c.chat, "connect": c.connect, "beside": c.one_more, "exec": c.execute(False), "mounts": c.execute(True),
    }  # fmt: skip
    if kind in simple:
        return [one("C", simple[kind])]
    if kind == "slots":
        return [one("C", c.slots(1)), one("C, two threads", c.slots(2))]
    if case == "together-threads":
        return [one("C, threads", c.together)]
    if kind in ("threads", "creations"):
        return [one(f"C, {size} thread{'s' * (size != '1')}", c.many(int(size)))]
    if kind == "article":
        note = "the pair is created in the current namespace and both ends are moved"
        best, same = one("C, best order", c.article), one("C, same calls", c.same)
        return [best, same, one("C, straight", c.straight, ("stamp", "queues"), note)]
    if kind == "star":
        less, stamp = ONE_QUEUE | NO_IPV6 | BY_GROUP, ("stamp",)
        note = "no IPv6 and no alias on the bridge's ports, all ports set up by one message for their group"
        return [
            one("C, best order", c.star(ONE_QUEUE)),
            one("C, kernel's queues", c.star(0), ("queues",), "a queue for each processor, at both ends"),
            one("C, bridge up first", c.star(ONE_QUEUE | BRIDGE_FIRST)),
            one("C, less state", c.star(less), stamp, note),
            one("C, less state, two threads", c.star(less | TWO_THREADS), stamp, note),
        ]
    return []


SOURCE = PeerSource("C", find, implementations)
