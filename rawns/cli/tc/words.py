"""Words and values that several objects of tc(8) have in common: handles, protocols, controls of actions, options in rows."""

from __future__ import annotations

from ... import uapi
from ..ip.ethertypes import name_of
from ..ip.grammar import FAILED, CommandError, matches
from . import units

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Args, TcContext

CLSACT_HANDLE = uapi.TC_H_CLSACT & 0xFFFF0000
PARENTS = {"ingress": CLSACT_HANDLE | uapi.TC_H_MIN_INGRESS, "egress": CLSACT_HANDLE | uapi.TC_H_MIN_EGRESS}


def failed(text: str) -> CommandError:
    """Return the error for options that tc could not read: it ends the command, but not a batch."""
    return CommandError(text, FAILED)


def refused(text: str) -> CommandError:
    """Return the error for a command that tc gives up with status 255, which does not end a batch."""
    return CommandError(text, exits=False)


def explained(error: CommandError, sentence: str, status: int = 255) -> CommandError:
    """Return an error that says what another one does, and a sentence; one that ends the process stays as it is."""
    text = f"{error.text}\n{sentence}" if error.text else sentence
    return error if error.exits else CommandError(text, status, exits=False)


def unsupported(what: str) -> CommandError:
    """Return the error for what tc has, and this program has not."""
    return CommandError(f"rawns tc: {what} is not supported", exits=False)


# -- handles ------------------------------------------------------------------------------------------------------


def _hex(text: str) -> int:
    """Return a number in hex as strtoul(3) reads it.  Raises ValueError."""
    value = units.decimal(64, 16)(text)
    return int(value)


def handle(text: str) -> int:
    """Parse the handle of a discipline: ``1:``, ``1`` or ``none``.  Raises ValueError."""
    head, _, _ = text.partition(":")
    major = 0 if text == "none" else _hex(head)
    if major > 0xFFFF:
        raise ValueError(text)
    return major << 16


def classid(text: str) -> int:
    """Parse the handle of a class: ``1:10``, ``:10``, ``root`` or ``none``, in hex.  Raises ValueError."""
    if text in ("root", "none"):
        return uapi.TC_H_ROOT if text == "root" else 0
    head, colon, tail = text.partition(":")
    major = _hex(head) if head or not colon else 0
    if not colon:
        return major & uapi.UINT32_MAX
    minor = _hex(tail) if tail else 0
    if major > 0xFFFF or minor > 0xFFFF:
        raise ValueError(text)
    return major << 16 | minor


def format_classid(value: int, ip: TcContext) -> str:
    """Return a handle as text, with ``-names`` with the name that /etc/iproute2/tc_cls has for it."""
    major, minor = value >> 16, value & 0xFFFF
    text = f"{f'{major:x}' if major else ''}:{f'{minor:x}' if minor else ''}"
    text = {uapi.TC_H_ROOT: "root", 0: "none"}.get(value, text)
    name = ip.class_names().get(value) if ip.names else None
    return f"{name}#{text}" if name else text


# -- protocols ----------------------------------------------------------------------------------------------------


def format_protocol(value: int, ip: TcContext) -> str:
    """Return the name of the protocol of a frame, or its number in brackets."""
    return f"[{value}]" if ip.numeric else name_of(value)


def swapped(value: int) -> int:
    """Return a number of 16 bits with its bytes exchanged if that is what htons(3) does here."""
    return int.from_bytes(value.to_bytes(2, "big"), _native())


def _native() -> Any:
    import sys

    return sys.byteorder


def link_layer(text: str) -> int:
    """Parse the kind of link that sizes are computed for.  Raises ValueError."""
    for name, number in (
        ("ethernet", uapi.TC_LINKLAYER_ETHERNET),
        ("atm", uapi.TC_LINKLAYER_ATM),
        ("adsl", uapi.TC_LINKLAYER_ATM),
    ):
        if matches(text, name):
            return number
    raise ValueError(text)


LINK_LAYERS = {0: "unspec", uapi.TC_LINKLAYER_ETHERNET: "ethernet", uapi.TC_LINKLAYER_ATM: "atm"}


def percent_rate(text: str, device: str) -> int:
    """Parse a rate in percent of the speed of a link.  Raises `CommandError` with tc's sentence, or ValueError."""
    if not device:
        raise failed("No device specified; specify device to rate limit by percentage")
    path = f"/sys/class/net/{device}/speed"
    unknown = failed(f'property "speed" in file {path} is currently unknown\nFailed to parse {path}')
    try:
        with open(path, encoding="ascii") as file:
            speed = int(file.read())
    except OSError as error:
        if error.filename is not None:  # of open()
            raise failed(f"fopen {path}: {error.strerror}") from None
        raise unknown from None  # the kernel refuses to read the speed of a virtual link, or of one that is down
    except ValueError:
        raise unknown from None
    if speed < 0:  # a link whose driver does not know the speed; tc takes it as a number and requests an absurd rate
        raise unknown
    try:
        share = units.fraction(text)
    except ValueError:
        raise failed(f"Invalid rate specified; should be between [0,100]% but is {text}") from None
    return int(share * speed * 1_000_000 / 8)


# -- what follows an action -----------------------------------------------------------------------------------------

CONTROLS = (
    ("continue", uapi.TC_ACT_UNSPEC),
    ("drop", uapi.TC_ACT_SHOT),
    ("shot", uapi.TC_ACT_SHOT),
    ("pass", uapi.TC_ACT_OK),
    ("ok", uapi.TC_ACT_OK),
    ("reclassify", uapi.TC_ACT_RECLASSIFY),
    ("pipe", uapi.TC_ACT_PIPE),
    ("goto", uapi.TC_ACT_GOTO_CHAIN),
    ("jump", uapi.TC_ACT_JUMP),
    ("trap", uapi.TC_ACT_TRAP),
)
CONTROL_NAMES = {number: name for name, number in reversed(CONTROLS)} | {
    uapi.TC_ACT_SHOT: "drop",
    uapi.TC_ACT_OK: "pass",
    uapi.TC_ACT_STOLEN: "stolen",
}


def control_of(word: str, numbers: bool = False) -> int | None:
    """Return the number of a control, by its name or, with ``numbers``, by itself; None if it is none."""
    found = next((number for name, number in CONTROLS if matches(word, name)), None)
    if found is None and numbers:
        digits = word.strip().lstrip("+-")
        return int(word) if digits.isascii() and digits.isdigit() else None
    return found


def take_control(args: Args, numbers: bool = False) -> int:
    """Read a control, with its chain or count.  Raises `CommandError`."""
    word = args.take()
    found = control_of(word, numbers)
    if found is None:
        raise refused(f"Bad action type {word}")
    if found == uapi.TC_ACT_GOTO_CHAIN:
        if not matches(args.take(), "chain"):
            raise refused('"chain index" expected')
        return found | _extra(args.take(), 'Illegal "chain index"')
    if found == uapi.TC_ACT_JUMP:
        word = args.take()
        return found | _extra(word, f'Invalid "jump count" ({word})')
    return found


def _extra(word: str, complaint: str) -> int:
    try:
        return units.decimal(28)(word)
    except ValueError:
        raise refused(complaint) from None


def control_or(args: Args, default: int) -> int:
    """Read a control if the next word is one, otherwise return the default."""
    return take_control(args) if args and control_of(args.words[args.at]) is not None else default
