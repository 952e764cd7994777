"""Nests whose attributes are numbered in order and are all of one type; few messages have them, so few programs load this."""

from __future__ import annotations

from . import Attrs
from .types import Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Indexed(Attrs):
    """A nest whose attributes are all of one type and are numbered in order; its value is a dict by ``[NUMBER]``."""

    __slots__ = ()

    def __init__(self, kind: Type, nested: bool = False) -> None:
        super().__init__(_EveryName(kind), nested)
        self._numbers = _EveryNumber(kind)


class _EveryName(dict[str, tuple[int, Type]]):
    """A table of attributes in which every ``[NUMBER]`` is found."""

    def __init__(self, kind: Type) -> None:
        super().__init__()
        self._kind = kind

    def get(self, name: object, default: Any = None) -> Any:
        number = name[1:-1] if isinstance(name, str) and name[:1] == "[" and name[-1:] == "]" else ""
        return (int(number), self._kind) if number.isascii() and number.isdigit() else default


class _EveryNumber(dict[int, tuple[str, Type]]):
    """A table of attributes in which every number is found."""

    def __init__(self, kind: Type) -> None:
        super().__init__()
        self._kind = kind

    def get(self, number: int, default: Any = None) -> tuple[str, Type]:
        return f"[{number}]", self._kind

    def __contains__(self, number: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True
