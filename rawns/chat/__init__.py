"""Chat over TCP, line by line: a `Room` that many can join, and a `Peer`, one connection to it (``nc -l`` and ``nc``).

`framing.Relay` decides what each member must be sent.  The modules here add the sockets::

    tcp         listening and connecting sockets, and how an address is written
    event_loop  handlers, each with a descriptor, driven by one poll(2)
    room        an event loop with a listening socket, in a thread inside a namespace
    peer        one connection, used by the thread that owns it

Either end works with ``nc`` at the other.
"""

from .peer import Peer
from .room import Room

__all__ = ["Peer", "Room"]
