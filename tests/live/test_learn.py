"""`rawns learn`: solutions reach their goals, faults are found and removed, and nothing that a learner does is a traceback."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breaking import break_and_repair
from conftest import PROJECT

from rawns import RawnsError
from rawns.diagnose import proof
from rawns.learn import chapter as chapter_module
from rawns.learn import chapters, faults, scratch, solving
from rawns.learn.goals import Kernel
from rawns.learn.named_network import NamedNetwork

SOLUTIONS = [(name, number) for name in chapters.NAMES for number in range(len(chapters.load(name).solutions))]
PATIENCE = 60
Name = Callable[[], str]


@pytest.mark.parametrize(("name", "number"), SOLUTIONS)
def test_a_solution_reaches_all_goals(name: str, number: int) -> None:
    chapter = chapters.load(name)
    solution = chapter.solutions[number]
    missing = solution.missing(os.environ.get("PATH", os.defpath))
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    try:
        outputs, goals = solving.solve(chapter, solution)
    except scratch.Missing as error:
        pytest.skip(str(error))
    assert goals == [], "\n".join(outputs)
    assert len(outputs) == len(solution.commands)


def test_no_goal_is_reached_before_the_learner_begins() -> None:
    """All goals of a chapter together; one of them may hold from the start, such as that nothing has been broken."""
    from rawns.learn.chapter import Solution

    for name in ("cable", "names"):
        _, goals = solving.solve(chapters.load(name), Solution("true"))
        assert goals, name


@pytest.mark.parametrize("part", range(2))
def test_each_fault_is_found_and_its_remedy_makes_the_network_whole(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "REFUTATION_SECONDS", 0.01)  # for faults made on purpose no answer comes, however long one waits
    monkeypatch.setattr(proof, "LARGE_ANSWER_SECONDS", 0.1)
    names = list(faults.FAULTS)[part::2]
    both = [("no address on the router", "default route without gateway")] if part else []  # neither alone says which gateway
    problems = break_and_repair([*((name,) for name in names), *both], f"rt-{os.getpid()}-l{part}-")
    assert problems == []


# -- the shell -------------------------------------------------------------------------------------------------------------------


def learn(*words: str, lines: str = "", state: Path, shell: str = "/bin/sh") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT), "SHELL": shell, "XDG_STATE_HOME": str(state), "HOME": "/"}
    command = [sys.executable, "-m", "rawns", "learn", *words]
    return subprocess.run(command, input=lines, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def test_a_chapter_without_a_terminal(tmp_path: Path) -> None:
    """Commands from standard input: check, hint, solution, next, and leaving; what is done is kept."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash, which reads its commands one by one")
    lines = 'check\nhint\neval "$(solution)"\ncheck\necho status $?\nnext\nnever\ncheck\nquit\nnever\n'
    done = learn("1", lines=lines, state=tmp_path, shell="/bin/bash")
    assert done.returncode == 1, done.stdout + done.stderr  # the second chapter was left
    assert "there is no namespace called red" in done.stdout and "Hint 1 of 3" in done.stdout
    assert "status 0" in done.stdout and "Chapter 2 of 14" in done.stdout
    assert "The chapter was left before it was done; `rawns learn cable` starts it again." in done.stdout
    assert (tmp_path / "rawns" / "learn.json").read_text() == '{"done": ["namespace"]}'
    assert "x  1  namespace" in learn(state=tmp_path).stdout
    assert not os.path.lexists(scratch.DIRECTORY)


def test_a_learner_who_removes_everything_or_cannot_write_gets_one_sentence(tmp_path: Path) -> None:
    state = tmp_path / "file"
    state.write_text("")
    solve = "ip netns add red; ip -n red link set lo up; ip netns exec red tail -f /dev/null & check"
    done = learn("namespace", lines=f"{solve}\nrm -rf {scratch.DIRECTORY}/session\n/bin/true\nrawns learn check\n", state=state)
    said = done.stderr.splitlines()
    assert [line for line in said if "the progress was not kept" in line and "Not a directory" in line], said
    assert [line for line in said if "the files of this chapter are gone" in line], said
    assert "Traceback" not in done.stderr
    for lines in ("umount -l /run; rawns learn check\n", "rm -rf /run/*; exec true\n", "kill -9 $$\n", "umount -a -l; exit\n"):
        done = learn("cable", lines=lines, state=tmp_path)
        assert "Traceback" not in done.stderr and "left before it was done" in done.stdout, done.stderr


def test_wrong_words_are_one_line(tmp_path: Path) -> None:
    for words in (["15"], ["0"], ["brige"], ["break", "9"], ["1", "2"], ["--html", "x", "1"]):
        done = learn(*words, state=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    for word in ("check", "hint", "solution", "explain", "task", "next", "quit", "join"):
        done = learn(word, state=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


def test_something_broken_is_repaired_by_what_why_says(tmp_path: Path) -> None:
    lines = 'task\nhint\nhint\nhint\neval "$(solution)"\ncheck\nexplain\n'
    for name in ("no way back",):
        done = subprocess.run(
            [sys.executable, "-c", f"from rawns.cli import learn; learn._study('break:1:{name}')"],
            input=lines,
            env={"PATH": os.defpath, "PYTHONPATH": str(PROJECT), "SHELL": "/bin/sh", "XDG_STATE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert "A user says: web cannot reach db." in done.stdout, done.stderr
        assert "rawns why web 10.2.0.20" in done.stdout and f"What was broken: {name}." in done.stdout
        assert "Traceback" not in done.stderr
        assert re.search(r"\[x\] db answers web\n\[x\] nothing on the way", done.stdout), done.stdout


def test_in_a_terminal(tmp_path: Path) -> None:
    """The shell is interactive; `quit` ends it although it would not read another line."""
    shell = shutil.which("bash") or "/bin/sh"
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(PROJECT),
        "SHELL": shell,
        "XDG_STATE_HOME": str(tmp_path),
        "TERM": "dumb",
    }
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "rawns", "learn", "cable"], environment)
    shown = b""
    try:
        shown += until(terminal, rb"\(learn[^\n]*[$#] $")
        os.write(terminal, b"check\n")
        shown += until(terminal, rb"`hint` helps\.")
        os.write(terminal, b"ip netns exec red sh\n")
        shown += until(terminal, rb"# $")
        os.write(terminal, b"quit\n")
        shown += until(terminal, rb"starts it again")
    finally:
        status = os.waitpid(pid, 0)[1]
        os.close(terminal)
    assert os.WEXITSTATUS(status) == 1, shown


def until(terminal: int, pattern: bytes) -> bytes:
    """Read until a pattern is shown."""
    shown = b""
    while not re.search(pattern, shown):
        assert select.select([terminal], [], [], PATIENCE)[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_explain_names_every_byte_of_the_solution() -> None:
    chapter = chapters.load("cable")
    outputs, goals = solving.solve(chapter, chapter.solutions[0], "bytes")
    assert goals == []
    assert "VETH_INFO_PEER" in outputs[0] and "IFLA_INFO_KIND" in outputs[0] and "RTM_NEWLINK" in outputs[1]


def test_explain_shows_the_calls_of_programs_that_are_traced() -> None:
    chapter = chapters.load("names")
    outputs, goals = solving.solve(chapter, chapter.solutions[0], "brief")
    assert goals == [], outputs
    assert 'mount("/run/netns/red", "/run/netns/crimson", "none", MS_BIND, NULL) = 0' in outputs[2]


def test_a_file_on_which_nothing_is_mounted_yet_is_not_a_name() -> None:
    _, goals = solving.solve(chapters.load("names"), chapter_module.Solution("touch /run/netns/green"))
    assert [found for sentence, found in goals if sentence == "green is the name of a namespace"][0].startswith(
        "/run/netns/green"
    )


def test_without_iproute2_and_iputils_those_of_rawns_are_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "/absent")
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (chapter_module, scratch):
        monkeypatch.setattr(module, "SYSTEM_DIRECTORIES", str(tmp_path))
    chapter = chapters.load("ping")
    outputs, goals = solving.solve(chapter, chapter.solution(str(tmp_path)))
    assert goals == [], "\n".join(outputs)


def test_a_second_terminal_joins_and_ends_with_the_first(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT), "SHELL": "/bin/sh", "XDG_STATE_HOME": str(tmp_path)}
    options: dict[str, Any] = {"env": environment, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "rawns", "learn"]
    with subprocess.Popen([*command, "cable"], **options) as first:
        say(first, "echo ready; ip netns add third", "ready")
        with subprocess.Popen([*command, "join"], **options) as joined:
            say(joined, "until ip netns list | grep -q third; do :; done; rawns learn hint", "Hint 1 of 2")
            first.communicate("quit\n", timeout=PATIENCE)
            assert joined.wait(PATIENCE) != 0


def say(process: subprocess.Popen[str], line: str, answer: str) -> None:
    """Send a line, and read lines up to one that begins with the answer."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    while not (read := process.stdout.readline()).startswith(answer):
        assert read


def test_a_killed_chapter_leaves_nothing(tmp_path: Path) -> None:
    """The process that holds the namespaces is killed: the command says so, and ends what that process has started."""
    reading, writing = os.pipe()

    def killed() -> dict[str, Any]:
        if os.fork() == 0:  # a service in a session of its own, which holds the pipe
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            while True:
                signal.pause()
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(RawnsError, match="was killed"):
        scratch.in_scratch(killed)
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b""  # its end: no process holds it any more


# -- wrong and right answers -------------------------------------------------------------------------------------------------


def test_two_pairs_with_the_same_indexes_are_not_one_cable() -> None:
    """An index means something in one namespace only: each namespace has both ends of a pair of its own here."""
    wrong = [f"ip -n {name} link add v1 type veth peer name v2" for name in ("red", "blue")]
    up = [f"ip -n {name} link set {link} up" for name in ("red", "blue") for link in ("v1", "v2")]
    _, goals = solving.solve(chapters.load("cable"), chapter_module.Solution(*wrong, *up))
    assert [sentence for sentence, _ in goals] == ["v1 in red and v2 in blue are the ends of a veth pair"]


def test_a_connection_to_a_server_of_ipv6_counts() -> None:
    """Programs that listen on :: see a client of IPv4 at a mapped address; the kernel lists the connection in another file."""
    server = "import socket as s; l = s.socket(s.AF_INET6); l.bind(('::', 7000)); l.listen(); c = l.accept(); l.accept()"
    wait = "until ip netns exec red ss -tln | grep -q 7000; do :; done"
    client = "import socket as s; c = s.create_connection(('10.0.0.1', 7000)); c.recv(1)"
    commands = [f'ip netns exec red python3 -c "{server}" &', wait, f'ip netns exec blue python3 -c "{client}" &']
    _, goals = solving.solve(chapters.load("chat"), chapter_module.Solution(*commands))
    assert goals == []


def test_packets_lost_before_the_repair_do_not_delay_those_after_it(netns_name: Name) -> None:
    """`check` deletes entries that wait for an answer, of which the real `ip` then shows none."""
    name = netns_name()
    with NamedNetwork() as network:
        network.add(name)
        network[name].net.add_veth("v1", "v2", up=True)
        network[name].net.set_link("v2", up=True)
        network.address(name, "v1", "10.0.0.1/24")
        with network[name].socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("10.0.0.9", 9))
        shown = ["ip", "-n", name, "neigh", "show", "10.0.0.9", "nud", "all"]
        assert b"10.0.0.9" in subprocess.run(shown, capture_output=True, check=True).stdout
        with Kernel(name, 0.0) as kernel:
            kernel.forget()
        assert subprocess.run(shown, capture_output=True, check=True).stdout == b""
