"""Process 1 of the machines that run.py boots, and the checks it runs in there, each a process of its own.

What they find goes to the second serial line: a JSON object a line, first the kernel, at last "end".
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import socket
import subprocess
import sys
from errno import EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP
from pathlib import Path
from time import monotonic

sys.path.insert(0, "/rawns")
USER, PATIENCE = 65534, 240  # seconds for one check; a machine made of software is slow
FINIT_MODULE = 313  # on x86-64; the C library has no name for it
CABLE = (("10.0.0.1/24", "fd00::1/64"), ("10.0.0.2/24", "fd00::2/64"))


class Failed(Exception):
    pass


def expect(what: bool, why: object) -> None:
    if not what:
        raise Failed(str(why))


def rawns(*words: str, user: int = 0, status: int = 0) -> str:
    """What ``rawns WORDS`` says, on both of its outputs together."""
    command = [sys.executable, "-m", "rawns", *words]
    done = subprocess.run(command, stdout=-1, stderr=-2, text=True, user=user, group=user, extra_groups=[])
    expect(done.returncode == status and "Traceback" not in done.stdout, f"status {done.returncode}: {done.stdout[-900:]}")
    return done.stdout


# -- the checks ------------------------------------------------------------------------------------------------------


def explained() -> str:
    told = rawns("demo", "--explain")
    expect("malformed" not in told, [line for line in told.splitlines() if "malformed" in line])
    return f"{len(told.splitlines())} lines"


def forbidden() -> str:
    """Each setting that forbids user namespaces is named in the refusal, on one line, with status 1."""
    named = []
    for setting in ("kernel/unprivileged_userns_clone", "user/max_user_namespaces", "user/max_net_namespaces"):
        path = Path("/proc/sys", setting)
        if path.exists():
            before = path.read_text()
            path.write_text("0")
            told = rawns("demo", user=USER, status=1)
            path.write_text(before)
            expect(setting.replace("/", ".") in told and told.count("\n") == 1, told)
            named.append(f"{setting} (was {before.strip()})")
    return ", ".join(named)


def lab() -> str:
    """Twenty times up and down, with ping over both families; whatever else is born into a new namespace."""
    from rawns import Lab, ping

    taken, times = 0, []
    for _ in range(20):
        with Lab() as plan:
            one, two = hosts = [plan.netns(), plan.netns("two")]
            plan.wire(*[host.port("eth0", *addresses) for host, addresses in zip(hosts, CABLE)])
            start = monotonic()
            plan.up()
            times.append(1000 * (monotonic() - start))
            for source, target in ((one, "10.0.0.2"), (two, "10.0.0.1"), (one, "fd00::2"), (two, "fd00::1")):
                expect(ping(source, target, timeout=5).received == 1, f"{target} does not answer")
            links = {link.name: link.index for link in one.net.links()}
            taken = len(links) - 2  # beside lo and our port
            expect(links["eth0"] == taken + 2, links)
    strangers = [name for name in links if name not in ("lo", "eth0")]
    times.sort()
    return f"index {taken + 2} beside {strangers or 'lo'}; up in {times[0]:.1f} ms at best, {times[10]:.1f} as a rule"


def ip() -> str:
    told = json.loads(rawns("ip", "-j", "addr"))
    expect([link["ifname"] for link in told][0] == "lo" and "1: lo: <" in rawns("ip", "link"), told)
    rawns("ip", "netns", "add", "n1")
    expect(rawns("ip", "netns", "list").split() == ["n1"], "netns list")
    rawns("ip", "-n", "n1", "link", "set", "lo", "up")
    rawns("ip", "netns", "exec", "n1", sys.executable, "-c", "import os; os.listdir('/sys/class/net') == ['lo'] or 1 / 0")
    inside = json.loads(rawns("ip", "-n", "n1", "-j", "addr"))
    expect([one["local"] for one in inside[0]["addr_info"]] == ["127.0.0.1", "::1"], inside)
    rawns("ip", "netns", "del", "n1")
    return f"{len(told)} links"


def numbers(body: dict[object, object], path: str = "") -> set[str]:
    """The attributes in a decoded message that have a number and no name."""
    found = {f"{path}{key}" for key in body if isinstance(key, int)}
    for key, value in body.items():
        found |= numbers(value, f"{path}{key}.") if isinstance(value, dict) else set()
    return found


def dumps() -> str:
    """The kernel does the filtering, and everything it lists is decoded; what has no name is told."""
    from rawns import NetNS, ping

    with NetNS.create() as ns, NetNS.create() as other:
        ns.net.add_bridge("br0", {"IFLA_BR_STP_STATE": 0}, up=True)
        ns.net.add_veth("v1", "v2", other, up=True, master="br0", address="02:00:00:00:00:01")
        for net, link, address in ((ns.net, "br0", "10.0.0.1/24"), (other.net, "v2", "10.0.0.2/24")):
            net.add_address(link, address)
            net.set_link(link, up=True)
        ns.net.add_route("10.9.0.0/16", via="10.0.0.2")
        expect(ping(ns, "10.0.0.2", timeout=20).received == 1, "no answer through a bridge")
        listed = [ns.net.links(), ns.net.addresses(), ns.net.routes(table=0), ns.net.neighbours()]
        expect([link.name for link in ns.net.links("veth")] == ["v1"], "links of one kind")
        expect([str(one) for one in ns.net.addresses("br0", socket.AF_INET)] == ["10.0.0.1/24"], "addresses of one link")
        expect({str(one) for one in ns.net.routes(socket.AF_INET)} == {"10.0.0.0/24", "10.9.0.0/16"}, "routes of one table")
        expect([one.address for one in ns.net.neighbours("br0", socket.AF_INET)] == ["10.0.0.2"], "neighbours of one link")
    unnamed = {f"{type(one).__name__} {number}" for kind in listed for one in kind for number in numbers(one.body)}
    return f"without a name: {', '.join(sorted(unnamed)) or 'none'}"


def refusals() -> str:
    """The errno of each; the kernel's own sentence, where it has one, is told.  Hundreds at once fit the socket's buffer."""
    from rawns import KernelError, NetNS, rtnl
    from rawns.nlmsg import Request
    from rawns.objects import link

    said = []
    with NetNS.create() as ns:
        net = ns.net
        net.add_veth("v1", "v2")
        net.add_address("v1", "10.0.0.1/24")
        long = Request(rtnl.NEWADDR, {"ifa_family": 2, "ifa_prefixlen": 99, "ifa_index": 2, "IFA_LOCAL": "10.0.0.3"})
        for errno, verb in (
            (EEXIST, lambda: net.add_address("v1", "10.0.0.1/24")),
            (ENODEV, lambda: net.link("nope")),
            (ENODEV, lambda: net.link("a-name-that-is-too-long-for-one")),
            (EEXIST, lambda: net.add_veth("v1", "v9")),
            (EINVAL, lambda: net.set_link("v1", mtu=1)),
            (EOPNOTSUPP, lambda: net.add_link("x", "no-such-kind")),
            (EINVAL, lambda: net.do(long)),
            (ENODEV, lambda: net.do(*[link.delete("nope") for _ in range(1000)])),
        ):
            try:
                verb()
                raise Failed(f"{len(said)} is not refused")
            except KernelError as error:
                expect(error.errno == errno, f"{error} and not errno {errno}")
                said.append(error.message and f'"{error.message}" {error.field}'.strip() or error.code)
    return "; ".join(said)


def inside() -> str:
    """By name, by process, by descriptor; threads, sockets and commands in there; a /sys of its own; stale names."""
    from rawns import InvalidValue, NetNS

    show = [sys.executable, "-c", "import os; print(*os.listdir('/sys/class/net'))"]
    with NetNS.create("n1") as ns:
        ns.net.add_bridge("only-here")
        told = ns.run(show, mounts=True, capture_output=True, text=True)
        expect("only-here" in told.stdout, told)
        expect("only-here" not in subprocess.run(show, capture_output=True, text=True).stdout, "/sys of the machine")
        sleeper = ns.popen([sys.executable, "-c", "input()"], stdin=-1)
        expect(ns.pids() == [sleeper.pid] and NetNS.open(pid=sleeper.pid) == NetNS.open("n1") == ns, "pids")
        sleeper.communicate()
        expect(ns.call(lambda: NetNS.current() == ns) and NetNS.list() == ns.names() == ["n1"], "names")
        ns.attach("n2")
        Path("/run/netns/stale").touch()
        expect((NetNS.list(), NetNS.list(stale=True)) == (["n1", "n2"], ["stale"]), "stale")
        try:
            NetNS.open("stale")
            raise Failed("a stale name is opened")
        except InvalidValue:
            pass
        for name in ("stale", "n1"):
            NetNS.remove(name)
    return "as it should be"


STORY = {"demo as root": lambda: rawns("demo").splitlines()[-1], "two hosts, twenty times": lab, "ip": ip}
CHECKS = {
    **STORY,
    "demo --explain": explained,
    f"demo as user {USER}": lambda: rawns("demo", user=USER).splitlines()[-1],
    "rootless": lambda: rawns("rootless", sys.executable, "-m", "rawns", "ping", "-c1", "127.0.0.1", user=USER).splitlines()[-1],
    "user namespaces forbidden": forbidden,
    "dumps": dumps,
    "refusals": refusals,
    "inside": inside,
    **{f"{name}, with tunnels": check for name, check in STORY.items()},
}


# -- process 1 -------------------------------------------------------------------------------------------------------


def prepare() -> None:
    """Mounts and descriptors as a machine has them; `run.py` has left the directories to us."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, target in ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"tmpfs", b"/run"), (b"devtmpfs", b"/dev"), (b"tmpfs", b"/tmp")):
        os.makedirs(target, exist_ok=True)
        expect(libc.mount(kind, target, kind, 0, b"") == 0, (target, ctypes.get_errno()))
    os.chmod("/run", 0o755)
    os.environ.update(PATH="/usr/bin:/bin", HOME="/", PYTHONPATH="/rawns", LANG="C.UTF-8")


def load(step: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for path in sorted(glob.glob(f"/modules/{step}/*.ko")):
        with open(path, "rb") as file:
            expect(libc.syscall(FINIT_MODULE, file.fileno(), b"", 0) == 0, f"{path}: {os.strerror(ctypes.get_errno())}")


def traces() -> list[object]:
    """What a check could leave behind."""
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
    return [names, [mount for mount in mounts if mount != "/run/netns"], sorted(os.listdir("/sys/class/net"))]


def check(name: str) -> tuple[str, str]:
    """How it went, and what it says, in one line."""
    before = traces()
    with subprocess.Popen([sys.executable, "/init", name], stdout=-1, stderr=-2, text=True) as process:
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return "FAILED", f"not over within {PATIENCE} s"
    lines = said.strip().splitlines() or ["silence"]
    left = "" if traces() == before else f"left behind: {before} became {traces()}"
    return ("FAILED", " | ".join([*lines[-6:], left])) if process.returncode or left else ("ok", lines[-1])


def main() -> None:
    prepare()
    serial = open("/dev/ttyS1", "w", buffering=1)

    def tell(name: str, how: str, says: str, start: float) -> None:
        print(json.dumps({"check": name, "how": how, "says": says, "seconds": f"{monotonic() - start:.1f}"}), file=serial)

    tell("kernel", "ok", os.uname().release, 0)
    only = [word[11:] for word in Path("/proc/cmdline").read_text().split() if word.startswith("rawns.only=")]
    loaded = ""
    for name in CHECKS:
        step = "tunnels" if name.endswith("tunnels") else "first"
        start = monotonic()
        try:
            if step != loaded:
                load(step)
                loaded = step
            if only and only[0] not in name:
                continue
            tell(name, *check(name), start)
        except Failed as failure:
            tell(name, "FAILED", str(failure), start)
    tell("end", "ok", "", 0)
    os.sync()
    ctypes.CDLL(None).reboot(0x01234567)  # RB_AUTOBOOT, which -no-reboot makes the end


if os.getpid() == 1:
    main()
else:
    try:
        print(CHECKS[sys.argv[1]]())
    except Failed as failure:
        raise SystemExit(f"{failure}") from None
