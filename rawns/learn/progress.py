"""Which chapters of `rawns learn` a user has done: a file under $XDG_STATE_HOME/rawns."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1 << 16


def path(environment: Mapping[str, str]) -> str:
    """Return the path of the file: $XDG_STATE_HOME/rawns/learn.json, by default below ~/.local/state."""
    state = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the specification: a relative path is ignored
        state = os.path.join(environment.get("HOME") or "/nonexistent", ".local", "state")
    return os.path.join(state, "rawns", "learn.json")


def read(file: str) -> set[str]:
    """Return the names of the chapters that are done; none if the file cannot be read or holds anything else."""
    try:
        with open(file, "rb") as source:
            held = json.loads(source.read(MAX_BYTES))
        return {name for name in held["done"] if isinstance(name, str)}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return set()


def mark(file: str, name: str) -> None:
    """Add a chapter to those that are done.  The file is replaced as a whole.  Raises OSError (a full disk, no permission)."""
    from fcntl import LOCK_EX, flock

    os.makedirs(os.path.dirname(file), exist_ok=True)
    directory = os.open(os.path.dirname(file), os.O_RDONLY | os.O_CLOEXEC)
    try:
        flock(directory, LOCK_EX)  # chapters in two terminals can be done at the same time
        _replace(file, sorted(read(file) | {name}))
    finally:
        os.close(directory)


def _replace(file: str, done: list[str]) -> None:
    temporary = f"{file}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as target:
            json.dump({"done": done}, target)
        os.rename(temporary, file)
    except OSError:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise
