"""What a host's programs read in /etc: files under /etc/netns/NAME, which ``exec`` lays over their namesakes (ip-netns(8)).

Floor 6.  The first line of each is the lab's stamp; a file without it is somebody else's, and left alone.
"""

from __future__ import annotations

import os

from ..errors import RawnsError
from ..netns import ETC_DIR
from ..syscalls import Rollback, observed_call
from ..terminal import printable
from . import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .model import Host

FRESH = ".rawns"  # what a file is called while it is written, by who has the lab's lock: a kill may leave it, with no stamp yet
LARGEST = 1 << 20  # bytes of a file that are looked at


def content(host: Host, text: str) -> str:
    """What stands in a file of a host: the stamp, then what the description says."""
    return f"# {stamp.Stamp(host.lab.name)}\n{text}"


def read(path: str) -> str | None:
    """What stands in a file; None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def ours(text: str | None, lab: str = "") -> bool:
    """Whether a file is a lab's, or this lab's."""
    found = stamp.read(text.partition("\n")[0][2:]) if text is not None and text.startswith("# ") else None
    return found is not None and lab in ("", found.lab)


def write(path: str, text: str | None) -> None:
    """Write a file, or with None remove it.  Raises `RawnsError` where it cannot be, or where it is somebody else's."""
    before = read(path)
    if before is not None and not ours(before):
        raise RawnsError(f"{path} is there already, and no lab's")
    if text is None:
        if before is not None:
            observed_call("unlink", os.unlink, path)
        _tidy(os.path.dirname(path))
        return
    try:
        _make(os.path.dirname(path))
    except PermissionError:
        from ..rootless import own_etc

        if not own_etc():
            raise
        _make(os.path.dirname(path))
    fresh = f"{os.path.dirname(path)}/{FRESH}"
    with Rollback() as undo:
        undo(os.unlink, fresh)
        observed_call("write", _put, fresh, text, format_args=lambda path, text: f'"{printable(path)}", {len(text)} characters')
        observed_call("rename", os.rename, fresh, path)


def _put(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _make(folder: str) -> None:
    observed_call("mkdir", os.makedirs, folder, 0o755, True, format_args=lambda path, mode, _: f'"{path}", {mode:#o}')


def listed(folder: str, lab: str = "") -> list[str]:
    """The files in a directory that are a lab's, or this lab's."""
    return [file for file in _entries(folder) if ours(read(f"{folder}/{file}"), lab)]


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []  # there is none


def forget(lab: str, names: Collection[str] | None = None) -> None:
    """Remove what a lab has written, for these namespaces or for any: whatever has become of them."""
    for name in _entries(ETC_DIR):
        if names is not None and name not in names:
            continue
        folder = f"{ETC_DIR}/{name}"
        found = listed(folder, lab)
        if name.startswith(f"{lab}.") and FRESH not in found and os.path.lexists(f"{folder}/{FRESH}"):
            found.append(FRESH)
        for file in found:
            observed_call("unlink", os.unlink, f"{folder}/{file}")
        if found:
            _tidy(folder)


def _tidy(folder: str) -> None:
    """Remove a directory of ours that is empty."""
    for path in (folder, ETC_DIR):
        try:
            os.rmdir(path)
        except OSError:
            return  # somebody has put something into it
