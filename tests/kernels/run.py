#!/usr/bin/env python3
"""Run the project on other kernels: each is booted in qemu, with nothing in it but Python, rawns, the real ip and a few modules.

    python3 tests/kernels/run.py KERNEL ...

A KERNEL is Debian's ``linux-image-*-amd64_*.deb`` (``apt-get download linux-image-6.1.0-56-cloud-amd64``), or a directory
into which one was unpacked with ``dpkg-deb -x`` (from 6.19 on ``linux-binary-*`` and ``linux-modules-*``, into the same).
Prints a line for each kernel and check; the exit status is 1 if one failed.  The checks are in init.py, which is process 1
of the booted machine.
The real ip, if it is installed here, is in there as well, for the check "ip-kinds" (see ip_kinds.py).
Needs qemu-system-x86_64, and dpkg-deb for a package; no root, no KVM, no network.  pytest does not collect it.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "rawns"
PYTHON = os.path.realpath(sys.executable)
NEEDLESS = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "ensurepip"}

# Loaded one after the other: what the demo needs, what labs use, and what puts devices of its own into every new namespace.
NAT = ["crc32c_generic", "nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nft_ct"]
LABS = "sch_tbf sch_htb sch_netem dummy ifb vxlan geneve macvlan macvtap ipvlan 8021q vrf".split()
GRE = "ip_gre ip6_gre ip6_tunnel ip_vti ip6_vti fou fou6"
RELAY = ["nft_fwd_netdev"]  # what a relay needs beside nf_tables and tun
KINDS = f"{GRE} xfrm_interface bareudp hsr nlmon bonding vcan vxcan wireguard ipvtap macvtap netkit team".split()
MODULES = {"base": ["veth", "bridge", "tun"], "netfilter": ["nfnetlink"], "nat": NAT, "labs": LABS, "tunnels": ["ipip", "sit"]}
MODULES["relay"] = RELAY
MODULES["kinds"] = KINDS
COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check mitigations=off"  # mitigations only cost time here
)


def modules(root: Path) -> list[tuple[str, str, bytes]]:
    """Return step, name and bytes of each module in an order in which they can be loaded; depmod may not be installed."""
    files = {path.name.split(".")[0].replace("-", "_"): path for path in root.rglob("*.ko*")}
    ordered: dict[str, tuple[str, str, bytes]] = {}

    def need(step: str, name: str) -> None:
        path = files.get(name)
        if path is None or name in ordered:
            return  # built in, or not built at all, which the checks will show
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        rests_on = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in rests_on[1].decode().replace("-", "_").split(",") if rests_on else []:
            need(step, other)
        ordered[name] = step, name, data

    for step, names in MODULES.items():
        for name in names:
            need(step, name)
    return list(ordered.values())


class Archive:
    """A cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._known: set[str] = set()

    def add(self, name: str, data: bytes, mode: int = stat.S_IFREG | 0o644, mtime: int = 0, device: int = 0) -> None:
        """Add a file, with the directories that lead to it."""
        parent = os.path.dirname(name)
        if parent and parent not in self._known:
            self.add(parent, b"", stat.S_IFDIR | 0o755)
        self._known.add(name)
        path = name.encode() + b"\0"
        numbers = [len(self._known), mode, 0, 0, 1, mtime, len(data), 0, 0, os.major(device), os.minor(device), len(path), 0]
        for part in (b"070701" + b"".join(b"%08x" % number for number in numbers) + path, data):
            self.data += part + bytes(-len(part) % 4)

    def copy(self, path: str, name: str) -> None:
        status = os.stat(path)
        self.add(name, Path(path).read_bytes(), status.st_mode | 0o444, int(status.st_mtime))


def tree(root: str) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in NEEDLESS and not name.startswith("config-")]
        yield from (os.path.join(directory, file) for file in files)


def filesystem(kernel: Path) -> bytes:
    """Return an initramfs with Python and its library, rawns, the kernel's modules, and init.py as process 1."""
    archive = Archive()
    python = [PYTHON, *tree(sysconfig.get_path("stdlib"))]
    real = shutil.which("ip")
    tools = [os.path.realpath(real)] if real else []
    binaries = [PYTHON, *tools, *[path for path in python if path.endswith(".so")]]
    needs = subprocess.run(["ldd", *binaries], capture_output=True, text=True)
    libraries = set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", needs.stdout, re.MULTILINE))
    libraries |= {re.sub(r"/libc\.so\.6$", "/libgcc_s.so.1", path) for path in libraries}  # which glibc loads when a thread ends
    for path in [*python, *libraries]:
        archive.copy(path, path.lstrip("/"))
    for path in tools:
        archive.copy(path, "usr/bin/ip")
    for path in tree(str(PACKAGE)):
        archive.copy(path, f"rawns/rawns/{os.path.relpath(path, PACKAGE)}")
    for number, (step, name, data) in enumerate(modules(kernel)):
        archive.add(f"modules/{step}/{number:02}-{name}.ko", data)
    for name in ("ip_kinds.py", "impairments.py"):
        archive.copy(str(HERE / name), f"rawns/{name}")
    archive.add("dev/console", b"", stat.S_IFCHR | 0o600, device=os.makedev(5, 1))
    archive.add("init", f"#!{PYTHON}\n".encode() + (HERE / "init.py").read_bytes(), stat.S_IFREG | 0o755)
    archive.add("TRAILER!!!", b"", 0)
    return bytes(archive.data)


def boot(kernel: Path, scratch: Path, options: argparse.Namespace) -> list[dict[str, str]]:
    """Boot a kernel and return what init.py wrote to the second serial line; a crash is a failed check."""
    initrd, console, told = scratch / "initrd", scratch / "console", scratch / "told"
    image = next((path for path in kernel.rglob("vmlinuz*") if path.is_file()), None)
    if image is None:
        raise SystemExit(f"{kernel}: no kernel (vmlinuz*) is in there")
    initrd.write_bytes(filesystem(kernel))
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-no-reboot"]
    command += ["-display", "none", "-serial", f"file:{console}", "-serial", f"file:{told}"]
    command += ["-kernel", str(image), "-initrd", str(initrd), "-append", f"{COMMAND_LINE} {options.append}"]
    trouble = "it stopped before the last check"
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=options.timeout)
    except subprocess.TimeoutExpired:
        trouble = f"not over within {options.timeout:.0f} s"
    lines = told.read_text(errors="replace").splitlines() if told.exists() else []
    checks = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    for file in [one for one in checks if "file" in one]:
        checks.remove(file)
        if options.keep:
            Path(options.keep, file["file"]).write_text(file["text"])
    if checks and checks[-1]["check"] == "end":
        return checks[:-1]
    words = console.read_text(errors="replace").splitlines() if console.exists() else []
    said = "\n    | ".join([trouble, *words[-80:]])
    return [*checks, {"check": "the machine", "how": "FAILED", "says": said, "seconds": "?"}]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run rawns on other kernels, in qemu.")
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="a .deb, or a directory with its contents")
    parser.add_argument("--timeout", type=float, default=600, metavar="S", help="seconds for each kernel (default 600)")
    parser.add_argument("--append", default="", metavar="WORDS", help="for its command line; only=WORD picks checks")
    parser.add_argument("--keep", metavar="DIR", help="write files that checks have left there")
    options = parser.parse_args()
    failures = 0
    for word in options.kernels:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(word) if os.path.isdir(word) else Path(directory, "kernel")
            if root != Path(word):
                subprocess.run(["dpkg-deb", "-x", word, root], check=True)
            for check in boot(root, Path(directory), options):
                if check["check"] == "kernel":
                    word = check["says"]
                print(f"{word:<26} {check['check']:<32} {check['how']:<6} {check['seconds']:>5} s  {check['says']}", flush=True)
                failures += check["how"] == "FAILED"
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
