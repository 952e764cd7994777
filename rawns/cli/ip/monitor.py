"""`ip monitor`: what changes, as it changes (ip-monitor(8), rtnetlink(7))."""

from __future__ import annotations

import _socket
import sys
from errno import ENOBUFS
from select import select

from ... import nlmsg, rtnl, uapi
from ...errors import SyscallError, WireError
from ...nlmsg import Request
from ...nlsocket import NetlinkSocket
from ...observer import observed_call
from .context import BRIEFLY, complain, help_of
from .grammar import CommandError, matches
from .keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, ValueKeyword, read
from .render import OutputField, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, Frame, IpContext, Iterator, Record, Reply

    Call = Callable[[Any, Body, IpContext, int], Iterator[OutputField]]
    Show = Callable[[bytes, Frame, int], None]

MAX_FILE_BYTES = 1 << 28
MAX_STORED_BYTES = 16384  # of one message in a file
MAX_BUFFER_BYTES = (1 << 31) - 1
HEADER = 16  # sizeof(struct nlmsghdr)
RTM_TSTAMP = 15  # of rtmon(8): not a message of the kernel
IPV4, IPV6, MPLS = uapi.AF_INET, uapi.AF_INET6, uapi.AF_MPLS
# Groups of each object by family; 0 stands for all families.
GROUPS = {
    "link": {0: uapi.RTNLGRP_LINK},
    "address": {IPV4: uapi.RTNLGRP_IPV4_IFADDR, IPV6: uapi.RTNLGRP_IPV6_IFADDR},
    "route": {IPV4: uapi.RTNLGRP_IPV4_ROUTE, IPV6: uapi.RTNLGRP_IPV6_ROUTE, MPLS: uapi.RTNLGRP_MPLS_ROUTE},
    "mroute": {IPV4: uapi.RTNLGRP_IPV4_MROUTE, IPV6: uapi.RTNLGRP_IPV6_MROUTE},
    "prefix": {IPV6: uapi.RTNLGRP_IPV6_PREFIX},
    "neighbour": {0: uapi.RTNLGRP_NEIGH},
    "netconf": {IPV4: uapi.RTNLGRP_IPV4_NETCONF, IPV6: uapi.RTNLGRP_IPV6_NETCONF, MPLS: uapi.RTNLGRP_MPLS_NETCONF},
    "rule": {IPV4: uapi.RTNLGRP_IPV4_RULE, IPV6: uapi.RTNLGRP_IPV6_RULE},
    "nsid": {0: uapi.RTNLGRP_NSID},
    "nexthop": {0: uapi.RTNLGRP_NEXTHOP},
    "stats": {0: uapi.RTNLGRP_STATS},
}


class EventSocket(NetlinkSocket):
    """A netlink socket that receives the messages of multicast groups, also those of other namespaces that have an id here."""

    def __init__(self, groups: list[int], everywhere: bool, buffer_bytes: int) -> None:
        self._groups, self._everywhere, self._buffer_bytes = groups, everywhere, buffer_bytes
        super().__init__()

    def _configure(self) -> None:
        sock = self._socket
        size = min(self._buffer_bytes, MAX_BUFFER_BYTES)
        option = uapi.SOL_SOCKET, uapi.SO_RCVBUF, size
        told = f"SOL_SOCKET, SO_RCVBUF, [{size}], 4"
        observed_call("setsockopt", sock.setsockopt, *option, format_args=lambda *_: f"{sock.fileno()}, {told}")
        if self._everywhere:
            self._set_option("NETLINK_LISTEN_ALL_NSID")
        for group in self._groups:
            if group > 32:  # does not fit the address
                self._set_option("NETLINK_ADD_MEMBERSHIP", group)
        mask = sum(1 << group - 1 for group in self._groups if group <= 32)  # all at once, so that no event is seen in part
        told = f"{{AF_NETLINK, nl_groups={mask:#x}}}, 12"
        observed_call("bind", sock.bind, (0, mask), format_args=lambda _: f"{sock.fileno()}, {told}")

    def empty(self) -> bool:
        """Return whether no datagram waits."""
        return not select([self._socket], [], [], 0)[0]

    def receive(self) -> tuple[bytes, int]:
        """Wait for a datagram; return it, and the id of the namespace that it concerns, -1 for the own one.

        Raises `SyscallError`: ENOBUFS if events were lost.
        """
        sock = self._socket
        size = observed_call(
            "recvfrom",
            sock.recv_into,
            bytearray(1),
            1,
            _socket.MSG_PEEK | _socket.MSG_TRUNC,
            format_args=lambda *_: f"{sock.fileno()}, buffer, 1, MSG_PEEK|MSG_TRUNC, NULL, NULL",
        )
        data, ancillary, _, sender = observed_call(
            "recvmsg", sock.recvmsg, max(size, 1), _socket.CMSG_SPACE(4), format_args=lambda *_: f"{sock.fileno()}, message, 0"
        )
        nsid = -1
        for level, kind, value in ancillary:
            if (level, kind) == (uapi.SOL_NETLINK, uapi.NETLINK_LISTEN_ALL_NSID):
                nsid = int.from_bytes(value[:4], sys.byteorder, signed=True)
        return (data if sender[0] == 0 else b""), nsid


class EventKind:
    """How the events of one object are shown: their label, where they name an interface, and the rows that show them.

    ``show`` is MODULE.NAME, loaded for the first event: rows, or a function that is called with the body and the context.
    ``call`` gets it and the index of the only interface that is shown, 0 for all.  ``deletion`` says whether `ip` has a word
    for the end of such an object.
    """

    __slots__ = ("call", "deletion", "index", "label", "show")

    def __init__(self, label: str, show: str, index: str = "", call: Call | None = None, deletion: bool = True) -> None:
        self.label, self.show, self.index, self.call, self.deletion = label, show, index, call, deletion

    def fields(self, body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
        """Yield the fields of an event; none if it is about another interface than the one with ``index``, unless that is 0."""
        if index and self.index and body.get(self.index, 0) != index:
            return
        module, _, name = self.show.partition(".")
        show = getattr(__import__(f"{__package__}.{module}", fromlist=[name]), name)
        if deleted and self.deletion:
            yield OutputField("deleted", True, "Deleted ")
        if self.call is not None:
            yield from self.call(show, body, ip, index)
        else:
            yield from fields(show, body, ip) if isinstance(show, tuple) else show(body, ip)


def _without_device(show: Any, body: Body, ip: IpContext, index: int) -> Iterator[OutputField]:
    """Yield the fields of an event, without the device if it is the only one that is shown."""
    found: Iterator[OutputField] = show(body, ip, ("dev",) if index else ())
    return found


EVENTS = {  # by the name of the message that reports something new
    "NEWLINK": EventKind("[LINK]", "show_link.event", "ifi_index"),
    "NEWADDR": EventKind("[ADDR]", "show_link.address", "ifa_index", lambda show, body, ip, _: show(body, ip, named=True)),
    "NEWROUTE": EventKind("[ROUTE]", "route.route", "RTA_OIF", _without_device),
    "NEWNEIGH": EventKind("[NEIGH]", "neigh.neighbour", "ndm_ifindex", _without_device),
    "NEWRULE": EventKind("[RULE]", "rule.ROWS"),
    "NEWNEXTHOP": EventKind("[NEXTHOP]", "nexthop.ROWS"),
    "NEWNEXTHOPBUCKET": EventKind("[NEXTHOPBUCKET]", "nexthop.BUCKET", deletion=False),
    "NEWNETCONF": EventKind("[NETCONF]", "netconf.ROWS", "NETCONFA_IFINDEX"),
    "NEWNSID": EventKind("[NSID]", "monitor.nsid"),
    "NEWADDRLABEL": EventKind("[ADDRLABEL]", "addrlabel.ROWS"),
    "NEWPREFIX": EventKind("[PREFIX]", "prefix.prefix"),
    "NEWSTATS": EventKind("[STATS]", "stats.hardware"),
}
MULTICAST_ROUTE = EventKind("[MROUTE]", "mroute.ROWS", "RTA_IIF")
_names: dict[int, str] = {}  # of namespaces by id, kept because a name may be gone when the id's end is reported


def nsid(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of an id of a namespace that has come or gone."""
    number = body.get("NETNSA_NSID", -1)
    name = _names.get(number)
    yield OutputField("nsid", number, f"nsid {number} ")
    if name is not None:
        yield OutputField("name", name, f"(iproute2 netns name: {name})")
    yield OutputField("", None, "\n")


def _note_names(ip: IpContext) -> None:
    _names.update({found: name for name, found in ip.nsids() if isinstance(found, int) and found >= 0})


def time_of_event(ip: IpContext) -> str:
    """Return the time as -timestamp and -tshort put it before an event; without these options an empty string."""
    if not ip.timestamp:
        return ""
    from time import localtime, strftime, time_ns

    now, rest = divmod(time_ns() // 1000, 1_000_000)
    form = "[%Y-%m-%dT%H:%M:%S" if ip.timestamp == 2 else "Timestamp: %a %b %e %H:%M:%S %Y"
    return strftime(form, localtime(now)) + (f".{rest:06d}] " if ip.timestamp == 2 else f" {rest} usec\n")


def _head(label: str, nsid: int, record: Record, ip: IpContext) -> str:
    """Return what stands before an event: its time, its namespace, its label."""
    pieces = [time_of_event(ip)]
    if "all nsids" in record:
        pieces.append("[nsid current]" if nsid < 0 else f"[nsid {nsid}]")
    if "label" in record:
        pieces.append(label)
    return "".join(pieces)


def decoded(data: bytes, frame: Frame, ip: IpContext, program: str = "ip") -> Reply | None:
    """Return an event, and take note of a link.  None for a control message, and for a malformed one, which is reported."""
    if frame.kind < uapi.NLMSG_MIN_TYPE:
        return None
    try:
        reply = nlmsg.decode(data, frame, rtnl.MESSAGES)
    except WireError as error:
        complain(f"rawns {program}: {error}")
        return None
    if reply.kind in (uapi.RTM_NEWLINK, uapi.RTM_DELLINK):
        ip.remember(reply.body, reply.kind == uapi.RTM_DELLINK)
    return reply


def _print(data: bytes, frame: Frame, nsid: int, record: Record, ip: IpContext) -> None:
    """Print one event, as text also with ``-json``: iproute2 has no JSON for events."""
    reply = decoded(data, frame, ip)
    if reply is None:
        return
    body, deleted = reply.body, reply.name.startswith("RTM_DEL")
    event = EVENTS.get(f"NEW{reply.name[len('RTM_NEW') :]}") if reply.name.startswith(("RTM_NEW", "RTM_DEL")) else None
    if event is None:
        _complain_of(frame)
        return
    if event.label == "[ROUTE]":
        if body["rtm_flags"] & uapi.RTM_F_CLONED:
            return
        if body["rtm_family"] in (uapi.RTNL_FAMILY_IPMR, uapi.RTNL_FAMILY_IP6MR):
            event = MULTICAST_ROUTE
    elif event.label == "[NEIGH]" and ip.family not in (0, body["ndm_family"]):
        return
    if reply.kind == uapi.RTM_NEWNSID:
        _note_names(ip)
    head = OutputField("", None, _head(event.label, nsid, record, ip))  # `ip` prints it also of what `dev` leaves out
    ip.print_text([[head], event.fields(body, deleted, ip, record.get("index", 0))])
    if reply.kind == uapi.RTM_DELNSID:
        _names.pop(body.get("NETNSA_NSID", -1), None)


def _complain_of(frame: Frame) -> None:
    """Print the header of a message that is not known."""
    parts = (("type", frame.kind), ("flags", frame.flags), ("len", HEADER + frame.end - frame.start))
    complain("Unknown message: " + " ".join(f"{name}=0x{value:08x}({value})" for name, value in parts))


def _object(name: str) -> Callable[[Args, Record], None]:
    return lambda args, record: record["objects"].append(name)


WORDS = [
    ValueKeyword("file*", "file"),
    ConstantKeyword("label*", "label", True),
    *[CustomKeyword(f"{name}*", _object(name)) for name in "link address route mroute prefix".split()],
    CustomKeyword("neigh*|neighbour*|neighbor*", _object("neighbour")),
    *[CustomKeyword(f"{name}*", _object(name)) for name in "netconf rule nsid nexthop stats".split()],
    ConstantKeyword("all", "label", True),
    ConstantKeyword("all-nsid*", "all nsids", True),
    DeviceKeyword("dev", "index", "Device does not exist\n"),
]


def _otherwise(word: str, args: Args, record: Record) -> None:
    if matches(word, "help"):
        raise help_of("monitor")
    raise CommandError(f'Argument "{word}" is unknown, try "ip monitor help".')


def _groups(objects: list[str], family: int) -> list[int]:
    """Return the groups of these objects for a family; of all objects if none is named."""
    chosen = objects or list(GROUPS)
    return [number for name in chosen for one, number in GROUPS[name].items() if not one or family in (0, one)]


def from_file(name: str, ip: IpContext, show: Show) -> int:
    """Show the events of a file that rtmon(8) has written; return the exit status."""
    try:
        with open(name, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise CommandError(f"Cannot fopen: {error.strerror}") from None
    end = 0
    try:
        for frame in nlmsg.split(data):
            end = frame.end + 3 & ~3
            if frame.kind == RTM_TSTAMP and frame.end - frame.start >= 8:
                ip.write([_stored_time(data[frame.start : frame.start + 8])])
            else:
                show(data, frame, -1)
    except WireError:
        length = int.from_bytes(data[end : end + 4], sys.byteorder, signed=True)
        if len(data) - end < HEADER or HEADER <= length <= MAX_STORED_BYTES:
            complain("rtnl-from_file: truncated message")
        else:
            complain(f"!!!malformed message: len={length} @{end + HEADER}")
        return 1
    return 0


def _stored_time(data: bytes) -> str:
    from time import localtime, strftime

    seconds, rest = (int.from_bytes(data[at : at + 4], sys.byteorder) for at in (0, 4))
    return strftime("Timestamp: %a %b %e %H:%M:%S %Y", localtime(seconds)) + f" {rest} us\n"


def run(args: Args) -> int:
    """Run ``ip monitor`` with its words, until a signal ends it; return the exit status."""
    ip = args.ip
    record = read(WORDS, args, {"objects": []}, _otherwise)

    def show(data: bytes, frame: Frame, nsid: int) -> None:
        _print(data, frame, nsid, record, ip)

    if "file" in record:
        return from_file(record["file"], ip, show)
    return watch(_groups(record["objects"], ip.family), ip, show, "all nsids" in record)


def watch(groups: list[int], ip: IpContext, show: Show, everywhere: bool = False) -> int:
    """Show what the kernel reports to these groups until a signal ends the program."""
    with EventSocket(groups, everywhere, ip.receive_buffer) as events:
        _read_state(ip)
        lost = False
        while True:
            if lost and events.empty():  # until then the kernel drops further events without a word
                _read_state(ip)
                lost = False
            try:
                data, nsid = events.receive()
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise
                complain(f"netlink receive error {error.strerror} ({error.errno})")
                _read_state(ip)  # a name may have changed in an event that was lost
                lost = True
                continue
            for frame in nlmsg.split(data):
                show(data, frame, nsid)


def _read_state(ip: IpContext) -> None:
    """Read the names of all links and namespaces, which events need to be shown."""
    ip.forget_links()
    ip.dump(Request(rtnl.GETLINK, {"IFLA_EXT_MASK": BRIEFLY}, uapi.NLM_F_DUMP))
    _note_names(ip)
