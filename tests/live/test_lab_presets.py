"""Presets of links and uplinks: what they stand for, and hole punching behind NATs of different kinds."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from test_lab_runtime import SOON, host

from rawns import InvalidValue, Lab, Shape
from rawns.lab import document
from rawns.lab.presets import LINKS, UPLINKS

MANUAL = Path(__file__).resolve().parents[2] / "rawns" / "manual" / "labs.md"


def two_routers(one: str, other: str) -> Lab:
    """A client behind each of two routers, and a server between them that tells a client its address outside."""
    hosts = {
        "a": {"gateway": "10.1.0.1"},
        "b": {"gateway": "10.2.0.1"},
        "ra": {"uplink": f"{one} on wan", "gateway": "203.0.113.1"},
        "rb": {"uplink": f"{other} on wan", "gateway": "203.0.113.1"},
        "server": {},
    }
    wires = [
        {"ends": ["a:eth0 10.1.0.2/24", "ra:lan 10.1.0.1/24"]},
        {"ends": ["b:eth0 10.2.0.2/24", "rb:lan 10.2.0.1/24"]},
        {"ends": ["ra:wan 203.0.113.11/24", "net"]},
        {"ends": ["rb:wan 203.0.113.12/24", "net"]},
        {"ends": ["server:eth0 203.0.113.1/24", "net"]},
    ]
    lab = Lab.from_source(document.parse(json.dumps({"name": "punch", "hosts": hosts, "wires": wires, "bridges": ["net"]})))
    lab.standing = lab.outlives_process = False
    for one_host in lab.hosts:
        one_host.name = None
    return lab


def punched(lab: Lab) -> tuple[bool, dict[str, tuple[str, int]]]:
    """Punch holes as in RFC 5128, 3.3: both learn the other's address outside from a server, and send there at once."""
    server = host(lab, "server").socket(socket.AF_INET, socket.SOCK_DGRAM)
    ends = {label: host(lab, label).socket(socket.AF_INET, socket.SOCK_DGRAM) for label in "ab"}
    try:
        server.bind(("203.0.113.1", 3478))
        server.settimeout(SOON)
        outside: dict[str, tuple[str, int]] = {}
        for label, end in ends.items():
            end.bind(("0.0.0.0", 5000))
            end.settimeout(0.1)
            end.sendto(label.encode(), ("203.0.113.1", 3478))
            data, source = server.recvfrom(10)
            outside[data.decode()] = source
        got = set()
        for _ in range(4):
            for label, other in ("ab", "ba"):
                ends[label].sendto(b"hello", outside[other])
            for label, end in ends.items():
                try:
                    got.add(label) if end.recv(10) == b"hello" else None
                except TimeoutError:
                    pass
            if got == {"a", "b"}:
                break
        return got == {"a", "b"}, outside
    finally:
        for one in (server, *ends.values()):
            one.close()


@pytest.mark.parametrize(("one", "other", "works"), [("home", "home", True), ("home", "corporate", False)])
def test_hole_punching(one: str, other: str, works: bool) -> None:
    with two_routers(one, other) as lab:  # corporate lets no UDP out at all: here only its NAT is of interest
        for router in ("ra", "rb"):
            host(lab, router).firewall = [rule for rule in host(lab, router).firewall if rule != "deny forward"]
        lab.up()
        done, outside = punched(lab)
        assert done is works
        if one == "home":
            assert outside["a"] == ("203.0.113.11", 5000)  # the port is kept
        if other == "corporate":
            assert outside["b"][0] == "203.0.113.12" and outside["b"][1] != 5000
        assert lab.plan() == []


def test_what_was_not_asked_for_takes_no_port() -> None:
    """An entry in conntrack for what came in first would let what goes out later leave from another port."""
    with two_routers("home", "none") as lab:
        lab.up()
        server = host(lab, "server").socket(socket.AF_INET, socket.SOCK_DGRAM)
        a = host(lab, "a").socket(socket.AF_INET, socket.SOCK_DGRAM)
        with server, a:
            server.bind(("203.0.113.1", 7000))
            server.settimeout(SOON)
            server.sendto(b"unasked", ("203.0.113.11", 5000))
            a.bind(("0.0.0.0", 5000))
            a.sendto(b"x", ("203.0.113.1", 7000))
            assert server.recvfrom(10)[1] == ("203.0.113.11", 5000)


def test_corporate_lets_out_80_and_443_only() -> None:
    with two_routers("corporate", "none") as lab:
        lab.up()
        for port, expected in ((80, True), (443, True), (8080, False)):
            with host(lab, "server").socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
                listening.bind(("203.0.113.1", port))
                listening.listen()
                with host(lab, "a").socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                    client.settimeout(0.2 if not expected else SOON)
                    try:
                        client.connect(("203.0.113.1", port))
                        assert expected
                    except TimeoutError:
                        assert not expected


def test_a_wire_of_each_kind_is_what_its_preset_says() -> None:
    for name, preset in LINKS.items():
        wires = [{"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"], "preset": name}]
        lab = Lab.from_source(document.parse(json.dumps({"name": "kinds", "hosts": ["a", "b"], "wires": wires})))
        one, other = lab.wires[0]
        assert one.shape == preset.up and other.shape == preset.down
        assert Shape(**preset.up).rate <= Shape(**preset.down).rate
        lab.wires[0][0].shape = lab.wires[0][1].shape = None
        lab.preset("a", name)
        assert (one.shape, other.shape) == (preset.up, preset.down)


def test_a_value_beside_a_preset_counts_more() -> None:
    wires = [{"ends": ["a:eth0 10.0.0.1/24", {"host": "b", "loss": "9%"}], "preset": "4g", "delay": "1ms"}]
    lab = Lab.from_source(document.parse(json.dumps({"name": "kinds", "hosts": ["a", "b"], "wires": wires})))
    one, other = lab.wires[0]
    assert one.shape == {"rate": "9mbit", "delay": "1ms"} and other.shape == {"rate": "9mbit", "delay": "1ms", "loss": "9%"}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            {"hosts": ["a", "b"], "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"], "preset": "4gg"}], "name": "x"},
            "did you mean 4g?",
        ),
        ({"hosts": {"a": {"uplink": "hom"}}}, "'hom' is not a preset of an uplink; did you mean home?"),
        ({"hosts": {"a": {"uplink": "home at wan"}}}, "is not a preset of an uplink"),
        ({"hosts": {"a": {"uplink": "home on wan"}}}, "a has no interface wan"),
    ],
)
def test_what_is_not_a_preset_is_refused(data: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(sentence)):
        Lab.from_source(document.parse(json.dumps(data))).plan()


def test_the_manual_has_the_figures_of_the_presets() -> None:
    text = MANUAL.read_text()
    for name, preset in LINKS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        for words in (preset.up, preset.down):
            assert all(str(value) in row for value in words.values()), f"{name}: {words} is not in {row}"
    assert all(f"| `{name}` |" in text for name in UPLINKS)
