"""Rules: which routing table is asked, and for what (ip-rule(8), `<linux/fib_rules.h>`).

Floor 3, pure: a record and the requests that list, add and delete.
"""

from __future__ import annotations

from .. import rtnl, uapi
from ..errors import InvalidValue
from ..nlmsg import Request
from . import link, prefix
from .record import Field, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ACTIONS = {"blackhole": uapi.FR_ACT_BLACKHOLE, "unreachable": uapi.FR_ACT_UNREACHABLE, "prohibit": uapi.FR_ACT_PROHIBIT}


class Rule(Record):
    """One rule; the lowest ``priority`` is asked first.  ``action`` is one of FR_ACT_*."""

    __slots__ = ()

    family = Field("family")
    priority = Field("FRA_PRIORITY", default=0)
    table = Field("FRA_TABLE", "table")
    action = Field("action")
    mark = Field("FRA_FWMARK", default=0)
    iif = Field("FRA_IIFNAME")
    oif = Field("FRA_OIFNAME")
    flags = Field("flags", default=0)

    @property
    def source(self) -> str:
        """``'10.0.0.0/24'``, or ``'all'``."""
        return f"{self.body['FRA_SRC']}/{self.body['src_len']}" if "FRA_SRC" in self.body else "all"

    @property
    def destination(self) -> str:
        """``'10.0.0.0/24'``, or ``'all'``."""
        return f"{self.body['FRA_DST']}/{self.body['dst_len']}" if "FRA_DST" in self.body else "all"


def dump(family: int = 0) -> Request:
    """The rules of a family, or of all: ``ip rule show``."""
    return Request(rtnl.GETRULE, {"family": family}, uapi.NLM_F_DUMP)


def _body(words: dict[str, Any]) -> dict[str, Any]:
    known = {"family", "source", "destination", "mark", "mask", "iif", "oif", "priority", "table", "action", "invert"}
    unknown = [word for word in words if word not in known]
    if unknown:
        raise InvalidValue(f"a rule has no option {unknown[0]!r}; it has {', '.join(sorted(known))}")
    given = {word: value for word, value in words.items() if value is not None}
    family = given.get("family", 0)
    fields: dict[str, Any] = {}
    for word, key, length in (("source", "FRA_SRC", "src_len"), ("destination", "FRA_DST", "dst_len")):
        if word in given:
            where = prefix.parse(given[word], family)
            family = where.family
            fields[key], fields[length] = where.address, where.length
    for word, key in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME")):
        if word in given:
            fields[key] = link.check_name(given[word])
    plain = {"mark": "FRA_FWMARK", "mask": "FRA_FWMASK", "priority": "FRA_PRIORITY"}
    fields.update({key: given[word] for word, key in plain.items() if word in given})
    table = given.get("table", 0)
    if table > 255:
        fields["FRA_TABLE"] = table
    fields.update(family=family or uapi.AF_INET, table=table if table < 256 else 0)
    return fields


def new(**words: Any) -> Request:
    """Add a rule: ``ip rule add [from SOURCE] [to DESTINATION] [fwmark MARK/MASK] [iif] [oif] [pref N] table ID``.

    ``action`` instead of a table is ``'blackhole'``, ``'unreachable'`` or ``'prohibit'``; ``invert`` is ``not``.  The family
    is that of the prefixes, else IPv4.  Without a priority the kernel takes one before all but the first.
    """
    fields = _body(words)
    action = words.get("action")
    if (action is None) == (words.get("table") is None):
        raise InvalidValue("a rule has a table to ask, or an action in its place")
    if action is not None and action not in ACTIONS:
        raise InvalidValue(f"{action!r} is no action of a rule: {', '.join(ACTIONS)}")
    fields["action"] = uapi.FR_ACT_TO_TBL if action is None else ACTIONS[action]
    fields["flags"] = uapi.FIB_RULE_INVERT if words.get("invert") else 0
    return Request(rtnl.NEWRULE, fields, uapi.NLM_F_CREATE | uapi.NLM_F_EXCL, _context(words))


def delete(**words: Any) -> Request:
    """Delete the first rule that has all this, in the words of `new`: ``ip rule del ...``.  None at all are refused."""
    fields = _body(words)
    if not any(value is not None for word, value in words.items() if word not in ("family", "invert")):
        raise InvalidValue("which rule is meant? One that says nothing would be the first there is")
    if words.get("action") is not None:
        fields["action"] = ACTIONS.get(words["action"], 0)
    return Request(rtnl.DELRULE, fields, 0, _context(words))


def _context(words: dict[str, Any]) -> str:
    return "rule" + "".join(f" {word} {value}" for word, value in words.items() if value is not None and word != "family")
