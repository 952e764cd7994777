"""Tests that are run by tests/live/test_pytest_plugin.py in a pytest of their own.  The outcome is in the name of each."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import socket
import subprocess
import sys
import threading
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rawns import RawnsError, syscalls, uapi
from rawns.testing import report

report.LIMIT = 30.0  # seconds: a busy machine must not decide what is found
SERVER = "import socket; s = socket.create_server(('', 8080)); print('serving', flush=True); s.accept(); s.accept()"
KEPT: list[Any] = []  # what tests leave behind


def links() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def wired(lab: Any) -> tuple[Any, Any]:
    a, b = lab.netns("a"), lab.netns("b")
    lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
    lab.up()
    return a, b


# -- what uses no fixture ---------------------------------------------------------------------------------------------


def test_without_fixtures_passes(tmp_path: Path) -> None:
    """User, network, mounts and the permissions of files are those outside of pytest."""
    assert f"{os.getuid()} {os.getgid()} {os.geteuid()}" == os.environ["EXPECTED_USER"]
    assert os.readlink("/proc/self/ns/net") == os.environ["EXPECTED_NETWORK"]
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()]
    assert [one for one in os.environ["EXPECTED_MOUNTS"].split() if one not in points] == []
    closed = tmp_path / "closed"
    closed.write_text("text")
    closed.chmod(0)
    if os.getuid() != 0:
        pytest.raises(PermissionError, closed.read_text)


# -- fixtures ---------------------------------------------------------------------------------------------------------


def test_lab_passes(lab: Any) -> None:
    assert lab.name == "test_lab_passes"
    a, b = wired(lab)
    server = b.start([sys.executable, "-c", SERVER], ready="port 8080")
    with a.entered():
        socket.create_connection(("10.0.0.2", 8080), timeout=5).close()
    server.wait_ready("output serv.ng\n", 5)
    assert server.output == "serving\n" and b.processes == [server] and a.processes == []


def test_processes_end_in_order_passes(lab: Any, tmp_path: Path) -> None:
    a, b = wired(lab)
    code = (
        "import signal, sys; signal.signal(15, lambda *_: (open(sys.argv[1], 'a').write(sys.argv[2]), sys.exit())); "
        "print('up', flush=True); signal.pause()"
    )
    for host, word in ((a, "1"), (b, "2"), (a, "3")):
        host.start([sys.executable, "-c", code, str(tmp_path / "log"), word], ready="output up")
    lab.down()
    assert (tmp_path / "log").read_text() == "321"


@pytest.mark.parametrize("number", range(4))
def test_lab_file_passes(lab_file: Callable[[str], Any], number: int) -> None:
    lab = lab_file("shop.toml")
    assert lab["web"].name == "shop.web"
    assert sorted(os.listdir("/run/netns")) == ["shop.db", "shop.web"]
    assert lab["db"].run(["ip", "-br", "addr", "show", "eth0"], capture_output=True, text=True).stdout.split()[2] == "10.0.0.2/24"


@pytest.mark.lab("shop.toml")
@pytest.mark.netns("web")
def test_inside_a_host_passes() -> None:
    assert links() == ["lo", "eth0"]


@pytest.mark.netns
def test_inside_a_namespace_passes(netns: Any) -> None:
    assert links() == ["lo"] and os.readlink("/proc/self/ns/net") == f"net:[{netns.identity[1]}]"


def test_factory_passes(netns_factory: Callable[..., Any]) -> None:
    one, other = netns_factory("one"), netns_factory()
    KEPT.append(netns_factory)
    assert one != other and os.listdir("/run/netns") == ["one"]
    assert other.run(["ip", "-br", "link"], capture_output=True, text=True).stdout.split()[:2] == ["lo", "UNKNOWN"]


class TestShared:
    """Both tests use the same lab, one after the other."""

    @pytest.mark.lab("shop.toml", scope="class")
    def test_first_passes(self, lab: Any) -> None:
        lab["db"].start(["sleep", "60"])

    @pytest.mark.lab("shop.toml", scope="class")
    def test_second_passes(self, lab: Any) -> None:
        assert [one.returncode for one in lab["db"].processes] == [None]


class TestUnittest(unittest.TestCase):
    lab: Any

    @pytest.mark.lab("shop.toml")
    def test_unittest_passes(self) -> None:
        self.assertEqual([host.label for host in self.lab], ["web", "db"])


@pytest.mark.lab("shop.toml", port="web:eth0", presets=["lan", "4g"])
def test_presets_pass(lab: Any, preset: str) -> None:
    """The real ping needs two delays of 85 ms over a link like 4G."""
    done = lab["web"].run(["ping", "-nqc1", "10.0.0.2"], capture_output=True, text=True, check=True)
    assert (float(done.stdout.rpartition(" = ")[2].partition("/")[0]) >= 170) == (preset == "4g")


def sentence(use: Callable[[], object]) -> str:
    """What is said against a use; nothing if it is allowed."""
    try:
        use()
    except Exception as error:
        return str(error)
    return ""


def changes(lab: Any) -> list[Callable[[], object]]:
    return [
        lambda: lab.set_down("a:eth0"),
        lambda: lab.impair("a:eth0", rate="1mbit"),
        lambda: lab.isolate("a"),
        lambda: lab.replug("a:eth0", "b"),
        lab.heal,
        lab.restore,
    ]


# -- wrong uses -------------------------------------------------------------------------------------------------------


def test_wrong_uses_pass(lab: Any) -> None:
    a, _ = wired(lab)
    found: list[str] = []

    def in_thread() -> None:
        try:
            a.start(["true"])
        except Exception as error:
            found.append(str(error))

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert found[0].startswith("a: a process is started by the main thread, since it ends with the thread that has started it")
    code = "import sys; sys.stdout.write('no\\n'); sys.exit(3)"
    with pytest.raises(Exception, match="(?s)has ended with status 3.*its last lines:\n    no$"):
        a.start([sys.executable, "-c", code], ready="port 80")
    wrong: list[tuple[Any, str]] = [
        ("soon", "'soon' is not a condition for readiness"),
        (80, "80 is not a condition for readiness"),
        ("port 0", "0 is not a port"),
        ("output (", "is not a regular expression"),
    ]
    for ready, words in wrong:
        with pytest.raises(RawnsError, match=words):
            a.start(["true"], ready=ready)
    assert len(a.processes) == 1, "one was started although its condition is wrong"
    with pytest.raises(RawnsError, match="no command is given"):
        a.start([])
    with pytest.raises(Exception, match="has no host called c; it has a, b"):
        lab["c"]
    pid = os.fork()
    if pid == 0:
        refused = [sentence(use) for use in (lab.up, lab.down, lambda: a.start(["true"]), *changes(lab))]
        os._exit(all("belongs to process" in one and "cannot" in one for one in refused))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1 and lab.is_up and lab.plan() == []
    for one in (lab, a, a.ports[0]):
        with pytest.raises(TypeError, match="cannot be copied or pickled: give the other process the names of its hosts"):
            pickle.dumps(one)
    lab.down()
    with pytest.raises(Exception, match="the host a has no network namespace: `up` of its lab creates it"):
        a.run(["true"])
    KEPT.extend([lab, KEPT.pop()])


def test_after_its_test_passes(netns: Any) -> None:
    lab = KEPT[0]
    uses: list[Any] = [lab.up, lab.plan, lambda: lab.netns("c"), lambda: lab.wait_reachable("a", "b"), *changes(lab)]
    uses += [lambda: lab["a"].run(["true"]), lambda: lab["a"].start(["true"]), lambda: lab["a"].entered().__enter__()]
    for use in uses:
        assert "the lab test_wrong_uses_pass of test_wrong_uses_pass has ended with its test" in sentence(use)
    assert "the fixture netns_factory of test_factory_passes has ended" in sentence(KEPT[1])


def test_thread_of_another_time_passes(lab: Any) -> None:
    """A thread that began before the run was isolated has other mounts; here it leaves them by itself."""
    wired(lab)
    found: list[str] = []

    def in_thread() -> None:
        syscalls.unshare(uapi.CLONE_NEWNS)
        found.extend(sentence(use) for use in (lab.up, lab.down, *changes(lab)))

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert len(found) > 4 and all("it began before its process was isolated" in one for one in found), found


def test_what_a_lab_ends_passes(lab: Any, tmp_path: Path) -> None:
    """Captures, and all processes of the group of one that was started, end with the lab: they are not left behind."""
    a, _ = wired(lab)
    lab.capture("a", file=str(tmp_path / "a.pcapng"))
    a.start(["sh", "-c", "for one in 1 2 3 4 5 6 7 8; do sleep 60 & done; echo up; wait"], ready="output up")


def test_a_copy_of_the_test_passes(_rawns_test: Any, netns_factory: Callable[..., Any]) -> None:
    """A process that a test has forked, and that goes on, removes nothing of the test's, and finds no leaks."""
    netns_factory("mine")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _rawns_test.end() == [] and os.listdir("/run/netns") == ["mine"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_pytest_within_a_test_passes(lab: Any, tmp_path: Path) -> None:
    """The inner run has the names and the network of the outer one."""
    wired(lab)
    (tmp_path / "test_inner.py").write_text("def test_inner(lab):\n    lab.netns('c')\n    lab.up()\n")
    inner = ["-q", "-p", "rawns.pytest_plugin", "-p", "no:cacheprovider", "--rawns-isolation=auto", "--rootdir", str(tmp_path)]
    assert pytest.main([*inner, str(tmp_path / "test_inner.py")]) == 0
    assert sorted(os.listdir("/run/netns")) == ["a", "b"] and lab.plan() == []


def test_multiprocessing_passes(netns: Any) -> None:
    """The helper that multiprocessing starts for itself, and keeps, is not left behind by the test."""
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()
    process.join()
    process.close()


@pytest.mark.lab("missing.toml")
def test_missing_file_is_an_error() -> None:
    pass


# -- leaks ------------------------------------------------------------------------------------------------------------


def test_leaked_name_is_an_error(netns: Any) -> None:
    subprocess.run(["ip", "netns", "add", "forgotten"], check=True)


def test_leaked_process_is_an_error(netns: Any) -> None:
    KEPT.append(netns.popen(["sleep", "60"]))


def test_leaked_daemon_is_an_error(lab: Any) -> None:
    """Its parent has ended, so that it is not a child of pytest any more."""
    a, _ = wired(lab)
    a.run(["sh", "-c", "sleep 61 </dev/null >/dev/null 2>&1 &"], check=True)


def test_leaked_thread_is_an_error(netns: Any) -> None:
    event = threading.Event()
    threading.Thread(target=event.wait, name="forgotten-thread", daemon=True).start()
    KEPT.append(event)


def test_leaked_descriptor_is_an_error(netns: Any) -> None:
    KEPT.append(socket.socket())


def test_leaked_namespace_is_an_error(netns: Any) -> None:
    KEPT.append(os.open(f"/proc/self/fd/{netns.fileno()}", os.O_RDONLY))


# -- failures that explain themselves -----------------------------------------------------------------------------------


def test_link_down_fails(lab: Any) -> None:
    a, b = wired(lab)
    a.start(["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; sleep 60"], ready=lambda one: len(one.output) == 100000)
    b.start([sys.executable, "-c", SERVER], ready="port 8080")
    subprocess.run(["ip", "-n", "b", "link", "set", "eth0", "down"], check=True)
    with pytest.raises(OSError):
        a.net.add_address("eth0", "10.0.0.1/24")
    with a.entered(), socket.create_connection(("10.0.0.2", 8080), timeout=0.1):
        pass


def test_hosts_without_names_fails(lab: Any) -> None:
    one, other, router = lab.netns(), lab.netns(), lab.netns(label="router")
    for host, number in ((one, 0), (other, 1)):
        lab.wire(host.port("eth0", f"10.0.{number}.1/24"), router.port(f"eth{number}", f"10.0.{number}.254/24"))
        host.route("default", via=f"10.0.{number}.254")
    router.forward()
    lab.up()
    router.net.set_link("eth1", up=False)
    lab.wait_reachable(one, other, timeout=0.1)


def test_impaired_fails(lab: Any) -> None:
    """On a kernel without netem the report must know that the relay runs."""
    wired(lab)
    lab.impair("a:eth0", delay="1ms")
    pytest.fail("in words")


@pytest.fixture
def no_descriptors(lab: Any) -> Iterator[None]:
    """Provide no descriptor, from now until the end of the test."""
    wired(lab)
    limits, kept = resource.getrlimit(resource.RLIMIT_NOFILE), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, limits[1]))
    try:
        while True:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        yield
    for one in kept:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_descriptors_fails(no_descriptors: None) -> None:
    pytest.fail("in words", pytrace=False)


def test_plain_failure_fails(netns: Any) -> None:
    pytest.fail("in words", pytrace=False)
