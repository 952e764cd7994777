"""`rawns ss` beside the real `ss`: both look at the same sockets, in all states and of all kinds."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from universe import PROJECT, PYTHON

pytestmark = pytest.mark.skipif(
    not (shutil.which("ss") and shutil.which("unshare") and os.geteuid() == 0), reason="needs root, ss and unshare"
)
SCENE = Path(__file__).resolve().parent / "ss_scene.py"
ATTEMPTS = 20  # until the real program gives the same twice

SHOWN = """
-tan
-ta
-uan
-ua
-wa
-wan
-xa
-0a
-0n
-0aempO
-0aem
-tanop
-tane
-tanm
-tani
-ti
-taneimop
-tOnaeimop
-uaneimop
-xaneimopT
-waneimop
-tHan
-tHnm sport = 80
-uHm
-uHpa
-tul
-4
-6
-x4
-0x
-tx4
-4l
-l4
-4 -6 -ta
-t4 -f inet6
--tos -tae
--tos --cgroup -ta
-tar
-A inet
-A u_str,udp -a
-A all,!tcp,!netlink
-A packet -x
-A tcp,!tcp
-t -A udp,unix
--sock=tcp -l
-al -A raw
-s
-ts sport = 80
-a -f netlink src rtnl
-ane -f netlink src netlink:rtnl
-h
-f help
"""
FILTERED = """
sport = :80
dport != :80
sport '<' :80
sport gt 80
dst 10.0.0.0/8
src [::1]
src inet6:[::1]:8080
src default
src any
src *:80
src 127.0.0.1
dst localhost
src 10/8
dst [::]
dev va
dev != va
dev 0 and dst 127.0.0.0/8
dev 0 and src inet6:[::1]
dev 0 and dport ge 8080
fwmark 7
fwmark = 0x42/0xff
fwmark = 4294967362/-1
fwmark = 66/255x
fwmark != 0xg
fwmark != 7
autobound
not autobound
! dst 1.1.1.1 '|' sport eq 80 '&&' dport ge 3
sport = :http and ( dport '>' 1024 or not src [::1] )
not ( not sport = 80 '|' dport = 80 ) or src 10.9.0.1
sport gt *
state established
state CLOSE-WAIT state time-wait
exclude connected
exclude listening sport = 80
state established exclude established
state bucket
state big
state synchronized
state close
'( sport' '= :80 )'
dst unix:x
"""
REFUSED = """
foo
sport
sport =
sport = foo
sport = 1.2.3.4:80
sport @ 4
dst
dst foo/8
dst 1.2.3.4/33
dst [::1
dst link:x
dst netlink:x
dst ::1
src [fd00::]/16:80
src = = 1
dev nope
src link:-1
src link:70000
src link:ip:99999999999
src netlink:0:9999999999
sport = :99999999999999999999
fwmark x
fwmark 7/
fwmark 5x/3
fwmark 0x5/x
( sport = 1
)
not
sport = 1 or
) foo
sport dport foo
( sport = :80 foo
sport = :80 = foo
-A !what
-A tcp,!
autobound = 1
state
state foo
cgroup /nope
"""
OTHERS = """
-xa src @*
-xa src st*
-xa dst st
-xa autobound
-0a src link:*:vb
-0a src link:ipv4
-0a src link:ALL
-0a autobound
-0a dev vb
-wan src 127.0.0.1
-wan sport = 1
-uan dport '>' 53
-tan4 dst ::1
-tan6 dst 127.0.0.1
dst 1.2.3.4 -tan
-tan -- dst 1.2.3.4
-tanF /nope
-f foo
-A foo
-A
--family
--tcp=4
--foo
--foo=bar
--t
--n
--s
-q
-N nope
"""
ON_A_TERMINAL = ("-tan", "-tap", "-tulpn", "-0a", "-Hta", "-tim", "-O -tap", "-uem", "-u")
WIDTHS = (60, 100)
NAME = "a\x1b[1m)b"  # of a process; `ss` shows what stands before the parenthesis


class Scene:
    """The process that has the sockets open and runs both programs."""

    def __init__(self, directory: Path) -> None:
        command = ["unshare", "-n", "-p", "--fork", "--mount-proc", PYTHON, "-S", str(SCENE), str(PROJECT), str(directory)]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        assert self._read() == "ready"

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def run(self, words: Sequence[str], width: int = 0, name: str = "holder") -> Any:
        """Return the answers of the real program and of ours."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"words": list(words), "width": width, "name": name}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("ss"))
    yield made
    made.close()


def masked(text: str) -> str:
    """Return output without what changes by itself: counts of the machine, clocks of timers, and the widths."""
    text = text.replace("RTNETLINK answers: Invalid argument\n", "")  # DCCP, which we do not ask for
    # What /proc/net/sockstat says of allocated and orphaned sockets is of the whole machine; closed ones are counted for a while.
    text = re.sub(r"Total: \d+", "Total: N", text)
    text = re.sub(r"TCP: +\d+ \(estab (\d+), closed \d+, orphaned \d+", r"TCP: N (estab \1, closed N, orphaned N", text)
    timed = re.sub(r"(lastsnd|lastrcv|lastack):\d+", r"\1:N", text)
    timed = re.sub(r"timer:\((\w+),[^,]*,", r"timer:(\1,T,", timed)
    return re.sub(r" +(\r?)$", r"\1", timed, flags=re.MULTILINE) if timed != text or "Process " in text else text


def compared(scene: Scene, words: Sequence[str], width: int = 0, name: str = "holder") -> str | None:
    """Return what differs, None if nothing does.  What the real program itself gives differently is tried again."""
    before = None
    for _ in range(ATTEMPTS):
        real, ours = ([status, masked(out), masked(err)] for status, out, err in scene.run(words, width, name))
        if ours == real:
            return None
        if real == before:
            return f"{words} {width}:\n{real}\n{ours}"
        before = real
    return f"{words}: the real program has not given the same twice"


def lines(table: str, *before: str) -> Iterator[list[str]]:
    yield from ([*before, *shlex.split(line)] for line in table.strip().splitlines())


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(list(lines(SHOWN)), id="shown"),
        pytest.param(list(lines(FILTERED, "-tan")), id="filtered"),
        pytest.param(list(lines(REFUSED, "-tan")), id="refused"),
        pytest.param(list(lines(OTHERS)), id="others"),
    ],
)
def test_output_is_that_of_ss(scene: Scene, commands: list[list[str]]) -> None:
    assert [wrong for words in commands if (wrong := compared(scene, words))] == []


def test_columns_fill_a_terminal(scene: Scene) -> None:
    found = [compared(scene, words.split(), width) for words in ON_A_TERMINAL for width in WIDTHS]
    assert [wrong for wrong in found if wrong] == []


def test_filters_from_a_file(scene: Scene, tmp_path: Path) -> None:
    for number, text in enumerate(("sport = :80\n", "sport\n=\n:80\n", "# no\n\nsport = :80\nor\n  dport = :80  \n", "foo", "")):
        path = tmp_path / str(number)
        path.write_text(text)
        assert compared(scene, ["-tan", "-F", str(path)]) is None


def test_hostile_names_do_not_reach_a_terminal(scene: Scene) -> None:
    """Raw through a pipe, as `ss` writes them; as escapes on a terminal, on one line."""
    assert compared(scene, ["-xap"], 0, NAME) is None
    _, (status, out, err) = scene.run(["-xap"], 200, NAME)
    assert (status, err) == (0, "") and out.count("\r\n") == out.count("\n") and "\x1b" not in out and "\x07" not in out
    assert "\\x1b[31mred\\n\\x07\u00c3\u00a9" in out and '"a\\x1b[1m"' in out


def test_version_names_both(scene: Scene) -> None:
    (_, real, _), (status, ours, _) = scene.run(["-V"])
    assert status == 0 and ours.startswith(real.strip().rpartition("-")[0]) and "(rawns " in ours


RECORDED = """
import os, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 7000))
connected = socket.create_connection(("127.0.0.1", 7000)), listener.accept()
subprocess.run(["ss", "-taD", sys.argv[1]], check=True)
for words in ("-Htan", "-tanoem", "-Htn dport = 7000", "-tan state listening sport = 7000", "-tan src 127.0.0.1"):
    told = []
    for command in (["ss"], [sys.executable, "-m", "rawns", "ss"]):
        done = subprocess.run([*command, *words.split()], env={**os.environ, "TCPDIAG_FILE": sys.argv[1]}, capture_output=True)
        told.append((done.returncode, done.stdout, done.stderr))
    print(words, "same" if told[0] == told[1] and told[0][1].count(b"7000") else told)
"""


def test_sockets_of_a_file_as_of_the_kernel(tmp_path: Path) -> None:
    """TCPDIAG_FILE names a file that ``ss -D`` has written; iproute2's own tests of filters use one."""
    script = 'ip link set lo up; exec "$@"'
    command = ["unshare", "-n", "sh", "-c", script, "sh", sys.executable, "-c", RECORDED, str(tmp_path / "sockets")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}, timeout=60)
    assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["same"] * 5, done.stdout + done.stderr


KILLED = """
import socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 7000))
for number, command in enumerate((["ss"], [sys.executable, "-m", "rawns", "ss"])):
    client = socket.create_connection(("127.0.0.1", 7000))
    listener.accept()[0].detach()
    port = client.getsockname()[1]
    subprocess.run([*command, "-tnHK", "sport", "=", str(port)], check=True)
    try:
        client.recv(1)
    except ConnectionAbortedError:
        print("aborted", port)
"""


def test_kill_closes_connections_as_ss_does(tmp_path: Path) -> None:
    """The kernel reports ECONNABORTED to the process; other connections stay."""
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, "-c", KILLED]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=False, timeout=60
    )
    words = re.sub(r"7000\b", "PEER", done.stdout)
    real, ours = re.fullmatch(r"(.*\naborted \d+\n)(.*\naborted \d+\n)", words).groups()  # type: ignore[union-attr]
    assert re.sub(r"\d{2,}", "N", real) == re.sub(r"\d{2,}", "N", ours), done.stdout
