"""`rawns demo` as a first-time user runs it, by root and by an ordinary user."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import PROJECT, Ordinary, remove_name
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
    assert "All 10 steps succeeded" in done.stdout and names() == before


def test_an_ordinary_user(ordinary: Ordinary) -> None:
    done = ordinary.run([ordinary.python, "-m", "rawns", "demo"])
    assert done.returncode == 0, done.stdout
    assert "user namespace of its own" in done.stdout and "All 10 steps succeeded" in done.stdout


def program() -> subprocess.Popen[str]:
    """A demo for programs, begun."""
    command = [sys.executable, "-m", "rawns", "demo", "--json"]
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_six_at_once() -> None:
    """If a name is taken, the demo uses another one in every command and leaves the existing namespace alone."""
    before = names()
    running = [program() for _ in range(6)]
    answers = [one.communicate(timeout=60) for one in running]
    for (told, complaint), one in zip(answers, running):
        assert (one.returncode, complaint) == (0, ""), told
    for told, _ in answers:
        steps = json.loads(told)["steps"]
        one, two = [made["name"] for made in steps[0]["facts"]["namespaces"]]
        assert steps[0]["ip"] == [f"ip netns add {one}", f"ip netns add {two}"]
        assert steps[5]["title"] == f"{one} pings {two}" and steps[8]["ip"] == [f"ip netns del {one}", f"ip netns del {two}"]
    assert names() == before


@pytest.mark.really_root
def test_a_name_that_is_taken_is_left_alone() -> None:
    taken = [name for name in ("ns1", "ns2") if rawns("ip", "netns", "add", name).returncode == 0]
    if taken != ["ns1", "ns2"]:
        for name in taken:
            remove_name(name)
        pytest.skip("ns1 or ns2 of another program is on this machine")
    try:
        done = program()
        told, complaint = done.communicate(timeout=60)
        assert (done.returncode, complaint) == (0, "")
        made = json.loads(told)["steps"][0]["facts"]["namespaces"]
        assert [one["name"] for one in made] == [f"ns1-{done.pid}", f"ns2-{done.pid}"]
        assert {"ns1", "ns2"} <= names()
    finally:
        for name in taken:
            remove_name(name)


def test_for_programs() -> None:
    done = rawns("demo", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True and len(told["steps"]) == STEPS and done.returncode == 0
    assert all(step["microseconds"] > 0 and step["ip"] and step["lines"] for step in told["steps"])


def test_facts_are_numbers_and_names() -> None:
    facts = [step["facts"] for step in json.loads(rawns("demo", "--json").stdout)["steps"]]
    made = [one["name"] for one in facts[0]["namespaces"]]
    assert len({one["inode"] for one in facts[0]["namespaces"]}) == 2
    assert set(facts[1]["links"]) == set(made) and all("lo" in links for links in facts[1]["links"].values())
    v1, v2 = facts[2]["links"]
    assert (v1["namespace"], v1["name"], v2["namespace"], v2["name"]) == (made[0], "v1", made[1], "v2")
    assert (v1["index"], v2["index"]) == (v2["peer_index"], v1["peer_index"]) and min(v1["index"], v2["index"]) > 1
    assert all(re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", end["address"]) for end in (v1, v2))
    assert [(one["address"], one["prefix_length"]) for one in facts[3]["addresses"]] == [("10.0.0.1", 24), ("10.0.0.2", 24)]
    assert facts[4]["link"]["up"] is facts[4]["link"]["carrier"] is True
    assert [(one["from"], one["to"], one["received"]) for one in facts[5:7]] == [
        ("10.0.0.1", "10.0.0.2", 1),
        ("10.0.0.2", "10.0.0.1", 1),
    ]
    assert all(one["rtt_microseconds"] > 0 for one in [*facts[5:7], *facts[7]["lines"]]) and facts[7]["port"] == 7777
    nothing: dict[str, list[str]] = {"names": [], "mounts": [], "processes": []}
    assert facts[9] == {"namespaces": dict.fromkeys(made, nothing), "descriptors": [], "threads": []}


def test_calls_and_messages_for_programs() -> None:
    """Each byte of each message once, in order; and each call with its outcome."""
    calls = [call for step in json.loads(rawns("demo", "--json", "--explain").stdout)["steps"] for call in step["calls"]]
    assert {"unshare", "setns", "mount", "sendto", "recvfrom"} <= {call["call"] for call in calls}
    for call in calls:
        assert (call["result"] == -1) == (call["errno"] is not None), call
        assert isinstance(call["arguments"], str) and call["microseconds"] >= 0
    messages = [message for call in calls for message in call["messages"]]
    assert {"RTM_NEWLINK", "RTM_GETLINK", "NLMSG_ERROR", "IPPROTO_ICMP"} <= {message["name"] for message in messages}
    for message in messages:
        at = start = message["bytes"][0]["offset"]
        for row in message["bytes"]:
            assert (row["offset"], bool(row["name"])) == (at, True), message
            at += len(row["hex"]) // 2
        assert at - start == message["length"]
    values = {row["name"]: row["value"] for message in messages for row in message["bytes"] if row["value"] is not None}
    assert values["IFLA_MTU"] in (1500, 65536) and values["IFLA_INFO_KIND"] == "veth"
    assert {"IPV4_DEVCONF_FORWARDING", "DEVCONF_HOPLIMIT", "IFLA_XDP_ATTACHED"} <= set(values)


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


PYTHONS_OWN = {  # what the interpreter does by itself, and the recorder's own call
    *"brk clone clone3 execve exit exit_group futex getpid geteuid gettid lseek madvise mmap mprotect munmap".split(),
    *"prlimit64 rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_yield set_robust_list sigaltstack".split(),
}
SEARCHED = [directory for directory in {*sys.path, sys.prefix, sys.base_prefix, str(PROJECT)} if len(directory) > 1]
REMEDY = "/proc/self/uid_map"  # read after a refused call, for what its error would say


def traced(log: str) -> dict[int, list[str]]:
    """The calls of each step, from strace's log: its end is where its title is written."""
    found: dict[int, list[str]] = {}
    unfinished: dict[str, str] = {}
    directories: dict[str, bool] = {}
    ignored: set[str] = set()
    number = -1
    for line in log.splitlines():
        pid, text = line.split(None, 1)
        title = re.match(r'write\(1, " ?(\d+)\. ', text)
        number = int(title[1]) if title else number
        if text.endswith(" <unfinished ...>"):
            unfinished[pid] = text[: -len(" <unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
        text = unfinished.pop(pid, "") + resumed[1] if resumed else text
        call = re.match(r"(\w+)\((\w*)", text)
        if call is None or call[1] in PYTHONS_OWN or text.startswith("write(1, ") or number < 0:
            continue
        if '"/proc/self"' in text or any(f'"{directory}' in text for directory in SEARCHED):
            continue  # when a process ends meanwhile: whether /proc is there at all, and an import for the error's words
        name, fd, result = call[1], call[2], text.rpartition(" = ")[2]
        if name == "openat" and ("O_NONBLOCK|O_CLOEXEC|O_DIRECTORY" in text or REMEDY in text):
            if "O_DIRECTORY" in text:
                directories[result] = False  # what `os.listdir` does is told as one call
            else:
                ignored.add(result)
            continue
        if fd in ignored or fd in directories:
            if name == "close":
                ignored.discard(fd)
                directories.pop(fd, None)
            if name != "getdents64" or directories.get(fd):
                continue
            directories[fd] = True
        name = {"openat": "open", "fcntl": "dup"}.get(name, name)
        if name == "newfstatat":
            name = "fstat" if "AT_EMPTY_PATH" in text else "stat"
        found.setdefault(number + 1, []).append(name)
    return found


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_explain_names_the_calls_that_strace_sees(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["strace", "-f", "-o", str(log), sys.executable, "-m", "rawns", "demo", "--explain"]
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode and "PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    told: dict[int, list[str]] = {}
    number = -1
    for line in done.stdout.splitlines():
        title = re.match(r" ?(\d+)\. ", line)
        number = int(title[1]) if title else number
        call = re.match(r"    \| (?:\[thread [^]]*\] )?(\w+)\(.*<[\d.]+ us>$", line)
        if call:
            told.setdefault(number, []).append(call[1])
    seen = traced(log.read_text())
    assert set(told) == set(range(STEPS + 1))
    for number in range(1, STEPS + 1):
        assert Counter(told[number]) == Counter(seen[number]), f"step {number}"


def test_explain_says_which_thread_of_the_chat_made_a_call() -> None:
    """The room accepts and the peer connects, each in its own namespace; ``/proc`` of the kernel is not asked, setns is."""
    steps = json.loads(rawns("demo", "--json", "--explain").stdout)["steps"]
    one, two = [made["name"] for made in steps[0]["facts"]["namespaces"]]
    by_thread: dict[str, set[str]] = {}
    for call in steps[7]["calls"]:
        by_thread.setdefault(call["thread"], set()).add(call["call"])
    assert set(by_thread) >= {f"thread in {one}", f"thread in {two}"}
    assert "listen" in by_thread[f"thread in {one}"] and "accept4" in by_thread[f"thread in {one}"]
    assert "connect" in by_thread[f"thread in {two}"] and "listen" not in by_thread[f"thread in {two}"]


# -- interruptions and faults -----------------------------------------------------------------------------------------


def moments(number: int, tmp_path: Path) -> list[tuple[str, int]]:
    """System calls of a demo's main thread, chosen at random: the name of each, and the how-manieth of that name it is."""
    log = tmp_path / "count"
    command = ["strace", "-o", str(log), sys.executable, "-m", "rawns", "demo"]
    if subprocess.run(command, env=ENVIRONMENT, capture_output=True, timeout=60).returncode:
        pytest.skip("strace may not trace here")
    seen: Counter[str] = Counter()
    every: list[tuple[str, int]] = []
    for line in log.read_text().splitlines():
        name = line.partition("(")[0]
        if name.isidentifier() and not name.startswith("exit"):
            seen[name] += 1
            every.append((name, seen[name]))
    start = every.index(("setns", 1)) - 200  # before that, modules are imported
    return random.Random(8).sample(every[start:], number)


ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
SIGNALS = 20  # moments of each signal


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_signal_at_any_call_leaves_nothing(name: str, tmp_path: Path) -> None:
    """strace sends the signal at the n-th system call.  It may arrive before the demo begins, in the middle, or after it."""
    before = names()
    ends: set[int] = set()
    for call, number in moments(SIGNALS, tmp_path):
        inject = f"inject={call}:signal=SIG{name}:when={number}"
        command = ["strace", "-o", "/dev/null", "-e", inject, sys.executable, "-m", "rawns", "demo"]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        assert done.stderr == "", (inject, done.stderr)
        assert names() == before, inject
        ends.add(done.returncode)
    assert ends <= {0, 130, -2, -15, 143} and ends - {0}, f"no signal has struck: {ends}"


FAULTY = """
import errno, os, sys
from rawns.cli import demo
from rawns.observer import Observer, observed

class FailingCall(Observer):
    seen = 0
    def before(self, call, arguments):
        self.seen += 1
        if self.seen == int(sys.argv[1]):
            raise OSError(errno.EIO, "")

failing = FailingCall()
with observed(failing):
    try:
        status = demo.main([])
    except Exception as error:
        status, text = 1, str(error)
print(failing.seen, status, file=sys.stderr)
os._exit(0)
"""


def with_a_failing_call(number: int) -> subprocess.CompletedProcess[str]:
    """A demo whose n-th system call fails."""
    command = [sys.executable, "-c", FAULTY, str(number)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


def test_each_call_failed_in_turn_leaves_nothing() -> None:
    before = names()
    total, status = map(int, with_a_failing_call(0).stderr.split()[-2:])
    assert status == 0
    failed = 0
    for number in [*range(1, 60, 3), *range(60, min(total, 400), 11)]:  # creation call by call, the rest in samples
        done = with_a_failing_call(number)
        assert "Traceback" not in done.stderr, done.stderr
        assert names() == before, f"call {number} of {total}: {done.stderr}"
        failed += done.stderr.split()[-1] != "0"
    assert failed > 10


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


FORBIDDEN = "echo 0 > /proc/sys/user/max_net_namespaces; exec"


def test_where_user_namespaces_are_forbidden_it_says_so() -> None:
    done = rawns("rootless", "sh", "-c", f"{FORBIDDEN} {sys.executable} -m rawns demo")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr


def test_a_failure_before_the_story_is_one_object_too() -> None:
    done = rawns("rootless", "sh", "-c", f"{FORBIDDEN} {sys.executable} -m rawns demo --json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["ok"] is False and told["steps"] == []
    assert done.stderr == f"rawns demo: {told['error']}\n" and "unshare" in told["error"]


def test_an_ordinary_user_who_keeps_gets_one_object_too(ordinary: Ordinary) -> None:
    script = "import sys; sys.stderr = open('/dev/null', 'w'); from rawns.cli.main import entry; entry()"
    done = ordinary.run([ordinary.python, "-c", script, "demo", "--keep", "--json"])
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["ok"] is False and "--keep needs root" in told["error"]


BROKEN = """
from rawns.cli import demo_steps
from rawns.cli.demo import main

def broken(told, facts):
    facts["seen"] = told.names
    {what}
    yield
title, ip, act = demo_steps.STEPS[2]
demo_steps.STEPS[2] = title, ip, broken
raise SystemExit(main({argv}))
"""


def broken(argv: list[str], what: str = 'raise demo_steps.StepFailed("there is no cable")') -> subprocess.CompletedProcess[str]:
    """Run the demo with another third step."""
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", BROKEN.format(what=what, argv=argv)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_step_that_fails_is_named_and_cleaned_up_after() -> None:
    before = names()
    done = broken([])
    assert done.returncode == 1
    assert done.stderr == "rawns demo: step 3, 'A veth pair, an end in each', failed: there is no cable\n"
    assert names() == before


def test_a_step_that_fails_is_one_object_too() -> None:
    done = broken(["--json"])
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["ok"] is False and told["error"] == told["failed"]["error"] == "there is no cable"
    assert len(told["steps"]) == 2 and len(told["failed"]["facts"]["seen"]) == 2


@pytest.mark.parametrize(
    ("leak", "kind"),
    [
        ("NetNS.open(fd=told.namespaces[0].fd).attach(f'{told.names[0]}-leak')", "names"),
        ("hold = told.namespaces[0].popen(['sleep', '60'])", "processes"),
        ("os.dup(0)", "descriptors"),
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", "threads"),
    ],
)
def test_what_is_left_behind_is_found(leak: str, kind: str) -> None:
    """The last step's proof can fail: each kind of leak makes it."""
    script = f"""
import os, threading
from rawns import NetNS
from rawns.cli import demo_steps
told = demo_steps.Demo()
try:
    told.preparation.run(told)
    if True:
        for step in told.steps():
            if step.title.startswith("Clean-up"):
                {leak}
            if step.title == "Nothing is left":
                demo_steps.TIMEOUT = 0.2  # a thread that stays is waited for
            step.run(told)
except demo_steps.StepFailed as error:
    print(error)
finally:
    told.clean_up()
    if "hold" in globals():
        hold.kill(); hold.wait()
    name = f"{{told.names[0]}}-leak"
    if name in NetNS.list():
        NetNS.remove(name)
os._exit(0)
"""
    before = names()
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert f"{kind} " in done.stdout and "are left behind" in done.stdout and done.stderr == "", done.stderr
    assert names() == before


def test_the_end_by_sigquit_leaves_nothing() -> None:
    before = names()
    command = [sys.executable, "-u", "-m", "rawns", "demo", "--explain"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(" 1. "):  # the namespaces are there
                break
        process.send_signal(signal.SIGQUIT)
        process.stdout.read()
    assert process.returncode in (-signal.SIGQUIT, 0) and names() == before


@pytest.mark.parametrize("limit", [11, 12, 13, 14])
def test_a_lack_of_descriptors_is_the_reason_that_is_given(limit: int) -> None:
    """In the room's thread too, whose peer would only see that no answer comes."""
    before = names()
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv.pop(1)),) * 2)\n"
    script += "sys.argv[1:] = ['demo']; from rawns.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script, str(limit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or os.strerror(errno.EMFILE) in done.stderr, done.stderr
    assert "timed out" not in done.stderr and names() == before
