"""Until a lab can be used, and until the kernel has let go of it: by events, never by sleeping.

Floor 6.
"""

from __future__ import annotations

from time import monotonic

from .. import names, uapi
from ..errors import RawnsError
from ..events import Monitor, wait_until
from ..net import NetNS
from ..objects import nsid
from .model import Bridge, Existing, Macvlan, Port, Tap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..netns import Namespace
    from ..objects.link import Link
    from .lab import Lab
    from .model import Host, Interface

FORWARDING = uapi.BR_STATE_FORWARDING
BATCH = 64  # namespaces whose descriptors are open at once


class NotYet(RawnsError, TimeoutError):
    """What was waited for has not come in time."""


# -- until it can be used -------------------------------------------------------------------------------------------


def until_usable(lab: Lab, timeout: float) -> None:
    """Until all carrier is there that the description lets us expect, addresses are usable, and bridges forward.

    Raises `NotYet` after ``timeout`` seconds, saying what is lacking; `RawnsError` for an address that is a duplicate.
    """
    deadline = monotonic() + timeout
    for host in lab.hosts:
        with host.entered():
            monitor = Monitor("link", "address")
        try:
            with monitor:
                _until(lambda host=host: _lacking(host), monitor, deadline, timeout)  # type: ignore[misc]
        finally:
            host.release()


def _until(lacking: Callable[[], str], monitor: Monitor, deadline: float, timeout: float) -> None:
    told = [""]

    def holds() -> bool:
        told[0] = lacking()
        return not told[0]

    try:
        wait_until(holds, monitor, timeout=max(0.0, deadline - monotonic()))
    except TimeoutError:
        raise NotYet(f"{told[0]}, and so it has been for {timeout:g} s") from None


def _lacking(host: Host) -> str:
    """What of a host cannot be used yet, as the beginning of a sentence; empty where all can."""
    links = {link.name: link for link in host.net.links()}
    tentative = {}
    for address in host.net.addresses():
        if address.flags & uapi.IFA_F_DADFAILED:
            raise RawnsError(f"the address {address} of {host.label} is in use by somebody else on its wire")
        if address.tentative:
            tentative[address.index, str(address)] = True
    for one in host.interfaces:
        link = links.get(one.name or "")
        if link is None:
            return f"{one} is not there"
        if carrier_due(one) and not link.carrier:
            return f"{one} has no carrier"
        if one.master is not None and one.up and _state(link) != FORWARDING:
            return f"{one} does not forward yet: its bridge speaks the spanning tree protocol"
        for wanted in one.addresses:
            if (link.index, str(wanted)) in tentative:
                return f"the address {wanted} of {one} is still being checked for duplicates"
    return ""


def _state(link: Link) -> int | None:
    state: int | None = link.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_SLAVE_DATA", {}).get("IFLA_BRPORT_STATE")
    return state


def carrier_due(one: Interface) -> bool:
    """Whether an interface has a carrier sooner or later, if all is as it is described."""
    if not one.up or isinstance(one, (Tap, Existing)):
        return False
    if isinstance(one, Port):
        return one.peer is not None and one.peer.up
    if isinstance(one, Macvlan):
        return carrier_due(one.parent)
    if isinstance(one, Bridge):
        return any(port.master is one and carrier_due(port) for port in one.host.interfaces)
    return True


# -- until it is gone -----------------------------------------------------------------------------------------------


class Departure:
    """``with Departure(namespaces, seconds):`` they are let go of in the block, and it ends when the last device is gone.

    Raises `NotYet` where that takes longer than so many seconds, saying who holds what.

    Each gets an id in a namespace of our own: the kernel takes the id back when it begins to take the namespace apart.
    It does that with one batch after the other, so a namespace that ends after all the ids have gone is taken apart after
    them; the far end of a cable into that one going away is the sign that they are done.
    """

    def __init__(self, namespaces: Iterable[Namespace | str], timeout: float) -> None:
        self._timeout = timeout
        self._monitor: Monitor | None = None
        self._known: list[tuple[str, tuple[int, int]]] = []
        self._seen: set[tuple[int, int]] = set()
        self._home = NetNS.create()
        try:
            with self._home.entered():
                self._monitor = Monitor("nsid", "link")
            batch: list[Namespace] = []
            for one in namespaces:
                batch.append(NetNS.open(one) if isinstance(one, str) else one)
                if len(batch) == BATCH:
                    self._introduce(batch)
                    batch = []
            self._introduce(batch)
        except BaseException:
            self._close()
            raise

    def _introduce(self, batch: Sequence[Namespace]) -> None:
        requests = []
        for one in batch:
            if one.identity not in self._seen:  # it may have a second name
                self._seen.add(one.identity)
                requests.append(nsid.new(one.fileno(), len(self._known)))
                self._known.append((str(one.name or getattr(one, "label", "")), one.identity))
        if requests:
            self._home.net.do(*requests)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None and self._monitor is not None:
                self._wait(self._monitor, self._timeout)
        finally:
            self._close()

    def _wait(self, monitor: Monitor, timeout: float) -> None:
        deadline = monotonic() + timeout
        try:
            wait_until(lambda: not self._home.net.nsids(), monitor, timeout=timeout)
            with NetNS.create() as canary:
                self._home.net.add_veth("near", peer="far", peer_ns=canary)
            left = max(0.0, deadline - monotonic())
            wait_until(lambda: "near" not in [link.name for link in self._home.net.links()], monitor, timeout=left)
        except TimeoutError:
            raise NotYet(self._held(timeout)) from None

    def _held(self, timeout: float) -> str:
        left = [self._known[number] for number in self._home.net.nsids() if number < len(self._known)]
        for name, identity in left:
            pids = names.pids_in(identity)
            if pids:
                return f"the namespace {name} is still in use by process {pids[0]}, {timeout:g} s after its name was taken away"
        return f"the kernel has not let go of {len(left) or 'the last'} namespaces for {timeout:g} s"

    def _close(self) -> None:
        if self._monitor is not None:
            self._monitor.close()
        self._home.close()
