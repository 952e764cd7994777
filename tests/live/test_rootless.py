"""`rawns rootless`: what an ordinary user gets, and what is said where the machine forbids it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from conftest import PROJECT, Ordinary


def rawns(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command of `rawns` in an empty environment, as the current user."""
    return run([sys.executable, "-m", "rawns", *words], **options)


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """The same with any command."""
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    given = {"cwd": PROJECT, "env": environment, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **options}
    return subprocess.run(command, timeout=60, **given)  # type: ignore[call-overload,no-any-return]


def test_an_ordinary_user_is_root_of_a_network_of_his_own(ordinary: Ordinary) -> None:
    script = """
import os
from rawns import NetNS
print(os.getuid(), [link.name for link in NetNS.current().net.links()][0], NetNS.current().net.link("lo").up)
with NetNS.create("named") as ns:
    print(NetNS.list(), ns.run(["true"], mounts=True).returncode)
print(NetNS.list())
"""
    done = ordinary.run([ordinary.python, "-m", "rawns", "rootless", ordinary.python, "-c", script])
    assert done.stdout.splitlines() == ["0 lo True", "['named'] 0", "[]"]
    assert not os.path.lexists("/run/netns/named")


def test_what_else_is_in_run_is_still_there(ordinary: Ordinary) -> None:
    entries = sorted(set(os.listdir("/run")) - {"netns", "rawns"})
    inside = ordinary.run([ordinary.python, "-m", "rawns", "rootless", "ls", "-A", "/run"]).stdout.split()
    assert sorted(inside) == entries


def test_it_runs_again_inside_itself() -> None:
    done = rawns("rootless", sys.executable, "-m", "rawns", "rootless", "sh", "-c", "echo $(id -u)")
    assert (done.stdout, done.returncode) == ("0\n", 0)


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["sh", "-c", "exit 7"], 7, ""),
        (["--", "true"], 0, ""),
        (["/no/such/command"], 127, "rawns rootless: /no/such/command: No such file or directory\n"),
        (["/etc/passwd"], 126, "rawns rootless: /etc/passwd: Permission denied\n"),
    ],
)
def test_its_status_is_the_commands(command: list[str], status: int, said: str) -> None:
    done = rawns("rootless", *command)
    assert (done.returncode, done.stderr) == (status, said)


def test_its_own_words() -> None:
    assert rawns("rootless", "--help").stdout.startswith("usage: rawns rootless")
    wrong = rawns("rootless", "--colour")
    assert wrong.returncode == 2 and wrong.stderr == "rawns rootless: there is no option --colour; see `rawns rootless --help`\n"


@pytest.mark.parametrize("setting", ["max_user_namespaces", "max_net_namespaces", "max_mnt_namespaces"])
def test_the_setting_that_forbids_it_is_named(setting: str) -> None:
    """A user namespace may forbid the ones below it; that is how a test can make a machine that forbids."""
    inner = f"echo 0 > /proc/sys/user/{setting}; exec {sys.executable} -m rawns rootless true"
    done = rawns("rootless", "sh", "-c", inner)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr == (
        "rawns rootless: this machine does not let this root make a user namespace: "
        f"user.{setting} is 0; `sysctl -w user.{setting}=10000` as root allows it, or do without: these capabilities suffice\n"
    )


def test_a_limit_that_is_reached_is_named_among_its_neighbours() -> None:
    """No 0 stands anywhere, and yet there is no namespace left."""
    again = f"{sys.executable} -m rawns rootless"
    inner = f"echo 1 > /proc/sys/user/max_net_namespaces; exec {again} {again} true"
    done = rawns("rootless", "sh", "-c", inner)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    for word in ("ENOSPC", "max_net_namespaces", "max_mnt_namespaces", "max_user_namespaces"):
        assert word in done.stderr


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
@pytest.mark.parametrize("inside", [False, True])
def test_a_root_without_capabilities_hears_what_it_lacks(inside: bool) -> None:
    """Linux 5.12 and newer map uid 0 only for a process with CAP_SETFCAP."""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "rawns", "demo"]
    done = rawns("rootless", *bare) if inside else run(bare)
    if done.returncode == 0:
        pytest.skip("this kernel lets it")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        'rawns demo: write("/proc/self/uid_map", "0 0 1"): Operation not permitted (EPERM); '
        "uid 0 without CAP_SETFCAP cannot be root of a user namespace (user_namespaces(7)); "
        "run this as an ordinary user, or as a root that has its capabilities\n"
    )


@pytest.mark.parametrize(("run_directory", "said"), [(False, "there is no directory /run here"), (True, "make /run writable")])
def test_a_run_that_is_missing_is_no_missing_capability(run_directory: bool, said: str) -> None:
    """In a chroot; what is mounted for it ends with the namespace it is mounted in."""
    script = f"""
import os, sys
sys.path.insert(0, {str(PROJECT)!r})
from rawns import rootless, syscalls, uapi, RawnsError
import encodings.ascii
rootless.enter()
os.mkdir("/run/root"); os.mkdir("/run/root/proc")
syscalls.mount("/proc", "/run/root/proc", "none", uapi.MS_BIND | uapi.MS_REC, None)
if {run_directory}:
    os.mkdir("/run/root/run")
os.chroot("/run/root"); os.chdir("/")
if {run_directory}:
    os.access = lambda path, mode: False  # a root is hard to keep from writing
assert not rootless.privileged()
try:
    rootless.enter()
except RawnsError as error:
    print(error)
"""
    done = run([sys.executable, "-c", script])
    assert done.stdout.count("\n") == 1 and said in done.stdout and "ordinary user" not in done.stdout, done.stderr
    assert "as root" not in done.stdout


def test_a_process_with_threads_is_told_so() -> None:
    script = """
import threading
from rawns import rootless, RawnsError
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True).start()
try:
    rootless.enter()
except RawnsError as error:
    print(error)
stop.set()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert "this process has threads (EINVAL)" in done.stdout and done.stdout.count("\n") == 1


@pytest.mark.skipif(not shutil.which("nsenter"), reason="needs nsenter")
def test_another_terminal_joins_it(ordinary: Ordinary) -> None:
    """What the README says: the same user, from outside, with util-linux's nsenter."""
    script = """
import os, subprocess, sys
rawns = [sys.executable, "-m", "rawns"]
inside = "echo $$; readlink /proc/self/ns/net; %s -m rawns ip netns add shared; echo; read end" % sys.executable
shell = subprocess.Popen([*rawns, "rootless", "sh", "-c", inside], stdin=-1, stdout=-1, text=True)
pid, namespace, _ = (shell.stdout.readline().strip() for _ in range(3))
command = "id -u; readlink /proc/self/ns/net; cd %s; %s -m rawns ip netns list" % (os.getcwd(), sys.executable)
enter = ["nsenter", "--preserve-credentials", "-U", "-m", "-n", "-t", pid, "sh", "-c", command]
print(subprocess.run(enter, stdout=-1, text=True).stdout.split() == ["0", namespace, "shared"])
shell.communicate("end\\n")
"""
    assert ordinary.run([ordinary.python, "-c", script]).stdout == "True\n"
