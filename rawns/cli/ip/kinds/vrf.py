"""VRF devices: a routing table of their own for the links that they are master of (ip-vrf(8))."""

from __future__ import annotations

from ..keywords import ValueKeyword
from ..name_tables import table_number
from ..render import OutputField
from .kind import LinkKind, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..hints import Body, IpContext, Iterator

HELP = "Usage: ... vrf table TABLEID"


def _show(data: Body, ip: IpContext) -> Iterator[OutputField]:
    for key in ("IFLA_VRF_TABLE", "IFLA_VRF_PORT_TABLE"):
        if key in data:
            yield OutputField("table", data[key], f"table {data[key]} ")


WORDS = [ValueKeyword("table*", "IFLA_VRF_TABLE", table_number, "invalid table ID\n")]
KINDS = {
    "vrf": described("vrf", HELP, WORDS, _show, "unknown option"),
    "vrf_slave": LinkKind("", None, _show),
}
