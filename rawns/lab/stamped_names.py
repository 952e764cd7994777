"""Names under /run/netns that carry a lab's stamp: read, whichever process made them, and surveyed."""

from __future__ import annotations

from .. import netns_names
from ..errors import InvalidValue, RawnsError
from ..net import NetNS
from . import lock, stamp
from .stamp import LO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .stamp import Stamp


class StampedName:
    """A name under /run/netns that carries a lab's stamp.

    ``stale``: no namespace is mounted on it here.  ``abandoned``: its maker was killed before it wrote the stamp.
    """

    __slots__ = ("abandoned", "identity", "name", "stale", "stamp")

    def __init__(self, name: str, stamp_: Stamp, identity: tuple[int, int] | None, abandoned: bool = False) -> None:
        self.name, self.stamp, self.identity = name, stamp_, identity
        self.stale, self.abandoned = identity is None, abandoned

    @property
    def owner(self) -> str:
        """What is known of the process that made it: see `lock.owner_state`."""
        return lock.DEAD if self.abandoned else lock.owner_state(self.stamp.by)

    @property
    def dead(self) -> bool:
        """Whether the process that made it is known to be dead."""
        return self.owner == lock.DEAD


class Survey:
    """All stamped names of this machine.  ``unread`` are namespaces that could not be examined, with the error."""

    def __init__(self) -> None:
        self.names: list[StampedName] = []
        self.unread: dict[str, Exception] = {}
        for name in netns_names.listed(stale=True):
            found = stale_name(name)
            if found is not None:
                self.names.append(found)
        self._read(netns_names.listed())
        if self.unread:  # a passing error, perhaps: once more
            again, self.unread = list(self.unread), {}
            self._read(again)

    def _read(self, listed: Iterable[str]) -> None:
        from .removal import in_thread

        try:
            in_thread(self._examine, listed)
        except RawnsError:
            pass  # that thread could not return; what it could not examine is in `unread`

    def _examine(self, listed: Iterable[str]) -> None:
        stranded: SystemExit | None = None
        for name in listed:
            try:
                found = stamped_namespace(name)
            except (FileNotFoundError, InvalidValue):
                continue  # it was removed in the meantime
            except Exception as error:
                self.unread[name] = error
            except SystemExit as error:  # this thread cannot return: it can go on examining, and then must end
                self.unread[name], stranded = RawnsError(str(error)), error
            else:
                if found is not None:
                    self.names.append(found)
        if stranded is not None:
            raise stranded

    def of(self, lab: str) -> list[StampedName]:
        """Return the names of one lab."""
        return [one for one in self.names if one.stamp.lab == lab]


def has_names(lab: str) -> bool:
    """Return whether a namespace of this machine carries a lab's stamp; those whose names say so are examined first."""
    for name in sorted(netns_names.listed(), key=lambda name: not name.startswith(f"{lab}.")):
        try:
            found = stamped_namespace(name)
        except (OSError, RawnsError):
            continue
        if found is not None and found.stamp.lab == lab:
            return True
    return False


def read_stamp(namespace: NetNS) -> Stamp | None:
    """Return the stamp of a namespace: the alias of its ``lo``.  Raises `KernelError` or `SyscallError`."""
    try:
        return stamp.read(namespace.net.link(LO).alias)
    finally:
        namespace.disconnect()


def stamped_namespace(name: str) -> StampedName | None:
    """Return a name with the stamp of its namespace; None if there is no stamp.  Raises `RawnsError` if it cannot be examined."""
    with NetNS.open(name) as namespace:
        found = read_stamp(namespace)
        return StampedName(name, found, namespace.identity) if found is not None else None


def stale_name(name: str) -> StampedName | None:
    """Return a stale name with the stamp in its file; None if a lab did not make it."""
    if netns_names.abandoned(name):
        mark = stamp.read(f"{stamp.WORD} lab={name.rpartition('.')[0]}") or stamp.Stamp("")
        return StampedName(name, mark, None, abandoned=True)
    found = stamp.read(netns_names.mark_of(name))
    return StampedName(name, found, None) if found is not None else None
