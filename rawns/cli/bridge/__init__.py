"""`rawns bridge`: ports, addresses, multicast groups, VLANs and VNI filters of bridges, in the words of iproute2's `bridge`.

Built on `cli.ip`: the same words, rows of output and renderers.  Each object is a module with ``run(args)``, loaded when it is
named.
"""

from .command import main

__all__ = ["main"]
