"""A sample of the campaigns: a signal, an error of a system call, or a refused message, in the middle of a command.

What is left is read by the real `ip` and `nft`.  `tests/campaigns/run` tries all cases (`tests/campaigns/frame.py`).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from conftest import PROJECT

sys.path.append(str(PROJECT / "tests" / "campaigns"))

import failing_calls  # noqa: E402
import frame  # noqa: E402
import signals  # noqa: E402
import verbs  # noqa: E402

pytestmark = [
    pytest.mark.really_root,
    pytest.mark.skipif(not (shutil.which("ip") and shutil.which("nft")), reason="needs ip and nft, which read the state"),
]


@pytest.fixture(scope="module")
def bench() -> Iterator[verbs.Bench]:
    with failing_calls.bench_with_facts(f"rt-{os.getpid()}-c") as bench:
        yield bench
        bench.clear()


def test_signals_at_any_system_call(bench: verbs.Bench) -> None:
    report = frame.Report(seed=8)
    signals.at_calls(report, bench, 8)
    assert sum(report.tried.values()) == 8 and report.faults == []


@pytest.mark.parametrize(("verb", "every"), [("up", 151), ("change", 211), ("down", 83), ("run", 211)])
def test_system_calls_that_fail(verb: str, every: int, bench: verbs.Bench) -> None:
    report = frame.Report()
    failing_calls.system_calls(report, bench, verb, every)
    assert report.tried[verb] > 1 and report.faults == []


def test_messages_that_the_kernel_refuses(bench: verbs.Bench) -> None:
    report = frame.Report()
    failing_calls.messages(report, bench, "up", 29)
    assert sum(report.tried.values()) > 1 and report.faults == []
