"""What the examples need besides rawns: programs and packages that may be missing."""

from __future__ import annotations

import importlib.util
import shutil

import pytest


def program(name: str, package: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test if a program is missing."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    return pytest.mark.skipif(path is None, reason=f"{name} is not installed (Debian: {package})")


def package(name: str, distribution: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test if a Python package is missing."""
    missing = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(missing, reason=f"{name} is not installed (pip install {distribution})")
