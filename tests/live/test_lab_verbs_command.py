"""`rawns lab set`, `isolate`, `partition`, `block`, `impair` ...: what they print, and what they leave."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from test_lab_command import Told, answer, file, lab, told  # noqa: F401 (fixtures)

from rawns import Lab
from rawns.cli.completion import candidates

SOON = 10.0


@pytest.fixture
def shop(file: Callable[..., str], told: Told) -> Any:  # noqa: F811
    """The path of a lab of three hosts on a switch that is up."""
    wires = [{"ends": [f"{name}:eth0 10.0.0.{number}/24", "lan"]} for number, name in enumerate(("web", "db", "cache"), 1)]
    path = file(hosts={"web": {}, "db": {}, "cache": {}}, bridges=["lan"], wires=wires)
    told("up", path)
    yield path
    told("down", path)


def test_each_verb_is_seen_in_status_and_taken_back(shop: str, told: Told) -> None:  # noqa: F811
    name = Lab.load(shop).name
    verbs = [
        (["set", name, "web:eth0", "down"], f"{name}: web:eth0 is down", "~ eth0 of web: down -> up"),
        (["isolate", name, "web", "db"], f"{name}: web, db are isolated", "- isolate web (in web)"),
        (["partition", name, "web,db", "cache"], f"{name}: split into web db | cache", "- partition web db | cache (in cache)"),
        (
            ["block", name, "web", "db:80", "--tcp"],
            f"{name}: what web sends to db:80 is blocked",
            "- block web db tcp port 80 (in db)",
        ),
    ]
    for words, sentence, difference in verbs:
        assert told(*words) == f"{sentence}\n"
        assert f"  differs: {difference}\n" in told("status", shop, status=1)
        assert difference in told("plan", shop)
        found = answer(told, "status", name, status=1)
        assert found["state"] == "not as described"
        if words[0] == "set":
            ends = {f"{one['host']}:{end['name']}": end["down"] for one in found["hosts"] for end in one["interfaces"]}
            assert (ends["web:eth0"], ends["lan:web"], ends["db:eth0"]) == ("set down", "no carrier", None)
        told("restore", name if words[0] != "set" else shop)
        assert told("plan", shop).endswith("there is nothing to change\n")
    assert told("heal", name) == f"{name}: nothing kept its hosts from each other\n"


def test_waits_and_what_they_say(shop: str, told: Told) -> None:  # noqa: F811
    name = Lab.load(shop).name
    assert " reaches db after " in told("wait", name, "web", "db")
    told("isolate", shop, "db")
    said = told("wait", name, "web", "db", "--timeout", "0.1", status=1)
    assert "web does not reach db after 0.1 s: " in said and "isolate db" in said


@pytest.mark.skipif(not os.access("/dev/net/tun", os.W_OK), reason="/dev/net/tun cannot be opened")
def test_impair_and_clear(shop: str, told: Told) -> None:  # noqa: F811
    name = Lab.load(shop).name
    assert (
        told("impair", name, "web:eth0", "--both", "delay", "3ms", "loss=1%")
        == f"{name}: web:eth0 sends with delay 3ms loss=1%\n"
    )
    shown = told("status", shop, status=1)
    assert "differs: ~ eth0 of web: delay 3ms loss 1% -> not shaped" in shown and "differs: ~ web of lan: delay 3ms" in shown
    assert "10.0.0.1/24 (delay 3ms loss 1%" in told("status", name)
    found = answer(told, "status", shop, status=1)
    if "relay" in found:
        assert {f"{one['host']}:{one['port']}" for one in found["relay"]["ports"]} == {"web:eth0", "lan:web"}
        assert "relay in place of netem: process" in shown
    told("clear", name, "web:eth0", "--both")
    assert told("plan", shop).endswith("there is nothing to change\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["set", "web:eth0", "dwn"], "dwn is not a state of an interface: say up or down"),
        (["set", "wbe:eth0", "up"], "has no host called wbe; did you mean web?"),
        (["set", "web:eth1", "up"], "web has no interface called eth1; did you mean eth0?"),
        (["block", "web", "db:0x50"], "0x50 is not a port"),
        (["impair", "web:eth0", "dely", "10ms"], "a port has no dely; did you mean delay?"),
        (["impair", "web:eth0", "delay"], "delay has no value: say for example delay 20ms"),
        (["impair", "web:eth0", "delay", "1ms", "delay", "2ms"], "delay is given twice"),
        (["partition", "web"], "a partition has at least two groups"),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(shop: str, told: Told, words: list[str], sentence: str) -> None:  # noqa: F811
    assert sentence in told(words[0], Lab.load(shop).name, *words[1:], status=1)
    assert told("plan", shop).endswith("there is nothing to change\n")


def test_words_are_completed(shop: str) -> None:
    name = Lab.load(shop).name
    assert candidates(["lab", "isolate", name, "w"]) == ["web"]
    assert candidates(["lab", "isolate", name, "web", "d"]) == ["db"]
    assert candidates(["lab", "set", name, "web"]) == ["web:eth0"]
    assert candidates(["lab", "set", name, "web:eth0", ""]) == ["down", "up"]
    assert candidates(["lab", "impair", name, "web:eth0", "del"]) == ["delay"]
    assert candidates(["lab", "impair", name, "web:eth0", "delay", ""]) == []


def test_a_verb_tells_json(shop: str, told: Told) -> None:  # noqa: F811
    name = Lab.load(shop).name
    assert json.loads(told("isolate", "--json", name, "web")) == {"ok": True, "lab": name}
    assert json.loads(told("heal", name, "--json")) == {"ok": True, "lab": name, "healed": ["isolate web"]}
