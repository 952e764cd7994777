"""flower: filters that compare fields of a packet (tc-flower(8))."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from .... import uapi
from ...ip.arguments import U16, U32, interface, lladdr
from ...ip.arguments import prefix as address_prefix
from ...ip.grammar import CommandError, matches, wrong
from ...ip.keywords import CustomKeyword
from ...ip.render import OutputField
from .. import units
from ..actions import listed
from ..help_texts import FILTERS
from ..words import failed, field, format_classid, line_end, nest, protocol, swapped, unsupported
from . import FilterKind, action_row, class_row, flag_row
from .flower_keys import FRAGMENTS, OPERATIONS, PORTS, PREFIX, PROTOCOLS, keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Args, Body, Callable, Iterable, Record, TcContext

__all__ = ["KINDS"]
ARP_TYPES = (uapi.ETH_P_ARP, 0x8035)
MISSING = (
    "ct_state ct_zone ct_mark ct_label mpls hw_tc pppoe_sid ppp_proto l2tpv3_sid geneve_opts vxlan_opts erspan_opts gtp_opts"
)


def _octets(bits: int, size: int) -> bytes:
    """Return a mask of so many leading bits."""
    whole = size * 8
    return ((1 << whole) - (1 << whole - min(bits, whole))).to_bytes(size, "big")


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


def _masked(read: Callable[[str], int], most: int) -> Callable[[str], tuple[int, int]]:
    def read_masked(text: str) -> tuple[int, int]:
        head, slash, tail = text.partition("/")
        return read(head), read(tail) if slash else most

    return read_masked


def _tos(text: str) -> tuple[int, int]:
    head, slash, tail = text.partition("/")
    try:
        value = units.decimal(8)(head)
    except ValueError:
        value = units.decimal(8, 16)(head)
    return value, units.decimal(8, 16)(tail) if slash else 0xFF


def _operation(text: str) -> tuple[int, int]:
    head, slash, tail = text.partition("/")
    value = OPERATIONS[head] if head in OPERATIONS else units.decimal(8)(head)
    if value > 2:
        raise ValueError(text)
    return value, units.decimal(8)(tail) if slash else 0xFF


def _prefix(text: str, family: int) -> tuple[int, str, bytes]:
    found = address_prefix(text, family)
    size = 4 if found.family == AF_INET else 16
    return found.family, found.address or "0.0.0.0", _octets(found.length, size)


def _illegal(names: str, take: Callable[[str, Record], None], label: str = "") -> CustomKeyword:
    """Return a row whose function gets one word; a ValueError of it is the complaint, after what it says itself."""
    name = names.rstrip("*")

    def read(args: Args, record: Record) -> None:
        word = args.take()
        try:
            take(word, record)
        except ValueError as error:
            said = str(error) if " " in str(error) else ""
            complaint = f'Illegal "{label or name}"'
            raise failed(f"{said}\n{complaint}" if said else complaint) from None

    return CustomKeyword(names, read)


def _key(
    names: str, key: str, read: Callable[[str], tuple[Any, Any]], only: Callable[[Record], bool] | None = None
) -> CustomKeyword:
    """Return the row of a key with a mask."""

    def take(word: str, record: Record) -> None:
        if only is not None and not only(record):
            raise ValueError
        record[f"{PREFIX}{key}"], record[f"{PREFIX}{key}_MASK"] = read(word)

    return _illegal(names, take)


def _is_arp(record: Record) -> bool:
    return record["ether"] in ARP_TYPES


def _ip_protocol(word: str, record: Record) -> None:
    ether = record["ether"]
    number = next((one for name, one in PROTOCOLS.items() if matches(word, name)), None)
    only = {1: uapi.ETH_P_IP, 58: uapi.ETH_P_IPV6}.get(number or 0, ether)
    if ether not in (uapi.ETH_P_IP, uapi.ETH_P_IPV6) or only != ether:
        raise ValueError('Illegal "eth_type" for ip proto')
    record[f"{PREFIX}IP_PROTO"] = units.decimal(8, 16)(word) if number is None else number


def _address(way: str, prefix: str = "") -> Callable[[str, Record], None]:
    def take(word: str, record: Record) -> None:
        family = {uapi.ETH_P_IP: AF_INET, uapi.ETH_P_IPV6: AF_INET6}.get(record["ether"], 0) if not prefix else 0
        if not prefix and not family and record["ether"]:
            raise ValueError
        found, address, mask = _prefix(word, family)
        key = f"{PREFIX}{prefix}IPV{4 if found == AF_INET else 6}_{way}"
        record[key], record[f"{key}_MASK"] = address, mask

    return take


def _arp_address(key: str) -> Callable[[str, Record], None]:
    def take(word: str, record: Record) -> None:
        if not _is_arp(record):
            raise ValueError
        _, record[f"{PREFIX}{key}"], record[f"{PREFIX}{key}_MASK"] = _prefix(word, AF_INET)

    return take


def _port(way: str) -> Callable[[str, Record], None]:
    def take(word: str, record: Record) -> None:
        name = PORTS.get(record.get(f"{PREFIX}IP_PROTO", 0))
        if name is None:
            raise ValueError
        first, dash, last = word.partition("-")
        if dash:
            low, high = units.decimal(16)(first), units.decimal(16)(last)
            if high <= low:
                raise ValueError("max value should be greater than min value")
            record[f"{PREFIX}PORT_{way}_MIN"], record[f"{PREFIX}PORT_{way}_MAX"] = low, high
        else:
            key = f"{PREFIX}{name}_{way}"
            value, mask = _masked(U16, 0xFFFF)(word)
            record[key] = value
            if "/" in word:
                record[f"{key}_MASK"] = mask

    return take


def _icmp(what: str) -> Callable[[str, Record], None]:
    def take(word: str, record: Record) -> None:
        pair = (record["ether"], record.get(f"{PREFIX}IP_PROTO", 0))
        version = {(uapi.ETH_P_IP, 1): 4, (uapi.ETH_P_IPV6, 58): 6}.get(pair)
        if version is None:
            raise ValueError
        key = f"{PREFIX}ICMPV{version}_{what}"
        record[key], record[f"{key}_MASK"] = _masked(units.decimal(8), 0xFF)(word)

    return take


def _fragments(word: str, record: Record) -> None:
    for token in filter(None, word.split("/")):
        name, set_bit = (token[2:], False) if token.startswith("no") else (token, True)
        if name not in FRAGMENTS:
            raise ValueError
        record["flags"] = record.get("flags", 0) | FRAGMENTS[name] if set_bit else record.get("flags", 0) & ~FRAGMENTS[name]
        record["flags mask"] = record.get("flags mask", 0) | FRAGMENTS[name]


def _vlan(prefix: str, what: str, most: int, read: Callable[[str], int]) -> Callable[[str, Record], None]:
    word_name = f"{prefix.lower()}_{ {'ID': 'id', 'PRIO': 'prio', 'ETH_TYPE': 'ethtype'}[what] }"

    def take(word: str, record: Record) -> None:
        least = 0 if prefix == "VLAN" else 1
        outer = record["protocol"] if prefix == "VLAN" else record.get("vlan type", 0)
        if outer not in (uapi.ETH_P_8021Q, uapi.ETH_P_8021AD) and record.get(f"{PREFIX}NUM_OF_VLANS", 0) <= least:
            last = "is 0" if prefix == "VLAN" else "less than 2"
            kind = "ethertype" if prefix == "VLAN" or what == "ETH_TYPE" else "inner vlan ethertype"
            raise failed(f"Can't set \"{word_name}\" if {kind} isn't 802.1Q or 802.1AD and num_of_vlans {last}")
        try:
            value = read(word)
        except ValueError:
            if what == "ETH_TYPE":
                raise wrong(word, "invalid vlan_ethtype") from None
            raise
        if value > most:
            raise ValueError
        record[f"{PREFIX}{prefix}_{what}"] = value
        if what == "ETH_TYPE":
            record["ether"] = value
            if prefix == "VLAN":
                record["vlan type"] = value

    return take


def _number(names: str, most: int, key: str = "") -> CustomKeyword:
    """Return the row of a number without a mask."""
    attribute = PREFIX + (key or names.rstrip("*").upper())

    def take(word: str, record: Record) -> None:
        record[attribute] = units.decimal(32)(word)
        if record[attribute] > most:
            raise ValueError

    return _illegal(names, take)


def _link(args: Args, record: Record) -> None:
    record["TCA_FLOWER_INDEV"] = interface(args.take(), "indev")


def _missing(name: str) -> CustomKeyword:
    def take(args: Args, record: Record) -> None:
        raise unsupported(f"`{name}` of flower")

    return CustomKeyword(f"{name}*", take)


_MISSING = {name: _missing(name) for name in MISSING.split()}


class Flower(FilterKind):
    """flower, without conntrack, label stacks, PPPoE and the options of tunnels."""

    rows = [
        class_row("TCA_FLOWER", "classid*|flowid*"),
        _illegal("ip_flags*", _fragments),
        flag_row("verbose*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_VERBOSE),
        flag_row("skip_hw*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_SKIP_HW),
        flag_row("skip_sw*", "TCA_FLOWER", uapi.TCA_CLS_FLAGS_SKIP_SW),
        *_MISSING.values(),
        CustomKeyword("indev*", _link),
        _number("num_of_vlans", 255),
        *[
            _illegal(f"{prefix.lower()}_{name}*", _vlan(prefix, what, most, read))
            for prefix in ("VLAN", "CVLAN")
            for name, what, most, read in (
                ("id", "ID", 0xFFF, units.decimal(16)),
                ("prio", "PRIO", 7, units.decimal(8)),
                ("ethtype", "ETH_TYPE", 0xFFFF, protocol),
            )
        ],
        _number("mpls_label*", 0xFFFFF),
        _number("mpls_tc*", 7),
        _number("mpls_bos*", 1),
        _number("mpls_ttl*", 255),
        _key("dst_mac*", "ETH_DST", _mac),
        _key("src_mac*", "ETH_SRC", _mac),
        _illegal("ip_proto*", _ip_protocol),
        _key("ip_tos*", "IP_TOS", _tos),
        _key("ip_ttl*", "IP_TTL", _tos),
        _illegal("dst_ip*", _address("DST")),
        _illegal("src_ip*", _address("SRC")),
        _illegal("dst_port*", _port("DST")),
        _illegal("src_port*", _port("SRC")),
        _key("tcp_flags*", "TCP_FLAGS", _masked(units.decimal(16, 16), 0xFFFF)),
        _illegal("type*", _icmp("TYPE"), "icmp type"),
        _illegal("code*", _icmp("CODE"), "icmp code"),
        _illegal("arp_tip*", _arp_address("ARP_TIP")),
        _illegal("arp_sip*", _arp_address("ARP_SIP")),
        _key("arp_op*", "ARP_OP", _operation, _is_arp),
        _key("arp_tha*", "ARP_THA", _mac),
        _key("arp_sha*", "ARP_SHA", _mac),
        _illegal("enc_dst_ip*", _address("DST", "ENC_")),
        _illegal("enc_src_ip*", _address("SRC", "ENC_")),
        _number("enc_key_id*", uapi.UINT32_MAX),
        _number("enc_dst_port*", 0xFFFF, "ENC_UDP_DST_PORT"),
        _key("enc_tos*", "ENC_IP_TOS", _tos),
        _key("enc_ttl*", "ENC_IP_TTL", _tos),
        action_row("TCA_FLOWER"),
    ]

    def handle(self, text: str) -> tuple[int, Record]:
        try:
            return U32(text), {}
        except ValueError:
            raise failed('Illegal "handle"') from None

    def parse(self, args: Args, handle: str | None, record: Record) -> None:
        from ...ip.keywords import read

        if handle is not None:
            record["tcm_handle"], _ = self.handle(handle)
        ether = swapped(record.get("tcm_info", 0) & 0xFFFF)
        options = read(self.rows, args, {"ether": ether, "protocol": ether}, self._otherwise)
        flags, mask = options.pop("flags", 0), options.pop("flags mask", 0)
        for key in ("ether", "protocol", "vlan type"):
            options.pop(key, None)
        options.setdefault("TCA_FLOWER_FLAGS", 0)
        if mask:
            options[f"{PREFIX}FLAGS"], options[f"{PREFIX}FLAGS_MASK"] = flags, mask
        if ether != uapi.ETH_P_ALL:
            options[f"{PREFIX}ETH_TYPE"] = ether
        record["TCA_OPTIONS"] = options

    # -- output ---------------------------------------------------------------------------------------------------

    def fields(self, options: Body, handle: int, info: int, ip: TcContext) -> Iterable[OutputField]:
        if handle:
            yield field("handle", handle, "handle 0x%x ", ip)
        if "TCA_FLOWER_CLASSID" in options:
            yield field("classid", format_classid(options["TCA_FLOWER_CLASSID"], ip), "classid %s ", ip)
        if "TCA_FLOWER_INDEV" in options:
            yield line_end(ip)
            yield field("indev", options["TCA_FLOWER_INDEV"], "  indev %s", ip)
        yield nest("keys", keys(options, ip))
        flags = options.get("TCA_FLOWER_FLAGS", 0)
        in_hardware = flags & uapi.TCA_CLS_FLAGS_IN_HW
        for name, shown in (
            ("skip_hw", flags & uapi.TCA_CLS_FLAGS_SKIP_HW),
            ("skip_sw", flags & uapi.TCA_CLS_FLAGS_SKIP_SW),
            ("in_hw", in_hardware),
            ("not_in_hw", flags & uapi.TCA_CLS_FLAGS_NOT_IN_HW and not in_hardware),
        ):
            if shown:
                yield line_end(ip)
                yield field(name, True, f"  {name}", ip)
                if name == "in_hw" and "TCA_FLOWER_IN_HW_COUNT" in options:
                    yield field("in_hw_count", options["TCA_FLOWER_IN_HW_COUNT"], " in_hw_count %u", ip)
        if "TCA_FLOWER_ACT" in options:
            yield listed(options["TCA_FLOWER_ACT"], ip)


KINDS = {"flower": Flower("flower", "TCA_FLOWER", FILTERS["flower"])}
