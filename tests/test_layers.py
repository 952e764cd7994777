"""The layers of the package: a module imports only from layers below its own, and no modules import each other in a circle.

Reads the source, imports inside functions and under TYPE_CHECKING included; needs no privileges and runs nothing.
"""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from conftest import PROJECT

pytestmark = pytest.mark.no_cover  # it runs nothing of the package

PACKAGE = PROJECT / "rawns"

LAYERS = [  # from the lowest; the modules of one entry, and those of a package, may import each other
    ["terminal"],
    ["errors", "socket_names", "uapi"],
    ["privileges", "rollback"],
    ["observer", "wire"],
    ["syscalls"],
    ["json_text", "toml_text"],
    ["netns_names", "nlmsg", "rtnl", "nft.messages", "packets", "pcapng", "sockets", "sysctl", "user_maps"],
    ["kernel_options", "genl", "nlmsg_spans", "sock_diag"],
    ["exchange", "explain", "objects", "framing", "threads"],
    ["netns_processes", "nft", "nsfs"],
    ["ethtool", "netns", "packet_ring", "tap", "tunnel_ioctl"],
    ["nlsocket"],
    ["netlink", "events"],
    ["link_state", "netlink_families"],
    ["nft.client"],
    ["net_links"],
    ["net", "rootless"],
    ["icmp"],
    ["cni"],
    ["lab", "pool", "chat", "tracing"],
    ["inventory"],
    ["diagnose", "doctor", "pairs"],
    ["machines", "testing"],
    ["bench", "learn", "pytest_fixtures"],
    ["pytest_plugin"],
    ["cli"],
]
INSIDE = {  # the layers inside packages; "" is the package's __init__
    "wire": [["types"], [""]],
    "icmp": [["session"], ["socket"], [""]],
    "chat": [["event_loop", "tcp"], ["peer"], ["room"], [""]],
    "tracing": [
        ["architectures", "constants", "memory", "names"],
        ["sockets"],
        ["seccomp"],
        ["ptrace", "record"],
        ["calls"],
        ["faults", "pcap", "select"],
        ["parse", "watch"],
        ["summary", "text"],
        ["diff", "emit", "own", "page"],
        [""],
    ],
    "nft": [
        ["messages", "statements"],
        ["format"],
        ["records"],
        ["build", "conntrack", "evaluate"],
        ["firewall", "nat"],
        ["client"],
        [""],
    ],
    "lab": [
        ["lock", "positions", "problems", "relay", "words"],
        ["values"],
        ["document", "properties", "stamp"],
        ["faults", "machine", "netem_support", "removal"],
        ["interface"],
        ["change", "kinds"],
        ["host"],
        ["presets", "relay_process"],
        ["relay_client"],
        ["build_requests", "etc_files", "kernel_state", "prefetch", "topology"],
        ["activation", "host_config", "segments", "shaping", "tables"],
        ["stamped_names", "wait"],
        ["capture", "check", "diff", "discover", "export", "graph", "parse_tables", "reachability", "reference"],
        ["spread", "wait_for"],
        ["build", "existing_hosts", "parse_links", "running"],
        ["fault_verbs"],
        ["runtime"],
        ["parse"],
        ["lab"],
        ["readback"],
        [""],
    ],
    "diagnose": [
        ["commands", "flow", "prefixes"],
        ["namespace_view", "references"],
        ["capture", "fib", "segment", "visible"],
        ["remedy"],
        ["hop", "probe"],
        ["diagnosis", "link_checks", "netfilter_checks", "socket_checks", "topology"],
        ["bridge_checks", "route_checks", "tunnel_checks"],
        ["arrival_checks", "neighbour_checks"],
        ["checks"],
        ["path"],
        ["proof"],
        [""],
    ],
    "cli.ip": [  # what is not named here counts as the last
        ["grammar", "help_texts", "render"],
        ["arguments", "context"],
        ["keywords"],
        ["hints"],
        ["ethertypes", "flush", "name_tables", "protocols", "reads", "saved", "show_stats"],
        ["route_ioam", "route_parts", "route_segments"],
        ["filters", "route_encap"],
        ["route_words"],
        ["kinds", "route_filter", "nexthop"],
        ["isatap", "link_vf"],
        ["addr_change", "link_set", "route_change", "show_link", "tunnel_rows"],
        ["kinds.netkit", "kinds.simple", "link_property", "netns_monitor", "prefix", "stats"],
        ["link_stats"],
        ["link"],
        ["addr", "addrlabel", "maddr", "mroute", "neigh", "netconf", "netns", "ntable", "route", "rule", "tunnel"],
        ["program"],
        ["command", "monitor", "mrule"],
        [""],
    ],
    "cli.tc": [
        ["context", "help_texts", "units"],
        ["hints"],
        ["command", "objects", "words"],
        ["output"],
        ["common", "rows"],
        ["rates", "statistics"],
        ["object_words"],
        ["action_kind"],
        ["kinds", "mirred", "police"],
        ["action_kinds"],
        ["actions", "qdisc"],
        ["filters", "classes"],
        ["completion", "filter"],
        ["chain"],
        [""],
    ],
    "cli.tc.kinds": [[""], ["early_drop", "fair", "impairment", "shaping", "simple"]],
    "cli.tc.filters": [["flower_keys", "u32_selectors"], [""], ["flower", "simple", "u32"]],
    "cli.bridge": [
        ["help_texts", "words"],
        ["fdb", "link", "mdb", "vni"],
        ["command", "vlan_options"],
        ["vlan"],
        ["monitor"],
        [""],
    ],
    "cli.ss": [
        ["columns", "help_text", "options", "recorded"],
        ["names", "processes", "selection", "summary", "tcp_info"],
        ["filter", "view"],
        ["families", "inet"],
        ["command"],
        [""],
    ],
    "learn": [
        ["named_network", "processes", "progress"],
        ["goals", "services"],
        ["chapter"],
        ["chapters"],
        ["scratch", "screen"],
        ["session", "solving"],
        ["book", "faults"],
        ["puzzle"],
        [""],
    ],
    "testing": [["capture", "ending", "isolation", "leaks"], ["processes", "watchdog"], ["lab"], ["report"], ["session"], [""]],
    "machines": [
        ["bundle", "frames", "loader", "split"],
        ["connection"],
        ["streams", "underlay"],
        ["underlay_watch"],
        ["agent"],
        ["distributed_lab"],
        ["why"],
        [""],
    ],
    "bench": [
        ["samples", "equivalence", "environment"],
        ["cleanup_barrier"],
        ["harness"],
        ["cold", "many"],
        ["findings", "peers", "rawns_api"],
        ["cases", "report", "page", "compare"],
        ["run"],
        [""],
    ],
    "bench.peers": [["source"], ["c_library"], ["c", "ip", "util_linux", "pyroute2_api", "mininet_api"], [""]],
}
UNLAYERED = {"", "__main__"}  # the package itself and `python -m rawns` lead to all layers

PURE = "wire rtnl nft nlmsg nlmsg_spans packets kernel_options exchange explain objects framing terminal".split()
PURE_MAY = {"__future__", "struct", "_functools", "_operator", "typing", "typing_extensions", "collections.abc"}
ADDRESSES = {"AF_INET", "AF_INET6", "inet_ntop", "inet_pton"}  # allowed in pure modules, from `_socket` or `socket`
EXTRAS = {  # the exceptions to "nothing but the standard library", by the beginning of the module's name
    "bench.peers": {"cffi", "pyroute2", "mininet"},
    "pytest_": {"pytest"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """Return ``objects.link`` for rawns/objects/link.py, and an empty string for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path, tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield each import of a module: line, absolute module name, and the name taken from it (empty for the module itself)."""
    package = ["rawns", *dotted(path).split(".")] if dotted(path) else ["rawns"]
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name, "") for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield from ((node.lineno, module, one.name) for one in node.names)


def own_imports(path: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted path below the package of each import from the package; a name may be a module's."""
    for line, module, name in imports(path, tree):
        if module.split(".")[0] == "rawns":
            yield line, ".".join([*module.split(".")[1:], *([name] if name else [])])


# -- layers -----------------------------------------------------------------------------------------------------------


def layer(path: str, package: str = "") -> tuple[str, int] | None:
    """Return the entry of a package's layers in which a dotted path lies, and its number; the longest entry counts."""
    table = {name: number for number, names in enumerate(INSIDE[package] if package else LAYERS) for name in names}
    parts = path[len(package) :].strip(".").split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in table:
            return name, table[name]
    return ("", table[""]) if package and "" in table else None


def packages(path: str) -> Iterator[str]:
    """Yield the packages of `INSIDE` in which a dotted path lies, and the whole package."""
    yield ""
    yield from (package for package in INSIDE if path == package or path.startswith(f"{package}."))


def climbs(path: Path, tree: ast.AST) -> list[str]:
    """Return the imports of a module that do not come from a lower layer, nor from its own entry."""
    here = dotted(path)
    if here in UNLAYERED:
        return []
    found = []
    for line, target in own_imports(path, tree):
        for package in packages(here):
            mine, other = layer(here, package), layer(target, package) if package in packages(target) else None
            if mine and other and other[0] != mine[0] and other[1] >= mine[1]:
                inside = f" of {package}" if package else ""
                names = f"{mine[0] or '__init__'} (layer {mine[1]}{inside}) imports {other[0] or '__init__'} (layer {other[1]})"
                found.append(f"{path.relative_to(PROJECT)}:{line}: {names}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_imports_come_from_below(path: Path) -> None:
    here = dotted(path)
    assert here in UNLAYERED or all(layer(here, package) for package in packages(here)), f"{path} is in no layer of this test"
    assert climbs(path, parse(path)) == []


def test_a_climbing_import_is_caught() -> None:
    source = "def f():\n    from . import netlink\n    from ..rawns.lab import Lab\nif TYPE_CHECKING:\n    import rawns.net\n"
    assert len(climbs(PACKAGE / "wire.py", ast.parse(source))) == 3
    assert len(climbs(PACKAGE / "objects" / "link.py", ast.parse("from .. import netns\nfrom ..net import Net\n"))) == 2
    assert climbs(PACKAGE / "objects" / "link.py", ast.parse("from .. import rtnl\nfrom . import addr\n")) == []
    assert climbs(PACKAGE / "cli" / "ip.py", ast.parse("from ..lab import Lab\nfrom .words import W\n")) == []
    assert len(climbs(PACKAGE / "bench" / "samples.py", ast.parse("from . import run\nfrom .peers.c import SOURCE\n"))) == 2
    assert climbs(PACKAGE / "bench" / "run.py", ast.parse("from . import samples\nfrom .peers.c import SOURCE\n")) == []


# -- cycles -----------------------------------------------------------------------------------------------------------


def graph() -> dict[str, set[str]]:
    """Return for each module the modules that it imports; an import of a package's name counts for its __init__."""
    known = {dotted(path): path for path in modules()}
    edges: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = set()
        for _, target in own_imports(path, parse(path)):
            targets.add(target if target in known else target.rpartition(".")[0])
        edges[name] = (targets & set(known)) - {name}
    return edges


def cycles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules of which each can be reached from each other (its strongly connected components)."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in edges.get(waiting.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    reach = {name: reachable(name) for name in edges}
    found: list[set[str]] = []
    for name in edges:
        group = {other for other in reach[name] if name in reach.get(other, ())}
        if len(group) > 1 and group not in found:
            found.append(group)
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [sorted(group) for group in cycles(graph())] == []


def test_a_cycle_is_caught() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


# -- what modules may touch -----------------------------------------------------------------------------------------------


def impure(path: Path, tree: ast.AST) -> list[str]:
    """Return the imports with which a pure module could act: anything outside the package but `PURE_MAY` and `ADDRESSES`."""
    return [
        f"{path.relative_to(PROJECT)}:{line}: a pure module imports {module} {name}".rstrip()
        for line, module, name in imports(path, tree)
        if module.split(".")[0] != "rawns"
        and module not in PURE_MAY
        and not (module in ("_socket", "socket") and name in ADDRESSES)
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_pure_modules_touch_nothing(path: Path) -> None:
    if dotted(path).split(".")[0] in PURE:
        assert impure(path, parse(path)) == []


def test_an_impure_import_is_caught() -> None:
    source = "import os\ndef f():\n    import time\n    from _socket import socket\n"
    assert len(impure(PACKAGE / "wire.py", ast.parse(source))) == 3
    assert impure(PACKAGE / "wire.py", ast.parse("from _socket import inet_pton\nimport struct\n")) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_nothing_but_the_standard_library(path: Path) -> None:
    known = getattr(sys, "stdlib_module_names", None)  # since 3.10
    if known is None:
        pytest.skip("this Python does not say what its standard library holds")
    tree = parse(path)
    extras = [names for module, names in EXTRAS.items() if dotted(path).startswith(module)]
    allowed = {*known, "rawns", *(name for names in extras for name in names)}
    foreign = {(line, module) for line, module, _ in imports(path, tree) if module.split(".")[0] not in allowed}
    # Type checkers bring typing_extensions along (`Unpack` is in `typing` since 3.11 only); no program needs it.
    assert foreign <= {(line, "typing_extensions") for line in type_checking_lines(tree)}


def type_checking_lines(tree: ast.Module) -> set[int]:
    """The lines of the ``if TYPE_CHECKING:`` blocks, which no program runs."""
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {line for block in blocks for line in range(block.lineno, (block.end_lineno or 0) + 1)}


# -- packaging ------------------------------------------------------------------------------------------------


def test_setup_py_and_tests_run_name_the_same_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    given: dict[str, object] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(PROJECT)
    runpy.run_path("setup.py")
    extras = given["extras_require"]
    assert isinstance(extras, dict)
    listed = re.search(r"^packages=\((.*?)\)", (PROJECT / "tests" / "run").read_text(), re.MULTILINE)
    assert listed is not None and listed[1].split() == extras["test"]
    assert given["install_requires"] == []
    assert set(given["packages"]) == {  # type: ignore[call-overload]
        ".".join(path.parent.relative_to(PROJECT).parts) for path in modules() if path.name == "__init__.py"
    }


def test_every_package_directory_is_a_package() -> None:
    """A directory without __init__.py works in a checkout and is missing from the installation."""
    assert [str(path) for path in modules() if not (path.parent / "__init__.py").exists()] == []
