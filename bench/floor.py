"""Compiles floor.c (once, into a cache) and offers it: `up(names)`, `down(names)`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "floor.c"
PROTOTYPES = """
    int floor_up(const char *one, const char *other, int lean);
    int floor_down(const char *one, const char *other, int lean);
    const char *floor_error(void);
"""


def find_cffi() -> Any:
    """cffi, from this Python or, by starting over, from the environment that `tests/run` has made."""
    try:
        import cffi
    except ImportError:
        for python in sorted((HERE.parent / ".venv").glob("*/bin/python")):
            if "RAWNS_BENCH" not in os.environ:
                os.execve(python, [str(python), *sys.argv], {**os.environ, "RAWNS_BENCH": "again"})
        remedy = "python3 -m pip install cffi setuptools, or run tests/run once"
        raise SystemExit(f"the C floor is compiled by cffi, which is missing: {remedy}") from None
    return cffi


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
    """The compiled module.  Exits with a sentence where it cannot be compiled."""
    cffi = find_cffi()
    code = SOURCE.read_text()
    digest = hashlib.sha256((code + PROTOTYPES + sys.version).encode()).hexdigest()[:16]
    name = f"_rawns_floor_{digest}"
    folder = cache()
    built = sorted(folder.glob(f"{name}.*.so"))
    if not built:
        ffi = cffi.FFI()
        ffi.cdef(PROTOTYPES)
        ffi.set_source(name, code, extra_compile_args=["-O2", "-Wall", "-Wextra"])
        try:
            built = [Path(ffi.compile(tmpdir=str(folder)))]
        except Exception as error:  # cffi hands on whatever its build tool raises
            raise SystemExit(f"the C floor does not compile: {error} (apt-get install gcc python3-dev linux-libc-dev)") from None
    spec = importlib.util.spec_from_file_location(name, built[0])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Floor:
    """The article's state in plain C.  ``lean`` leaves out the calls that only serve error messages."""

    def __init__(self, module: Any, lean: bool) -> None:
        self._module, self._lean = module, lean

    def up(self, names: tuple[bytes, bytes]) -> None:
        self._done(self._module.lib.floor_up(*names, self._lean))

    def down(self, names: tuple[bytes, bytes]) -> None:
        self._done(self._module.lib.floor_down(*names, self._lean))

    def _done(self, result: int) -> None:
        if result:
            step = self._module.ffi.string(self._module.lib.floor_error()).decode()
            raise OSError(-result, os.strerror(-result), step)
