"""Names for numbers: those built into iproute2, and those of /usr/share/iproute2 and /etc/iproute2, if they exist."""

from __future__ import annotations

import os

from ... import uapi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, Callable, IpContext, Iterator


def numbers(prefix: str, names: str) -> dict[str, int]:
    """Return the constants of the kernel's headers that these names stand for, without their prefix."""
    return {name: getattr(uapi, f"{prefix}_{name.upper()}") for name in names.split()}


OPERSTATES = ("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")
LINKMODES = ("DEFAULT", "DORMANT")
ADDRGENMODES = ("eui64", "none", "stable_secret", "random")
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")

# <linux/if_arp.h>, in the words of `ip`
LINK_TYPES = {
    number: name
    for start, names in {
        0: "netrom ether eether ax25 pronet chaos ieee802 arcnet atalk",
        15: "dlci",
        19: "atm",
        23: "metricom ieee1394",
        27: "eui64",
        32: "infiniband",
        256: "slip cslip slip6 cslip6 rsrvd",
        264: "adapt",
        270: "rose x25 hwx25",
        280: "can",
        512: "ppp hdlc",
        516: "lapb ddcmp rawhdlc rawip",
        768: "ipip tunnel6 frad skip loopback ltalk fddi bif sit ip/ddp gre pimreg hippi ash econet irda fcpp fcal fcpl",
        787: "fcfb0 fcfb1 fcfb2 fcfb3 fcfb4 fcfb5 fcfb6 fcfb7 fcfb8 fcfb9 fcfb10 fcfb11 fcfb12",
        800: "tr ieee802.11 ieee802.11/prism ieee802.11/radiotap ieee802.15.4 ieee802.15.4/monitor",
        820: "phonet phonet_pipe caif gre6 netlink 6lowpan vsockmon",
        65534: "none void",
    }.items()
    for number, name in enumerate(names.split(), start)
}

# In the order `ip` names them.  The first bit means "secondary" for IPv4 and "temporary" for IPv6.
ADDRESS_FLAGS = {
    **numbers("IFA_F", "secondary temporary nodad optimistic dadfailed"),
    "home": uapi.IFA_F_HOMEADDRESS,
    **numbers("IFA_F", "deprecated tentative permanent"),
    "mngtmpaddr": uapi.IFA_F_MANAGETEMPADDR,
    "noprefixroute": uapi.IFA_F_NOPREFIXROUTE,
    "autojoin": uapi.IFA_F_MCAUTOJOIN,
    "stable-privacy": uapi.IFA_F_STABLE_PRIVACY,
}

READ_ONLY_FLAGS = {"secondary", "temporary", "dadfailed", "deprecated", "tentative", "permanent", "stable-privacy"}
IPV6_FLAGS = {"nodad", "optimistic", "home", "mngtmpaddr"}  # of those that can be set

_BUILT_IN = {
    "group": {0: "default"},
    "rt_scopes": {0: "global", 255: "nowhere", 254: "host", 253: "link", 200: "site"},
    "rt_tables": {253: "default", 254: "main", 255: "local"},
    "rt_realms": {0: "unknown"},
    "rt_protos": dict(enumerate("unspec redirect kernel boot static".split()))
    | dict(enumerate("gated ra mrt zebra bird dnrouted xorp ntk dhcp".split(), 8))
    | {18: "keepalived", 42: "babel", 99: "openr", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp"},
}
_read: dict[str, dict[int, str]] = {}
ROUTE_TYPES = {
    "none": uapi.RTN_UNSPEC,
    **numbers("RTN", "unicast local broadcast"),
    "brd": uapi.RTN_BROADCAST,
    **numbers("RTN", "anycast multicast blackhole unreachable prohibit throw nat xresolve"),
}
ROUTE_TYPE_NAMES = {number: name for name, number in reversed(list(ROUTE_TYPES.items()))}
ROUTE_FLAGS = {
    **numbers("RTNH_F", "dead onlink pervasive offload trap"),
    "notify": uapi.RTM_F_NOTIFY,
    **numbers("RTNH_F", "linkdown unresolved"),
    **{f"rt_{name}": number for name, number in numbers("RTM_F", "offload trap offload_failed").items()},
}


def _numbered(line: str) -> tuple[int, str] | None:
    """``0x10 name`` or ``16 name``; None for what is neither."""
    words = line.split("#")[0].split()
    if len(words) < 2:
        return None
    try:
        return int(words[0], 16 if words[0].startswith("0x") else 10), words[1]
    except ValueError:
        return None


def _files(file: str) -> Iterator[str]:
    """Yield the files of a table in the order in which later ones add to earlier ones: FILE, then FILE.d/*.conf."""
    for directory in ("/usr/share/iproute2", "/etc/iproute2"):
        yield f"{directory}/{file}"
        try:
            more = sorted(os.listdir(f"{directory}/{file}.d"))
        except OSError:
            continue
        yield from (f"{directory}/{file}.d/{name}" for name in more if name.endswith(".conf") and not name.startswith("."))


def table(file: str) -> dict[int, str]:
    """Return the names in a file of /etc/iproute2, added to those that are built in."""
    if file not in _read:
        names = dict(_BUILT_IN.get(file, {}))
        for path in _files(file):
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as lines:
                    names.update(entry for entry in map(_numbered, lines) if entry)
            except OSError:
                pass  # not there: then there is nothing to add
        _read[file] = names
    return _read[file]


def number_of(file: str, text: str, most: int) -> int:
    """Return the number of a name in such a file, or the number that ``text`` is, up to ``most``.  Raises ValueError."""
    from .arguments import number

    for value, name in table(file).items():
        if name == text:
            return value
    value = number(text)
    if not 0 <= value <= most:
        raise ValueError(text)
    return value


def by_name(file: str, most: int) -> Callable[[str], int]:
    """Return a parser of names in such a file, and of numbers up to ``most``."""
    return lambda text: number_of(file, text, most)


protocol_number = by_name("rt_protos", 255)
scope_number = by_name("rt_scopes", 255)
table_number = by_name("rt_tables", 0xFFFFFFFF)


def tos_number(text: str) -> int:
    """Return a DS field by its name or its number, which is in hex.  Raises ValueError."""
    for value, name in table("rt_dsfield").items():
        if name == text:
            return value
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or set(digits.lower()) - set("0123456789abcdef") or int(digits[:9], 16) > 255:
        raise ValueError(text)
    return int(digits, 16)


def named(file: str) -> Callable[[int, Body, IpContext], str]:
    """Return a read of a number that has a name in a file of /etc/iproute2."""
    return lambda value, record, ip: str(value) if ip.numeric else table(file).get(value, str(value))


def named_unless(file: str, usual: int) -> Callable[[int, Body, IpContext], str | None]:
    """Return the same read, for a number that is shown if it is not the usual one, or with -details."""
    read = named(file)
    return lambda value, record, ip: read(value, record, ip) if value != usual or ip.details else None


def type_name(number: int, ip: IpContext) -> str:
    """Return the name of a type of route (RTN_*)."""
    return str(number) if ip.numeric else ROUTE_TYPE_NAMES.get(number, str(number))


def tos_name(value: int, record: Body, ip: IpContext) -> str | None:
    """Return the name of a DS field, or its number in hex; None for 0, which is not shown."""
    other = f"0x{value:02x}"
    return (other if ip.numeric else table("rt_dsfield").get(value, other)) if value else None
