"""`rawns bench` on the real kernel, with as few rounds as there can be: that it runs, and tells the truth.  No timing decides."""

from __future__ import annotations

import json
import subprocess
import sys
import zipapp
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Ordinary
from test_rootless import rawns

from rawns import NetNS
from rawns.bench import bench
from rawns.bench.cases import NoPeers, cases, peers
from rawns.bench.cleanup_barrier import Fence
from rawns.bench.harness import Case, Contender, Scene, Standing
from rawns.bench.run import _Rounds

SMALL = [
    "anonymous",
    "named",
    "verbs",
    "moved",
    "article",
    "enter",
    "exec",
    "mounts",
    "packet",
    "connect",
    "chat-1",
    "pool",
    "star-10",
]


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return bench(1, SMALL)


def test_all_cases_run_and_leave_the_same(measured: dict[str, Any]) -> None:
    """Whoever leaves another state than the floor has failed, so that none has is what is asked."""
    failed = [
        (case["name"], one["name"], one["failed"]) for case in measured["cases"] for one in case["contenders"] if one["failed"]
    ]
    assert failed == []
    assert [case["name"] for case in measured["cases"]] == SMALL
    for case in measured["cases"]:
        for one in case["contenders"]:
            assert one["sums"]["all"] and all(value > 0 for spent in one["sums"].values() for value in spent)
            assert one["version"]


def test_rawns_is_in_every_case(measured: dict[str, Any]) -> None:
    for case in measured["cases"]:
        assert any(one["version"].startswith("rawns") for one in case["contenders"])
    steps = {case["name"]: case["contenders"][-1]["steps"] for case in measured["cases"]}
    assert {"create", "socket", "close", "kernel lets go"} == set(steps["anonymous"])
    assert {"pair, born in place", "addresses", "up", "lo up", "route"} <= set(steps["verbs"])


def test_the_profile_adds_up(measured: dict[str, Any]) -> None:
    article = next(one for one in measured["profile"] if one["case"] == "article")
    calls = {call["call"]: call["times"] for call in article["calls"]}
    assert calls["unshare"] == 2 and calls["sendto"] == 2 and 0 <= article["python"] <= 1


def test_the_world_is_recorded(measured: dict[str, Any]) -> None:
    there = measured["world"]
    assert there["kernel"] and there["processors"] > 0 and there["mounts"] > 0 and there["python"].startswith("CPython")
    assert json.loads(json.dumps(measured)) == measured


# -- what goes wrong ------------------------------------------------------------------------------------------------------


def broken(scene: Scene) -> Iterator[Any]:
    with NetNS.create(scene.names[0]) as ns:
        yield "create"
        yield Standing([scene.names[0]])
        raise OSError(f"it broke with {ns.name[:5] if ns.name else ''}")


def whole(scene: Scene) -> Iterator[Any]:
    with NetNS.create(scene.names[0]):
        yield "create"
        yield Standing([scene.names[0]])


def with_lo_up(scene: Scene) -> Iterator[Any]:
    with NetNS.create(scene.names[0]) as ns:
        ns.net.set_link("lo", up=True)
        yield "create"
        yield Standing([scene.names[0]])


def untidy(scene: Scene) -> Iterator[Any]:
    NetNS.create(scene.names[1]).close()
    yield "create"
    raise RuntimeError("gave up")


def told(*plays: tuple[str, Any]) -> dict[str, Any]:
    with Fence() as fence:
        contenders = [Contender(name, play, "1") for name, play in plays]
        outcome = _Rounds(Case("x", "a case", contenders), fence, None).run(1)
    return {one["name"]: one["failed"] for one in outcome["contenders"]}


def test_a_contender_that_fails_is_reported_and_the_others_go_on() -> None:
    found = told(("good", whole), ("bad", broken))
    assert found["good"] is None and "it broke with bench" in found["bad"]


def test_a_contender_that_makes_something_else_has_failed() -> None:
    found = told(("good", whole), ("other", with_lo_up))
    assert found["good"] is None and "does not make what good makes: links of namespace 1: ('lo'" in found["other"]


def test_what_a_failing_contender_leaves_is_swept_up() -> None:
    assert "RuntimeError: gave up" in told(("untidy", untidy))["untidy"]
    assert not [name for name in NetNS.list() if name.startswith("bench-") and name.endswith("-2")]


def test_the_fence_waits_for_what_it_watches() -> None:
    with Fence() as fence, NetNS.create() as home:
        for _ in range(3):
            with NetNS.create() as ns:
                home.net.add_veth("near", peer="far", peer_ns=ns)
                fence.watch([ns.fd])
            fence.wait()
            assert "near" not in [link.name for link in home.net.links()]  # its other end has gone with the namespace


def test_without_a_checkout_the_peers_are_named_as_absent() -> None:
    absent = NoPeers()
    assert {one.name for one in absent.absent} >= {"C", "ip", "pyroute2"} and all("checkout" in one.why for one in absent.absent)
    found = bench(1, ["enter"], others=absent)
    assert [one["name"] for one in found["cases"][0]["contenders"]] == ["rawns"] and len(found["absent"]) == 7


def test_every_case_has_a_title_and_somebody_in_it() -> None:
    found = cases(peers())
    assert len({case.name for case in found}) == len(found)
    assert all(case.title and case.contenders for case in found)


# -- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_writes_what_was_asked_for(tmp_path: Path) -> None:
    files = {kind: str(tmp_path / f"out.{kind}") for kind in ("json", "csv", "svg", "html")}
    asked = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    done = rawns("bench", "--only", "enter,named", "--rounds", "1", *asked)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "named: a namespace with a name" in done.stdout and "FAILED" not in done.stdout
    old = json.loads(Path(files["json"]).read_text())
    assert [case["name"] for case in old["cases"]] == ["named", "enter"]
    assert Path(files["svg"]).read_text().startswith("<svg") and "</html>" in Path(files["html"]).read_text()
    for case in old["cases"]:  # a past in which all was a thousand times faster
        for one in case["contenders"]:
            if one["name"] == "rawns":
                one["sums"] = {name: [max(1, value // 1000) for value in spent] for name, spent in one["sums"].items()}
    Path(files["json"]).write_text(json.dumps(old))
    again = rawns("bench", "--only", "enter", "--rounds", "1", "--compare", files["json"], "--fail-on-regression")
    assert again.returncode == 1 and "enter: rawns is slower by" in again.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--only", "nonsense"], "no case is called 'nonsense'"),
        (["--rounds", "-1"], "are too few"),
        (["--compare", "/nowhere.json"], "No such file"),
        (["--fail-on-regression"], "needs --compare"),
        (["--only", "enter", "--rounds", "1", "--svg", "/nowhere/x.svg"], "cannot be written"),
    ],
)
def test_what_is_refused(words: list[str], complaint: str) -> None:
    done = rawns("bench", *words)
    assert done.returncode == 1 and complaint in done.stderr and "Traceback" not in done.stderr


def test_an_ordinary_user(ordinary: Ordinary) -> None:
    done = ordinary.run([ordinary.python, "-m", "rawns", "bench", "--only", "named,article,star-10", "--rounds", "1"])
    assert done.returncode == 0, done.stdout
    assert "as root of a user namespace" in done.stdout and "FAILED" not in done.stdout


def test_one_file(tmp_path: Path) -> None:
    """The zipapp of the README has no bench/ beside it."""
    import shutil

    shutil.copytree(PROJECT / "rawns", tmp_path / "box" / "rawns", ignore=shutil.ignore_patterns("__pycache__"))
    zipapp.create_archive(tmp_path / "box", tmp_path / "rawns.pyz", main="rawns.cli.main:entry")
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "rawns.pyz"), "bench", "--only", "enter", "--rounds", "1"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "absent: C: bench/ is not here" in done.stdout and "enter: setns there and back" in done.stdout


def test_listing_measures_nothing() -> None:
    done = rawns("bench", "--list")
    assert done.returncode == 0 and "star-1000" in done.stdout


def half_way(scene: Scene) -> Iterator[Any]:
    with NetNS.current() as home:
        home.net.add_veth(scene.near, peer=scene.far)
        yield "pair"
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing_at_home() -> None:
    with pytest.raises(KeyboardInterrupt):
        told(("half way", half_way))
    with NetNS.current() as home:
        assert [link.name for link in home.net.links() if link.name in (Scene().near, Scene().far)] == []


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
