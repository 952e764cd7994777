"""Ports that are impaired while traffic flows: by netem, or where the kernel lacks it by the lab's relay."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import NETNS, remove_name
from test_lab_runtime import host

import rawns
from rawns import InvalidValue, Lab, RawnsError, Shape
from rawns.lab import discover, document, netem_support, relay_process

SOON = 10.0  # seconds; only a fault ever waits so long
ADDRESS = "10.0.0.2"


def has_tap() -> bool:
    return os.access("/dev/net/tun", os.W_OK)


needs_relay = pytest.mark.usefixtures("without_netem")
pytestmark = pytest.mark.skipif(not has_tap(), reason="/dev/net/tun cannot be opened")


@pytest.fixture
def without_netem() -> None:
    if netem_support.kernel_has_netem():
        pytest.skip("this kernel has netem, and needs no relay")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("bad") as lab:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24", "fd00::1/64"), b.port("eth0", f"{ADDRESS}/24", "fd00::2/64"))
        lab.up()
        for one, other, address in ((a, b, ADDRESS), (b, a, "10.0.0.1")):  # or a lost question would count as lost data
            one.net.add_neighbour("eth0", address, str(other.net.link("eth0").address))
        yield lab


def ping(lab: Lab, *words: str) -> tuple[str, list[float]]:
    """What the real ping says, and the round trips in milliseconds."""
    command = ["ping", "-n", *words, ADDRESS]
    said = host(lab, "a").run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return said, [float(one) for one in re.findall(r"time=([\d.]+) ms", said)]


def datagrams(lab: Lab, count: int, patience: float = 0.5) -> list[int]:
    """Send numbered datagrams at once from a to b; return the numbers in the order of their arrival."""
    with host(lab, "b").socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((ADDRESS, 0))
        receiver.settimeout(patience)
        with host(lab, "a").socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(count):
                sender.sendto(number.to_bytes(4, "big") + bytes(60), receiver.getsockname())
        found = []
        try:
            while True:
                found.append(int.from_bytes(receiver.recv(100)[:4], "big"))
        except TimeoutError:
            return found


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until_ended(pid: int) -> bool:
    end = time.monotonic() + SOON
    while running(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


# -- what is done to frames -------------------------------------------------------------------------------------------------


def test_delay_is_added_changed_and_taken_away_while_a_connection_lives(lab: Lab) -> None:
    a, b = host(lab, "a"), host(lab, "b")
    with b.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind((ADDRESS, 0))
        listening.listen()
        with a.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.settimeout(SOON)
            one.connect(listening.getsockname())
            other = listening.accept()[0]
            with other:
                other.settimeout(SOON)
                for delay in ("30ms", "10ms", None):
                    if delay is not None:
                        lab.impair("a", delay=delay)
                    else:
                        lab.clear("a")
                    one.sendall(delay.encode() if delay is not None else b"none")
                    assert other.recv(9) == (delay.encode() if delay is not None else b"none")
                    _, times = ping(lab, "-c2", "-i0.01")
                    assert len(times) == 2 and (min(times) >= 30 if delay == "30ms" else min(times) >= 10 if delay else True)
                assert min(times) < 10
    assert lab.plan() == []


def test_both_ends_of_a_wire(lab: Lab) -> None:
    host(lab, "a").ports[0].impair(both=True, delay="15ms", jitter="5ms")
    _, times = ping(lab, "-c3", "-i0.01")
    assert min(times) >= 20
    host(lab, "b").ports[0].clear(both=True)
    assert lab.plan() == []


def test_loss_duplication_corruption_order_and_limit(lab: Lab) -> None:
    lab.impair("a", loss="100%")
    assert datagrams(lab, 5, 0.05) == []
    lab.impair("a", duplicate="100%")
    assert sorted(datagrams(lab, 3)) == [0, 0, 1, 1, 2, 2]
    lab.impair("a", delay="50ms", limit=3)
    assert len(datagrams(lab, 50)) <= 6
    lab.impair("a", delay="50ms", reorder="50%")
    order = datagrams(lab, 60)
    assert sorted(order) == list(range(60)) and order != sorted(order)
    lab.impair("a", corrupt="100%")
    whole = [number for number in datagrams(lab, 100, 0.2) if number < 100]
    assert len(whole) < 20  # a wrong bit is found by a checksum, or has changed an address


def test_a_rate_with_a_delay(lab: Lab) -> None:
    lab.impair("a", rate="8mbit", burst="2kb", delay="10ms")
    start = time.monotonic()
    assert len(datagrams(lab, 1000, 1.0)) > 100
    assert time.monotonic() - start > 0.05  # 1000 frames of 106 bytes at 1 MB a second
    assert [one.kind for one in host(lab, "a").net.qdiscs() if one.kind == "tbf"] == ["tbf"]


def test_a_bulk_transfer_survives(lab: Lab) -> None:
    lab.impair("a", both=True, delay="2ms", jitter="1ms", loss="0.5%", duplicate="0.5%")
    data = os.urandom(1 << 20)
    with host(lab, "b").socket(socket.AF_INET6, socket.SOCK_STREAM) as listening:
        listening.bind(("fd00::2", 0))
        listening.listen()
        program = (
            "import socket,sys;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));s.sendall(sys.stdin.buffer.read())"
        )
        command = [sys.executable, "-c", program, *map(str, listening.getsockname()[:2])]
        sender = host(lab, "a").popen(command, stdin=subprocess.PIPE)
        listening.settimeout(SOON)
        assert sender.stdin is not None
        import threading

        feeding = threading.Thread(target=lambda: (sender.stdin.write(data), sender.stdin.close()))  # type: ignore[union-attr]
        feeding.start()
        other, _ = listening.accept()
        with other:
            other.settimeout(SOON)
            received = b"".join(iter(lambda: other.recv(65536), b""))
        feeding.join()
        assert sender.wait() == 0 and received == data


@pytest.mark.parametrize("delay", [None, "2ms"])
def test_iperf3_measures_the_rate_that_headers_leave(lab: Lab, delay: str | None) -> None:
    """Of a frame of 1514 bytes TCP has 1448 with its options: of 100 Mbit/s 95.6."""
    if shutil.which("iperf3") is None:
        pytest.skip("iperf3 is not installed")
    options: Any = {"delay": delay} if delay else {}
    lab.impair("a", rate="100mbit", **options)
    server = host(lab, "b").popen(["iperf3", "-s", "-J"], stdout=subprocess.DEVNULL)
    try:
        host(lab, "b").wait_for_port(5201, timeout=SOON, process=server)
        command, measured = ["iperf3", "-c", ADDRESS, "-J", "-t", "2", "-O", "1"], [0.0]
        while max(measured) < 95.6e6 * 0.97 and len(measured) < 8:  # a busy machine sends less, and never more
            said = json.loads(host(lab, "a").run(command, stdout=subprocess.PIPE).stdout)
            measured.append(said["end"].get("sum_received", {"bits_per_second": 0.0})["bits_per_second"])
        assert max(measured) == pytest.approx(95.6e6, rel=0.03), measured
    finally:
        server.kill()
        server.wait()


# -- seen and taken back ----------------------------------------------------------------------------------------------------


def test_a_plan_shows_what_is_impaired_and_restore_takes_it_back(lab: Lab) -> None:
    words = {"rate": "50mbit", "delay": "3ms", "loss": "1%", "corrupt": "0.1%", "limit": 77}
    lab.impair("a", **words)  # type: ignore[arg-type]
    lines = [str(one) for one in lab.plan() if "stamp" not in str(one)]
    assert lines == [f"~ eth0 of a: {Shape(**words)} -> not shaped"]  # type: ignore[arg-type]
    lab.restore()
    assert lab.plan() == []
    assert [link.name for link in host(lab, "a").net.links()] == ["lo", "eth0"]
    said = host(lab, "a").run(["nft", "list", "ruleset"], stdout=subprocess.PIPE, text=True).stdout
    assert said == ""


def test_a_described_delay_is_there_without_netem_too() -> None:
    with Lab("bad") as lab:
        a, b = lab.netns(label="a"), lab.netns(label="b")
        lab.wire(a.port("eth0", "10.0.0.1/24", shape={"delay": "20ms"}), b.port("eth0", f"{ADDRESS}/24"))
        lab.up()
        assert lab.plan() == []
        assert min(ping(lab, "-c2", "-i0.01")[1]) >= 20
        lab.clear("a")
        assert [one for one in map(str, lab.plan()) if "eth0" in one] == ["~ eth0 of a: not shaped -> delay 20ms"]
        lab.restore()
        assert lab.plan() == [] and min(ping(lab, "-c2", "-i0.01")[1]) >= 20


def test_wrong_values_are_refused_before_anything_is_done(lab: Lab) -> None:
    for words, sentence in (
        ({"delay": "20"}, "not a time"),
        ({"loss": "101%"}, "more than the whole"),
        ({"reorder": "1%"}, "reorder needs a delay"),
        ({}, "a shape has at least one of"),
    ):
        with pytest.raises(InvalidValue, match=sentence):
            lab.impair("a", **words)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="did you mean eth0"):
        lab.impair("a:eth1", delay="1ms")
    assert lab.plan() == [] and lab.relay_control is None


# -- the relay ----------------------------------------------------------------------------------------------------------------


@needs_relay
def test_a_relay_that_was_killed_is_seen_and_replaced(lab: Lab) -> None:
    lab.impair("a", both=True, delay="5ms")
    assert lab.relay_control is not None
    pid, lines = lab.relay_control.lines()
    assert {(one["host"], one["port"]) for one in lines} == {("a", "eth0"), ("b", "eth0")}
    os.kill(pid, signal.SIGKILL)
    assert until_ended(pid)
    assert [one for one in map(str, lab.plan()) if "a:" in one or "of a:" in one][0] == (
        "~ eth0 of a: its relay has ended -> not shaped"
    )
    assert ping(lab, "-c1", "-W0.1")[1] == []
    lab.impair("a", both=True, delay="5ms")
    assert min(ping(lab, "-c2", "-i0.01")[1]) >= 10
    lab.restore()
    assert lab.plan() == [] and ping(lab, "-c1")[1]


@needs_relay
def test_why_names_the_relay_that_loses_everything(lab: Lab) -> None:
    lab.impair("a", loss="100%")
    fault = rawns.why(host(lab, "a"), host(lab, "b"), socket.AF_INET, timeout=0.2).fault
    assert fault is not None and "`impair` of the lab bad is in effect on eth0 in a, and may lose it" in fault.sentence
    lab.clear("a")
    assert rawns.why(host(lab, "a"), host(lab, "b"), socket.AF_INET).fault is None


BAD = """
import sys, time
from rawns import Lab
lab = Lab("bad")
a, b = lab.netns(label="a"), lab.netns(label="b")
lab.wire(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"))
lab.up()
lab.impair("a", delay="5ms")
print(lab.relay_control.lines()[0], flush=True)
time.sleep(99)
"""


@needs_relay
def test_a_relay_ends_with_the_process_of_its_lab() -> None:
    with subprocess.Popen([sys.executable, "-c", BAD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert running(pid)
        process.kill()
    assert until_ended(pid)


@needs_relay
def test_the_relay_of_a_standing_lab_outlives_its_process_and_ends_with_the_lab(netns_name: Any) -> None:
    name = netns_name()
    wires = [{"ends": [{"host": "a", "addresses": ["10.0.0.1/24"], "delay": "10ms"}, "b:eth0 10.0.0.2/24"]}]
    text = json.dumps({"name": name, "hosts": {"a": {}, "b": {}}, "wires": wires})
    program = f"from rawns import Lab; from rawns.lab import document; Lab.from_source(document.parse({text!r})).up()"
    lab = Lab.from_source(document.parse(text))
    try:
        subprocess.run([sys.executable, "-c", program], check=True)
        assert lab.plan() == []
        assert min(ping(lab, "-c2", "-i0.01")[1]) >= 10
        control = relay_process.relay_of(lab, start=False)
        assert control is not None
        pid, _ = control.lines()
        lab.impair("b", delay="10ms")
        assert min(ping(lab, "-c2", "-i0.01")[1]) >= 20
        assert control.lines()[0] == pid  # one process for each lab
        lab.down()
        assert until_ended(pid)
        assert not [one for one in os.listdir("/run/rawns") if name in one]
    finally:
        lab.down()
        for one in [one for one in NETNS.iterdir() if one.name.startswith(f"{name}.")]:
            remove_name(one.name)


@needs_relay
def test_a_relay_ends_when_its_namespaces_have_lost_their_names(netns_name: Any) -> None:
    name = netns_name()
    wires = [{"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]}]
    lab = Lab.from_source(document.parse(json.dumps({"name": name, "hosts": {"a": {}, "b": {}}, "wires": wires})))
    lab.up()
    lab.impair("a", delay="1ms")
    assert lab.relay_control is not None
    pid, _ = lab.relay_control.lines()
    for one in ("a", "b"):
        subprocess.run(["ip", "netns", "del", f"{name}.{one}"], check=True)
    assert until_ended(pid)
    lab.down()


@needs_relay
def test_a_relay_that_hangs_is_killed(netns_name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stopped (SIGSTOP) never answers, so the time that an answer is waited for may be short."""
    name = netns_name()
    wires = [{"ends": ["a:eth0 10.0.0.1/24", "b:eth0 10.0.0.2/24"]}]
    lab = Lab.from_source(document.parse(json.dumps({"name": name, "hosts": {"a": {}, "b": {}}, "wires": wires})))
    lab.up()
    pids = []
    for end in (lambda: lab.impair("a", delay="2ms"), discover.collect_garbage, lab.down):
        lab.impair("a", delay="1ms")
        assert lab.relay_control is not None
        pids.append(lab.relay_control.lines()[0])
        os.kill(pids[-1], signal.SIGSTOP)
        with monkeypatch.context() as patched:
            patched.setattr(relay_process, "ANSWER_SECONDS", 0.2)
            if len(pids) == 1:
                with pytest.raises(
                    RawnsError, match=rf"relay \(process {pids[0]}\) does not answer within 0.2 s, and was killed"
                ):
                    end()
            else:
                end()
        assert until_ended(pids[-1])
        if len(pids) < 3:
            assert any("its relay has ended" in str(one) for one in lab.plan())
    assert len({*pids}) == 3 and not [one for one in os.listdir("/run/rawns") if name in one]


@needs_relay
def test_a_relay_that_outlives_its_lab_is_garbage() -> None:
    """A relay that is stopped cannot end with the process of its lab."""
    with subprocess.Popen([sys.executable, "-c", BAD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        assert discover.collect_garbage() == []
        process.kill()
    assert discover.collect_garbage() == [f"relay of lab bad (process {pid})"]
    assert until_ended(pid)


def test_the_namespace_that_a_lab_is_built_from_is_not_impaired(lab: Lab) -> None:
    port = lab.root.port("outside", "10.7.0.1/24")
    lab.wire(port, host(lab, "a").port("eth7", "10.7.0.2/24"))
    lab.up()
    with pytest.raises(InvalidValue, match="outside of root is in the namespace that the lab is built from"):
        lab.impair(port, delay="1ms")
