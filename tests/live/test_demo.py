"""`rawns demo`: the whole story as a stranger runs it, by root and by an ordinary user."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import Ordinary, remove_name
from test_rootless import rawns

STEPS = 10


def names() -> set[str]:
    return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()


def test_the_story() -> None:
    before = names()
    done = rawns("demo")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert len(re.findall(r"(?m)^ *\d+\. .* \d+ us$", done.stdout)) == STEPS
    for said in ("ip netns add", "type veth peer name v2", "sees lo", "ping -c 1 10.0.0.2", "an answer from", "nc -l"):
        assert said in done.stdout
    assert "All of it happened" in done.stdout and names() == before


def test_an_ordinary_user(ordinary: Ordinary) -> None:
    done = ordinary.run([ordinary.python, "-m", "rawns", "demo"])
    assert done.returncode == 0, done.stdout
    assert "user namespace of its own" in done.stdout and "All of it happened" in done.stdout


def test_for_programs() -> None:
    done = rawns("demo", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True and len(told["steps"]) == STEPS and done.returncode == 0
    assert all(step["microseconds"] > 0 and step["ip"] and step["lines"] for step in told["steps"])


def messages(lines: list[str]) -> list[tuple[str, int, list[tuple[int, int]]]]:
    """Each explained message: its name, its length, and (offset, number of bytes) of each line."""
    found: list[tuple[str, int, list[tuple[int, int]]]] = []
    for line in lines:
        head = re.match(r" +\| +([A-Z][A-Z_0-9]+|\d+), (\d+) bytes$", line)
        row = re.match(r" +\|  +(\d+)  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: |$)", line)
        if head:
            found.append((head[1], int(head[2]), []))
        elif row:
            found[-1][2].append((int(row[1]), len(row[2].split())))
    return found


def test_explain_names_every_byte() -> None:
    done = rawns("demo", "--explain")
    assert done.returncode == 0
    explained = messages(done.stdout.splitlines())
    assert {"RTM_NEWLINK", "RTM_NEWADDR", "RTM_GETLINK", "NLMSG_ERROR"} <= {name for name, _, _ in explained}
    for name, length, rows in explained:
        start = at = rows[0][0]
        for offset, size in rows:
            assert offset == at, f"{name}: bytes {at} to {offset} have no name"
            at += size
        assert at - start == length, name
    for call in ("unshare(CLONE_NEWNET)", "mount(", "setns(", "umount2(", "socket(AF_NETLINK", "sendto(", "recvfrom("):
        assert call in done.stdout
    assert "malformed" not in done.stdout


def test_explain_into_a_pipe_that_closes_leaves_nothing() -> None:
    before = names()
    command = f"{sys.executable} -m rawns demo --explain | head -n 3"
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == "" and names() == before


@pytest.mark.really_root
def test_keep_leaves_it_standing_and_says_how_to_go_on() -> None:
    before = names()
    try:
        done = rawns("demo", "--keep")
        made = names() - before
        assert done.returncode == 0 and len(made) == 2
        for name in made:
            assert f"ip netns del {name}" in done.stdout
        (one,) = [name for name in made if f"netns exec {name} sh" in done.stdout]
        assert rawns("ping", "--netns", one, "-c", "1", "10.0.0.2").returncode == 0
        for name in made:
            assert rawns("ip", "netns", "del", name).returncode == 0
        assert names() == before
    finally:
        for name in names() - before:
            remove_name(name)


def test_keep_is_for_root(ordinary: Ordinary) -> None:
    done = ordinary.run([ordinary.python, "-m", "rawns", "demo", "--keep"])
    assert done.returncode == 1 and "--keep needs root" in done.stdout and done.stdout.count("\n") == 1


def test_where_user_namespaces_are_forbidden_it_says_so() -> None:
    inner = f"echo 0 > /proc/sys/user/max_net_namespaces; exec {sys.executable} -m rawns demo"
    done = rawns("rootless", "sh", "-c", inner)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr


def test_a_step_that_fails_is_named_and_cleaned_up_after() -> None:
    script = """
from rawns.cli import story
from rawns.cli.demo import main

def broken(told):
    raise story.Broken("there is no cable")
    yield
story._plug = broken
raise SystemExit(main([]))
"""
    before = names()
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "rawns demo: step 3, 'One cable, an end in each', failed: there is no cable\n"
    assert names() == before
