"""Handles and selectors of u32: which bits of a packet it compares."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from ...ip.arguments import U32, signed
from ...ip.arguments import prefix as address_prefix
from ...ip.grammar import CommandError, matches
from .. import units
from ..common import need, peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Args, Callable, Record, TcContext

HEX = units.decimal(32, 16)
MAX_KEYS = 128
NEXT_HEADER = "nexthdr+"
NODE, BUCKET, TABLE = 0xFFF, 0xFF000, 0xFFF00000  # of a handle


class Illegal(Exception):
    """A selector that cannot be read; its text is what tc says first."""


# -- handles ------------------------------------------------------------------------------------------------------


def handle(text: str) -> int:
    """Parse ``TABLE:BUCKET:NODE``, in hex.  Raises ValueError."""
    if ":" not in text:
        if not text.startswith("0x"):
            raise ValueError(text)
        return HEX(text)
    parts = text.split(":")
    if len(parts) > 3:
        raise ValueError(text)
    values = [HEX(part) if part else 0 for part in parts] + [0, 0]
    if values[0] >= 0x1000 or values[1] >= 0x100 or values[2] >= 0x1000:
        raise ValueError(text)
    return values[0] << 20 | values[1] << 12 | values[2]


def format_handle(value: int, ip: TcContext) -> str:
    """Return a handle as text."""
    if not value:
        return "none"
    table, bucket, node = value >> 20, value >> 12 & 0xFF, value & NODE
    text = f"{table:x}:" if table else ""
    text += f"{bucket:x}" if bucket else ""
    text += f":{node:x}" if node else ""
    return f"{text}[{value:08x}]" if ip.raw else text


# -- keys ---------------------------------------------------------------------------------------------------------


def _pack(record: Record, value: int, mask: int, off: int, offmask: int) -> None:
    """Add a key of 32 bits to the selector, or to the key that is there for these bytes."""
    value &= mask
    for key in record["keys"]:
        if key["off"] == off and key["offmask"] == offmask:
            before, known = (int.from_bytes(key[name], "big") for name in ("val", "mask"))
            if (value ^ before) & mask & known:
                raise Illegal
            key.update(val=(before | value).to_bytes(4, "big"), mask=(known | mask).to_bytes(4, "big"))
            return
    if len(record["keys"]) >= MAX_KEYS or off % 4:
        raise Illegal
    record["keys"].append({"val": value.to_bytes(4, "big"), "mask": mask.to_bytes(4, "big"), "off": off, "offmask": offmask})


def _pack_part(record: Record, bits: int, value: int, mask: int, off: int, offmask: int) -> None:
    """Add a key of 8, 16 or 32 bits."""
    if max(value, mask) >> bits:
        raise Illegal
    shift = {32: 0, 16: 0 if off & 3 else 16, 8: 24 - 8 * (off & 3)}[bits]
    _pack(record, value << shift, mask << shift, off if bits == 32 else off & ~3, offmask)


def _at(args: Args, off: int, offmask: int) -> tuple[int, int]:
    """Read ``at OFFSET`` if it follows."""
    if peek(args) != "at":
        return off, offmask
    args.take()
    need(args)
    word = args.take()
    if word.startswith(NEXT_HEADER) and word != NEXT_HEADER:
        word, offmask = word[len(NEXT_HEADER) :], -1
    elif matches(word, NEXT_HEADER):
        word, offmask = args.take(), -1
    try:
        return signed(word), offmask
    except ValueError:
        raise Illegal from None


def _value(bits: int, off: int, offmask: int = 0) -> Callable[[Args, Record], None]:
    """Return a function that reads ``VALUE MASK [at OFFSET]``."""

    def take(args: Args, record: Record) -> None:
        if len(args.words) - args.at < 2:
            raise Illegal
        try:
            value, mask = U32(args.take()), HEX(args.take())
        except ValueError:
            raise Illegal from None
        if bits == 8 and max(value, mask) > 0xFF:
            raise Illegal
        _pack_part(record, bits, value, mask, *_at(args, off, offmask))

    return take


def _address(family: int, off: int) -> Callable[[Args, Record], None]:
    """Return a function that reads a prefix."""

    def take(args: Args, record: Record) -> None:
        need(args)
        try:
            found = address_prefix(args.take(), family)
        except CommandError:
            raise Illegal from None
        size = 4 if family == AF_INET else 16
        octets = inet_pton(family, found.address) if found.address else bytes(size)
        start, offmask = _at(args, off, 0)
        bits = (1 << size * 8) - (1 << size * 8 - found.length)
        masks = bits.to_bytes(size, "big")
        for word in range(0, size, 4):
            mask = int.from_bytes(masks[word : word + 4], "big")
            if mask or family == AF_INET:
                _pack(record, int.from_bytes(octets[word : word + 4], "big"), mask, start + word, offmask)

    return take


def _fixed(value: int, mask: int) -> Callable[[Args, Record], None]:
    return lambda args, record: _pack_part(record, 16, value, mask, 6, 0)


def _class(args: Args, record: Record) -> None:
    try:
        value, mask = U32(args.take()), HEX(args.take())
    except ValueError:
        raise Illegal from None
    if max(value, mask) > 0xFF:
        raise Illegal
    _pack(record, value << 20, mask << 20, 0, 0)


def _ether(off: int) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        need(args)
        word = args.take()
        try:
            octets = [int(part, 16) & 0xFF for part in word.split(":")]
            if len(octets) != 6:
                raise ValueError(word)
        except ValueError:
            raise Illegal(f"parse_ether_addr: improperly formed address '{word}'") from None
        start, offmask = _at(args, off, 0)
        for place, octet in enumerate(octets):
            _pack_part(record, 8, octet, 0xFF, start + place, offmask)

    return take


# Fields by protocol; a name that ends in * may be abbreviated.
FIELDS: dict[str, dict[str, Callable[[Args, Record], None]]] = {
    "ip": {
        "src": _address(AF_INET, 12),
        "dst": _address(AF_INET, 16),
        "tos|dsfield*|precedence*": _value(8, 1),
        "ihl": _value(8, 0),
        "protocol": _value(8, 9),
        "nofrag": _fixed(0, 0x3FFF),
        "firstfrag": _fixed(0x2000, 0x3FFF),
        "df": _fixed(0x4000, 0x4000),
        "mf": _fixed(0x2000, 0x2000),
        "dport": _value(16, 22),
        "sport": _value(16, 20),
        "icmp_type": _value(8, 20),
        "icmp_code": _value(8, 21),
    },
    "ip6": {
        "src": _address(AF_INET6, 8),
        "dst": _address(AF_INET6, 24),
        "priority": _class,
        "protocol": _value(8, 6),
        "flowlabel": _value(32, 0),
        "dport": _value(16, 42),
        "sport": _value(16, 40),
        "icmp_type": _value(8, 40),
        "icmp_code": _value(8, 41, 1),
    },
    "udp": {"src": _value(16, 0, -1), "dst": _value(16, 2, -1)},
    "tcp": {"src": _value(16, 0, -1), "dst": _value(16, 2, -1)},
    "icmp": {"type": _value(8, 0, -1), "code": _value(8, 1, -1)},
    "ether": {"src": _ether(-8), "dst": _ether(-14)},
}
SELECTORS = ("u32", "u16", "u8", "ip", "ip6", "udp", "tcp", "icmp", "mark", "ether")  # in tc's order


def select(args: Args, record: Record) -> None:
    """Read one selector.  Raises `Illegal`."""
    name = next((one for one in SELECTORS if matches(peek(args), one)), None)
    if name is None:
        raise Illegal
    args.take()
    need(args)
    if name[0] == "u" and name[1:].isdigit():
        _value(int(name[1:]), 0)(args, record)
    elif name == "mark":
        _mark(args, record)
    else:
        if len(args.words) - args.at < 2:
            raise Illegal
        word = args.take()
        for names, take in FIELDS[name].items():
            if any(matches(word, one[:-1]) if one.endswith("*") else word == one for one in names.split("|")):
                if take not in _ALONE:
                    need(args)
                take(args, record)
                return
        raise Illegal(f"Unknown match: ether {word}" if name == "ether" else "")


_ALONE = [FIELDS["ip"][name] for name in ("nofrag", "firstfrag", "df", "mf")]


def _mark(args: Args, record: Record) -> None:
    if len(args.words) - args.at < 2:
        raise Illegal
    found = {}
    for key, name in (("val", "value"), ("mask", "mask")):
        try:
            found[key] = U32(args.take())
        except ValueError:
            raise Illegal(f'Illegal "mark" {name}') from None
        need(args)
    if found["val"] & found["mask"] != found["val"]:
        raise Illegal('Illegal "mark" (impossible combination)')
    record["TCA_U32_MARK"] = found
