"""One at a time: two `up` of one lab, or an `up` and a `down`, wait for each other.

Floor 6.  The lock is a listening socket with a name in the kernel's abstract space (unix(7)), which ends with its process
however that ends; no file is left.  Who comes second connects to it, and hears when it goes.  A name can be taken by
anybody, so who holds it is asked for (SO_PEERCRED): only root and ourselves are waited for.
"""

from __future__ import annotations

import _socket
import os
import sys
from errno import EADDRINUSE

from ..errors import RawnsError
from ..names import NETNS_DIR, identity
from ..syscalls import observed_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lab import Lab

ATTEMPTS = 64  # holders that are waited for, one after the other
GLANCES = 100_000  # at one that has the name and does not listen yet
PATIENCE = 120.0  # seconds for each of them


class Busy(RawnsError):
    """Somebody else is changing the lab."""


class locked:  # noqa: N801 (used as a function, in a with statement)
    """Hold the lock of a standing lab until the end of the block.  Other labs live and die with one process: no lock.

    Raises `Busy` where somebody else holds it for longer than ``patience`` seconds.
    """

    def __init__(self, lab: Lab | None = None, name: str = "", patience: float = PATIENCE) -> None:
        name = lab.name if lab is not None and lab.standing else name
        self._name, self._patience = name, patience
        self._socket: _socket.socket | None = None

    def __enter__(self) -> None:
        if not self._name:
            return
        address = f"\0rawns/lab/{'.'.join(map(str, identity(os.path.dirname(NETNS_DIR)) or ()))}/{self._name}"
        for _ in range(ATTEMPTS):
            mine = _unix()
            try:
                observed_call("bind", mine.bind, address)
                mine.listen(ATTEMPTS)
                self._socket = mine
                return
            except OSError as error:
                mine.close()
                if error.errno != EADDRINUSE:
                    raise
            self._wait(address)
        raise RawnsError(f"the lab {self._name} is being changed by one process after another; try again later")

    def _wait(self, address: str) -> None:
        """Until who holds it lets go."""
        other = _unix()
        try:
            other.settimeout(self._patience)
            if not _connected(other, address):
                return  # it has let go in the meantime
            pid, uid = _holder(other)
            if uid not in (0, os.geteuid()):
                raise RawnsError(f"the lock of lab {self._name} is held by process {pid} of user {uid}, who is none of ours")
            if not self._patience:
                raise Busy(f"the lab {self._name} is being changed by process {pid}")
            try:
                other.recv(1)
            except ConnectionResetError:
                return  # it ended
            except OSError as error:
                if isinstance(error, TimeoutError) or not error.errno:
                    text = f"the lab {self._name} is being changed by process {pid}, and has been"
                    raise Busy(f"{text} for {self._patience:.0f} s") from None
                raise
        finally:
            other.close()

    def __exit__(self, *exc: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(mine: _socket.socket, address: str) -> bool:
    """Connect to who holds a name; False where nobody does.  Between its bind and its listen the kernel refuses."""
    for _ in range(GLANCES):
        try:
            mine.connect(address)
            return True
        except ConnectionRefusedError:
            os.sched_yield()
            probe = _unix()
            try:
                probe.bind(address)  # not to keep it: to learn whether it is free
                return False
            except OSError:
                pass  # taken, so somebody is about to listen
            finally:
                probe.close()
    return False


def _unix() -> _socket.socket:
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)


def _holder(connected: _socket.socket) -> tuple[int, int]:
    """Pid and uid of who listens (struct ucred: pid, uid, gid)."""
    credentials = connected.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    pid, uid = (int.from_bytes(credentials[at : at + 4], sys.byteorder) for at in (0, 4))
    return pid, uid
