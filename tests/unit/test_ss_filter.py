"""`rawns ss` without sockets: filters as bytes that strace has seen the real `ss` send, and refusals."""

from __future__ import annotations

import os
import re
import shlex
import socket

import pytest

from rawns import uapi
from rawns.cli.completion import candidates
from rawns.cli.ss import filter as filters
from rawns.cli.ss import processes
from rawns.cli.ss.command import main
from rawns.cli.ss.options import LEFT_OUT, OPTIONS, SsError
from rawns.cli.ss.selection import SocketSelection

# `strace -e trace=sendmsg -e write=3 ss -tan FILTER`, iproute2 6.1: the attribute INET_DIAG_REQ_BYTECODE.
SENT = {
    "sport = :80": "07101400000000005000000000000000",
    "dport != :80": "0810140000000000500000000000000001040800",
    "sport < :80": "02080c000000500001040800",
    "sport > :80": "03080c000000500001040800",
    "sport <= :80": "03080c0000005000",
    "dport >= 80": "04080c0000005000",
    "dst 10.0.0.0/8": "0810140002080000ffffffff0a000000",
    "dst 10.0.0.1:80": "0810140002200000500000000a000001",
    "dst :80": "08101400000000005000000000000000",
    "src [::1]": "071c20000a800000ffffffff00000000000000000000000000000001",
    "src inet6:[fd00::1]:443": "071c20000a800000bb010000fd000000000000000000000000000001",
    "src default": "0710140000000000ffffffff00000000",
    "src 1.2.3.4:*": "0710140002200000ffffffff01020304",
    "fwmark = 7/3": "0a0c10000700000003000000",
    "fwmark != 7": "0a0c100007000000ffffffff01040800",
    "autobound": "06040800",
    "not dst 10.0.0.1": "0810140002200000ffffffff0a00000101040800",
    "sport = 1 or sport = 2 and sport = 3": (
        "07101400000000000100000000000000010414000710240000000000020000000000000007101400000000000300000000000000"
    ),
    "sport = 1 sport = 2 or sport = 3": (
        "07102400000000000100000000000000071014000000000002000000000000000104140007101400000000000300000000000000"
    ),
    "! ! sport = 1": "071014000000000001000000000000000104080001040800",
    "not ( sport = 1 or sport = 2 ) & dport = 3": (
        "0710140000000000010000000000000001041400071014000000000002000000000000000104180008101400000000000300000000000000"
    ),
    "sport = :http and ( dport > 1024 or not src [::1] )": (
        "0710440000000000500000000000000005080c00000000040104080001042400071c20000a800000ffffffff00000000"
        "00000000000000000000000101040800"
    ),
    "( ( src 10.9.0.0/24 or dst 10.9.0.0/24 ) and not ( sport = 22 or dport = 22 ) ) or fwmark 1": (
        "0710140002180000ffffffff0a0900000104140008103c0002180000ffffffff0a090000071014000000000016000000"
        "00000000010414000810140000000000160000000000000001040800010410000a0c100001000000ffffffff"
    ),
}


def parsed(text: str) -> object:
    selection = SocketSelection()
    selection.add_table("tcp")
    return filters.parse(text.split(), selection)


@pytest.mark.parametrize("text", SENT)
def test_filters_are_sent_as_ss_sends_them(text: str) -> None:
    code = filters.bytecode(parsed(text))
    assert code.hex() == SENT[text]


def test_an_interface_is_not_for_the_kernel() -> None:
    for text in ("dev 1", "sport = 1 and dev 1", "dev 1 or sport = 1", "not dev 1"):
        assert filters.bytecode(parsed(text)) == b"", text


@pytest.mark.parametrize("part", ["( ", "! ", "not ", "autobound ", "autobound or "])
def test_conditions_have_a_limit(part: str) -> None:
    """Below it a filter can be compiled and evaluated, above it one sentence says so."""
    with pytest.raises(SsError, match="at most 250 conditions"):
        parsed(part * 100_000 + "autobound")
    most = part * 124 + "autobound" + " )" * (124 if "(" in part else 0)
    side = filters.Endpoint(uapi.AF_INET, bytes(4), 1)
    assert filters.bytecode(parsed(most)) and filters.matches(parsed(most), side, side, 0, {}, bool)


def test_processes_are_named_only_if_they_have_a_socket_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the links, nothing of /proc is read but the names of the owners."""
    opened: list[str] = []
    really = open

    def noted(path: str, *args: object, **options: object) -> object:
        opened.append(str(path))
        return really(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", noted)
    with socket.socket() as mine:
        inode = os.fstat(mine.fileno()).st_ino
        shown = processes.owners([inode, 0], False)
        number = mine.fileno()
    assert set(shown) == {inode} and shown[inode].endswith(f",pid={os.getpid()},fd={number}))")
    assert opened == [f"/proc/{os.getpid()}/stat"]


def test_words_are_completed() -> None:
    assert {"-t", "--tcp", "--processes"} <= set(candidates(["ss", "-"])) and "-d" not in candidates(["ss", "-"])
    assert candidates(["ss", "-t", "state", "est"]) == ["established"] and candidates(["ss", "-f", "inet"]) == ["inet", "inet6"]
    assert candidates(["ss", "sp"]) == ["sport"] and "lo" in candidates(["ss", "dev", "l"])


def test_what_is_left_out_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    argument = {name: " x" if argument else "" for name, _, argument in OPTIONS}
    letters = {name: letter for name, letter, _ in OPTIONS}
    for name in LEFT_OUT:
        for typed in (f"--{name}", *([f"-{letters[name]}"] if letters[name] else [])):
            assert main(shlex.split(typed + argument[name])) == 255
            out, err = capsys.readouterr()
            assert out == "" and re.fullmatch(rf"ss: {typed}: rawns does not show .+\n", err)
