"""VRF devices: a routing table of their own for the links that they are master of (ip-vrf(8))."""

from __future__ import annotations

from .. import name_tables
from ..keywords import ValueKeyword
from ..render import OutputField
from .kind import LinkKind, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Iterator

HELP = "Usage: ... vrf table TABLEID"


def _table(text: str) -> int:
    return name_tables.number_of("rt_tables", text, 0xFFFFFFFF)


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    for key in ("IFLA_VRF_TABLE", "IFLA_VRF_PORT_TABLE"):
        if key in data:
            yield OutputField("table", data[key], f"table {data[key]} ")


WORDS = [ValueKeyword("table*", "IFLA_VRF_TABLE", _table, "invalid table ID\n")]
KINDS = {
    "vrf": described("vrf", HELP, WORDS, _show, "unknown option"),
    "vrf_slave": LinkKind("", None, _show),
}
