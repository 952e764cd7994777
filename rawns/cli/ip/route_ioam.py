"""``encap ioam6`` and ``encap ila`` of routes: traces of a packet's path (RFC 9197), and locators of addresses."""

from __future__ import annotations

from _socket import AF_INET6

from .arguments import U16, U32, address, choose, within
from .grammar import FAILED, CommandError, parsed, wrong
from .keywords import ValueKeyword, read_known
from .reads import named_by
from .render import OutputField, OutputGroup, OutputRow, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, IpContext, Iterator

    Read = Callable[[str], int]

MODES = ("inline", "encap", "auto")  # IOAM6_IPTUNNEL_MODE_*, from 1 on
MAX_TRACE = 244
MAX_FREQUENCY = 1000000
CHECKSUMS = ("adj-transport", "neutral-map", "no-action", "neutral-map-auto")  # ILA_CSUM_*
IDENTIFIERS = {"luid": 1, "use-format": 32}  # ILA_ATYPE_* that can be chosen
IDENTIFIER_NAMES = {0: "iid", 1: "luid", 2: "virt-v4", 3: "virt-uni-v6", 4: "virt-multi-v6", 5: "nonlocal-addr", 32: "use-format"}
HOOKS = ("output", "input")  # ILA_HOOK_ROUTE_*


def _next(args: Args) -> str:
    return args.words[args.at] if args else ""


def _required(name: str) -> CommandError:
    return CommandError(f'Error: argument "{name}" is required')


# -- ioam6 --------------------------------------------------------------------------------------------------------


def _frequency(word: str) -> tuple[int, int]:
    """Return K and N of ``K/N``: K of N packets are marked.  Raises `CommandError`."""
    first, _, second = word.partition("/")
    try:
        k, n = U32(first), U32(second)
    except ValueError:
        raise wrong(word, "Invalid frequency (malformed)") from None
    for name, value in (("k", k), ("n", n)):
        if not 0 < value <= MAX_FREQUENCY:
            raise wrong(word, f'Out of bound "{name}" frequency')
    if k > n:
        raise wrong(word, "Frequency with k > n is forbidden")
    return k, n


TRACE: tuple[tuple[str, Read, str], ...] = (
    ("type", within(U32, 1), "Invalid trace type"),
    ("ns", U16, "Invalid namespace ID"),
    ("size", within(U16, 1), "Invalid trace size"),
)


def _trace(args: Args) -> bytes:
    """Read ``trace prealloc type MASK ns NUMBER size BYTES`` into struct ioam6_trace_hdr.  Raises `CommandError`."""
    for name in ("trace", "prealloc"):
        if _next(args) != name:
            raise _required(name)
        args.at += 1
    values: list[int] = []
    for name, read, why in TRACE:
        if _next(args) != name:
            raise _required(name)
        args.at += 1
        word = args.take()
        values.append(parsed(read, word, why))
    kind, namespace, size = values
    if size % 4:
        raise wrong(word, "Trace size must be a 4-octet multiple")
    if size > MAX_TRACE:
        raise wrong(word, "Trace size is too big")
    return namespace.to_bytes(2, "big") + bytes([0, size // 4]) + (kind << 8 & 0xFFFFFFFF).to_bytes(4, "big")


def read_ioam6(args: Args) -> Body:
    """Read ``[freq K/N] [mode MODE] [tundst ADDRESS] trace prealloc ...``.  Raises `CommandError`."""
    k = n = 1
    if _next(args) == "freq":
        args.at += 1
        k, n = _frequency(args.take())
    mode = "inline"
    if _next(args) == "mode":
        args.at += 1
        mode = args.take()
        if mode not in MODES:
            raise wrong(mode, "Invalid mode")
        if not args:
            args.take()
    body: Body = {"IOAM6_IPTUNNEL_FREQ_K": k, "IOAM6_IPTUNNEL_FREQ_N": n, "IOAM6_IPTUNNEL_MODE": MODES.index(mode) + 1}
    if mode == "inline":
        if _next(args) == "tundst":
            raise wrong("tundst", "Inline mode does not need tundst")
    else:
        if _next(args) != "tundst":
            raise _required("tundst")
        args.at += 1
        word = args.take()
        body["IOAM6_IPTUNNEL_DST"] = address(word, AF_INET6)[1]
        if not body["IOAM6_IPTUNNEL_DST"]:
            raise wrong(word, "Invalid IPv6 address for tundst")
    body["IOAM6_IPTUNNEL_TRACE"] = _trace(args)
    return body


def _show_trace(data: bytes, record: Body, ip: IpContext) -> Iterator[OutputField]:
    if len(data) < 8:
        return
    kind, namespace, size = int.from_bytes(data[4:8], "big") >> 8, int.from_bytes(data[:2], "big"), 4 * (data[3] & 0x7F)
    yield OutputField("trace", "prealloc", "trace prealloc ")
    yield OutputField("type", f"{kind:#x}", f"type {f'{kind:#08x}' if kind else '00000000'} ")
    yield OutputField("ns", namespace, f"ns {namespace} ")
    yield OutputField("size", size, f"size {size} ")


def _show_frequency(n: int, record: Body, ip: IpContext) -> Iterator[OutputField]:
    k = record.get("IOAM6_IPTUNNEL_FREQ_K", 0)
    yield OutputField("freqk", k, f"freq {k}")
    yield OutputField("freqn", n, f"/{n} ")


IOAM6_ROWS = (
    OutputGroup("IOAM6_IPTUNNEL_FREQ_N", _show_frequency),
    OutputRow("IOAM6_IPTUNNEL_MODE", "mode", "mode %s ", named_by(dict(enumerate(MODES, 1)), "<unknown>")),
    OutputRow("IOAM6_IPTUNNEL_DST", "tundst", "tundst %s "),
    OutputGroup("IOAM6_IPTUNNEL_TRACE", _show_trace),
)


def show_ioam6(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of ``encap ioam6``."""
    complete = body.get("IOAM6_IPTUNNEL_MODE") == 1 or "IOAM6_IPTUNNEL_DST" in body  # only inline needs no address
    return fields(IOAM6_ROWS if complete else IOAM6_ROWS[:1], body, ip)


# -- ila ----------------------------------------------------------------------------------------------------------


def _locator(word: str) -> int:
    """Return a locator: up to four numbers of 16 bits in hexadecimal, the missing ones 0.  Raises ValueError."""
    groups = [int(group, 16) if "_" not in group else -1 for group in word.split(":")]
    if len(groups) > 4 or not all(0 <= group <= 0xFFFF for group in groups):
        raise ValueError(word)
    return sum(group << 48 - 16 * place for place, group in enumerate(groups))


ILA_KEYWORDS = [
    ValueKeyword("csum-mode", "ILA_ATTR_CSUM_MODE", CHECKSUMS.index, '"csum-mode" value is invalid\n'),
    ValueKeyword("ident-type", "ILA_ATTR_IDENT_TYPE", choose(IDENTIFIERS), '"ident-type" value is invalid\n'),
    ValueKeyword("hook-type", "ILA_ATTR_HOOK_TYPE", HOOKS.index, '"hook-type" value is invalid\n'),
]


def read_ila(args: Args) -> Body:
    """Read ``LOCATOR [csum-mode MODE] [ident-type TYPE] [hook-type HOOK]``.  Raises `CommandError`."""
    word = args.take()
    try:
        body: Body = {"ILA_ATTR_LOCATOR": _locator(word)}
    except ValueError:
        raise CommandError(f"Bad locator: {word}", FAILED, exits=True) from None
    read_known(ILA_KEYWORDS, args, body)
    return body


def _locator_text(value: int, record: Body, ip: IpContext) -> str:
    return ":".join(f"{value >> shift & 0xFFFF:x}" for shift in (48, 32, 16, 0))


ILA_ROWS = (
    OutputRow("ILA_ATTR_LOCATOR", "locator", " %s ", _locator_text),
    OutputRow("ILA_ATTR_CSUM_MODE", "csum_mode", " csum-mode %s ", named_by(CHECKSUMS, "unknown")),
    OutputRow("ILA_ATTR_IDENT_TYPE", "ident_type", " ident-type %s ", named_by(IDENTIFIER_NAMES, "unknown")),
    OutputRow("ILA_ATTR_HOOK_TYPE", "hook_type", " hook-type %s ", named_by(HOOKS, "unknown")),
)


def show_ila(body: Body, ip: IpContext) -> Iterator[OutputField]:
    """Yield the fields of ``encap ila``."""
    return fields(ILA_ROWS, body, ip)
