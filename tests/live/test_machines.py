"""Labs that span several machines, which are namespaces here; what is left on them is read by the real ip."""

from __future__ import annotations

import contextlib
import errno
import json
import marshal
import os
import pty
import py_compile
import re
import select
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT
from machine_namespaces import TestMachine, underlay

from rawns import InvalidValue, Lab, RawnsError
from rawns.cli import onefile
from rawns.lab.document import Source
from rawns.machines import DistributedLab, MachineError, frames
from rawns.machines.bundle import _cached_code, _code, _specs, bundle
from rawns.machines.connection import MachineConnection
from rawns.machines.why import why

WEB = "web:eth0 10.0.0.1/24"


@pytest.fixture
def machines(netns_name: Callable[[], str]) -> Iterator[list[TestMachine]]:
    with ExitStack() as stack:
        yield underlay(stack, netns_name, 2)


def described(machines: list[TestMachine], hosts: int = 4, **more: Any) -> dict[str, Any]:
    reached = {name: {"run": machine.shell, "address": machine.address} for name, machine in zip("abc", machines)}
    lab = {"name": "shop", "spread": "even", "machines": reached, "hosts": {"web": {"count": hosts}}, "bridges": {"lan": {}}}
    return {**lab, "wires": [{"ends": [WEB, "lan"]}], **more}


def load(data: dict[str, Any]) -> DistributedLab:
    return DistributedLab(Lab.from_source(Source(data)))


def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    argv = [sys.executable, "-m", "rawns", "lab", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, **options)


def left(machines: list[TestMachine]) -> list[str]:
    """What is left of labs on the machines: files, names and links."""
    files = [
        line for machine in machines for line in machine.run("find", "/run/rawns", "/run/netns", "-type", "f").stdout.split()
    ]
    return files + [one for machine in machines for one in [*machine.names(), *sorted(machine.links() - {"lo", "eth0"})]]


def links(machine: TestMachine, name: str) -> list[tuple[str, str]]:
    """The links of a namespace, with their MAC addresses."""
    return [(link["ifname"], link["address"]) for link in json.loads(machine.run("ip", "-n", name, "-j", "link").stdout)]


def test_up_ping_change_and_down(machines: list[TestMachine]) -> None:
    with load(described(machines)) as lab:
        assert {name: len(lines) for name, lines in lab.up().items()} == {"a": 10, "b": 4}
        assert lab.up() == {"a": [], "b": []}
        results = lab.ping(timeout=20)
        assert (len(results), all(one.ok for one in results)) == (12, True)
    assert [machine.names() for machine in machines] == [["shop.lan", "shop.web1", "shop.web2"], ["shop.web3", "shop.web4"]]
    shown = machines[1].run("ip", "-n", "shop.web3", "-j", "-d", "link", "show", "eth0")
    (link,) = json.loads(shown.stdout)
    assert (link["linkinfo"]["info_kind"], link["mtu"]) == ("vxlan", 1450)
    assert int(link["address"][:2], 16) & 3 == 2  # a local unicast address
    large = ["ip", "netns", "exec", "shop.web1", "ping", "-M", "do", "-c", "1", "-W", "20", "-s"]
    assert machines[0].run(*large, str(1450 - 28), "10.0.0.3").returncode == 0  # all of the MTU
    with load(described(machines, hosts=5)) as lab:
        changes = lab.up()
    assert [line for line in changes["a"] if "web3" in line], "a host more moves one to the other machine"
    with load(described(machines, hosts=5)) as lab:
        assert all(one.ok for one in lab.ping(timeout=20))
    with load(described(machines, hosts=1)) as lab:
        assert sorted(lab.plan()["b"]) == ["- shop.web4", "- shop.web5"], "it has no host any more"
        lab.up()
        assert lab.plan() == {"a": [], "b": []} and machines[1].names() == []
        lab.down()
    assert left(machines) == []


def test_all_or_nothing(machines: list[TestMachine]) -> None:
    """The machine that fails is named; the others are as they were before: without the lab, or with its earlier state."""
    machines[1].run("ip", "netns", "add", "shop.web3")
    with load(described(machines)) as lab, pytest.raises(MachineError, match=r"^machine b: the name shop\.web3 is taken"):
        lab.up()
    assert (machines[0].names(), machines[1].names()) == ([], ["shop.web3"])
    machines[1].run("ip", "netns", "del", "shop.web3")
    with load(described(machines)) as lab:
        lab.up()
    before = links(machines[0], "shop.web1")
    failing = described(machines)
    failing["hosts"]["db"] = {"machine": "b", "run": "exit 7"}  # fails when everything else is up
    failing["wires"].append({"ends": ["web1:eth1 10.9.0.1/24", "db:eth0 10.9.0.2/24"]})
    with load(failing) as lab, pytest.raises(MachineError, match="^machine b: .*exit 7.* exited with 7"):
        lab.up()
    assert links(machines[0], "shop.web1") == before
    assert machines[1].names() == ["shop.web3", "shop.web4"]
    with load(described(machines)) as lab:
        assert lab.plan() == {"a": [], "b": []}
        lab.down()
    assert left(machines) == []


def test_signals_are_for_the_main_thread_of_an_agent(machines: list[TestMachine]) -> None:
    """The kernel says in /proc which thread blocks which signals (proc_pid_status(5)), and programs begin without blocks."""
    ends = 1 << signal.SIGTERM - 1 | 1 << signal.SIGHUP - 1
    with load(described(machines)) as lab:
        lab.up()
        connection = lab._connections["a"]
        agent = next(pid for pid in descendants(connection._process.pid) if "python" in os.readlink(f"/proc/{pid}/exe"))
        blocked = {}
        for task in Path(f"/proc/{agent}/task").iterdir():
            mask = re.search(r"SigBlk:\s*(\w+)", (task / "status").read_text())
            assert mask is not None
            blocked[int(task.name)] = int(mask[1], 16) & ends
        assert len(blocked) == 3 and blocked.pop(agent) == 0 and set(blocked.values()) == {ends}
        lab.down()


def descendants(pid: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in descendants(int(child)))]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSTOP])
@pytest.mark.parametrize("operation", ["lock", "plan", "up", "commit"])
def test_a_machine_that_ends_or_hangs_is_named(
    machines: list[TestMachine], operation: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever that happens, the other machine has nothing of the lab in the end, also if it has committed already."""
    call = MachineConnection.call

    def patched(connection: MachineConnection, wanted: str, **arguments: Any) -> Any:
        if connection.machine.name == "b" and wanted == operation:
            assert wanted != "commit" or committed.wait(60.0)
            connection.silence = 2.0
            os.killpg(connection._process.pid, number)
        found = call(connection, wanted, **arguments)
        if (connection.machine.name, wanted) == ("a", "commit"):
            committed.set()
        return found

    committed = threading.Event()
    monkeypatch.setattr(MachineConnection, "call", patched)
    with load(described(machines)) as lab:
        words = "the connection has ended" if number == signal.SIGTERM else "it has been silent for 2 s.*repeat up or down"
        with pytest.raises(MachineError, match=f"^machine b: {words}"):
            lab.up()
        assert machines[0].names() == []
    monkeypatch.setattr(MachineConnection, "call", call)
    with load(described(machines)) as lab:  # waits for the lock of an agent that is undoing what it has done
        lab.down()
    assert left(machines) == []


def test_a_machine_that_loses_its_hosts_gets_them_back_if_another_fails(machines: list[TestMachine]) -> None:
    with load(described(machines)) as lab:
        lab.up()
    before = links(machines[0], "shop.web1")
    failing = described(machines)
    del failing["spread"]
    failing["hosts"] = {f"web{number}": {"machine": "b"} for number in range(1, 5)}
    failing["hosts"]["db"] = {"machine": "b", "run": "exit 7"}
    failing["bridges"]["lan"] = {"machine": "b"}
    failing["wires"] = [{"ends": [f"web{number}:eth0 10.0.0.{number}/24", "lan"]} for number in range(1, 5)]
    with load(failing) as lab, pytest.raises(MachineError, match="^machine b: "):
        lab.up()
    assert links(machines[0], "shop.web1") == before
    del failing["hosts"]["db"]
    with load(failing) as lab:
        assert "- shop.web1" in lab.up()["a"]
        assert machines[0].names() == []
        lab.down()
    assert left(machines) == []


def test_a_machine_that_cannot_undo_is_named_too(machines: list[TestMachine], monkeypatch: pytest.MonkeyPatch) -> None:
    call = MachineConnection.call

    def patched(connection: MachineConnection, wanted: str, **arguments: Any) -> Any:
        if (connection.machine.name, wanted) in (("b", "commit"), ("a", "undo")):
            raise MachineError(connection.machine.name, f"no {wanted}")
        return call(connection, wanted, **arguments)

    monkeypatch.setattr(MachineConnection, "call", patched)
    with load(described(machines)) as lab, pytest.raises(RawnsError, match="^machine b: no commit; machine a: no undo$"):
        lab.up()
    assert machines[1].names() == []
    monkeypatch.setattr(MachineConnection, "call", call)
    with load(described(machines)) as lab:
        lab.down()
    assert left(machines) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_operator_that_is_killed_leaves_nothing(machines: list[TestMachine], number: int, tmp_path: Path) -> None:
    """The agents see the end of the connection, and undo what has not been committed."""
    data = described(machines)
    file, mark = tmp_path / "shop.json", tmp_path / "reached"
    data["hosts"]["web"]["run"] = f"echo > {mark}; sleep 1000"
    file.write_text(json.dumps(data))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    os.mkfifo(mark)
    argv = [sys.executable, "-m", "rawns", "lab", "up", str(file)]
    process = subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL)
    reached = os.open(mark, os.O_RDWR)  # of which a writer does not wait for a reader
    assert os.read(reached, 1) == b"\n"  # a command runs there
    process.send_signal(number)
    process.wait(60)
    os.close(reached)
    for machine in machines:  # wait for the agents: each holds the lab's lock until it has ended
        lock = "while [ -e /run/rawns/shop.machines.lock ] && ! flock -w 60 /run/rawns/shop.machines.lock true; do :; done"
        assert machine.run("/bin/sh", "-c", lock).returncode == 0
    with load(described(machines)) as lab:
        lab.down()
    assert left(machines) == []


def test_two_operators_at_once(machines: list[TestMachine]) -> None:
    """One waits for the other; in the end the lab is as both describe it."""
    failed: list[BaseException] = []

    def bring_up() -> None:
        try:
            with load(described(machines)) as lab:
                lab.up()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=bring_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with load(described(machines)) as lab:
        assert lab.plan() == {"a": [], "b": []}
        lab.down()
    assert left(machines) == []


def test_commands_in_hosts(machines: list[TestMachine], tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(described(machines, hosts=2)))
    assert command("up", str(file)).stdout.startswith("shop is up: 3 hosts on 2 machines; ")
    assert command("status", str(file)).returncode == 0
    shown = command("exec", str(file), "web2", "ip", "-br", "addr", "show", "eth0")
    assert (shown.returncode, shown.stdout.split()[2]) == (0, "10.0.0.2/24")
    large = "x" * 300_000 + "\n"
    assert command("exec", str(file), "web2", "cat", input=large).stdout == large
    done = command("exec", str(file), "web1", "sh", "-c", "echo wrong >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "wrong\n")
    assert command("exec", str(file), "web1", "/nonesuch").returncode == 127
    prefix = f"{sys.executable} -m rawns lab exec {file} web1"
    assert subprocess.run(["sh", "-c", f"{prefix} cat <&-"]).returncode == 0
    for target, number in ((">/dev/full", errno.ENOSPC), (">&-", errno.EBADF)):
        done = subprocess.run(["sh", "-c", f"{prefix} echo {target}"], stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, f"rawns lab: {os.strerror(number)}\n")
    done = command("exec", str(file), "web9", "true")
    assert (done.returncode, done.stderr.startswith("rawns lab: shop has no host called web9")) == (1, True)
    assert on_terminal("shell", str(file), "web2") == 5
    assert command("down", str(file)).returncode == 0
    assert left(machines) == []


def on_terminal(*words: str) -> int:
    """Type into a shell that has a terminal, interrupt a command with Ctrl-C, and leave; return the exit status."""
    process, terminal = pty.fork()
    if not process:
        os.environ["PYTHONPATH"] = str(PROJECT)
        os.execv(sys.executable, [sys.executable, "-m", "rawns", "lab", *words])
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            assert select.select([terminal], [], [], 60)[0], seen
            seen += os.read(terminal, 65536)
        seen = seen[seen.index(text) + len(text) :]

    until(b"#")
    os.write(terminal, b"tty; sh -c 'echo $((41+1)); exec sleep 1000'\n")
    until(b"/dev/pts/")
    until(b"42\r\n")  # the command has the terminal
    os.write(terminal, b"\x03")
    until(b"#")
    os.write(terminal, b"exit 5\n")
    until(b"exit 5\r\n")
    with contextlib.suppress(OSError):  # EIO: the other side has closed it
        while select.select([terminal], [], [], 60)[0] and os.read(terminal, 65536):
            pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_why_names_the_fault(machines: list[TestMachine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rawns.machines.why.SECONDS", 1.0)
    one, two = machines
    drop = "add table t; add chain t c {{ type filter hook {hook} priority 0; }}; add rule t c udp dport 4789 drop"
    closed = "add table t; add chain t c { type filter hook input priority 0; policy drop; }"
    with load(described(machines, hosts=2)) as lab:
        lab.up()
        assert why(lab, "web1", "web2").ok
        two.run("ip", "-n", "shop.web2", "link", "set", "eth0", "down")
        found = why(lab, "web1", "web2", "shop.toml")
        assert (found.ok, found.remedy) == (False, "rawns lab up shop.toml")
        assert found.sentence == "machine b is not as described: ~ eth0 of web2: down -> up"
        lab.up()
        two.run("nft", drop.format(hook="input"))
        assert re.search("^frames of a arrive at machine b, .* dport 4789 drop in ip t c", str(why(lab, "web1", "web2")))
        two.run("nft", "flush", "ruleset")
        one.run("nft", drop.format(hook="output"))
        assert "UDP to port 4789 of machine b 192.0.2.2 does not arrive there" in str(why(lab, "web1", "web2"))
        one.run("nft", "flush", "ruleset")
        two.run(
            "ip",
            "netns",
            "exec",
            "shop.web2",
            "nft",
            closed,
        )
        assert "on machine b" in str(why(lab, "web2", "web1"))
        lab.down()


AS_NOBODY = ["setpriv", "--reuid=65534", "--clear-groups", "/bin/sh"]


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"run": ["/nonesuch"]}, "machine b: /nonesuch: No such file or directory"),
        ({"run": ["false"]}, "machine b: the connection has ended: exit status 1"),
        ({"run": ["sh", "-c", "echo no way in >&2; exit 3"]}, "machine b: the connection has ended: no way in"),
        (
            {"run": ["sh", "-c", "echo 'sudo: a password is required' >&2; exit 1"], "sudo": True},
            "machine b: the connection has ended: sudo: a password is required; sudo = true needs a rule of sudoers",
        ),
        ({"run": ["sh", "-c", "printf 'rawns-python 0000000\\377\\n'; cat"]}, "machine b: its Python is"),
        (
            {"run": ["sh", "-c", "printf 'rawns-old 3.7.3\\n'; cat >/dev/null"]},
            "machine b: its Python is 3.7.3, and 3.9 or newer is",
        ),
        ({"run": ["sh", "-c", "head -c 100000 /dev/zero"]}, "machine b: the connection has ended"),
        ({"python": "/no/python"}, "machine b: there is no /no/python; name another: python = "),
        ({"address": "192.0.2.77"}, "machine b: 192.0.2.77 is not an address of this machine"),
        pytest.param({"run": AS_NOBODY}, "machine b: the user there may not create", marks=pytest.mark.really_root),
    ],
)
def test_a_machine_that_cannot_be_used_is_named(machines: list[TestMachine], machine: dict[str, Any], message: str) -> None:
    data = described(machines)
    data["machines"]["b"].update(machine)
    with load(data) as lab, pytest.raises(MachineError) as caught:
        lab.up()
    assert str(caught.value).startswith(message)
    assert left(machines) == []


def test_two_names_for_one_machine(machines: list[TestMachine]) -> None:
    data = described(machines)
    data["machines"]["b"]["run"] = machines[0].shell
    with (
        load(data) as lab,
        pytest.raises(MachineError, match="^machine b: its connection leads to the same machine as that of a"),
    ):
        lab.up()
    assert left(machines) == []


HOSTILE = r"""
import os, sys, importlib.util
os.read(0, 65536)
os.write(1, b"rawns-python " + importlib.util.MAGIC_NUMBER.hex().encode() + b"\n")
left = int.from_bytes(os.read(0, 8), "big")
while left: left -= len(os.read(0, min(left, 65536)))
answer = lambda text: os.write(1, b"\0" + len(text).to_bytes(4, "big") + text)
answer(b'{"result": {"privileged": true, "ssh": "\\u001b[2J", "netem": true}}')
for line in iter(lambda: os.read(0, 65536), b""): %s
"""


@pytest.mark.parametrize(
    "reply",
    [
        r"""answer(b'{"error": "\\u001b[31mred"}')""",
        """answer(b'[]')""",
        """answer(b'{' * 100000)""",
        """answer(b'{"result": "no list"}')""",
        """answer(b'{"result": {"192.0.2.1": "many"}}')""",
        """os.write(1, b"\\xff" * 100)""",
        """os.write(1, b"\\0\\xff\\xff\\xff\\xff")""",
        """sys.exit()""",
    ],
)
def test_a_hostile_machine_gets_an_error(machines: list[TestMachine], reply: str, tmp_path: Path) -> None:
    """What it sends is neither executed nor printed as it is."""
    program = tmp_path / "machine.py"
    program.write_text(HOSTILE % reply)
    data = described(machines)
    data["machines"]["b"]["run"] = [sys.executable, "-I", "-S", str(program)]
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(data))
    done = command("up", str(file))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("rawns lab: machine b: ") and "\x1b" not in done.stderr and len(done.stderr) < 3000
    assert left(machines) == []


def one_machine(tmp_path: Path, replies: str) -> DistributedLab:
    """A lab on a machine that answers each request like this."""
    program = tmp_path / "machine.py"
    program.write_text(HOSTILE % replies)
    machine = {"run": [sys.executable, "-I", "-S", str(program)], "address": "192.0.2.1"}
    return load({"name": "shop", "machines": {"a": machine}, "spread": "even", "hosts": {"web": {}}})


def test_what_follows_a_broken_answer_is_no_answer(tmp_path: Path) -> None:
    """It could belong to any request."""
    with one_machine(tmp_path, """answer(b'[]'); answer(b'{"result": "late"}')""") as lab:
        for _ in range(2):
            with pytest.raises(MachineError, match="not a frame of this protocol"):
                lab.call("a", "names", lab="shop")


@pytest.mark.parametrize("number", ["9" * 400, "NaN", "-1", "true", '"1"', "[1]"])
def test_a_hostile_machine_times_no_answer(number: str, tmp_path: Path) -> None:
    """A time that is none counts as no answer."""
    replies = f"""answer(b'{{"result": [[{number}, "none"]]}}' if b"ping" in line else b'{{"result": {{}}}}')"""
    with one_machine(tmp_path, replies) as lab:
        found = lab.echo(lab.host("web"), "10.0.0.1", 1.0)
        assert (found.ok, found.why) == (False, "none")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"machines": {"a": {}}}, "machine a is reached by a command"),
        ({"machines": {"a": {"run": ["sh"]}}}, "machine a needs the address by which the other machines reach it"),
        ({"machines": {"a": {"ssh": "-oProxyCommand=x"}}}, "is not a destination of ssh"),
        ({"machines": {"a": {"ssh": "a", "python": ""}}}, "python of machine a names no program"),
        ({"spread": "odd"}, "is not a way to spread hosts"),
        ({"machines": {}}, "spread is for a lab that spans machines"),
        ({"hosts": {"web": {"machine": "c"}}}, "web is on machine \"c\", which is not described; there is a and b"),
        ({"spread": None}, "web1 is on no machine: machine = \"a\", or spread = \"even\""),
        ({"vxlans": [{"host": "web1", "underlay": "web4", "vni": 1, "remote": "192.0.2.9"}]}, "are on two machines"),
        ({"taps": [{"host": "root", "name": "t0"}]}, "root is not a host of a lab that spans machines"),
    ],
)  # fmt: skip
def test_what_cannot_be_described(change: dict[str, Any], problem: str) -> None:
    machines = {name: {"run": ["sh"], "address": f"192.0.2.{number}"} for number, name in enumerate("ab", 1)}
    data: dict[str, Any] = {"name": "shop", "machines": machines, "spread": "even", "hosts": {"web": {"count": 4}}, **change}
    with pytest.raises(InvalidValue) as caught:
        Lab.from_source(Source({key: value for key, value in data.items() if value is not None}))
    assert problem in str(caught.value)


def test_an_mtu_that_the_underlay_cannot_carry(machines: list[TestMachine]) -> None:
    data = described(machines, wires=[{"ends": [WEB, "lan"], "mtu": 1500}])
    with load(data) as lab, pytest.raises(InvalidValue, match="carries 1500 bytes, which leaves 1450 for .* an MTU of 1500"):
        lab.up()
    assert left(machines) == []


def test_delays_need_netem_on_the_machine(machines: list[TestMachine]) -> None:
    """As the real tc finds it on one of them."""
    tried = machines[0].run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "limit", "1").returncode
    with load(described(machines, wires=[{"ends": [WEB, "lan"], "delay": "1ms"}])) as lab:
        if tried == 0:
            lab.up()
            lab.down()
        else:
            with pytest.raises(MachineError, match="^machine a: its kernel has no netem, which .* of .* needs "):
                lab.up()
    assert left(machines) == []


def test_everything_that_an_agent_imports_is_sent() -> None:
    """What these modules import at their beginning, and what the source imports anywhere, in functions too."""
    sent = {spec.name for spec, _ in _specs()}
    program = "import sys, pkgutil, rawns; [__import__(n) for n in sys.argv[1].split()]; print(*sys.modules)"
    argv = [sys.executable, "-c", program, " ".join(sorted(sent))]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=PROJECT)
    imported = {name for name in done.stdout.split() if name.startswith("rawns")}
    assert imported <= sent
    assert onefile._reachable(dict(onefile.package_files()), ["rawns.machines.agent"]) <= sent


def test_bytecode_of_a_file_is_sent_while_it_is_that_of_the_source(tmp_path: Path) -> None:
    """The file has what `py_compile` has written; another length of the source, or a source of another time, is noticed."""
    source = tmp_path / "module.py"
    spec = spec_from_file_location("module", source)
    for text, seconds in (("answer = 1\n", 1), ("answer = 20\n", 1), ("answer = 30\n", 2)):
        source.write_text(text)
        os.utime(source, (seconds, seconds))
        assert _cached_code(spec) is None
        assert marshal.loads(_code(spec)) == compile(text, source, "exec", dont_inherit=True)
        py_compile.compile(str(source))
        assert _cached_code(spec) == _code(spec)
        assert marshal.loads(_code(spec)) == compile(text, source, "exec", dont_inherit=True)


def test_a_bundle_is_built_once() -> None:
    """Several connections at the same time, and machines with different versions of Python that get the source text."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(bundle, [b"1\r\r\n", b"2\r\r\n"] * 4))
    assert all(one is found[0] for one in found)
    assert marshal.loads(zlib.decompress(found[0]))["rawns.machines.frames"][1] == Path(frames.__file__).read_text()
