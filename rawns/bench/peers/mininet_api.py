"""Mininet, with a Linux bridge as its switch."""

from __future__ import annotations

from ... import NetNS
from ..harness import TOOL, Implementation, Ready
from .source import PeerSource, module_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..harness import Steps, Trial


def mininet_star(trial: Trial) -> Steps:
    """Build hosts on a Linux bridge.

    Mininet puts the bridge where it is started, here in a new namespace.  It takes a link for a port of its bridge only if
    the link's name contains the bridge's.
    """
    from mininet.log import setLogLevel
    from mininet.net import Mininet
    from mininet.nodelib import LinuxBridge

    setLogLevel("critical")
    Mininet.inited = True  # otherwise it raises limits of the whole machine (mininet.util.fixLimits)
    opened: list[NetNS] = []
    with NetNS.create() as home, home.entered():
        net = Mininet(controller=None, switch=LinuxBridge, waitConnected=False, ipBase="10.9.0.0/16", build=False)
        try:
            bridge = net.addSwitch("br0")
            for number in range(trial.n):
                host = net.addHost(f"h{number + 1}", ip=f"10.9.{number // 250}.{number % 250 + 1}/16")
                net.addLink(host, bridge, intfName1="eth0", intfName2=f"br0-p{number + 1}")
            yield "hosts and links"
            net.start()
            yield "started"
            opened = [NetNS.open(pid=host.pid) for host in net.hosts]
            yield Ready([home.fd, *(ns.fd for ns in opened)])
        finally:
            net.stop()
            for ns in opened:
                ns.close()
        yield "stopped"


def implementations(case: str, version: str) -> list[Implementation]:
    """Return the implementations for a case."""
    differences = ["stamp", "queues", "lo", "names"]
    note = "each host is a shell process too; the limits that it would raise for the whole machine are left alone"
    mininet = Implementation("Mininet", mininet_star, TOOL, version, differences, note, max_n=100)
    return [mininet] if case.startswith("star") else []


def _version() -> str:
    return module_version("mininet", "mnexec", "brctl", "ifconfig", remedy="apt-get install mininet bridge-utils")


SOURCE = PeerSource("mininet", _version, implementations)
