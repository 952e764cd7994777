"""Small networks for the tests of `rawns why`: whole when they are made, for the test to break."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT

from rawns import KernelError, NetNS
from rawns.uapi import AF_INET6, IFA_F_DADFAILED, RT_TABLE_LOCAL

PATIENCE = 20.0  # seconds
NEWS = 0x1 | 0x100 | 0x400  # RTMGRP_LINK, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE
PROGRAM = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m rawns "$@"\n'


class Net:
    """Namespaces by a letter each, with names of the test's own under /run/netns."""

    def __init__(self, stack: ExitStack, fresh: Callable[[], str]) -> None:
        self.stack, self.fresh = stack, fresh
        self.places: dict[str, NetNS] = {}

    def __getitem__(self, letter: str) -> NetNS:
        if letter not in self.places:
            self.places[letter] = self.stack.enter_context(NetNS.create(self.fresh()))
            self.places[letter].net.set_link("lo", up=True)
            self.undetected(letter)
        return self.places[letter]

    def cable(self, one: str, near: str, other: str, far: str, **options: Any) -> None:
        """A cable, up at both ends."""
        self[one].net.add_veth(near, far, peer_ns=self[other], **options)
        self[one].net.set_link(near, up=True)
        self[other].net.set_link(far, up=True)

    def address(self, letter: str, link: str, *addresses: str) -> None:
        for one in addresses:
            self[letter].net.add_address(link, one, nodad=True)

    def sysctl(self, letter: str, name: str, value: object) -> None:
        """Set a number under /proc/sys/net; skips where this kernel, or an ordinary user, has no such thing."""
        with self[letter].entered():
            try:
                with open(f"/proc/sys/net/{name}", "w") as file:
                    file.write(str(value))
            except OSError as error:
                pytest.skip(f"net/{name}: {error.strerror}")

    def undetected(self, letter: str) -> None:
        """What is made from now on has its link-local address at once."""
        with self[letter].entered(), suppress(OSError), open("/proc/sys/net/ipv6/conf/default/accept_dad", "w") as file:
            file.write("0")

    def tool(self, letter: str, command: str) -> None:
        """Run another program inside; skip if it is not installed, or if the kernel refuses what it asks for."""
        words = shlex.split(command)
        if shutil.which(words[0]) is None:
            pytest.skip(f"there is no `{words[0]}` here")
        done = self[letter].run(words, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{command}: {done.stderr.strip()}")

    def settle(self, ipv6: bool = True) -> None:
        """Until the kernel has taken note of every carrier and IPv6 address: it does so when it finds the time, and tells."""
        for place in self.places.values():
            with place.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as news:
                news.bind((0, NEWS))
                deadline = time.monotonic() + PATIENCE
                while not settled(place, ipv6):
                    assert select.select([news], [], [], max(0.0, deadline - time.monotonic()))[0], "this kernel never settles"
                    news.recv(65536)

    def named(self, text: str) -> str:
        """A text in which each namespace is called by its letter."""
        for letter, place in sorted(self.places.items(), key=lambda one: -len(one[1].name or "")):
            text = text.replace(str(place.name), letter)
        return text


def settled(place: NetNS, ipv6: bool = True) -> bool:
    """Let each link that has a carrier transmit; return whether each IPv6 address is taken for an own one (the local table)."""
    links = {link.index: link for link in place.net.links()}
    for link in links.values():
        place.net.link_detected(link)
    if not ipv6:
        return True
    local = {one.body.get("RTA_DST") for one in place.net.routes(AF_INET6, table=RT_TABLE_LOCAL)}
    mine = [one for one in place.net.addresses(family=AF_INET6) if links[one.index].carrier and not one.flags & IFA_F_DADFAILED]
    return all(one.address in local for one in mine)


def pair(net: Net) -> None:
    """a v1 === v2 b"""
    net.cable("a", "v1", "b", "v2")
    net.address("a", "v1", "10.0.0.1/24", "fd00::1/64")
    net.address("b", "v2", "10.0.0.2/24", "fd00::2/64")


def bridged(net: Net, **data: int) -> None:
    """a v1 === pa [br0] pb === v2 b, the bridge in a namespace of its own"""
    try:
        net["s"].net.add_bridge("br0", data or None, up=True)
    except KernelError as error:
        pytest.skip(f"this kernel's bridges lack {', '.join(data)}: {error}")
    for host, link, port in (("a", "v1", "pa"), ("b", "v2", "pb")):
        net.cable("s", port, host, link, master="br0")
    net.address("a", "v1", "10.0.0.1/24", "fd00::1/64")
    net.address("b", "v2", "10.0.0.2/24", "fd00::2/64")


def routed(net: Net) -> None:
    """a v1 === ra r rb === v2 b: two subnets, and a router between them"""
    net.cable("a", "v1", "r", "ra")
    net.cable("b", "v2", "r", "rb")
    net.address("a", "v1", "10.0.1.2/24", "fd01::2/64")
    net.address("r", "ra", "10.0.1.1/24", "fd01::1/64")
    net.address("r", "rb", "10.0.2.1/24", "fd02::1/64")
    net.address("b", "v2", "10.0.2.2/24", "fd02::2/64")
    for host, subnet, subnet6 in (("a", "10.0.1", "fd01"), ("b", "10.0.2", "fd02")):
        net[host].net.add_route("default", via=f"{subnet}.1")
        net[host].net.add_route("default", via=f"{subnet6}::1")
    net.sysctl("r", "ipv4/ip_forward", 1)
    net.sysctl("r", "ipv6/conf/all/forwarding", 1)


def run_remedy(command: str) -> None:
    """Run the command of a remedy; skip the test if that needs a program that is not there."""
    for part in command.split(" && "):
        words = shlex.split(part)
        inner = words[words.index("exec") + 2 :] if "exec" in words else words
        for program in (words[0], inner[0]):
            if program != "rawns" and shutil.which(program) is None:
                pytest.skip(f"there is no `{program}` here, which the remedy needs")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "rawns")
        script.write_text(PROGRAM)
        script.chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PATH": f"{folder}:{os.environ.get('PATH', os.defpath)}"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
