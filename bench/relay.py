"""What the relay of a lab costs, on a kernel without netem: round trips by the real ping, and throughput of TCP.

Run as root: ``PYTHONPATH=. python3 bench/relay.py``.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time

from rawns import Lab
from rawns.lab.host import Host

ADDRESS = "10.0.0.2"
SENDER = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
data, end = bytes(1 << 16), time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    sock.sendall(data)
"""


def throughput(a: Host, b: Host, seconds: float = 2.0) -> str:
    """Return the rate at which b receives what a sends by TCP."""
    with b.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind((ADDRESS, 0))
        listening.listen()
        port = str(listening.getsockname()[1])
        sender = a.popen([sys.executable, "-c", SENDER, ADDRESS, port, str(seconds)])
        connection, _ = listening.accept()
        start, count = time.monotonic(), 0
        with connection:
            while data := connection.recv(1 << 20):
                count += len(data)
        taken = time.monotonic() - start
        sender.wait()
    return f"{count * 8 / taken / 1e6:.1f} Mbit/s"


def round_trips(a: Host) -> str:
    """Return the median and the 95th percentile of 200 round trips."""
    said = a.run(["ping", "-n", "-c200", "-i0.002", ADDRESS], stdout=subprocess.PIPE, text=True).stdout
    times = sorted(float(one) for one in re.findall(r"time=([\d.]+)", said))
    return f"round trip {times[len(times) // 2]} ms, 95 % within {times[int(len(times) * 0.95)]} ms"


def main() -> None:
    """Print a line for each way of sending."""
    print(f"PYTHONPATH=. python3 {' '.join(sys.argv)}; load {os.getloadavg()[0]:.2f}")
    with Lab("relay") as lab:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", f"{ADDRESS}/24"))
        lab.up()
        print(f"no relay: {round_trips(a)}, {throughput(a, b)}")
        lab.impair("a", limit=5000)
        print(f"one way, no delay: {round_trips(a)}, {throughput(a, b)}")
        lab.impair("a", both=True, limit=5000)
        print(f"both ways, no delay: {round_trips(a)}, {throughput(a, b)}")
        lab.impair("a", both=True, delay="5ms", limit=5000)
        print(f"both ways, 5 ms: {round_trips(a)}, {throughput(a, b)}")
        lab.clear("b")
        lab.impair("a", rate="100mbit", delay="5ms")
        print(f"rate 100mbit delay 5ms: {throughput(a, b)}")
        lab.impair("a", rate="100mbit")
        print(f"rate 100mbit, by the kernel alone: {throughput(a, b)}")


if __name__ == "__main__":
    main()
