"""Processes inside network namespaces: `subprocess.Popen` and `subprocess.run`, and the mounts of ``ip netns exec``."""

from __future__ import annotations

import os
from errno import EAGAIN, EINVAL, ENOMEM

from . import syscalls, uapi
from .errors import SyscallError
from .netns_names import ETC_DIR
from .rollback import PROCESS_LIMIT, Rollback, set_signal_mask, signal_mask
from .threads import call_inside, call_on_thread, enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import IO, Any, TypedDict, TypeVar, Union

    from .threads import HasDescriptor

    class ProcessOptions(TypedDict, total=False):
        """The options of `subprocess.Popen`."""

        bufsize: int
        executable: str | bytes | os.PathLike[str] | None
        stdin: int | IO[Any] | None
        stdout: int | IO[Any] | None
        stderr: int | IO[Any] | None
        preexec_fn: Callable[[], object] | None
        close_fds: bool
        shell: bool
        cwd: str | bytes | os.PathLike[str] | None
        env: Mapping[str, str] | None
        universal_newlines: bool | None
        restore_signals: bool
        start_new_session: bool
        pass_fds: Iterable[int]
        user: str | int | None
        group: str | int | None
        extra_groups: Iterable[str | int] | None
        encoding: str | None
        errors: str | None
        text: bool | None
        umask: int
        pipesize: int
        process_group: int | None

    class RunOptions(ProcessOptions, total=False):
        """The options of `subprocess.run`."""

        input: str | bytes | None
        capture_output: bool
        timeout: float | None
        check: bool

    Command = Union[str, Sequence[Union[str, bytes, os.PathLike[str]]]]
    Answer = TypeVar("Answer")


def popen(
    namespace: HasDescriptor, name: str | None, argv: Command, mounts: bool, options: ProcessOptions
) -> subprocess.Popen[Any]:
    """Start a command inside a namespace, whose ``name`` is needed for its ``mounts`` only; see `NetNS.popen`."""
    import subprocess

    given: Any = options
    mask = signal_mask()

    def start() -> subprocess.Popen[Any]:
        blocked = set_signal_mask(mask)  # the command inherits it
        try:
            return subprocess.Popen(argv, **given)
        finally:
            set_signal_mask(blocked)

    with Rollback() as undo:  # a handler's exception must not leave a process that nothing refers to
        process = _start(namespace, name, mounts, start)
        undo(process.wait)
        undo(process.kill)
    return process


def run(
    namespace: HasDescriptor, name: str | None, argv: Command, mounts: bool, options: RunOptions
) -> subprocess.CompletedProcess[Any]:
    """Run a command inside a namespace and wait for it; see `NetNS.run`."""
    import subprocess

    given: Any = options
    data, seconds, check = given.pop("input", None), given.pop("timeout", None), given.pop("check", False)
    pipes = ["stdin"] if data is not None else []
    pipes += ["stdout", "stderr"] if given.pop("capture_output", False) else []
    for one in pipes:
        if given.setdefault(one, subprocess.PIPE) != subprocess.PIPE:
            raise ValueError(f"{one} is a pipe if `input` or `capture_output` is given")
    with popen(namespace, name, argv, mounts, given) as process:
        try:
            output, errors = process.communicate(data, timeout=seconds)
        except BaseException:
            process.kill()
            raise
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, output, errors)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _start(namespace: HasDescriptor, name: str | None, mounts: bool, function: Callable[[], Answer]) -> Answer:
    """Call a function that forks, inside: a child begins in the namespaces of the thread that forks it."""
    try:
        if not mounts:
            return call_inside(namespace, function)

        def with_mounts() -> Answer:
            enter(namespace.fileno())
            enter_mounts(name)
            return function()

        return call_on_thread(with_mounts)  # a thread cannot return from a mount namespace of its own
    except SyscallError:
        raise
    except OSError as error:
        if error.errno not in (EAGAIN, ENOMEM) or error.filename is not None:
            raise
        raise SyscallError(error.errno, "fork", "", PROCESS_LIMIT) from None


def enter_mounts(name: str | None, complain: Callable[[SyscallError], None] | None = None) -> None:
    """Give the calling thread the mounts of ``ip netns exec``; call it inside the namespace, on a thread that ends there.

    That is a mount namespace of its own, in which /sys shows the network namespace, and each file of /etc/netns/NAME is
    mounted over the file of that name in /etc.  Raises `SyscallError`; but if ``complain`` is given, it is called with the
    error of each file that cannot be mounted, and the rest is still done.  In a chroot whose root is not a mount point
    nothing can be mounted that other mount namespaces would not see: that is such an error, too, and nothing is mounted.
    """
    syscalls.unshare(uapi.CLONE_NEWNS)
    try:
        syscalls.mount("", "/", "none", uapi.MS_SLAVE | uapi.MS_REC, None)
    except SyscallError as error:
        if error.errno != EINVAL or complain is None:
            raise
        error.hint = "/ is not a mount point (a chroot), so the command sees the /sys and /etc that are here"
        complain(error)
        return
    flags = 0
    try:
        syscalls.umount2("/sys", uapi.MNT_DETACH)
    except SyscallError:  # there is no /sys, or one that may only be covered; a read-only one only by a read-only one
        flags = uapi.MS_RDONLY if os.statvfs("/sys").f_flag & os.ST_RDONLY else 0
    syscalls.mount(name or "none", "/sys", "sysfs", flags, None)
    files = f"{ETC_DIR}/{name}"
    if name is None or not os.path.isdir(files):
        return
    for file in syscalls.listdir(files):
        try:
            syscalls.mount(f"{files}/{file}", f"/etc/{file}", "none", uapi.MS_BIND, None)
        except SyscallError as error:
            if complain is None:
                raise
            complain(error)
