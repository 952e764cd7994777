"""Wait until a lab can be used, and until the kernel has removed it: by events, never by sleeping."""

from __future__ import annotations

from _socket import AF_INET6
from time import monotonic

from .. import netns_names, rtnl, uapi
from ..errors import RawnsError
from ..events import Monitor, wait_until
from ..net import NetNS
from ..objects import link as links
from ..objects import nsid
from ..objects.link import Link
from ..rtnl.link import LINKINFO
from ..terminal import printable
from .activation import activate, addresses_without_route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..netns import Namespace
    from .activation import Place
    from .host import Host
    from .interface import Interface
    from .topology import Topology

SETTLED = (uapi.BR_STATE_FORWARDING, uapi.BR_STATE_BLOCKING)  # the spanning tree protocol blocks ports on purpose
NOTHING: Mapping[Place, bool | None] = {}  # nothing is known
MAX_OPEN = 64  # namespaces whose descriptors are open at once
# What is read of links; all of their attributes take ten times as long to decode.
STATE = rtnl.NEWLINK.select(
    "IFLA_IFNAME", "IFLA_OPERSTATE", IFLA_LINKINFO=LINKINFO.select("IFLA_INFO_SLAVE_KIND", "IFLA_INFO_SLAVE_DATA")
)


class LabTimeoutError(RawnsError, TimeoutError):
    """What was waited for has not happened in time."""


# -- until it can be used -------------------------------------------------------------------------------------------


def wait_until_usable(lab: Topology, timeout: float, known: Mapping[Place, bool | None] = NOTHING) -> None:
    """Wait until interfaces have the carrier that is described and transmit, addresses are usable, and bridges forward.

    ``known`` is what `activation.activate` has just returned: a host of which it says enough is not looked at again.
    Raises `LabTimeoutError` after ``timeout`` seconds, saying what is missing; `RawnsError` for a duplicate address.
    """
    deadline = monotonic() + timeout
    late: list[Interface] = []
    for host in lab.hosts:
        if _is_usable(host, known):  # two visits and two lists of links are a seventh of the time that the fixture `lab` takes
            continue
        try:
            if _missing(host, late):  # most are usable at once, and a monitor costs as much as looking
                late += host.interfaces
                with host.monitor("link", "address") as monitor:
                    _wait_for_host(host, monitor, deadline, timeout)
        finally:
            host.release()
    if late:
        activate(lab, late)


def _is_usable(host: Host, known: Mapping[Place, bool | None]) -> bool:
    """Return whether a host can be used for all that is ``known``; False if the kernel must be asked."""
    for one in host.interfaces:
        transmits = known.get((host, one.name or ""))
        if transmits is None or one.bridged or (one.carrier_due and not transmits):
            return False
        if any(wanted.family == AF_INET6 for wanted in one.addresses):
            return False
    return True


def _wait_for_host(host: Host, monitor: Monitor, deadline: float, timeout: float) -> None:
    missing = [""]

    def usable() -> bool:
        missing[0] = _missing(host, [])
        return not missing[0]

    try:
        wait_until(usable, monitor, timeout=max(0.0, deadline - monotonic()))
    except TimeoutError:
        raise LabTimeoutError(f"{missing[0]}, and so it has been for {timeout:g} s") from None


def _missing(host: Host, inactive: list[Interface]) -> str:
    """Return what of a host cannot be used yet, as the beginning of a sentence; empty if everything can.

    Interfaces that have a carrier and may not transmit yet are added to ``inactive``.
    """
    found = _links(host)
    tentative = {}
    ipv6 = any(wanted.family == AF_INET6 for one in host.interfaces for wanted in one.addresses)
    for address in host.net.addresses(family=AF_INET6) if ipv6 else ():  # those of IPv4 can be used at once
        if address.flags & uapi.IFA_F_DADFAILED:
            raise RawnsError(f"the address {address} of {host.label} is used by another host on its wire")
        if address.tentative:
            tentative[address.index, str(address)] = True
    for one in host.interfaces:
        link = found.get(one.name or "")
        if link is None:
            return f"{one} is not there"
        if one.carrier_due and not link.carrier:
            return f"{one} has no carrier"
        if one.carrier_due and link.operstate != uapi.IF_OPER_UP:
            inactive.append(one)
        if one.bridged and one.carrier_due and one.master is not None and one.master.up and _port_state(link) not in SETTLED:
            reason = ": its bridge uses the spanning tree protocol" if one.master.stp else ""
            return f"{one} does not forward yet{reason}"
        for wanted in one.addresses:
            if (link.index, str(wanted)) in tentative:
                return f"the address {wanted} of {one} is still being checked for duplicates"
    expected = [wanted.address for one in host.interfaces if one.up for wanted in one.addresses if wanted.family == AF_INET6]
    for unready in addresses_without_route(host, expected):
        return f"the address {unready} of {host.label} cannot receive yet"
    return ""


def _links(host: Host) -> dict[str, Link]:
    """Return the links of a host by name, as far as `STATE` says."""
    asked = links.request({}, all=True, stats=False)
    asked.reading = STATE
    return {one.name: one for one in map(Link, [reply.body for reply in host.net.netlink.dump(asked)])}


def _port_state(link: Link) -> int | None:
    state: int | None = link.body.get("IFLA_LINKINFO", {}).get("IFLA_INFO_SLAVE_DATA", {}).get("IFLA_BRPORT_STATE")
    return state


# -- until it is removed ----------------------------------------------------------------------------------------------


class RemovalWait:
    """``with RemovalWait(namespaces, seconds):`` the block removes them; it ends when the kernel has removed the last device.

    Raises `LabTimeoutError` if that takes longer, naming what uses them.  If the wait cannot be prepared, the block is
    executed all the same, and the error is raised at its end.

    Each namespace gets an id (nsid) in a new namespace: the kernel takes the id back when it begins to remove the namespace.
    It removes one batch after the other, so a namespace that ends after all the ids are gone is removed after them; when
    the far end of a cable into that one disappears, they are done.
    """

    def __init__(self, namespaces: Iterable[Namespace | str], timeout: float) -> None:
        self._timeout = timeout
        self._monitor: Monitor | None = None
        self._observer: NetNS | None = None
        self._known: list[tuple[str, tuple[int, int]]] = []
        self._seen: set[tuple[int, int]] = set()
        self._error: RawnsError | None = None
        try:
            self._prepare(namespaces)
        except RawnsError as error:
            self._close()
            self._error = error
        except BaseException:
            self._close()
            raise

    def _prepare(self, namespaces: Iterable[Namespace | str]) -> None:
        self._observer = NetNS.create()
        self._monitor = self._observer.monitor("nsid", "link")
        batch: list[Namespace] = []
        for one in namespaces:
            batch.append(NetNS.open(one) if isinstance(one, str) else one)
            if len(batch) == MAX_OPEN:
                self._introduce(self._observer, batch)
                batch = []
        self._introduce(self._observer, batch)

    def _introduce(self, observer: NetNS, batch: Sequence[Namespace]) -> None:
        """Give these namespaces their ids."""
        requests = []
        for one in batch:
            if one.identity not in self._seen:  # it may have a second name
                self._seen.add(one.identity)
                requests.append(nsid.new(one.fileno(), len(self._known)))
                self._known.append((str(one.name or getattr(one, "label", "")), one.identity))
        if requests:
            observer.net.do(*requests)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None and self._error is not None:
                raise self._error
            if kind is None and self._monitor is not None and self._observer is not None:
                self._wait(self._observer, self._monitor)
        finally:
            self._close()

    def _wait(self, observer: NetNS, monitor: Monitor) -> None:
        deadline = monotonic() + self._timeout
        try:
            wait_until(lambda: not observer.net.nsids(), monitor, timeout=self._timeout)
            with NetNS.create() as last:
                observer.net.add_veth("near", peer="far", peer_ns=last)
            left = max(0.0, deadline - monotonic())
            wait_until(lambda: "near" not in [link.name for link in observer.net.links()], monitor, timeout=left)
        except TimeoutError:
            raise LabTimeoutError(self._remaining(observer)) from None

    def _remaining(self, observer: NetNS) -> str:
        """Return what has not been removed, as a sentence."""
        left = [self._known[number] for number in observer.net.nsids() if number < len(self._known)]
        for name, identity in left:
            pids = netns_names.pids_in(identity)
            if pids:
                return (
                    f"the namespace {printable(name)} is still in use by process {pids[0]}, "
                    f"{self._timeout:g} s after its name was removed"
                )
        return f"the kernel has not removed {len(left) or 'the last'} namespaces within {self._timeout:g} s"

    def _close(self) -> None:
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.close()
        if self._observer is not None:
            self._observer.close()
