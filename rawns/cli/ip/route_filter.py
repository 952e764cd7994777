"""The words of `ip route show`, `flush` and `save` that say which routes are meant, and whether a route fits them."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from ... import uapi
from . import name_tables
from .arguments import U32, prefix
from .grammar import FAMILIES, matches, wrong
from .keywords import ConstantKeyword, CustomKeyword, Keyword, ValueKeyword, read
from .route_words import help, realms, route_type, table_number, tos_number, vrf_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...wire import Body
    from .arguments import Prefix
    from .context import Args
    from .grammar import Record

BITS = {AF_INET: 32, AF_INET6: 128, uapi.AF_MPLS: 20}


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
            raise help() from None
        else:
            raise wrong(word, "table id value is invalid\n") from None


def _vrf(args: Args, record: Record) -> None:
    record["table"] = vrf_table(args.take(), args.ip)
    record["types"] = ~(1 << uapi.RTN_LOCAL | 1 << uapi.RTN_BROADCAST)


def _number(key: str, file: str, why: str) -> Callable[[Args, Record], None]:
    """Return a reader of a name from a table, or ``all`` for no restriction."""

    def take(args: Args, record: Record) -> None:
        word = args.take()
        try:
            record[key] = name_tables.number_of(file, word, 255)
        except ValueError:
            if word != "all":
                raise wrong(word, why) from None
            record.pop(key, None)

    return take


def _type(args: Args, record: Record) -> None:
    word = args.take()
    try:
        record["types"] = 1 << route_type(word)
    except ValueError:
        raise wrong(word, "node type value is invalid\n") from None


def _via(args: Args, record: Record) -> None:
    word = args.take()
    family = FAMILIES.get(word, 0)
    if family:
        word = args.take()
    record["via"] = prefix(word, family or record["family"])


def _source(args: Args, record: Record) -> None:
    record["prefsrc"] = prefix(args.take(), record["family"])


def _realms(args: Args, record: Record) -> None:
    word = args.take()
    try:
        value, mask = realms(word), 0xFFFFFFFF
    except ValueError:
        raise wrong(word, "invalid realms\n") from None
    if not value & 0xFFFF and word.endswith("/"):
        mask &= ~0xFFFF
    if not value & 0xFFFF0000 and ("/" not in word or word.startswith("/")):
        mask &= 0xFFFF
    record["realm"], record["realm_mask"] = value, mask


def _prefixes(args: Args, record: Record, word: str, key: str) -> None:
    """Read ``[root|match|exact] PREFIX``: routes inside it, around it, or exactly it."""
    if matches(word, "root"):
        record[f"{key} root"] = prefix(args.take(), record["family"])
    elif matches(word, "match"):
        record[f"{key} match"] = prefix(args.take(), record["family"])
    else:
        if matches(word, "exact"):
            word = args.take()
        record[f"{key} root"] = record[f"{key} match"] = prefix(word, record["family"])


def _from(args: Args, record: Record) -> None:
    _prefixes(args, record, args.take(), "src")


def _to(word: str, args: Args, record: Record) -> None:
    _prefixes(args, record, args.take() if matches(word, "to") else word, "dst")


FILTERS: list[Keyword] = [
    CustomKeyword("table*", _table, "TABLE_ID"),
    CustomKeyword("vrf*", _vrf, "NAME"),
    ConstantKeyword("cached*|cloned*", "cloned", True),
    ValueKeyword("tos|dsfield*", "tos", tos_number, "TOS value is invalid\n"),
    CustomKeyword("protocol*", _number("protocol", "rt_protos", 'invalid "protocol"\n'), "RTPROTO"),
    CustomKeyword("scope*", _number("scope", "rt_scopes", 'invalid "scope"\n'), "SCOPE"),
    CustomKeyword("type*", _type, "TYPE"),
    ValueKeyword("dev|oif", "dev", str, hint="STRING"),
    ValueKeyword("iif", "iif name", str, hint="STRING"),
    ValueKeyword("mark", "mark", U32, "invalid mark value"),
    ValueKeyword("metric*|priority*|preference", "metric", U32, '"metric" value is invalid\n'),
    CustomKeyword("via", _via, "PREFIX"),
    CustomKeyword("src", _source, "PREFIX"),
    CustomKeyword("realms*", _realms, "REALM"),
    CustomKeyword("from*", _from, "[ root | match | exact ] PREFIX"),
]


def wanted(args: Args) -> Record:
    """Return the filter that the words describe; ``ask`` in it is what the kernel can filter.  Raises `CommandError`."""
    ip = args.ip
    record: Record = {"family": ip.family, "table": uapi.RT_TABLE_MAIN}
    read(FILTERS, args, record, _to)
    if record["table"] and not record["family"]:
        record["family"] = AF_INET
    for name, key in (("iif name", "iif"), ("dev", "oif")):
        if name in record:
            record[key] = _index(record.pop(name), ip)
    ask: Record = {}
    if record["table"]:
        ask["RTA_TABLE"] = record["table"]
    if "oif" in record:
        ask["RTA_OIF"] = record["oif"]
    if "protocol" in record:
        ask["rtm_protocol"] = record["protocol"]
    if record.get("cloned"):
        ask["rtm_flags"] = uapi.RTM_F_CLONED
    record["ask"] = ask
    return record


def _index(name: str, ip: object) -> int:
    from .grammar import FAILED, CommandError

    index: int = ip.index_of(name)  # type: ignore[attr-defined]
    if not index:
        raise CommandError(f'Cannot find device "{name}"', FAILED)
    return index


# -- whether a route fits -----------------------------------------------------------------------------------------------


def fits(route: Body, record: Record) -> bool:
    """Tell whether a route passes the filter."""
    if record["family"] not in (0, route["rtm_family"]):
        return False
    if bool(route["rtm_flags"] & uapi.RTM_F_CLONED) != bool(record.get("cloned")):
        return False
    if record["table"] not in (0, route.get("RTA_TABLE", route["rtm_table"])):
        return False
    if "types" in record and not record["types"] & 1 << route["rtm_type"]:
        return False
    for key, name in (("protocol", "rtm_protocol"), ("scope", "rtm_scope"), ("tos", "rtm_tos")):
        if record.get(key, route[name]) != route[name]:
            return False
    for key, name in (("oif", "RTA_OIF"), ("iif", "RTA_IIF"), ("mark", "RTA_MARK"), ("metric", "RTA_PRIORITY")):
        if key in record and route.get(name, 0) != record[key]:
            return False
    if "realm" in record and (route.get("RTA_FLOW", 0) ^ record["realm"]) & record["realm_mask"]:
        return False
    return _in_prefixes(route, record)


def _in_prefixes(route: Body, record: Record) -> bool:
    family = route["rtm_family"]
    for key, name, size in (("dst", "RTA_DST", "rtm_dst_len"), ("src", "RTA_SRC", "rtm_src_len")):
        inside: Prefix | None = record.get(f"{key} root")
        around: Prefix | None = record.get(f"{key} match")
        length = route[size]
        if inside is not None and not (inside.bits <= length and _same(route, family, name, inside, inside.bits)):
            return False
        if around is not None and not (around.bits >= length and _same(route, family, name, around, length)):
            return False
    via: Prefix | None = record.get("via")
    if via is not None and not _same(route, family, "RTA_GATEWAY", via, via.bits):
        return False
    prefsrc: Prefix | None = record.get("prefsrc")
    return prefsrc is None or _same(route, family, "RTA_PREFSRC", prefsrc, prefsrc.bits)


def _same(route: Body, family: int, name: str, wanted: Prefix, bits: int) -> bool:
    """Tell whether the first bits of a route's address are those of a prefix; a route without the attribute has zeros."""
    if wanted.family not in (0, family):
        return False
    if not wanted.address or not bits:
        return True
    text = route.get(name)
    packed = bytes(len(wanted.address)) if text is None else inet_pton(family, text)
    drop = 8 * len(packed) - bits
    return int.from_bytes(packed, "big") >> drop == int.from_bytes(wanted.address, "big") >> drop
