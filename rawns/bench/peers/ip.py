"""``ip`` of iproute2: the article's nine commands, the best script, and ``-batch``."""

from __future__ import annotations

from ..harness import BASELINE, TOOL, Implementation, Ready
from .source import PeerSource, command_version, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..harness import Steps, Trial

ONE_QUEUE = "numtxqueues 1 numrxqueues 1"  # what a lab gives its veth pairs


def ip_nine(trial: Trial) -> Steps:
    """Run the article's nine commands."""
    a, b = trial.names
    one, two = trial.near, trial.far
    for name in (a, b):
        run("ip", "netns", "add", name)
    yield "two namespaces"
    run("ip", "link", "add", one, "type", "veth", "peer", "name", two)
    yield "pair, created here"
    run("ip", "link", "set", one, "netns", a, "name", "v1")
    run("ip", "link", "set", two, "netns", b, "name", "v2")
    yield "both ends moved"
    run("ip", "-n", a, "addr", "add", "10.0.0.1/24", "dev", "v1")
    run("ip", "-n", b, "addr", "add", "10.0.0.2/24", "dev", "v2")
    yield "addresses"
    run("ip", "-n", a, "link", "set", "v1", "up")
    run("ip", "-n", b, "link", "set", "v2", "up")
    yield "up"
    yield Ready(trial.names)
    yield from ip_delete(trial)


def ip_delete(trial: Trial) -> Steps:
    """Delete both namespaces."""
    for name in trial.names:
        run("ip", "netns", "del", name)
    yield "delete"


def ip_script(trial: Trial) -> Steps:
    """Run the best script without -batch: the pair is created in place, in one shell, with lo up as in the others."""
    a, b = trial.names
    run(
        "sh",
        "-e",
        stdin=f"""ip netns add {a}
ip netns add {b}
ip -n {a} link add v1 up {ONE_QUEUE} type veth peer name v2 netns {b} {ONE_QUEUE}
ip -n {a} addr add 10.0.0.1/24 dev v1
ip -n {a} link set lo up
ip -n {b} addr add 10.0.0.2/24 dev v2
ip -n {b} link set v2 up
ip -n {b} link set lo up
""",
    )
    yield "the script"
    yield Ready(trial.names)
    yield from ip_delete(trial)


def ip_batch(trial: Trial) -> Steps:
    """Run three processes: a batch for the names, and one for each namespace."""
    a, b = trial.names
    run("ip", "-batch", "-", stdin=f"netns add {a}\nnetns add {b}\n")
    yield "two namespaces"
    pair = f"link add v1 up {ONE_QUEUE} type veth peer name v2 netns {b} {ONE_QUEUE}"
    run("ip", "-n", a, "-batch", "-", stdin=f"{pair}\naddr add 10.0.0.1/24 dev v1\nlink set lo up\n")
    yield "near batch"
    run("ip", "-n", b, "-batch", "-", stdin="addr add 10.0.0.2/24 dev v2\nlink set v2 up\nlink set lo up\n")
    yield "far batch"
    yield Ready(trial.names)
    run("ip", "-batch", "-", stdin=f"netns del {a}\nnetns del {b}\n")
    yield "delete"


def ip_star(trial: Trial) -> Steps:
    """Run the names in one batch, the bridge and its ports in another, then a batch for each host."""
    base, hosts = f"bench-{trial.pid}", [f"bench-{trial.pid}-h{number}" for number in range(trial.n)]
    bridge = f"{base}-br"
    try:
        run("ip", "-batch", "-", stdin="".join(f"netns add {name}\n" for name in [bridge, *hosts]))
        yield "namespaces"
        lines = ["link set lo up", "link add br0 type bridge"]
        lines += [
            f"link add p{n + 1} up master br0 {ONE_QUEUE} type veth peer name eth0 netns {host} {ONE_QUEUE}"
            for n, host in enumerate(hosts)
        ]
        run("ip", "-n", bridge, "-batch", "-", stdin="\n".join([*lines, "link set br0 up", ""]))
        yield "bridge and ports"
        for number, host in enumerate(hosts):
            address = f"10.9.{number // 250}.{number % 250 + 1}/16"
            run("ip", "-n", host, "-batch", "-", stdin=f"link set lo up\nlink set eth0 up\naddr add {address} dev eth0\n")
        yield "hosts"
        yield Ready([bridge, *hosts])
    finally:
        run("ip", "-force", "-batch", "-", stdin="".join(f"netns del {name}\n" for name in [bridge, *hosts]))
    yield "down"


def ip_named(trial: Trial) -> Steps:
    """Create a namespace with a name, and delete it."""
    run("ip", "netns", "add", trial.names[0])
    yield "create"
    yield Ready([trial.names[0]])
    run("ip", "netns", "del", trial.names[0])
    yield "delete"


def ip_exec(trial: Trial) -> Steps:
    """Run ``true`` with ``ip netns exec``."""
    run("ip", "netns", "exec", trial.prepared["name"], trial.prepared["true"])
    yield "fork, exec, exit"


def ip_link(trial: Trial) -> Steps:
    """List the links as a whole process: ``ip link``."""
    run("ip", "link")
    yield "the process"


def implementations(case: str, version: str) -> list[Implementation]:
    """Return the implementations for a case."""
    batch = Implementation("ip -batch", ip_batch, TOOL, version, ["stamp"])
    nine = Implementation("ip, nine commands", ip_nine, TOOL, version, ["stamp", "lo", "queues"], "the article leaves lo down")
    found = {
        "named": [Implementation("ip netns", ip_named, TOOL, version)],
        "mounts": [Implementation("ip netns exec", ip_exec, TOOL, version)],
        "article": [nine, Implementation("ip, best script", ip_script, TOOL, version, ["stamp"]), batch],
        "process": [nine, batch],
        "startup": [Implementation("ip link", ip_link, BASELINE, version)],  # beside `rawns ip link`, not beside an import
        "star": [Implementation("ip -batch", ip_star, TOOL, version, ["stamp"], max_n=100)],
    }
    return found.get(case.partition("-")[0], [])


SOURCE = PeerSource("ip", lambda: command_version("ip", "-V", remedy="apt-get install iproute2"), implementations)
