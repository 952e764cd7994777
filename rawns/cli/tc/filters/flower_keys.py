"""What flower compares: the names of its values, and how they are shown."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from .... import uapi
from ...ip.render import OutputField
from ..words import format_protocol, line_end, nest, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Any, Body, Iterator, Sequence, TcContext

PREFIX = "TCA_FLOWER_KEY_"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
PORTS = {6: "TCP", 17: "UDP", 132: "SCTP"}
ETHER_TYPES = {uapi.ETH_P_IP: "ipv4", uapi.ETH_P_IPV6: "ipv6", uapi.ETH_P_ARP: "arp", 0x8035: "rarp"}
OPERATIONS = {"request": 1, "reply": 2}
FRAGMENTS = {"frag": uapi.TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT, "firstfrag": uapi.TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST}
VLAN_KEYS = ("num_of_vlans", "vlan_id", "vlan_prio", "vlan_ethtype", "cvlan_id", "cvlan_prio", "cvlan_ethtype")
MPLS_KEYS = ("mpls_label", "mpls_tc", "mpls_bos", "mpls_ttl")


def _line(name: str, value: Any, ip: TcContext, shown: Any = None) -> Iterator[OutputField]:
    yield line_end(ip)
    yield OutputField(name, value, f"  {name} {value if shown is None else shown}")


def _ones(data: bytes) -> int:
    """Return the length of a mask of leading ones; -1 for any other."""
    value, whole = int.from_bytes(data, "big"), len(data) * 8
    host = ~value & (1 << whole) - 1
    return -1 if not value or host & (host + 1) else whole - host.bit_length()


def _with_mask(value: str, mask: str | None, packed: bytes) -> str:
    bits = _ones(packed)
    if mask is None or bits == len(packed) * 8:
        return value
    return f"{value}/{mask if bits < 0 else bits}"


def _mac_line(name: str, key: str, options: Body, ip: TcContext) -> Iterator[OutputField]:
    value, mask = options.get(f"{PREFIX}{key}"), options.get(f"{PREFIX}{key}_MASK")
    if value is not None:
        packed = bytes.fromhex(mask.replace(":", "")) if mask else b"\xff" * 6
        yield from _line(name, _with_mask(value, mask, packed), ip)


def _address_line(name: str, key: str, options: Body, ip: TcContext) -> Iterator[OutputField]:
    value, mask = options.get(f"{PREFIX}{key}"), options.get(f"{PREFIX}{key}_MASK")
    if isinstance(value, str) and isinstance(mask, str):
        packed = inet_pton(AF_INET6 if ":" in mask else AF_INET, mask)
        yield from _line(name, _with_mask(value, mask, packed), ip)


def _masked_line(name: str, key: str, whole: int, options: Body, ip: TcContext) -> Iterator[OutputField]:
    value, mask = options.get(f"{PREFIX}{key}"), options.get(f"{PREFIX}{key}_MASK", whole)
    if value is not None:
        yield from _line(name, value, ip)
        if mask != whole:
            yield OutputField(f"{name}_mask", f"{mask:x}", f"/0x{mask:x}")


def _number_lines(names: Sequence[str], options: Body, ip: TcContext) -> Iterator[OutputField]:
    """Yield keys without masks, which are called like their attributes."""
    for name in names:
        value = options.get(PREFIX + name.upper().replace("ETHTYPE", "ETH_TYPE"))
        if value is not None:
            yield from _line(name, format_protocol(value, ip) if name.endswith("ethtype") else value, ip)


def keys(options: Body, ip: TcContext) -> Iterator[OutputField]:
    """Yield what a filter compares."""

    def get(key: str) -> Any:
        return options.get(f"{PREFIX}{key}")

    yield from _number_lines(VLAN_KEYS, options, ip)
    yield from _mac_line("dst_mac", "ETH_DST", options, ip)
    yield from _mac_line("src_mac", "ETH_SRC", options, ip)
    ether, number = get("ETH_TYPE"), get("IP_PROTO")
    if ether is not None:
        yield from _line("eth_type", ETHER_TYPES.get(ether, f"{ether:04x}"), ip)
    if number is not None:
        yield from _line("ip_proto", next((name for name, one in PROTOCOLS.items() if one == number), f"{number:02x}"), ip)
    yield from _masked_line("ip_tos", "IP_TOS", 0xFF, options, ip)
    yield from _masked_line("ip_ttl", "IP_TTL", 0xFF, options, ip)
    yield from _number_lines(MPLS_KEYS, options, ip)
    version = {uapi.ETH_P_IP: 4, uapi.ETH_P_IPV6: 6}.get(ether or 0)
    for way in ("DST", "SRC") if version else ():
        yield from _address_line(f"{way.lower()}_ip", f"IPV{version}_{way}", options, ip)
    yield from _port_lines(options, PORTS.get(number or 0), ip)
    if get("TCP_FLAGS") is not None:
        mask = get("TCP_FLAGS_MASK")
        yield from _line("tcp_flags", f"0x{get('TCP_FLAGS'):x}{'' if mask is None else f'/{mask:x}'}", ip)
    icmp = {(4, 1): 4, (6, 58): 6}.get((version or 0, number or 0))
    for what in ("type", "code") if icmp else ():
        yield from _masked_line(f"icmp_{what}", f"ICMPV{icmp}_{what.upper()}", 0xFF, options, ip)
    yield from _arp_lines(options, ip)
    for way in ("DST", "SRC"):
        four = get(f"ENC_IPV4_{way}_MASK") is not None
        yield from _address_line(f"enc_{way.lower()}_ip", f"ENC_IPV{4 if four else 6}_{way}", options, ip)
    yield from _number_lines(("enc_key_id",), options, ip)
    yield from _masked_line("enc_dst_port", "ENC_UDP_DST_PORT", 0xFFFF, options, ip)
    yield from _masked_line("enc_tos", "ENC_IP_TOS", 0xFF, options, ip)
    yield from _masked_line("enc_ttl", "ENC_IP_TTL", 0xFF, options, ip)
    yield from _fragment_line(get("FLAGS") or 0, get("FLAGS_MASK") or 0, ip)


def _port_lines(options: Body, name: str | None, ip: TcContext) -> Iterator[OutputField]:
    for way in ("DST", "SRC") if name else ():
        yield from _masked_line(f"{way.lower()}_port", f"{name}_{way}", 0xFFFF, options, ip)
    for way in ("DST", "SRC") if name else ():
        low, high = (options.get(f"{PREFIX}PORT_{way}_{end}") for end in ("MIN", "MAX"))
        if low is not None and high is not None:
            yield line_end(ip)
            yield plain(f"  {way.lower()}_port {low}-{high}")
            yield nest(f"{way.lower()}_port", [OutputField("start", low), OutputField("end", high)])


def _arp_lines(options: Body, ip: TcContext) -> Iterator[OutputField]:
    yield from _address_line("arp_sip", "ARP_SIP", options, ip)
    yield from _address_line("arp_tip", "ARP_TIP", options, ip)
    value, mask = options.get(f"{PREFIX}ARP_OP"), options.get(f"{PREFIX}ARP_OP_MASK", 0xFF)
    if value is not None:
        name = next((one for one, number in OPERATIONS.items() if number == value), str(value))
        yield from _line("arp_op", name if mask == 0xFF else f"{name}/{mask}", ip)
    yield from _mac_line("arp_sha", "ARP_SHA", options, ip)
    yield from _mac_line("arp_tha", "ARP_THA", options, ip)


def _fragment_line(flags: int, mask: int, ip: TcContext) -> Iterator[OutputField]:
    found = [(name, bool(flags & bit)) for name, bit in FRAGMENTS.items() if mask & bit]
    if found:
        yield line_end(ip)
        yield plain("  ip_flags " + "/".join([name if is_set else f"no{name}" for name, is_set in found]))
        yield nest("ip_flags", [OutputField(name, is_set) for name, is_set in found])
