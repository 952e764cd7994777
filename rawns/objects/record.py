"""What all records share: a decoded message whose values have short names and types.

A record copies nothing: a `RecordField` reads the message's body when it is asked.  ``record.body`` has everything, under the
C names of the kernel's headers.
"""

from __future__ import annotations

from ..wire import U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class RecordField:
    """A descriptor: the value under the first of ``keys`` that the message has, else ``default``.

    ``names`` and ``bits`` are prefixes of the C names of its values or bits in `uapi`, for ``repr``.
    """

    __slots__ = ("bits", "default", "keys", "names")

    def __init__(self, *keys: str, default: Any = None, names: str = "", bits: str = "") -> None:
        self.keys, self.default, self.names, self.bits = keys, default, names, bits

    def __get__(self, record: Record | None, owner: type) -> Any:
        if record is None:
            return self
        for key in self.keys:
            if key in record.body:
                return record.body[key]
        return self.default

    def format(self, value: Any) -> str:
        """Return a value as ``repr`` shows it: ``UP|LOWER_UP``, ``'veth'``, ``1500``."""
        prefix = self.names or self.bits
        if not prefix or not isinstance(value, int):
            return ascii(value)
        kind = U64.bits(prefix) if self.bits else U64.named(prefix)
        return "|".join(name[len(prefix) :] if name.startswith(prefix) else name for name in kind.format(value).split("|"))


def field(*keys: str, default: Any = None, names: str = "", bits: str = "") -> Any:
    """Return a `RecordField`, as what the annotation of the attribute says that it returns."""
    return RecordField(*keys, default=default, names=names, bits=bits)


class Record:
    """One decoded message.  Two records are equal if their messages are."""

    __slots__ = ("body",)

    def __init__(self, body: Mapping[Any, Any]) -> None:
        self.body = body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other.body == self.body

    __hash__ = None  # type: ignore[assignment]  # a body is a dict

    def __repr__(self) -> str:
        """``<Link v1 index=2 flags=UP|LOWER_UP mtu=1500>``: what `_title` says, then each field that is there."""
        title = self._title()
        words = [type(self).__name__, title] if title else [type(self).__name__]
        for name, one in vars(type(self)).items():
            value = getattr(self, name) if isinstance(one, RecordField) else None
            if value is not None and not isinstance(value, dict) and str(value) != title:
                words.append(f"{name}={one.format(value)}")
        return f"<{' '.join(words)}>"

    def _title(self) -> str:
        """Return what identifies the record to a reader, safe to print; empty if its fields do."""
        return ""
