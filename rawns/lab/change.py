"""One difference between a description and the kernel, and how it is made and taken back."""

from __future__ import annotations

from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..nlmsg import Request
    from .interface import BaseHost, Interface


class Change:
    """One difference: ``str()`` is a line to show, ``sign`` is ``+``, ``-`` or ``~``, ``where`` its place in the file.

    ``requests`` make the change in ``host`` and ``undo`` takes it back; for what is not done by requests, ``action`` and
    ``undo_action`` are called.  ``before`` is called before the requests are sent.  A host or an interface that is created
    has no requests here.
    """

    __slots__ = ("action", "before", "host", "interface", "requests", "sign", "undo", "undo_action", "what", "where")

    def __init__(self, sign: str, what: str, host: BaseHost | None = None, where: str = "") -> None:
        self.sign, self.what, self.host, self.where = sign, what, host, where
        self.interface: Interface | None = None  # if it is about one
        self.requests: Sequence[Request] = ()
        self.undo: Sequence[Request] = ()
        self.action: Callable[[], object] | None = None
        self.undo_action: Callable[[], object] | None = None
        self.before: Callable[[], object] | None = None

    def with_request(self, request: Request, undo: Request | None = None) -> Change:
        """Set the request that makes the change, and the one that takes it back."""
        self.requests, self.undo = (request,), () if undo is None else (undo,)
        return self

    def with_action(self, action: Callable[[], object], undo: Callable[[], object] | None) -> Change:
        """Set the function that makes the change, and the one that takes it back."""
        self.action, self.undo_action = action, undo
        return self

    def __str__(self) -> str:
        return f"{self.sign} {printable(self.what)}"

    def __repr__(self) -> str:
        return f"<Change {self}>"
