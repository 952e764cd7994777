"""`rawns nsenter`: a program in namespaces of another process; options, messages and exit statuses are those of util-linux.

nsenter(1).  From the first setns(2) on nothing is imported: the files may be those of another machine or container.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`
import os

from .. import __version__, syscalls
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

COMMAND = UtilLinuxCommand(
    "nsenter",
    "Run a program with namespaces of other processes.",
    (
        ("-a, --all", "", "enter all namespaces"),
        ("-t, --target", " <pid>", "target process to get namespaces from"),
        ("-m, --mount", "[=<file>]", "enter mount namespace"),
        ("-u, --uts", "[=<file>]", "enter UTS namespace (hostname etc)"),
        ("-i, --ipc", "[=<file>]", "enter System V IPC namespace"),
        ("-n, --net", "[=<file>]", "enter network namespace"),
        ("-p, --pid", "[=<file>]", "enter pid namespace"),
        ("-C, --cgroup", "[=<file>]", "enter cgroup namespace"),
        ("-U, --user", "[=<file>]", "enter user namespace"),
        ("-T, --time", "[=<file>]", "enter time namespace"),
        ("-S, --setuid", " <uid>", "set uid in entered namespace"),
        ("-G, --setgid", " <gid>", "set gid in entered namespace"),
        ("    --preserve-credentials", "", "do not touch uids or gids"),
        ("-r, --root", "[=<dir>]", "set the root directory"),
        ("-w, --wd", "[=<dir>]", "set the working directory"),
        ("-W. --wdns", " <dir>", "set the working directory in namespace"),
        ("-F, --no-fork", "", "do not fork before exec'ing <program>"),
        ("-Z, --follow-context", "", "set SELinux context according to --target PID"),
        (),
        ("-h, --help", "", "display this help"),
        ("-V, --version", "", "display version"),
    ),
    "all help version target mount uts ipc net pid user cgroup time setuid setgid root wd wdns no-fork preserve-credentials "
    "follow-context",
    24,
)
SELINUX = "/sys/fs/selinux"


class NsenterSettings:
    """What a command line asks for: descriptors of what it has named, and what is still to be opened."""

    def __init__(self) -> None:
        self.target = 0
        self.opened: dict[str, int] = {}  # descriptors, by file under /proc/PID: ``ns/net``, ``root``, ``cwd``
        self.wanted: set[str] = set()  # those of the target
        self.wdns: str | None = None
        self.uid: int | None = None
        self.gid: int | None = None
        self.every = self.preserve_credentials = self.no_fork = self.follow_context = False

    def take(self, key: str, text: str | None) -> None:
        """Take one option.  Raises `Failed`."""
        if key in FILES:
            if text is None:
                self.wanted.add(FILES[key])
            else:
                self.open(FILES[key], text)
        elif key == "--target":
            self.target = number(text or "", "failed to parse pid") & 0xFFFFFFFF
        elif key in ("--setuid", "--setgid"):
            setattr(self, key[5:], number(text or "", f"failed to parse {key[5:]}"))
        elif key == "--wdns":
            self.wdns = text
        else:
            setattr(self, SWITCHES[key], True)

    def open(self, name: str, path: str | None = None) -> None:
        """Open a file, or the one under /proc/PID of the target.  Raises `Failed`."""
        if path is None and not self.target:
            raise Failed(f"neither filename nor target pid supplied for {name}")
        path = path if path is not None else f"/proc/{self.target}/{name}"
        descriptor = attempt(f"cannot open {path}", syscalls.open_, path, os.O_RDONLY)
        if name in self.opened:
            os.close(self.opened[name])
        self.opened[name] = descriptor

    def open_wanted(self) -> None:
        """Open what has not been opened when its option was read.  Raises `Failed`."""
        if self.every:
            if not self.target:
                raise Failed("no target PID specified for --all")
            self.wanted.update(name for _, name in ENTERED if name not in self.opened and self._usable(name))
        for name in (*(name for _, name in ENTERED), "root", "cwd"):
            if name in self.wanted:
                self.open(name)

    def _usable(self, name: str) -> bool:
        """Return whether a namespace of the target can be entered: the kernel has the kind, and a user namespace is another."""
        try:
            own = os.stat(f"/proc/self/{name}").st_ino
        except OSError:
            return False
        if name != "ns/user":
            return True
        path = f"/proc/{self.target}/{name}"
        return bool(attempt(f"stat of {path} failed", os.stat, path).st_ino != own)


ENTERED = tuple((flag, f"ns/{name}") for flag, name in NAMESPACES)
NAMES = dict(ENTERED)
FILES = {**{key: NAMES[flag] for key, flag in FLAGS.items()}, "--root": "root", "--wd": "cwd"}
SWITCHES = {
    "--all": "every",
    "--preserve-credentials": "preserve_credentials",
    "--no-fork": "no_fork",
    "--follow-context": "follow_context",
}


def main(argv: list[str]) -> int:
    """Run ``rawns nsenter``; return the exit status.  Does not return if the program is executed without a fork."""
    settings = NsenterSettings()
    words = list(argv)
    try:
        for key, text in COMMAND.read(words):
            if key == "--version":
                print(f"nsenter from {VERSION} (rawns {__version__})")
                return 0
            settings.take(key, text)
        return _run(settings, words)
    except Failed as failed:
        return complain("nsenter", failed)


def _run(settings: NsenterSettings, words: list[str]) -> int:
    """Enter the namespaces and execute the program; return the exit status of the child if one is forked."""
    if settings.follow_context and os.path.exists(SELINUX):
        raise Failed("--follow-context is not supported: the program would run in the SELinux context of this process")
    settings.open_wanted()
    default_signals()
    groups_kept = False
    if "ns/user" in settings.opened and not settings.preserve_credentials:
        settings.uid, settings.gid = settings.uid or 0, settings.gid or 0
        try:
            os.setgroups([])
        except OSError:
            groups_kept = True  # it is an error if it fails inside as well
    fork = "ns/pid" in settings.opened and not settings.no_fork
    syscalls.setns.load()
    forbid_imports()
    _enter(settings.opened)
    _change_directories(settings)
    child = attempt("fork failed", syscalls.fork) if fork else 0
    if child:
        return _wait(child)

    def drop_groups() -> None:
        try:
            os.setgroups([])
        except OSError as error:
            if groups_kept:
                raise Failed(f"setgroups failed: {error.strerror}") from None

    set_ids(settings.uid, settings.gid, drop_groups)
    return execute(words)


def _enter(opened: dict[str, int]) -> None:
    """Enter namespaces; the user namespace last if that gives up power, and first if entering the others needs its power.

    Raises `Failed`.
    """
    for last in (False, True):
        for flag, name in ENTERED:
            if name not in opened or name == "ns/user" and not last:
                continue
            try:
                syscalls.setns(opened[name], flag)
            except OSError as error:
                if last:
                    raise Failed(f"reassociate to namespace '{name}' failed: {error.strerror}") from None
                continue
            os.close(opened.pop(name))


def _change_directories(settings: NsenterSettings) -> None:
    """Change the root and the working directory; with another root only, the working directory stays.  Raises `Failed`."""
    root, directory = settings.opened.get("root"), settings.opened.get("cwd")
    if root is not None:
        if directory is None and settings.wdns is None:
            directory = attempt("cannot open current working directory", syscalls.open_, ".", os.O_RDONLY)
        attempt("change directory by root file descriptor failed", os.fchdir, root)
        attempt("chroot failed", os.chroot, ".")
    if settings.wdns is not None:
        directory = attempt("cannot open current working directory", syscalls.open_, settings.wdns, os.O_RDONLY)
    if directory is not None:
        attempt("change directory by working directory file descriptor failed", os.fchdir, directory)


def _wait(child: int) -> int:
    """Wait for the child, and stop when it is stopped; return its exit status, or end by the signal that has ended it."""
    while True:
        status = os.waitpid(child, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status):
            break
        os.kill(os.getpid(), _signal.SIGSTOP)
        os.kill(child, _signal.SIGCONT)
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    os.kill(os.getpid(), os.WTERMSIG(status))
    return 1
