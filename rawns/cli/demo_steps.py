"""The article's story, as steps that really happen: what `rawns demo` tells.

Floor 7.  Two network namespaces, a cable, an address at each end, ping both ways, a chat over TCP, and clean-up.  Each
step does its part through the public names, checks that it happened, and says what it saw: as lines for people, and as
``facts``, numbers and names, for programs.
"""

from __future__ import annotations

import os
from time import perf_counter_ns

from .. import rtnl, uapi
from ..chat import Peer, Room
from ..errors import RawnsError
from ..icmp import ping
from ..names import NETNS_DIR
from ..net import NetNS
from ..nlmsg import Request
from ..objects import link as links
from ..objects.link import Link
from ..syscalls import Observer, observed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..objects.link import Ref
    from ..syscalls import Event

    Facts = dict[str, Any]
    Act = Callable[["Story", Facts], Iterator[str]]

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
    """One step: its ``title``, the commands it replaces (``ip``), and once told its ``lines``, ``facts`` and cost.

    Titles and commands are written with ``{one}`` and ``{two}`` for the names, which the first step may have to change.
    """

    def __init__(self, names: list[str], title: str, ip: tuple[str, ...], act: Act) -> None:
        self._names, self._title, self._ip, self._act = names, title, ip, act
        self.lines: list[str] = []
        self.facts: Facts = {}
        self.events: list[Event] = []
        self.microseconds = 0.0

    @property
    def title(self) -> str:
        return self._named(self._title)

    @property
    def ip(self) -> list[str]:
        return [self._named(command) for command in self._ip]

    def _named(self, text: str) -> str:
        one, two = self._names
        return text.format(one=one, two=two)

    def tell(self, story: Story) -> None:
        """Do it; raises `RawnsError` where it fails or did not really happen."""
        watcher = _Watcher(self.events)
        start = perf_counter_ns()
        with observed(watcher) if story.explain else _Unwatched():
            self.lines = list(self._act(story, self.facts))
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
        self.names = ["ns1", "ns2"]  # `_create` changes the one that is taken
        self.namespaces: list[NetNS] = []
        self.ends: list[Link] = []
        self.witnesses: dict[str, NetNS] = {}  # descriptors of what is deleted, by name, so that it can be looked for
        with NetNS.create() as rehearsal:  # what is loaded late is loaded now, and costs no step anything
            rehearsal.call(rehearsal.net.links)
        self.descriptors, self.threads = _listed("fd"), _listed("task")

    def steps(self, keep: bool = False) -> list[Step]:
        """The story's steps, in order; without the clean-up where the result is to stay."""
        told = STEPS if keep else STEPS + CLEAN_UP
        return [Step(self.names, *step) for step in told]

    def __enter__(self) -> Story:
        return self

    def __exit__(self, *exc: object) -> None:
        while self.namespaces:
            namespace = self.namespaces.pop()
            try:
                namespace.delete()
            except RawnsError:
                namespace.close()
        while self.witnesses:
            self.witnesses.popitem()[1].close()

    def keep(self) -> None:
        """Let go of what was made without removing it."""
        while self.namespaces:
            self.namespaces.pop().close()


# -- the steps -----------------------------------------------------------------------------------------------------


def _create(story: Story, facts: Facts) -> Iterator[str]:
    facts["namespaces"] = []
    for number, name in enumerate(story.names):
        namespace = _named(name)
        story.namespaces.append(namespace)
        story.names[number] = name = namespace.name or name
        facts["namespaces"].append({"name": name, "path": f"{NETNS_DIR}/{name}", "inode": namespace.identity[1]})
        yield f"{NETNS_DIR}/{name} is net:[{namespace.identity[1]}]"
    with NetNS.current() as here:
        if len({here.identity, *[namespace.identity for namespace in story.namespaces]}) != 3:
            raise Broken("the two are not namespaces of their own")


def _named(name: str) -> NetNS:
    """A namespace of this name, or if it is taken of one that this process alone would choose."""
    try:
        return NetNS.create(name)
    except FileExistsError:
        return NetNS.create(f"{name}-{os.getpid()}")


def _look(story: Story, facts: Facts) -> Iterator[str]:
    facts["links"] = {}
    for namespace, name in zip(story.namespaces, story.names):
        found = _links(namespace)
        strangers = [link.name for link in found if link.up or link.kind == "veth"]
        if strangers:
            raise Broken(f"{name} is not alone: it has {', '.join(strangers)}")
        facts["links"][name] = [link.name for link in found]
        yield f"{name} sees {', '.join(link.name for link in found)}"


def _plug(story: Story, facts: Facts) -> Iterator[str]:
    ns1, ns2 = story.namespaces
    ns1.net.add_veth("v1", peer="v2", peer_ns=ns2)
    story.ends = [_link(ns1, "v1"), _link(ns2, "v2")]
    one, two = story.ends
    if (one.peer, two.peer) != (two.index, one.index):
        raise Broken("v1 and v2 are not the two ends of one cable")
    facts["links"] = []
    for name, end in zip(story.names, story.ends):
        known = {"name": end.name, "index": end.index, "peer_index": end.peer, "address": end.address}
        facts["links"].append({"namespace": name, **known})
        yield f"{end.name} was born in {name}: index {end.index}, {end.address}"


def _address(story: Story, facts: Facts) -> Iterator[str]:
    facts["addresses"] = []
    for namespace, end, address in zip(story.namespaces, story.ends, ADDRESSES):
        namespace.net.add_address(end, f"{address}/24")
        found = [str(one) for one in namespace.net.addresses(end, uapi.AF_INET)]
        if found != [f"{address}/24"]:
            raise Broken(f"{end.name} has {found or 'no address'} and not {address}/24")
        facts["addresses"].append({"namespace": namespace.name, "link": end.name, "address": address, "prefix_length": 24})
        yield f"{end.name} in {namespace.name} is {found[0]}"


def _raise(story: Story, facts: Facts) -> Iterator[str]:
    """A cable carries where both its ends are up, and says so at each: one of them is asked."""
    for namespace, end in zip(story.namespaces, story.ends):
        namespace.net.set_link(end, up=True)
        namespace.net.set_link("lo", up=True)
    end = _link(story.namespaces[0], story.ends[0])
    facts["link"] = {"namespace": story.names[0], "name": end.name, "up": end.up, "carrier": end.carrier}
    if not (end.up and end.carrier):
        raise Broken(f"{end.name} has no carrier")
    yield f"{end.name} is up and feels the other end, so {story.ends[1].name} is up too"


def _ping(story: Story, facts: Facts, number: int) -> Iterator[str]:
    figures = ping(story.namespaces[number], ADDRESSES[1 - number])
    facts.update({"from": ADDRESSES[number], "to": ADDRESSES[1 - number]})
    facts.update({"transmitted": figures.transmitted, "received": figures.received})
    if not figures.received:
        raise Broken(f"{ADDRESSES[1 - number]} does not answer")
    facts["rtt_microseconds"] = round(figures.rtts[0] * 1e6, 1)
    yield f"an answer from {ADDRESSES[1 - number]} after {figures.rtts[0] * 1e6:.0f} us"


def _chat(story: Story, facts: Facts) -> Iterator[str]:
    """The room is a thread inside ns1, whoever talks to it a thread inside ns2."""
    ns1, ns2 = story.namespaces
    facts.update({"address": ADDRESSES[0], "port": PORT, "lines": []})
    with Room(ns1, ADDRESSES[0], PORT) as room:
        room.said(lambda who, text: room.say(TALK.get(text, "Pardon?"), to=who))
        heard = ns2.call(_talk)
    for (said, answer), (back, microseconds) in zip(TALK.items(), heard):
        facts["lines"].append({"said": said, "answer": back, "rtt_microseconds": round(microseconds, 1)})
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


def _delete(story: Story, facts: Facts) -> Iterator[str]:
    """A descriptor of each is kept for the proof: while it is open no other namespace can get the same inode."""
    facts["deleted"] = []
    while story.namespaces:
        namespace = story.namespaces.pop()
        name = namespace.name or ""
        story.witnesses[name] = NetNS.open(fd=namespace.fd)
        namespace.delete()
        facts["deleted"].append(name)
        yield f"{NETNS_DIR}/{name} is gone"


def _prove(story: Story, facts: Facts) -> Iterator[str]:
    """Nothing leads to the two any more but our own descriptors; then nothing of ours is left but what was there before."""
    facts["namespaces"] = {}
    while story.witnesses:
        name, witness = story.witnesses.popitem()
        with witness:
            traces = {"names": witness.names(), "mounts": _mounts(witness), "processes": witness.pids()}
        facts["namespaces"][name] = traces
        _none(f"{name}: {{}} that lead to it", traces)
        yield f"no name, no mount and no process leads to what was {name}"
    ours = {"descriptors": sorted(_listed("fd") - story.descriptors), "threads": sorted(_new_threads(story.threads))}
    facts.update(ours)
    _none("{} of ours", ours)
    yield "no descriptors and no threads of ours"


def _none(what: str, traces: dict[str, Any]) -> None:
    for kind, left in traces.items():
        if left:
            raise Broken(f"{what.format(kind)} are left behind: {', '.join(map(str, left))}")


def _mounts(namespace: NetNS) -> list[str]:
    """Where a namespace is mounted, by anyone whose mounts we see: /proc/thread-self/mountinfo, fields 4 and 5."""
    root = f"net:[{namespace.identity[1]}]"
    with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        fields = [line.split(" ", 5) for line in table]
    return [field[4] for field in fields if field[3] == root]


def _listed(what: str) -> set[str]:
    """This process's descriptors (``fd``) or threads (``task``)."""
    return set(os.listdir(f"/proc/self/{what}"))


def _new_threads(known: set[str]) -> set[str]:
    """The threads beyond those ``known``.  One that was joined may be on its way out of the kernel still: it is let go."""
    end = perf_counter_ns() + int(PATIENCE * 1e9)
    while True:
        left = _listed("task") - known
        if not left or perf_counter_ns() > end:
            return left
        os.sched_yield()


# -- what is asked of links -----------------------------------------------------------------------------------------

# Leave out what counters the kernel can leave out: nothing here is about them.
BRIEFLY = {"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}


def _link(namespace: NetNS, ref: Ref) -> Link:
    return Link(namespace.net.netlink.get(Request(rtnl.GETLINK, {**links.reference(ref), **BRIEFLY})).body)


def _links(namespace: NetNS) -> list[Link]:
    return [Link(reply.body) for reply in namespace.net.netlink.dump(Request(rtnl.GETLINK, BRIEFLY, uapi.NLM_F_DUMP))]


# -- in order -------------------------------------------------------------------------------------------------------

STEPS: list[tuple[str, tuple[str, ...], Act]] = [
    ("Two computers: a network namespace each", ("ip netns add {one}", "ip netns add {two}"), _create),
    (
        "Each is alone, with nothing but a loopback",
        ("ip netns exec {one} ip link", "ip netns exec {two} ip link"),
        _look,
    ),
    ("One cable, an end in each", ("ip link add v1 netns {one} type veth peer name v2 netns {two}",), _plug),
    (
        "An address at each end",
        (f"ip -n {{one}} addr add {ADDRESSES[0]}/24 dev v1", f"ip -n {{two}} addr add {ADDRESSES[1]}/24 dev v2"),
        _address,
    ),
    (
        "Both ends switched on",
        tuple(f"ip -n {name} link set {link} up" for name, end in (("{one}", "v1"), ("{two}", "v2")) for link in (end, "lo")),
        _raise,
    ),
    (
        "{one} pings {two}",
        (f"ip netns exec {{one}} ping -c 1 {ADDRESSES[1]}",),
        lambda story, facts: _ping(story, facts, 0),
    ),
    (
        "{two} pings {one}",
        (f"ip netns exec {{two}} ping -c 1 {ADDRESSES[0]}",),
        lambda story, facts: _ping(story, facts, 1),
    ),
    (
        "A chat over TCP, a thread in each",
        (f"ip netns exec {{one}} nc -l {ADDRESSES[0]} {PORT}", f"ip netns exec {{two}} nc {ADDRESSES[0]} {PORT}"),
        _chat,
    ),
]
CLEAN_UP: list[tuple[str, tuple[str, ...], Act]] = [
    ("Clean-up; the cable goes with its ends", ("ip netns del {one}", "ip netns del {two}"), _delete),
    ("Nothing is left", ("ip netns list", "findmnt -t nsfs", "lsns -t net"), _prove),
]
