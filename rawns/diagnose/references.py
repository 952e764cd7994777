"""The files and names by which namespaces are found, and how messages call each: `NamespaceName`."""

from __future__ import annotations

import os

from .. import inventory, netns_names
from ..errors import InvalidValue
from ..net import NetNS
from ..terminal import printable
from .commands import NamespaceName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def of_mounts() -> Iterator[NamespaceName]:
    """Yield the files outside of /run/netns on which namespaces are mounted, as container engines do."""
    for path in inventory.mounts():
        yield NamespaceName(None, path, f"the namespace {path}")


def of_processes() -> Iterator[NamespaceName]:
    """Yield the namespaces that the threads of all processes are in."""
    for pid in inventory.pids():
        for path in inventory.of_threads(pid):
            yield NamespaceName(None, path, f"the namespace of process {pid}")


def of_descriptors() -> Iterator[NamespaceName]:
    """Yield the namespaces of which a process has a descriptor, those of this process first: a lab without names, say."""
    own = os.getpid()
    for pid in sorted(inventory.pids(), key=lambda pid: (pid != own, pid)):
        owner = "" if pid == own else f" of process {pid}"
        for path in inventory.of_descriptors(pid):
            yield NamespaceName(None, path, f"the namespace behind descriptor {path.rpartition('/')[2]}{owner}")


def of_open(namespace: NetNS, label: str = "") -> NamespaceName:
    """Return how to call and how to enter a namespace that the caller has open; ``label`` is that of a lab's host."""
    if namespace.name is not None:
        return NamespaceName(namespace.name)
    named = namespace.names()
    if named:
        return NamespaceName(named[0])
    path = f"/proc/{os.getpid()}/fd/{namespace.fileno()}"
    return NamespaceName(None, path, printable(label) or f"the namespace behind descriptor {namespace.fileno()}")


def named(text: str) -> tuple[NetNS, NamespaceName]:
    """Open a namespace by what a user typed."""
    if text == ".":
        return NetNS.current(), NamespaceName()
    if text.startswith("pid:"):
        pid = text[4:]
        if not (pid.isascii() and pid.isdigit()):
            raise InvalidValue(f"{text!r}: the number of a process must follow pid:")
        pid = pid.lstrip("0") or "0"
        return NetNS.open(f"pid:{pid}"), NamespaceName(None, f"/proc/{pid}/ns/net", f"the namespace of process {pid}")
    if "/" in text:
        return NetNS.open(text), NamespaceName(None, text)
    try:
        return NetNS.open(text), NamespaceName(text)
    except FileNotFoundError:
        hosts = [name for name in netns_names.listed() if name.partition(".")[2] == text]
        if len(hosts) > 1:
            raise InvalidValue(f"{text} is a host of {len(hosts)} labs; give one of {', '.join(hosts)}") from None
        if not hosts:
            raise
        return NetNS.open(hosts[0]), NamespaceName(hosts[0])
