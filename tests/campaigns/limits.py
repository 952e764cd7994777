"""Commands within limits: of descriptors, processes, files, namespaces, buffers, and on machines that lack a part."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import frame
import verbs
from frame import Report

from rawns import NetNS, nlsocket

RAWNS = f"{sys.executable} -m rawns"
STAR = {
    "hosts": {"r": {"forward": True}, **{f"h{one}": {} for one in range(60)}},
    "wires": [{"ends": [f"r 10.{one}.0.1/24", f"h{one} 10.{one}.0.2/24"]} for one in range(60)],
}
NO_NEW_NAMESPACE = """
import ctypes, os, struct, sys
AUDIT, NUMBER = {"x86_64": (0xC000003E, 272), "aarch64": (0xC00000B7, 97)}[os.uname().machine]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, NUMBER), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))
program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[1], sys.argv[1:])
"""
MOUNTS = "unshare --mount --propagation private sh -c"
USER = "setpriv --reuid=65534 --regid=65534 --clear-groups"
CGROUP = """
c=$(mktemp -d) && mount -t cgroup2 none $c 2>/dev/null && echo +pids > $c/cgroup.subtree_control 2>/dev/null ||
    { umount $c 2>/dev/null; mount -t cgroup -o pids none $c 2>/dev/null || exit 77; }
mkdir $c/rawns-campaign && echo 12 > $c/rawns-campaign/pids.max 2>/dev/null || { rmdir $c/rawns-campaign; umount $c; exit 77; }
(echo 0 > $c/rawns-campaign/cgroup.procs && exec %s); status=$?; rmdir $c/rawns-campaign; umount $c; exit $status
"""

# What runs a command (``%s``) within a limit; whether all must succeed (True), or `up` must fail (False).  Exit status 77: it
# cannot be tried here.
LIMITS: dict[str, tuple[str, bool | None]] = {
    "no limit": ("%s", True),
    "64 descriptors": ("prlimit --nofile=64 %s", True),
    "20 descriptors": ("prlimit --nofile=20 %s", None),
    "6 descriptors": ("prlimit --nofile=6 %s", None),
    "no memory to lock": ("prlimit --memlock=0 %s", True),
    "files of 0 bytes": ("prlimit --fsize=0 %s", None),
    "400 MB of addresses": ("prlimit --as=400000000 %s", None),
    "60 MB of addresses": ("prlimit --as=60000000 %s", None),
    "pids of a cgroup": (CGROUP, None),
    "/run of 3 inodes": (f"{MOUNTS} 'mount -t tmpfs -o size=64k,nr_inodes=3 t /run && exec %s'", None),
    "/run of 30 inodes": (f"{MOUNTS} 'mount -t tmpfs -o size=64k,nr_inodes=30 t /run && exec %s'", None),
    "/run is read-only": (f"{MOUNTS} 'mount -t tmpfs -o ro t /run && exec %s'", False),
    "no /run": (f"{MOUNTS} 'mount -t tmpfs -o ro,mode=0 t /run && exec %s'", False),
    "no /proc": (f"{MOUNTS} 'mount -t tmpfs t /proc && exec %s'", False),
    "no /sys": (f"{MOUNTS} 'mount -t tmpfs -o ro t /sys && exec %s'", None),
    "hidepid": (f"{MOUNTS} 'mount -t proc -o hidepid=2 p /proc && exec %s'", True),
    "/etc is read-only": (f"{MOUNTS} 'mount --bind /etc /etc && mount -o remount,ro,bind /etc && exec %s'", None),
    "seccomp without unshare": (f"{sys.executable} -c '{NO_NEW_NAMESPACE}' %s", False),
    "without CAP_SYS_ADMIN": ("setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin %s", False),
    "without CAP_NET_ADMIN": ("setpriv --bounding-set=-net_admin --inh-caps=-net_admin %s", False),
    "without any capability": ("setpriv --bounding-set=-all --inh-caps=-all %s", False),
    "5 namespaces": (
        "unshare --user --map-root-user --mount --net sh -c "
        "'mount -t tmpfs t /run && echo 5 > /proc/sys/user/max_net_namespaces && exec %s'",
        None,
    ),
    "2 mount namespaces": (
        "unshare --user --map-root-user --mount --net sh -c "
        "'mount -t tmpfs t /run && echo 1 > /proc/sys/user/max_mnt_namespaces && exec %s'",
        None,
    ),
    "a closed standard output": ("sh -c 'exec %s >&-'", None),
    "a full standard output": ("sh -c 'exec %s >/dev/full'", None),
    "no standard descriptors": ("sh -c 'exec %s <&- >&- 2>&-'", None),
    "C locale, no HOME": ("env -i PATH=$PATH PYTHONPATH=$PYTHONPATH LC_ALL=C %s", True),
}


def limited(report: Report, bench: verbs.Bench, limit: str, verb: str, star: str) -> None:
    """Run one verb within a limit: an error in words, and the state that a failure may leave."""
    wrapper, must = LIMITS[limit]
    argv = [
        star if word == bench.words["LAB"] and limit.endswith(" descriptors") and limit[0].isdigit() else word
        for word in bench.argv(verb)
    ]
    bench.prepare(verb)
    if verbs.VERBS[verb].before != "nothing" and "/run" in limit:
        return  # another /run has no lab
    command = wrapper % f"{RAWNS} {' '.join(argv)}"
    done = subprocess.run(
        ["sh", "-c", command],
        env=frame.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=frame.HANG,
    )
    said = done.stdout + done.stderr
    where = f"{limit}: {verb}"
    if done.returncode == 77:
        report.tally("cannot be tried here")
        return
    report.tally(limit)
    report.expect("Traceback" not in said and "Fatal Python" not in said or "MemoryError" in said, f"{where}: {said[-900:]}")
    if must or must is False and verb == "up":  # what a limit forbids may not be needed by the others; `run` goes without root
        report.expect((done.returncode == 0) == must, f"{where}: status {done.returncode}, {said[-300:]}")
    if done.returncode and not said.strip() and "standard" not in limit:
        report.fault(f"{where}: status {done.returncode} without a word")
    left = bench.state()
    made = verbs.VERBS[verb]
    if done.returncode and left not in (made.failed, made.after, "nothing"):
        again = frame.rawns(*bench.argv("down"))
        left = bench.state()
        if not made.rest:
            report.fault(f"{where}: status {done.returncode}, {said[-300:]}: left something behind; `down` ({again}): {left}")
    subprocess.run(["sh", "-c", f"{RAWNS} lab down {bench.prefix}"], env=frame.environment(), capture_output=True)


def limits_campaign(report: Report) -> None:
    """Run each verb within each limit."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        bench = verbs.pid_bench(Path(folder))
        star = Path(folder) / "star.json"
        star.write_text(json.dumps({"name": bench.prefix, **STAR}))
        for limit in LIMITS:
            for verb in ("create", "delete", "up", "down", "run"):
                limited(report, bench, limit, verb, str(star))
        bench.clear()


def buffers_campaign(report: Report) -> None:
    """List 3,000 links through sockets with the smallest receive buffer that the kernel gives."""
    number = min(report.count or 3_000, 30_000)
    configure = nlsocket.NetlinkSocket._configure

    def tiny(self: nlsocket.NetlinkSocket) -> None:
        configure(self)
        self._socket.setsockopt(1, 8, 0)  # SOL_SOCKET, SO_RCVBUF

    with NetNS.create() as ns:
        path = f"/proc/{os.getpid()}/fd/{ns.fileno()}"
        batch = "".join(f"link add v{one} type veth peer name w{one}\n" for one in range(number // 2))
        subprocess.run(["nsenter", f"--net={path}", "ip", "-batch", "-"], input=batch, text=True, check=True)
        theirs = frame.tool("nsenter", f"--net={path}", "ip", "-o", "link").splitlines()
        nlsocket.NetlinkSocket._configure = tiny  # type: ignore[method-assign]
        try:
            with NetNS.open(fd=ns.fileno()) as again:
                ours: int | None = len(again.net.links())
        except OSError as error:
            ours = None
            report.expect(error.errno == errno.ENOBUFS, f"tiny buffers: {error}")
        finally:
            nlsocket.NetlinkSocket._configure = configure  # type: ignore[method-assign]
        report.tally("links", len(theirs))
        report.expect(ours in (None, len(theirs)), f"{ours} links, and `ip` sees {len(theirs)}")
        report.tally("listed", ours or 0)


CAMPAIGNS = {"limits": limits_campaign, "buffers": buffers_campaign}
