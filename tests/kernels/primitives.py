#!/usr/bin/env python3
"""Measure the kernel's newer ways to hold, name, find and copy namespaces beside the older ones, by system calls alone.

    python3 tests/kernels/primitives.py        # as root; makes a thousand names in a mount namespace of its own

Each pair of ways is timed in turns, and the median of each is printed; what the kernel does not have is "-".  In the
machines of run.py it is the check "primitives" (--append only=primitives).  The manual's page "primitives" quotes it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import statistics
import struct
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter_ns

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
MOVE_MOUNT, OPEN_TREE, STATMOUNT, LISTMOUNT, LISTNS = 429, 428, 457, 458, 470  # the same on every processor but alpha and mips
CLONE_NEWNET, CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 1 << 30, 1 << 17, 4096, 16384, 1 << 18, 2
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE, MOVE_MOUNT_F_EMPTY_PATH = -100, 0x1000, 0x8000, 4
OPEN_TREE_CLONE, OPEN_TREE_NAMESPACE = 1, 2
NS_GET_ID, PIDFD_GET_NET_NAMESPACE = 0x8008B70D, 0xFF04
FD_NSFS_ROOT, FILEID_NSFS = -10003, 0xF1
REPEAT, NAMES = 200, int(os.environ.get("NAMES", "1000"))
DIRECTORY = "/run/primitives"


def syscall(number: int, *args: object) -> int:
    """Make a system call by its number.  Raises `OSError`."""
    result: int = LIBC.syscall(*(ctypes.c_long(one) if isinstance(one, int) else one for one in (number, *args)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def libc(name: str, *args: object) -> int:
    """Call a function of libc.  Raises `OSError`."""
    result: int = getattr(LIBC, name)(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def compare(title: str, *ways: tuple[str, Callable[[], object]], repeat: int = REPEAT) -> None:
    """Print the median of each way in microseconds; they are timed in turns."""
    says: dict[str, str] = {}
    times: list[tuple[str, Callable[[], object], list[int]]] = []
    for name, way in ways:
        try:
            way()
            times.append((name, way, []))
        except OSError as error:
            says[name] = f"- ({error.strerror})"
    for _ in range(repeat):
        for _, way, taken in times:
            start = perf_counter_ns()
            way()
            taken.append(perf_counter_ns() - start)
    says.update((name, f"{statistics.median(taken) / 1000:.1f} us") for name, _, taken in times)
    print(f"{title}: {', '.join(f'{name} {says[name]}' for name, _ in ways)}", flush=True)


def mount_by_proc(fd: int, target: bytes) -> None:
    libc("mount", b"/proc/thread-self/fd/%d" % fd, target, b"none", MS_BIND, None)


def mount_by_tree(fd: int, target: bytes) -> None:
    tree = syscall(OPEN_TREE, fd, b"", OPEN_TREE_CLONE | AT_EMPTY_PATH)
    try:
        syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def named(way: Callable[[int, bytes], None], fd: int) -> None:
    target = f"{DIRECTORY}/one".encode()
    way(fd, target)
    libc("umount2", target, MNT_DETACH)


def by_proc(pid: int) -> None:
    os.close(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY))


def by_pidfd(pid: int) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        os.close(fcntl.ioctl(pidfd, PIDFD_GET_NET_NAMESPACE))
    finally:
        os.close(pidfd)


def by_handle(fd: int) -> None:
    number = struct.unpack("=Q", fcntl.ioctl(fd, NS_GET_ID, bytes(8)))[0]
    handle = struct.pack("=IiQII", 16, FILEID_NSFS, number, CLONE_NEWNET, os.fstat(fd).st_ino)
    os.close(libc("open_by_handle_at", FD_NSFS_ROOT, handle, os.O_RDONLY))


def ids() -> list[int]:
    """Return the ids of all network namespaces (listns)."""
    found: list[int] = []
    buffer = ctypes.create_string_buffer(8 * 1000)
    while True:
        request = struct.pack("=IIQIIQ", 32, 0, found[-1] if found else 0, CLONE_NEWNET, 0, 0)
        count = syscall(LISTNS, request, buffer, 1000, 0)
        found += struct.unpack(f"={count}Q", buffer.raw[: 8 * count])
        if count < 1000:
            return found


def scan() -> set[int]:
    """Return the inodes of the network namespaces of all threads (/proc)."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                found.add(os.stat(f"/proc/{pid}/task/{task}/ns/net").st_ino)
        except OSError:
            continue
    return found


def mount_ids() -> list[int]:
    """Return the ids of all mounts of this mount namespace (listmount)."""
    found: list[int] = []
    buffer = ctypes.create_string_buffer(8 * 1000)
    while True:
        request = struct.pack("=IIQQQ", 32, 0, (1 << 64) - 1, found[-1] if found else 0, 0)
        count = syscall(LISTMOUNT, request, buffer, 1000, 0)
        found += struct.unpack(f"={count}Q", buffer.raw[: 8 * count])
        if count < 1000:
            return found


def statmounts() -> int:
    """Read file system and mount point of each mount (statmount)."""
    buffer = ctypes.create_string_buffer(4096)
    for number in mount_ids():
        syscall(STATMOUNT, struct.pack("=IIQQQ", 32, 0, number, 0x18 | 0x20, 0), buffer, 4096, 0)
    return 0


def mountinfo() -> int:
    """Read the mounts of this mount namespace as text; return its length."""
    with open("/proc/self/mountinfo", "rb") as file:
        return len(file.read())


def in_child(function: Callable[[], object]) -> Callable[[], None]:
    """Return a way to call a function in a child and wait for that.  Its `OSError` is raised."""

    def way() -> None:
        child = os.fork()
        if not child:
            try:
                function()
                os._exit(0)
            except OSError as error:
                os._exit(error.errno or 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            raise OSError(status, os.strerror(status))

    return way


def tree_namespace() -> None:
    tree = syscall(OPEN_TREE, AT_FDCWD, b"/", OPEN_TREE_NAMESPACE | AT_RECURSIVE)
    libc("setns", tree, CLONE_NEWNS)


def wires() -> None:
    """Print how long a pair of links of each kind takes to create, and a datagram from one end to the other and back."""
    import socket

    sys.path.insert(0, os.environ.get("PYTHONPATH", "").partition(":")[0] or os.path.join(os.path.dirname(__file__), "../.."))
    from rawns import NetNS, RawnsError

    with NetNS.create() as one, NetNS.create() as two:
        created: dict[str, list[int]] = {"veth": [], "netkit": []}
        trips: dict[str, list[int]] = {"veth": [], "netkit": []}
        peers = {"veth": "VETH_INFO_PEER", "netkit": "IFLA_NETKIT_PEER_INFO"}
        for number in range(40):
            for kind, peer in peers.items():
                data = {peer: {"IFLA_IFNAME": "v2", "IFLA_NET_NS_FD": two.fileno()}}
                start = perf_counter_ns()
                try:
                    one.net.add_link("v1", kind, data)
                except RawnsError:
                    continue  # the kernel has no such kind
                created[kind].append(perf_counter_ns() - start)
                for ns, name, address in ((one, "v1", "10.0.0.1/24"), (two, "v2", "10.0.0.2/24")):
                    ns.net.add_address(name, address)
                    ns.net.set_link(name, up=True)
                datagrams = (socket.AF_INET, socket.SOCK_DGRAM)
                with two.socket(*datagrams) as there, one.socket(*datagrams) as here:
                    there.bind(("10.0.0.2", 7))
                    here.settimeout(1)
                    there.settimeout(1)
                    for _ in range(50 if number % 4 == 0 else 0):
                        start = perf_counter_ns()
                        try:
                            here.sendto(b"x", ("10.0.0.2", 7))
                            there.sendto(*there.recvfrom(9))
                            here.recv(9)
                        except OSError:
                            continue  # it is lost
                        trips[kind].append(perf_counter_ns() - start)
                one.net.delete_link("v1")
        for title, found in (("create a wire", created), ("a datagram and its answer", trips)):
            says = [f"{kind} {statistics.median(taken) / 1000:.1f} us ({len(taken)})" for kind, taken in found.items() if taken]
            print(f"{title}: {', '.join(says)}", flush=True)


def main() -> None:
    wires()
    libc("unshare", CLONE_NEWNS)
    libc("mount", b"none", b"/", b"none", MS_REC | MS_PRIVATE, None)
    os.makedirs(DIRECTORY, exist_ok=True)
    libc("mount", b"tmpfs", DIRECTORY.encode(), b"tmpfs", 0, None)
    open(f"{DIRECTORY}/one", "w").close()
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    print(f"Linux {os.uname().release}, {len(os.listdir('/proc'))} entries in /proc", flush=True)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    compare("namespace of a process", ("/proc/PID/ns/net", lambda: by_proc(child.pid)), ("pidfd", lambda: by_pidfd(child.pid)))
    child.communicate(b"\n")
    compare("mount on a name", ("mount", lambda: named(mount_by_proc, fd)), ("open_tree", lambda: named(mount_by_tree, fd)))
    compare("identity", ("fstat", lambda: os.fstat(fd)), ("NS_GET_ID", lambda: fcntl.ioctl(fd, NS_GET_ID, bytes(8))))
    compare("open again", ("path", lambda: by_proc(os.getpid())), ("NS_GET_ID and open_by_handle_at", lambda: by_handle(fd)))
    compare("every namespace", ("/proc", scan), ("listns", ids), repeat=30)
    compare("copy of the mounts", ("fork alone", in_child(int)), ("unshare", in_child(lambda: libc("unshare", CLONE_NEWNS))),
            ("OPEN_TREE_NAMESPACE", in_child(tree_namespace)), repeat=50)  # fmt: skip
    for number in range(NAMES):
        path = f"{DIRECTORY}/{number}"
        open(path, "w").close()
        mount_by_proc(fd, path.encode())
    print(f"with {NAMES} names:")
    compare("mount on a name", ("mount", lambda: named(mount_by_proc, fd)), ("open_tree", lambda: named(mount_by_tree, fd)))
    compare("copy of the mounts", ("fork alone", in_child(int)), ("unshare", in_child(lambda: libc("unshare", CLONE_NEWNS))),
            ("OPEN_TREE_NAMESPACE", in_child(tree_namespace)), repeat=50)  # fmt: skip
    compare("list of mounts", ("mountinfo", mountinfo), ("listmount", mount_ids),
            ("listmount and statmount", statmounts), repeat=50)  # fmt: skip


if __name__ == "__main__":
    main()
