"""What flower compares: one row for each field of a packet, with its word, its attributes, and how it is shown."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from .... import uapi
from ...ip.arguments import U16, lladdr
from ...ip.arguments import prefix as address_prefix
from ...ip.ethertypes import ethertype
from ...ip.grammar import CommandError, matches, wrong
from ...ip.keywords import Keyword
from ...ip.render import OutputField, OutputGroup
from .. import units
from ..output import line_end, nest, plain
from ..words import failed, format_protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, Iterator, Record, TcContext

PREFIX = "TCA_FLOWER_KEY_"
ETHER, NUMBER = f"{PREFIX}ETH_TYPE", f"{PREFIX}IP_PROTO"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
PORTS = {6: "TCP", 17: "UDP", 132: "SCTP"}
ETHER_TYPES = {uapi.ETH_P_IP: "ipv4", uapi.ETH_P_IPV6: "ipv6", uapi.ETH_P_ARP: "arp", 0x8035: "rarp"}
ARP_TYPES = (uapi.ETH_P_ARP, 0x8035)
VERSIONS = {uapi.ETH_P_IP: 4, uapi.ETH_P_IPV6: 6}
TAGGED = (uapi.ETH_P_8021Q, uapi.ETH_P_8021AD)
OPERATIONS = {"request": 1, "reply": 2}
FRAGMENTS = {"frag": uapi.TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT, "firstfrag": uapi.TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST}


# -- values ---------------------------------------------------------------------------------------------------------


def _octets(bits: int, size: int) -> bytes:
    """Return a mask of so many leading bits."""
    whole = size * 8
    return ((1 << whole) - (1 << whole - min(bits, whole))).to_bytes(size, "big")


def _with_mask(value: str, mask: str, packed: bytes) -> str:
    """Return a value with its mask: as a number of leading bits if it has no others, without it if it has all."""
    ones, whole = int.from_bytes(packed, "big"), len(packed) * 8
    host = ~ones & (1 << whole) - 1
    bits = -1 if not ones or host & (host + 1) else whole - host.bit_length()
    return value if bits == whole else f"{value}/{mask if bits < 0 else bits}"


def _mac(text: str) -> tuple[str, str]:
    head, slash, tail = text.partition("/")
    found = []
    for part in (head, tail) if slash else (head,):
        if part is tail and part.isascii() and part.isdigit():
            found.append(_octets(int(part), 6).hex(":"))
            continue
        try:
            found.append(lladdr(part))
        except CommandError as error:
            raise ValueError(error.text) from None
    return found[0], found[1] if slash else "ff:ff:ff:ff:ff:ff"


def _masked(read: Callable[[str], int], most: int, read_mask: Any = None) -> Callable[[str], tuple[int, int]]:
    def read_masked(text: str) -> tuple[int, int]:
        head, slash, tail = text.partition("/")
        return read(head), (read_mask or read)(tail) if slash else most

    return read_masked


def _number(most: int, read: Callable[[str], int] | None = None) -> Callable[[str], int]:
    def read_number(text: str) -> int:
        value = (read or units.decimal(32))(text)
        if value > most:
            raise ValueError
        return value

    return read_number


def _octet(text: str) -> int:
    try:
        return units.decimal(8)(text)
    except ValueError:
        return units.decimal(8, 16)(text)


def _operation(text: str) -> int:
    return OPERATIONS[text] if text in OPERATIONS else _number(2, units.decimal(8))(text)


def _mac_shown(value: str, mask: str | None, ip: TcContext) -> str:
    return value if mask is None else _with_mask(value, mask, bytes.fromhex(mask.replace(":", "")))


def _name_of(table: dict[str, int], value: int, otherwise: str) -> str:
    return next((name for name, number in table.items() if number == value), otherwise)


def _operation_shown(value: int, mask: int | None, ip: TcContext) -> str:
    return _name_of(OPERATIONS, value, str(value)) + ("" if mask in (None, 0xFF) else f"/{mask}")


# -- rows -----------------------------------------------------------------------------------------------------------


def _line(name: str, value: Any, ip: TcContext) -> Iterator[OutputField]:
    yield line_end(ip)
    yield OutputField(name, value, f"  {name} {value}")


class FlowerKey(Keyword):
    """Something that is compared.

    ``attribute`` is the name of its attribute after `PREFIX`.  If there is a ``{}`` in it, ``version`` returns what stands there,
    given what is compared already, or None if that excludes this; ``only`` says that for the word alone.  ``read`` parses the
    value, or the value and a mask; a ValueError of it is a complaint, after what it says itself.  ``show`` makes what is shown of
    both; a mask that is not ``whole`` is shown as a number.  ``label`` is what complaints call it, ``name`` what the output does.
    """

    __slots__ = ("attribute", "label", "only", "read", "show", "version", "whole")

    def __init__(
        self,
        names: str,
        attribute: str = "",
        read: Any = None,
        show: Callable[[Any, Any, TcContext], Any] = lambda value, mask, ip: value,
        version: Callable[[Body], Any] = lambda options: "",
        only: Callable[[Body], Any] = lambda options: True,
        whole: int | None = None,
        label: str = "",
        name: str = "",
    ) -> None:
        super().__init__(names)
        self.attribute, self.read, self.show, self.version = attribute or self.name.upper(), read, show, version
        self.only, self.whole, self.label, self.name = only, whole, label or self.name, name or self.name

    def key(self, options: Body) -> str | None:
        """Return the name of the attribute; None if this cannot be compared."""
        version = self.version(options)
        return None if version is None else PREFIX + self.attribute.format(version)

    def take(self, args: Args, record: Record) -> None:
        """Read the value."""
        word = args.take()
        try:
            if not self.only(record):
                raise ValueError
            self.put(word, record)
        except ValueError as error:
            said = f"{error}\n" if " " in str(error) else ""
            raise failed(f'{said}Illegal "{self.label}"') from None

    def put(self, word: str, record: Record) -> None:
        """Set what the word stands for.  Raises ValueError."""
        key = self.key(record)
        if key is None:
            raise ValueError
        value = self.read(word)
        if isinstance(value, tuple):
            value, record[f"{key}_MASK"] = value
        record[key] = value

    def fields(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        """Yield what is compared on a line of its own; nothing if it is not."""
        key = self.key(options) or ""
        value, mask = options.get(key), options.get(f"{key}_MASK", self.whole)
        shown = None if value is None else self.show(value, mask, ip)
        if shown is not None:
            yield from _line(self.name, shown, ip)
            if self.whole and mask != self.whole:
                yield OutputField(f"{self.name}_mask", f"{mask:x}", f"/0x{mask:x}")


def _address_shown(value: Any, mask: Any, ip: TcContext) -> str | None:
    if not isinstance(value, str) or not isinstance(mask, str):
        return None
    return _with_mask(value, mask, inet_pton(AF_INET6 if ":" in mask else AF_INET, mask))


class _FlowerAddress(FlowerKey):
    """A prefix; if ``version`` does not know the family, it is that of the word."""

    __slots__ = ()

    def __init__(self, names: str, attribute: str, version: Any = lambda options: 4, **more: Any) -> None:
        super().__init__(names, attribute, show=_address_shown, version=version, **more)

    def put(self, word: str, record: Record) -> None:
        version = self.version(record)
        if version is None and record[ETHER] and not self.attribute.startswith("ENC_"):
            raise ValueError
        found = address_prefix(word, {4: AF_INET, 6: AF_INET6}.get(version, 0))
        size = 4 if found.family == AF_INET else 16
        key = PREFIX + self.attribute.format(4 if size == 4 else 6)
        record[key], record[f"{key}_MASK"] = found.address or "0.0.0.0", _octets(found.length, size)


class _Port(FlowerKey):
    """A port or a range of ports, of which the former is shown here."""

    __slots__ = ()

    def put(self, word: str, record: Record) -> None:
        first, dash, last = word.partition("-")
        if self.key(record) is None or not dash:
            super().put(word, record)
            if "/" not in word:
                del record[f"{self.key(record)}_MASK"]
            return
        low, high = units.decimal(16)(first), units.decimal(16)(last)
        if high <= low:
            raise ValueError("max value should be greater than min value")
        way = self.attribute[-3:]
        record[f"{PREFIX}PORT_{way}_MIN"], record[f"{PREFIX}PORT_{way}_MAX"] = low, high


def _range_fields(way: str) -> Callable[[Any, Body, TcContext], Iterator[OutputField]]:
    def fields(low: int, options: Body, ip: TcContext) -> Iterator[OutputField]:
        high = options.get(f"{PREFIX}PORT_{way}_MAX")
        if _transport(options) and high is not None:
            yield line_end(ip)
            yield plain(f"  {way.lower()}_port {low}-{high}")
            yield nest(f"{way.lower()}_port", [OutputField("start", low), OutputField("end", high)])

    return fields


class _Vlan(FlowerKey):
    """A part of the tag of a VLAN, or with ``inner`` of the tag inside."""

    __slots__ = ("inner",)

    def __init__(self, part: str, attribute: str, read: Any, inner: bool, **more: Any) -> None:
        prefix = "cvlan" if inner else "vlan"
        super().__init__(f"{prefix}_{part}*", f"{prefix.upper()}_{attribute}", read, **more)
        self.inner = inner

    def put(self, word: str, record: Record) -> None:
        is_type = self.name.endswith("ethtype")
        outer = record.get("vlan type", 0) if self.inner else record["protocol"]
        if outer not in TAGGED and record.get(f"{PREFIX}NUM_OF_VLANS", 0) <= self.inner:
            kind = "inner vlan ethertype" if self.inner and not is_type else "ethertype"
            last = "less than 2" if self.inner else "is 0"
            raise failed(f"Can't set \"{self.name}\" if {kind} isn't 802.1Q or 802.1AD and num_of_vlans {last}")
        try:
            super().put(word, record)
        except ValueError:
            if is_type:
                raise wrong(word, "invalid vlan_ethtype") from None
            raise
        if is_type:
            record[ETHER] = record[f"{PREFIX}{self.attribute}"]
            if not self.inner:
                record["vlan type"] = record[ETHER]


class _Protocol(FlowerKey):
    """The protocol in the IP header."""

    __slots__ = ()

    def put(self, word: str, record: Record) -> None:
        ether = record[ETHER]
        number = next((one for name, one in PROTOCOLS.items() if matches(word, name)), None)
        if ether not in VERSIONS or {1: uapi.ETH_P_IP, 58: uapi.ETH_P_IPV6}.get(number or 0, ether) != ether:
            raise ValueError('Illegal "eth_type" for ip proto')
        record[NUMBER] = units.decimal(8, 16)(word) if number is None else number


class _Fragments(FlowerKey):
    """Which fragment a packet is."""

    __slots__ = ()

    def put(self, word: str, record: Record) -> None:
        flags, mask = f"{PREFIX}FLAGS", f"{PREFIX}FLAGS_MASK"
        for token in filter(None, word.split("/")):
            name, value = (token[2:], 0) if token.startswith("no") else (token, -1)
            if name not in FRAGMENTS:
                raise ValueError
            record[flags] = record.get(flags, 0) & ~FRAGMENTS[name] | FRAGMENTS[name] & value
            record[mask] = record.get(mask, 0) | FRAGMENTS[name]

    def fields(self, options: Body, ip: TcContext) -> Iterator[OutputField]:
        flags, mask = (options.get(f"{PREFIX}{key}") or 0 for key in ("FLAGS", "FLAGS_MASK"))
        found = [(name, bool(flags & bit)) for name, bit in FRAGMENTS.items() if mask & bit]
        if found:
            yield line_end(ip)
            yield plain("  ip_flags " + "/".join([name if is_set else f"no{name}" for name, is_set in found]))
            yield nest("ip_flags", [OutputField(name, is_set) for name, is_set in found])


def _version(options: Body) -> int | None:
    return VERSIONS.get(options.get(ETHER, 0))


def _outer(way: str) -> Callable[[Body], int | None]:
    """Return what tells the family of an address of a tunnel when it is shown."""
    return lambda options: next((one for one in (4, 6) if f"{PREFIX}ENC_IPV{one}_{way}_MASK" in options), None)


def _icmp(options: Body) -> int | None:
    return {(4, 1): 4, (6, 58): 6}.get((_version(options) or 0, options.get(NUMBER) or 0))


def _transport(options: Body) -> str | None:
    return PORTS.get(options.get(NUMBER) or 0)


def _is_arp(options: Body) -> bool:
    return options[ETHER] in ARP_TYPES


WAYS = (("dst", "DST"), ("src", "SRC"))
BYTE, WORD = units.decimal(8), units.decimal(16)
TOS = _masked(_octet, 0xFF, units.decimal(8, 16))
ICMP = _masked(BYTE, 0xFF)
FRAGMENT_KEY = _Fragments("ip_flags*")
ARP_TARGET = _FlowerAddress("arp_tip*", "ARP_TIP", only=_is_arp)
KEYS: tuple[Any, ...] = (  # in the order of the output
    FlowerKey("num_of_vlans", read=_number(255)),
    *[
        row
        for inner in (False, True)
        for row in (
            _Vlan("id", "ID", _number(0xFFF, WORD), inner),
            _Vlan("prio", "PRIO", _number(7, BYTE), inner),
            _Vlan("ethtype", "ETH_TYPE", ethertype, inner, show=lambda value, mask, ip: format_protocol(value, ip)),
        )
    ],
    *[FlowerKey(f"{way}_mac*", f"ETH_{WAY}", _mac, _mac_shown) for way, WAY in WAYS],
    OutputGroup(ETHER, lambda value, options, ip: _line("eth_type", ETHER_TYPES.get(value, f"{value:04x}"), ip)),
    _Protocol("ip_proto*", show=lambda value, mask, ip: _name_of(PROTOCOLS, value, f"{value:02x}")),
    *[FlowerKey(f"{name}*", read=TOS, whole=0xFF) for name in ("ip_tos", "ip_ttl")],
    *[FlowerKey(f"mpls_{name}*", read=_number(most)) for name, most in (("label", 0xFFFFF), ("tc", 7), ("bos", 1), ("ttl", 255))],
    *[_FlowerAddress(f"{way}_ip*", f"IPV{{}}_{WAY}", _version) for way, WAY in WAYS],
    *[_Port(f"{way}_port*", f"{{}}_{WAY}", _masked(U16, 0xFFFF), version=_transport, whole=0xFFFF) for way, WAY in WAYS],
    *[OutputGroup(f"{PREFIX}PORT_{WAY}_MIN", _range_fields(WAY)) for _, WAY in WAYS],
    FlowerKey(
        "tcp_flags*",
        read=_masked(units.decimal(16, 16), 0xFFFF),
        show=lambda value, mask, ip: f"0x{value:x}{'' if mask is None else f'/{mask:x}'}",
    ),
    *[
        FlowerKey(
            f"{what}*", f"ICMPV{{}}_{what.upper()}", ICMP, version=_icmp, whole=0xFF, label=f"icmp {what}", name=f"icmp_{what}"
        )
        for what in ("type", "code")
    ],
    _FlowerAddress("arp_sip*", "ARP_SIP", only=_is_arp),
    ARP_TARGET,
    FlowerKey("arp_op*", read=_masked(_operation, 0xFF, BYTE), show=_operation_shown, only=_is_arp),
    *[FlowerKey(f"{name}*", read=_mac, show=_mac_shown) for name in ("arp_sha", "arp_tha")],
    *[_FlowerAddress(f"enc_{way}_ip*", f"ENC_IPV{{}}_{WAY}", _outer(WAY)) for way, WAY in WAYS],
    FlowerKey("enc_key_id*", read=units.decimal(32)),
    FlowerKey("enc_dst_port*", "ENC_UDP_DST_PORT", _number(0xFFFF), whole=0xFFFF),
    *[FlowerKey(f"enc_{name}*", f"ENC_IP_{name.upper()}", TOS, whole=0xFF) for name in ("tos", "ttl")],
    FRAGMENT_KEY,
)
WORDS = (ARP_TARGET, *[key for key in KEYS if isinstance(key, Keyword)])  # arp_tip is what "arp_" abbreviates
