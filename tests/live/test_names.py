"""Names under /run/netns that are not what `rawns` makes, and the ways in which a namespace can be referred to."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import NETNS

from rawns import InvalidValue, NetNS, RawnsError, SyscallError, netns_names

Name = Callable[[], str]

ODD = ["fifo", "dangling", "loop", "socket", "device", "file", "link to a fifo", "link to a file"]


def make(kind: str, path: Path) -> None:
    other = path.parent / f"{path.name}.target"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to("/nonexistent/file")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    elif kind == "device":
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only the machine's root makes device files")
    elif kind == "file":
        path.write_text("text")
    elif kind == "link to a fifo":
        os.mkfifo(other)
        path.symlink_to(other)
    else:
        other.write_text("text")
        path.symlink_to(other)


@pytest.fixture
def odd(request: pytest.FixtureRequest, netns_name: Name) -> Iterator[str]:
    """The name of an odd file under /run/netns; a file beside it may be its target."""
    name = netns_name()
    NetNS.create(name).delete()  # so that the directory is there
    make(request.param, NETNS / name)
    yield name
    for path in (NETNS / name, NETNS / f"{name}.target"):
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("odd", ODD, indirect=True)
def test_an_odd_file_is_listed_as_stale_never_read_and_can_be_removed(odd: str) -> None:
    """The whole in a process with a limit of time: what it hangs on would hang the tests."""
    script = """
import sys
from rawns import NetNS, RawnsError, netns_names
name = sys.argv[1]
print(name in NetNS.list(), name in NetNS.list(stale=True), netns_names.abandoned(name), len(netns_names.mark_of(name)))
for attempt in (NetNS.open, NetNS.create):
    try:
        attempt(name)
    except (RawnsError, OSError) as error:
        print(type(error).__name__)
NetNS.remove(name)
print(name in NetNS.list(stale=True))
"""
    target = NETNS / f"{odd}.target"
    before = target.lstat() if target.exists() else None
    is_file = stat.S_ISREG((NETNS / odd).lstat().st_mode)
    done = subprocess.run([sys.executable, "-c", script, odd], capture_output=True, text=True, timeout=30)
    lines = done.stdout.splitlines()
    assert lines[0] == f"False True False {4 if is_file else 0}" and done.stderr == ""
    assert lines[1] in ("InvalidValue", "SyscallError") and lines[2:] == ["SyscallError", "False"]
    assert not os.path.lexists(NETNS / odd)
    assert before is None or target.lstat() == before


@pytest.mark.parametrize("command", ["ip netns list", "lab list", "lab gc", "lab down {}", "ip netns pids {}"])
@pytest.mark.parametrize("odd", ["fifo", "link to a fifo"], indirect=True)
def test_no_command_waits_for_the_writer_of_a_fifo(command: str, odd: str) -> None:
    words = command.format(odd).split()
    done = subprocess.run([sys.executable, "-m", "rawns", *words], capture_output=True, text=True, timeout=30)
    assert "Traceback" not in done.stderr
    assert os.path.lexists(NETNS / odd)


def test_a_link_to_a_namespace_is_a_name_and_its_removal_leaves_the_target_alone(netns_name: Name) -> None:
    """As containers' namespaces are made visible to `ip`: a link to /proc/PID/ns/net, or to another name."""
    with NetNS.create(netns_name()) as ns:
        link, process = netns_name(), netns_name()
        (NETNS / link).symlink_to(NETNS / (ns.name or ""))
        (NETNS / process).symlink_to(f"/proc/{os.getpid()}/ns/net")
        assert {link, process, ns.name} <= set(NetNS.list()) and NetNS.open(link) == ns and link in ns.names()
        if shutil.which("ip"):
            assert subprocess.run(["ip", "netns", "exec", link, "true"]).returncode == 0
        NetNS.remove(link)
        NetNS.remove(process)
        assert ns.name in NetNS.list() and NetNS.open(ns.name or "") == ns
        assert not os.path.lexists(NETNS / link)


def test_a_name_that_another_link_has_taken_is_left_alone(netns_name: Name) -> None:
    ns = NetNS.create(netns_name())
    name = ns.name or ""
    NetNS.remove(name)
    (NETNS / name).symlink_to("/nonexistent/file")
    with pytest.raises(RawnsError, match="belongs to another network namespace by now"):
        ns.delete()
    ns.close()
    assert os.path.islink(NETNS / name)


# -- references -------------------------------------------------------------------------------------------------------


def test_one_namespace_in_every_way_of_saying_it(netns_name: Name) -> None:
    class Host:
        def __init__(self, namespace: NetNS) -> None:
            self.namespace = namespace

    with NetNS.create(netns_name()) as ns:
        child = ns.popen(["cat"], stdin=subprocess.PIPE)
        path = f"/run/netns/{ns.name}"
        ways = [ns.name, path, Path(path), f"pid:{child.pid}", f"pid:0{child.pid}", ns.fd, Host(ns), ns]
        assert [NetNS.resolve(way) for way in ways] == [ns] * len(ways)  # type: ignore[arg-type]
        assert NetNS.resolve(ns) is ns and NetNS.resolve(Host(ns)) is ns and NetNS.open(f"pid:{child.pid}") == ns
        assert NetNS.resolve(ns.fd).fd != ns.fd
        child.communicate()


@pytest.mark.parametrize("way", [None, 1.5, True, b"x", "", ".", "a/../\0", [], -1, 1 << 40])
def test_what_refers_to_no_namespace_is_refused(way: object) -> None:
    with pytest.raises(InvalidValue):
        NetNS.resolve(way)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "way, said",
    [
        ("no-such-name", "no network namespace is called no-such-name"),
        ("pid:2147483647", "there is no process 2147483647"),
        ("pid:" + "9" * 5000, ""),
        ("/proc/self/ns/mnt", "is a namespace, but not a network namespace"),
        ("/etc/passwd", "/etc/passwd is not a network namespace"),
        ("/etc", "/etc is not a network namespace"),
        ("/dev/null", "/dev/null is not a network namespace"),
        (1023, "1023 is not an open descriptor"),
    ],
)
def test_what_cannot_be_opened_says_why(way: object, said: str) -> None:
    with pytest.raises(RawnsError) as caught:
        NetNS.resolve(way)  # type: ignore[arg-type]
    assert said in str(caught.value)


# -- first contact ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["", "'x'", "5", "name='x'"])
def test_the_constructor_names_what_to_use(arguments: str) -> None:
    script = f"from rawns import NetNS\ntry: NetNS({arguments})\nexcept TypeError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "use NetNS.create(name) to create a network namespace, or NetNS.open(name) to open one\n"
    assert done.stderr == ""


def test_a_taken_name_and_a_missing_one_are_said_in_a_sentence(netns_name: Name) -> None:
    with NetNS.create(netns_name()) as ns:
        for attempt in (NetNS.create, NetNS.create().attach):
            with pytest.raises(FileExistsError, match=f"; the name {ns.name} is taken"):
                attempt(ns.name or "")
    for attempt in (ns.remove, NetNS.open):
        with pytest.raises(FileNotFoundError, match=f"; no network namespace is called {ns.name}"):
            attempt(ns.name or "")  # type: ignore[operator]
    gone = NetNS.create(netns_name())
    NetNS.remove(gone.name or "")
    with pytest.raises(FileNotFoundError, match=f"; no network namespace is called {gone.name}"):
        gone.delete()
    gone.close()


def test_no_internals_among_the_names_that_an_interpreter_completes() -> None:
    public = {name for name in dir(NetNS) if not name.startswith("_")}
    assert public == {
        *("create", "temporary", "open", "resolve", "current", "list", "remove", "identity", "fileno", "names", "pids"),
        *("attach", "delete", "close", "entered", "enter", "call", "socket", "popen", "run", "fd", "name"),
        *("net", "monitor", "setting", "settings", "add_tap", "open_tap", "nft", "connected", "disconnect"),
    }


# -- after a fork -------------------------------------------------------------------------------------------------------


def test_a_forked_child_deletes_nothing_of_its_parents(netns_name: Name) -> None:
    """A child whose exception unwinds the parent's ``with`` block, too."""
    script = """
import os, sys
from rawns import NetNS
with NetNS.create(sys.argv[1]) as ns:
    child = os.fork()
    if not child:
        raise SystemExit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sys.argv[1] in NetNS.list())
print(sys.argv[1] in NetNS.list())
"""
    done = subprocess.run([sys.executable, "-c", script, netns_name()], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("3 True\nFalse\n", "")


def test_a_forked_child_takes_down_no_lab_of_its_parents(netns_name: Name) -> None:
    script = """
import os, sys
from rawns import Lab, NetNS
name = sys.argv[1]
with Lab("t-fork") as lab:
    lab.netns(name)
    lab.up()
    child = os.fork()
    if not child:
        raise SystemExit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), name in NetNS.list())
print(name in NetNS.list())
"""
    done = subprocess.run([sys.executable, "-c", script, netns_name()], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("3 True\nFalse\n", "")


def test_marks_are_read_from_regular_files_only(netns_name: Name) -> None:
    from rawns.rollback import Rollback

    NetNS.create(netns_name()).delete()
    name = netns_name()
    with pytest.raises(KeyError), Rollback() as undo:
        path = netns_names.claim(name, undo, b"mine")
        assert netns_names.mark_of(name) == "mine" and not netns_names.abandoned(name)
        os.truncate(path, 0)
        assert netns_names.abandoned(name)
        with open(path):
            assert not netns_names.abandoned(name)
        raise KeyError
    with pytest.raises(SyscallError):
        NetNS.open(name)
