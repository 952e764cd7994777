"""The pytest plugin: tests of `plugin_suite` in a pytest of their own, as root and as an ordinary user.

Expected values come from pytest's JUnit XML, from the real `ip`, and from /proc.
"""

from __future__ import annotations

import importlib.util
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET  # noqa: N817
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Ordinary, mountinfo

from rawns import NetNS
from rawns.testing.leaks import NewProcesses, Snapshot

SUITE = Path(__file__).parent / "plugin_suite"
PLUGIN = ["-p", "rawns.pytest_plugin", "-p", "no:cacheprovider", "-q", "--rootdir=."]
SECONDS = 60.0  # for a run that hangs

Result = dict[str, tuple[str, str]]  # by the name of a test: outcome and text


def outcomes(report: Path) -> Result:
    """Read JUnit XML: ``passed``, ``failed``, ``error`` or ``skipped`` and the text for each test."""
    found: Result = {}
    for case in ET.parse(report).iter("testcase"):
        bad = [
            (child.tag, f"{child.get('message', '')}\n{child.text}")
            for child in case
            if child.tag in ("failure", "error", "skipped")
        ]
        outcome, text = bad[0] if bad else ("passed", "")
        found[case.get("name", "")] = {"failure": "failed"}.get(outcome, outcome), text
    return found


class Runner:
    """Runs pytest in a directory of its own, as this user or another."""

    def __init__(self, directory: Path, user: Ordinary | None) -> None:
        self.directory, self.user, self.output = directory, user, ""
        self.python = user.python if user else sys.executable

    def files(self, **texts: str) -> None:
        """Write files; the part of a name after the last underscore is its suffix."""
        for name, text in texts.items():
            stem, _, suffix = name.rpartition("_")
            (self.directory / f"{stem}.{suffix}").write_text(text)

    def command(self, *options: str) -> list[str]:
        return [self.python, "-m", "pytest", *PLUGIN, f"--basetemp={self.directory / 'tmp'}", "--junitxml=out.xml", *options]

    def environment(self) -> dict[str, str]:
        lines = mountinfo().splitlines()
        mounts = [line.split()[4] for line in lines if "/run/netns/" not in line]  # names that other tests make come and go
        ids = (self.user is not None and "65534 65534 65534") or f"{os.getuid()} {os.getgid()} {os.geteuid()}"
        base = (
            self.user.environment
            if self.user
            else {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}
        )
        network = os.readlink("/proc/self/ns/net")
        return {**base, "EXPECTED_USER": str(ids), "EXPECTED_NETWORK": network, "EXPECTED_MOUNTS": " ".join(mounts)}

    def run(self, *options: str, prefix: tuple[str, ...] = ()) -> Result:
        """Run pytest and return the outcome of each test."""
        command, given = [*prefix, *self.command(*options)], {"cwd": self.directory, "env": self.environment()}
        if self.user:
            done = self.user.run(command, timeout=SECONDS, **given)
        else:
            output: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": SECONDS}
            done = subprocess.run(command, **given, **output)  # type: ignore[call-overload]
        self.output = done.stdout
        report = self.directory / "out.xml"
        return outcomes(report) if report.exists() else {}


def runner_in(directory: Path, user: Ordinary | None) -> Runner:
    directory.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(directory, user=65534, group=65534)
    return Runner(directory, user)


@pytest.fixture(params=["this user", "ordinary user"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
    """Provide a runner as this user, and as an ordinary one without privileges."""
    if request.param == "this user":
        yield runner_in(tmp_path, None)
        return
    user: Ordinary = request.getfixturevalue("ordinary")
    found = runner_in(user.home / f"run-{request.node.name.translate({91: 45, 93: None, 32: 45})}", user)
    yield found
    shutil.rmtree(found.directory)


def expected(name: str) -> str:
    """Return the outcome that a test's name tells."""
    words = {"passes": "passed", "pass": "passed", "error": "error", "fails": "failed"}
    return words[name.partition("[")[0].rpartition("_")[2]]


def test_outcomes(runner: Runner) -> None:
    """Every test of the suite has the outcome that its name tells, and those that fail say why."""
    shutil.copy(SUITE / "outcomes.py", runner.directory / "test_outcomes.py")
    shutil.copy(SUITE / "shop.toml", runner.directory)
    found = runner.run("--rawns-isolation=auto")
    assert {name: outcome for name, (outcome, _) in found.items()} == {name: expected(name) for name in found}, runner.output
    assert len(found) >= 26 and "test_presets_pass[4g]" in found
    for name, words in (
        ("name", "a namespace is left behind: forgotten"),
        ("process", r"a process is left behind: \d+ \(sleep 60\)"),
        ("daemon", r"a process is left behind: \d+ \(.*sleep 61.*\) in a"),
        ("thread", "a thread is left behind: forgotten-thread"),
        ("descriptor", r"a descriptor is left behind: \d+ -> socket:\[\d+\]"),
        ("namespace", r"a namespace is left behind: net:\[\d+\], held by the descriptor \d+"),
    ):
        assert re.search(words, found[f"test_leaked_{name}_is_an_error"][1]), found[f"test_leaked_{name}_is_an_error"]
    assert found["test_missing_file_is_an_error"][1].count("there is no file missing.toml in ") == 2  # message and text
    assert "pytest_fixtures.py" not in found["test_missing_file_is_an_error"][1]
    text = found["test_link_down_fails"][1]
    assert "lab test_link_down_fails: difference from the description" in text and "~ eth0 of b: down -> up" in text
    assert "reachability" in text and re.search(r"^a +- +FAILS$", text, re.MULTILINE)
    assert "b -> a 10.0.0.1: eth0 in b is down" in text
    assert re.search(r"^b: .*python.* \(pid \d+\) runs\n    serving$", text, re.MULTILINE)
    assert re.search(r"RTM_NEWADDR.* refused: .*EEXIST", text)
    assert "a: none\nb: tcp 0.0.0.0:8080\n" in text and max(map(len, text.splitlines())) < 600
    text = found["test_hosts_without_names_fails"][1]
    assert "LabTimeoutError: namespace 1 does not reach namespace 2 after 0.1 s: eth1 in router is down" in text
    assert "behind descriptor" not in text and "runtime.py" not in text and "RTM_GETROUTE" not in text
    assert "~ eth0 of a: delay 1ms -> not shaped" in found["test_impaired_fails"][1]
    assert "cannot be found out: [Errno 24] Too many open files" in found["test_without_descriptors_fails"][1]
    assert found["test_plain_failure_fails"][1].count("in words") == 2
    assert not [name for name, (outcome, text) in found.items() if outcome == "passed" and text]


def test_off_by_default(tmp_path: Path) -> None:
    """Without the setting the plugin imports nothing but itself, and a fixture says what it needs."""
    runner = runner_in(tmp_path, None)
    program = (
        "import sys, pytest; pytest.main(['--collect-only', '-q', '-p', 'rawns.pytest_plugin', '.']); "
        "print(*sorted(name for name in sys.modules if name.startswith('rawns')))"
    )
    runner.files(test_one_py="def test_one(lab): pass\ndef test_two(): pass\n")
    found = runner.run()
    assert found["test_one"][0] == "error" and "set rawns_isolation = auto in pytest's configuration" in found["test_one"][1]
    assert found["test_two"][0] == "passed"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=runner.environment(), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "rawns rawns.pytest_plugin", done


def test_wrong_settings(tmp_path: Path) -> None:
    runner = runner_in(tmp_path, None)
    runner.files(test_one_py="def test_one(): pass\n")
    assert runner.run("--rawns-isolation=some") == {}
    assert "rawns_isolation is 'some'; set it to one of auto, userns, mount, none" in runner.output


def test_user_namespaces_forbidden(ordinary: Ordinary) -> None:
    """The limit of a user namespace is that of all inside it: so it is set to 0 for this run alone."""
    runner = runner_in(ordinary.home / "forbidden", ordinary)
    runner.files(test_one_py="import os\ndef test_lab(lab): pass\ndef test_plain(): assert os.getuid() == 0\n")
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    try:
        found = runner.run("--rawns-isolation=auto", prefix=prefix)
        assert found["test_plain"][0] == "passed" and found["test_lab"][0] == "skipped", runner.output
        assert "user.max_user_namespaces is 0; `sysctl -w user.max_user_namespaces=10000`" in found["test_lab"][1]
        found = runner.run("--rawns-isolation=auto", "--rawns-required", prefix=prefix)
        assert found["test_plain"][0] == "passed" and found["test_lab"][0] == "error"
    finally:
        shutil.rmtree(runner.directory)


def test_threads_before_pytest(ordinary: Ordinary) -> None:
    """A process with threads cannot enter a user namespace: pytest is executed again inside one."""
    runner = runner_in(ordinary.home / "threads", ordinary)
    thread = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    runner.files(threads_py=thread, test_one_py="import sys\ndef test_lab(lab): print(sys.argv)\n")
    try:
        found = runner.run("--rawns-isolation=auto", "-p", "threads", "-o", "pythonpath=.", "-o", "junit_logging=all")
        assert found == {"test_lab": ("passed", "")}, runner.output
    finally:
        shutil.rmtree(runner.directory)


# -- other plugins ------------------------------------------------------------------------------------------------------


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [one for one in modules if importlib.util.find_spec(one) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


SHOPS = """
import os, pytest
@pytest.mark.parametrize("number", range(16))
def test_shop(lab_file, number):
    lab = lab_file("shop.toml")
    assert sorted(os.listdir("/run/netns")) == ["shop.db", "shop.web"]
    assert lab["web"].run(["ping", "-nqc1", "10.0.0.2"], capture_output=True).returncode == 0
"""


@needs("xdist")
def test_workers_have_labs_of_the_same_name(runner: Runner) -> None:
    runner.files(test_shop_py=SHOPS)
    shutil.copy(SUITE / "shop.toml", runner.directory)
    found = runner.run("--rawns-isolation=auto", "-n", "3", "--rawns-required")
    assert len(found) == 16 and {outcome for outcome, _ in found.values()} == {"passed"}, runner.output


COROUTINES = """
import asyncio, socket, pytest
def links():
    return [name for _, name in socket.if_nameindex()]
@pytest.fixture(params=["asyncio"])
def anyio_backend(request):
    return request.param
@pytest.mark.asyncio
@pytest.mark.lab("shop.toml")
@pytest.mark.netns("web")
async def test_asyncio(lab):
    server = await asyncio.start_server(lambda reader, writer: writer.close(), sock=lab["db"].socket())
    await asyncio.sleep(0)
    assert links() == ["lo", "eth0"]
    server.close()
@pytest.mark.anyio
@pytest.mark.lab("shop.toml")
@pytest.mark.netns("db")
async def test_anyio(lab):
    import anyio
    await anyio.sleep(0)
    assert links() == ["lo", "eth0"]
"""


@needs("pytest_asyncio", "anyio")
def test_coroutines(tmp_path: Path) -> None:
    runner = runner_in(tmp_path, None)
    runner.files(test_async_py=COROUTINES)
    shutil.copy(SUITE / "shop.toml", runner.directory)
    found = runner.run("--rawns-isolation=auto", "-W", "ignore")
    assert found == {"test_asyncio": ("passed", ""), "test_anyio[asyncio]": ("passed", "")}, runner.output


TIMEOUT = """
import socket, pytest
@pytest.mark.timeout(2, func_only=True)
def test_hangs(lab):
    a = lab.netns("a")
    lab.up()
    with a.entered():
        sock = socket.create_server(("127.0.0.1", 0))
        a.start(["sleep", "60"])
        sock.accept()
def test_after(lab):
    assert lab.processes == []
"""


@needs("pytest_timeout")
def test_time_out(tmp_path: Path) -> None:
    runner = runner_in(tmp_path, None)
    runner.files(test_time_py=TIMEOUT)
    found = runner.run("--rawns-isolation=auto")
    assert "test_hangs" in found, runner.output
    assert (found["test_hangs"][0], found["test_after"][0]) == ("failed", "passed"), runner.output
    assert "sleep 60" in found["test_hangs"][1]


# -- ends that nothing announces ----------------------------------------------------------------------------------------

STAYS = """
import os, signal, sys
def test_stays(lab):
    a = lab.netns("rt-plugin")
    lab.up()
    server = a.start(["sh", "-c", "setsid sleep 60 & echo $!; exec sleep 61"], ready="output [0-9]+")
    os.write(int(os.environ["TELL"]), f"{server.pid} {server.output.strip()}\\n".encode())
    {end}
"""


def test_threads_are_not_processes() -> None:
    """A thread that was started inside a host has an id like a process, and a signal to it would end this process."""
    with NetNS.create() as namespace:
        new = NewProcesses()
        ending = threading.Event()
        with namespace.entered():
            thread = threading.Thread(target=ending.wait)
            thread.start()
            child = subprocess.Popen(["sleep", "60"])
        try:
            assert os.readlink(f"/proc/{thread.native_id}/ns/net") == os.readlink(f"/proc/{child.pid}/ns/net")
            assert new.within({namespace.identity}) == [(child.pid, namespace.identity)]
        finally:
            ending.set()
            thread.join()
            child.kill()
            child.wait()


def test_a_descriptor_in_the_place_of_another_is_a_leak() -> None:
    """What a descriptor leads to is read again if its number was reused, also by one with the same inode (an anonymous one)."""
    with select.epoll() as epoll, os.fdopen(inotify(), "rb") as other:
        assert os.fstat(epoll.fileno()).st_ino == os.fstat(other.fileno()).st_ino
        place = os.open("/dev/null", os.O_RDONLY)
        try:
            for then in (epoll, other):
                snapshot = Snapshot()
                assert snapshot.leaks() == []
                os.dup2(then.fileno(), place, inheritable=False)
                target = os.readlink(f"/proc/self/fd/{place}")
                assert [str(one) for one in snapshot.leaks()] == [f"a descriptor is left behind: {place} -> {target}"]
        finally:
            os.close(place)


def inotify() -> int:
    """Return a descriptor of another kind than epoll's, with the same anonymous inode: inotify_init1(2)."""
    import ctypes

    return int(ctypes.CDLL(None).inotify_init1(os.O_CLOEXEC))


@pytest.mark.parametrize(
    ("end", "isolation"),
    [("signal.pause()", "auto"), ("os._exit(1)", "auto"), ("raise KeyboardInterrupt", "auto"), ("signal.pause()", "none")],
)
def test_nothing_is_left(tmp_path: Path, end: str, isolation: str) -> None:
    """A run that is killed, one that exits at once and one that is interrupted leave no process, no daemon and no name.

    With the isolation ``none`` a name is left, which `rawns lab gc` removes.
    """
    runner = runner_in(tmp_path, None)
    runner.files(test_stays_py=STAYS.replace("{end}", end))
    before = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    reading, writing = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it is deleted)
    environment = {**runner.environment(), "TELL": str(writing)}
    process = subprocess.Popen(
        runner.command(f"--rawns-isolation={isolation}", "-s"),
        cwd=tmp_path,
        env=environment,
        pass_fds=[writing],
        stdout=output,
        stderr=output,
    )
    try:
        os.close(writing)
        with os.fdopen(reading) as told:
            pids = list(map(int, told.readline().split()))
        children = [_pidfd(pid) for pid in pids]
        if end == "signal.pause()":
            process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
        for child in children:
            if child >= 0:
                assert select.select([child], [], [], SECONDS)[0], "the process in the host outlives the run"
                os.close(child)
        output.seek(0)
        assert b"is left behind" not in output.read()  # a test that was interrupted could not end what it has begun
        assert len(pids) == 2 and all(not os.path.exists(f"/proc/{pid}") or _zombie(pid) for pid in pids)
        if isolation == "none":
            assert "rt-plugin" in os.listdir("/run/netns")
            subprocess.run(
                [sys.executable, "-m", "rawns", "lab", "gc"], env=runner.environment(), check=True, capture_output=True
            )
        assert (os.listdir("/run/netns") if os.path.isdir("/run/netns") else []) == before
    finally:
        process.kill()
        process.wait()


def _pidfd(pid: int) -> int:
    """Return a descriptor that can be read when a process has ended; -1 if it has, or if Python or the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# -- captures -------------------------------------------------------------------------------------------------------------

PINGS = """
import shutil
def test_closed_disk(lab, tmp_path):
    shutil.rmtree(tmp_path)
    lab.wire(lab.netns("a").port("eth0"), lab.netns("b").port("eth0"))
    lab.up()
    assert "not captured: [Errno 2] No such file or directory" in str(lab.port_captures)
def test_pings(lab):
    a, b = lab.netns(label="a"), lab.netns(label="b")
    lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
    lab.up()
    a.run(["ping", "-nqc3", "-i0.01", "-p", "4711", "10.0.0.2"], check=True)
    assert 0
"""


def frames_of(data: bytes) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """Return the name of the interface, and time, direction and bytes of each frame of a pcapng file, as its draft says."""
    name, frames, at = b"", [], 0
    while at < len(data):
        kind, size = struct.unpack_from("=II", data, at)
        body = data[at + 8 : at + size - 4]
        assert size % 4 == 0 and struct.unpack_from("=I", data, at + size - 4)[0] == size
        if kind == 1:
            option, length = struct.unpack_from("=HH", body, 8)
            assert option == 2
            name = body[12 : 12 + length]
        elif kind == 6:
            _, high, low, length, whole = struct.unpack_from("=5I", body)
            assert length == whole
            flags = struct.unpack_from("=HHI", body, 20 + -(-length // 4) * 4)
            assert flags[:2] == (2, 4)
            frames.append((high << 32 | low, flags[2], body[20 : 20 + length]))
        at += size
    return name, frames


def test_captures(tmp_path: Path) -> None:
    """The files have the requests and replies of the real ping, once at each end, in the direction that the end sees."""
    runner = runner_in(tmp_path, None)
    runner.files(test_pings_py=PINGS)
    start = time.time_ns()
    found = runner.run("--rawns-isolation=auto", "--rawns-capture")
    text = found["test_pings"][1]
    assert found["test_closed_disk"] == ("passed", "")
    assert re.search(r"/a-eth0.pcapng: \d+ frames$", text, re.MULTILINE), text
    for end, requests in (("a", 2), ("b", 1)):  # outbound at a, inbound at b
        file = next(tmp_path.glob(f"tmp/test_pings*/{end}-eth0.pcapng"))
        name, frames = frames_of(file.read_bytes())
        icmp = [(direction, data[34]) for _, direction, data in frames if data[-4:] == b"\x47\x11\x47\x11"]  # not the report's
        assert name == f"{end}:eth0".encode() and icmp == [(requests, 8), (3 - requests, 0)] * 3
        assert all(start < when < time.time_ns() for when, _, _ in frames)


# -- unittest ---------------------------------------------------------------------------------------------------------------

CASES = """
import subprocess, unittest
from rawns import testing
from rawns.testing import report

report.LIMIT = report.explain.__defaults__[1] * 30  # a busy machine must not decide what is found
report.explain.__defaults__ = (0.0, report.LIMIT)
testing.isolate()

class Cases(unittest.TestCase):
    def setUp(self):
        self.lab = testing.lab_for(self)
        a, b = self.lab.netns("a"), self.lab.netns("b")
        self.lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
        self.lab.up()

    def test_fails(self):
        self.lab.set_down("b:eth0")
        self.fail("in words")

    def test_leaves_a_process(self):
        subprocess.Popen.__del__ = lambda self: None
        self.lab["a"].popen(["sleep", "60"])

    def test_passes(self):
        self.lab.wait_reachable("a", "b", timeout=30)

unittest.main()
"""


def test_unittest(runner: Runner) -> None:
    """A test of unittest that fails explains its lab, and one that leaves a process behind is an error."""
    command, given = [runner.python, "-c", CASES, "-v"], {"cwd": runner.directory, "env": runner.environment()}
    if runner.user:
        done = runner.user.run(command, timeout=SECONDS, **given)
    else:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, **given)  # type: ignore[call-overload]
    words = done.stdout
    assert "-- lab __main__-Cases-test_fails: difference from the description\n~ eth0 of b: down -> up" in words
    assert "b -> a 10.0.0.1: eth0 in b is down" in words
    assert re.search(r"LeakError: a process is left behind: \d+ \(.*\) in a\n", words), words  # exec may not have been completed
    assert "FAILED (failures=1, errors=1)" in words and "test_passes (__main__.Cases.test_passes) ... ok" in words.replace(
        "test_passes (__main__.Cases) ...", "test_passes (__main__.Cases.test_passes) ..."
    )


# -- the limit of the report ----------------------------------------------------------------------------------------------


def test_report_is_killed_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be examined in time is listed."""
    from rawns.testing import lab, report

    def examine(lab: object, send: Callable[..., None]) -> None:
        send("difference", "")
        send("matrix", "the matrix")
        send("pairs", "a -> b 10.0.0.2", "b -> a 10.0.0.1")
        send("reason", "a -> b 10.0.0.2", "it is down")
        signal.pause()

    monkeypatch.setattr(report, "_examine", examine)
    with lab("limit") as made:
        made.netns(label="a")
        made.up()
        start = time.monotonic()
        sections = dict(report.explain(made, limit=0.3))
        assert time.monotonic() - start < 5  # the limit, and what a busy machine adds
    assert sections["reachability (milliseconds)"] == "the matrix"
    assert sections["why"] == "a -> b 10.0.0.2: it is down\nnot examined: the time was over for b -> a 10.0.0.1"


def test_manual(tmp_path: Path) -> None:
    """The tests of the manual's page pass as they stand."""
    page = (PROJECT / "rawns" / "manual" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```py\n(.*?)^```$", page)
    runner = runner_in(tmp_path, None)
    runner.files(**{f"test_{number}_py": block for number, block in enumerate(blocks)})
    found = runner.run("--rawns-isolation=auto")
    assert len(blocks) >= 2 and [outcome for outcome, _ in found.values()] == ["passed"] * len(blocks), runner.output
