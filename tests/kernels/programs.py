"""What init.py runs in a booted machine: the commands of rawns, beside those of iproute2, and the unit tests on bytes."""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import checks
from checks import REAL, SLOW, USER, expect, rawns, real

MODULAR_NETFILTER = bool(glob.glob("/modules/netfilter/*nfnetlink.ko"))  # built in from Debian's 7.x on
UNIT_TESTS = "wire messages packets netlink exchange icmp nft objects tunnel_ioctl"
LONG_TESTS = "mutation or truncation or every_character or whatever or known_shape or wrap or every_way"  # by the number of cases


def batch(program: str, *lines: str) -> None:
    """Run the lines as one batch: each start of Python takes long here."""
    command = [sys.executable, "-m", "rawns", program, "-batch", "-"]
    done = subprocess.run(command, input="\n".join([*lines, ""]), stdout=-1, stderr=-2, text=True)
    expect(done.returncode == 0, (lines, done.stdout))


def ping() -> str:
    """Let `rawns ping` count over both families."""
    rawns("ip", "netns", "add", "n1")
    rawns("ip", "-n", "n1", "link", "set", "lo", "up")
    for target in ("127.0.0.1", "::1"):
        told = rawns("ping", "--netns", "n1", "-c", "2", "-i", "0.1", target)
        expect("2 packets transmitted, 2 received" in told, told)
    rawns("ip", "netns", "del", "n1")
    return told.strip().splitlines()[-1]


def chat() -> str:
    """Let two processes chat between two namespaces."""
    from rawns import Lab

    with Lab() as plan:
        one, two = plan.netns(), plan.netns()
        plan.wire(one.port("eth0", "10.0.0.1/24"), two.port("eth0", "10.0.0.2/24"))
        plan.up()
        command = [sys.executable, "-u", "-m", "rawns", "chat"]
        server = one.popen([*command, "listen", "7777"], stdin=-1, stdout=-1, stderr=-2, text=True)
        assert server.stdin and server.stdout
        line = server.stdout.readline()
        client = two.popen([*command, "connect", "10.0.0.1", "7777"], stdin=-1, stdout=-1, stderr=-2, text=True)
        assert client.stdin and client.stdout
        client.stdin.write("word from the client\n")
        client.stdin.flush()
        heard = next((line for line in server.stdout if "word from the client" in line), "nothing")
        for process in (client, server):
            process.terminate()
            process.communicate()
    expect(heard.rstrip().endswith("word from the client"), (line, heard))
    return heard.strip()


def why() -> str:
    """Let `rawns why` find that an interface is down, and then that nothing is wrong."""
    batch("ip", "netns add a", "netns add b", "link add v1 netns a type veth peer name v2 netns b")
    for netns, words in (("a", "addr add 10.0.0.1/24 dev v1"), ("b", "addr add 10.0.0.2/24 dev v2"), ("a", "link set v1 up")):
        rawns("ip", "-n", netns, *words.split())
    told = rawns("why", "a", "b", status=1)
    expect("v2" in told and "down" in told, told)
    rawns("ip", "-n", "b", "link", "set", "v2", "up")
    proof = rawns("why", "a", "10.0.0.2")
    for netns in "ab":
        rawns("ip", "netns", "del", netns)
    return proof.strip().splitlines()[-1]


def trace() -> str:
    """Let `rawns trace` follow the real `ip`; a processor that is not supported is named in one line."""
    told = subprocess.run(
        [sys.executable, "-m", "rawns", "trace", *REAL, "/real/ip", "link", "add", "dummy0", "type", "dummy0"],
        stdout=-1,
        stderr=-2,
        text=True,
    ).stdout
    expect("Traceback" not in told, told)
    if "RTM_NEWLINK" not in told:
        expect(os.uname().machine in told and told.count("\n") == 1, told)
        return "lacks: trace"
    expect("dummy0" in told, told)
    return next(line for line in told.splitlines() if "RTM_NEWLINK" in line)


def alike(ours: str, theirs: str, what: str) -> None:
    """End the check unless two outputs are the same, of JSON the same data."""
    if theirs.strip():
        expect(json.loads(ours) == json.loads(theirs), f"{what}: {ours} but the real one {theirs}")


def bridge() -> str:
    """Read ports, addresses and VLANs of a bridge as iproute2's `bridge` does."""
    batch(
        "ip",
        "link add br0 type bridge vlan_filtering 1",
        "link add v1 type veth peer name v2",
        "link set v1 master br0 up",
        "link set br0 up",
    )
    rawns("bridge", "vlan", "add", "vid", "20-22", "dev", "v1")
    rawns("bridge", "fdb", "add", "02:00:00:00:00:05", "dev", "v1", "master", "static")
    for words in ("vlan", "fdb", "-d link", "mdb"):
        alike(rawns("bridge", "-j", *words.split()), real("bridge", "-j", *words.split()), words)
    batch("ip", "link del v1", "link del br0")
    return "vlan, fdb, link, mdb"


def tc() -> str:
    """Set queueing disciplines, classes and filters, and read them as iproute2's `tc` does."""
    rawns("ip", "link", "add", "v1", "type", "veth", "peer", "name", "v2")
    batch(
        "tc",
        "qdisc add dev v1 root handle 1: htb default 10",
        "class add dev v1 parent 1: classid 1:10 htb rate 5mbit ceil 10mbit",
        "qdisc add dev v1 parent 1:10 netem delay 20ms loss 1%",
        "qdisc add dev v2 root tbf rate 1mbit burst 10kb latency 50ms",
        "filter add dev v1 parent 1: protocol ip u32 match ip dst 10.0.0.0/8 flowid 1:10",
    )
    for words in ("qdisc show dev v1", "qdisc show dev v2", "class show dev v1", "filter show dev v1"):
        expect(rawns("tc", *words.split()) == real("tc", *words.split()), words)
    rawns("ip", "link", "del", "v1")
    return "htb, netem, tbf, u32"


def ss() -> str:
    """List sockets as iproute2's `ss` does."""
    import socket

    rawns("ip", "link", "set", "lo", "up")
    with socket.create_server(("127.0.0.1", 7777)) as server, socket.create_connection(("127.0.0.1", 7777)) as one:
        one.sendall(b"word")
        with server.accept()[0], socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 7778))
            for words in ("-tan", "-uan", "-tlnp", "-ta -e -n -m"):
                ours, theirs = rawns("ss", *words.split()), real("ss", *words.split())
                expect(sorted(ours.splitlines()) == sorted(theirs.splitlines()), f"{words}: {ours} but the real one {theirs}")
    rawns("ip", "link", "set", "lo", "down")
    return f"{len(ours.splitlines()) - 1} sockets"


def unshare() -> str:
    """Start a program in new namespaces, and another in the same ones."""
    inside = [sys.executable, "-c", "import os; print(os.getpid(), os.readlink('/proc/self/ns/net'), flush=True); input()"]
    command = [sys.executable, "-m", "rawns", "unshare", "--net", "--pid", "--fork", "--mount-proc", *inside]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as first:
        assert first.stdin and first.stdout
        pid, netns = first.stdout.readline().split()
        expect(pid == "1" and netns != os.readlink("/proc/self/ns/net"), (pid, netns))
        child, show = children(first.pid)[0], "import os; print(os.readlink('/proc/self/ns/net'))"
        seen = rawns("nsenter", "--target", child, "--net", sys.executable, "-c", show)
        first.stdin.write("\n")
        first.stdin.close()
    expect(seen.strip() == netns and first.returncode == 0, (seen, netns, first.returncode))
    return netns


def children(pid: int) -> list[str]:
    """Return the children of a process."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def every_namespace() -> str:
    """Let `ls` and `why` find a namespace that nothing in /proc refers to, if the kernel has a list; open one by a pidfd."""
    import socket

    from rawns import NetNS, nsfs

    pidfd = os.pidfd_open(os.getpid())
    with NetNS.open(pidfd=pidfd) as one, NetNS.current() as here:
        expect(one == here, (one, here))
    os.close(pidfd)
    if nsfs.all_ids() is None:
        expect("(not visible)" not in rawns("ls"), "something is held elsewhere")
        return "lacks: listns"
    with NetNS.create() as ns, NetNS.create("seen") as seen:
        inode = ns.identity[1]
        number = nsfs.namespace_id(ns.fileno())
        seen.net.add_veth("v1", "v2", peer_ns=ns, up=True)
        seen.net.add_address("v1", "10.0.0.1/24")
        sender, receiver = socket.socketpair()
        socket.send_fds(sender, [b"x"], [ns.fileno()])
        ns.close()
        found = rawns("why", "seen", "10.0.0.2", status=1)
        expect(f"v2 in the namespace net:[{inode}], is down" in found and f"# in the namespace net:[{inode}]" in found, found)
    with sender, receiver:
        shown = [line for line in rawns("ls").splitlines() if line.startswith(str(inode))]
        expect(len(shown) == 1 and "(not visible)" in shown[0], shown)
    expect(str(inode) not in rawns("ls"), "it is still there")
    return f"id {number}: {' '.join(shown[0].split())}"


def unit_tests() -> str:
    """Run the unit tests on bytes: encoding, decoding, conversations."""
    files = [path for name in UNIT_TESTS.split() for path in glob.glob(f"/rawns/tests/unit/test_{name}.py")]
    options = ["-q", "-p", "no:cacheprovider", "--tb=short", "-x", "--maxfail=5", "-k", f"not ({LONG_TESTS})"]
    done = subprocess.run([sys.executable, "-m", "pytest", *options, *files], cwd="/rawns", stdout=-1, stderr=-2, text=True)
    lines = done.stdout.strip().splitlines()
    expect(done.returncode == 0, "\n".join(lines[-40:]))
    return re.sub(r" in .*", "", lines[-1])


def ip_kinds() -> str:
    """Compare `rawns ip` with the real `ip` on every kind of link that this kernel has."""
    from ip_kinds import compare

    return str(compare())


def queues_and_ports() -> str:
    """Compare `rawns tc` and `rawns bridge` with the real programs on what this kernel has: disciplines, filters, VLANs."""
    from queues_and_ports import compare

    return str(compare())


def primitives() -> str:
    """Measure the newer system calls for namespaces."""
    done = subprocess.run([sys.executable, "/rawns/primitives.py"], stdout=-1, stderr=-2, text=True)
    expect(done.returncode == 0, done.stdout)
    return " | ".join(done.stdout.splitlines())


BASE: dict[str, Callable[[], str]] = {
    "demo": lambda: rawns("demo").splitlines()[-1],
    "several labs": checks.lab,
    "a standing lab": checks.standing,
    "ip": checks.ip,
}
CHECKS: dict[str, dict[str, Callable[[], str]]] = {  # by the step of modules that is loaded before them
    "base": {
        **BASE,
        "demo --explain": checks.explained,
        f"demo as user {USER}": lambda: rawns("demo", user=USER).splitlines()[-1],
        "demo, user namespaces forbidden": checks.forbidden,
        "nat without netfilter": lambda: checks.lacking("CONFIG_NETFILTER_NETLINK" if MODULAR_NETFILTER else "CONFIG_NF_TABLES"),
        "ping": ping,
        "chat": chat,
        "unshare, nsenter": unshare,
        "trace": trace,
        "a namespace that is nowhere in /proc": every_namespace,
        "unit tests": unit_tests,
    },
    "netfilter": {"nat without nf_tables": lambda: checks.lacking("CONFIG_NF_TABLES")},
    "nat": {"nat": checks.nat, "why": why},
    "labs": {
        "a standing lab of all kinds": lambda: checks.standing(parts=True),
        "kinds of links": checks.kinds,
        "a lab of every kind of link": checks.lab_kinds,
        "activation": checks.activation,
        "vlans": checks.vlans,
        "cni": checks.cni,
        "shaping": checks.shaping,
    },
    "programs": {"bridge": bridge, "tc": tc, "ss": ss},
    "queues": {"queues and ports": queues_and_ports},
    "tunnels": {f"{name}, tunnels": check for name, check in BASE.items()},
    "relay": {"netem and relay": checks.impairments},
    "kinds": {"ip-kinds": ip_kinds, "netkit": checks.netkit, "primitives": primitives},
}
SELDOM = {"netem and relay", "primitives"}  # they measure time, on request: only=relay
TOO_SLOW = {"demo --explain", "demo, tunnels", "a standing lab, tunnels", "a standing lab of all kinds"}


def left_out(name: str) -> bool:
    """Return whether a check is only run when it is asked for."""
    return name in SELDOM or SLOW and name in TOO_SLOW
