"""Measure a lab that spans machines beside the same lab on one machine: `up`, `up` again unchanged, and `down`.

    sudo python3 bench/distributed_lab.py [--machines 3] [--hosts 100] [--rounds 3]

``--hosts`` is the number on each machine.  The machines are network and mount namespaces with a /run each, which share the
processors of this one; `nsenter` takes the place of `ssh`.  A time is that of a whole command (`rawns lab up FILE`) whose
modules are compiled, as an installer leaves them; beside it is the time of the processors (user and system) in all its
processes.  The rows are medians.  The load is that of the beginning: above the number of processors, only ratios and the time
of the processors say something.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from rawns import NetNS  # noqa: E402

STAY = "mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec sleep infinity"
LIMIT, EXTRA = 1.5, 1.0  # what `up` over several machines may take: so many times the local one, and so many seconds more


def start(stack: ExitStack) -> int:
    """Start a machine that ends with the stack; return the id of its process."""
    command = ["unshare", "-m", "-n", "--propagation", "private", "/bin/sh", "-c", STAY]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    stack.callback(process.wait)
    stack.callback(os.killpg, process.pid, signal.SIGKILL)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process.pid


def connect(switch: NetNS, number: int, pid: int) -> dict[str, Any]:
    """Connect a machine to the switch; return its description."""
    address = f"192.0.2.{number}"
    with NetNS.open(f"pid:{pid}") as there:
        switch.net.add_veth(f"m{number}", "eth0", peer_ns=there, master="br0")
        there.net.set_link("eth0", up=True)
        there.net.add_address("eth0", f"{address}/24")
        switch.net.set_link(f"m{number}", up=True)
    return {"run": [*shell(pid), "/bin/sh"], "address": address}


def shell(pid: int) -> list[str]:
    """Return the words before a command that is to run on a machine."""
    return ["nsenter", "-t", str(pid), "-m", "-n"]


def timed(prefix: list[str], verb: str, file: Path) -> tuple[float, float]:
    """Run a verb of `rawns lab`; return the seconds, and those of the processors."""
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(file.parent / "compiled")}
    argv = [*prefix, sys.executable, "-m", "rawns", "lab", verb, str(file)]
    begin, used = perf_counter(), processor_seconds()
    subprocess.run(
        argv, env={**os.environ, "PYTHONPATH": str(PROJECT), **compiled}, cwd=PROJECT, stdout=subprocess.DEVNULL, check=True
    )
    return perf_counter() - begin, processor_seconds() - used


def processor_seconds() -> float:
    """Return the processor time of the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for option, default in (("--machines", 3), ("--hosts", 100), ("--rounds", 3)):
        parser.add_argument(option, type=int, default=default)
    options = parser.parse_args()
    total = options.machines * options.hosts
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors, Linux {os.uname().release}, Python {sys.version[:6]}")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        switch = stack.enter_context(NetNS.create())
        switch.net.add_bridge("br0", up=True)
        pids = [start(stack) for _ in range(options.machines)]
        machines = {f"m{number}": connect(switch, number, pid) for number, pid in enumerate(pids, 1)}
        wires = [{"ends": ["web:eth0 10.0.0.1/16", "lan"]}]
        lab = {"name": "bench", "hosts": {"web": {"count": total}}, "bridges": {"lan": {}}, "wires": wires}
        local, spread = directory / "local.json", directory / "spread.json"
        local.write_text(json.dumps(lab))
        spread.write_text(json.dumps({**lab, "machines": machines, "spread": "even"}))
        rows: list[tuple[str, list[str], Path]] = [
            ("one machine", shell(start(stack)), local),
            (f"{options.machines} machines", [], spread),
        ]
        times: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _, prefix, file in rows:
            timed(prefix, "plan", file)  # compiles the modules
        for _ in range(options.rounds):
            for name, prefix, file in rows:
                for title, verb in (("up", "up"), ("unchanged", "up"), ("down", "down")):
                    times.setdefault((name, title), []).append(timed(prefix, verb, file))
    print(f"{total} hosts on one bridge; median of {options.rounds}, in seconds (of the processors)")
    titles = ("up", "unchanged", "down")
    print(f"{'':<14}" + "".join(f"{title:>14}" for title in titles))
    middle = {key: [median(column) for column in zip(*several)] for key, several in times.items()}
    for name, _, _ in rows:
        print(f"{name:<14}" + "".join("{:>7.2f} ({:.2f})".format(*middle[name, title]) for title in titles))
    allowed = LIMIT * middle[rows[0][0], "up"][0] + EXTRA
    print(f"up over machines may take {LIMIT} times the local one and {EXTRA:.0f} s more: {allowed:.2f} s")


if __name__ == "__main__":
    main()
