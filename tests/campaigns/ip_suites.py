"""Runs shell suites that call `ip`, such as the kernel's own tests, with the real one and with ours, and compares what they say.

As root: ``python3 tests/campaigns/ip_suites.py DIRECTORY SCRIPT...``, with the scripts of Linux's tools/testing/selftests/net
(Debian: linux-source-6.1) or of iproute2's testsuite, for example.  Each runs twice, in namespaces of its own, for at most
SECONDS (a variable of the environment).  ``type dummy`` is read as ``type ifb`` if this kernel has no dummy devices.
IP_SUITES.md has the results.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("SECONDS", "400"))
NAMES = ("ip", "bridge", "tc", "ss", "nsenter", "unshare")
PROGRAM = f"""#!/usr/bin/python3 -IS
import sys
sys.path.insert(0, {str(PROJECT)!r})
from rawns.cli.main import entry
entry()
"""
SETTING = 'mount -t tmpfs none /run; mount -t sysfs none /sys; ip link set lo up; cd "$1"; exec bash "$2"'
# What the tests of iproute2 are told.
SUITE = {
    "IP": "ip",
    "TC": "tc",
    "SS": "ss",
    "BRIDGE": "bridge",
    "DEV": "lo",
    "STD_OUT": "/run/o",
    "STD_ERR": "/run/e",
    "ERRF": "/run/f",
}
VOLATILE = (
    (r"dev-[A-Za-z]{6}\b|/tmp/[\w.]+|(?<=pid )\d+", "NAME"),
    (r"\b(netns|ns[0-9A-Za-z]*)-[A-Za-z0-9-]{5,}", "NS"),
    (r"([0-9a-f]{2}:){5}[0-9a-f]{2}|fe80::[0-9a-f:]+", "ADDRESS"),
    (r"time[= ][\d.]+ ?ms|(\d+\.\d+/?){4} ms|expires \d+sec|line \d+: kill: \(\d+\)|\b\d+sec", "TIME"),
)


def lacks_dummy() -> bool:
    """Return whether this kernel has no dummy devices."""
    attempt = ["unshare", "--net", "ip", "link", "add", "d0", "type", "dummy"]
    return subprocess.run(attempt, stderr=subprocess.DEVNULL).returncode != 0


def lines(directory: Path, script: str, path: str) -> list[str]:
    """Return what a script says with a PATH, without what differs from run to run."""
    command = ["unshare", "--mount", "--net", "--propagation", "private", "bash", "-c", SETTING, "bash", str(directory), script]
    try:
        done = subprocess.run(
            command,
            env={"PATH": path, **SUITE},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )
        text, status = done.stdout.decode(errors="replace"), str(done.returncode)
    except subprocess.TimeoutExpired as error:
        text, status = (error.stdout or b"").decode(errors="replace"), "none in time"
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text)
    return [*text.splitlines(), f"exit status {status}"]


def main(directory: str, scripts: list[str]) -> None:
    """Run the scripts; print a row for each, and what differs."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    with tempfile.TemporaryDirectory() as scratch:
        suite, bin = Path(scratch, "suite"), Path(scratch, "bin")
        shutil.copytree(directory, suite)
        bin.mkdir()
        for name in NAMES:
            (bin / name).write_text(PROGRAM)
            (bin / name).chmod(0o755)
        if lacks_dummy():
            for file in suite.rglob("*.sh"):
                file.write_text(file.read_text().replace("type dummy", "type ifb"))
        for script in scripts:
            real, ours = lines(suite, script, path), lines(suite, script, f"{bin}:{path}")
            different = list(difflib.unified_diff(real, ours, "real", "ours", n=0, lineterm=""))
            passed = sum(bool(re.search(r"\[ *OK *\]|^(PASS|ok)\b", line)) for line in real)
            print(f"| {script} | {len(real)} | {passed} | {len(different) and f'{len(different)} lines differ' or 'same'} |")
            print("\n".join(different), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
