"""Labs: a network described as data, brought up in as few messages as the kernel allows, changed in place, taken down.

The description (makes no system call)::

    values, properties     types of values, and one row for each property of an interface
    interface, kinds/      interfaces: what all have, and one class for each kind of link
    host, topology         hosts with their routes, and the whole
    document, positions    files: TOML and JSON, and the line of each value
    tables                 the keys of each table of a file; parse, parse_tables, parse_links read them
    problems, check        what is wrong with a description
    segments, reachability which interfaces are on one Ethernet, and which hosts should reach each other
    export, reference      a lab as data again; the reference page and the JSON Schema
    graph/                 pictures

In the kernel::

    stamp, lock            how a lab recognizes what it owns, and whether its process lives
    kernel_state, readback the state of a namespace; a description of what exists
    diff                   what differs between the two
    build, build_requests  carries it out, or undoes it; prefetch creates namespaces ahead
    host_config, etc_files settings, address translation, files
    existing_hosts         the hosts of a lab that exist when it is brought up
    discover, removal      labs on this machine, and their removal
    wait                   until a lab can be used, and until it is gone
    lab                    `Lab`, the entry to all of it
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host
    from .interface import Interface
    from .kinds.bridge import Bridge
    from .kinds.veth import Port
    from .lab import Lab

__all__ = ["Bridge", "Host", "Interface", "Lab", "Port"]

_MODULES = {"Bridge": "kinds.bridge", "Host": "host", "Interface": "interface", "Lab": "lab", "Port": "kinds.veth"}


def __getattr__(name: str) -> object:
    """Return a class, imported at its first use: what lists or removes labs needs no description."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(__import__(f"{__name__}.{_MODULES[name]}", fromlist=[name]), name)
    return value
