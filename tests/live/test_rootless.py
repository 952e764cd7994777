"""`rawns rootless`: what an ordinary user gets, and what is said where the machine forbids it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import PROJECT, Ordinary


def rawns(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in an empty environment, as whoever we are."""
    command = [sys.executable, "-m", "rawns", *words]
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
    entries = sorted(set(os.listdir("/run")) - {"netns"})
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
    assert wrong.returncode == 2 and wrong.stderr.startswith("usage: rawns rootless")


@pytest.mark.parametrize("setting", ["max_user_namespaces", "max_net_namespaces", "max_mnt_namespaces"])
def test_the_setting_that_forbids_it_is_named(setting: str) -> None:
    """A user namespace may forbid the ones below it; that is how a test can make a machine that forbids."""
    inner = f"echo 0 > /proc/sys/user/{setting}; exec {sys.executable} -m rawns rootless true"
    done = rawns("rootless", "sh", "-c", inner)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr == (
        "rawns rootless: this machine does not let an ordinary user make a user namespace: "
        f"user.{setting} is 0; `sysctl -w user.{setting}=10000` as root allows it, or run this as root\n"
    )


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
