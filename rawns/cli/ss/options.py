"""The options of `ss`, as getopt_long(3) reads them: anywhere in the line, letters together, long names abbreviated."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BAD_USAGE = 255
FAILED = 1


class SsError(Exception):
    """Ends the command: a message for standard error, the exit status, and whether the usage follows the message."""

    def __init__(self, text: str, status: int = FAILED, usage: bool = False) -> None:
        super().__init__(text)
        self.status, self.usage = status, usage


# Long name, letter or "", and whether an argument follows; the order is that in which getopt names candidates.
OPTIONS = (
    ("numeric", "n", False),
    ("resolve", "r", False),
    ("options", "o", False),
    ("extended", "e", False),
    ("memory", "m", False),
    ("info", "i", False),
    ("processes", "p", False),
    ("threads", "T", False),
    ("bpf", "b", False),
    ("events", "E", False),
    ("dccp", "d", False),
    ("tcp", "t", False),
    ("sctp", "S", False),
    ("udp", "u", False),
    ("raw", "w", False),
    ("unix", "x", False),
    ("tipc", "", False),
    ("vsock", "", False),
    ("all", "a", False),
    ("listening", "l", False),
    ("ipv4", "4", False),
    ("ipv6", "6", False),
    ("packet", "0", False),
    ("family", "f", True),
    ("socket", "A", True),
    ("query", "A", True),
    ("summary", "s", False),
    ("diag", "D", True),
    ("filter", "F", True),
    ("version", "V", False),
    ("help", "h", False),
    ("context", "Z", False),
    ("contexts", "z", False),
    ("net", "N", True),
    ("tipcinfo", "", False),
    ("tos", "", False),
    ("cgroup", "", False),
    ("kill", "K", False),
    ("no-header", "H", False),
    ("xdp", "", False),
    ("mptcp", "M", False),
    ("oneline", "O", False),
    ("inet-sockopt", "", False),
)
LETTERS = {letter: (name, argument) for name, letter, argument in OPTIONS if letter}
LEFT_OUT = {  # what rawns does not have, and what it is
    "bpf": "BPF filters",
    "events": "events",
    "dccp": "DCCP sockets",
    "sctp": "SCTP sockets",
    "tipc": "TIPC sockets",
    "vsock": "vsock sockets",
    "diag": "dumps to a file",
    "context": "SELinux contexts",
    "contexts": "SELinux contexts",
    "tipcinfo": "TIPC sockets",
    "xdp": "XDP sockets",
    "mptcp": "MPTCP sockets",
    "inet-sockopt": "socket options",
}


def left_out(option: str, what: str) -> SsError:
    """Return the refusal of something that rawns does not have."""
    return SsError(f"ss: {option}: rawns does not show {what}", BAD_USAGE)


def read(argv: list[str], words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield long name and argument of each option; put all other words into ``words``.  Raises `SsError`."""
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            return
        if word.startswith("--"):
            yield _long(word, rest)
        elif len(word) > 1 and word[0] == "-":
            yield from _letters(word[1:], rest)
        else:
            words.append(word)


def _letters(letters: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter not in LETTERS:
            raise SsError(f"ss: invalid option -- '{letter}'", BAD_USAGE, True)
        name, argument = LETTERS[letter]
        value = ""
        if argument:
            if not letters and not rest:
                raise SsError(f"ss: option requires an argument -- '{letter}'", BAD_USAGE, True)
            value, letters = letters or rest.pop(0), ""
        yield _allowed(name, f"-{letter}"), value


def _long(word: str, rest: list[str]) -> tuple[str, str]:
    typed, equals, value = word[2:].partition("=")
    found = [one for one in OPTIONS if one[0] == typed] or [one for one in OPTIONS if one[0].startswith(typed)]
    if not found:
        raise SsError(f"ss: unrecognized option '--{typed}'", BAD_USAGE, True)
    if len({(letter or name) for name, letter, _ in found}) > 1:
        known = " ".join(f"'--{name}'" for name, _, _ in found)
        raise SsError(f"ss: option '{word}' is ambiguous; possibilities: {known}", BAD_USAGE, True)
    name, _, argument = found[0]
    if equals and not argument:
        raise SsError(f"ss: option '--{name}' doesn't allow an argument", BAD_USAGE, True)
    if argument and not equals:
        if not rest:
            raise SsError(f"ss: option '--{name}' requires an argument", BAD_USAGE, True)
        value = rest.pop(0)
    return _allowed(name, f"--{name}"), value


def _allowed(name: str, typed: str) -> str:
    if name in LEFT_OUT:
        raise left_out(typed, LEFT_OUT[name])
    return name
