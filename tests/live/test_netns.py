"""Namespaces on the real kernel: made, named, opened, entered, deleted; and everything that can be wrong with a name."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import mountinfo

from rawns import InvalidValue, NetNS, RawnsError

Name = Callable[[], str]
HERE = "/proc/thread-self/ns/net"


def identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def test_a_named_namespace_is_a_mount_under_its_name(netns_name: Name) -> None:
    name, home = netns_name(), identity(HERE)
    with NetNS.create(name) as ns:
        assert ns.name == name and name in NetNS.list()
        assert identity(f"/run/netns/{name}") == ns.identity != home
        line = next(line for line in mountinfo().splitlines() if line.split()[4].endswith(name))
        assert line.split()[3] == f"net:[{ns.identity[1]}]" and " - nsfs " in line
        assert identity(HERE) == home
    assert name not in NetNS.list() and not os.path.lexists(f"/run/netns/{name}")


def test_the_directory_is_a_shared_mount_as_ip_makes_it(netns_name: Name) -> None:
    for _ in range(3):
        with NetNS.create(netns_name()):
            lines = mountinfo().splitlines()
            own = [line for line in lines if line.split()[4] == "/run/netns"]
            assert " shared:" in own[-1]


def test_an_anonymous_one_lives_by_its_descriptor() -> None:
    before = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    with NetNS.create() as ns:
        assert ns.name is None and ns.identity != identity(HERE)
        assert (os.listdir("/run/netns") if os.path.isdir("/run/netns") else []) == before
    assert ns.fd == -1


def test_open_by_name_path_pid_and_descriptor(netns_name: Name) -> None:
    name = netns_name()
    with NetNS.create(name) as ns:
        child = ns.popen(["cat"], stdin=subprocess.PIPE)
        try:
            for other in (
                NetNS.open(name),
                NetNS.open(f"/run/netns/{name}"),
                NetNS.open(pid=child.pid),
                NetNS.open(fd=ns.fd),
            ):
                with other:
                    assert other == ns and hash(other) == hash(ns) and other.fd != ns.fd
            assert ns.pids() == [child.pid] and ns.names() == [name]
        finally:
            child.communicate(timeout=10)
        assert name in NetNS.list(), "leaving a `with` of what was only opened must not delete it"


def test_current_is_where_this_thread_is() -> None:
    with NetNS.current() as here, NetNS.create() as ns:
        assert here.identity == identity(HERE) and here != ns
        with ns.entered(), NetNS.current() as inside:
            assert inside == ns


def test_entered_moves_only_this_thread_and_nests() -> None:
    home, seen = identity(HERE), []
    with NetNS.create() as one, NetNS.create() as two:
        with one.entered():
            assert identity(HERE) == one.identity
            thread = threading.Thread(target=lambda: seen.append(identity(f"/proc/{os.getpid()}/ns/net")))
            with two.entered():
                assert identity(HERE) == two.identity
            assert identity(HERE) == one.identity
            thread.start()
            thread.join()
        assert identity(HERE) == home

        with pytest.raises(ZeroDivisionError), one.entered():
            raise ZeroDivisionError
        assert identity(HERE) == home


def test_call_runs_on_a_thread_inside_and_brings_back_result_or_exception() -> None:
    home = identity(HERE)
    with NetNS.create() as ns:
        assert ns.call(identity, HERE) == ns.identity and ns.call(dict, [("a", 1)], b=2) == {"a": 1, "b": 2}
        assert ns.call(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            ns.call(lambda: 1 // 0)
    assert identity(HERE) == home


def test_works_from_any_thread(netns_name: Name) -> None:
    names, failures = [netns_name() for _ in range(4)], []

    def work(name: str) -> None:
        try:
            home = identity(HERE)
            for _ in range(5):
                with NetNS.create(name) as ns:
                    assert [link.name for link in ns.net.links()][0] == "lo"
                assert identity(HERE) == home
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_socket_stays_inside() -> None:
    with NetNS.create() as ns:
        ns.net.set_link("lo", up=True)
        with ns.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            with ns.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.connect(server.getsockname())
            with socket.socket() as outside, pytest.raises(OSError):
                outside.connect(server.getsockname())


def test_popen_and_run_enter_the_network_only_unless_asked(netns_name: Name) -> None:
    with NetNS.create(netns_name()) as ns:
        show = ["readlink", "/proc/self/ns/net", "/proc/self/ns/mnt"]
        net, mnt = ns.run(show, stdout=subprocess.PIPE, text=True).stdout.split()
        assert net == f"net:[{ns.identity[1]}]" and mnt == os.readlink("/proc/self/ns/mnt")
        net, mnt = ns.run(show, mounts=True, stdout=subprocess.PIPE, text=True).stdout.split()
        assert net == f"net:[{ns.identity[1]}]" and mnt != os.readlink("/proc/self/ns/mnt")
        ns.net.add_veth("only-here", peer="and-here")
        listed = ns.run(["ls", "/sys/class/net"], mounts=True, stdout=subprocess.PIPE, text=True).stdout.split()
        assert sorted(listed) == sorted(link.name for link in ns.net.links())
        assert ns.run(["sh", "-c", "exit 7"]).returncode == 7
        with pytest.raises(FileNotFoundError):
            ns.run(["/no/such/command"])


@pytest.mark.really_root
def test_files_of_etc_netns_lie_over_etc(netns_name: Name) -> None:
    name = netns_name()
    own = Path("/etc/netns") / name
    made_parent = not own.parent.exists()
    own.mkdir(parents=True)
    try:
        (own / "hostname").write_text("written-by-the-test\n")
        with NetNS.create(name) as ns:
            plain = ns.run(["cat", "/etc/hostname"], stdout=subprocess.PIPE, text=True).stdout
            over = ns.run(["cat", "/etc/hostname"], mounts=True, stdout=subprocess.PIPE, text=True).stdout
            assert over == "written-by-the-test\n" != plain
            (own / "no-such-file-in-etc").write_text("")
            with pytest.raises(OSError, match="mount"):
                ns.run(["true"], mounts=True)
    finally:
        for file in own.iterdir():
            file.unlink()
        own.rmdir()
        if made_parent:
            own.parent.rmdir()


def test_attach_gives_a_name(netns_name: Name) -> None:
    name = netns_name()
    with NetNS.create() as ns:
        ns.attach(name)
        assert ns.names() == [name] and identity(f"/run/netns/{name}") == ns.identity
        with pytest.raises(FileExistsError):
            NetNS.create(name)
    assert name not in NetNS.list()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/run/netns/x", "a\0b", "x" * 256])
def test_a_name_is_one_path_component(name: str) -> None:
    for attempt in (NetNS.create, NetNS.remove):
        with pytest.raises(InvalidValue, match="cannot name a network namespace"):
            attempt(name)


def test_taken_and_gone_names(netns_name: Name) -> None:
    name = netns_name()
    with pytest.raises(FileNotFoundError) as missing:
        NetNS.open(name)
    assert f'open("/run/netns/{name}"' in str(missing.value) and "ENOENT" in str(missing.value)
    with pytest.raises(FileNotFoundError):
        NetNS.remove(name)
    ns = NetNS.create(name)
    with pytest.raises(FileExistsError) as taken:
        NetNS.create(name)
    assert isinstance(taken.value, RawnsError) and "EEXIST" in str(taken.value)
    assert NetNS.list().count(name) == 1
    ns.delete()
    with pytest.raises(RawnsError, match="is closed"):
        ns.entered()


def test_a_stale_name_is_listed_as_stale_never_entered_and_can_be_removed(netns_name: Name) -> None:
    name = netns_name()
    NetNS.create(netns_name()).delete()  # so that the directory is there
    Path(f"/run/netns/{name}").touch()
    assert name not in NetNS.list() and name in NetNS.list(stale=True)
    with pytest.raises(InvalidValue, match="is not a network namespace"):
        NetNS.open(name)
    NetNS.remove(name)
    assert name not in NetNS.list(stale=True)


def test_other_kinds_of_namespaces_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="not a network namespace"):
        NetNS.open("/proc/self/ns/mnt")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InvalidValue, match="is not a network namespace"):
        NetNS.open(str(file))
    with pytest.raises(InvalidValue, match="one of name, pid, fd and pidfd"):
        NetNS.open("x", pid=1)


def test_delete_leaves_a_name_that_has_become_anothers(netns_name: Name) -> None:
    name = netns_name()
    ns = NetNS.create(name)
    NetNS.remove(name)
    with NetNS.create(name) as other:
        with pytest.raises(RawnsError, match="belongs to another"):
            ns.delete()
        assert identity(f"/run/netns/{name}") == other.identity
        ns.close()


def test_deleted_while_we_are_inside(netns_name: Name) -> None:
    name, home = netns_name(), identity(HERE)
    with NetNS.create(name) as ns:
        with ns.entered():
            NetNS.remove(name)
            assert identity(HERE) == ns.identity and [link.name for link in ns.net.links()][0] == "lo"
        assert identity(HERE) == home
        with pytest.raises(FileNotFoundError):
            ns.delete()


def test_a_namespace_forgotten_is_closed_by_the_collector() -> None:
    fd = NetNS.create().fd
    with pytest.raises(OSError):
        os.fstat(fd)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ('mount("none", "/proc", "tmpfs", 0, None)', "/proc must be mounted"),
        ('mount("none", "/run", "tmpfs", uapi.MS_RDONLY, None)', "Read-only file system (EROFS)"),
    ],
    ids=["no /proc", "a read-only /run"],
)
def test_a_box_without(damage: str, said: str, netns_name: Name) -> None:
    """In a process of its own, with mounts of its own."""
    script = f"""
from rawns import NetNS, uapi
from rawns.syscalls import mount, unshare
unshare(uapi.CLONE_NEWNS)
mount("", "/", "none", uapi.MS_PRIVATE | uapi.MS_REC, None)
{damage}
try:
    NetNS.create({netns_name()!r})
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert said in done.stdout and done.stdout.count("\n") == 1


def test_the_user_nobody_is_told_what_to_do(ordinary: object) -> None:
    done = ordinary.run([sys.executable, "-c", "from rawns import NetNS; NetNS.create()"])  # type: ignore[attr-defined]
    assert done.stdout.splitlines()[-1].endswith(
        "unshare(CLONE_NEWNET): Operation not permitted (EPERM); run as root, or inside `rawns rootless`"
    )


def test_nobody_may_look_around_where_he_is_but_change_nothing(ordinary: object) -> None:
    script = """
from rawns import NetNS
here = NetNS.current()
print([link.name for link in here.net.links()][0])
try:
    here.net.set_link("lo", mtu=1234)
except PermissionError as error:
    print(error)
"""
    done = ordinary.run([sys.executable, "-c", script])  # type: ignore[attr-defined]
    assert done.stdout.splitlines() == [
        "lo",
        "RTM_NEWLINK (link lo) refused: Operation not permitted (EPERM); run as root, or inside `rawns rootless`",
    ]


def test_a_second_name_is_refused_so_that_none_is_forgotten(netns_name: Name) -> None:
    first, second = netns_name(), netns_name()
    with NetNS.create(first) as ns:
        with pytest.raises(InvalidValue, match="has a name already"):
            ns.attach(second)
        with NetNS.open(fd=ns.fd) as same:
            same.attach(second)
            assert sorted(ns.names()) == sorted([first, second])
            same.delete()
    assert not {first, second} & set(NetNS.list())


def test_a_descriptor_is_not_copied_or_pickled() -> None:
    with NetNS.create() as ns:
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot be copied or pickled"):
                attempt(ns)


def test_a_network_outlives_the_object_it_was_taken_from() -> None:
    script = """
import gc
from rawns import NetNS
print([link.name for link in NetNS.create().net.links()][0])
net = NetNS.create().net
gc.collect()
print([link.name for link in net.links()][0])
"""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.stdout == "lo\nlo\n"


def test_the_descriptor_closed_behind_our_back_is_no_noise(capsys: pytest.CaptureFixture[str]) -> None:
    ns = NetNS.create()
    os.close(ns.fd)
    del ns
    gc.collect()
    assert capsys.readouterr().err == ""


def test_one_that_was_closed_can_be_taken_out_of_a_set() -> None:
    ns = NetNS.create()
    known = {ns}
    ns.close()
    assert ns in known
    known.discard(ns)


@pytest.mark.parametrize("name", ["\ud800", "a\ud800"])
def test_a_name_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="cannot be encoded as a file name"):
        NetNS.create(name)


def test_what_cannot_be_opened_is_refused_in_the_same_way() -> None:
    for wrong in ("/etc\0/", "a\0b"):
        with pytest.raises(InvalidValue):
            NetNS.open(wrong)
    with pytest.raises(InvalidValue, match="is an integer from 0"):
        NetNS.open(pid="x")  # type: ignore[arg-type]


def test_a_name_drives_nobodys_terminal(netns_name: Name) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        NetNS.open("a\nb\x1b[31m")
    assert "\n" not in str(missing.value) and "\x1b" not in str(missing.value)


def test_threads_that_want_the_network_first_get_the_same_one() -> None:
    with NetNS.create() as ns:
        start, found = threading.Barrier(8), []

        def work() -> None:
            start.wait()
            found.append(ns.net)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(net) for net in found}) == 1


def test_the_limit_of_namespaces_is_named() -> None:
    """In a user namespace, which may have limits of its own."""
    script = """
from rawns import NetNS, rootless
rootless.enter()
open("/proc/sys/user/max_net_namespaces", "w").write("1")
try:  # the one we are in is the first
    NetNS.create()
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "ENOSPC" in done.stdout and "max_net_namespaces" in done.stdout and done.stdout.count("\n") == 1, done.stdout
