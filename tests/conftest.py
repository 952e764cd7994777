"""What all tests share: unused names, an ordinary user to run commands as, and the watch for leaks.

Tests under `live` and `parity` touch the kernel.  Each of them is watched: what is there after it and was not before
(a mount, a name in /run/netns, a link in our namespace, a descriptor, a thread, a child) fails that test by name.
The watch does not use the library, which may be what is broken.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent
NETNS = Path("/run/netns")
NOBODY = 65534
PATIENCE = 3.0  # seconds that the kernel has for what it cleans up later; only a leak ever waits so long
MNT_DETACH = 2
CAP_SYS_ADMIN = 21
LIMITS = {"unit": 60, "live": 300, "parity": 180}  # seconds for all tests of a directory

if str(PROJECT) not in sys.path:
    sys.path.insert(0, str(PROJECT))


# -- what may run here ----------------------------------------------------------------------------------------------


def privileged() -> bool:
    """Tell whether this process may create network namespaces, as root or as root of a user namespace."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)


def really_root() -> bool:
    """Tell whether this process is the machine's root, not root of a user namespace."""
    return os.getuid() == 0 and Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def touches_kernel(item: pytest.Item) -> bool:
    path = Path(getattr(item, "path", item.fspath))  # pytest before 7 has only the latter
    return bool({"live", "parity"} & set(path.relative_to(PROJECT).parts))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "no_cover: runs without measuring coverage, which would take too long")
    config.addinivalue_line("markers", "really_root: needs the machine's root; the root of a user namespace will not do")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    without = pytest.mark.skip(reason="needs root or a user namespace (`python3 -m rawns rootless tests/run`)")
    lesser = pytest.mark.skip(reason="needs the machine's root, not that of a user namespace")
    may, root = privileged(), really_root()
    items.sort(key=asks_for_suite)  # last, because it waits for what runs in the background
    for item in items:
        if touches_kernel(item) and not may:
            item.add_marker(without)
        elif item.get_closest_marker("really_root") and not root:
            item.add_marker(lesser)


def pytest_keyboard_interrupt() -> None:
    """Take note of Ctrl-C: what the interrupted test leaves behind is no failure, and would hide the reason."""
    global _interrupted
    _interrupted = True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report how long each directory of tests took beside what it may take; no test fails because of it."""
    spent = dict.fromkeys(LIMITS, 0.0)
    for reports in terminalreporter.stats.values():
        for report in reports:
            directory = report.nodeid.split("/")[1:2] if hasattr(report, "when") else []  # of a test, not a warning
            if directory and directory[0] in spent:
                spent[directory[0]] += getattr(report, "duration", 0.0)  # a module that cannot be imported has none
    told = [f"{name} {seconds:.0f} of at most {LIMITS[name]} s" for name, seconds in spent.items() if seconds >= 1]
    if told:
        terminalreporter.write_line(f"time spent: {', '.join(told)}")


# -- names ----------------------------------------------------------------------------------------------------------

_handed_out = 0


@pytest.fixture
def netns_name() -> Iterator[Callable[[], str]]:
    """Return a function that returns unused names for namespaces; what has these names after the test is removed."""
    mine: list[str] = []

    def fresh() -> str:
        global _handed_out
        _handed_out += 1
        mine.append(f"rt-{os.getpid()}-{_handed_out}")
        return mine[-1]

    yield fresh
    for one in mine:
        remove_name(one)


name = netns_name


def remove_name(name: str) -> None:
    """Unmount and unlink a name without the library."""
    path = NETNS / name
    libc = ctypes.CDLL(None)
    for _ in range(8):  # something may be mounted on it more than once
        if libc.umount2(os.fsencode(path), MNT_DETACH) != 0:
            break
    path.unlink(missing_ok=True)


# -- the ordinary user ----------------------------------------------------------------------------------------------


class Ordinary:
    """Runs commands as the user nobody, from a copy of the project that this user can read."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.python = os.path.realpath(sys.executable)
        self.project, packages = home / "project", home / "packages"
        ours_alone = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "*.egg-info", "results")
        shutil.copytree(PROJECT, self.project, ignore=ours_alone)
        site = Path(sysconfig.get_paths()["purelib"])
        shutil.copytree(site, packages, ignore=shutil.ignore_patterns("__pycache__", "pip*", "mypy*", "ruff*"))
        path = os.pathsep.join([str(self.project), str(packages)])
        self.environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "PYTHONPATH": path, "LANG": "C.UTF-8"}
        for root, _, files in os.walk(home):
            for one in [root, *(os.path.join(root, file) for file in files)]:
                os.chown(one, NOBODY, NOBODY)

    def run(self, argv: list[str], timeout: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command as uid 65534 and no group of root's; its output, merged, is the result's ``stdout``."""
        given: dict[str, object] = {"cwd": self.project, "env": self.environment, "text": True}
        given.update(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        given.update(user=NOBODY, group=NOBODY, extra_groups=[])
        return subprocess.run(argv, timeout=timeout, **{**given, **options})  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="session")
def ordinary() -> Iterator[Ordinary]:
    """Return an ordinary user; skip if the tests are run by one, or if the interpreter cannot be read by others."""
    if not really_root():
        pytest.skip("only the machine's root can become another user")
    home = Path(open_directory())
    try:
        user = Ordinary(home)
        try:
            works = user.run([user.python, "-c", "import encodings, ctypes, pytest"]).returncode == 0
        except PermissionError:
            works = False
        if not works:
            pytest.skip(f"an ordinary user cannot read {user.python}; use /usr/bin/python3")
        yield user
    finally:
        shutil.rmtree(home)


class Background:
    """A command of the ordinary user that runs beside the tests."""

    def __init__(self, user: Ordinary, command: list[str]) -> None:
        self.command, self._output = command, tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        given: Any = {"cwd": user.project, "env": user.environment, "user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, start_new_session=True, **given
        )

    def wait(self, timeout: float) -> tuple[int, str]:
        """Wait until it ends; return its status and output."""
        status = self._process.wait(timeout)
        self._output.seek(0)
        return status, self._output.read()

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._output.close()


@pytest.fixture(scope="session", autouse=True)
def rootless_suite(request: pytest.FixtureRequest) -> Iterator[Background | None]:
    """Start the live tests as an ordinary user in a user namespace, if the test that waits for them is selected."""
    if not any(asks_for_suite(item) for item in request.session.items):
        yield None
        return
    try:
        user: Ordinary = request.getfixturevalue("ordinary")
    except pytest.skip.Exception:
        yield None
        return
    options = ["-q", "-p", "no:cacheprovider", f"--basetemp={user.home / 'tmp'}", "tests/live"]
    suite = Background(user, [user.python, "-m", "rawns", "rootless", user.python, "-m", "pytest", *options])
    try:
        yield suite
    finally:
        suite.close()


def asks_for_suite(item: pytest.Item) -> bool:
    """Tell whether a test is the one that waits for the ordinary user's live tests."""
    return item.name == "test_the_live_tests_pass_for_an_ordinary_user"


def open_directory() -> str:
    """Create a directory that others can enter; pytest's own are closed to them."""
    path = tempfile.mkdtemp(prefix="rawns-nobody-")
    os.chmod(path, 0o755)
    return path


# -- the watch ------------------------------------------------------------------------------------------------------

_interrupted = False  # by Ctrl-C

State = dict[str, set[str]]


def mountinfo() -> str:
    """Return the mounts that this process sees, with bytes that are not UTF-8 as surrogates.  proc_pid_mountinfo(5)."""
    return Path("/proc/self/mountinfo").read_text(errors="surrogateescape")


def _mounts() -> set[str]:
    """Return the mount points, except those that another mount namespace has made, which have a master: mount_namespaces(7)."""
    lines = [line.split(" ", 5) for line in mountinfo().splitlines()]
    lines = [line for line in lines if " master:" not in f" {line[5].partition(' - ')[0]}"]
    points = {line[0]: line[4] for line in lines}
    stacked = {f"{point} (mount {number}, on another)" for number, parent, _, _, point, _ in lines if points.get(parent) == point}
    return {*points.values(), *stacked} - {str(NETNS)}  # the first `ip netns add` of a machine leaves that one


def _names() -> set[str]:
    return set(os.listdir(NETNS)) if NETNS.is_dir() else set()


def _links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _descriptors() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} ({os.readlink(f'/proc/self/fd/{fd}')})")
        except FileNotFoundError:
            pass  # the descriptor that listed the directory
    return found


def _children() -> set[str]:
    found: set[str] = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found.update(Path(f"/proc/self/task/{task}/children").read_text().split())
        except OSError:
            pass  # the thread has just ended, or the kernel keeps no such list
    return found


def _not_another_suite(kind: str, one: str) -> bool:
    """Tell whether this is not a name of another run of these tests on this machine; names contain the process id."""
    words = os.path.basename(one).split("-")
    other = kind in ("mount", "name") and len(words) > 2 and words[0] in ("rt", "bench") and words[1].isdigit()
    return not (other and words[1] != str(os.getpid()) and os.path.exists(f"/proc/{words[1]}"))


def state() -> State:
    """Return everything that a test could leave behind, by kind."""
    threads = set(os.listdir("/proc/self/task"))
    return {
        "mount": _mounts(),
        "name": _names(),
        "link": _links(),
        "descriptor": _descriptors(),
        "thread": threads,
        "child": _children(),
    }


def leaks(before: State, kinds: set[str] | None = None) -> list[str]:
    """Return what is there now and was not ``before``, as sentences."""
    now = state()
    return [
        f"a {kind} is left behind: {one}"
        for kind in sorted(kinds or now)
        for one in sorted(now[kind] - before[kind])
        if _not_another_suite(kind, one)
    ]


class Watch:
    """Waits for the kernel's own signs that mounts or links have changed."""

    def __init__(self) -> None:
        self._links = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._links.bind((0, 1))  # RTMGRP_LINK
        self._links.setblocking(False)
        self._mounts = open("/proc/self/mountinfo", "rb")  # noqa: SIM115 (closed in `close`)
        self._poll = select.poll()
        self._poll.register(self._links, select.POLLIN)
        self._poll.register(self._mounts, select.POLLPRI)

    def settle(self, before: State) -> list[str]:
        """Wait until the leaks are gone, `PATIENCE` seconds at most, and return those that remain."""
        gc.collect()
        deadline = time.monotonic() + PATIENCE
        while found := leaks(before):
            left = deadline - time.monotonic()
            if left <= 0:
                return found
            for thread in threading.enumerate():
                if str(thread.native_id) not in before["thread"] and thread is not threading.current_thread():
                    thread.join(left)
            if any("thread" in one.split()[:2] for one in found):
                os.sched_yield()  # one of `_thread`'s cannot be joined, only be given the processor
            else:
                self._poll.poll(left * 1000)
                self._drain()
        return []

    def _drain(self) -> None:
        try:
            while self._links.recv(65536):
                pass
        except OSError:
            pass  # nothing more there, or more than fits; the state is read anew anyway

    def close(self) -> None:
        self._links.close()
        self._mounts.close()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a live or parity test that leaves something behind."""
    if not touches_kernel(request.node):
        yield
        return
    watch = Watch()
    try:
        before = state()
        yield
        found = [] if _interrupted else leaks(before) and watch.settle(before)
    finally:
        watch.close()
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_in_the_end() -> Iterator[None]:
    """Fail the last test if a fixture that outlives a test has left something behind."""
    watch = Watch() if os.path.exists("/proc/self/mountinfo") else None
    before = state()
    yield
    for file in Path("/run/rawns").glob(f"rt-{os.getpid()}-*.lock"):
        file.unlink(missing_ok=True)  # of a lab whose namespaces a test has removed by other means, as `rawns lab gc` would
    if watch is None or _interrupted:
        return
    for kind in ("descriptor", "thread"):
        before[kind] = {*before[kind], *state()[kind]}  # pytest's own come and go
    found = leaks(before) and watch.settle(before)
    watch.close()
    if found:
        pytest.fail("\n".join(["after all tests:", *found]), pytrace=False)
