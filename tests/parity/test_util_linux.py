"""`rawns unshare` and `rawns nsenter` beside util-linux: the same command lines, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import random
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import NOBODY, PROJECT

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
SECONDS = 60  # for what happens at once; only one that hangs needs them


def _missing() -> str:
    for tool in ("unshare", "nsenter"):
        version = subprocess.run([tool, "-V"], capture_output=True, text=True).stdout if shutil.which(tool) else "none"
        if "util-linux 2.38" not in version:
            return f"compared with util-linux 2.38, and this is {version.strip()}"
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())

# Runs command lines of `rawns`, each in a fork, and of other programs.  It imports first, because it may become another user.
DRIVER = """
import json, os, signal, sys, tempfile
sys.path.insert(0, sys.argv[1])
import _ctypes, grp, pwd, re, select
import rawns.cli.main, rawns.cli.nsenter, rawns.cli.unshare, rawns.terminal, rawns.cli.output, rawns.cli.options
if sys.argv[2] != "0":
    os.setgroups([])
    os.setresgid(int(sys.argv[2]), int(sys.argv[2]), int(sys.argv[2]))
    os.setresuid(int(sys.argv[2]), int(sys.argv[2]), int(sys.argv[2]))
    rawns.syscalls.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which execve would have restored: /proc/self belongs to the user
requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
null = os.open("/dev/null", os.O_RDONLY)
for line in requests:
    ours, argv = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            for number, fd in enumerate((null, out.fileno(), err.fileno())):
                os.dup2(fd, number)
            for one in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(one, signal.SIG_IGN if ours else signal.SIG_DFL)
            if not ours:
                os.execvp(argv[0], argv)
            sys.argv = ["rawns", *argv]
            try:
                rawns.cli.main.entry()
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(99)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        print(json.dumps([status, out.read().decode("latin-1"), err.read().decode("latin-1")]), file=answers, flush=True)
"""
HELPER = """#!/bin/sh
name=${0##*/}
shift
echo "$name $*"
"""
SUBORDINATE = "root:200000:65536\nnobody:100000:65536\nnobody:1:2\n"

# What both do before anything is unshared: wrong options, abbreviations, numbers, help.
WORDS = r"""
unshare --ma true
unshare --map-u true
unshare --map-user true
unshare --map-us=3
unshare --=3
unshare --m
unshare --x=4
unshare -x
unshare -fx
unshare -S
unshare -Sx true
unshare --setuid
unshare --fork=3
unshare --fo=1
unshare --map-root=1
unshare --setgroups foo true
unshare --propagation foo true
unshare --prop
unshare --kill-child=foo true
unshare --kill-child=9 true
unshare --kill-child= true
unshare --kill-child=_DFL true
unshare --kill-child=rt true
unshare --kill-child=rtmin true
unshare --kill-child=rtmin+99 true
unshare --kill-child=rtmax-99 true
unshare --kill-child='rtmin+ 3' true
unshare --kill-child=rt3 true
unshare --kill-child=rtmin+3x true
unshare --kill-child=RTMAX-0 true
unshare --kill-child=SIGterm true
unshare --kill-child=cld true
unshare --kill-child=stkflt true
unshare -S 99999999999999999999999 true
unshare -S '' true
unshare -S 0x10 id -u
unshare -S 7x id -u
unshare --monotonic 5 true
unshare -T --monotonic x true
unshare --map-user=nosuch true
unshare --map-user= true
unshare --map-group=nosuch id
unshare --map-users 1,2 true
unshare --map-users 1,2, true
unshare --map-users , true
unshare --map-users 1,,2 true
unshare --map-users '' true
unshare --map-users 1,2,3,4 true
unshare --map-users x,2,3,4 true
unshare --map-users 4294967295,1,1 true
unshare --map-users 1,2,99999999999999999999999 true
unshare --mo 3
unshare nosuch
unshare /etc
unshare /etc/passwd
unshare ''
unshare -
unshare
unshare -h
unshare -fhV
unshare --help=3
unshare --version=3
unshare -V
unshare --vers
unshare -n= true
unshare -n/nosuch true
nsenter -h
nsenter -hV
nsenter -V
nsenter --u true
nsenter -e true
nsenter -t
nsenter -W
nsenter -t x true
nsenter -t '' -n true
nsenter -t -1 -n true
nsenter -t 0 -n true
nsenter -t 999999999 -n true
nsenter -t 99999999999999 -n true
nsenter -n true
nsenter -a true
nsenter -r true
nsenter -w true
nsenter -S follow true
nsenter -n/nosuch true
nsenter -Z true
nsenter nosuch
nsenter
nsenter -W /nosuch pwd
nsenter -W /etc pwd
nsenter -w/etc pwd
nsenter -w/etc/passwd true
nsenter -S -t 1 true
"""
# What they do then.  An ordinary user needs a user namespace (-r) first.
CALLS = r"""
unshare -n true
unshare -n sh -c 'cat /proc/net/dev | wc -l'
unshare -r -n sh -c 'cat /proc/net/dev | wc -l'
unshare -S -1 true
unshare -r -S 0 id -u
unshare -r -S 5 id -u
unshare -S ' +7' id -u
unshare -S 5000000000 id -u
unshare -G 5 -S 6 id
unshare -r -G 0 id
unshare -rr id -u
unshare -- id -u
unshare id -u -r
unshare -r --setgroups allow id
unshare -U --setgroups deny cat /proc/self/setgroups
unshare -U --setgroups allow cat /proc/self/setgroups
unshare -rf sh -c 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id'
unshare -c sh -c 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id'
unshare -r --map-user 7 cat /proc/self/uid_map
unshare --map-user=daemon -r cat /proc/self/uid_map
unshare --map-user=daemon id -u
unshare --map-user=5000000000 cat /proc/self/uid_map
unshare -c grep Cap /proc/self/status
unshare -c --keep-caps grep Cap /proc/self/status
unshare -U --keep-caps grep Cap /proc/self/status
unshare -r -S 0 --keep-caps grep Cap /proc/self/status
unshare -f sh -c 'exit 7'
unshare -f sh -c 'kill -TERM $$'
unshare -f sh -c 'kill -INT $$'
unshare -f sh -c 'kill -KILL $$'
unshare -f sh -c 'kill -34 $$'
unshare -f nosuch
unshare -p true
unshare -rp sh -c 'true; true'
unshare -rpf --mount-proc sh -c 'echo $$; cd /proc; echo [0-9]*'
unshare -rpf --mount-proc=/tmp sh -c 'test -d /tmp/1/ns'
unshare -rm --mount-proc=/nosuch true
unshare -rm --propagation shared --mount-proc=/nosuch true
unshare -rm --propagation shared --mount-proc=/etc sh -c 'grep " /etc " /proc/self/mountinfo | cut -d" " -f5-6'
unshare -rm --propagation shared sh -c 'grep -c shared: /proc/self/mountinfo'
unshare -rm --propagation slave sh -c 'grep -c master: /proc/self/mountinfo'
unshare -rm --propagation unchanged sh -c 'grep -c master: /proc/self/mountinfo'
unshare -rm sh -c 'grep -c master: /proc/self/mountinfo'
unshare --propagation shared true
unshare -r -R / pwd
unshare -r -R / -w etc pwd
unshare -R /nosuch true
unshare -rR /etc true
unshare -w /nosuch true
unshare -w '' pwd
unshare -R '' pwd
unshare -w /etc pwd
unshare -ru sh -c 'hostname foo; hostname'
unshare -rC cat /proc/self/cgroup
unshare -ri true
unshare --net=/nosuch true
unshare --net= true
unshare -rf --uts=/nosuch true
unshare -r --pid=/etc/passwd true
unshare -r -T --monotonic -5 -f cat /proc/self/timens_offsets
unshare -r -T --boottime 77777 --monotonic 18446744073709551611 -f cat /proc/self/timens_offsets
unshare -r -T --monotonic 99999999999999 true
unshare --map-users 1,2,3 --map-groups 5,6,7 true
unshare --map-groups 5,6,7 -r true
unshare --map-users 1,2,99999999999 --map-user 5 true
unshare --map-users 3000000000,1,2 -f true
unshare --map-auto true
unshare --map-auto -r true
unshare --map-users auto -c true
unshare --map-users=auto --map-groups=0,0,10 true
nsenter -t $PID -n true
nsenter -t $PID -a true
nsenter -t $PID -U true
nsenter --pre -t $PID -u true
nsenter --net=/etc/passwd true
nsenter --net=/proc/self/ns/uts true
nsenter --net=/proc/self/ns/net -m true
nsenter -n/proc/self/ns/net -n/proc/self/ns/net true
nsenter -T/proc/self/ns/time -C/proc/self/ns/cgroup -i/proc/self/ns/ipc -m/proc/self/ns/mnt -p/proc/self/ns/pid id -u
nsenter -t $PID -p -F true
nsenter -t $PID -p sh -c 'kill -TERM $$'
nsenter -t $PID -p sh -c 'kill -KILL $$'
nsenter -t $PID -p sh -c 'exit 7'
nsenter -S 5 id -u
nsenter -G 5 id
nsenter -r/ pwd
nsenter -r/etc true
nsenter -r/nosuch true
nsenter -r/etc/passwd true
nsenter -t $PID -r -w pwd
"""

Answer = list[Any]


class Driver:
    """The driver in mount and UTS namespaces of its own, with programs newuidmap and newgidmap that print their words."""

    def __init__(self, directory: Path, user: int) -> None:
        for name in ("newuidmap", "newgidmap"):
            (directory / name).write_text(HELPER)
            (directory / name).chmod(0o755)
        (directory / "subordinate").write_text(SUBORDINATE)
        script = (
            "mount -t tmpfs -o mode=1777 none /tmp && mkdir /tmp/bin && cp newuidmap newgidmap /tmp/bin && PATH=/tmp/bin:$PATH; "
            'for one in /etc/subuid /etc/subgid; do [ -e $one ] && mount --bind subordinate $one; done; cd /tmp; exec "$@"'
        )
        inside = ["unshare", "-m", "-u", "sh", "-ec", script, "sh"]
        self.process = subprocess.Popen(
            [*inside, PYTHON, "-I", "-S", "-c", DRIVER, str(PROJECT), str(user)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=directory,
            env={"PATH": os.defpath, "SHELL": "/bin/sh", "LC_ALL": "C.UTF-8"},
        )

    user = ""

    def run(self, line: str, ours: bool) -> Answer:
        """Return how a command has ended: exit status, standard output, standard error."""
        assert self.process.stdin is not None and self.process.stdout is not None
        words = shlex.split(line.replace("$PID", str(self.process.pid)))
        print(json.dumps([ours, words]), file=self.process.stdin, flush=True)
        status, *texts = json.loads(self.process.stdout.readline())
        texts = [re.sub(r"/proc/\d+/ns", "/proc/PID/ns", re.sub(r" \(rawns .*\)", "", text)) for text in texts]
        return [status, *texts]

    def differences(self, lines: list[str]) -> list[str]:
        """Return the lines to which the two answer differently, with both answers."""
        found = []
        for line in lines:
            real, ours = self.run(line, False), self.run(line, True)
            if real != ours:
                found.append(f"{line}\n  real: {real}\n  ours: {ours}")
        return found

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(params=["root", "ordinary"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    if request.param == "ordinary" and os.getuid() + int(Path("/proc/self/uid_map").read_text().split()[2]) < NOBODY:
        pytest.skip("only the machine's root can become another user")
    one = Driver(tmp_path, NOBODY if request.param == "ordinary" else 0)
    one.user = request.param
    yield one
    one.close()


def test_command_lines(driver: Driver) -> None:
    """Standard output, standard error and exit status are equal."""
    generator = random.Random(1)  # ranges with holes at their beginning, in the middle and at their end
    ranges = [",".join(str(generator.choice((1, 2, 5, 9, 10, 11, 20)) - (place < 2)) for place in range(3)) for _ in range(30)]
    lines = [f"unshare --map-users {one} --map-user {generator.choice((0, 1, 5, 10, 12))} true" for one in ranges]
    words = WORDS.splitlines() if driver.user == "root" else []
    assert driver.differences([*filter(None, [*words, *CALLS.splitlines()]), *lines]) == []


# -- what lasts longer than a command ------------------------------------------------------------------------------------------

OURS = [PYTHON, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from rawns.cli.main import entry; entry()"]
programs = pytest.mark.parametrize("program", [[], OURS], ids=["real", "ours"])


def start(*words: str, group: bool = False) -> tuple[subprocess.Popen[str], int]:
    """Start a command whose program prints its pid first; return both."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=group)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def wait_for_end(pid: int, pidfd: int) -> None:
    assert select.select([pidfd], [], [], SECONDS)[0], f"process {pid} is still there"


@programs
def test_kill_child(program: list[str]) -> None:
    """The child gets the signal when the parent is killed; without the option it stays."""
    for option, dies in (("--kill-child", True), ("--kill-child=USR1", True), ("--fork", False)):
        process, pid = start(*program, "unshare", option, "sh", "-c", "echo $$; exec sleep 600")
        pidfd = os.pidfd_open(pid)
        process.kill()
        process.wait()
        if not dies:
            assert not select.select([pidfd], [], [], 0)[0]
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        wait_for_end(pid, pidfd)
        os.close(pidfd)
        assert process.stdout is not None
        process.stdout.close()


@programs
def test_signals_that_unshare_leaves_to_its_child(program: list[str]) -> None:
    """SIGINT and SIGTERM do not end the parent of a fork; SIGHUP does."""
    process, pid = start(*program, "unshare", "--fork", "sh", "-c", "echo $$; exec sleep 600")
    pidfd = os.pidfd_open(pid)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    status = Path(f"/proc/{process.pid}/status").read_text()
    pending = next(line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd"))
    assert int(pending, 16) == 1 << signal.SIGINT - 1 | 1 << signal.SIGTERM - 1
    process.send_signal(signal.SIGHUP)
    assert process.wait(SECONDS) == -signal.SIGHUP and not select.select([pidfd], [], [], 0)[0]
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    wait_for_end(pid, pidfd)
    os.close(pidfd)
    assert process.stdout is not None
    process.stdout.close()


@programs
def test_nsenter_stops_with_its_child(program: list[str]) -> None:
    """A child that is stopped stops the parent, which continues both; SIGINT ends the parent by the signal."""
    words = ("nsenter", f"--pid=/proc/{os.getpid()}/ns/pid", "sh", "-c", "echo $$; exec sleep 600")
    process, pid = start(*program, *words, group=True)
    pidfd = os.pidfd_open(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGSTOP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    assert process.wait(SECONDS) == -signal.SIGTERM
    wait_for_end(pid, pidfd)
    os.close(pidfd)
    assert process.stdout is not None
    process.stdout.close()


def test_files_that_keep_namespaces() -> None:
    """What one program has bound to a file, the other one enters; a PID namespace needs a process that lives."""
    script = r"""
    mount -t tmpfs none /tmp; mount --make-private /tmp; cd /tmp
    ours() { PYTHON -I -S -c 'import sys; sys.path.insert(0, "PROJECT"); from rawns.cli.main import entry; entry()' "$@"; }
    real() { "$@"; }
    MAKE='hostname box; mount -t tmpfs tmpfs /mnt; touch /mnt/here'
    STAY='echo $$; touch ready; while [ -e ready ]; do sleep 0.02; done'
    between() {
        touch uts net mnt user time pid
        $1 unshare --uts=uts --net=net --mount=mnt --user=user -r sh -c "$MAKE"
        $2 nsenter --user=user --uts=uts --net=net --mount=mnt sh -c 'hostname; ls /mnt; id -u; wc -l </proc/net/dev'
        $1 unshare --time=time --monotonic 1000000 --boottime 1000000 true
        $2 nsenter --time=time sh -c 'cut -d. -f1 /proc/uptime' >up
        read was rest </proc/uptime; echo $(($(cat up) - ${was%%.*} >= 999900))
        $1 unshare --pid=pid --fork --kill-child --mount-proc sh -c "$STAY" &
        while [ ! -e ready ]; do sleep 0.02; done
        $2 nsenter --pid=pid sh -c 'test $$ -gt 1 && echo inside'
        rm ready; wait
        umount uts net mnt user time pid
        ls
    }
    between real real; echo; between ours real; echo; between real ours
    """.replace("PYTHON", PYTHON).replace("PROJECT", str(PROJECT))
    # On one processor: Linux 6.18 numbers mount namespaces for each, and refuses (EINVAL) to bind one with a smaller number.
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0))), "unshare", "-m", "-u"]
    done = subprocess.run([*pinned, "sh", "-c", script], capture_output=True, text=True, timeout=SECONDS)
    expected, *others = done.stdout.split("\n\n")
    assert done.stderr == "" and expected.startswith("box\n") and "inside" in expected and "here" in expected, done
    assert [other.strip() for other in others] == [expected.strip()] * 2


def test_nothing_is_imported_from_another_root(tmp_path: Path) -> None:
    """Modules of a container that `nsenter` has entered do not run in its process, not even for an error message."""
    watch = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from rawns.cli.main import entry
inside = []
def hook(event, details):
    if event == "os.chdir":
        inside.append(True)
    if inside and (event == "import" or event == "open" and str(details[0]).endswith((".py", ".pyc", ".so"))):
        print("imported after the change of root:", details, file=sys.stderr)
sys.addaudithook(hook)
entry()
"""
    words = ["nsenter", f"--root={tmp_path}", f"--net=/proc/{os.getpid()}/ns/net", "nosu\x07\xe9ch"]
    done = subprocess.run([PYTHON, "-I", "-S", "-c", watch, str(PROJECT), *words], capture_output=True, timeout=SECONDS)
    assert (
        done.returncode == 127
        and done.stderr.decode() == "nsenter: failed to execute nosu\\x07\xe9ch: No such file or directory\n"
    )
