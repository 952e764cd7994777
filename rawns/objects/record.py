"""What all records share: a decoded message whose values have short names and types.

A record copies nothing: a `RecordField` reads the message's body when it is asked.  ``record.body`` has everything, under the
C names of the kernel's headers.
"""

from __future__ import annotations

from ..wire import U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..wire import Scalar


class RecordField:
    """A descriptor: the value under the first of ``keys`` that the message has, else ``default``.

    ``kind`` says how ``repr`` shows it: by the names of its values or bits in `uapi`.
    """

    __slots__ = ("default", "keys", "kind")

    def __init__(self, keys: tuple[str, ...], default: Any, kind: Scalar | None) -> None:
        self.keys, self.default, self.kind = keys, default, kind

    def __get__(self, record: Record | None, owner: type) -> Any:
        if record is None:
            return self
        for key in self.keys:
            if key in record.body:
                return record.body[key]
        return self.default

    def format(self, value: Any) -> str:
        """Return a value as ``repr`` shows it: ``UP|LOWER_UP``, ``'veth'``, ``1500``."""
        if self.kind is None or not isinstance(value, int):
            return ascii(value)
        prefix = self.kind.names if isinstance(self.kind.names, str) else ""
        return "|".join(name[len(prefix) if name.startswith(prefix) else 0 :] for name in self.kind.format(value).split("|"))


def field(*keys: str, default: Any = None, names: str = "", bits: str = "", kind: Scalar | None = None) -> Any:
    """Return a `RecordField`; the annotation of the attribute says what type it has.

    ``names`` or ``bits``, in place of a ``kind``, is the prefix of the C names of its values or bits.
    """
    return RecordField(keys, default, U32.named(names) if names else U32.bits(bits) if bits else kind)


class Record:
    """One decoded message.  Two records are equal if their messages are."""

    __slots__ = ("body",)

    def __init__(self, body: Mapping[Any, Any]) -> None:
        self.body = body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other.body == self.body

    __hash__ = None  # type: ignore[assignment]  # a body is a dict

    def __repr__(self) -> str:
        """Return ``<Link v1 index=2 flags=UP|LOWER_UP mtu=1500>``: what `_title` says, then each field that it does not say."""
        title = self._title()
        words = [type(self).__name__, ascii(title)[1:-1]] if title else [type(self).__name__]
        for name, one in vars(type(self)).items():
            if not isinstance(one, RecordField):
                continue
            value = getattr(self, name)
            if value not in (None, one.default) and str(value) not in title.replace("/", " ").split():
                words.append(f"{name}={one.format(value)}")
        return f"<{' '.join(words)}>"

    def _title(self) -> str:
        """Return what identifies the record to a reader; empty if its fields do."""
        return ""
