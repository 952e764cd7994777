"""`rawns ip`: the command line of iproute2's `ip` (ip(8)).

Options come first, then an object, then its words; each object is a module with ``run(args)``, loaded when it is named.
Text, messages and exit statuses are those of iproute2 6.1: 255 for a bad word or a missing namespace, 1 for a missing
device or a bad prefix, 2 if the kernel refused.
"""

from __future__ import annotations

from .grammar import CommandError
from .program import GlobalOptions, Program, assign, batch, count, family, force, namespace, usage, version

HELP_COLUMNS = 76

# iproute2's objects in iproute2's order, which decides what an abbreviation means; None: not available here.
OBJECTS = (
    ("address", "addr"),
    ("addrlabel", "addrlabel"),
    ("maddress", "maddr"),
    ("route", "route"),
    ("rule", "rule"),
    ("neighbor|neighbour", "neigh"),
    ("ntable|ntbl", "ntable"),
    ("link", "link"),
    ("l2tp", None),
    ("fou", None),
    ("ila", None),
    ("macsec", None),
    ("tunnel|tunl", "tunnel"),
    ("tuntap|tap", "tuntap"),
    ("token", "token"),
    ("tcpmetrics|tcp_metrics", None),
    ("monitor", "monitor"),
    ("xfrm", None),
    ("mroute", "mroute"),
    ("mrule", "mrule"),
    ("netns", "netns"),
    ("netconf", "netconf"),
    ("vrf", "vrf"),
    ("sr", None),
    ("nexthop", "nexthop"),
    ("mptcp", None),
    ("ioam", None),
    ("help", "help"),
    ("stats", "stats"),
)


def _loops(options: GlobalOptions) -> None:
    from .arguments import leading_integer

    options.ip.flush_rounds = leading_integer(options.take())


def _receive_buffer(options: GlobalOptions) -> None:
    from .arguments import U32

    word = options.take()
    try:
        options.ip.receive_buffer = U32(word)
    except ValueError:
        raise CommandError(f"Invalid rcvbuf size '{word}'") from None


# The names by which `ip` looks them up, in its order; "=" in front: not to be abbreviated.
OPTIONS = (
    ("loops", _loops),
    ("family", family("inet", "inet6", "mpls", "bridge", "link")),
    ("=4", assign("family", 2)),
    ("=6", assign("family", 10)),
    ("=0", assign("family", 17)),
    ("=M", assign("family", 28)),
    ("=B", assign("family", 7)),
    ("human|human-readable", assign("human")),
    ("iec", assign("iec")),
    ("stats|statistics", count("stats")),
    ("details", count("details")),
    ("resolve", assign("resolve")),
    ("oneline", assign("oneline")),
    ("timestamp", assign("timestamp", 1)),
    ("tshort", assign("timestamp", 2)),
    ("Version", version),
    ("force", force),
    ("batch", batch),
    ("brief", assign("brief")),
    ("json", assign("json")),
    ("pretty", assign("pretty")),
    ("rcvbuf", _receive_buffer),
    ("help", usage),
    ("netns", namespace),
    ("Numeric", assign("numeric")),
    ("all", assign("everywhere")),
    ("=echo", assign("echo")),
)


def help() -> CommandError:
    """Return the help text of `ip help`: iproute2's, with the objects that exist here."""
    from .help_texts import USAGE

    available = sorted(name for names, module in OBJECTS if module for name in names.split("|"))
    lines, line = [], "where  OBJECT := {"
    for name in available:
        if len(line) + len(name) > HELP_COLUMNS:
            lines.append(line)
            line = " " * 18
        line += f" {name} |"
    return CommandError(USAGE.replace("OBJECTS", "\n".join([*lines, f"{line[:-2]} }}"])))


PROGRAM = Program("ip", "rawns.cli.ip", "ip utility, iproute2-6.1.0", OBJECTS, OPTIONS, help)
main = PROGRAM.main
