"""Which processes have a socket open: the links under /proc/PID/fd, and the names of those that have one of them."""

from __future__ import annotations

import os

from .columns import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

PROC = "/proc"


def owners(inodes: Collection[int], threads: bool) -> dict[int, str]:
    """Return for each socket of these inodes that is open somewhere what ``-p`` shows of it.

    Processes that end meanwhile, and those that the caller may not look into, are left out.
    """
    links = {f"socket:[{inode}]": inode for inode in inodes if inode}
    found: dict[int, list[str]] = {}
    for pid in filter(str.isdigit, os.listdir(PROC)):
        tasks = [pid]
        if threads:
            tasks += [task for task in _listed(f"{PROC}/{pid}/task") if task != pid]
        for task in tasks:
            place = f"{PROC}/{pid}/task/{task}" if task != pid else f"{PROC}/{pid}"
            name = ""
            for fd in _listed(f"{place}/fd"):
                try:
                    inode = links.get(os.readlink(f"{place}/fd/{fd}"))
                except OSError:
                    continue  # it has been closed
                if inode is not None:
                    name = name or _name(place)
                    thread = f"tid={task}," if threads else ""
                    found.setdefault(inode, []).append(f'("{name}",pid={pid},{thread}fd={fd})')
    return {inode: f" users:({','.join(reversed(users))})" for inode, users in found.items()}


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _name(place: str) -> str:
    r"""Return the name of a process or thread, up to the first ``)``, as `ss` reads it from /proc/PID/stat."""
    try:
        with open(f"{place}/stat", "rb") as file:
            return clean(file.read().partition(b"(")[2].partition(b")")[0])
    except OSError:
        return ""


def process_name(pid: int) -> str:
    """Return the name of a process; empty if it cannot be read."""
    return _name(f"{PROC}/{pid}")


def cgroup_paths() -> dict[int, str]:
    """Return the paths of all groups of cgroup v2 by their ids, which are inode numbers."""
    try:
        with open(f"{PROC}/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
            top = next((line.split()[1] for line in mounts if line.split()[2:3] == ["cgroup2"]), "")
    except OSError:
        return {}
    found: dict[int, str] = {}
    for place, _, _ in os.walk(top) if top else ():
        try:
            path = place[len(top) :] or "/"
            found[os.stat(place).st_ino] = clean(path.encode("utf-8", "surrogateescape"))
        except OSError:
            pass  # it has been removed
    return found
