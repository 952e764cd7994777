"""``python3 -m rawns`` is the command `rawns`.

This file has no annotations and no f-strings: any Python must be able to read it far enough to say that it is too old.
"""

import os
import sys


def main():  # type: () -> None
    """Run the command.

    ``python3 -m`` puts the current directory first on the module path.  It may belong to another user, whose ``ctypes.py``
    must not be imported, so it is removed, or moved behind the standard library if the package lies in it.  (A directory
    ``rawns`` in it cannot be guarded against from here: `python3 -P -m rawns`, or the installed command, does not look there.)
    """
    try:
        here = os.getcwd()
    except OSError:
        here = ""
    if sys.path and sys.path[0] in ("", here):
        first = sys.path.pop(0)
        if first == os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
            sys.path.append(first)
    import _signal  # type: ignore[import-not-found]

    # Until the command itself runs, Ctrl-C ends the process without a traceback.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from rawns.cli.main import entry

    entry()


if __name__ == "__main__":
    main()
