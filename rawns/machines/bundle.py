"""The modules of this package that an agent needs, as bytes for a machine's Python."""

from __future__ import annotations

import marshal
import os
import struct
import threading
import zlib
from importlib.util import MAGIC_NUMBER, find_spec
from pkgutil import iter_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Union

    Modules = dict[str, tuple[bool, Union[bytes, str]]]

# What `rawns.machines.agent` imports, directly or not, sooner or later; a test compares.
PACKAGES = ("diagnose", "icmp", "lab", "machines", "nft", "objects", "rtnl", "wire")
LEFT_OUT = ("__main__", "pytest_plugin", "pytest_fixtures", "doctor", "pool", "tunnel_ioctl")
LOADER = "rawns.machines.loader"
HEADER_BYTES = 16  # of a file in __pycache__
_built: dict[bool, bytes] = {}  # of bytecode, and of source
_lock = threading.Lock()


def bundle(magic: bytes) -> bytes:
    """Return the marshalled and compressed modules, and the text of the loader under an empty name.

    ``magic`` is the number of the machine's bytecode (`importlib.util.MAGIC_NUMBER`): if ours is another, the modules are sent
    as source.  The bundle of each kind is built once in a process.
    """
    with _lock:  # the machines are connected to at the same time
        own = magic == MAGIC_NUMBER
        if own not in _built:
            modules: Modules = {spec.name: (package, _code(spec) if own else _source(spec)) for spec, package in _specs()}
            modules[""] = (False, _source(find_spec(LOADER)))
            _built[own] = zlib.compress(marshal.dumps(modules, 2), 1)  # 2: a format that every Python 3 reads
        return _built[own]


def _specs() -> Iterator[tuple[Any, bool]]:
    """Yield the spec of each module that is sent, and whether it is a package.  None of them is imported for that."""
    package = find_spec("rawns")
    assert package is not None
    yield package, True
    waiting = [package]
    while waiting:
        parent = waiting.pop()
        for finder, name, is_package in iter_modules(parent.submodule_search_locations):
            if parent is package and (name in LEFT_OUT if not is_package else name not in PACKAGES):
                continue
            spec: Any = finder.find_spec(f"{parent.name}.{name}", None)
            yield spec, is_package
            if is_package:
                waiting.append(spec)


def _code(spec: Any) -> bytes:
    """Return a module's marshalled code: that of its file in __pycache__ if it is there and current, which costs a tenth."""
    return _cached_code(spec) or marshal.dumps(spec.loader.get_code(spec.name))


def _cached_code(spec: Any) -> bytes | None:
    try:
        source = os.stat(spec.origin)
        with open(spec.cached, "rb") as file:
            data = file.read()
    except (OSError, TypeError):  # there is no such file, or the module is in an archive
        return None
    expected = MAGIC_NUMBER + struct.pack("<III", 0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)  # PEP 552
    return data[HEADER_BYTES:] if data[:HEADER_BYTES] == expected else None


def _source(spec: Any) -> str:
    text: str = spec.loader.get_source(spec.name)
    return text
