"""`rawns why A B[:PORT]`: whether A reaches B, and if not, which fault prevents it and which command removes it."""

from __future__ import annotations

import sys

from .. import uapi
from ..errors import InvalidValue
from ..terminal import printable
from .options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..diagnose import CheckResult

REACHED, FAULTY, WRONG = 0, 1, 2

COMMAND = Command(
    "why",
    "Follow a packet from A to B and back, check everything that it meets, and name the first fault with the command that "
    "removes it. If there is none, prove it by real packets.",
    "A B",
    [
        Option("--tcp", help="with B:PORT, open a TCP connection (the default with a port)"),
        Option("--udp", help="with B:PORT, send a UDP datagram"),
        Option("--lab", argument="LAB", help="A and B are hosts of this lab"),
        Option("-4", help="IPv4 only"),
        Option("-6", help="IPv6 only"),
        Option("-j", "--json", help="print the diagnosis as data"),
        Option("-v", "--verbose", help="print each check as it is made"),
    ],
    exclusive=[("-4", "-6"), ("--tcp", "--udp")],
    details="A and B are, by the first rule that applies: `.` (the namespace of the caller), `pid:N`, a path if it has a slash, "
    "an address (B only; fe80::1%v1 is on v1, an interface's name goes before its index), a name under /run/netns, a host of "
    "a lab (LAB.HOST, or HOST if only one lab has it). A namespace whose name looks like an address is given by its path. "
    "B may end in :PORT; an IPv6 address before it is written in brackets, [fd00::2]:80.\n\n"
    "Exit status: 0 A reaches B, 1 there is a fault, 2 the command line is wrong.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns why``. Return the exit status."""
    options = COMMAND.parse(argv)
    from .. import diagnose

    try:
        other, port = split_port(options.operands[1])
        if (options["--tcp"] or options["--udp"]) and port is None:
            raise InvalidValue(f"{'--tcp' if options['--tcp'] else '--udp'} needs a port: {other}:80")
        one, other = (_host(end, options["--lab"]) for end in (options.operands[0], other))
        found = diagnose.why(
            one,
            other,
            uapi.AF_INET if options["-4"] else uapi.AF_INET6 if options["-6"] else None,
            _print_check if options["--verbose"] and not options["--json"] else _ignore,
            port=port,
            protocol=None if port is None else "udp" if options["--udp"] else "tcp",
        )
    except (FileNotFoundError, InvalidValue) as error:
        print(f"rawns why: {printable(str(error))}", file=sys.stderr)
        return WRONG
    if options["--json"]:
        import json

        print(json.dumps(found.data(), indent=2))
    else:
        print(found)
    return REACHED if found else FAULTY


def split_port(end: str) -> tuple[str, int | None]:
    """Split ``B:80`` or ``[fd00::2]:80`` into B and the port. A bare IPv6 address has none. Raises `InvalidValue`."""
    from .. import diagnose

    if end.startswith("["):
        inner, bracket, rest = end[1:].partition("]")
        if not bracket or rest and not rest.startswith(":"):
            raise InvalidValue(f"{end!r}: an address in brackets is written [ADDRESS]:PORT")
        return inner, _port(rest[1:], end) if rest else None
    if end.startswith("pid:") and end.count(":") == 1 or diagnose.address(end) is not None or ":" not in end:
        return end, None
    name, _, port = end.rpartition(":")
    return name, _port(port, end)


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise InvalidValue(f"{whole!r}: what follows the colon is not a port from 1 to 65535")
    return int(text)


def _host(end: str, lab: str | None) -> str:
    """Return the namespace of a host of a lab; an address stays what it is."""
    from .. import diagnose

    return end if lab is None or diagnose.address(end) is not None else f"{lab}.{end}"


def _ignore(result: CheckResult) -> None:
    pass


def _print_check(result: CheckResult) -> None:
    print(f"{'ok   ' if result.fault is None else 'FAULT'}  {result.check:<26}  {printable(result.subject)}", flush=True)
