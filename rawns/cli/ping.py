"""`rawns ping`: ICMP echo from inside a namespace; output, messages and exit status are those of iputils (ping(8)).

`icmp` sends and receives; this module parses the command line and prints each event.
"""

from __future__ import annotations

import _socket
import os
import signal
import sys
from contextlib import nullcontext
from math import isfinite

from .. import explain, icmp, netns, netns_names, netns_processes, packets, syscalls
from ..errors import RawnsError, SyscallError, WireError
from ..observer import Event, Observer, observed
from ..terminal import printable
from .options import Command, HelpRequested, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..icmp.session import Address
    from ..wire import Span

OK, LOST, BAD_NUMBER, FAILED = 0, 1, 1, 2  # exit statuses
MAX_INT = 2**31 - 1
MIN_USER_INTERVAL = 0.002  # seconds, for users other than root
TIMED_BYTES = 16  # of data: ping stores the time in them, so with less it shows no round trip

COMMAND = Command(
    "ping",
    "Send ICMP echo requests, as iputils' ping does, and print the replies.",
    "[HOST]",
    options=[
        Option("--netns", argument="NS", help="ping from inside this network namespace (a name, a path, or pid:N)"),
        Option("--explain", help="print every byte that is sent and received, with its name"),
        Option("-4", help="IPv4 only"),
        Option("-6", help="IPv6 only"),
        Option("-b", help="allow pinging a broadcast address"),
        Option("-c", argument="COUNT", help="stop after this number of replies"),
        Option("-i", argument="SECONDS", help="interval between requests (1); with 0, each follows the reply to the one before"),
        Option("-I", argument="SOURCE", help="send from this interface, or from this address (ADDRESS or ADDRESS%INTERFACE)"),
        Option("-n", help="do not look up names of addresses"),
        Option("-q", help="print only the summary"),
        Option("-s", argument="BYTES", help="of data in each request (56)"),
        Option("-t", argument="TTL", help="time to live"),
        Option("-w", argument="SECONDS", help="stop after this time, even without replies"),
        Option("-W", argument="SECONDS", help="time to wait for a first reply (10); 0 for no limit"),
        Option("-V", "--version", help="print the version"),
    ],
    details="Exit status: 0 replies arrived, 1 none (or fewer than -c within -w) or a bad number, 2 any other error.",
)


class PingUsageError(Exception):
    """The command line is wrong: the message, and the exit status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def main(argv: list[str]) -> int:
    """Run ``rawns ping``; return the exit status."""
    try:
        options = PingOptions(argv)
        if options.netns is None:
            return _ping(options)
        with _opened(options.netns) as visit, visit.entered():
            if visit.name and os.path.isdir(f"{netns_names.ETC_DIR}/{visit.name}"):
                netns_processes.enter_mounts(visit.name)  # the hosts and resolv.conf that `ip netns exec` would give it
            return _ping(options)
    except PingUsageError as error:
        if error.args[0]:
            print(printable(f"ping: {error}"), file=sys.stderr)
        return error.status
    except SyscallError as error:
        print(printable(f"ping: {_complaint(error)}"), file=sys.stderr)
    except RawnsError as error:
        print(printable(f"ping: {error}"), file=sys.stderr)
    return FAILED


def _opened(name: str) -> netns.Namespace:
    try:
        return netns.Namespace.open(name)
    except SyscallError as error:
        raise PingUsageError(f'cannot open network namespace "{name}": {error.strerror}', FAILED) from None


def _complaint(error: SyscallError) -> str:
    """Return the message of ping for a system call that has failed."""
    if error.call == "if_nametoindex":
        return f"unknown iface: {error.arguments.strip(chr(34))}"
    if error.call == "connect" and isinstance(error, PermissionError):
        return "Do you want to ping broadcast? Then -b. If not, check your local firewall rules"
    what = error.call
    if what == "bind" and "AF_INET6" in error.arguments:
        what = "bind icmp socket"
    elif what == "setsockopt":
        what = _option(error.arguments)
    remedy = f"; {error.hint}" if error.hint and isinstance(error, PermissionError) else ""
    return f"{what}: {error.strerror}{remedy}"


def _option(arguments: str) -> str:
    """Return how ping names a socket option: ``SO_BINDTODEVICE eth0``, ``cannot set unicast time-to-live``."""
    name, value = arguments.split(", ", 3)[2:]
    if name == "SO_BINDTODEVICE":
        return f"{name} {value[1:].rpartition(chr(34))[0].removesuffix(chr(92) + '000')}"  # a string literal in C
    if name.endswith(("_TTL", "_HOPS")):
        return f"cannot set {'multicast' if 'MULTICAST' in name else 'unicast'} time-to-live"
    return name


# -- command line -----------------------------------------------------------------------------------------------------


class PingOptions:
    """A command line after parsing.  Raises `PingUsageError` with the message of iputils."""

    def __init__(self, argv: list[str]) -> None:
        given, hosts = _split(argv)
        self.explain, self.netns = "--explain" in given, given.get("--netns")
        self.numeric, self.quiet, self.broadcast = "-n" in given, "-q" in given, "-b" in given
        if "-4" in given and "-6" in given:
            raise PingUsageError("only one -4 or -6 option may be specified", FAILED)
        self.family = _socket.AF_INET if "-4" in given else _socket.AF_INET6 if "-6" in given else None
        self.count = _whole(given["-c"], 1, 2**63 - 1) if "-c" in given else None
        self.interval = _seconds(given.get("-i", "1"), "timing interval")
        self.timeout = _seconds(given.get("-W", "10"), "linger time") or None
        self.deadline = _whole(given.get("-w", "0"), 0, MAX_INT) or None
        self.size = _whole(given.get("-s", "56"), 0, MAX_INT)
        self.ttl = _whole(given["-t"], 0, 255) if "-t" in given else None
        if self.size > icmp.MAX_DATA_BYTES:
            raise PingUsageError(f"packet size {self.size} is too large. Maximum is {icmp.MAX_DATA_BYTES}", FAILED)
        self.source, self.device = _source(given.get("-I", ""))
        if "-I" in given and not (self.source or self.device):
            raise PingUsageError("unknown iface: ", FAILED)
        if not hosts:
            raise PingUsageError("usage error: Destination address required", BAD_NUMBER)
        self.host = hosts[0]
        self.numeric = self.numeric or ":" in self.host or _is_address(self.host)


def _split(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options by their names, and the remaining words.  Raises `PingUsageError` with iputils' words."""
    try:
        parsed = COMMAND.parse(argv)
    except HelpRequested as asked:
        if "--help" in argv:
            raise
        print(asked, file=sys.stderr)  # iputils' -h
        raise PingUsageError("", FAILED) from None
    except UsageError as error:
        word = error.word if error.word.startswith("--") else error.word[1:2]
        message = {"argument missing": f"option requires an argument -- '{word}'\n\n", "operand": ""}
        said = message.get(error.kind, f"invalid option -- '{word}'\n\n")
        print((f"ping: {said}" if said else "") + COMMAND.help(), file=sys.stderr)
        raise PingUsageError("", FAILED) from None
    if "--version" in parsed.given:
        from .. import __version__

        print(f"ping from rawns {__version__}")
        raise PingUsageError("", OK)
    return {key: parsed[key] for key in parsed.given}, parsed.operands


def _whole(text: str, least: int, most: int) -> int:
    """Parse a number as strtol(3) does."""
    digits = text.lstrip(" \t\n\v\f\r")
    digits = digits[1:] if digits[:1] in ("+", "-") else digits
    if not (digits.isascii() and digits.isdigit()):
        raise PingUsageError(f"invalid argument: '{text}'", BAD_NUMBER)
    if len(digits.lstrip("0")) > 19 or not -(2**63) <= int(text) < 2**63:
        raise PingUsageError(f"invalid argument: '{text}': Numerical result out of range", BAD_NUMBER)
    if not least <= int(text) <= most:
        raise PingUsageError(f"invalid argument: '{text}': out of range: {least} <= value <= {most}", BAD_NUMBER)
    return int(text)


def _seconds(text: str, what: str) -> float:
    """Parse a number of seconds as strtod(3) does."""
    try:
        if not text.isascii() or "_" in text:
            raise ValueError
        number = float(text)
    except ValueError:
        raise PingUsageError(f"option argument contains garbage: {text}", FAILED) from None
    if not isfinite(number):
        raise PingUsageError(f"bad {what}: {text}: Numerical result out of range", FAILED)
    if not 0 <= number <= MAX_INT / 1000:
        raise PingUsageError(f"bad {what}: {text}", FAILED)
    return number


def _source(text: str) -> tuple[str, str]:
    """Split the argument of ``-I`` into source address and interface, as iputils does.

    A text with a colon is an IPv6 address, perhaps with ``%INTERFACE``; one that inet_pton(3) accepts is an IPv4 address;
    everything else is an interface, so ``5`` and ``10.0`` are.
    """
    if ":" in text:
        address, _, device = text.partition("%")
        try:
            _socket.inet_pton(_socket.AF_INET6, address)
        except (OSError, ValueError):
            raise PingUsageError(f"invalid source address: {text}", FAILED) from None
        return address, device
    try:
        _socket.inet_pton(_socket.AF_INET, text)
    except (OSError, ValueError):
        return "", text
    return text, ""


def _is_address(text: str) -> bool:
    """Return whether a host is given as an address, so that no names need to be looked up."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text.partition("%")[0])
            return True
        except (OSError, ValueError):
            pass
    try:
        return bool(_socket.inet_aton(text))  # 127.1
    except (OSError, ValueError):
        return False


# -- output -----------------------------------------------------------------------------------------------------------


def _ping(options: PingOptions) -> int:
    sock = icmp.connect(
        options.host,
        options.family,
        source=options.source,
        device=options.device,
        ttl=options.ttl,
        broadcast=options.broadcast,
    )
    try:
        screen = PingOutput(options, sock)
        screen.header()
        if os.getuid() and options.interval < MIN_USER_INTERVAL:
            raise PingUsageError(f"cannot flood; minimal interval allowed for user is {MIN_USER_INTERVAL * 1000:.0f}ms", FAILED)
        timeout = None if options.timeout is None else round(options.timeout * 1e9)
        deadline = None if options.deadline is None else options.deadline * 10**9
        session = icmp.EchoSession(options.count, round(options.interval * 1e9), timeout, deadline)
        with SignalPipe() as signals, observed(PacketExplainer()) if options.explain else nullcontext():
            for event in icmp.run(sock, session, options.size, signals.descriptor):
                if event is not None:
                    screen.show(event)
                    continue
                numbers = signals.read()
                session.stopped = signal.SIGINT in numbers
                if signal.SIGQUIT in numbers:
                    screen.status(session.result)
        screen.summary(session)
    finally:
        sock.close()
    result = session.result
    few = options.deadline is not None and result.received < (options.count or 0)
    return LOST if not result.received or few else OK


class PingOutput:
    """Print the events of a session as ping does."""

    def __init__(self, options: PingOptions, sock: icmp.IcmpSocket) -> None:
        self.options, self.sock = options, sock
        self._last: tuple[Address, str] | None = None

    @staticmethod
    def _say(text: str) -> None:
        print(text, flush=True)

    def header(self) -> None:
        """Print the first line."""
        options, sock = self.options, self.sock
        source = ""
        if options.device or options.source:
            source = f"from {sock.source} {printable(options.device)}: "
        host, size = printable(options.host), options.size
        if sock.family == _socket.AF_INET6:
            self._say(f"PING {host}({self._who(sock.address)}) {source}{size} data bytes")
        else:
            if options.broadcast:
                print("WARNING: pinging broadcast address", file=sys.stderr)
            self._say(f"PING {host} ({sock.address[0]}) {source}{size}({size + 28}) bytes of data.")

    def show(self, event: icmp.EchoReply | icmp.EchoError) -> None:
        """Print a reply or an error, unless ``-q`` was given."""
        if self.options.quiet:
            return
        if isinstance(event, icmp.EchoReply):
            self._say(self._reply(event))
        elif event.source is None:
            print(f"ping: {event.message}", file=sys.stderr, flush=True)
        else:
            colon = "" if event.counted else ":"
            self._say(f"From {self._who(event.source)}{colon} icmp_seq={event.sequence} {event.message}")

    def _reply(self, reply: icmp.EchoReply) -> str:
        text = f"{reply.size} bytes from {self._who(reply.source)}: icmp_seq={reply.sequence} ttl={reply.ttl}"
        if reply.size < self.options.size + 8:
            return f"{text} (truncated)"
        if self.options.size >= TIMED_BYTES:
            text += f" time={_time(reply.rtt)} ms"
        if reply.duplicate and not self.sock.many:
            text += " (DUP!)"
        if reply.corrupt:
            text += " (BAD CHECKSUM!)"
        if reply.elsewhere:
            text += " (DIFFERENT ADDRESS!)"
        return text + self._difference(reply.data)

    def _difference(self, data: bytes) -> str:
        """Return a line about the first byte that differs from what was sent, and all bytes; empty if none does."""
        size = self.options.size
        wrong = next((at for at in range(TIMED_BYTES, size) if data[at] != icmp.PATTERN[at]), None)
        if wrong is None:
            return ""
        text = f"\nwrong data byte #{wrong} should be {icmp.PATTERN[wrong]:#x} but was {data[wrong]:#x}"
        for at in range(TIMED_BYTES, size, 32):
            text += f"\n#{at}\t" + "".join(f"{byte:x} " for byte in data[at : min(at + 32, size)])
        return text

    def _who(self, address: Address) -> str:
        """Return ``name (address)``, or the address alone.  The last one is remembered, because a name server may be slow."""
        if self._last is None or self._last[0] != address:
            text = number = _socket.getnameinfo(address, _socket.NI_NUMERICHOST)[0]
            if not self.options.numeric:
                try:
                    text = f"{printable(_socket.getnameinfo(address, 0)[0])} ({number})"
                except (OSError, UnicodeError):
                    pass
            self._last = (address, text)
        return self._last[1]

    def status(self, result: icmp.PingResult) -> None:
        """Print the statistics so far (SIGQUIT)."""
        text = f"\r{result.received}/{result.transmitted} packets, {int(result.loss * 100)}% loss"
        if result.received and self.options.size >= TIMED_BYTES:
            times = (result.min_ns, result.average_ns, result.ewma_ns, result.max_ns)
            text += f", min/avg/ewma/max = {'/'.join(map(icmp.milliseconds, times))} ms"
        print(text, file=sys.stderr, flush=True)

    def summary(self, session: icmp.EchoSession) -> None:
        """Print the last lines."""
        result = session.result
        text = f"{result.transmitted} packets transmitted, {result.received} received"
        for number, what in ((result.duplicates, "duplicates"), (result.corrupted, "corrupted"), (result.failures, "errors")):
            text += f", +{number} {what}" if number else ""
        elapsed = session.last - session.first
        if result.transmitted:
            text += f", {result.loss * 100:g}% packet loss, time {(elapsed + 500_000) // 10**6}ms"
        self._say(f"\n--- {printable(self.options.host)} ping statistics ---\n{text}")
        last = []
        if result.received and self.options.size >= TIMED_BYTES:
            last.append(f"rtt min/avg/max/mdev = {result.spread()} ms")
        if result.pipe > 1:
            last.append(f"pipe {result.pipe}")
        if result.received and not self.options.interval and result.transmitted > 1:
            gap = elapsed // (result.transmitted - 1)
            last.append(f"ipg/ewma {icmp.milliseconds(gap)}/{icmp.milliseconds(result.ewma_ns)} ms")
        self._say(", ".join(last))


def _time(seconds: float) -> str:
    """Format milliseconds with about three significant digits: 0.026, 2.35, 23.5, 235."""
    micro = int(seconds * 1e6 + 1e-4)  # the seconds were whole nanoseconds before they became binary fractions
    if micro < 1000:
        return f"0.{micro:03d}"
    places = 2 if micro < 9995 else 1 if micro < 99950 else 0
    step = 10 ** (3 - places)
    rounded = (micro + step // 2) // step
    return f"{rounded // 10**places}.{rounded % 10**places:0{places}d}" if places else str(rounded)


class SignalPipe:
    """Receive SIGINT and SIGQUIT through a descriptor, so that no function is interrupted."""

    NUMBERS = (signal.SIGINT, signal.SIGQUIT)

    def __enter__(self) -> SignalPipe:
        self.descriptor, self._far = syscalls.pipe()
        self._wakeup = signal.set_wakeup_fd(self._far, warn_on_full_buffer=False)
        self._handlers = [signal.signal(number, lambda *_: None) for number in self.NUMBERS]
        return self

    def read(self) -> bytes:
        """Return the numbers of the signals that have arrived."""
        return syscalls.read(self.descriptor, 64)

    def __exit__(self, *exc: object) -> None:
        for number, handler in zip(self.NUMBERS, self._handlers):
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        syscalls.close(self.descriptor)
        syscalls.close(self._far)


class PacketExplainer(Observer):
    """Print every byte of the packets that are sent and received, with its name."""

    def after(self, event: Event) -> None:
        """Print the packet of a call that has been made."""
        kind = packets.PROTOCOLS.get(event.protocol)
        if kind is None or not event.payload:
            return
        trace: list[Span] = []
        try:
            packets.decode(kind, event.payload, trace)
        except WireError as error:
            print(f"malformed: {error}")
        print(event, *explain.rows(event.payload, trace, len(event.payload)) if trace else (), sep="\n", flush=True)
