"""`ip tunnel`: tunnels over IPv4 and, with ``-6``, over IPv6 (ip-tunnel(8)), made by ioctl(2) as iproute2 makes them here."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import rtnl, uapi
from ...errors import SyscallError
from ...nlmsg import Request
from ...tunnel_ioctl import PARM, PARM6, call, pack, unpack
from . import isatap
from .arguments import U8, address, interface
from .context import complain, help_of, reason
from .grammar import FAILED, CommandError, garbage, matches, pick, wrong
from .isatap import ISATAP
from .keywords import ConstantKeyword, CustomKeyword, Keyword, ValueKeyword, read
from .kinds.kind import either, ipv4_address
from .kinds.tunnel import ENCAP_LIMIT, FLOWLABEL, HOP_LIMIT, KEY, TCLASS, ipv6_options, key_options, words_of
from .name_tables import tos_number
from .render import JsonObject, OutputField, encode, fields, put, text
from .tunnel_rows import DONT_FRAGMENT, GRE, IPIP, IPV4_ROWS, IPV6, IPV6_ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, IpContext, Iterator, Record, Row, Struct

VTI = 0x0100  # VTI_ISVTI of i_flags, in the order of the network
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


def _mode(modes: dict[str, tuple[int, int]], once: bool) -> CustomKeyword:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if word not in modes:
            raise CommandError(f'Unknown tunnel mode "{word}"')
        protocol, bit = modes[word]
        if once and record["T_PROTO"] not in (0, protocol):
            raise CommandError("You managed to ask for more than one tunnel mode.")
        record["T_PROTO"] = protocol
        if word == "isatap":
            record["isatap"] = True  # set at the end, because a name may replace the flags
        else:
            record["T_IFLAGS"] |= bit

    return CustomKeyword("mode", take)


def _end6(word: str) -> bytes:
    """Parse an end of a tunnel over IPv6; ``any`` is zeros."""
    return address(word, AF_INET6)[1] or bytes(16)


def _tos(args: Args, record: Record) -> None:
    """Read a DS field, ``inherit``, or both with a slash between them."""
    word = args.take()
    inherits = word == "inherit" or word.startswith("inherit/")
    rest = word[len("inherit/") :] if inherits else word
    record["T_TOS"] = int(inherits)
    if rest:
        try:
            record["T_TOS"] |= tos_number(rest)
        except ValueError:
            raise wrong("inherit" if inherits else word, "bad TOS value") from None


GRE_WORDS: list[Keyword] = [*words_of(key_options("T", exact=True)), ValueKeyword("dev", "dev")]
IPV4_WORDS: list[Keyword] = [
    _mode(IPV4_MODES, once=True),
    *GRE_WORDS,
    ConstantKeyword("nopmtudisc", "T_FRAG_OFF", 0),
    ConstantKeyword("pmtudisc", "T_FRAG_OFF", DONT_FRAGMENT),
    ValueKeyword("remote", "T_REMOTE", ipv4_address),
    ValueKeyword("local", "T_LOCAL", ipv4_address),
    ValueKeyword("ttl|hoplimit|hlim", "T_TTL", either("inherit", 0, U8), "invalid TTL\n"),
    CustomKeyword("tos|tclass|dsfield*", _tos),
]
IPV6_WORDS: list[Keyword] = [
    _mode(IPV6_MODES, once=False),
    *GRE_WORDS,
    ValueKeyword("remote", "T_REMOTE", _end6),
    ValueKeyword("local", "T_LOCAL", _end6),
    ValueKeyword("hoplimit|ttl|hlim", "T_TTL", either("inherit", 0, U8), "invalid TTL"),
    *[word for word in words_of(ipv6_options("T", abbreviated="")) if word.name not in ("ttl", "fwmark")],
]
# What the words call the members of the structures.
COMMON = dict(T_LINK="link", T_IFLAGS="i_flags", T_OFLAGS="o_flags", T_IKEY="i_key", T_OKEY="o_key")
ENDS4, ENDS6 = dict(T_REMOTE="daddr", T_LOCAL="saddr"), dict(T_REMOTE="raddr", T_LOCAL="laddr")
HEADER4 = dict(T_PROTO="protocol", T_TTL="ttl", T_TOS="tos", T_FRAG_OFF="frag_off", T_VERSION="version_ihl")
HEADER6 = dict(T_PROTO="proto", T_TTL="hop_limit", T_FLAGS="flags", T_FLOWINFO="flowinfo", T_ENCAP_LIMIT="encap_limit")


class TunnelFamily:
    """What tunnels over one family differ in: structure and its members, words, output, and what a new tunnel is."""

    def __init__(
        self,
        number: int,
        described: Struct,
        ends: dict[str, str],
        header: dict[str, str],
        words: list[Keyword],
        rows: tuple[Row, ...],
        defaults: Record,
    ) -> None:
        self.number, self.described, self.words, self.rows = number, described, words, rows
        self.members = {"name": "name", **COMMON, **ends, **header}
        any_end = bytes(4 if number == AF_INET else 16)
        self.zeros = {"name": "", **dict.fromkeys([*COMMON, *header], 0), **dict.fromkeys(ends, any_end)}
        self.defaults = {**self.zeros, **defaults}

    def call(self, request: str, what: str, device: str, record: Record) -> Record:
        """Make a request about a tunnel; return the tunnel as the kernel has it.  Raises `CommandError`."""
        values = {member: record[key] for key, member in self.members.items()}
        try:
            found = unpack(self.described, call(request, self.number, device, pack(self.described, values)))
        except SyscallError as error:
            raise CommandError(f'{what} tunnel "{device}" failed: {reason(error)}', FAILED) from None
        return {key: found[member] for key, member in self.members.items()}

    def base(self, record: Record) -> str:
        """Return the device that stands for all tunnels of a kind; empty if the kind is not known."""
        if self.number == AF_INET6:
            return "ip6gre0" if record["T_PROTO"] == GRE else "ip6_vti0" if record["T_IFLAGS"] & VTI else "ip6tnl0"
        if record["T_PROTO"] == IPIP and record["T_IFLAGS"] & VTI:
            return "ip_vti0"
        return {IPIP: "tunl0", GRE: "gre0", IPV6: "sit0"}.get(record["T_PROTO"], "")


NEW4 = {"T_VERSION": 0x45, "T_FRAG_OFF": DONT_FRAGMENT}
NEW6 = {"T_PROTO": IPV6, "T_TTL": HOP_LIMIT, "T_ENCAP_LIMIT": ENCAP_LIMIT}
FAMILIES = {
    AF_INET: TunnelFamily(AF_INET, PARM, ENDS4, HEADER4, IPV4_WORDS, IPV4_ROWS, NEW4),
    AF_INET6: TunnelFamily(AF_INET6, PARM6, ENDS6, HEADER6, IPV6_WORDS, IPV6_ROWS, NEW6),
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
            record.update(family.call("SIOCGETTUNNEL", "get", word, family.zeros))

    read(family.words, args, record, name)
    if family.number == AF_INET:
        _complete(record)
    if "dev" in record:
        record["T_LINK"] = args.ip.device(record["dev"])
    return record


def _complete(record: Record) -> None:
    """Derive what no word has said of a tunnel over IPv4.  Raises `CommandError` if it contradicts itself."""
    name, group = record["name"], record["T_REMOTE"]
    if not record["T_PROTO"]:
        guess = next((mode for mode in ("gre", "ipip", "sit", "isatap", "vti") if name.startswith(mode)), "")
        record["T_PROTO"], bit = IPV4_MODES.get(guess, (0, 0))
        record["T_IFLAGS"] |= bit
    if (record["T_IFLAGS"] | record["T_OFLAGS"]) & KEY and not record["T_IFLAGS"] & VTI and record["T_PROTO"] != GRE:
        raise CommandError("Keys are not allowed with ipip and sit tunnels", FAILED)
    if group[0] >> 4 == 0xE:  # a multicast address
        for way in "IO":
            if not record[f"T_{way}KEY"]:
                record[f"T_{way}KEY"] = int.from_bytes(group, "big")
                record[f"T_{way}FLAGS"] |= KEY
        if not any(record["T_LOCAL"]):
            raise CommandError("A broadcast tunnel requires a source address", FAILED)
    if "isatap" in record:
        record["T_IFLAGS"] |= ISATAP


def _add(request: str) -> Callable[[Args, TunnelFamily], None]:
    def run(args: Args, family: TunnelFamily) -> None:
        changes = request == "SIOCCHGTUNNEL"
        record = _parse(args, family, dict(family.defaults), changes)
        if family.number == AF_INET and record["T_TTL"] and not record["T_FRAG_OFF"]:
            raise CommandError("ttl != 0 and nopmtudisc are incompatible", FAILED)
        base = family.base(record)
        if not base:
            raise CommandError("cannot determine tunnel mode (ipip, gre, vti or sit)", FAILED)
        family.call(request, "add", record["name"] if changes and record["name"] else base, record)

    return run


def _delete(args: Args, family: TunnelFamily) -> None:
    record = _parse(args, family, dict(family.defaults))
    family.call("SIOCDELTUNNEL", "delete", record["name"] or family.base(record), record)


def _show(args: Args, family: TunnelFamily) -> None:
    ip = args.ip
    record = _parse(args, family, dict(family.defaults if family.number == AF_INET else family.zeros))
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
        start = {**family.zeros, "name": record["name"] if family.number == AF_INET6 else ""}
        if family.number == AF_INET6:
            start.update(T_LINK=link["ifi_index"], T_PROTO=GRE if link["ifi_type"] == uapi.ARPHRD_IP6GRE else IPV6)
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
    special = ("T_IKEY",) if family.number == AF_INET else ("T_ENCAP_LIMIT", "T_TTL")
    for key in ("name", "T_LINK", "T_REMOTE", "T_LOCAL", *special):
        if record[key] not in (family.zeros[key], found[key]):
            return False
    if family.number == AF_INET:
        return True
    if record["T_PROTO"] and found["T_PROTO"] not in (0, record["T_PROTO"]):
        return False
    flow = record["T_FLOWINFO"]
    if any(flow & mask and (flow ^ found["T_FLOWINFO"]) & mask for mask in (TCLASS, FLOWLABEL)):
        return False
    return not record["T_FLAGS"] or bool(record["T_FLAGS"] & found["T_FLAGS"])


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


VERBS = (("add", _add("SIOCADDTUNNEL")), ("change", _add("SIOCCHGTUNNEL")), ("delete", _delete), ("show|lst|list", _show))
IPV4_VERBS = (("prl", lambda args, _: isatap.change_routers(args)), ("6rd", lambda args, _: isatap.change_6rd(args)))


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
