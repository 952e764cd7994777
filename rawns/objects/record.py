"""What all records share: a decoded message, seen through names a person would use.

Floor 3, pure.  A record copies nothing: `Field` reads the message's body when asked, and ``record.body`` is there for
what has no field (keys are the kernel's C names).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Field:
    """A descriptor: the value under the first of ``keys`` that the message has, else ``default``."""

    __slots__ = ("default", "keys")

    def __init__(self, *keys: str, default: Any = None) -> None:
        self.keys, self.default = keys, default

    def __get__(self, record: Record | None, owner: type) -> Any:
        if record is None:
            return self
        for key in self.keys:
            if key in record.body:
                return record.body[key]
        return self.default


class Record:
    """One decoded message.  Two are equal where their messages say the same."""

    __slots__ = ("body",)

    def __init__(self, body: Mapping[Any, Any]) -> None:
        self.body = body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other.body == self.body

    __hash__ = None  # type: ignore[assignment]  # a body is a dict

    def __repr__(self) -> str:
        fields = [name for name, value in vars(type(self)).items() if isinstance(value, Field)]
        known = [(name, getattr(self, name)) for name in fields]
        told = [f"{name}={value!r}" for name, value in known if value is not None and not isinstance(value, dict)]
        return f"{type(self).__name__}({', '.join(told)})"
