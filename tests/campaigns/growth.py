"""The same thing many times in one process: descriptors, threads, mounts and memory stay what they were."""

from __future__ import annotations

import gc
import os
import queue
import subprocess
from collections.abc import Callable

import frame
from frame import Report

from rawns import Lab, NetNS, Peer, Pool, Room

BURST = 20  # events at once, which the smallest buffer holds
MEMORY = 3 << 10  # KiB that the second half may add: what an allocator keeps, not what grows with each repetition


def repeated(report: Report, what: str, number: int, function: Callable[[int], object]) -> None:
    """Call a function ``number`` times, and compare the middle with the end."""
    middle: dict[str, int] = {}
    for one in range(number):
        function(one)
        if one + 1 == number // 2:
            gc.collect()
            middle = frame.resources()
    gc.collect()
    last = frame.resources()
    report.tally(what, number)
    for kind, before in middle.items():
        allowed = MEMORY if kind == "memory" else 0
        report.expect(last[kind] <= before + allowed, f"{what}: {kind} grew from {before} to {last[kind]} in {number // 2} times")


def growth_campaign(report: Report) -> None:
    """Create 10,000 namespaces, 1,000 labs, long chats and monitors in one process."""
    scale = (report.count or 10_000) / 10_000
    name = f"g{os.getpid()}"

    def named(_: int) -> None:
        with NetNS.create(name):
            pass

    def visited(_: int) -> None:
        with NetNS.create() as ns:
            ns.net.set_link("lo", up=True)
            with ns.entered():
                pass

    def lab(_: int) -> None:
        with Lab(name) as lab:
            one, two = lab.netns(f"{name}.1"), lab.netns()
            lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
            lab.up()

    def standing(_: int) -> None:
        with Lab(name, standing=True) as lab:
            one, two = lab.netns(f"{name}.1"), lab.netns(f"{name}.2")
            lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
            lab.up()
            lab.set_down(f"{name}.1:v1")
            lab.restore()

    repeated(report, "names", int(10_000 * scale), named)
    repeated(report, "namespaces without names", int(10_000 * scale), visited)
    repeated(report, "labs", int(1_000 * scale), lab)
    repeated(report, "standing labs", int(300 * scale), standing)
    with Pool(8, lo=True) as pool:

        def taken(_: int) -> None:
            pool.take().close()
            pool.fill()  # otherwise the number of those that are ready, and of their descriptors, depends on the pool's thread

        repeated(report, "taken from a pool", int(2_000 * scale), taken)
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        with ns.entered():
            repeated(report, "commands", int(400 * scale), lambda _: ns.run(["true"], mounts=bool(_ % 2)))
        talk(report, ns, int(40_000 * scale))
        watch(report, ns, int(10_000 * scale))
    report.expect(not frame.state(name), f"left: {frame.state(name)}")


def talk(report: Report, ns: NetNS, number: int) -> None:
    """Exchange many lines, and let many members come and go."""
    said: queue.Queue[str] = queue.Queue()
    with Room(ns, "127.0.0.1") as room:
        room.handle_lines(lambda who, text: said.put(text))
        with Peer(ns, *room.address) as peer:

            def line(_: int) -> None:
                peer.send("x" * 100)
                said.get(timeout=frame.HANG)
                room.send("y" * 100)
                assert peer.receive(frame.HANG)

            repeated(report, "lines of a chat", number, line)

        def member(_: int) -> None:
            with Peer(ns, *room.address) as peer:
                peer.send("hello")
                said.get(timeout=frame.HANG)

        member(0)
        repeated(report, "members of a chat", max(number // 40, 2), member)


def watch(report: Report, ns: NetNS, number: int) -> None:
    """Let a monitor see many events that the real `ip` causes."""
    batch = "".join(f"link set lo mtu {60_000 + one}\n" for one in range(BURST))
    path = f"/proc/{os.getpid()}/fd/{ns.fileno()}"
    with ns.monitor("link") as monitor:

        def events(_: int) -> None:
            subprocess.run(["nsenter", f"--net={path}", "ip", "-batch", "-"], input=batch, text=True, check=True)
            seen = 0
            while seen < BURST:
                seen += len(monitor.receive(frame.HANG))

        repeated(report, f"bursts of {BURST} events", max(number // BURST, 2), events)


CAMPAIGNS = {"growth": growth_campaign}
