"""Costs that are counted instead of measured, so that they can be tested on any machine.

That is how many modules a command imports before it works, 60 microseconds and more for each, and how many system calls a test
with the fixture `lab` makes.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
PROGRAM = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); sys.argv[0] = 'rawns'; from rawns.__main__ import main; main()"
# Modules of the standard library that together cost more than the interpreter itself.
EXPENSIVE = set("argparse ctypes dataclasses enum ipaddress json re signal socket subprocess threading typing warnings".split())


def imported(*words: str) -> set[str]:
    """Run a command line without `site` and return the modules that it imports; the command must succeed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", "-c", PROGRAM, *words], capture_output=True, text=True, check=True
    )
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.M))


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["ip", "link"], 31),
        (["ip", "-j", "addr"], 33),
        (["ip", "route"], 32),
        (["trace", "-o", "/dev/null", "true"], 34),
        (["trace", "-o", "/dev/null", sys.executable, "-I", "-S", "-c", "import _socket; _socket.socket(16, 3, 0)"], 34),
    ],
    ids=["ip link", "ip -j addr", "ip route", "trace true", "trace of a netlink socket"],
)
def test_modules_of_a_command(words: list[str], most: int) -> None:
    found = imported(*words)
    assert not found & EXPENSIVE
    ours = {name for name in found if name.startswith("rawns")}
    assert "rawns.cli.main" in ours and len(ours) <= most, sorted(ours)


JSON = '{"name": "costs", "hosts": {"a": {}, "b": {}}, "wires": [{"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]}]}'
TOML = 'name = "costs"\n[hosts]\na = {}\nb = {}\n[[wires]]\nends = ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]\n'


@pytest.mark.parametrize(("name", "text"), [("costs.json", JSON), ("costs.toml", TOML)])
def test_modules_of_lab_up(tmp_path: Path, name: str, text: str) -> None:
    """JSON is read without `json`, and simple TOML without `tomllib`, which imports 25 modules."""
    if name.endswith("toml") and sys.version_info < (3, 11):
        pytest.skip("TOML is read from Python 3.11 on")
    file = tmp_path / name
    file.write_text(text)
    try:
        found = imported("lab", "up", str(file))
    finally:
        imported("lab", "down", str(file))
    assert not found & (EXPENSIVE | {"tomllib", "collections", "encodings.utf_8_sig", "functools"})
    ours = {name for name in found if name.startswith("rawns")}
    assert "rawns.lab.build" in ours and "rawns.objects.route" not in ours and len(ours) <= 75, sorted(ours)


FIXTURE = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[1])
from rawns.testing.session import TestSession, TestState
session, here = TestSession("auto"), pathlib.Path(".")
for mark in ("first", "last"):
    state = TestState(session, "test_of_costs", here, here)
    os.access(f"/begin-{mark}", 0)
    state.begin()
    state.watch()
    with state.empty_lab() as lab:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
        lab.up()
    assert not state.end()
    os.access(f"/end-{mark}", 0)
"""


def test_system_calls_of_the_fixture_lab(tmp_path: Path) -> None:
    """Two hosts and a wire, up and down, with the wait and the watch for leaks; `Lab` alone makes 40."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace")
    log = tmp_path / "log"
    done = subprocess.run([strace, "-qq", "-o", log, sys.executable, "-c", FIXTURE, PROJECT], capture_output=True, text=True)
    if "PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    lines = log.read_text(errors="replace").splitlines()
    begin, end = (next(at for at, line in enumerate(lines) if f"/{word}-last" in line) for word in ("begin", "end"))
    assert end - begin <= 110, "\n".join(lines[begin:end])


def test_memory_of_a_socket_in_a_list() -> None:
    """`ss -i` of thousands of sockets holds the 250 bytes of each struct tcp_info, not 65 members by name."""
    from rawns.sock_diag import TCP_INFO, DiagRequest

    answer, attributes = 72, struct.pack("=HH248x", 4 + 248, 2)
    message = bytes([2, *bytes(answer - 1)]) + attributes
    reading = DiagRequest({"sdiag_family": 2, "sdiag_protocol": 6}).reading
    assert reading is not None and TCP_INFO.size >= 232
    members, found = reading.unpack(message)  # type: ignore[misc]
    assert members[0] == 2 and found == {"INET_DIAG_INFO": bytes(248)}
