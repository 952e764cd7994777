"""What would make rawns fail or be slow on this machine, found by trying, with the remedy for each.

A `Finding` is one answer.  The checks are functions in `CHECKS`; each takes no arguments, returns findings and raises
nothing.  To add a check, add a function there and a test.  The bench reports those that say what makes a machine slow
(`slowdowns`) beside its figures.
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
MAX_SHARED_MOUNTS = 500  # below a shared /run: each new name is mounted in every mount namespace that shares it
MAX_CONNECTIONS = 10_000  # tracked: the kernel searches all of them for those of each namespace that ends
CLEANUP_SECONDS = 0.5  # in which the kernel frees a namespace if it has nothing else to free: tens of milliseconds are usual
MAX_WAIT = 5.0  # seconds for which that is awaited
REMEDY_RUN = "have /run as a tmpfs from boot on (a line in /etc/fstab)"
MIN_DESCRIPTORS = 256
MIN_PROCESSES = 64
KINDS = ("veth", "bridge", "vxlan", "macvlan", "dummy", "vlan", "vrf", "ipvlan", "bond", "gre", "wireguard", "netkit", "ifb")
QUEUES = ("tbf", "netem")
NEEDED = ("veth", "bridge", "ipv4-ping")


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


def slowdowns() -> Iterator[Finding]:
    """Yield what makes namespaces slow on this machine, each with its remedy."""
    for check in SPEED_CHECKS:
        try:
            yield from (finding for finding in check() if finding.level == SLOW)
        except (OSError, RawnsError):
            pass  # `examine` reports it


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
    count = shared = 0
    with open("/proc/thread-self/mountinfo", "rb") as table:
        for line in table:
            count += 1
            fields = line.split()
            shared += fields[4].startswith(b"/run/") and any(
                word.startswith(b"shared:") for word in fields[6 : fields.index(b"-")]
            )
    remedy = "delete names that are not used (rawns ip netns del NAME), and unmount what is not needed"
    if count > MAX_MOUNTS:
        yield Finding(SLOW, "mounts", f"this mount namespace has {count}: every copy of it takes long", remedy)
    if shared > MAX_SHARED_MOUNTS:
        text = f"{shared} shared ones are below /run: each new name is mounted in every mount namespace that shares them"
        yield Finding(SLOW, "mounts", text, remedy)


def _stale_names() -> Iterator[Finding]:
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


def _privileges() -> Iterator[Finding]:
    if rootless.privileged():
        yield Finding(OK, "privileges", "this process may create namespaces with names (CAP_SYS_ADMIN, CAP_NET_ADMIN)")
    else:
        text = "this process may not create namespaces with names; labs, demo and tests then work in a user namespace"
        yield Finding(NOTE, "privileges", text, "run as root, or in a shell of `rawns rootless`")
    for path, refusing, remedy in (
        ("/proc/sys/kernel/unprivileged_userns_clone", 0, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile of AppArmor for the interpreter",
        ),
    ):
        if _number(path) == refusing:
            name = path[len("/proc/sys/") :].replace("/", ".")
            yield Finding(NOTE, "user namespaces", f"ordinary users may not use them ({name} is {refusing})", remedy)


def _tap_device() -> Iterator[Finding]:
    if not os.path.exists("/dev/net/tun"):
        yield Finding(
            NOTE, "/dev/net/tun", "does not exist: there are no taps", "modprobe tun; in a container --device /dev/net/tun"
        )
    elif not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        yield Finding(NOTE, "/dev/net/tun", "may not be opened by this user: there are no taps", "chmod 666 /dev/net/tun")


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
            "stop what else creates or deletes namespaces and links; they take turns at one lock of the kernel (RTNL)",
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
    present, missing = (part.split() for part in answer.split("|"))
    yield Finding(OK, "kernel", f"has {', '.join(present)}")
    for needed in NEEDED:
        if needed in missing:
            yield Finding(BROKEN, needed, "the kernel lacks it, or the module cannot be loaded", f"modprobe {needed}")
    rest = [name for name in missing if name not in NEEDED]
    if rest:
        yield Finding(
            NOTE,
            "kernel",
            f"lacks {', '.join(rest)}",
            "modprobe, if the kernel has them as modules",
        )


def _try_features() -> str:
    from .net import NetNS

    present: list[str] = []
    missing: list[str] = []
    syscalls.unshare(uapi.CLONE_NEWNET)
    with NetNS.current() as namespace:
        net = namespace.net
        net.set_link("lo", up=True)
        for kind in KINDS:
            (present if _has_kind(namespace, kind) else missing).append(kind)
        for kind in QUEUES:
            (present if _has_discipline(namespace, kind) else missing).append(kind)
        for name, attempt in (("nf_tables", lambda: net.nft.netfilter), ("ipv4-ping", lambda: _ping(namespace))):
            try:
                attempt()
                present.append(name)
            except (OSError, RawnsError):
                missing.append(name)
    return f"{' '.join(present)}|{' '.join(missing)}"


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


def _has_discipline(namespace: Any, kind: str) -> bool:
    """Tell whether the kernel knows a queueing discipline: for one that it does not know it says ENOENT."""
    from errno import ENOENT

    from . import rtnl
    from .nlmsg import Request

    body = {"tcm_ifindex": 1, "tcm_parent": uapi.TC_H_ROOT, "TCA_KIND": kind}
    try:
        namespace.net.do(Request(rtnl.NEWQDISC, body, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE))
    except KernelError as error:
        return error.errno != ENOENT
    return True


# -- what makes namespaces slow --------------------------------------------------------------------------------------


def _tunnels() -> Iterator[Finding]:
    answer, _ = in_child(_extra_links)
    if answer:
        value = _number("/proc/sys/net/core/fb_tunnels_only_for_init_net")
        yield Finding(
            SLOW, "tunnels", f"every new namespace gets {answer} (net.core.fb_tunnels_only_for_init_net is {value})",
            "sysctl -w net.core.fb_tunnels_only_for_init_net=1",
        )  # fmt: skip


def _extra_links() -> str:
    """Return the names of the links that a new namespace has besides lo."""
    from .net import NetNS

    syscalls.unshare(uapi.CLONE_NEWNET)
    with NetNS.current() as namespace:
        return ", ".join([link.name for link in namespace.net.links() if link.name != "lo"])


def _conntrack() -> Iterator[Finding]:
    count = _number("/proc/sys/net/netfilter/nf_conntrack_count")
    if count is not None and count > MAX_CONNECTIONS:
        text = f"tracks {count} connections here, and the kernel searches all of them for those of each namespace that ends"
        yield Finding(SLOW, "conntrack", text, "conntrack -F, or rules with notrack for what needs no tracking")


def _cleanup() -> Iterator[Finding]:
    answer, _ = in_child(_time_of_cleanup)
    seconds = float(answer or 0)
    if seconds > CLEANUP_SECONDS:
        how = f"more than {MAX_WAIT:.0f}" if seconds >= MAX_WAIT else f"{seconds:.1f}"
        yield Finding(
            SLOW, "cleanup", f"the kernel frees a deleted namespace after {how} s: others that were deleted are freed first",
            "wait until they are freed, or stop what creates and deletes namespaces",
        )  # fmt: skip


def _time_of_cleanup() -> str:
    """Return for how many seconds the near end of a wire stays after the namespace of its far end is gone."""
    from .net import NetNS

    syscalls.unshare(uapi.CLONE_NEWNET)
    with NetNS.current() as here, here.monitor("link") as monitor:
        with NetNS.create() as far:
            here.net.add_veth("near", peer="far", peer_ns=far)
        begin = now = time.monotonic()
        while now - begin < MAX_WAIT:
            events = monitor.receive(MAX_WAIT - (now - begin))
            now = time.monotonic()
            if any(event.kind == uapi.RTM_DELLINK for event in events):
                break
    return f"{now - begin:.3f}"


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


SPEED_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (_run, _mounts, _tunnels, _conntrack, _cleanup)
CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _proc,
    _sys,
    _stale_names,
    _limits,
    _privileges,
    _namespaces,
    _features,
    _tap_device,
    *SPEED_CHECKS,
)
__all__ = ["BROKEN", "CHECKS", "NOTE", "OK", "SLOW", "SPEED_CHECKS", "Finding", "can_run_article", "examine", "slowdowns"]
