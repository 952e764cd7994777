"""A campaign for `rawns why`: each scene is broken by the real programs, named, and repaired by the commands that are printed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from scenes import HEALTHY, SCENES, V6, forget, perform
from ways import Net, run_remedy

from rawns import Diagnosis, why
from rawns.diagnose import proof

MAX_REMEDIES = 6


@pytest.fixture
def net(netns_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    monkeypatch.setattr(proof, "REFUTATION_SECONDS", 0.1)
    monkeypatch.setattr(proof, "ANSWER_SECONDS", 1.5)
    monkeypatch.setattr(proof, "LARGE_ANSWER_SECONDS", 0.3)
    with ExitStack() as stack:
        yield Net(stack, netns_name)


def pings(net: Net, target: str, seconds: float = 10.0) -> bool:
    """Whether the real ping is answered."""
    command = ["ping", "-n", "-c", "1", "-W", str(seconds), target]
    return net["a"].run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def asked(net: Net, options: dict[str, object]) -> Diagnosis:
    target = options.get("target") or net["b"]
    family = options.get("family")
    if options.get("target"):
        family = None
    return why(net["a"], target, family, port=options.get("port"), protocol=options.get("protocol"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCENES)
def test_scene(name: str, net: Net) -> None:
    scene = SCENES[name]
    scene.build(net)
    net.settle(ipv6=scene.family == V6)
    perform(net, scene.commands)
    forget(net)
    options: dict[str, object] = {key: getattr(scene, key) for key in ("target", "family", "port", "protocol")}
    found = asked(net, options)
    said = net.named(str(found))
    assert not found, f"found no fault: {said}"
    assert found.fault is not None and re.search(scene.says, net.named(found.fault.sentence), re.S), said
    if scene.silent and found.target is not None and scene.remedy:
        assert not pings(net, found.target, 0.2), f"the real ping is answered, yet: {said}"
    if not scene.remedy:
        return
    printed: list[str] = []
    while not found:
        assert found.fault is not None
        command = found.fault.command
        assert command, f"no remedy: {net.named(str(found))} after {printed}"
        assert command not in printed, f"printed twice: {command}"
        assert len(printed) < MAX_REMEDIES, f"no end: {printed}"
        printed.append(command)
        run_remedy(command)
        net.settle(ipv6=scene.family == V6)
        found = asked(net, options)
    assert found.rtt is not None or scene.protocol == "udp"
    if scene.port is None:
        assert pings(net, str(found.target)), f"the real ping is not answered after {printed}"


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy(name: str, net: Net) -> None:
    build, commands, options = HEALTHY[name]
    build(net)
    net.settle()
    perform(net, commands)
    net.settle()
    forget(net)
    found = asked(net, options)
    assert found and found.refuted is None, net.named(str(found))
