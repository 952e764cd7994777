"""The names that annotations in this package use.  Only type checkers read it: at run time it is empty."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Optional

    from ...nlmsg import Frame, Reply
    from ...objects.prefix import Prefix
    from ...wire import Body, Message, Struct
    from .context import Args, IpContext
    from .grammar import CommandError, Record
    from .keywords import Keyword, TakeWord
    from .render import OutputField, OutputRow, Read, Row

    Take = Callable[[Args, Record], None]  # reads what follows a word into the record

    __all__ = ["Any", "Callable", "Collection", "Container", "Iterable", "Iterator", "Mapping", "Optional", "Sequence"]
    __all__ += ["Args", "Body", "CommandError", "Frame", "IpContext", "Keyword", "Message", "OutputField", "OutputRow", "Prefix"]
    __all__ += ["Read", "Record", "Reply", "Row", "Struct", "Take", "TakeWord"]
