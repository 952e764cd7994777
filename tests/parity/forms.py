"""Writes COVERAGE.md: each form of forms.txt, filled in, as the real `ip` and `rawns ip` answer it in universes alike.

Run as root: ``python3 tests/parity/forms.py``.  The words in capitals stand for values.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from universe import SETUP, Both

HERE = Path(__file__).resolve().parent
FORMS, TABLE = HERE / "forms.txt", HERE / "COVERAGE.md"
VALUES = {
    "ADDR/NETMASK": "10.66.0.0/255.255.0.0",
    "N/MASK": "10.0.0.0/8",
    "ADDR": "10.0.0.9",
    "PREFIX": "10.77.0.0/24",
    "MAC": "02:00:00:00:00:77",
    "DEV": "v3",
    "NAME": "v2",
    "NS": "a",
    "TABLE": "77",
    "TEXT": "words",
    "CMD...": "true",
    "N": "5",
}
# Values by the word before them.
AFTER = {"mtu": "1400", "src": "10.0.0.1", "hello_time": "200", "max_age": "1000", "forward_delay": "300", "master": "br0"}
# What a form needs: the first of these that fits is told to the real `ip` in both universes.  What is deleted is added first.
NEEDS = (
    (r"route (del|delete|change|replace) (to )?default dev", "route add default dev v3"),
    (r"route (del|delete|change|replace) (to )?default", "route add default via 10.0.0.9 dev v3"),
    (r"route del(ete)? (to )?10", "route add 10.77.0.0/24 via 10.0.0.9 dev v3\nroute add 10.0.0.9 dev v3"),
    (r"route show table", "route add 10.78.0.0/16 dev v3 table 77"),
    (r"neighbor show nud", "neigh add 10.0.0.8 dev v3 lladdr 02:00:00:00:00:08 nud noarp"),
    (r"(rule|address) del(ete)?", ""),
)
LACKING = re.compile(r"Unknown device type|not supported|No such device\b|TUNSETIFF", re.IGNORECASE)
VOLATILE = r"([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+"


def filled(form: str, pid: int) -> list[str]:
    """Return the words of a form, with values for the words in capitals; ``pid`` is a process of the universe."""
    bridge = "type bridge" in form and " add " not in form
    found = {**VALUES, "PID": str(pid), **({"DEV": "br0"} if bridge else {}), **({"NS": "c"} if form == "netns add NS" else {})}
    new = iter(["x1", "x2"]) if "link add" in form else iter(())
    words: list[str] = []
    for word in shlex.split(form):
        if word == "NAME" and words[-1:] != ["link"]:
            word = next(new, "v2")
        if word == "DEV" and words[-1:] == ["dev"] and "link add" in form:
            word = next(new, "v3")
        if word in found and words and words[-1] in AFTER:
            word = AFTER[words[-1]]
        for name, value in found.items():
            word = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", value, word)
        words.append(word)
    return words


def need(words: list[str]) -> str:
    """Return the commands that a command needs before it."""
    line = shlex.join(words)
    for pattern, commands in NEEDS:
        if re.match(pattern, line):
            return commands or re.sub(r"del(ete)?", "add", line, count=1)
    return ""


def row(both: Both, form: str) -> str:
    """Run one form in both universes; return its row of the table."""
    both.prepare(need(filled(form, 0)))
    answers = [universe.ip(*filled(form, universe.pid)) for universe in (both.real, both.ours)]
    real, ours = (
        (status, "\n".join(sorted(re.sub(VOLATILE, "", out).splitlines())), re.sub(VOLATILE, "", err))
        for status, out, err in answers
    )
    verdict = "same" if real[0] == 0 else f"same, exit code {real[0]}"
    if real != ours:
        verdict = (
            f"differs: {' '.join(repr(real[2] or real[1])[:60].split())} and {' '.join(repr(ours[2] or ours[1])[:60].split())}"
        )
    elif real[0] and LACKING.search(real[2]):
        verdict = f"same; this kernel lacks it: {real[2].strip().splitlines()[0]}"
    return f"| `ip {form}` | {verdict.replace('|', chr(92) + '|')} |"


def fresh_row(form: str) -> str:
    """Return the row of one form in new universes."""
    both = Both()
    try:
        both.prepare(SETUP)
        return row(both, form)
    finally:
        both.close()


def table() -> str:
    """Return the whole page."""
    rows = [fresh_row(form) for form in FORMS.read_text().splitlines()]
    same = sum("| same" in one for one in rows)
    head = f"# Forms of `ip` in scripts\n\nMade by `tests/parity/forms.py`: {same} of {len(rows)} are the same.\n\n"
    head += "Lines of output may come in any order; addresses that the kernel draws are not compared.\n\n"
    head += "| form | result |\n|---|---|\n"
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
    sys.stdout.write(TABLE.read_text().splitlines()[2] + "\n")
