"""`rawns ss`: sockets, in the words of iproute2's `ss` (ss(8)).

A command line selects tables, families and states; a filter is evaluated by the kernel where it can::

    options    the command line as getopt_long(3) reads it      columns      widths of columns, and the lines
    selection  tables, families and states                      names        ports, hosts, interfaces and protocols
    filter     expressions: parsed, compiled, evaluated         processes    which processes have a socket open
    inet       TCP, UDP and raw sockets                         tcp_info     what ``-i`` shows of a connection
    families   unix, packet and netlink sockets                 summary      what ``-s`` prints
"""

from .command import main

__all__ = ["main"]
