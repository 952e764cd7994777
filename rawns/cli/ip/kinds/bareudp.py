"""Bare UDP tunnels: packets of one network protocol with nothing but UDP before them (ip-link(8), drivers/net/bareudp.c)."""

from __future__ import annotations

from ..arguments import U16
from ..ethertypes import ethertype, ethertype_name
from ..keywords import ConstantKeyword, ValueKeyword
from ..reads import flag_row
from ..render import OutputField, OutputRow, fields
from .kind import described, required

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Iterator, Record

HELP = """\
Usage: ... bareudp dstport PORT
\t\tethertype PROTO
\t\t[ srcportmin PORT ]
\t\t[ [no]multiproto ]

Where:\tPORT  := UDP_PORT
\tPROTO := ETHERTYPE

Note: ETHERTYPE can be given as number or as protocol name ("ipv4", "ipv6",
      "mpls_uc", etc.)."""


WORDS = [
    ValueKeyword("dstport*", "IFLA_BAREUDP_PORT", U16, "dstport"),
    ValueKeyword("ethertype*", "IFLA_BAREUDP_ETHERTYPE", ethertype, "ethertype"),
    ValueKeyword("srcportmin*", "IFLA_BAREUDP_SRCPORT_MIN", U16, "srcportmin"),
    ConstantKeyword("multiproto*", "IFLA_BAREUDP_MULTIPROTO_MODE", True),
    ConstantKeyword("nomultiproto*", "IFLA_BAREUDP_MULTIPROTO_MODE", False),
]
ROWS = (
    OutputRow("IFLA_BAREUDP_PORT", "dstport", "dstport %d "),
    OutputRow("IFLA_BAREUDP_ETHERTYPE", "ethertype", "ethertype %s ", ethertype_name),
    OutputRow("IFLA_BAREUDP_SRCPORT_MIN", "srcportmin", "srcportmin %d "),
    flag_row("IFLA_BAREUDP_MULTIPROTO_MODE", "multiproto", "multiproto"),
)


def _finish(record: Record, creates: bool) -> Record:
    for name, key in (("dstport", "PORT"), ("ethertype", "ETHERTYPE")):
        if f"IFLA_BAREUDP_{key}" not in record:
            raise required(name)
    if not record.get("IFLA_BAREUDP_MULTIPROTO_MODE", True):
        del record["IFLA_BAREUDP_MULTIPROTO_MODE"]
    return record


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    return fields(ROWS, {"IFLA_BAREUDP_MULTIPROTO_MODE": False, **data}, ip)


KINDS = {"bareudp": described("bareudp", HELP, WORDS, _show, finish=_finish, once=True)}
