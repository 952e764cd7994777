"""The requests of `ip addr add` and its relatives, from their words."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ... import uapi
from ...objects.prefix import Prefix
from . import name_tables
from .arguments import U32, address, prefix, put_text
from .context import complain
from .grammar import FAILED, CommandError, duplicate, garbage, parsed
from .keywords import CustomKeyword, FlagKeyword, Keyword, ValueKeyword, read, target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Record

FOREVER = 0xFFFFFFFF
MULTICAST = {AF_INET: (0xF0, 0xE0), AF_INET6: (0xFF, 0xFF)}  # mask and value of the first byte


def _of_family(record: Record, family: int) -> None:
    record["ifa_family"] = record["ifa_family"] or family


def _peer(args: Args, record: Record) -> None:
    word = args.take()
    if "peer" in record:
        raise duplicate("peer", word)
    peer = record["peer"] = prefix(word, record["ifa_family"])
    _of_family(record, peer.family)
    record["IFA_ADDRESS"] = peer.packed


def _broadcast(args: Args, record: Record) -> None:
    word = args.take()
    if "broadcast" in record:
        raise duplicate("broadcast", word)
    record["broadcast"] = word
    if word not in ("+", "-"):
        _put_address(word, record, "IFA_BROADCAST")


def _anycast(args: Args, record: Record) -> None:
    word = args.take()
    if "IFA_ANYCAST" in record:
        raise duplicate("anycast", word)
    _put_address(word, record, "IFA_ANYCAST")


def _put_address(word: str, record: Record, key: str) -> None:
    family, record[key] = address(word, record["ifa_family"])
    _of_family(record, family)


def _lifetime(name: str) -> Keyword:
    """Return the word of a number of seconds, or ``forever``."""

    def take(args: Args, record: Record) -> None:
        if name in record:
            raise duplicate(name, args.words[args.at - 1])
        record[name] = parsed(lambda text: FOREVER if text == "forever" else U32(text), args.take(), f"{name} value")

    return CustomKeyword(f"{name}*", take)


class AddressFlagKeyword(FlagKeyword):
    """A flag of the address, or a warning if it cannot be set."""

    __slots__ = ()

    def take(self, args: Args, record: Record) -> None:
        """Set the flag, or print why it cannot be set."""
        if self.name in name_tables.READ_ONLY_FLAGS:
            complain(f"Warning: {self.name} option is not mutable from userspace")
        elif self.name in name_tables.IPV6_FLAGS and record["ifa_family"] != AF_INET6:
            complain(f"Warning: {self.name} option can be set only for IPv6 addresses")
        else:
            super().take(args, record)


def _local(word: str, args: Args, record: Record) -> None:
    """Read the address, a word that no row fits."""
    if "local" in record and record["local"].address:
        raise garbage("local", word)
    local = record["local"] = prefix(word, record["ifa_family"])
    record["written"] = word
    _of_family(record, local.family)
    record["IFA_LOCAL"] = local.packed


ROWS = [
    CustomKeyword("peer|remote", _peer),
    CustomKeyword("broadcast*|brd", _broadcast),
    CustomKeyword("anycast", _anycast),
    ValueKeyword("scope", "ifa_scope", name_tables.scope_number, "invalid scope value."),
    ValueKeyword("dev", "dev"),
    CustomKeyword("label", lambda args, record: put_text(record, "IFA_LABEL", args.take(), uapi.IFNAMSIZ)),
    ValueKeyword("metric*|priority*|preference*", "IFA_RT_PRIORITY", U32, '"metric" value is invalid\n'),
    _lifetime("valid_lft"),
    _lifetime("preferred_lft"),
    *[AddressFlagKeyword(name, bit, "flags") for name, bit in name_tables.ADDRESS_FLAGS.items()],
]

WILDCARD = """Warning: Executing wildcard deletion to stay compatible with old scripts.
         Explicitly specify the prefix length ({}/32) to avoid this warning.
         This special behaviour is likely to disappear in further releases,
         fix your scripts!"""


def body(args: Args, deletes: bool) -> Record:
    """Return the body of RTM_NEWADDR or RTM_DELADDR that the words describe.  Raises `CommandError`."""
    ip = args.ip
    record = read(ROWS, args, {"ifa_family": ip.family}, target("local", "address", _local))
    flags = record.pop("flags", 0)
    record["ifa_flags" if flags < 256 else "IFA_FLAGS"] = flags
    _check_device(record)
    local: Prefix | None = record.pop("local", None)
    peer: Prefix | None = record.pop("peer", None)
    written = record.pop("written", "")
    if peer is None and local is not None and local.address:
        if deletes and local.family == AF_INET and "/" not in written and written != "default":
            complain(WILDCARD.format(written))
        else:
            peer, record["IFA_ADDRESS"] = local, local.packed
    record["ifa_prefixlen"] = (peer.length if peer else 0) or (local.length if local else 0)
    _compute_broadcast(record, peer, deletes)
    if "ifa_scope" not in record and not deletes:
        loopback = local is not None and local.family == AF_INET and local.packed[:1] == b"\x7f"
        record["ifa_scope"] = uapi.RT_SCOPE_HOST if loopback else uapi.RT_SCOPE_UNIVERSE
    record["ifa_index"] = ip.device(record.pop("dev"))
    _put_lifetimes(record)
    if flags & uapi.IFA_F_MCAUTOJOIN and not _is_multicast(local):
        raise CommandError("autojoin needs multicast address", FAILED)
    return record


def _check_device(record: Record) -> None:
    if "dev" not in record:
        raise CommandError('Not enough information: "dev" argument is required.', FAILED)


def _compute_broadcast(record: Record, peer: Prefix | None, deletes: bool) -> None:
    """``brd +`` sets the host bits of the address, ``brd -`` clears them."""
    sign = record.pop("broadcast", "")
    if sign not in ("+", "-") or deletes:
        return
    if record["ifa_family"] != AF_INET:
        raise CommandError("Broadcast can be set only for IPv4 addresses", FAILED)
    if peer is None or peer.length > 30:
        return
    found = Prefix(AF_INET, peer.address or "0.0.0.0", peer.length)
    record["IFA_BROADCAST"] = (found.broadcast if sign == "+" else found.network).packed


def _put_lifetimes(record: Record) -> None:
    valid, preferred = record.pop("valid_lft", None), record.pop("preferred_lft", None)
    if valid is None and preferred is None:
        return
    valid, preferred = (FOREVER if value is None else value for value in (valid, preferred))
    if not valid:
        raise CommandError("valid_lft is zero", FAILED)
    if valid < preferred:
        raise CommandError("preferred_lft is greater than valid_lft", FAILED)
    record["IFA_CACHEINFO"] = {"ifa_prefered": preferred, "ifa_valid": valid}


def _is_multicast(local: Prefix | None) -> bool:
    if local is None or not local.address:
        return False
    mask, value = MULTICAST[local.family]
    return local.packed[0] & mask == value
