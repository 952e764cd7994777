"""`rawns completion`: the scripts, run by the shells that they are for; names come from the kernel."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PROJECT
from test_rootless import rawns

ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "LANG": "C.UTF-8"}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A directory with the command `rawns` in it, and a file."""
    command = tmp_path / "rawns"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m rawns "$@"\n')
    command.chmod(0o755)
    (tmp_path / "shop.toml").touch()
    return tmp_path


def by_bash(program: Path, line: str) -> set[str]:
    """What bash offers for a command line; its own splitting at = and : is what COMP_WORDS has."""
    words: list[str] = []
    for word in line.split(" "):
        head, equals, tail = word.partition("=")
        words += [head, *([equals] if equals else []), *([tail] if tail else [])]
    script = f"""
        eval "$(rawns completion bash)"
        COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
        _rawns; printf '%s\\n' "${{COMPREPLY[@]}}"; complete -p rawns >/dev/null
    """
    return offered(["bash", "--norc", "-c", script], program)


def by_zsh(program: Path, line: str) -> set[str]:
    """What zsh is told to offer: without a terminal, its completion functions are replaced by ones that print."""
    words = " ".join(shlex.quote(word) for word in line.split(" "))
    script = f"""
        compadd() {{ shift; print -rl -- "$@"; }}
        _files() {{ print -rl -- *(N); }}
        _command_names() {{ print -r -- true; }}
        eval "$(rawns completion zsh)"
        words=({words}); CURRENT=${{#words}}; _rawns
    """
    return offered([os.environ.get("ZSH_PROGRAM", "zsh"), "-f", "-c", script], program)


def by_fish(program: Path, line: str) -> set[str]:
    script = f"rawns completion fish | source; complete -C {shlex.quote(line)}"
    return {one.split("\t")[0] for one in offered([os.environ.get("FISH_PROGRAM", "fish"), "-N", "-c", script], program)}


def offered(command: list[str], program: Path) -> set[str]:
    given = {**ENVIRONMENT, "PATH": f"{program}:{os.environ['PATH']}", "HOME": str(program)}
    if "LD_LIBRARY_PATH" in os.environ:
        given["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    done = subprocess.run(command, cwd=program, env=given, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return set(done.stdout.split("\n")) - {""}


SHELLS = [
    pytest.param(
        by,
        id=name,
        marks=pytest.mark.skipif(shutil.which(os.environ.get(f"{name.upper()}_PROGRAM", name)) is None, reason=f"needs {name}"),
    )
    for name, by in (("bash", by_bash), ("zsh", by_zsh), ("fish", by_fish))
]


@pytest.mark.parametrize("by", SHELLS)
def test_words_options_and_names(by: Callable[[Path, str], set[str]], program: Path, netns_name: Callable[[], str]) -> None:
    name = netns_name()
    hostile = f"{name};$(reboot)"
    lab = f"rt{os.getpid()}"
    (program / "lab.json").write_text(f'{{"name": "{lab}", "hosts": {{"web": {{}}, "db": {{}}}}}}')
    try:
        assert rawns("ip", "netns", "add", name).returncode == rawns("ip", "netns", "add", hostile).returncode == 0
        assert rawns("lab", "up", str(program / "lab.json")).returncode == 0
        assert by(program, "rawns ro") == {"rootless"}
        assert {"demo", "lab", "ip", "help"} <= by(program, "rawns ")
        assert by(program, "rawns lab u") == {"up", "unblock"}
        assert by(program, "rawns --json lab") == set()
        assert by(program, "rawns demo --ex") == {"--explain"}
        assert by(program, "rawns lab --json sta") == {"status"}
        assert {"--wait", "--json", "--help"} <= by(program, "rawns lab up --")
        assert lab in by(program, "rawns lab down ") and by(program, f"rawns lab status {lab[:3]}") >= {lab}
        assert by(program, f"rawns lab exec {lab} ") == {"web", "db"}
        assert by(program, f"rawns lab shell {lab} w") == {"web"}
        assert "shop.toml" in by(program, "rawns lab up sh")
        assert by(program, f"rawns why {name[:-1]}") >= {name} and hostile not in by(program, f"rawns why {name}")
        assert by(program, "rawns why we") == {"web"} and by(program, f"rawns why web {lab}.d") == {f"{lab}.db"}
        assert by(program, f"rawns ip netns exec {name}") == {name}
        assert by(program, "rawns ip ro") == {"route"}
        assert by(program, "rawns completion z") == {"zsh"}
        assert by(program, "rawns help err") == {"errors"}
        assert "true" in by(program, "rawns rootless tru")
        assert lab in {one.rpartition("=")[2] for one in by(program, f"rawns why --lab={lab[:2]}")}
        assert by(program, "rawns nonsense ") <= {"lab.json", "rawns", "shop.toml"}, "files, if the shell offers them by itself"
    finally:
        rawns("lab", "down", lab)
        rawns("ip", "netns", "del", hostile)


@pytest.mark.parametrize("by", SHELLS)
def test_every_table_can_be_completed(by: Callable[[Path, str], set[str]], program: Path) -> None:
    """The options that --help shows are offered."""
    for words in ("demo", "lab up", "lab graph", "why", "onefile", "ls", "doctor"):
        shown = rawns(*words.split(), "--help").stdout
        long = {
            word.split("=")[0].rstrip(",") for line in shown.splitlines() for word in line.split()[:2] if word.startswith("--")
        }
        assert long and by(program, f"rawns {words} --") >= long


def test_a_shell_that_is_not_known() -> None:
    done = rawns("completion", "tcsh")
    assert done.returncode == 2 and "is not one of bash, zsh, fish" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ip ro", {"route"}),
        ("ip rule sh", {"show"}),
        ("ip -br link set lo mt", {"mtu"}),
        ("ip link add v1 type vx", {"vxlan"}),
        ("ip link add v1 type gre ttl 3 ike", {"ikey"}),
        ("ip addr add 10.0.0.1/24 dev l", {"lo"}),
        ("ip -d route add 10.0.0.0/8 vi", {"via"}),
        ("ip tunnel cha", {"change"}),
        ("bridge fd", {"fdb"}),
        ("bridge fdb fl", {"flush"}),
        ("bridge link set mcast_to", {"mcast_to_unicast"}),
        ("bridge -d vlan show dev l", {"lo"}),
        ("bridge vlan global set mcast_querier_", {"mcast_querier_interval"}),
        ("bridge fdb flush noext", {"noextern_learn"}),
        ("bridge vlan add tun", {"tunnel_info"}),
        ("bridge monitor md", {"mdb"}),
    ],
)
def test_words_of_ip(line: str, expected: set[str]) -> None:
    """The real ip has each of these words; its own completion knows fewer."""
    done = subprocess.run(
        [sys.executable, "-m", "rawns", "__complete", "bash", "--", *line.split()], capture_output=True, text=True, cwd=PROJECT
    )
    assert expected <= set(done.stdout.split())
