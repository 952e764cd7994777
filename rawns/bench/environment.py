"""The machine it happens on, and what is to be doubted about it.

Floor 7.
"""

from __future__ import annotations

import gzip
import os
import platform
import sys
from glob import glob
from pathlib import Path
from time import strftime

from .. import __version__, rootless
from ..netns import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BUSY = 0.7  # a load of so much for each processor is somebody else's work


def world() -> dict[str, Any]:
    """What a figure depends on, and is worth nothing without."""
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
        "load": round(os.getloadavg()[0], 2),
        "mounts": len(_text("/proc/self/mountinfo").splitlines()),
        "named namespaces": len(Namespace.list()),
        "namespaces with processes": _inhabited(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "as": "root" if os.geteuid() == 0 and _all_users() else "root of a user namespace",
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def _hertz() -> int | None:
    """CONFIG_HZ, where the kernel or the distribution tells."""
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


def _inhabited() -> int:
    found = set()
    for path in glob("/proc/[0-9]*/ns/net"):
        try:
            found.add(os.stat(path).st_ino)
        except OSError:
            pass  # gone, or not ours to look at
    return len(found)


def _all_users() -> bool:
    return _text("/proc/self/uid_map").split() == ["0", "0", "4294967295"]


def doubts(there: dict[str, Any]) -> list[str]:
    """What about the machine makes figures doubtful, each with its remedy."""
    found = []
    if there["load"] > BUSY * there["processors"]:
        found.append(f"the load is {there['load']}, so somebody else is at work: wait for that, and run again")
    if there["governor"] not in (None, "performance"):
        remedy = "`cpupower frequency-set -g performance` keeps the frequency"
        found.append(f"the processors' frequency governor is {there['governor']}: {remedy}")
    if there["mounts"] > 500:
        found.append(f"there are {there['mounts']} mounts, and each makes naming a namespace slower: unmount what is not needed")
    return found


def enter() -> None:
    """Where names cannot be made, go where they can be: a user namespace of one's own (`rawns rootless`)."""
    if not rootless.privileged():
        rootless.enter()
