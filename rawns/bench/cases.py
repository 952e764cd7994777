"""What is contended in, with who contends.

Floor 7.  `cases` puts together rawns' own contenders (`ours`) and those of bench/peers.py, where that is.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from .. import Lab, NetNS, __version__
from . import ours
from .harness import Absent, Case, Contender, Standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable

    from .harness import Scene
    from .ours import Steps

PLACE = Path(__file__).resolve().parent.parent.parent  # of the package: a checkout, an installation, a zip file
PEERS = PLACE / "bench" / "peers.py"
NOBODY = "bench/ is not here: it comes with a checkout of rawns, not with an installation"
OURS = f"rawns {__version__}"
HERE = f"import sys; sys.path.insert(0, {str(PLACE)!r}); "
ENTRY = "from rawns.cli.main import entry; entry()"  # what the console script does
STARS = (10, 100, 1000)


class NoPeers:
    """Where there is no checkout."""

    def __init__(self, why: str = NOBODY) -> None:
        names = ("C", "ip", "unshare", "nsenter", "busybox", "pyroute2", "mininet")
        self.absent = [Absent(name, why) for name in names]

    def contenders(self, case: str) -> list[Contender]:
        return []


def peers() -> Any:
    if not PEERS.is_file():
        return NoPeers()
    spec = importlib.util.spec_from_file_location("rawns_bench_peers", PEERS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Peers()


def cases(others: Any) -> list[Case]:
    """All of them, from the smallest to the largest."""

    def case(name: str, title: str, play: Any, **options: Any) -> Case:
        mine = [Contender(label, how, OURS, lacks) for label, how, lacks in play]
        return Case(name, title, [*others.contenders(name), *mine], **options)

    def one(play: Any, lacks: tuple[str, ...] = ()) -> list[tuple[str, Any, tuple[str, ...]]]:
        return [("rawns", play, lacks)]

    article = [
        ("rawns, Lab", ours.article_lab, ()),
        ("rawns, requests", ours.article_requests, ("stamp",)),
        ("rawns, verbs", ours.article_verbs, ("stamp", "queues")),
    ]
    pool = [("rawns, create", ours.created, ()), ("rawns, Pool", ours.taken, ())]
    chat: Any = {"times": 100}  # a round trip is a matter of microseconds
    found = [
        case("anonymous", "a namespace without a name, and a netlink socket in it", one(ours.anonymous), quick=True),
        case("named", "a namespace with a name: unshare, bind mount", one(ours.named), quick=True),
        case("verbs", "two namespaces on a cable, verb by verb", one(ours.verbs)),
        case("moved", "the same, the pair made at home and both ends moved", one(ours.moved), share=0.5),
        case("article", "two named namespaces, a cable, addresses, up", article, quick=True),
        case("enter", "setns there and back", one(ours.enter), times=100, context=_namespace, quick=True),
        case("exec", "`true` inside, without the mounts", one(ours.execute(False)), context=_namespace),
        case("mounts", "`true` inside, with the mounts of `ip netns exec`", one(ours.execute(True)), context=_namespace),
        case("packet", "the first packets' round trip on a new cable", one(ours.packet)),
        case("connect", "TCP connect across a cable", one(ours.connect), context=_wired(None), share=0.5),
        case("chat-1", "a line's round trip, on one processor", one(ours.chat), **chat, context=_wired("one"), quick=True),
        case("chat-2", "a line's round trip, on two processors", one(ours.chat), **chat, context=_wired("two")),
        case("pool", "taking a ready namespace from a Pool", pool, times=8, floor="rawns, create", share=0.5, quick=True),
    ]
    for k in (1, 2, 4):
        found.append(case(f"threads-{k}", f"64 namespaces, {k} threads", one(ours.many(k)), n=64, share=0.2))
    for k in (10, 100, 1000):
        found.append(case(f"beside-{k}", f"a namespace beside {k} others", one(ours.one_more), n=k, context=_crowd, share=0.5))
    share = {10: 1.0, 100: 0.25, 1000: 0.05}
    found += [case(f"star-{n}", f"{n} hosts on a bridge", one(ours.star), n=n, share=share[n], quick=n == 10) for n in STARS]
    return [*found, *_processes(others)]


# -- what a case makes ready -------------------------------------------------------------------------------------------


@contextmanager
def _namespace(scene: Scene) -> Iterator[None]:
    """One to enter, with a name; and where `true` is."""
    name = f"bench-{scene.pid}-0"
    with NetNS.create(name) as ns:
        scene.given.update(one=ns, name=name, path=f"/run/netns/{name}", true=shutil.which("true") or "/bin/true")
        yield


def _wired(processors: str | None) -> Callable[[Scene], Any]:
    @contextmanager
    def context(scene: Scene) -> Iterator[None]:
        with Lab("chat") as lab:
            one, two = lab.netns(), lab.netns()
            lab.wire(one.port("v1", "10.0.0.1/24"), two.port("v2", "10.0.0.2/24"))
            lab.up()
            mine = sorted(os.sched_getaffinity(0))
            pair = (-1, -1) if processors is None else (mine[0], mine[0] if processors == "one" else mine[-1])
            scene.given.update(one=one, two=two, processors=pair)
            yield

    return context


@contextmanager
def _crowd(scene: Scene) -> Iterator[None]:
    """``n`` namespaces that are simply there."""
    crowd: list[NetNS] = []
    try:
        for _ in range(scene.n):
            crowd.append(NetNS.create())
        yield
    finally:
        for ns in crowd:
            ns.close()


# -- whole processes --------------------------------------------------------------------------------------------------


def _process(*argv: str) -> Any:
    def play(scene: Scene) -> Steps:
        _ran(list(argv))
        yield "the process"

    return play


def _ran(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
    if done.returncode:
        raise OSError(
            f"`{' '.join(argv)}` exited with {done.returncode}: {' '.join(done.stderr.decode(errors='replace').split())[-300:]}"
        )


def _python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def _lab_up(scene: Scene) -> Steps:
    """`rawns lab up FILE`, as the console script has it."""
    file = scene.given["file"]
    up = _python(f"{HERE}sys.argv = ['rawns', 'lab', 'up', {file!r}]; {ENTRY}")
    down = _python(f"{HERE}sys.argv = ['rawns', 'lab', 'down', {file!r}]; {ENTRY}")
    try:
        _ran(up)
        yield "up"
        yield Standing(scene.names)
    finally:
        _ran(down)
    yield "down"


@contextmanager
def _lab_file(scene: Scene) -> Iterator[None]:
    import json
    import tempfile

    lab = {
        "name": f"bench-{scene.pid}",
        "hosts": {"ns1": {"netns": scene.names[0]}, "ns2": {"netns": scene.names[1]}},
        "wires": [{"ends": ["ns1:v1 10.0.0.1/24", "ns2:v2 10.0.0.2/24"]}],
    }
    with tempfile.TemporaryDirectory(prefix="rawns-bench-") as folder:
        file = f"{folder}/article.json"
        Path(file).write_text(json.dumps(lab))
        scene.given.update(file=file)
        yield


def _processes(others: Any) -> list[Case]:
    import_ = [
        Contender("python, import os ctypes struct", _process(*_python("import os, ctypes, struct")), sys.version.split()[0]),
        Contender("python, nothing", _process(*_python("pass")), sys.version.split()[0]),
        Contender("import rawns", _process(*_python(HERE + "import rawns")), OURS),
        Contender("rawns.NetNS", _process(*_python(HERE + "import rawns; rawns.NetNS")), OURS),
        Contender("rawns ip link", _process(*_python(f"{HERE}sys.argv = ['rawns', 'ip', 'link']; {ENTRY}")), OURS),
    ]
    lab = [*others.contenders("process"), Contender("rawns lab up", _lab_up, OURS)]
    return [
        Case("startup", "whole processes beside an interpreter that loads ctypes", import_, floor=import_[0].name),
        Case("process", "the article as a whole process, from a file", lab, share=0.5, context=_lab_file),
    ]
