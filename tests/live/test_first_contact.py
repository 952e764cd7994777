"""Commands on bare machines and with hostile names: a chroot, a Python without all its modules, file names that are not UTF-8."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, mountinfo, remove_name
from test_rootless import rawns

ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
BYTES = b"rt-\xff\x1b[2J-%d"


def run_bytes(*words: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`rawns`, with its output as bytes."""
    command = [sys.executable, "-m", "rawns", *words]
    given = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(command, env=given, capture_output=True, timeout=60)


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1:strict"])
def test_names_that_are_not_utf8_are_shown_by_every_command(encoding: str) -> None:
    """What `ls` writes into a pipe is the judge of what `ip netns` writes; no other command shows a traceback."""
    name = BYTES % os.getpid()
    try:
        assert run_bytes("ip", "netns", "add", name, PYTHONIOENCODING=encoding).returncode == 0
        listed = subprocess.run(["ls", "/run/netns"], capture_output=True, check=True).stdout
        assert name in listed.splitlines()
        assert name in [
            line.split(b" (id")[0] for line in run_bytes("ip", "netns", PYTHONIOENCODING=encoding).stdout.splitlines()
        ]
        for words in (
            ["ip", "netns", "identify"],
            ["ip", "-n", name, "link"],
            ["lab", "list"],
            ["lab", "gc"],
            ["why", name, "10.9.9.9"],
            ["why", "nobody" + os.fsdecode(name), name],
            ["ping", "--netns", name, "-c", "1", "127.0.0.9"],
            [name],
            ["lab", "status", name],
            ["lab", name],
        ):
            done = run_bytes(*words, PYTHONIOENCODING=encoding)
            assert b"Traceback" not in done.stderr, (words, done.stderr)
    finally:
        remove_name(os.fsdecode(name))


@pytest.mark.parametrize("missing", [["_ctypes"], ["ctypes", "_ctypes", "json", "difflib", "tomllib", "getopt", "shutil"]])
def test_without_modules_a_sentence_names_the_package(missing: list[str], tmp_path: Path) -> None:
    """Debian's python3-minimal lacks these and more.  What needs no such module works, and nothing waits for ever."""
    for name in missing:
        words = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
        (tmp_path / f"{name}.py").write_text(words)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    for command in ("demo", "demo --json", "rootless true", "ip netns add rt-never", "lab up nowhere.toml", "why . 127.0.0.1"):
        done = run_bytes(*command.split(), PYTHONPATH=path)
        assert done.returncode in (1, 2, 255) and b"Traceback" not in done.stderr, (command, done.stderr)
        assert done.stderr.count(b"\n") == 1, (command, done.stderr)
        if command != "lab up nowhere.toml":
            assert b"python3" in done.stderr and b"standard library" in done.stderr, (command, done.stderr)
    for command in ("ip link", "ip -br addr", "ip netns", "ping -c 1 127.0.0.1", "help", "version", "chat --help"):
        if "getopt" in missing and command.startswith(("ping", "chat")):
            continue  # python3-minimal has getopt
        done = run_bytes(*command.split(), PYTHONPATH=path)
        assert (done.returncode, done.stderr) == (0, b""), (command, done.stderr)


@pytest.mark.parametrize("how", ["rootless", "netns exec", "lab exec", "lab run"])
def test_a_command_that_is_executed_has_the_signals_of_a_shell(how: str, netns_name: Callable[[], str], tmp_path: Path) -> None:
    """Python ignores SIGPIPE, and what is executed would inherit that: ``yes | head`` would complain."""
    name = netns_name()
    file = tmp_path / "one.json"
    lab = f"rt{os.getpid()}"
    file.write_text(f'{{"name": "{lab}", "hosts": {{"a": {{}}}}}}')
    look = ["grep", "SigIgn", "/proc/self/status"]
    words = {
        "rootless": ["rootless", *look],
        "netns exec": ["ip", "netns", "exec", name, *look],
        "lab exec": ["lab", "exec", str(file), "a", *look],
        "lab run": ["lab", "run", str(file), "--", *look],
    }[how]
    if how == "netns exec":
        assert rawns("ip", "netns", "add", name).returncode == 0
    if how == "lab exec":
        assert rawns("lab", "up", str(file)).returncode == 0
    try:
        done = rawns(*words)
        shell = subprocess.run(look, capture_output=True, text=True, check=True)
        assert (done.returncode, done.stdout) == (0, shell.stdout), done.stderr
    finally:
        if how == "lab exec":
            rawns("lab", "down", str(file))


CHROOT = """
set -e
cd {root}
for one in usr etc bin lib lib64 sbin; do
    if [ -L /$one ]; then ln -s "$(readlink /$one)" $one; elif [ -d /$one ]; then mkdir $one; mount --bind /$one $one; fi
done
mkdir proc run sys tmp project
mount --bind {project} project
mount -t proc proc proc
mount -t tmpfs tmpfs run
exec chroot . sh -c 'cd /project; export PYTHONDONTWRITEBYTECODE=1; {command}'
"""


@pytest.mark.really_root
@pytest.mark.skipif(shutil.which("chroot") is None or not os.path.exists("/usr/bin/python3"), reason="needs chroot and python3")
def test_netns_exec_in_a_chroot(tmp_path: Path) -> None:
    """`ip` gives up there, since / is no mount point; the command is run in the namespace all the same, without its mounts."""
    command = (
        "python3 -m rawns ip netns add inside; python3 -m rawns ip netns exec inside stat -Lc %i /proc/self/ns/net;"
        " echo status $?; stat -c %i /run/netns/inside; python3 -m rawns ip netns del inside"
    )
    script = CHROOT.format(root=tmp_path, project=PROJECT, command=command)
    before = mountinfo()
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    entered, status, expected = done.stdout.splitlines()
    assert entered == expected and status == "status 0", done.stderr
    assert "mount --make-rslave /" in done.stderr and done.stderr.count("\n") == 1
    assert mountinfo() == before


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("where", ["full", "closed", "pipe"])
def test_what_has_changed_is_said_although_standard_output_fails(where: str, form: list[str], tmp_path: Path) -> None:
    """The lab is up, and the command says so on standard error, with status 1."""
    lab = f"rt{os.getpid()}"
    file = tmp_path / "one.json"
    file.write_text(f'{{"name": "{lab}", "hosts": {{"a": {{}}}}}}')
    command = [sys.executable, "-m", "rawns", "lab", *form]
    reading, writing = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    outputs: dict[str, dict[str, Any]] = {
        "full": {"stdout": full},
        "pipe": {"stdout": writing},
        "closed": {"preexec_fn": lambda: os.close(1)},
    }
    try:
        for verb, said in (("up", "is up"), ("down", "is down")):
            line = [*command, verb, str(file)]
            done = subprocess.run(line, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, timeout=60, **outputs[where])
            assert done.returncode == 1, done.stderr
            assert (f"{lab} {said}" in done.stderr) if not form else ('"ok": true' in done.stderr), done.stderr
    finally:
        os.close(writing)
        os.close(full)
        rawns("lab", "down", str(file))
