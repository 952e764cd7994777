"""`rawns ip netns` beside the real `ip netns`, and each with what the other has made."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from universe import PROJECT, Both, Universe, missing, two_universes  # noqa: F401 (the fixture `both`)

LINES = """
netns
netns list
netns list and more words
netns show
-j netns
-j -p netns list
netns list-id
-j netns list-id
-j -p netns list-id
netns list-id nsid 0
netns list-id nsid 55
netns list-id nsid x
netns list-id target-nsid 5
netns list-id target-nsid
netns list-id nothing
netns add c
netns add c
netns set c 9
netns set c 10
netns set a auto
netns set c
netns set c x
netns set c -1
netns set nope 5
netns
netns list-id
-j netns list-id
link set v2 netns c
-n c link set v2 up
-n c -br link
-n a -n c -br link
netns identify
netns identify x
netns identify 99999999
netns identify 1 2
netns pids c
netns pids nope
netns pids a b
netns attach x
netns attach c 1
netns attach d 99999999
netns attach d x
netns exec
netns exec a
netns exec nope true
netns exec a nosuchcommand
netns exec a /etc/passwd
netns exec a ""
netns exec a true
netns exec a sh -c "exit 7"
netns exec a sh -c "kill -9 $$"
netns exec a sh -c "ls /sys/class/net; grep SigIgn /proc/self/status"
netns exec b sh -c "ip -br link; ip netns identify; echo $0 $1 $PATH" zero one
-all netns exec sh -c "ls /sys/class/net"
link del v1
netns del c
netns del c
netns del
netns add
netns add a/b
netns add ""
netns add .
netns add ..
netns del a/b
netns pids a/b
netns nothing
netns help
netns e
netns l
link del v3
-all netns delete
netns
"""  # the links go before their namespaces: what a namespace takes along, the kernel takes in its own time


def test_ip_netns(both: Both) -> None:
    assert not both.differences(LINES)


def test_a_stale_name(both: Both) -> None:
    for universe in (both.real, both.ours):
        universe.run(["sh", "-c", ">/run/netns/stale"])
    lines = [
        "netns",
        "-j netns",
        "netns list-id",
        "netns pids stale",
        "netns exec stale true",
        "-n stale link",
        "netns del stale",
    ]
    assert not both.differences("\n".join(lines))


def both_ways(both: Both) -> list[tuple[list[str], list[str]]]:
    return [(both.real.program, both.ours.program), (both.ours.program, both.real.program)]


def test_made_by_one_known_to_the_other(both: Both) -> None:
    here: Universe = both.real

    def says(program: list[str], words: str) -> str:
        done = here.run([*program, *words.split()])
        assert done.returncode == 0, (program, words, done.stderr)
        return done.stdout.decode()

    for number, (maker, user) in enumerate(both_ways(both)):
        name, cable = f"made{number}", f"w{number}"
        says(maker, f"netns add {name}")
        assert name in says(user, "netns list").split()
        says(maker, f"link add {cable} type veth peer name {cable}p netns {name}")
        says(user, f"-n {name} link set {cable}p up")
        says(maker, f"-n {name} addr add 10.7.{number}.1/24 dev {cable}p")
        assert f"10.7.{number}.1/24" in says(user, f"-n {name} -br addr")
        assert f"10.7.{number}.1" in says(user, f"netns exec {name} cat /proc/net/fib_trie")
        assert f"link-netns {name}" in says(user, f"link show {cable}")
        says(user, f"link del {cable}")
        says(user, f"netns del {name}")
        assert name not in says(maker, "netns list").split()


def test_processes_inside(both: Both) -> None:
    """What one starts inside, the other finds."""
    here: Universe = both.real
    for starter, finder in both_ways(both):
        inside = here.start([*starter, "netns", "exec", "a", "sh", "-c", "echo ready; exec cat"])
        assert inside.stdin is not None and inside.stdout is not None
        try:
            assert inside.stdout.readline() == b"ready\n"
            assert here.run([*finder, "netns", "pids", "a"]).stdout == b"%d\n" % inside.pid
            assert here.run([*finder, "netns", "identify", str(inside.pid)]).stdout == b"a\n"
            assert here.run([*finder, "netns", "attach", "other", str(inside.pid)]).returncode == 0
            assert here.run([*finder, "netns", "pids", "other"]).stdout == b"%d\n" % inside.pid
            assert here.run([*starter, "netns", "del", "other"]).returncode == 0
        finally:
            inside.stdin.close()
            inside.stdout.close()
            inside.wait()


SCRATCH_ETC = """
mount -t tmpfs none /mnt
mkdir -p /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc
mkdir -p /etc/netns/a
echo ours >/etc/netns/a/hostname
echo ours >/etc/netns/a/nowhere
"""


def test_files_of_its_own_over_etc(both: Both, tmp_path: Path) -> None:
    """`netns exec` binds /etc/netns/NAME/* over /etc, and only for the command."""
    script = tmp_path / "script"
    script.write_text("echo without a first line, $1\n")
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    answers = []
    for universe in (both.real, both.ours):
        if universe.run(["sh", "-ec", SCRATCH_ETC]).returncode != 0:
            pytest.skip("cannot lay a scratch /etc over the real one")
        answers.append([universe.ip("netns", "exec", "a", *words) for words in (["cat", "/etc/hostname"], [str(script), "1"])])
        assert universe.run(["cat", "/etc/hostname"]).stdout != b"ours\n"
    assert answers[0] == answers[1]
    assert answers[1][0][:2] == (0, "ours\n")


def test_standard_output_that_is_not_there(both: Both) -> None:
    program = shlex.join(both.ours.program)
    for words, status in (("link >&-", 1), ("link >/dev/full", 1), ("link show v9 2>&-", 1), ("netns exec a true >&-", 0)):
        done = both.ours.run(["sh", "-c", f"{program} {words}"])
        assert done.returncode == status, words
        assert b"Traceback" not in done.stderr, words
        assert done.stdout == b"", words


def test_a_reader_that_has_gone(both: Both) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = both.ours.run([*both.ours.program, "link"], capture_output=False, stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert done.stderr == b""
    assert done.returncode != 0


BYTES = [b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x82\xac", b"a\tb", b"\x1b[31m", b" ", b"-", b"x" * 300]


SHAPES = ["link show", "link set", "addr show", "addr add 10.0.0.1/24 dev", "link add", "netns exec", "netns pids", "-n"]


def test_strange_bytes(both: Both) -> None:
    for words, word in ((shape.split(), word) for shape in SHAPES for word in BYTES):
        argv = [os.fsencode(one) for one in words] + [word]
        real = both.real.run([os.fsencode(one) for one in both.real.program] + argv)  # type: ignore[arg-type]
        ours = both.ours.run([os.fsencode(one) for one in both.ours.program] + argv)  # type: ignore[arg-type]
        if b"Usage:" not in real.stderr:
            assert (ours.returncode, ours.stdout, ours.stderr) == (real.returncode, real.stdout, real.stderr), words


DENIED = [
    "link set lo up",
    "link add x1 type veth",
    "addr add 10.9.9.9/24 dev lo",
    "netns add x1",
    "addr flush dev lo",
    "link del lo",
]


@pytest.mark.really_root
def test_an_ordinary_user_is_told_the_remedy(ordinary: object) -> None:
    """On the line `ip` prints, and with its exit status."""
    if missing():
        pytest.skip(missing())
    for line in DENIED:
        real = ordinary.run([shutil.which("ip"), *line.split()])  # type: ignore[attr-defined]
        ours = ordinary.run([sys.executable, "-m", "rawns", "ip", *line.split()])  # type: ignore[attr-defined]
        assert ours.returncode == real.returncode
        assert ours.stdout == real.stdout.rstrip("\n") + '; run as root, or inside "rawns rootless"\n'


def test_the_program_is_the_one_in_this_project(both: Both) -> None:
    assert str(PROJECT) in " ".join(both.ours.program)
