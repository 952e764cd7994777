"""The machines that run.py boots: which kernel and which Python of Debian, and how QEMU emulates them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Emulator(NamedTuple):
    """How QEMU emulates an architecture, by Debian's name for it; ``console`` is the kernel's name of the first serial line."""

    command: tuple[str, ...]
    console: str
    serial: tuple[str, ...] = ("-serial", "{}")
    slow: bool = True  # several times slower than the machine's own instructions are emulated


_ARM = ("-device", "virtio-rng-pci")  # without it the kernel waits for randomness
EMULATORS = {
    "amd64": Emulator(("qemu-system-x86_64", "-cpu", "max"), "ttyS0", slow=False),
    "i386": Emulator(("qemu-system-i386", "-cpu", "max"), "ttyS0"),
    "arm64": Emulator(("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", *_ARM), "ttyAMA0"),
    "armhf": Emulator(("qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15", *_ARM), "ttyAMA0"),
    "s390x": Emulator(
        ("qemu-system-s390x", "-M", "s390-ccw-virtio", "-cpu", "max"),
        "ttysclp0",
        ("-chardev", "{},id=console", "-device", "sclpconsole,chardev=console"),
    ),
}
PACKAGES = {"amd64": "qemu-system-x86", "i386": "qemu-system-x86", "s390x": "qemu-system-misc"}  # the others: qemu-system-arm


class Machine(NamedTuple):
    """A machine: Debian's architecture, the kernel (suite and name of the package), the suite of Python."""

    name: str
    architecture: str
    kernel_suite: str
    kernel: str  # a regular expression; the newest match is taken
    suite: str

    @property
    def emulator(self) -> Emulator:
        """How it is emulated."""
        return EMULATORS[self.architecture]


MACHINES = [
    Machine("x86-64-5.10", "amd64", "bullseye-security", r"linux-image-5\.10\.[\d.]+-\d+-amd64", "bullseye"),
    Machine("x86-64-6.1", "amd64", "bookworm", r"linux-image-6\.1\.[\d.]+-\d+-amd64", "bookworm"),
    Machine("x86-64-6.12", "amd64", "trixie", r"linux-image-6\.12[\w.+]*-amd64", "trixie"),
    Machine("x86-64-7", "amd64", "trixie-backports", r"linux-image-[7-9]\.[\w.+]*-amd64", "forky"),
    Machine("arm64-7", "arm64", "trixie-backports", r"linux-image-[7-9]\.[\w.+]*-arm64", "trixie"),
    Machine("armhf-6.12", "armhf", "trixie", r"linux-image-6\.12[\w.+]*-armmp", "trixie"),
    Machine("i386-6.1", "i386", "bookworm", r"linux-image-6\.1\.[\d.]+-\d+-686-pae", "bookworm"),
    Machine("s390x-6.1", "s390x", "bookworm", r"linux-image-6\.1\.[\d.]+-\d+-s390x", "bookworm"),
]


def command(machine: Machine, image: Path, initrd: Path, console: Path, words: str) -> list[str]:
    """Return the command that boots a machine; what its kernel and init write to the console goes to a file.

    It has one processor: with two, one of them can run an instruction that the other has half rewritten (a static key of the
    kernel), which QEMU's emulation does not order as hardware does, and the kernel crashes.
    """
    emulator = machine.emulator
    to_file = f"file:{console}" if emulator.serial[0] == "-serial" else f"file,path={console}"
    return [
        *emulator.command,
        *("-accel", "tcg", "-smp", "1", "-m", "1024"),
        *("-nodefaults", "-no-reboot", "-display", "none"),
        *(word.format(to_file) for word in emulator.serial),
        *("-kernel", str(image), "-initrd", str(initrd), "-append", f"console={emulator.console} {words}"),
    ]
