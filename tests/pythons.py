"""Other versions of Python on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def python_of(version: str) -> str:
    """An interpreter of this version, from PATH or of pyenv; skips without one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    readable = os.access(pyenv, os.R_OK | os.X_OK)
    kept = sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python{version}")) if readable else []
    for candidate in [shutil.which(f"python{version}"), *kept]:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    pytest.skip(f"no Python {version} here")
