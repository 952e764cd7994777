"""`rawns lab` on the real kernel: every example up, asked, looked at, and down; labs for a while; commands inside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import NETNS, PROJECT, Ordinary, really_root, remove_name

from rawns import Lab, NetNS, ping, rootless, syscalls, uapi
from rawns.cli.lab.examples import NAMES, text_of
from rawns.cli.main import run
from rawns.errors import KernelError
from rawns.lab import document

Name = Callable[[], str]
RAWNS = [sys.executable, "-m", "rawns"]


@pytest.fixture(scope="module", autouse=True)
def an_etc_to_write_to() -> Iterator[None]:
    """In a user namespace `up` makes one where it needs it, and leaves it there, as all tests share the place."""
    before = os.stat("/etc").st_dev
    if not os.access("/etc", os.W_OK):
        rootless.own_etc()
    yield
    if os.stat("/etc").st_dev != before:
        syscalls.umount2("/etc", uapi.MNT_DETACH)


@pytest.fixture
def lab(netns_name: Name) -> Iterator[str]:
    """A name for a lab; what is left of it is removed."""
    name = netns_name()
    yield name
    for one in os.listdir(NETNS) if NETNS.is_dir() else []:
        if one.startswith(f"{name}."):
            remove_name(one)


@pytest.fixture
def file(lab: str, tmp_path: Path) -> Callable[..., str]:
    """``file(hosts=...)`` is the path of a description of that lab."""

    def write(**data: Any) -> str:
        path = tmp_path / f"{lab}.json"
        path.write_text(json.dumps({"name": lab, **data}))
        return str(path)

    return write


Told = Callable[..., str]


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Told:
    """``told("up", path)`` runs `rawns lab up PATH`: what it prints; ``status`` is how it should end."""

    def say(*argv: str, status: int = 0) -> str:
        ended = run(["lab", *argv])
        out, err = capfd.readouterr()
        assert ended == status, f"rawns lab {' '.join(argv)} ended with {ended}: {out}{err}"
        return out + err

    return say


def answer(told: Told, *argv: str, status: int = 0) -> Any:
    return json.loads(told(*argv, "--json", status=status))


def names(lab: str) -> list[str]:
    return [one for one in NetNS.list() if one == lab or one.startswith(f"{lab}.")]


PAIR = {"hosts": ["a", "b"], "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.2/24"]}]}

# -- the examples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_brought_up_answers_and_is_gone(name: str, lab: str, file: Any, told: Told) -> None:
    data = json.loads(text_of(name, "json"))
    for host, said in data["hosts"].items():
        if "netns" in said:
            said["netns"] = f"{lab}.{host}"
        if said.get("count", 0) > 200 and not really_root():
            said["count"] = 200  # the thousand of the example are tried as root
    path = file(**{**data, "name": lab})
    try:
        assert answer(told, "up", path, "--wait", "120")["ok"]
    except AssertionError as error:
        if "qdisc kind is unknown" in str(error):
            pytest.skip(f"this kernel has no such queueing discipline: {error}")
        raise
    pairs = answer(told, "ping", path)
    assert pairs["ok"] and pairs["pairs"] and pairs["every_pair"] == (name != "star")
    assert answer(told, "up", path)["changes"] == []
    if name != "star":  # a second more for each
        assert answer(told, "plan", path)["changes"] == []
        assert answer(told, "status", path)["state"] == "up"
        assert "missing" not in told("graph", path)
    found = [one for one in answer(told, "list") if one["lab"] == lab]
    assert len(found) == 1 and found[0]["state"] == "standing" and len(found[0]["hosts"]) == len(names(lab))
    if name != "star":
        again = answer(told, "ping", lab)
        assert {(one["from"], one["address"]) for one in again["pairs"]} == {
            (one["from"], one["address"]) for one in pairs["pairs"]
        }
        assert answer(told, "status", lab)["state"] == "up"
        assert answer(told, "export", lab)["name"] == lab
    assert len(answer(told, "down", path, "--wait", "120")["removed"]) >= len(data["hosts"])
    assert names(lab) == []


def test_an_error_of_the_kernel_names_the_line(lab: str, file: Any, told: Told, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    routes = '{"a": {"routes": [\n"fd09::/64 via fe80::1 dev eth0"]}, "b": {}}'  # its own address
    ends = '[{"host": "a", "addresses": ["fe80::1/64", "fd00::1/64"]}, "b"]'
    path.write_text(f'{{"name": "{lab}",\n"hosts": {routes},\n"wires": [{{"ends": {ends}}}]}}')
    said = told("up", str(path), status=1)
    assert said.startswith("rawns lab: RTM_NEWROUTE (") and "Gateway" in said
    assert f"{path}:3: hosts.a.routes[0])" in said and len(said.splitlines()) == 1
    assert names(lab) == []


# -- up, plan, status, down ---------------------------------------------------------------------------------------------


def test_a_change_is_planned_made_and_told(lab: str, file: Any, told: Told) -> None:
    planned = told("plan", file(**PAIR)).splitlines()
    assert planned[0].startswith("+ host a") and len(planned) == 4 and names(lab) == []
    assert "2 hosts, 1 wire; 4 changes in " in told("up", file(**PAIR))
    assert told("up", file(**PAIR)).endswith("is up: 2 hosts, 1 wire; nothing to change\n")
    assert "there is nothing to change" in told("plan", file(**PAIR))
    with NetNS.open(f"{lab}.a") as before:
        identity = before.identity
    changed = {**PAIR, "wires": [{"ends": ["a 10.0.0.1/24", "b 10.0.0.3/24"]}]}
    assert "differs" in told("status", file(**changed), status=1)
    lines = told("up", file(**changed)).splitlines()
    assert lines[:2] == ["+ address 10.0.0.3/24 on eth0 of b", "- address 10.0.0.2/24 on eth0 of b"]
    with NetNS.open(f"{lab}.a") as after:
        assert after.identity == identity
    [change] = [one for one in answer(told, "plan", file(**PAIR))["changes"] if one["sign"] == "+"]
    assert change == {"sign": "+", "what": "address 10.0.0.2/24 on eth0 of b", "where": "wires[0].ends[1]", "line": 1}
    assert told("down", lab).startswith(f"{lab} is down: 2 names removed in ")
    assert told("down", lab) == f"no lab called {lab} is up; nothing was removed\n"
    assert answer(told, "status", file(**PAIR), status=1)["state"] == "missing"


def test_what_is_broken_is_seen(lab: str, file: Any, told: Told) -> None:
    path = file(**PAIR)
    told("up", path)
    with NetNS.open(f"{lab}.b") as ns:
        ns.net.set_link("eth0", up=False)
    assert answer(told, "status", path, status=1)["state"] == "not as described"
    failed = answer(told, "ping", path, "--timeout", "0.2", status=1)
    assert not failed["ok"] and {(one["from"], one["to"], one["ok"]) for one in failed["pairs"]} == {
        ("a", "b", False),
        ("b", "a", False),
    }
    said = told("ping", path, "--timeout=0.2", status=1)
    assert "FAILS" in said and "a -> b 10.0.0.2: " in said and "0 of 2 ways" in said
    assert f"its far end, eth0 in {lab}.b, is down" in told("why", path, "a", "b", status=1)
    assert "has no host called c; it has a, b" in told("why", lab, "a", "c", status=1)
    assert "[down]" in told("graph", path) or "[differs]" in told("graph", path)
    NetNS.remove(f"{lab}.b")
    why = {one["from"]: one["why"] for one in answer(told, "ping", path, "--timeout", "0.2", status=1)["pairs"]}
    assert why["b"] == "b is not there" and why["a"]
    assert "[missing]" in told("graph", path)
    assert "missing" in told("status", path, status=1)
    assert "b" in told("up", path) and answer(told, "ping", path)["ok"]
    told("down", path)


def test_down_asks_no_more_of_a_file_than_the_name(lab: str, file: Any, told: Told) -> None:
    told("up", file(**PAIR))
    assert "2 names removed" in told("down", file(hosts={"a": {"gatway": 1}}))


def test_a_name_that_nobody_has(lab: str, file: Any, told: Told) -> None:
    assert told("ping", file(**PAIR), status=1) == f"rawns lab: {lab} is not up\n"
    assert "there is no lab called rt-missing" in told("status", "rt-missing", status=1)
    assert "no lab called rt-missing is up" in told("exec", "rt-missing", "a", "true", status=1)


def test_gc_leaves_standing_labs_alone(lab: str, file: Any, told: Told) -> None:
    told("up", file(**PAIR))
    assert not [one for one in answer(told, "gc")["removed"] if one.startswith(lab)]
    assert len(names(lab)) == 2
    told("down", lab)


# -- inside -------------------------------------------------------------------------------------------------------------


def rawns(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    given: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, "cwd": PROJECT, "stdin": subprocess.DEVNULL}
    return subprocess.run([*RAWNS, "lab", *argv], **{**given, **options})


def test_exec_has_the_network_and_the_files_of_its_host(lab: str, file: Any, told: Told) -> None:
    hosts = {"a": {"hosts": {"db": "10.0.0.2"}, "nameservers": "10.0.0.53"}, "b": {}}
    path = file(**{**PAIR, "hosts": hosts})
    told("up", path)
    try:
        script = "cat /etc/resolv.conf; grep db /etc/hosts; ls /sys/class/net; exit 7"
        for word in (lab, path):
            done = rawns("exec", word, "a", "sh", "-c", script)
            assert done.returncode == 7 and done.stderr == ""
            assert "nameserver 10.0.0.53" in done.stdout and "10.0.0.2\tdb" in done.stdout
            assert done.stdout.split()[-2:] == ["eth0", "lo"]
        assert rawns("exec", lab, "a", "/nowhere").returncode == 127
        assert "has no host called c; it has a, b" in rawns("exec", lab, "c", "true").stderr
        done = rawns("shell", lab, "b", input="cat /proc/net/dev\n", stdin=None, env={**os.environ, "SHELL": "/bin/sh"})
        assert "eth0:" in done.stdout and done.returncode == 0
    finally:
        told("down", path)
    assert not os.path.exists(f"/etc/netns/{lab}.a")


# -- for a while --------------------------------------------------------------------------------------------------------


def test_run_takes_everything_away_again(lab: str, file: Any) -> None:
    path = file(**PAIR)
    script = f"ls /run/netns; {sys.executable} -m rawns lab ping {path}; exit 9"
    done = rawns("run", path, "--", "sh", "-c", script)
    assert done.returncode == 9, done.stderr
    assert f"{lab}.a" in done.stdout.split() and "2 of 2 ways lead there and back" in done.stdout
    assert names(lab) == []


def test_run_is_ended_by_a_signal_and_leaves_nothing(lab: str, file: Any) -> None:
    command = [*RAWNS, "lab", "run", file(**PAIR), "--", "sh", "-c", "echo there; exec sleep 60"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert names(lab) == []


def test_run_does_not_touch_what_is_up(lab: str, file: Any, told: Told) -> None:
    path = file(**PAIR)
    told("up", path)
    try:
        assert "is up already, and would be removed at the end" in told("run", path, "--", "true", status=1)
        assert len(names(lab)) == 2
    finally:
        told("down", path)


def test_an_ordinary_user_runs_a_lab(ordinary: Ordinary) -> None:
    path = ordinary.home / "pair.json"
    path.write_text(json.dumps({"name": "pair", **PAIR}))
    os.chmod(path, 0o644)
    command = [
        ordinary.python,
        "-m",
        "rawns",
        "lab",
        "run",
        str(path),
        "--",
        ordinary.python,
        "-m",
        "rawns",
        "lab",
        "ping",
        "pair",
    ]
    done = ordinary.run(command)
    if "this machine does not let" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0 and "2 of 2 ways lead there and back" in done.stdout, done.stdout


# -- with very many -------------------------------------------------------------------------------------------------------


def test_progress_is_shown_on_a_terminal_only(lab: str, file: Any, monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    from rawns.cli import lab as lab_command

    monkeypatch.setattr(lab_command, "DELAY", -1.0)
    path = file(hosts={"h": {"count": 5}})
    assert " of 5 hosts" not in told("up", path)
    told("down", path)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert " of 5 hosts" in told("up", path)
    told("down", path)


def test_a_name_of_another_program_is_left_alone(lab: str, file: Any, told: Told) -> None:
    with NetNS.create(f"{lab}.a"):
        said = told("up", file(**PAIR), status=1)
        assert f"the name {lab}.a is taken" in said and len(said.splitlines()) == 1
        assert names(lab) == [f"{lab}.a"]


def test_errors_are_the_librarys(lab: str, file: Any) -> None:
    from rawns import Lab

    loaded = Lab.load(file(**PAIR))
    loaded.wires[0][1].mtu = 67  # the file would have been refused: a veth has at least 68
    with pytest.raises(KernelError) as caught:
        loaded.up()
    assert "wires[0].ends[" in caught.value.context


# -- more than one machine ------------------------------------------------------------------------------------------------


def lab_of(**data: Any) -> Lab:
    return Lab.from_source(document.Source(data))


def half(lab: str, mine: str, other: str, address: str) -> Any:
    """One machine's half of an Ethernet: its switch and its tunnel are in the namespace that it is built from."""
    return {
        "name": lab,
        "hosts": ["guest"],
        "bridges": {"br0": {"host": "root"}},
        "wires": [{"ends": [f"guest:eth0 {address}/24", "br0"], "mtu": 1450}],
        "vxlans": [{"bridge": "br0", "name": "tunnel", "vni": 42, "local": mine, "remote": other}],
    }


def test_two_labs_on_two_machines_are_one_ethernet(netns_name: Name) -> None:
    """Two namespaces stand in for the machines: a lab is built from each, and knows nothing of the other."""
    machines, left, right = netns_name(), netns_name(), netns_name()
    underlay = {"hosts": ["m1", "m2"], "wires": [{"ends": ["m1:eth0 192.0.2.1/24", "m2:eth0 192.0.2.2/24"]}]}
    with lab_of(name=machines, **underlay) as ground:
        ground.up()
        m1, m2 = ground.hosts
        one = lab_of(**half(left, "192.0.2.1", "192.0.2.2", "10.0.0.1"))
        two = lab_of(**half(right, "192.0.2.2", "192.0.2.1", "10.0.0.2"))
        try:
            for machine, lab in ((m1, one), (m2, two)):
                with machine.entered():
                    assert lab.up(wait=20)
                    assert lab.up() == []
            assert [link.name for link in m1.net.links("vxlan")] == ["tunnel"]
            guest = next(host for host in one.hosts if host.label == "guest")
            assert ping(guest, "10.0.0.2", timeout=5).received == 1
        finally:
            for machine, lab in ((m1, one), (m2, two)):
                with machine.entered():
                    lab.down()
        assert m1.net.link("eth0").up and not m1.net.links("bridge") + m1.net.links("vxlan")


def test_a_command_that_waits_lets_the_kernel_keep_its_signals(file: Any) -> None:
    """One that arrives just before the wait then ends that, too; the kernel says in what a process waits (wchan in /proc)."""
    command = [*RAWNS, "lab", "run", file(**PAIR), "--", "sh", "-c", "echo there; exec sleep 60"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
        place, deadline, waits = Path(f"/proc/{process.pid}/wchan"), time.monotonic() + 20, ""
        while not waits.startswith("do_sigtimedwait") and time.monotonic() < deadline:
            waits = place.read_text()  # "0" while it runs, and always on a kernel that does not tell
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert waits == "0" or waits.startswith("do_sigtimedwait")
