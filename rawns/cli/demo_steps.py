"""The steps of `rawns demo`: two network namespaces, a veth pair, addresses, ping, a chat over TCP, and their removal.

Each step calls the public API, checks that the kernel has done what was asked, and returns what it has seen: as lines to
read, and as ``facts``, numbers and names, for programs.
"""

from __future__ import annotations

import os
from _thread import get_native_id
from time import perf_counter_ns

from .. import rtnl, syscalls, uapi
from ..chat import Peer, Room
from ..chat.room import MUST_WAIT
from ..errors import RawnsError
from ..icmp import ping
from ..net import NetNS
from ..netns_names import NETNS_DIR
from ..nlmsg import Request
from ..objects import link as links
from ..objects.link import Link
from ..observer import Observer, observed
from ..rollback import signals_blocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..objects.link import Ref
    from ..observer import Event

    Facts = dict[str, Any]
    Action = Callable[["Demo", Facts], Iterator[str]]

ADDRESSES = ("10.0.0.1", "10.0.0.2")
PORT = 7777
CONVERSATION = {
    "Hello, is anybody there?": "Yes, at the other end of the veth pair.",
    "What did that take?": "unshare, setns, mount, and a few rtnetlink messages.",
    "And bytes over TCP. Goodbye!": "Goodbye!",
}  # what ns2 says, and what ns1 answers
TIMEOUT = 5.0  # seconds to wait for an answer that takes microseconds
MAX_FILE_BYTES = 1 << 24  # of /proc/thread-self/mountinfo


class StepFailed(RawnsError):
    """The kernel is not in the state that a step should have led to."""


class DemoStep:
    """One step: its ``title``, the commands that it replaces (``ip``), and after `run` its ``lines``, ``facts`` and duration.

    Titles and commands are written with ``{one}`` and ``{two}`` for the names, which the first step may have to change.
    """

    def __init__(self, names: list[str], title: str, ip: tuple[str, ...], action: Action) -> None:
        self._names, self._title, self._ip, self._action = names, title, ip, action
        self.lines: list[str] = []
        self.facts: Facts = {}
        self.calls: list[tuple[Event, str]] = []  # each system call, and which thread made it: empty for the main thread
        self.microseconds = 0.0

    @property
    def title(self) -> str:
        """The title, with the names of the namespaces."""
        return self._format(self._title)

    @property
    def ip(self) -> list[str]:
        """The commands, with the names of the namespaces."""
        return [self._format(command) for command in self._ip]

    def _format(self, text: str) -> str:
        one, two = self._names
        return text.format(one=one, two=two)

    def run(self, demo: Demo) -> None:
        """Run the step.  Raises `RawnsError` if it fails or if the kernel is not in the expected state afterwards."""
        start = perf_counter_ns()
        if demo.explain:
            with observed(CallRecorder(self.calls, demo)):
                self.lines = list(self._action(demo, self.facts))
        else:
            self.lines = list(self._action(demo, self.facts))
        self.microseconds = (perf_counter_ns() - start) / 1000


class CallRecorder(Observer):
    """Records each system call with the thread that made it.

    A thread other than the main thread is named after the namespace that it has entered, from its call of setns(2) on.
    """

    def __init__(self, calls: list[tuple[Event, str]], demo: Demo) -> None:
        self._calls, self._demo, self._main = calls, demo, get_native_id()
        self._labels: dict[int, str] = {}

    def after(self, event: Event) -> None:
        """Record a call that has returned."""
        thread = get_native_id()
        if thread != self._main and (thread not in self._labels or event.call == "setns"):
            self._labels[thread] = self._label(event, thread)
        self._calls.append((event, "" if thread == self._main else self._labels[thread]))

    def _label(self, event: Event, thread: int) -> str:
        if event.call == "setns":
            fd = int(event.arguments.partition(",")[0])
            for namespace, name in zip(self._demo.namespaces, self._demo.names):
                if namespace.fd == fd:
                    return f"thread in {name}"
        return f"thread {thread}"


class Demo:
    """The state between the steps.  The caller must call `clean_up` at the end, whatever has happened."""

    def __init__(self, explain: bool = False) -> None:
        self.explain = explain
        self.names = ["ns1", "ns2"]  # `_create` changes the one that is taken
        self.namespaces: list[NetNS] = []
        self.ends: list[Link] = []
        self.deleted: dict[str, NetNS] = {}  # descriptors of what is deleted, by name, so that traces can be looked for
        self.preparation = DemoStep(self.names, "Preparation: all modules are loaded, so that no step pays for it", (), _prepare)
        self.descriptors: set[str] = set()
        self.threads: set[str] = set()

    def steps(self, keep: bool = False) -> list[DemoStep]:
        """Return the steps in order, without the removal if the result is to stay."""
        return [DemoStep(self.names, *step) for step in (STEPS if keep else STEPS + CLEAN_UP)]

    def clean_up(self) -> None:
        """Delete the namespaces that are left; can be called again.  Signals are blocked meanwhile.

        A removal that fails is tried once more.  Raises `RawnsError` that names what is left after that.
        """
        with signals_blocked():
            failures = [error for namespace in reversed(self.namespaces) if (error := _removed(namespace)) is not None]
            for namespace in self.namespaces:
                namespace.close()
            self.namespaces.clear()
            while self.deleted:
                self.deleted.popitem()[1].close()
        if failures:
            raise RawnsError("; ".join(failures))

    def keep(self) -> None:
        """Close the descriptors of the namespaces, which have names, without deleting them."""
        while self.namespaces:
            self.namespaces.pop().close()


def _removed(namespace: NetNS) -> str | None:
    """Delete a namespace; return None, or how it failed twice."""
    for attempt in (1, 2):
        try:
            if namespace.fd >= 0:
                namespace.delete()
            return None
        except FileNotFoundError:
            return None  # its name has been removed by another process
        except RawnsError as error:
            if attempt == 2:
                return f"{namespace.name} is left behind: {error}; remove it with `rawns ip netns del {namespace.name}`"
    return None


# -- the steps -----------------------------------------------------------------------------------------------------


def _prepare(demo: Demo, facts: Facts) -> Iterator[str]:
    """Import what is imported late, in a namespace that is discarded; then note what this process has open."""
    rtnl.MESSAGES.values()  # loads the descriptions of all messages
    with NetNS.create() as discarded:
        discarded.call(discarded.net.links)
        discarded.net.add_address("lo", "127.0.0.1/8")
        discarded.net.link_detected("lo")
    demo.descriptors, demo.threads = _listed("fd"), _listed("task")
    yield "a namespace was created, its links were listed, lo got an address, and the namespace was discarded"


def _create(demo: Demo, facts: Facts) -> Iterator[str]:
    facts["namespaces"] = []
    for number, name in enumerate(demo.names):
        with signals_blocked():  # no signal may come between its creation and the list from which it is removed
            namespace = _create_named(name)
            demo.namespaces.append(namespace)
        demo.names[number] = name = namespace.name or name
        facts["namespaces"].append({"name": name, "path": f"{NETNS_DIR}/{name}", "inode": namespace.identity[1]})
        yield f"{NETNS_DIR}/{name} is net:[{namespace.identity[1]}]"
    with NetNS.current() as here:
        if len({here.identity, *[namespace.identity for namespace in demo.namespaces]}) != 3:
            raise StepFailed("the two are not namespaces of their own")


def _create_named(name: str) -> NetNS:
    """Create a namespace of this name, or of one with our pid in it if the name is taken."""
    try:
        return NetNS.create(name)
    except FileExistsError:
        return NetNS.create(f"{name}-{os.getpid()}")


def _list_links(demo: Demo, facts: Facts) -> Iterator[str]:
    facts["links"] = {}
    for namespace, name in zip(demo.namespaces, demo.names):
        found = _links(namespace)
        others = [link.name for link in found if link.up or link.kind == "veth"]
        if others:
            raise StepFailed(f"{name} has more than a loopback interface: {', '.join(others)}")
        facts["links"][name] = [link.name for link in found]
        yield f"{name} sees {', '.join(link.name for link in found)}"


def _connect(demo: Demo, facts: Facts) -> Iterator[str]:
    ns1, ns2 = demo.namespaces
    ns1.net.add_veth("v1", peer="v2", peer_ns=ns2)
    demo.ends = [_link(ns1, "v1"), _link(ns2, "v2")]
    one, two = demo.ends
    if (one.peer, two.peer) != (two.index, one.index):
        raise StepFailed("v1 and v2 are not the two ends of one veth pair")
    facts["links"] = []
    for name, end in zip(demo.names, demo.ends):
        known = {"name": end.name, "index": end.index, "peer_index": end.peer, "address": end.address}
        facts["links"].append({"namespace": name, **known})
        yield f"{end.name} is in {name}: index {end.index}, {end.address}"


def _address(demo: Demo, facts: Facts) -> Iterator[str]:
    facts["addresses"] = []
    for namespace, end, address in zip(demo.namespaces, demo.ends, ADDRESSES):
        namespace.net.add_address(end, f"{address}/24")
        found = [str(one) for one in namespace.net.addresses(end, uapi.AF_INET)]
        if found != [f"{address}/24"]:
            raise StepFailed(f"{end.name} has {found or 'no address'} and not {address}/24")
        facts["addresses"].append({"namespace": namespace.name, "link": end.name, "address": address, "prefix_length": 24})
        yield f"{end.name} in {namespace.name} is {found[0]}"


def _set_up(demo: Demo, facts: Facts) -> Iterator[str]:
    """Set both ends up, and have the kernel complete that: the end that is set up first may transmit later."""
    for namespace, end in zip(demo.namespaces, demo.ends):
        namespace.net.set_link(end, up=True)
        namespace.net.set_link("lo", up=True)
    for namespace, end in zip(demo.namespaces, demo.ends):
        if not namespace.net.link_detected(end.name):
            raise StepFailed(f"{end.name} has no carrier")
    end = _link(demo.namespaces[0], demo.ends[0])
    facts["link"] = {"namespace": demo.names[0], "name": end.name, "up": end.up, "carrier": end.carrier}
    yield f"{end.name} is up and has a carrier, so {demo.ends[1].name} is up too"


def _ping(demo: Demo, facts: Facts, number: int) -> Iterator[str]:
    figures = ping(demo.namespaces[number], ADDRESSES[1 - number])
    facts.update({"from": ADDRESSES[number], "to": ADDRESSES[1 - number]})
    facts.update({"transmitted": figures.transmitted, "received": figures.received})
    if not figures.received:
        raise StepFailed(f"{ADDRESSES[1 - number]} does not answer")
    facts["rtt_microseconds"] = round(figures.rtts[0] * 1e6, 1)
    yield f"an answer from {ADDRESSES[1 - number]} after {figures.rtts[0] * 1e6:.0f} us"


def _chat(demo: Demo, facts: Facts) -> Iterator[str]:
    """Run a chat room in a thread inside ns1, and a peer in a thread inside ns2."""
    ns1, ns2 = demo.namespaces
    facts.update({"address": ADDRESSES[0], "port": PORT, "lines": []})
    with Room(ns1, ADDRESSES[0], PORT) as room:
        room.handle_lines(lambda who, text: room.send(CONVERSATION.get(text, "Pardon?"), to=who))
        room.handle_notices(_fail_if_waiting)
        heard = ns2.call(_talk)
    for (said, answer), (back, microseconds) in zip(CONVERSATION.items(), heard):
        facts["lines"].append({"said": said, "answer": back, "rtt_microseconds": round(microseconds, 1)})
        if back != answer:
            raise StepFailed(f"the answer to {said!r} was {back!r}")
        yield f"{ns2.name} > {said}"
        yield f"{ns1.name} > {answer:<56} {microseconds:.0f} us there and back"


def _fail_if_waiting(notice: str) -> None:
    """End the room if it cannot accept a connection: otherwise the peer would wait, and only its timeout would be reported."""
    if notice.startswith(MUST_WAIT):
        raise StepFailed(notice)


def _talk() -> list[tuple[str | None, float]]:
    """Say each line; return what was heard, and after how many microseconds."""
    heard = []
    with Peer(None, ADDRESSES[0], PORT, TIMEOUT) as peer:
        for said in CONVERSATION:
            start = perf_counter_ns()
            peer.send(said)
            heard.append((peer.receive(TIMEOUT), (perf_counter_ns() - start) / 1000))
    return heard


def _delete(demo: Demo, facts: Facts) -> Iterator[str]:
    """Delete the namespaces.  A descriptor of each is kept, so that no other namespace can get the same inode number."""
    facts["deleted"] = []
    while demo.namespaces:
        with signals_blocked():  # no signal may come between the deletion and the list of what is still to be deleted
            namespace = demo.namespaces[-1]
            name = namespace.name or ""
            demo.deleted[name] = NetNS.open(fd=namespace.fd)
            namespace.delete()
            demo.namespaces.pop()
        facts["deleted"].append(name)
        yield f"{NETNS_DIR}/{name} is deleted"


def _prove(demo: Demo, facts: Facts) -> Iterator[str]:
    """Check that only our own descriptors lead to the two namespaces, and then that nothing of ours is left."""
    facts["namespaces"] = {}
    while demo.deleted:
        name, namespace = demo.deleted.popitem()
        with namespace:
            traces = {"names": namespace.names(), "mounts": _mounts(namespace), "processes": namespace.pids()}
        facts["namespaces"][name] = traces
        _none(f"{name}: {{}} that lead to it", traces)
        yield f"no name, no mount and no process leads to what was {name}"
    ours = {"descriptors": sorted(_listed("fd") - demo.descriptors), "threads": sorted(_new_threads(demo.threads))}
    facts.update(ours)
    _none("{} of ours", ours)
    yield "no descriptors and no threads of ours"


def _none(what: str, traces: dict[str, Any]) -> None:
    for kind, left in traces.items():
        if left:
            raise StepFailed(f"{what.format(kind)} are left behind: {', '.join(map(str, left))}")


def _mounts(namespace: NetNS) -> list[str]:
    """Return where a namespace is mounted, of the mounts that we see: /proc/thread-self/mountinfo, fields 4 and 5."""
    root = f"net:[{namespace.identity[1]}]"
    fields = [line.split(b" ", 5) for line in _contents("/proc/thread-self/mountinfo").splitlines()]
    return [os.fsdecode(field[4]) for field in fields if field[3] == root.encode()]


def _contents(path: str) -> bytes:
    """Read a file of /proc, by observed calls."""
    fd, data = syscalls.open_(path, os.O_RDONLY), b""
    try:
        while len(data) < MAX_FILE_BYTES:
            piece = syscalls.read(fd, 1 << 16)
            if not piece:
                break
            data += piece
    finally:
        syscalls.close(fd)
    return data


def _listed(what: str) -> set[str]:
    """Return this process's descriptors (``fd``) or threads (``task``)."""
    return set(syscalls.listdir(f"/proc/self/{what}"))


def _new_threads(known: set[str]) -> set[str]:
    """Return the threads beyond those ``known``.  A thread that has been joined may still be ending in the kernel: wait."""
    end = perf_counter_ns() + int(TIMEOUT * 1e9)
    while True:
        left = _listed("task") - known
        if not left or perf_counter_ns() > end:
            return left
        os.sched_yield()


# -- links ----------------------------------------------------------------------------------------------------------

# Leave out the counters that the kernel can leave out.
WITHOUT_COUNTERS = {"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}


def _link(namespace: NetNS, ref: Ref) -> Link:
    return Link(namespace.net.netlink.get(Request(rtnl.GETLINK, {**links.reference(ref), **WITHOUT_COUNTERS})).body)


def _links(namespace: NetNS) -> list[Link]:
    return [Link(reply.body) for reply in namespace.net.netlink.dump(Request(rtnl.GETLINK, WITHOUT_COUNTERS, uapi.NLM_F_DUMP))]


# -- in order -------------------------------------------------------------------------------------------------------

STEPS: list[tuple[str, tuple[str, ...], Action]] = [
    ("Two network namespaces", ("ip netns add {one}", "ip netns add {two}"), _create),
    (
        "Each has a loopback interface only",
        ("ip netns exec {one} ip link", "ip netns exec {two} ip link"),
        _list_links,
    ),
    ("A veth pair, an end in each", ("ip link add v1 netns {one} type veth peer name v2 netns {two}",), _connect),
    (
        "An address at each end",
        (f"ip -n {{one}} addr add {ADDRESSES[0]}/24 dev v1", f"ip -n {{two}} addr add {ADDRESSES[1]}/24 dev v2"),
        _address,
    ),
    (
        "Both ends up",
        tuple(f"ip -n {name} link set {link} up" for name, end in (("{one}", "v1"), ("{two}", "v2")) for link in (end, "lo")),
        _set_up,
    ),
    (
        "{one} pings {two}",
        (f"ip netns exec {{one}} ping -c 1 {ADDRESSES[1]}",),
        lambda demo, facts: _ping(demo, facts, 0),
    ),
    (
        "{two} pings {one}",
        (f"ip netns exec {{two}} ping -c 1 {ADDRESSES[0]}",),
        lambda demo, facts: _ping(demo, facts, 1),
    ),
    (
        "A chat over TCP between them, a thread in each",
        (f"ip netns exec {{one}} nc -l {ADDRESSES[0]} {PORT}", f"ip netns exec {{two}} nc {ADDRESSES[0]} {PORT}"),
        _chat,
    ),
]
CLEAN_UP: list[tuple[str, tuple[str, ...], Action]] = [
    ("Clean-up: the veth pair goes with its namespaces", ("ip netns del {one}", "ip netns del {two}"), _delete),
    ("Nothing is left", ("ip netns list", "findmnt -t nsfs", "lsns -t net"), _prove),
]
