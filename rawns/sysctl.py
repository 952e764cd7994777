"""Settings of a network namespace under /proc/sys/net (sysctl(8), the kernel's Documentation/networking/ip-sysctl.rst).

/proc/sys/net shows the namespace of the thread that opens it: call these functions on a thread that is inside.  Settings that
are not below ``net`` belong to no network namespace, and are refused.
"""

from __future__ import annotations

import os
from errno import EACCES, ENOENT, EPERM, EROFS

from . import syscalls
from .errors import InvalidValue, SyscallError
from .rollback import Rollback
from .terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Union

    Value = Union[str, int, bool, Sequence[int]]

ROOT = "/proc/sys"
MAX_VALUE_BYTES = 65536  # the longest value that there is, a list of ports, has fewer
MAX_NUMBER = (1 << 64) - 1

ADVICE = {
    ENOENT: "there is no such setting here: its interface or its module is absent, or only the initial namespace has it",
    EROFS: "/proc/sys is mounted read-only, as in containers: mount another /proc, or make the container privileged",
}


def path_of(name: str) -> str:
    """Return the file of a setting.  Raises `InvalidValue`.

    As in sysctl(8), the first separator decides: in ``net.ipv4.conf.eth0/5.forwarding`` a slash stands for the dot of
    ``eth0.5``, and in ``net/ipv4/conf/eth0.5/forwarding`` a dot is a dot.
    """
    if not isinstance(name, str):
        raise InvalidValue(f"{name!r} is not the name of a setting")
    given = name[len(ROOT) + 1 :] if name.startswith(f"{ROOT}/") else name
    if 0 <= given.find(".") < (given.find("/") if "/" in given else len(given)):
        given = given.translate({ord("."): "/", ord("/"): "."})
    parts = given.split("/")
    if parts[0] != "net" or len(parts) < 2 or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InvalidValue(f"{name!r} is not a setting of a network namespace, such as 'net.ipv4.ip_forward'")
    _encoded(given)
    return f"{ROOT}/{given}"


def text_of(name: str, value: Value) -> str:
    """Return a value as it is written to the file: True as 1, several numbers with spaces between.  Raises `InvalidValue`."""
    if isinstance(value, str):
        text = value
        if "\0" in text or "\n" in text or len(text) >= MAX_VALUE_BYTES:
            raise InvalidValue(f"the value of {printable(name)} must be one line of at most {MAX_VALUE_BYTES - 1} characters")
        _encoded(text)
        return text
    try:
        numbers = [value] if isinstance(value, int) else [] if isinstance(value, bytes) else list(value)
    except TypeError:
        numbers = []
    if not numbers or not all(isinstance(number, int) and -MAX_NUMBER <= number <= MAX_NUMBER for number in numbers):
        raise InvalidValue(f"the value of {printable(name)} must be text, a number of at most 64 bits, or several such numbers")
    return text_of(name, " ".join([str(int(number)) for number in numbers]))


def same(one: str, other: str) -> bool:
    """Return whether two values are the same to the kernel, which reads numbers as strtol(3) does: ``0x10`` is ``16``."""
    return one.split() == other.split() or list(map(_number, one.split())) == list(map(_number, other.split()))


def _number(word: str) -> int | str:
    """Return the number that a word is, decimal, octal (0...) or hexadecimal (0x...); any other word unchanged."""
    if not word.isascii() or len(word) > 20 or "_" in word or word.startswith("+"):
        return word
    digits = word.lstrip("-")
    try:
        return int(word, 8 if digits[:1] == "0" and digits.isdigit() else 16 if digits[:2].lower() == "0x" else 10)
    except ValueError:
        return word


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidValue(f"{text[:40]!r} cannot be encoded, so it is neither the name nor the value of a setting") from None


def read(name: str) -> str:
    """Return the value of a setting: ``sysctl -n NAME``.  Raises `InvalidValue`, `SyscallError`."""
    fd = _open(name, os.O_RDONLY)
    try:
        data = b""
        while len(data) < MAX_VALUE_BYTES:
            more = syscalls.read(fd, 4096)
            if not more:
                break
            data += more
    finally:
        syscalls.close(fd)
    return data.decode("utf-8", "surrogateescape").rstrip("\n")


def write(name: str, value: Value) -> None:
    """Set a setting: ``sysctl -w NAME=VALUE``.  Raises `InvalidValue`; `SyscallError` if the kernel refuses."""
    data = _encoded(text_of(name, value)) or b"\n"  # as sysctl(8): a write of no bytes has no effect
    fd = _open(name, os.O_WRONLY)
    try:
        syscalls.write(fd, data)
    except SyscallError as error:
        advice = "" if error.errno in (EACCES, EPERM, EROFS) else "the kernel does not accept this value of "
        error.hint = f"{advice}{printable(name)}"
        raise error from None
    finally:
        syscalls.close(fd)


def read_all(names: Iterable[str]) -> dict[str, str]:
    """Return the values of several settings, by the given names.  Raises as `read`."""
    return {name: read(name) for name in names}


def change(name: str, value: Value) -> str:
    """Set a setting and return its value afterwards; if it cannot be read (``net.ipv4.route.flush``), what was written."""
    write(name, value)
    return _read_if_allowed(name) or text_of(name, value)


def change_all(values: Mapping[str, Value]) -> dict[str, str]:
    """Set several settings, in this order, or none: if one is refused, the others are set back.  Return as `change`."""
    for name, value in values.items():  # what can never be valid is refused before anything is written
        path_of(name)
        text_of(name, value)
    with Rollback() as undo:
        for name, value in values.items():
            before = _read_if_allowed(name)
            write(name, value)
            if before:
                undo(write, name, before)
    return {name: _read_if_allowed(name) or text_of(name, value) for name, value in values.items()}


def _read_if_allowed(name: str) -> str:
    """Return the value; an empty string if the setting can only be written."""
    try:
        return read(name)
    except PermissionError:
        return ""


def _open(name: str, flags: int) -> int:
    try:
        return syscalls.open_(path_of(name), flags)
    except SyscallError as error:
        raise _with_advice(error) from None


def _with_advice(error: SyscallError) -> SyscallError:
    if error.errno in (EACCES, EPERM) and "O_WRONLY" not in error.arguments:
        error.hint = error.hint or "this process may not read the setting"
    error.hint = ADVICE.get(error.errno or 0, error.hint)
    return error
