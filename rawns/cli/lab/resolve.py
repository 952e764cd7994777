"""Find the lab, and the host of a lab, that the words FILE, LAB and HOST of a command line name."""

from __future__ import annotations

from ...errors import InvalidValue, RawnsError, SyscallError
from ...terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...lab import Lab
    from ...lab.discover import FoundLab

MAX_LABELS = 20  # hosts that an error lists


def is_file(word: str) -> bool:
    """Return whether a word is a path: the name of a lab has no dot and no slash in it."""
    return word == "-" or "." in word or "/" in word


def lab_of(word: str) -> Lab:
    """Return the lab that a file describes, or one that is up, read back from the kernel.  Raises `RawnsError`."""
    if is_file(word):
        from ...lab.lab import Lab

        try:
            return Lab.load(word)
        except SyscallError as error:
            raise RawnsError(f"{printable(word)}: {error.strerror}") from None
    from ...lab.readback import live

    try:
        return live(word)
    except InvalidValue as error:
        raise _hinted(error, word) from None


def expect_all_up(lab: Lab) -> None:
    """Regard every interface of a lab that was read back as one that should be up: no description says otherwise."""
    for host in lab.hosts:
        for one in host.interfaces:
            one.up = True


def _hinted(error: RawnsError, word: str) -> RawnsError:
    from os import path

    return RawnsError(f"{error}; for the file of that name say ./{printable(word)}") if path.exists(word) else error


def name_of(word: str) -> str:
    """Return the name of a lab, whatever else its file says: what is up can be removed even if the file is faulty by now."""
    if not is_file(word):
        return word
    from ...lab.document import lab_name

    try:
        return lab_name(word)
    except SyscallError as error:
        raise RawnsError(f"{printable(word)}: {error.strerror}") from None


def netns_of(word: str, host: str) -> str:
    """Return the name under /run/netns of a host of a lab that is up.  Raises `RawnsError`."""
    from ...lab.discover import find_labs

    lab = name_of(word)
    found = next((one for one in find_labs() if one.name == lab), None)
    if found is None:
        raise RawnsError(f"no lab called {printable(lab)} is up; `rawns lab list` names those that are")
    wanted = [f"{lab}.{host}", *_described_names(word, host), host]
    name = next((one for one in wanted if one in found.hosts), None)
    if name is None:
        labels = printable(", ".join(_labels(found)[:MAX_LABELS]))
        raise RawnsError(f"{lab} has no host called {printable(host)}; it has {labels}")
    return name


def _described_names(word: str, host: str) -> list[str]:
    """Return the name that the file, if there is one, gives to the namespace of a host."""
    names = [one.name for one in lab_of(word).hosts if one.label == host] if is_file(word) and word != "-" else []
    return [name for name in names if name is not None]


def _labels(found: FoundLab) -> list[str]:
    return [name[len(found.name) + 1 :] if name.startswith(f"{found.name}.") else name for name in found.hosts]
