"""The names that annotations in this package use: those of `cli.ip`, and those of tc.  Only type checkers read it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from ..ip.hints import (
        Any,
        Args,
        Body,
        Callable,
        Iterable,
        Iterator,
        Keyword,
        Mapping,
        Message,
        OutputField,
        Record,
        Reply,
        Sequence,
        Struct,
    )
    from .context import OptionArgs, TcContext

    __all__ = ["Any", "Args", "Body", "Callable", "Container", "Iterable", "Iterator", "Keyword", "Mapping", "Message"]
    __all__ += ["OptionArgs", "OutputField", "Record", "Reply", "Sequence", "Struct", "TcContext"]
