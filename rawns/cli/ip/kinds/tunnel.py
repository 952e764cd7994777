"""Common parts of tunnels over IPv4 and IPv6: options and requests (ip-link(8), `<linux/if_tunnel.h>`).

A `TunnelOption` is a row: its line of help, its words, its rows of output.  The functions get the prefix of the attributes' names
(IFLA_GRE, IFLA_IPTUN, IFLA_VTI), because the names differ in nothing else.
"""

from __future__ import annotations

from _socket import AF_INET, inet_ntop

from .... import uapi
from ..arguments import U8, U16, U32, address, number
from ..grammar import BAD_WORD, FAILED, CommandError, parsed, wrong
from ..keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, FlagKeyword, Keyword, ValueKeyword
from ..reads import bit, hexadecimal_or_none, link_name
from ..render import JsonObject, OutputField, OutputGroup, OutputRow, fields
from ..route_words import tos_number
from .kind import LinkKind, described, either, ipv4_address, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, IpContext, Iterator, Read, Record, Row, Sequence

KEY, SEQ, CSUM = 0x2000, 0x1000, 0x8000  # GRE_*, in this machine's order of bytes
TCLASS, FLOWLABEL = 0x0FF00000, 0x000FFFFF  # the parts of IFLA_*_FLOWINFO
ENCAPS = ("none", "fou", "gue")  # TUNNEL_ENCAP_*
CHECKSUMS = {  # of the UDP header, by the name in words and in the output
    "csum": ("csum", uapi.TUNNEL_ENCAP_FLAG_CSUM),
    "udp6-csum": ("csum6", uapi.TUNNEL_ENCAP_FLAG_CSUM6),
    "remcsum": ("remcsum", uapi.TUNNEL_ENCAP_FLAG_REMCSUM),
}
ENCAP_HELP = """\
noencap
encap { fou | gue | none }
encap-sport PORT
encap-dport PORT
[no]encap-csum
[no]encap-csum6
[no]encap-remcsum"""
UNSPECIFIED = ("0.0.0.0", "::")
HOP_LIMIT, ENCAP_LIMIT = 64, 4  # iproute2's defaults over IPv6


class TunnelOption:
    """One option of a kind of tunnel: its ``help``, a line each, its ``words``, and its ``rows`` of output."""

    __slots__ = ("help", "rows", "words")

    def __init__(self, help: str, words: Sequence[Keyword] = (), rows: Sequence[Row] = ()) -> None:
        self.help, self.words, self.rows = help, words, rows


Options = dict[str, TunnelOption]  # by name, in the order of the words: it decides what an abbreviation means


class TunnelRequest:
    """What is particular to the requests for one kind of tunnel.

    ``defaults`` are the attributes that are always sent, with the values that they have when a tunnel is created and no word
    sets them.  Those in ``optional`` are sent if a word sets them, or if the tunnel has them and they are not 0.  All names are
    without their prefix.
    """

    def __init__(self, prefix: str, defaults: dict[str, int], optional: str = "") -> None:
        self.prefix = prefix
        self.defaults = {f"{prefix}_{name}": value for name, value in defaults.items()}
        self.optional = [f"{prefix}_{name}" for name in f"LOCAL REMOTE LINK COLLECT_METADATA {optional}".split()]

    def kind(self, kind: str, options: Options, help: str, shown: str, finish: Callable[[Record], Record]) -> LinkKind:
        """Return the description of a kind; ``shown`` names the options in the order of the output.

        ``finish`` completes the record before ends that are empty are removed.
        """

        def complete(record: Record, creates: bool) -> Record:
            record = finish(record)
            for name in ("REMOTE", "LOCAL"):
                if not any(record.get(f"{self.prefix}_{name}", b"")):
                    record.pop(f"{self.prefix}_{name}", None)
            return record

        def show(data: Body, ip: IpContext) -> Iterator[OutputField]:
            missing = {f"{self.prefix}_REMOTE": "::", f"{self.prefix}_LOCAL": "::", f"{self.prefix}_TTL": 0}
            return fields(rows, {**missing, **data}, ip)

        rows = [row for name in shown.split() for row in options[name].rows]
        return described(kind, help, words_of(options), show, "", complete, start=self.start)

    def start(self, args: Args, index: int) -> Record:
        """Return the record that words change: the defaults, or what the tunnel with this index has.

        The kernel replaces all options of a tunnel at once.  Raises `CommandError` if it is no tunnel.
        """
        if not index:
            return dict(self.defaults)
        data = (args.ip.link(index) or {}).get("IFLA_LINKINFO", {}).get("IFLA_INFO_DATA")
        if not isinstance(data, dict):
            raise CommandError("Failed to get existing tunnel info.", FAILED)
        there = {key: value for key, value in data.items() if key in self.defaults or (key in self.optional and value)}
        packed = {key: address(value, 0)[1] for key, value in there.items() if isinstance(value, str)}
        return {**self.defaults, **there, **packed}


def is_multicast(packed: bytes) -> bool:
    """Return whether a packed address, of IPv4 or IPv6, is a multicast one."""
    return packed[:1] == b"\xff" if len(packed) > 4 else len(packed) == 4 and packed[0] >> 4 == 0xE


def usage_of(kind: str, options: Options, listed: str, where: str, indent: str = "\t\t\t") -> str:
    """Return the help text of a kind with the options that ``listed`` names, in this order."""
    return usage(kind, "\n".join([options[name].help for name in listed.split()]), where, indent)


def words_of(options: Options) -> list[Keyword]:
    """Return the words of options."""
    return [word for option in options.values() for word in option.words]


def without_words(options: Options) -> Options:
    """Return options that are shown, but cannot be set."""
    return {name: TunnelOption(option.help, (), option.rows) for name, option in options.items()}


# -- options ------------------------------------------------------------------------------------------------------


def _or_inherit(value: int, record: Body, ip: IpContext) -> int | str:
    return value or "inherit"


def _end(value: str, record: Body, ip: IpContext) -> str:
    return "any" if value in UNSPECIFIED else ip.host(value)


def end_options(prefix: str, family: int, abbreviated: str = "*") -> Options:
    """Return the options of the two ends of a tunnel, of the link below it, and of tunnels whose packets name their ends."""

    def end(name: str) -> TunnelOption:
        key = f"{prefix}_{name.upper()}"
        word = ValueKeyword(f"{name}{abbreviated}", key, lambda text: address(text, family)[1])
        return TunnelOption(f"{name} ADDR", [word], [OutputRow(key, name, f"{name} %s ", _end)])

    link, external = f"{prefix}_LINK", f"{prefix}_COLLECT_METADATA"
    return {
        "remote": end("remote"),
        "local": end("local"),
        "dev": TunnelOption("dev PHYS_DEV", [DeviceKeyword("dev*", link)], [OutputRow(link, "link", "dev %s ", link_name)]),
        "external": TunnelOption(
            "external", [ConstantKeyword("external", external, True)], [OutputRow(external, "external", "external ")]
        ),
    }


def _spellings(abbreviated: str) -> tuple[str, str]:
    """Return how the time to live and the type of service are called; where words are not abbreviated, one is."""
    if abbreviated:
        return "ttl*|hoplimit*|hlim*", "tos*|tclass*|dsfield*"
    return "ttl|hoplimit|hlim", "tos|tclass|tc|dsfield*"


def _tos(value: int, record: Body, ip: IpContext) -> str:
    return "inherit" if value == 1 else f"{value:#x}"


def tos_row(prefix: str) -> OutputRow:
    """Return the row of the type of service in the outer header."""
    return OutputRow(f"{prefix}_TOS", "tos", "tos %s ", hexadecimal_or_none, _tos)


def mark_option(prefix: str) -> TunnelOption:
    """Return the option of the mark of a tunnel's packets."""
    word = ValueKeyword("fwmark", f"{prefix}_FWMARK", U32, "invalid fwmark\n")
    return TunnelOption("fwmark MARK", [word], [OutputRow(f"{prefix}_FWMARK", "fwmark", "fwmark %s ", hexadecimal_or_none)])


def ipv4_options(prefix: str, fragmented: OutputRow, abbreviated: str = "*") -> Options:
    """Return the options of the outer header of IPv4; ``fragmented`` is the row of the discovery of the path's MTU."""
    ttl, tos = _spellings(abbreviated)
    ttl_word = ValueKeyword(ttl, f"{prefix}_TTL", either("inherit", 0, U8), "invalid TTL\n")
    tos_word = ValueKeyword(tos, f"{prefix}_TOS", either("inherit", 1, tos_number), "bad TOS value")
    discovery = [ConstantKeyword(f"{no}pmtudisc{abbreviated}", f"{prefix}_PMTUDISC", int(not no)) for no in ("no", "")]
    return {
        "ttl": TunnelOption("ttl TTL", [ttl_word], [OutputRow(f"{prefix}_TTL", "ttl", "ttl %s ", None, _or_inherit)]),
        "tos": TunnelOption("tos TOS", [tos_word], [tos_row(prefix)]),
        "pmtudisc": TunnelOption("[no]pmtudisc", discovery, [fragmented]),
        "fwmark": mark_option(prefix),
    }


def _hexadecimal_number(most: int) -> Callable[[str], int]:
    """Return a parser of hexadecimal numbers up to ``most``, with or without 0x."""

    def read_hexadecimal(text: str) -> int:
        value = number(text if text[:2] in ("0x", "0X") else f"0x{text}")
        if not 0 <= value <= most:
            raise ValueError(text)
        return value

    return read_hexadecimal


# Options that may be inherited from the packet inside: what help calls the value, its attribute and mask, the flag that
# stands for `inherit`, the parser, the complaint, and what shows the value.
INHERITED: dict[str, tuple[str, str, int, str, Callable[[str], int], str, Callable[[int], Any]]] = {
    "tclass": (
        *("TCLASS", "FLOWINFO", TCLASS, "USE_ORIG_TCLASS"),
        *(_hexadecimal_number(255), "invalid TClass", "0x{:02x}".format),
    ),
    "flowlabel": (
        *("FLOWLABEL", "FLOWINFO", FLOWLABEL, "USE_ORIG_FLOWLABEL"),
        *(_hexadecimal_number(FLOWLABEL), "invalid Flowlabel", "0x{:05x}".format),
    ),
    "encaplimit": ("ELIM", "ENCAP_LIMIT", 0xFF, "IGN_ENCAP_LIMIT", U8, "invalid ELIM", int),
    "fwmark": (
        "MARK",
        "FWMARK",
        0xFFFFFFFF,
        "USE_ORIG_FWMARK",
        U32,
        "invalid fwmark\n",
        lambda value: hex(value) if value else None,
    ),
}


def _dscp(prefix: str) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if word != "inherit":
            raise wrong(word, "not inherit")
        record[f"{prefix}_FLAGS"] |= uapi.IP6_TNL_F_RCV_DSCP_COPY

    return take


def ipv6_options(
    prefix: str, limit: str = "TTL", abbreviated: str = "*", form: str = "{} ", flagged: Callable[[int], Read] = bit
) -> Options:
    """Return the options of the outer header of IPv6.

    ``limit`` is what help calls the hop limit.  ``form`` sets a word of the output off from the next, ``flagged`` reads a flag.
    """
    ttl, tos = _spellings(abbreviated)
    flags = f"{prefix}_FLAGS"

    def flag_row(name: str, text: str) -> OutputRow:
        return OutputRow(flags, f"ip6_tnl_f_{name.lower()}", form.format(text), flagged(getattr(uapi, f"IP6_TNL_F_{name}")))

    def inherited(name: str) -> TunnelOption:
        value_name, key, mask, flag, read, why, shown = INHERITED[name]
        word, json = ("none", "encap_limit") if name == "encaplimit" else ("inherit", name)
        spellings = {"tclass": tos, "flowlabel": "flowlabel|fl"}.get(name, name)
        bits, shift = getattr(uapi, f"IP6_TNL_F_{flag}"), (mask & -mask).bit_length() - 1
        attribute = f"{prefix}_{key}"

        def value(found: int, record: Body, ip: IpContext) -> Any:
            return None if record.get(flags, 0) & bits else shown((found & mask) >> shift)

        def take(args: Args, record: Record) -> None:
            text = args.take()
            if text == word:
                record[flags] |= bits
                if word == "none":
                    return  # the number is kept
                number = 0
            else:
                number = parsed(read, text, why)
                record[flags] &= ~bits
            record[attribute] = record[attribute] & ~mask | number << shift

        row = OutputRow(attribute, json, form.format(f"{name} %s"), value)
        return TunnelOption(f"{name} {value_name}", [CustomKeyword(spellings, take)], [flag_row(flag, f"{name} {word}"), row])

    hop_limit = ValueKeyword(ttl, f"{prefix}_TTL", either("inherit", 0, U8), "invalid HLIM\n")
    local = [FlagKeyword(f"{no}allow-localremote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE, flags, on=not no) for no in ("", "no")]
    return {
        "hoplimit": TunnelOption(
            f"hoplimit {limit}", [hop_limit], [OutputRow(f"{prefix}_TTL", "ttl", "hoplimit %s ", None, _or_inherit)]
        ),
        **{name: inherited(name) for name in INHERITED},
        "dscp": TunnelOption("dscp inherit", [CustomKeyword("dscp", _dscp(prefix))], [flag_row("RCV_DSCP_COPY", "dscp inherit")]),
        "allow-localremote": TunnelOption("[no]allow-localremote", local, [flag_row("ALLOW_LOCAL_REMOTE", "allow-localremote")]),
    }


def encap_options(prefix: str) -> Options:
    """Return the option of the UDP header that a tunnel's packets may have (ip-fou(8))."""
    key = f"{prefix}_ENCAP"
    flags = [(f"{no}encap-{name}", mask, not no) for name, (_, mask) in CHECKSUMS.items() for no in ("", "no")]
    words = [
        ConstantKeyword("noencap", f"{key}_TYPE", 0),
        ValueKeyword("encap", f"{key}_TYPE", ENCAPS.index, "Invalid encap type."),
        ValueKeyword("encap-sport", f"{key}_SPORT", either("auto", 0, U16), "Invalid source port."),
        ValueKeyword("encap-dport", f"{key}_DPORT", U16, "Invalid destination port."),
        *[FlagKeyword(name, mask, f"{key}_FLAGS", on=on) for name, mask, on in flags],
    ]
    return {"encap": TunnelOption(ENCAP_HELP, words, [OutputGroup("", lambda data, record, ip: _encap(data, prefix))])}


def _encap(data: Body, prefix: str) -> Iterator[OutputField]:
    kind, flags, sport, dport = (data.get(f"{prefix}_ENCAP_{name}", 0) for name in ("TYPE", "FLAGS", "SPORT", "DPORT"))
    if not kind:
        return
    name = ENCAPS[kind] if kind < len(ENCAPS) else None
    found = [OutputField("type", name, f"encap {name or 'unknown'} ")]
    found.append(OutputField("sport", sport, f"encap-sport {sport or 'auto'} "))
    found.append(OutputField("dport", dport, f"encap-dport {dport} "))
    for word, mask in CHECKSUMS.values():
        on = bool(flags & mask)
        found.append(OutputField(word, on, f"{'' if on else 'no'}encap-{word} "))
    yield OutputField("encap", JsonObject(found))


def key_number(name: str, text: str) -> int:
    """Parse a key: a number, or an IPv4 address.  Raises `CommandError`."""
    try:
        return int.from_bytes(ipv4_address(text), "big") if "." in text else U32(text)
    except ValueError:
        sentence = f'invalid value for "{name}": "{text}"; it should be an unsigned integer'
        raise CommandError(sentence, BAD_WORD) from None


DIRECTIONS = (("", "IO"), ("i", "I"), ("o", "O"))


def key_options(prefix: str, flags: bool = True, exact: bool = False) -> Options:
    """Return the option of keys of both directions or of one, and of sequence numbers and checksums if the header has ``flags``.

    ``exact`` words are not abbreviated, and have no opposites.
    """
    opposites, mark = ("", "no") if flags and not exact else ("",), "" if exact else "*"

    def key_word(name: str, ways: str, no: str) -> Keyword:
        def take(args: Args, record: Record) -> None:
            value = 0 if no else key_number(name, args.take())
            for way in ways:
                record[f"{prefix}_{way}KEY"] = value
                if flags:
                    key = f"{prefix}_{way}FLAGS"
                    record[key] = record[key] & ~KEY if no else record[key] | KEY

        return CustomKeyword(f"{no}{name}{mark}", take)

    def key_row(way: str) -> OutputRow:
        def read_key(value: int, record: Body, ip: IpContext) -> str | None:
            shown = record.get(f"{prefix}_{way}FLAGS", 0) & KEY if flags else value
            return inet_ntop(AF_INET, value.to_bytes(4, "big")) if shown else None

        return OutputRow(f"{prefix}_{way}KEY", f"{way.lower()}key", f"{way.lower()}key %s ", read_key)

    def flag_word(name: str, bits: int, ways: str, no: str) -> Keyword:
        def take(args: Args, record: Record) -> None:
            for way in ways:
                key = f"{prefix}_{way}FLAGS"
                record[key] = record[key] & ~bits if no else record[key] | bits

        return CustomKeyword(f"{no}{name}{mark}", take)

    def flag(name: str, bits: int) -> TunnelOption:
        words = [flag_word(f"{direction}{name}", bits, ways, no) for direction, ways in DIRECTIONS for no in opposites]
        rows = [OutputRow(f"{prefix}_{way}FLAGS", f"{way.lower()}{name}", f"{way.lower()}{name} ", bit(bits)) for way in "IO"]
        return TunnelOption(f"[no][i|o]{name}", words, rows)

    words = [key_word(f"{direction}key", ways, no) for direction, ways in DIRECTIONS for no in opposites]
    key = TunnelOption("[i|o]key KEY | no[i|o]key" if flags else "[i|o]key KEY", words, [key_row(way) for way in "IO"])
    return {"key": key, **({"seq": flag("seq", SEQ), "csum": flag("csum", CSUM)} if flags else {})}
