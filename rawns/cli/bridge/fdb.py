"""`bridge fdb`: the forwarding databases of bridges and VXLAN devices (bridge(8), <linux/neighbour.h>)."""

from __future__ import annotations

import _socket

from ... import rtnl, uapi
from ...errors import KernelError
from ...nlmsg import Request
from ..ip.arguments import U32, address, leading_integer
from ..ip.context import ObjectVerbs, complain, complaint, help_of
from ..ip.grammar import FAILED, CommandError, duplicate, garbage, matches, wrong
from ..ip.keywords import ConstantKeyword, CustomKeyword, ValueKeyword, read
from ..ip.reads import link_name, nonzero
from ..ip.render import LINE_END, OutputField, OutputGroup, OutputRow, device_name, fields, flag_names, put
from .words import FAMILY, MOST_VLANS, flag, index_of, long_number, mac, on_help, repeated, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, IpContext, Iterable, Iterator, Message, Record

USER_HZ = 100  # of the times in struct nda_cacheinfo
NOT_FOUND = 254  # the exit status if the kernel refuses to look one up
STATES = (  # names, in the order in which bridge looks them up
    ("permanent", uapi.NUD_PERMANENT),
    ("static|temp", uapi.NUD_NOARP),
    ("stale", uapi.NUD_STALE),
    ("reachable|dynamic", uapi.NUD_REACHABLE),
    ("=all", 0xFFFFFFFF),
)
NO_DEVICE = 'Cannot find device "%s"'
NO_BRIDGE = 'Cannot find bridge device "%s"'


# -- words --------------------------------------------------------------------------------------------------------


def _destination(args: Args, record: Record) -> None:
    word = args.take()
    if "NDA_DST" in record:
        raise garbage("dst", word)
    record["NDA_DST"] = address(word, args.ip.family)[1]


def _port(text: str) -> int:
    try:
        value = long_number(text)
    except ValueError:
        try:
            return _socket.getservbyname(text, "udp")
        except (OSError, UnicodeError):
            raise ValueError(text) from None
    if value > 0xFFFF:
        raise ValueError(text)
    return value


def _identifier(text: str) -> int:
    value = long_number(text)
    if value >> 24:
        raise ValueError(text)
    return value


def _via(args: Args, record: Record) -> None:
    word = args.take()
    record["NDA_IFINDEX"] = args.ip.index_of(word)
    if not record["NDA_IFINDEX"]:
        raise CommandError(NO_DEVICE % word)


def _vlan(args: Args, record: Record) -> None:
    if record.get("NDA_VLAN", -1) >= 0:
        raise garbage("vlan", repeated(args))
    record["NDA_VLAN"] = short(args.take())


def _dynamic(args: Args, record: Record) -> None:
    record["ndm_state"] = (record["ndm_state"] | uapi.NUD_REACHABLE) & ~uapi.NUD_NOARP


def _to(word: str, args: Args, record: Record) -> None:
    if word == "to":
        word = args.take()
    if matches(word, "help"):
        raise help_of("fdb", "bridge")
    if "to" in record:
        raise garbage("to", word)
    record["to"] = word


VNI = ValueKeyword("vni", "NDA_VNI", _identifier, "invalid VNI\n")
SELF = flag("self", uapi.NTF_SELF, "ndm_flags")
MASTER = flag("master*", uapi.NTF_MASTER, "ndm_flags")
VLAN = CustomKeyword("vlan*", _vlan)
WORDS = [
    ValueKeyword("dev", "dev", str),
    CustomKeyword("dst", _destination),
    ValueKeyword("nhid", "NDA_NH_ID", U32, '"id" value is invalid\n'),
    ValueKeyword("port", "NDA_PORT", _port, "invalid port\n"),
    VNI,
    ValueKeyword("src_vni", "NDA_SRC_VNI", _identifier, "invalid src VNI\n"),
    CustomKeyword("via", _via),
    SELF,
    MASTER,
    flag("router*", uapi.NTF_ROUTER, "ndm_flags"),
    flag("local*|permanent*", uapi.NUD_PERMANENT, "ndm_state"),
    flag("temp*|static*", uapi.NUD_REACHABLE, "ndm_state"),
    CustomKeyword("dynamic*", _dynamic),
    VLAN,
    flag("use*", uapi.NTF_USE, "ndm_flags"),
    flag("extern_learn*", uapi.NTF_EXT_LEARNED, "ndm_flags"),
    flag("sticky*", uapi.NTF_STICKY, "ndm_flags"),
]


def _modify(args: Args, flags: int, message: Message = rtnl.NEWNEIGH) -> int:
    """Send the request that the words describe."""
    record = read(WORDS, args, {"ndm_family": FAMILY, "ndm_state": uapi.NUD_NOARP, "ndm_flags": 0}, _to)
    device, given = record.pop("dev", None), record.pop("to", None)
    if device is None or given is None:
        raise CommandError("Device and address are required arguments.", FAILED)
    if record.get("NDA_NH_ID") and ("NDA_DST" in record or record.get("NDA_PORT") or "NDA_VNI" in record):
        raise CommandError("dst, port, vni are mutually exclusive with nhid", FAILED)
    if not record["ndm_flags"] & (uapi.NTF_SELF | uapi.NTF_MASTER):
        record["ndm_flags"] |= uapi.NTF_SELF
    if not record["ndm_state"] & (uapi.NUD_PERMANENT | uapi.NUD_REACHABLE):
        record["ndm_state"] |= uapi.NUD_PERMANENT
    record["NDA_LLADDR"] = mac(given)
    for key in ("NDA_NH_ID", "NDA_PORT"):
        if not record.get(key, 1):
            del record[key]
    if record.get("NDA_VLAN", 0) < 0:
        del record["NDA_VLAN"]
    record["ndm_ifindex"] = args.ip.device(device)
    args.ip.do(Request(message, record, flags))
    return 0


# -- output -------------------------------------------------------------------------------------------------------


STATE_NAMES = ((uapi.NUD_PERMANENT, "permanent"), (uapi.NUD_NOARP, "static"), (uapi.NUD_STALE, "stale"), (uapi.NUD_REACHABLE, ""))


def _state_name(value: int, body: Body, ip: IpContext) -> str:
    number = f"{value:#x}" if value else "0"
    return next((name for bits, name in STATE_NAMES if value & bits), number if ip.json else f"state={number}")


def _via_fields(index: int, body: Body, ip: IpContext) -> Iterable[OutputField]:
    if "NDA_LINK_NETNSID" in body:
        return (OutputField("viaIfIndex", index, f"via ifindex {index} "),)
    return (OutputField("viaIf", ip.name_of(index), put("via %s ", ip.name_of(index), ip)),)


def _times(info: Body, body: Body, ip: IpContext) -> Iterable[OutputField]:
    if not ip.stats:
        return ()
    used, updated = (info.get(f"ndm_{name}", 0) // USER_HZ for name in ("used", "updated"))
    return (OutputField("used", used, f"used {used}/{updated} "), OutputField("updated", updated))


FLAGS = {
    "self": uapi.NTF_SELF,
    "router": uapi.NTF_ROUTER,
    "extern_learn": uapi.NTF_EXT_LEARNED,
    "offload": uapi.NTF_OFFLOADED,
    "master": uapi.NTF_MASTER,
    "sticky": uapi.NTF_STICKY,
}


ROWS = (
    OutputRow("NDA_LLADDR", "mac", "%s ", colour="mac"),
    OutputRow("ndm_ifindex", "ifname", "dev %s ", link_name, colour="ifname"),
    OutputRow("NDA_DST", "dst", "dst %s ", colour=lambda value, body: "inet6" if ":" in str(value) else "inet"),
    OutputRow("NDA_VLAN", "vlan", "vlan %u ", nonzero),
    OutputRow("NDA_PORT", "port", "port %u "),
    OutputRow("NDA_VNI", "vni", "vni %u "),
    OutputRow("NDA_SRC_VNI", "src_vni", "src_vni %u "),
    OutputGroup("NDA_IFINDEX", _via_fields),
    OutputRow("NDA_NH_ID", "nhid", "nhid %u "),
    OutputRow("NDA_LINK_NETNSID", "linkNetNsId", "link-netnsid %d ", lambda v, body, ip: v & 0xFFFFFFFF if ip.json else v),
    OutputGroup("NDA_CACHEINFO", _times),
    OutputGroup("ndm_flags", flag_names(FLAGS)),
    OutputRow("NDA_MASTER", "master", "master %s ", device_name),
    OutputRow("ndm_state", "state", "%s", _state_name),
    LINE_END,
)


def entry(body: Body, ip: IpContext, hidden: Iterable[str] = ()) -> Iterator[OutputField]:
    """Yield the fields of an entry; rows with a ``hidden`` name are left out."""
    return fields(ROWS, body, ip, tuple(hidden))


# -- the verbs ----------------------------------------------------------------------------------------------------


def _filter_state(args: Args, record: Record) -> None:
    word = args.take()
    for names, value in STATES:
        if any(matches(word, name) for name in names.split("|")):
            record["state"] |= value
            return
    try:
        record["state"] |= U32(word)
    except ValueError:
        raise wrong(word, "invalid state") from None


def _filter_vlan(args: Args, record: Record) -> None:
    word = args.take()
    if record["vlan"]:
        raise duplicate("vlan", word)
    record["vlan"] = leading_integer(word) & 0xFFFFFFFF


FILTERS = [
    ValueKeyword("brport|dev", "dev", str),
    ValueKeyword("br", "br", str),
    CustomKeyword("vlan", _filter_vlan),
    CustomKeyword("state", _filter_state),
    ConstantKeyword("dynamic", "dynamic", True),
]


def _fits(body: Body, record: Record) -> bool:
    """Return whether an entry passes the filter."""
    return (
        body["ndm_family"] == FAMILY
        and record.get("index", 0) in (0, body["ndm_ifindex"])
        and bool(not record["state"] or body["ndm_state"] & record["state"])
        and record["vlan"] in (0, body.get("NDA_VLAN", 0))
        and not ("dynamic" in record and body["ndm_state"] & uapi.NUD_PERMANENT)
    )


def _show(args: Args) -> int:
    """Print the entries that the words select."""
    ip = args.ip
    record = read(FILTERS, args, {"state": 0, "vlan": 0}, on_help("fdb"))
    body: Body = {"ndm_family": FAMILY}
    if "br" in record:
        body["NDA_MASTER"] = index_of(args, record["br"], NO_BRIDGE)
    if "dev" in record:
        record["index"] = body["ndm_ifindex"] = ip.device(record["dev"])
    found = ip.stream(Request(rtnl.GETNEIGH, body, uapi.NLM_F_DUMP))
    hidden = ("ifname",) if "dev" in record else ()
    ip.print_rows(ROWS, (reply.body for reply in found if _fits(reply.body, record)), hidden)
    return 0


GET_WORDS = [
    ValueKeyword("brport|dev", "dev", str),
    ValueKeyword("br", "br", str),
    VNI,
    SELF,
    MASTER,
    VLAN,
    ConstantKeyword("dynamic*", "dynamic", True),
]


def _get(args: Args) -> int:
    """Print one entry."""
    ip = args.ip
    record = read(GET_WORDS, args, {"ndm_family": FAMILY}, _to)
    given, device, bridge = (record.pop(key, None) for key in ("to", "dev", "br"))
    if given is None or device is None and bridge is None:
        raise CommandError("Device or master and address are required arguments.", FAILED)
    record["NDA_LLADDR"] = mac(given)
    wanted = {"state": 0, "vlan": 0, **({"dynamic": True} if record.pop("dynamic", False) else {})}
    if record.get("NDA_VLAN", 0) < 0:
        del record["NDA_VLAN"]
    if device is not None:
        record["ndm_ifindex"] = index_of(args, device, NO_DEVICE)
    if bridge is not None:
        record["NDA_MASTER"] = index_of(args, bridge, NO_BRIDGE)
    try:
        found = ip.kernel.get(Request(rtnl.GETNEIGH, record)).body
    except KernelError as error:
        complain(complaint(error))
        raise CommandError("", NOT_FOUND) from None
    ip.print_rows(ROWS, [found] if _fits(found, wanted) else [])
    return 0


def _select(word: str, key: str, mask: int, bits: int, on: bool) -> CustomKeyword:
    """Return a word that says which bits of a key a flush compares, and what they must be."""
    which = {"ndm_state": "NDA_NDM_STATE_MASK", "ndm_flags": "NDA_NDM_FLAGS_MASK"}[key]

    def act(args: Args, record: Record) -> None:
        record[key] = record[key] | bits if on else record[key] & ~bits
        record[which] = record.get(which, 0) | mask

    return CustomKeyword(word, act)


def _flush_port(args: Args, record: Record) -> None:
    if "port" in record:
        raise garbage("brport", repeated(args))
    record["port"] = args.take()


PERMANENT, NOARP = uapi.NUD_PERMANENT, uapi.NUD_NOARP
FLUSH_STATES = (  # word, the bits compared, those set or cleared, which of both
    ("permanent", PERMANENT, PERMANENT, True),
    ("nopermanent", PERMANENT, PERMANENT, False),
    ("static", NOARP | PERMANENT, NOARP, True),
    ("nostatic", NOARP, NOARP, False),
    ("dynamic", NOARP | PERMANENT, NOARP, False),
    ("nodynamic", NOARP, NOARP, True),
)
FLUSH_FLAGS = {
    "added_by_user": uapi.NTF_USE,
    "extern_learn": uapi.NTF_EXT_LEARNED,
    "sticky": uapi.NTF_STICKY,
    "offloaded": uapi.NTF_OFFLOADED,
}
FLUSH_WORDS = [
    ValueKeyword("dev", "dev", str),
    flag("master", uapi.NTF_MASTER, "ndm_flags"),
    SELF,
    *[_select(word, "ndm_state", mask, bits, on) for word, mask, bits, on in FLUSH_STATES],
    *[_select(word, "ndm_flags", bits, bits, True) for word, bits in FLUSH_FLAGS.items()],
    *[_select(f"no{word}", "ndm_flags", bits, bits, False) for word, bits in FLUSH_FLAGS.items()],
    CustomKeyword("brport", _flush_port),
    CustomKeyword("vlan", _vlan),
]


def _flush(args: Args) -> int:
    """Delete the entries that the words select."""
    record = read(FLUSH_WORDS, args, {"ndm_family": FAMILY, "ndm_flags": 0, "ndm_state": 0}, on_help(whole=True))
    device, port = record.pop("dev", None), record.pop("port", None)
    if device is None:
        raise CommandError("Device is a required argument.", FAILED)
    record["ndm_ifindex"] = index_of(args, device, NO_BRIDGE)
    if port is not None:
        index = index_of(args, port, 'Cannot find bridge port device "%s"') & 0xFFFF
        if not index >> 15:  # iproute2 keeps it in a short
            record["NDA_IFINDEX"] = index
    vlan = record.get("NDA_VLAN", -1)
    if vlan >= MOST_VLANS:
        raise CommandError(f'Invalid VLAN ID "{vlan}"', FAILED)
    if vlan < 0:
        record.pop("NDA_VLAN", None)
    if not record["ndm_flags"] & (uapi.NTF_SELF | uapi.NTF_MASTER):
        record["ndm_flags"] |= uapi.NTF_SELF
    args.ip.do(Request(rtnl.DELNEIGH, record, uapi.NLM_F_BULK))
    return 0


CREATE = uapi.NLM_F_CREATE
run = ObjectVerbs(
    "fdb",
    ("add", lambda args: _modify(args, CREATE | uapi.NLM_F_EXCL)),
    ("append", lambda args: _modify(args, CREATE | uapi.NLM_F_APPEND)),
    ("replace", lambda args: _modify(args, CREATE | uapi.NLM_F_REPLACE)),
    ("delete", lambda args: _modify(args, 0, rtnl.DELNEIGH)),
    ("get", _get),
    ("show|lst|list", _show),
    ("=flush", _flush),
    program="bridge",
)
