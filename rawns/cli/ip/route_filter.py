"""The words of `ip route show`, `flush` and `save` that say which routes are meant."""

from __future__ import annotations

from ... import uapi
from .arguments import U32, prefix
from .context import help_of
from .filters import lies_in
from .grammar import FAMILIES, matches, parsed, wrong
from .keywords import ConstantKeyword, CustomKeyword, Keyword, PrefixKeyword, ValueKeyword, read
from .name_tables import protocol_number, scope_number, table_number, tos_number
from .route_words import realms, route_type, vrf_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Prefix, Record


def _table(args: Args, record: Record) -> None:
    word = args.take()
    try:
        record["table"] = table_number(word)
    except ValueError:
        if word == "all":
            record["table"] = 0
        elif word == "cache":
            record["cloned"] = True
        elif word == "help":
            raise help_of("route") from None
        else:
            raise wrong(word, "table id value is invalid\n") from None


def _vrf(args: Args, record: Record) -> None:
    record["table"] = vrf_table(args.take(), args.ip)
    record["types"] = ~(1 << uapi.RTN_LOCAL | 1 << uapi.RTN_BROADCAST)


def _via(args: Args, record: Record) -> None:
    word = args.take()
    family = FAMILIES.get(word, 0)
    if family:
        word = args.take()
    record["via"] = prefix(word, family or record["family"])


def _realms(args: Args, record: Record) -> None:
    word = args.take()
    value, mask = parsed(realms, word, "invalid realms\n"), 0xFFFFFFFF
    if not value & 0xFFFF and word.endswith("/"):
        mask &= ~0xFFFF
    if not value & 0xFFFF0000 and ("/" not in word or word.startswith("/")):
        mask &= 0xFFFF
    record["realm"], record["realm_mask"] = value, mask


def _prefixes(args: Args, record: Record, word: str, key: str) -> None:
    """Read ``[root|match|exact] PREFIX``: routes inside it, around it, or exactly it; ``all`` of no family fits every route."""
    kinds = next(([name] for name in ("root", "match") if matches(word, name)), ["root", "match"])
    if len(kinds) == 1 or matches(word, "exact"):
        word = args.take()
    found = prefix(word, record["family"])
    for kind in kinds:
        record[f"{key} {kind}"] = None if word in ("all", "any") and not found.family else found


def _from(args: Args, record: Record) -> None:
    _prefixes(args, record, args.take(), "src")


def _to(word: str, args: Args, record: Record) -> None:
    _prefixes(args, record, args.take() if matches(word, "to") else word, "dst")


FILTERS: list[Keyword] = [
    CustomKeyword("table*", _table),
    CustomKeyword("vrf*", _vrf),
    ConstantKeyword("cached*|cloned*", "cloned", True),
    ValueKeyword("tos|dsfield*", "tos", tos_number, "TOS value is invalid\n"),
    ValueKeyword("protocol*", "protocol", protocol_number, 'invalid "protocol"\n', everything="all"),
    ValueKeyword("scope*", "scope", scope_number, 'invalid "scope"\n', everything="all"),
    ValueKeyword("type*", "types", lambda text: 1 << route_type(text), "node type value is invalid\n"),
    ValueKeyword("dev|oif", "dev"),
    ValueKeyword("iif", "iif name"),
    ValueKeyword("mark", "mark", U32, "invalid mark value"),
    ValueKeyword("metric*|priority*|preference", "metric", U32, '"metric" value is invalid\n'),
    CustomKeyword("via", _via),
    PrefixKeyword("src", "prefsrc"),
    CustomKeyword("realms*", _realms),
    CustomKeyword("from*", _from),
]


def wanted(args: Args) -> Record:
    """Return the filter that the words describe.  Raises `CommandError`."""
    ip = args.ip
    record: Record = {"family": ip.family, "table": uapi.RT_TABLE_MAIN}
    read(FILTERS, args, record, _to)
    for name, key in (("iif name", "iif"), ("dev", "oif")):
        if name in record:
            record[key] = ip.device(record.pop(name))
    return record


def in_prefixes(route: Body, record: Record) -> bool:
    """Return whether the addresses of a route lie in the prefixes of a filter."""

    def inside(name: str, wanted: Prefix | None, bits: int | None = None) -> bool:
        return wanted is None or lies_in(route.get(name), route["rtm_family"], wanted, bits)

    for key, name, size in (("dst", "RTA_DST", "rtm_dst_len"), ("src", "RTA_SRC", "rtm_src_len")):
        root, around, length = record.get(f"{key} root"), record.get(f"{key} match"), route[size]
        if root is not None and root.length > length or around is not None and around.length < length:
            return False
        if not (inside(name, root) and inside(name, around, length)):
            return False
    return inside("RTA_GATEWAY", record.get("via")) and inside("RTA_PREFSRC", record.get("prefsrc"))
