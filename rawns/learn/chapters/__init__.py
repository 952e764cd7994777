"""The chapters of `rawns learn`, one module each; `NAMES` is their order."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..chapter import Chapter

TITLES = {  # the name of each chapter, which is that of its module, and its title
    "namespace": "What a network namespace is",
    "cable": "The cable: a veth pair",
    "ping": "Addresses and the first ping",
    "chat": "A conversation over TCP",
    "names": "What a name of a namespace is",
    "bridge": "A bridge",
    "router": "Two subnets and a router",
    "nat": "Network address translation",
    "dns": "/etc/netns and DNS",
    "firewall": "A firewall, and what the kernel answers",
    "vlan": "Sharing a cable: macvlan and VLAN",
    "vxlan": "Two machines and VXLAN",
    "container": "A container by hand",
    "kubernetes": "What Kubernetes does with all this",
}
NAMES = tuple(TITLES)


def load(name: str) -> Chapter:
    """Return a chapter by its name, which must be one of `NAMES`."""
    found: Chapter = __import__(f"rawns.learn.chapters.{name}", fromlist=["CHAPTER"]).CHAPTER
    return found
