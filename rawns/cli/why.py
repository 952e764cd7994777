"""`rawns why A B`: does A reach B, and if not, what is the first thing in the way, and which command mends it?

Floor 7.  All the walking is in `walk`; here are words in, and the answer out.
"""

from __future__ import annotations

import sys

from .. import diagnose, uapi
from ..errors import InvalidValue
from ..terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..diagnose import Step

REACHED, FAULTY, WRONG = 0, 1, 2

USAGE = """usage: rawns why [options] A B

Walks the way a packet takes from A to B and back: ports, carrier, addresses, the kernel's route look-up, every hop's
neighbours, bridges, forwarding, rp_filter and nf_tables; up to the first fault, which it says with the command that mends it.
Where there is none, a ping proves it.

  A, B           a namespace by its name, a host of a lab (LAB.HOST, or HOST where one lab has it), a path, pid:N,
                 or . for the one you are in; B may be an address
  --lab LAB      A and B are hosts of this lab
  -4, -6         IPv4 only, IPv6 only
  -j, --json     the walk as data
  -v             each check as it is made

Exit status: 0 A reaches B, 1 there is a fault, 2 the command line is wrong."""


def main(argv: list[str]) -> int:
    """Run ``rawns why``; the exit status."""
    from getopt import GetoptError, gnu_getopt

    try:
        given, ends = gnu_getopt(argv, "46hjv", ["lab=", "json", "help", "verbose"])
    except GetoptError as error:
        return _wrong(str(error))
    options = dict(given)
    if "-h" in options or "--help" in options:
        print(USAGE)
        return REACHED
    if len(ends) != 2:
        return _wrong("two ends are due: from where, and to where")
    if "-4" in options and "-6" in options:
        return _wrong("only one of -4 and -6 can be meant")
    family = uapi.AF_INET if "-4" in options else uapi.AF_INET6 if "-6" in options else None
    as_data = "-j" in options or "--json" in options
    aloud = ("-v" in options or "--verbose" in options) and not as_data
    one, other = (_host(end, options.get("--lab")) for end in ends)
    try:
        taken = diagnose.why(one, other, family, _say if aloud else _silent)
    except (FileNotFoundError, InvalidValue) as error:
        print(f"rawns why: {error}", file=sys.stderr)
        return WRONG
    if as_data:
        import json

        print(json.dumps(taken.data(), indent=2))
    else:
        print(taken)
    return REACHED if taken else FAULTY


def _host(end: str, lab: str | None) -> str:
    """An end as a namespace is called: the hosts of a lab are LAB.HOST.  An address stays what it is."""
    return end if lab is None or diagnose.address(end) is not None else f"{lab}.{end}"


def _silent(step: Step) -> None:
    pass


def _say(step: Step) -> None:
    print(f"{'ok   ' if step.fault is None else 'FAULT'}  {step.check:<24}  {printable(step.where)}", flush=True)


def _wrong(sentence: str) -> int:
    print(f"rawns why: {sentence}\n\n{USAGE}", file=sys.stderr)
    return WRONG
