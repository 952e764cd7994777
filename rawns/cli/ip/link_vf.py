"""``vf NUMBER ...`` of `ip link set`: the settings of a virtual function (ip-link(8), IFLA_VFINFO_LIST)."""

from __future__ import annotations

from struct import pack

from ... import uapi
from .arguments import integer, lladdr
from .grammar import FAILED, CommandError, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .context import Args
    from .grammar import Record

IFLA_VFINFO_LIST, IFLA_VF_INFO = 22, 1
# Attributes of <linux/if_link.h>
MAC, VLAN, TX_RATE, SPOOFCHK, LINK_STATE, RATE, RSS_QUERY_EN, TRUST = 1, 2, 3, 4, 5, 6, 7, 9
STATES = {"auto": 0, "enable": 1, "disable": 2}
WORDS = ("mac", "vlan", "rate", "max_tx_rate", "min_tx_rate", "spoofchk", "query_rss", "trust", "state")


def _attribute(number: int, data: bytes) -> bytes:
    return pack("HH", len(data) + 4, number) + data + b"\0" * (-len(data) % 4)


def _number(args: Args, name: str) -> int:
    word = args.take()
    try:
        return integer(word)
    except ValueError:
        raise wrong(word, f'Invalid "{name}" value\n') from None


def _on_off(args: Args, name: str) -> int:
    word = args.take()
    if word not in ("on", "off"):
        raise CommandError(f'Error: argument of "{name}" must be one of "off", "on", not "{word}"', FAILED)
    return int(word == "on")


def parse(args: Args, record: Record) -> None:
    """Read the words after ``vf`` into the request."""
    number = _number(args, "vf")
    found, rates = b"", {}
    while args and args.words[args.at] in WORDS:
        word = args.take()
        if word == "mac":
            address = bytes.fromhex(lladdr(args.take()).replace(":", ""))
            found += _attribute(MAC, pack("=I32s", number, address))
        elif word == "vlan":
            vlan, quality = _number(args, "vlan"), 0
            if args and args.words[args.at] == "qos":
                args.take()
                quality = _number(args, "qos")
            found += _attribute(VLAN, pack("=III", number, vlan, quality))
        elif word == "rate":
            found += _attribute(TX_RATE, pack("=II", number, _number(args, "rate")))
        elif word in ("max_tx_rate", "min_tx_rate"):
            rates[word] = _number(args, word.replace("_", " "))
        elif word == "state":
            state = args.take()
            if state not in STATES:
                raise wrong(state, 'Invalid "state" value\n')
            found += _attribute(LINK_STATE, pack("=II", number, STATES[state]))
        else:
            kind = {"spoofchk": SPOOFCHK, "query_rss": RSS_QUERY_EN, "trust": TRUST}[word]
            found += _attribute(kind, pack("=II", number, _on_off(args, word)))
    if rates:
        found += _attribute(RATE, pack("=III", number, rates.get("min_tx_rate", 0), rates.get("max_tx_rate", 0)))
    if not found:
        raise CommandError('Command line is not complete. Try option "help"')
    nested = record.get(IFLA_VFINFO_LIST, b"") + _attribute(IFLA_VF_INFO | uapi.NLA_F_NESTED, found)
    record[IFLA_VFINFO_LIST] = nested
