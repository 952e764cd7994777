"""Hooks and fixtures of the pytest plugin while a test run is isolated (``rawns help testing``).

`pytest_plugin` imports this module when it is needed, and registers it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from .net import NetNS
    from .testing.lab import ManagedLab
    from .testing.session import TestSession, TestState

NAME = "rawns-run"  # of the object whose methods are hooks
FIXTURES = ("lab", "lab_file", "netns", "netns_factory")
SCOPES = ("function", "class", "module", "package", "session")


def begin(config: pytest.Config, options: argparse.Namespace, mode: str) -> None:
    """Isolate the run, and register its hooks and fixtures.  Raises `pytest.UsageError` for wrong settings."""
    from .testing import isolation, session

    if mode not in isolation.MODES:
        raise pytest.UsageError(f"rawns_isolation is {mode!r}; set it to one of {', '.join(isolation.MODES)}")
    leaks = config.getini("rawns_leaks")
    if leaks not in ("fail", "ignore"):
        raise pytest.UsageError(f"rawns_leaks is {leaks!r}; set it to fail or ignore")
    if session.must_execute_again(mode, sys.argv[0]) and config.invocation_params.args == tuple(sys.argv[1:]):
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.stop_global_capturing()
        session.execute_again()
    required = bool(getattr(options, "rawns_required", False))
    config.pluginmanager.register(Run(session.TestSession(mode), required, leaks == "fail"), NAME)
    config.pluginmanager.register(sys.modules[__name__], __name__)


class Run:
    """The hooks of a run that is isolated."""

    def __init__(self, session: TestSession, required: bool, fail_on_leaks: bool) -> None:
        self.session, self.required, self.fail_on_leaks = session, required, fail_on_leaks
        self.states: dict[str, TestState] = {}  # of the test that runs, by its node id

    def pytest_report_header(self) -> str:
        """Say how the run is isolated."""
        found = self.session.isolation
        return f"rawns: isolation {found.mode}" if found is not None else f"rawns: no isolation: {self.session.reason}"

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, Any, None]:
        """Add the fixtures of markers; move tests to the end if the process cannot return to the machine's network after them."""
        for item in items:
            for mark in ("lab", "netns"):
                fixtures = getattr(item, "fixturenames", None)
                marker = item.get_closest_marker(mark)
                if marker is not None and fixtures is not None:
                    name = "lab" if mark == "lab" or marker.args or marker.kwargs else "netns"
                    if name not in fixtures:
                        fixtures.append(name)
        yield
        if not self.session.keeps_machine_network:
            items.sort(key=uses_network)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each kind of link that the marker ``lab`` names: the argument ``preset``."""
        marker = metafunc.definition.get_closest_marker("lab")
        presets = marker.kwargs.get("presets") if marker is not None else None
        if presets:
            if "preset" not in metafunc.fixturenames:
                metafunc.fixturenames.append("preset")
            metafunc.parametrize("preset", list(presets))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Run a test that is marked with ``netns`` inside a namespace."""
        marker = item.get_closest_marker("netns")
        if marker is None:
            yield
            return
        label = marker.args[0] if marker.args else marker.kwargs.get("host")
        given = getattr(item, "funcargs", {})
        inside: Any = given["netns"] if label is None else given["lab"][label]
        with inside.entered():
            yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
        """Add a report about its labs to a failing test."""
        if call.excinfo is not None:
            _hide_own_frames(call.excinfo)
        outcome = yield
        found: pytest.TestReport = outcome.get_result()
        state = self.states.get(item.nodeid)
        if state is not None and found.failed and call.when != "teardown":
            state.failed = True
            for title, text in state.explain():
                _add_section(found, title, text)

    def pytest_keyboard_interrupt(self) -> None:
        """Leave it to the user what a test that is interrupted leaves behind: what can be ended, is ended."""
        for state in self.states.values():
            state.failed = True


def _hide_own_frames(raised: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave the frames of this package out of the traceback of its errors, unless ``--full-trace`` asks for them."""
    from .errors import RawnsError

    def hidden(raised: pytest.ExceptionInfo[BaseException] | None) -> bool:
        return raised is not None and isinstance(raised.value, RawnsError)

    own = f"{__name__.partition('.')[0]}."
    for entry in raised.traceback if hidden(raised) else ():
        names = entry.frame.f_globals
        if str(names.get("__name__", "")).startswith(own):
            names["__tracebackhide__"] = hidden


def uses_network(item: pytest.Item) -> bool:
    """Return whether a test uses one of the fixtures."""
    return any(name in FIXTURES for name in getattr(item, "fixturenames", ()))


def _add_section(found: pytest.TestReport, title: str, text: str) -> None:
    """Add a section to the words of a failure, which the terminal and JUnit XML show."""
    add = getattr(found.longrepr, "addsection", None)
    if add is not None:
        add(title, text)
    else:
        found.longrepr = f"{found.longrepr}\n{f' {title} ':-^80}\n{text}"


# -- fixtures -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _rawns_test(request: pytest.FixtureRequest) -> Iterator[TestState]:
    """Move a test into its private network, and fail it if it leaves something behind."""
    run: Any = request.config.pluginmanager.get_plugin(NAME)
    if run.session.isolation is None:
        if run.required:
            pytest.fail(f"rawns: {run.session.reason}", pytrace=False)
        pytest.skip(f"rawns: {run.session.reason}")
    from .testing.session import TestState

    item: pytest.Item = request.node
    captures = request.getfixturevalue("tmp_path") if request.config.getoption("rawns_capture") else None
    state = TestState(run.session, item.name, item.path.parent, item.config.rootpath, captures)
    state.begin()
    run.states[item.nodeid] = state
    try:
        with _sentence_only():
            _share_lab(request, state)
        state.watch()
        yield state
    finally:
        del run.states[item.nodeid]
        left = state.end()
    if left and run.fail_on_leaks:
        pytest.fail("\n".join(left), pytrace=False)


def _share_lab(request: pytest.FixtureRequest, state: TestState) -> None:
    """Find or bring up the lab that a test shares with the others of a scope."""
    path, scope = _marked(request)
    if path is not None and scope != "function":
        labs: dict[str, ManagedLab] = request.getfixturevalue(f"_rawns_{scope}_labs")
        file, preset = state.find(path), _preset(request)
        made = labs.get(f"{file} {preset}")
        if made is None:
            for key in [key for key in labs if key.startswith(f"{file} ")]:  # the same lab, with another kind of link
                labs.pop(key).end()
            made = labs[f"{file} {preset}"] = state.load(file)
            _bring_up(made, request)
        else:
            state.labs.append(made)
        state.shared = made


def _marked(request: pytest.FixtureRequest) -> tuple[str | None, str]:
    """Return path and scope of the marker ``lab``; no path if there is no marker."""
    marker = request.node.get_closest_marker("lab")
    if marker is None:
        return None, "function"
    unknown = set(marker.kwargs) - {"path", "scope", "port", "presets"}
    path, scope = marker.args[0] if marker.args else marker.kwargs.get("path"), marker.kwargs.get("scope", "function")
    if unknown or len(marker.args) > 1 or not isinstance(path, str) or scope not in SCOPES:
        pytest.fail(
            f"write the marker as lab(PATH, scope=SCOPE, port='HOST:NAME', presets=[...]); scopes are {', '.join(SCOPES)}",
            pytrace=False,
        )
    return path, scope


def _preset(request: pytest.FixtureRequest) -> str:
    """Return the kind of link that is the test's parameter, or an empty string."""
    marker = request.node.get_closest_marker("lab")
    parameters = getattr(getattr(request.node, "callspec", None), "params", {})
    return str(parameters["preset"]) if marker is not None and marker.kwargs.get("presets") else ""


def _bring_up(made: ManagedLab, request: pytest.FixtureRequest) -> None:
    """Bring the lab of a marker up, with the kind of link that is the test's parameter."""
    preset = _preset(request)
    if preset:
        port = request.node.get_closest_marker("lab").kwargs.get("port")
        if port is None:
            pytest.fail("the marker lab needs a port for its presets: lab(PATH, port='HOST:NAME', presets=[...])", pytrace=False)
        made.verbs.preset(port, preset)
    made.up()


@pytest.fixture
def lab(request: pytest.FixtureRequest, _rawns_test: TestState) -> Iterator[ManagedLab]:
    """Provide an empty lab that is named after the test, or the lab of ``@pytest.mark.lab("FILE")``, which is up."""
    path, _ = _marked(request)
    if _rawns_test.shared is not None:
        yield _give(request, _rawns_test.shared)
        return
    if path is None:
        made = _rawns_test.empty_lab()
    else:
        with _sentence_only():
            made = _rawns_test.load(path)
    with made:
        if path is not None:
            with _sentence_only():
                _bring_up(made, request)
        yield _give(request, made)


@contextmanager
def _sentence_only() -> Iterator[None]:
    """Fail a test with the sentence of an error: a traceback through fixtures would not lead to the marker that is wrong."""
    from .errors import RawnsError

    try:
        yield
    except RawnsError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _give(request: pytest.FixtureRequest, made: ManagedLab) -> ManagedLab:
    """Make the lab an attribute of a `unittest.TestCase`, whose methods take no arguments."""
    if request.instance is not None and hasattr(request.instance, "addCleanup"):
        request.instance.lab = made
    return made


@pytest.fixture
def lab_file(_rawns_test: TestState) -> Iterator[Callable[..., ManagedLab]]:
    """Provide a function that brings up the lab of a file: ``lab_file("shop.toml")``; with ``up=False`` it only reads it."""
    from .testing.ending import end_all

    made: list[ManagedLab] = []

    def load(path: str, up: bool = True, wait: float | None = 10.0) -> ManagedLab:
        _rawns_test.check_runs("lab_file")
        made.append(_rawns_test.load(path))
        if up:
            made[-1].up(wait)
        return made[-1]

    yield load
    end_all([one.end for one in made])


@pytest.fixture
def netns_factory(_rawns_test: TestState) -> Iterator[Callable[..., NetNS]]:
    """Provide a function that creates network namespaces with ``lo`` up: ``netns_factory()``, ``netns_factory("name")``."""
    from .testing.ending import end_all
    from .testing.session import new_namespace

    made: list[NetNS] = []

    def create(name: str | None = None) -> NetNS:
        _rawns_test.check_runs("netns_factory")
        made.append(new_namespace(name))
        return made[-1]

    yield create
    if _rawns_test.belongs_here:  # and not to the process that this one was forked from
        end_all([one.__exit__ for one in made])


@pytest.fixture
def netns(netns_factory: Callable[..., NetNS]) -> NetNS:
    """Provide a network namespace without a name, with ``lo`` up."""
    return netns_factory()


def _labs_of(scope: Any) -> Any:
    """Return a fixture that keeps the labs of a scope, by their paths, until its end."""

    @pytest.fixture(scope=scope, name=f"_rawns_{scope}_labs")
    def labs() -> Iterator[dict[str, ManagedLab]]:
        from .testing.ending import end_all

        made: dict[str, ManagedLab] = {}
        yield made
        end_all([one.end for one in made.values()])

    return labs


_class_labs, _module_labs, _package_labs, _session_labs = map(_labs_of, SCOPES[1:])
