"""Files of a host for /etc: /etc/netns/NAME/FILE, which ``ip netns exec`` mounts over /etc/FILE (ip-netns(8)).

The first line of each file is the lab's stamp; a file without it is not a lab's and is left alone.  Others may be able to
write to these directories: a symbolic link is never followed, and only plain files are read, without waiting.
"""

from __future__ import annotations

import os
import stat
from _functools import partial  # type: ignore[import-not-found]  # the C type alone: `functools` costs 2 ms
from errno import EEXIST, ELOOP, ENOENT, ENOTDIR

from ..errors import InvalidValue, RawnsError, SyscallError
from ..netns_names import ETC_DIR
from ..observer import observed_call
from ..rollback import Rollback
from ..syscalls import close
from ..terminal import printable
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .host import Host

TEMPORARY = ".rawns"  # the file that is written before it gets its name; only the holder of the lab's lock writes one
MAX_FILE_BYTES = 1 << 20  # that are read of a file
NOT_A_DIRECTORY = (ENOENT, ENOTDIR, ELOOP)  # there is no directory, or a symbolic link to one


def content(host: Host, text: str) -> str:
    """Return the content of a host's file: the stamp, then what the description says."""
    return f"# {stamp.Stamp(host.lab.name)}\n{text}"


def read(path: str) -> str | None:
    """Return the content of a plain file; None if there is none.  Raises `SyscallError`."""
    folder, _, file = path.rpartition("/")
    fd = _open_directory(folder)
    if fd is None:
        return None
    try:
        return _read(fd, file)
    finally:
        close(fd)


def has_stamp(text: str | None, lab: str = "") -> bool:
    """Return whether a file's content begins with a lab's stamp, or with this lab's."""
    found = stamp.read(text.partition("\n")[0][2:]) if text is not None and text.startswith("# ") else None
    return found is not None and lab in ("", found.lab)


def write(path: str, text: str | None) -> None:
    """Write a file, or with None remove it.  Raises `SyscallError`, or `RawnsError` if it is there and not a lab's."""
    folder, _, file = path.rpartition("/")
    if text is not None:
        _make_directory(folder)
    fd = _open_directory(folder)
    if fd is None:
        if text is None:
            return
        raise RawnsError(f"{printable(folder)} is a symbolic link or not a directory; it is left alone")
    try:
        there = _exists(fd, file)
        if there and not has_stamp(_read(fd, file)):
            raise RawnsError(f"{printable(path)} is there already, and no lab's")
        if text is not None:
            _replace(fd, file, text)
        elif there:
            _unlink(fd, file)
    finally:
        close(fd)
    if text is None:
        _remove_empty(folder)


def listed(folder: str, lab: str = "") -> list[str]:
    """Return the names of the files in a directory that are a lab's, or this lab's, sorted.  Raises `SyscallError`."""
    fd = _open_directory(folder)
    if fd is None:
        return []
    try:
        return _stamped(fd, lab)
    finally:
        close(fd)


def remove_all(lab: str, hosts: Collection[str], everywhere: bool = False) -> list[str]:
    """Remove the files of a lab for these namespaces; return an empty list, as none of them is a namespace's name.

    With ``everywhere`` it looks for them in all other directories below /etc/netns too, and skips one that it cannot read.
    Raises `SyscallError` if /etc/netns, or the directory of one of the lab's hosts, cannot be read or changed.
    """
    try:
        folders = sorted(observed_call("getdents64", os.listdir, ETC_DIR))
    except (FileNotFoundError, NotADirectoryError):
        folders = []
    failure: SyscallError | None = None
    for name in folders:
        expected = name in hosts or everywhere and name.startswith(f"{lab}.")
        if expected or everywhere:
            try:
                _clear(f"{ETC_DIR}/{name}", lab, expected)
            except SyscallError as error:  # the other directories must be cleared all the same
                failure = failure or error if expected else failure
    if failure is not None:
        raise failure
    return []


def unreadable(lab: str) -> list[str]:
    """Return the paths of the files in the directories of a lab's hosts that may not be read; removals leave them alone."""
    try:
        folders = [name for name in sorted(os.listdir(ETC_DIR)) if name.startswith(f"{lab}.")]
    except OSError:
        return []
    found = []
    for folder in [f"{ETC_DIR}/{name}" for name in folders]:
        try:
            fd = _open_directory(folder)
        except SyscallError:
            found.append(folder)
            continue
        if fd is not None:
            try:
                found += [f"{folder}/{file}" for file in sorted(os.listdir(fd)) if not _may_read(fd, file)]
            finally:
                close(fd)
    return found


def _may_read(folder: int, file: str) -> bool:
    try:
        _read(folder, file)
    except PermissionError:
        return False
    except SyscallError:
        pass
    return True


def _clear(folder: str, lab: str, ours: bool) -> None:
    """Remove a lab's files from a directory (``ours``: of one of its hosts), and the directory if it is empty then."""
    fd = _open_directory(folder)
    if fd is None:
        return
    try:
        found = _stamped(fd, lab)
        if ours and TEMPORARY not in found and _exists(fd, TEMPORARY):
            found.append(TEMPORARY)
        for file in found:
            _unlink(fd, file)
    finally:
        close(fd)
    if found or ours:  # a killed process may have made the directory and no file yet
        _remove_empty(folder)


# -- relative to a directory ----------------------------------------------------------------------------------------


def _open_directory(folder: str) -> int | None:
    """Return a descriptor of a directory; None if it is not there, or is a symbolic link.  Raises `SyscallError`."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        fd: int = observed_call("open", os.open, folder, flags)
        return fd
    except SyscallError as error:
        if error.errno in NOT_A_DIRECTORY:
            return None
        raise


def _stamped(fd: int, lab: str) -> list[str]:
    """Return the stamped files of a directory.  A file that cannot be read has no stamp that we know of."""
    found = []
    for file in sorted(observed_call("getdents64", os.listdir, fd)):
        try:
            if has_stamp(_read(fd, file), lab):
                found.append(file)
        except PermissionError:
            pass
    return found


def _read(folder: int, file: str) -> str | None:
    """Return the content of a plain file in a directory; None for everything else."""
    status = _status(folder, file)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    try:
        fd = observed_call("openat", partial(os.open, dir_fd=folder), file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except SyscallError as error:
        if error.errno in NOT_A_DIRECTORY:
            return None  # it was replaced in the meantime
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        data: bytes = observed_call("read", os.read, fd, MAX_FILE_BYTES)
        return data.decode("utf-8", "replace")
    finally:
        close(fd)


def _status(folder: int, file: str) -> os.stat_result | None:
    try:
        return os.stat(file, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SyscallError(error.errno or 0, "fstatat", f'"{printable(file)}"') from None


def _exists(folder: int, file: str) -> bool:
    return _status(folder, file) is not None


def _unlink(folder: int, file: str) -> None:
    try:
        observed_call("unlinkat", partial(os.unlink, dir_fd=folder), file)
    except FileNotFoundError:
        pass  # another process was faster


def _replace(folder: int, file: str, text: str) -> None:
    """Write a temporary file and rename it.  One that a killed process has left is removed first."""
    create = partial(os.open, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        fd = observed_call("openat", create, TEMPORARY, flags, 0o644)
    except SyscallError as error:
        if error.errno != EEXIST:
            raise
        _unlink(folder, TEMPORARY)
        fd = observed_call("openat", create, TEMPORARY, flags, 0o644)
    with Rollback() as undo:
        undo(_unlink, folder, TEMPORARY)
        try:
            _write(fd, text)
        finally:
            close(fd)
        rename = partial(os.rename, src_dir_fd=folder, dst_dir_fd=folder)
        observed_call("renameat", rename, TEMPORARY, file)


def _write(fd: int, text: str) -> None:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidValue(f"{text[:40]!r} cannot be written to a file: it has characters that are not Unicode text") from None
    while data:
        data = data[observed_call("write", os.write, fd, data) :]


def _make_directory(folder: str) -> None:
    """Create a directory below /etc/netns; in a user namespace, in an /etc of its own."""
    try:
        _mkdir(folder)
    except PermissionError:
        from ..rootless import own_etc

        if not own_etc():
            raise
        _mkdir(folder)


def _mkdir(folder: str) -> None:
    for path in (ETC_DIR, folder):
        try:
            observed_call("mkdir", os.mkdir, path, 0o755)
        except FileExistsError:
            pass


def _remove_empty(folder: str) -> None:
    """Remove a directory of a host, and /etc/netns, if they are empty."""
    for path in (folder, ETC_DIR):
        try:
            os.rmdir(path)
        except OSError:
            return  # it is not empty, or not there; an empty directory that stays does no harm
