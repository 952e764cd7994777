"""Packaging.  There is nothing to build and nothing to install besides the package itself."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """``__version__`` out of the source: the package is not importable while it is being built."""
    found = re.search(r'^__version__ = "(.+)"$', (HERE / "rawns" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit("rawns/__init__.py states no __version__")
    return found[1]


def readme() -> str:
    page = HERE / "README.md"
    return page.read_text(encoding="utf-8") if page.exists() else ""


setup(
    name="rawns",
    version=version(),
    description="Linux network namespaces with nothing but the kernel: no iproute2, no dependency, no root",
    long_description=readme(),
    long_description_content_type="text/markdown",
    author="the rawns authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords="linux network namespaces netns veth netlink rtnetlink iproute2 rootless",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: System :: Networking",
        "Typing :: Typed",
    ],
    python_requires=">=3.9",
    packages=find_packages(include=["rawns", "rawns.*"]),
    package_data={"rawns": ["py.typed", "examples/*", "manual/*.md", "bench/*.c"]},
    zip_safe=False,
    install_requires=[],
    extras_require={
        "test": [
            "pytest",
            "pytest-cov",
            "pytest-xdist",
            "pytest-asyncio",
            "pytest-timeout",
            "anyio",
            "cffi",
            "setuptools",
            "ruff~=0.17.0",
            "mypy",
        ],
        "bench": ["cffi", "setuptools", "pyroute2"],
    },
    entry_points={
        "console_scripts": ["rawns = rawns.__main__:main"],
        "pytest11": ["rawns.pytest_plugin = rawns.pytest_plugin"],
    },
)
