"""Common parts of tunnels over IPv4 and IPv6: words, requests, output (ip-link(8), `<linux/if_tunnel.h>`).

The functions get the prefix of the attributes' names (IFLA_GRE, IFLA_IPTUN, IFLA_VTI), because the names differ in nothing else.
"""

from __future__ import annotations

from _socket import AF_INET, inet_ntop

from .... import uapi
from ..arguments import U8, U16, U32, address, number
from ..grammar import BAD_WORD, FAILED, CommandError, parsed, wrong
from ..keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, FlagKeyword, Keyword, ValueKeyword
from ..reads import bit, hexadecimal_or_none, link_name
from ..render import JsonObject, OutputField, OutputRow, fields
from ..route_words import tos_number
from .kind import LinkKind, described, either, ipv4_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, IpContext, Iterator, Read, Record, Sequence

KEY, SEQ, CSUM = 0x2000, 0x1000, 0x8000  # GRE_*, in this machine's order of bytes
TCLASS, FLOWLABEL = 0x0FF00000, 0x000FFFFF  # the parts of IFLA_*_FLOWINFO
ENCAPS = ("none", "fou", "gue")  # TUNNEL_ENCAP_*
CHECKSUMS = {  # of the UDP header, by the name in words and in the output
    "csum": ("csum", uapi.TUNNEL_ENCAP_FLAG_CSUM),
    "udp6-csum": ("csum6", uapi.TUNNEL_ENCAP_FLAG_CSUM6),
    "remcsum": ("remcsum", uapi.TUNNEL_ENCAP_FLAG_REMCSUM),
}
UNSPECIFIED = ("0.0.0.0", "::")
HOP_LIMIT, ENCAP_LIMIT = 64, 4  # iproute2's defaults over IPv6
ENCAP_HELP = """\
external
noencap
encap { fou | gue | none }
encap-sport PORT
encap-dport PORT
[no]encap-csum
[no]encap-csum6
[no]encap-remcsum"""


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

    def kind(
        self, kind: str, help: str, rows: Sequence[Keyword], shown: Sequence[OutputRow], finish: Callable[[Record], Record]
    ) -> LinkKind:
        """Return the description of a kind.  ``finish`` completes the record before ends that are empty are removed."""

        def complete(record: Record, creates: bool) -> Record:
            record = finish(record)
            for name in ("REMOTE", "LOCAL"):
                if not any(record.get(f"{self.prefix}_{name}", b"")):
                    record.pop(f"{self.prefix}_{name}", None)
            return record

        def show(data: Body, ip: IpContext) -> Iterator[OutputField]:
            missing = {f"{self.prefix}_REMOTE": "::", f"{self.prefix}_LOCAL": "::", f"{self.prefix}_TTL": 0}
            yield from fields(shown, {**missing, **data}, ip)
            yield from _encap(data, self.prefix)

        return described(kind, help, rows, show, "", complete, start=self.start)

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


# -- words --------------------------------------------------------------------------------------------------------


def end_words(prefix: str, family: int, abbreviated: str = "*") -> list[Keyword]:
    """Return the words for the two ends of a tunnel and the link below it."""
    return [
        ValueKeyword(f"remote{abbreviated}", f"{prefix}_REMOTE", lambda text: address(text, family)[1]),
        ValueKeyword(f"local{abbreviated}", f"{prefix}_LOCAL", lambda text: address(text, family)[1]),
        DeviceKeyword("dev*", f"{prefix}_LINK"),
    ]


def _spellings(abbreviated: str) -> tuple[str, str]:
    """Return how the time to live and the type of service are called; where words are not abbreviated, one is."""
    if abbreviated:
        return "ttl*|hoplimit*|hlim*", "tos*|tclass*|dsfield*"
    return "ttl|hoplimit|hlim", "tos|tclass|tc|dsfield*"


def ipv4_words(prefix: str, abbreviated: str = "*") -> list[Keyword]:
    """Return the words for the outer header of IPv4."""
    ttl, tos = _spellings(abbreviated)
    return [
        ValueKeyword(ttl, f"{prefix}_TTL", either("inherit", 0, U8), "invalid TTL\n"),
        ValueKeyword(tos, f"{prefix}_TOS", either("inherit", 1, tos_number), "bad TOS value"),
        ConstantKeyword(f"nopmtudisc{abbreviated}", f"{prefix}_PMTUDISC", 0),
        ConstantKeyword(f"pmtudisc{abbreviated}", f"{prefix}_PMTUDISC", 1),
        ValueKeyword("fwmark", f"{prefix}_FWMARK", U32, "invalid fwmark\n"),
    ]


def hexadecimal_number(most: int) -> Callable[[str], int]:
    """Return a parser of hexadecimal numbers up to ``most``, with or without 0x."""

    def read_hexadecimal(text: str) -> int:
        value = number(text if text[:2] in ("0x", "0X") else f"0x{text}")
        if not 0 <= value <= most:
            raise ValueError(text)
        return value

    return read_hexadecimal


class InheritKeyword(Keyword):
    """A word that a value follows, or a name for which a flag stands (``fwmark inherit``).

    The value is stored in the bits ``mask`` of its attribute.
    """

    __slots__ = ("flag", "flags", "inherits", "key", "mask", "read", "why")

    def __init__(
        self,
        names: str,
        prefix: str,
        key: str,
        flag: int,
        read: Callable[[str], int],
        why: str,
        mask: int = 0xFFFFFFFF,
        inherits: str = "inherit",
    ) -> None:
        super().__init__(names)
        self.flags, self.key, self.flag = f"{prefix}_FLAGS", f"{prefix}_{key}", flag
        self.read, self.why, self.mask, self.inherits = read, why, mask, inherits

    def take(self, args: Args, record: Record) -> None:
        """Read the value, or set the flag."""
        word = args.take()
        if word == self.inherits:
            record[self.flags] |= self.flag
            value = None if self.inherits == "none" else 0  # `encaplimit none` keeps the number
        else:
            value = parsed(self.read, word, self.why)
            record[self.flags] &= ~self.flag
        if value is not None:
            shift = (self.mask & -self.mask).bit_length() - 1
            record[self.key] = record[self.key] & ~self.mask | value << shift


def _dscp(prefix: str) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        word = args.take()
        if word != "inherit":
            raise wrong(word, "not inherit")
        record[f"{prefix}_FLAGS"] |= uapi.IP6_TNL_F_RCV_DSCP_COPY

    return take


def ipv6_words(prefix: str, abbreviated: str = "*") -> list[Keyword]:
    """Return the words for the outer header of IPv6."""
    ttl, tos = _spellings(abbreviated)
    label, limit = hexadecimal_number(FLOWLABEL), uapi.IP6_TNL_F_IGN_ENCAP_LIMIT
    return [
        ValueKeyword(ttl, f"{prefix}_TTL", either("inherit", 0, U8), "invalid HLIM\n"),
        InheritKeyword(
            tos, prefix, "FLOWINFO", uapi.IP6_TNL_F_USE_ORIG_TCLASS, hexadecimal_number(255), "invalid TClass", TCLASS
        ),
        InheritKeyword(
            "flowlabel|fl", prefix, "FLOWINFO", uapi.IP6_TNL_F_USE_ORIG_FLOWLABEL, label, "invalid Flowlabel", FLOWLABEL
        ),
        CustomKeyword("dscp", _dscp(prefix)),
        InheritKeyword("fwmark", prefix, "FWMARK", uapi.IP6_TNL_F_USE_ORIG_FWMARK, U32, "invalid fwmark\n"),
        FlagKeyword("allow-localremote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE, f"{prefix}_FLAGS"),
        FlagKeyword("noallow-localremote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE, f"{prefix}_FLAGS", on=False),
        InheritKeyword("encaplimit", prefix, "ENCAP_LIMIT", limit, U8, "invalid ELIM", inherits="none"),
    ]


def encap_words(prefix: str) -> list[Keyword]:
    """Return the words for the UDP header that a tunnel's packets may have (ip-fou(8)), and ``external``."""
    key = f"{prefix}_ENCAP"
    flags = [(f"{no}encap-{name}", mask, not no) for name, (_, mask) in CHECKSUMS.items() for no in ("", "no")]
    return [
        ConstantKeyword("noencap", f"{key}_TYPE", 0),
        ValueKeyword("encap", f"{key}_TYPE", ENCAPS.index, "Invalid encap type."),
        ValueKeyword("encap-sport", f"{key}_SPORT", either("auto", 0, U16), "Invalid source port."),
        ValueKeyword("encap-dport", f"{key}_DPORT", U16, "Invalid destination port."),
        *[FlagKeyword(name, mask, f"{key}_FLAGS", on=on) for name, mask, on in flags],
        ConstantKeyword("external", f"{prefix}_COLLECT_METADATA", True),
    ]


def key_number(name: str, text: str) -> int:
    """Parse a key: a number, or an IPv4 address.  Raises `CommandError`."""
    try:
        return int.from_bytes(ipv4_address(text), "big") if "." in text else U32(text)
    except ValueError:
        sentence = f'invalid value for "{name}": "{text}"; it should be an unsigned integer'
        raise CommandError(sentence, BAD_WORD) from None


DIRECTIONS = (("", "IO"), ("i", "I"), ("o", "O"))


class GreFlagKeyword(FlagKeyword):
    """A word that sets or clears a bit of the GRE header, of packets received, sent, or both."""

    __slots__ = ("ways",)

    def __init__(self, names: str, bits: int, prefix: str, ways: str, on: bool = True) -> None:
        super().__init__(names, bits, prefix, on=on)
        self.ways = ways

    def take(self, args: Args, record: Record) -> None:
        """Set or clear the bit."""
        for way in self.ways:
            flags = f"{self.key}_{way}FLAGS"
            record[flags] = record[flags] | self.bits if self.on else record[flags] & ~self.bits


def flag_words(prefix: str, exact: bool = False) -> list[Keyword]:
    """Return the words for sequence numbers and checksums; ``exact`` ones are not abbreviated and have no opposites."""
    return [
        GreFlagKeyword(f"{no}{direction}{name}{'' if exact else '*'}", bits, prefix, ways, on=not no)
        for name, bits in (("seq", SEQ), ("csum", CSUM))
        for direction, ways in DIRECTIONS
        for no in (("",) if exact else ("", "no"))
    ]


def key_words(prefix: str, flags: bool, exact: bool = False) -> list[Keyword]:
    """Return the words for keys of both directions or of one, and those that remove them if the header has ``flags``.

    ``exact`` words are not abbreviated, and there is none that removes a key.
    """

    def keyword(name: str, ways: str, no: str) -> Keyword:
        def take(args: Args, record: Record) -> None:
            value = 0 if no else key_number(name, args.take())
            for way in ways:
                record[f"{prefix}_{way}KEY"] = value
                if flags:
                    key = f"{prefix}_{way}FLAGS"
                    record[key] = record[key] & ~KEY if no else record[key] | KEY

        return CustomKeyword(f"{no}{name}{'' if exact else '*'}", take)

    opposites = ("", "no") if flags and not exact else ("",)
    return [keyword(f"{direction}key", ways, no) for direction, ways in DIRECTIONS for no in opposites]


# -- output -------------------------------------------------------------------------------------------------------


def _end(value: str, record: Body, ip: IpContext) -> str:
    return "any" if value in UNSPECIFIED else ip.host(value)


def end_rows(prefix: str) -> tuple[OutputRow, ...]:
    """Return the rows of the two ends of a tunnel and the link below it."""
    return (
        OutputRow(f"{prefix}_REMOTE", "remote", "remote %s ", _end),
        OutputRow(f"{prefix}_LOCAL", "local", "local %s ", _end),
        OutputRow(f"{prefix}_LINK", "link", "dev %s ", link_name),
    )


def external_row(prefix: str) -> OutputRow:
    """Return the row of a tunnel that takes its ends from routes or filters."""
    return OutputRow(f"{prefix}_COLLECT_METADATA", "external", "external ")


def _or_inherit(value: int, record: Body, ip: IpContext) -> int | str:
    return value or "inherit"


def _tos(value: int, record: Body, ip: IpContext) -> str:
    return "inherit" if value == 1 else f"{value:#x}"


def tos_row(prefix: str) -> OutputRow:
    """Return the row of the type of service in the outer header."""
    return OutputRow(f"{prefix}_TOS", "tos", "tos %s ", hexadecimal_or_none, _tos)


def ipv4_rows(prefix: str) -> tuple[OutputRow, ...]:
    """Return the rows of the outer header of IPv4."""
    return (OutputRow(f"{prefix}_TTL", "ttl", "ttl %s ", None, _or_inherit), tos_row(prefix))


def fwmark_row(prefix: str) -> OutputRow:
    """Return the row of the mark of a tunnel's packets."""
    return OutputRow(f"{prefix}_FWMARK", "fwmark", "fwmark %s ", hexadecimal_or_none)


def _flag_row(prefix: str, name: str, flag: int, text: str) -> OutputRow:
    return OutputRow(f"{prefix}_FLAGS", f"ip6_tnl_f_{name}", f"{text} ", bit(flag))


def _unless(prefix: str, flag: int, read: Callable[[int], Any]) -> Read:
    return lambda value, record, ip: None if record.get(f"{prefix}_FLAGS", 0) & flag else read(value)


def ipv6_rows(prefix: str, between: tuple[OutputRow, ...] = ()) -> tuple[OutputRow, ...]:
    """Return the rows of the outer header of IPv6; some kinds have more ``between`` them."""
    limit, tclass = uapi.IP6_TNL_F_IGN_ENCAP_LIMIT, uapi.IP6_TNL_F_USE_ORIG_TCLASS
    label, mark = uapi.IP6_TNL_F_USE_ORIG_FLOWLABEL, uapi.IP6_TNL_F_USE_ORIG_FWMARK
    flowinfo = f"{prefix}_FLOWINFO"
    return (
        OutputRow(f"{prefix}_TTL", "ttl", "hoplimit %s ", None, _or_inherit),
        _flag_row(prefix, "ign_encap_limit", limit, "encaplimit none"),
        OutputRow(f"{prefix}_ENCAP_LIMIT", "encap_limit", "encaplimit %s ", _unless(prefix, limit, int)),
        _flag_row(prefix, "use_orig_tclass", tclass, "tclass inherit"),
        OutputRow(flowinfo, "tclass", "tclass %s ", _unless(prefix, tclass, lambda value: f"0x{(value & TCLASS) >> 20:02x}")),
        _flag_row(prefix, "use_orig_flowlabel", label, "flowlabel inherit"),
        OutputRow(flowinfo, "flowlabel", "flowlabel %s ", _unless(prefix, label, lambda value: f"0x{value & FLOWLABEL:05x}")),
        _flag_row(prefix, "rcv_dscp_copy", uapi.IP6_TNL_F_RCV_DSCP_COPY, "dscp inherit"),
        *between,
        _flag_row(prefix, "allow_local_remote", uapi.IP6_TNL_F_ALLOW_LOCAL_REMOTE, "allow-localremote"),
        _flag_row(prefix, "use_orig_fwmark", mark, "fwmark inherit"),
        OutputRow(
            f"{prefix}_FWMARK", "fwmark", "fwmark %s ", _unless(prefix, mark, lambda value: f"{value:#x}" if value else None)
        ),
    )


def key_rows(prefix: str, flags: bool) -> tuple[OutputRow, ...]:
    """Return the rows of the keys of both directions, in the form of IPv4 addresses."""

    def key(way: str) -> OutputRow:
        def read_key(value: int, record: Body, ip: IpContext) -> str | None:
            shown = record.get(f"{prefix}_{way}FLAGS", 0) & KEY if flags else value
            return inet_ntop(AF_INET, value.to_bytes(4, "big")) if shown else None

        return OutputRow(f"{prefix}_{way}KEY", f"{way.lower()}key", f"{way.lower()}key %s ", read_key)

    return key("I"), key("O")


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
