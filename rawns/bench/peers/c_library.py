"""Compile ``baseline.c`` once into a cache, and call its functions: by cffi, or by ctypes if cffi is not installed."""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.util
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from .source import PeerMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

REMEDY = "apt-get install gcc python3-dev linux-libc-dev"
FLAGS = ["-O2", "-Wall", "-Wextra", "-pthread"]


class CLibrary:
    """``library.create(0, None)`` calls ``bench_create(0, NULL)``.  A negative result raises `OSError`.

    Raises `PeerMissing` if it cannot be compiled.  ``how`` says by what the functions are called.
    """

    def __init__(self) -> None:
        self._find, self._failed_call, self._null, self.how = _load()

    def __getattr__(self, name: str) -> Callable[..., int]:
        function = self._find(f"bench_{name}")

        def call(*args: Any) -> int:
            given = [arg.encode() if isinstance(arg, str) else self._null if arg is None else arg for arg in args]
            result: int = function(*given)
            if result < 0:
                raise OSError(-result, f"{os.strerror(-result)}: {self._failed_call()}")
            return result

        setattr(self, name, call)
        return call


def source() -> str:
    """Return the C code, from a directory or a zip file."""
    data = pkgutil.get_data("rawns.bench", "baseline.c")
    if data is None:
        raise PeerMissing("baseline.c is not part of this installation")
    return data.decode()


def prototypes(code: str) -> str:
    """Return the declarations of the functions that the code offers, for cffi."""
    found = re.findall(r"^((?:int|const char \*) ?bench_\w+\([^)]*\)) (?=\{)", code, re.MULTILINE)
    return "".join(f"{one};\n" for one in found)


def compiler_version() -> str:
    """Return the first line of ``cc --version``."""
    try:
        done = subprocess.run([os.environ.get("CC", "cc"), "--version"], stdout=subprocess.PIPE, text=True)
    except OSError:
        return "compiled before"
    return done.stdout.splitlines()[0] if done.stdout else "cc"


def _load() -> tuple[Callable[[str], Any], Callable[[], str], Any, str]:
    """Return what finds a function by its name, what names the call that failed, NULL, and by what functions are called."""
    try:
        import cffi
    except ImportError:
        library = _by_ctypes()
        library.bench_error.restype = ctypes.c_char_p
        return lambda name: library[name], lambda: str(library.bench_error().decode()), None, "called by ctypes"
    module = _by_cffi(cffi)
    lib, ffi = module.lib, module.ffi
    return lambda name: getattr(lib, name), lambda: str(ffi.string(lib.bench_error()).decode()), ffi.NULL, "called by cffi"


def _cache() -> Path:
    """Return the directory for compiled libraries: one that lasts, or a temporary one if that cannot be written to."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rawns"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return home
    except OSError:
        folder = tempfile.mkdtemp(prefix="rawns-bench-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)


def _compiled(suffix: str, compile_into: Callable[[Path, str], None]) -> Path:
    """Return the compiled library, from the cache or compiled now."""
    digest = hashlib.sha256((source() + sys.version + os.uname().machine).encode()).hexdigest()[:16]
    name, folder = f"_rawns_baseline_{digest}", _cache()
    pattern = f"{name}*{suffix}"
    if not sorted(folder.glob(pattern)):
        compile_into(folder, name)
    return sorted(folder.glob(pattern))[0]


def _by_cffi(cffi: Any) -> Any:
    def compile_into(folder: Path, name: str) -> None:
        code, ffi = source(), cffi.FFI()
        ffi.cdef(prototypes(code))
        ffi.set_source(name, code, extra_compile_args=FLAGS)
        try:
            ffi.compile(tmpdir=str(folder))
        except Exception as error:  # cffi passes on whatever its build tool raises
            raise PeerMissing(f"baseline.c does not compile: {error} ({REMEDY})") from None

    path = _compiled("".join(EXTENSION_SUFFIXES[:1]), compile_into)
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _by_ctypes() -> Any:
    def compile_into(folder: Path, name: str) -> None:
        words = [os.environ.get("CC", "cc"), *FLAGS, "-shared", "-fPIC", "-o", str(folder / f"{name}.plain"), "-xc", "-"]
        try:
            done = subprocess.run(words, input=source(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except OSError as error:
            raise PeerMissing(f"there is no C compiler: {words[0]}: {error.strerror} ({REMEDY})") from None
        if done.returncode:
            raise PeerMissing(f"baseline.c does not compile: {' '.join(done.stdout.split())[-300:]} ({REMEDY})")

    return ctypes.CDLL(str(_compiled(".plain", compile_into)))
