"""Process 1 of the machines that run.py boots.  It runs the checks, each in a process of its own.

The results go to the console, one JSON object to a line after the word @@: first the kernel, at last "end".
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

sys.path.insert(0, "/rawns")
TIMEOUT = 300  # seconds for one check: an emulated machine is slow
LIBC = ctypes.CDLL(None, use_errno=True)
FINIT_MODULE = {"x86_64": 313, "i686": 350, "aarch64": 273, "armv7l": 379, "s390x": 344}  # libc has no name for it
RB_AUTOBOOT = 0x01234567  # reboot(2)
SYSLOG_ACTION_CONSOLE_OFF = 6  # syslog(2)
MOUNTS = ((b"proc", b"/proc"), (b"sysfs", b"/sys"), (b"tmpfs", b"/run"), (b"tmpfs", b"/tmp"), (b"devtmpfs", b"/dev"))
KERNEL_FAULTS = ("BUG:", "WARNING:", "Oops", "unregister_netdevice: waiting", "rcu: INFO", "Call Trace")


def tell(**result: str) -> None:
    """Write a result to the console, as a line of its own."""
    with open("/dev/console", "w") as console:
        console.write(f"\n@@{json.dumps(result)}\n")


def prepare() -> None:
    """Mount what the checks need."""
    for kind, target in (
        (b"proc", b"/proc"),
        (b"sysfs", b"/sys"),
        (b"tmpfs", b"/run"),
        (b"tmpfs", b"/tmp"),
        (b"devtmpfs", b"/dev"),
    ):
        os.makedirs(target, exist_ok=True)
        if LIBC.mount(kind, target, kind, 0, None):
            raise OSError(ctypes.get_errno(), "mount", target.decode())
    os.chmod("/run", 0o755)
    os.chmod("/tmp", 0o1777)
    LIBC.klogctl(SYSLOG_ACTION_CONSOLE_OFF, None, 0)
    os.environ.update(PATH="/usr/bin", HOME="/", PYTHONPATH="/rawns")


def load(step: str) -> None:
    """Load the modules of a step; one that the kernel has already is skipped, and one that the machine lacks the device for."""
    number = FINIT_MODULE[os.uname().machine]
    for path in sorted(glob.glob(f"/modules/{step}/*.ko")):
        with open(path, "rb") as file:
            if LIBC.syscall(number, file.fileno(), b"", 0):
                tell(check=f"module {os.path.basename(path)}", how="none", says=os.strerror(ctypes.get_errno()), seconds="0")


def traces() -> list[list[str]]:
    """Return what a check could leave behind."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [glob.glob("/run/netns/*"), [mount for mount in mounts if mount != "/run/netns"], os.listdir("/sys/class/net")]


def check(name: str) -> dict[str, str]:
    """Run a check and return its result and last line."""
    before, start = traces(), monotonic()
    try:
        done = subprocess.run([sys.executable, "/init", name], stdout=-1, stderr=-2, text=True, timeout=TIMEOUT)
        lines, failed = done.stdout.strip().splitlines() or ["no output"], done.returncode != 0
    except subprocess.TimeoutExpired as error:
        lines, failed = [*(error.stdout or b"").decode().splitlines(), f"not over within {TIMEOUT} s"], True
    left = [] if traces() == before else [f"left behind: {before} became {traces()}"]
    says = " | ".join([*lines[-12:], *left]) if failed or left else lines[-1]
    lacking = not failed and lines[-1].startswith("lacks: ")
    how = "FAILED" if failed or left else "lacks" if lacking else "ok"
    return {"check": name, "how": how, "says": says.removeprefix("lacks: "), "seconds": f"{monotonic() - start:.1f}"}


def kernel_log(file: int) -> dict[str, str]:
    """Return whether the kernel has complained about itself since its log was opened."""
    lines = []
    try:
        while True:
            lines.append(os.read(file, 8192).decode(errors="replace").partition(";")[2].splitlines()[0])
    except OSError:  # EAGAIN: that is all
        os.close(file)
    faults = [line for line in lines if any(word in line for word in KERNEL_FAULTS)]
    says = " | ".join(faults[:5]) or f"{len(lines)} lines, no fault"
    return {"check": "kernel's log", "how": "FAILED" if faults else "ok", "says": says, "seconds": "0"}


def main() -> None:
    """Run all checks, or those that the kernel's command line selects, and stop the machine."""
    prepare()
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)  # what it says of the emulated processor does not matter here
    from programs import CHECKS, left_out

    words = Path("/proc/cmdline").read_text().split()
    only = next((word[5:] for word in words if word.startswith("only=")), "")
    tell(check="kernel", how="ok", says=f"{os.uname().release} {os.uname().machine}", seconds="0")
    tell(check="python", how="ok", says=sys.version.split()[0], seconds="0")
    for step, checks in CHECKS.items():
        load(step)
        for name in checks:
            if only in name.replace(" ", "-") and (only or not left_out(name)):
                tell(**check(name))
    tell(**kernel_log(log))
    for path in glob.glob("/run/files/*"):
        tell(file=os.path.basename(path), text=Path(path).read_text())
    tell(check="end")


if os.getpid() == 1:
    try:
        main()
    except BaseException as error:
        tell(check="init", how="FAILED", says=f"{type(error).__name__}: {error}", seconds="0")
    finally:
        LIBC.reboot(RB_AUTOBOOT)  # qemu ends because of -no-reboot
else:
    from programs import CHECKS

    print(next(checks[sys.argv[1]] for checks in CHECKS.values() if sys.argv[1] in checks)())
