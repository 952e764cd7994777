"""`ip rule`: add, delete, show, flush, save and restore routing policy rules (ip-rule(8), <linux/fib_rules.h>)."""

from __future__ import annotations

from _socket import AF_INET

from ... import rtnl, uapi
from ...nlmsg import Request
from ...objects.prefix import BITS
from .arguments import U32, interface, natural, prefix, unsigned64
from .context import ObjectVerbs, complain
from .filters import group_of, lies_in
from .grammar import BAD_WORD, FAILED, CommandError, late, matches, parsed, wrong
from .keywords import ConstantKeyword, CustomKeyword, FlagKeyword, PrefixKeyword, ValueKeyword, read, target
from .name_tables import named, protocol_number, table_number, tos_name, tos_number, type_name
from .protocols import name_of, number_of
from .render import LINE_END, NULL, OutputField, OutputGroup, OutputRow, family_colour, fields, flag, put
from .route_words import realms, route_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Body, Callable, IpContext, Iterator, Keyword, Record


def _prefix(key: str, length: str) -> Callable[[Args, Record], None]:
    def take(args: Args, record: Record) -> None:
        found = prefix(args.take(), record["family"])
        record[length] = found.length
        if found.address:
            record[key] = found.packed

    return take


def _mark(args: Args, record: Record) -> None:
    """``fwmark MARK[/MASK]``."""
    word = args.take()
    mark, slash, mask = word.partition("/")
    record["FRA_FWMARK"] = parsed(U32, mark, "fwmark value is invalid\n")
    if slash:
        record["FRA_FWMASK"] = parsed(U32, mask, "fwmask value is invalid\n")


def _table(args: Args, record: Record) -> None:
    word = args.take()
    table = parsed(table_number, word, "invalid table ID\n")
    record["table"] = table if table < 256 else 0
    record.pop("FRA_TABLE", None)
    if table >= 256:
        record["FRA_TABLE"] = table
    record["table given"] = True


def _uid_range(args: Args, record: Record) -> None:
    word = args.take()
    found = _scanned(word, 32)
    if len(found) < 2:
        raise wrong(word, "invalid UID range\n")
    record["FRA_UID_RANGE"] = {"start": found[0], "end": found[1]}


def _scanned(text: str, bits: int) -> list[int]:
    """Return the numbers that sscanf(3) finds for ``%u-%u``, at most two; what follows them, it does not mind."""
    found: list[int] = []
    while len(found) < 2:
        digits = text.lstrip(" \t\n\v\f\r")
        negative, digits = digits.startswith("-"), digits[1:] if digits[:1] in ("+", "-") else digits
        text = digits.lstrip("0123456789")
        if len(text) == len(digits):
            break
        value = min(int(digits[: min(len(digits) - len(text), 25)]), (1 << 64) - 1)
        found.append((-value if negative else value) & (1 << bits) - 1)
        if not text.startswith("-"):
            break
        text = text[1:]
    return found


def _port_range(text: str) -> Record:
    """Parse ``NUMBER[-NUMBER]``; the kernel says whether it is a range.  Raises ValueError."""
    found = _scanned(text, 16)
    if not found:
        raise ValueError(text)
    return {"start": found[0], "end": found[-1]}


def _nat(args: Args, record: Record) -> None:
    from .kinds.kind import ipv4_address

    word = args.take()
    complain("Warning: route NAT is deprecated")
    record[uapi.RTA_GATEWAY] = ipv4_address(word)
    record["action"] = uapi.RTN_NAT


def _l3mdev(args: Args, record: Record) -> None:
    record.update({"table": 0, "table given": True, "FRA_L3MDEV": 1})


SELECTORS: list[Keyword] = [  # that a new rule and a filter have in common
    ValueKeyword("preference*|order*|priority*", "FRA_PRIORITY", U32, "preference value is invalid\n"),
    CustomKeyword("fwmark", _mark),
    ValueKeyword("dev|iif", "FRA_IIFNAME", lambda text: interface(text, 'iif"/"dev')),
    ValueKeyword("oif", "FRA_OIFNAME", lambda text: interface(text, "oif")),
    CustomKeyword("uidrange", _uid_range),
    ValueKeyword("tun_id*", "FRA_TUN_ID", unsigned64, '"tun_id" value is invalid\n'),
    ValueKeyword("ipproto", "FRA_IP_PROTO", number_of, 'Invalid "ipproto" value\n'),
    ValueKeyword("sport", "FRA_SPORT_RANGE", _port_range, "invalid port range\n"),
    ValueKeyword("dport", "FRA_DPORT_RANGE", _port_range, "invalid dport range\n"),
]
WORDS = [
    *SELECTORS,
    FlagKeyword("not", uapi.FIB_RULE_INVERT, "flags"),
    CustomKeyword("from", _prefix("FRA_SRC", "src_len")),
    CustomKeyword("to", _prefix("FRA_DST", "dst_len")),
    ValueKeyword("tos|dsfield*", "tos", tos_number, "TOS value is invalid\n"),
    ValueKeyword("realms*", "FRA_FLOW", realms, "invalid realms\n"),
    ValueKeyword("protocol*", "FRA_PROTOCOL", protocol_number, '"protocol" value is invalid\n'),
    CustomKeyword("table*|lookup", _table),
    ValueKeyword(
        "suppress_prefixlength*|sup_pl", "FRA_SUPPRESS_PREFIXLEN", natural(31), "suppress_prefixlength value is invalid\n"
    ),
    ValueKeyword("suppress_ifgroup*|sup_group", "FRA_SUPPRESS_IFGROUP", group_of, 'Invalid "suppress_ifgroup" value\n'),
    CustomKeyword("l3mdev", _l3mdev),
    CustomKeyword("nat|map-to*", _nat),
]


def _action(word: str, args: Args, record: Record) -> None:
    """``[type] TYPE``, ``goto NUMBER`` or ``nop``."""
    if matches(word, "goto"):
        record["FRA_GOTO"] = parsed(U32, args.take(), "invalid target\n")
        record.update({"action": uapi.FR_ACT_GOTO, "table given": True})
    elif matches(word, "nop"):
        record.update({"action": uapi.FR_ACT_NOP, "table given": True})
    else:
        record.update({"action": parsed(route_type, word, "Failed to parse rule type"), "table given": True})


def modify(args: Args, deletes: bool) -> int:
    """Send the request that the words describe."""
    ip = args.ip
    if not args:
        verb = "del" if deletes else "add"
        raise CommandError(f'"ip rule {verb}" requires arguments.', FAILED)
    start = {"family": ip.family, "action": 0 if deletes else uapi.FR_ACT_TO_TBL}
    record = read(WORDS, args, start, target("type", "rule", _action))
    record["family"] = record["family"] or AF_INET
    if not record.pop("table given", False) and not deletes:
        record["table"] = uapi.RT_TABLE_MAIN
    flags = 0 if deletes else uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
    request = Request(rtnl.DELRULE if deletes else rtnl.NEWRULE, record, flags)
    ip.change(request, lambda rule: fields(ROWS, rule, ip), ("deleted", None))
    return 0


FILTERS = [
    *SELECTORS,
    FlagKeyword("not", uapi.FIB_RULE_INVERT, "not"),
    ValueKeyword("tos|dsfield", "tos", tos_number, "TOS value is invalid\n"),
    ConstantKeyword("l3mdev", "FRA_L3MDEV", 1),
    ValueKeyword("lookup|table*", "table", table_number, "table id value is invalid\n"),
    PrefixKeyword("from*|src*", "src"),
    ValueKeyword("protocol*", "protocol", protocol_number, 'invalid "protocol"\n', everything="all"),
]


def _filter_to(word: str, args: Args, record: Record) -> None:
    if matches(word, "dst") or matches(word, "to"):
        word = args.take()
    record["dst"] = prefix(word, record["family"])


def _filter(args: Args) -> Record:
    return read(FILTERS, args, {"family": args.ip.family or AF_INET}, _filter_to)


def _table_of(rule: Body) -> int:
    table: int = rule["FRA_TABLE"] if "FRA_TABLE" in rule else rule["table"]
    return table


def fits(rule: Body, record: Record) -> bool:
    """Return whether a rule passes the filter."""
    if record["family"] not in (0, rule["family"]):
        return False
    if "not" in record and not rule["flags"] & uapi.FIB_RULE_INVERT:
        return False
    for key in ("src", "dst"):
        wanted = record.get(key)
        if wanted is None or not wanted.family:
            continue
        if wanted.length > rule[f"{key}_len"] or not lies_in(rule.get(f"FRA_{key.upper()}"), rule["family"], wanted):
            return False
    if "table" in record and record["table"] != _table_of(rule):
        return False
    return all(rule.get(key, 0) == value for key, value in record.items() if key == "tos" or str(key).startswith("FRA_"))


def _prefix_shown(key: str, word: str, default: str = "") -> OutputGroup:
    """Return how a prefix is shown: address and length are two keys in JSON, the latter only if it is not the whole address."""

    def show(length: int, rule: Body, ip: IpContext) -> Iterator[OutputField]:
        address = rule.get(f"FRA_{key.upper()}")
        if address is None and not length:
            if default:
                yield OutputField(key, default, f"{word} {default} ")
            return
        whole = address is not None and length == BITS.get(rule["family"])
        shown = put(f"{word} %s", address or "0", ip, family_colour(rule["family"]) if address is not None else None)
        yield OutputField(key, address or "0", f"{shown}{' ' if whole else ''}")
        if not whole:
            yield OutputField(f"{key}len", length, f"/{length} ")

    return OutputGroup(f"{key}_len", show)


def _mark_shown(rule: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    if "FRA_FWMARK" not in rule and "FRA_FWMASK" not in rule:
        return
    mark, mask = (f"{value:#x}" if value else "0" for value in (rule.get("FRA_FWMARK", 0), rule.get("FRA_FWMASK", 0xFFFFFFFF)))
    whole = mask == "0xffffffff"
    yield OutputField("fwmark", mark, f"fwmark {mark}{' ' if whole else ''}")
    if not whole:
        yield OutputField("fwmask", mask, f"/{mask} ")


def _interface(key: str, name: str, detached: int) -> tuple[OutputGroup, OutputRow]:
    """Return the rows of an interface that a rule names, and of the note that there is none of this name now."""
    note = OutputRow(key, f"{name}_detached", "[detached] ", lambda value, rule, ip: NULL if rule["flags"] & detached else None)

    def show(value: str, rule: Body, ip: IpContext) -> Iterator[OutputField]:
        yield OutputField(name, value, put(f"{name} %s", value, ip, "ifname") + " ")

    return OutputGroup(key, show), note


def _range(key: str, one: str, start: str, end: str, word: str) -> OutputGroup:
    """Return how a range is shown: as one number if it is one and has a name for that."""

    def show(value: Body, rule: Body, ip: IpContext) -> Iterator[OutputField]:
        if one and value["start"] == value["end"]:
            yield OutputField(one, value["start"], f"{word} {value['start']} ")
        else:
            yield OutputField(start, value["start"], f"{word} {value['start']}")
            yield OutputField(end, value["end"], f"-{value['end']} ")

    return OutputGroup(key, show)


def _protocol_name(value: int, rule: Body, ip: IpContext) -> str:
    return f"ipproto-{value}" if ip.numeric else name_of(value)


def _table_shown(rule: Body, _: Body, ip: IpContext) -> Iterator[OutputField]:
    table = _table_of(rule)
    if not table:
        return
    name = named("rt_tables")(table, rule, ip)
    yield OutputField("table", name, f"lookup {name}")
    length = rule.get("FRA_SUPPRESS_PREFIXLEN", -1)
    if length != -1:
        yield OutputField("suppress_prefixlen", length, f" suppress_prefixlength {length}")
    group = rule.get("FRA_SUPPRESS_IFGROUP", -1)
    if group != -1:
        shown = named("group")(group, rule, ip)
        yield OutputField("suppress_ifgroup", shown, f" suppress_ifgroup {shown}")


def _realms_shown(value: int, rule: Body, ip: IpContext) -> Iterator[OutputField]:
    source, target = (named("rt_realms")(half, rule, ip) for half in (value >> 16, value & 0xFFFF))
    if value >> 16:
        yield OutputField("flow_from", source, f" realms {source}/")
        yield OutputField("flow_to", target, target)
    else:
        yield OutputField("flow_to", target, f" realms {target}")


def _action_shown(action: int, rule: Body, ip: IpContext) -> Iterator[OutputField]:
    if action == uapi.RTN_NAT:
        yield OutputField("masquerade", None, " masquerade")
    elif action == uapi.FR_ACT_GOTO:
        target = rule.get("FRA_GOTO")
        yield OutputField("goto", target, f"goto {target if target is not None else 'none'}")
        if rule["flags"] & uapi.FIB_RULE_UNRESOLVED:
            yield OutputField("unresolved", None, " [unresolved]")
    elif action == uapi.FR_ACT_NOP:
        yield OutputField("nop", None, "nop")
    elif action != uapi.FR_ACT_TO_TBL:
        name = type_name(action, ip)
        yield OutputField("action", name, name)


def _kept(value: int, rule: Body, ip: IpContext) -> str | None:
    return named("rt_protos")(value, rule, ip) if value not in (0, uapi.RTPROT_KERNEL) or ip.details else None


ROWS = (
    OutputRow("", "priority", "%s:\t", lambda rule, _, ip: rule.get("FRA_PRIORITY", 0)),
    OutputRow("flags", "not", "not ", flag(uapi.FIB_RULE_INVERT)),
    _prefix_shown("src", "from", "all"),
    _prefix_shown("dst", "to"),
    OutputRow("tos", "tos", "tos %s ", tos_name),
    OutputGroup("", _mark_shown),
    *_interface("FRA_IIFNAME", "iif", uapi.FIB_RULE_IIF_DETACHED),
    *_interface("FRA_OIFNAME", "oif", uapi.FIB_RULE_OIF_DETACHED),
    OutputRow("FRA_L3MDEV", "l3mdev", "lookup [l3mdev-table]", flag(0xFF)),
    _range("FRA_UID_RANGE", "", "uid_start", "uid_end", "uidrange"),
    OutputRow("FRA_IP_PROTO", "ipproto", "ipproto %s ", _protocol_name),
    _range("FRA_SPORT_RANGE", "sport", "sport_start", "sport_end", "sport"),
    _range("FRA_DPORT_RANGE", "dport", "dport_start", "dport_end", "dport"),
    OutputRow("FRA_TUN_ID", "tun_id", "tun_id %s "),
    OutputGroup("", _table_shown),
    OutputGroup("FRA_FLOW", _realms_shown),
    OutputGroup("action", _action_shown),
    OutputRow("FRA_PROTOCOL", "protocol", " proto %s", _kept),
    LINE_END,
)


def _rules(ip: IpContext, record: Record) -> Iterator[Body]:
    request = Request(rtnl.GETRULE, {"family": ip.family or AF_INET}, uapi.NLM_F_DUMP)
    return (reply.body for reply in ip.stream(request, status=BAD_WORD) if fits(reply.body, record))


def show(args: Args) -> int:
    """Print the rules that the words select."""
    args.ip.print_rows(ROWS, _rules(args.ip, _filter(args)))
    return 0


def flush(args: Args) -> int:
    """Delete the rules that the words select, all but the one of the local table."""
    ip = args.ip
    record = _filter(args)
    for rule in list(_rules(ip, record)):
        if record.get("protocol", rule.get("FRA_PROTOCOL")) == rule.get("FRA_PROTOCOL") and rule.get("FRA_PRIORITY", 0):
            body = {key: value for key, value in rule.items() if isinstance(key, str)}
            ip.do(Request(rtnl.DELRULE, body))
    return 0


def save(args: Args) -> int:
    """Write the rules to standard output, for `restore`."""
    from .saved import write

    if args:
        raise CommandError('"ip rule save" does not take any arguments.', FAILED)
    request = Request(rtnl.GETRULE, {"family": args.ip.family or AF_INET}, uapi.NLM_F_DUMP)
    write("rule", [(rtnl.NEWRULE, reply.body) for reply in args.ip.stream(request, status=BAD_WORD)])
    return 0


run = ObjectVerbs(
    "rule",
    ("list|lst|show", show),
    ("save", save),
    ("restore", lambda args: late("saved.restore")("rule", args.ip, rtnl.NEWRULE)),
    ("add", lambda args: modify(args, False)),
    ("delete", lambda args: modify(args, True)),
    ("flush", flush),
)
