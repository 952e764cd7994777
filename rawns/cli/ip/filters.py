"""The words that select links and addresses: ``up``, ``master DEV``, ``to PREFIX`` and so on; loaded if there are any."""

from __future__ import annotations

from _socket import inet_pton

from ... import uapi
from ...objects.prefix import same_bits
from . import name_tables
from .arguments import prefix
from .context import help_of
from .grammar import FAILED, CommandError, garbage, matches, wrong
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, ValueKeyword, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Callable, Prefix, Record


def _prefix(args: Args, record: Record) -> None:
    record["prefix"] = prefix(args.take(), record["family"])
    record["family"] = record["family"] or record["prefix"].family


def lies_in(address: str | None, family: int, wanted: Prefix, bits: int | None = None) -> bool:
    """Return whether the first bits of an address (None: zeros) are those of a prefix; by default as many as that is long."""
    bits = wanted.length if bits is None else bits
    if wanted.family not in (0, family):
        return False
    if not wanted.address or not bits:
        return True
    packed = wanted.packed
    return same_bits(bytes(len(packed)) if address is None else inet_pton(family, address), packed, bits)


def group_of(text: str) -> int:
    """Parse a group of links, by name or number.  Raises ValueError.

    iproute2 stores the number in an int: what is not negative then is accepted.
    """
    value = name_tables.number_of("group", text, (1 << 63) - 1) & 0xFFFFFFFF
    if value >> 31:
        raise ValueError(text)
    return value


def master(args: Args, record: Record) -> None:
    """Select the links with this master (``master DEV``); with ``vrf`` it must be a VRF."""
    word = args.take()
    record["master"] = args.ip.index_of(word)
    if not record["master"]:
        raise wrong(word, "Device does not exist\n")


def vrf(args: Args, record: Record) -> None:
    """Select the links with this VRF as their master (``vrf NAME``)."""
    word = args.take()
    link = args.ip.link(args.ip.index_of(word))
    if link is None or link.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND") != "vrf":
        raise wrong(word, "Not a valid VRF name\n")
    record["master"] = link["ifi_index"]


def _kind(args: Args, record: Record) -> None:
    word = args.take()
    if word.endswith("_slave"):
        record["slave"] = word[: -len("_slave")]
    else:
        record["kind"] = word


FILTERS = [
    CustomKeyword("to", _prefix, "PREFIX"),
    ValueKeyword("scope", "scope", name_tables.scope_number, 'invalid "scope"\n', everything="all"),
    ConstantKeyword("up", "up", True),
    FlagKeyword("dynamic", uapi.IFA_F_PERMANENT, "flags", "mask", on=False),
    FlagKeyword("primary", uapi.IFA_F_SECONDARY, "flags", "mask", on=False),
    FlagKeyword("-dynamic", uapi.IFA_F_PERMANENT, "flags", "mask"),
    FlagKeyword("-primary", uapi.IFA_F_SECONDARY, "flags", "mask"),
    *[FlagKeyword(name, bit, "flags", "mask") for name, bit in name_tables.ADDRESS_FLAGS.items()],
    *[FlagKeyword(f"-{name}", bit, "flags", "mask", on=False) for name, bit in name_tables.ADDRESS_FLAGS.items()],
    ValueKeyword("label", "label", str, hint="PATTERN"),
    ValueKeyword("group", "group", group_of, 'Invalid "group" value\n', hint="GROUP"),
    CustomKeyword("master", master, "DEVICE"),
    CustomKeyword("vrf", vrf, "NAME"),
    ConstantKeyword("nomaster", "nomaster", True),
    CustomKeyword("type", _kind, "TYPE"),
]


def _device(object: str) -> Callable[[str, Args, Record], None]:
    """Return a function for words that no filter fits: the device, or the help of the object."""

    def otherwise(word: str, args: Args, record: Record) -> None:
        if word == "dev":
            word = args.take()
        elif matches(word, "help"):
            raise help_of(object)
        if "dev" in record:
            raise garbage("dev", word)
        record["dev"] = word

    return otherwise


def wanted(args: Args, object: str) -> Record:
    """Return the filter that the words describe; ``index`` is 0 if they name no device."""
    ip = args.ip
    record = read(FILTERS, args, {"family": ip.family, "index": 0}, _device(object))
    if "dev" in record:
        record["index"] = ip.index_of(record["dev"])
        if not record["index"]:
            raise CommandError(f'Device "{record["dev"]}" does not exist.', FAILED)
    return record
