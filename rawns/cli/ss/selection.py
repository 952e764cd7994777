"""Which sockets `ss` shows: tables, address families and states, as options and words of the command line select them."""

from __future__ import annotations

from ... import uapi
from .options import BAD_USAGE, SsError, left_out

STATES = (  # by number: what is shown, and what is typed (enum in <net/tcp_states.h>)
    ("UNKNOWN", "UNKNOWN"),
    ("ESTAB", "established"),
    ("SYN-SENT", "syn-sent"),
    ("SYN-RECV", "syn-recv"),
    ("FIN-WAIT-1", "fin-wait-1"),
    ("FIN-WAIT-2", "fin-wait-2"),
    ("TIME-WAIT", "time-wait"),
    ("UNCONN", "unconnected"),
    ("CLOSE-WAIT", "close-wait"),
    ("LAST-ACK", "last-ack"),
    ("LISTEN", "listening"),
    ("CLOSING", "closing"),
)
ESTABLISHED, SYN_SENT, SYN_RECV, TIME_WAIT, CLOSE, LISTEN = 1, 2, 3, 6, 7, 10
ALL = (1 << len(STATES)) - 1
BUCKET = 1 << SYN_RECV | 1 << TIME_WAIT
WAITING = 1 << LISTEN | 1 << CLOSE  # for a peer
CONNECTED = ALL & ~WAITING & ~BUCKET  # what is shown if nothing else is said
GROUPS = {
    "all": ALL,
    "connected": ALL & ~WAITING,
    "synchronized": ALL & ~WAITING & ~(1 << SYN_SENT),
    "bucket": BUCKET,
    "big": ALL & ~BUCKET,
    "close": 1 << CLOSE,
    "closed": 1 << CLOSE,
    "syn-rcv": 1 << SYN_RECV,
}

INET = ("raw", "udp", "tcp")
UNIX = ("unix_stream", "unix_dgram", "unix_seqpacket")
PACKET = ("packet_raw", "packet_dgram")
TABLES = ("netlink", *PACKET, *UNIX, *INET)
NAMES = {
    "all": TABLES,
    "inet": INET,
    "unix": UNIX,
    "packet": PACKET,
    **{name: (name,) for name in TABLES},
    **{"u_str": UNIX[:1], "u_dgr": UNIX[1:2], "u_seq": UNIX[2:], "p_raw": PACKET[:1], "p_dgr": PACKET[1:]},
}
OTHERS = ("dccp", "sctp", "mptcp", "vsock", "vsock_stream", "v_str", "vsock_dgram", "v_dgr", "tipc", "xdp")
FAMILIES = {
    "inet": uapi.AF_INET,
    "inet6": uapi.AF_INET6,
    "link": uapi.AF_PACKET,
    "unix": uapi.AF_UNIX,
    "netlink": uapi.AF_NETLINK,
}
TABLES_OF = {  # the tables of a family
    uapi.AF_INET: INET,
    uapi.AF_INET6: INET,
    uapi.AF_PACKET: PACKET,
    uapi.AF_UNIX: UNIX,
    uapi.AF_NETLINK: ("netlink",),
}
STATES_OF = {"udp": 1 << ESTABLISHED, "raw": 1 << ESTABLISHED, "tcp": CONNECTED}  # that an option of this name selects


class SocketSelection:
    """What is shown: ``tables``, ``families``, ``states`` (bits), and the family that was named last (0: none)."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.families: set[int] = set()
        self.states = self.preferred = 0
        self._usual = CONNECTED  # shown if the states that are named exclude each other
        self.default = True  # nothing has been selected
        self.queried = False

    def add_table(self, table: str) -> None:
        """Select a table: ``-t``, ``-u``, ``-w``."""
        self.default = False
        self.tables.add(table)
        self.states |= STATES_OF[table]

    def add_family(self, family: int) -> None:
        """Select a family: ``-4``, ``-x``, ``-f``."""
        self.default = False
        self.families.add(family)
        self.preferred = family
        self.states |= 1 << CLOSE if family in (uapi.AF_PACKET, uapi.AF_NETLINK) else CONNECTED

    def query(self, text: str) -> None:
        """Select tables by name: ``-A``, of which the first replaces what was selected before.  Raises `SsError`."""
        if not self.queried:
            self.tables.clear()
        self.default, self.queried = False, True
        for word in text.split(","):
            name = word.removeprefix("!")
            if name in OTHERS:
                raise left_out(f"-A {name}", f"sockets of {name}")
            if name not in NAMES:
                raise SsError(f'ss: "{word}" is illegal socket table id', BAD_USAGE, True)
            if word == name:
                self.tables.update(NAMES[name])
            else:
                self.tables.difference_update(NAMES[name])

    def complete(self, states: int) -> None:
        """Add what the options have not said; ``states`` are those that ``-a`` or ``-l`` selects, or 0."""
        if self.default:
            self.tables.update(TABLES)
        self._usual = self.states or CONNECTED
        self.states = states or (CONNECTED if self.queried else self._usual)
        for family, tables in TABLES_OF.items():
            if family in self.families and not self.tables.intersection(tables):
                self.tables.update(tables)
        for tables in (UNIX, PACKET, ("netlink",), INET):
            own = {family for family, ones in TABLES_OF.items() if ones == tables}
            if self.tables.intersection(tables) and not self.families & own:
                self.families |= own

    def restrict(self, family: int) -> None:
        """Show one family only, that of an address in the filter."""
        self.families, self.preferred = {family}, family

    def take_states(self, words: list[str]) -> None:
        """Take ``state NAME`` and ``exclude NAME`` from the beginning of the words.  Raises `SsError`."""
        said = False
        while words and words[0] in ("state", "exclude", "excl"):
            verb = words.pop(0)
            if not words:
                raise SsError('Command line is not complete. Try option "help"', BAD_USAGE)
            bits = state_bits(words.pop(0))
            if verb == "state":
                self.states = (self.states if said else 0) | bits
            else:
                self.states = (self.states if said else ALL) & ~bits
            said = True
        self.states = self.states or self._usual


def state_bits(name: str) -> int:
    """Return the states that a name stands for.  Raises `SsError`."""
    word = name.lower()
    if word in GROUPS:
        return GROUPS[word]
    for number, (_, typed) in enumerate(STATES):
        if word == typed.lower():
            return 1 << number
    raise SsError(f"ss: wrong state name: {name}", BAD_USAGE)
