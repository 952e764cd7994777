"""XFRM interfaces: links whose packets the IPsec policies of one id apply to (ip-link(8), net/xfrm in the kernel)."""

from __future__ import annotations

from ..arguments import U32, within
from ..grammar import FAILED, CommandError
from ..keywords import ConstantKeyword, DeviceKeyword, ValueKeyword
from ..reads import hexadecimal
from ..render import OutputRow
from .kind import described, required, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Record

HELP = """\
Usage: ... xfrm dev [ PHYS_DEV ] [ if_id IF-ID ]
\t\t[ external ]

Where: IF-ID := { 0x1..0xffffffff }"""


def _shown_id(value: int, record: Body, ip: IpContext) -> str | None:
    return None if "IFLA_XFRM_COLLECT_METADATA" in record else hexadecimal(value, record, ip)


WORDS = [
    DeviceKeyword("dev*", "IFLA_XFRM_LINK"),
    ValueKeyword("if_id*", "IFLA_XFRM_IF_ID", within(U32, 1), "if_id value is invalid"),
    ConstantKeyword("external", "IFLA_XFRM_COLLECT_METADATA", True),
]
ROWS = (
    OutputRow("IFLA_XFRM_COLLECT_METADATA", "external", "external "),
    OutputRow("IFLA_XFRM_IF_ID", "if_id", "if_id %s ", _shown_id),
)


def _finish(record: Record, creates: bool) -> Record:
    if "IFLA_XFRM_COLLECT_METADATA" in record:
        if len(record) > 1:
            raise CommandError("xfrmi: both 'external' and if_id/link cannot be specified", FAILED)
    elif "IFLA_XFRM_IF_ID" not in record:
        raise required("IF_ID")
    return record


KINDS = {"xfrm": described("xfrm", HELP, WORDS, show(ROWS), "", _finish)}
