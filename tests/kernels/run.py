#!/usr/bin/env python3
"""Run the project on other kernels: each is booted in qemu, with nothing in it but Python, rawns and a few modules.

    python3 tests/kernels/run.py KERNEL ...

A KERNEL is Debian's ``linux-image-*-amd64_*.deb``, or a directory into which such a package was unpacked with
``dpkg-deb -x`` (from 6.19 on two of them, ``linux-binary-*`` and ``linux-modules-*``, into the same).  They come by::

    apt-get download linux-image-6.1.0-56-cloud-amd64

Prints a line per kernel and check; the checks are in init.py, which is process 1 in there.  Exits 1 where one failed.
Needs qemu-system-x86_64 and, for a package, dpkg-deb; no root, no KVM, no network.  Not collected by pytest.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import re
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

# What the story needs, and what puts devices of its own into every new namespace; in there they are loaded in two steps.
MODULES = {"first": ["veth", "bridge", "tun"], "tunnels": ["ipip", "sit"]}

# No mitigations: they guard nothing in there, and what emulates them is slow.
COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"


# -- a kernel's parts ----------------------------------------------------------------------------------------------


class Kernel:
    """Its ``image``, and its modules as (step, name, bytes), in the order in which they can be loaded."""

    def __init__(self, root: Path) -> None:
        images = [path for path in root.rglob("vmlinuz*") if path.is_file()]
        if len(images) != 1:
            raise SystemExit(f"{root}: {len(images)} kernels are in there and not one")
        self.image = images[0]
        self._files = {path.name.split(".")[0].replace("-", "_"): path for path in root.rglob("*.ko*")}
        self.modules: list[tuple[str, str, bytes]] = []
        for step, names in MODULES.items():
            for name in names:
                self._need(step, name)

    def _need(self, step: str, name: str) -> None:
        """What a module rests on comes before it; depmod, which knows this too, is not at hand."""
        path = self._files.get(name)
        if path is None or name in [known for _, known, _ in self.modules]:
            return  # built in, or not built at all: the checks will tell
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        rests = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in rests[1].decode().split(",") if rests else []:
            self._need(step, other.replace("-", "_"))
        self.modules.append((step, name, data))


def unpacked(word: str, scratch: Path) -> Path:
    """The directory of a KERNEL."""
    path = Path(word)
    if path.is_file():
        subprocess.run(["dpkg-deb", "-x", word, str(scratch / path.stem)], check=True)
        return scratch / path.stem
    return path


# -- what it boots into --------------------------------------------------------------------------------------------


class Archive:
    """A cpio archive as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._known: set[str] = set()

    def add(self, name: str, data: bytes, mode: int = stat.S_IFREG | 0o644, mtime: int = 0, device: int = 0) -> None:
        """A file, with the directories that lead to it."""
        parent = os.path.dirname(name)
        if parent and parent not in self._known:
            self.add(parent, b"", stat.S_IFDIR | 0o755)
        if name in self._known:
            return
        self._known.add(name)
        path = name.encode() + b"\0"
        numbers = [len(self._known), mode, 0, 0, 1, mtime, len(data), 0, 0, os.major(device), os.minor(device), len(path), 0]
        self._pad(b"070701" + b"".join(b"%08x" % number for number in numbers) + path)
        self._pad(data)

    def _pad(self, data: bytes) -> None:
        self._parts.append(data + bytes(-len(data) % 4))

    def add_file(self, path: str, name: str = "") -> None:
        status = os.stat(path)
        mode = stat.S_IFREG | (0o755 if status.st_mode & 0o100 else 0o644)
        self.add((name or path).lstrip("/"), Path(path).read_bytes(), mode, int(status.st_mtime))

    def whole(self) -> bytes:
        self.add("TRAILER!!!", b"", 0)
        return b"".join(self._parts)


def tree(root: str) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in NEEDLESS and not name.startswith("config-")]
        yield from (os.path.join(directory, file) for file in files if not file.endswith(".a"))


def libraries(files: list[str]) -> set[str]:
    """The shared libraries, and the loader, that programs and extension modules need."""
    told = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    return set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE))


def filesystem(modules: list[tuple[str, str, bytes]]) -> bytes:
    """Python with its library, rawns, the modules, and init.py as process 1."""
    archive = Archive()
    library = list(tree(sysconfig.get_path("stdlib")))
    for path in [PYTHON, *library, *libraries([PYTHON, *(path for path in library if path.endswith(".so"))])]:
        archive.add_file(path)
    for path in tree(str(PACKAGE)):
        archive.add_file(path, f"rawns/rawns/{os.path.relpath(path, PACKAGE)}")
    for number, (step, name, data) in enumerate(modules):
        archive.add(f"modules/{step}/{number:02}-{name}.ko", data)
    archive.add("dev/console", b"", stat.S_IFCHR | 0o600, device=os.makedev(5, 1))
    archive.add("init", f"#!{PYTHON}\n".encode() + (HERE / "init.py").read_bytes(), stat.S_IFREG | 0o755)
    return archive.whole()


# -- running ---------------------------------------------------------------------------------------------------------


def boot(kernel: Kernel, scratch: Path, seconds: float, options: str) -> tuple[list[dict[str, str]], str]:
    """What init.py told on the second serial line, a check each, and what went wrong with the machine as a whole."""
    initrd, console, told = scratch / "initrd", scratch / "console", scratch / "told"
    initrd.write_bytes(filesystem(kernel.modules))
    told.write_bytes(b"")
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-no-reboot"]
    command += ["-display", "none", "-serial", f"file:{console}", "-serial", f"file:{told}"]
    command += ["-kernel", str(kernel.image), "-initrd", str(initrd), "-append", f"{COMMAND_LINE} {options}".strip()]
    trouble = ""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=seconds)
        trouble = done.stderr.decode(errors="replace") if done.returncode else ""
    except subprocess.TimeoutExpired:
        trouble = f"not over within {seconds:.0f} s"
    lines = told.read_text(errors="replace").splitlines()
    checks = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    if not trouble and (not checks or checks[-1]["check"] != "end"):
        trouble = "the machine stopped before its last check"
    if trouble:
        lines = [line for line in console.read_text(errors="replace").splitlines() if not line.startswith("[") or "panic" in line]
        trouble = "\n    | ".join([trouble, *lines[-20:]])
    return checks, trouble


def main() -> int:
    parser = argparse.ArgumentParser(description="Run rawns on other kernels, in qemu.")
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="a .deb, or a directory with its contents")
    parser.add_argument("--timeout", type=float, default=600, metavar="S", help="seconds for each kernel (default %(default)s)")
    parser.add_argument("--only", default="", metavar="WORD", help="only the checks with this word in their name")
    options = parser.parse_args()
    failed = False
    for word in options.kernels:
        with tempfile.TemporaryDirectory() as directory:
            scratch = Path(directory)
            only = f"rawns.only={options.only}" if options.only else ""
            checks, trouble = boot(Kernel(unpacked(word, scratch)), scratch, options.timeout, only)
        release = checks[0]["says"] if checks else word
        for check in checks[1:]:
            print(f"{release:<26} {check['check']:<34} {check['how']:<7} {check['seconds']:>5} s  {check['says']}", flush=True)
        if trouble:
            print(f"{release:<26} {'the machine':<34} FAILED           {trouble}", flush=True)
        failed = failed or bool(trouble) or "FAILED" in [check["how"] for check in checks]
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
