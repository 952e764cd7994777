"""`rawns trace` against strace, and on programs of other projects."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

import pytest
from conftest import PROJECT
from named import Count

import rawns
from rawns import genl
from rawns.tracing import architectures, calls, constants, seccomp
from rawns.tracing.text import BYTES, Formatter
from rawns.wire import Span

Name = Callable[[], str]
CALLS = "unshare,setns,mount,umount2,socket,bind,connect,sendto,sendmsg,recvfrom,recvmsg"


@pytest.fixture(autouse=True)
def may_trace() -> None:
    """Skip if ptrace is forbidden here."""
    try:
        rawns.trace(["true"])
    except rawns.SyscallError as error:
        pytest.skip(str(error))


def command(*argv: str, program: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run ``rawns trace``."""
    return subprocess.run(
        [sys.executable, "-m", "rawns", "trace", *argv, *program],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=60,
    )


def of_strace(argv: list[str]) -> list[tuple[str, str]]:
    """The calls and results of a program as strace sees them."""
    text = subprocess.run(["strace", "-f", "-qq", "-e", f"trace={CALLS}", *argv], capture_output=True, text=True).stderr
    found = re.findall(r"^(?:\[pid +\d+\] )?(\w+)\(.*\) += (-?\d+(?: E\w+)?)", text, re.MULTILINE)
    return [(name, result) for name, result in found]


def of_rawns(argv: list[str]) -> list[tuple[str, str]]:
    """The same, as `rawns.trace` sees them."""
    return [
        (call.call, f"-1 {os_name(call.error)}" if call.error else str(call.result))
        for call in rawns.trace(argv)
        if call.call in CALLS.split(",")
    ]


def os_name(number: int) -> str:
    import errno

    return errno.errorcode[number]


PROGRAMS = {
    "ip link": ["ip", "link"],
    "ip addr": ["ip", "addr", "add", "10.0.0.1/24", "dev", "nosuch"],
    "nft": ["nft", "list", "ruleset"],
    "tc": ["tc", "qdisc"],
    "bridge": ["bridge", "link"],
    "ss": ["ss", "-tn"],
    "busybox": ["busybox", "ip", "link"],
    "unshare": ["unshare", "-n", "ip", "link"],
}


@pytest.mark.parametrize("argv", PROGRAMS.values(), ids=PROGRAMS)
def test_the_calls_are_those_that_strace_sees(argv: list[str]) -> None:
    for tool in ("strace", argv[0]):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    assert of_rawns(argv) == of_strace(argv)


def test_the_bytes_are_those_that_the_program_sent() -> None:
    """A program sends a request that the test has put together, in pieces."""
    request = pack("=IHHII", 32, 18, 0x301, 7, 0) + pack("=BxHiII", 0, 0, 0, 0, 0)
    program = (
        f"import socket;s=socket.socket(16,3,0);b=bytes.fromhex('{request.hex()}');s.sendmsg([b[:5],b[5:20],b[20:]]);s.recv(1)"
    )
    sent = [call.payload for call in rawns.trace([sys.executable, "-I", "-S", "-c", program]) if call.call == "sendmsg"]
    assert sent == [request]


def test_read_and_write_are_seen_on_netlink_sockets_only() -> None:
    request = pack("=IHHII", 32, 18, 0x301, 7, 0) + bytes(16)
    program = (
        "import os,socket;r,w=os.pipe();os.write(w,b'x');os.read(r,1);s=socket.socket(16,3,0);s.bind((0,0));"
        f"os.write(w,b'x');os.read(r,1);os.write(s.fileno(),bytes.fromhex('{request.hex()}'));os.read(s.fileno(),65536)"
    )
    found = [call for call in rawns.trace([sys.executable, "-I", "-S", "-c", program]) if call.call in ("read", "write")]
    assert [(call.call, call.family) for call in found] == [("write", "NETLINK_ROUTE"), ("read", "NETLINK_ROUTE")]
    assert found[0].payload == request and unpack_from("=IHH", found[1].payload)[1] == 16  # RTM_NEWLINK


def test_exit_status_and_signals_pass_through() -> None:
    assert command("sh", "-c", "exit 3").returncode == 3
    assert command("sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL
    wrong = command("/nosuch")
    assert (wrong.returncode, wrong.stderr) == (1, "rawns trace: /nosuch: no such program\n")
    assert command("--pid", "0").returncode == 2 and command().returncode == 2


def test_a_refusal_says_which_bytes_the_kernel_refuses(tmp_path: Path) -> None:
    """The kernel's own sentence and offset, in a program that asks for them."""
    request = pack("=IHHII", 40, 16, 0x605, 9, 0) + bytes(16) + pack("=HH4s", 8, 3, b"a/b\0")
    program = (
        f"import socket;s=socket.socket(16,3,0);s.setsockopt(270,11,1);s.send(bytes.fromhex('{request.hex()}'));s.recv(65536)"
    )
    out = tmp_path / "trace"
    command("-o", str(out), program=(sys.executable, "-I", "-S", "-c", program))
    assert re.search(r"NLMSG_ERROR: RTM_NEWLINK refused: .*\((EINVAL|EPERM|EOPNOTSUPP)\)", out.read_text())
    failed = command("--failed", "-o", str(out), program=(sys.executable, "-I", "-S", "-c", program))
    assert failed.returncode == 0 and len(out.read_text().splitlines()) == 2


def test_json_and_pcap_hold_the_same_bytes(tmp_path: Path) -> None:
    packets = tmp_path / "x.pcap"
    out = tmp_path / "x.json"
    command("-j", "--pcap", str(packets), "-o", str(out), program=("ip", "link"))
    records = [json.loads(line) for line in out.read_text().splitlines()]
    payloads = [bytes.fromhex(one["payload"]) for one in records if one["payload"] and "MSG_PEEK" not in one["arguments"]]
    data = packets.read_bytes()
    magic, major, minor, _, _, _, link = unpack_from("=IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, 253)
    at, found = 24, []
    while at < len(data):
        _, _, size, whole = unpack_from("=IIII", data, at)
        assert size == whole and unpack_from("!HH", data, at + 16)[1] == 824
        found.append(data[at + 32 : at + 16 + size])
        at += 16 + size
    assert found == payloads and len(found) > 1


def test_a_running_process_is_followed_and_left_unharmed() -> None:
    program = (
        "import socket,sys;sys.stdin.readline();s=socket.socket(16,3,0);s.bind((0,0));print('bound',flush=True);sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as target:
        assert target.stdin is not None and target.stdout is not None
        with subprocess.Popen(
            [sys.executable, "-m", "rawns", "trace", "-p", str(target.pid)], stderr=subprocess.PIPE, text=True, cwd=PROJECT
        ) as tracer:
            wait_for_tracer(target.pid)
            target.stdin.write("\n")
            target.stdin.flush()
            assert target.stdout.readline() == "bound\n"
            tracer.send_signal(signal.SIGINT)
            _, text = tracer.communicate(timeout=30)
            assert tracer.returncode == 0
        assert "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3" in text and "bind(3<NETLINK_ROUTE>" in text
        assert target.poll() is None
        target.stdin.close()
        assert target.wait(30) == 0


def test_several_running_processes_are_followed(tmp_path: Path) -> None:
    program = "import socket,sys;sys.stdin.readline();socket.socket(16,3,0)"
    argv = [sys.executable, "-I", "-S", "-c", program]
    targets = [subprocess.Popen(argv, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    out = tmp_path / "out"
    options = [word for target in targets for word in ("-p", str(target.pid))]
    with subprocess.Popen([sys.executable, "-m", "rawns", "trace", "-o", out, *options], cwd=PROJECT) as tracer:
        for target in targets:
            wait_for_tracer(target.pid)
        for target in targets:
            target.communicate("\n", timeout=30)
        assert tracer.wait(30) == 0
    assert [f"({target.pid}) socket(AF_NETLINK" in out.read_text() for target in targets] == [True, True]


def wait_for_tracer(pid: int) -> None:
    """Wait until a process is traced, and stands in a call (TracerPid of proc_pid_status(5))."""
    for _ in range(10_000):
        status = Path(f"/proc/{pid}/status").read_text()
        if not re.search(r"^TracerPid:\t0$", status, re.MULTILINE) and "\nState:\tS" in status:
            return
        os.sched_yield()
    raise AssertionError("not traced")


def test_threads_forks_and_namespaces_are_told_apart() -> None:
    program = """
import ctypes, os, socket, threading
def work():
    socket.socket(16, 3, 0).close()
thread = threading.Thread(target=work)
thread.start(); thread.join()
if not os.fork():
    socket.socket(16, 3, 12).close()
    os._exit(0)
os.wait()
"""
    found = [call for call in rawns.trace([sys.executable, "-I", "-c", program]) if call.call == "socket"]
    assert len(found) == 2 and found[0].pid != found[0].tid and found[1].pid == found[1].tid != found[0].pid
    assert "NETLINK_ROUTE" in found[0].arguments and "NETLINK_NETFILTER" in found[1].arguments


def test_nothing_that_a_program_sends_reaches_the_terminal_raw() -> None:
    request = pack("=IHHII", 44, 16, 5, 9, 0) + bytes(16) + pack("=HH8s", 12, 3, b"\x1b[31mx\n\0")
    program = (
        "import os,socket;open('/proc/self/comm','w').write('\\x1b[2Jx');s=socket.socket(16,3,0);"
        f"s.send(bytes.fromhex('{request.hex()}'));s.recv(65536)"
    )
    for option in ([], ["-v"], ["-b"]):
        text = command(*option, program=(sys.executable, "-I", "-S", "-c", program)).stderr
        assert "RTM_NEWLINK" in text and text.replace("\n", "").isprintable()


# -- the filter, by an interpreter of its own -----------------------------------------------------------------------


def verdict(code: bytes, arch: int, number: int, request: int = 0) -> int:
    """Run a classic BPF program over a ``struct seccomp_data`` (Documentation/networking/filter.rst)."""
    data = pack("=iIQ6Q", number, arch, 0, 0, request, 0, 0, 0, 0)
    lines = [unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at = accumulator = 0
    while True:
        op, true, false, k = lines[at]
        at += 1
        if op == 0x20:
            (accumulator,) = unpack_from("=I", data, k)
        elif op == 0x54:
            accumulator &= k
        elif op in (0x15, 0x35):
            at += true if (accumulator == k if op == 0x15 else accumulator >= k) else false
        else:
            assert op == 0x06
            return int(k)


def test_the_filter_stops_at_the_calls_of_interest_only() -> None:
    names = {"socket", "ioctl", "mount", "socketcall"}
    known = [architectures.X86_64, architectures.I386, architectures.AARCH64]
    code = seccomp.program(known, names)
    for one in known:
        for number in range(500):
            name = one.calls.get(number)
            expected = name in names and name != "ioctl"
            assert (verdict(code, one.audit, number) == constants.SECCOMP_RET_TRACE) == expected, (one, number)
        ioctl = one.numbers({"ioctl"})[0]
        for request, wanted in [
            (0x5401, False),
            (0x400454CA, True),
            (0x8933, True),
            (0x89F1, True),
            (0x8A00, False),
            (0x8900, True),
            (0xB701, True),
            (0xB800, False),
            (0x54C7, False),
            (0x5500, False),
            (0x1, False),
        ]:
            assert (verdict(code, one.audit, ioctl, request) == constants.SECCOMP_RET_TRACE) == wanted, hex(request)
            assert seccomp.wanted_ioctl(request) == wanted
    assert verdict(code, 0x12345678, 41) == constants.SECCOMP_RET_ALLOW


# -- faults ---------------------------------------------------------------------------------------------------------


def test_a_message_fails_as_the_program_would_see_it_and_the_kernel_never_acts_on_it(netns_name: Name) -> None:
    """The real ip reports the error in its own words; the link does not exist."""
    with rawns.NetNS.create(netns_name()) as ns:
        for number, left in (("1", True), ("2", False)):  # the first is a question about the kernel's features
            done = ns.run(
                [sys.executable, "-m", "rawns", "trace", "--fail", f"RTM_NEWLINK=EBUSY:when={number}", "-o", "/dev/null"]
                + ["ip", "link", "add", "v1", "type", "veth", "peer", "name", "v2"],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
            )
            assert any(link.name == "v1" for link in ns.net.links()) == left
            if left:
                ns.net.delete_link("v1")
            else:
                assert (done.returncode, done.stderr) == (2, "RTNETLINK answers: Device or resource busy\n")


def test_messages_of_other_families_fail_too(netns_name: Name, tmp_path: Path) -> None:
    """A rule in a batch of nf_tables, which the kernel then gives up as a whole; a command of generic netlink; sock_diag."""
    for tool in ("nft", "ss"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    rules = tmp_path / "rules"
    rules.write_text("table ip t { chain c { counter; }; }\n")
    with rawns.NetNS.create(netns_name()) as ns:
        for fault, argv, sentence in (
            ("NFT_MSG_NEWRULE=ENOSPC", ["nft", "-f", str(rules)], "No space left on device"),
            ("SOCK_DIAG_BY_FAMILY=EPERM", ["ss", "-tn"], "Operation not permitted"),
            ("CTRL_CMD_GETFAMILY=EXDEV", ["ip", "macsec", "show"], "Invalid cross-device link"),
            ("nlctrl=EXDEV", ["ip", "macsec", "show"], "Invalid cross-device link"),
        ):
            done = ns.run(
                [sys.executable, "-m", "rawns", "trace", "-o", "/dev/null", "--fail", fault, *argv],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
            )
            assert sentence in done.stderr, (fault, done)
        tables = ns.run(["nft", "list", "tables"], capture_output=True, text=True)
        assert (tables.returncode, tables.stdout) == (0, "")


def test_a_call_fails_without_being_made() -> None:
    done = command("--fail", "unshare=ENOSPC", "-o", "/dev/null", program=("unshare", "-n", "true"))
    assert done.returncode == 1 and "No space left on device" in done.stderr


def test_a_signal_ends_a_delay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "rawns", "trace", "-o", str(out), "--delay", "socket=3600s", "ip", "link"]
    with subprocess.Popen(argv, cwd=PROJECT) as tracer:
        while not out.exists() or "execve" not in out.read_text():
            assert tracer.poll() is None
        tracer.send_signal(signal.SIGTERM)
        assert tracer.wait(60) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "words",
    [
        ("--fail", "foo=EBUSY"),
        ("--fail", "NFNL_MSG_BATCH_BEGIN=EBUSY"),
        ("--fail", "unshare=EFOO"),
        ("--fail", "unshare"),
        ("--fail", "unshare=EPERM:when=0"),
        ("--delay", "unshare=5"),
        ("--delay", "unshare=99999s"),
        ("--delay", "\x1b=1s"),
    ],
)
def test_wrong_faults_are_refused(words: tuple[str, str]) -> None:
    done = command(*words, program=("true",))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.rstrip("\n").isprintable()


# -- decode ---------------------------------------------------------------------------------------------------------

REQUEST = pack("=IHHII", 44, 16, 0x605, 9, 0) + bytes(16) + pack("=HH8s", 12, 3, b"veth-01\0")
NOTATIONS = {
    "hex": REQUEST.hex(),
    "spaced": REQUEST.hex(" "),
    "Python": f"data = {REQUEST!r}",
    "C string": '"' + "".join(f"\\x{byte:02x}" for byte in REQUEST) + '"',
    "C array": "{" + ", ".join(f"0x{byte:02x}" for byte in REQUEST) + "}",
}


def decoded(data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "rawns", "decode", *options], input=data, capture_output=True, cwd=PROJECT, timeout=60
    )


@pytest.mark.parametrize("text", NOTATIONS.values(), ids=NOTATIONS)
def test_messages_are_read_from_notations(text: str) -> None:
    done = decoded(text.encode(), "-s")
    assert done.stdout == b'RTM_NEWLINK excl create: ifname "veth-01"\n', done.stderr


@pytest.mark.parametrize("tool", [["xxd"], ["hexdump", "-C"], ["od", "-A", "x", "-t", "x1"], ["od", "-A", "x", "-t", "x1z"]])
def test_messages_are_read_from_the_dumps_of_other_tools(tool: list[str]) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    dump = subprocess.run(tool, input=REQUEST, capture_output=True).stdout
    assert decoded(dump, "-s").stdout == b'RTM_NEWLINK excl create: ifname "veth-01"\n'


def test_messages_are_read_from_a_log_of_strace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    subprocess.run(["strace", "-o", log, "-e", "trace=sendto,sendmsg", "-e", "write=all", "ip", "link", "show", "dev", "lo"])
    assert b"RTM_GETLINK: ext_mask" in decoded(log.read_bytes(), "-s").stdout


@pytest.mark.parametrize("data", [b"", b"zz", b"\x1b[2J" * 100, b"\n\r\r\n" + bytes(40), pack("=I", 0xA1B23C4D), b"0x1 " * 15])
def test_what_holds_no_message_is_refused(data: bytes) -> None:
    done = decoded(data)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and done.stderr.decode().rstrip("\n").isprintable()


def test_a_closed_standard_input_is_refused() -> None:
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m rawns decode <&-"], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "rawns decode: Bad file descriptor\n")


def test_mutated_captures_end_in_a_sentence(tmp_path: Path) -> None:
    import random

    from rawns.tracing.parse import datagrams

    packet = pack("!HH10xH", 0, 824, 0) + REQUEST
    whole = pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 20, 253) + pack("=IIII", 1, 2, len(packet), len(packet)) + packet
    assert list(datagrams(whole)) == [(0, REQUEST)]
    random.seed(12)
    for _ in range(2000):
        data = bytearray(whole[: random.randrange(4, len(whole))] if random.random() < 0.5 else whole)
        for _ in range(random.randrange(4)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            list(datagrams(bytes(data)))
        except rawns.InvalidValue:
            pass


def test_what_is_whole_in_a_capture_that_is_cut_off_is_shown(tmp_path: Path) -> None:
    """A capture ends inside a packet if the program that wrote it was killed; tcpdump shows what comes before that."""
    path = tmp_path / "pcap"
    assert command("--pcap", str(path), "-o", "/dev/null", program=("ip", "link")).returncode == 0
    data = path.read_bytes()
    first = 24 + 16 + int.from_bytes(data[32:36], sys.byteorder)
    for end in (first + 5, first + 30, len(data) - 1):
        done = decoded(data[:end], "-s")
        assert done.returncode == 1 and b"RTM_GETLINK dump" in done.stdout and done.stderr.count(b"is cut off in the") == 1


# -- other families -------------------------------------------------------------------------------------------------


def test_sockets_that_ss_lists_are_read(netns_name: Name) -> None:
    """The port that the kernel reports to ss is named in its answer."""
    program = "import socket,sys;s=socket.create_server(('127.0.0.1',0));print(s.getsockname()[1],flush=True);sys.stdin.read()"
    if shutil.which("ss") is None:
        pytest.skip("ss is not installed")
    with rawns.NetNS.create(netns_name()) as ns:
        ns.net.set_link("lo", up=True)
        with ns.popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            done = ns.run(
                [sys.executable, "-m", "rawns", "trace", "-v", "ss", "-tnl"],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
            )
            server.communicate("")
    assert f"id.idiag_sport {port}\n" in done.stderr and "id.idiag_src 127.0.0.1\n" in done.stderr and port in done.stdout
    assert "malformed" not in done.stderr


def test_sets_and_generations_of_nf_tables_are_read(netns_name: Name, tmp_path: Path) -> None:
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    rules = tmp_path / "rules"
    rules.write_text("table inet x {\n set s {\n type ipv4_addr\n elements = { 10.0.0.1, 10.0.0.2 }\n }\n}\n")
    with rawns.NetNS.create(netns_name()) as ns:
        done = ns.run(
            [sys.executable, "-m", "rawns", "trace", "-v", "nft", "-f", str(rules)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        if done.returncode:
            pytest.skip(f"this kernel has no sets: {done.stderr[-200:]}")
    assert 'NFTA_SET_NAME "s"' in done.stderr and "NFTA_DATA_VALUE 0a 00 00 02" in done.stderr
    assert 'NFTA_GEN_PROC_NAME "nft"' in done.stderr and "malformed" not in done.stderr


def test_expressions_of_nf_tables_are_read(netns_name: Name) -> None:
    """The values are those of the words given to nft(8), whether or not the kernel has the expressions."""
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    rule = 'limit rate 5/second burst 7 packets log prefix "x" group 3 quota over 10 bytes tcp dport 7-9 queue num 4'
    table = f"table ip t {{ chain c {{ {rule}; }}; counter n {{ packets 3 bytes 77; }}; }}"
    with rawns.NetNS.create(netns_name()) as ns:
        done = ns.run(
            [sys.executable, "-m", "rawns", "trace", "-v", "nft", table],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
    for shown in (
        "NFTA_LIMIT_RATE 5",
        "NFTA_LIMIT_BURST 7",
        'NFTA_LOG_PREFIX "x"',
        "NFTA_LOG_GROUP 3",
        "NFTA_QUOTA_BYTES 10",
        "NFTA_QUEUE_NUM 4",
        "NFTA_COUNTER_BYTES 77",
    ):
        assert re.search(rf"^ +{shown}$", done.stderr, re.M), shown


def test_families_of_generic_netlink_have_their_names() -> None:
    """The family that lists the others is asked for a name, by the real ip."""
    text = command("-v", program=("ip", "macsec", "show")).stderr
    assert 'CTRL_ATTR_FAMILY_NAME "macsec"' in text and "cmd CTRL_CMD_GETFAMILY" in text


def generic(family: str) -> int:
    """The number of a family of generic netlink, asked without rawns; skips if the kernel does not have it."""
    with socket.socket(16, socket.SOCK_RAW, 16) as sock:
        name = family.encode() + b"\0"
        size = 4 + len(name)
        sock.send(pack("=IHHIIBBH", 20 + (size + 3 & ~3), 16, 1, 1, 0, 3, 1, 0) + pack("=HH", size, 2) + name + bytes(-size % 4))
        data = sock.recv(65536)
    if unpack_from("=H", data, 4)[0] == 2:
        pytest.skip(f"this kernel has no {family}")
    at = 20
    while unpack_from("=H", data, at + 2)[0] != 1:  # CTRL_ATTR_FAMILY_ID
        at += unpack_from("=H", data, at)[0] + 3 & ~3
    return int(unpack_from("=H", data, at + 4)[0])


def test_the_kernel_gives_types_to_attributes_of_families_without_a_description() -> None:
    """TASKSTATS_CMD_ATTR_PID is a number of 32 bits (<linux/taskstats.h>); in an answer, attributes have other numbers."""
    family = generic("TASKSTATS")
    request = pack("=IHHIIBBHHHI", 28, family, 1, 7, 0, 1, 1, 0, 8, 1, 77)
    assert decoded(request.hex().encode(), "-f", "generic", "-s").stdout == b"TASKSTATS: cmd 1, version 1, [1] 77\n"
    answer = pack("=IHHIIBBHHHI", 28, family, 0, 7, 0, 1, 1, 0, 8, 1, 77)
    assert decoded(answer.hex().encode(), "-f", "generic", "-s").stdout == b"TASKSTATS: cmd 1, version 1, [1] 4d 00 00 00\n"


def test_nests_without_end_are_read_to_a_bound() -> None:
    """A policy can contain itself; 60,000 bytes of nests in each other are no error of the reader."""
    from rawns.genl import policy
    from rawns.wire import Layout, Message

    row = {"NL_POLICY_TYPE_ATTR_TYPE": 13, "NL_POLICY_TYPE_ATTR_POLICY_IDX": 0}
    answers: list[dict[str, Any]] = [
        {"CTRL_ATTR_POLICY": {"[0]": {"[1]": row}}},
        {"CTRL_ATTR_OP_POLICY": {"[5]": {"CTRL_ATTR_POLICY_DO": 0}}},
    ]
    (_, attrs) = policy.commands(answers)[5]
    nested = b"".join(pack("=HH", size, 1) for size in range(60_000, 0, -4))
    spans: list[Span] = []
    Message(5, "x", Layout(genl.base.header({}), attrs)).unpack(bytes(4) + nested, trace=spans)
    assert 10 < len(spans) < 100


def test_ethtool_is_read(netns_name: Name) -> None:
    """A request as `ethtool lo` sends it, and the kernel's answer: the name of the interface, and whether it has a carrier."""
    family = generic("ethtool")
    name = pack("=HH4s", 7, 2, b"lo\0\0")
    request = pack("=IHHIIBBHHH", 20 + 4 + 8, family, 5, 7, 0, 6, 1, 0, 12, 0x8001) + name
    program = f"import socket;s=socket.socket(16,3,16);s.send(bytes.fromhex('{request.hex()}'));s.recv(65536)"
    with rawns.NetNS.create(netns_name()) as ns:
        run = ns.run(
            [sys.executable, "-m", "rawns", "trace", "-v", sys.executable, "-I", "-S", "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
    assert "cmd ETHTOOL_MSG_LINKSTATE_GET\n" in run.stderr and 'ETHTOOL_A_HEADER_DEV_NAME "lo"\n' in run.stderr
    assert "cmd ETHTOOL_MSG_LINKSTATE_GET_REPLY\n" in run.stderr and "ETHTOOL_A_LINKSTATE_LINK 0\n" in run.stderr


# -- the same bytes again, and two programs side by side --------------------------------------------------------------


def test_an_emitted_program_has_the_effect_of_the_traced_one(netns_name: Name, tmp_path: Path) -> None:
    """It runs without rawns, in a namespace of its own."""
    script = tmp_path / "again.py"
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    commands = "ip link add v1 type veth peer name v2; ip addr add 10.0.0.1/24 dev v1; ip link set v1 up"
    add = ["sh", "-c", f"{commands}; ip route add 10.9.0.0/16 dev v1; nft add table ip x; nft create chain ip x c"]
    state = ["sh", "-c", "ip -o addr show to 10.0.0.0/8; ip route show 10.9.0.0/16; nft list ruleset"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with rawns.NetNS.create(netns_name()) as first, rawns.NetNS.create(netns_name()) as second:
        first.run(
            [sys.executable, "-m", "rawns", "trace", "--emit", "python", "-o", str(script), *add], env=environment, check=True
        )
        second.run([sys.executable, "-I", "-S", str(script)], capture_output=True)
        assert second.run(state, capture_output=True).stdout == first.run(state, capture_output=True).stdout != b""
        again = second.run([sys.executable, "-I", "-S", str(script)], capture_output=True, text=True)
        assert again.returncode == 1 and again.stderr.count("refused: File exists\n") >= 3  # links, address and chain


def test_programs_that_say_the_same_have_no_difference() -> None:
    for line in ("ip link", "nft list tables", "ss -tn", "ip route add 10.9.0.0/16 dev nosuch"):
        if shutil.which(line.split()[0]) is not None:
            same = command("--diff", program=(line, line))
            assert (same.returncode, same.stdout) == (0, ""), line
    different = command("--diff", program=("ip link", "ip addr"))
    assert different.returncode == 1 and re.search(r"^\+RTM_GETADDR dump", different.stdout, re.MULTILINE)
    assert command("--diff", program=("ip link",)).returncode == 2


# -- the page -------------------------------------------------------------------------------------------------------

CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
UNFOLD = """<script>new MutationObserver((_, o) => { if (document.body.dataset.ready) { o.disconnect();
  for (const m of [...document.querySelectorAll('.m')]) m.click();
  const byte = [...document.querySelectorAll('.b span')].find(s => s.title.startsWith('IFLA_IFNAME "'));
  byte.dispatchEvent(new MouseEvent('mouseenter'));
  const row = [...document.querySelectorAll('tr.on td')].map(e => e.textContent.trim());
  document.body.dataset.hover = row.join('|') + '|' + byte.title;
  document.body.dataset.fits = document.documentElement.scrollWidth <= innerWidth;
  } }).observe(document.body, {attributes: true})</script>"""


def test_a_page_of_two_thousand_messages_is_below_three_megabytes(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    commands = tmp_path / "commands"
    commands.write_text("link show dev lo\n" * 1000)
    done = command("--html", str(page), "-o", "/dev/null", program=("ip", "-batch", str(commands)))
    text = page.read_text()
    packed = re.search(r'atob\("([^"]*)"', text)
    assert packed is not None and done.returncode == 0 and len(text.encode()) < 3_000_000
    data = json.loads(zlib.decompress(base64.b64decode(packed.group(1))))
    assert sum(len(call[6]) for call in data["calls"]) >= 2000
    assert not re.search(r"(?:src|href)=", text)


def test_a_page_unfolds_in_a_browser(tmp_path: Path) -> None:
    """The script's own elements, as Chromium has made them."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    page = tmp_path / "page.html"
    command("--html", str(page), "-o", "/dev/null", program=("ip", "link", "show", "dev", "lo"))
    page.write_text(page.read_text().replace("</html>", f"{UNFOLD}</html>"))
    done = subprocess.run(
        [
            "chromium",
            *CHROMIUM,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=5000",
            "--window-size=500,800",
            "--dump-dom",
            f"file://{page}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.search(r"<td>(?:\xa0|&nbsp;)*IFLA_IFNAME</td>", done.stdout) and '"lo"</td>' in done.stdout
    assert done.stdout.count("<rect") > 3
    hover = re.search(r'data-hover="([^"]*)"', done.stdout)
    assert hover is not None and html.unescape(hover[1]).endswith('|IFLA_IFNAME|"lo"|IFLA_IFNAME "lo"  <linux/if_link.h>')
    assert 'data-fits="true"' in done.stdout  # nothing has to be scrolled sideways


def test_the_headers_that_the_page_names_hold_such_names() -> None:
    from rawns.tracing.page import HEADERS

    if not Path("/usr/include/linux/netlink.h").exists():
        pytest.skip("the kernel's headers are not installed")
    for start, header in HEADERS.items():
        path = Path("/usr/include") / header
        assert re.search(rf"\b{start.replace('msg.', 'msg')}", path.read_text()), (start, header)


def test_nothing_that_a_program_sends_is_markup_in_the_page(tmp_path: Path) -> None:
    request = pack("=IHHII", 52, 16, 5, 9, 0) + bytes(16) + pack("=HH16s", 20, 3, b"</script><b>\0")
    program = f"import socket;s=socket.socket(16,3,0);s.send(bytes.fromhex('{request.hex()}'));s.recv(65536)"
    page = tmp_path / "page.html"
    command("--html", str(page), "-o", "/dev/null", program=(sys.executable, "-I", "-S", "-c", program))
    text = page.read_text()
    assert text.count("</script>") == 1 and "<b>" not in text


# -- our own commands -----------------------------------------------------------------------------------------------


def test_explain_shows_the_calls_that_strace_sees_and_the_output_is_unchanged() -> None:
    """The calls on netlink sockets and namespaces, by strace of the same command."""
    argv = [sys.executable, "-m", "rawns", "ip", "link", "show", "dev", "lo"]
    plain = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT)
    explained = subprocess.run([*argv, "--explain=brief"], capture_output=True, text=True, cwd=PROJECT)
    assert explained.stdout == plain.stdout and "    RTM_GETLINK" in explained.stderr
    names = re.findall(r"^rawns\(\d+\) (\w+)\(", explained.stderr, re.MULTILINE)
    seen = [name for name, _ in of_strace(argv)]
    assert [name for name in names if name in CALLS.split(",")] == seen


def test_explain_shows_messages_of_every_family_and_of_programs_that_run_others() -> None:
    def said(*argv: str) -> str:
        done = subprocess.run([sys.executable, "-m", "rawns", *argv], capture_output=True, text=True, cwd=PROJECT)
        return done.stderr if done.returncode == 0 else f"failed: {done.stderr}"

    assert "    SOCK_DIAG_BY_FAMILY dump: family AF_INET" in said("ss", "--explain=brief", "-tn")
    assert re.search(
        r"^rawns\(\d+\) setns\(", said("nsenter", "--explain=brief", "--net=/proc/self/ns/net", "true"), re.MULTILINE
    )
    assert said("unshare", "-n", "echo", "--explain=brief") == ""


def test_explain_does_not_take_words_of_a_command_that_is_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rawns", "ip", "--explain=loud", "link"], capture_output=True, text=True, cwd=PROJECT
    )
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("rawns ip: --explain: there is no level loud")


def python(program: str) -> list[str]:
    """The command line of a Python program without site packages."""
    return [sys.executable, "-I", "-S", "-c", program]


GETLINK = pack("=IHHII", 32, 18, 0x5, 7, 0) + pack("=BxHiII", 0, 0, 1, 0, 0)
THREADS = f"""
import ctypes, os, socket, sys, _thread, time
LIBC, REQUEST = ctypes.CDLL(None), bytes.fromhex("{GETLINK.hex()}")
sock = socket.socket(16, 3, 0)
reading, writing = os.pipe()
"""


def test_a_thread_that_executes_a_program_takes_the_place_of_the_first_one() -> None:
    """The first thread waits in a call, which never returns; the call of the other one is its execve."""
    program = THREADS + (
        "def run():\n while open(f'/proc/{os.getpid()}/syscall').read().split()[0] in ('running', '-1'): time.sleep(0.001)\n"
        " os.write(writing, b'x'); os.execv('/bin/true', ['true'])\n"
        "_thread.start_new_thread(run, ()); os.read(reading, 1); sock.recv(1)"
    )
    calls = [(call.call, call.unfinished, call.result) for call in rawns.trace(python(program))]
    assert calls[-1] == ("execve", False, 0)
    assert all(unfinished for name, unfinished, _ in calls if name == "recvfrom")  # if the first thread has come so far


def test_the_sockets_of_a_process_whose_first_thread_has_ended_are_known() -> None:
    number = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)  # exit(2), of one thread
    if number is None:
        pytest.skip("the number of exit(2) is not known here")
    program = THREADS + (
        "def run():\n os.read(reading, 1)\n"
        " while 'Z' not in open(f'/proc/{os.getpid()}/stat').read().rpartition(')')[2][:3]: time.sleep(0.001)\n"
        " sock.send(REQUEST); sock.recv(65536); os._exit(0)\n"
        f"_thread.start_new_thread(run, ()); os.write(writing, b'x'); LIBC.syscall({number}, 0)"
    )
    sent = [call for call in rawns.trace(python(program)) if call.payload and call.call == "sendto"]
    assert [(call.payload, call.family) for call in sent] == [(GETLINK, "NETLINK_ROUTE")]
    assert sent[0].tid != sent[0].pid


HOSTILE = {  # modes of hostile.c, and the exit status
    "double": 0,
    "vfork": 0,
    "garbage": 0,
    "spoil": 0,
    "badptr": 0,
    "traceme": 0,
    "die": -signal.SIGABRT,
    "stop": 5,
}


@pytest.mark.parametrize("bits", [64, 32])
def test_hostile_programs_end_as_without_the_tracer(bits: int, tmp_path: Path) -> None:
    """Double forks, vfork, garbage, a thread that rewrites the buffer, wrong addresses, deaths and stops: `hostile.c`."""
    program = tmp_path / "hostile"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    source = Path(__file__).with_name("hostile.c")
    build = [str(compiler), f"-m{bits}", "-w", "-pthread", "-o", str(program), str(source)]
    if compiler is None or subprocess.run(build, stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f"no compiler for programs of {bits} bits")
    for mode, status in HOSTILE.items():
        run = rawns.trace(["sh", "-c", f'exec "$0" {mode} >/dev/null 2>&1', str(program)])
        text = "\n".join(line for call in run for line in Formatter(BYTES).lines(call))
        assert run.status == status and "socket(AF_NETLINK" in text and text.replace("\n", "").isprintable(), mode
        sent = [call for call in run if call.call in calls.SENDS and call.payload]
        if mode in ("double", "die", "stop"):
            assert [len(call.payload) for call in sent] == [32]
    forked = command("-o", "/dev/null", program=(str(program), "forks"))  # whose ends arrive before their beginnings
    assert (forked.returncode, forked.stderr) == (0, "")


def test_all_datagrams_of_sendmmsg_are_read_and_can_fail() -> None:
    program = THREADS + (
        "import struct; buffer = ctypes.create_string_buffer(REQUEST, 32)\n"
        "vector = ctypes.create_string_buffer(struct.pack('PN', ctypes.addressof(buffer), 32))\n"
        "head = struct.pack('PIPNPNiN', 0, 0, ctypes.addressof(vector), 1, 0, 0, 0, 0)\n"
        "both = ctypes.create_string_buffer(head * 2)\n"
        "assert LIBC.sendmmsg(sock.fileno(), both, 2, 0) == 2\n"
        "sys.exit(sum(struct.unpack_from('=Hxxxxxxxxxxi', sock.recv(65536), 4) == (2, -17) for _ in range(2)))"
    )
    run = rawns.trace(python(program))
    assert run.status == 0 and [call.payload for call in run if call.call == "sendmmsg"] == [GETLINK * 2]
    refused = command("-o", "/dev/null", "--fail", "RTM_GETLINK=EEXIST", program=tuple(python(program)))
    assert refused.returncode == 2  # both, though their sequence numbers are equal


def test_requests_in_pieces_and_in_constant_memory_fail_too(tmp_path: Path) -> None:
    """Each way to send ends a buffer inside the type of the message; one message is in memory that cannot be written."""
    page = tmp_path / "page"
    page.write_bytes(GETLINK)
    program = THREADS + (
        "import mmap as m, struct; mapped = memoryview(m.mmap(os.open(sys.argv[1], 0), 32, m.MAP_PRIVATE, m.PROT_READ))\n"
        "parts, fd, refused = [mapped[:5], mapped[5:30], mapped[30:]], sock.fileno(), 0\n"
        "for send in (lambda: os.writev(fd, parts), lambda: os.pwritev(fd, parts, -1, 0), lambda: sock.sendmsg(parts), "
        "lambda: os.write(fd, mapped)):\n"
        " assert send() == 32; pieces = [bytearray(18), bytearray(3), bytearray(9000)]; size = os.readv(fd, pieces)\n"
        " refused += struct.unpack_from('=Hxxxxxxxxxxi4xH', b''.join(pieces)[:size], 4) == (2, -17, 18)\n"
        "sys.exit(refused)"
    )
    argv = [*python(program), str(page)]
    assert command("-o", str(tmp_path / "out"), "--fail", "RTM_GETLINK=EEXIST", program=tuple(argv)).returncode == 4
    assert (tmp_path / "out").read_text().count("RTM_GETLINK refused: File exists") == 4
    assert page.read_bytes() == GETLINK


def test_options_of_netlink_sockets_are_those_that_strace_sees() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    program = "import socket; s = socket.socket(16, 3, 0); [s.setsockopt(270, n, 1) for n in (1, 2, 3, 10, 11, 12)]"
    argv = python(f"{program}; s.setsockopt(1, 8, 9999)")
    lines = subprocess.run(["strace", "-e", "trace=setsockopt", *argv], capture_output=True, text=True, check=True).stderr
    theirs = [
        line.partition(", ")[2].rpartition(" = ")[0].rstrip() for line in lines.splitlines() if line.startswith("setsockopt")
    ]
    ours = [call.arguments.partition(", ")[2] + ")" for call in rawns.trace(argv) if call.call == "setsockopt"]
    assert len(ours) == 7 and [one.replace("[RTNLGRP_LINK]", "[1]") for one in ours] == theirs


def test_a_process_that_is_followed_is_followed_into_the_program_that_it_executes(tmp_path: Path) -> None:
    """A process without a filter stops at each call, whatever it executes."""
    program = "import os, sys; print('ready', flush=True); sys.stdin.read(1); os.execvp('ip', ['ip', 'link'])"
    with subprocess.Popen(python(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None and child.stdout.readline() == b"ready\n"
        argv = [sys.executable, "-m", "rawns", "trace", "-o", str(tmp_path / "out"), "-p", str(child.pid)]
        with subprocess.Popen(argv, cwd=PROJECT) as tracer:
            status = Path(f"/proc/{child.pid}/status")
            while f"TracerPid:\t{tracer.pid}\n" not in status.read_text():
                assert tracer.poll() is None
            child.stdin.write(b"x")
            child.stdin.close()
            child.stdout.read()
            assert child.wait(30) == 0 and tracer.wait(30) == 0
    assert "RTM_GETLINK dump" in (tmp_path / "out").read_text()


def test_a_full_disk_does_not_disturb_the_program() -> None:
    for option in ("-o", "--pcap", "--html"):
        found = command(option, "/dev/full", program=("sh", "-c", "ip link >/dev/null; echo alive"))
        assert (found.returncode, found.stdout) == (1, "alive\n") and found.stderr.count("No space left on device") == 1


def test_what_a_program_leaves_running_is_named_and_ends_with_the_tracer(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "rawns", "trace", "-o", str(tmp_path / "out"), "sh", "-c", "sleep 600 >/dev/null 2>&1 & exit 3"]
    with subprocess.Popen(argv, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        tracer.send_signal(signal.SIGINT)
        assert re.fullmatch(r"rawns trace: sh has ended; still following \w+\(\d+\) .*\n", said)
        assert tracer.wait(30) == 3 and tracer.stderr.read() == ""


def test_busybox_asks_for_a_dump_with_one_byte() -> None:
    """`struct rtgenmsg`, and what iproute2 sends behind its last message, are not malformed."""
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    for argv in (["busybox", "ip", "link"], ["busybox", "ip", "route"], ["ip", "route"]):
        found = command("-b", program=tuple(argv)).stderr
        assert "malformed" not in found and ("rtgen_family" in found) == (argv[0] == "busybox")


def test_nearly_every_byte_of_other_programs_has_a_name() -> None:
    """At least 99 of 100 bytes: those without a name are in attributes and messages that are shown by number."""
    rules = "table inet t { chain c { type filter hook input priority 0; tcp dport { 22, 80 } counter accept; } }"
    script = f"""
        ip link add v1 type veth peer name v2; ip addr add 10.0.0.1/24 dev v1; ip -d link; ip -s addr; ip -6 route; ip rule
        ip neigh; ip nexthop; tc qdisc add dev v1 root tbf rate 1mbit burst 10k latency 10ms; tc -s qdisc; bridge link
        bridge fdb; ss -tan; ss -xa; nft add table ip x; nft '{rules}'; nft list ruleset; busybox ip link; busybox ip addr
        iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft -L -n"""
    count = Count()
    for call in rawns.trace(["unshare", "-n", "sh", "-c", f"exec >/dev/null 2>&1; {script}"]):
        count.add(call)
    assert count.bytes > 10_000 and count.without <= count.bytes / 100, count.row("all")
