"""`rawns bench` on the real kernel with as few rounds as possible: it runs, and what it reports is true.  No timing decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipapp
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Ordinary, really_root
from test_rootless import rawns

from rawns import NetNS
from rawns.bench import bench, many
from rawns.bench.cases import cases
from rawns.bench.cleanup_barrier import CleanupBarrier
from rawns.bench.harness import RAWNS, Case, Implementation, Ready, Trial
from rawns.bench.peers import Peers
from rawns.bench.peers.source import PeerMissing, PeerSource
from rawns.bench.run import _CaseRun

ALL = "anonymous named verbs moved article enter exec mounts packet connect chat-1 pool relay star-10"
SMALL = (ALL if really_root() else "anonymous verbs article star-10").split()  # each is tried once


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return bench(1, SMALL)


def test_all_cases_run_and_leave_the_same_state(measured: dict[str, Any]) -> None:
    """An implementation that leaves another state than the first one fails, so none may have failed."""
    failed = [
        (case["name"], one["name"], one["failed"])
        for case in measured["cases"]
        for one in case["implementations"]
        if one["failed"]
    ]
    assert failed == []
    assert [case["name"] for case in measured["cases"]] == SMALL
    for case in measured["cases"]:
        for one in case["implementations"]:
            assert one["sums"]["total"] and all(value > 0 for spent in one["sums"].values() for value in spent)
            assert one["version"]


def test_rawns_is_in_every_case(measured: dict[str, Any]) -> None:
    for case in measured["cases"]:
        assert any(one["role"] == RAWNS for one in case["implementations"])
    steps = {case["name"]: case["implementations"][-1]["steps"] for case in measured["cases"]}
    assert {"create", "socket", "close", "kernel cleanup"} == set(steps["anonymous"])
    assert {"pair, created in place", "addresses", "up", "lo up", "route"} <= set(steps["verbs"])


def test_the_profile_adds_up(measured: dict[str, Any]) -> None:
    article = next(one for one in measured["profile"] if one["case"] == "article")
    calls = {call["call"]: call["times"] for call in article["calls"]}
    assert calls["unshare"] == 2 and calls["sendto"] == 2 and 0 <= article["python"] <= 1


def test_the_machine_is_recorded(measured: dict[str, Any]) -> None:
    there = measured["environment"]
    assert there["kernel"] and there["processors"] > 0 and there["mounts"] > 0 and there["python"].startswith("CPython")
    assert all(there[f"busy {when}"] is None or 0 <= there[f"busy {when}"] <= 1 for when in ("before", "after"))
    assert json.loads(json.dumps(measured)) == measured


# -- failures -------------------------------------------------------------------------------------------------------------


def broken(trial: Trial) -> Iterator[Any]:
    with NetNS.create(trial.names[0]) as ns:
        yield "create"
        yield Ready([trial.names[0]])
        raise OSError(f"it broke with {ns.name[:5] if ns.name else ''}")


def whole(trial: Trial) -> Iterator[Any]:
    with NetNS.create(trial.names[0]):
        yield "create"
        yield Ready([trial.names[0]])


def with_lo_up(trial: Trial) -> Iterator[Any]:
    with NetNS.create(trial.names[0]) as ns:
        ns.net.set_link("lo", up=True)
        yield "create"
        yield Ready([trial.names[0]])


def untidy(trial: Trial) -> Iterator[Any]:
    NetNS.create(trial.names[1]).close()
    yield "create"
    raise RuntimeError("gave up")


def failures(*runs: tuple[str, Any]) -> dict[str, Any]:
    with CleanupBarrier() as barrier:
        implementations = [Implementation(name, run, RAWNS, "1") for name, run in runs]
        outcome = _CaseRun(Case("x", "a case", implementations), barrier, None).run(1)
    return {one["name"]: one["failed"] for one in outcome["implementations"]}


def test_a_failure_is_reported_and_the_others_go_on() -> None:
    found = failures(("good", whole), ("bad", broken))
    assert found["good"] is None and "it broke with bench" in found["bad"]


def test_an_implementation_that_leaves_another_state_fails() -> None:
    found = failures(("good", whole), ("other", with_lo_up))
    assert found["good"] is None and "does not set up what good sets up: links of namespace 1: ('lo'" in found["other"]


def test_what_a_failing_implementation_leaves_is_deleted() -> None:
    assert "RuntimeError: gave up" in failures(("untidy", untidy))["untidy"]
    assert not [name for name in NetNS.list() if name.startswith("bench-") and name.endswith("-2")]


def test_the_barrier_waits_for_what_it_watches() -> None:
    with CleanupBarrier() as barrier, NetNS.create() as home:
        for _ in range(3):
            with NetNS.create() as ns:
                home.net.add_veth("near", peer="far", peer_ns=ns)
                barrier.watch([ns.fd])
            barrier.wait()
            assert "near" not in [link.name for link in home.net.links()]  # its other end has gone with the namespace


def test_the_barrier_survives_lost_events() -> None:
    """The kernel drops events when the socket's buffer is full; the barrier then asks for the state."""
    with CleanupBarrier() as barrier:
        with NetNS.create() as ns:
            barrier.watch([ns.fd])
            for number in range(3000):
                barrier._home.net.set_link("lo", up=number % 2 == 0)
        barrier.wait()
        assert not list(barrier._home.net.nsids())


def missing() -> str:
    raise PeerMissing("nobody has installed it")


def test_a_missing_peer_is_named_with_the_reason() -> None:
    found = bench(1, ["enter"], peers=Peers([PeerSource("C", missing, lambda case, version: [])]))
    assert [one["name"] for one in found["cases"][0]["implementations"]] == ["rawns"]
    assert found["unavailable"] == [{"name": "C", "reason": "nobody has installed it"}]


def test_every_case_has_a_title_and_an_implementation() -> None:
    found = cases(Peers())
    assert len({case.name for case in found}) == len(found)
    assert all(case.title and case.implementations for case in found)


# -- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_writes_what_was_asked_for(tmp_path: Path) -> None:
    files = {kind: str(tmp_path / f"out.{kind}") for kind in ("json", "csv", "svg", "html")}
    asked = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    done = rawns("bench", "--only", "enter,named", "--rounds", "6", *asked)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "A namespace with a name" in done.stdout.splitlines()[0] and "FAILED" not in done.stdout
    old = json.loads(Path(files["json"]).read_text())
    assert [case["name"] for case in old["cases"]] == ["named", "enter"]
    assert Path(files["svg"]).read_text().startswith("<svg") and "</html>" in Path(files["html"]).read_text()
    for case in old["cases"]:  # pretend that it was a thousand times faster
        for one in case["implementations"]:
            if one["role"] == RAWNS:
                one["sums"] = {name: [max(1, value // 1000) for value in spent] for name, spent in one["sums"].items()}
    Path(files["json"]).write_text(json.dumps(old))
    again = rawns("bench", "--only", "enter", "--rounds", "6", "--compare", files["json"], "--fail-on-regression")
    assert again.returncode == 1 and "enter: rawns is slower by" in again.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "nonsense"], "no case is called 'nonsense'"),
        (["--rounds", "-1"], "is not a number between 1 and"),
        (["--compare", "setup.py"], "is not JSON"),
        (["--fail-on-regression", "x"], "unexpected argument"),
        (["--compare", "/nowhere.json"], "No such file"),
        (["--fail-on-regression"], "needs --compare"),
        (["--only", "enter", "--rounds", "1", "--svg", "/nowhere/x.svg"], "cannot be written"),
    ],
)
def test_what_is_refused(words: list[str], complaint: str) -> None:
    done = rawns("bench", *words)
    assert done.returncode in (1, 2) and complaint in done.stderr and "Traceback" not in done.stderr


def test_an_ordinary_user(ordinary: Ordinary) -> None:
    done = ordinary.run([ordinary.python, "-m", "rawns", "bench", "--only", "article", "--rounds", "1"])
    assert done.returncode == 0, done.stdout
    assert "as root of a user namespace" in done.stdout and "FAILED" not in done.stdout


def test_one_file(tmp_path: Path) -> None:
    """The zipapp of the README is complete: the C code is compiled out of the zip file."""
    import shutil

    shutil.copytree(PROJECT / "rawns", tmp_path / "box" / "rawns", ignore=shutil.ignore_patterns("__pycache__"))
    zipapp.create_archive(tmp_path / "box", tmp_path / "rawns.pyz", main="rawns.cli.main:entry")
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "rawns.pyz"), "bench", "--only", "enter", "--rounds", "1"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "enter: setns into a namespace and back" in done.stdout and "not measured: C:" not in done.stdout
    assert list((tmp_path / "cache" / "rawns").glob("_rawns_baseline_*"))


def test_listing_measures_nothing() -> None:
    done = rawns("bench", "--list")
    assert done.returncode == 0 and "star-1000" in done.stdout


def half_way(trial: Trial) -> Iterator[Any]:
    with NetNS.current() as home:
        home.net.add_veth(trial.near, peer=trial.far)
        yield "pair"
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing_at_home() -> None:
    with pytest.raises(KeyboardInterrupt):
        failures(("half way", half_way))
    with NetNS.current() as home:
        assert [link.name for link in home.net.links() if link.name in (Trial().near, Trial().far)] == []


def test_what_a_standing_star_costs() -> None:
    done = subprocess.run(
        [sys.executable, str(PROJECT / "bench" / "labs.py"), "--hosts", "3", "--rounds", "1"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for line in ("named, up again", "nameless, down until gone", "named: up again / up", "descriptors a host"):
        assert line in done.stdout
    assert "made by: python3 bench/labs.py --hosts 3 --rounds 1" in done.stdout


def test_cold_runs_are_made_in_a_process_of_each_implementation() -> None:
    found = bench(1, ["anonymous"], cold=True)
    for one in found["cases"][0]["implementations"]:
        assert one["failed"] is None and {"create", "socket", "close", "kernel cleanup"} == set(one["steps"])
    assert found["cold"] and found["profile"] == []


@pytest.mark.skipif(not really_root(), reason="a user namespace may not open /dev/net/tun")
def test_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots have the same links, aliases, addresses and routes in C; each of those created at once has a duration of its own."""
    monkeypatch.setattr(many, "OTHERS", 2)
    chosen = {case.name: case for case in cases(Peers()) if case.name in ("slots-100", "together-threads", "together-processes")}
    for name, case in chosen.items():
        case.n = 6
        with CleanupBarrier() as barrier:
            found = _CaseRun(case, barrier, None).run(1)
        assert [one["failed"] for one in found["implementations"]] == [None] * len(found["implementations"])
        for one in found["implementations"]:
            assert name == "slots-100" or len(one["sums"]["each"]) == 6 and all(spent > 0 for spent in one["sums"]["each"])
