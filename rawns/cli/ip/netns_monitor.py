"""`ip netns monitor`: the names under /run/netns as they come and go (ip-netns(8), inotify(7))."""

from __future__ import annotations

import os
import sys

from ... import syscalls, uapi
from ...errors import SyscallError
from ...netns_names import NETNS_DIR, prepare
from ...rollback import Rollback
from .context import reason
from .grammar import FAILED, CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Iterator

READ_BYTES = 65536  # at least one event, whatever its name: struct inotify_event and NAME_MAX + 1
HEADER_BYTES = 16  # of struct inotify_event: wd, mask, cookie, len
WORDS = {uapi.IN_CREATE: "add", uapi.IN_DELETE: "delete"}


def _events(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield mask and name of each struct inotify_event."""
    at = 0
    while at + HEADER_BYTES <= len(data):
        mask, size = (int.from_bytes(data[at + skip : at + skip + 4], sys.byteorder) for skip in (4, 12))
        yield mask, data[at + HEADER_BYTES : at + HEADER_BYTES + size].split(b"\0", 1)[0]
        at += HEADER_BYTES + size


def monitor(args: Args) -> int:
    """Print a line for each name that comes or goes, until a signal ends it; words that follow are ignored."""
    try:
        fd = syscalls.inotify_init1(os.O_CLOEXEC)
    except SyscallError as error:
        raise CommandError(f"inotify_init failed: {reason(error)}", FAILED) from None
    try:
        with Rollback() as undo:  # a directory that is made stays
            prepare(undo)
        syscalls.inotify_add_watch(fd, NETNS_DIR, uapi.IN_CREATE | uapi.IN_DELETE)
        while True:
            for mask, name in _events(syscalls.read(fd, READ_BYTES)):
                word = WORDS.get(mask & (uapi.IN_CREATE | uapi.IN_DELETE))
                if word is not None:
                    args.ip.write([f"{word} {name.decode('utf-8', 'surrogateescape')}\n"])
                elif mask & uapi.IN_Q_OVERFLOW:
                    raise CommandError("events were lost: too many names came and went", FAILED)
    except SyscallError as error:
        raise CommandError(f"inotify_add_watch failed: {reason(error)}", FAILED) from None
    finally:
        syscalls.close(fd)
