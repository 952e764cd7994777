"""What other users and programs put where rawns looks: names, stamps, files, locks, links, tables and sockets."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import frame
import verbs
from frame import Report

NOBODY = 65534
VICTIM = Path("/run/victim")  # a directory to which links lead; a campaign has a /run of its own
Made = list[Path]  # what must be there afterwards as it was; a fault of rawns would have removed or followed it


def entry(name: str, make: Callable[[Path], object]) -> Callable[[str], Made]:
    """Return a function that makes an entry of /run/netns; ``LAB`` in the name stands for the lab's name."""

    def made(lab: str) -> Made:
        path = frame.NETNS / name.replace("LAB", lab)
        make(path)
        return [path]

    return made


def listening(path: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def foreign_namespace(path: Path) -> None:
    """Let the real `ip` make a namespace."""
    subprocess.run(["ip", "netns", "add", path.name], check=True)


def stamped(text: str) -> Callable[[Path], None]:
    """Return a function that makes a namespace by `ip`, with an alias of ``lo`` that another program has chosen."""

    def made(path: Path) -> None:
        foreign_namespace(path)
        subprocess.run(["ip", "-n", path.name, "link", "set", "lo", "alias", text], check=True)

    return made


def lock_file(make: Callable[[Path], object]) -> Callable[[str], Made]:
    """Return a function that makes what stands where the lab's lock would."""

    def made(lab: str) -> Made:
        frame.LOCKS.mkdir(mode=0o700, exist_ok=True)
        path = frame.LOCKS / f"{lab}.lock"
        make(path)
        return [path] if not path.is_file() or path.is_symlink() else []

    return made


def of_nobody(path: Path) -> None:
    """Make a file of another user that every user may lock."""
    path.touch()
    os.chmod(path, 0o666)
    os.chown(path, NOBODY, NOBODY)


def open_directory(lab: str) -> Made:
    """Give the directory of the locks to another user."""
    frame.LOCKS.mkdir(exist_ok=True)
    os.chmod(frame.LOCKS, 0o777)
    os.chown(frame.LOCKS, NOBODY, NOBODY)
    return []


def no_directory(lab: str) -> Made:
    """Put a symbolic link where the directory of the locks would be."""
    subprocess.run(["rm", "-rf", frame.LOCKS], check=True)
    frame.LOCKS.symlink_to(VICTIM)
    return [frame.LOCKS]


def folder(make: Callable[[Path], object]) -> Callable[[str], Made]:
    """Return a function that makes what stands where the files of host a would."""

    def made(lab: str) -> Made:
        frame.ETC.mkdir(exist_ok=True)
        path = frame.ETC / f"{lab}.a"
        make(path)
        return [path]

    return made


def files(path: Path) -> None:
    """Make files that no lab has made, and links that lead out."""
    path.mkdir()
    (path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    (path / "passwd").symlink_to(VICTIM / "passwd")
    os.mkfifo(path / "hosts")


def table(lab: str) -> Made:
    """Make a table of the lab's name in our own namespace, and a link whose alias looks like the lab's."""
    subprocess.run(["nft", f"add table inet rawns_{lab}"], check=True)
    subprocess.run(["ip", "link", "add", "hostile0", "type", "veth", "peer", "name", "hostile1"], check=True)
    subprocess.run(["ip", "link", "set", "hostile0", "alias", f"rawns lab={lab}"], check=True)
    return []


def relay_socket(lab: str) -> Made:
    """Make a socket where the relay's control would be, which no process answers."""
    frame.LOCKS.mkdir(mode=0o700, exist_ok=True)
    path = frame.LOCKS / f"{lab}.relay"
    listening(path)
    return []


def mark(text: str) -> Callable[[Path], object]:
    """Return a function that writes a stale name's file."""
    return lambda path: path.write_text(text)


HOSTILE: dict[str, Callable[[str], Made]] = {
    "a FIFO": entry("fifo", os.mkfifo),
    "a socket": entry("socket", listening),
    "a device": entry("tty", lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(5, 0))),
    "a directory": entry("folder", os.mkdir),
    "a dangling link": entry("dangling", lambda path: path.symlink_to("/nowhere")),
    "a link to itself": entry("loop", lambda path: path.symlink_to(path)),
    "a link to a file": entry("passwd", lambda path: path.symlink_to(VICTIM / "passwd")),
    "a link to a namespace": entry("init", lambda path: path.symlink_to("/proc/1/ns/net")),
    "a link to another kind": entry("mnt", lambda path: path.symlink_to("/proc/self/ns/mnt")),
    "a long name": entry("x" * 255, Path.touch),
    "escapes in a name": entry("\x1b[31mred\x1b[0m\n\u202e", Path.touch),
    "bytes in a name": entry("\udcff\udcfe", Path.touch),
    "many names": lambda lab: [one for number in range(500) for one in entry(f"n{number}", Path.touch)(lab)],
    "a FIFO under the lab's name": entry("LAB.a", os.mkfifo),
    "a file under the lab's name": entry("LAB.a", Path.touch),
    "a link under the lab's name": entry("LAB.a", lambda path: path.symlink_to("/proc/1/ns/net")),
    "a namespace under the lab's name": entry("LAB.a", foreign_namespace),
    "another lab's stamp under the lab's name": entry("LAB.a", stamped("rawns lab=other by=0123456789abcdef")),
    "a broken stamp": entry("s1", stamped("rawns lab=\x1b[31m by= state=whole" + "x" * 200)),
    "a long stamp": entry("s2", stamped("rawns " + "lab=a " * 40)),
    "the lab's stamp in a foreign name": entry("s3", stamped("rawns lab=other")),
    "a mark of a living process": entry("LAB.z", mark("rawns lab=LAB by=0123456789abcdef")),
    "a mark of much text": entry("m1", mark("rawns lab=" + "x" * 100_000)),
    "a lock of another user": lock_file(of_nobody),
    "a FIFO as a lock": lock_file(os.mkfifo),
    "a link as a lock": lock_file(lambda path: path.symlink_to(VICTIM / "passwd")),
    "a directory as a lock": lock_file(os.mkdir),
    "a socket as a lock": lock_file(listening),
    "locks in an open directory": open_directory,
    "a link instead of the directory": no_directory,
    "foreign files of a host": folder(files),
    "a link instead of a host's folder": folder(lambda path: path.symlink_to(VICTIM)),
    "a file instead of a host's folder": folder(Path.touch),
    "a FIFO instead of a host's folder": folder(os.mkfifo),
    "a table and a link with the lab's name": table,
    "a relay that does not answer": relay_socket,
}
COMMANDS = [
    ["ip", "netns", "list"], ["ls"], ["lab", "list"], ["lab", "up", "LAB"], ["lab", "status", "LAB"], ["lab", "gc"],
    ["lab", "down", "PREFIX"], ["lab", "run", "LAB", "--", "true"], ["ip", "netns", "add", "NAME"],
    ["ip", "netns", "del", "NAME"], ["doctor"],
]  # fmt: skip


def look(path: Path) -> tuple[object, ...]:
    """Return what lstat(2) says of a file, and where it leads."""
    status = os.lstat(path)
    return status.st_mode, status.st_ino, status.st_uid, os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""


def neighbours_campaign(report: Report) -> None:
    """Run the commands beside each hostile thing: no hang, no traceback, and what is not ours stays."""
    with tempfile.TemporaryDirectory() as place:
        bench = verbs.pid_bench(Path(place))
        (frame.NETNS).mkdir(exist_ok=True)
        VICTIM.mkdir()
        file = VICTIM / "passwd"
        file.write_text("kept\n")
        known_file = look(file)
        for what, make in HOSTILE.items():
            made = make(bench.prefix)
            before = {path: look(path) for path in made}
            for argv in COMMANDS:
                words = [bench.words.get(word, word) for word in argv]
                ended = frame.rawns(*words)
                report.tally(" ".join(argv[:2]))
                where = f"{what}: {' '.join(argv)}: {ended}"
                report.expect(not ended.crashed and ended.status in (0, 1, 2, 3, 255), where)
                said = ended.said.encode("utf-8", "surrogateescape")
                report.expect(argv[0] == "ip" or b"\x1b" not in said and b"\xff" not in said, f"{where}: control characters")
                for path, known in before.items():
                    report.expect(os.path.lexists(path) and look(path) == known, f"{where}: {path} is gone, or another file")
            clean(bench)
            kept = look(file) == known_file and file.read_text() == "kept\n" and os.listdir(VICTIM) == ["passwd"]
            report.expect(kept, f"{what}: a link was followed")


def clean(bench: verbs.Bench) -> None:
    """Remove everything, without rawns."""
    for name in frame.names():
        path = frame.NETNS / name
        while any(f"/run/netns/{name} " in line for line in frame.mounts()):
            subprocess.run(["umount", "-l", path], check=True)
        path.rmdir() if stat.S_ISDIR(os.lstat(path).st_mode) else path.unlink()
    subprocess.run(["rm", "-rf", frame.LOCKS, frame.ETC], check=True)
    subprocess.run(["ip", "link", "del", "hostile0"], capture_output=True)
    subprocess.run(["nft", "flush ruleset"], check=True)


CAMPAIGNS = {"neighbours": neighbours_campaign}
