"""Filters of `ss`: parsed, compiled for the kernel (INET_DIAG_REQ_BYTECODE in <linux/inet_diag.h>), and evaluated here.

A filter is a tuple: ``("and", left, right)``, ``("or", left, right)``, ``("not", filter)`` or a condition.  `and` and `or` bind
equally, from left to right, as in `ss` 6.1.  The kernel evaluates filters of TCP and UDP sockets; an interface is none of its
conditions, so a filter with one is evaluated here, like all filters of other sockets.
"""

from __future__ import annotations

import struct

from ... import uapi
from .options import BAD_USAGE, FAILED, SsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .selection import SocketSelection

WORDS = {  # words that stand for a sign, or that begin a condition
    **dict.fromkeys(("!", "not"), "!"),
    **dict.fromkeys(("|", "||", "or"), "or"),
    **dict.fromkeys(("&", "&&", "and"), "and"),
    **dict.fromkeys(("=", "==", "eq"), "="),
    **dict.fromkeys(("!=", "ne", "neq"), "!="),
    **dict.fromkeys((">", "gt"), ">"),
    **dict.fromkeys(("<", "lt"), "<"),
    **dict.fromkeys((">=", "ge", "geq"), ">="),
    **dict.fromkeys(("<=", "le", "leq"), "<="),
    **{word: word for word in ("(", ")", "src", "dst", "sport", "dport", "dev", "fwmark", "cgroup", "autobound")},
}
OPERATORS = {  # that may follow the word of a condition
    **dict.fromkeys(("src", "dst"), ("=",)),
    **dict.fromkeys(("sport", "dport"), ("=", "!=", ">=", "<=", ">", "<")),
    **dict.fromkeys(("dev", "fwmark", "cgroup"), ("=", "!=")),
}
JUMP, S_GE, S_LE, D_GE, D_LE, AUTO, S_COND, D_COND, MARK, CGROUP = 1, 2, 3, 4, 5, 6, 7, 8, 10, 13
RANGES = {"src>=": S_GE, "src<=": S_LE, "dst>=": D_GE, "dst<=": D_LE}
ANY_PORT, MAX_PORT = -1, 0xFFFF
BYTES = {uapi.AF_INET: 4, uapi.AF_INET6: 16}  # of an address
MAX_CONDITIONS = 250  # with parentheses and negations; the kernel takes a few thousand, Python nests as many calls

_op = struct.Struct("=BBH").pack  # struct inet_diag_bc_op: what it is, where to go on if it holds, and if not


class HostCondition:
    """An address with a prefix length in bits, and a port; the address may be a pattern of a path (uapi.AF_UNIX)."""

    __slots__ = ("address", "bits", "family", "port")

    def __init__(self, family: int = 0, address: bytes = b"", bits: int = 0, port: int = ANY_PORT) -> None:
        self.family, self.address, self.bits, self.port = family, address, bits, port


def parse(words: Iterable[str], selection: SocketSelection) -> Any:
    """Return the filter that words express, None if there are none.  Raises `SsError`."""
    parser = _FilterParser(words, selection)
    if parser.next is None:
        return None
    found = parser.expressions()
    if parser.next is not None:
        raise parser.syntax()
    return found


class _FilterParser:
    """Reads a word when the grammar needs it, and evaluates other words by the condition in which they stand, as `ss` does.

    So a wrong order of words is reported before a wrong value behind it, and no name is looked up in vain.
    """

    def __init__(self, words: Iterable[str], selection: SocketSelection) -> None:
        self._words: Iterator[str] = iter([part for word in words for part in word.split()])
        self._selection, self._about, self._parts = selection, "", 0
        self._ahead: list[Any] = []  # what was looked at and not taken

    def syntax(self) -> SsError:
        return SsError('ss: bison bellows (while parsing filter): "syntax error!" Sorry.', BAD_USAGE, True)

    @property
    def next(self) -> Any:
        """The next sign or value, None at the end."""
        if not self._ahead:
            self._ahead.append(self._read())
        return self._ahead[0]

    def take(self) -> Any:
        taken = self.next
        self._ahead.clear()
        return taken

    def _read(self) -> Any:
        word = next(self._words, None)
        if word is None:
            return None
        sign = WORDS.get(word)
        if sign in OPERATORS:
            self._about = sign
        return sign or (self._value(word),)

    def _value(self, word: str) -> Any:
        if self._about == "dev":
            return _device(word)
        if self._about == "fwmark":
            return _mark(word)
        if self._about == "cgroup":
            return _cgroup(word)
        return hosts(word, self._about in ("sport", "dport"), self._selection)

    def expressions(self) -> Any:
        found = self._expression()
        while self.next is not None and self.next != ")":
            sign = self.take() if self.next in ("and", "or") else "and"
            found = (sign, found, self._expression())
        return found

    def _expression(self) -> Any:
        sign = self.take()
        self._parts += 1
        if self._parts > MAX_CONDITIONS:
            raise SsError(f"ss: a filter of rawns has at most {MAX_CONDITIONS} conditions", BAD_USAGE)
        if not isinstance(sign, str):
            raise self.syntax()
        if sign == "!":
            return ("not", self._expression())
        if sign == "(":
            found = self.expressions()
            if self.take() != ")":
                raise self.syntax()
            return found
        if sign == "autobound":
            return (sign,)
        if sign not in OPERATORS:
            raise self.syntax()
        operator = "="
        if isinstance(self.next, str):
            operator = self.take()
            if operator not in OPERATORS[sign]:
                raise self.syntax()
        value = self.take()
        if not isinstance(value, tuple):
            raise self.syntax()
        return _condition(sign, operator, value[0])


def _condition(sign: str, operator: str, value: Any) -> Any:
    if operator in (">", "<", "!="):
        opposite = {">": "<=", "<": ">=", "!=": "="}[operator]
        return ("not", _condition(sign, opposite, value))
    side = {"src": "src", "sport": "src", "dst": "dst", "dport": "dst"}.get(sign)
    if side is None:
        return (sign, value)
    return (side, value) if operator == "=" else (side + operator, value[0].port)


# -- values -------------------------------------------------------------------------------------------------------


def _interface(word: str) -> int:
    """Return the index of an interface, by name or number.  Raises ValueError."""
    import _socket

    try:
        return _socket.if_nametoindex(word)
    except (OSError, ValueError):
        if word.isascii() and word.isdigit() and int(word) < 1 << 31:
            return int(word)
    raise ValueError("")


def _device(word: str) -> int:
    try:
        return _interface(word)
    except ValueError:
        raise SsError("Cannot parse device.", FAILED) from None


def _scanned(text: str) -> tuple[int, bool]:
    """Return the number at the start of text as sscanf(3) reads it with 0x%x or %d, 32 bits of it, and whether that is all.

    Raises ValueError if there is none.
    """
    base = 16 if text[:2] == "0x" and text[2:3] in tuple("0123456789abcdefABCDEF") else 10
    start = text[2:] if base == 16 else text.lstrip(" \t\n\v\f\r")
    sign = start[:1] if base == 10 and start[:1] in ("+", "-") else ""
    digits = start[len(sign) :]
    size = next((at for at, char in enumerate(digits) if char.lower() not in "0123456789abcdef"[:base]), len(digits))
    value = min(int(digits[:size], base), (1 << 63) - 1)
    return (-value if sign == "-" else value) & uapi.UINT32_MAX, size == len(digits)


def _mark(word: str) -> tuple[int, int]:
    """Parse ``MARK[/MASK]``."""
    head, slash, tail = word.partition("/")
    try:
        mark, whole = _scanned(head)
        if not slash:
            return mark, uapi.UINT32_MAX
        if whole:
            return mark, _scanned(tail)[0]
    except ValueError:
        pass
    raise SsError(f"Cannot parse mark {word}.", FAILED)


def _cgroup(word: str) -> int:
    """Return the id of a group of cgroup v2, which is the number of its inode."""
    import os

    try:
        return os.stat(word).st_ino
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "Invalid argument"
        raise SsError(f"Failed to get cgroup2 ID: {why}\nCannot parse cgroup {word}.", FAILED) from None


def hosts(word: str, is_port: bool, selection: SocketSelection) -> list[HostCondition]:
    """Parse an address, with or without a port; a name may stand for several.  Raises `SsError`.

    If the family is known from the word (``inet6:``) or the options, no other family is shown.
    """
    try:
        family, found = _hosts(word, is_port, selection)
    except ValueError as error:
        sentence = f"{error}\n" if error.args and str(error) else ""
        raise SsError(f"{sentence}Cannot parse dst/src address.", FAILED) from None
    if family:
        selection.restrict(family)
    return found


PREFIXES = (
    ("unix:", uapi.AF_UNIX),
    ("link:", uapi.AF_PACKET),
    ("netlink:", uapi.AF_NETLINK),
    ("inet6:", uapi.AF_INET6),
    ("inet:", uapi.AF_INET),
)


def _hosts(word: str, is_port: bool, selection: SocketSelection) -> tuple[int, list[HostCondition]]:
    family = selection.preferred
    for prefix, number in PREFIXES:
        if word.startswith(prefix):
            family, word = number, word[len(prefix) :]
            break
    if word.startswith("vsock:"):
        raise ValueError("")
    if family == uapi.AF_UNIX:
        address = word.encode("utf-8", "surrogateescape")
        return family, [HostCondition(family, address, 8 * len(address))]
    if family in (uapi.AF_PACKET, uapi.AF_NETLINK):
        return family, [_numbered(f":{word.removeprefix(':')}" if is_port else word, family)]
    port: str | None
    if word.startswith("["):
        word, bracket, port = word[1:].partition("]")
        if not bracket:
            raise ValueError("")
    elif word.startswith("*"):
        word, port = "*", word[1:]
    else:
        at = word.rfind(":", max(word.find("/"), 0))
        word, port = (word, "") if at < 0 else (word[:at], word[at:])
    if is_port:
        word, port = "*", word + port
    host = HostCondition()
    port = port.removeprefix(":")
    if port and not port.startswith("*"):
        from .names import port_number

        host.port = port_number(port, "tcp" in selection.tables, "udp" in selection.tables)
    if word and not word.startswith("*"):
        return family, _addresses(word, family, host.port)
    return family, [host]


def _numbered(word: str, family: int) -> HostCondition:
    """Return the protocol and the interface or process of a packet or netlink socket.  Raises ValueError."""
    from ..ip.arguments import signed
    from ..ip.ethertypes import ethertype
    from ..ip.name_tables import number_of

    host = HostCondition(family)
    name, _, port = word.partition(":")
    if port not in ("", "*"):
        try:
            host.port = signed(port)
        except ValueError:
            host.port = _interface(port) if family == uapi.AF_PACKET else 0
            if family != uapi.AF_PACKET and port != "kernel":
                raise ValueError("") from None
    if name not in ("", "*"):
        try:
            number = number_of("nl_protos", name, 255) if family == uapi.AF_NETLINK else ethertype(name)
        except ValueError:
            raise ValueError("") from None
        host.address, host.bits = number.to_bytes(4, "big"), 32
    return host


def _addresses(word: str, family: int, port: int) -> list[HostCondition]:
    import _socket

    from ..ip.arguments import prefix
    from ..ip.grammar import CommandError

    inet = (uapi.AF_INET, uapi.AF_INET6)
    try:
        found = prefix(word, family if family in inet else 0)
        if not found.address:  # any
            return [HostCondition(found.family, bytes(BYTES.get(found.family, 4)), 0, port)]
        return [HostCondition(found.family, _socket.inet_pton(found.family, found.address), found.length, port)]
    except CommandError:
        pass
    name_family = family if family in inet else _socket.AF_INET
    try:
        answers = _socket.getaddrinfo(word, None, name_family, _socket.SOCK_STREAM) if not {"/", ":"}.intersection(word) else []
    except (OSError, ValueError):
        answers = []
    if not answers:
        raise ValueError(f'Error: an inet prefix is expected rather than "{word}".')
    return [
        HostCondition(number, _socket.inet_pton(number, str(address[0])), 32 if number == uapi.AF_INET else 128, port)
        for number, _, _, _, address in answers
    ]


# -- for the kernel -----------------------------------------------------------------------------------------------


def bytecode(node: Any) -> bytes:
    """Return the filter as the kernel evaluates it; empty if it cannot.  The bytes are those that `ss` sends."""
    kind = node[0]
    if kind in ("and", "or"):
        left, right = bytecode(node[1]), bytecode(node[2])
        if not left or not right:
            return b""
        if kind == "or":
            return left + _op(JUMP, 4, len(right) + 4) + right
        return _moved(left, len(right)) + right
    if kind == "not":
        inner = bytecode(node[1])
        return inner + _op(JUMP, 4, 8) if inner else b""
    if kind == "autobound":
        return _op(AUTO, 4, 8)
    if kind == "fwmark":
        return _op(MARK, 12, 16) + struct.pack("=II", *node[1])
    if kind == "cgroup":
        return _op(CGROUP, 12, 16) + struct.pack("=Q", node[1])
    if kind in ("src", "dst"):
        return _host_conditions(S_COND if kind == "src" else D_COND, node[1])
    return _op(RANGES[kind], 8, 12) + _op(0, 0, node[1] & MAX_PORT) if kind in RANGES else b""


def decided_by_kernel(node: Any) -> bool:
    """Return whether the kernel's answer is final: what it takes for autobound, `ss` compares with its range of ports, too."""
    if node[0] in ("and", "or", "not"):
        return all(decided_by_kernel(one) for one in node[1:])
    if node[0] in RANGES:
        return bool(0 <= node[1] <= MAX_PORT)  # the kernel takes 16 bits of it
    return node[0] not in ("dev", "autobound")


def _host_conditions(code: int, found: list[HostCondition]) -> bytes:
    """Return struct inet_diag_hostcond for each address, of which one must match."""
    parts = []
    for host in found:
        address = host.address if host.family == uapi.AF_INET6 else host.address[:4].ljust(4, b"\0")
        size = 12 + len(address)
        parts.append(_op(code, size, size + 4) + struct.pack("=BB2xi", host.family, host.bits, host.port) + address)
    whole = parts.pop()
    for part in reversed(parts):
        whole = part + _op(JUMP, 4, 4 + len(whole)) + whole
    return whole


def _moved(code: bytes, distance: int) -> bytes:
    """Let what leaves the code in front of another as not matching also leave the other."""
    moved, at = bytearray(code), 0
    while at < len(code):
        kind, step, out = struct.unpack_from("=BBH", code, at)
        if out == len(code) - at + 4:
            moved[at : at + 4] = _op(kind, step, out + distance)
        at += step
    return bytes(moved)


# -- here ---------------------------------------------------------------------------------------------------------


class Endpoint:
    """One side of a socket: family, address (a path without its end for uapi.AF_UNIX) and port."""

    __slots__ = ("address", "family", "port")

    def __init__(self, family: int, address: bytes, port: int) -> None:
        self.family, self.address, self.port = family, address, port


def matches(
    node: Any, local: Endpoint, remote: Endpoint, interface: int, attributes: Any, ephemeral: Callable[[int], bool]
) -> bool:
    """Return whether a socket matches; ``ephemeral`` says whether the kernel chooses a port itself."""
    kind = node[0]
    if kind in ("and", "or", "not"):
        first = matches(node[1], local, remote, interface, attributes, ephemeral)
        if kind == "not":
            return not first
        if first == (kind == "or"):
            return first
        return matches(node[2], local, remote, interface, attributes, ephemeral)
    if kind == "dev":
        return bool(interface == node[1])
    if kind == "fwmark":
        return bool(attributes.get("INET_DIAG_MARK", 0) & node[1][1] == node[1][0])
    if kind == "cgroup":
        return bool(attributes.get("INET_DIAG_CGROUP_ID", 0) == node[1])
    if kind == "autobound":
        if local.family == uapi.AF_UNIX:
            return local.address == b"*" or local.address[:1] == b"@" and len(local.address) == 6
        if local.family == uapi.AF_PACKET:
            return not local.port and not any(local.address)
        return local.port >= 1 << 31 if local.family == uapi.AF_NETLINK else ephemeral(local.port)
    side = local if kind.startswith("src") else remote
    if kind[3:]:
        return bool(side.port >= node[1] if kind.endswith(">=") else side.port <= node[1])
    return any(_same(host, side) for host in node[1])


def _same(host: HostCondition, side: Endpoint) -> bool:
    if host.family == uapi.AF_UNIX:
        from fnmatch import fnmatchcase

        pattern, name = host.address.decode("latin-1"), side.address.decode("latin-1")
        return not pattern or fnmatchcase(name, pattern)
    if host.port not in (ANY_PORT, side.port):
        return False
    address = side.address
    if host.family == uapi.AF_INET and len(address) == BYTES[uapi.AF_INET6]:  # IPv4 in IPv6
        if address[:12] != bytes(10) + b"\xff\xff":
            return False
        address = address[12:]
    elif len(address) != len(host.address) and (host.bits or host.family == uapi.AF_INET6):
        return False
    rest = 8 * len(host.address) - host.bits
    return int.from_bytes(address, "big") >> rest == int.from_bytes(host.address, "big") >> rest if host.bits else True
