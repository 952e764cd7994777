"""Machines for the tests of labs that span several: namespaces with a /run of their own, on an underlay that the test builds."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rawns import NetNS

STAY = "mount -t tmpfs tmpfs /run && mkdir -p /run/lock && ip link set lo up && echo ready && exec sleep infinity"


class TestMachine:
    """A machine: a process with a mount and a network namespace of its own, its ``address`` on the underlay."""

    __test__ = False

    def __init__(self, number: int) -> None:
        self.address = f"192.0.2.{number}"
        command = ["unshare", "-m", "-n", "--propagation", "private", "/bin/sh", "-c", STAY]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    @property
    def shell(self) -> list[str]:
        """A command that gives a shell on the machine."""
        return ["nsenter", "-t", str(self.process.pid), "-m", "-n", "/bin/sh"]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program on the machine, by util-linux."""
        return subprocess.run([*self.shell[:-1], *command], capture_output=True, text=True, timeout=120, **options)

    def names(self) -> list[str]:
        """The names under its /run/netns, as the real ip lists them."""
        return sorted(line.split()[0] for line in self.run("ip", "netns").stdout.splitlines())

    def links(self) -> set[str]:
        """The names of the links in its own network namespace."""
        return {line.split(":")[1].strip().partition("@")[0] for line in self.run("ip", "-o", "link").stdout.splitlines()}

    def close(self) -> None:
        """End it, and with it its namespaces."""
        assert self.process.stdout is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def underlay(stack: ExitStack, fresh: Callable[[], str], count: int, mtu: int = 1500) -> list[TestMachine]:
    """Return machines on one Ethernet segment; all of it ends with the stack."""
    switch = stack.enter_context(NetNS.create(fresh()))
    switch.net.add_bridge("br0", up=True)
    machines = []
    for number in range(1, count + 1):
        machine = TestMachine(number)
        stack.callback(machine.close)
        machines.append(machine)
        with NetNS.open(f"pid:{machine.process.pid}") as there:
            switch.net.add_veth(f"m{number}", "eth0", peer_ns=there, master="br0", mtu=mtu)
            there.net.set_link("eth0", up=True, mtu=mtu)
            there.net.add_address("eth0", f"{machine.address}/24")
            switch.net.set_link(f"m{number}", up=True)
    return machines
