"""``vf NUMBER ...`` of `ip link set`: the settings of a virtual function (ip-link(8), IFLA_VFINFO_LIST)."""

from __future__ import annotations

from struct import pack

from ... import uapi
from .arguments import U32, integer, lladdr
from .filters import check_length
from .grammar import FAILED, CommandError, matches, parsed, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Args, Record

IFLA_VFINFO_LIST, IFLA_VF_INFO = 22, 1
# Attributes of <linux/if_link.h>
MAC, VLAN, TX_RATE, SPOOFCHK, LINK_STATE, RATE, RSS_QUERY_EN, TRUST = 1, 2, 3, 4, 5, 6, 7, 9
NODE_GUID, PORT_GUID, VLAN_LIST, VLAN_INFO = 10, 11, 12, 1
STATES = {"auto": 0, "enable": 1, "disable": 2}
SWITCHES = {"spoofchk": SPOOFCHK, "query_rss": RSS_QUERY_EN, "trust": TRUST}
GUIDS = {"node_guid": NODE_GUID, "port_guid": PORT_GUID}
GUID_LENGTH = 23  # of xx:xx:xx:xx:xx:xx:xx:xx
# In iproute2's order: it decides what an abbreviation means.
WORDS = ("mac", "vlan", "rate", "max_tx_rate", "min_tx_rate", *SWITCHES, "state", *GUIDS)
MAX_VLAN = 4095
NO_RATE = 0xFFFFFFFF
INCOMPLETE = 'Command line is not complete. Try option "help"'


def _attribute(number: int, data: bytes) -> bytes:
    return pack("HH", len(data) + 4, number) + data + b"\0" * (-len(data) % 4)


def _number(args: Args, name: str) -> int:
    value: int = parsed(integer if name == "vf" else U32, args.take(), f'Invalid "{name}" value\n')
    return value


def _on_off(args: Args, name: str) -> int:
    word = args.take()
    if word not in ("on", "off"):
        raise CommandError(f'Error: argument of "{name}" must be one of "off", "on", not "{word}"', FAILED)
    return int(word == "on")


def _next(args: Args, names: tuple[str, ...]) -> str:
    """Take the next word if it abbreviates one of these names, and return the name; empty otherwise."""
    found = next((name for name in names if args and matches(args.words[args.at], name)), "")
    args.at += bool(found)
    return found


def _mac(args: Args, record: Record) -> bytes:
    word = lladdr(args.take())
    check_length(word, record["dev"], args.ip)
    return bytes.fromhex(word.replace(":", ""))


def _vlan(args: Args) -> tuple[int, int, int]:
    """Read ``vlan ID [qos N] [proto 802.1Q|802.1ad]``."""
    from .ethertypes import ethertype

    vlan, protocol = _number(args, "vlan"), uapi.ETH_P_8021Q
    if vlan > MAX_VLAN:
        raise wrong(args.words[args.at - 1], 'Invalid "vlan" value\n')
    quality = _number(args, "qos") if _next(args, ("qos",)) else 0
    if _next(args, ("proto",)):
        word = args.take()
        protocol = parsed(ethertype, word, "protocol is invalid\n")
        if protocol not in (uapi.ETH_P_8021Q, uapi.ETH_P_8021AD):
            raise wrong(word, 'Invalid "vlan protocol" value - supported 802.1Q, 802.1ad\n')
    return vlan, quality, protocol


def _vlans(number: int, args: Args) -> bytes:
    """Return the attribute of a VLAN, or of all that follow one with the protocol 802.1ad."""
    vlan, quality, protocol = _vlan(args)
    if protocol == uapi.ETH_P_8021Q:
        return _attribute(VLAN, pack("=III", number, vlan, quality))
    listed = b""
    while True:
        listed += _attribute(VLAN_INFO, pack("=III", number, vlan, quality) + pack(">H2x", protocol))
        if not _next(args, ("vlan",)):
            return _attribute(VLAN_LIST, listed)
        vlan, quality, protocol = _vlan(args)


def _guid(args: Args) -> bytes:
    guid: bytes = parsed(_guid_bytes, args.take(), "Invalid GUID format\n")
    return guid


def _guid_bytes(text: str) -> bytes:
    if len(text) != GUID_LENGTH or set(text[2::3]) != {":"}:
        raise ValueError(text)
    return bytes.fromhex(text.replace(":", ""))[::-1]


def _state(args: Args) -> int:
    word = args.take()
    state = next((value for name, value in STATES.items() if matches(word, name)), None)
    if state is None:
        raise wrong(word, 'Invalid "state" value\n')
    return state


def parse(args: Args, record: Record) -> None:
    """Read the words after ``vf`` into the request."""
    number = _number(args, "vf")
    if "dev" not in record:
        raise CommandError('Error: argument "dev" is required')
    found, rates = b"", {}
    ahead = [next((name for name in WORDS if matches(word, name)), "") for word in args.words[args.at :]]
    newer, legacy = "max_tx_rate" in ahead or "min_tx_rate" in ahead, "max_tx_rate" not in ahead
    while word := _next(args, WORDS):
        if word == "mac":
            found += _attribute(MAC, pack("=I32s", number, _mac(args, record)))
        elif word == "vlan":
            found += _vlans(number, args)
        elif word == "rate":
            rate = _number(args, "rate")
            if not newer:
                found += _attribute(TX_RATE, pack("=II", number, rate))
            elif legacy:
                rates["max_tx_rate"] = rate
        elif word in ("max_tx_rate", "min_tx_rate"):
            rates[word] = _number(args, word.replace("_", " "))
        elif word == "state":
            found += _attribute(LINK_STATE, pack("=II", number, _state(args)))
        elif word in GUIDS:
            found += _attribute(GUIDS[word], pack("=I4x8s", number, _guid(args)))
        else:
            found += _attribute(SWITCHES[word], pack("=II", number, _on_off(args, word)))
    if rates:
        found += _rate(number, rates.get("min_tx_rate", NO_RATE), rates.get("max_tx_rate", NO_RATE))
    if not found:
        raise CommandError(INCOMPLETE)
    nested = record.get(IFLA_VFINFO_LIST, b"") + _attribute(IFLA_VF_INFO | uapi.NLA_F_NESTED, found)
    record[IFLA_VFINFO_LIST] = nested


def _rate(number: int, least: int, most: int) -> bytes:
    """Return the attribute of two rates; one that is not given is 0, for no device here has rates to keep."""
    least, most = (0 if one == NO_RATE else one for one in (least, most))
    if most and least > most:
        signed = [one - (one >> 31 << 32) for one in (least, most)]
        raise CommandError(f"Invalid min_tx_rate {signed[0]} - must be <= max_tx_rate {signed[1]}", FAILED)
    return _attribute(RATE, pack("=III", number, least, most))
