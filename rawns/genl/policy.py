"""What the kernel says about the attributes that a family of generic netlink accepts (CTRL_CMD_GETPOLICY, Linux 5.10).

A policy gives the type of each attribute of a request by number; it has no names, and says nothing about answers.
"""

from __future__ import annotations

import sys

from ..wire import FLAG, RAW, S8, S16, S32, S64, TEXT, U8, U16, U32, U64, Attrs, Struct, Type
from ..wire.indexed import Indexed
from ..wire.types import Payload
from .base import Commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..wire import Buffer, Path, Trace

MAX_DEPTH = 32  # of nests: a policy can contain itself
MAX_POLICIES = 10_000


class _Integer(Payload):
    """An unsigned or signed integer of as many bytes as its attribute has (NL_ATTR_TYPE_UINT, NL_ATTR_TYPE_SINT)."""

    __slots__ = ("_signed",)

    def __init__(self, signed: bool) -> None:
        self._signed = signed

    def convert(self, payload: bytes) -> int:
        return int.from_bytes(payload, "little" if sys.byteorder == "little" else "big", signed=self._signed)

    def format(self, value: Any) -> str:
        return str(value)


class _Nest(Attrs):
    """A nest of attributes; behind `MAX_DEPTH` of them, what is inside is raw."""

    __slots__ = ()

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if len(path) > MAX_DEPTH:
            return RAW.unpack(data, start, end, siblings, trace, path)
        return super().unpack(data, start, end, siblings, trace, path)

    def format(self, value: Any) -> str:
        return RAW.format(value) if isinstance(value, bytes) else ""


BITFIELD32 = Struct("nla_bitfield32", ("value", U32), ("selector", U32))
NESTED, NESTED_ARRAY = 13, 14  # NL_ATTR_TYPE_* of <linux/netlink.h>
KINDS: dict[int, Type] = {
    1: FLAG,
    2: U8,
    3: U16,
    4: U32,
    5: U64,
    6: S8,
    7: S16,
    8: S32,
    9: S64,
    10: RAW,
    11: TEXT,
    12: TEXT,
    15: BITFIELD32,
    16: _Integer(signed=True),
    17: _Integer(signed=False),
}


def commands(answers: Iterable[Mapping[Any, Any]]) -> Commands:
    """Return the attributes of each command's request, from the bodies of the answers to CTRL_CMD_GETPOLICY."""
    tables: dict[int, dict[str, tuple[int, Type]]] = {}
    nests: dict[int, _Nest] = {}
    operations: dict[int, int] = {}

    def nest(policy: int) -> _Nest:
        if policy not in nests and len(nests) < MAX_POLICIES:
            nests[policy] = _Nest(tables.setdefault(policy, {}))
        return nests.get(policy) or _Nest({})

    for body in answers:
        for policy, rows in _numbered(body.get("CTRL_ATTR_POLICY")):
            for number, row in _numbered(rows):
                nest(policy)
                if policy in tables:
                    tables[policy][f"[{number}]"] = number, _kind(row, nest)
        for operation, row in _numbered(body.get("CTRL_ATTR_OP_POLICY")):
            policy = row.get("CTRL_ATTR_POLICY_DO", row.get("CTRL_ATTR_POLICY_DUMP"))
            if isinstance(policy, int):
                operations[operation] = policy
    return {operation: ("", nest(policy)) for operation, policy in operations.items()}


def _numbered(value: object) -> Iterable[tuple[int, Any]]:
    """Yield the entries of a nest whose attributes are named by their numbers, ``[7]``."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if isinstance(entry, dict):
                yield int(name.strip("[]")), entry


def _kind(row: Mapping[str, Any], nest: Any) -> Type:
    """Return the type of an attribute from its row of a policy."""
    number, inner = row.get("NL_POLICY_TYPE_ATTR_TYPE"), row.get("NL_POLICY_TYPE_ATTR_POLICY_IDX")
    if number in (NESTED, NESTED_ARRAY) and isinstance(inner, int):
        found: Type = nest(inner)
        return found if number == NESTED else Indexed(found)
    return KINDS.get(number, RAW) if isinstance(number, int) else RAW
