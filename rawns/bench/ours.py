"""The contenders that are rawns: through its public names only, as a user would write it.

Floor 7.
"""

from __future__ import annotations

import os
import threading
from itertools import count

from .. import Lab, NetNS, Peer, Pool, Room, ping
from .harness import Standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from .harness import Scene, Step

    Steps = Generator[Step, None, None]

PORTS = count(20000)  # one port for each chat: nobody waits for another's TIME_WAIT
LINE = "x" * 15  # sixteen bytes with its end


def anonymous(scene: Scene) -> Steps:
    with NetNS.create() as ns:
        yield "create"
        ns.net  # noqa: B018 (opened at first use)
        yield "socket"
        yield Standing([ns.fd])
        ns.close()
        yield "close"


def named(scene: Scene) -> Steps:
    with NetNS.create(scene.names[0]) as ns:
        yield "create"
        yield Standing([scene.names[0]])
        ns.delete()
        yield "delete"


def _raised(one: NetNS, two: NetNS) -> Steps:
    """What is left to do where a cable has its addresses, and the end of it."""
    for ns, name in ((one, "v1"), (two, "v2")):
        ns.net.set_link(name, up=True)
    yield "up"
    for ns in (one, two):
        ns.net.set_link("lo", up=True)
    yield "lo up"
    one.net.add_route("10.7.0.0/16", via="10.0.0.2")
    yield "route"
    yield Standing([one.fd, two.fd])
    two.close()
    one.close()
    yield "close"


def verbs(scene: Scene) -> Steps:
    """Step by step, with what it is called in the README."""
    with NetNS.create() as one, NetNS.create() as two:
        yield "two namespaces"
        one.net, two.net  # noqa: B018
        yield "netlink sockets"
        one.net.add_veth("v1", peer="v2", peer_ns=two)
        yield "pair, born in place"
        for ns, name, text in ((one, "v1", "10.0.0.1/24"), (two, "v2", "10.0.0.2/24")):
            ns.net.add_address(2 if scene.given.get("plain") else name, text)
        yield "addresses"
        yield from _raised(one, two)


def moved(scene: Scene) -> Steps:
    """The article's own way: made at home, both ends moved."""
    near, far = scene.near, scene.far
    with NetNS.create() as one, NetNS.create() as two, NetNS.current() as home:
        yield "two namespaces"
        one.net, two.net, home.net  # noqa: B018
        yield "netlink sockets"
        home.net.add_veth(near, peer=far)
        yield "pair, made at home"
        for name, ns, new in ((near, one, "v1"), (far, two, "v2")):
            home.net.set_link(name, netns=ns)
            ns.net.set_link(name, new_name=new)
        yield "both ends moved"
        for ns, name, text in ((one, "v1", "10.0.0.1/24"), (two, "v2", "10.0.0.2/24")):
            ns.net.add_address(name, text)
        yield "addresses"
        yield from _raised(one, two)


def article_lab(scene: Scene) -> Steps:
    with Lab("article") as lab:
        ns1, ns2 = lab.netns(scene.names[0], label="ns1"), lab.netns(scene.names[1], label="ns2")
        lab.wire(ns1.port("v1", "10.0.0.1/24"), ns2.port("v2", "10.0.0.2/24"))
        yield "described"
        lab.up()
        yield "lab.up"
        yield Standing(scene.names)
        lab.down()
        yield "lab.down"


def article_verbs(scene: Scene) -> Steps:
    """The README's first lines."""
    with NetNS.create(scene.names[0]) as ns1, NetNS.create(scene.names[1]) as ns2:
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
        yield Standing(scene.names)
        ns1.delete()
        ns2.delete()
        yield "delete"


def article_requests(scene: Scene) -> Steps:
    """The same with what there is to say put together: one datagram to each namespace."""
    from ..objects import address, link

    queue = {"txqueues": 1, "rxqueues": 1}
    with NetNS.create(scene.names[0]) as ns1, NetNS.create(scene.names[1]) as ns2:
        far = {"netns_fd": ns2.fileno(), "index": 2, **queue}
        cable = link.veth("v1", "v2", far, up=True, index=2, **queue)
        ns1.net.do(link.change(1, up=True), cable, address.new(2, "10.0.0.1/24"))
        ns2.net.do(link.change(1, up=True), link.change(2, up=True), address.new(2, "10.0.0.2/24"))
        yield "up"
        yield Standing(scene.names)
        ns2.delete()
        ns1.delete()
        yield "down"


def enter(scene: Scene) -> Steps:
    ns = scene.given["one"]
    for _ in range(scene.times):
        with ns.entered():
            pass
    yield "there and back"


def execute(mounts: bool) -> Any:
    def play(scene: Scene) -> Steps:
        scene.given["one"].run([scene.given["true"]], mounts=mounts, check=True)
        yield "fork, exec, exit"

    return play


def packet(scene: Scene) -> Steps:
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


def pinned(processor: int) -> None:
    """This thread stays on that processor; with -1 on any."""
    if processor >= 0:
        os.sched_setaffinity(0, {processor})


def chat(scene: Scene) -> Steps:
    one, two, (near, far) = scene.given["one"], scene.given["two"], scene.given["processors"]
    before, port = os.sched_getaffinity(0), next(PORTS)
    threads = {thread.native_id for thread in threading.enumerate()}
    with Room(one, "10.0.0.1", port) as room:
        room.said(lambda who, text: room.say(text, to=who))
        for thread in threading.enumerate():
            if thread.native_id not in threads and far >= 0 and thread.native_id is not None:
                os.sched_setaffinity(thread.native_id, {far})
        try:
            pinned(near)
            yield None
            with Peer(two, "10.0.0.1", port) as peer:
                yield None
                for _ in range(scene.times):
                    peer.say(LINE)
                    if peer.hear(10.0) != LINE:
                        raise OSError("another line came back")
                yield "round trip"
        finally:
            os.sched_setaffinity(0, before)
    yield None


def connect(scene: Scene) -> Steps:
    one, two, port = scene.given["one"], scene.given["two"], next(PORTS)
    with Room(one, "10.0.0.1", port):
        yield None
        with Peer(two, "10.0.0.1", port):
            yield "connect"
        yield None
    yield None


def star(scene: Scene) -> Steps:
    with Lab("star") as lab:
        bridge = lab.bridge("br0")
        for number in range(scene.n):
            address = f"10.9.{number // 250}.{number % 250 + 1}/16"
            lab.wire(bridge.port(), lab.netns().port("eth0", address))
        yield "described"
        lab.up()
        yield "lab.up"
        yield Standing([host.fd for host in lab.hosts])
        lab.down()
        yield "lab.down"


def many(threads: int) -> Any:
    def play(scene: Scene) -> Steps:
        made: list[list[NetNS]] = [[] for _ in range(threads)]

        def work(mine: list[NetNS]) -> None:
            for _ in range(scene.n // threads):
                mine.append(NetNS.create())

        try:
            if threads == 1:
                work(made[0])
            else:
                workers = [threading.Thread(target=work, args=(mine,)) for mine in made]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
            yield f"{scene.n} created"
            yield Standing([ns.fd for mine in made for ns in mine])
        finally:
            for mine in made:
                for ns in mine:
                    ns.close()
        yield "closed"

    return play


def one_more(scene: Scene) -> Steps:
    """One namespace beside those that the case has made."""
    ns = NetNS.create()
    yield "create"
    yield Standing([ns.fd])
    ns.close()
    yield "close"


def taken(scene: Scene) -> Steps:
    """From a pool that is full; filled again when nobody looks."""
    with Pool(scene.times) as pool:
        pool.fill()
        yield None
        mine = [pool.take() for _ in range(scene.times)]
        yield "take"
        spaces = [ns.fd for ns in mine]
        yield Standing(spaces)
        for ns in mine:
            ns.close()
        yield "close"


def created(scene: Scene) -> Steps:
    mine = [NetNS.create() for _ in range(scene.times)]
    yield "take"
    yield Standing([ns.fd for ns in mine])
    for ns in mine:
        ns.close()
    yield "close"
