"""The commands of `rawns`: for each the module ``rawns.cli.COMMAND`` and a summary."""

from __future__ import annotations

COMMANDS = {
    "demo": "two network namespaces, a veth pair, ping and a chat between them, step by step",
    "lab": "networks described in a file: brought up in milliseconds, changed in place, removed completely",
    "ip": "namespaces, links, addresses and routes, with the words of iproute2's `ip`",
    "ping": "ICMP echo, from inside a namespace if one is named",
    "why": "whether packets get from one namespace to another, and what stops them",
    "chat": "lines of text over TCP, between two terminals or two namespaces",
    "bench": "how long namespaces take, beside C, `ip` and other tools, measured on this machine",
    "ls": "every network namespace of this machine, and what keeps it alive",
    "trace": "what any program says to the kernel about namespaces and networks",
    "decode": "netlink messages from a hex dump, a log of strace or a capture, with every byte named",
    "doctor": "what would make rawns fail or be slow on this machine, and the remedies",
    "rootless": "a shell or a command in a user namespace, in which all of this works without root",
    "completion": "a script that makes bash, zsh or fish complete command lines of rawns",
    "applets": "links named ip and ping that start this program",
    "onefile": "write rawns into one executable file",
    "help": "this overview, or a page of the manual",
    "version": "the version of rawns",
}
SYNONYMS = {"--help": "help", "-h": "help", "--version": "version", "-V": "version"}
APPLETS = ("ip", "ping")  # programs that a link of this name is


def available() -> dict[str, str]:
    """Return the commands that this copy of rawns has, and their summaries; a one-file program may lack some."""
    from importlib.util import find_spec

    return {word: what for word, what in COMMANDS.items() if find_spec(f"rawns.cli.{word}") is not None}
