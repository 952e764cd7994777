"""What a contender is, what it plays in, and what a round of it yields.

Floor 7.  A contender is a name and a generator; between two of its yields lies a step::

    def play(scene):
        ns = NetNS.create(scene.names[0])
        yield "create"                      # the time since the generator went on is the step's
        yield Standing([scene.names[0]])    # not timed: it is looked at; what comes now takes it away
        ns.delete()
        yield "delete"
        yield None                          # not timed, whatever it was

What it has made it takes away itself, also where it is closed half way (``finally``).
"""

from __future__ import annotations

import os
import socket
from time import perf_counter_ns

from ..errors import RawnsError
from ..net import NetNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Any, Union

    from .cleanup_barrier import Fence

    Step = Union[str, "Standing", None]
    Play = Callable[["Scene"], Generator[Step, None, None]]
    Sample = list[tuple[str, str, int]]

MASK = ~(0x40 | 0x10000 | 0x100)  # IFF_RUNNING and IFF_LOWER_UP come later, by a worker; IFF_PROMISC is a bridge's business


class Standing:
    """What stands now: namespaces, by name or descriptor."""

    __slots__ = ("spaces",)

    def __init__(self, spaces: Iterable[str | int]) -> None:
        self.spaces = list(spaces)


class Scene:
    """What a contender plays with: two names nobody else has, how much (``n``), and how often (``times``)."""

    def __init__(self, n: int = 1, times: int = 1) -> None:
        self.n, self.times = n, times
        self.pid = os.getpid()
        self.names = (f"bench-{self.pid}-1", f"bench-{self.pid}-2")
        self.near, self.far = f"b{self.pid}n", f"b{self.pid}f"  # a pair's ends at home, where two benches might meet
        self.given: dict[str, Any] = {}  # what the case has made ready for all of them

    def sweep(self) -> None:
        """Take away what a contender that failed has left under our names, and of a pair that never left home."""
        with NetNS.current() as home:
            try:
                home.net.delete_link(self.near)
            except RawnsError:
                pass
        for name in self.names:
            try:
                NetNS.remove(name)
            except RawnsError:
                pass


class Contender:
    """``lacks`` says in which ways its state differs on purpose: ``stamp`` (of a lab), ``lo``, ``queues``,
    ``names`` (of links); it is reported."""

    def __init__(
        self, name: str, play: Play, version: str = "", lacks: Sequence[str] = (), note: str = "", most: int = 1 << 30
    ) -> None:
        self.name, self.play, self.version, self.lacks, self.note = name, play, version, tuple(lacks), note
        self.most = most  # the largest n that it is asked to do
        self.failed: str | None = None
        self.state: Any = None


class Absent:
    """A contender that is not here, and why."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why


class Case:
    """What is contended in.  ``floor`` is whom the others are compared with; ``share`` of the rounds is what it takes."""

    def __init__(
        self, name: str, title: str, contenders: Sequence[Contender | Absent], n: int = 1, times: int = 1, share: float = 1.0,
        quick: bool = False, floor: str | None = None, context: Callable[[Scene], Any] | None = None,
    ) -> None:  # fmt: skip
        self.name, self.title, self.n, self.times, self.share, self.quick = name, title, n, times, share, quick
        self.contenders = [one for one in contenders if isinstance(one, Contender) and one.most >= n]
        self.absent = [one for one in contenders if isinstance(one, Absent)]
        self.floor, self.context = floor, context


def play(contender: Contender, scene: Scene, fence: Fence, look: bool) -> Sample:
    """One round: its steps with their nanoseconds, divided by how often each was done.  The fence is waited for.

    With ``look`` what stands is remembered (`Contender.state`).
    """
    sample: Sample = []
    standing, phase, ended = False, "all", 0
    steps = contender.play(scene)
    try:
        while True:
            start = perf_counter_ns()
            step = next(steps, ...)
            ended = perf_counter_ns()
            if step is ...:
                break
            if isinstance(step, Standing):
                sample = [("up", name, spent) for _, name, spent in sample]
                standing, phase = True, "down"
                if look:
                    contender.state = state(step.spaces)
                fence.watch(step.spaces)
            elif isinstance(step, str):
                sample.append((phase, step, (ended - start) // scene.times))
    finally:
        steps.close()
    fence.wait()
    if standing:
        sample.append(("gone", "kernel lets go", perf_counter_ns() - ended))
    return sample


# -- what stands ----------------------------------------------------------------------------------------------------


def opened(space: str | int) -> NetNS:
    return NetNS.open(space) if isinstance(space, str) else NetNS.open(fd=space)


def state(spaces: Iterable[str | int]) -> list[Any]:
    """What is in each namespace.  (MAC addresses are the kernel's dice, and so are IPv6 addresses made of them.)"""
    return [_inside(space) for space in spaces]


def _inside(space: str | int) -> dict[str, Any]:
    with opened(space) as ns:
        links = ns.net.links()
        names = {link.index: link.name for link in links}
        addresses = [
            (names.get(one.index), str(one), one.body.get("IFA_PROTO", 0)) for one in ns.net.addresses() if ":" not in str(one)
        ]
        routes = sorted((str(one), one.gateway, names.get(one.index)) for one in _routes(ns))
        return {
            "links": {one.name: _link(one, names) for one in links},
            "addresses": sorted(addresses, key=str),
            "routes": sorted(routes, key=str),
        }


def _routes(ns: NetNS) -> list[Any]:
    try:
        return ns.net.routes(family=socket.AF_INET)
    except FileNotFoundError:  # "FIB table does not exist": it is made with the first route
        return []


def _link(link: Any, names: dict[int, str]) -> dict[str, Any]:
    told = {"kind": link.kind, "mtu": link.mtu, "flags": link.flags & MASK, "master": names.get(link.master)}
    alias = " ".join(word for word in (link.alias or "").split() if not word.startswith("by="))
    return {**told, "group": link.group, "alias": alias, "queues": link.body.get("IFLA_NUM_TX_QUEUES")}


def reduced(there: list[Any], lacks: Iterable[str]) -> list[Any]:
    """A state without what somebody's lacks by his own account."""
    lacks = set(lacks)
    return [_reduced(one, lacks) for one in there]


def _first(here: Any, there: Any) -> str:
    """The first thing in which two lists, or two dictionaries, are not the same."""
    if isinstance(here, dict):
        here, there = ([(key, one[key]) for key in sorted(one)] for one in (here, there))
    for one, other in zip(here, there):
        if one != other:
            return f"{one} instead of {other}"
    return f"{len(here)} instead of {len(there)}"


def _reduced(there: dict[str, Any], lacks: set[str]) -> dict[str, Any]:
    links = {name: dict(link) for name, link in there["links"].items() if not (name == "lo" and "lo" in lacks)}
    addresses, stamped = there["addresses"], "stamp" not in lacks
    for link in links.values():
        if not stamped:
            link["alias"] = link["group"] = None
        if "queues" in lacks:
            link["queues"] = None
    kept = [
        (name, text, protocol if stamped else 0) for name, text, protocol in addresses if not (name == "lo" and "lo" in lacks)
    ]
    told: Any = sorted(links.values(), key=str) if "names" in lacks else links
    return {"links": told, "addresses": kept, "routes": there["routes"]}


def unequal(mine: list[Any], others: list[Any], lacks: Iterable[str]) -> str:
    """What is not the same, in words; empty where all is."""
    one, other = reduced(mine, lacks), reduced(others, lacks)
    if len(one) != len(other):
        return f"{len(one)} namespaces instead of {len(other)}"
    for number, (here, there) in enumerate(zip(one, other)):
        for key in there:
            if here[key] != there[key]:
                return f"{key} of namespace {number + 1}: {_first(here[key], there[key])}"
    return ""
