"""The implementations with rawns, through its public names only, as a user would write them."""

from __future__ import annotations

import os
import threading
from itertools import count

from .. import Lab, NetNS, Peer, Pool, Room, ping
from .harness import Ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .harness import Run, Steps, Trial

PORTS = count(20000)  # a new port for each chat, so that none waits for a predecessor's TIME_WAIT
LINE = "x" * 15  # sixteen bytes with the line feed


def anonymous(trial: Trial) -> Steps:
    """Create a namespace without a name, and open a netlink socket in it."""
    with NetNS.create() as ns:
        yield "create"
        ns.net  # noqa: B018 (the socket is opened at first use)
        yield "socket"
        yield Ready([ns.fd])
        ns.close()
        yield "close"


def named(trial: Trial) -> Steps:
    """Create a namespace with a name, and delete it."""
    with NetNS.create(trial.names[0]) as ns:
        yield "create"
        yield Ready([trial.names[0]])
        ns.delete()
        yield "delete"


def _set_up(one: NetNS, two: NetNS) -> Steps:
    """Set the links up and add a route after both ends have their addresses; then close the namespaces."""
    for ns, name in ((one, "v1"), (two, "v2")):
        ns.net.set_link(name, up=True)
    yield "up"
    for ns in (one, two):
        ns.net.set_link("lo", up=True)
    yield "lo up"
    one.net.add_route("10.7.0.0/16", via="10.0.0.2")
    yield "route"
    yield Ready([one.fd, two.fd])
    two.close()
    one.close()
    yield "close"


def verbs(trial: Trial) -> Steps:
    """Build two namespaces and a veth pair, one method call for each step."""
    with NetNS.create() as one, NetNS.create() as two:
        yield "two namespaces"
        one.net, two.net  # noqa: B018
        yield "netlink sockets"
        one.net.add_veth("v1", peer="v2", peer_ns=two)
        yield "pair, created in place"
        one.net.add_address("v1", "10.0.0.1/24")
        two.net.add_address("v2", "10.0.0.2/24")
        yield "addresses"
        yield from _set_up(one, two)


def moved(trial: Trial) -> Steps:
    """Create the pair in the current namespace and move both ends, as the article does."""
    near, far = trial.near, trial.far
    with NetNS.create() as one, NetNS.create() as two, NetNS.current() as home:
        yield "two namespaces"
        one.net, two.net, home.net  # noqa: B018
        yield "netlink sockets"
        home.net.add_veth(near, peer=far)
        yield "pair, created here"
        for name, ns, new in ((near, one, "v1"), (far, two, "v2")):
            home.net.set_link(name, netns=ns)
            ns.net.set_link(name, new_name=new)
        yield "both ends moved"
        one.net.add_address("v1", "10.0.0.1/24")
        two.net.add_address("v2", "10.0.0.2/24")
        yield "addresses"
        yield from _set_up(one, two)


def article_lab(trial: Trial) -> Steps:
    """Build the article as a `Lab`."""
    with Lab("article") as lab:
        ns1, ns2 = lab.netns(trial.names[0], label="ns1"), lab.netns(trial.names[1], label="ns2")
        lab.wire(ns1.port("v1", "10.0.0.1/24"), ns2.port("v2", "10.0.0.2/24"))
        yield "description"
        lab.up()
        yield "lab.up"
        yield Ready(trial.names)
        lab.down()
        yield "lab.down"


def plain_lab(trial: Trial) -> Steps:
    """Bring up two hosts and a wire, wait until they can be used, and take them down."""
    with Lab("fixture") as lab:
        yield from _wired(lab, trial)
        lab.down()
        yield "lab.down"


def fixture_lab(trial: Trial) -> Steps:
    """Do what the fixture `lab` of the pytest plugin does for a test that brings up the same: with its watch for leaks."""
    from pathlib import Path

    from ..testing.session import TestSession, TestState

    state = TestState(TestSession("none"), "fixture", Path(), Path())
    state.begin()
    state.watch()
    with state.empty_lab() as lab:
        yield "before the test"
        yield from _wired(lab, trial)
        lab.end()
        yield "lab.down"
    left = state.end()
    yield "leaks"
    assert not left, left


def _wired(lab: Lab, trial: Trial) -> Steps:
    one, two = lab.netns(trial.names[0], label="a"), lab.netns(trial.names[1], label="b")
    lab.wire(one.port("eth0", "10.0.0.1/24"), two.port("eth0", "10.0.0.2/24"))
    yield "description"
    lab.up(10.0)
    yield "lab.up"
    yield Ready(trial.names)


def article_verbs(trial: Trial) -> Steps:
    """Build the article with the first lines of the README."""
    with NetNS.create(trial.names[0]) as ns1, NetNS.create(trial.names[1]) as ns2:
        yield "two namespaces"
        ns1.net.add_veth("v1", peer="v2", peer_ns=ns2)
        yield "pair"
        ns1.net.add_address("v1", "10.0.0.1/24")
        ns2.net.add_address("v2", "10.0.0.2/24")
        yield "addresses"
        for ns, name in ((ns1, "v1"), (ns2, "v2")):
            ns.net.set_link(name, up=True)
            ns.net.set_link("lo", up=True)
        yield "up"
        yield Ready(trial.names)
        ns1.delete()
        ns2.delete()
        yield "delete"


def article_requests(trial: Trial) -> Steps:
    """Build the article with one datagram of requests to each namespace."""
    from ..objects import address, link

    with NetNS.create(trial.names[0]) as ns1, NetNS.create(trial.names[1]) as ns2:
        far = {"netns_fd": ns2.fileno(), "index": 2, "txqueues": 1, "rxqueues": 1}
        pair = link.veth("v1", "v2", far, up=True, index=2, txqueues=1, rxqueues=1)
        ns1.net.do(link.change(1, up=True), pair, address.new(2, "10.0.0.1/24"))
        ns2.net.do(link.change(1, up=True), link.change(2, up=True), address.new(2, "10.0.0.2/24"))
        yield "up"
        yield Ready(trial.names)
        ns2.delete()
        ns1.delete()
        yield "down"


def enter(trial: Trial) -> Steps:
    """Enter a namespace and return, ``repeat`` times."""
    ns = trial.prepared["one"]
    for _ in range(trial.repeat):
        with ns.entered():
            pass
    yield "setns and back"


def execute(mounts: bool) -> Run:
    """Return an implementation that runs ``true`` in a namespace, with or without the mounts of ``ip netns exec``."""

    def run(trial: Trial) -> Steps:
        trial.prepared["one"].run([trial.prepared["true"]], mounts=mounts, check=True)
        yield "fork, exec, exit"

    return run


def packet(trial: Trial) -> Steps:
    """Send the first two pings over a new veth pair."""
    with Lab("packet") as lab:
        one, two = lab.netns(), lab.netns()
        lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
        lab.up()
        yield None
        if ping(one, "10.0.0.2", timeout=5.0).received != 1:
            raise OSError("no answer")
        yield "the first"
        ping(one, "10.0.0.2", timeout=5.0)
        yield "the second"


def chat(trial: Trial) -> Steps:
    """Send lines to an echoing room and wait for each to come back."""
    one, two, (near, far) = trial.prepared["one"], trial.prepared["two"], trial.prepared["processors"]
    before, port = os.sched_getaffinity(0), next(PORTS)
    threads = {thread.native_id for thread in threading.enumerate()}
    with Room(one, "10.0.0.1", port) as room:
        room.handle_lines(lambda who, text: room.send(text, to=who))
        for thread in threading.enumerate():
            if thread.native_id not in threads and far >= 0 and thread.native_id is not None:
                os.sched_setaffinity(thread.native_id, {far})
        try:
            if near >= 0:
                os.sched_setaffinity(0, {near})
            yield None
            with Peer(two, "10.0.0.1", port) as peer:
                yield None
                for _ in range(trial.repeat):
                    peer.send(LINE)
                    if peer.receive(10.0) != LINE:
                        raise OSError("another line came back")
                yield "round trip"
        finally:
            os.sched_setaffinity(0, before)
    yield None


def connect(trial: Trial) -> Steps:
    """Connect a peer to a room in another namespace."""
    one, two, port = trial.prepared["one"], trial.prepared["two"], next(PORTS)
    with Room(one, "10.0.0.1", port):
        yield None
        with Peer(two, "10.0.0.1", port):
            yield "connect"
        yield None
    yield None


def echo(wire: str) -> Run:
    """Return an implementation that sends datagrams over a prepared wire and back, one after the other."""

    def run(trial: Trial) -> Steps:
        near, far = trial.prepared[wire]
        for _ in range(trial.repeat):
            near.send(LINE.encode())
            far.recv(100)
            far.send(LINE.encode())
            near.recv(100)
        yield "round trip"

    return run


def star(trial: Trial) -> Steps:
    """Build a `Lab` of ``n`` hosts on a bridge."""
    with Lab("star") as lab:
        bridge = lab.bridge("br0")
        for number in range(trial.n):
            address = f"10.9.{number // 250}.{number % 250 + 1}/16"
            lab.wire(bridge.port(), lab.netns().port("eth0", address))
        yield "description"
        lab.up()
        yield "lab.up"
        yield Ready([host.fd for host in lab.hosts])
        lab.down()
        yield "lab.down"


def threads(count: int) -> Run:
    """Return an implementation that creates ``trial.n`` namespaces on so many threads."""

    def run(trial: Trial) -> Steps:
        created: list[list[NetNS]] = [[] for _ in range(count)]

        def work(mine: list[NetNS]) -> None:
            for _ in range(trial.n // count):
                mine.append(NetNS.create())

        try:
            if count == 1:
                work(created[0])
            else:
                workers = [threading.Thread(target=work, args=(mine,)) for mine in created]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
            yield f"{trial.n} created"
            yield Ready([ns.fd for mine in created for ns in mine])
        finally:
            for mine in created:
                for ns in mine:
                    ns.close()
        yield "closed"

    return run


def one_more(trial: Trial) -> Steps:
    """Create one namespace beside those that the case has prepared."""
    ns = NetNS.create()
    yield "create"
    yield Ready([ns.fd])
    ns.close()
    yield "close"


def pool_take(trial: Trial) -> Steps:
    """Take namespaces from a full pool; filling it is not timed."""
    with Pool(trial.repeat) as pool:
        pool.fill()
        yield None
        taken = [pool.take() for _ in range(trial.repeat)]
        yield "take"
        yield from _close(taken)


def create_several(trial: Trial) -> Steps:
    """Create as many namespaces as `pool_take` takes."""
    created = [NetNS.create() for _ in range(trial.repeat)]
    yield "take"
    yield from _close(created)


def _close(namespaces: list[NetNS]) -> Steps:
    yield Ready([ns.fd for ns in namespaces])
    for ns in namespaces:
        ns.close()
    yield "close"
