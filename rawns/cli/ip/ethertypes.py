"""Ethernet protocols by the names that `ip` has for them (`<linux/if_ether.h>`)."""

from __future__ import annotations

from .arguments import U16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Any, Body

_NAMES = """
loop 60 pup 200 pupat 201 ip 800 x25 805 arp 806 bpq 8ff ieeepup a00 ieeepupat a01 dec 6000 dna_dl 6001 dna_rc 6002 dna_rt 6003
lat 6004 diag 6005 cust 6006 sca 6007 rarp 8035 atalk 809b aarp 80f3 ipx 8137 ipv6 86dd ppp_disc 8863 ppp_ses 8864 atmmpoa 884c
atmfate 8884 802_3 1 ax25 2 all 3 802_2 4 snap 5 ddcmp 6 wan_ppp 7 ppp_mp 8 localtalk 9 can c ppptalk 10 tr_802_2 11 mobitex 15
control 16 irda 17 econet 18 tipc 88ca profinet 8892 aoe 88a2 ethercat 88a4 802.1Q 8100 802.1ad 88a8 mpls_uc 8847 mpls_mc 8848
teb 6558 LLDP 88cc ipv4 800
""".split()
NUMBERS = dict(zip(_NAMES[::2], [int(number, 16) for number in _NAMES[1::2]]))


def ethertype(text: str) -> int:
    """Parse an Ethernet protocol, by name in upper or lower case, or by number.  Raises ValueError."""
    for name, number in NUMBERS.items():
        if name.lower() == text.lower():
            return number
    return U16(text)


def name_of(value: int) -> str:
    """Return the name of an Ethernet protocol, the first of several; its number in brackets if it has none."""
    return next((name for name, number in NUMBERS.items() if number == value), f"[{value}]")


def ethertype_name(value: int, record: Body, ip: Any) -> str:
    """Return the name of an Ethernet protocol: a read of a row."""
    return name_of(value)
