"""The words that say which links and addresses are meant: ``up``, ``master DEV``, ``to PREFIX`` and the like.

Floor 7.  Loaded when there are such words.
"""

from __future__ import annotations

from ... import uapi
from . import names
from .arguments import prefix
from .words import FAILED, Bits, Call, Constant, Refused, Value, garbage, matches, read, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .words import Record, Words


def _prefix(words: Words, record: Record) -> None:
    record["prefix"] = prefix(words.take(), record["family"])
    record["family"] = record["family"] or record["prefix"].family


def _scope(words: Words, record: Record) -> None:
    word = words.take()
    try:
        record["scope"] = names.number_of("rt_scopes", word, 255)
    except ValueError:
        if word != "all":
            raise wrong(word, 'invalid "scope"\n') from None
        record.pop("scope", None)


def group_of(text: str) -> int:
    """A group of links by name or number.  Raises ValueError."""
    return names.number_of("group", text, 0xFFFFFFFF)


def master(words: Words, record: Record) -> None:
    """``master DEV``; with ``vrf`` it has to be one."""
    word = words.take()
    record["master"] = words.ip.index_of(word)
    if not record["master"]:
        raise wrong(word, "Device does not exist\n")


def vrf(words: Words, record: Record) -> None:
    """``vrf NAME``: a master that is a VRF."""
    word = words.take()
    link = words.ip.link(words.ip.index_of(word))
    if link is None or link.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND") != "vrf":
        raise wrong(word, "Not a valid VRF name\n")
    record["master"] = link["ifi_index"]


def _kind(words: Words, record: Record) -> None:
    word = words.take()
    if word.endswith("_slave"):
        record["slave"] = word[: -len("_slave")]
    else:
        record["kind"] = word


FILTERS = [
    Call("to", _prefix, "PREFIX"),
    Call("scope", _scope, "SCOPE"),
    Constant("up", "up", True),
    Bits("dynamic", uapi.IFA_F_PERMANENT, "flags", "mask", on=False),
    Bits("primary", uapi.IFA_F_SECONDARY, "flags", "mask", on=False),
    *[Bits(name, bit, "flags", "mask") for name, bit in names.ADDRESS_FLAGS.items()],
    *[Bits(f"-{name}", bit, "flags", "mask", on=False) for name, bit in names.ADDRESS_FLAGS.items()],
    Value("label", "label", str, hint="PATTERN"),
    Value("group", "group", group_of, 'Invalid "group" value\n', hint="GROUP"),
    Call("master", master, "DEVICE"),
    Call("vrf", vrf, "NAME"),
    Constant("nomaster", "nomaster", True),
    Call("type", _kind, "TYPE"),
]


def _device(help: Callable[[], Refused]) -> Callable[[str, Words, Record], None]:
    """What a word is that no filter fits: the device, or a call for help."""

    def otherwise(word: str, words: Words, record: Record) -> None:
        if word == "dev":
            word = words.take()
        elif matches(word, "help"):
            raise help()
        if "dev" in record:
            raise garbage("dev", word)
        record["dev"] = word

    return otherwise


def wanted(words: Words, help: Callable[[], Refused]) -> Record:
    """The filter that words describe; ``index`` is 0 where no device is named."""
    ip = words.ip
    record = read(FILTERS, words, {"family": ip.family, "index": 0}, _device(help))
    if "dev" in record:
        record["index"] = ip.index_of(record["dev"])
        if not record["index"]:
            raise Refused(f'Device "{record["dev"]}" does not exist.', FAILED)
    return record
