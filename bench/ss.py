"""Measure `rawns ss` beside the real `ss`: lists of 10,000 TCP sockets.

    sudo python3 bench/ss.py [--rounds 15] [--python /usr/bin/python3] [--count 10000]

Everything happens in a network namespace of its own, which ends with the process.  Whole processes are measured, in turn, and the
medians are compared.  Needs root (or `rawns rootless`) and iproute2.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import socket
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "bench")]

from ip import compare, run  # noqa: E402

PROGRAM = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); sys.argv[0] = 'ss'; from rawns.__main__ import main; main()"
PER_PROCESS = 200  # connections: `ulimit -n` is 1024 as a rule
AIM = 4.0
OPTIONS = ("-tan", "-ta", "-tanp", "-tane", "-tani", "-tan sport = :1000")


def hold(count: int) -> list[int]:
    """Create ``count`` connected TCP sockets on lo, in processes of their own; return their ids."""
    ports = range(1000, 1004)
    listeners = [socket.create_server(("127.0.0.1", port), backlog=4096) for port in ports]
    reading, writing = os.pipe()
    held = []
    for number in range(max(count // 2 // PER_PROCESS, 1)):
        pid = os.fork()
        if not pid:
            listener = listeners[number % len(listeners)]
            both = [(socket.create_connection(listener.getsockname()), listener.accept()) for _ in range(PER_PROCESS)]
            os.write(writing, b"." if both else b"")
            signal.pause()
        held.append(pid)
    for _ in held:
        os.read(reading, 1)
    return held


def main() -> int:
    """Parse the arguments and run."""
    system = "/usr/bin/python3"
    default = system if os.access(system, os.X_OK) else sys.executable
    parser = argparse.ArgumentParser(description="rawns ss beside ss")
    parser.add_argument("--rounds", type=int, default=15, help="how often each command is run (default: 15)")
    parser.add_argument("--count", type=int, default=10000, help="how many sockets (default: 10000)")
    parser.add_argument("--python", default=default, help=f"the interpreter to measure (default: {default})")
    given = parser.parse_args()
    from rawns import syscalls, uapi

    syscalls.unshare(uapi.CLONE_NEWNET)
    run("ip", "link", "set", "lo", "up")
    held = hold(given.count)
    try:
        print(f"{'':<44}{'ms':>10}{'beside':>10}{'times':>8}{'aim':>6}")
        for words in OPTIONS:
            ours = [given.python, "-I", "-S", "-c", PROGRAM, *words.split()]
            compare(f"rawns ss {words}, beside ss", ours, ["ss", *words.split()], max(1, given.rounds), AIM)
    finally:
        for pid in held:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    print(f"\nLinux {platform.release()}, {os.cpu_count()} processors; made by: python3 bench/ss.py --rounds {given.rounds}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
