"""Measure CNI plugins: those of rawns beside the reference implementation (Debian's `containernetworking-plugins`).

    sudo python3 bench/cni.py [--rounds 20] [--pods 100] [--workers 16] [--stale 1000] [--python /usr/bin/python3] [--onefile]

The node is a network namespace and a mount namespace of this process, with an empty /var/lib/cni; both end with it.  The
network is bridge with host-local, ipMasq and portmap (one published port a container).  The rows are

    rawns            one process for the whole chain ("type": "rawns")
    rawns, plugins   one process for each plugin, as for the reference
    reference        bridge (which runs host-local) and then portmap

and run in turn, A B C, then B C A.  A time is that from the start of the first process to the end of the last.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from rawns import NetNS  # noqa: E402
from rawns.cni.program import run  # noqa: E402

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x4000, 0x40000
Json = dict[str, Any]


class Implementation:
    """One row: a directory of plugins, a network of its own, and whether a chain is one process."""

    def __init__(self, name: str, directory: Path, number: int, whole: bool) -> None:
        self.name, self.directory, self.whole = name, directory, whole
        ipam = {"type": "host-local", "ranges": [[{"subnet": f"10.{100 + number}.0.0/16"}]]}
        bridge = {"type": "bridge", "bridge": f"cni{number}", "isDefaultGateway": True, "ipMasq": True, "ipam": ipam}
        self.plugins: list[Json] = [bridge, {"type": "portmap"}]
        self.shared = {"cniVersion": "1.0.0", "name": f"net{number}"}
        self.ports = 10000 * number
        self.results: dict[str, Json] = {}

    def configurations(self, container: str) -> list[Json]:
        self.ports += 1
        runtime = {"runtimeConfig": {"portMappings": [{"hostPort": self.ports, "containerPort": 80, "protocol": "tcp"}]}}
        if self.whole:
            outer = {"type": "rawns", "capabilities": {"portMappings": True}, "plugins": self.plugins}
            return [{**self.shared, **outer, **runtime}]
        return [{**self.shared, **one, **(runtime if one["type"] == "portmap" else {})} for one in self.plugins]

    def call(self, command: str, kind: str, config: Json, container: str, netns: str) -> Any:
        variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_NETNS": netns}
        environment = {"PATH": os.environ["PATH"], "CNI_PATH": str(self.directory), **variables}
        done = subprocess.run(
            [str(self.directory / kind)], input=json.dumps(config).encode(), stdout=subprocess.PIPE, env=environment, check=False
        )
        if done.returncode:
            raise SystemExit(f"{self.name}: {command} has failed: {done.stdout.decode()}")
        return json.loads(done.stdout) if done.stdout else None

    def add(self, container: str, netns: str) -> float:
        configurations, result = self.configurations(container), None
        start = perf_counter()
        for config in configurations:
            given = {**config, "prevResult": result} if result else config
            result = self.call("ADD", config["type"], given, container, netns)
        spent = perf_counter() - start
        assert result is not None
        self.results[container] = result
        return spent

    def delete(self, container: str, netns: str) -> float:
        configurations, result = self.configurations(container), self.results.pop(container)
        start = perf_counter()
        for config in reversed(configurations):
            self.call("DEL", config["type"], {**config, "prevResult": result}, container, netns)
        return perf_counter() - start


def enter_node() -> None:
    """Give this process, which has one thread yet, a network and mounts of its own, and an empty /var/lib/cni."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs("/var/lib/cni", exist_ok=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        raise SystemExit(f"cannot create namespaces: {os.strerror(ctypes.get_errno())}")
    if libc.mount(b"cni", b"/var/lib/cni", b"tmpfs", 0, None):
        raise SystemExit("cannot mount /var/lib/cni")
    with NetNS.current() as here:
        here.net.set_link("lo", up=True)


def install(directory: Path, python: str, onefile: bool) -> None:
    """Create a program `rawns` and its links in a directory."""
    program = directory / "rawns"
    if onefile:
        subprocess.run([python, "-m", "rawns", "onefile", "--compile", "-o", str(program)], cwd=PROJECT, check=True, stdout=2)
        os.environ["PATH"] = f"{os.path.dirname(python)}:{os.environ['PATH']}"  # its first line asks env(1) for python3
    else:
        program.write_text(
            f"#!{python}\nimport sys\nsys.path.insert(0, {str(PROJECT)!r})\nfrom rawns.cli.main import entry\nentry()\n"
        )
    program.chmod(0o755)
    for name in ("bridge", "portmap", "host-local"):
        (directory / name).symlink_to(program)


def in_turn(rows: list[Implementation], rounds: int, measure: Callable[[Implementation, int], tuple[float, ...]]) -> Json:
    """Return the figures of each row, measured in turn."""
    found: Json = {one.name: [] for one in rows}
    for number in range(rounds):
        first = number % len(rows)
        for one in [*rows[first:], *rows[:first]]:
            found[one.name].append(measure(one, number))
    return found


def path_of(pod: NetNS) -> str:
    return f"/proc/{os.getpid()}/fd/{pod.fileno()}"


def one_by_one(row: Implementation, number: int) -> tuple[float, float]:
    with NetNS.create() as pod:
        name = f"{row.plugins[0]['bridge']}-{number}"
        return row.add(name, path_of(pod)), row.delete(name, path_of(pod))


def many(row: Implementation, number: int, workers: int, count: int) -> tuple[float, ...]:
    """Add and delete ``count`` containers by ``workers`` at a time: seconds for all, and the median of each call."""
    pods = [NetNS.create() for _ in range(count)]
    names = [f"{row.plugins[0]['bridge']}-many-{number}-{one}" for one in range(count)]
    try:
        with ThreadPoolExecutor(workers) as pool:
            figures = []
            for function in (row.add, row.delete):
                start, before = perf_counter(), processor_seconds()
                each = list(pool.map(function, names, map(path_of, pods)))
                figures += [perf_counter() - start, median(each), (processor_seconds() - before) / count]
    finally:
        for pod in pods:
            pod.close()
    return tuple(figures)


def processor_seconds() -> float:
    """Return the processor time of all children of this process that have ended, and of their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def collect(row: Implementation, count: int) -> float:
    """Return the seconds that GC takes to remove ``count`` attachments; they are made in this process."""
    pods = [NetNS.create() for _ in range(count)]
    for number, pod in enumerate(pods):
        variables = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": f"stale{number}", "CNI_IFNAME": "eth0", "CNI_NETNS": path_of(pod)}
        status, output = run("rawns", variables, json.dumps(row.configurations(f"stale{number}")[0]).encode())
        if status:
            raise SystemExit(output)
    config = {**row.configurations("x")[0], "cniVersion": "1.1.0", "cni.dev/valid-attachments": []}
    start = perf_counter()
    row.call("GC", "rawns", config, "", "")
    spent = perf_counter() - start
    with NetNS.current() as here:
        left = [one.name for one in here.net.links() if one.name.startswith("veth")]
    if left:
        raise SystemExit(f"GC has left {len(left)} links")
    for pod in pods:
        pod.close()
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--stale", type=int, default=1000)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--onefile", action="store_true", help="start the one-file program, with compiled modules")
    parser.add_argument("--reference", type=Path, default=Path("/usr/lib/cni"))
    options = parser.parse_args()
    if options.stale and options.stale + 50 > os.sysconf("SC_OPEN_MAX") // 3:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    enter_node()
    with tempfile.TemporaryDirectory() as name:
        install(Path(name), options.python, options.onefile)
        rows = [Implementation("rawns", Path(name), 1, True), Implementation("rawns, plugins", Path(name), 2, False)]
        if (options.reference / "bridge").exists():
            rows.append(Implementation("reference", options.reference, 3, False))
        else:
            print(f"{options.reference} has no plugins: `apt-get install containernetworking-plugins`")
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors, Linux {os.uname().release}; milliseconds, medians")
        for one in rows:
            one_by_one(one, -1)  # creates the bridge, and compiles the modules
        found = in_turn(rows, options.rounds, one_by_one)
        for row, figures in found.items():
            add, delete = (median(one) * 1000 for one in zip(*figures))
            print(f"one at a time   {row:16} ADD {add:8.1f}  DEL {delete:8.1f}")
        found = in_turn(rows, 2, lambda row, number: many(row, number, options.workers, options.pods))
        for row, figures in found.items():
            add, each_add, add_cpu, delete, each_delete, delete_cpu = (min(one) for one in zip(*figures))
            rates = "  ".join(
                f"{verb} {options.pods / total:5.1f}/s ({each * 1000:.0f} ms each, {spent * 1000:.0f} ms of a processor)"
                for verb, total, each, spent in (("ADD", add, each_add, add_cpu), ("DEL", delete, each_delete, delete_cpu))
            )
            print(f"{options.workers:2} at a time    {row:16} {rates}")
        if options.stale:
            print(f"GC of {options.stale}      {'rawns':16} {collect(rows[0], options.stale):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
