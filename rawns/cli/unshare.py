"""`rawns unshare`: a program in new namespaces; options, messages and exit statuses are those of util-linux (unshare(1))."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`
import os
import time
from errno import EINVAL

from .. import __version__, syscalls, uapi
from ..errors import SyscallError
from ..rollback import set_signal_mask
from ..user_maps import NO_ID, IdRange, inherit_capabilities, subordinate_ids, write_file
from .util_linux import (
    FLAGS,
    NAMESPACES,
    VERSION,
    Failed,
    UtilLinuxCommand,
    attempt,
    complain,
    default_signals,
    execute,
    forbid_imports,
    number,
    set_ids,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COMMAND = UtilLinuxCommand(
    "unshare",
    "Run a program with some namespaces unshared from the parent.",
    (
        ("-m, --mount", "[=<file>]", "unshare mounts namespace"),
        ("-u, --uts", "[=<file>]", "unshare UTS namespace (hostname etc)"),
        ("-i, --ipc", "[=<file>]", "unshare System V IPC namespace"),
        ("-n, --net", "[=<file>]", "unshare network namespace"),
        ("-p, --pid", "[=<file>]", "unshare pid namespace"),
        ("-U, --user", "[=<file>]", "unshare user namespace"),
        ("-C, --cgroup", "[=<file>]", "unshare cgroup namespace"),
        ("-T, --time", "[=<file>]", "unshare time namespace"),
        (),
        ("-f, --fork", "", "fork before launching <program>"),
        ("--map-user", "=<uid>|<name>", "map current user to uid (implies --user)"),
        ("--map-group", "=<gid>|<name>", "map current group to gid (implies --user)"),
        ("-r, --map-root-user", "", "map current user to root (implies --user)"),
        ("-c, --map-current-user", "", "map current user to itself (implies --user)"),
        ("--map-auto", "", "map users and groups automatically (implies --user)"),
        ("--map-users", "=<outeruid>,<inneruid>,<count>", "map count users from outeruid to inneruid (implies --user)"),
        ("--map-groups", "=<outergid>,<innergid>,<count>", "map count groups from outergid to innergid (implies --user)"),
        (),
        ("--kill-child", "[=<signame>]", "when dying, kill the forked child (implies --fork)\n  defaults to SIGKILL"),
        ("--mount-proc", "[=<dir>]", "mount proc filesystem first (implies --mount)"),
        ("--propagation", " slave|shared|private|unchanged", "modify mount propagation in mount namespace"),
        ("--setgroups", " allow|deny", "control the setgroups syscall in user namespaces"),
        ("--keep-caps", "", "retain capabilities granted in user namespaces"),
        (),
        ("-R, --root", "=<dir>", "run the command with root directory set to <dir>"),
        ("-w, --wd", "=<dir>", "change working directory to <dir>"),
        ("-S, --setuid", " <uid>", "set uid in entered namespace"),
        ("-G, --setgid", " <gid>", "set gid in entered namespace"),
        ("--monotonic", " <offset>", "set clock monotonic offset (seconds) in time namespaces"),
        ("--boottime", " <offset>", "set clock boottime offset (seconds) in time namespaces"),
        (),
        ("-h, --help", "", "display this help"),
        ("-V, --version", "", "display version"),
    ),
    "help version mount uts ipc net pid user cgroup time fork kill-child mount-proc map-user map-users map-group map-groups "
    "map-root-user map-current-user map-auto propagation setgroups keep-caps setuid setgid root wd monotonic boottime",
    27,
    only_long=True,
)
PROPAGATION = {
    "slave": uapi.MS_REC | uapi.MS_SLAVE,
    "private": uapi.MS_REC | uapi.MS_PRIVATE,
    "shared": uapi.MS_REC | uapi.MS_SHARED,
    "unchanged": 0,
}
SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"
SIGSTKFLT = 16  # which Python has from 3.11 on


# -- what options mean -------------------------------------------------------------------------------------------------------


def _propagation(mode: str) -> int:
    if mode not in PROPAGATION:
        raise Failed(f"unsupported propagation mode: {mode}")
    return PROPAGATION[mode]


def _setgroups(word: str) -> str:
    if word not in ("allow", "deny"):
        raise Failed(f"unsupported --setgroups argument '{word}'")
    return word


def signal_number(name: str) -> int:
    """Return the number of a signal by its name: ``KILL``, ``sigkill``, ``rtmin+3``, ``RTMAX-1``.  Raises `Failed`."""
    word = name.upper().removeprefix("SIG")
    found = SIGSTKFLT if word == "STKFLT" else getattr(_signal, f"SIG{word}", 0) if word.isalnum() else 0
    if word.startswith("RT"):
        last = word.startswith("RTMAX-")
        text = word[6:] if last or word.startswith("RTMIN+") else word[2:]
        digits = text[: len(text) - len(text.lstrip("0123456789"))][:4]
        found = (_signal.SIGRTMAX - int(digits) if last else _signal.SIGRTMIN + int(digits)) if digits else 0
        found = found if _signal.SIGRTMIN <= found <= _signal.SIGRTMAX else 0
    if not found:
        raise Failed(f"unknown signal: {name}")
    return int(found)


def _id_of(name: str, kind: str) -> int:
    """Return the id of a user or a group (``kind``: ``uid``, ``gid``) by its name or its number."""
    try:
        if kind == "uid":
            import pwd

            return pwd.getpwnam(name).pw_uid
        import grp

        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return number(name, f"failed to parse {kind}") & NO_ID


def id_range(text: str, path: str) -> IdRange:
    """Return the range that ``OUTER,INNER,COUNT`` describes, or, for ``auto``, the first of this user in /etc/subuid.

    Raises `Failed`.
    """
    if text == "auto":
        return _own_range(path)
    parts = text[:-1].split(",")
    parts[-1] += text[-1:]  # a comma at the end is taken for a part of the last number
    found: list[int] = []
    for part in parts:
        one = number(part, "could not parse ID") & NO_ID if part and len(found) < 3 else NO_ID
        if one == NO_ID:
            raise Failed(f"too many elements for mapping '{text}'")
        found.append(one)
    if len(found) < 3:
        raise Failed(f"mapping '{text}' contains only {len(found)} elements")
    return IdRange(found[1], found[0], found[2])


def _own_range(path: str) -> IdRange:
    """Return the first range of ids that /etc/subuid or /etc/subgid has for this user.  Raises `Failed`."""
    import pwd

    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise Failed(f"you (user {uid}) don't exist.") from None
    try:
        found = attempt(f"could not open '{path}'", subordinate_ids, path, name, uid)
    except ValueError:
        raise Failed("failed to parse subid map") from None
    if found is None:
        raise Failed(f'no line matching user "{name}" in {path}: {os.strerror(0)}')
    return found


def _both_ranges() -> dict[str, Any]:
    return {"users": _own_range(SUBUID), "groups": _own_range(SUBGID)}


# What each option sets, from its argument.  Of options that set the same, the last one counts.
SETTERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "--fork": lambda _: {"fork": True},
    "--kill-child": lambda name: {"fork": True, "kill_signal": signal_number(name)},
    "--mount-proc": lambda path: {"proc": path},
    "--propagation": lambda mode: {"propagation": _propagation(mode)},
    "--setgroups": lambda word: {"setgroups": _setgroups(word)},
    "--keep-caps": lambda _: {"keep_capabilities": True},
    "--root": lambda path: {"root": path},
    "--wd": lambda path: {"directory": path},
    "--setuid": lambda text: {"uid": number(text, "failed to parse uid")},
    "--setgid": lambda text: {"gid": number(text, "failed to parse gid")},
    "--monotonic": lambda text: {"monotonic": number(text, "failed to parse monotonic offset")},
    "--boottime": lambda text: {"boottime": number(text, "failed to parse boottime offset")},
    "--map-user": lambda text: {"user": _id_of(text, "uid")},
    "--map-group": lambda text: {"group": _id_of(text, "gid")},
    "--map-root-user": lambda _: {"user": 0, "group": 0},
    "--map-current-user": lambda _: {"user": os.geteuid(), "group": os.getegid()},
    "--map-users": lambda text: {"users": id_range(text, SUBUID)},
    "--map-groups": lambda text: {"groups": id_range(text, SUBGID)},
    "--map-auto": lambda _: _both_ranges(),
}
LEFT_OUT = {"--kill-child": "KILL", "--mount-proc": "/proc"}  # arguments that may be left out
IMPLIED = {"--mount-proc": uapi.CLONE_NEWNS, **{key: uapi.CLONE_NEWUSER for key in SETTERS if key.startswith("--map-")}, **FLAGS}


class UnshareSettings:
    """What a command line asks for."""

    def __init__(self) -> None:
        self.flags = self.kill_signal = 0
        self.targets: dict[int, str] = {}  # the files to which namespaces are bound, by CLONE_NEW*
        self.fork = self.keep_capabilities = False
        self.proc: str | None = None
        self.setgroups: str | None = None
        self.root: str | None = None
        self.directory: str | None = None
        self.propagation = PROPAGATION["private"]
        self.outer = os.geteuid(), os.getegid()
        self.user = self.group = NO_ID  # the ids that these have inside
        self.users: IdRange | None = None
        self.groups: IdRange | None = None
        self.uid: int | None = None
        self.gid: int | None = None
        self.monotonic: int | None = None  # offsets of clocks in seconds
        self.boottime: int | None = None

    def take(self, key: str, text: str | None) -> None:
        """Take one option.  Raises `Failed`."""
        self.flags |= IMPLIED.get(key, 0)
        if key in FLAGS:
            if text is not None:
                self.targets[FLAGS[key]] = text
            return
        for name, value in SETTERS[key](LEFT_OUT.get(key, "") if text is None else text).items():
            setattr(self, name, value)


# -- the program -------------------------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Run ``rawns unshare``; return the exit status.  Does not return if the program is executed without a fork."""
    settings = UnshareSettings()
    words = list(argv)
    try:
        for key, text in COMMAND.read(words):
            if key == "--version":
                print(f"unshare from {VERSION} (rawns {__version__})")
                return 0
            settings.take(key, text)
        if not (settings.monotonic is settings.boottime is None or settings.flags & uapi.CLONE_NEWTIME):
            raise Failed("options --monotonic and --boottime require unsharing of a time namespace (-t)")
        return _run(settings, words)
    except Failed as failed:
        return complain("unshare", failed)


def _run(settings: UnshareSettings, words: list[str]) -> int:
    """Unshare, fork if that is asked for, and execute the program; return the exit status of the child."""
    default_signals()
    parent = os.getpid()
    binder = mapper = None
    if settings.targets and settings.flags & uapi.CLONE_NEWNS:
        binder = Helper(lambda: _bind(settings.targets, parent))  # its mounts must be those of the old namespace
    if settings.users or settings.groups:
        mapper = Helper(lambda: _map_ranges(settings, parent))
    attempt("unshare failed", syscalls.unshare, settings.flags)
    if mapper is not None:
        mapper.finish()
    for clock, offset in ((time.CLOCK_BOOTTIME, settings.boottime), (time.CLOCK_MONOTONIC, settings.monotonic)):
        if offset is not None:
            line = f"{clock} {offset - (offset >> 63 << 64)} 0"
            _write("/proc/self/timens_offsets", line, "failed to open", "failed to write to")
    child = _fork(settings.kill_signal) if settings.fork else None
    if child == 0:
        _enter(settings)
        execute(words)
    if binder is not None:
        binder.finish()
    else:
        _bind(settings.targets, parent)
    if child is not None:
        return _wait(child)
    _enter(settings)
    return execute(words)


class Helper:
    """A child process that stays outside of the new namespaces, and calls ``work`` when `finish` is called."""

    def __init__(self, work: Callable[[], object]) -> None:
        reading, self._writing = os.pipe()
        self._pid = attempt("fork failed", syscalls.fork)
        if self._pid:
            os.close(reading)
            return
        os.close(self._writing)
        status = 1
        try:
            if os.read(reading, 1):  # otherwise the parent has failed
                work()
                status = 0
        except Failed as failed:
            status = complain("unshare", failed)
        finally:
            os._exit(status)

    def finish(self) -> None:
        """Let the child work, and wait for its end.  Raises `Failed` without a message if it has failed and said why."""
        os.write(self._writing, b"\n")
        os.close(self._writing)
        _succeeded(self._pid)


def _succeeded(pid: int) -> None:
    """Wait for a child.  Raises `Failed` without a message if its exit status is not 0."""
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise Failed("", os.WEXITSTATUS(status))


def _bind(targets: dict[int, str], pid: int) -> None:
    """Bind namespaces of a process to files, which keep them when it has ended."""
    for flag, name in NAMESPACES:
        if flag in targets:
            source = f"/proc/{pid}/ns/{name}" + ("_for_children" if name in ("pid", "time") else "")
            what = f"mount {source} on {targets[flag]} failed"
            attempt(what, syscalls.mount, source, targets[flag], None, uapi.MS_BIND, None)


def _map_ranges(settings: UnshareSettings, pid: int) -> None:
    """Map ranges of ids with newuidmap(1) and newgidmap(1), which may do that for an ordinary user."""
    for program, mapped, inner, outer in (
        ("newuidmap", settings.users, settings.user, settings.outer[0]),
        ("newgidmap", settings.groups, settings.group, settings.outer[1]),
    ):
        if mapped is None:
            continue
        ranges = [mapped] if inner == NO_ID else mapped.around(inner, outer)
        child = attempt("fork failed", syscalls.fork)
        if child == 0:
            execute([program, str(pid), *(word for one in ranges for word in str(one).split())])
        _succeeded(child)


def _fork(kill_signal: int) -> int:
    """Fork; return the child's pid in the parent, which blocks SIGINT and SIGTERM, and 0 in the child.

    The child gets the signal ``kill_signal``, unless it is 0, when the parent ends.  Raises `Failed`.
    """
    from select import select

    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT, _signal.SIGTERM})
    parent = attempt("pidfd_open failed", os.pidfd_open, os.getpid()) if kill_signal else -1
    child = attempt("fork failed", syscalls.fork)
    if child == 0:
        set_signal_mask(blocked)
        if kill_signal:
            attempt("prctl failed", syscalls.prctl, uapi.PR_SET_PDEATHSIG, kill_signal, 0, 0, 0)
            if select([parent], [], [], 0)[0]:  # it has ended before that call
                os._exit(1)
    return child


def _wait(child: int) -> int:
    """Wait for the child; return its exit status, or end as it has: by the same signal."""
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    ended_by = os.WTERMSIG(status)
    attempt("sigprocmask unblock failed", _signal.signal, ended_by, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {ended_by})
    os.kill(os.getpid(), ended_by)
    raise Failed(f"child exit failed: {os.strerror(0)}")


def _enter(settings: UnshareSettings) -> None:
    """Do in the new namespaces, and in the child if there is one, what comes before the program."""
    keep = settings.keep_capabilities and settings.flags & uapi.CLONE_NEWUSER
    status = attempt("cannot open /proc/self/status", syscalls.open_, "/proc/self/status", os.O_RDONLY) if keep else -1
    _map_ids(settings)
    if settings.flags & uapi.CLONE_NEWNS and settings.propagation:
        what = "cannot change root filesystem propagation"
        attempt(what, syscalls.mount, "none", "/", None, settings.propagation, None)
    if settings.root is not None:
        forbid_imports()
        attempt(f"cannot change root directory to '{settings.root}'", os.chroot, settings.root)
    directory = settings.directory if settings.directory is not None else "/" if settings.root is not None else None
    if directory is not None:
        attempt(f"cannot chdir to '{directory}'", os.chdir, directory)
    if settings.proc is not None:
        _mount_proc(settings.proc, settings.root is None and settings.propagation != PROPAGATION["private"])
    set_ids(settings.uid, settings.gid, lambda: attempt("setgroups failed", os.setgroups, []))
    if keep:
        permitted = next(line for line in syscalls.read(status, 1 << 16).splitlines() if line.startswith(b"CapPrm:"))
        attempt("capset failed", inherit_capabilities, int(permitted.split()[1], 16))


def _map_ids(settings: UnshareSettings) -> None:
    """Map the ids of this process, unless that has been done with ranges, and allow or deny setgroups(2)."""
    if settings.user != NO_ID and settings.users is None:
        _write("/proc/self/uid_map", f"{settings.user} {settings.outer[0]} 1")
    if settings.group != NO_ID and settings.groups is None:
        if settings.setgroups == "allow":
            raise Failed("options --setgroups=allow and --map-group are mutually exclusive")
        _write("/proc/self/setgroups", "deny")  # without it an ordinary user may not map a group
        _write("/proc/self/gid_map", f"{settings.group} {settings.outer[1]} 1")
    if settings.setgroups is not None:
        _write("/proc/self/setgroups", settings.setgroups)


def _mount_proc(path: str, make_private: bool) -> None:
    """Mount a new proc file system, which shows the processes of the new PID namespace."""
    if make_private:
        try:
            syscalls.mount("none", path, None, uapi.MS_PRIVATE | uapi.MS_REC, None)
        except OSError as error:
            if error.errno != EINVAL:  # nothing is mounted there
                raise Failed(f"cannot change {path} filesystem propagation: {error.strerror}") from None
    attempt(f"mount {path} failed", syscalls.mount, "proc", path, "proc", uapi.MS_NOSUID | uapi.MS_NOEXEC | uapi.MS_NODEV, None)


def _write(path: str, text: str, opening: str = "cannot open", writing: str = "write failed") -> None:
    """Write to a file of /proc.  Raises `Failed`."""
    try:
        write_file(path, text)
    except SyscallError as error:
        raise Failed(f"{opening if error.call == 'open' else writing} {path}: {error.strerror}") from None
