"""Makes the faults of `rawns.learn.faults`, one by one or several at once, finds them by `rawns.why`, and runs its remedies."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module

from rawns.cli.main import run
from rawns.learn import faults, puzzle
from rawns.learn.faults import FAULTS
from rawns.learn.named_network import NamedNetwork

MAX_REMEDIES = 8
for _module in ("addr", "command", "link", "neigh", "netns", "route", "rule"):
    import_module(f"rawns.cli.ip.{_module}")  # so that no child has to


def break_and_repair(cases: Sequence[Sequence[str]], prefix: str) -> list[str]:
    """Make each combination of faults in the network, and repair it; return a sentence for each that went wrong.

    The network is shared, and built again only if a remedy has left another network than there was.
    """
    problems: list[str] = []
    network: NamedNetwork | None = None
    pristine = ""
    try:
        for names in cases:
            if network is None:
                network = NamedNetwork(prefix)
                faults.build(network)
                wrong = puzzle.whole(network)
                assert wrong == [], f"before anything was broken: {wrong}"
                pristine = state(network)
            problem, clean = _one(network, names)
            if problem:
                problems.append(f"{' and '.join(names)}: {problem}")
            if problem or not clean or state(network) != pristine:
                network.__exit__(None, None, None)
                network = None
    finally:
        if network is not None:
            network.__exit__(None, None, None)
    return problems


def _one(network: NamedNetwork, names: Sequence[str]) -> tuple[str, bool]:
    """Make faults and repair them; return what went wrong, and whether all remedies were of the kind that leaves no settings."""
    made = [FAULTS[name] for name in names]
    complaint = made[0].complaint
    if puzzle.break_all(network, made) < len(made):
        return "", False  # one of them takes away what the other would break
    found = puzzle.ask_why(complaint, network.prefix)
    if found:
        return "why finds nothing", False
    sentence = str(found.fault).replace(network.prefix, "")
    if len(made) == 1 and not re.search(made[0].says, sentence, re.S):  # two faults may look like a third one
        return f"why says: {sentence}", False
    printed: list[str] = []
    repaired = False
    while not found:
        assert found.fault is not None
        command = found.fault.command
        if command in printed or len(printed) >= MAX_REMEDIES:
            return f"no end of remedies: {printed}", False
        if command:
            printed.append(command)
            failed = perform(command)
        elif not repaired:
            repaired = True
            failed = next((text for fault in made for line in fault.repair if (text := repair(network, line))), "")
        else:
            return f"no remedy: {found.fault}", False
        if failed:
            return failed, False
        network.forget()
        found = puzzle.ask_why(complaint, network.prefix)
    left = puzzle.whole(network, [complaint])
    return (f"after {printed}: {left[0]}" if left else ""), not any("sysctl" in command for command in printed)


def repair(network: NamedNetwork, line: str) -> str:
    """Run a line of a fault's repair, with the names that the namespaces have here."""
    if line in faults.SERVE:
        faults.restart(network)
        return ""
    words = shlex.split(line)
    for before, word in enumerate(words[1:]):
        if word in network.places and words[before] in ("-n", "exec", "netns"):
            words[before + 1] = network.prefix + word
    return perform(f"rawns {shlex.join(words)}")


def perform(command: str) -> str:
    """Run the commands of a remedy: those of rawns in a child of this process, which spares its start; return what failed."""
    for part in command.split(" && "):
        words = shlex.split(part)
        inner = words[words.index("exec") + 2] if "exec" in words else words[0]
        if inner != "rawns" and shutil.which(inner) is None:
            return ""  # a machine without the program cannot run this remedy
        if words[0] != "rawns":
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
            if done.returncode:
                return f"{part}: {done.stderr}"
            continue
        child = os.fork()
        if child == 0:
            status = 99
            try:
                silent = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silent, 1)
                status = run(words[1:])
            finally:
                sys.stdout.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            return f"{part}: exit status {status}"
    return ""


def state(network: NamedNetwork) -> str:
    """Return what can be read of the network, except what changes by itself."""
    lines = []
    for name, place in network.places.items():
        links = {link.index: link for link in place.net.links()}
        lines += [f"{name} {one.name} {one.mtu} {one.up} {one.master} {one.flags} {one.address}" for one in links.values()]
        lines += sorted(f"{name} {one} {one.index}" for one in place.net.addresses() if not str(one).startswith("fe80"))
        lines += sorted(f"{name} {one!r}" for one in place.net.routes() if "fe80" not in repr(one))
        lines += [f"{name} {one!r}" for one in place.net.rules()]
        lines += [f"{name} {one!r}" for one in place.net.neighbours() if one.state & 0x80]
        lines += [f"{name} {one!r}" for one in place.nft.rules()]
    return "\n".join(lines)
