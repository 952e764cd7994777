"""What a machine boots: the kernel, and an initramfs with Python, rawns, pytest, the real `ip`, and the kernel's modules.

Everything but rawns comes from Debian's packages, whatever is installed on this machine.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from machines import Machine
from packages import Archive

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
NEEDLESS = {"__pycache__", "test", "tests", "idlelib", "lib2to3", "tkinter", "ensurepip", "gconv", "perl", "pydoc_data"}
GUEST = (
    "init.py",
    "checks.py",
    "programs.py",
    "ip_kinds.py",
    "impairments.py",
    "primitives.py",
    "queues_and_ports.py",
    "../parity/fork_server.py",
)  # of this directory, into the machine
UNIT_NEEDLESS = ("recorded_kinds.json.xz", "__pycache__")
REAL = {"ip": "ip", "bridge": "bridge", "tc": "tc", "ss": "ss"}

# Loaded one after the other: what the demo needs, what labs use, and what puts devices of its own into every new namespace.
NAT = ["crc32c_generic", "nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nft_ct"]
LABS = "sch_tbf sch_htb sch_netem dummy ifb vxlan geneve macvlan macvtap ipvlan 8021q vrf".split()
GRE = "ip_gre ip6_gre ip6_tunnel ip_vti ip6_vti fou fou6"
MODULES = {
    "base": ["virtio_rng", "virtio_pci", "veth", "bridge", "tun", "af_packet"],
    "netfilter": ["nfnetlink"],
    "nat": NAT,
    "labs": LABS,
    "programs": ["sch_ingress", "cls_u32", "act_mirred", "inet_diag", "tcp_diag", "udp_diag", "unix_diag"],
    "queues": [f"sch_{name}" for name in "prio red sfq codel fq_codel fq multiq".split()]
    + [f"cls_{name}" for name in "matchall basic fw flower u32".split()]
    + [f"act_{name}" for name in "gact police vlan skbedit mirred".split()],
    "tunnels": ["ipip", "sit"],
    "relay": ["nft_fwd_netdev"],  # what a relay needs beside nf_tables and tun
    "kinds": f"{GRE} xfrm_interface bareudp hsr nlmon bonding vcan vxcan wireguard ipvtap macvtap netkit team".split(),
}
DRIVERS = "bonding|can|wireguard|vxlan|ipvlan|team|virtio|char/hw_random"
KEEP = rf"/vmlinu|/kernel/(net|crypto|lib|arch)/|/kernel/drivers/(net/[^/]+\.ko|net/({DRIVERS})/|virtio/|char/hw_random/)"


# -- the kernel ------------------------------------------------------------------------------------------------------


def kernel(machine: Machine, offline: bool) -> tuple[str, list[Path]]:
    """Return the release of a machine's kernel, and the directories with its files."""
    archive = Archive(machine.kernel_suite, machine.architecture, offline)
    found = archive.names(machine.kernel)
    if not found:
        raise SystemExit(f"{machine.kernel_suite} has no package {machine.kernel} for {machine.architecture}")
    for name in found[::-1]:
        release = name.removeprefix("linux-image-")
        parts = archive.names(rf"linux-(image|binary|modules)-{re.escape(release)}")  # one package, from 6.19 on several
        try:
            return release, [archive.unpack(part, KEEP) for part in parts]
        except SystemExit as error:  # a mirror that is being written lacks the newest, and has the one before
            trouble = error
    raise trouble


def executable(roots: list[Path]) -> bytes:
    """Return the kernel as QEMU boots it; QEMU before 8.0 does not unpack what only EFI would start (CONFIG_EFI_ZBOOT)."""
    (image,) = [path for root in roots for path in root.rglob("vmlinu*") if path.is_file()]
    data = image.read_bytes()
    if data[4:8] == b"zimg":
        offset, size = struct.unpack_from("<II", data, 8)
        packed, method = data[offset : offset + size], data[24:32].rstrip(b"\0")
        if method == b"gzip":
            return gzip.decompress(packed)
        return subprocess.run([{b"xzkern": "xz"}.get(method, method.decode()), "-dc"], input=packed, stdout=-1, check=True).stdout
    return data


def modules(roots: list[Path]) -> list[tuple[str, str, bytes]]:
    """Return step, name and bytes of each module in an order in which they can be loaded; depmod may not be installed."""
    files = {path.name.split(".")[0].replace("-", "_"): path for root in roots for path in root.rglob("*.ko*")}
    ordered: dict[str, tuple[str, str, bytes]] = {}

    def need(step: str, name: str) -> None:
        path = files.get(name)
        if path is None or name in ordered:
            return  # built in, or not built at all, which the checks will show
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        rests_on = re.search(rb"\0depends=([^\0]*)\0", data) or re.match(rb"depends=([^\0]*)\0", data)
        for other in rests_on[1].decode().replace("-", "_").split(",") if rests_on else []:
            need(step, other)
        ordered[name] = step, name, data

    for step, names in MODULES.items():
        for name in names:
            need(step, name)
    return list(ordered.values())


# -- the file system -------------------------------------------------------------------------------------------------


class Cpio:
    """A cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._known: set[str] = set()

    def add(self, name: str, data: bytes, mode: int = stat.S_IFREG | 0o644, mtime: int = 0, device: int = 0) -> None:
        """Add a file, with the directories that lead to it; the first of a name counts."""
        if name in self._known:
            return
        parent = os.path.dirname(name)
        if parent:
            self.add(parent, b"", stat.S_IFDIR | 0o755)
        self._known.add(name)
        path = name.encode() + b"\0"
        numbers = [len(self._known), mode, 0, 0, 1, mtime, len(data), 0, 0, os.major(device), os.minor(device), len(path), 0]
        for part in (b"070701" + b"".join(b"%08x" % number for number in numbers) + path, data):
            self.data += part + bytes(-len(part) % 4)

    def copy(self, path: Path, name: str) -> None:
        """Add a file or a symbolic link of this machine."""
        if path.is_symlink():
            self.add(name, os.readlink(path).encode(), stat.S_IFLNK | 0o777)
        else:
            status = path.stat()
            self.add(name, path.read_bytes(), status.st_mode | 0o444, int(status.st_mtime))


def tree(root: Path) -> Iterator[Path]:
    """Yield the files below a directory which a machine may need."""
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in NEEDLESS and not name.startswith("config-")]
        yield from (Path(directory, name) for name in [*files, *(name for name in names if Path(directory, name).is_symlink())])


def merged(path: str) -> str:
    """Return where a file is when /lib is /usr/lib."""
    return f"usr/{path}" if path.startswith(("lib", "bin/", "sbin/")) else path


def python(archive: Cpio, suite: str, architecture: str, offline: bool) -> str:
    """Add Python, its library and pytest; return the path of the program in the machine."""
    program = ""
    for root in Archive(suite, architecture, offline).closure("python3", "python3-pytest"):
        for path in tree(root):
            name = merged(str(path.relative_to(root)))
            if re.fullmatch(r"usr/bin/python3\.\d+", name):
                program = name
            elif not re.match(r"usr/lib\d*/(python3|[^/]+/[^/]+\.so|ld|[^/]+\.so)", name):
                continue
            archive.copy(path, name)
    return f"/{program}"


def real_programs(archive: Cpio, architecture: str, offline: bool) -> None:
    """Add iproute2 of Debian bookworm (6.1), which ours is compared with, and its own libraries, in /real."""
    for root in Archive("bookworm", architecture, offline).closure("iproute2"):
        for path in tree(root):
            if re.search(r"/ld(64|-linux[^/]*|-2[^/]*)\.so(\.\d)?$", str(path)) and path.resolve().is_file():
                archive.add("real/ld.so", path.resolve().read_bytes(), stat.S_IFREG | 0o755)
            if path.suffix == ".dist":
                archive.copy(path, str(path.relative_to(root)))
            elif path.name in REAL and path.parent.name in ("bin", "sbin") and not path.is_symlink():
                archive.copy(path, f"real/{path.name}")
            elif ".so" in path.name and not path.is_symlink():
                archive.add(f"real/{path.name}", path.read_bytes(), stat.S_IFREG | 0o755)
            elif ".so" in path.name:
                archive.add(f"real/{path.name}", os.path.basename(os.readlink(path)).encode(), stat.S_IFLNK | 0o777)


def filesystem(machine: Machine, roots: list[Path], offline: bool) -> bytes:
    """Return an initramfs with init.py as process 1."""
    archive = Cpio()
    for name in ("lib", "lib64", "bin", "sbin"):
        archive.add(name, f"usr/{name}".encode(), stat.S_IFLNK | 0o777)
    program = python(archive, machine.suite, machine.architecture, offline)
    real_programs(archive, machine.architecture, offline)
    for path in tree(PROJECT / "rawns"):
        archive.copy(path, f"rawns/{path.relative_to(PROJECT)}")
    for path in [*(PROJECT / "tests").glob("*.py"), *(PROJECT / "tests/unit").iterdir(), PROJECT / "pyproject.toml"]:
        if path.name not in UNIT_NEEDLESS:
            archive.copy(path, f"rawns/{path.relative_to(PROJECT)}")
    for number, (step, name, data) in enumerate(modules(roots)):
        archive.add(f"modules/{step}/{number:02}-{name}.ko", data)
    for name in GUEST:
        archive.copy(HERE / name, f"rawns/{os.path.basename(name)}")
    archive.add("dev/console", b"", stat.S_IFCHR | 0o600, device=os.makedev(5, 1))
    archive.add("init", f"#!{program}\n".encode() + (HERE / "init.py").read_bytes(), stat.S_IFREG | 0o755)
    archive.add("TRAILER!!!", b"", 0)
    return bytes(archive.data)
