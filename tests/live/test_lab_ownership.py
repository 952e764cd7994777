"""Whose a lab is: it is in use while its owner's lock is held, across pid, network and mount namespaces, and after forks."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import NETNS, PROJECT, Ordinary, mountinfo, remove_name

from rawns import InvalidValue, Lab, NetNS, RawnsError
from rawns.lab import discover, lock, stamp
from rawns.lab.removal import RemovalError

Name = Callable[[], str]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT)}


@pytest.fixture
def lab_name(netns_name: Name) -> Iterator[str]:
    """A name for a lab; what carries it at the end of the test is removed, without the library."""
    name = netns_name()
    yield name
    for one in os.listdir(NETNS) if NETNS.is_dir() else []:
        if one.startswith(f"{name}."):
            remove_name(one)


def python(script: str, *prefix: str) -> subprocess.Popen[str]:
    """Start a script that says ``ready`` and then waits for its standard input to be closed."""
    command = [*prefix, sys.executable, "-c", script]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        process.kill()
        process.communicate()
        pytest.skip(f"{' '.join(prefix)} does not work here")
    return process


def kill_and_wait(pid: int) -> None:
    """Kill a process; when this returns, the kernel has closed its descriptors."""
    fd = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([fd], [], [], 30)
    finally:
        os.close(fd)


def rawns(*argv: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rawns", "lab", *argv]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)


def named(lab: str) -> list[str]:
    return sorted(one for one in os.listdir(NETNS) if one.startswith(f"{lab}."))


LIVING = """
import os, sys
from rawns import Lab
lab = Lab({name!r})
lab.netns({name!r} + ".a"), lab.netns({name!r} + ".b"), lab.netns()
lab.up()
print("ready", flush=True)
sys.stdin.read()
"""
STANDING = """
import os, sys
from rawns import Lab
lab = Lab({name!r}, standing=True)
lab.netns({name!r} + ".a")
lab.up()
print("ready", flush=True)
sys.stdin.read()
"""
ELSEWHERE = {
    "here": [],
    "another pid namespace": ["unshare", "-pf", "--mount-proc"],
    "another network namespace": ["unshare", "-n"],
    "another mount namespace": ["unshare", "-m", "--propagation", "unchanged"],
    "a mount namespace that shares nothing": ["unshare", "-m", "--propagation", "private"],
    "another /run with the same names": [
        *["unshare", "-m", "--propagation", "unchanged", "sh", "-c"],
        "mkdir -p /tmp/rawns-run.$$ && mount -t tmpfs x /tmp/rawns-run.$$ && mkdir /tmp/rawns-run.$$/netns && "
        'mount --rbind /run/netns /tmp/rawns-run.$$/netns && mount --rbind /tmp/rawns-run.$$ /run && exec "$@"',
        "sh",
    ],
}


@pytest.fixture
def shared_names() -> None:
    """/run/netns as a shared mount, which `ip netns add` makes."""
    NetNS.create(f"rt-{os.getpid()}-shared").delete()


@pytest.mark.really_root
@pytest.mark.parametrize("place", [place for place in ELSEWHERE if "/run" not in place])
def test_gc_leaves_a_lab_in_use_alone_and_removes_it_when_its_owner_is_killed(
    place: str, lab_name: str, shared_names: None
) -> None:
    process = python(LIVING.format(name=lab_name), *ELSEWHERE[place])
    with process:
        there = named(lab_name)
        assert there == [f"{lab_name}.a", f"{lab_name}.b"]
        assert not [one for one in discover.collect_garbage() if one.startswith(lab_name)]
        assert named(lab_name) == there
        (found,) = [one for one in discover.find_labs() if one.name == lab_name]
        assert found.state.startswith("in use by ")
        pid = int(found.state.rpartition(" ")[2]) if "another pid" not in place else process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            kill_and_wait(int(child))
        kill_and_wait(pid)
    assert sorted(discover.collect_garbage()) == there
    assert named(lab_name) == []


@pytest.mark.really_root
def test_gc_keeps_what_it_cannot_judge(lab_name: str, shared_names: None) -> None:
    """With a /run of its own, the owner has locks that we do not see; its names we do."""
    process = python(LIVING.format(name=lab_name), *ELSEWHERE["another /run with the same names"])
    with process:
        there = named(lab_name)
        assert len(there) == 2
        assert not [one for one in discover.collect_garbage() if one.startswith(lab_name)]
        assert named(lab_name) == there
        (found,) = [one for one in discover.find_labs() if one.name == lab_name]
        assert found.state == "in use by a process that cannot be seen from here"
        process.kill()
    assert not discover.collect_garbage() and named(lab_name) == there
    assert sorted(discover.remove_lab(lab_name)) == there
    for left in Path("/tmp").glob("rawns-run.*"):
        left.rmdir()


@pytest.mark.really_root
def test_a_standing_lab_in_another_mount_namespace_is_not_taken_for_a_leftover(lab_name: str, shared_names: None) -> None:
    """Where mounts are not shared, its names look stale from here."""
    process = python(STANDING.format(name=lab_name), *ELSEWHERE["a mount namespace that shares nothing"])
    with process:
        assert f"{lab_name}.a" in NetNS.list(stale=True)
        (found,) = [one for one in discover.find_labs() if one.name == lab_name]
        assert found.hosts == [] and "half-made" not in found.state
        discover.collect_garbage()
        lab = Lab(lab_name, standing=True)
        lab.netns(f"{lab_name}.a")
        with pytest.raises(FileExistsError, match="whether it is in use cannot be seen from here"):
            lab.up()
        assert named(lab_name) == [f"{lab_name}.a"]
    discover.remove_lab(lab_name)


def test_a_child_that_outlives_its_parent_owns_nothing(lab_name: str) -> None:
    script = LIVING.format(name=lab_name).replace('print("ready", flush=True)', "if os.fork():\n    print('ready', flush=True)")
    with python(script + "\nos._exit(0)\n") as process:
        (found,) = [one for one in discover.find_labs() if one.name == lab_name]
        assert found.state == f"in use by process {process.pid}"
        process.send_signal(signal.SIGKILL)
        process.wait()
        # The child still lives: it holds the other end of the pipe that we have not closed.
        (found,) = [one for one in discover.find_labs() if one.name == lab_name]
        assert found.state == "left half-made"
        assert len([one for one in discover.collect_garbage() if one.startswith(lab_name)]) == 2


def test_a_forked_child_does_not_release_the_lock_of_its_parent(lab_name: str) -> None:
    lab = Lab(lab_name)
    lab.netns(f"{lab_name}.a")
    lab.up()
    pid = os.fork()
    if not pid:
        try:
            lab._release_ownership(down=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert lock.owner_state(lab.owner_token) == lock.ALIVE
    lab.down()


def test_a_lab_that_runs_for_a_while_ends_with_its_process(lab_name: str, tmp_path: Path) -> None:
    """`lab run` that is killed with SIGKILL leaves what `gc` may remove; while it runs, `up` refuses to take it over."""
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": lab_name, "hosts": ["a", "b"]}))
    command = [sys.executable, "-m", "rawns", "lab", "run", str(path), "--", "sh", "-c", "echo ready; exec cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=ENVIRONMENT, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "ready\n"
        assert rawns("gc").stdout == "there was nothing left behind\n"
        refused = rawns("up", str(path))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"rawns lab: the lab {lab_name} is in use by process {process.pid}\n"
        process.kill()
    assert rawns("gc").stdout == f"- {lab_name}.a\n- {lab_name}.b\n"
    assert named(lab_name) == []


# -- the lock ---------------------------------------------------------------------------------------------------------

WAITER = """
import os, sys
from rawns.lab.lock import LabLock
with LabLock({name!r}):
    os.mkdir({path!r})   # fails if another one is inside
    os.rmdir({path!r})
    print("inside", flush=True)
"""


def test_a_hundred_waiters_take_turns(lab_name: str, tmp_path: Path) -> None:
    script = WAITER.format(name=lab_name, path=str(tmp_path / "inside"))
    with lock.LabLock(lab_name) as held:
        runs = "import os\n" + "for _ in range(99):\n    if not os.fork():\n        break\n" + script
        children = subprocess.Popen(
            [sys.executable, "-c", runs], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(100_000):
            waiting = Path("/proc/locks").read_text().count("-> FLOCK")  # the kernel's own list of those that wait
            if waiting >= 100:
                break
            os.sched_yield()
        assert waiting >= 100
        before = os.times()
        held.remove()  # those that wait must notice that the file has gone
        assert os.times().elapsed >= before.elapsed
    out, _ = children.communicate(timeout=60)
    assert out == "inside\n" * 100
    Path(f"{lock.LOCK_DIR}/{lab_name}.lock").unlink(missing_ok=True)


def test_waiting_costs_no_processor_time(lab_name: str) -> None:
    """Blocked in flock(2), as the kernel says, not asking again and again."""
    script = f"from rawns.lab.lock import LabLock\nwith LabLock({lab_name!r}):\n    pass\n"
    with lock.LabLock(lab_name) as held:
        process = subprocess.Popen([sys.executable, "-c", script], env=ENVIRONMENT)
        for _ in range(100_000):
            waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
            if str(process.pid) in [words[5] for words in waiting]:
                break
            os.sched_yield()
        assert Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
        held.remove()
    assert process.wait(60) == 0
    Path(f"{lock.LOCK_DIR}/{lab_name}.lock").unlink(missing_ok=True)


def test_pairs_of_up_in_two_network_and_pid_namespaces_are_serial(lab_name: str, tmp_path: Path, shared_names: None) -> None:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": lab_name, "hosts": ["a", "b", "c"]}))
    command = [sys.executable, "-m", "rawns", "lab", "up", str(path), "--json"]
    for _ in range(12):
        pair = [
            subprocess.Popen([*prefix, *command], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for prefix in ([], ["unshare", "-n", "-pf", "--mount-proc", "--propagation", "unchanged"])
        ]
        answers = [json.loads(one.communicate(timeout=60)[0]) for one in pair]
        assert sorted(len(one["changes"]) for one in answers) == [0, 3], answers
        assert len(named(lab_name)) == 3
        discover.remove_lab(lab_name)


def test_lock_files_are_closed_to_others(lab_name: str) -> None:
    with lock.LabLock(lab_name) as held:
        directory, file = os.lstat(lock.LOCK_DIR), os.lstat(f"{lock.LOCK_DIR}/{lab_name}.lock")
        assert (stat.S_IMODE(directory.st_mode), directory.st_uid) == (0o700, os.geteuid())
        assert (stat.S_IMODE(file.st_mode), file.st_uid, file.st_size) == (0o600, os.geteuid(), 0)
        held.remove()
    victim = f"{lock.LOCK_DIR}/{lab_name}.target"
    os.symlink(victim, f"{lock.LOCK_DIR}/{lab_name}.lock")
    try:
        with pytest.raises(RawnsError, match="is a symbolic link; remove it"), lock.LabLock(lab_name):
            pass
        assert not os.path.lexists(victim)
    finally:
        os.unlink(f"{lock.LOCK_DIR}/{lab_name}.lock")
    os.chmod(lock.LOCK_DIR, 0o777)
    try:
        with pytest.raises(RawnsError, match="could be locked by other users"), lock.LabLock(lab_name):
            pass
    finally:
        os.chmod(lock.LOCK_DIR, 0o700)


# -- a record is not written before the work --------------------------------------------------------------------------


def test_a_killed_run_command_is_run_again(lab_name: str, tmp_path: Path) -> None:
    marker, pipe = tmp_path / "marker", tmp_path / "pipe"
    os.mkfifo(pipe)
    path = tmp_path / "lab.json"
    commands = [f"echo once >> {marker}; echo started > {pipe}; read x < {pipe}", f"echo twice >> {marker}"]
    path.write_text(json.dumps({"name": lab_name, "hosts": {"a": {"run": commands}, "b": {}}}))
    up = subprocess.Popen([sys.executable, "-m", "rawns", "lab", "up", str(path)], env=ENVIRONMENT, start_new_session=True)
    assert pipe.read_text() == "started\n"
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    release = os.open(pipe, os.O_RDWR)  # the command has a session of its own, and waits
    os.write(release, b"\n")
    assert marker.read_text() == "once\n"
    (found,) = [one for one in discover.find_labs() if one.name == lab_name]
    assert found.state == "left half-made"
    plan = json.loads(rawns("plan", str(path), "--json").stdout)
    assert [one["what"] for one in plan["changes"]] == [f"host a ({lab_name}.a)"]
    commands[0] = f"echo once >> {marker}"
    path.write_text(json.dumps({"name": lab_name, "hosts": {"a": {"run": commands}, "b": {}}}))
    assert rawns("up", str(path)).returncode == 0
    assert marker.read_text() == "once\nonce\ntwice\n"
    assert rawns("up", str(path)).stdout.endswith("nothing to change\n")
    assert marker.read_text() == "once\nonce\ntwice\n"
    discover.remove_lab(lab_name)
    os.close(release)


@pytest.mark.parametrize("call", ["setns", "sendto", "close"])
def test_up_completes_a_lab_that_lacks_only_the_record(call: str, lab_name: str, tmp_path: Path) -> None:
    """Killed before any call from its commands on, a lab is completed by the next `up`, and then `gc` leaves it alone."""
    script = f"""
import os, signal
from rawns import Lab, Observer, observed
class Killer(Observer):
    armed = False
    def before(self, call, arguments):
        if self.armed and call == {call!r}:
            os.kill(os.getpid(), signal.SIGKILL)
killer = Killer()
lab = Lab({lab_name!r}, standing=True)
for label in "ab":
    lab.netns({lab_name!r} + "." + label, label)
import rawns.lab.build as build
from rawns.lab import stamp
def write(self, host, state, features, original=build.Builder._write_stamp):
    killer.armed = True
    return original(self, host, state, features)
build.Builder._write_stamp = write
lab.hosts[0].commands = [["true"]]
with observed(killer):
    lab.up()
"""
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    lab = Lab(lab_name, standing=True)
    for label in "ab":
        lab.netns(f"{lab_name}.{label}", label)
    lab.hosts[0].commands = [["true"]]
    lab.up()
    assert [one.state for one in discover.find_labs() if one.name == lab_name] == ["standing"]
    assert not [one for one in discover.collect_garbage() if one.startswith(lab_name)]
    assert len(named(lab_name)) == 2
    discover.remove_lab(lab_name)


# -- stamps of others -------------------------------------------------------------------------------------------------

HOSTILE = {
    "a name too long": "rawns lab=" + "x" * 200,
    "a path": "rawns lab=../../etc by=0123456789abcdef",
    "an absolute path": "rawns lab=/etc/passwd",
    "digits that are not ASCII": "rawns lab={name} by=١٢٣٤.٥٦٧",
    "a superscript": "rawns lab={name} by=²³.¹",
    "an escape sequence": "rawns lab=\x1b[31mred by=0123456789abcdef",
    "an escape sequence in the state": "rawns lab={name} by=0123456789abcdef state=\x1b]0;title\x07",
    "no name": "rawns lab= by=0123456789abcdef",
    "a line break": "rawns lab={name}\nby=\n state=whole",
    "an option": "rawns lab=--help by=0123456789abcdef",
    "a token that is a path": "rawns lab={name} by=../../../etc/passwd",
    "a state that is a path": "rawns lab={name} state=../{name}.lock",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_stamp_disturbs_nobody_else(case: str, lab_name: str, netns_name: Name) -> None:
    other = netns_name()
    lab = Lab(lab_name, standing=True)
    lab.netns(f"{lab_name}.a")
    lab.up()
    with NetNS.create(other) as evil:
        evil.net.set_link("lo", alias=HOSTILE[case].format(name=f"{lab_name}-x"))
        listed = rawns("list")
        assert listed.returncode == 0 and f"{lab_name} " in listed.stdout and "standing" in listed.stdout, listed
        assert all(character.isprintable() or character == "\n" for character in listed.stdout + listed.stderr)
        collected = rawns("gc")
        assert collected.returncode == 0 and collected.stdout == "there was nothing left behind\n", collected
        assert other in NetNS.list()
        discover.remove_lab(lab_name)
        assert other in NetNS.list() and named(lab_name) == []


def test_what_a_stamp_can_say() -> None:
    for text in HOSTILE.values():
        found = stamp.read(text.format(name="shop"))
        if found is not None:
            assert found.lab == "shop"
            assert found.by in ("", "0123456789abcdef") and found.state in ("", "whole")


def test_a_lab_that_looks_like_an_option_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": "-x", "hosts": ["a"]}))
    done = rawns("up", str(path))
    assert done.returncode == 1 and "'-x' cannot name a lab: commands would take it for an option" in done.stderr
    with pytest.raises(InvalidValue):
        Lab("-x")
    assert not [one for one in NetNS.list() if one.startswith("-x")]


# -- /etc/netns -------------------------------------------------------------------------------------------------------


def odd_directory(path: Path) -> Callable[[], None]:
    """Fill a directory with what is not a plain file; what it returns undoes that."""
    path.mkdir(parents=True)
    (path / "dangling").symlink_to("/nowhere/at/all")
    (path / "loop").symlink_to("loop")
    os.mkfifo(path / "fifo")
    (path / "directory").mkdir()
    (path / "device").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path / "socket"))
    (path / "binary").write_bytes(b"\xff\x00" * 100)

    def undo() -> None:
        server.close()
        for one in path.iterdir():
            one.rmdir() if one.is_dir() and not one.is_symlink() else one.unlink()
        path.rmdir()

    return undo


@pytest.mark.really_root
def test_odd_files_below_etc_netns_neither_fail_nor_hang(lab_name: str, netns_name: Name, tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": lab_name, "hosts": {"a": {"nameservers": "10.0.0.1"}}}))
    there = Path("/etc/netns").exists()
    foreign = odd_directory(Path("/etc/netns") / netns_name())
    mine = odd_directory(Path(f"/etc/netns/{lab_name}.a"))
    Path(f"/etc/netns/{lab_name}.link").symlink_to("/nowhere")
    try:
        assert rawns("up", str(path)).returncode == 0
        assert rawns("plan", str(path)).stdout.endswith("there is nothing to change\n")
        done = rawns("down", lab_name)
        assert (done.returncode, done.stderr) == (0, "")
        assert not Path(f"/etc/netns/{lab_name}.a/resolv.conf").exists()
        assert len(list(Path(f"/etc/netns/{lab_name}.a").iterdir())) == 7  # what is not ours is still there
    finally:
        foreign()
        mine()
        Path(f"/etc/netns/{lab_name}.link").unlink()
        if not there:
            Path("/etc/netns").rmdir()


@pytest.mark.really_root
def test_a_file_that_may_not_be_read_is_named_and_left_alone(lab_name: str) -> None:
    there, folder = Path("/etc/netns").exists(), Path(f"/etc/netns/{lab_name}.a")
    folder.mkdir(parents=True)
    file = folder / "resolv.conf"
    file.write_text(f"# rawns lab={lab_name}\n")
    file.chmod(0)
    os.chown(file, 65534, 65534)
    lesser = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-m", "rawns", "lab"]
    try:
        done = subprocess.run([*lesser, "down", lab_name], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and file.exists()
        assert done.stderr == (f"rawns: {file} may not be read, so that it is not known to be the lab's; it is left alone\n")
        done = rawns("down", lab_name)  # with the capability it has a stamp, and is removed
        assert (done.returncode, done.stderr) == (0, "") and not file.exists()
    finally:
        file.unlink(missing_ok=True)
        if folder.exists():
            folder.rmdir()
        if not there and Path("/etc/netns").exists():
            Path("/etc/netns").rmdir()


@pytest.mark.really_root
@pytest.mark.parametrize("file", [".rawns", "resolv.conf"])
def test_no_symbolic_link_is_written_through(file: str, lab_name: str, tmp_path: Path) -> None:
    path, target = tmp_path / "lab.json", tmp_path / "target"
    target.write_text("precious")
    path.write_text(json.dumps({"name": lab_name, "hosts": {"a": {"nameservers": "10.0.0.1"}}}))
    there, folder = Path("/etc/netns").exists(), Path(f"/etc/netns/{lab_name}.a")
    folder.mkdir(parents=True)
    (folder / file).symlink_to(target)
    try:
        done = rawns("up", str(path))
        assert target.read_text() == "precious"
        if file == ".rawns":
            assert done.returncode == 0 and not (folder / "resolv.conf").is_symlink()
        else:
            assert done.returncode == 1 and "is there already, and no lab's" in done.stderr
        assert rawns("down", lab_name).returncode == 0
        assert target.read_text() == "precious"
    finally:
        for one in folder.iterdir() if folder.exists() else ():
            one.unlink()
        folder.rmdir() if folder.exists() else None
        if not there and Path("/etc/netns").exists():
            Path("/etc/netns").rmdir()


@pytest.mark.really_root
def test_a_directory_that_is_a_symbolic_link_is_left_alone(lab_name: str, tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "lab.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.write_text(json.dumps({"name": lab_name, "hosts": {"a": {"nameservers": "10.0.0.1"}}}))
    there = Path("/etc/netns").exists()
    Path("/etc/netns").mkdir(exist_ok=True)
    Path(f"/etc/netns/{lab_name}.a").symlink_to(elsewhere)
    try:
        done = rawns("up", str(path))
        assert done.returncode == 1 and "is a symbolic link" in done.stderr and named(lab_name) == []
        assert list(elsewhere.iterdir()) == []
    finally:
        Path(f"/etc/netns/{lab_name}.a").unlink()
        if not there:
            Path("/etc/netns").rmdir()


def test_what_cannot_be_removed_is_reported_and_the_rest_is_gone(lab_name: str) -> None:
    lab = Lab(lab_name, standing=True)
    for label in "abc":
        lab.netns(f"{lab_name}.{label}")
    lab.up()

    from rawns import Observer, observed

    class Refuser(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "unlink" and f"{lab_name}.b" in arguments:
                raise OSError(30, "")  # EROFS

    try:
        with observed(Refuser()), pytest.raises(RemovalError, match=rf"{lab_name}\.b \(unlink\(.*EROFS") as caught:
            discover.remove_lab(lab_name)
        assert len(caught.value.left) == 1
        assert named(lab_name) == [f"{lab_name}.b"]
    finally:
        remove_name(f"{lab_name}.b")
    discover.remove_lab(lab_name)


# -- what the command says --------------------------------------------------------------------------------------------


STAR = {
    "hosts": ["a", "b", "c"],
    "bridges": {"br0": {}},
    "wires": [{"ends": [f"{host}:eth0 10.0.0.{number}/24", "br0"]} for number, host in enumerate("abc", 1)],
}


def test_a_port_that_is_down_is_noticed_with_and_without_the_file(lab_name: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": lab_name, **STAR}))
    assert rawns("up", str(path)).returncode == 0
    for word in (lab_name, str(path)):
        assert rawns("status", word).returncode == 0, rawns("status", word)
    with NetNS.open(f"{lab_name}.c") as ns:
        ns.net.set_link("eth0", up=False)
    for word in (lab_name, str(path)):
        assert rawns("status", word).returncode == 1
        answer = json.loads(rawns("ping", word, "--timeout", "1", "--json").stdout)
        reached = {(one["from"], one["to"]): one["ok"] for one in answer["pairs"]}
        assert len(reached) == 6 and not answer["ok"]
        assert [pair for pair, ok in reached.items() if ok] == [("a", "b"), ("b", "a")]
    discover.remove_lab(lab_name)


@pytest.mark.really_root
def test_a_lab_that_is_just_being_made_is_not_called_half_made(lab_name: str, tmp_path: Path, shared_names: None) -> None:
    """Seen from here while it is made in another pid namespace; a command of the description holds the moment still."""
    pipe, path = tmp_path / "pipe", tmp_path / "lab.json"
    os.mkfifo(pipe)
    path.write_text(
        json.dumps({"name": lab_name, **STAR, "hosts": {"a": {"run": f"echo x > {pipe}; read x < {pipe}"}, "b": {}, "c": {}}})
    )
    command = [
        "unshare",
        "-pf",
        "--mount-proc",
        "--propagation",
        "unchanged",
        sys.executable,
        "-m",
        "rawns",
        "lab",
        "up",
        str(path),
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=ENVIRONMENT, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert pipe.read_text() == "x\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (listed,) = [line for line in rawns("list").stdout.splitlines() if line.startswith(f"{lab_name} ")]
        assert f"being changed by process {child}, 4 namespaces" in listed
        for word in (lab_name, str(path)):
            done = rawns("status", word)
            assert done.returncode == 1 and done.stdout.startswith(f"{lab_name}: being changed by process {child}"), done
        assert rawns("gc").stdout == "there was nothing left behind\n"
        pipe.write_text("x\n")
        said, _ = process.communicate()
    assert process.returncode == 0 and rawns("status", lab_name).returncode == 0, said
    discover.remove_lab(lab_name)


def test_what_is_listed_cannot_be_read(lab_name: str) -> None:
    """An error while /etc/netns is listed is reported, and everything else is removed."""
    from rawns import Observer, observed

    class Refuser(Observer):
        def before(self, call: str, arguments: str) -> None:
            if call == "getdents64" and "/etc/netns" in arguments:
                raise OSError(5, "")  # EIO

    lab = Lab(lab_name, standing=True)
    lab.netns(f"{lab_name}.a")
    lab.up()
    with observed(Refuser()), pytest.raises(RemovalError, match=r"files of lab .* under /etc/netns \(getdents64.*EIO"):
        lab.down()
    assert named(lab_name) == []
    discover.remove_lab(lab_name)


NO_THREADS = """
import json, os, resource, sys
from rawns import Lab, rootless
rootless.enter()
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
import _thread
try:
    _thread.start_new_thread(lambda: None, ())
    print("threads can be started")
except RuntimeError:
    lab = Lab("crowd", standing=True)
    for number in range(40):
        lab.netns(f"crowd.{number}")
    lab.up()
    there = len(os.listdir("/run/netns"))
    lab.down()
    print(there, len(os.listdir("/run/netns")), flush=True)
    from rawns.cli.main import run
    with open(sys.argv[1], "w") as file:
        json.dump({"name": "crowd", "hosts": {"h": {"count": 20}}}, file)
    status = run(["lab", "run", sys.argv[1], "--", "true"])
    print(status, len(os.listdir("/run/netns")))
"""


def test_a_large_lab_is_built_without_the_thread_that_cannot_start(ordinary: Ordinary) -> None:
    file = ordinary.home / "crowd.json"
    file.touch()
    file.chmod(0o666)
    done = ordinary.run([ordinary.python, "-c", NO_THREADS, str(file)])
    if "this machine does not let" in done.stdout or "threads can be started" in done.stdout:
        pytest.skip(done.stdout.splitlines()[-1])
    lines = done.stdout.splitlines()
    assert lines[0] == "40 0" and lines[-1] == "1 0", done.stdout
    assert len(lines) == 3 and lines[1].startswith("rawns lab: fork()") and "EAGAIN" in lines[1]


@pytest.mark.really_root
def test_odd_files_below_run_netns_neither_fail_nor_hang(lab_name: str, tmp_path: Path, shared_names: None) -> None:
    """Also symbolic links whose target carries a lab's stamp: neither the target nor a mount on it is touched."""
    lab = Lab(lab_name, standing=True)
    lab.netns(f"{lab_name}.a")
    lab.up()
    target = tmp_path / "target"
    target.write_text(f"rawns lab={lab_name} by=0123456789abcdef")
    mounted = tmp_path / "mounted"
    mounted.write_text("")
    subprocess.run(["mount", "--bind", str(target), str(mounted)], check=True)
    odd = [NETNS / f"{lab_name}-{number}" for number in range(6)]
    try:
        os.mkfifo(odd[0])
        odd[1].symlink_to("/nowhere/at/all")
        odd[2].symlink_to(mounted)
        odd[3].write_text("rawns lab=\x1b[31mred")
        odd[4].symlink_to("/")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(odd[5]))
        for argv in (["list"], ["status", lab_name], ["gc"], ["down", lab_name]):
            done = rawns(*argv, timeout=30)
            assert done.returncode == 0 and "\x1b" not in done.stdout, done
        assert named(lab_name) == []
        assert target.read_text().startswith("rawns") and str(mounted) in mountinfo()
    finally:
        subprocess.run(["umount", str(mounted)], check=False)
        for one in odd:
            one.unlink(missing_ok=True)


class InterruptedAtItsEnd(lock.LabLock):
    """A lock whose release is prevented by a signal handler's exception, before its first instruction."""

    def __exit__(self, *exc: object) -> None:
        raise KeyboardInterrupt


def test_a_clean_up_does_not_wait_for_the_lock_of_the_block_that_was_interrupted(lab_name: str) -> None:
    """While an exception is handled, its traceback keeps the block's lock alive."""
    taken = f"flock -n /run/rawns/{lab_name}.lock true"
    try:
        with InterruptedAtItsEnd(lab_name):
            pass
    except KeyboardInterrupt:
        with lock.LabLock(lab_name, wait=False) as held:
            assert subprocess.run(taken.split()).returncode == 1  # util-linux's own: it is locked
            held.remove()
    with lock.LabLock(lab_name, wait=False) as held:
        held.remove()
    assert not os.path.exists(f"/run/rawns/{lab_name}.lock")


@pytest.mark.parametrize("remedy", ["gc", "up", "the former up"])
@pytest.mark.parametrize("call", ["umount2", "unlink"])
def test_a_host_whose_removal_was_interrupted(call: str, remedy: str, lab_name: str, tmp_path: Path) -> None:
    """`up` is killed before or after it has unmounted the name of a host that the lab no longer has."""
    script = f"""
import os, signal
from rawns import Lab, Observer, observed
class Killer(Observer):
    def before(self, call, arguments):
        if call == {call!r} and {f"/run/netns/{lab_name}.b"!r} in arguments:
            os.kill(os.getpid(), signal.SIGKILL)
with observed(Killer()):
    lab = Lab({lab_name!r}, standing=True)
    lab.netns({lab_name!r} + ".a", "a")
    lab.up()
"""

    def up(labels: str) -> None:
        lab = Lab(lab_name, standing=True)
        for label in labels:
            lab.netns(f"{lab_name}.{label}", label)
        lab.up()

    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": lab_name, "hosts": ["a", "b"]}))
    assert rawns("up", str(path)).returncode == 0  # another process, which has finished
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if remedy == "gc":
        discover.collect_garbage()
        if call == "umount2":
            up("a")  # the host is whole, and `gc` does not know that it is unwanted
    else:
        up("a" if remedy == "up" else "ab")
    left = sorted(one for one in os.listdir(NETNS) if one.startswith(f"{lab_name}."))
    assert left == [f"{lab_name}.{one}" for one in ("ab" if remedy == "the former up" else "a")]
    assert not [one for one in NetNS.list(stale=True) if one.startswith(f"{lab_name}.")]
    assert [one.state for one in discover.find_labs() if one.name == lab_name] == ["standing"]
    assert not [one for one in discover.collect_garbage() if one.startswith(lab_name)]
    discover.remove_lab(lab_name)
