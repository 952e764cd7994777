"""The modules of this package that an agent needs, as bytes for a machine's Python."""

from __future__ import annotations

import marshal
import threading
import zlib
from importlib.util import MAGIC_NUMBER, find_spec
from pkgutil import iter_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Union

    Modules = dict[str, tuple[bool, Union[bytes, str]]]

# What `rawns.machines.agent` imports, directly or not, sooner or later; a test compares.
PACKAGES = ("diagnose", "icmp", "lab", "machines", "nft", "objects", "rtnl", "wire")
LEFT_OUT = ("__main__", "pytest_plugin", "pytest_fixtures", "doctor", "pool", "tunnel_ioctl")
LOADER = "rawns.machines.loader"
_built: dict[bytes, bytes] = {}  # by the number of the bytecode; empty for source
_lock = threading.Lock()


def bundle(magic: bytes) -> bytes:
    """Return the marshalled and compressed modules, and the text of the loader under an empty name.

    ``magic`` is the number of the machine's bytecode (`importlib.util.MAGIC_NUMBER`): if ours is another, the modules are sent
    as source.  The bundle of each kind is built once in a process.
    """
    with _lock:  # the machines are connected to at the same time
        key = magic if magic == MAGIC_NUMBER else b""
        if key not in _built:
            modules: Modules = {name: (package, _code(name, key)) for name, package in _names()}
            modules[""] = (False, _code(LOADER, b""))
            _built[key] = zlib.compress(marshal.dumps(modules, 2), 1)  # 2: a format that every Python 3 reads
        return _built[key]


def _names() -> Iterator[tuple[str, bool]]:
    """Yield the name of each module that is sent, and whether it is a package."""
    spec = find_spec("rawns")
    assert spec is not None and spec.submodule_search_locations is not None
    yield "rawns", True
    waiting = [("rawns", list(spec.submodule_search_locations))]
    while waiting:
        parent, places = waiting.pop()
        for _, name, package in iter_modules(places):
            if parent == "rawns" and (name in LEFT_OUT if not package else name not in PACKAGES):
                continue
            yield f"{parent}.{name}", package
            if package:
                waiting.append((f"{parent}.{name}", [f"{place}/{name}" for place in places]))


def _code(name: str, magic: bytes) -> bytes | str:
    """Return a module's code, or its source for another Python."""
    spec = find_spec(name)
    assert spec is not None
    loader = spec.loader
    if magic == MAGIC_NUMBER:
        return marshal.dumps(loader.get_code(name))  # type: ignore[union-attr]
    source: str = loader.get_source(name)  # type: ignore[union-attr]
    return source
