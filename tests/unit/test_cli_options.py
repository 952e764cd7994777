"""Command lines as tables: `rawns.cli.options`.  What a word means is what getopt_long(3) and argparse make of it."""

from __future__ import annotations

import argparse
import getopt
import importlib
import itertools

import pytest

from rawns.cli.main import COMMANDS
from rawns.cli.options import Command, Group, HelpRequested, Option, UsageError, columns, integer, seconds

COMMAND = Command(
    "try",
    "Try something.",
    "A [B]",
    (
        Option("-j", "--json", help="for programs"),
        Option("-v", "--verbose", help="more"),
        Option("-c", "--count", argument="N", parse=integer(1, 99), help="how often"),
        Option("--wait", argument="[SECONDS]", parse=seconds, implied=30.0, help="until ready"),
        Option("--only", argument="CASE", many=True, help="these"),
        Option("--shape", argument="SHAPE", choices=("round", "square"), help="a shape"),
        Option("-4", help="IPv4"),
        Option("-6", help="IPv6"),
    ),
    exclusive=[("-4", "-6")],
)
RUNS = Command("exec", "Run.", "HOST CMD...", (Option("--json", help="data"),))
SHELL = Command("shell", "Run.", "[CMD...]")
HOSTS = Command("capture", "Capture.", "LAB HOST...", (Option("--json", help="data"), Option("-o", argument="FILE", help="file")))
LAB = Group(
    "lab",
    "Labs.",
    [
        Command("up", "Up.", "FILE", (Option("--wait", argument="[SECONDS]", parse=seconds, implied=30.0, help="wait"),)),
        Command("ping", "Ping.", "LAB", (Option("--timeout", argument="SECONDS", parse=seconds, help="wait"),)),
        Command("exec", "Exec.", "LAB HOST CMD..."),
    ],
    (Option("--json", help="data"),),
)


def test_options_stand_anywhere_and_mean_what_getopt_says() -> None:
    """All orders of these words: getopt's gnu_getopt is the judge of options and operands."""
    for words in itertools.permutations(["-j", "--count=3", "-v", "one", "two"]):
        given, operands = getopt.gnu_getopt(list(words), "jvc:46", ["json", "verbose", "count=", "wait=", "only=", "shape="])
        parsed = COMMAND.parse(words)
        assert parsed.operands == operands
        assert (parsed["--json"], parsed["--verbose"], parsed["--count"]) == (True, True, int(dict(given)["--count"]))


def test_options_stand_anywhere_among_operands_that_may_be_repeated() -> None:
    """All orders of these options and operands; after ``--`` there are operands only, as getopt has it."""
    for words in itertools.permutations(["--json", "-ofile", "lab", "one", "two"]):
        given, operands = getopt.gnu_getopt(list(words), "o:", ["json"])
        parsed = HOSTS.parse(words)
        assert [*parsed.operands, *parsed.rest] == operands
        assert (parsed["--json"], parsed["-o"]) == ("--json" in dict(given), dict(given)["-o"])
    assert HOSTS.parse(["lab", "one", "--", "--json"]).rest == ["one", "--json"]


@pytest.mark.parametrize(
    "words",
    [
        ["-c3", "x"],
        ["-c", "3", "x"],
        ["x", "-jvc3"],
        ["-jvc", "3", "x"],
        ["--", "-j"],
        ["-j", "--", "x", "--count"],
        ["x", "--count", "3", "--count", "4"],
        ["-", "x"],
    ],
)
def test_forms_of_options(words: list[str]) -> None:
    given, operands = getopt.gnu_getopt(words, "jvc:46", ["json", "verbose", "count="])
    parsed = COMMAND.parse(words)
    assert parsed.operands == operands
    options = dict(given)
    assert parsed["--json"] == ("-j" in options)
    count = options.get("--count", options.get("-c"))
    assert parsed["--count"] == (None if count is None else int(count))


def test_arguments_that_may_be_left_out_and_that_repeat() -> None:
    judge = argparse.ArgumentParser()
    judge.add_argument("--wait", nargs="?", const=30.0, type=float)
    judge.add_argument("--only", action="append", default=[])
    judge.add_argument("a")
    for words in (["x", "--wait"], ["x", "--wait", "5"], ["--wait=5", "x"], ["--only", "p", "x", "--only=q", "--wait"]):
        expected = judge.parse_args(words)
        parsed = COMMAND.parse(words)
        assert (parsed["--wait"], parsed["--only"], parsed.operands) == (expected.wait, expected.only, [expected.a])
    parsed = COMMAND.parse(["--wait", "file.toml"])
    assert (parsed["--wait"], parsed.operands) == (30.0, ["file.toml"]), "a word that is no number of seconds is an operand"


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["--jsno", "x"], "unknown", "there is no option --jsno; did you mean --json?"),
        (["-z", "x"], "unknown", "there is no option -z"),
        (["-jz", "x"], "unknown", "there is no option -z"),
        (["-zq", "x"], "unknown", "there is no option -zq"),
        (["--count"], "argument missing", "--count needs an argument: N"),
        (["x", "-c"], "argument missing", "-c needs an argument: N"),
        (["--count=x", "x"], "value", '--count: "x" is not a number between 1 and 99'),
        (["--count", "9" * 5000, "x"], "value", "is not a number between 1 and 99"),
        (["--count", "\u0663", "x"], "value", "is not a number between 1 and 99"),
        (["--wait=1e3", "x"], "value", "is not a number of seconds"),
        (["--json=1", "x"], "no argument", '--json takes no argument, and "1" was given'),
        (["--shape", "squar", "x"], "value", '"squar" is not one of round, square; did you mean square?'),
        (["-4", "x", "-6"], "exclusive", "only one of -4 and -6 may be given"),
        ([], "operand missing", "A is missing"),
        (["a", "b", "c\x1b[2J"], "operand", r'unexpected argument "c\x1b[2J"'),
        (["--\x1b[2J"], "unknown", r"there is no option --\x1b[2J"),
    ],
)
def test_a_wrong_command_line_is_one_line(words: list[str], kind: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        COMMAND.parse(words)
    assert caught.value.kind == kind and said in str(caught.value)
    assert str(caught.value).startswith("rawns try: ") and str(caught.value).isprintable()


def test_a_command_that_follows_is_taken_as_it_is() -> None:
    parsed = RUNS.parse(["--json", "h", "ls", "--json", "-l", "--"])
    assert (parsed["--json"], parsed.operands, parsed.rest) == (True, ["h"], ["ls", "--json", "-l", "--"])
    assert RUNS.parse(["h", "--json", "--", "-x"]).rest == ["-x"]
    assert RUNS.parse(["--", "h", "-x"]).rest == ["-x"]
    assert SHELL.parse([]).rest == [] and SHELL.parse(["ls", "-h"]).rest == ["ls", "-h"]
    with pytest.raises(UsageError, match="CMD is missing"):
        RUNS.parse(["h"])


def test_options_before_and_after_the_verb() -> None:
    for words in (["up", "--json", "f", "--wait=3"], ["--json", "up", "f", "--wait", "3"], ["--wait=3", "--json", "up", "f"]):
        parsed = LAB.parse(words)
        assert (parsed.verb, parsed.operands, parsed["--json"], parsed["--wait"]) == ("up", ["f"], True, 3.0)
    parsed = LAB.parse(["--timeout", "3", "ping", "x"])
    assert (parsed.verb, parsed.operands, parsed["--timeout"]) == ("ping", ["x"], 3.0)
    assert LAB.parse(["exec", "lab", "h", "ip", "--json"]).rest == ["ip", "--json"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a verb is missing: up, ping, exec"),
        (["upp", "x"], 'there is no verb "upp"; did you mean up?'),
        (["--timeout", "3", "up", "x"], "rawns lab up: there is no option --timeout"),
        (["--jsno"], "there is no option --jsno"),
        (["--", "up"], "a verb is missing"),
    ],
)
def test_a_wrong_verb(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        LAB.parse(words)
    assert said in str(caught.value) and "--help`" in str(caught.value)


def test_help() -> None:
    for words in (["-h"], ["--help"], ["x", "--help"], ["-jh"]):
        with pytest.raises(HelpRequested) as caught:
            COMMAND.parse(words)
        text = str(caught.value)
        assert text.startswith("usage: rawns try [OPTIONS] A [B]\n\nTry something.\n")
        assert all(option.spelt() in text and option.help in text for option in COMMAND.options)
    for words, title in (
        (["--help"], "usage: rawns lab VERB"),
        (["up", "-h"], "usage: rawns lab up"),
        (["-h", "up"], "rawns lab up"),
    ):
        with pytest.raises(HelpRequested) as caught:
            LAB.parse(words)
        assert title in str(caught.value)
    assert all(len(line) <= 110 for line in columns([("-x", "word " * 60), ("-" * 40, "y")]).splitlines())


# -- the tables of our own commands ---------------------------------------------------------------------------------------


def tables() -> list[Command]:
    """Every command whose options are a table."""
    found: list[Command] = []
    for word in COMMANDS:
        table = getattr(importlib.import_module(f"rawns.cli.{word}"), "COMMAND", None)
        found += table.commands.values() if isinstance(table, Group) else [table] if isinstance(table, Command) else []
    return found


def test_most_commands_are_tables() -> None:
    assert {"demo", "help", "rootless", "up", "ping"} <= {command.name for command in tables()}


@pytest.mark.parametrize("command", tables(), ids=lambda command: command.title)
def test_a_table_is_consistent(command: Command) -> None:
    """No spelling occurs twice, and nothing in the text is cut or too long for a terminal."""
    names = [name for option in command.options for name in option.names]
    assert len(names) == len(set(names)) and all(name.startswith("-") for name in names)
    assert all(name.startswith("--") or len(name) == 2 for name in names), names
    for group in command.exclusive:
        assert all(command.find(name) for name in group)
    assert all(len(line) <= 130 for line in command.help().splitlines())


@pytest.mark.parametrize("word", COMMANDS)
def test_an_option_before_the_verb_means_the_same_for_all_verbs(word: str) -> None:
    group = getattr(importlib.import_module(f"rawns.cli.{word}"), "COMMAND", None)
    if isinstance(group, Group):
        takes: dict[str, set[bool]] = {}
        for command in group.commands.values():
            for option in command.options:
                for name in option.names:
                    takes.setdefault(name, set()).add(bool(option.argument) and not option.optional)
        assert [name for name, kinds in takes.items() if len(kinds) > 1] == []
