"""How links of all kinds are shown beside the real `ip`, with values that no kernel would send: both read them from a file.

The messages are those that were recorded from Debian's kernel (see tests/unit/recorded.py), with one number changed in each.
`ip monitor file FILE` prints them without a kernel.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from universe import missing

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from recorded import recording

from rawns import rtnl, uapi

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

IFINFOMSG = 16
OURS = [sys.executable, "-c", "from rawns.cli.main import entry; entry()", "ip"]


def attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of the payload of each attribute between two offsets."""
    while start + 4 <= end:
        size, number = struct.unpack_from("=HH", data, start)
        yield number & 0x3FFF, start + 4, start + size
        start += size + 3 & ~3


def options(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each number among the options of a link, or of a port."""
    for number, start, end in attributes(data, IFINFOMSG, len(data)):
        if number == uapi.IFLA_LINKINFO:
            for inner, first, last in attributes(data, start, end):
                if inner in (uapi.IFLA_INFO_DATA, uapi.IFLA_INFO_SLAVE_DATA):
                    yield from ((at, to) for _, at, to in attributes(data, first, last) if to - at in (1, 2, 4))


def changed(seed: int) -> Iterator[bytes]:
    """Yield each recorded link with each of its options changed."""
    rng = random.Random(seed)
    for text in recording("recorded_kinds")["links"]:
        link = bytes.fromhex(text)
        for start, end in options(link):
            most = (1 << 8 * (end - start)) - 1
            value = rng.choice([0, 1, 2, 3, 5, 255, rng.randint(0, most), most])
            yield link[:start] + value.to_bytes(end - start, rng.choice(["little", "big"])) + link[end:]


def bareudp() -> Iterator[bytes]:
    """Yield links of a kind that Debian's kernels lack."""
    for data in (
        {"IFLA_BAREUDP_PORT": 5, "IFLA_BAREUDP_ETHERTYPE": 0x8847, "IFLA_BAREUDP_SRCPORT_MIN": 7},
        {"IFLA_BAREUDP_PORT": 65535, "IFLA_BAREUDP_ETHERTYPE": 0x800, "IFLA_BAREUDP_MULTIPROTO_MODE": True},
        {"IFLA_BAREUDP_ETHERTYPE": 0x1234},
    ):
        info = {"IFLA_INFO_KIND": "bareudp", "IFLA_INFO_DATA": data}
        yield rtnl.NEWLINK.pack({"ifi_index": 7, "IFLA_IFNAME": "x7", "IFLA_MTU": 1500, "IFLA_LINKINFO": info})


@pytest.mark.parametrize("seed", range(3))
def test_options_of_all_kinds(tmp_path: Path, seed: int) -> None:
    file = tmp_path / "links"
    links = [*changed(seed), *bareudp()]
    headers = [struct.pack("=IHHII", 16 + len(link), uapi.RTM_NEWLINK, 0, 0, 0) for link in links]
    file.write_bytes(b"".join(header + link + bytes(-len(link) % 4) for header, link in zip(headers, links)))
    real, ours = (
        subprocess.run([*program, "-d", "monitor", "link", "file", file], capture_output=True, text=True, timeout=60)
        for program in (["ip"], OURS)
    )
    assert real.returncode == ours.returncode == 0
    assert [pair for pair in zip(real.stdout.splitlines(), ours.stdout.splitlines()) if pair[0] != pair[1]] == []
    assert len(real.stdout) == len(ours.stdout) > 300 * len(links)
