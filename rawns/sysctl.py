"""The settings of a network namespace under /proc/sys/net (sysctl(8), the kernel's Documentation/networking/ip-sysctl.rst).

Floor 2.  /proc/sys/net shows the namespace of the thread that looks: everything here is for a thread that is inside.
What is not below ``net`` belongs to no network namespace, and is refused.
"""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, ENOENT, EPERM, EROFS

from . import syscalls
from .errors import InvalidValue, SyscallError
from .terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Union

    Value = Union[str, int, bool, Sequence[int]]

ROOT = "/proc/sys"
MAX_VALUE_BYTES = 65536  # bytes of a value; the longest there is (a list of ports) has fewer

ADVICE = {
    ENOENT: "no such setting here: it is an absent interface's, an absent module's, or the first namespace's alone",
    EROFS: "/proc/sys is mounted read-only, as containers have it: mount a /proc of your own, or make the container privileged",
    EINVAL: "the kernel does not take this value for it",
}


def path_of(name: str) -> str:
    """The file of a setting.  Raises `InvalidValue`.

    As in sysctl(8) the first separator decides: in ``net.ipv4.conf.eth0/5.forwarding`` a slash stands for the dot of ``eth0.5``,
    and in ``net/ipv4/conf/eth0.5/forwarding`` a dot is a dot.
    """
    given = name[len(ROOT) + 1 :] if name.startswith(f"{ROOT}/") else name
    if 0 <= given.find(".") < (given.find("/") if "/" in given else len(given)):
        given = given.translate({ord("."): "/", ord("/"): "."})
    parts = given.split("/")
    if parts[0] != "net" or len(parts) < 2 or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InvalidValue(f"{name!r} is no setting of a network namespace, as 'net.ipv4.ip_forward' is one")
    return f"{ROOT}/{given}"


def text_of(name: str, value: Value) -> str:
    """A value as it is written to the file: True is 1, and numbers in a row stand apart.  Raises `InvalidValue`."""
    if isinstance(value, (bool, int)):
        return str(int(value))
    text = value if isinstance(value, str) else " ".join([str(int(one)) for one in value])
    if "\0" in text or "\n" in text or len(text) >= MAX_VALUE_BYTES:
        raise InvalidValue(f"{value!r} is no value for {printable(name)}: it is one line of text")
    return text


def read(name: str) -> str:
    """The value of a setting: ``sysctl -n NAME``.  Raises `InvalidValue`, `SyscallError`."""
    fd = _open(name, os.O_RDONLY)
    try:
        data = b""
        while len(data) < MAX_VALUE_BYTES:
            more: bytes = syscalls.observed_call("read", os.read, fd, 4096, format_args=lambda fd, size: f"{fd}, buffer, {size}")
            if not more:
                break
            data += more
    finally:
        syscalls.close(fd)
    return data.decode("utf-8", "surrogateescape").rstrip("\n")


def write(name: str, value: Value) -> None:
    """Set it: ``sysctl -w NAME=VALUE``.  Raises `InvalidValue`; `SyscallError` where the kernel refuses."""
    data = os.fsencode(text_of(name, value))
    fd = _open(name, os.O_WRONLY)
    try:
        syscalls.write(fd, data)
    except SyscallError as error:
        raise _advised(error) from None
    finally:
        syscalls.close(fd)


def read_all(names: Iterable[str]) -> dict[str, str]:
    """The values of many, by the names they were asked for."""
    return {name: read(name) for name in names}


def change(name: str, value: Value) -> str:
    """Set it; what it is then.  Of one that cannot be read (``net.ipv4.route.flush``) what was written."""
    write(name, value)
    return _readable(name) or text_of(name, value)


def change_all(values: Mapping[str, Value]) -> dict[str, str]:
    """Set many, in this order, or none: where one is refused the others are set back.  What they are then."""
    for name, value in values.items():  # what could never be right is refused before anything is written
        path_of(name)
        text_of(name, value)
    with syscalls.Rollback() as undo:
        for name, value in values.items():
            before = _readable(name)
            write(name, value)
            if before:
                undo(write, name, before)
    return {name: _readable(name) or text_of(name, value) for name, value in values.items()}


def _readable(name: str) -> str:
    """Its value; empty where it has none, or may only be written."""
    try:
        return read(name)
    except PermissionError:
        return ""


def _open(name: str, flags: int) -> int:
    try:
        return syscalls.open_(path_of(name), flags)
    except SyscallError as error:
        raise _advised(error) from None


def _advised(error: SyscallError) -> SyscallError:
    if error.errno in (EACCES, EPERM) and "O_WRONLY" not in error.arguments:
        error.hint = error.hint or "this setting is closed to us"
    error.hint = ADVICE.get(error.errno or 0, error.hint)
    return error
