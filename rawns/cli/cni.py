"""`rawns cni`: the CNI plugins of rawns, which container engines call."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import Command


def __getattr__(name: str) -> Command:
    """Return ``COMMAND``, which a call by a container engine does not need."""
    if name != "COMMAND":
        raise AttributeError(name)
    return _command()


def _command() -> Command:
    from .options import Command

    return Command(
        "cni",
        "Be a CNI plugin: CNI_COMMAND and the other CNI_* variables say what to do, standard input has the configuration.",
        "[PLUGIN]",
        details="Container engines call links with the names of the plugins (`rawns applets --install-cni DIR`), or one named "
        "rawns, whose configuration has a whole chain.\n"
        "Without CNI_COMMAND, the plugin's keys are listed; without PLUGIN, the plugins.\n\n"
        "Exit status: 0, or 1 with the error of the specification on standard output.",
    )


def main(argv: list[str]) -> int:
    """Run ``rawns cni``; return the exit status."""
    if "CNI_COMMAND" in os.environ and len(argv) < 2 and argv[:1] != ["--help"]:
        return plugin(argv[0] if argv else "rawns")
    options = _command().parse(argv)
    from ..cni.reference import describe

    print(describe(options.operand(0)))
    return 0


def plugin(name: str) -> int:
    """Be one plugin: carry out the call that the environment and standard input describe; return the exit status."""
    from ..cni.program import MAX_INPUT_BYTES, fault, run

    data = b"" if sys.stdin is None else sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    try:
        status, output = run(name, os.environ, data)
    except Exception as error:  # an engine shows what is on standard output, and nothing else
        status, output = 1, fault(error)
    sys.stdout.write(output)
    return status
