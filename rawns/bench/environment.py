"""The machine that is measured, and what makes its figures doubtful."""

from __future__ import annotations

import gzip
import os
import platform
import sys
from glob import glob
from pathlib import Path
from time import sleep, strftime

from .. import __version__, doctor, rootless
from ..netns import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OBSERVED = 0.3  # seconds in which the bench does nothing and looks how busy the processors are
MAX_BUSY = 0.1  # of all processors' time


def describe() -> dict[str, Any]:
    """Return what the figures depend on: kernel, processors, Python, privileges, and what else the machine is doing."""
    governors = sorted({_text(path) for path in glob("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")} - {""})
    return {
        "date": strftime("%Y-%m-%dT%H:%M:%S%z"),
        "rawns": __version__,
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "HZ": _hertz(),
        "processors": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "governor": ", ".join(governors) or None,
        "busy before": busy(),
        "slow": [f"{one.subject}: {one.text}: {one.remedy}" for one in doctor.slowdowns()],
        "mounts": len(_text("/proc/self/mountinfo").splitlines()),
        "named namespaces": len(Namespace.list()),
        "namespaces with processes": _namespaces_in_use(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "as": "root" if os.geteuid() == 0 and _all_users() else "root of a user namespace",
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def busy(seconds: float = OBSERVED) -> float | None:
    """Return which part of all processors' time other programs use now, or None if the kernel does not say (proc_stat(5)).

    The load average would not do: it still contains what the bench itself did a minute ago.
    """
    before = _processor_times()
    sleep(seconds)
    after = _processor_times()
    if before is None or after is None or after[1] <= before[1]:
        return None
    return round(1 - (after[0] - before[0]) / (after[1] - before[1]), 3)


def _processor_times() -> tuple[int, int] | None:
    """Return ticks of all processors: idle or waiting for a disk, and altogether."""
    words = _text("/proc/stat").split("\n", 1)[0].split()[1:]
    if len(words) < 8 or not all(word.isdigit() for word in words):
        return None
    ticks = [int(word) for word in words[:8]]  # the rest, time of guests, is contained in these
    return ticks[3] + ticks[4], sum(ticks)


def _hertz() -> int | None:
    """Return CONFIG_HZ, if the kernel or the distribution publishes its configuration."""
    for path in ("/proc/config.gz", f"/boot/config-{os.uname().release}"):
        try:
            data = Path(path).read_bytes()
        except OSError:
            continue
        for line in (gzip.decompress(data) if path.endswith(".gz") else data).decode(errors="replace").splitlines():
            if line.startswith("CONFIG_HZ="):
                return int(line.partition("=")[2])
    return None


def _processor() -> str | None:
    lines = _text("/proc/cpuinfo").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _namespaces_in_use() -> int:
    found = set()
    for path in glob("/proc/[0-9]*/ns/net"):
        try:
            found.add(os.stat(path).st_ino)
        except OSError:
            pass  # the process has ended, or belongs to another user
    return len(found)


def _all_users() -> bool:
    return _text("/proc/self/uid_map").split() == ["0", "0", "4294967295"]


def warnings(there: dict[str, Any]) -> list[str]:
    """Return what about the machine makes figures doubtful, each with its remedy."""
    found = []
    for when in ("before", "after"):
        part = there.get(f"busy {when}")
        if part is not None and part > MAX_BUSY:
            found.append(f"{when} the measurement other programs used {part:.0%} of the processors: stop them, and measure again")
    if there["governor"] not in (None, "performance"):
        remedy = "`cpupower frequency-set -g performance` keeps the frequency constant"
        found.append(f"the processors' frequency governor is {there['governor']}: {remedy}")
    return [*found, *there["slow"]]


def enter() -> None:
    """Enter a user namespace of this process's own if it may not create named namespaces (``rawns rootless``)."""
    if not rootless.privileged():
        rootless.enter()
