"""`rawns ls` and `rawns doctor`, compared with lsns(8), ip(8) and what the kernel refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from test_rootless import rawns

from rawns import NetNS, doctor
from rawns.inventory import inventory


def listed() -> list[dict[str, object]]:
    done = rawns("ls", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def inode(path: str) -> int:
    return os.stat(path).st_ino


@pytest.mark.skipif(shutil.which("lsns") is None, reason="lsns (util-linux) is not installed")
def by_lsns() -> set[int]:
    command = ["lsns", "-t", "net", "-n", "-r", "-o", "NS"]
    return set(map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))


def test_namespaces_of_processes_are_those_of_lsns() -> None:
    with NetNS.create() as ns:
        sleeper = ns.popen(["sleep", "60"])
        try:
            for _ in range(5):  # those of other tests come and go, and another one then has the same number
                before = by_lsns()
                ours = {one["inode"] for one in listed() if one["pids"]}
                assert ns.identity[1] in ours
                missing = before & by_lsns() - ours
                if not missing:
                    break
            assert not missing
        finally:
            sleeper.kill()
            sleeper.wait()


def test_what_keeps_a_namespace_alive(tmp_path: Path) -> None:
    """A name, a process, a descriptor, and a mount elsewhere: each is found, and each by itself."""
    with NetNS.create("lsname"), NetNS.create() as held, NetNS.create() as busy:
        holder = subprocess.Popen(["sleep", "60"], pass_fds=[held.fileno()])
        inside = busy.popen(["sleep", "60"])
        busy.net.add_veth("lsv1", "lsv2")
        try:
            uses = {one.inode: one for one in inventory()}
            assert uses[inode("/run/netns/lsname")].names == ["lsname"]
            assert uses[held.identity[1]].holders == [holder.pid] and uses[held.identity[1]].pids == []
            assert inside.pid in uses[busy.identity[1]].pids
            assert set(uses[busy.identity[1]].links or []) == {"lo", "lsv1", "lsv2"}
            assert uses[inode("/proc/self/ns/net")].current
        finally:
            for process in (holder, inside):
                process.kill()
                process.wait()


def test_the_id_is_that_of_ip() -> None:
    with NetNS.create("lsid") as ns, NetNS.current() as here:
        here.net.set_nsid(ns, 4711)
        there = subprocess.run(["ip", "-j", "netns", "list"], capture_output=True, text=True, check=True)
        (ids,) = [one["id"] for one in json.loads(there.stdout) if one["name"] == "lsid"]
        assert [one["nsid"] for one in listed() if one["names"] == ["lsid"]] == [ids] == [4711]


def test_hostile_names_do_not_reach_the_terminal() -> None:
    with NetNS.create("a\x1b[2Jb"):
        done = rawns("ls")
        assert "\x1b" not in done.stdout and "a\\x1b[2Jb" in done.stdout


def test_doctor_says_that_the_article_can_run() -> None:
    done = rawns("doctor", "--json")
    findings = json.loads(done.stdout)
    broken = [one for one in findings if one["level"] == "broken"]
    assert (done.returncode, broken) == (0, []), done.stdout
    demo = rawns("demo")
    assert demo.returncode == 0


def test_doctor_names_a_limit_of_the_kernel() -> None:
    """``user.max_net_namespaces`` is the kernel's own setting: with 0 the demo fails, and the doctor says why."""
    program = (
        "import os; os.unshare = None\n"
        "from rawns import rootless; import subprocess, sys\n"
        "rootless.enter()\n"
        "open('/proc/sys/user/max_net_namespaces', 'w').write('0')\n"
        "demo = subprocess.run([sys.executable, '-m', 'rawns', 'demo'], capture_output=True)\n"
        "done = subprocess.run([sys.executable, '-m', 'rawns', 'doctor'], capture_output=True, text=True)\n"
        "print(demo.returncode, done.returncode, 'max_net_namespaces' in done.stdout)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip(f"no user namespace here: {done.stderr.splitlines()[-1]}")
    assert done.stdout.split() == ["1", "1", "True"], done.stdout


def test_every_finding_that_is_not_ok_has_a_remedy_or_needs_none() -> None:
    for finding in doctor.examine():
        assert finding.level in (doctor.OK, doctor.NOTE, doctor.SLOW, doctor.BROKEN)
        assert finding.text and (finding.level == doctor.OK or finding.remedy or finding.subject == "seccomp"), finding


def test_doctor_sees_the_mounts_below_a_shared_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc/self/mountinfo, as proc_pid_mountinfo(5) describes it: optional fields stand before the hyphen."""
    there = subprocess.run(["findmnt", "-n", "-o", "TARGET,PROPAGATION"], capture_output=True, text=True, check=True).stdout
    shared = sum("shared" in line for line in there.splitlines() if "/run/" in line)
    with NetNS.create(f"doctor-{os.getpid()}"):
        monkeypatch.setattr(doctor, "MAX_SHARED_MOUNTS", shared)
        said = [one.text for one in doctor.slowdowns() if one.subject == "mounts"]
    assert any("below /run" in one for one in said), said


def test_doctor_says_how_long_the_kernel_frees_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CLEANUP_SECONDS", 0.0)
    assert [one.level for one in doctor.slowdowns() if one.subject == "cleanup"] == [doctor.SLOW]
