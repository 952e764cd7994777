"""The cases of the bench, and the implementations that take part in each: those of rawns (`rawns_api`) and the peers'."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM

from .. import Lab, NetNS, __version__
from . import many, rawns_api
from .harness import BASELINE, RAWNS, Case, Implementation, Ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable

    from .harness import Run, Steps, Trial
    from .peers import Peers

VERSION = f"rawns {__version__}"
IMPORT_PATH = str(Path(__file__).resolve().parent.parent.parent)  # of the package: a checkout, an installation, a zip file
SET_PATH = f"import sys; sys.path.insert(0, {IMPORT_PATH!r}); "
ENTRY = "from rawns.cli.main import entry; entry()"  # what the console script does
SLOTS = (100, 1000, 4000)
STAR_SHARES = {10: 1.0, 100: 0.25, 1000: 0.05}


def cases(peers: Peers) -> list[Case]:
    """Return all cases, from the smallest to the largest."""

    def case(name: str, title: str, *mine: tuple[str, Run, tuple[str, ...]] | Run, **options: Any) -> Case:
        ours = [("rawns", one, ()) if callable(one) else one for one in mine]
        implementations = [Implementation(label, run, RAWNS, VERSION, differences) for label, run, differences in ours]
        return Case(name, title, [*peers.implementations(name), *implementations], **options)

    one_ns: Any = {"prepare": _namespace}
    article = (
        ("rawns, Lab", rawns_api.article_lab, ()),
        ("rawns, requests", rawns_api.article_requests, ("stamp",)),
        ("rawns, verbs", rawns_api.article_verbs, ("stamp", "queues")),
    )
    fixture = (("rawns, Lab", rawns_api.plain_lab, ()), ("rawns, fixture", rawns_api.fixture_lab, ()))
    pool = (("rawns, create", rawns_api.create_several, ()), ("rawns, Pool", rawns_api.pool_take, ()))
    found = [
        case("anonymous", "a namespace without a name, and a netlink socket in it", rawns_api.anonymous, quick=True),
        case("named", "a namespace with a name: unshare, bind mount", rawns_api.named, quick=True),
        case("verbs", "two namespaces and a veth pair, verb by verb", rawns_api.verbs),
        case("moved", "two namespaces and a veth pair, both ends moved", rawns_api.moved, share=0.5),
        case("article", "two named namespaces, a veth pair, addresses, all up", *article, quick=True),
        case("fixture", "two hosts and a wire for a test, up and down", *fixture, baseline="rawns, Lab", quick=True),
        case("enter", "setns into a namespace and back", rawns_api.enter, repeat=100, quick=True, **one_ns),
        case("exec", "`true` in a namespace, without the mounts", rawns_api.execute(False), **one_ns),
        case("mounts", "`true` in a namespace, with the mounts of `ip netns exec`", rawns_api.execute(True), **one_ns),
        case("packet", "the first packets' round trip over a new veth pair", rawns_api.packet),
        case("connect", "a TCP connection over a veth pair", rawns_api.connect, prepare=_pair(None), share=0.5),
        case("chat-1", "a line's round trip, on one processor", rawns_api.chat, repeat=100, prepare=_pair("one"), quick=True),
        case("chat-2", "a line's round trip, on two processors", rawns_api.chat, repeat=100, prepare=_pair("two")),
        case("pool", "a namespace taken from a Pool", *pool, repeat=8, baseline="rawns, create", share=0.5, quick=True),
    ]
    relay = (("plain wire", rawns_api.echo("plain"), ()), ("impaired wire", rawns_api.echo("impaired"), ()))
    title = "a datagram's round trip over a wire that netem or the relay impairs, without a delay"
    found.append(case("relay", title, *relay, repeat=100, prepare=_impaired, baseline="plain wire", share=0.5))
    for k in (1, 2, 4):
        found.append(case(f"threads-{k}", f"64 namespaces, {k} thread{'s' * (k > 1)}", rawns_api.threads(k), n=64, share=0.2))
    for k in (10, 100, 1000):
        title = f"a namespace beside {k} others"
        found.append(case(f"beside-{k}", title, rawns_api.one_more, n=k, prepare=_others, share=0.5))
    for n, share in STAR_SHARES.items():
        found.append(case(f"star-{n}", f"{n} hosts on a bridge", rawns_api.star, n=n, share=share, quick=n == 10))
    for n in SLOTS:
        title = f"{n} namespaces, each with a tap and joined to one of {many.BRIDGES} bridges"
        found.append(case(f"slots-{n}", title, many.slots, n=n, share=0.05, prepare=many.descriptors, large=n > SLOTS[0]))
    together: Any = {"n": many.TOGETHER, "prepare": many.beside_others, "large": True}
    for name, run in (("threads", many.from_threads), ("processes", many.from_processes)):
        title = f"{many.TOGETHER} {name} at the same time: create, wire and address, beside {many.OTHERS} namespaces"
        found.append(case(f"together-{name}", title, (f"rawns, {name}", run, ()), **together))
    for k in (1, 2, 4, 1000):
        title = f"1,000 namespaces, {k} thread{'s' * (k > 1)}"
        found.append(case(f"creations-{k}", title, rawns_api.threads(k), n=1000, share=0.2, prepare=many.descriptors, large=True))
    return [*found, *_processes(peers)]


# -- what a case prepares ----------------------------------------------------------------------------------------------


@contextmanager
def _namespace(trial: Trial) -> Iterator[None]:
    """Prepare a named namespace, and the path of `true`."""
    name = f"bench-{trial.pid}-0"
    with NetNS.create(name) as ns:
        trial.prepared.update(one=ns, name=name, path=f"/run/netns/{name}", true=shutil.which("true") or "/bin/true")
        yield


def _pair(processors: str | None) -> Callable[[Trial], Any]:
    """Prepare two namespaces joined by a veth pair, and the processors on which their threads run (-1: any)."""

    @contextmanager
    def prepare(trial: Trial) -> Iterator[None]:
        with Lab("chat") as lab:
            one, two = lab.netns(), lab.netns()
            lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
            lab.up()
            allowed = sorted(os.sched_getaffinity(0))
            chosen = (-1, -1) if processors is None else (allowed[0], allowed[0] if processors == "one" else allowed[-1])
            trial.prepared.update(one=one, two=two, processors=chosen)
            yield

    return prepare


@contextmanager
def _impaired(trial: Trial) -> Iterator[None]:
    """Prepare two wires with connected sockets at their ends; one of the wires is impaired at both ends, by a limit alone."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab("relay"))
        for number, wire in enumerate(("plain", "impaired")):
            hosts = [lab.netns(label=f"{wire}-{end}") for end in (1, 2)]
            addresses = [f"10.0.{number}.{end}" for end in (1, 2)]
            near, far = (host.port("eth0", f"{address}/24") for host, address in zip(hosts, addresses))
            lab.wire(near, far)
            lab.up(10.0)
            if wire == "impaired":
                lab.impair(f"{wire}-1:eth0", both=True, limit=1000)
            sockets = [stack.enter_context(host.socket(AF_INET, SOCK_DGRAM)) for host in hosts]
            for one, own, other in zip(sockets, addresses, reversed(addresses)):
                one.settimeout(10.0)
                one.bind((own, 7000))
                one.connect((other, 7000))
            trial.prepared[wire] = sockets
        yield


@contextmanager
def _others(trial: Trial) -> Iterator[None]:
    """Prepare ``n`` namespaces that are not used."""
    others: list[NetNS] = []
    try:
        for _ in range(trial.n):
            others.append(NetNS.create())
        yield
    finally:
        for ns in others:
            ns.close()


# -- whole processes --------------------------------------------------------------------------------------------------


def _process(*argv: str) -> Run:
    def run(trial: Trial) -> Steps:
        _call(list(argv))
        yield "the process"

    return run


def _call(argv: list[str]) -> None:
    """Run a command that must succeed; raises `OSError` with the end of its standard error."""
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-300:]
        raise OSError(f"`{' '.join(argv)}` exited with {done.returncode}: {said}")


def _python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def _lab_up(trial: Trial) -> Steps:
    """Run ``rawns lab up FILE`` and ``rawns lab down FILE`` as the console script does."""
    file = trial.prepared["file"]
    up = _python(f"{SET_PATH}sys.argv = ['rawns', 'lab', 'up', {file!r}]; {ENTRY}")
    down = _python(f"{SET_PATH}sys.argv = ['rawns', 'lab', 'down', {file!r}]; {ENTRY}")
    try:
        _call(up)
        yield "up"
        yield Ready(trial.names)
    finally:
        _call(down)
    yield "down"


@contextmanager
def _lab_file(trial: Trial) -> Iterator[None]:
    """Prepare the description of the article's lab in a file."""
    import json
    import tempfile

    lab = {
        "name": f"bench-{trial.pid}",
        "hosts": {"ns1": {"netns": trial.names[0]}, "ns2": {"netns": trial.names[1]}},
        "wires": [{"ends": ["ns1:v1 10.0.0.1/24", "ns2:v2 10.0.0.2/24"]}],
    }
    with tempfile.TemporaryDirectory(prefix="rawns-bench-") as folder:
        file = f"{folder}/article.json"
        Path(file).write_text(json.dumps(lab))
        trial.prepared.update(file=file)
        yield


def _processes(peers: Peers) -> list[Case]:
    python = sys.version.split()[0]
    base = "python, import os ctypes struct"
    startup = [
        Implementation(base, _process(*_python("import os, ctypes, struct")), BASELINE, python),
        Implementation("python, nothing", _process(*_python("pass")), BASELINE, python),
        Implementation("import rawns", _process(*_python(SET_PATH + "import rawns")), RAWNS, VERSION),
        Implementation("rawns.NetNS", _process(*_python(SET_PATH + "import rawns; rawns.NetNS")), RAWNS, VERSION),
        Implementation(
            "rawns ip link", _process(*_python(f"{SET_PATH}sys.argv = ['rawns', 'ip', 'link']; {ENTRY}")), RAWNS, VERSION
        ),
        *peers.implementations("startup"),
    ]
    lab = [*peers.implementations("process"), Implementation("rawns lab up", _lab_up, RAWNS, VERSION)]
    return [
        Case("startup", "a whole process", startup, baseline=base),
        Case("process", "the article as a whole process, from a file", lab, share=0.5, prepare=_lab_file),
    ]
