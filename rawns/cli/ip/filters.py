"""The words that select links and addresses: ``up``, ``master DEV``, ``to PREFIX`` and so on; loaded if there are any."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from ... import uapi
from ...objects.prefix import same_bits
from . import name_tables
from .arguments import prefix
from .grammar import FAILED, CommandError, wrong
from .keywords import ConstantKeyword, CustomKeyword, DeviceKeyword, FlagKeyword, Keyword, ValueKeyword, read, target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, IpContext, Prefix, Record


NO_DEVICE = "Device does not exist\n"


def vrf_of(word: str, ip: IpContext, why: str = "Invalid VRF\n") -> Body:
    """Return the link of a VRF by its name.  Raises `CommandError`."""
    link = ip.link(ip.index_of(word))
    if link is None or link.get("IFLA_LINKINFO", {}).get("IFLA_INFO_KIND") != "vrf":
        raise wrong(word, why)
    return link


def check_length(address: str, device: str, ip: IpContext) -> None:
    """Raise `CommandError` if a link-layer address is not as long as the one that the device has."""
    there = (ip.link(ip.index_of(device)) or {}).get("IFLA_ADDRESS", "")
    have, due = address.count(":") + 1, there.count(":") + 1
    if there and have != due:
        raise CommandError(f"Invalid address length {have} - must be {due} bytes", FAILED)


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
    there = bytes(len(packed)) if address is None else inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    return same_bits(there, packed, bits)  # four bytes are decoded as an address of IPv4, if they are an MPLS label as well


def group_of(text: str) -> int:
    """Parse a group of links, by name or number.  Raises ValueError.

    iproute2 stores the number in an int: what is not negative then is accepted.
    """
    value = name_tables.number_of("group", text, (1 << 63) - 1) & 0xFFFFFFFF
    if value >> 31:
        raise ValueError(text)
    return value


class VrfKeyword(Keyword):
    """A word that the name of a VRF follows, of which the index is stored: ``vrf NAME``."""

    __slots__ = ("key", "why")

    def __init__(self, names: str, key: str, why: str = "Not a valid VRF name\n") -> None:
        super().__init__(names)
        self.key, self.why = key, why

    def take(self, args: Args, record: Record) -> None:
        """Read the name; store the index."""
        record[self.key] = vrf_of(args.take(), args.ip, self.why)["ifi_index"]


def master_words(key: str, names: str = "master", vrf: str = "vrf") -> list[Keyword]:
    """Return the words for a master by its name, and by that of a VRF."""
    return [DeviceKeyword(names, key, NO_DEVICE), VrfKeyword(vrf, key)]


def _kind(args: Args, record: Record) -> None:
    word = args.take()
    if word.endswith("_slave"):
        record["slave"] = word[: -len("_slave")]
    else:
        record["kind"] = word


FILTERS = [
    CustomKeyword("to", _prefix),
    ValueKeyword("scope", "scope", name_tables.scope_number, 'invalid "scope"\n', everything="all"),
    ConstantKeyword("up", "up", True),
    FlagKeyword("dynamic", uapi.IFA_F_PERMANENT, "flags", "mask", on=False),
    FlagKeyword("primary", uapi.IFA_F_SECONDARY, "flags", "mask", on=False),
    FlagKeyword("-dynamic", uapi.IFA_F_PERMANENT, "flags", "mask"),
    FlagKeyword("-primary", uapi.IFA_F_SECONDARY, "flags", "mask"),
    *[FlagKeyword(name, bit, "flags", "mask") for name, bit in name_tables.ADDRESS_FLAGS.items()],
    *[FlagKeyword(f"-{name}", bit, "flags", "mask", on=False) for name, bit in name_tables.ADDRESS_FLAGS.items()],
    ValueKeyword("label", "label"),
    ValueKeyword("group", "group", group_of, 'Invalid "group" value\n'),
    *master_words("master"),
    ConstantKeyword("nomaster", "nomaster", True),
    CustomKeyword("type", _kind),
]


def _device(word: str, args: Args, record: Record) -> None:
    record["dev"] = word


def wanted(args: Args, object: str) -> Record:
    """Return the filter that the words describe; ``index`` is 0 if they name no device."""
    ip = args.ip
    record = read(FILTERS, args, {"family": ip.family, "index": 0}, target("dev", object, _device, "dev", named_help=False))
    if "dev" in record:
        record["index"] = ip.index_of(record["dev"])
        if not record["index"]:
            raise CommandError(f'Device "{record["dev"]}" does not exist.', FAILED)
    return record
