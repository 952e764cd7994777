"""`bridge mdb`: the multicast groups of bridges, and the ports behind which routers are (bridge(8), <linux/if_bridge.h>)."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from ... import rtnl, uapi
from ...nlmsg import Request
from ..ip.arguments import lladdr
from ..ip.context import ObjectVerbs, complain
from ..ip.grammar import AF_PACKET, FAILED, CommandError
from ..ip.keywords import ConstantKeyword, ValueKeyword, read
from ..ip.name_tables import table
from ..ip.render import JsonObject, OutputField, family_colour, put
from .words import FAMILY, on_help, read_filter, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, IpContext, Iterator, Message, Record

USER_HZ = 100  # of timers
MAC_BYTES = 6
TEMPORARY = (uapi.MDB_RTR_TYPE_TEMP_QUERY, uapi.MDB_RTR_TYPE_TEMP)
PROTOCOLS = {uapi.ETH_P_IP.to_bytes(2, "big"): AF_INET, uapi.ETH_P_IPV6.to_bytes(2, "big"): AF_INET6}
FLAGS = {
    "offload": uapi.MDB_FLAGS_OFFLOAD,
    "fast_leave": uapi.MDB_FLAGS_FAST_LEAVE,
    "added_by_star_ex": uapi.MDB_FLAGS_STAR_EXCL,
    "blocked": uapi.MDB_FLAGS_BLOCKED,
}


# -- output -------------------------------------------------------------------------------------------------------


def _timer(ticks: int, width: int = 4) -> str:
    return f"{ticks // USER_HZ:{width}d}.{ticks % USER_HZ:02d}"


def _group(body: Body) -> tuple[int, str]:
    """Return the family and the text of a group's address."""
    family = PROTOCOLS.get(body["addr.proto"], AF_INET6 if any(body["addr.proto"]) else AF_PACKET)
    raw = body["addr.u"]
    if family == AF_PACKET:
        return family, raw[:MAC_BYTES].hex(":")
    return family, inet_ntop(family, raw[:4] if family == AF_INET else raw)


def _sources(body: Body, family: int, ip: IpContext) -> Iterator[OutputField]:
    shown: list[JsonObject] = []
    pieces = [" source_list"]
    for one in body["MDBA_MDB_EATTR_SRC_LIST"].get("MDBA_MDB_SRCLIST_ENTRY", ()):
        if "MDBA_MDB_SRCATTR_ADDRESS" in one and "MDBA_MDB_SRCATTR_TIMER" in one:
            address, timer = one["MDBA_MDB_SRCATTR_ADDRESS"], _timer(one["MDBA_MDB_SRCATTR_TIMER"], 0)
            pieces += [" " if not shown else ",", put("%s", address, ip, family_colour(family)), f"/{timer}"]
            shown.append(JsonObject([OutputField("address", address), OutputField("timer", timer)]))
    yield OutputField("source_list", shown, "".join(pieces))


def _details(body: Body, family: int, ip: IpContext) -> Iterator[OutputField]:
    if "MDBA_MDB_EATTR_GROUP_MODE" in body:
        mode = "include" if body["MDBA_MDB_EATTR_GROUP_MODE"] == uapi.MCAST_INCLUDE else "exclude"
        yield OutputField("filter_mode", mode, f" filter_mode {mode}")
    if "MDBA_MDB_EATTR_SRC_LIST" in body:
        yield from _sources(body, family, ip)
    number = body.get("MDBA_MDB_EATTR_RTPROT")
    if number is not None:
        name = table("rt_protos").get(number, str(number))
        yield OutputField("protocol", name, put(" proto %s ", name, ip))


def entry(body: Body, bridge: int, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a group at a port."""
    family, group = _group(body)
    device, port = ip.name_of(bridge), ip.name_of(body["ifindex"])
    yield OutputField("index", bridge)
    yield OutputField("dev", device, put("%s", f"dev {device}", ip, "ifname"))
    yield OutputField("port", port, put(" port %s", port, ip))
    yield OutputField("grp", group, put("%s", f" grp {group}", ip, family_colour(family)))
    source = body.get("MDBA_MDB_EATTR_SOURCE")
    if source is not None:
        yield OutputField("src", source, put("%s", f" src {source}", ip, family_colour(family)))
    state = "permanent" if body["state"] & uapi.MDB_PERMANENT else "temp"
    yield OutputField("state", state, f" {state}")
    if ip.details:
        yield from _details(body, family, ip)
    flags = [name for name, bit in FLAGS.items() if body["flags"] & bit]
    yield OutputField("flags", flags, "".join([f" {name}" for name in flags]))
    if body["vid"]:
        yield OutputField("vid", body["vid"], f" vid {body['vid']}")
    if ip.stats and "MDBA_MDB_EATTR_TIMER" in body:
        timer = _timer(body["MDBA_MDB_EATTR_TIMER"])
        yield OutputField("timer", timer, f" {timer}")
    yield OutputField("", None, put("\n", None, ip))


def _entries(body: Body, wanted: Record, ip: IpContext) -> Iterator[list[OutputField]]:
    """Yield the fields of each group that a message reports."""
    for groups in body.get("MDBA_MDB", {}).get("MDBA_MDB_ENTRY", ()):
        for one in groups.get("MDBA_MDB_ENTRY_INFO", ()):
            if wanted["vlan"] in (0, one["vid"]):
                yield list(entry(one, body["ifindex"], ip))


def _router_details(port: Body) -> Iterator[OutputField]:
    if "MDBA_ROUTER_PATTR_TIMER" in port:
        timer = _timer(port["MDBA_ROUTER_PATTR_TIMER"])
        yield OutputField("timer", timer, f" {timer}")
    if "MDBA_ROUTER_PATTR_TYPE" in port:
        kind = "temp" if port["MDBA_ROUTER_PATTR_TYPE"] in TEMPORARY else "permanent"
        yield OutputField("type", kind, f" {kind}")


def router_port(port: Body, form: str, ip: IpContext) -> JsonObject:
    """Return the fields of a port behind which a router is: its name, with statistics its timer and kind."""
    name = ip.name_of(port["ifindex"])
    return JsonObject([OutputField("port", name, put(form, name, ip)), *(_router_details(port) if ip.stats else ())])


def _routers(body: Body, ip: IpContext) -> OutputField:
    """Return the ports of a bridge behind which routers are: on one line, or with statistics on one each."""
    bridge = ip.name_of(body["ifindex"])
    shown = [router_port(one, "%s" if ip.stats else "%s ", ip) for one in body["MDBA_ROUTER"].get("MDBA_ROUTER_PORT", ())]
    head, texts = put("router ports on %s: ", bridge, ip), ["".join([field.text for field in one]) for one in shown]
    text = "".join([f"{head}{one}\n" for one in texts]) if ip.stats else head + "".join(texts) + put("\n", None, ip)
    return OutputField(bridge, shown, text)


def event(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of a message in a monitor."""
    for fields in _entries(body, {"vlan": 0}, ip):
        yield from fields
    ports = body.get("MDBA_ROUTER", {}).get("MDBA_ROUTER_PORT", ())
    if ports:
        names = ip.name_of(ports[0]["ifindex"]), ip.name_of(body["ifindex"])
        yield OutputField("", None, put("router port dev %s ", names[0], ip) + put("master %s", names[1], ip) + "\n")


# -- the verbs ----------------------------------------------------------------------------------------------------


def _show(args: Args) -> int:
    """Print the groups, and with -details the ports behind which routers are."""
    ip = args.ip
    wanted = read_filter(args)

    def messages() -> Iterator[Body]:
        for reply in ip.stream(Request(rtnl.GETMDB, {"family": FAMILY}, uapi.NLM_F_DUMP)):
            if wanted["index"] in (0, reply.body["ifindex"]):
                yield reply.body

    def found() -> Iterator[OutputField]:
        entries = (fields for body in messages() for fields in _entries(body, wanted, ip))
        if ip.json:
            yield OutputField("mdb", [JsonObject(fields) for fields in entries])
        else:
            for fields in entries:
                yield from fields
        routers = (_routers(body, ip) for body in messages() if ip.details and "MDBA_ROUTER" in body)
        if ip.json:
            yield OutputField("router", JsonObject(routers))
        else:
            yield from routers

    ip.print_all([found()])
    return 0


WORDS = [
    ValueKeyword("dev", "dev", str),
    ValueKeyword("grp", "grp", str),
    ValueKeyword("port", "port", str),
    ConstantKeyword("permanent", "permanent", True),
    ConstantKeyword("temp", "temp", True),
    ValueKeyword("vid", "vid", short),
    ValueKeyword("src", "src", str),
]


def _address(text: str, family: int) -> bytes | None:
    try:
        return inet_pton(family, text)
    except (OSError, ValueError):
        return None


def _parse_group(text: str) -> tuple[bytes, bytes]:
    """Return the address of a group and its protocol, as struct br_mdb_entry has them.  Raises `CommandError`."""
    for proto, family in PROTOCOLS.items():
        packed = _address(text, family)
        if packed is not None:
            return packed, proto
    try:
        packed = bytes.fromhex(lladdr(text).replace(":", ""))
    except CommandError as error:
        complain(error.text)
        packed = b""
    if len(packed) != MAC_BYTES:
        raise CommandError(f'Invalid address "{text if "." in text else text.partition(":")[0]}"', FAILED)
    return packed, bytes(2)


def _modify(args: Args, message: Message) -> int:
    """Add or delete a group at a port."""
    deletes = message is rtnl.DELMDB
    record = read(WORDS, args, {}, on_help("mdb"))
    if not {"dev", "grp", "port"} <= record.keys():
        raise CommandError("Device, group address and port name are required arguments.", FAILED)
    bridge, port = args.ip.device(record["dev"]), args.ip.device(record["port"])
    group, proto = _parse_group(record["grp"])
    state = uapi.MDB_PERMANENT if "permanent" in record and not deletes else 0
    one: Body = {"ifindex": port, "state": state, "vid": record.get("vid", 0) & 0xFFFF}
    one.update({"addr.u": group.ljust(16, b"\0"), "addr.proto": proto})
    body: Body = {"family": FAMILY, "ifindex": bridge, "MDBA_MDB": one}
    if "src" in record:
        source = _address(record["src"], AF_INET) or _address(record["src"], AF_INET6)
        if source is None:
            raise CommandError(f'Invalid source address "{record["src"]}"', FAILED)
        body["MDBA_ROUTER"] = {"MDBE_ATTR_SOURCE": source}
    flags = 0 if deletes else uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
    args.ip.do(Request(message, body, flags))
    return 0


run = ObjectVerbs(
    "mdb",
    ("add", lambda args: _modify(args, rtnl.NEWMDB)),
    ("delete", lambda args: _modify(args, rtnl.DELMDB)),
    ("show|lst|list", _show),
    program="bridge",
)
