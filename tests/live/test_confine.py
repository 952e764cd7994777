"""The recipes of `rawns/manual/confine.md`, as they stand in the page: the proxy is reached from inside, and nothing else is.

`world` stands for the Internet, and the machine forwards packets, so whatever is let out arrives there and is counted.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from conftest import NOBODY, PROJECT, Ordinary, open_directory
from test_manual import blocks

PAGE = PROJECT / "rawns" / "manual" / "confine.md"

# Runs in the confined program: tries every way out, and prints what happened to each.
PROBE = r"""
import ctypes, fcntl, json, os, shutil, socket, struct, subprocess, sys
proxy, path = sys.argv[1], sys.argv[2]
told = {}

def attempt(name, function):
    try:
        told[name] = function() or "done"
    except OSError as error:
        told[name] = type(error).__name__ + " " + str(error.strerror)

def through_proxy(destination):
    with socket.create_connection((proxy, 3128), 20) as s:
        s.sendall(b"CONNECT %s HTTP/1.1\r\n\r\n" % destination.encode())
        answer = s.recv(1000)
        if b" 200 " not in answer:
            return answer.decode().strip()
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while data := s.recv(1000):
            answer += data
        return answer.decode().split("\r\n\r\n")[1]

def tcp(family, *address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(0.3)  # what is dropped is never answered
        s.connect(address)

def send(family, kind, protocol, data, *address):
    with socket.socket(family, kind, protocol) as s:
        s.sendto(data, address)

def frame():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.bind(("eth0" if "eth0" in [name for _, name in socket.if_nameindex()] else "lo", 0))
    s.send(b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + b"out" * 30)

def another_namespace(path):
    fd = os.open(path, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def new_namespace():
    child = os.fork()
    if child == 0:
        status = 3  # no user namespace is allowed
        if ctypes.CDLL(None).unshare(0x50000000) == 0:
            status = 4  # empty, as it should be
            for family, where in ((socket.AF_INET, "203.0.113.2"), (socket.AF_INET6, "fd00:9::2")):
                try:
                    tcp(family, where, 80)
                    status = 5
                except OSError:
                    pass
        os._exit(status)
    return {3: "nothing", 4: "nothing"}.get(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "escaped")

def configure():
    request = struct.pack("16sH2s4s8x", b"lo", socket.AF_INET, b"", socket.inet_aton("203.0.113.9"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8916, request)  # SIOCSIFADDR

def curl(*options):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *options, "http://203.0.113.2/"], capture_output=True, text=True)
    return done.stdout or "Error %d" % done.returncode

def look_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.sendto(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01", ("203.0.113.2", 53))
        return s.recv(512)

def unix(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.connect(address)

echo = b"\x08\x00\xf7\xff\x00\x00\x00\x00"
attempt("allowed", lambda: through_proxy("203.0.113.2:80"))
if shutil.which("curl"):
    attempt("curl", lambda: curl("--proxytunnel", "--proxy", "http://" + proxy + ":3128"))
    attempt("curl without the proxy", curl)
attempt("not allowed", lambda: through_proxy("203.0.113.2:81"))
for name, where in (("world", "203.0.113.2"), ("machine", "10.200.0.1"), ("machine's other address", "203.0.113.1")):
    attempt("TCP to " + name, lambda: tcp(socket.AF_INET, where, 80))
    attempt("UDP to " + name, lambda: send(socket.AF_INET, socket.SOCK_DGRAM, 0, b"out", where, 53))
    attempt("ping socket to " + name, lambda: send(socket.AF_INET, socket.SOCK_DGRAM, 1, echo, where, 0))
    attempt("raw ICMP to " + name, lambda: send(socket.AF_INET, socket.SOCK_RAW, 1, echo, where, 0))
for index, name in socket.if_nameindex():
    attempt("TCP over IPv6 by " + name, lambda: tcp(socket.AF_INET6, "fe80::1", 80, 0, index))
    multicast = ("ff02::1", 53, 0, index)
    attempt("multicast over IPv6 by " + name, lambda: send(socket.AF_INET6, socket.SOCK_DGRAM, 0, b"out", *multicast))
attempt("TCP over IPv6 to world", lambda: tcp(socket.AF_INET6, "fd00:9::2", 80))
attempt("raw IPv6", lambda: send(socket.AF_INET6, socket.SOCK_RAW, 58, b"\x80" + bytes(7), "fd00:9::2", 0))
attempt("frame", frame)
attempt("DNS", look_up)
attempt("name", lambda: socket.gethostbyname("world.example"))
attempt("abstract socket", lambda: unix("\0rawns-confine"))
attempt("socket in /run", lambda: unix("/run/rawns-confine"))
attempt("socket in the file system", lambda: unix(path))
for one in ("/proc/1/ns/net", "/run/netns/box", "/run/netns/world", "/proc/self/ns/net"):
    attempt("setns " + one, lambda: another_namespace(one))
attempt("new namespace", new_namespace)
attempt("new address", configure)
told["user"] = os.getuid()
told["capabilities"] = [line.split()[1].strip("0") for line in open("/proc/self/status") if line.startswith("CapEff")]
told["processes"] = [one for one in os.listdir("/proc") if one.isdigit() and int(one) > 50]
print("PROBE" + json.dumps(told))
"""

# Runs as root of a machine (of a network and mount namespace), makes the world around it, and runs a recipe there.
MACHINE = r"""
import json, os, socket, subprocess, sys, threading
from rawns import NetNS

directory, recipe = sys.argv[1:3]
seen, ended = [], threading.Event()

def serve(listener, text):
    while True:
        with listener.accept()[0] as s:
            seen.append(["TCP", s.getpeername()[0] if listener.family != socket.AF_UNIX else "unix"])
            if text:
                s.recv(1000)
                s.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + text)

def listen(made, address, text=b""):
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind(address)
    made.listen()
    threading.Thread(target=serve, args=(made, text), daemon=True).start()

def capture(made):
    while True:
        data, (_, _, kind, *_) = made.recvfrom(2000)
        if b"the last" in data:
            ended.set()
        elif kind != socket.PACKET_OUTGOING:
            if data[12:14] == b"\x08\x00":
                seen.append(["IPv4", socket.inet_ntoa(data[26:30])])
            elif data[12:14] == b"\x86\xdd" and (data[20] in (6, 17) or data[54] == 128):  # not neighbours and groups
                seen.append(["IPv6", socket.inet_ntop(socket.AF_INET6, data[22:38])])
            if b"out" in data:
                seen.append(["data", "out"])

machine = NetNS.current()
gate = machine
if recipe != "lab":
    world = NetNS.create("world")
    for one in (machine, world):
        one.settings({"net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0})
    machine.net.add_veth("uplink", peer="eth0", peer_ns=world)
    near, far = ("203.0.113.1/24", "fd00:9::1/64"), ("203.0.113.2/24", "fd00:9::2/64")
    for net, link, addresses in ((machine.net, "uplink", near), (world.net, "eth0", far)):
        for address in addresses:
            net.add_address(link, address)
        net.set_link(link, up=True)
else:
    subprocess.run(["rawns", "lab", "up", "confined.toml"], check=True, cwd=directory, stdout=2)
    world, gate = NetNS.open("confined.world"), NetNS.open("confined.gate")
world.net.add_route("10.200.0.0/30", via="203.0.113.1")
gate.settings({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
listen(world.socket(socket.AF_INET, socket.SOCK_STREAM), ("203.0.113.2", 80), b"hello")
listen(world.socket(socket.AF_INET6, socket.SOCK_STREAM), ("::", 80), b"hello")
packets = world.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
packets.bind(("eth0", 0))
threading.Thread(target=capture, args=(packets,), daemon=True).start()
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    made = gate.socket(family, socket.SOCK_STREAM)
    listen(made, (address, 80), b"machine")
for address in ("\0rawns-confine", "/run/rawns-confine", directory + "/socket"):
    listen(gate.socket(socket.AF_UNIX, socket.SOCK_STREAM), address)
os.chmod(directory + "/socket", 0o777)
os.chmod("/run/rawns-confine", 0o777)
done = subprocess.run(["sh", "-ec", open(directory + "/recipe").read()], cwd=directory, stdout=subprocess.PIPE, text=True)
# What has been sent before this arrives before it does.
with gate.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
    last.sendto(b"the last", ("203.0.113.2", 9))
assert ended.wait(60)
print("SEEN " + json.dumps(seen))
print(done.stdout)
print("NAMES", NetNS.list(), [table.name for table in machine.nft.tables()], [link.name for link in machine.net.links()])
if recipe == "lab":
    subprocess.run(["rawns", "lab", "down", "confined.toml"], check=True, cwd=directory, stdout=2)
sys.stdout.flush()
os._exit(done.returncode)
"""


def recipe(way: str) -> str:
    """Return a shell script that runs the probe in a way that the page describes, with the page's own text."""
    boxed, proxy, commands, use, remove = blocks(PAGE, "sh")
    programs = {"without a link" if "threading" in one else "python": one for one in blocks(PAGE, "python")}
    listens = "import socket; socket.create_connection(('%s', 3128))"
    wait = f'until %s python3 -c "{listens}" 2>/dev/null; do sleep 0.02; done\n'
    probe = 'python3 probe.py %s "$PWD/socket"\n'
    start = use.partition("\n")[0].replace("192.0.2.7:443", "203.0.113.2:80") + "\n"
    if way == "commands":
        return boxed + proxy + commands + start + wait % ("", "10.200.0.1") + "./boxed box " + probe % "10.200.0.1" + remove
    if way == "open":  # as root, with a route and without the firewalls
        without = "rawns ip -n box route add default via 10.200.0.1\nkill_rules\n"
        script = "from rawns import NetNS; [ns.nft.delete_table('box') for ns in (NetNS.current(), NetNS.open('box'))]"
        without = without.replace("kill_rules", f'python3 -c "{script}"')
        begin = boxed + proxy + commands + without + start + wait % ("", "10.200.0.1")
        return begin + "rawns ip netns exec box " + probe % "10.200.0.1" + "kill $proxy\n"
    if way == "lab":
        gate = "rawns ip netns exec confined.gate"
        begin = boxed + proxy + f"{gate} {start}" + wait % (gate, "10.200.0.1")
        return begin + "./boxed confined.box " + probe % "10.200.0.1" + "kill $proxy\n"
    program = f"cat > program.py <<'END'\n{programs[way].replace('192.0.2.7:443', '203.0.113.2:80')}END\n"
    if way == "without a link":
        return program + "python3 program.py " + probe % "127.0.0.1"
    begin = proxy + program + start.replace("10.200.0.1", "0.0.0.0") + wait % ("", "127.0.0.1")
    return begin + "python3 program.py " + probe % "10.200.0.1" + "kill $proxy\n"


PREPARE = 'mount -t tmpfs tmpfs /run; python3 -m rawns ip link set lo up; exec "$@"'
ROOT = ["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", PREPARE, "sh"]
ROOTLESS = ["python3", "-m", "rawns", "rootless"]


# All combinations take half a minute; `tests/campaigns/run` and CAMPAIGN=1 try them.
CASES = [(way, user) for way in ("commands", "python", "lab", "without a link") for user in ("root", "ordinary")]
SAMPLE = [("commands", "root"), ("without a link", "ordinary")]


class Case:
    """One way that runs as root, or as an ordinary user, in a directory of its own that every user can read."""

    def __init__(self, way: str, user: str, ordinary: Ordinary) -> None:
        self.way, self.user, self.directory = way, user, Path(open_directory())
        (self.directory / "python3").symlink_to(ordinary.python)
        (self.directory / "rawns").write_text('#!/bin/sh\nexec python3 -m rawns "$@"\n')
        (self.directory / "rawns").chmod(0o755)
        (self.directory / "probe.py").write_text(PROBE)
        (self.directory / "machine.py").write_text(MACHINE)
        (self.directory / "recipe").write_text(recipe(way))
        (self.directory / "confined.toml").write_text(blocks(PAGE, "toml")[0])
        os.chown(self.directory, NOBODY, NOBODY)
        options: dict[str, Any] = {} if user == "root" else {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._process = subprocess.Popen(
            [*(ROOT if user == "root" else ROOTLESS), "python3", "machine.py", str(self.directory), way],
            cwd=self.directory,
            env={"PATH": f"{self.directory}:{os.defpath}", "PYTHONPATH": str(ordinary.project)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )

    def result(self) -> tuple[dict[str, Any], list[list[str]], str]:
        """Return what the probe has told, what the world has seen, and what is left of the way when it has ended."""
        printed, _ = self._process.communicate(timeout=120)
        lines = printed.splitlines()
        told, seen = ([json.loads(line[5:]) for line in lines if line.startswith(word)] for word in ("PROBE", "SEEN "))
        assert self._process.returncode == 0 and len(told) == len(seen) == 1, f"{self.way} as {self.user}: {printed}"
        return told[0], seen[0], next(line for line in lines if line.startswith("NAMES"))

    def close(self) -> None:
        """End what is still there, if it has failed or hangs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        shutil.rmtree(self.directory)


CONFINED = {  # what is not an error; the socket in the file system is what the page says that it does not confine
    "allowed": "hello",
    "not allowed": "HTTP/1.1 403 Forbidden",
    "socket in the file system": "done",
    "new namespace": "nothing",
    "user": NOBODY,
    "capabilities": [""],
    "processes": [],
}


def test_nothing_but_the_proxy(ordinary: Ordinary) -> None:
    """The last case is not confined: the probe gets out, and the world sees it."""
    wanted = CASES if "CAMPAIGN" in os.environ else SAMPLE
    with ExitStack() as stack:
        *cases, control = (Case(way, user, ordinary) for way, user in [*wanted, ("open", "root")])
        for case in (*cases, control):
            stack.callback(case.close)
        for case in cases:
            told, seen, left = case.result()
            expected = {**CONFINED, **({"curl": "hello"} if shutil.which("curl", path=os.defpath) else {})}
            assert {name: answer for name, answer in told.items() if "rror" not in str(answer)} == expected, case.way
            assert {tuple(one) for one in seen} == {("TCP", "203.0.113.1"), ("IPv4", "203.0.113.1"), ("TCP", "unix")}, case.way
            assert case.way == "lab" or left == "NAMES ['world'] [] ['lo', 'uplink']"
        told, seen, _ = control.result()
        reached = ["TCP to world", "UDP to world", "raw ICMP to world", "TCP to machine", "frame", "new address"]
        reached.append("setns /run/netns/world")
        assert {name: told[name] for name in reached} == dict.fromkeys(reached, "done")
        assert ["data", "out"] in seen and ["IPv4", "10.200.0.2"] in seen


def test_an_ordinary_user_needs_no_rootless_shell(ordinary: Ordinary) -> None:
    """The program without a link gets its box by itself, and keeps the machine's network for the proxy."""
    (program,) = (one for one in blocks(PAGE, "python") if "threading" in one)
    probe = "import os; print(os.getuid(), os.listdir('/sys/class/net'), open('/proc/net/dev').read().count(':'))"
    done = ordinary.run([ordinary.python, "-c", program, ordinary.python, "-c", probe])
    assert done.returncode == 0 and done.stdout.startswith(f"{NOBODY} ") and done.stdout.endswith(" 1\nstatus 0\n"), done.stdout
