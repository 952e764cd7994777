"""pyroute2: as its documentation does it, and the fastest way found."""

from __future__ import annotations

from ..harness import TOOL, Implementation, Ready
from .source import PeerSource, module_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..harness import Steps, Trial


def pyroute2_documented(trial: Trial) -> Steps:
    """Do it as its documentation does: a pair created by an IPRoute, both ends moved, a NetNS for each namespace."""
    from pyroute2 import IPRoute, netns
    from pyroute2 import NetNS as Theirs

    near, far = trial.near, trial.far
    for name in trial.names:
        netns.create(name)
    yield "two namespaces"
    with IPRoute() as ipr:
        ipr.link("add", ifname=near, kind="veth", peer=far)
        yield "pair, created here"
        for name, into in ((near, trial.names[0]), (far, trial.names[1])):
            ipr.link("set", index=ipr.link_lookup(ifname=name)[0], net_ns_fd=into)
    yield "both ends moved"
    for space, name, new, address in zip(trial.names, (near, far), ("v1", "v2"), ("10.0.0.1", "10.0.0.2")):
        with Theirs(space) as ns:
            index = ns.link_lookup(ifname=name)[0]
            ns.link("set", index=index, ifname=new)
            ns.addr("add", index=index, address=address, prefixlen=24)
            ns.link("set", index=index, state="up")
            ns.link("set", index=1, state="up")
    yield "addresses, up"
    yield Ready(trial.names)
    for name in trial.names:
        netns.remove(name)
    yield "delete"


def pyroute2_best(trial: Trial) -> Steps:
    """Create the pair in place with known indexes: one socket in each namespace."""
    from pyroute2 import NetNS as Theirs
    from pyroute2 import netns

    for name in trial.names:
        netns.create(name)
    yield "two namespaces"
    with Theirs(trial.names[0]) as one:
        one.link("add", ifname="v1", index=2, kind="veth", state="up", peer={"ifname": "v2", "net_ns_fd": trial.names[1]})
        yield "pair"
        one.addr("add", index=2, address="10.0.0.1", prefixlen=24)
        one.link("set", index=1, state="up")
    yield "near"
    with Theirs(trial.names[1]) as two:
        index = two.link_lookup(ifname="v2")[0]
        two.addr("add", index=index, address="10.0.0.2", prefixlen=24)
        two.link("set", index=index, state="up")
        two.link("set", index=1, state="up")
    yield "far"
    yield Ready(trial.names)
    for name in trial.names:
        netns.remove(name)
    yield "delete"


def pyroute2_named(trial: Trial) -> Steps:
    """Create a namespace with a name, and delete it."""
    from pyroute2 import netns

    netns.create(trial.names[0])
    yield "create"
    yield Ready([trial.names[0]])
    netns.remove(trial.names[0])
    yield "delete"


def implementations(case: str, version: str) -> list[Implementation]:
    """Return the implementations for a case."""
    differences = ["stamp", "queues"]
    found = {
        "named": [Implementation("pyroute2", pyroute2_named, TOOL, version)],
        "article": [
            Implementation("pyroute2, documented", pyroute2_documented, TOOL, version, differences),
            Implementation("pyroute2, best", pyroute2_best, TOOL, version, differences),
        ],
    }
    return found.get(case, [])


SOURCE = PeerSource("pyroute2", lambda: module_version("pyroute2", remedy="python3 -m pip install pyroute2"), implementations)
