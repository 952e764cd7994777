"""Compiles floor.c (once, into a cache) and offers its functions; one that fails raises `OSError` with the C call's text."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "floor.c"
REMEDY = "python3 -m pip install cffi setuptools, or run tests/run once and use its .venv"


class Missing(Exception):
    """Why there is no floor, in one sentence."""


def prototypes(code: str) -> str:
    """The functions that floor.c offers, as cffi wants them declared."""
    found = re.findall(r"^((?:int|const char \*) ?floor_\w+\([^)]*\)) (?=\{)", code, re.MULTILINE)
    return "".join(f"{one};\n" for one in found)


def cache() -> Path:
    """Where compiled floors are kept; a directory that lasts, if there is one to write to."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rawns"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return home
    except OSError:
        return Path(tempfile.mkdtemp(prefix="rawns-bench-"))


def load() -> Any:
    """The compiled module.  Raises `Missing` where it cannot be compiled."""
    code = SOURCE.read_text()
    digest = hashlib.sha256((code + sys.version).encode()).hexdigest()[:16]
    name = f"_rawns_floor_{digest}"
    folder = cache()
    built = sorted(folder.glob(f"{name}.*.so"))
    if not built:
        try:
            import cffi
        except ImportError:
            raise Missing(f"cffi, which compiles it, is not installed ({REMEDY})") from None
        ffi = cffi.FFI()
        ffi.cdef(prototypes(code))
        ffi.set_source(name, code, extra_compile_args=["-O2", "-Wall", "-Wextra", "-pthread"])
        try:
            built = [Path(ffi.compile(tmpdir=str(folder)))]
        except Exception as error:  # cffi hands on whatever its build tool raises
            raise Missing(f"floor.c does not compile: {error} (apt-get install gcc python3-dev linux-libc-dev)") from None
    spec = importlib.util.spec_from_file_location(name, built[0])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise Missing(f"{error} ({REMEDY})") from None
    return module


def version() -> str:
    """The compiler's own name for itself."""
    try:
        done = subprocess.run([os.environ.get("CC", "cc"), "--version"], stdout=subprocess.PIPE, text=True)
    except OSError:
        return "compiled before"
    return done.stdout.splitlines()[0] if done.stdout else "cc"


class Floor:
    """``floor.create(0, None)`` is ``floor_create(0, NULL)``; what is below zero raises `OSError`."""

    def __init__(self) -> None:
        module = load()
        self._ffi, self._lib = module.ffi, module.lib

    def __getattr__(self, name: str) -> Any:
        function, null, check = getattr(self._lib, f"floor_{name}"), self._ffi.NULL, self._check

        def call(*args: Any) -> int:
            given = [arg.encode() if isinstance(arg, str) else null if arg is None else arg for arg in args]
            result: int = function(*given)
            return result if result >= 0 else check(result)

        setattr(self, name, call)
        return call

    def _check(self, result: int) -> int:
        step = self._ffi.string(self._lib.floor_error()).decode()
        raise OSError(-result, f"{os.strerror(-result)}: {step}")
