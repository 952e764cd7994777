"""The family of errors: what catches them, what they say, and that they travel between processes."""

from __future__ import annotations

import copy
import errno
import os
import pickle
from typing import Any

import pytest

import rawns
from rawns.errors import (
    Interrupted,
    InvalidValue,
    KernelError,
    NamespaceRestoreError,
    RawnsError,
    SyscallError,
    WireError,
    errno_text,
)

NO_PREFIX = KernelError(22, "RTM_NEWADDR", "ipv4: Invalid prefix length", 17, "ifa_prefixlen = 99", "address of v1")
NO_MOUNT = SyscallError(1, "mount", '"none", "/run/netns"', "be root")


@pytest.mark.parametrize("number", sorted(errno.errorcode), ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("kind", [SyscallError, KernelError])
def test_an_errno_makes_the_class_that_python_would_have_made(kind: Any, number: int) -> None:
    error: Any = kind(number, "call")
    expected, code = type(OSError(number, "")), error.code
    assert isinstance(error, kind) and isinstance(error, expected) and isinstance(error, RawnsError)
    named = {"ENOTSUP": "EOPNOTSUPP", "EDEADLOCK": "EDEADLK"}  # errno(3): strace, and the kernel, say the second
    name = errno.errorcode[number]
    assert (error.errno, code) == (number, named.get(name, name))
    assert type(error).__name__ == kind.__name__


def test_people_catch_what_they_know() -> None:
    with pytest.raises(FileExistsError):
        raise KernelError(errno.EEXIST, "RTM_NEWLINK")
    with pytest.raises(PermissionError):
        raise NO_MOUNT
    with pytest.raises(FileNotFoundError):
        raise SyscallError(errno.ENOENT, "open", '"/run/netns/x", O_RDONLY')
    for kind in (WireError, InvalidValue):
        with pytest.raises(ValueError):
            raise kind("no")
    assert not issubclass(SyscallError, KernelError) and not issubclass(KernelError, SyscallError)
    assert issubclass(Interrupted, RawnsError) and not issubclass(Interrupted, OSError)


def test_stranded_is_swallowed_by_nobody() -> None:
    assert issubclass(NamespaceRestoreError, SystemExit)
    assert not issubclass(NamespaceRestoreError, (Exception, RawnsError))


def test_an_errno_python_has_no_name_for() -> None:
    error = KernelError(524, "RTM_NEWLINK")
    assert (error.errno, error.code) == (524, "524")
    assert str(error).startswith("RTM_NEWLINK refused: ") and str(error).endswith("(524)")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            NO_PREFIX,
            'RTM_NEWADDR (address of v1) refused: "ipv4: Invalid prefix length" (EINVAL) at byte 17, ifa_prefixlen = 99',
        ),
        (KernelError(17, "RTM_NEWLINK"), "RTM_NEWLINK refused: File exists (EEXIST)"),
        (KernelError(22, "X", "", None, "NETNSA_FD is missing"), "X refused: Invalid argument (EINVAL), NETNSA_FD is missing"),
        (KernelError(22, "X", "", 0), "X refused: Invalid argument (EINVAL) at byte 0"),
        (NO_MOUNT, 'mount("none", "/run/netns"): Operation not permitted (EPERM); be root'),
        (SyscallError(9, "close", "7"), "close(7): Bad file descriptor (EBADF)"),
    ],
)
def test_the_sentence(error: RawnsError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("error", [NO_PREFIX, NO_MOUNT, SyscallError(95, "unshare"), KernelError(524, "X")])
@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_travel_whole(error: RawnsError, travel: object) -> None:
    arrived = travel(error)  # type: ignore[operator]
    kind = SyscallError if isinstance(error, SyscallError) else KernelError
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    fields = {*kind.__annotations__, "hint"}
    assert [getattr(arrived, field) for field in fields] == [getattr(error, field) for field in fields]
    assert arrived.errno == error.errno  # type: ignore[attr-defined]


def test_the_fields_are_there_to_be_read() -> None:
    assert (NO_PREFIX.request, NO_PREFIX.message, NO_PREFIX.offset, NO_PREFIX.field, NO_PREFIX.context) == (
        "RTM_NEWADDR",
        "ipv4: Invalid prefix length",
        17,
        "ifa_prefixlen = 99",
        "address of v1",
    )
    assert (NO_MOUNT.call, NO_MOUNT.arguments, NO_MOUNT.hint, NO_MOUNT.strerror) == (
        "mount",
        '"none", "/run/netns"',
        "be root",
        "Operation not permitted",
    )


def test_the_package_shows_them() -> None:
    assert rawns.KernelError is KernelError and rawns.NamespaceRestoreError is NamespaceRestoreError
    with pytest.raises(AttributeError, match="nonsense"):
        rawns.nonsense  # noqa: B018
    assert set(rawns.__all__) <= set(dir(rawns))


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31), -1])
def test_a_number_that_is_no_errno_has_a_text(number: int) -> None:
    assert errno_text(number) == f"Unknown error {number}"
    assert f"Unknown error {number}" in str(KernelError(number, "RTM_NEWLINK"))
    assert errno_text(17) == os.strerror(17)
