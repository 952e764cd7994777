"""What all campaigns share: isolation, children with a bound, counts, and the state of the machine as the real tools show it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
NETNS, ETC, LOCKS = Path("/run/netns"), Path("/etc/netns"), Path("/run/rawns")
INSIDE = "RAWNS_CAMPAIGN"  # in the environment of a process that has a /run, an /etc and a network namespace of its own
HANG = 120.0  # seconds after which a child counts as hanging
PRIVATE = """
mount -t tmpfs -o mode=755 tmpfs /run && cp -a /etc /run/etc && mount --bind /run/etc /etc && ip link set lo up && exec "$@"
"""


class Report:
    """What a campaign has tried, and the faults that it has found."""

    def __init__(self, count: int = 0, seed: int = 1, minutes: int = 0) -> None:
        self.count, self.seed = count, seed  # how many cases, if the campaign draws them; and how they are drawn
        self.minutes = minutes  # for how long it draws them, if it asks for that
        self.tried: Counter[str] = Counter()
        self.faults: list[str] = []

    def tally(self, what: str, number: int = 1) -> None:
        """Count cases."""
        self.tried[what] += number

    def fault(self, sentence: str) -> None:
        """Report a fault at once, and keep it."""
        self.faults.append(sentence)
        print(f"FAULT {sentence}", file=sys.stderr, flush=True)

    def expect(self, true: object, sentence: str) -> None:
        """Report a fault unless something is true."""
        if not true:
            self.fault(sentence)

    def __str__(self) -> str:
        counts = ", ".join(f"{what} {number}" for what, number in sorted(self.tried.items()))
        return f"{sum(self.tried.values())} cases ({counts}), {len(self.faults)} faults"


def isolate() -> None:
    """Run this program again with a /run, an /etc and a network namespace of its own, unless that has been done."""
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        inside = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", PRIVATE, "sh"]
        os.execvp(inside[0], [*inside, sys.executable, *sys.argv])


def environment() -> dict[str, str]:
    """Return the environment in which a child finds the package."""
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def tool(*argv: str) -> str:
    """Return what a program prints; an empty string if it fails."""
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=HANG).stdout


# -- children ---------------------------------------------------------------------------------------------------------


class Ended:
    """How a child ended: its exit ``status`` (negative: a signal), and what it has written."""

    def __init__(self, status: int, said: str) -> None:
        self.status, self.said = status, said

    @property
    def crashed(self) -> bool:
        """Whether it ended by a traceback."""
        return "Traceback" in self.said

    def __str__(self) -> str:
        return f"status {self.status}, {self.said.strip()[-600:]!r}"


def wait_for(pid: int) -> int:
    """Wait for a child, which is killed if it hangs; return its exit status, 1000 if it was killed for that."""
    fd = os.pidfd_open(pid)
    try:
        hangs = not select.select([fd], [], [], HANG)[0]
        if hangs:
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return 1000 if hangs else status
    finally:
        os.close(fd)


def forked(function: Callable[[], object]) -> Ended:
    """Call a function in a forked child; return how that ended.  SystemExit is what it is for the interpreter."""
    log = os.memfd_create("log")
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            function()
            status = 0
        except SystemExit as ended:
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
            status = 1 if isinstance(ended.code, str) else ended.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = wait_for(pid)
    os.lseek(log, 0, os.SEEK_SET)
    with open(log, errors="replace") as file:
        return Ended(status, file.read())


def run_rawns(*argv: str) -> None:
    """Run a command line of rawns in this process, to its end (`main.entry` does not return)."""
    from rawns.cli import main

    sys.argv[:] = ["rawns", *argv]
    main.entry()


def rawns(*argv: str) -> Ended:
    """Run a command line of rawns in a forked child."""
    return forked(lambda: run_rawns(*argv))


# -- the state of the machine -----------------------------------------------------------------------------------------

SHOW = """
ip -4 -br addr | sed 's/@[^ ]*//' | sort; ip route; ip rule; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward /etc/resolv.conf
"""


def names(prefix: str = "") -> list[str]:
    """Return the entries of /run/netns."""
    return sorted(one for one in os.listdir(NETNS) if one.startswith(prefix)) if NETNS.is_dir() else []


def mounts(prefix: str = "") -> list[str]:
    """Return the mounts on entries of /run/netns."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return [line for line in file if f"/run/netns/{prefix}" in line and "/run/netns /run/netns " not in line]


def files(prefix: str = "") -> list[str]:
    """Return what is in /etc/netns."""
    return sorted(str(one) for folder in ETC.glob(f"{prefix}*") for one in [folder, *folder.glob("*")]) if ETC.is_dir() else []


def state(prefix: str) -> str:
    """Return what the real tools show of the namespaces whose names begin with ``prefix``; empty if there is nothing."""
    found = [f"{one}\n{tool('ip', 'netns', 'exec', one, 'sh', '-c', SHOW)}" for one in names(prefix)]
    found += [f"{one}\n" for one in files(prefix)]
    if len(mounts(prefix)) != len(names(prefix)):
        found.append(f"{len(mounts(prefix))} mounts\n")
    found += [line for line in tool("ip", "-o", "link").splitlines() if prefix in line]
    return "".join(found)


def wipe(prefix: str) -> None:
    """Remove everything of that prefix, without rawns."""
    for one in names(prefix):
        while any(f"/run/netns/{one} " in line for line in mounts()):
            subprocess.run(["umount", "-l", NETNS / one], capture_output=True, check=True)
        (NETNS / one).unlink()
    for folder in ETC.glob(f"{prefix}*"):
        shutil.rmtree(folder)
    for lock in LOCKS.glob("*"):
        if lock.name.startswith(prefix):
            lock.unlink()


def resources() -> dict[str, int]:
    """Return how many descriptors, threads and mounts this process has, and its memory in KiB."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": int(status["Threads"]),
        "mounts": len(Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()),
        "memory": int(status["VmRSS"].split()[0]),
    }


Campaign = Callable[[Report], None]
Argv = Sequence[str]
