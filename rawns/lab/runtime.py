"""Changes of a lab that is up: links set down and up, hosts isolated, partitioned, blocked, ports moved; and waits.

A change is in the kernel and nowhere else: it survives the process that made it, `Lab.plan` shows it as a difference, and
`Lab.restore`, or the next `Lab.up`, takes it back.  Each verb may be repeated.  A standing lab is locked while a verb changes
it; a verb that is interrupted leaves what it has done so far, which `restore` takes back as well.
"""

from __future__ import annotations

from _socket import AF_INET6

from .. import uapi
from ..errors import InvalidValue, KernelError
from ..objects import address, link
from ..rollback import signals_blocked
from ..terminal import printable
from . import build_requests, stamp
from .fault_verbs import FaultVerbs
from .host import Host
from .interface import Interface
from .running import gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen
    from typing import Any

    from typing_extensions import Unpack

    from ..nlmsg import Request
    from ..objects.qdisc import Shape, ShapeOptions
    from .capture import FrameCapture
    from .running import HostWord, PortWord


class RuntimeVerbs(FaultVerbs):
    """The verbs of a lab that is up.

    A host is given as the object or by its label (``"web"``), a port as the object or as ``"HOST:NAME"`` (``"web:eth0"``; the
    name may be left out if the host has one interface).  All raise `InvalidValue` for what the lab does not have, with the
    nearest name, `RawnsError` if it is not up, `KernelError` and `SyscallError` if the kernel refuses.
    """

    __slots__ = ()

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
                raise gone(bridge)
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
            raise gone(one)
        if old is new:
            return there.name
        taken = {each.name for each in new.net.links()} | {each.name for each in new.interfaces}
        name = next(word for word in (there.name, *(f"eth{number}" for number in range(len(taken) + 1))) if word not in taken)
        old.net.do(link.change(there.index, new_name=name, netns_fd=new.fileno()))
        return name

    def _activate(self, ones: Sequence[Interface]) -> None:
        """Let interfaces and the other ends of their wires transmit, also those that `replug` has moved."""
        from .activation import activate

        if None in activate(self, ones).values():
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
                raise gone(one)

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
                        raise gone(one)
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
