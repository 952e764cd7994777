"""``unshare`` and ``nsenter`` of util-linux, and busybox's ``nsenter``."""

from __future__ import annotations

from pathlib import Path

from ..harness import TOOL, Implementation, Ready
from .source import PeerSource, command_version, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..harness import Run, Steps, Trial


def unshared(*command: str) -> Run:
    """Return an implementation that keeps a new namespace under a name with ``--net=FILE``."""

    def run_steps(trial: Trial) -> Steps:
        path = f"/run/netns/{trial.names[0]}"
        Path(path).touch(0o000)
        try:
            run(*command, f"--net={path}", "true")
            yield "create"
            yield Ready([trial.names[0]])
        finally:
            run("umount", "-l", path)
            Path(path).unlink()
        yield "delete"

    return run_steps


def entering(*command: str) -> Run:
    """Return an implementation that runs ``true`` in a namespace with ``--net=FILE``."""

    def run_steps(trial: Trial) -> Steps:
        run(*command, f"--net={trial.prepared['path']}", trial.prepared["true"])
        yield "fork, exec, exit"

    return run_steps


def _unshare(case: str, version: str) -> list[Implementation]:
    note = "the file of the name is created by Python"
    return [Implementation("unshare --net=FILE", unshared("unshare"), TOOL, version, note=note)] if case == "named" else []


def _nsenter(case: str, version: str) -> list[Implementation]:
    return [Implementation("nsenter", entering("nsenter"), TOOL, version)] if case == "exec" else []


def _busybox(case: str, version: str) -> list[Implementation]:
    return [Implementation("busybox nsenter", entering("busybox", "nsenter"), TOOL, version)] if case == "exec" else []


UTIL_LINUX = "apt-get install util-linux"
SOURCES = [
    PeerSource("unshare", lambda: command_version("unshare", "--version", remedy=UTIL_LINUX), _unshare),
    PeerSource("nsenter", lambda: command_version("nsenter", "--version", remedy=UTIL_LINUX), _nsenter),
    PeerSource("busybox", lambda: command_version("busybox", remedy="apt-get install busybox"), _busybox),
]
