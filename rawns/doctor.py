"""What would make rawns fail or be slow on this machine, found by trying, with the remedy for each.

A `Finding` is one answer.  The checks are functions in `CHECKS`; each takes no arguments, returns findings and raises
nothing.  To add a check, add a function there and a test.
"""

from __future__ import annotations

import os
import sys
import time

from . import netns_names, rootless, syscalls, uapi
from .errors import KernelError, RawnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

OK, NOTE, SLOW, BROKEN = "ok", "note", "slow", "broken"
MAX_MOUNTS = 2000  # from here on each copy of the mount table (unshare -m, ip netns exec) takes milliseconds
REMEDY_RUN = "have /run as a tmpfs from boot on (a line in /etc/fstab)"
MIN_DESCRIPTORS = 256
MIN_PROCESSES = 64
KINDS = ("veth", "bridge", "vxlan", "macvlan", "dummy", "vlan", "vrf", "ipvlan", "bond", "gre", "wireguard", "netkit", "ifb")


class Finding:
    """One result: ``level`` is ``ok``, ``note`` (a feature is missing), ``slow`` or ``broken``; ``remedy`` may be empty."""

    __slots__ = ("level", "remedy", "subject", "text")

    def __init__(self, level: str, subject: str, text: str, remedy: str = "") -> None:
        self.level, self.subject, self.text, self.remedy = level, subject, text, remedy

    def __repr__(self) -> str:
        return f"<Finding {self.level}: {self.subject}: {self.text}>"

    def as_dict(self) -> dict[str, str]:
        """Return it as plain data, as ``rawns doctor --json`` prints it."""
        return {"level": self.level, "subject": self.subject, "text": self.text, "remedy": self.remedy}


def examine() -> Iterator[Finding]:
    """Yield what each check finds, in order.  Nothing remains changed; namespaces are made in a child process."""
    for check in CHECKS:
        try:
            yield from check()
        except (OSError, RawnsError) as error:
            yield Finding(BROKEN, check.__name__.strip("_"), f"the check failed: {error}")


def can_run_article(findings: list[Finding]) -> bool:
    """Tell whether the article could run on this machine: whether nothing is broken."""
    return all(finding.level != BROKEN for finding in findings)


# -- Python and file systems ---------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(OK, "python", f"Python {version}, {sys.executable or 'no path of its own'}")
    try:
        __import__("_ctypes")
    except ImportError as error:
        yield Finding(
            BROKEN,
            "ctypes",
            f"the module ctypes cannot be imported: {error}",
            "install python3 in full, not only python3-minimal",
        )
    try:
        __import__("tomllib")
    except ImportError:
        yield Finding(NOTE, "tomllib", "lab files in TOML need Python 3.11", "use JSON with the same keys")


def _proc() -> Iterator[Finding]:
    if netns_names.identity(netns_names.HERE) is None:
        yield Finding(BROKEN, "/proc", f"{netns_names.HERE} cannot be opened", "mount -t proc proc /proc")
        return
    yield Finding(OK, "/proc", "is mounted")
    if os.path.isdir("/proc/sys/net") and not os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK) and os.geteuid() == 0:
        yield Finding(NOTE, "/proc/sys", "is read-only: labs cannot set sysctls", "mount -o remount,rw /proc/sys")


def _sys() -> Iterator[Finding]:
    if not os.path.isdir("/sys/class/net"):
        yield Finding(NOTE, "/sys", "is not mounted: `ip netns exec` goes on without it", "mount -t sysfs sysfs /sys")


def _run() -> Iterator[Finding]:
    if not os.path.isdir("/run"):
        yield Finding(BROKEN, "/run", "does not exist; names of namespaces are files in /run/netns", "mkdir /run")
        return
    writable = os.access("/run", os.W_OK)
    if not writable and os.geteuid() == 0:
        yield Finding(BROKEN, "/run", "cannot be written to", REMEDY_RUN)
    elif _file_system("/run") not in ("tmpfs", "ramfs"):
        yield Finding(
            SLOW,
            "/run",
            f"is not a tmpfs ({_file_system('/run')}): each name costs 0.4 to 0.8 ms",
            REMEDY_RUN,
        )
    else:
        yield Finding(OK, "/run", "is a tmpfs")


def _mounts() -> Iterator[Finding]:
    with open("/proc/thread-self/mountinfo", "rb") as table:
        count = sum(1 for _ in table)
    if count > MAX_MOUNTS:
        yield Finding(
            SLOW,
            "mounts",
            f"this mount namespace has {count}: every copy of it takes long",
            "unmount stale names: rawns ip netns list",
        )
    stale = netns_names.listed(stale=True)
    if stale:
        yield Finding(NOTE, "names", f"{len(stale)} names under /run/netns lead nowhere", "rawns ip netns del NAME")


def _file_system(path: str) -> str:
    """Return the type of the file system that a path is on: that of the longest mount point above it."""
    best = ("", "unknown file system")
    try:
        with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                fields, _, rest = line.partition(" - ")
                point = fields.split()[4]
                if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
                    best = (point, rest.split()[0])
    except OSError:
        pass
    return best[1]


# -- what the kernel lets this process do --------------------------------------------------------------------------


def _limits() -> Iterator[Finding]:
    import resource

    for name, limit, least, remedy in (
        ("descriptors", resource.RLIMIT_NOFILE, MIN_DESCRIPTORS, "ulimit -n 4096"),
        ("processes", resource.RLIMIT_NPROC, MIN_PROCESSES, "ulimit -u 4096"),
    ):
        soft, _ = resource.getrlimit(limit)
        if 0 <= soft < least:
            yield Finding(NOTE, name, f"the limit is {soft}; a lab holds one descriptor for each host without a name", remedy)
    for name in ("max_net_namespaces", "max_mnt_namespaces", "max_user_namespaces"):
        value = _number(f"/proc/sys/user/{name}")
        if value is not None and value < 100:
            level = BROKEN if value == 0 and (name != "max_user_namespaces" or not rootless.privileged()) else NOTE
            yield Finding(level, f"user.{name}", f"is {value}", f"sysctl -w user.{name}=10000")
    seccomp = _status("Seccomp")
    if seccomp not in ("", "0"):
        yield Finding(NOTE, "seccomp", "a filter is active in this process; it may refuse unshare and setns", "")


def _namespaces() -> Iterator[Finding]:
    how = "with this process's capabilities" if rootless.privileged() else "in a user namespace"
    answer, error = in_child(_create)
    if error:
        yield Finding(BROKEN, "namespaces", f"creating one {how} failed: {error}")
        return
    yield Finding(OK, "namespaces", f"can be created {how}")
    microseconds = int(answer)
    if microseconds > 5000:
        yield Finding(
            SLOW, "unshare", f"creating a namespace takes {microseconds / 1000:.1f} ms here (0.3 ms is usual)",
            "look for many tunnels per namespace (below), conntrack, or namespaces that are being destroyed",
        )  # fmt: skip


def _create() -> str:
    """Create two namespaces and return the microseconds that the second took: the first one loads what is loaded once."""
    syscalls.unshare(uapi.CLONE_NEWNET)
    begin = time.perf_counter()
    syscalls.unshare(uapi.CLONE_NEWNET)
    return str(round((time.perf_counter() - begin) * 1e6))


def _features() -> Iterator[Finding]:
    answer, error = in_child(_try_features)
    if error:
        yield Finding(NOTE, "features", f"could not be tried: {error}")
        return
    present, missing, extra = (part.split() for part in answer.split("|"))
    yield Finding(OK, "kernel", f"has {', '.join(present)}")
    for needed in ("veth", "bridge", "ipv4-ping"):
        if needed in missing:
            yield Finding(BROKEN, needed, "the kernel lacks it, or the module cannot be loaded", f"modprobe {needed}")
    rest = [name for name in missing if name not in ("veth", "bridge", "ipv4-ping")]
    if rest:
        yield Finding(
            NOTE,
            "kernel",
            f"lacks {', '.join(rest)}",
            "modprobe, if the kernel has them as modules",
        )
    if extra:
        yield Finding(
            SLOW, "tunnels", f"every new namespace gets {', '.join(extra)}",
            "sysctl -w net.core.fb_tunnels_only_for_init_net=1",
        )  # fmt: skip


def _try_features() -> str:
    from .net import NetNS

    present: list[str] = []
    missing: list[str] = []
    syscalls.unshare(uapi.CLONE_NEWNET)
    with NetNS.current() as namespace:
        net = namespace.net
        extra = [link.name for link in net.links() if link.name != "lo"]
        net.set_link("lo", up=True)
        for kind in KINDS:
            (present if _has_kind(namespace, kind) else missing).append(kind)
        for name, attempt in (("nf_tables", lambda: net.nft.netfilter), ("ipv4-ping", lambda: _ping(namespace))):
            try:
                attempt()
                present.append(name)
            except (OSError, RawnsError):
                missing.append(name)
    return f"{' '.join(present)}|{' '.join(missing)}|{' '.join(extra)}"


def _ping(namespace: Any) -> None:
    from .icmp import ping

    ping(namespace, "127.0.0.1", timeout=1)


def _has_kind(namespace: Any, kind: str) -> bool:
    """Tell whether the kernel knows a kind of link: any refusal other than EOPNOTSUPP says that it does."""
    from errno import EOPNOTSUPP

    try:
        namespace.net.add_link("probe", kind)
    except KernelError as error:
        return error.errno != EOPNOTSUPP
    namespace.net.delete_link("probe")
    return True


# -- helpers -------------------------------------------------------------------------------------------------------


def in_child(function: Callable[[], str]) -> tuple[str, str]:
    """Run a function in a child process that may create namespaces, as root or in a user namespace; (result, error).

    The caller's own namespaces are not changed, and the child's end with it.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reading)
            try:
                if not rootless.privileged():
                    rootless.enter()
                text = "+" + function()
            except (OSError, RawnsError) as error:
                text = f"-{error}"
            os.write(writing, text.encode("utf-8", "backslashreplace")[:65536])
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(pid, 0)
    if text.startswith("+"):
        return text[1:], ""
    return "", text[1:] or "the child process ended without an answer"


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read(32))
    except (OSError, ValueError):
        return None


def _status(key: str) -> str:
    try:
        with open("/proc/thread-self/status", encoding="ascii", errors="replace") as file:
            return next((line.split()[1] for line in file if line.startswith(f"{key}:")), "")
    except (OSError, IndexError):
        return ""


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _proc, _sys, _run, _mounts, _limits, _namespaces, _features)
__all__ = ["BROKEN", "CHECKS", "NOTE", "OK", "SLOW", "Finding", "can_run_article", "examine"]
