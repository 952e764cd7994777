"""Talking over TCP, line by line: a `Room` that takes many, and a `Peer` who goes there (``nc -l`` and ``nc``).

Floor 6.  `lines.Circle` knows who is to be sent what; here are the descriptors around it::

    tcp     where to listen and connect, and how an address is spelled
    table   parts, each with a descriptor, that take turns: one poll(2), and nobody waited for otherwise
    room    a table with a door, in a thread inside a namespace
    peer    one connection, spoken and heard by whoever has it

Either end works against ``nc``.
"""

from .peer import Peer
from .room import Room

__all__ = ["Peer", "Room"]
