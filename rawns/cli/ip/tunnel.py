"""`ip tunnel`: tunnels over IPv4 and, with ``-6``, over IPv6 (ip-tunnel(8)), made by ioctl(2) as iproute2 makes them here."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop
from errno import EINVAL, ENOTTY
from os import strerror

from ... import rtnl, uapi
from ...errors import SyscallError
from ...nlmsg import Request
from ...tunnel_ioctl import PARM, PARM6, PRL, SIXRD, call, pack, routers, unpack
from .arguments import U8, address, interface, prefix
from .context import complain, help_of, reason
from .grammar import FAILED, CommandError, garbage, matches, pick, wrong
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, Keyword, ValueKeyword, read
from .kinds.kind import either
from .kinds.tunnel import (
    CSUM,
    ENCAP_LIMIT,
    FLOWLABEL,
    HOP_LIMIT,
    KEY,
    SEQ,
    TCLASS,
    InheritKeyword,
    hexadecimal_number,
    key_number,
)
from .name_tables import tos_name, tos_number
from .render import NULL, JsonObject, OutputField, OutputGroup, OutputRow, device_name, encode, fields, flag, put, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, Body, Callable, IpContext, Iterator, Record, Row, Struct

DONT_FRAGMENT = 0x4000
IPIP, IPV6, GRE = 4, 41, 47  # IPPROTO_*
VTI = ISATAP = 0x0100  # VTI_ISVTI and SIT_ISATAP, for different protocols: of i_flags, in the order of the network
PROTOCOLS = {IPIP: "ip", GRE: "gre", IPV6: "ipv6", 50: "esp", 0: "any"}
# What `mode` may say: the protocol inside, and a bit of i_flags.
IPV4_MODES = {
    **dict.fromkeys(("ipip", "ip/ip"), (IPIP, 0)),
    **dict.fromkeys(("gre", "gre/ip"), (GRE, 0)),
    **dict.fromkeys(("sit", "ipv6/ip"), (IPV6, 0)),
    "isatap": (IPV6, ISATAP),
    "vti": (IPIP, VTI),
}
IPV6_MODES = {
    **dict.fromkeys(("ipv6/ipv6", "ip6ip6"), (IPV6, 0)),
    "vti6": (IPV6, VTI),
    **dict.fromkeys(("ip/ipv6", "ipv4/ipv6", "ipip6", "ip4ip6"), (IPIP, 0)),
    **dict.fromkeys(("ip6gre", "gre/ipv6"), (GRE, 0)),
    **dict.fromkeys(("any/ipv6", "any"), (0, 0)),
}


# -- words ----------------------------------------------------------------------------------------------------------------


def _mode(modes: dict[str, tuple[int, int]], key: str, once: bool) -> CustomKeyword:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if word not in modes:
            raise CommandError(f'Unknown tunnel mode "{word}"')
        protocol, bit = modes[word]
        if once and record[key] not in (0, protocol):
            raise CommandError("You managed to ask for more than one tunnel mode.")
        record[key] = protocol
        if word == "isatap":
            record["isatap"] = True  # set at the end, because a name may replace the flags
        else:
            record["i_flags"] |= bit

    return CustomKeyword("mode", take)


def _key(name: str, ways: str) -> CustomKeyword:
    def take(args: Args, record: Record) -> None:
        value = key_number(name, args.take())
        for way in ways:
            record[f"{way}_flags"] |= KEY
            record[f"{way}_key"] = value

    return CustomKeyword(name, take)


def _bits(name: str, bits: int, ways: str) -> CustomKeyword:
    def take(args: Args, record: Record) -> None:
        for way in ways:
            record[f"{way}_flags"] |= bits

    return CustomKeyword(name, take)


def _end(family: int) -> Callable[[str], bytes]:
    """Return a parser of an end of a tunnel; ``any`` is zeros."""
    size = 4 if family == AF_INET else 16

    def read_end(word: str) -> bytes:
        if family == AF_INET6:
            return address(word, family)[1] or bytes(size)
        try:
            return address(word, family)[1] or bytes(size)
        except CommandError:
            raise CommandError(f'Error: an IP address is expected rather than "{word}"', FAILED, exits=True) from None

    return read_end


def _tos(args: Args, record: Record) -> None:
    """Read a DS field, ``inherit``, or both with a slash between them."""
    word = args.take()
    inherits = word == "inherit" or word.startswith("inherit/")
    rest = word[len("inherit/") :] if inherits else word
    record["tos"] = int(inherits)
    if rest:
        try:
            record["tos"] |= tos_number(rest)
        except ValueError:
            raise wrong("inherit" if inherits else word, "bad TOS value") from None


def _dscp(args: Args, record: Record) -> None:
    word = args.take()
    if word != "inherit":
        raise wrong(word, "not inherit")
    record["T_FLAGS"] |= uapi.IP6_TNL_F_RCV_DSCP_COPY


GRE_WORDS: list[Keyword] = [
    *[_key(f"{start}key", ways) for start, ways in (("", "io"), ("i", "i"), ("o", "o"))],
    *[_bits(f"{start}seq", SEQ, ways) for start, ways in (("", "io"), ("i", "i"), ("o", "o"))],
    *[_bits(f"{start}csum", CSUM, ways) for start, ways in (("", "io"), ("i", "i"), ("o", "o"))],
    CustomKeyword("dev", lambda args, record: record.__setitem__("dev", args.take())),
]
IPV4_WORDS: list[Keyword] = [
    _mode(IPV4_MODES, "protocol", once=True),
    *GRE_WORDS,
    ConstantKeyword("nopmtudisc", "frag_off", 0),
    ConstantKeyword("pmtudisc", "frag_off", DONT_FRAGMENT),
    ValueKeyword("remote", "daddr", _end(AF_INET)),
    ValueKeyword("local", "saddr", _end(AF_INET)),
    ValueKeyword("ttl|hoplimit|hlim", "ttl", either("inherit", 0, U8), "invalid TTL\n"),
    CustomKeyword("tos|tclass|dsfield*", _tos),
]
IPV6_WORDS: list[Keyword] = [
    _mode(IPV6_MODES, "proto", once=False),
    *GRE_WORDS,
    ValueKeyword("remote", "raddr", _end(AF_INET6)),
    ValueKeyword("local", "laddr", _end(AF_INET6)),
    InheritKeyword("encaplimit", "T", "ENCAP_LIMIT", uapi.IP6_TNL_F_IGN_ENCAP_LIMIT, U8, "invalid ELIM", inherits="none"),
    ValueKeyword("hoplimit|ttl|hlim", "hop_limit", either("inherit", 0, U8), "invalid TTL"),
    InheritKeyword(
        "tclass|tc|tos|dsfield*",
        "T",
        "FLOWINFO",
        uapi.IP6_TNL_F_USE_ORIG_TCLASS,
        hexadecimal_number(255),
        "invalid TClass",
        TCLASS,
    ),
    InheritKeyword(
        "flowlabel|fl",
        "T",
        "FLOWINFO",
        uapi.IP6_TNL_F_USE_ORIG_FLOWLABEL,
        hexadecimal_number(FLOWLABEL),
        "invalid Flowlabel",
        FLOWLABEL,
    ),
    CustomKeyword("dscp", _dscp),
    FlagKeyword("allow-localremote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE, "T_FLAGS"),
    FlagKeyword("noallow-localremote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE, "T_FLAGS", on=False),
]
# What the words for the header of IPv6 call members of struct ip6_tnl_parm2.
MEMBERS = {"T_FLAGS": "flags", "T_FLOWINFO": "flowinfo", "T_ENCAP_LIMIT": "encap_limit"}
RECORD_KEYS = {member: key for key, member in MEMBERS.items()}


# -- output ---------------------------------------------------------------------------------------------------------------


def _protocol(family: str) -> Callable[[int, Body, Any], str]:
    return lambda value, record, ip: f"{PROTOCOLS.get(value, 'unknown')}/{family}"


def _address(value: bytes, record: Body, ip: IpContext) -> str:
    return inet_ntop(AF_INET if len(value) == 4 else AF_INET6, value)


def _remote(value: bytes, record: Body, ip: IpContext) -> str:
    return ip.host(_address(value, record, ip))


def _or_any(value: bytes, record: Body, ip: IpContext) -> str:
    return _remote(value, record, ip) if any(value) else "any"


def _link(value: int, record: Body, ip: IpContext) -> str | None:
    return device_name(value, record, ip) if value else None


def _ttl(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    yield OutputField("ttl" if value else "", value, f" ttl {value or 'inherit'}")


def _tos_shown(value: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    if value:
        rest = tos_name(value & ~1, record, ip)
        words = "/".join(filter(None, ("inherit" if value & 1 else "", rest)))
        yield OutputField("tos", f"{value:#x}", f" tos {words}")


def _routers(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the potential routers of an ISATAP tunnel."""
    if record["protocol"] == IPV6 and record["i_flags"] & ISATAP:
        found = _request(lambda: routers(AF_INET, record["name"]), record["name"], "SIOCGETPRL")
        for packed, default in found or ():
            name, host = "pdr" if default & uapi.PRL_DEFAULT else "pr", ip.host(inet_ntop(AF_INET, packed))
            yield OutputField(name, host, f" {name} {host}")


def _6rd_shown(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the prefix of IPv6 that a site derives from its IPv4 address (RFC 5969)."""
    if record["protocol"] != IPV6:
        return
    empty = pack(SIXRD, {"prefix": bytes(16), "relay_prefix": bytes(4)})
    data = _request(lambda: call("SIOCGET6RD", AF_INET, record["name"], empty), record["name"], "SIOCGET6RD", EINVAL)
    found = unpack(SIXRD, data) if data else {}
    if found.get("prefixlen"):
        yield from _prefix_fields("6rd-prefix", inet_ntop(AF_INET6, found["prefix"]), found["prefixlen"])
        if any(found["relay_prefix"]):
            yield from _prefix_fields("6rd-relay_prefix", inet_ntop(AF_INET, found["relay_prefix"]), found["relay_prefixlen"])


def _prefix_fields(name: str, shown: str, length: int) -> Iterator[OutputField]:
    yield OutputField(name, shown, f" {name} {shown}")
    yield OutputField(f"{name}len", length, f"/{length}")


GRE_FLAGS = (  # name in JSON, direction, bit, sentence
    ("rx_drop_ooseq", "i_flags", SEQ, "Drop packets out of sequence."),
    ("rx_csum", "i_flags", CSUM, "Checksum in received packet is required."),
    ("tx_seq", "o_flags", SEQ, "Sequence packets on output."),
    ("tx_csum", "o_flags", CSUM, "Checksum output packets."),
)


def _gre(key: str) -> Callable[[Body, Body, IpContext], Iterator[OutputField]]:
    """Return a function that shows the keys and, for GRE, the flags of a tunnel; ``key`` is its protocol."""

    def show(record: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
        ways = [way for way in "io" if record[f"{way}_flags"] & KEY]
        if len(ways) == 2 and record["i_key"] == record["o_key"]:
            yield OutputField("key", record["i_key"], f" key {record['i_key']}")
        else:
            for way in ways:
                yield OutputField(f"{way}key", record[f"{way}_key"], f" {way}key {record[f'{way}_key']}")
        if record[key] == GRE:
            found = [(name, sentence) for name, way, bit, sentence in GRE_FLAGS if record[way] & bit]
            yield OutputField("flags", [name for name, _ in found], "".join([put(f"\n  {line}", None, ip) for _, line in found]))

    return show


def _unless(bit: int, read: Callable[[int], Any]) -> Callable[[int, Body, Any], Any]:
    return lambda value, record, ip: None if record["flags"] & bit else read(value)


def _ipv6_flag(name: str, words: str, bit: int) -> OutputRow:
    return OutputRow("flags", f"ip6_tnl_f_{name}", f" {words}", flag(bit))


IPV4_ROWS: tuple[Row, ...] = (
    OutputRow("name", "ifname", "%s: ", colour="ifname"),
    OutputRow("protocol", "mode", "%s ", _protocol("ip")),
    OutputRow("daddr", "remote", "remote %s ", _remote, _or_any, colour="inet"),
    OutputRow("saddr", "local", "local %s", _address, _or_any, colour="inet"),
    OutputGroup("", _routers),
    OutputRow("link", "dev", " dev %s", _link),
    OutputGroup("ttl", _ttl),
    OutputGroup("tos", _tos_shown),
    OutputRow("frag_off", "nopmtudisc", " nopmtudisc", lambda value, record, ip: None if value & DONT_FRAGMENT else NULL),
    OutputGroup("", _6rd_shown),
    OutputGroup("", _gre("protocol")),
)
_LIMIT, _CLASS, _LABEL = uapi.IP6_TNL_F_IGN_ENCAP_LIMIT, uapi.IP6_TNL_F_USE_ORIG_TCLASS, uapi.IP6_TNL_F_USE_ORIG_FLOWLABEL
IPV6_ROWS: tuple[Row, ...] = (
    OutputRow("name", "ifname", "%s: ", colour="ifname"),
    OutputRow("proto", "mode", "%s ", _protocol("ipv6")),
    OutputRow("raddr", "remote", "remote %s ", _remote, colour="inet6"),
    OutputRow("laddr", "local", "local %s", _address, colour="inet6"),
    OutputRow("link", "link", " dev %s", _link),
    _ipv6_flag("ign_encap_limit", "encaplimit none", _LIMIT),
    OutputRow("encap_limit", "encap_limit", " encaplimit %s", _unless(_LIMIT, int)),
    OutputRow("hop_limit", "hoplimit", " hoplimit %s", lambda value, record, ip: value or None),
    OutputGroup("hop_limit", lambda value, record, ip: () if value else (OutputField("", None, " hoplimit inherit"),)),
    _ipv6_flag("use_orig_tclass", "tclass inherit", _CLASS),
    OutputRow("flowinfo", "tclass", " tclass %s", _unless(_CLASS, lambda value: f"0x{(value & TCLASS) >> 20:02x}")),
    _ipv6_flag("use_orig_flowlabel", "flowlabel inherit", _LABEL),
    OutputRow("flowinfo", "flowlabel", " flowlabel %s", _unless(_LABEL, lambda value: f"0x{value & FLOWLABEL:05x}")),
    OutputRow("flowinfo", "flowinfo", " (flowinfo %s)", lambda value, record, ip: f"0x{value:08x}"),
    _ipv6_flag("rcv_dscp_copy", "dscp inherit", uapi.IP6_TNL_F_RCV_DSCP_COPY),
    _ipv6_flag("allow_local_remote", "allow-localremote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE),
    OutputGroup("", _gre("proto")),
)


# -- requests -------------------------------------------------------------------------------------------------------------


def _request(function: Callable[[], Any], name: str, request: str, ignored: int = 0) -> Any:
    """Return the answer to a request about routers or prefixes; a refusal is printed, and None returned."""
    try:
        return function()
    except SyscallError as error:
        if error.errno != ignored:
            complain(f"{name}: ioctl {getattr(uapi, request):x} failed: {reason(error)}")
        return None


class TunnelFamily:
    """What tunnels over one family differ in: structure, words, output, and the device that requests without a name go to."""

    def __init__(self, number: int, described: Struct, words: list[Keyword], rows: tuple[Row, ...]) -> None:
        self.number, self.described, self.words, self.rows = number, described, words, rows

    def zeros(self) -> Record:
        """Return the values of a structure of zeros."""
        numbers = ["link", "i_flags", "o_flags", "i_key", "o_key"]
        if self.number == AF_INET:
            numbers += ["tos", "ttl", "protocol", "version_ihl", "frag_off"]
            return {"name": "", **dict.fromkeys(numbers, 0), "saddr": bytes(4), "daddr": bytes(4)}
        numbers += ["proto", "hop_limit", *MEMBERS]
        return {"name": "", **dict.fromkeys(numbers, 0), "laddr": bytes(16), "raddr": bytes(16)}

    def empty(self) -> Record:
        """Return the values of a tunnel of which nothing is said yet."""
        start = {"version_ihl": 0x45, "frag_off": DONT_FRAGMENT} if self.number == AF_INET else {}
        return {**self.zeros(), **start}

    def call(self, request: str, what: str, device: str, record: Record) -> Record:
        """Make a request about a tunnel; return the tunnel as the kernel has it.  Raises `CommandError`."""
        values = {MEMBERS.get(str(key), str(key)): value for key, value in record.items() if key not in ("dev", "isatap")}
        try:
            return unpack(self.described, call(request, self.number, device, pack(self.described, values)))
        except SyscallError as error:
            raise CommandError(f'{what} tunnel "{device}" failed: {reason(error)}', FAILED) from None

    def base(self, record: Record) -> str:
        """Return the device that stands for all tunnels of a kind; empty if the kind is not known."""
        if self.number == AF_INET6:
            return "ip6gre0" if record["proto"] == GRE else "ip6_vti0" if record["i_flags"] & VTI else "ip6tnl0"
        if record["protocol"] == IPIP and record["i_flags"] & VTI:
            return "ip_vti0"
        return {IPIP: "tunl0", GRE: "gre0", IPV6: "sit0"}.get(record["protocol"], "")


FAMILIES = {
    AF_INET: TunnelFamily(AF_INET, PARM, IPV4_WORDS, IPV4_ROWS),
    AF_INET6: TunnelFamily(AF_INET6, PARM6, IPV6_WORDS, IPV6_ROWS),
}
LINK_TYPES = {
    AF_INET: (uapi.ARPHRD_TUNNEL, uapi.ARPHRD_IPGRE, uapi.ARPHRD_SIT),
    AF_INET6: (uapi.ARPHRD_TUNNEL6, uapi.ARPHRD_IP6GRE),
}


def _parse(args: Args, family: TunnelFamily, record: Record, changes: bool = False) -> Record:
    """Read the words of a tunnel.  Raises `CommandError`."""
    first = args.at

    def name(word: str, args: Args, record: Record) -> None:
        if word == "name":
            word = args.take()
        elif matches(word, "help"):
            raise help_of("tunnel" if family.number == AF_INET else "tunnel6")
        if record["name"]:
            raise garbage("name", word)
        record["name"] = interface(word, "name")
        if changes and args.at == first + 1:
            known = family.call("SIOCGETTUNNEL", "get", word, family.zeros())
            record.update({RECORD_KEYS.get(key, key): value for key, value in known.items()})

    read(family.words, args, record, name)
    if family.number == AF_INET:
        _complete(record)
    if "dev" in record:
        record["link"] = args.ip.device(record["dev"])
    return record


def _complete(record: Record) -> None:
    """Derive what no word has said of a tunnel over IPv4.  Raises `CommandError` if it contradicts itself."""
    name, group = record["name"], record["daddr"]
    if not record["protocol"]:
        guess = next((mode for mode in ("gre", "ipip", "sit", "isatap", "vti") if name.startswith(mode)), "")
        record["protocol"], bit = IPV4_MODES.get(guess, (0, 0))
        record["i_flags"] |= bit
    if (record["i_flags"] | record["o_flags"]) & KEY and not record["i_flags"] & VTI and record["protocol"] != GRE:
        raise CommandError("Keys are not allowed with ipip and sit tunnels", FAILED)
    if group[0] >> 4 == 0xE:  # a multicast address
        for way in "io":
            if not record[f"{way}_key"]:
                record[f"{way}_key"] = int.from_bytes(group, "big")
                record[f"{way}_flags"] |= KEY
        if not any(record["saddr"]):
            raise CommandError("A broadcast tunnel requires a source address", FAILED)
    if "isatap" in record:
        record["i_flags"] |= ISATAP


# -- verbs ----------------------------------------------------------------------------------------------------------------


def _defaults(family: TunnelFamily) -> Record:
    """Return what a new tunnel is if no word says otherwise."""
    if family.number == AF_INET:
        return family.empty()
    return {**family.empty(), "proto": IPV6, "hop_limit": HOP_LIMIT, "T_ENCAP_LIMIT": ENCAP_LIMIT}


def _add(request: str) -> Callable[[Args, TunnelFamily], None]:
    def run(args: Args, family: TunnelFamily) -> None:
        changes = request == "SIOCCHGTUNNEL"
        record = _parse(args, family, _defaults(family), changes)
        if record.get("ttl") and not record["frag_off"]:
            raise CommandError("ttl != 0 and nopmtudisc are incompatible", FAILED)
        base = family.base(record)
        if not base:
            raise CommandError("cannot determine tunnel mode (ipip, gre, vti or sit)", FAILED)
        family.call(request, "add", record["name"] if changes and record["name"] else base, record)

    return run


def _delete(args: Args, family: TunnelFamily) -> None:
    record = _parse(args, family, _defaults(family))
    family.call("SIOCDELTUNNEL", "delete", record["name"] or family.base(record), record)


def _show(args: Args, family: TunnelFamily) -> None:
    ip = args.ip
    record = _parse(args, family, family.empty())
    if family.number == AF_INET:
        device = (record["name"] or family.base(record)) if family.base(record) else ""
    else:
        device = "" if ip.stats else record["name"]
    if not device:
        _list(ip, family, record)
        return
    found = family.call("SIOCGETTUNNEL", "get", device, record)
    end = "\n" if family.number == AF_INET else ""
    ip.print_text([fields(family.rows, found, ip), [OutputField("", None, end)]])


def _list(ip: IpContext, family: TunnelFamily, record: Record) -> None:
    request = Request(rtnl.GETLINK, {"IFLA_EXT_MASK": uapi.RTEXT_FILTER_VF}, uapi.NLM_F_DUMP)
    links = [reply.body for reply in ip.dump(request) if reply.body["ifi_type"] in LINK_TYPES[family.number]]
    ip.print_texts(_texts(links, ip, family, record))


def _texts(links: list[Body], ip: IpContext, family: TunnelFamily, record: Record) -> Iterator[str]:
    """Yield the text or JSON of each tunnel that has the addresses, keys and device of the command line."""
    for link in links:
        name = link["IFLA_IFNAME"]
        if record["name"] not in ("", name):
            continue
        start = {**family.zeros(), "name": record["name"] if family.number == AF_INET6 else ""}
        if family.number == AF_INET6:
            start.update(link=link["ifi_index"], proto=GRE if link["ifi_type"] == uapi.ARPHRD_IP6GRE else IPV6)
        try:
            found = family.call("SIOCGETTUNNEL", "get", name, start)
        except CommandError as refused:
            complain(refused.text)
            continue
        if not _fits(record, found, family):
            continue
        shown = fields(family.rows, found, ip)
        if ip.json:
            yield encode(JsonObject(shown), ip.pretty, 1) + "\n"
        else:
            yield "".join([*text(shown), *_statistics(link, ip), "\n"])


def _fits(record: Record, found: Record, family: TunnelFamily) -> bool:
    """Return whether a tunnel is as the words say: each value that is not 0 must be the same."""
    wanted = {MEMBERS.get(key, key): value for key, value in record.items()}
    keys = ["link", "name", *(("saddr", "daddr") if family.number == AF_INET else ("laddr", "raddr"))]
    keys += ["i_key"] if family.number == AF_INET else ["encap_limit", "hop_limit"]
    for key in keys:
        value = wanted[key]
        if value != found[key] and (any(value) if isinstance(value, bytes) else value):
            return False
    if family.number == AF_INET:
        return True
    if wanted["proto"] and found["proto"] and wanted["proto"] != found["proto"]:
        return False
    if any(wanted["flowinfo"] & mask and (wanted["flowinfo"] ^ found["flowinfo"]) & mask for mask in (TCLASS, FLOWLABEL)):
        return False
    return not wanted["flags"] or bool(wanted["flags"] & found["flags"])


COLUMNS = (
    ("RX: Packets    Bytes        Errors CsumErrs OutOfSeq Mcasts", "    %-10d %-12d %-6d %-8d %-8d %-8d", "rx"),
    ("TX: Packets    Bytes        Errors DeadLoop NoRoute  NoBufs", "    %-10d %-12d %-6d %-8d %-8d %-6d", "tx"),
)
COUNTERS = {
    "rx": "rx_packets rx_bytes rx_errors rx_frame_errors rx_fifo_errors multicast".split(),
    "tx": "tx_packets tx_bytes tx_errors collisions tx_carrier_errors tx_dropped".split(),
}


def _statistics(link: Body, ip: IpContext) -> Iterator[str]:
    if ip.stats and "IFLA_STATS64" in link:
        for title, form, way in COLUMNS:
            yield put("\n", None, ip) + title
            yield put("\n", None, ip) + form % tuple(link["IFLA_STATS64"].get(name, 0) for name in COUNTERS[way])


def _router(args: Args, family: TunnelFamily) -> None:
    """Change the potential routers of an ISATAP tunnel: ``ip tunnel prl``."""
    request, device, count, flags, router = "", "", 0, 0, bytes(4)
    requests = {"prl-default": "SIOCADDPRL", "prl-nodefault": "SIOCADDPRL", "prl-delete": "SIOCDELPRL"}
    while args:
        word = args.take()
        if word in requests:
            request, count = requests[word], count + 1
            router = _end(AF_INET)(args.take())
            flags |= uapi.PRL_DEFAULT if word == "prl-default" else 0
        elif word == "dev":
            device = interface(args.take(), "dev")
        else:
            raise CommandError(f'Invalid PRL parameter "{word}"')
        if count > 1:
            raise CommandError("One PRL entry at a time")
    _generic(request, device, pack(PRL, {"addr": router, "flags": flags}))


def _6rd(args: Args, family: TunnelFamily) -> None:
    """Change the prefix that a site derives from its IPv4 address: ``ip tunnel 6rd``."""
    request, device = "", ""
    values: dict[str, Any] = {"prefix": bytes(16), "relay_prefix": bytes(4)}
    while args:
        word = args.take()
        if word in ("6rd-prefix", "6rd-relay_prefix"):
            given = prefix(args.take(), AF_INET6 if word == "6rd-prefix" else AF_INET)
            request, name = "SIOCADD6RD", word[len("6rd-") :]
            values.update({name: given.packed or values[name], f"{name}len": given.length})
        elif word == "6rd-reset":
            request = "SIOCDEL6RD"
        elif word == "dev":
            device = interface(args.take(), "dev")
        else:
            raise CommandError(f'Invalid 6RD parameter "{word}"')
    _generic(request, device, pack(SIXRD, values))


def _generic(request: str, device: str, data: bytes) -> None:
    if not device:
        raise CommandError("Must specify device")
    if not request:
        raise CommandError(f"{device}: ioctl 0 failed: {strerror(ENOTTY)}", FAILED)
    if _request(lambda: call(request, AF_INET, device, data), device, request) is None:
        raise CommandError("", FAILED)


VERBS = (
    ("add", _add("SIOCADDTUNNEL")),
    ("change", _add("SIOCCHGTUNNEL")),
    ("delete", _delete),
    ("show|lst|list", _show),
)
IPV4_VERBS = (("prl", _router), ("6rd", _6rd))


def run(args: Args) -> int:
    """Run ``ip tunnel`` with its words; return the exit status."""
    ip = args.ip
    words = list(args.words[args.at :])
    if "mode" in words[:-1] and words[words.index("mode") + 1] in IPV6_MODES:
        ip.family = AF_INET6
    if ip.family not in (0, AF_INET, AF_INET6):
        raise CommandError(f"Unsupported protocol family: {ip.family}")
    family = FAMILIES[ip.family or AF_INET]
    if not args:
        _show(args, family)
        return 0
    word = args.take()
    verb = pick(VERBS + (IPV4_VERBS if family.number == AF_INET else ()), word)
    if verb is None:
        if matches(word, "help"):
            raise help_of("tunnel" if family.number == AF_INET else "tunnel6")
        advice = '"ip tunnel help"' if family.number == AF_INET else '"ip -f inet6 tunnel help".'
        raise CommandError(f'Command "{word}" is unknown, try {advice}')
    verb(args, family)
    return 0
