"""HSR and PRP: every frame is sent over two links, so that one may fail (ip-link(8), IEC 62439-3, net/hsr in the kernel)."""

from __future__ import annotations

from ..arguments import U8
from ..keywords import DeviceKeyword, ValueKeyword
from ..render import OutputRow, device_name
from .kind import described, show

HELP = """\
Usage:\tip link add name NAME type hsr slave1 SLAVE1-IF slave2 SLAVE2-IF
\t[ supervision ADDR-BYTE ] [version VERSION] [proto PROTOCOL]

NAME
\tname of new hsr device (e.g. hsr0)
SLAVE1-IF, SLAVE2-IF
\tthe two slave devices bound to the HSR device
ADDR-BYTE
\t0-255; the last byte of the multicast address used for HSR supervision
\tframes (default = 0)
VERSION
\t0,1; the protocol version to be used. (default = 0)
PROTOCOL
\t0 - HSR, 1 - PRP. (default = 0 - HSR)"""


WORDS = [
    ValueKeyword("supervision*", "IFLA_HSR_MULTICAST_SPEC", U8, "ADDR-BYTE is invalid"),
    ValueKeyword("version*", "IFLA_HSR_VERSION", U8, "version is invalid"),
    ValueKeyword("proto*", "IFLA_HSR_PROTOCOL", U8, "protocol is invalid"),
    DeviceKeyword("slave1*", "IFLA_HSR_SLAVE1", "No such interface"),
    DeviceKeyword("slave2*", "IFLA_HSR_SLAVE2", "No such interface"),
]
ROWS = (
    OutputRow("IFLA_HSR_SLAVE1", "slave1", "slave1 %s ", device_name),
    OutputRow("IFLA_HSR_SLAVE2", "slave2", "slave2 %s ", device_name),
    OutputRow("IFLA_HSR_SEQ_NR", "seq_nr", "sequence %d "),
    OutputRow("IFLA_HSR_SUPERVISION_ADDR", "supervision_addr", "supervision %s "),
    OutputRow("IFLA_HSR_PROTOCOL", "proto", "proto %d "),
)
KINDS = {"hsr": described("hsr", HELP, WORDS, show(ROWS), "what is")}
