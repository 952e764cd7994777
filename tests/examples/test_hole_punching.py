"""UDP hole punching: two hosts behind ``home`` routers reach each other, behind others they do not."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, str(Path(__file__).with_name("hole_punching.py"))]
PORT = 443  # which corporate firewalls let through
SECONDS = 10.0


def behind_routers(lab: Any, kind: str) -> tuple[Any, list[Any]]:
    """Bring up a server and two routers on one network, and a host behind each router."""
    internet = lab.bridge("internet")
    server = lab.netns(label="server")
    lab.wire(internet.port(), server.port("eth0", "198.51.100.1/24"))
    peers = []
    for number in (1, 2):
        router, host = lab.netns(label=f"router{number}"), lab.netns(label=f"host{number}")
        lab.wire(internet.port(), router.port("eth0", f"198.51.100.{number + 1}/24"))
        lab.wire(router.port("lan", f"192.168.{number}.1/24"), host.port("eth0", f"192.168.{number}.2/24"))
        host.route("default", via=f"192.168.{number}.1")
        if kind == "symmetric":
            router.forward()
            router.nat("eth0", random=True)
        else:
            router.uplink(kind)
        peers.append(host)
    lab.up()
    return server, peers


def said_by_peers(lab: Any, kind: str) -> list[str]:
    server, hosts = behind_routers(lab, kind)
    server.start([*PROGRAM, "rendezvous", str(PORT)], ready=f"udp port {PORT}")
    peers = [host.start([*PROGRAM, "peer", "198.51.100.1", str(PORT)]) for host in hosts]
    for one in peers:
        one.wait_ready("output answers?\n", SECONDS)  # the whole line
    print(server.processes[0].output, *(one.output for one in peers))
    return [one.output for one in peers]


def test_at_home_both_are_reached(lab: Any) -> None:
    """The routers keep the port of the host, so that each is told the address that the other will send from."""
    assert said_by_peers(lab, "home") == [f"punched: 198.51.100.{number} 5000 answers\n" for number in (3, 2)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("symmetric", r"198\.51\.100\.[23] \d+ does not answer\n"),  # each connection has a port of its own
        ("corporate", r"the server does not answer\n"),  # only connections to TCP ports 80 and 443 are let out
    ],
)
def test_elsewhere_neither_is(lab: Any, kind: str, said: str) -> None:
    assert all(re.fullmatch(said, output) for output in said_by_peers(lab, kind))
