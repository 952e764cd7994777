"""The header of generic netlink, and bodies whose layout depends on the command in it (`<linux/genetlink.h>`)."""

from __future__ import annotations

from .. import uapi
from ..wire import RAW, U8, U16, Attrs, Layout, Scalar, Struct, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..wire import Buffer, Path, Trace

FLAGS_BEFORE_BODY = 10  # bytes from nlmsg_flags to the end of struct nlmsghdr
NONE = Attrs({})
Commands = dict[int, tuple[str, Attrs]]  # by number: the name, and the attributes


def attributes(prefix: str, first: int = 1, **kinds: Type) -> Attrs:
    """Return a table of attributes that are numbered from ``first`` on, in the order of their header."""
    return Attrs({prefix + name: (number, kind) for number, (name, kind) in enumerate(kinds.items(), first)})


def header(commands: dict[int, str]) -> Struct:
    """Return ``struct genlmsghdr`` with names for its commands."""
    return Struct("genlmsghdr", ("cmd", Scalar("B", commands)), ("version", U8), ("reserved", U16), whole=True)


class ByCommand(Type):
    """The body of a message of a family: the layout for its command and direction.  It can be decoded behind its header only.

    ``answers`` are the commands of what the kernel sends, if they differ from those of ``requests``.  A command that is not
    known has attributes by number.
    """

    __slots__ = ("answers", "requests")

    def __init__(self, requests: Commands, answers: Commands | None = None) -> None:
        self.requests, self.answers = requests, requests if answers is None else answers

    def names(self, request: bool) -> dict[int, str]:
        """Return the commands of one direction by number."""
        return {number: name for number, (name, _) in (self.requests if request else self.answers).items() if name}

    def unpack(self, data: Buffer, start: int, end: int, siblings: Mapping[Any, Any], trace: Trace, path: Path) -> Any:
        if start < FLAGS_BEFORE_BODY or start >= end:
            return RAW.unpack(data, start, end, siblings, trace, path)
        flags = U16.unpack(data, start - FLAGS_BEFORE_BODY, start, {}, None, ())
        commands = self.requests if flags & uapi.NLM_F_REQUEST else self.answers
        number = data[start]
        name, attrs = commands.get(number, ("", NONE))
        return Layout(header({number: name} if name else {}), attrs).unpack(data, start, end, siblings, trace, path)
