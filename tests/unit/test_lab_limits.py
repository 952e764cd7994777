"""Lab files that are large, deep or hostile: one sentence each, in bounded time and memory."""

# ruff: noqa: UP031 (JSON has many braces)

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT

from rawns import InvalidValue, Lab
from rawns.cli.main import run
from rawns.lab import document
from rawns.lab.graph import dot_mermaid, svg, text

toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML is read from Python 3.11 on")
DIGITS = "9" * 5000
TWO = '"hosts": {"a": {}, "b": {}}'

# Each takes seconds or minutes, or ends in a traceback, if something is quadratic, recursive or unchecked.
HOSTILE: dict[str, str] = {
    "an integer of 5,000 digits": '{"hosts": {"a": {"count": %s}}}' % DIGITS,
    "the same in TOML": f"[hosts.a]\ncount = {DIGITS}\n",
    "a hexadecimal integer of 5,000 digits": f"[hosts.a]\ncount = 0x{DIGITS}\n",
    "a hexadecimal MTU": f'hosts = ["a", "b"]\n[[wires]]\nends = ["a", "b"]\nmtu = 0x{DIGITS}\n',
    "a sysctl of 5,000 digits": f'[hosts.a]\nsysctl = {{ "net.ipv4.x" = 0x{DIGITS} }}\n',
    "a rate of 5,000 digits": f'hosts = ["a", "b"]\n[[wires]]\nends = ["a", "b"]\nrate = 0x{DIGITS}\n',
    "a float that is infinite": '{%s, "bridges": {"x": {"ageing": 1e999}}}' % TWO,
    "a metric of 5,000 digits": '{"hosts": {"a": {"routes": "10.0.0.0/8 dev eth0 metric %s"}}}' % DIGITS,
    "a port of 5,000 digits": '{"hosts": {"a": {"nat": {"out": "x", "forward": "tcp %s 10.0.0.1"}}}}' % DIGITS,
    "a prefix of 5,000 digits": '{%s, "wires": [{"ends": ["a 10.0.0.1/%s", "b"]}]}' % (TWO, DIGITS),
    "a MAC address with other digits": '{%s, "wires": [{"ends": [{"host": "a", "mac": "0x2: 0:+0:0_0:00:01"}, "b"]}]}' % TWO,
    "half a surrogate pair as a command": '{"hosts": {"a": {"run": "\\ud800"}}}',
    "half a surrogate pair as a host": '{"hosts": {"\\ud800": {}}}',
    "half a surrogate pair as a domain": '{"hosts": {"a": {"search": "\\ud800"}}}',
    "half a surrogate pair as a setting": '{"hosts": {"a": {"sysctl": {"net.\\ud800": "\\ud800"}}}}',
    "half a surrogate pair as a name": '{"name": "\\ud800", "hosts": ["a"]}',
    "half a surrogate pair as an interface": '{%s, "wires": [{"ends": ["a:\\ud800", "b"]}]}' % TWO,
    "half a surrogate pair as a parent": '{%s, "macvlans": [{"host": "a", "parent": "root:\\ud800"}]}' % TWO,
    "900 nested lists": '{"hosts": %s%s}' % ("[" * 900, "]" * 900),
    "900 nested tables": '{"hosts": %s1%s}' % ('{"a":' * 900, "}" * 900),
    "900 nested lists as a command": '{"hosts": {"a": {"run": %s%s}}}' % ("[" * 900, "]" * 900),
    "100,000 nested lists": "{" + '"a":[' * 100_000,
    "900 nested lists of TOML": f"hosts = {'[' * 900}{']' * 900}\n",
    "a dotted key of 20,000 parts": ".".join(["a"] * 20_000) + " = 1\n",
    "a table of 20,000 parts": f"[{'.'.join(['a'] * 20_000)}]\n",
    "a quoted dotted key": ".".join(['"a"'] * 10_000) + " = 1\n",
    "a dotted key in a table": f"x = {{ {'.'.join(['a'] * 10_000)} = 1 }}\n",
    "duplicate keys of 400 kB": '{"hosts": {%s}}' % ",".join(f'"h{number % 17000}": {{}}' for number in range(34_000)),
    "the same key 40,000 times": '{"hosts": {%s}}' % ",".join(['"a": {}'] * 40_000),
    "13 million hosts": '{"hosts": {%s}}' % ",".join(f'"h{number}": {{"count": 65536}}' for number in range(200)),
    "very many wires": '{"hosts": {"h": {"count": 1000}}, "bridges": ["x"], "wires": [%s]}'
    % ",".join(['{"ends": ["h", "x"]}'] * 2000),
    "one host with very many wires": '{%s, "bridges": ["x"], "wires": [%s, {"ends": ["a", "c"]}]}'
    % (TWO, ",".join(['{"ends": ["a", "b"]}'] * 20_000)),
    "a key of 400 kB": '{"%s": 1}' % ("k" * 400_000),
    "a value of 400 kB": '{%s, "wires": [{"ends": ["%s", "b"]}]}' % (TWO, "k" * 400_000),
    "1,100 hosts on one bridge": '{"hosts": {"h": {"count": 1100}}, "bridges": ["x"], "wires": [{"ends": ["h", "x"]}]}',
    "a MAC address that counts over": '{"hosts": {"h": {"count": 9}}, "bridges": ["x"], "wires": '
    '[{"ends": [{"host": "h", "mac": "02:ff:ff:ff:ff:fe"}, "x"]}]}',
}

SCRIPT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
from rawns.cli.main import run
sys.exit(run(["lab", "graph", sys.argv[1]]))
"""


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_hostile_is_one_sentence_in_bounded_time(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """20 s of CPU and 2 GB are more than any needs on a slow machine, and less than each took."""
    file = tmp_path / "x.lab"
    file.write_bytes(HOSTILE[case].encode("utf-8", "surrogatepass"))
    if len(HOSTILE[case]) < 12_000 and "million" not in case:
        status, err = run(["lab", "graph", str(file)]), capsys.readouterr().err
    else:
        done = subprocess.run([sys.executable, "-c", SCRIPT, str(file)], cwd=PROJECT, capture_output=True, text=True)
        status, err = done.returncode, done.stderr
    assert status == 1 and err, (status, err[-2000:])
    assert "Traceback" not in err and len(err.splitlines()) <= 31
    assert all(len(line) < 1000 and line.isprintable() for line in err.splitlines())


def test_the_limit_of_ports_is_checked_before_anything_is_created() -> None:
    with pytest.raises(InvalidValue, match=r"x of x has 1100 ports, and the kernel allows a bridge 1023: use several bridges$"):
        Lab.from_source(document.parse(HOSTILE["1,100 hosts on one bridge"], "shop.json"))
    lab = Lab("shop")
    bridge, host = lab.bridge("br0"), lab.netns()
    for number in range(1023):
        lab.wire(bridge.port(), host.port(f"e{number}"))
    from rawns.lab.check import problems_of

    assert problems_of(lab) == []


# -- what others have chosen ----------------------------------------------------------------------------------------------


def test_no_escape_sequence_reaches_a_terminal_or_a_picture() -> None:
    """Names of interfaces may hold anything but white space, slash and colon; a picture is XML, which forbids most controls."""
    import xml.etree.ElementTree as ET

    lab = Lab("shop")
    one, two = lab.netns("\x1b[31mred", "h\x1b]0;owned\x07"), lab.netns("b\x07", "\u202egnirts")
    lab.wire(one.port("e\x1b[7m", "10.0.0.1/24"), two.port("x\x9b", "10.0.0.2/24"))
    bridge = one.bridge("b\x1b")
    lab.wire(bridge.port("\x01p", vlans=None), two.port("ok"))
    coloured = text.draw(lab, {}, colour=True).replace("\x1b[1m", "").replace("\x1b[m", "")
    for drawn in (text.draw(lab), dot_mermaid.dot(lab), dot_mermaid.mermaid(lab), svg.draw(lab), coloured):
        assert all(char.isprintable() or char == "\n" for char in drawn), drawn
    ET.fromstring(svg.draw(lab))
    from rawns.lab.diff import Plan

    for change in Plan(lab, [None] * len(lab.hosts)).changes():
        assert str(change).isprintable()


def test_a_name_that_would_drive_a_terminal_is_escaped_in_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.json"
    ends: list[Any] = ["a:e\x1b[31m 10.0.0.1/24", "b:\x9b7m 10.0.0.2/24"]
    file.write_text(json.dumps({"hosts": {"a": {"netns": "n\x1b[2J"}, "b": {}}, "wires": [{"ends": ends}]}))
    for verb in ("graph", "plan", "export"):
        run(["lab", verb, str(file)])
        out, err = capsys.readouterr()
        assert all(char.isprintable() or char == "\n" for char in out + err)
