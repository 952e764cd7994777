"""Rules: which routing table is looked up for which packets (ip-rule(8), `<linux/fib_rules.h>`)."""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from ..terminal import short_repr
from . import link, prefix
from .record import Record, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from typing_extensions import Unpack

    class RuleOptions(TypedDict, total=False):
        """What a rule selects packets by, and what it does with them: the options of `new` and `delete`."""

        source: str | None
        destination: str | None
        mark: int | None
        mask: int | None
        iif: str | None
        oif: str | None
        priority: int | None
        table: int | None
        action: str | None
        invert: bool
        family: int


OPTIONS = ("source", "destination", "mark", "mask", "iif", "oif", "priority", "table", "action", "invert", "family")
ACTIONS = {"blackhole": uapi.FR_ACT_BLACKHOLE, "unreachable": uapi.FR_ACT_UNREACHABLE, "prohibit": uapi.FR_ACT_PROHIBIT}
MAX_TABLE_IN_HEADER = 255  # larger numbers of tables need FRA_TABLE


class Rule(Record):
    """One rule; the lowest ``priority`` is applied first.  ``action`` is one of FR_ACT_*, ``flags`` are FIB_RULE_* bits."""

    __slots__ = ()

    family: int = field("family", names="AF_")
    priority: int = field("FRA_PRIORITY", default=0)
    table: int = field("FRA_TABLE", "table", default=uapi.RT_TABLE_UNSPEC, names="RT_TABLE_")
    action: int = field("action", default=uapi.FR_ACT_TO_TBL, names="FR_ACT_")
    mark: int = field("FRA_FWMARK", default=0)
    iif: str | None = field("FRA_IIFNAME")
    oif: str | None = field("FRA_OIFNAME")
    flags: int = field("flags", default=0, bits="FIB_RULE_")

    @property
    def source(self) -> str:
        """``'10.0.0.0/24'``, or ``'all'``."""
        return self._prefix("FRA_SRC", "src_len")

    @property
    def destination(self) -> str:
        """``'10.0.0.0/24'``, or ``'all'``."""
        return self._prefix("FRA_DST", "dst_len")

    def _prefix(self, key: str, length: str) -> str:
        return f"{self.body[key]}/{self.body.get(length, 0)}" if key in self.body else "all"

    def _title(self) -> str:
        return f"{self.priority}: from {self.source} to {self.destination}"


def dump(family: int = 0) -> Request:
    """List the rules of a family, or of all: ``ip rule show``."""
    return Request(rtnl.GETRULE, {"family": family}, uapi.NLM_F_DUMP)


def _body(options: RuleOptions) -> dict[str, Any]:
    unknown = [word for word in options if word not in OPTIONS]
    if unknown:
        raise InvalidValue(f"a rule has no option {unknown[0]!r}; it has {', '.join(OPTIONS)}")
    family = options.get("family", 0)
    fields: dict[str, Any] = {}
    for text, key, length in (
        (options.get("source"), "FRA_SRC", "src_len"),
        (options.get("destination"), "FRA_DST", "dst_len"),
    ):
        if text is not None:
            where = prefix.parse(text, family)
            family = where.family
            fields[key], fields[length] = where.address, where.length
    for name, key in ((options.get("iif"), "FRA_IIFNAME"), (options.get("oif"), "FRA_OIFNAME")):
        if name is not None:
            fields[key] = link.check_name(name)
    numbers = {
        "FRA_FWMARK": options.get("mark"),
        "FRA_FWMASK": options.get("mask"),
        "FRA_PRIORITY": options.get("priority"),
    }
    fields.update((key, value) for key, value in numbers.items() if value is not None)
    table = options.get("table") or uapi.RT_TABLE_UNSPEC
    if not isinstance(table, int):
        raise InvalidValue(f"expected the number of a routing table, not {short_repr(table)}")
    if table > MAX_TABLE_IN_HEADER:
        fields["FRA_TABLE"] = table
    fields.update(family=family or uapi.AF_INET, table=table if table <= MAX_TABLE_IN_HEADER else uapi.RT_TABLE_UNSPEC)
    return fields


def new(**options: Unpack[RuleOptions]) -> Request:
    """Add a rule: ``ip rule add [not] [from SOURCE] [to DESTINATION] [fwmark MARK/MASK] [iif] [oif] [pref N] table ID``.

    ``action`` instead of a table is ``'blackhole'``, ``'unreachable'`` or ``'prohibit'``; ``invert`` is ``not``.  The family
    is that of the prefixes, else IPv4.  Without a priority the kernel puts it before all rules but the first.
    Raises `InvalidValue`.
    """
    fields = _body(options)
    action = options.get("action")
    if (action is None) == (options.get("table") is None):
        raise InvalidValue("a rule needs either a table or an action")
    fields["action"] = uapi.FR_ACT_TO_TBL if action is None else _action(action)
    fields["flags"] = uapi.FIB_RULE_INVERT if options.get("invert") else 0
    return Request(rtnl.NEWRULE, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, _context(options))


def delete(**options: Unpack[RuleOptions]) -> Request:
    """Delete the first rule that has all these options (those of `new`): ``ip rule del ...``.

    Raises `InvalidValue`, also if nothing but a family is given: that would delete the first rule there is.
    """
    fields = _body(options)
    if not any(value is not None for word, value in options.items() if word not in ("family", "invert")):
        raise InvalidValue("which rule is meant? Without any option it would be the first there is")
    action = options.get("action")
    if action is not None:
        fields["action"] = _action(action)
    return Request(rtnl.DELRULE, fields, 0, _context(options))


def _action(word: str) -> int:
    if not isinstance(word, str) or word not in ACTIONS:
        raise InvalidValue(f"{short_repr(word)} is not an action of a rule: {', '.join(ACTIONS)}")
    return ACTIONS[word]


def _context(options: RuleOptions) -> str:
    return "rule" + "".join(f" {word} {value}" for word, value in options.items() if value is not None and word != "family")
