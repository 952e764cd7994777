"""Hosts and ports of a lab that is up, by the words of its users; what all verbs at run time have in common."""

from __future__ import annotations

from ..errors import InvalidValue, RawnsError
from ..net import NetNS
from ..terminal import printable, short_repr
from . import build_requests
from .host import Host
from .interface import Interface
from .lock import LabLock
from .stamped_names import read_stamp
from .topology import Topology
from .words import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Union

    from .relay_process import RelayControl

    HostWord = Union[Host, str]  # a host, or its label
    PortWord = Union[Interface, str]  # an interface, or HOST:NAME

MAX_CONNECTED = 64  # hosts whose sockets stay open after a verb
MAX_NAMES = 12  # hosts or interfaces that an error lists


class RunningLab(Topology):
    """A lab whose hosts and ports are looked up by words, and whose stamps say what the verbs have added.

    A host is given as the object or by its label (``"web"``), a port as the object or as ``"HOST:NAME"`` (``"web:eth0"``; the
    name may be left out if the host has one interface).
    """

    __slots__ = ("relay_control",)

    def __init__(self, name: str = "lab", standing: bool = False) -> None:
        super().__init__(name, standing)
        self.relay_control: RelayControl | None = None  # connection to the relay that impairs ports if this kernel has no netem

    # -- what words mean ----------------------------------------------------------------------------------------------

    def find_host(self, word: HostWord) -> Host:
        """Return a host by its label, and a host of this lab as it is."""
        if isinstance(word, Host):
            if word.lab is not self:
                raise InvalidValue(f"{printable(word.label)} is a host of another lab ({printable(word.lab.name)})")
            return word
        labels = [one.label for one in self.hosts if not one.root]
        found = next((one for one in self.hosts if one.label == word), None)
        if found is None:
            raise InvalidValue(f"{self.name} has no host called {_shown(word)}{_hint(word, labels)}")
        return found

    def find_port(self, word: PortWord) -> Interface:
        """Return an interface by ``HOST:NAME``, and an interface of this lab as it is."""
        self.name_ports()
        if isinstance(word, Interface):
            self.find_host(word.host)  # type: ignore[arg-type]
            return word
        label, colon, name = word.rpartition(":") if isinstance(word, str) and ":" in word else (word, "", "")
        host = self.find_host(label)
        ports = [one for one in host.interfaces if not one.existing]
        names = [one.name or "" for one in ports]
        if not colon and len(ports) == 1:
            return ports[0]
        found = next((one for one in ports if one.name == name), None)
        if found is None and colon:
            raise InvalidValue(f"{printable(host.label)} has no interface called {_shown(name)}{_hint(name, names)}")
        if found is None:
            what = f"several interfaces: say {host.label}:{names[0]}, for example" if names else "no interface"
            raise InvalidValue(f"{printable(host.label)} has {printable(what)}")
        return found

    def ready(self, host: Host) -> Host:
        """Return a host whose namespace can be used; that of a lab that another process made is looked up by its name.

        Raises `RawnsError` if it is not there, or is not this lab's.
        """
        if host.there or host.root:
            return host
        missing = RawnsError(f"the host {printable(host.label)} is not there: the lab {self.name} is not up")
        if not self.standing or host.name is None:
            raise missing
        try:
            namespace = NetNS.open(host.name)
        except FileNotFoundError:
            raise missing from None
        with namespace:
            mark = read_stamp(namespace)
            if mark is None or mark.lab != self.name:
                raise RawnsError(f"the namespace {printable(host.name)} does not belong to the lab {self.name}")
            host.use_existing(namespace)
        return host

    def _by_host(self, ports: Iterable[PortWord]) -> dict[Host, list[Interface]]:
        found: dict[Host, list[Interface]] = {}
        for word in ports:
            port = self.find_port(word)
            found.setdefault(self.find_host(port.host), []).append(port)  # type: ignore[arg-type]
        if not found:
            raise InvalidValue("no port is given: name at least one, such as web:eth0")
        return found

    def _changing(self) -> LabLock:
        """Return the lock under which a verb changes the lab."""
        return LabLock(self.name if self.standing else None)

    def _release(self, hosts: Iterable[Host]) -> None:
        """Close the sockets of hosts if there are many; for a few hosts they stay open, so that the next verb is faster."""
        used = list(hosts)
        for host in used:
            if len(used) > MAX_CONNECTED or host.name is not None:
                host.release()

    # -- stamps ------------------------------------------------------------------------------------------------------

    def _announce(self, host: Host, *features: str) -> None:
        """Add features to the stamp of a host, so that they are read back and removed."""
        mark = read_stamp(host.namespace)
        if mark is None:
            raise RawnsError(
                f"the namespace of {printable(host.label)} has lost the stamp of its lab (the alias of lo): it is left alone"
            )
        if not mark.features.issuperset(features):
            mark.features = mark.features.union(features)
            host.net.do(build_requests.lo(str(mark)))

    def _forget(self, host: Host, features: set[str]) -> None:
        """Remove features from the stamp of a host."""
        mark = read_stamp(host.namespace)
        if mark is not None and mark.features & features:
            mark.features -= features
            host.net.do(build_requests.lo(str(mark)))


def _shown(word: object) -> str:
    return printable(word) if isinstance(word, str) and word else short_repr(word)


def _hint(word: object, names: Sequence[str]) -> str:
    """Return what names there are: the nearest, or some of them."""
    near = nearest(word, names) if isinstance(word, str) and word else ""
    if near:
        return f"; did you mean {printable(near)}?"
    return f"; it has {printable(', '.join(names[:MAX_NAMES]))}{' ...' if len(names) > MAX_NAMES else ''}" if names else ""


def gone(one: Interface) -> RawnsError:
    """Return the error for an interface that the kernel does not have any more."""
    return RawnsError(f"{printable(str(one))} is not there; `restore` or `up` creates it")
