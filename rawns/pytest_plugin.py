"""The pytest plugin: labs and network namespaces as fixtures (``rawns help testing``).

It does nothing until ``rawns_isolation`` is set in pytest's configuration.  This module is imported at every start of pytest, so
it is short, and imports nothing else of the package until a run is isolated: `pytest_fixtures` has the rest.

pytest would rewrite the assert statements of every module of an installed plugin, which takes a second if it may not write its
cache: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARKERS = (
    "lab(path, scope='function', port=None, presets=()): bring up the lab of a file for the fixture `lab`, or the same for all "
    "tests of a scope; with presets, once for each of these kinds of link at the wire of a port (rawns)",
    "netns(host=None): run the test inside the namespace of the fixture `netns`, or of a host of its lab (rawns)",
)


def pytest_addoption(parser: Any) -> None:
    """Declare options and settings."""
    group = parser.getgroup("rawns", "networks in tests (rawns)")
    group.addoption("--rawns-isolation", metavar="MODE", help="auto, userns, mount or none (default: the setting of that name)")
    group.addoption("--rawns-capture", action="store_true", help="capture the ports of labs into files in tmp_path")
    group.addoption("--rawns-required", action="store_true", help="tests fail, and are not skipped, if there is no isolation")
    parser.addini("rawns_isolation", "isolation of tests that use rawns: auto, userns, mount or none (default: off)", default="")
    parser.addini("rawns_leaks", "whether a test that leaves something behind fails: fail, or ignore", default="fail")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)  # `wrapper` does not exist before pluggy 1.2: Debian 12 has 1.0
def pytest_load_initial_conftests(early_config: Any) -> Any:
    """Isolate the run as early as possible: before output is captured, and before other plugins start threads."""
    _begin(early_config, early_config.known_args_namespace)
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Declare the markers; isolate the run if a conftest.py has loaded this plugin."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    _begin(config, config.option)


def _begin(config: Any, options: Any) -> None:
    mode = getattr(options, "rawns_isolation", None) or config.getini("rawns_isolation")
    if mode and not config.pluginmanager.has_plugin("rawns-run"):
        hook = getattr(config.pluginmanager, "rewrite_hook", None)
        getattr(hook, "_must_rewrite", set()).discard("rawns")  # pytest has no public name for this
        getattr(hook, "_marked_for_rewrite_cache", {}).clear()
        from . import pytest_fixtures

        pytest_fixtures.begin(config, options, mode)


def _needs_isolation(name: str) -> Any:
    """Return a fixture that says what it needs; `pytest_fixtures` has another one of its name."""

    @pytest.fixture(name=name)
    def fixture() -> None:
        pytest.fail(
            "the fixtures of rawns need isolation: set rawns_isolation = auto in pytest's configuration, or use "
            "--rawns-isolation=auto",
            pytrace=False,
        )

    return fixture


_lab, _lab_file, _netns, _netns_factory = map(_needs_isolation, ("lab", "lab_file", "netns", "netns_factory"))
