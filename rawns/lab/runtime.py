"""Changes of a lab that is up: links set down and up, hosts isolated, partitioned, blocked, ports moved; and waits.

A change is in the kernel and nowhere else: it survives the process that made it, `Lab.plan` shows it as a difference, and
`Lab.restore`, or the next `Lab.up`, takes it back.  Each verb may be repeated.  A standing lab is locked while a verb changes
it; a verb that is interrupted leaves what it has done so far, which `restore` takes back as well.
"""

from __future__ import annotations

from _socket import AF_INET6

from .. import uapi
from ..errors import InvalidValue, KernelError, RawnsError
from ..net import NetNS
from ..objects import address, link
from ..syscalls import signals_blocked
from ..terminal import printable, short_repr
from . import build_requests, stamp
from . import faults as fault_tables
from .discover import read_stamp
from .faults import Fault, FaultTable
from .host import Host
from .interface import Interface
from .lock import LabLock
from .topology import Topology
from .values import nearest, port_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from subprocess import Popen
    from typing import Any, Union

    from typing_extensions import Unpack

    from ..nlmsg import Request
    from ..objects.prefix import Prefix
    from ..objects.qdisc import Shape, ShapeOptions
    from .capture import FrameCapture
    from .relay_process import RelayControl

    HostWord = Union[Host, str]  # a host, or its label
    PortWord = Union[Interface, str]  # an interface, or HOST:NAME

MAX_CONNECTED = 64  # hosts whose sockets stay open after a verb
MAX_NAMES = 12  # hosts or interfaces that an error lists


class RuntimeVerbs(Topology):
    """The verbs of a lab that is up.

    A host is given as the object or by its label (``"web"``), a port as the object or as ``"HOST:NAME"`` (``"web:eth0"``; the
    name may be left out if the host has one interface).  All raise `InvalidValue` for what the lab does not have, with the
    nearest name, `RawnsError` if it is not up, `KernelError` and `SyscallError` if the kernel refuses.
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

    # -- presets ------------------------------------------------------------------------------------------------------

    def apply_uplink(self, host: Host, kind: str) -> None:
        """Plan a host as a router of a kind; see `Host.uplink`."""
        from .presets import apply_uplink

        apply_uplink(host, kind)

    def preset(self, port: PortWord, name: str) -> None:
        """Plan how both ends of a wire send, as a kind of link: ``4g``, ``dsl``, ``satellite`` ...; ``port`` is the user's end.

        Before `up`, or again after it.  The kinds are in `presets.LINKS`, and with their figures in the manual.
        """
        from .presets import link_preset

        found, one = link_preset(name), self.find_port(port)
        if one.peer is None:
            raise InvalidValue(f"{printable(str(one))} has no other end: choose a port of a wire")
        one.shape, one.peer.shape = dict(found.up), dict(found.down)

    # -- links down and up --------------------------------------------------------------------------------------------

    def set_down(self, *ports: PortWord) -> None:
        """Set interfaces down: ``ip link set NAME down``.  The other end of a wire loses its carrier.

        The kernel takes away the routes that lead through them, and their IPv6 addresses; `set_up` restores those that are
        described.  One message for each host.
        """
        chosen = self._by_host(ports)
        with self._changing():
            for host, ones in chosen.items():
                self._send(host, [one.labelled(link.change(one.name or "", up=False)) for one in ones])
        self._release(chosen)

    def set_up(self, *ports: PortWord) -> None:
        """Set interfaces up, with the addresses and routes that the kernel has taken away: ``ip link set NAME up``.

        When it returns, those that have a carrier transmit, and so do the other ends of their wires and what stands on both; see
        `up`.  One question and one datagram for each host.
        """
        chosen = self._by_host(ports)
        with self._changing():
            for host, ones in chosen.items():
                self._find_indices(host, ones)
                self._send(host, [request for one in ones for request in _raised(host, one)])
            self._activate([one for ones in chosen.values() for one in ones])
        self._release(chosen)

    def replug(self, port: PortWord, target: HostWord) -> str:
        """Move an end of a wire into another host, or to another bridge, with its addresses; return its name there.

        ``target`` is a host, or the name of a bridge.  The other end keeps its addresses and routes; it loses its carrier for a
        moment.  When it returns, both ends transmit if they have a carrier.  Until `restore` this lab calls the end by its
        described place, in which it is missing.
        Equivalent to ``ip link set NAME netns HOST``, ``ip link set NAME master BRIDGE up`` and ``ip addr add``.
        """
        one = self.find_port(port)
        if one.peer is None:
            raise InvalidValue(f"{printable(str(one))} is not an end of a wire")
        bridges = [each for host in self.hosts for each in host.interfaces if each.switches and each.name == target]
        bridge = bridges[0] if bridges and not isinstance(target, Host) else None
        old = self.find_host(one.host)  # type: ignore[arg-type]
        new = self.find_host(bridge.host) if bridge is not None else self.find_host(target)  # type: ignore[arg-type]
        from .activation import activate, wait_for_addresses
        from .build_requests import link_local

        with self._changing(), signals_blocked():
            name = self._moved(one, self.ready(old), self.ready(new))
            links = {there.name: there for there in new.net.links()}
            if bridge is not None and bridge.name not in links:
                raise _gone(bridge)
            master = links[bridge.name or ""].index if bridge is not None else 0
            index = links[name].index
            requests = [link.change(index, master=master), *link_local(one, index), link.change(index, up=True)]
            for given in one.addresses if not master else ():
                requests.append(address.new(index, given, nodad=True, protocol=stamp.PROTOCOL))
                requests[-1].flags = uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
            new.net.do(*requests)
            activate(self, [one.peer, *([bridge] if bridge is not None else [])], moved=[(new, name)])
            if not master:
                wait_for_addresses(new, [given.address for given in one.addresses if given.family == AF_INET6])
        self._release([old, new])
        return name

    def _moved(self, one: Interface, old: Host, new: Host) -> str:
        """Move an interface into the namespace of another host, unless it is there; return its name there."""
        there = next((each for each in old.net.links() if each.name == one.name), None)
        if there is None:
            raise _gone(one)
        if old is new:
            return there.name
        taken = {each.name for each in new.net.links()} | {each.name for each in new.interfaces}
        name = next(word for word in (there.name, *(f"eth{number}" for number in range(len(taken) + 1))) if word not in taken)
        old.net.do(link.change(there.index, new_name=name, netns_fd=new.fileno()))
        return name

    def _activate(self, ones: Sequence[Interface]) -> None:
        """Let interfaces and the other ends of their wires transmit, also those that `replug` has moved."""
        from .activation import activate

        if activate(self, ones):
            aliases = {build_requests.alias(self.name, one) for one in ones if one.peer is not None}
            hosts = [self.ready(host) for host in self.hosts if not host.root]
            moved = [(host, there.name) for host in hosts for there in host.net.links("veth") if there.alias in aliases]
            activate(self, (), moved)
            self._release(hosts)

    def _find_indices(self, host: Host, ones: Sequence[Interface]) -> None:
        """Set the index of interfaces from what the kernel has: routes and addresses need it."""
        indices = {there.name: there.index for there in self.ready(host).net.links()}
        for one in host.interfaces:
            one.index = indices.get(one.name or "", one.index)
        for one in ones:
            if one.name not in indices:
                raise _gone(one)

    def _send(self, host: Host, requests: Sequence[Request]) -> None:
        try:
            self.ready(host).net.do(*requests)
        except KernelError as error:
            if error.code == "ENODEV" and error.request in ("RTM_NEWLINK", "RTM_SETLINK"):
                error.hint = "it is not there; `restore` or `up` creates it"
            raise

    # -- how ports send -----------------------------------------------------------------------------------------------

    def impair(self, *ports: PortWord, both: bool = False, **options: Unpack[ShapeOptions]) -> None:
        """Set how ports send, while traffic flows; with ``both`` the other ends of their wires as well.

        ``options`` are rate (bits a second), burst, latency, delay, jitter (seconds), loss, duplicate, reorder, corrupt
        (fractions) and limit (packets), each a number or text with a unit (``rate="10mbit", delay="20ms", loss="1%"``); see
        `Shape`.  They replace what was set before, described or not.  `clear` removes it, `restore` returns to the description.
        Equivalent to ``tc qdisc replace dev NAME root netem ...``; on a kernel without netem a relay, a
        process of the lab, does the same.  Raises `InvalidValue` for what is out of range.
        """
        from ..objects.qdisc import Shape

        self._set_shape(self._by_host(self._with_peers(ports, both)), Shape(**options))

    def clear(self, *ports: PortWord, both: bool = False) -> None:
        """Remove rate, delay and loss from ports, described or set by `impair`; with ``both`` from the other ends as well.

        Equivalent to ``tc qdisc del dev NAME root``.
        """
        self._set_shape(self._by_host(self._with_peers(ports, both)), None)

    def _with_peers(self, ports: Sequence[PortWord], both: bool) -> list[PortWord]:
        found = [self.find_port(word) for word in ports]
        if both:
            lonely = next((one for one in found if one.peer is None), None)
            if lonely is not None:
                raise InvalidValue(f"{printable(str(lonely))} has no other end")
            found += [one.peer for one in found if one.peer is not None]
        return list(dict.fromkeys(found))

    def _set_shape(self, chosen: dict[Host, list[Interface]], shape: Shape | None) -> None:
        from . import netem_support, shaping
        from .change import Change
        from .kernel_state import read

        features = ["shape", *([netem_support.RELAY] if netem_support.needs_relay(shape) else [])]
        root = next((one for ones in chosen.values() for one in ones if one.host.root), None)
        if root is not None:
            raise InvalidValue(f"{printable(str(root))} is in the namespace that the lab is built from: impair its other end")
        with self._changing():
            for host, ones in chosen.items():
                state = read(self.ready(host))
                for one in ones:
                    there = state.links.get(one.name or "")
                    if there is None:
                        raise _gone(one)
                    one.index = there.index
                    now, carried = state.shapes.get(one.index), one.index in state.relayed
                    change = shaping.set_requests(Change("~", str(one)), host, one, now, carried, shape)
                    with signals_blocked():
                        self._announce(host, *features)
                        self._send(host, change.requests)
                        if change.action is not None:
                            change.action()
                    state.shapes.pop(one.index, None)
                    state.relayed.pop(one.index, None)
                left = {*(["shape"] if state.shapes else []), *([netem_support.RELAY] if state.relayed else [])}
                if shape is None:
                    self._forget(host, {"shape", netem_support.RELAY} - left)
        self._release(chosen)

    # -- hosts kept from each other -----------------------------------------------------------------------------------

    def isolate(self, *hosts: HostWord) -> None:
        """Drop all frames that hosts send and receive, until `heal` or `restore`.  Their links stay up.

        A namespace with a bridge in it forwards nothing either.
        """
        chosen = [self.find_host(word) for word in hosts]
        if not chosen:
            raise InvalidValue("no host is given: name at least one, such as web")
        plans = {host: self._table(host, fault_tables.ISOLATE, f"isolate {host.label}") for host in chosen}
        for table in plans.values():
            table.drop("ingress")
            table.drop("egress")
        self._apply(plans)

    def partition(self, *groups: Iterable[HostWord]) -> None:
        """Split the lab: hosts of different groups do not reach each other, until `heal` or `restore`.

        Frames with an address of a host in another group are dropped where they enter and leave a host.  Hosts in no group
        reach all.  An earlier partition is replaced.  Raises `InvalidValue` if there are not two groups, or a host is in both.
        """
        chosen = [_group(self, group) for group in groups]
        everyone = [host for group in chosen for host in group]
        twice = next((host for host in everyone if everyone.count(host) > 1), None)
        if len(chosen) < 2 or not all(chosen):
            raise InvalidValue("a partition has at least two groups, each of at least one host")
        if twice is not None:
            raise InvalidValue(f"{printable(twice.label)} is in two groups of the partition")
        words = "partition " + " | ".join(" ".join(host.label for host in group) for group in chosen)
        plans = {}
        for group in chosen:
            others = [one for other in chosen if other is not group for host in other for one in _addresses(host)]
            for host in group:
                plans[host] = self._table(host, fault_tables.PARTITION, words)
                for chain in ("ingress", "egress"):
                    plans[host].drop_addresses(chain, others)
        rest = [host for host in self.hosts if host not in plans and not host.root]
        self._apply(plans)
        self._remove_faults(rest, lambda fault: fault.words.startswith(f"{fault_tables.PARTITION} "))

    def block(self, source: HostWord, target: HostWord, port: int | None = None, protocol: str | None = None) -> None:
        """Drop what one host sends to another, all of it or that to a port, until `unblock`, `heal` or `restore`.

        ``protocol`` is ``"tcp"``, ``"udp"``, or None for both.  What the target sends still arrives at the source, whose answers
        are dropped.  A packet is dropped if it has an address of the target when it leaves the source, or an address of the
        source when it arrives at the target, because NAT may have translated it in between.

        Raises `InvalidValue` for a port or protocol that does not exist.
        """
        sender, receiver = self.find_host(source), self.find_host(target)
        words = _block_words(sender, receiver, port, protocol)
        plans = {}
        for host, chain, far in ((sender, "egress", receiver), (receiver, "ingress", sender)):
            plans[host] = table = self._table(host, fault_tables.BLOCK, words, words)
            for further in _to_port(port, protocol):
                table.drop_addresses(chain, _addresses(far), *further)
        self._apply(plans)

    def unblock(self, source: HostWord, target: HostWord, port: int | None = None, protocol: str | None = None) -> None:
        """Undo a `block` that was made with the same arguments; do nothing if there is none."""
        sender, receiver = self.find_host(source), self.find_host(target)
        name = fault_tables.table_name(self.name, fault_tables.BLOCK, _block_words(sender, receiver, port, protocol))
        self._remove_faults([sender, receiver], lambda fault: fault.table == name)

    def heal(self) -> None:
        """Undo all that `isolate`, `partition` and `block` have done."""
        self._remove_faults([host for host in self.hosts if not host.root and (host.there or self.standing)], lambda fault: True)

    def faults(self) -> dict[str, list[str]]:
        """Return the faults of hosts by label, in the words of the verbs: ``{"web": ["isolate web"]}``."""
        found: dict[str, list[str]] = {}
        for host in self.hosts:
            if not host.root and (host.there or self.standing):
                mark = read_stamp(self.ready(host).namespace)
                if mark is not None and fault_tables.FEATURE in mark.features:
                    found[host.label] = [fault.words for fault in fault_tables.read(host.net, self.name)]
                self._release([host])
        return {label: words for label, words in found.items() if words}

    def _table(self, host: Host, verb: str, words: str, key: str = "") -> FaultTable:
        """Return an empty table for a host.  Raises `InvalidValue` if it has no interfaces of its own."""
        if host.root:
            raise InvalidValue("the namespace that the lab is built from is not the lab's: it cannot be kept from others")
        self.name_ports()
        devices = [one.name for one in host.interfaces if one.name and not one.existing]
        if not devices:
            raise InvalidValue(f"{printable(host.label)} has no interface of this lab, so there is nothing to drop frames at")
        return FaultTable(self.name, verb, words, devices, key)

    def _apply(self, plans: dict[Host, FaultTable]) -> None:
        """Create tables, each in one transaction, after the stamp of its host has announced it."""
        with self._changing():
            for host, table in plans.items():
                with signals_blocked():
                    self._announce(self.ready(host), fault_tables.FEATURE)
                    try:
                        host.net.nft.transact(*table.requests(), context=f"{table.words}: {host.label}")
                    except KernelError as error:
                        fault_tables.explain(error)
                        if error.code == "ENOENT":
                            error.hint = f"an interface of {printable(host.label)} is missing; `restore` or `up` creates it"
                        raise
        self._release(plans)

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

    def _remove_faults(self, hosts: Iterable[Host], chosen: Callable[[Fault], bool]) -> None:
        used = list(hosts)
        with self._changing():
            for host in used:
                mark = read_stamp(self.ready(host).namespace)
                if mark is None or fault_tables.FEATURE not in mark.features:
                    continue
                there = fault_tables.read(host.net, self.name)
                gone = [fault for fault in there if chosen(fault)]
                with signals_blocked():
                    fault_tables.remove(host.net, gone)
                    if len(gone) == len(there):
                        self._forget(host, {fault_tables.FEATURE})
                self._release([host])
        self._release(used)

    # -- capture ------------------------------------------------------------------------------------------------------

    def capture(
        self,
        *ports: PortWord,
        file: str,
        max_bytes: int | None = None,
        max_packets: int | None = None,
        seconds: float | None = None,
    ) -> FrameCapture:
        """Capture what ports send and receive into one file (pcapng), until the end of the block or a limit::

            with lab.capture("web", "db:eth0", file="shop.pcapng") as capture:
                ...
            print(capture.packets, capture.dropped)

        A host stands for all its interfaces.  Without a limit a file has at most 1 GiB.  Equivalent to ``tcpdump -w FILE``, in
        several namespaces at once.  Raises as `FrameCapture`.
        """
        from .capture import FrameCapture

        chosen: list[Interface] = []
        for word in ports:
            if isinstance(word, str) and ":" not in word:
                chosen += [one for one in self.find_host(word).interfaces if not one.existing]
            else:
                chosen.append(self.find_port(word))
        self.name_ports()
        pairs = [(self.ready(self.find_host(one.host)), one) for one in dict.fromkeys(chosen)]  # type: ignore[arg-type]
        return FrameCapture(pairs, file, max_bytes, max_packets, seconds)

    # -- waiting ------------------------------------------------------------------------------------------------------

    def wait_reachable(
        self,
        source: HostWord,
        target: HostWord,
        port: int | None = None,
        *,
        protocol: str | None = None,
        timeout: float = 5.0,
    ) -> float:
        """Wait until one host reaches another: by an echo request, or by a TCP connection to ``port``; return the seconds.

        Raises `LabTimeoutError` (TimeoutError) after ``timeout`` seconds, with the answer of `why`.
        """
        from .wait_for import wait_reachable

        sender, receiver = (self.ready(self.find_host(word)) for word in (source, target))
        return wait_reachable(sender, receiver, port, protocol, timeout)

    def wait_unreachable(self, source: HostWord, target: HostWord, *, timeout: float = 5.0) -> float:
        """Wait until one host does not reach another: no answer to echo requests of 0.2 seconds; return the seconds."""
        from .wait_for import wait_unreachable

        sender, receiver = (self.ready(self.find_host(word)) for word in (source, target))
        return wait_unreachable(sender, receiver, timeout)

    def wait_carrier(self, port: PortWord, carrier: bool = True, *, timeout: float = 5.0) -> float:
        """Wait until an interface has a carrier and transmits, or has no carrier; return the seconds that took.

        It waits for events (RTM_NEWLINK).  Raises `LabTimeoutError` (TimeoutError) after ``timeout`` seconds.
        """
        from .wait_for import wait_carrier

        one = self.find_port(port)
        return wait_carrier(self.ready(self.find_host(one.host)), one, carrier, timeout)  # type: ignore[arg-type]

    def wait_for_port(
        self,
        host: HostWord,
        port: int,
        *,
        protocol: str = "tcp",
        address: str | None = None,
        timeout: float = 5.0,
        process: Popen[Any] | None = None,
    ) -> float:
        """Wait until a socket of a host listens on a port; return the seconds.

        The kernel sends no event for that: /proc/net/tcp is read after 1 ms, and then after twice the time each, 20 ms at
        most.  With ``process`` (a `subprocess.Popen`) the wait ends when that does.  Raises `LabTimeoutError` (TimeoutError)
        after ``timeout`` seconds, saying which ports are listened on; `RawnsError` if the process ends first.
        """
        from .wait_for import wait_for_port

        return wait_for_port(self.ready(self.find_host(host)), port, protocol, address, timeout, process)


def _shown(word: object) -> str:
    return printable(word) if isinstance(word, str) and word else short_repr(word)


def _hint(word: object, names: Sequence[str]) -> str:
    """Return what names there are: the nearest, or some of them."""
    near = nearest(word, names) if isinstance(word, str) and word else ""
    if near:
        return f"; did you mean {printable(near)}?"
    return f"; it has {printable(', '.join(names[:MAX_NAMES]))}{' ...' if len(names) > MAX_NAMES else ''}" if names else ""


def _gone(one: Interface) -> RawnsError:
    return RawnsError(f"{printable(str(one))} is not there; `restore` or `up` creates it")


def _raised(host: Host, one: Interface) -> list[Request]:
    """Return the requests that set an interface up, and what is described of it that goes when it is set down."""
    requests = [one.labelled(link.change(one.index, up=True))]
    requests += [build_requests.replace_address(one, address) for address in one.given if address.family == AF_INET6]
    for route in host.ordered_routes:
        through = (
            route.dev == one.name
            if route.dev is not None
            else any(route.via and route.via in address for address in one.addresses)
        )
        if through:
            request = build_requests.add_route(host, route)
            request.flags = uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
            requests.append(request)
    return requests


def _addresses(host: Host) -> list[Prefix]:
    found = [address for one in host.interfaces for address in one.addresses]
    if not found:
        raise InvalidValue(f"{printable(host.label)} has no address by which it could be kept from others: isolate it instead")
    return found


def _group(lab: RuntimeVerbs, group: Iterable[HostWord]) -> list[Host]:
    words = [group] if isinstance(group, (str, Host)) else group
    if not hasattr(words, "__iter__"):
        raise InvalidValue(f"{short_repr(group)} is not a group of hosts: give a list of their names")
    return [lab.find_host(word) for word in words]


def _block_words(sender: Host, receiver: Host, port: int | None, protocol: str | None) -> str:
    if sender is receiver:
        raise InvalidValue(f"{printable(sender.label)} cannot be blocked from itself")
    if port is not None:
        port_number(port)
    if protocol is not None and protocol not in fault_tables.PROTOCOLS:
        raise InvalidValue(f"{short_repr(protocol)} is not a protocol that can be blocked: tcp and udp are")
    words = ["block", sender.label, receiver.label]
    words += [protocol] if protocol is not None else []
    return " ".join([*words, *(["port", str(port)] if port is not None else [])])


def _to_port(port: int | None, protocol: str | None) -> list[list[dict[str, Any]]]:
    """Return the conditions of the rules of a block: one rule for each protocol."""
    from ..nft import build

    if port is None and protocol is None:
        return [[]]
    numbers = [fault_tables.PROTOCOLS[protocol]] if protocol is not None else list(fault_tables.PROTOCOLS.values())
    ports = build.destination_port(port) if port is not None else []
    return [[*build.meta("L4PROTO", bytes([number])), *ports] for number in numbers]
