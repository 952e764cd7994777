"""The other contenders: plain C, `ip`, pyroute2, unshare and nsenter, busybox, Mininet; each found, or absent with the reason.

``contenders(case)`` has those for a case by its name.  What they make is what rawns makes; what they leave out on purpose
(a lab's stamp on links, or lo, which the article leaves down) each of them says in ``lacks``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from itertools import count
from pathlib import Path
from typing import Any

from rawns import NetNS
from rawns.bench.harness import Absent, Contender, Scene, Standing

HERE = Path(__file__).resolve().parent
PORTS = count(30000)
GROUP = 0x1234567
STAR_FLAGS = {"queues": 1, "ipv6": 2, "threads": 4, "group": 8, "first": 16}
ONE = "numtxqueues 1 numrxqueues 1"  # what a lab gives its wires
DEVNULL = subprocess.DEVNULL
Steps = Generator[Any, None, None]


def sibling(name: str) -> Any:
    """A module beside this one, which is in no package."""
    spec = importlib.util.spec_from_file_location(f"rawns_bench_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*argv: str, said: str | None = None, cwd: str | None = None) -> None:
    """Run a command that must succeed; raises `OSError` with what it complained of."""
    done = subprocess.run(argv, input=said, stdout=DEVNULL, stderr=subprocess.PIPE, text=True, cwd=cwd)
    if done.returncode:
        raise OSError(f"`{' '.join(argv)}` exited with {done.returncode}: {' '.join(done.stderr.split())[-300:]}")


def token() -> str:
    """What a lab's stamp says of the process that made it."""
    words = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()
    return f"{os.getpid()}.{words[19]}"


# -- plain C --------------------------------------------------------------------------------------------------------


class InC:
    """The cases in plain C (floor.c)."""

    def __init__(self, floor: Any) -> None:
        self.floor = floor

    def anonymous(self, scene: Scene) -> Steps:
        self.floor.create(0, None)
        yield "create"
        self.floor.socket(0)
        yield "socket"
        yield Standing([self.floor.fd(0)])
        self.floor.delete(0, None)
        yield "close"

    def named(self, scene: Scene) -> Steps:
        self.floor.create(0, scene.names[0])
        yield "create"
        yield Standing([scene.names[0]])
        self.floor.delete(0, scene.names[0])
        yield "delete"

    def verbs(self, scene: Scene) -> Steps:
        floor = self.floor
        for number in (0, 1):
            floor.create(number, None)
        yield "two namespaces"
        for number in (0, 1):
            floor.socket(number)
        yield "netlink sockets"
        floor.pair(0, 1)
        yield "pair, born in place"
        yield from self._rest(2, 2)

    def _rest(self, near: int, far: int) -> Steps:
        floor = self.floor
        floor.address(0, near, "10.0.0.1", 24)
        floor.address(1, far, "10.0.0.2", 24)
        yield "addresses"
        floor.up(0, near)
        floor.up(1, far)
        yield "up"
        floor.up(0, 1)
        floor.up(1, 1)
        yield "lo up"
        floor.route(0, "10.7.0.0", 16, "10.0.0.2")
        yield "route"
        yield Standing([floor.fd(0), floor.fd(1)])
        floor.delete(1, None)
        floor.delete(0, None)
        yield "close"

    def moved(self, scene: Scene) -> Steps:
        floor, near, far = self.floor, scene.near, scene.far
        for number in (0, 1):
            floor.create(number, None)
        yield "two namespaces"
        for number in (0, 1):
            floor.socket(number)
        yield "netlink sockets"
        floor.moved_pair(2, near, far)
        yield "pair, made at home"
        indexes = floor.move(2, near, 0, "v1"), floor.move(2, far, 1, "v2")
        floor.home_close(2)
        yield "both ends moved"
        yield from self._rest(*indexes)

    def article(self, scene: Scene) -> Steps:
        mark = f"rawns lab=article by={token()}"
        self.floor.lab_up(*scene.names, mark, "rawns lab=article ns1:v1=ns2:v2", group("article"))
        yield "up"
        yield Standing(scene.names)
        self.floor.lab_down(*scene.names)
        yield "down"

    def same(self, scene: Scene) -> Steps:
        """The article with all the system calls that rawns makes."""
        self.floor.thorough(1)
        try:
            yield from self.article(scene)
        finally:
            self.floor.thorough(0)

    def straight(self, scene: Scene) -> Steps:
        floor, near, far = self.floor, scene.near, scene.far
        for number, name in enumerate(scene.names):
            floor.create(number, name)
            floor.socket(number)
        yield "two namespaces"
        floor.moved_pair(2, near, far)
        yield "pair, made at home"
        one, two = floor.move(2, near, 0, "v1"), floor.move(2, far, 1, "v2")
        floor.home_close(2)
        yield "both ends moved"
        floor.address(0, one, "10.0.0.1", 24)
        floor.address(1, two, "10.0.0.2", 24)
        yield "addresses"
        for number, index in ((0, one), (1, two)):
            floor.up(number, index)
            floor.up(number, 1)
        yield "up"
        yield Standing(scene.names)
        floor.lab_down(*scene.names)
        yield "delete"

    def enter(self, scene: Scene) -> Steps:
        number = self._borrow(scene.given["one"])
        for _ in range(scene.times):
            self.floor.enter(number)
        yield "there and back"
        self.floor.delete(number, None)
        yield None

    def _borrow(self, ns: NetNS, number: int = 5) -> int:
        """A namespace that the case has made, under a number; it is to be given back by `delete`."""
        self.floor.borrow(number, os.dup(ns.fd))
        return number

    def execute(self, mounts: bool) -> Callable[[Scene], Steps]:
        def play(scene: Scene) -> Steps:
            number = self._borrow(scene.given["one"])
            yield None
            self.floor.exec(number, scene.given["true"], mounts)
            yield "fork, exec, exit"
            self.floor.delete(number, None)
            yield None

        return play

    def packet(self, scene: Scene) -> Steps:
        floor = self.floor
        floor.lab_up(None, None, f"rawns lab=packet by={token()}", "rawns lab=packet", group("packet"))
        yield None
        floor.ping(0, "10.0.0.2")
        yield "the first"
        floor.ping(0, "10.0.0.2")
        yield "the second"
        floor.delete(0, None)
        floor.delete(1, None)
        yield None

    def chat(self, scene: Scene) -> Steps:
        floor, (near, far) = self.floor, scene.given["processors"]
        one, two = self._borrow(scene.given["one"], 5), self._borrow(scene.given["two"], 6)
        before = os.sched_getaffinity(0)
        floor.chat_serve(one, "10.0.0.1", next(PORTS), far)
        try:
            if near >= 0:
                os.sched_setaffinity(0, {near})
            floor.chat_connect(two)
            yield None
            floor.chat_rounds(scene.times, 16)
            yield "round trip"
        finally:
            floor.chat_close()
            os.sched_setaffinity(0, before)
            floor.delete(one, None)
            floor.delete(two, None)
        yield None

    def connect(self, scene: Scene) -> Steps:
        floor = self.floor
        one, two = self._borrow(scene.given["one"], 5), self._borrow(scene.given["two"], 6)
        floor.chat_serve(one, "10.0.0.1", next(PORTS), -1)
        yield None
        floor.chat_connect(two)
        yield "connect"
        floor.chat_close()
        floor.delete(one, None)
        floor.delete(two, None)
        yield None

    def star(self, flags: int) -> Callable[[Scene], Steps]:
        def play(scene: Scene) -> Steps:
            floor = self.floor
            floor.star_up(scene.n, flags, "star", f"rawns lab=star by={token()}", group("star"))
            yield "up"
            yield Standing([floor.fd(number) for number in range(scene.n + 1)])
            floor.star_down(scene.n)
            yield "down"

        return play

    def many(self, threads: int) -> Callable[[Scene], Steps]:
        def play(scene: Scene) -> Steps:
            floor = self.floor
            floor.many(scene.n, threads)
            yield f"{scene.n} created"
            yield Standing([floor.fd(number) for number in range(scene.n)])
            floor.star_down(scene.n - 1)
            yield "closed"

        return play

    def one_more(self, scene: Scene) -> Steps:
        self.floor.create(0, None)
        yield "create"
        yield Standing([self.floor.fd(0)])
        self.floor.delete(0, None)
        yield "close"

    def contenders(self, case: str, version: str) -> list[Contender]:
        head, _, tail = case.partition("-")
        bare = ["stamp", "queues"]
        simple: dict[str, Any] = {
            "anonymous": self.anonymous, "named": self.named, "verbs": self.verbs, "moved": self.moved, "enter": self.enter,
            "packet": self.packet, "chat": self.chat, "connect": self.connect, "beside": self.one_more,
            "exec": self.execute(False), "mounts": self.execute(True),
        }  # fmt: skip
        if head in simple:
            return [Contender("C", simple[head], version)]
        if head == "article":
            found = [Contender("C, best order", self.article, version), Contender("C, same calls", self.same, version)]
            return [*found, Contender("C, straight", self.straight, version, bare, "a pair made at home, both ends moved")]
        if head == "star":
            one = STAR_FLAGS["queues"]
            less = one | STAR_FLAGS["ipv6"] | STAR_FLAGS["group"]
            note = "no IPv6 and no alias on the bridge's ports, all ports raised by one group message"
            lacks = ["stamp"]
            return [
                Contender("C, best order", self.star(one), version),
                Contender("C, kernel's queues", self.star(0), version, ["queues"], "a queue for each processor, at both ends"),
                Contender("C, bridge up first", self.star(one | STAR_FLAGS["first"]), version),
                Contender("C, less state", self.star(less), version, lacks, note),
                Contender("C, less state, two threads", self.star(less | STAR_FLAGS["threads"]), version, lacks, note),
            ]
        return [Contender(f"C, {tail} threads", self.many(int(tail)), version)] if head == "threads" else []


def group(lab: str) -> int:
    """The group a lab's links are in: asked of rawns, whose number it is."""
    from rawns.lab.stamp import group as number

    return number(lab)


# -- ip -------------------------------------------------------------------------------------------------------------


def ip_nine(scene: Scene) -> Steps:
    """The article's nine commands."""
    a, b = scene.names
    one, two = scene.near, scene.far
    for name in (a, b):
        run("ip", "netns", "add", name)
    yield "two namespaces"
    run("ip", "link", "add", one, "type", "veth", "peer", "name", two)
    yield "pair, made at home"
    run("ip", "link", "set", one, "netns", a, "name", "v1")
    run("ip", "link", "set", two, "netns", b, "name", "v2")
    yield "both ends moved"
    run("ip", "-n", a, "addr", "add", "10.0.0.1/24", "dev", "v1")
    run("ip", "-n", b, "addr", "add", "10.0.0.2/24", "dev", "v2")
    yield "addresses"
    run("ip", "-n", a, "link", "set", "v1", "up")
    run("ip", "-n", b, "link", "set", "v2", "up")
    yield "up"
    yield Standing(scene.names)
    yield from ip_delete(scene)


def ip_delete(scene: Scene) -> Steps:
    for name in scene.names:
        run("ip", "netns", "del", name)
    yield "delete"


def ip_script(scene: Scene) -> Steps:
    """The best script without -batch: born in place, one shell, lo up as the others have it."""
    a, b = scene.names
    run(
        "sh",
        "-e",
        said=f"""ip netns add {a}
ip netns add {b}
ip -n {a} link add v1 up {ONE} type veth peer name v2 netns {b} {ONE}
ip -n {a} addr add 10.0.0.1/24 dev v1
ip -n {a} link set lo up
ip -n {b} addr add 10.0.0.2/24 dev v2
ip -n {b} link set v2 up
ip -n {b} link set lo up
""",
    )
    yield "the script"
    yield Standing(scene.names)
    yield from ip_delete(scene)


def ip_batch(scene: Scene) -> Steps:
    """Three processes: a batch for the names, and one for each namespace."""
    a, b = scene.names
    run("ip", "-batch", "-", said=f"netns add {a}\nnetns add {b}\n")
    yield "two namespaces"
    born = f"link add v1 up {ONE} type veth peer name v2 netns {b} {ONE}"
    run("ip", "-n", a, "-batch", "-", said=f"{born}\naddr add 10.0.0.1/24 dev v1\nlink set lo up\n")
    yield "near batch"
    run("ip", "-n", b, "-batch", "-", said="addr add 10.0.0.2/24 dev v2\nlink set v2 up\nlink set lo up\n")
    yield "far batch"
    yield Standing(scene.names)
    run("ip", "-batch", "-", said=f"netns del {a}\nnetns del {b}\n")
    yield "delete"


def ip_star(scene: Scene) -> Steps:
    """The best that `ip` can do: names in one batch, the bridge and its ports in another, then a batch for each host."""
    base, hosts = f"bench-{scene.pid}", [f"bench-{scene.pid}-h{number}" for number in range(scene.n)]
    bridge = f"{base}-br"
    try:
        run("ip", "-batch", "-", said="".join(f"netns add {name}\n" for name in [bridge, *hosts]))
        yield "namespaces"
        lines = ["link set lo up", "link add br0 type bridge"]
        lines += [
            f"link add p{n + 1} up master br0 {ONE} type veth peer name eth0 netns {host} {ONE}" for n, host in enumerate(hosts)
        ]
        run("ip", "-n", bridge, "-batch", "-", said="\n".join([*lines, "link set br0 up", ""]))
        yield "bridge and ports"
        for number, host in enumerate(hosts):
            address = f"10.9.{number // 250}.{number % 250 + 1}/16"
            run("ip", "-n", host, "-batch", "-", said=f"link set lo up\nlink set eth0 up\naddr add {address} dev eth0\n")
        yield "hosts"
        yield Standing([bridge, *hosts])
    finally:
        run("ip", "-force", "-batch", "-", said="".join(f"netns del {name}\n" for name in [bridge, *hosts]))
    yield "down"


def ip_named(scene: Scene) -> Steps:
    run("ip", "netns", "add", scene.names[0])
    yield "create"
    yield Standing([scene.names[0]])
    run("ip", "netns", "del", scene.names[0])
    yield "delete"


def ip_exec(scene: Scene) -> Steps:
    run("ip", "netns", "exec", scene.given["name"], scene.given["true"])
    yield "fork, exec, exit"


def of_ip(case: str, version: str) -> list[Contender]:
    head, bare = case.partition("-")[0], ["stamp"]
    return {
        "named": [Contender("ip netns", ip_named, version)],
        "mounts": [Contender("ip netns exec", ip_exec, version)],
        "article": [
            Contender("ip, nine commands", ip_nine, version, ["stamp", "lo", "queues"], "the article leaves lo down"),
            Contender("ip, best script", ip_script, version, bare),
            Contender("ip -batch", ip_batch, version, bare),
        ],
        "process": [
            Contender("ip, nine commands", ip_nine, version, ["stamp", "lo", "queues"], "the article leaves lo down"),
            Contender("ip -batch", ip_batch, version, bare),
        ],
        "star": [Contender("ip -batch", ip_star, version, bare, most=100)],
    }.get(head, [])


# -- util-linux and busybox ----------------------------------------------------------------------------------------------


def unshared(*command: str) -> Callable[[Scene], Steps]:
    def play(scene: Scene) -> Steps:
        path = f"/run/netns/{scene.names[0]}"
        Path(path).touch(0o000)
        try:
            run(*command, f"--net={path}", "true")
            yield "create"
            yield Standing([scene.names[0]])
        finally:
            run("umount", "-l", path)
            Path(path).unlink()
        yield "delete"

    return play


def of_unshare(case: str, version: str) -> list[Contender]:
    found = {"named": [Contender("unshare --net=FILE", unshared("unshare"), version, note="its name made by `touch`")]}
    return found.get(case.partition("-")[0], [])


def entering(*command: str) -> Callable[[Scene], Steps]:
    def play(scene: Scene) -> Steps:
        run(*command, f"--net={scene.given['path']}", scene.given["true"])
        yield "fork, exec, exit"

    return play


def of_nsenter(case: str, version: str) -> list[Contender]:
    return [Contender("nsenter", entering("nsenter"), version)] if case == "exec" else []


def of_busybox(case: str, version: str) -> list[Contender]:
    if case == "exec":
        return [Contender("busybox nsenter", entering("busybox", "nsenter"), version)]
    return []


# -- pyroute2 ---------------------------------------------------------------------------------------------------------


def pyroute2_documented(scene: Scene) -> Steps:
    """As its documentation has it: a pair made by an IPRoute, both ends moved, a NetNS for each namespace."""
    from pyroute2 import IPRoute, netns  # type: ignore[import-not-found,import-untyped]
    from pyroute2 import NetNS as Theirs

    near, far = scene.near, scene.far
    for name in scene.names:
        netns.create(name)
    yield "two namespaces"
    with IPRoute() as ipr:
        ipr.link("add", ifname=near, kind="veth", peer=far)
        yield "pair, made at home"
        for name, into in ((near, scene.names[0]), (far, scene.names[1])):
            ipr.link("set", index=ipr.link_lookup(ifname=name)[0], net_ns_fd=into)
    yield "both ends moved"
    for space, name, new, address in zip(scene.names, (near, far), ("v1", "v2"), ("10.0.0.1", "10.0.0.2")):
        with Theirs(space) as ns:
            index = ns.link_lookup(ifname=name)[0]
            ns.link("set", index=index, ifname=new)
            ns.addr("add", index=index, address=address, prefixlen=24)
            ns.link("set", index=index, state="up")
            ns.link("set", index=1, state="up")
    yield "addresses, up"
    yield Standing(scene.names)
    for name in scene.names:
        netns.remove(name)
    yield "delete"


def pyroute2_best(scene: Scene) -> Steps:
    """Born in place, indexes known: one socket in each namespace."""
    from pyroute2 import NetNS as Theirs
    from pyroute2 import netns

    for name in scene.names:
        netns.create(name)
    yield "two namespaces"
    with Theirs(scene.names[0]) as one:
        one.link("add", ifname="v1", index=2, kind="veth", state="up", peer={"ifname": "v2", "net_ns_fd": scene.names[1]})
        yield "pair"
        one.addr("add", index=2, address="10.0.0.1", prefixlen=24)
        one.link("set", index=1, state="up")
    yield "near"
    with Theirs(scene.names[1]) as two:
        index = two.link_lookup(ifname="v2")[0]
        two.addr("add", index=index, address="10.0.0.2", prefixlen=24)
        two.link("set", index=index, state="up")
        two.link("set", index=1, state="up")
    yield "far"
    yield Standing(scene.names)
    for name in scene.names:
        netns.remove(name)
    yield "delete"


def pyroute2_named(scene: Scene) -> Steps:
    from pyroute2 import netns

    netns.create(scene.names[0])
    yield "create"
    yield Standing([scene.names[0]])
    netns.remove(scene.names[0])
    yield "delete"


def of_pyroute2(case: str, version: str) -> list[Contender]:
    bare = ["stamp", "queues"]
    return {
        "named": [Contender("pyroute2", pyroute2_named, version)],
        "article": [
            Contender("pyroute2, documented", pyroute2_documented, version, bare),
            Contender("pyroute2, best", pyroute2_best, version, bare),
        ],
    }.get(case.partition("-")[0], [])


# -- Mininet ------------------------------------------------------------------------------------------------------------


def mininet_star(scene: Scene) -> Steps:
    """Hosts on a Linux bridge, which Mininet puts where it is started: in a namespace of its own, that is.

    It takes for ports of its bridge what has the bridge's name in its own.
    """
    from mininet.log import setLogLevel  # type: ignore[import-not-found,import-untyped]
    from mininet.net import Mininet  # type: ignore[import-not-found,import-untyped]
    from mininet.nodelib import LinuxBridge  # type: ignore[import-not-found,import-untyped]

    setLogLevel("critical")
    Mininet.inited = True  # else it changes limits of the whole machine (mininet.util.fixLimits)
    held: list[NetNS] = []
    with NetNS.create() as home, home.entered():
        net = Mininet(controller=None, switch=LinuxBridge, waitConnected=False, ipBase="10.9.0.0/16", build=False)
        try:
            bridge = net.addSwitch("br0")
            for number in range(scene.n):
                host = net.addHost(f"h{number + 1}", ip=f"10.9.{number // 250}.{number % 250 + 1}/16")
                net.addLink(host, bridge, intfName1="eth0", intfName2=f"br0-p{number + 1}")
            yield "hosts and links"
            net.start()
            yield "started"
            held = [NetNS.open(pid=host.pid) for host in net.hosts]
            yield Standing([home.fd, *(ns.fd for ns in held)])
        finally:
            net.stop()
            for ns in held:
                ns.close()
        yield "stopped"


def of_mininet(case: str, version: str) -> list[Contender]:
    lacks = ["stamp", "queues", "lo", "names"]
    note = "each of its hosts is a shell too; the limits it would raise for the machine are left alone"
    return [Contender("Mininet", mininet_star, version, lacks, note, most=100)] if case.startswith("star") else []


# -- who is here --------------------------------------------------------------------------------------------------------


def said(*argv: str) -> str:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else argv[0]


def package(name: str) -> str | None:
    from importlib import metadata

    if importlib.util.find_spec(name) is None:
        return None
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


class Peers:
    """Those that are here, with their versions, and those that are not."""

    def __init__(self) -> None:
        self.absent: list[Absent] = []
        self._here: list[Callable[[str], list[Contender]]] = []
        self._c()
        self._tool("ip", "ip", ["ip", "-V"], of_ip, "apt-get install iproute2")
        self._tool("unshare", "unshare", ["unshare", "--version"], of_unshare, "apt-get install util-linux")
        self._tool("nsenter", "nsenter", ["nsenter", "--version"], of_nsenter, "apt-get install util-linux")
        self._tool("busybox", "busybox", ["busybox"], of_busybox, "apt-get install busybox")
        self._module("pyroute2", of_pyroute2, "python3 -m pip install pyroute2")
        self._module("mininet", of_mininet, "apt-get install mininet bridge-utils", "mnexec", "brctl", "ifconfig")

    def _c(self) -> None:
        module = sibling("floor")
        try:
            floor = module.Floor()
        except module.Missing as why:
            self.absent.append(Absent("C", str(why)))
            return
        self._add(InC(floor).contenders, f"{module.version()}, {floor.how}")

    def _add(self, of: Callable[[str, str], list[Contender]], version: str) -> None:
        self._here.append(lambda case: of(case, version))

    def _tool(self, name: str, command: str, ask: list[str], of: Any, remedy: str) -> None:
        if shutil.which(command) is None:
            self.absent.append(Absent(name, f"`{command}` is not on the path ({remedy})"))
        else:
            self._add(of, said(*ask))

    def _module(self, name: str, of: Any, remedy: str, *commands: str) -> None:
        version = package(name)
        lacking = [command for command in commands if shutil.which(command) is None]
        if version is None:
            self.absent.append(Absent(name, f"this Python ({sys.executable}) has no module {name} ({remedy})"))
        elif lacking:
            self.absent.append(Absent(name, f"`{lacking[0]}` is not on the path ({remedy})"))
        else:
            self._add(of, version)

    def contenders(self, case: str) -> list[Contender]:
        return [one for of in self._here for one in of(case)]
