"""Values and filters that several objects of `bridge` share."""

from __future__ import annotations

import re

from ... import uapi
from ..ip.arguments import leading_integer, number
from ..ip.context import help_of
from ..ip.grammar import FAILED, CommandError, duplicate, matches
from ..ip.keywords import CustomKeyword, Keyword, ValueKeyword, ignore, read
from ..ip.name_tables import PORT_STATES
from ..ip.render import JsonObject, OutputField, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..ip.hints import Args, Body, IpContext, Iterable, Iterator, Keyword, Record, Sequence, TakeWord

MOST_VLANS = 4096
FAMILY = uapi.AF_BRIDGE
NAME = f"%-{uapi.IFNAMSIZ}s  "  # the column of a port
REQUIRED = "Device and VLAN ID are required arguments."
MAC = re.compile(":".join([r"[ \t\n\v\f\r]*([-+]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)"] * 6))


def short(text: str) -> int:
    """Return the number at the start of a text as it stands in a C short."""
    value = leading_integer(text) & 0xFFFF
    return value - (value >> 15 << 16)


def long_number(text: str) -> int:
    """Parse a number as strtoul(3) does, a negative one counted from the end.  Raises ValueError if more follows."""
    value = number(text) if text else 0
    return min(value, (1 << 64) - 1) if value >= 0 else max(value, -1 << 64) & (1 << 64) - 1


def mac(text: str) -> str:
    """Parse a link-layer address as sscanf(3) does with %hhx: what follows it is ignored.  Raises `CommandError`."""
    found = MAC.match(text)
    if found is None:
        raise CommandError(f"Invalid mac address {text}", FAILED)
    signs, digits = found.groups()[::2], found.groups()[1::2]
    values = [-int(digit, 16) if sign == "-" else int(digit, 16) for sign, digit in zip(signs, digits)]
    return bytes([value & 0xFF for value in values]).hex(":")


def state(text: str, sentence: str) -> int:
    """Parse the state of a port, by number or name.  Raises `CommandError`."""
    digits = text.lstrip(" \t\n\v\f\r")
    unsigned = digits[1:] if digits[:1] in ("+", "-") else digits
    if unsigned.isascii() and unsigned.isdigit():
        return int(digits)
    if text not in PORT_STATES:
        raise CommandError(sentence, FAILED)
    return PORT_STATES.index(text)


def index_of(args: Args, name: str, sentence: str) -> int:
    """Return the index of a link.  Raises `CommandError` with a sentence that has the name in it."""
    index = args.ip.index_of(name)
    if not index:
        raise CommandError(sentence % name, FAILED)
    return index


def repeated(args: Args) -> str:
    """Return the word itself, which the complaint about a second one names in place of the value."""
    return args.words[args.at - 1]


def flag(names: str, bits: int, key: str) -> CustomKeyword:
    """Return a word that sets bits of a key."""
    return CustomKeyword(names, lambda args, record: record.__setitem__(key, record.get(key, 0) | bits))


def on_help(object: str = "", whole: bool = False) -> TakeWord:
    """Return what ignores a word that is not known, as bridge does, unless it is ``help``, which as a rule may be abbreviated.

    That is the help of an ``object``; without an object another word must follow.
    """

    def otherwise(word: str, args: Args, record: Record) -> None:
        if word == "help" or not whole and matches(word, "help"):
            if object:
                raise help_of(object, "bridge")
            args.take()

    return otherwise


def under_port(index: int, key: str, entries: Iterable[list[OutputField]], ip: IpContext, end: str = "") -> Iterator[OutputField]:
    """Yield the name of a port, and below it its entries; without entries nothing, unless there is an ``end``."""
    shown: list[JsonObject] = []
    for one in entries:
        name = ip.name_of(index)
        yield OutputField("", None, NAME % "") if shown else OutputField("ifname", name, put(NAME, name, ip, "ifname"))
        yield from (OutputField("", None, field.text) for field in one)
        shown.append(JsonObject(one))
    if shown or end:
        yield OutputField(key, shown, end)


def _vlan(args: Args, record: Record) -> None:
    word = args.take()
    if record.get("vlan"):
        raise duplicate("vid", word)
    record["vlan"] = leading_integer(word) & 0xFFFFFFFF


FILTERS = [ValueKeyword("dev", "dev", str, once=True), CustomKeyword("vid", _vlan)]


def read_filter(args: Args, rows: Sequence[Keyword] = FILTERS) -> Record:
    """Return the filter of a list: ``index`` and ``vlan``, which are 0 for all.  Raises `CommandError`."""
    record = read(rows, args, {"vlan": 0}, ignore)
    record["index"] = args.ip.device(record["dev"]) if "dev" in record else 0
    return record


def state_name(value: int, body: Body, ip: object) -> str | int:
    """Return the name of the state of a port, or its number if there is none: a read of a row."""
    return PORT_STATES[value] if value < len(PORT_STATES) else value


def state_text(value: int, body: Body, ip: object) -> str:
    """Return the same for text."""
    return PORT_STATES[value] if value < len(PORT_STATES) else f"({value})"


STATE = ("state", "state %s ", state_name, state_text)
