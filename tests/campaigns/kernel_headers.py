#!/usr/bin/env python3
"""Compare every number and structure of the package with the newest kernel headers, for each processor.

    python3 tests/campaigns/kernel_headers.py

The headers are Debian's linux-libc-dev of trixie-backports, which has those of every processor; it is downloaded by name into
~/.cache/rawns-kernels and unpacked there (tests/kernels/packages.py).  The questions are those of tests/unit/test_abi.py, which
asks the headers that are installed; here the compiler answers by constants in an object file, because it does not run on
the processors in question.  `gcc -m32` lays structures out as i386 does, and with -malign-double as 32-bit ARM does.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent), str(HERE.parent / "unit"), str(HERE.parent / "kernels")]

import test_abi  # noqa: E402
from packages import Archive  # noqa: E402

PROCESSORS = {  # the directory of its headers, and the options that lay structures out as on it
    "x86-64": ("x86_64-linux-gnu", []),
    "arm64": ("aarch64-linux-gnu", []),
    "s390x": ("s390x-linux-gnu", []),
    "armhf": ("arm-linux-gnueabihf", ["-m32", "-malign-double", "-D__ARM_EABI__"]),
    "i386": ("i386-linux-gnu", ["-m32"]),
}
# Headers that cannot be included beside <fcntl.h> of the C library unless the structures that both describe are renamed.
BESIDE_FCNTL = """
#define flock linux_flock
#define flock64 linux_flock64
#define f_owner_ex linux_f_owner_ex
#include <linux/pidfd.h>
"""

# Of which ours is longer.  The kernel sends and reads fewer bytes: what is decoded ends earlier, and an ioctl ignores the rest.
SHORTER = {
    "armhf": {"ifreq": "a union with pointers"},
    "i386": {
        "ifreq": "a union with pointers",
        **dict.fromkeys(("rtnl_link_ifmap", "gnet_stats_basic", "tc_stats"), "no padding at the end: it aligns u64 to 4 bytes"),
    },
}


def source(asked: dict[str, str]) -> str:
    """Return a program that has the answers as constants, one to a line whose file is the label."""
    lines = [
        "#define _GNU_SOURCE",
        test_abi.HEADERS,
        BESIDE_FCNTL,
        '__attribute__((section(".answers"))) const long long answers[] = {',
    ]
    for label, expression in asked.items():
        lines += [f'#line 1 "?{label}?"', f"(long long)({expression}),"]
    return "\n".join([*lines, "};"])


def answers(headers: Path, triplet: str, options: list[str], scratch: Path) -> dict[str, int]:
    """Return the compiler's answers to the questions that it understands."""
    (scratch / "gnu").mkdir(exist_ok=True)
    for name in ("stubs-32.h", "stubs-64.h"):
        (scratch / "gnu" / name).touch()
    asked, command = test_abi.questions(), ["gcc", "-std=gnu11", "-w", "-fmax-errors=0", "-O0", "-xc", "-", *options]
    command += [word for path in (headers / triplet, headers, scratch) for word in ("-isystem", str(path))]
    told = subprocess.run([*command, "-fsyntax-only"], input=source(asked), text=True, stderr=-1).stderr
    refused = set(re.findall(r"^\?(.+?)\?:\d+(?::\d+)?: error", told, re.MULTILINE))
    if told and not refused:
        raise SystemExit(f"the compiler cannot read the headers:\n{told[:2000]}")
    asked = {label: expression for label, expression in asked.items() if label not in refused}
    made, taken = scratch / "answers.o", scratch / "answers.bin"
    subprocess.run([*command, "-c", "-o", str(made)], input=source(asked), text=True, check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".answers", str(made), str(taken)], check=True)
    values = struct.unpack(f"<{len(asked)}q", taken.read_bytes()[: 8 * len(asked)])
    return dict(zip(asked, values))


def main() -> int:
    headers = Archive("trixie-backports", "amd64").unpack("linux-libc-dev") / "usr/include"
    failures = 0
    for processor, (triplet, options) in PROCESSORS.items():
        with tempfile.TemporaryDirectory() as scratch:
            compiled = answers(headers, triplet, options, Path(scratch))
        wrong, unknown = test_abi.wrong_numbers(test_abi.constants(), compiled)
        places = [line for one in test_abi.structs().values() for line in test_abi.wrong_places(one, compiled)]
        known = tuple(f"struct {name} has" for name in SHORTER.get(processor, ()))
        places = [line for line in places if not known or not line.startswith(known)]
        release = ".".join(map(str, test_abi.release(compiled)))
        print(f"{processor:<7} headers of {release}: {len(test_abi.constants())} numbers, {len(test_abi.structs())} structures")
        for line in [*wrong, *(f"no header knows {name}" for name in unknown), *places]:
            print(f"    {line}")
            failures += 1
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
