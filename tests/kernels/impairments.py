"""The same impairments by netem and by the relay, measured on one kernel: what frames suffer between two hosts.

    python3 tests/kernels/impairments.py          on a kernel without netem: the relay alone

The check "netem and relay" of init.py runs it.  Frames have an ethertype for experiments (RFC 5342), so that no protocol
answers them; each holds its number and the time when it was sent, and the kernel notes when it arrives (SO_TIMESTAMPNS).
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time
from array import array
from errno import ENOBUFS
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rawns import Lab  # noqa: E402
from rawns.lab import netem_support  # noqa: E402
from rawns.lab.host import Host  # noqa: E402

ETHERTYPE = 0x88B5
SIOCETHTOOL, ETHTOOL_STSO, ETHTOOL_SGSO = 0x8946, 0x1F, 0x24  # <linux/sockios.h>, <linux/ethtool.h>
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33  # <asm-generic/socket.h>; the `socket` module has no names for them
FRAME_BYTES = 1000
SILENCE = 3.0  # seconds after which nothing more is expected: an emulated machine is slow
SIGMAS = 5  # of a binomial distribution: a share that is further away is wrong
TCP_BYTES = 1 << 20
LONGEST_FRAME = 1514  # bytes of an Ethernet frame with an IP packet of 1500

Case = tuple[str, dict[str, Any], int, float]  # name, options of `Lab.impair`, frames, seconds between two of them
CASES: list[Case] = [
    ("delay 50ms", {"delay": "50ms"}, 200, 0.002),
    ("delay 50ms jitter 20ms", {"delay": "50ms", "jitter": "20ms"}, 400, 0.002),
    ("loss 20%", {"loss": "20%"}, 1000, 0),
    ("duplicate 20%", {"duplicate": "20%"}, 1000, 0),
    ("corrupt 20%", {"corrupt": "20%"}, 1000, 0),
    ("delay 50ms reorder 20%", {"delay": "50ms", "reorder": "20%"}, 400, 0.002),
    ("rate 1mbit delay 50ms", {"rate": "1mbit", "delay": "50ms", "latency": "10s"}, 150, 0),
    ("delay 500ms limit 20", {"delay": "500ms", "limit": 20}, 100, 0),
]


class Result:
    """What arrived of ``sent`` frames: numbers in their order, seconds under way of each, and how many were changed.

    ``refused`` counts those that the sender was told of (ENOBUFS).
    """

    def __init__(self, sent: int) -> None:
        self.sent = sent
        self.order: list[int] = []
        self.delays: list[float] = []
        self.arrivals: list[float] = []
        self.changed = self.refused = 0

    def add(self, frame: bytes, arrival: float) -> None:
        number, start, check = struct.unpack_from("=IdI", frame, 14)
        self.arrivals.append(arrival)
        if number ^ 0xFFFFFFFF != check or frame[30:] != bytes(FRAME_BYTES - 30) or number >= self.sent:
            self.changed += 1
        else:
            self.order.append(number)
            self.delays.append(arrival - start)

    @property
    def missing(self) -> float:
        return 1 - len({*self.order}) / self.sent

    @property
    def repeated(self) -> float:
        return (len(self.order) - len({*self.order})) / self.sent

    @property
    def early(self) -> float:
        """The share of frames that were not delayed."""
        return sum(one < 0.025 for one in self.delays) / len(self.delays)

    @property
    def bits_per_second(self) -> float:
        """The rate at which all frames but the burst at the beginning arrived."""
        late = self.arrivals[len(self.arrivals) // 2 :]
        return (len(late) - 1) * FRAME_BYTES * 8 / (late[-1] - late[0])


def packet_socket(host: Host, kind: int) -> socket.socket:
    made = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
    made.bind(("eth0", kind))
    return made


def measure(a: Host, b: Host, count: int, gap: float) -> Result:
    """Send frames from a to b, and return what arrives."""
    found = Result(count)
    with packet_socket(a, ETHERTYPE) as sender, packet_socket(b, ETHERTYPE) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.settimeout(SILENCE)
        # Corruption may hit the addresses and the ethertype as well: such a frame is missing.
        header = bytes.fromhex("ffffffffffff020000000001") + ETHERTYPE.to_bytes(2, "big")
        for number in range(count):
            body = struct.pack("=IdI", number, time.time(), number ^ 0xFFFFFFFF)
            try:
                sender.send((header + body).ljust(FRAME_BYTES, b"\0"))
            except OSError as error:
                if error.errno != ENOBUFS:
                    raise
                found.refused += 1
            time.sleep(gap)
        try:
            while True:
                frame, ancillary, _, _ = receiver.recvmsg(2048, 64)
                seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
                found.add(frame, seconds + nanoseconds / 1e9)
        except TimeoutError:
            return found


def longest_frame(a: Host, b: Host) -> int:
    """Send a megabyte by TCP from a to b; return the length of the longest frame that arrives."""
    program = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); s.sendall(bytes(int(sys.argv[3])))"
    )
    with packet_socket(b, 0x0800) as watcher, b.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        watcher.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        watcher.settimeout(0.1)
        listening.bind(("10.0.0.2", 0))
        listening.listen()
        listening.settimeout(60)
        sender = a.popen([sys.executable, "-c", program, "10.0.0.2", str(listening.getsockname()[1]), str(TCP_BYTES)])
        with listening.accept()[0] as connection:
            connection.settimeout(60)
            received = sum(map(len, iter(lambda: connection.recv(1 << 16), b"")))
        sender.wait()
        assert received == TCP_BYTES
        longest = 0
        try:
            while True:
                longest = max(longest, watcher.recv_into(bytearray(1 << 17)))
        except TimeoutError:
            return longest


def without_segments(host: Host) -> None:
    """Keep TCP from handing over more than a frame at once: ``ethtool -K eth0 tso off gso off``."""
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in (ETHTOOL_STSO, ETHTOOL_SGSO):
            value = array("I", [command, 0])
            fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP", b"eth0", value.buffer_info()[0]))


def share(wanted: float, found: float, count: int, name: str) -> None:
    """Raise AssertionError if a share is not what was asked for."""
    tolerance = SIGMAS * (wanted * (1 - wanted) / count) ** 0.5
    assert abs(found - wanted) <= tolerance, f"{name}: {found:.3f}, and {wanted} was asked for"


def judge(name: str, options: dict[str, Any], found: Result, overhead: float) -> str:
    """Compare what was measured with what was asked for; return it in words.  Raises AssertionError if they differ."""
    delays = [one * 1000 for one in found.delays]
    if "loss" in options:
        share(0.2, found.missing, found.sent, name)
        return f"{found.missing:.1%} lost"
    if "duplicate" in options:
        share(0.2, found.repeated, found.sent, name)
        return f"{found.repeated:.1%} twice"
    if "corrupt" in options:
        damaged = (found.changed + found.sent - len(found.arrivals)) / found.sent
        share(0.2, damaged, found.sent, name)
        return f"{damaged:.1%} wrong"
    if "reorder" in options:
        share(0.2, found.early, found.sent, name)
        return f"{found.early:.1%} early"
    if "limit" in options:
        assert len(found.order) <= 2 * 20, f"{name}: {len(found.order)} arrived"
        return f"{len(found.order)} of {found.sent} arrived, the sender had {found.refused} errors"
    if "rate" in options:
        assert abs(found.bits_per_second / 1e6 - 1) < 0.05, f"{name}: {found.bits_per_second}"
        return f"{found.bits_per_second / 1e6:.3f} Mbit/s"
    assert found.missing == 0, f"{name}: {found.missing}"
    if "jitter" in options:
        assert min(delays) >= 30 and abs(mean(delays) - 50 - overhead) < 10, (name, min(delays), mean(delays))
        moved = sum(one > other for one, other in zip(found.order, found.order[1:])) / found.sent
        return f"{min(delays):.1f} to {max(delays):.1f} ms, {mean(delays):.1f} in the mean, {moved:.0%} overtaken"
    # Half a millisecond less: the clock of an emulated processor is read at two places.
    assert min(delays) >= 49.5 and median(delays) < 60 + overhead, (name, min(delays), median(delays))
    return f"{median(delays):.2f} ms, 95 % within {sorted(delays)[len(delays) * 95 // 100]:.2f} ms"


def compare() -> list[str]:
    """Measure every case by each means that this kernel has; return a line for each.  Raises AssertionError for a wrong one."""
    ways = {"netem": True, "relay": False} if netem_support.kernel_has_netem() else {"relay": False}
    lines = []
    with Lab("impaired") as lab:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
        lab.up()
        overhead = median(measure(a, b, 100, 0.002).delays) * 1000
        lines.append(f"no impairment: {overhead:.2f} ms")
        for name, options, count, gap in CASES:
            for way, netem in ways.items():
                netem_support._netem = netem
                lab.impair("a", **options)
                lines.append(f"{name}: {way} {judge(name, options, measure(a, b, count, gap), overhead)}")
                lab.clear("a")
        for segments in ("on", "off"):
            if segments == "off":
                without_segments(a)
            for way, netem in ways.items():
                netem_support._netem = netem
                lab.impair("a", delay="1ms")
                longest = longest_frame(a, b)
                lab.clear("a")
                assert longest <= LONGEST_FRAME or netem and segments == "on", longest
                lines.append(f"TCP with delay 1ms, gso {segments}: {way}'s longest frame has {longest} bytes")
    return lines


if __name__ == "__main__":
    print("\n".join(compare()))
