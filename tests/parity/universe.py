"""Two universes alike: in one the real `ip` is at home, in the other `rawns ip`.

A universe is a process with a mount namespace (and a /run) and a network namespace of its own, so both can have the
same names, indexes and addresses, and a command that changes something can be told to both.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rawns import NetNS
from rawns.uapi import AF_INET6, RT_TABLE_LOCAL

PROJECT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
SERVER = Path(__file__).resolve().parent / "fork_server.py"
REAL = shutil.which("ip") or "ip"
TOOLS = ("ip", "unshare", "nsenter")
ATTEMPTS = 20  # to find two states alike
PATIENCE = 3.0  # seconds for the local routes of addresses

Answer = tuple[int, str, str]

HOLDER = """
mount -t tmpfs none /run && mkdir /run/netns
for family in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$family; done
cd /; exec "$@"
"""

SETUP = """
netns add a
netns add b
link set lo up
link add v1 address 02:00:00:00:00:01 index 11 type veth peer name v2 address 02:00:00:00:00:02 index 12
link add v3 address 02:00:00:00:00:03 index 13 type veth peer name v4 address 02:00:00:00:00:04 index 14 netns b
link add br0 address 02:00:00:00:00:10 index 20 type bridge
link add br1 address 02:00:00:00:00:11 index 21 type bridge
link set v1 master br0
link set v3 alias first
link set v3 group 7
link set v1 up
link set v2 up
link set v3 up
addr add 10.0.0.1/24 brd + dev v3 label v3:a
addr add 10.0.0.2/24 dev v3
addr add 10.1.0.1 peer 10.1.0.2/32 dev v3
addr add 10.2.0.1/16 metric 7 noprefixroute dev v2
addr add 10.3.0.1/16 scope link dev v2 valid_lft forever preferred_lft forever
addr add fd00::1/64 dev v3 nodad
addr add fd00::2 peer fd00::3/128 dev v3
addr add fd00:0:0:1::1/64 dev v2 valid_lft forever preferred_lft 0
"""

# What `ip` is asked to tell all that it can; lines of routes and neighbours have no order.
STATE = ("-d addr", "-n a -d addr", "-n b -d addr", "netns", "-4 rule", "-6 rule", "-d nexthop", "addrlabel", "token")
UNORDERED = ("-d -4 route show table all", "-d -6 route show table all", "neigh show nud all", "neigh show proxy")
TIMERS = re.compile(r"(?<=timer) +\d+\.\d\d")  # of bridges
BY_ITSELF = re.compile(
    "ff02::|224|multicast|(fe80::.*|.* (PROBE|DELAY|FAILED|INCOMPLETE)) $"
)  # the kernel adds it when it is time


class Universe:
    """Runs commands in a mount and a network namespace of its own."""

    def __init__(self, program: list[str], ours: bool, tool: str = "ip") -> None:
        self.program, self._ours, self._tool = program, ours, tool
        server = [PYTHON, "-I", "-S", str(SERVER), str(PROJECT)]
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-ec", HOLDER, "sh", *server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None and self._holder.stdin is not None
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("cannot mount a /run of our own here")

    def _inside(self, argv: list[str]) -> list[str]:
        return ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "--wd=/", *argv]

    @property
    def pid(self) -> int:
        """The process that holds the namespaces."""
        return self._holder.pid

    def start(self, argv: list[str], stderr: int | None = None) -> subprocess.Popen[bytes]:
        """Begin a program inside, with pipes for its standard input and output."""
        return subprocess.Popen(self._inside(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)

    def run(self, argv: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        """Run any program inside, with an empty environment."""
        given: dict[str, object] = {"stdin": subprocess.DEVNULL, "capture_output": True, "env": {}, "timeout": 60}
        return subprocess.run(self._inside(argv), **{**given, **options})  # type: ignore[call-overload,no-any-return]

    def ask(self, words: Sequence[str], given: str = "", env: dict[str, str] | None = None, real: bool = False) -> None:
        """Start this universe's tool, or the ``real`` `ip`, with standard input ``given``; `answer` waits for its end."""
        ours = self._ours and not real
        argv = [self._tool, *words] if ours else [REAL if real else self.program[0], *words]
        text = given.encode("utf-8", "surrogateescape").decode("latin-1")
        assert self._holder.stdin is not None
        self._holder.stdin.write(json.dumps({"ours": ours, "argv": argv, "input": text, "env": env or {}}) + "\n")
        self._holder.stdin.flush()

    def answer(self) -> Answer:
        """Return how the `ip` that was started last has ended: exit status, standard output, standard error."""
        assert self._holder.stdout is not None
        told = json.loads(self._holder.stdout.readline())
        out, err = (told[key].encode("latin-1").decode("utf-8", "backslashreplace") for key in ("out", "err"))
        return told["status"], out, err

    def ip(self, *words: str, given: str = "", env: dict[str, str] | None = None) -> Answer:
        """Return what this universe's `ip` answers: exit status, standard output, standard error."""
        self.ask(words, given, env)
        return self.answer()

    def prepare(self, batch: str) -> None:
        """Have the real `ip` run commands, one a line."""
        done = self.run([REAL, "-batch", "-"], stdin=None, input=batch.encode())
        assert done.returncode == 0, done.stderr
        self.settle()

    def settle(self) -> None:
        """Let the kernel take note of carriers, and wait until it has added what follows from IPv6 addresses: local routes."""
        deadline = time.monotonic() + PATIENCE
        with NetNS.open(f"pid:{self.pid}") as here:
            for link in here.net.links():
                here.net.link_detected(link)
            while time.monotonic() < deadline:
                local = {one.body.get("RTA_DST") for one in here.net.routes(AF_INET6, table=RT_TABLE_LOCAL)}
                if all(one.address in local for one in here.net.addresses(family=AF_INET6)):
                    return

    def close(self) -> None:
        assert self._holder.stdout is not None and self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()


class Both:
    """The two universes; what is said to both."""

    def __init__(self, tool: str = "ip") -> None:
        code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from rawns.cli.main import entry; entry()"
        self._tool = tool
        self.real = Universe([shutil.which(tool) or tool], ours=False, tool=tool)
        try:
            self.ours = Universe([PYTHON, "-I", "-S", "-c", code, tool], ours=True, tool=tool)
        except BaseException:
            self.real.close()
            raise

    def prepare(self, batch: str) -> None:
        self.real.prepare(batch)
        self.ours.prepare(batch)

    def ask(self, *words: str, given: str = "", env: dict[str, str] | None = None) -> tuple[Answer, Answer]:
        """Return what the real `ip` and ours answer to the same words, each in its own universe, at the same time."""
        self.real.ask(words, given, env)
        self.ours.ask(words, given, env)
        return self.real.answer(), self.ours.answer()

    def state(self) -> tuple[str, str]:
        """Return all that `ip` can tell of both universes, to see that they are still alike."""
        told: dict[Universe, list[str]] = {self.real: [], self.ours: []}
        for words in (*STATE, *UNORDERED):
            for universe in told:
                universe.ask(words.split(), real=True)
            for universe, texts in told.items():
                text = TIMERS.sub("", universe.answer()[1])
                if words in UNORDERED:
                    text = "".join(sorted(line for line in text.splitlines(True) if not BY_ITSELF.match(line)))
                texts.append(f"{words}:\n{text}")
        return "".join(told[self.real]), "".join(told[self.ours])

    def differences(
        self, lines: str, volatile: str = "", same_help: bool = False, ordered: bool = True, env: dict[str, str] | None = None
    ) -> list[str]:
        """Return what differs when both run these commands one after the other, and in the state they are left in.

        A line may have the command's standard input after `` <<< ``, with ``\\n`` for the ends of its lines.  What matches
        ``volatile`` is removed from the output first.  ``same_help`` compares help texts, too.  If not ``ordered``,
        the lines of the output, or the objects of a JSON array, may come in any order.
        """
        found = []
        for line in filter(None, map(str.strip, lines.strip().splitlines())):
            words, _, given = line.partition(" <<< ")
            real, ours = (
                (status, re.sub(volatile, "", out), re.sub(volatile, "", err))
                for status, out, err in self.ask(*shlex.split(words), given=given.replace("\\n", "\n"), env=env)
            )
            if not ordered:
                real, ours = _sorted(real), _sorted(ours)
            if real != ours and (same_help or not _both_help(real, ours)):
                found.append(f"{self._tool} {line}\n   real: {real}\n   ours: {ours}")
        for _ in range(ATTEMPTS):  # the kernel may not have taken note of a carrier yet
            real_state, our_state = self.state()
            if real_state == our_state:
                return found
        return found + list(
            difflib.unified_diff(real_state.splitlines(), our_state.splitlines(), "real", "ours", n=0, lineterm="")
        )

    def close(self) -> None:
        self.real.close()
        self.ours.close()


def _both_help(real: Answer, ours: Answer) -> bool:
    """Help is in our own words; that it is help, and ends alike, is what counts."""
    return real[0] == ours[0] and all("Usage:" in answer[1] + answer[2] for answer in (real, ours))


def _sorted(answer: Answer) -> Answer:
    status, out, err = answer
    if out.startswith("["):
        found = json.loads(out)
        return status, json.dumps(sorted(found, key=str)), err
    return status, "\n".join(sorted(out.splitlines())), err


def missing() -> str:
    """Why parity cannot be tested here; empty where it can."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    version = subprocess.run(["ip", "-V"], capture_output=True, text=True).stdout
    return "" if "iproute2-6.1" in version else f"compared with iproute2 6.1, and this is {version.strip()}"


@pytest.fixture(name="both")
def two_universes() -> Iterator[Both]:
    """Two universes alike, as `SETUP` leaves them."""
    with fresh() as universes:
        yield universes


@contextmanager
def fresh() -> Iterator[Both]:
    """Two universes alike, as `SETUP` leaves them, until the end of the block."""
    why = missing()
    if why:
        pytest.skip(why)
    universes = Both()
    try:
        universes.prepare(SETUP)
        yield universes
    finally:
        universes.close()
