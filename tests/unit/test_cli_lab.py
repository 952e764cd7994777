"""`rawns lab` without the kernel: wrong command lines, and descriptions that cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rawns.cli.lab import COMMAND, FUNCTIONS
from rawns.cli.lab.examples import NAMES
from rawns.cli.main import run
from rawns.errors import InvalidValue
from rawns.lab import Lab
from rawns.lab.removal import Removal
from rawns.syscalls import MissingModule

WRONG = {
    "no verb": (["upp", "x"], 'rawns lab: there is no verb "upp"; did you mean up?; see `rawns lab --help`'),
    "no word": (["up"], "rawns lab up: FILE is missing; see `rawns lab up --help`"),
    "half": (["exec", "shop"], "rawns lab exec: HOST is missing; see `rawns lab exec --help`"),
    "no command": (["exec", "shop", "a"], "rawns lab exec: CMD is missing; see `rawns lab exec --help`"),
    "too many": (["down", "a", "b"], 'rawns lab down: unexpected argument "b"; see `rawns lab down --help`'),
    "too many for list": (["list", "a"], 'rawns lab list: unexpected argument "a"; see `rawns lab list --help`'),
    "no option": (
        ["up", "--wiat", "a.json"],
        "rawns lab up: there is no option --wiat; did you mean --wait?; see `rawns lab up --help`",
    ),
    "no seconds": (
        ["up", "a.json", "--wait=soon"],
        'rawns lab up: --wait: "soon" is not a number of seconds between 0 and 86400; see `rawns lab up --help`',
    ),
    "a value": (
        ["list", "--json=yes"],
        'rawns lab list: --json takes no argument, and "yes" was given; see `rawns lab list --help`',
    ),
    "two drawings": (
        ["graph", "a.json", "--dot", "--svg"],
        "rawns lab graph: only one of --dot and --svg may be given; see `rawns lab graph --help`",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command_line_is_one_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv, sentence = WRONG[case]
    assert run(["lab", *argv]) == 2
    assert capsys.readouterr() == ("", f"{sentence}\n")


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "--help"]) == 0
    told = capsys.readouterr().out
    assert set(FUNCTIONS) == set(COMMAND.commands) and all(f"\n  {verb} " in told for verb in FUNCTIONS)
    assert run(["lab", "up", "--help"]) == 0 and "--wait [S]" in capsys.readouterr().out
    assert run(["lab"]) == 2


@pytest.mark.parametrize("argv", [["--json", "list"], ["list", "--json"], ["examples", "--json"], ["--json", "examples"]])
def test_options_are_accepted_before_and_after_the_verb(argv: list[str]) -> None:
    assert COMMAND.parse(argv)["--json"] is True


def test_what_follows_a_command_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    parsed = COMMAND.parse(["exec", "--json", "shop", "a", "ls", "--json", "-l"])
    assert (parsed.operands, parsed.rest) == (["shop", "a"], ["ls", "--json", "-l"])
    parsed = COMMAND.parse(["run", "a.json", "--", "--odd"])
    assert (parsed.operands, parsed.rest) == (["a.json"], ["--odd"])
    assert COMMAND.parse(["down", "--", "-x"]).operands == ["-x"]


@pytest.mark.parametrize("verb", ["up", "plan", "run"])
def test_what_takes_a_file_takes_no_name(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", verb, "shop"]) == 1
    assert "shop is not the path of a file: " in capsys.readouterr().err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "up", "/nowhere/x.json"]) == 1
    told = capsys.readouterr().err
    assert told == "rawns lab: /nowhere/x.json: No such file or directory\n"  # as cat(1) says it


def test_all_faults_are_told_as_a_compiler_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shop.json"
    file.write_text('{"hosts": {\n"a": {"forwrd": true},\n"b": {"count": 0}}}')
    sentences = [
        f'{file}:2: hosts.a.forwrd: a host has no key "forwrd"; did you mean forward?',
        f"{file}:3: hosts.b.count: 0 is not a number of hosts: expected a whole number from 1 to 65536",
    ]
    for verb in ("up", "plan", "graph", "status", "run", "ping"):
        assert run(["lab", verb, str(file)]) == 1
        assert capsys.readouterr() == ("", "".join(f"{one}\n" for one in sentences))
    assert run(["lab", "plan", str(file), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["faults"]) == (False, sentences)


def test_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "examples"]) == 0
    told = capsys.readouterr().out
    assert all(f"{name} " in told for name in NAMES)
    assert run(["lab", "examples", "router", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "router"
    assert run(["lab", "examples", "router"]) == 0
    assert 'name = "router"' in capsys.readouterr().out
    assert run(["lab", "examples", "ruoter"]) == 1
    assert "there is no example ruoter; there is article, bridge" in capsys.readouterr().err


def test_graph_needs_no_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan needs neither privileges nor Linux namespaces."""
    from rawns import RawnsError
    from rawns.lab.lab import Lab

    def refused(self: Lab) -> None:
        raise RawnsError("not here")

    monkeypatch.setattr(Lab, "states", refused)
    file = tmp_path / "shop.json"
    file.write_text('{"hosts": ["a", "b"], "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"]}]}')
    told = {}
    for option in ("--json", "--dot", "--mermaid", "--svg"):
        assert run(["lab", "graph", str(file), option]) == 0
        told[option] = capsys.readouterr().out
    assert run(["lab", "graph", str(file)]) == 0
    assert capsys.readouterr().out == "a\n└── eth0 10.0.0.1/24 ── b  eth0 10.0.0.2/24\n"
    assert json.loads(told["--json"])["nodes"][0] == {"node": 0, "name": "a", "kind": "host", "state": None}
    assert told["--dot"].startswith('graph "shop" {') and told["--mermaid"].startswith("graph LR")
    assert told["--svg"].startswith("<svg")
    assert run(["lab", "export", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["wires"] == [{"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]}]


@pytest.mark.parametrize("name", ["a.json", "a.toml"])
def test_a_number_of_thousands_of_digits(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = "1" * 5000
    file = tmp_path / name
    file.write_text(f'{{"hosts": {{"a": {{"count": {number}}}}}}}' if name == "a.json" else f"[hosts.a]\ncount = {number}\n")
    assert run(["lab", "plan", str(file)]) == 1
    told = capsys.readouterr().err
    assert "digits" in told or "`tomllib` from 3.11" in told
    assert "set_int_max_str_digits" not in told and told.count("\n") == 1


def test_null_and_digits_of_other_scripts_are_shown_as_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"hosts": {"a": null}}')
    assert run(["lab", "plan", str(file)]) == 1
    assert ": hosts.a: null is not a table" in capsys.readouterr().err
    number = chr(0x668) + chr(0x660)  # ARABIC-INDIC DIGIT EIGHT and ZERO
    entry = {"out": "e0", "forward": [f"tcp {number} 10.0.0.1"]}
    file.write_text(json.dumps({"hosts": {"a": {"nat": [entry]}}}))
    assert run(["lab", "plan", str(file)]) == 1
    assert f'"{number}" is not a port' in capsys.readouterr().err


def test_what_is_no_port_and_what_is_no_setting() -> None:
    lab = Lab("x")
    host = lab.netns("a")
    with pytest.raises(InvalidValue, match="a wire connects two ports"):
        lab.wire(host, host)  # type: ignore[arg-type]
    for settings in ({"a": 1}, {"kernel.pid_max": 1}, {1: 1}, {"net.ipv4.ip_forward": None}, None):
        with pytest.raises(InvalidValue):
            host.sysctl(settings)  # type: ignore[arg-type]
    assert not host.sysctls


def test_a_removal_that_lacks_a_module_says_so_and_nothing_else() -> None:
    def fail() -> None:
        raise MissingModule("Python's module ctypes cannot be imported")

    removal = Removal()
    removal.attempt("links of lab x", fail)
    with pytest.raises(MissingModule, match="^Python's module ctypes cannot be imported$"):
        removal.finish()
