"""`rawns lab set`, `isolate`, `partition`, `block`, `impair` ...: the verbs that change a lab that is up; and `wait`."""

from __future__ import annotations

import sys

from ...errors import InvalidValue
from ...objects.qdisc import WORDS
from ...terminal import printable
from ..options import did_you_mean
from . import count, emit_result, say_result, stop
from .resolve import is_file, lab_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...lab import Lab
    from ..options import Parsed


def _done(options: Parsed, lab: Lab, sentence: str, **more: Any) -> int:
    if options["--json"]:
        emit_result({"ok": True, "lab": lab.name, **more})
    else:
        say_result(f"{lab.name}: {sentence}")
    return 0


def set_link(options: Parsed) -> int:
    """Set an interface up or down."""
    word, port, state = options.operands
    if state not in ("up", "down"):
        stop(f"{printable(state)} is not a state of an interface: say up or down")
    lab = lab_of(word)
    (lab.set_up if state == "up" else lab.set_down)(port)
    return _done(options, lab, f"{port} is {state}")


def replug(options: Parsed) -> int:
    """Move an end of a wire to another host or bridge."""
    word, port, target = options.operands
    lab = lab_of(word)
    name = lab.replug(port, target)
    return _done(options, lab, f"{port} is now {name} of {target}", name=name)


def isolate(options: Parsed) -> int:
    """Isolate hosts."""
    lab = lab_of(options.operands[0])
    lab.isolate(*options.rest)
    return _done(options, lab, f"{', '.join(options.rest)} {'is' if len(options.rest) == 1 else 'are'} isolated")


def partition(options: Parsed) -> int:
    """Split a lab into groups of hosts."""
    lab = lab_of(options.operands[0])
    groups = [[host for host in word.split(",") if host] for word in options.rest]
    lab.partition(*groups)
    return _done(options, lab, f"split into {' | '.join(' '.join(group) for group in groups)}")


def heal(options: Parsed) -> int:
    """Take back what keeps hosts from each other."""
    lab = lab_of(options.operands[0])
    gone = sorted({words for several in lab.faults().values() for words in several})
    lab.heal()
    return _done(options, lab, f"healed: {', '.join(gone)}" if gone else "nothing kept its hosts from each other", healed=gone)


def block(options: Parsed) -> int:
    """Block what one host sends to another, or take that back."""
    word, source, end = options.operands
    target, colon, digits = end.partition(":")
    if colon and not (digits.isascii() and digits.isdigit() and len(digits) < 6):
        stop(f"{printable(digits)} is not a port, a number from 1 to 65535")
    lab = lab_of(word)
    protocol = "tcp" if options["--tcp"] else "udp" if options["--udp"] else None
    verb = lab.block if options.verb == "block" else lab.unblock
    verb(source, target, int(digits) if colon else None, protocol)
    what = "is blocked" if options.verb == "block" else "is not blocked"
    return _done(options, lab, f"what {source} sends to {end} {what}")


def impair(options: Parsed) -> int:
    """Impair what a port sends: ``delay 20ms loss 1%``."""
    lab = lab_of(options.operands[0])
    port = options.operands[1]
    lab.impair(port, both=options["--both"], **_quantities(options.rest))
    return _done(options, lab, f"{port} sends with {' '.join(options.rest)}")


def _quantities(words: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rest = [part for word in words for part in word.split("=", 1)]
    for name, value in zip(rest[::2], rest[1::2]):
        if name not in WORDS:
            hint = did_you_mean(name, WORDS) or f"; there are {', '.join(WORDS)}"
            raise InvalidValue(f"a port has no {printable(name)}{hint}")
        if name in found:
            raise InvalidValue(f"{name} is given twice")
        found[name] = value
    if len(rest) % 2:
        raise InvalidValue(f"{printable(rest[-1])} has no value: say for example delay 20ms")
    return found


def clear(options: Parsed) -> int:
    """Let a port send as fast as it can."""
    lab = lab_of(options.operands[0])
    port = options.operands[1]
    lab.clear(port, both=options["--both"])
    return _done(options, lab, f"{port} sends as fast as it can")


def restore(options: Parsed) -> int:
    """Take back what the verbs have changed; of a lab without its file, what the kernel remembers."""
    word = options.operands[0]
    lab = lab_of(word)
    if is_file(word):
        changes = [str(one) for one in lab.restore()]
        return _done(options, lab, f"{count(len(changes), 'change')}, as it is described", changes=changes)
    down = [one for host in lab.hosts for one in host.interfaces if not one.up and not one.existing]
    gone = sorted({words for several in lab.faults().values() for words in several})
    lab.heal()
    if down:
        lab.set_up(*down)
    if not options["--json"]:
        shaped = [str(one) for host in lab.hosts for one in host.interfaces if one.shape]
        if shaped:
            print(f"rawns: whether {printable(', '.join(shaped))} is described so is not known without the file", file=sys.stderr)
    changes = [*gone, *(f"{one} set up" for one in down)]
    return _done(options, lab, f"restored: {', '.join(changes)}" if changes else "there was nothing to restore", changes=changes)


def wait(options: Parsed) -> int:
    """Wait until one host reaches another, or its port."""
    word, source, end = options.operands
    target, colon, digits = end.partition(":")
    if colon and not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
        stop(f"{printable(digits)} is not a port, a number from 1 to 65535")
    lab = lab_of(word)
    seconds = lab.wait_reachable(source, target, int(digits) if colon else None, timeout=options["--timeout"])
    return _done(options, lab, f"{source} reaches {end} after {seconds * 1000:.1f} ms", seconds=round(seconds, 6))


def capture(options: Parsed) -> int:
    """Capture what ports send and receive until Ctrl-C, or a limit."""
    word, *ports = [options.operands[0], *options.rest]
    if options["--output"] is None:
        stop("no file is given: say -o FILE")
    lab = lab_of(word)
    limits = {"max_packets": options["--count"], "max_bytes": options["--bytes"], "seconds": options["--seconds"]}
    with lab.capture(*ports, file=options["--output"], **limits) as found:
        if not options["--json"]:
            print(f"rawns: capturing {printable(', '.join(ports))}; Ctrl-C ends it", file=sys.stderr, flush=True)
        try:
            found.wait()
        except KeyboardInterrupt:
            pass  # what has come is written at the end of the block
    lost = {name: number for name, number in found.dropped.items() if number}
    dropped = f"; the kernel dropped {', '.join(f'{number} at {name}' for name, number in lost.items())}" if lost else ""
    sentence = f"{count(found.packets, 'packet')}, {found.bytes} bytes in {options['--output']}{dropped}"
    return _done(options, lab, sentence, packets=found.packets, bytes=found.bytes, dropped=found.dropped)
