"""`ip monitor`: what changes, as it changes (ip-monitor(8), rtnetlink(7))."""

from __future__ import annotations

import _socket
import sys
from errno import ENOBUFS

from ... import nlmsg, rtnl, uapi
from ...errors import SyscallError, WireError
from ...nlmsg import Request
from ...nlsocket import NetlinkSocket
from ...syscalls import observed_call
from .context import BRIEFLY, complain
from .grammar import CommandError, matches, wrong
from .keywords import CustomKeyword, read
from .render import OutputField, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...nlmsg import Reply
    from ...wire import Body
    from .context import Args, IpContext
    from .grammar import Record

    Show = Callable[[Body, bool, IpContext, int], Iterator[OutputField]]

RECEIVE_BUFFER_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 28
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

    def __init__(self, groups: list[int], everywhere: bool) -> None:
        self._groups, self._everywhere = groups, everywhere
        super().__init__()

    def _configure(self) -> None:
        sock = self._socket
        option = uapi.SOL_SOCKET, uapi.SO_RCVBUF, RECEIVE_BUFFER_BYTES
        told = f"SOL_SOCKET, SO_RCVBUF, [{RECEIVE_BUFFER_BYTES}], 4"
        observed_call("setsockopt", sock.setsockopt, *option, format_args=lambda *_: f"{sock.fileno()}, {told}")
        if self._everywhere:
            self._set_option("NETLINK_LISTEN_ALL_NSID")
        for group in self._groups:
            if group > 32:  # does not fit the address
                self._set_option("NETLINK_ADD_MEMBERSHIP", group)
        mask = sum(1 << group - 1 for group in self._groups if group <= 32)  # all at once, so that no event is seen in part
        told = f"{{AF_NETLINK, nl_groups={mask:#x}}}, 12"
        observed_call("bind", sock.bind, (0, mask), format_args=lambda _: f"{sock.fileno()}, {told}")

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


# -- what is shown for a message ------------------------------------------------------------------------------------------


def _link(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from . import show_link

    if index not in (0, body["ifi_index"]):
        return
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    yield from show_link.event(body, ip)


def _address(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .show_addr import address

    if index not in (0, body["ifa_index"]):
        return
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    yield from address(body, ip, named=True)


def _route(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .show_route import route

    if index and body.get("RTA_OIF", 0) != index:
        return
    yield from route(body, ip, ("dev",) if index else (), deleted)


def _neighbour(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .neigh import neighbour

    if index not in (0, body["ndm_ifindex"]):
        return
    yield from neighbour(body, ip, {"index": index} if index else {}, "Deleted" if deleted else "")


def _rule(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .rule import rule_fields

    yield from rule_fields(body, ip, deleted)


def _nexthop(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .show_nexthop import nexthop

    yield from nexthop(body, ip, deleted)


def _bucket(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .render import fields
    from .show_nexthop import BUCKET

    if deleted:
        yield OutputField("deleted", True, "Deleted ")
    yield from fields(BUCKET, body, ip)


def _netconf(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .netconf import netconf

    if index not in (0, body.get("NETCONFA_IFINDEX", 0)):
        return
    yield from netconf(body, ip, deleted)


def _addrlabel(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    from .addrlabel import addrlabel

    yield from addrlabel(body, ip, deleted)


_names: dict[int, str] = {}  # of namespaces by id, kept because a name may be gone when the id's end is reported


def _nsid(body: Body, deleted: bool, ip: IpContext, index: int) -> Iterator[OutputField]:
    number = body.get("NETNSA_NSID", -1)
    if not deleted:
        _names.update({found: name for name, found in ip.nsids() if isinstance(found, int) and found >= 0})
    name = _names.get(number)
    if deleted:
        yield OutputField("deleted", True, "Deleted ")
        _names.pop(number, None)
    yield OutputField("nsid", number, f"nsid {number} ")
    if name is not None:
        yield OutputField("name", name, f"(iproute2 netns name: {name})")
    yield OutputField("", None, "\n")


# By the start of a message's name: the label, and what shows it.
SHOWN: dict[str, tuple[str, Show]] = {
    "LINK": ("[LINK]", _link),
    "ADDR": ("[ADDR]", _address),
    "ROUTE": ("[ROUTE]", _route),
    "NEIGH": ("[NEIGH]", _neighbour),
    "RULE": ("[RULE]", _rule),
    "NEXTHOP": ("[NEXTHOP]", _nexthop),
    "NEXTHOPBUCKET": ("[NEXTHOPBUCKET]", _bucket),
    "NETCONF": ("[NETCONF]", _netconf),
    "NSID": ("[NSID]", _nsid),
    "ADDRLABEL": ("[ADDRLABEL]", _addrlabel),
}


def _head(label: str, nsid: int, record: Record, ip: IpContext) -> str:
    """Return what stands before an event: its time, its namespace, its label."""
    pieces = []
    if ip.timestamp:
        from time import localtime, strftime, time_ns

        now, rest = divmod(time_ns() // 1000, 1_000_000)
        form = "[%Y-%m-%dT%H:%M:%S" if ip.timestamp == 2 else "Timestamp: %a %b %e %H:%M:%S %Y"
        pieces.append(strftime(form, localtime(now)) + (f".{rest:06d}] " if ip.timestamp == 2 else f" {rest:06d} usec\n"))
    if "all nsids" in record:
        pieces.append("[nsid current]" if nsid < 0 else f"[nsid {nsid}]")
    if "label" in record:
        pieces.append(label)
    return "".join(pieces)


def _print(reply: Reply, nsid: int, record: Record, ip: IpContext) -> None:
    """Print one event."""
    verb, _, kind = reply.name.removeprefix("RTM_").partition("W" if "_NEW" in reply.name else "L")
    body, deleted = reply.body, verb == "DE"
    if reply.kind in (uapi.RTM_NEWLINK, uapi.RTM_DELLINK):
        ip.remember(body, deleted)
    if kind not in SHOWN:
        size = len(body.get("", b"")) + 16
        complain_unknown(reply, size, ip)
        return
    if kind == "ROUTE" and (body["rtm_flags"] & uapi.RTM_F_CLONED or body["rtm_family"] in MULTICAST):
        return
    if kind == "NEIGH" and ip.family not in (0, body["ndm_family"]):
        return
    label, show = SHOWN[kind]
    # What `dev` leaves out has its label nevertheless in iproute2.
    ip.write([_head(label, nsid, record, ip), *text(show(body, deleted, ip, record.get("index", 0)))])


MULTICAST = (uapi.RTNL_FAMILY_IPMR, uapi.RTNL_FAMILY_IP6MR)


def complain_unknown(reply: Reply, size: int, ip: IpContext) -> None:
    """Print the header of a message that is not known."""
    flags = reply.flags
    complain(f"Unknown message: type=0x{reply.kind:08x}({reply.kind}) flags=0x{flags:08x}({flags}) len=0x{size:08x}({size})")


# -- words ----------------------------------------------------------------------------------------------------------------


def help() -> CommandError:
    """Return the help text of `ip monitor`."""
    from .help_texts import OBJECTS

    return CommandError(OBJECTS["monitor"])


def _object(name: str) -> Callable[[Args, Record], None]:
    return lambda args, record: record["objects"].append(name)


def _all(args: Args, record: Record) -> None:
    record["label"] = True


def _device(args: Args, record: Record) -> None:
    word = args.take()
    record["index"] = args.ip.index_of(word)
    if not record["index"]:
        raise wrong(word, "Device does not exist\n")


def _set(key: str) -> Callable[[Args, Record], None]:
    return lambda args, record: record.__setitem__(key, True)


WORDS = [
    CustomKeyword("file*", lambda args, record: record.__setitem__("file", args.take()), "FILE"),
    CustomKeyword("label*", _set("label")),
    CustomKeyword("link*", _object("link")),
    CustomKeyword("address*", _object("address")),
    CustomKeyword("route*", _object("route")),
    CustomKeyword("mroute*", _object("mroute")),
    CustomKeyword("prefix*", _object("prefix")),
    CustomKeyword("neigh*|neighbour*|neighbor*", _object("neighbour")),
    CustomKeyword("netconf*", _object("netconf")),
    CustomKeyword("rule*", _object("rule")),
    CustomKeyword("nsid*", _object("nsid")),
    CustomKeyword("nexthop*", _object("nexthop")),
    CustomKeyword("stats*", _object("stats")),
    CustomKeyword("all", _all),
    CustomKeyword("all-nsid*", _set("all nsids")),
    CustomKeyword("dev", _device, "DEVICE"),
]


def _otherwise(word: str, args: Args, record: Record) -> None:
    if matches(word, "help"):
        raise help()
    raise CommandError(f'Argument "{word}" is unknown, try "ip monitor help".')


def _groups(objects: list[str], family: int) -> list[int]:
    """Return the groups of these objects for a family; of all objects if none is named."""
    chosen = objects or list(GROUPS)
    return [number for name in chosen for one, number in GROUPS[name].items() if not one or family in (0, one)]


# -- files ----------------------------------------------------------------------------------------------------------------


def _from_file(name: str, record: Record, ip: IpContext) -> int:
    """Print the events of a file that rtmon(8) has written."""
    try:
        with open(name, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise CommandError(f"Cannot fopen: {error.strerror}") from None
    try:
        for frame in nlmsg.split(data):
            if frame.kind == RTM_TSTAMP and frame.end - frame.start >= 8:
                ip.write([_stored_time(data[frame.start : frame.start + 8])])
            elif frame.kind >= uapi.NLMSG_MIN_TYPE:
                _print(nlmsg.decode(data, frame, rtnl.MESSAGES), -1, record, ip)
    except WireError:
        complain("!!!malformed message")
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
    if "file" in record:
        return _from_file(record["file"], record, ip)
    with EventSocket(_groups(record["objects"], ip.family), "all nsids" in record) as events:
        ip.dump(Request(rtnl.GETLINK, {"IFLA_EXT_MASK": BRIEFLY}, uapi.NLM_F_DUMP))
        _names.update({found: name for name, found in ip.nsids() if isinstance(found, int) and found >= 0})
        while True:
            try:
                data, nsid = events.receive()
            except SyscallError as error:
                if error.errno != ENOBUFS:
                    raise
                complain(f"netlink receive error {error.strerror} ({error.errno})")
                continue
            for frame in nlmsg.split(data):
                if frame.kind >= uapi.NLMSG_MIN_TYPE:
                    _print(nlmsg.decode(data, frame, rtnl.MESSAGES), nsid, record, ip)
