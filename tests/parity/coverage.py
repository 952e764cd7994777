"""Writes COVERAGE.md: each form of forms.txt, filled in, as the real `ip` and `rawns ip` answer it in universes alike.

Run as root: ``python3 tests/parity/coverage.py``.  The words in capitals stand for values.
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
    "ADDR/NETMASK": "10.66.0.1/255.255.0.0",
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
LACKING = re.compile(r"Unknown device type|not supported|No such device\b|TUNSETIFF", re.IGNORECASE)
VOLATILE = r"([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+"


def filled(form: str, pid: int) -> list[str]:
    """Return the words of a form, with values for the words in capitals; ``pid`` is a process of the universe."""
    bridge = "type bridge" in form and " add " not in form
    found = {**VALUES, "PID": str(pid), **({"DEV": "br0"} if bridge or "master DEV" in form else {})}
    new = iter(["x1", "x2"]) if "link add" in form else iter(())
    words: list[str] = []
    for word in shlex.split(form):
        if word == "NAME" and words[-1:] != ["link"]:
            word = next(new, "v2")
        if word == "DEV" and words[-1:] == ["dev"] and "type veth" in form:
            word = "x1"
        for name, value in found.items():
            value = "1400" if words[-1:] == ["mtu"] else value
            word = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", value, word)
        words.append(word)
    return words


def row(both: Both, form: str) -> str:
    """Run one form in both universes; return its row of the table."""
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


def table() -> str:
    """Return the whole page."""
    rows = []
    for form in FORMS.read_text().splitlines():
        both = Both()
        try:
            both.prepare(SETUP)
            rows.append(row(both, form))
        finally:
            both.close()
    same = sum("| same" in one for one in rows)
    head = f"# Forms of `ip` in scripts\n\nMade by `tests/parity/coverage.py`: {same} of {len(rows)} are the same.\n\n"
    head += "Lines of output may come in any order; addresses that the kernel draws are not compared.\n\n"
    head += "| form | result |\n|---|---|\n"
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
    sys.stdout.write(TABLE.read_text().splitlines()[2] + "\n")
