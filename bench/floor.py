"""Compiles floor.c (once, into a cache) and offers its functions; one that fails raises `OSError` with the C call's text.

By cffi; where that is not installed by the C compiler alone, and called through ctypes.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "floor.c"
REMEDY = "apt-get install gcc python3-dev linux-libc-dev"
FLAGS = ["-O2", "-Wall", "-Wextra", "-pthread"]


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
        folder = tempfile.mkdtemp(prefix="rawns-bench-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)


def load() -> tuple[Callable[[str], Any], Callable[[], str], str]:
    """How to get a function by its name, what says where one failed, and by what they are called.  Raises `Missing`."""
    try:
        module = by_cffi()
    except ImportError:  # no cffi: as a plain library then
        library = by_ctypes()
        library.floor_error.restype = ctypes.c_char_p
        return lambda name: library[name], lambda: str(library.floor_error().decode()), "called by ctypes"
    lib, ffi = module.lib, module.ffi
    return lambda name: getattr(lib, name), lambda: str(ffi.string(lib.floor_error()).decode()), "called by cffi"


def built(suffix: str, build: Callable[[Path, str], None]) -> Path:
    """The compiled floor, from the cache or made now.  Raises `Missing`."""
    code = SOURCE.read_text()
    digest = hashlib.sha256((code + sys.version + os.uname().machine).encode()).hexdigest()[:16]
    name, folder = f"_rawns_floor_{digest}", cache()
    pattern = f"{name}*{suffix}"
    if not sorted(folder.glob(pattern)):
        build(folder, name)
    return sorted(folder.glob(pattern))[0]


def by_cffi() -> Any:
    import cffi

    def build(folder: Path, name: str) -> None:
        code, ffi = SOURCE.read_text(), cffi.FFI()
        ffi.cdef(prototypes(code))
        ffi.set_source(name, code, extra_compile_args=FLAGS)
        try:
            ffi.compile(tmpdir=str(folder))
        except Exception as error:  # cffi hands on whatever its build tool raises
            raise Missing(f"floor.c does not compile: {error} ({REMEDY})") from None

    path = built("".join(EXTENSION_SUFFIXES[:1]), build)
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_ctypes() -> Any:
    def build(folder: Path, name: str) -> None:
        words = [os.environ.get("CC", "cc"), *FLAGS, "-shared", "-fPIC", "-o", str(folder / f"{name}.plain"), str(SOURCE)]
        try:
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except OSError as error:
            raise Missing(f"there is no C compiler: {words[0]}: {error.strerror} ({REMEDY})") from None
        if done.returncode:
            raise Missing(f"floor.c does not compile: {' '.join(done.stdout.split())[-300:]} ({REMEDY})")

    return ctypes.CDLL(str(built(".plain", build)))


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
        self._find, self._where, self.how = load()

    def __getattr__(self, name: str) -> Any:
        function = self._find(f"floor_{name}")
        null = None if self.how.endswith("ctypes") else self._null()

        def call(*args: Any) -> int:
            given = [arg.encode() if isinstance(arg, str) else null if arg is None else arg for arg in args]
            result: int = function(*given)
            if result < 0:
                raise OSError(-result, f"{os.strerror(-result)}: {self._where()}")
            return result

        setattr(self, name, call)
        return call

    @staticmethod
    def _null() -> Any:
        import cffi

        return cffi.FFI().NULL
