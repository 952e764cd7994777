"""Mutated messages through every decoder, mutated lab files, and inputs that grow: errors in words, and bounded time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import struct
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Iterator

import frame
from frame import Report

sys.path.insert(0, str(frame.PROJECT / "tests" / "unit"))

from samples import shortened_attributes  # noqa: E402

from rawns import explain, nlmsg, packets, sock_diag  # noqa: E402
from rawns.cli import main as program  # noqa: E402
from rawns.cni import program as cni  # noqa: E402
from rawns.errors import RawnsError  # noqa: E402
from rawns.exchange import Exchange  # noqa: E402
from rawns.framing import LineSplitter  # noqa: E402
from rawns.lab import document, etc_files, stamp  # noqa: E402
from rawns.lab.lab import Lab  # noqa: E402
from rawns.objects import link  # noqa: E402
from rawns.observer import Event  # noqa: E402
from rawns.tracing import parse  # noqa: E402

MAX_SECONDS = 5.0  # of processor time for one message of at most 64 KiB; a hundred times what the slowest takes
MAX_SENTENCE, MAX_LINE = 70_000, 2_000  # characters of an error, and of a line of one about a description
TOTAL = 10_000_000
MINUTES = 4.0  # of the whole campaign by default; --minutes says how many, --count is the number of messages instead


MAX_SHORTENED = 300  # bytes of a message of which attributes are cut: all ways to do that are made first


def mutated(dice: random.Random, data: bytes) -> bytes:
    """Change some bytes, numbers and lengths; cut off, repeat or insert parts."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(changed)) if changed else 0
        how = dice.random()
        if how < 0.05 and len(changed) < MAX_SHORTENED:
            shortened = [one for _, one in shortened_attributes(bytes(changed))]
            changed[:] = dice.choice(shortened or [bytes(changed)])
        elif how < 0.3:
            extreme = dice.choice((0, 1, -1, 2**31 - 1, -(2**31), 0xFFFF, 4, 3, 5))
            size = dice.choice((2, 4))
            changed[at : at + size] = struct.pack("=I", extreme & 0xFFFFFFFF)[: min(size, len(changed) - at)]
        elif how < 0.8 and changed:
            changed[at] = dice.choice((0, 255, 128, dice.randrange(256)))
        elif how < 0.81:
            changed[at:at] = dice.choice((b"x", b"1", b"\xff", b" ", b".")) * dice.choice((100, 5000))
        elif how < 0.9:
            changed[at:at] = changed[dice.randrange(len(changed) + 1) :][: dice.randrange(64)]
        else:
            del changed[at : at + dice.randrange(1, 16)]
    if dice.random() < 0.1:
        del changed[dice.randrange(len(changed) + 1) :]
    return bytes(changed)


# -- the decoders: a function of bytes, and the samples that are mutated ---------------------------------------------------


def records(data: bytes) -> None:
    """Decode answers of rtnetlink and nf_tables into records, and print them."""
    from samples import MESSAGES
    from test_hostile import RECORDS, examined

    for one in nlmsg.split(data):
        reply = nlmsg.decode(data, one, MESSAGES)
        for kind in RECORDS.get(reply.kind, []):
            examined(kind(reply.body))


def exchange(data: bytes) -> None:
    """Give an answer to a conversation that waits for it."""
    from samples import MESSAGES

    conversation = Exchange(MESSAGES)
    (sequence,) = struct.unpack_from("=I", conversation.send([link.dump()]), 8)
    changed = bytearray(data)
    changed[8:12] = struct.pack("=I", sequence)
    conversation.receive(changed)
    conversation.take()
    repr(conversation.result())


def explained(protocol: str) -> Callable[[bytes], None]:
    """Return a function that names every byte of a message."""

    def explain_it(data: bytes) -> None:
        event = Event("recvfrom", "3", protocol)
        event.payload = data
        json.dumps(explain.record(event))
        list(explain.call(event))

    return explain_it


def sockets(data: bytes) -> None:
    """Decode answers of sock_diag."""
    for one in nlmsg.split(data):
        if one.kind in sock_diag.MESSAGES:
            sock_diag.MESSAGES[one.kind].unpack(data, one.start, one.end)


def packet(data: bytes) -> None:
    """Decode a packet of each protocol that is described."""
    for kind in PACKETS:
        packets.decode(kind, data)


def decoded(data: bytes) -> None:
    """Look for messages in a capture, a hex dump or a log."""
    for _, _ in parse.datagrams(data):
        pass


def stamps(data: bytes) -> None:
    """Read a stamp, the alias of a link or the first line of a file, that others may have written."""
    text = data.decode("utf-8", "replace")
    found = stamp.read(text)
    assert found is None or str(found).isprintable()
    stamp.owner(text)
    etc_files.has_stamp(text)


def lines(data: bytes) -> None:
    """Split a chat's bytes into lines that a terminal can show."""
    splitter = LineSplitter(64)
    for at in range(0, len(data), 7):
        for line in splitter.feed(data[at : at + 7]):
            assert all(one.isprintable() or unicodedata.category(one) == "Zs" for one in line), line
    splitter.end()


def labs(data: bytes) -> None:
    """Read a description of a lab, and plan it as a whole."""
    text = data.decode("utf-8", "replace")
    for name in ("x.json", "x.toml"):
        try:
            lab = Lab.from_source(document.parse(text, name))
            lab.name_ports()
            from rawns.lab.check import problems_of

            problems_of(lab)
        except RawnsError as error:
            longest = max(map(len, str(error).splitlines()), default=0)
            assert longest < MAX_LINE, f"a line of {longest} characters: {str(error)[:200]}"


def words(data: bytes) -> None:
    """Run a command line of `ip`, `tc`, `bridge` and `ss` that only shows something or is refused by its words."""
    argv = [word.replace("\0", "") for word in data.decode("utf-8", "surrogateescape").split()][:40]
    if argv[1:3] and argv[1] in HARMLESS:
        with silent(), contextlib.suppress(SystemExit, BrokenPipeError):
            program.run(argv)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Let the block write its output, also what it writes to the descriptors themselves, to nowhere."""
    kept, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for number, fd in zip((1, 2), kept):
            os.dup2(fd, number)
        for fd in (*kept, nowhere):
            os.close(fd)


def shown(*argv: str) -> Callable[[bytes], None]:
    """Return a function that lets a command show a file with these bytes."""
    file = os.memfd_create("input")

    def show_it(data: bytes) -> None:
        os.ftruncate(file, 0)
        os.pwrite(file, data, 0)
        with silent(), contextlib.suppress(SystemExit, BrokenPipeError):
            program.run([*argv, f"/proc/self/fd/{file}"])

    return show_it


def plugin(data: bytes) -> None:
    """Check an attachment that does not exist, by the configuration of a CNI plugin that an engine has written."""
    environment = {"CNI_COMMAND": "CHECK", "CNI_CONTAINERID": "x", "CNI_NETNS": "/nonexistent", "CNI_IFNAME": "eth0"}
    status, answer = cni.run("bridge", environment, data)
    assert status and json.loads(answer)["code"], answer


PACKETS = [one for one in vars(packets).values() if isinstance(one, (packets.PacketLayout, packets.PacketUnion))]
HARMLESS = ("link", "addr", "route", "rule", "neigh", "qdisc", "filter", "class", "fdb", "vlan", "-t", "-u", "-a")


def captured() -> list[bytes]:
    """Return the datagrams that were captured from the real tools and the kernel."""
    from samples import CAPTURED

    return [data for group in CAPTURED.values() for _, data in group if len(data) >= 16]


def diag_samples() -> list[bytes]:
    """Return answers of sock_diag as the kernel lays them out: with each family, and attributes of every number."""
    dice, found = random.Random(3), []
    for family in (1, 2, 10, 16, 17, 40, 44):
        body = bytes([family]) + bytes(dice.randrange(256) for _ in range(71))
        for number in range(1, 24):
            size = dice.choice((4, 8, 20, 60, 232))
            body += struct.pack("=HH", 4 + size, number) + bytes(dice.randrange(256) for _ in range(size))
        found.append(struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body)
    return found


def texts() -> list[bytes]:
    """Return hex dumps, logs of strace and captures."""
    some = captured()[:12]
    found = [" ".join(f"{byte:02x}" for byte in one).encode() for one in some]
    found += [b'sendto(3, "' + "".join(f"\\x{byte:02x}" for byte in one).encode() + b'", 20, 0, NULL, 0) = 20\n' for one in some]
    frames = [struct.pack(">HHH", 4, 824, 0) + bytes(8) + struct.pack(">H", 0) + one for one in some]
    pcap = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 253)
    found.append(pcap + b"".join(struct.pack("=IIII", 0, 0, len(one), len(one)) + one for one in frames))
    blocks = struct.pack("=IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + struct.pack("=IIHHII", 1, 20, 253, 0, 0, 20)
    for one in frames:
        padded = one + bytes(-len(one) % 4)
        size = 32 + len(padded)
        blocks += struct.pack("=IIIIIII", 6, size, 0, 0, 0, len(one), len(one)) + padded + struct.pack("=I", size)
    return [*found, blocks]


def lab_samples() -> list[bytes]:
    """Return the descriptions that come with rawns."""
    return [path.read_bytes() for path in sorted((frame.PROJECT / "rawns").glob("**/*")) if path.suffix in (".toml", ".json")]


def cni_samples() -> list[bytes]:
    """Return configurations of plugins."""
    ranges = [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd": "10.1.0.9", "gateway": "10.1.0.1"}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}], "dataDir": "/nonexistent"}
    bridge = {"type": "bridge", "bridge": "b0", "isGateway": True, "ipMasq": True, "mtu": 1400, "vlan": 5, "ipam": ipam}
    before = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24", "interface": 0}], "interfaces": [{"name": "eth0"}]}
    alone = {"cniVersion": "1.0.0", "name": "net", **bridge, "prevResult": before}
    mapped = {"type": "portmap", "capabilities": {"portMappings": True}}
    listed = {"cniVersion": "1.0.0", "name": "net", "plugins": [bridge, mapped], "prevResult": before}
    return [json.dumps(one).encode() for one in (alone, listed)]


STAMPS = [
    b"rawns lab=net by=0123456789abcdef state=whole nat relay",
    b"# rawns lab=net\nnameserver 10.0.0.1\n",
    b"rawns lab=a.b host=x",
]
CHAT = ["héllo\r\n\x1b[31mred\x1b[0m\n".encode(), b"x" * 200 + b"\n" + bytes(range(256)), "\u202e\u2066日本語\n".encode() * 5]
WORDS = [
    b"ip link show dev lo up", b"ip -d -j addr show to 10.0.0.0/8 scope global", b"ip route show table 100 proto static",
    b"ip rule show prio 10", b"ip neigh show nud permanent", b"ss -t -a state established dport = :22 or sport gt :80",
    b"tc qdisc show dev lo", b"bridge fdb show br lo", b"bridge vlan show dev lo", b"tc filter show dev lo parent 1:",
]  # fmt: skip
Decoder = tuple[Callable[[bytes], None], Callable[[], list[bytes]]]
DECODERS: dict[str, Decoder] = {
    "records": (records, captured),
    "exchange": (exchange, captured),
    "explain rtnetlink": (explained("rtnetlink"), captured),
    "explain nftables": (explained("nftables"), captured),
    "explain IPv4": (explained("IPPROTO_IP"), captured),
    "explain ICMP": (explained("IPPROTO_ICMP"), captured),
    "explain ICMPv6": (explained("IPPROTO_ICMPV6"), captured),
    "sock_diag": (sockets, diag_samples),
    "explain generic": (explained("generic"), captured),
    "explain sock_diag": (explained("sock_diag"), diag_samples),
    "packets": (packet, captured),
    "decode": (decoded, texts),
    "rawns decode": (shown("decode"), texts),
    "ip monitor file": (shown("ip", "-d", "monitor", "file"), captured),
    "cni": (plugin, cni_samples),
    "stamps": (stamps, lambda: STAMPS),
    "chat": (lines, lambda: CHAT),
    "labs": (labs, lab_samples),
    "words": (words, lambda: WORDS),
}


def attempt(report: Report, name: str, decoder: Callable[[bytes], None], data: bytes, seen: set[str]) -> None:
    """Decode once; anything but an error in words is a fault, and so is much time."""
    start = time.process_time()
    try:
        decoder(data)
        report.tally(f"{name}: decoded")
    except RawnsError as error:
        report.tally(f"{name}: refused")
        if len(str(error)) > MAX_SENTENCE:
            report.fault(f"{name}: a sentence of {len(str(error))} characters")
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{name}: {type(error).__name__} at {last.filename}:{last.lineno}"
        if line not in seen:
            seen.add(line)
            report.fault(f"{line}: {str(error)[:300]}; input {data[:200]!r}")
    taken = time.process_time() - start
    if taken > MAX_SECONDS:
        report.fault(f"{name}: {len(data)} bytes take {taken:.1f} s of the processor: {data[:200]!r}")


def mutations_campaign(report: Report) -> None:
    """Put mutated messages through every decoder: --minutes in equal shares, or --count of them.

    Each decoder's rate is printed.  Runs with other seeds add up: together they are to reach ten million.
    """
    share = (report.count or TOTAL) // (len(DECODERS) if report.count else 1)
    limit = None if report.count else (report.minutes or MINUTES) * 60 / len(DECODERS)
    for name, (decoder, samples) in DECODERS.items():
        dice, given, seen = random.Random(f"{report.seed} {name}"), samples(), set[str]()
        assert given, name
        start, number = time.monotonic(), 0
        for number in range(share):
            if limit is not None and number % 64 == 0 and time.monotonic() - start > limit:
                break
            attempt(report, name, decoder, mutated(dice, dice.choice(given)), seen)
        taken = time.monotonic() - start
        print(f"{name}: {number} messages in {taken:.0f} s, {number / max(taken, 1e-3):.0f} a second", flush=True)


# -- inputs that grow -----------------------------------------------------------------------------------------------------


def attributes(number: int) -> bytes:
    """Return a link's answer with many attributes, alternative names for the most part."""
    body = bytes(16) + b"".join(struct.pack("=HH", 12, 53) + b"altname\0" for _ in range(number))
    return struct.pack("=IHHII", 16 + len(body), 16, 0, 1, 0) + body


def nested(number: int) -> bytes:
    """Return a link's answer with attributes in each other, as deep as the length allows."""
    body = b""
    for _ in range(min(number, 16_000)):
        body = struct.pack("=HH", 4 + len(body), 18 | 0x8000) + body
    body = bytes(16) + body
    return struct.pack("=IHHII", 16 + len(body), 16, 0, 1, 0) + body


def many_links(number: int) -> bytes:
    """Return a description of a star."""
    wires = [{"ends": ["r", f"h{one}"]} for one in range(number)]
    hosts = {"r": {}, **{f"h{one}": {"sysctl": {"net.ipv4.ip_forward": 1}} for one in range(number)}}
    return json.dumps({"name": "x", "hosts": hosts, "wires": wires}).encode()


GROWING: dict[str, tuple[Callable[[bytes], None], Callable[[int], bytes], int]] = {  # decoder, input of a size, first size
    "attributes, records": (records, attributes, 300),
    "attributes, explained": (explained("rtnetlink"), attributes, 300),
    "nested attributes": (explained("rtnetlink"), nested, 500),
    "messages": (records, lambda number: attributes(1) * number, 500),
    "a lab of many wires": (labs, many_links, 200),
    "a lab file of brackets": (labs, lambda number: b"[" * number, 20_000),
    "a lab file of braces": (labs, lambda number: b'{"a":' * number, 10_000),
    "a lab file of dots": (labs, lambda number: b".".join([b"a"] * number) + b" = 1", 20_000),
    "a lab file of unknown keys": (labs, lambda number: b"".join(b"k%d = 1\n" % one for one in range(number)), 500),
    "a lab file of one long string": (labs, lambda number: b'name = "' + b"x" * number + b'"', 200_000),
    "a lab file of backslashes": (labs, lambda number: b'name = "' + b"\\" * number, 50_000),
    "a hex dump": (decoded, lambda number: b"00000000  10 00 00 00 " * number, 2_000),
    "a line of hex": (decoded, lambda number: b"10" * number, 50_000),
    "quotation marks": (decoded, lambda number: b'"' * number, 20_000),
    "backslashes": (decoded, lambda number: b'"' + b"\\" * number, 20_000),
    "one line of a chat": (lines, lambda number: b"x" * number, 50_000),
    "lines of a chat": (lines, lambda number: b"\n" * number, 20_000),
    "a stamp": (stamps, lambda number: b"rawns lab=a " + b"x " * number, 20_000),
}


def seconds(decoder: Callable[[bytes], None], data: bytes) -> float:
    """Return the processor time for one input, the least of three attempts."""
    least = 1e9
    for _ in range(3):
        start = time.process_time()
        with contextlib.suppress(RawnsError, AssertionError):
            decoder(data)
        least = min(least, time.process_time() - start)
    return least


def growing_campaign(report: Report) -> None:
    """Decode inputs that are 1, 2, 4 and 8 times as long: the time grows no faster than the length."""
    for name, (decoder, make, size) in GROWING.items():
        taken = [seconds(decoder, make(size * factor)) for factor in (1, 2, 4, 8)]
        report.tally(name, 4)
        if taken[3] > 0.05 and taken[3] > 3 * 8 * max(taken[0], 1e-4):
            report.fault(f"{name}: {', '.join(f'{one * 1000:.1f} ms' for one in taken)} for 1, 2, 4 and 8 times {size}")


CAMPAIGNS = {"mutations": mutations_campaign, "growing": growing_campaign}
