"""Captures of ports: pcapng files that hold what was sent, read by an independent reader of the format."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_lab_runtime import SOON, host

from rawns import InvalidValue, Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("seen") as lab:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
        lab.up()
        yield lab


def blocks(path: Path) -> list[tuple[int, bytes]]:
    """Read the blocks of a file as the draft of pcapng describes them, in section 3.1."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and struct.unpack_from("<I", data, at + length - 4)[0] == length
        found.append((kind, data[at + 8 : at + length - 4]))
        at += length
    assert at == len(data)
    return found


def options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            break
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)
    return found


def ping(lab: Lab, count: int) -> None:
    host(lab, "a").run(["ping", "-c", str(count), "-i0.002", "10.0.0.2"], stdout=subprocess.DEVNULL, check=True)


def test_what_is_sent_is_in_the_file_of_each_interface_under_its_name(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with lab.capture("a", "b:eth0", file=str(path)) as capture:
        ping(lab, 5)
    found = blocks(path)
    assert [kind for kind, _ in found[:3]] == [0x0A0D0D0A, 1, 1]
    assert struct.unpack("<IHHq", found[0][1]) == (0x1A2B3C4D, 1, 0, -1)
    assert [options(body[8:])[2] for kind, body in found if kind == 1] == [b"a:eth0", b"b:eth0"]
    echoes: dict[tuple[int, int, int], int] = {}
    times = []
    for kind, body in found:
        if kind != 6:
            continue
        number, high, low, captured, length = struct.unpack_from("<IIIII", body)
        frame = body[20 : 20 + captured]
        assert captured == length
        times.append(high << 32 | low)
        direction = struct.unpack("<I", options(body[20 + (captured + 3 & ~3) :])[2])[0]
        if frame[12:14] == b"\x08\x00" and frame[23] == 1:
            key = number, frame[34], direction
            echoes[key] = echoes.get(key, 0) + 1
    assert echoes == {
        (0, 8, 2): 5,
        (0, 0, 1): 5,
        (1, 8, 1): 5,
        (1, 0, 2): 5,
    }  # requests leave a and enter b; replies the other way
    assert abs(times[0] / 1e9 - os.stat(path).st_mtime) < 60
    counters = [options(body[12:]) for kind, body in found if kind == 5]
    assert [struct.unpack("<Q", one[5])[0] for one in counters] == [0, 0]
    assert capture.packets == len(times) and capture.bytes == os.path.getsize(path) and set(capture.dropped.values()) == {0}


def test_scapy_reads_it(lab: Lab, tmp_path: Path) -> None:
    scapy: Any = pytest.importorskip("scapy.all", reason="scapy (PyPI) is not installed")
    path = tmp_path / "x.pcapng"
    with lab.capture("a", file=str(path)):
        ping(lab, 3)
    packets = scapy.rdpcap(str(path))
    assert sum(1 for one in packets if one.haslayer("ICMP")) == 6


def test_tcpdump_reads_it(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with lab.capture("a", file=str(path)):
        ping(lab, 3)
    try:
        said = subprocess.run(["tcpdump", "-n", "-r", str(path), "icmp"], capture_output=True, text=True)
    except (FileNotFoundError, PermissionError):  # the latter, if a directory of PATH is closed to this user
        pytest.skip("tcpdump is not installed")
    assert said.stdout.count("ICMP echo re") == 6


def test_limits_end_it(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with lab.capture("a", file=str(path), max_packets=4) as capture:
        ping(lab, 10)
        assert capture.wait(SOON)
    assert capture.full and capture.packets == 4 == sum(kind == 6 for kind, _ in blocks(path))
    with lab.capture("a", file=str(path), max_bytes=600) as capture:
        ping(lab, 10)
        assert capture.wait(SOON)
    assert capture.full and os.path.getsize(path) < 700
    with lab.capture("a", file=str(path), seconds=0.01) as capture:
        assert capture.wait(SOON)


def test_what_cannot_be_captured_is_named(lab: Lab, tmp_path: Path) -> None:
    for ports, limits, sentence in (
        ((), {}, "no port is given"),
        (("c",), {}, "seen has no host called c"),
        (("a:eth1",), {}, "did you mean eth0"),
        (("a",), {"max_packets": 0}, "0 is not a limit of packets"),
    ):
        with pytest.raises(InvalidValue, match=sentence):
            lab.capture(*ports, file=str(tmp_path / "x"), **limits)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="No such file or directory"):
        lab.capture("a", file=str(tmp_path / "missing" / "x"))


def test_the_command_ends_at_its_limit(tmp_path: Path, netns_name: Any) -> None:
    name, path = netns_name(), tmp_path / "shop.pcapng"
    file = tmp_path / "shop.json"
    file.write_text(f'{{"name": "{name}", "hosts": ["a", "b"], "wires": [{{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"]}}]}}')
    rawns = [sys.executable, "-m", "rawns", "lab"]
    subprocess.run([*rawns, "up", str(file)], check=True, stdout=subprocess.DEVNULL)
    try:
        command = [*rawns, "capture", "-o", str(path), "-c", "6", name, "a", "b"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None and process.stdout is not None
            assert "capturing a, b" in process.stderr.readline()
            subprocess.run([*rawns, "ping", name], check=True, stdout=subprocess.DEVNULL)
            assert process.stdout.read().startswith(f"{name}: 6 packets, ")
    finally:
        subprocess.run([*rawns, "down", name], check=True, stdout=subprocess.DEVNULL)
    assert sum(kind == 6 for kind, _ in blocks(path)) == 6
