"""Labs: a network as data, then in the kernel in as few messages as it allows, changed in place, then gone.

Floor 6::

    model        the nouns of a description      describe    files: TOML and JSON, to a lab and back
    faults       what is wrong with it           reach       who should reach whom
    stamp        how a lab knows its own         state       what the kernel has
    difference   what stands between the two     messages    nouns as requests
    build        carries it out, or undoes it    births      namespaces made ahead, by a thread
    lock, wait   one at a time; until it is usable, or gone
    found        labs that are on this machine   graph       what it looks like
    lab          `Lab`, which has them do it
"""

from .lab import Lab
from .model import Bridge, Host, Interface, Port

__all__ = ["Bridge", "Host", "Interface", "Lab", "Port"]
