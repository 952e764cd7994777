"""The article's story, as steps that really happen: what `rawns demo` tells.

Floor 7.  Two network namespaces, a cable, an address at each end, ping both ways, a chat over TCP, and clean-up.  Each
step does its part through the public names, checks that it happened, and says what it saw.
"""

from __future__ import annotations

import os
from time import perf_counter_ns

from .. import uapi
from ..chat import Peer, Room
from ..echo import ping
from ..errors import RawnsError
from ..net import NetNS
from ..netns import NETNS_DIR
from ..syscalls import Observer, mounts, observed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..syscalls import Event

ADDRESSES = ("10.0.0.1", "10.0.0.2")
PORT = 7777
TALK = {
    "Hello, is anybody there?": "Yes, at the other end of the cable.",
    "What did that take?": "unshare, setns, mount, and a few rtnetlink messages.",
    "And bytes over TCP. Goodbye!": "Goodbye!",
}  # what ns2 says, and what ns1 answers
PATIENCE = 5.0  # seconds for an answer that takes microseconds


class Broken(RawnsError):
    """A step did not happen as it should."""


class Step:
    """One step: its ``title``, the commands it replaces (``ip``), and once told its ``lines`` and cost."""

    def __init__(self, title: str, ip: tuple[str, ...], act: Callable[[Story], Iterator[str]]) -> None:
        self.title, self.ip, self._act = title, ip, act
        self.lines: list[str] = []
        self.events: list[Event] = []
        self.microseconds = 0.0

    def tell(self, story: Story) -> None:
        """Do it; raises `RawnsError` where it fails or did not really happen."""
        watcher = _Watcher(self.events)
        start = perf_counter_ns()
        with observed(watcher) if story.explain else _Unwatched():
            self.lines = list(self._act(story))
        self.microseconds = (perf_counter_ns() - start) / 1000


class _Watcher(Observer):
    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def after(self, event: Event) -> None:
        self._events.append(event)


class _Unwatched:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass


class Story:
    """The state between the steps.  As a context manager it cleans up whatever a broken story has left."""

    def __init__(self, explain: bool = False) -> None:
        self.explain = explain
        self.names = [_free("ns1"), _free("ns2")]
        self.namespaces: list[NetNS] = []
        with NetNS.create() as rehearsal:  # what is loaded late is loaded now, and costs no step anything
            rehearsal.call(rehearsal.net.links)
        self.before = _traces(self.names)

    def steps(self, keep: bool = False) -> list[Step]:
        """The story's steps, in order; without the clean-up where the result is to stay."""
        one, two = self.names
        inside = f"ip netns exec {one}", f"ip netns exec {two}"
        steps = [
            Step("Two computers: a network namespace each", (f"ip netns add {one}", f"ip netns add {two}"), _create),
            Step("Each is alone, with nothing but a loopback", tuple(f"{word} ip link" for word in inside), _look),
            Step("One cable, an end in each", (f"ip link add v1 netns {one} type veth peer name v2 netns {two}",), _plug),
            Step(
                "An address at each end",
                (f"ip -n {one} addr add {ADDRESSES[0]}/24 dev v1", f"ip -n {two} addr add {ADDRESSES[1]}/24 dev v2"),
                _address,
            ),
            Step(
                "Both ends switched on",
                tuple(f"ip -n {name} link set {link} up" for name, link in ((one, "v1"), (one, "lo"), (two, "v2"), (two, "lo"))),
                _raise,
            ),
            Step(f"{one} pings {two}", (f"{inside[0]} ping -c 1 {ADDRESSES[1]}",), lambda story: _ping(story, 0)),
            Step(f"{two} pings {one}", (f"{inside[1]} ping -c 1 {ADDRESSES[0]}",), lambda story: _ping(story, 1)),
            Step(
                "A chat over TCP, a thread in each",
                (f"{inside[0]} nc -l {ADDRESSES[0]} {PORT}", f"{inside[1]} nc {ADDRESSES[0]} {PORT}"),
                _chat,
            ),
        ]
        if keep:
            return steps
        return [
            *steps,
            Step("Clean-up; the cable goes with its ends", (f"ip netns del {one}", f"ip netns del {two}"), _delete),
            Step("Nothing is left", ("ip netns list", "ip link", "mount"), _prove),
        ]

    def __enter__(self) -> Story:
        return self

    def __exit__(self, *exc: object) -> None:
        while self.namespaces:
            namespace = self.namespaces.pop()
            try:
                namespace.delete()
            except RawnsError:
                namespace.close()

    def keep(self) -> None:
        """Let go of what was made without removing it."""
        while self.namespaces:
            self.namespaces.pop().close()


def _free(name: str) -> str:
    """``name``, or if it is taken one that this process alone would choose."""
    return f"{name}-{os.getpid()}" if os.path.lexists(f"{NETNS_DIR}/{name}") else name


# -- the steps -----------------------------------------------------------------------------------------------------


def _create(story: Story) -> Iterator[str]:
    for name in story.names:
        namespace = NetNS.create(name)
        story.namespaces.append(namespace)
        yield f"{NETNS_DIR}/{name} is net:[{namespace.identity[1]}]"
    if len({NetNS.current().identity, *[namespace.identity for namespace in story.namespaces]}) != 3:
        raise Broken("the two are not namespaces of their own")


def _look(story: Story) -> Iterator[str]:
    for namespace in story.namespaces:
        links = namespace.net.links()
        strangers = [link.name for link in links if link.up or link.kind == "veth"]
        if strangers:
            raise Broken(f"{namespace.name} is not alone: it has {', '.join(strangers)}")
        yield f"{namespace.name} sees {', '.join(link.name for link in links)}"


def _plug(story: Story) -> Iterator[str]:
    ns1, ns2 = story.namespaces
    ns1.net.add_veth("v1", peer="v2", peer_ns=ns2)
    ends = ns1.net.link("v1"), ns2.net.link("v2")
    if (ends[0].peer, ends[1].peer) != (ends[1].index, ends[0].index):
        raise Broken("v1 and v2 are not the two ends of one cable")
    for namespace, link in zip(story.namespaces, ends):
        yield f"{link.name} was born in {namespace.name}: index {link.index}, {link.address}"


def _address(story: Story) -> Iterator[str]:
    for namespace, link, address in zip(story.namespaces, ("v1", "v2"), ADDRESSES):
        namespace.net.add_address(link, f"{address}/24")
        found = [str(one) for one in namespace.net.addresses(link, uapi.AF_INET)]
        if found != [f"{address}/24"]:
            raise Broken(f"{link} has {found or 'no address'} and not {address}/24")
        yield f"{link} in {namespace.name} is {found[0]}"


def _raise(story: Story) -> Iterator[str]:
    for namespace, name in zip(story.namespaces, ("v1", "v2")):
        namespace.net.set_link(name, up=True)
        namespace.net.set_link("lo", up=True)
    for namespace, name in zip(story.namespaces, ("v1", "v2")):
        link = namespace.net.link(name)
        if not (link.up and link.carrier):
            raise Broken(f"{name} has no carrier")
        yield f"{name} is up and feels the other end"


def _ping(story: Story, number: int) -> Iterator[str]:
    figures = ping(story.namespaces[number], ADDRESSES[1 - number])
    if not figures.received:
        raise Broken(f"{ADDRESSES[1 - number]} does not answer")
    yield f"an answer from {ADDRESSES[1 - number]} after {figures.rtts[0] * 1e6:.0f} us"


def _chat(story: Story) -> Iterator[str]:
    """The room is a thread inside ns1, whoever talks to it a thread inside ns2."""
    ns1, ns2 = story.namespaces
    with Room(ns1, ADDRESSES[0], PORT) as room:
        room.said(lambda who, text: room.say(TALK.get(text, "Pardon?"), to=who))
        heard = ns2.call(_talk)
    for (said, answer), (back, microseconds) in zip(TALK.items(), heard):
        if back != answer:
            raise Broken(f"the answer to {said!r} was {back!r}")
        yield f"{ns2.name} > {said}"
        yield f"{ns1.name} > {answer:<56} {microseconds:.0f} us there and back"


def _talk() -> list[tuple[str | None, float]]:
    """Each line said, and for each what was heard and after how many microseconds."""
    heard = []
    with Peer(None, ADDRESSES[0], PORT, PATIENCE) as peer:
        for said in TALK:
            start = perf_counter_ns()
            peer.say(said)
            heard.append((peer.hear(PATIENCE), (perf_counter_ns() - start) / 1000))
    return heard


def _delete(story: Story) -> Iterator[str]:
    while story.namespaces:
        namespace = story.namespaces.pop()
        namespace.delete()
        yield f"{NETNS_DIR}/{namespace.name} is gone"


def _prove(story: Story) -> Iterator[str]:
    for what, left in _traces(story.names).items():
        left = [one for one in left if one not in story.before[what]]
        if left:
            raise Broken(f"{what} are left behind: {', '.join(left)}")
        yield f"no {what} of ours"


def _traces(names: list[str]) -> dict[str, list[str]]:
    """What a story could leave behind on this machine and in this process, and no other program would have made."""
    with NetNS.current() as here:
        links = [link.name for link in here.net.links("veth")]
    paths = [f"{NETNS_DIR}/{name}" for name in names]
    return {
        "names": [path for path in paths if os.path.lexists(path)],
        "mounts": [mount for mount in mounts() if mount in paths],
        "links": [name for name in links if name in ("v1", "v2")],
        "descriptors": os.listdir("/proc/self/fd"),
        "threads": os.listdir("/proc/self/task"),
    }
