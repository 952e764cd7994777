"""The options of `ss`, which may stand anywhere in the line."""

from __future__ import annotations

from .. import getopt

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


_WRITTEN = """
numeric|n resolve|r options|o extended|e memory|m info|i processes|p threads|T bpf|b events|E dccp|d tcp|t sctp|S udp|u raw|w
unix|x tipc| vsock| all|a listening|l ipv4|4 ipv6|6 packet|0 family|f= socket|A= query|A= summary|s diag|D= filter|F= version|V
help|h context|Z contexts|z net|N= tipcinfo| tos| cgroup| kill|K no-header|H xdp| mptcp|M oneline|O inet-sockopt|
""".split()
# Long name, letter or "", and whether an argument follows; the order is that in which getopt names candidates.
OPTIONS = tuple([(one.partition("|")[0], one.partition("|")[2].rstrip("="), one.endswith("=")) for one in _WRITTEN])
SPELLINGS = {f"-{letter}": (name, argument) for name, letter, argument in OPTIONS if letter}
SPELLINGS.update({f"--{name}": SPELLINGS.get(f"-{letter}", (name, argument)) for name, letter, argument in OPTIONS})
LEFT_OUT = {  # what rawns does not have, and what it is
    **{name: f"{name.upper()} sockets" for name in ("dccp", "sctp", "tipc", "xdp", "mptcp")},
    **{"vsock": "vsock sockets", "tipcinfo": "TIPC sockets", "bpf": "BPF filters", "events": "events", "diag": "dumps to a file"},
    **{"context": "SELinux contexts", "contexts": "SELinux contexts", "inet-sockopt": "socket options"},
}


def left_out(option: str, what: str) -> SsError:
    """Return the refusal of something that rawns does not have."""
    return SsError(f"ss: {option}: rawns does not show {what}", BAD_USAGE)


def read(argv: list[str], words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield long name and argument of each option; put all other words into ``words``.  Raises `SsError`."""
    order = [f"--{name}" for name, _, _ in OPTIONS]
    found = getopt.read(list(argv), order, SPELLINGS.get, lambda option: getopt.REQUIRED if option[1] else getopt.NONE, words)
    try:
        for typed, (name, _), value in found:
            if name in LEFT_OUT:
                raise left_out(typed, LEFT_OUT[name])
            yield name, value or ""
    except getopt.GetoptError as error:
        raise SsError(f"ss: {error}", BAD_USAGE, True) from None
